"""Numbers, sizes, times and values as people read them."""

from __future__ import annotations

import datetime
import json
import math

from cloche.model.paths import encode_path
from cloche.model.plan import Plan
from cloche.model.run import ID_SHOWN, Run
from cloche.model.run_row import RunRow
from cloche.model.values import Value

MOST_WHOLE = 1e15  # up to here a float holds every whole number
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def size(count: int) -> str:
    """Bytes with a decimal unit.

    >>> size(512), size(1_048_576)
    ('512 B', '1.0 MB')
    """
    number = float(count)
    for unit in _UNITS:
        if number < 1000 or unit == _UNITS[-1]:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    raise AssertionError


def memory(count: int) -> str:
    """A peak of memory; a process that ended at once was not measured."""
    return size(count) if count else "not measured"


def seconds(number: float) -> str:
    """A duration.

    >>> seconds(0.034), seconds(75), seconds(3725)
    ('0.03 s', '1 min 15 s', '1 h 2 min')
    """
    if number < 10:
        return f"{number:.2f} s"
    if number < 60:
        return f"{number:.1f} s"
    minutes, rest = divmod(round(number), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def metric(number: float | None) -> str:
    """A metric with six significant digits; a whole number with all of them.

    >>> metric(0.8251349), metric(1234567.0), metric(None)
    ('0.825135', '1234567', '')
    """
    if number is None:
        return ""
    return f"{number:.0f}" if abs(number) < MOST_WHOLE and number == int(number) else f"{number:.6g}"


def change(number: float | None) -> str:
    """A difference with its sign.

    >>> change(0.0123), change(-2.0), change(0.0)
    ('+0.0123', '-2', '=')
    """
    if number is None:
        return ""
    return "=" if number == 0 else "nan" if math.isnan(number) else f"{number:+.4g}"


def value(one: Value) -> str:
    """A config value as TOML or JSON would write it, so that "1" and 1 differ."""
    return json.dumps(one, ensure_ascii=False)


def moment(stamp: float) -> str:
    """A time stamp in local time."""
    return datetime.datetime.fromtimestamp(stamp).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def short_moment(stamp: float) -> str:
    """A time stamp in local time, for where there is little room."""
    return datetime.datetime.fromtimestamp(stamp).astimezone().strftime("%m-%d %H:%M")


def command(run: Run | RunRow) -> str:
    """What was run, on one line."""
    import shlex

    if run.command:
        return shlex.join(run.command)
    stages = getattr(run, "stages", ())
    return "stages " + " ".join(stage.name for stage in stages) if stages else "pipeline"


def target_name(plan: Plan) -> str:
    """What a plan goes back to."""
    return plan.target if "." in plan.target else f"run {plan.target[:ID_SHOWN]}"


def shorten(text: str, width: int) -> str:
    """`text` cut to `width`, with a sign that it was."""
    return text if len(text) <= width else text[: width - 1] + "…"


def one_line(text: str) -> str:
    r"""`text` with whatever would break its line or steer a terminal written out.

    >>> one_line("two\nlines")
    'two\\x0alines'
    """
    return encode_path(text).replace("\\\\", "\\") if not text.isprintable() else text


def plural(count: int, noun: str, nouns: str = "") -> str:
    """A count with its noun.

    >>> plural(1, "file"), plural(1234, "file")
    ('1 file', '1,234 files')
    """
    return f"{count:,} {noun if count == 1 else nouns or noun + 's'}"
