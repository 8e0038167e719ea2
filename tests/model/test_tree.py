from __future__ import annotations

import os
import random
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloche.errors import Damaged, InputError
from cloche.model.digest import digest_bytes
from cloche.model.paths import encode_path
from cloche.model.tree import EMPTY_DIGEST, MAGIC, Entry, Kind, Tree, build_tree, decode_tree, encode_tree

_bytes = st.binary(min_size=1, max_size=12)
if sys.platform == "win32":
    _bytes = st.text("abc \\é", min_size=1, max_size=12).map(str.encode)
names = _bytes.filter(lambda raw: b"/" not in raw and b"\0" not in raw and raw not in (b".", b"..")).map(
    lambda raw: encode_path(os.fsdecode(raw))
)
digests = st.binary(min_size=32, max_size=32).map(bytes.hex)
kinds: st.SearchStrategy[Kind] = st.sampled_from(["f", "x", "l", "d"])


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    some = draw(st.sets(names, max_size=8))
    count = st.integers(0, 2**64 - 1)
    return tuple(Entry(name, draw(kinds), draw(digests), draw(count), draw(count)) for name in sorted(some))


@st.composite
def listings(draw: st.DrawFn) -> dict[str, Entry]:
    """Flat listings as a walk of a disk gives them: no file is also a folder, `d` only for empty directories."""
    paths = draw(st.lists(st.lists(names, min_size=1, max_size=4).map("/".join), max_size=12, unique=True))
    kept = [path for path in paths if not any(other.startswith(path + "/") for other in paths)]
    found: dict[str, Entry] = {}
    for path in kept:
        kind: Kind = draw(kinds)
        digest = EMPTY_DIGEST if kind == "d" else draw(digests)
        size, count = (0, 0) if kind == "d" else (draw(st.integers(0, 2**40)), 1)
        found[path] = Entry(path.rpartition("/")[2], kind, digest, size, count)
    return found


def flatten(digest: str, stored: dict[str, bytes], above: str = "") -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    for entry in decode_tree(stored[digest]):
        path = above + entry.name
        below = flatten(entry.digest, stored, path + "/") if entry.kind == "d" else {}
        found |= below or {path: entry}
    return found


@given(trees(), st.randoms(use_true_random=False))
def test_a_tree_comes_back_from_its_bytes_in_any_order(tree: Tree, shuffler: random.Random) -> None:
    data = encode_tree(tree)
    shuffled = list(tree)
    shuffler.shuffle(shuffled)
    assert encode_tree(shuffled) == data
    back = decode_tree(data)
    assert sorted(back, key=lambda entry: entry.name) == sorted(tree, key=lambda entry: entry.name)
    assert encode_tree(back) == data


@given(listings())
def test_a_listing_comes_back_from_its_trees(files: dict[str, Entry]) -> None:
    built = build_tree(files, "root")
    assert built.entry.name == "root"
    assert built.entry.kind == "d"
    assert all(digest_bytes(data) == digest for digest, data in built.trees.items())
    assert flatten(built.entry.digest, built.trees) == files
    assert built.entry.size == sum(entry.size for entry in files.values())
    assert built.entry.count == sum(entry.kind != "d" for entry in files.values())


@given(listings(), st.randoms(use_true_random=False))
def test_the_order_of_a_listing_does_not_count(files: dict[str, Entry], shuffler: random.Random) -> None:
    order = list(files)
    shuffler.shuffle(order)
    assert build_tree({path: files[path] for path in order}) == build_tree(files)


@given(listings())
def test_any_single_change_changes_the_digest(files: dict[str, Entry]) -> None:
    digest = build_tree(files).entry.digest
    for path, entry in files.items():
        without = {other: files[other] for other in files if other != path}
        assert build_tree(without).entry.digest != digest
        if entry.kind in "fx":
            other = Entry(entry.name, "x" if entry.kind == "f" else "f", entry.digest, entry.size)
            assert build_tree({**files, path: other}).entry.digest != digest


@given(trees().filter(bool), st.data())
def test_cut_or_altered_bytes_never_pass_for_the_same_tree(tree: Tree, data: st.DataObject) -> None:
    raw = encode_tree(tree)
    cut = raw[: data.draw(st.integers(0, len(raw) - 1))]
    at = data.draw(st.integers(0, len(raw) - 1))
    flipped = raw[:at] + bytes([raw[at] ^ data.draw(st.integers(1, 255))]) + raw[at + 1 :]
    for wrong in (cut, flipped):
        try:
            assert decode_tree(wrong) != tuple(decode_tree(raw))
            assert encode_tree(decode_tree(wrong)) == wrong
        except Damaged:
            pass


def row(name: bytes, kind: bytes = b"f") -> bytes:
    return kind + bytes(32) + bytes(16) + len(name).to_bytes(2, "little") + name


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"cloche-tree-2\n",
        MAGIC + b"f",
        MAGIC + row(b""),
        MAGIC + row(b".."),
        MAGIC + row(b"a/b"),
        MAGIC + row(b"a\0b"),
        MAGIC + row(b"a", b"q"),
        MAGIC + row(b"b") + row(b"a"),
        MAGIC + row(b"a") + row(b"a"),
        MAGIC + row(b"abc")[:-1],
    ],
)
def test_what_is_no_listing_is_damaged(data: bytes) -> None:
    with pytest.raises(Damaged):
        decode_tree(data)


def test_the_bytes_are_pinned() -> None:
    tree = (Entry("b", "x", "11" * 32, 7), Entry("a\\x0a", "d", "22" * 32, 258, 3))
    assert encode_tree(tree) == (
        b"cloche-tree-1\n"
        + b"d" + b"\x22" * 32 + b"\x02\x01" + bytes(6) + b"\x03" + bytes(7) + b"\x02\x00" + b"a\n"
        + b"x" + b"\x11" * 32 + b"\x07" + bytes(7) + b"\x01" + bytes(7) + b"\x01\x00" + b"b"
    )  # fmt: skip
    assert build_tree({}).entry == Entry("", "d", EMPTY_DIGEST, 0, 0)


def test_swapped_files_are_seen() -> None:
    one, other = Entry("", "f", "11" * 32, 1), Entry("", "f", "22" * 32, 1)
    assert build_tree({"a": one, "b": other}).entry.digest != build_tree({"a": other, "b": one}).entry.digest


@pytest.mark.parametrize("paths", [("a", "a/b"), ("a/b", "a"), ("a/b/c", "a/b"), ("x", "a", "a/b/c/d")])
def test_a_file_that_is_also_a_folder_is_refused(paths: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="both a file and a folder"):
        build_tree({path: Entry("", "f", "00" * 32, 1) for path in paths})


def test_an_empty_directory_may_also_be_named_when_it_is_not_empty() -> None:
    one = Entry("b", "f", "00" * 32, 1)
    assert build_tree({"a": Entry("a", "d", EMPTY_DIGEST, 0, 0), "a/b": one}) == build_tree({"a/b": one})


@pytest.mark.parametrize("name", ["", ".", "..", "a\\x00", "a\\x2fb"])
def test_names_that_no_directory_can_hold_are_never_written(name: str) -> None:
    with pytest.raises(InputError, match="impossible name"):
        encode_tree([Entry(name, "f", "00" * 32, 1)])


def test_a_name_that_is_there_twice_is_refused() -> None:
    with pytest.raises(InputError, match="impossible name"):
        encode_tree([Entry("a", "f", "00" * 32, 1), Entry("a", "l", "11" * 32, 1)])


def test_very_deep_folders() -> None:
    path = "/".join(["d"] * 2_000)
    built = build_tree({path: Entry("d", "f", "00" * 32, 5)})
    assert (built.entry.size, built.entry.count, len(built.trees)) == (5, 1, 2_000)
