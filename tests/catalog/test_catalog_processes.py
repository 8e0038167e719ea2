"""Several processes at once, and processes that are killed."""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from catalog_samples import ENVIRONMENT, a_run, run_number

from cloche.catalog.catalog import Catalog

HERE = str(Path(__file__).parent)
START = f"""
import sys, time
sys.path.insert(0, {HERE!r})
from pathlib import Path
from catalog_samples import ENVIRONMENT, a_run, run_number
from cloche.catalog.catalog import Catalog
file, first, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
"""
# A run, its tag and its operation belong together: no one may ever see one without the others.
WRITE = (
    START
    + """
print("up", flush=True)
sys.stdin.readline()
catalog = Catalog(file)
for number in range(first, first + count):
    with catalog.transaction():
        catalog.add_run(a_run(number, metrics={"n": number}), ENVIRONMENT)
        catalog.set_fact("tag", str(number), run_number(number))
        operation = catalog.start_operation("run", str(number), (), 1.0)
        catalog.finish_operation(operation.number)
    print(operation.number, flush=True)
catalog.close()
"""
)
HANG = (
    START
    + """
catalog = Catalog(file)
with catalog.transaction():
    catalog.add_run(a_run(first, message="x" * 1_000_000), ENVIRONMENT)
    catalog.set_fact("tag", str(first), run_number(first))
    catalog.start_operation("run", "hangs", (), 1.0)
    print("up", flush=True)
    time.sleep(600)
"""
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "catalog.db"


@contextlib.contextmanager
def process(program: str, file: Path, first: int = 0, count: int = 0) -> Iterator[subprocess.Popen[str]]:
    """A process that has said that it is up; killed in the end if it still runs."""
    command = [sys.executable, "-c", program, str(file), str(first), str(count)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            assert running.stdout.readline() == "up\n"
            yield running
        finally:
            running.kill()


def go(running: subprocess.Popen[str]) -> None:
    assert running.stdin is not None
    running.stdin.write("go\n")
    running.stdin.flush()


def is_consistent(catalog: Catalog) -> int:
    """How many runs there are, each with its tag and its operation, in one view."""
    with catalog.database.reading():
        runs = catalog.runs()
        numbers = [one.number for one in catalog.operations()]
        assert all(row.tags == (str(int(row.metrics["n"])),) for row in runs)
        assert numbers == list(range(len(runs), 0, -1))
    return len(runs)


def test_two_writers_and_a_reader_at_once(file: Path) -> None:
    with process(WRITE, file, 0, 40) as one, process(WRITE, file, 1000, 40) as two:
        go(one)
        go(two)  # both create the file
        seen: list[int] = []
        while one.poll() is None or two.poll() is None:
            if file.exists():
                with Catalog(file) as catalog:
                    seen.append(is_consistent(catalog))
        assert one.stdout is not None
        assert two.stdout is not None
        taken = [[int(line) for line in running.stdout] for running in (one, two) if running.stdout]
        assert (one.returncode, two.returncode) == (0, 0)
    assert all(numbers == sorted(numbers) and len(numbers) == 40 for numbers in taken)
    assert sorted(taken[0] + taken[1]) == list(range(1, 81))
    assert seen == sorted(seen)
    with Catalog(file) as catalog:
        assert is_consistent(catalog) == 80
        assert catalog.check() == []


def test_a_writer_killed_within_a_transaction_leaves_nothing(file: Path) -> None:
    with Catalog(file) as catalog:
        catalog.add_run(a_run(1, status="running"), ENVIRONMENT)
    with process(HANG, file, 2) as hanging:
        hanging.kill()
        hanging.wait()
    started = time.monotonic()
    with Catalog(file) as catalog:
        assert catalog.ids("") == [run_number(1)]
        assert catalog.facts("tag") == {}
        assert catalog.start_operation("run", "next", (), 1.0).number == 1
        assert catalog.check() == []
    assert time.monotonic() - started < 10  # no lock was left to wait for


@pytest.mark.parametrize("seed", range(4))
def test_a_writer_killed_at_any_moment_leaves_whole_records(file: Path, seed: int) -> None:
    chance = random.Random(seed)
    written = 0
    for attempt in range(3):
        with process(WRITE, file, attempt * 10_000, 10_000) as writer:
            go(writer)
            time.sleep(chance.uniform(0.0, 0.3))
            writer.kill()
            assert writer.stdout is not None
            acknowledged = [int(line) for line in writer.stdout if line.endswith("\n")]
        with Catalog(file) as catalog:
            now = is_consistent(catalog)
            assert now >= max(acknowledged, default=written)
            assert catalog.check() == []
        written = now
