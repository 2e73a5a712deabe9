"""``aims audit [NAME...]``: walks a registry and finds what the log does not prove, and what has gone missing."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from aims_mlflow.auditing.words import Audit
from aims_mlflow.cli._output import console, json_option, print_json, table, working
from aims_mlflow.ledger.finding import Gravity

STYLES: dict[Gravity, str] = {"critical": "bold red", "major": "red", "minor": "yellow", "note": "dim"}


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--record", is_flag=True, help="Write the bypasses that were found to the log, each once.")
@click.option(
    "--heads",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Compare the log with the heads in FILE, then write them there. Keep it where MLflow's administrators cannot change it.",
)
@click.option("--export", "export_to", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="Copy the whole log to DIR.")
@click.option(
    "--memory",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Do not read runs again that FILE knows as settled, for a week at most; then write FILE. Keep it as --heads.",
)
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    names: tuple[str, ...],
    record: bool,
    heads: Path | None,
    export_to: Path | None,
    memory: Path | None,
    as_json: bool,
) -> None:
    """Look at a registry as it is now: all of it, or the registered models NAME and the runs of their systems.

    Every protected alias and stage needs a decision in the log for exactly this version and these bytes; every run of every
    system is accounted for; the log is whole, and agrees with the decisions in the runs. Nothing is changed without --record.

    Exit codes: 0 nothing was found, 1 something was (a note alone is nothing), 2 could not look.
    """
    from aims_mlflow.auditing import audit

    with working("Auditing"):
        found = audit(names, record=record, heads=heads, export_to=export_to, memory=memory)
    if as_json:
        print_json({"clean": found.clean, "counted": found.counted(), **found.model_dump(mode="json")})
    else:
        _show(found, console())
    ctx.exit(0 if found.clean else 1)


def _show(found: Audit, screen: Console) -> None:
    """Print what was found: the verdict, the findings, what is held by what right, attempts, waivers."""
    counted = ", ".join(f"{n} {gravity}" for gravity, n in found.counted().items() if n) or "nothing"
    screen.print(Text("CLEAN" if found.clean else "FINDINGS", style="bold green" if found.clean else "bold red"), Text(f"  {counted}"))
    log = f"log {found.registry[:16]} with {found.entries} entries" if found.registry else "no log yet"
    screen.print(Text(f"{found.models} registered model{'s' * (found.models != 1)}, {found.runs} runs, {log}", style="dim"))
    for note in found.notes:
        screen.print(Text(note, style="dim"))
    for finding in found.findings:
        screen.print()
        screen.print(
            Text.assemble((finding.severity.upper(), STYLES[finding.severity]), "  ", (finding.code, "bold"), f"  {finding.where}")
        )
        screen.print(Text(f"  {finding.what}"))
        if finding.fix:
            screen.print(Text(f"  do: {finding.fix}"))
    _tables(found, screen)


def _tables(found: Audit, screen: Console) -> None:
    if found.held:
        rows = table("Model", "Alias or stage", "Version", "Let through", "By", title="Protected")
        for held in found.held:
            when = Text(held.code or (held.decided.isoformat(timespec="seconds") if held.decided else ""), style="red" if held.code else "")
            rows.add_row(held.model, f"stage {held.holder}" if held.stage else held.holder, held.version, when, held.actor)
        _print(screen, rows)
    if found.attempts:
        rows = table("System", "Model", "Version", "Attempts", "Failed", "Deleted", "Let through", title="Attempts")
        for one in found.attempts:
            yes = "yes" if one.let_through else "no"
            rows.add_row(one.system, one.model, one.version, str(one.attempts), str(one.failed), str(one.deleted), yes)
        _print(screen, rows)
    if found.waivers:
        rows = table("Model", "Version", "As", "Control", "Waived", title="Waivers that decisions rest on")
        for use in found.waivers:
            rows.add_row(use.model, use.version, use.holder, use.waived.control, use.waived.reason)
        _print(screen, rows)


def _print(screen: Console, rows: Table) -> None:
    screen.print()
    screen.print(rows)
