"""Layer 3, world: what a run is made of, as it is read from Git, Python, parameter files and the machine.

`git` and `code` list the code, `secrets` keeps secrets out of it, `config` reads parameters, `environment` looks
inside an interpreter, `bootstrap` records from inside the processes of a run and `spool` reads that back.
"""
