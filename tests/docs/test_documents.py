"""The documents say what is true: sessions print what they show, links lead somewhere, the reference is current."""

from __future__ import annotations

import difflib
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import sessions  # noqa: E402

DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("file", sessions.documents(), ids=lambda file: file.name)
def test_sessions_print_what_the_document_shows(file: Path) -> None:
    shown = file.read_text("utf-8")
    now = sessions.replay(shown)
    before, after = (sessions.settled(text).splitlines() for text in (shown, now))
    assert before == after, "\n".join(difflib.unified_diff(before, after, "document", "now", lineterm=""))


def test_the_reference_is_what_the_code_says() -> None:
    done = subprocess.run([sys.executable, ROOT / "tools" / "reference.py", "--check"], check=False)
    assert done.returncode == 0, "type `make docs`"


@pytest.mark.parametrize("file", [file for file in DOCUMENTS if file.exists()], ids=lambda file: file.name)
def test_links_between_documents_lead_somewhere(file: Path) -> None:
    text = re.sub(r"```.*?```", "", file.read_text("utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
        if "://" not in target:
            assert (file.parent / target).exists(), f"{file.name} links to {target}, which is not there"


def test_make_targets_that_documents_name_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for file in DOCUMENTS:
        for target in re.findall(r"`make ([a-z-]+)", file.read_text("utf-8") if file.exists() else ""):
            assert target in targets, f"{file.name} names make {target}"
