"""The hand-written references name everything that the code knows, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from cloche import errors
from cloche.errors import ClocheError
from cloche.model.settings import Remote, Settings, Stage
from cloche.model.settings_text import parse_settings

DOCS = Path(__file__).parents[2] / "docs"


def kinds() -> list[type[ClocheError]]:
    return [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, ClocheError)]


@pytest.mark.parametrize("kind", [one for one in kinds() if one is not ClocheError], ids=lambda one: one.code)
def test_every_error_is_in_the_troubleshooting_guide(kind: type[ClocheError]) -> None:
    text = (DOCS / "guides" / "troubleshooting.md").read_text("utf-8")
    row = re.search(rf"^\| `{kind.code}` \| ([\d, ]+) \|", text, re.MULTILINE)
    assert row is not None
    assert str(kind.exit_status) in row[1].replace(" ", "").split(",")


def test_the_tree_at_the_top_of_errors_is_the_tree_of_classes() -> None:
    drawn = re.findall(r"(\w+) +(\d+) +([a-z-]+)$", errors.__doc__ or "", re.MULTILINE)
    real = [(one.__name__, str(one.exit_status), one.code) for one in kinds() if one is not ClocheError]
    assert sorted(drawn) == sorted(real)


def settings_keys() -> list[str]:
    sections = msgspec.structs.fields(Settings)
    plain = [one for one in sections if one.name not in ("stages", "remotes")]
    keys = [f"[{one.name}] {key.name}" for one in plain for key in msgspec.structs.fields(type(one.default))]
    named = (("stages", Stage), ("remotes", Remote))
    return keys + [f"[{name}.NAME] {key.name}" for name, kind in named for key in msgspec.structs.fields(kind)]


def test_the_settings_reference_has_exactly_the_keys_that_exist() -> None:
    text = (DOCS / "reference" / "settings.md").read_text("utf-8")
    assert sorted(re.findall(r"^\| `(\[[^`]+)` \|", text, re.MULTILINE)) == sorted(settings_keys())


def test_the_example_in_the_settings_reference_is_understood() -> None:
    text = (DOCS / "reference" / "settings.md").read_text("utf-8")
    example = re.search(r"^```toml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert example is not None
    assert parse_settings(example[1]).stages["train"].params == ("train",)
