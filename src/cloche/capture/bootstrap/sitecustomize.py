"""What every Python process of a run imports first, because this folder leads its PYTHONPATH.

It steps out of the way (off sys.path and out of sys.modules), starts the recording, and lets the interpreter
import the user's own sitecustomize, if there is one. It must parse on Python 2.7, where it only steps out of the way.
"""

# ruff: noqa: UP036 - it must parse on Python 2.7
import sys

_here = __file__[: max(__file__.rfind("/"), __file__.rfind("\\"))]
# The name keeps this module alive while it is no longer in sys.modules.
_myself = sys.modules.pop(__name__, None)
if sys.version_info >= (3, 8):
    try:
        import cloche_inside  # type: ignore[import-not-found,unused-ignore]

        sys.modules.pop("cloche_inside", None)
        sys.path[:] = [_entry for _entry in sys.path if _entry != _here]
        cloche_inside.start(_here)
    except Exception:  # noqa: S110 - the user's program matters more than its record
        pass
sys.path[:] = [_entry for _entry in sys.path if _entry != _here]
sys.path_importer_cache.pop(_here, None)

# Without one of the user's own this raises the very ImportError that the interpreter expects and passes over.
import sitecustomize  # type: ignore[import-not-found,unused-ignore] # noqa: E402, F401
