"""`cloche hook`: what Git's hooks call. `cloche install` sets them."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from cloche.capture.hooks import standing
from cloche.errors import RemoteError, UsageError
from cloche.model.hooks import HOOKS
from cloche.project.exchange import lock_at_hand
from cloche.project.following import Followed, follow, look_at
from cloche.project.in_place import in_place, is_elsewhere, is_far, is_link_to
from cloche.project.linked import edited_paths
from cloche.project.placed import placed
from cloche.project.project import LOCK_FILE, Project
from cloche.project.remotes import all_remotes, default_name, local_remotes

Progress = Callable[[int, int], None]
PRE_COMMIT = "pre-commit"


class Unrecorded(msgspec.Struct, frozen=True):
    """What a commit would leave out. changed: tracked data that is not as `cloche.lock` says. lock: whether
    `cloche.lock` itself has changes that are not part of the commit. edited: files among these that somebody changed
    through a link into the store; `add` refuses them until `verify --repair` has taken them out of it. deleted: the
    commit takes `cloche.lock` away, and with it all that it says of data."""

    changed: tuple[str, ...] = ()
    lock: bool = False
    edited: tuple[str, ...] = ()
    deleted: bool = False


def hook(project: Project, name: str, progress: Progress | None = None) -> Followed | Unrecorded:
    """Do what a hook of Git does: `pre-commit` looks, the others bring data to what `cloche.lock` names; in a fresh
    clone, where Cloche has put nothing yet, they fetch it from the default remote first, if there is one.

    Raises UsageError for an unknown name, Busy while a run is going, SettingsError for a lock that cannot be read.
    """
    if name not in {one.name for one in HOOKS}:
        raise UsageError(f"there is no hook called {name!r}", hint="`cloche install` sets them; Git calls them")
    if name == PRE_COMMIT:
        return unrecorded(project)
    remote = problem = ""
    if placed(project) is None:
        known = all_remotes(project)
        name = default_name(known)
        if name and known[name].endpoint and name not in local_remotes(project):
            # It would be sent what this user's keys sign, and a stranger's repository may name it.
            remote, problem = name, "its server is one that cloche.toml names: `cloche pull` asks it all the same"
        else:
            try:
                remote = lock_at_hand(project, progress)
            except RemoteError as error:  # the clone is fine without: it says what is missing
                problem = error.message
    return msgspec.structs.replace(follow(project), remote=remote, problem=problem)


def unrecorded(project: Project) -> Unrecorded:
    """Tracked data that differs from `cloche.lock`, and whether the lock is left out. What is missing differs not:
    who works on the code alone needs no data. Raises SettingsError, also for a `cloche.toml` that cannot be read."""
    places = project.settings.data.external
    stays = in_place(project)
    theirs = {item.path for item in project.tracked if stays(item.path)}
    left = {
        path
        for path, place in places.items()
        if path in theirs and (is_far(place) or not is_link_to(project, path, place))
    }
    states = {
        item: look_at(project, item.path, through=item.path in theirs and is_elsewhere(project, item.path))
        for item in project.tracked
        if item.path not in left  # a hook does not go far, and what is not the link is no data
    }
    changed = tuple(item.path for item, here in states.items() if here.entry is not None and not here.is_(item))
    lock = standing(project.root, LOCK_FILE)
    return Unrecorded(changed, lock[1] != " ", edited_paths(project), lock == "D ")
