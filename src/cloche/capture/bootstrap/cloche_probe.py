"""Tells what an interpreter is: `PYTHON -S -B cloche_probe.py` writes one JSON object. It must parse on Python 2.7.

With -S nothing of the user's runs: no sitecustomize, no code in .pth files. The folders that `site` would have put
on sys.path are worked out by `cloche_site`.
"""

# ruff: noqa: UP031, UP036 - it must parse on Python 2.7
import os
import sys

_here = os.path.dirname(os.path.abspath(__file__))
sys.path[:] = [_entry for _entry in sys.path if _entry != _here]
if sys.version_info < (3, 8):
    sys.stdout.write('{"version": "%d.%d.%d"}' % sys.version_info[:3])
else:
    sys.path.insert(0, _here)
    import cloche_inside  # type: ignore[import-not-found,unused-ignore]
    import cloche_site  # type: ignore[import-not-found,unused-ignore]

    sys.path.remove(_here)
    _sites = cloche_site.complete_path()
    os.write(1, cloche_inside.encode(dict(cloche_inside.facts(), sites=_sites)).encode("ascii"))
