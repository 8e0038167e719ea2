"""One folder of a tree, looked into name by name: it says what `decode_tree` says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloche.errors import Damaged
from cloche.model.folder import Folder
from cloche.model.tree import Entry, decode_tree, encode_tree

NAMES = st.text(st.characters(exclude_characters="/\0\\", exclude_categories=["C", "Z"]), min_size=1, max_size=8)
TREES = st.dictionaries(NAMES.filter(lambda name: name not in (".", "..")), st.sampled_from("fxld"), max_size=8).map(
    lambda names: encode_tree(Entry(name, kind, "ab" * 32, 7, 2) for name, kind in names.items())  # type: ignore[arg-type]
)


@given(TREES)
def test_it_holds_what_the_tree_holds(data: bytes) -> None:
    folder = Folder(data)
    assert tuple(folder) == decode_tree(data)
    assert len(folder) == len(decode_tree(data))
    for entry in decode_tree(data):
        assert folder.get(entry.name) == entry
    assert folder.get("not there at all") is None


@given(TREES, st.data())
def test_bytes_that_are_no_tree_are_refused_by_both_or_by_none(data: bytes, draw: st.DataObject) -> None:
    at = draw.draw(st.integers(0, len(data) - 1))
    harmed = draw.draw(
        st.sampled_from([data[:at], data[:at] + bytes([data[at] ^ 0x2F]) + data[at + 1 :], data + data[at:]])
    )
    try:
        expected = decode_tree(harmed)
    except Damaged:
        with pytest.raises(Damaged):
            Folder(harmed)
    else:
        assert tuple(Folder(harmed)) == expected
