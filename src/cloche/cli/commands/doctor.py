"""`cloche doctor`."""

from __future__ import annotations

import click

from cloche.cli.options import json_option, project
from cloche.cli.output import console, print_json


@click.command()
@click.option("--quick", is_flag=True, help="Do not read every stored byte.")
@json_option
def command(quick: bool, as_json: bool) -> None:
    """Is everything in order? Looks at settings, Git, catalog, every stored byte, Python, uv and the disk.

    Exits with 1 when something is broken.

    \b
    Example:
      cloche doctor
      cloche doctor --quick
    """
    from cloche.ops.doctor import doctor

    found = doctor(project(), quick=quick)
    if as_json:
        print_json(found)
    else:
        from rich.text import Text

        out = console()
        for one in found:
            style = {"ok": "green", "warning": "yellow", "error": "red"}[one.state]
            out.print(Text.assemble((f"{one.state:8}", style), f"{one.name:12}", one.message))
            if one.hint:
                out.print(Text(f"{'':20}hint: {one.hint}", style="dim"))
    if any(one.state == "error" for one in found):
        raise SystemExit(1)
