"""Names that some disks take for one: those of Windows and macOS ignore case, some of them the form of accents too."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

from cloche.model.paths import above, windows_trouble

# All that `windows_trouble` could find fault with, in folded names with `/` around them; hardly any have some of it.
_MARKS = re.compile(r"[<>:\"|?*\\]")
_PARTS = (" /", "./", "/con", "/prn", "/aux", "/nul", "/com", "/lpt")


def fold(name: str) -> str:
    """What a name or path is to a disk that ignores case and the form of accents.

    >>> fold("README") == fold("ReadMe"), fold("\u00e9") == fold("E\u0301"), fold("a") == fold("b")
    (True, True, False)
    """
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


def twins(paths: Iterable[str]) -> list[tuple[str, str]]:
    """Each two paths, or folders above two of them, that such a disk takes for one; of folders the outermost.

    >>> twins(["data/a", "Data/b", "c"]), twins(["a", "b"])
    ([('Data', 'data')], [])
    """
    leaves = set(paths)
    folders = {_folder(path) for path in leaves} - {""}
    names = leaves.union(folders, *map(above, folders))
    if len(set(fold("\0".join(names)).split("\0"))) == len(names):
        return []
    folded = Counter(map(fold, names))
    several = sorted(name for name in names if folded[fold(name)] > 1)
    first: dict[str, str] = {}
    pairs = ((first.setdefault(fold(name), name), name) for name in several)
    return [(one, other) for one, other in pairs if one != other and _folder(one) == _folder(other)]


def trouble(folders: Iterable[tuple[str, str]]) -> str:
    """What keeps these files from other systems, in words; empty where nothing does. Only the first is told.

    folders: path text of each folder, and the names in it with `/` between them.
    """
    places: list[str] = []
    for at, names in folders:
        places.append(at)
        folded = fold(names)
        leaves = folded.split("/")
        pair = twins(names.split("/")) if len(set(leaves)) < len(leaves) else []
        if pair:
            return _one_name(*(f"{at}/{name}".lstrip("/") for name in pair[0]))
        for name in names.split("/") if _is_suspect(folded) else ():
            why = windows_trouble(name)
            if why:
                return f"{at}/{name}".lstrip("/") + f" cannot be brought to Windows: it {why}"
    return next((_one_name(*pair) for pair in twins(places)), "") or _bad_folder(places)


def _bad_folder(places: Iterable[str]) -> str:
    suspects = (at for at in places if _is_suspect(fold(at)))
    told = (f"{at} cannot be brought to Windows: it {why}" for at in suspects if (why := windows_trouble(at)))
    return next(told, "")


def _is_suspect(names: str) -> bool:
    around = f"/{names}/"
    return _MARKS.search(names) is not None or any(part in around for part in _PARTS)


def _one_name(one: str, other: str) -> str:
    return f"{one} and {other} are one name on Windows and macOS: they cannot be brought there"


def _folder(path: str) -> str:
    return path.rpartition("/")[0]
