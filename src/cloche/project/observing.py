"""What a command was seen to read that none of the four inputs holds: outputs of earlier runs, and what Git ignores."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from cloche.capture.code import is_compiled
from cloche.capture.programs import is_python_name
from cloche.capture.secrets import secret_reason
from cloche.capture.spool import Spooled
from cloche.model.paths import above, decode_path, inside
from cloche.model.run import Output, Place
from cloche.model.wording import some
from cloche.project.going import Going
from cloche.project.journal import present
from cloche.project.naming import named_paths, words_of


def observe(run: Going, who: str, reads: frozenset[str], declared: Sequence[str] = ()) -> None:
    """Put on record what was read and lay there, as it is, before the run began, but belongs to no input.

    reads: files that were seen to be opened. declared: what a stage says that it reads. The content of outputs of
    earlier runs is kept; of anything else only the digest is, and a finding says so. Secrets are passed over.
    """
    written = run.taken.view.outputs
    paths = [path for path in _read(run, reads, declared) if path not in run.observed]
    earlier = [path for path in paths if not written.isdisjoint((path, *above(path)))]
    hidden = sorted(set(paths) - set(earlier))
    found = present(run.project, earlier, keep=True) | present(run.project, hidden)
    run.observed |= {path: Output(path, one.kind, one.digest, one.size, one.count) for path, one in found.items()}
    named = {finding.place.file for finding in run.findings if finding.check == "not-recorded"}
    hidden = [path for path in hidden if path not in named]
    if hidden:
        run.notice(
            "not-recorded",
            f"{who} read {some(hidden)}, which Git ignores and Cloche does not track: no version holds the content",
            hint=f"type `cloche add {shlex.quote(decode_path(hidden[0]))}`",
            place=Place(file=hidden[0]),
        )


def _read(run: Going, reads: frozenset[str], declared: Sequence[str]) -> list[str]:
    view = run.taken.view
    found = reads & view.files.keys()
    if declared:
        found |= {path for path in view.files if any(inside(path, one) for one in declared)}
    known = run.outputs.keys() | {one.path for one in view.left_out}
    return [
        path
        for path in sorted(found - run.taken.entries.keys())
        if view.files[path].kind != "d"
        and run.files.get(path) == view.files[path]
        and known.isdisjoint((path, *above(path)))
        and not is_compiled(path)
        and not secret_reason(run.project.root, path)
    ]


def notice_unseen(run: Going, spooled: Spooled, command: Sequence[str] | str, folder: str) -> None:
    """A Python program ran, and told nothing: what it read is not known."""
    starts = any(is_python_name(word) for word in words_of(command))
    scripts = [path for path in named_paths(run.project, command, folder) if path.endswith(".py")]
    told = spooled.processes or not run.folder.is_dir()
    if starts and scripts and scripts[0] in run.taken.view.files and not told:
        run.notice(
            "not-observed",
            f"{scripts[0]} could not be observed: the command sets PYTHONPATH, or starts Python with -E, -I or -S",
            hint="set PYTHONPATH outside of the command; where that cannot be, name all that a stage reads in `reads`",
            place=Place(file=scripts[0]),
        )
