"""Which records can no longer be put back, since the store does not hold what they need."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from cloche.errors import Damaged
from cloche.model.digest import Digest
from cloche.model.run import Run
from cloche.model.tree import EMPTY_DIGEST
from cloche.project.project import Project
from cloche.project.reach import Root, run_roots


class Wholeness:
    """Tells what is not whole; trees that several records share are looked at once. lost: digests that are damaged."""

    def __init__(self, project: Project, lost: Collection[Digest] = ()) -> None:
        self._store = project.store
        self._away = project.catalog.elsewhere()
        self._whole: dict[tuple[str, Digest], bool] = {}
        self._lost = frozenset(lost)

    def gone(self, run: Run) -> list[str]:
        """What of a run the store does not hold and should, by path; each once. Of one that was fetched without its
        content, that is nothing."""
        if run.id in self._away:
            return []
        return self.missing(run_roots(run))

    def missing(self, roots: Iterable[Root]) -> list[str]:
        """The names of those roots that are not whole, and should be."""
        wanted = (root for root in roots if not root.optional)
        return list(dict.fromkeys(root.name for root in wanted if not self._is_whole(root.kind, root.digest)))

    def _is_whole(self, kind: str, digest: Digest) -> bool:
        key = ("d" if kind == "d" else "f", digest)
        if digest == EMPTY_DIGEST:
            return True
        if key not in self._whole:
            self._whole[key] = digest not in self._lost and self._store.has(digest)
            if kind == "d" and self._whole[key]:
                self._whole[key] = self._tree_is_whole(digest)
        return self._whole[key]

    def _tree_is_whole(self, digest: Digest) -> bool:
        try:
            tree = self._store.read_tree(digest)
        except Damaged:
            return False
        return all(self._is_whole(entry.kind, entry.digest) for entry in tree)
