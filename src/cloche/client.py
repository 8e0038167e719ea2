"""The light client: what a training script may call. Standard library only, Python 3.8 and later.

    import cloche

    lr = cloche.params()["train"]["lr"]
    for epoch in range(10):
        ...
        cloche.log(step=epoch, loss=loss, auc=auc)

Under `cloche run` this works even where Cloche is not installed. Outside a run `params()` is empty and `log()` does
nothing, so a script needs no special case. Nothing here stops or slows a training: a full disk costs one warning.
"""

# ruff: noqa: UP031, UP032, UP037 - it must run on Python 3.8
# Only modules that every interpreter has loaded already: a project's own `json.py` must not stand in for one.
import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

__all__ = ["log", "open_file", "params", "run_id"]

FILE = "series.jsonl"
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_INFINITY = float("inf")
_STEP_LIMIT = 2**63
_state = {"warned": False, "torn": False}


def run_id() -> str:
    """The id of the run that this process belongs to; empty outside a run."""
    return os.environ.get("CLOCHE_RUN", "")


def log(values: "Mapping[str, Any] | None" = None, /, step: "int | None" = None, **named: "Any") -> bool:
    """Record metrics of this run: `log(step=3, loss=0.2)` or `log({"val/auc": 0.8}, step=3)`.

    Values are numbers: int, float, bool (1 or 0), NaN and infinities, or anything of one element that `float()` takes,
    such as a NumPy scalar or a PyTorch tensor. step: a whole number; without one the calls of this process are
    counted from 0 for each key. Returns whether the values were written: False outside a run, where it does nothing,
    and when they could not be (one warning on stderr, and the training goes on).

    Raises TypeError for a value that is no number, naming its key, and for a step that is no whole number.
    """
    merged = dict(values or {}, **named)
    numbers = {key: _number(key, value) for key, value in merged.items()}
    at = None if step is None else _step(step)
    folder = os.environ.get("CLOCHE_RUN_FOLDER", "")
    if not folder or not numbers:
        return False
    pairs = ",".join(_quote(key) + ":" + _text(number) for key, number in numbers.items())
    place = "null" if at is None else str(at)
    return _append(folder, '{"pid":%d,"time":%r,"step":%s,"values":{%s}}\n' % (os.getpid(), time.time(), place, pairs))


def params(defaults: "Mapping[str, Any] | None" = None) -> "dict[str, Any]":
    """The config of this run as nested dictionaries, overrides included: `params()["train"]["lr"]`.

    defaults: nested values for keys that the run does not have; outside a run they are all there is. Each call gives
    a copy of its own, so a change to it changes nothing else. A key that two parameter files have is found under its
    plain name for the first of them and under `FILE:KEY` for the second.
    """
    found: "dict[str, Any]" = {}
    _merge(found, defaults or {})
    _merge(found, nest(_read_params()))
    return found


def open_file(name: str, *_: "Any", **__: "Any") -> "Any":
    """A file of a run needs the whole of Cloche, which reads the store: this raises RuntimeError and says so."""
    raise RuntimeError(
        "cloche.open_file({!r}): only the light client of `cloche run` is here, which cannot read the store; "
        "install cloche in the environment of {}".format(name, sys.executable)
    )


def _read_params() -> "dict[str, Any]":
    text = os.environ.get("CLOCHE_PARAMS", "")
    if text.startswith("@"):
        with open(text[1:], encoding="utf-8") as file:
            text = file.read()
    value = read_json(text)[0] if text else {}
    return value if isinstance(value, dict) else {}


def nest(flat: "Mapping[str, Any]") -> "dict[str, Any]":
    """Nested dictionaries from dotted keys. What stands before a colon (`FILE:KEY`) is one part."""
    found: "dict[str, Any]" = {}
    for key, value in flat.items():
        file, colon, rest = key.rpartition(":")
        parts = rest.split(".")
        parts[0] = file + colon + parts[0]
        here = found
        for part in parts[:-1]:
            below = here.setdefault(part, {})
            if not isinstance(below, dict):
                # `a` and `a.b` are both values: the second keeps its dotted name.
                here, parts = found, [key]
                break
            here = below
        here[parts[-1]] = value
    return found


def _merge(into: "dict[str, Any]", table: "Mapping[str, Any]") -> None:
    for key, value in table.items():
        if hasattr(value, "items"):
            below = into.get(key)
            if not isinstance(below, dict):
                below = into[key] = {}
            _merge(below, value)
        else:
            into[key] = list(value) if isinstance(value, list) else value


def _number(key: object, value: "Any") -> float:
    if not isinstance(key, str):
        raise TypeError("cloche.log: the key {!r} is not text".format(key))
    if isinstance(value, (str, bytes, bytearray, complex)) or not _countable(value):
        kind = type(value).__name__
        raise TypeError("cloche.log: the value of {!r} is not a number but {}".format(key, kind))
    try:
        # Of an array with one element `float` takes no more than the element itself.
        return float(value.item() if getattr(value, "shape", ()) else value)
    except Exception as error:
        raise TypeError("cloche.log: the value of {!r} is not one number: {}".format(key, error)) from None


def _countable(value: object) -> bool:
    kind = type(value)
    if not hasattr(kind, "__float__") and not hasattr(kind, "__index__"):
        return False
    shape = getattr(value, "shape", ())
    return not any(length != 1 for length in shape) if isinstance(shape, tuple) else True


def _step(step: "Any") -> int:
    try:
        number = step.__index__() if hasattr(step, "__index__") else int(step)
        if isinstance(step, (str, bytes)) or number != step or not -_STEP_LIMIT <= number < _STEP_LIMIT:
            raise ValueError
    except Exception:
        raise TypeError("cloche.log: step is not a whole number but {!r}".format(step)) from None
    return int(number)


def _text(number: float) -> str:
    if number != number:  # noqa: PLR0124 - NaN
        return '"nan"'
    if number in (_INFINITY, -_INFINITY):
        return '"inf"' if number > 0 else '"-inf"'
    return repr(number)


def _append(folder: str, line: str) -> bool:
    """One record, one write, so that processes and threads do not mix theirs and a killed one loses nothing."""
    path = os.path.join(folder, FILE)
    # After a record that was cut short the next one starts on a line of its own.
    data = (("\n" if _state["torn"] else "") + line).encode("ascii")
    try:
        fd = os.open(path, _FLAGS, 0o666)
        try:
            written = os.write(fd, data)
        finally:
            os.close(fd)
        _state["torn"] = written != len(data)
        if not _state["torn"]:
            return True
        raise OSError("only {} of {} bytes could be written".format(written, len(data)))
    except OSError as error:
        _warn("cloche: metrics cannot be recorded, going on without: {}\n".format(error))
        return False


def _warn(text: str) -> None:
    if _state["warned"]:
        return
    _state["warned"] = True
    try:  # noqa: SIM105
        sys.stderr.write(text)
    except Exception:  # noqa: S110 - stderr may be closed
        pass


def _quote(text: str) -> str:
    raw = text.encode("utf-16-be", "surrogatepass")
    units = [(raw[at] << 8) + raw[at + 1] for at in range(0, len(raw), 2)]
    return '"' + "".join(chr(u) if 32 <= u < 127 and u not in (34, 92) else "\\u%04x" % u for u in units) + '"'


_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_WORDS = {"true": True, "false": False, "null": None, "NaN": float("nan"), "Infinity": _INFINITY}


def read_json(text: str, at: int = 0) -> "tuple[Any, int]":
    """The JSON value at a place in `text`, and where it ends. Raises ValueError where there is none."""
    at = _skip(text, at)
    first = text[at : at + 1]
    if first == '"':
        return _read_text(text, at + 1)
    if first == "{":
        return _read_table(text, at + 1)
    if first == "[":
        return _read_list(text, at + 1)
    end = at
    while end < len(text) and text[end] not in ",]} \t\r\n":
        end += 1
    word = text[at:end]
    if word in _WORDS:
        return _WORDS[word], end
    if word == "-Infinity":
        return -_INFINITY, end
    return (float(word) if any(letter in word for letter in ".eE") else int(word)), end


def _skip(text: str, at: int) -> int:
    while text[at : at + 1] in (" ", "\t", "\r", "\n"):
        at += 1
    return at


def _read_text(text: str, at: int) -> "tuple[str, int]":
    parts: "list[str]" = []
    while True:
        letter = text[at : at + 1]
        if letter in ("", '"'):
            if not letter:
                raise ValueError("text without an end")
            # Pairs of surrogates become one letter.
            whole = "".join(parts).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
            return whole, at + 1
        if letter == "\\":
            escape = text[at + 1 : at + 2]
            if escape == "u":
                parts.append(chr(int(text[at + 2 : at + 6], 16)))
                at += 6
                continue
            letter = _ESCAPES.get(escape, escape)
            at += 1
        parts.append(letter)
        at += 1


def _read_list(text: str, at: int) -> "tuple[list[Any], int]":
    found: "list[Any]" = []
    at = _skip(text, at)
    while text[at : at + 1] != "]":
        value, at = read_json(text, at)
        found.append(value)
        at = _after(text, at, "]")
    return found, at + 1


def _read_table(text: str, at: int) -> "tuple[dict[str, Any], int]":
    found: "dict[str, Any]" = {}
    at = _skip(text, at)
    while text[at : at + 1] != "}":
        key, at = read_json(text, at)
        at = _skip(text, at)
        if text[at : at + 1] != ":":
            raise ValueError("a key without a value")
        found[key], at = read_json(text, at + 1)
        at = _after(text, at, "}")
    return found, at + 1


def _after(text: str, at: int, end: str) -> int:
    """Where the next item starts, or the end of the list or table."""
    at = _skip(text, at)
    letter = text[at : at + 1]
    if letter == ",":
        return _skip(text, at + 1)
    if letter == end:
        return at
    raise ValueError("neither a comma nor " + end)
