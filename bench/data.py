"""The data that every tool is given: made from a seed, in seconds, and shaped like what people keep.

numpy is needed (the development packages bring it); nothing of Cloche is.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from blake3 import blake3

MIB = 1 << 20
GIB = 1 << 30
CELLS = np.array([b"%.4f," % (10 + n * 0.00137) for n in range(1 << 16)], dtype="S8")
CHANGED_BLOCK = MIB  # a checkpoint changes in runs of this size: whole layers, not single weights


@dataclass(frozen=True)
class Sizes:
    """How much of each; the full form is what docs/benchmarks.md speaks of."""

    many: int = 100_000
    million: int = 1_000_000
    crowd: int = 3_500_000
    big: int = 4 * GIB
    table: int = GIB
    model: int = 200_000_000
    checkpoints: int = 10

    def divided(self, by: int) -> Sizes:
        """The same shape in small."""
        return Sizes(
            max(self.many // by, 100),
            max(self.million // by, 100),
            max(self.crowd // by, 100),
            max(self.big // by, 4 * MIB),
            max(self.table // by, MIB),
            max(self.model // by, 2_000_000),
            self.checkpoints,
        )


def many(folder: Path, count: int, seed: int = 1) -> None:
    """Files of 1 to 20 KB, 200 a folder: three quarters CSV and JSON text, a quarter that does not compress."""
    random = np.random.default_rng(seed)
    text = _text(random, 16 * MIB)
    sizes = random.integers(1_000, 20_001, count)
    places = random.integers(0, 16 * MIB - 20_000, count)
    for number in range(count):
        if number % 200 == 0:
            inside = folder / f"part{number // 200:04}"
            inside.mkdir(parents=True)
        kind, size, place = number % 4, int(sizes[number]), int(places[number])
        head = f"file,{number},{seed}\n".encode()
        body = random.bytes(size) if kind == 3 else text[place : place + size]
        _write(inside / f"row{number:06}.{('csv', 'csv', 'json', 'bin')[kind]}", head + body)


def touch(folder: Path, turn: int) -> int:
    """Change every hundredth file, others each turn, in length too; how many."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())[turn % 100 :: 100]
    for path in files:
        content = path.read_bytes()
        _write(path, content[:500] + f"changed in turn {turn}\n".encode() + content[700:])
    return len(files)


def crowd(folder: Path, count: int) -> None:
    """Files of some 60 bytes, 1,000 a folder."""
    for number in range(count):
        if number % 1000 == 0:
            inside = folder / f"{number // 1_000_000}" / f"{number // 1000 % 1000:03}"
            inside.mkdir(parents=True)
        _write(
            inside / f"{number:07}.json", b'{"id": %d, "label": "%x", "kept": true}\n' % (number, number * 2654435761)
        )


def big(path: Path, size: int, seed: int = 2) -> None:
    """One file of samples as recorded: int16 of a noisy wave, which compresses a little."""
    random = np.random.default_rng(seed)
    wave = (3000 * np.sin(np.arange(8 * MIB) / 50)).astype("<i2")
    with open(path, "wb") as out:
        for done in range(0, size, wave.nbytes):
            noise = np.frombuffer(random.bytes(wave.nbytes), "<i2") >> 4
            out.write((wave + noise).tobytes()[: size - done])


def inserted(source: Path, target: Path) -> None:
    """The same with one byte more, at a third of it."""
    at = source.stat().st_size // 3
    with open(source, "rb") as read, open(target, "wb") as out:
        left = at
        while left:
            left -= out.write(read.read(min(left, 8 * MIB)))
        out.write(b"!")
        shutil.copyfileobj(read, out, 8 * MIB)


def table(path: Path, size: int, seed: int = 3, columns: int = 150) -> int:
    """A CSV of features, about 1.2 KB a row with 150 columns; how many rows."""
    random = np.random.default_rng(seed)
    with open(path, "wb") as out:
        out.write((",".join(["id", *(f"feature_{n}" for n in range(columns))]) + "\n").encode())
        rows = 0
        while out.tell() < size:
            out.write(_rows(random, rows, 500, columns))
            rows += 500
    return rows


def next_table(source: Path, target: Path, seed: int = 4, columns: int = 150) -> None:
    """The next version: one row in a hundred edited, anywhere, and 2% appended."""
    random = np.random.default_rng(seed)
    rows = 0
    with open(source, "rb") as read, open(target, "wb") as out:
        out.write(next(read))
        for line in read:
            rows += 1
            if random.random() < 0.01:
                cells = line.split(b",")
                for place in random.integers(1, columns, 3):
                    cells[place] = b"%.4f" % random.uniform(10, 99)
                line = b",".join(cells)  # noqa: PLW2901 - the line as it is now
            out.write(line)
        for first in range(0, rows // 50, 500):
            out.write(_rows(random, rows + first, min(500, rows // 50 - first), columns))


def model(path: Path, size: int, seed: int = 5) -> None:
    """A checkpoint: float32 weights, layer by layer of another spread."""
    random = np.random.default_rng(seed)
    with open(path, "wb") as out:
        for start in range(0, size, CHANGED_BLOCK):
            count = min(CHANGED_BLOCK, size - start) // 4
            out.write((random.standard_normal(count, dtype=np.float32) * random.uniform(0.005, 0.1)).tobytes())


def next_model(path: Path, seed: int) -> None:
    """Train on: 10% of the bytes change, in blocks at random places."""
    random = np.random.default_rng(seed)
    size = path.stat().st_size
    length = min(CHANGED_BLOCK, size // 20)
    with open(path, "r+b") as file:
        for slot in random.choice(size // length, size // length // 10, replace=False):
            file.seek(int(slot) * length)
            weights = np.frombuffer(file.read(length // 4 * 4), dtype="<f4")
            moved = weights + random.standard_normal(len(weights), dtype=np.float32) * np.float32(1e-3)
            file.seek(int(slot) * length)
            file.write(moved.astype("<f4").tobytes())


def digest(path: Path) -> str:
    """One digest over the names and bytes of a file or a tree."""
    total = blake3()
    for name, file in _files(path):
        total.update(name.encode() + b"\0")
        total.update(blake3().update_mmap(file).digest() if file.stat().st_size else b"")
    return total.hexdigest()


def size_of(paths: list[Path]) -> int:
    """Bytes of all files below: their lengths, holes left out."""
    total = 0
    for path in paths:
        for _, file in _files(path):
            facts = file.lstat()
            total += min(facts.st_size, facts.st_blocks * 512) if facts.st_size > MIB else facts.st_size
    return total


def _files(path: Path) -> Iterator[tuple[str, Path]]:
    if path.is_file():
        yield path.name, path
        return
    for folder, folders, names in os.walk(path):
        folders.sort()
        for name in sorted(names):
            file = Path(folder, name)
            yield str(file.relative_to(path)), file


def _text(random: np.random.Generator, size: int) -> bytes:
    """Half CSV, half JSON lines, as long as `size`."""
    rows = size // 60
    numbers, values = random.integers(0, 1_000_000, rows), random.normal(size=(rows, 3))
    cities = np.array(["Berlin", "Lima", "Oslo", "Quito", "Tokyo"])[random.integers(0, 5, rows)]
    lines: list[str] = []
    for number, (a, b, c), city in zip(numbers.tolist(), values.tolist(), cities.tolist(), strict=True):
        lines.append(f"{number},{city},{a:.4f},{b:.4f},{c:.4f}")
        lines.append(f'{{"id": {number}, "city": "{city}", "score": {a:.4f}}}')
    return ("\n".join(lines) + "\n").encode()[:size]


def _rows(random: np.random.Generator, first: int, count: int, columns: int) -> bytes:
    places = np.frombuffer(random.bytes(2 * count * columns), "<u2").reshape(count, columns)
    rows = (b"".join(cells) for cells in CELLS[places].tolist())
    return b"".join(b"%d,%s0\n" % (first + number, row) for number, row in enumerate(rows))


def _write(path: Path, content: bytes) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.write(file, content)
    os.close(file)
