"""What a destructive verb would do."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from cloche.cli.render.words import plural, size, target_name
from cloche.model.plan import Plan

WORDS = {"added": ("create", "green"), "removed": ("delete", "red"), "changed": ("overwrite", "yellow")}
FILES_SHOWN = 40


def print_plan(out: Console, plan: Plan) -> None:
    """Print the plan, with what is not recorded anywhere yet marked."""
    joint = "to" if plan.verb == "revert" else "from"
    out.print(Text(f"would {plan.verb} {joint} {target_name(plan)}:", style="bold"))
    for planned in plan.files[:FILES_SHOWN]:
        word, style = WORDS[planned.change.act]
        entry = planned.change.after or planned.change.before
        line = Text.assemble(f"  {planned.part:8}", (f"{word:9} ", style), planned.change.path)
        if planned.change.after is not None and planned.change.after.kind == "d" and planned.count > 1:
            line.append(f"/  {plural(planned.count, 'file')},", style="dim")
        line.append(f"  {size(entry.size)}" if entry else "", style="dim")
        if not planned.recorded:
            line.append("  not recorded yet: stored first", style="yellow")
        out.print(line)
    rest = plan.count - sum(one.count for one in plan.files[:FILES_SHOWN])
    if rest:
        out.print(Text(f"  … and {plural(rest, 'file')} more (--json lists all)", style="dim"))
    for link in plan.links:
        out.print(Text.assemble("  data    ", ("create", "green"), f"    {link}, the link to where it lies"))
    if plan.creates:
        out.print(Text.assemble("  environment ", ("create", "green"), f"   {plan.creates}"))
    for package in plan.packages:
        before = package.before.version if package.before else "nothing"
        after = package.after.version if package.after else "nothing"
        out.print(Text(f"  package {package.name}: {before} → {after}"))
    for note in plan.notes:
        out.print(Text(f"  not put back: {note}", style="dim"))
    for problem in plan.problems:
        out.print(Text(f"  cannot: {problem}", style="red"))
