"""Files of numpy's, compared without numpy, and never unpickled."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloche.model.content import ArrayChange
from cloche.tables import arrays
from cloche.tables.arrays import compare_arrays, is_array

Array = Any


def saved(array: Array, **options: Any) -> bytes:
    out = io.BytesIO()
    np.save(out, array, **options)
    return out.getvalue()


def packed(**named: Array) -> bytes:
    out = io.BytesIO()
    np.savez_compressed(out, **named)
    return out.getvalue()


def compare(folder: Path, before: bytes | None, after: bytes | None, name: str = "a.npy") -> ArrayChange:
    files = []
    for side, content in (("before", before), ("after", after)):
        if content is not None:
            (folder / side).write_bytes(content)
        files.append(folder / side if content is not None else None)
    return compare_arrays(files[0], files[1], name)


def test_what_is_one() -> None:
    assert [is_array(name) for name in ("a.npy", "B.NPZ", "a.csv", "npy")] == [True, True, False, False]


DTYPES = ["<f8", "<f4", "<i2", "|u1", "|b1", "<c16", "<U3", "|S5", "<M8[ns]", ">i4", "f8,i4", "<f2"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(st.data(), st.sampled_from(DTYPES), st.lists(st.integers(0, 5), max_size=3), st.booleans())
def test_differing_elements_are_counted_as_numpy_counts_bytes(
    tmp_path: Path, data: st.DataObject, dtype: str, shape: list[int], fortran: bool
) -> None:
    size = np.dtype(dtype).itemsize * int(np.prod(shape))
    raw = st.binary(min_size=size, max_size=size)
    first, second = (
        np.frombuffer(bytearray(data.draw(raw)), dtype).reshape(shape, order="F" if fortran else "C") for _ in "12"
    )
    change = compare(tmp_path, saved(first), saved(second))
    one, other = (np.frombuffer(array.tobytes(), f"V{np.dtype(dtype).itemsize}") for array in (first, second))
    wanted = int(sum(a.tobytes() != b.tobytes() for a, b in zip(one, other, strict=True)))
    if not wanted:
        assert change.arrays == ()
        return
    [found] = change.arrays
    assert (found.compared, found.differing, found.note) == (first.size, wanted, "")
    assert found.before is not None
    assert found.before.shape == tuple(shape)


def test_large_arrays_piece_by_piece(tmp_path: Path) -> None:
    one = np.arange(1_000_003, dtype="f4").reshape(-1, 1)
    other = one.copy()
    other[[0, 16_384, 500_000, -1]] += 1
    [found] = compare(tmp_path, saved(one), saved(np.concatenate([other, other[:7]]))).arrays
    assert (found.compared, found.differing) == (1_000_003, 4)
    assert found.after is not None
    assert (found.after.shape, found.after.dtype) == ((1_000_010, 1), "<f4")


@pytest.mark.parametrize(
    ("before", "after"),
    [(np.zeros((2, 3)), np.zeros((3, 2))), (np.zeros(3), np.zeros(3, "i4"))],
    ids=["shape", "dtype"],
)
def test_elements_that_have_no_common_place_are_not_counted(tmp_path: Path, before: Array, after: Array) -> None:
    found = compare(tmp_path, saved(before), saved(after)).arrays
    assert [one.differing for one in found] in ([None], [])


def test_members_of_an_archive(tmp_path: Path) -> None:
    before = packed(same=np.ones(3), changed=np.arange(5), gone=np.zeros(1))
    after = packed(same=np.ones(3), changed=np.array([0, 1, 9, 9, 4]), new=np.zeros((2, 2), "f4"))
    change = compare(tmp_path, before, after, "a.npz")
    assert [(one.name, one.before is None, one.after is None, one.differing) for one in change.arrays] == [
        ("changed", False, False, 2),
        ("gone", False, True, None),
        ("new", True, False, None),
    ]
    assert change.note == ""


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return open, (str(tmp_path / "sprung"), "w")

    one, other = (saved(np.array([Trap(), number], dtype=object), allow_pickle=True) for number in (1, 2))
    inner = [packed_raw({"x.npy": raw}) for raw in (one, other)]
    for change in (compare(tmp_path, one, other), compare(tmp_path, inner[0], inner[1], "a.npz")):
        [found] = change.arrays
        assert "holds Python objects" in found.note
        assert found.before != found.after
    assert not (tmp_path / "sprung").exists()


def packed_raw(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, raw in members.items():
            archive.writestr(name, raw)
    return out.getvalue()


def header(text: str, data: bytes = b"", version: int = 1) -> bytes:
    raw = text.encode("latin-1")
    return b"\x93NUMPY" + bytes([version, 0]) + len(raw).to_bytes(2 if version == 1 else 4, "little") + raw + data


GOOD = "{'descr': '<f8', 'fortran_order': False, 'shape': (%s), }"


@pytest.mark.parametrize(
    "hostile",
    [
        b"",
        b"rubbish",
        b"\x93NUMPY",
        header("__import__('os').system('touch sprung')"),
        header("{'descr': '<f8', 'fortran_order': False}"),
        header(GOOD % "-1,"),
        header(GOOD % "10**9,"),
        header(GOOD % "True,"),
        header(GOOD % "1000000000000,", b"x" * 8),
        header(GOOD % ",".join(["99999999999"] * 60), b"x"),
        header("(" * 60_000),
        header("-" * 60_000 + "1"),
        header(GOOD % "2,", b"x" * 15),
        header(GOOD % "2,", b"x" * 17),
        header("x", version=2)[:8] + b"\xff\xff\xff\xff",
    ],
)
def test_hostile_files_are_notes(tmp_path: Path, hostile: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    good = saved(np.zeros(2))
    change = compare(tmp_path, good, hostile)
    assert [one.note.startswith("after ") for one in change.arrays] == [True]
    change = compare(tmp_path, packed_raw({"x.npy": good}), packed_raw({"x.npy": hostile}), "a.npz")
    assert [one.note.startswith("after ") for one in change.arrays] == [True]
    assert compare(tmp_path, good, hostile, "a.npz").note
    assert not (tmp_path / "sprung").exists()


def test_archives_that_are_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = packed_raw({"x.npy": saved(np.zeros(2))})
    bomb = packed_raw({"x.npy": saved(np.zeros(1_000_000))}, zipfile.ZIP_DEFLATED)
    monkeypatch.setattr(arrays, "MAX_UNPACKED", 1_000_000)
    assert "holds more than" in compare(tmp_path, good, bomb, "a.npz").note
    monkeypatch.setattr(arrays, "MAX_MEMBERS", 2)
    many = packed_raw({f"{at}.npy": saved(np.zeros(1)) for at in range(3)})
    assert "too many" in compare(tmp_path, good, many, "a.npz").note
    lie = bomb.replace((8_000_128).to_bytes(4, "little"), (128).to_bytes(4, "little"))
    assert lie != bomb
    assert [one.note for one in compare(tmp_path, good, lie, "a.npz").arrays] != [""]


def test_bytes_cut_anywhere_are_noted(tmp_path: Path) -> None:
    for name, whole in (("a.npy", saved(np.arange(9.0))), ("a.npz", packed(a=np.arange(9.0)))):
        for end in range(0, len(whole), 7):
            change = compare(tmp_path, whole, whole[:end], name)
            assert change.note or change.arrays


def test_by_how_much_numbers_differ(tmp_path: Path) -> None:
    def largest(before: Array, after: Array) -> float | None:
        [one] = compare(tmp_path, saved(before), saved(after)).arrays
        return one.largest

    assert largest(np.arange(6.0), np.arange(6.0) * 1.5) == 2.5
    assert largest(np.array([1, 250], ">u2"), np.array([1, 5], ">u2")) == 245
    assert largest(np.array([-(2**63)]), np.array([2**63 - 1])) == 2.0**64
    assert largest(np.array([1.0, np.nan]), np.array([2.0, 3.0])) is None
    assert largest(np.array([1 + 2j]), np.array([2 + 2j])) is None


def test_another_order_of_the_same_elements(tmp_path: Path) -> None:
    before = np.arange(24, dtype="<i4").reshape(2, 3, 4)
    after = np.asfortranarray(before)
    [one] = compare(tmp_path, saved(before), saved(after)).arrays
    assert (one.compared, one.differing) == (24, 0)
    assert one.before is not None
    assert one.after is not None
    assert (one.before.fortran, one.after.fortran) == (False, True)
    after[1, 2, 3] = 7
    [one] = compare(tmp_path, saved(after), saved(before)).arrays
    assert one.differing == 1
