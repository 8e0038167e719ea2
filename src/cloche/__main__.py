"""`python -m cloche`."""

from cloche.cli.start import main

main()
