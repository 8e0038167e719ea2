"""The `cloche` command: finds the verb, and shows every error in one way."""

from __future__ import annotations

import contextlib
import errno
import importlib
import io
import keyword
import os
import sys
from pathlib import Path
from typing import TextIO

import click

from cloche.cli.verbs import SECTIONS, VERBS
from cloche.errors import ClocheError
from cloche.version import __version__

INTERRUPTED = 130
UNWRITABLE = (errno.ENOSPC, errno.EIO, errno.EBADF, errno.EFBIG, errno.EDQUOT)


class Verbs(click.Group):
    """A group that imports a verb's module when it is used, and says what was meant when there is none."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all verbs."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb called `cmd_name`."""
        if cmd_name not in VERBS:
            return None
        name = cmd_name.replace("-", "_") + ("_" if keyword.iskeyword(cmd_name) else "")
        command: click.Command = importlib.import_module(f"cloche.cli.commands.{name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with a hint for a misspelt verb."""
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            from cloche.model.suggestions import closest

            near = closest(args[0], VERBS)
            hint = f"did you mean `cloche {near}`?" if near else "type `cloche --help` to see the commands"
            raise click.UsageError(f"there is no command {args[0]!r}\nhint: {hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Verbs by section, without importing them."""
        for title, verbs in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl(list(verbs.items()))


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="cloche %(version)s")
@click.option(
    "-C", "folder", metavar="FOLDER", type=click.Path(file_okay=False, path_type=Path), help="Start in FOLDER."
)
@click.pass_context
def cli(ctx: click.Context, folder: Path | None) -> None:
    """Pin code, data, config and environment of every training run as one version, and put any of them back.

    \b
    A first session:
      cloche init
      cloche add data/
      cloche run -- python train.py
      cloche log
      cloche diff @~1 @
      cloche revert @~1

    Runs are named by the beginning of their id, `@` (the last), `@~2`, a tag, or a Git revision.
    """
    if folder is not None:
        try:
            os.chdir(folder)
        except OSError as error:
            raise click.UsageError(f"cannot go to {folder}: {error.strerror}", ctx) from error


def run() -> None:
    """Run the command line and end the process with its exit status."""
    status = call(sys.argv[1:])
    threads = sys.modules.get("threading")
    if threads is not None and any(one.daemon for one in threads.enumerate()):
        _leave(status)
    sys.exit(status)


def _leave(status: int) -> None:
    """End the process while calls to a remote are still out, which would come back to a Python that is half gone."""
    import atexit

    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    os._exit(status)


def call(arguments: list[str]) -> int:
    """Run the command line; the exit status."""
    _prepare_streams()
    try:
        status = cli.main(arguments, prog_name="cloche", standalone_mode=False)
        sys.stdout.flush()
    except ClocheError as error:
        return _fail(error.message, error.hint, error.exit_status)
    except click.exceptions.NoArgsIsHelpError as error:
        sys.stderr.write(f"{error.format_message()}\n")
        return error.exit_code
    except click.UsageError as error:
        message, _, hint = error.format_message().partition("\nhint: ")
        place = f"see `{error.ctx.command_path} --help`" if error.ctx is not None else ""
        return _fail(message, hint or place, error.exit_code)
    except click.ClickException as error:
        return _fail(error.format_message(), "", error.exit_code)
    except (KeyboardInterrupt, click.Abort) as error:
        return _interrupted(error)
    except BrokenPipeError:
        # The reader went away (`cloche log | head`): nothing is left to say, not even at exit.
        _silence(sys.stdout)
        return 0
    except OSError as error:
        if error.filename is not None or error.errno not in UNWRITABLE:
            raise
        _silence(sys.stdout)
        return _fail(f"the output could not be written: {error.strerror}", "look at where it is sent to", 1)
    return status if isinstance(status, int) else 0


def _interrupted(error: BaseException) -> int:
    """Say what the verb noted about its interruption, such as how to go on; click puts an error of its own over it."""
    from cloche.cli.output import say

    notes = [note for one in (error, error.__cause__) for note in getattr(one, "__notes__", ())]
    with contextlib.suppress(OSError):
        for note in notes:
            say(note)
    return INTERRUPTED


def _prepare_streams() -> None:
    """A closed stream takes what is written and keeps it; a terminal of another encoding shows what it can."""
    sys.stdout = sys.stdout or io.TextIOWrapper(io.BytesIO(), "utf-8")
    sys.stderr = sys.stderr or io.TextIOWrapper(io.BytesIO(), "utf-8")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _silence(stream: TextIO) -> None:
    """Let what is still to be written go nowhere, so that nothing fails again at exit."""
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())


def _fail(message: str, hint: str, status: int) -> int:
    from cloche.cli.output import complain

    try:
        complain(message, hint)
        sys.stderr.flush()
    except OSError:  # nobody can be told; the exit status tells
        _silence(sys.stderr)
    return status
