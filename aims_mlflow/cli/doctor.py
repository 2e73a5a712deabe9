"""``aims doctor``: what is wrong with this machine's set-up, what waits in the spool, and what to do."""

from __future__ import annotations

import click
from rich.console import Console
from rich.text import Text

from aims_mlflow.cli._output import console, json_option, print_json, table, working
from aims_mlflow.diagnosing.words import Diagnosis, State

STYLES: dict[State, str] = {"problem": "bold red", "note": "yellow", "ok": "green"}


@click.command()
@json_option
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """Look at everything that evidence needs: spool, keys, policies, MLflow, libraries, telemetry, disk, clock.

    Nothing is changed, no key is made or shown, and only the configured MLflow is asked, for a few seconds.

    Exit codes: 0 nothing is wrong (a note alone is nothing), 1 something is, 2 could not look everywhere.
    """
    from aims_mlflow.diagnosing import diagnose

    with working("Looking"):
        found = diagnose()
    if as_json:
        print_json({"exit_code": found.exit_code, "counted": found.counted(), **found.model_dump(mode="json")})
    else:
        _show(found, console())
    ctx.exit(found.exit_code)


def _show(found: Diagnosis, screen: Console) -> None:
    """Print what was found, the problems first, and a table of what waits."""
    for one in found.findings:
        label = (one.state if one.state != "ok" else "OK").ljust(8)
        screen.print(Text.assemble((label, STYLES[one.state]), f"{one.area.ljust(10)} ", one.what))
        if one.state != "ok":
            if one.where:
                screen.print(Text(f"         at: {one.where}", style="dim"))
            if one.fix:
                screen.print(Text(f"         do: {one.fix}"))
    for line in found.blind:
        screen.print(Text.assemble(("unseen  ", "bold red"), f" could not be looked at: {line}"))
    if found.waiting:
        rows = table("Evidence", "Run", "Bytes", "Since", "Why it waits", title="In the spool")
        for each in found.waiting:
            since = each.since.isoformat(timespec="seconds")
            rows.add_row(each.id[:16], each.run_id or "-", str(each.bytes), since, Text(each.why, style="" if each.whole else "red"))
        screen.print()
        screen.print(rows)
    counted = ", ".join(f"{n} {state if n == 1 or state == 'ok' else state + 's'}" for state, n in found.counted().items() if n)
    screen.print()
    screen.print(Text(counted or "nothing was found", style="bold"))
