"""The scenarios of the store: what is done with MANY, BIG, TABLE and MODEL, in every tool."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import data
from harness import Bench, Wrong
from timing import Call, Taken, take
from tools import Lacks, Tool

MANY, BIG, TABLE, MODEL = "many", "wave.big", "features.csv", "weights.model"


def many(bench: Bench) -> None:
    """MANY small files through all that is done with them."""
    start = bench.place / MANY
    data.many(start, bench.sizes.many)
    bench.row("add many").of = bench.row("push s3").of = data.size_of([start])
    ready = bench.turns("add many", _cold(bench, MANY), _size(bench, "add many"), bench.tools)
    digests = {0: data.digest(start)}
    versions = {tool.name: 0 for tool in ready}
    for tool in ready:
        tool.keep(0)
    _status(bench, ready)

    def change(tool: Tool, turn: int) -> Sequence[Call]:
        data.touch(tool.root / MANY, turn)
        return tool.add(MANY)

    def changed(tool: Tool, turn: int) -> None:
        versions[tool.name] = turn + 1
        digests[turn + 1] = data.digest(tool.root / MANY)
        tool.keep(turn + 1)

    ready = bench.turns("add 1%", change, changed, [tool for tool in ready if tool.name != "by hand"])

    def back(tool: Tool, turn: int) -> Sequence[Call]:
        return tool.switch(versions[tool.name] - 1)

    def forth(tool: Tool, turn: int) -> None:
        _same(tool.root / MANY, digests[versions[tool.name] - 1])
        take(tool.switch(versions[tool.name]), tool.base, tool.limit)

    bench.turns("switch", back, forth, ready)
    _restore_many(bench, ready, {tool.name: digests[versions[tool.name]] for tool in ready})
    _remotes(bench, ready, {tool.name: digests[versions[tool.name]] for tool in ready})


def _restore_many(bench: Bench, ready: Sequence[Tool], expected: Mapping[str, str]) -> None:
    hand = [tool for tool in bench.tools if tool.name == "by hand"]
    for tool in hand:
        bench.fresh(tool)
        (tool.folder / "kept").mkdir()
        shutil.copytree(ready[0].root / MANY, tool.folder / "kept" / MANY) if ready else None

    def restore(tool: Tool, turn: int) -> Sequence[Call]:
        shutil.rmtree(tool.root / MANY, ignore_errors=True)
        return tool.restore(MANY)

    def restored(tool: Tool, turn: int) -> None:
        _same(tool.root / MANY, expected.get(tool.name) or data.digest(tool.folder / "kept" / MANY))

    bench.turns("restore many", restore, restored, [*ready, *hand])


def _status(bench: Bench, ready: Sequence[Tool]) -> None:
    """With nothing changed; and a status that would not see a change does not count."""
    clean: dict[str, str] = {}

    def seen(tool: Tool, turn: int) -> None:
        clean[tool.name] = bench.rows["status"].taken[tool.name][-1].printed
        if turn:
            return
        first = next(path for path in sorted((tool.root / MANY).rglob("*")) if path.is_file())
        before, facts = first.read_bytes(), first.stat()
        first.write_bytes(before + b"more")
        told = take(tool.status(), tool.base, tool.limit).printed
        first.write_bytes(before)
        os.utime(first, ns=(facts.st_atime_ns, facts.st_mtime_ns))
        take(tool.status(), tool.base, tool.limit)  # let it learn the file's new times
        if told == clean[tool.name]:
            raise Wrong("status does not see a changed file")

    bench.turns("status", lambda tool, turn: tool.status(), seen, ready)


def _remotes(bench: Bench, ready: Sequence[Tool], expected: Mapping[str, str]) -> None:
    """Push to a folder, clone + pull from it, push to an S3 server."""

    def push(tool: Tool, turn: int) -> Sequence[Call]:
        shutil.rmtree(tool.folder / "remotes", ignore_errors=True)
        (tool.folder / "remotes").mkdir()
        tool.remote(tool.folder / "remotes" / str(turn))
        return tool.push()

    def pull(tool: Tool, turn: int) -> Sequence[Call]:
        shutil.rmtree(tool.clone, ignore_errors=True)
        return tool.pull(MANY)

    def pulled(tool: Tool, turn: int) -> None:
        _same(tool.clone / MANY, expected[tool.name])
        shutil.rmtree(tool.clone)

    pushed = bench.turns("push folder", push, _size(bench, "push folder", "remotes"), ready)
    bench.turns("clone and pull", pull, pulled, pushed)
    asked, row = 0, bench.row("push s3")

    def push_s3(tool: Tool, turn: int) -> Sequence[Call]:
        nonlocal asked
        if bench.s3 is None:
            raise Lacks("moto is not installed")
        bench.s3.start()
        bench.s3.empty()
        tool.remote(f"s3://bench/{tool.name}{turn}")
        asked = bench.s3.requests()
        return tool.push()

    def pushed_s3(tool: Tool, turn: int) -> None:
        row.requests[tool.name] = bench.s3.requests() - asked if bench.s3 else 0

    bench.turns("push s3", push_s3, pushed_s3, ready)


def big(bench: Bench) -> None:
    """One huge file, and the same with one byte put in."""
    bench.row("add big").of = bench.row("one byte").of = bench.sizes.big

    def insert(path: Path) -> None:
        data.inserted(path, path.with_suffix(".next"))
        path.with_suffix(".next").replace(path)

    _versions(bench, ("add big", "one byte"), BIG, lambda path: data.big(path, bench.sizes.big), insert)

    def copy(tool: Tool, turn: int) -> Sequence[Call]:
        bench.fresh(tool)
        data.big(tool.root / BIG, bench.sizes.big)
        return [tool.call("cp", BIG, f"{BIG}.copy")]

    bench.turns("copy big", copy, tools=[tool for tool in bench.tools if tool.name == "by hand"])
    bench.clear()


def table(bench: Bench) -> None:
    """A table and its next version; and one of narrow rows, where an edit is everywhere."""
    _table(bench, ("add table", "table 2"), 150)
    _table(bench, ("add narrow", "narrow 2"), 12)


def _table(bench: Bench, keys: tuple[str, str], columns: int) -> None:
    bench.row(keys[0]).of = bench.row(keys[1]).of = bench.sizes.table

    def edit(path: Path) -> None:
        data.next_table(path, path.with_suffix(".next"), columns=columns)
        path.with_suffix(".next").replace(path)

    _versions(bench, keys, TABLE, lambda path: data.table(path, bench.sizes.table, columns=columns), edit)


def _versions(
    bench: Bench, keys: tuple[str, str], name: str, make: Callable[[Path], object], follow: Callable[[Path], object]
) -> None:
    """Add a file cold in every turn; after the first one also its next version, with the bytes that took."""

    def add(tool: Tool, turn: int) -> Sequence[Call]:
        bench.clear()  # one tool at a time: there may be no room for all
        bench.fresh(tool)
        make(tool.root / name)
        return tool.add(name)

    def added(tool: Tool, turn: int) -> None:
        if turn == 0 and tool.name != "by hand":
            tool.keep(0)
            bench.row(keys[0]).bytes[tool.name] = bench.stored(tool)
            bench.turns(keys[1], add_next, added_next, [tool], 1)

    def add_next(tool: Tool, turn: int) -> Sequence[Call]:
        follow(tool.root / name)
        return tool.add(name)

    def added_next(tool: Tool, turn: int) -> None:
        digest = data.digest(tool.root / name)
        tool.keep(1)
        bench.row(keys[1]).bytes[tool.name] = bench.stored(tool) - bench.row(keys[0]).bytes[tool.name]
        (tool.root / name).unlink()
        take(tool.restore(name), tool.base, tool.limit)
        _same(tool.root / name, digest)

    bench.turns(keys[0], add, added, bench.tools)
    bench.clear()


def model(bench: Bench) -> None:
    """Checkpoints of one model, one after the other; what all of them take."""
    row = bench.row("model")
    row.of = bench.sizes.model * bench.sizes.checkpoints
    for tool in bench.tools:
        if tool.name == "by hand":
            continue
        bench.fresh(tool)
        data.model(tool.root / MODEL, bench.sizes.model)
        _checkpoints(bench, tool)
        bench.clear()


def _checkpoints(bench: Bench, tool: Tool) -> None:
    total = Taken()

    def add(tool: Tool, turn: int) -> Sequence[Call]:
        nonlocal total
        for number in range(bench.sizes.checkpoints - 1):
            total += take(tool.add(MODEL), tool.base, tool.limit)
            tool.keep(number)
            data.next_model(tool.root / MODEL, 100 + number)
        return tool.add(MODEL)

    def added(tool: Tool, turn: int) -> None:
        taken = bench.row("model").taken[tool.name]
        taken[-1] += total
        tool.keep(bench.sizes.checkpoints - 1)
        digest = data.digest(tool.root / MODEL)
        bench.row("model").bytes[tool.name] = bench.stored(tool)
        (tool.root / MODEL).unlink()
        take(tool.restore(MODEL), tool.base, tool.limit)
        _same(tool.root / MODEL, digest)

    bench.turns("model", add, added, [tool], 1)


def million(bench: Bench) -> None:
    """Status of very many small files, nothing changed."""
    _crowd(bench, bench.sizes.million, "add million", "status million", bench.runs)


def memory(bench: Bench) -> None:
    """The peak of memory with more files still."""
    _crowd(bench, bench.sizes.crowd, "add crowd", "status crowd", 1)


def _crowd(bench: Bench, count: int, first: str, second: str, runs: int) -> None:
    for tool in bench.tools:
        if tool.name not in ("cloche", "git"):
            continue
        bench.fresh(tool)
        data.crowd(tool.root / MANY, count)
        for one in bench.turns(first, lambda tool, turn: tool.add(MANY), tools=[tool], runs=1):
            one.keep(0)
            bench.turns(second, lambda tool, turn: tool.status(), tools=[one], runs=runs)
        bench.clear()


def _cold(bench: Bench, name: str) -> Callable[[Tool, int], Sequence[Call]]:
    """A new project with a copy of the data, and its first add."""

    def action(tool: Tool, turn: int) -> Sequence[Call]:
        bench.fresh(tool)
        shutil.copytree(bench.place / name, tool.root / name)
        return tool.add(name)

    return action


def _size(bench: Bench, key: str, beside: str = "") -> Callable[[Tool, int], None]:
    """Count what is stored afterwards, in the store or in another folder of the tool."""

    def after(tool: Tool, turn: int) -> None:
        paths = [tool.folder / beside] if beside else tool.stored()
        bench.row(key).bytes[tool.name] = data.size_of(paths)

    return after


def _same(path: Path, digest: str) -> None:
    if data.digest(path) != digest:
        raise Wrong(f"{path.name} has other bytes than it was given")


SCENARIOS: Mapping[str, Callable[[Bench], None]] = {
    "many": many,
    "million": million,
    "big": big,
    "table": table,
    "model": model,
    "memory": memory,
}


def room(name: str, sizes: data.Sizes, tools: int) -> int:
    """Bytes that a scenario takes at its highest, projects and stores and remotes."""
    small = {"many": int(sizes.many * 14_000 * (1.7 * tools + 3)), "million": sizes.million * 6_000 * 2}
    large = {"big": 4 * sizes.big, "table": 5 * sizes.table, "memory": sizes.crowd * 6_000 * 2}
    return small.get(name) or large.get(name) or sizes.model * (sizes.checkpoints + 2)
