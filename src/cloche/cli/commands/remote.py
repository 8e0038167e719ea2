"""`cloche remote`."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from cloche.cli.options import complete_remote, json_option, project
from cloche.cli.output import console, print_json, progress, say


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """The places that runs and data are shared through. Without a command: list them.

    \b
    Examples:
      cloche remote add origin s3://bucket/flights
      cloche remote add stick /media/stick/flights --local
      cloche remote
      cloche remote test
      cloche remote remove stick
    """
    if ctx.invoked_subcommand is None:
        _list(as_json)


@command.command("list")
@json_option
def list_command(as_json: bool) -> None:
    """List the remotes.

    \b
    Example:
      cloche remote list
    """
    _list(as_json)


def _list(as_json: bool) -> None:
    from cloche.cli.render.remote import print_remotes
    from cloche.ops.remote import remote

    found = remote(project())
    if as_json:
        print_json(found)
    elif found:
        print_remotes(console(), found)
    else:
        say("there are no remotes; `cloche remote add NAME URL` adds one")


@command.command("add")
@click.argument("name")
@click.argument("url")
@click.option("--default", is_flag=True, help="Meant where no remote is named, in place of the one that is now.")
@click.option("--local", is_flag=True, help="Only this copy of the project knows it: not in cloche.toml.")
@click.option(
    "--single-writer/--several-writers",
    default=None,
    help="Only you push there: fine though the place can overwrite.",
)
@click.option("--endpoint", metavar="URL", help="The server, for one that speaks S3 and is not Amazon's.")
@click.option("--region", help="The region of the bucket.")
@json_option
def add_command(
    name: str,
    url: str,
    default: bool,
    local: bool,
    single_writer: bool | None,
    endpoint: str | None,
    region: str | None,
    as_json: bool,
) -> None:
    """Try out URL, make it a remote unless it is one, and write it into cloche.toml as NAME.

    URL is a folder, s3://, gs://, az://, sftp://, http(s):// (to read from), or whatever else fsspec knows. Credentials
    come from the usual places of each and are never stored. A folder must be new or empty, and lie outside of projects.

    The first remote is the default, until another is added with --default. Added again with the same URL, it gets the
    options that are given, and keeps the others; an empty one (--region '') is taken away.

    \b
    Examples:
      cloche remote add origin s3://bucket/flights --region eu-central-1
      cloche remote add origin s3://bucket/flights --endpoint https://minio.example.org
      cloche remote add lab sftp://ada@lab.example.org/srv/flights
      cloche remote add stick /media/stick/flights --local
    """
    from cloche.ops.remote import add, check_name

    done = add(
        project(),
        check_name(name),
        url,
        local=local,
        default=default,
        single_writer=single_writer,
        endpoint=endpoint,
        region=region,
        base=Path.cwd(),
    )
    if as_json:
        print_json(done)
        return
    say(f"{name} is {done.url} now" + (", the default remote" if done.default else ""))
    say("next: `cloche push` sends the runs there" + ("" if local else "; commit cloche.toml, so that others know it"))


@command.command("remove")
@click.argument("name", shell_complete=complete_remote)
@json_option
def remove_command(name: str, as_json: bool) -> None:
    """Forget a remote. What it holds stays there.

    \b
    Example:
      cloche remote remove stick
    """
    from cloche.ops.remote import remove, words_to_add

    again = words_to_add(project(), name)
    done = remove(project(), name)
    if as_json:
        print_json(done)
    else:
        say(f"forgot {name}; what {done.url} holds stays there")
        if done.local:  # what Git does not see is no operation
            say(f"to have it back: `{shlex.join(again)}`")


@command.command("test")
@click.argument("name", default="", metavar="[NAME]", shell_complete=complete_remote)
@click.option("--data", is_flag=True, help="Read every pack as well.")
@json_option
def test_command(name: str, data: bool, as_json: bool) -> int:
    """Try out everything that a remote must be able to do, and look whether it is sound.

    Every record and index is read; with --data all content too.

    \b
    Examples:
      cloche remote test origin
      cloche remote test --data
    """
    from cloche.cli.render.remote import print_tested
    from cloche.ops.remote import try_out

    with progress("reading", in_bytes=True) as told:
        done = try_out(project(), name, data=data, progress=told)
    if as_json:
        print_json(done)
    else:
        print_tested(console(), done)
    return 9 if done.problems else 0
