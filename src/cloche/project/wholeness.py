"""Which records can no longer be put back, since the store does not hold what they need."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from cloche.errors import Damaged, NotFound
from cloche.model.digest import Digest
from cloche.model.run import Run
from cloche.model.tree import EMPTY_DIGEST
from cloche.project.project import Project
from cloche.project.reach import Root, run_roots

_Key = tuple[str, Digest]  # `d` or `f`: bytes of a tree can also be the content of a file


class Wholeness:
    """Tells what is not whole; trees that several records share are looked at once. lost: digests that are damaged."""

    def __init__(self, project: Project, lost: Collection[Digest] = ()) -> None:
        self._store = project.store
        self._away = project.catalog.elsewhere()
        self._whole: dict[_Key, bool] = {}
        self._lost = frozenset(lost)

    def gone(self, run: Run) -> list[str]:
        """What of a run the store does not hold and should, by path; each once. Of a run that was fetched without its
        content, that is nothing."""
        if run.id in self._away:
            return []
        return self.missing(run_roots(run))

    def missing(self, roots: Iterable[Root]) -> list[str]:
        """The paths of what is missing of these roots, and should be there: of files, and of folders of which nothing
        more is known."""
        wanted = (root for root in roots if not root.optional and not self._is_whole(root.kind, root.digest))
        return list(dict.fromkeys(path for root in wanted for path in self._paths(root)))

    def _paths(self, root: Root) -> Iterator[str]:
        pending = [("" if root.part == "code" else root.name, root.kind, root.digest)]
        while pending:
            path, kind, digest = pending.pop()
            if kind != "d" or self._open(kind, digest) is None:
                yield path or root.name
                continue
            for entry in reversed(self._store.read_tree(digest)):
                if not self._is_whole(entry.kind, entry.digest):
                    pending.append((f"{path}/{entry.name}" if path else entry.name, entry.kind, entry.digest))

    def _is_whole(self, kind: str, digest: Digest) -> bool:
        pending = [_key(kind, digest)]
        opened: dict[_Key, list[_Key]] = {}
        while pending:
            key = pending[-1]
            if key not in self._whole and key not in opened:
                below = self._open(*key)
                if below is None:
                    self._whole[key] = False
                else:
                    opened[key] = below
                    pending += [one for one in below if one not in self._whole]
                    continue
            if key not in self._whole:
                self._whole[key] = all(self._whole[one] for one in opened.pop(key))
            pending.pop()
        return self._whole[_key(kind, digest)]

    def _open(self, kind: str, digest: Digest) -> list[_Key] | None:
        """What is directly below; None where it cannot be had."""
        if digest == EMPTY_DIGEST:
            return []
        try:
            if digest in self._lost or not self._store.has(digest):
                return None
            return [_key(one.kind, one.digest) for one in self._store.read_tree(digest)] if kind == "d" else []
        except (Damaged, NotFound):
            return None


def _key(kind: str, digest: Digest) -> _Key:
    return "d" if kind == "d" else "f", digest
