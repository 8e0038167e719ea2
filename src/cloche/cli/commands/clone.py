"""`cloche clone`."""

from __future__ import annotations

import os

import click

from cloche.cli.options import json_option
from cloche.cli.output import print_json, progress, say, tell_kept


@click.command()
@click.argument("url")
@click.argument("folder", default="", metavar="[FOLDER]", type=click.Path())
@click.option("--no-data", is_flag=True, help="Of runs only the records; of content, what cloche.lock names.")
@click.option("--endpoint", default="", metavar="URL", help="The server of s3://, where it is not Amazon's.")
@click.option("--region", default="", help="The region of the bucket.")
@json_option
def command(url: str, folder: str, no_data: bool, endpoint: str, region: str, as_json: bool) -> int:
    """Clone a project with its runs and data into FOLDER.

    URL is that of a Git repository, whose cloche.toml names the remote; or of a remote alone: then FOLDER gets the data
    of its newest run, `cloche revert @` brings its code, and --endpoint and --region are kept for fetch, pull and push.

    \b
    Examples:
      cloche clone https://example.org/me/flights.git
      cloche clone s3://bucket/flights my-flights
      cloche clone s3://bucket/flights --endpoint https://minio.example.org
    """
    from cloche.cli.render.remote import fetched_lines
    from cloche.cli.render.words import plural
    from cloche.model.wording import some
    from cloche.ops.clone import clone

    with progress("fetching", in_bytes=True) as told:
        done = clone(url, folder, data=not no_data, endpoint=endpoint, region=region, progress=told)
    if as_json:
        print_json(done)
        return 9 if done.fetched is not None and done.fetched.problems else 0
    say(f"cloned into {os.path.relpath(done.root)}")
    if done.fetched is None:
        say("its cloche.toml names no default remote: `cloche remote add` one, then `cloche pull`")
        return 0
    if not done.git and not done.run and not done.fetched.problems:
        say("the remote holds no run yet: `cloche push` puts some there")
    for line in fetched_lines(done.fetched):
        say(line)
    code = "; `cloche revert @` brings the code" if done.run and not done.git else ""
    say(f"brought {plural(done.files, 'file')} of data{code}")
    if done.in_place:
        say(f"not brought: {some(list(done.in_place))}, tracked in place: only its digests are recorded")
    tell_kept(done.links, done.notes)
    return 9 if done.fetched.problems else 0
