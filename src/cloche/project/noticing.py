"""What is noticed about a run before its command starts: others at work, and what the snapshot cannot hold."""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Iterable, Sequence

from cloche.capture.code import is_source
from cloche.model.paths import decode_path
from cloche.model.portable import trouble
from cloche.model.query import parse
from cloche.model.run import Finding, Place
from cloche.model.wording import some
from cloche.project.alive import is_alive
from cloche.project.going import Going
from cloche.project.links import links_outside
from cloche.project.naming import named_paths


def notice_company(run: Going) -> None:
    """Another run is going in the same folder."""
    others = [other for other in run.project.catalog.running() if other.id != run.run.id]
    _name_company(run, [other.short for other in others if is_alive(run.project, other.id)])


def notice_late_company(run: Going) -> None:
    """Another run began in the same folder while this one was going."""
    if not any(finding.check == "not-alone" for finding in run.findings):
        later = run.project.catalog.runs(parse(f"created > {run.run.created!r}"), hidden=True)
        _name_company(run, [row.short for row in later if row.id != run.run.id])


def _name_company(run: Going, others: Sequence[str]) -> None:
    if others:
        run.notice(
            "not-alone",
            f"run {others[0]} was going in the same folder; outputs that neither declares may belong to either",
            hint="declare `writes`, or work in a second clone (`git clone`)",
        )


def notice_unrecorded(run: Going, command: Sequence[str] | str, folder: str) -> None:
    """The command names a program text that is no part of the snapshot: most often .gitignore hides it."""
    for path in named_paths(run.project, command, folder):
        if path in run.taken.view.files and not run.taken.holds(path) and is_source(path):
            reasons = {one.path: one.reason for one in run.taken.view.left_out}
            run.notice(
                "not-recorded",
                f"{path} is no part of the snapshot: {reasons.get(path, 'Git ignores it, or [code] ignore does')}",
                hint=f"take it out of .gitignore (or type `git add --force {shlex.quote(decode_path(path))}`)",
                place=Place(file=path),
            )


def notice_repositories(run: Going) -> None:
    """Repositories within data: a cloned dataset, for instance. Their files are recorded, what is Git's own is not."""
    left_out = run.taken.view.repositories
    if left_out:
        message = f"left out of the data: {some(left_out)}, which is Git's own; the files beside it are recorded"
        run.findings.append(Finding("left-out", "info", message, Place(file=left_out[0])))


def notice_links_outside(run: Going) -> None:
    """Links among the inputs that lead out of the project: what they lead to is not recorded."""
    links = links_outside(run.project, run.taken.links)
    if links:
        run.notice(
            "link-outside",
            f"links lead out of what is recorded: {some(links)}; only the links are recorded, not what they lead to",
            hint="copy it into the project (`cloche import dvc` does so with links into DVC's cache)",
            place=Place(file=links[0]),
        )


def notice_unportable(run: Going, outputs: Iterable[str]) -> None:
    """Code or outputs whose names other systems cannot hold, so that this run could not be checked out there. Data is
    spoken of when it is added."""
    folders: dict[str, list[str]] = defaultdict(list)
    for path in {*run.taken.view.code, *(one for output in outputs for one in run.files.below(output))}:
        folder, _, name = path.rpartition("/")
        folders[folder].append(name)
    why = trouble((at, "/".join(sorted(names))) for at, names in sorted(folders.items()))
    if why:
        run.notice("not-portable", why, hint="rename it, if anybody is to use this run there")
