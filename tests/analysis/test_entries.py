from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cloche.analysis.entries import diff_entries
from cloche.model.tree import EMPTY_DIGEST, Entry, Kind, build_tree

A, B = "aa" * 32, "bb" * 32
contents: st.SearchStrategy[tuple[Kind, str]] = st.sampled_from(
    [("f", A), ("f", B), ("x", A), ("l", A), ("d", EMPTY_DIGEST)]
)
listings = st.dictionaries(st.sampled_from(["a", "b", "c d", "é"]), contents, max_size=4).map(
    lambda found: {path: Entry(path, kind, digest, 0, int(kind != "d")) for path, (kind, digest) in found.items()}
)


@given(listings, listings)
def test_the_changes_turn_one_listing_into_the_other(before: dict[str, Entry], after: dict[str, Entry]) -> None:
    changes = diff_entries(before, after)
    assert [change.path for change in changes] == sorted(change.path for change in changes)
    now = dict(before)
    for change in changes:
        assert change.before == now.get(change.path)
        assert change.before != change.after
        now.pop(change.path, None)
        if change.after is not None:
            now[change.path] = change.after
    assert now == after
    assert (not changes) == (build_tree(before).entry.digest == build_tree(after).entry.digest)


def test_kinds_and_acts() -> None:
    file, program, link = (Entry("a", kind, A, 1) for kind in ("f", "x", "l"))
    changes = diff_entries({"a": file, "b": file, "gone": file}, {"a": program, "b": link, "new": link})
    assert [(change.path, change.act) for change in changes] == [
        ("a", "changed"),
        ("b", "changed"),
        ("gone", "removed"),
        ("new", "added"),
    ]


def test_names_within_entries_and_forms_of_empty_folders_do_not_count() -> None:
    assert diff_entries({"a": Entry("", "f", A, 1)}, {"a": Entry("a", "f", A, 1)}) == ()
    assert diff_entries({"a": Entry("a", "d", "", 0, 0)}, {"a": Entry("a", "d", EMPTY_DIGEST, 0, 0)}) == ()
    assert len(diff_entries({"a": Entry("a", "d", A, 0, 0)}, {"a": Entry("a", "d", B, 0, 0)})) == 1
