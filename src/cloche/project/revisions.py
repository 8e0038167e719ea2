"""From what a user types (`@`, `@~2`, `kmxq`, `champion`, `main`) to the run it names."""

from __future__ import annotations

from cloche.errors import Ambiguous, NotFound
from cloche.model.operation import FactEffect
from cloche.model.revision import Latest, Member, WorkTree, parse_revision
from cloche.model.run import ID_LENGTH, ID_LETTERS, ID_SHOWN, Run
from cloche.model.suggestions import closest
from cloche.project.project import Project

WORK_TREE = "."


def find_run(project: Project, text: str) -> Run:
    """The run that `text` names. Raises NotFound or Ambiguous with what was meant instead."""
    return project.catalog.run(find_id(project, text))


def find_id(project: Project, text: str, *, commits: bool = True) -> str:
    """The id of the run that `text` names. commits: whether a Git revision may name one.

    Tried in this order: `@` and `@~N`, an exact tag, an id or a beginning of one, `EXPERIMENT@TAG`, a Git revision
    (the last run of that commit).
    """
    revision = parse_revision(text)
    if isinstance(revision, WorkTree):
        raise NotFound("`.` is the work tree, which is no run", hint="type `cloche run` to make it one")
    if isinstance(revision, Latest):
        return _latest(project, revision.back)
    tagged = project.catalog.fact("tag", text)
    if tagged is not None:
        return tagged
    found = _by_prefix(project, text) or (_by_member(project, revision) if isinstance(revision, Member) else None)
    return found or (_by_commit(project, text) if commits else None) or _unknown(project, text)


def _latest(project: Project, back: int) -> str:
    found = project.catalog.latest(back)
    if found is None:
        count = len(project.catalog.ids(""))
        if not count:
            raise NotFound("this project has no runs yet", hint="type `cloche run -- COMMAND`")
        many = f"are only {count} runs" if count > 1 else "is only one run"
        raise NotFound(f"`@~{back}`: there {many}", hint="type `cloche log` to see what there is")
    return found


def _by_prefix(project: Project, text: str) -> str | None:
    if len(text) > ID_LENGTH or not set(text) <= set(ID_LETTERS):
        return None
    ids = project.catalog.ids(text, hidden=len(text) == ID_LENGTH)
    if len(ids) > 1:
        listed = ", ".join(sorted(run[: max(ID_SHOWN, len(text) + 2)] for run in ids)[:5])
        raise Ambiguous(f"`{text}` is the beginning of {len(ids)} runs: {listed}", hint="type more letters of the id")
    return ids[0] if ids else None


def _by_member(project: Project, member: Member) -> str | None:
    """A tag, where its run belongs to the experiment that is named with it."""
    tagged = project.catalog.fact("tag", member.name)
    if tagged is None or project.catalog.run(tagged).experiment == member.group:
        return tagged
    if project.git is not None and project.git.resolve(f"{member.group}@{member.name}") is not None:
        return None
    theirs = project.catalog.run(tagged).experiment
    where = f"belongs to the experiment {theirs}" if theirs else "belongs to no experiment"
    raise NotFound(
        f"the run that is tagged `{member.name}` {where}, not to {member.group}", hint=f"type `{member.name}` alone"
    )


def _by_commit(project: Project, text: str) -> str | None:
    commit = project.git.resolve(text) if project.git is not None else None
    if commit is None:
        return None
    found = project.catalog.run_of_commit(commit)
    if found is None:
        raise NotFound(
            f"no run was made at {text} (commit {commit[:12]})",
            hint=f"`cloche ls {text}` lists what is in that commit, `cloche log` the runs",
        )
    return found


def _removal(project: Project, run: str) -> str:
    """The number of the operation that removed a run."""
    for operation in project.catalog.operations():
        if any(isinstance(one, FactEffect) and one.fact == "removed" and one.key == run for one in operation.effects):
            return str(operation.number)
    return ""


def _unknown(project: Project, text: str) -> str:
    known = [*project.catalog.facts("tag"), *(run[:ID_SHOWN] for run in project.catalog.ids(""))]
    removed = project.catalog.ids(text, hidden=True) if len(text) >= 4 and set(text) <= set(ID_LETTERS) else []
    if removed:
        raise NotFound(
            f"run {removed[0][:ID_SHOWN]} was removed",
            hint=f"`cloche undo {_removal(project, removed[0])}` brings it back",
        )
    near = closest(text, known)
    hint = f"did you mean `{near}`?" if near else "type `cloche log` to see the runs"
    raise NotFound(f"no run, tag or Git revision is called `{text}`", hint=hint)
