"""``aims summarise SYSTEM``: roll a system's evidence up into its impact and risk records."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.text import Text

from aims_mlflow.cli._output import console, json_option, state_text, table, working
from aims_mlflow.records.risk_words import Level
from aims_mlflow.records.words import SystemRecord

if TYPE_CHECKING:
    from aims_mlflow.records.review_words import ReviewRecord
    from aims_mlflow.system import System

LEVEL_STYLES = {
    Level.LOW: "green",
    Level.MODERATE: "yellow",
    Level.HIGH: "red",
    Level.VERY_HIGH: "bold red",
    Level.UNDETERMINED: "bold cyan",
}

SHOWN = 12
"""Open items printed; the rest are counted."""


@click.command()
@click.argument("system")
@click.option(
    "--system", "system_file", type=click.Path(dir_okay=False), help="The system file, where SYSTEM is an id and it is not ./aims.yaml."
)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="A folder that gets the record as JSON, Markdown and HTML.")
@click.option("--soon", default=30, show_default=True, type=click.IntRange(0, 3650), help="Show what is due so many days before its date.")
@click.option("--fresh", is_flag=True, help="Read every bundle again, whatever an earlier summary has read.")
@click.option(
    "--review",
    nargs=2,
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="FROM TO",
    help="Make the input of a management review (clause 9.3) for these days instead, such as --review 2026-01-01 2026-03-31.",
)
@json_option
def command(
    system: str,
    system_file: str | None,
    out: Path | None,
    soon: int,
    fresh: bool,
    review: tuple[datetime, datetime] | None,
    as_json: bool,
) -> None:
    """Make the record of SYSTEM (a system's id, or its system file) from all its runs and versions, and write it to MLflow.

    The record stands in the experiment aims/<system id>; tags and a scorecard go to the registered model and its versions.
    """
    from aims_mlflow.errors import ConfigurationError
    from aims_mlflow.records.summary import summarise
    from aims_mlflow.system_file import load_system

    given = load_system(system_file) if system_file else None
    if given is not None and given.id != system and not Path(system).is_file():
        raise ConfigurationError(
            f"the file declares the system {given.id!r}, not {system!r}", where=str(system_file), fix=f"aims summarise {given.id}"
        )
    if review is not None:
        _review(given or system, review[0].date(), review[1].date(), out, soon, as_json)
        return
    with working("Reading runs, versions and evidence"):
        record = summarise(given or system, out=out, warning_days=soon, fresh=fresh)
    if as_json:
        click.echo(record.json_bytes(), nl=False)
    else:
        show(record, out)


def _review(system: System | str, begin: date, end: date, out: Path | None, soon: int, as_json: bool) -> None:
    """Make the input of a management review, and print it at a glance."""
    from aims_mlflow.records.review import management_review

    with working("Reading runs, versions and evidence"):
        made = management_review(system, begin, end, out=out, warning_days=soon)
    if as_json:
        click.echo(made.json_bytes(), nl=False)
        return
    screen = console()
    screen.print(Text(f"{made.system.name or made.system.id}: {begin} to {end}", style="bold"))
    found = table("", "")
    found.show_header = False
    found.add_row("results", Text(f"{len(made.results)} versions measured; {made.runs.sentence}"))
    found.add_row("went worse", Text("; ".join(_worse(made)) or "nothing that was measured"))
    found.add_row(
        "nonconformities",
        Text(made.cases_reason or f"{len(made.opened)} opened, {len(made.closed)} closed, {len(made.still_open)} open at the end"),
    )
    found.add_row("changes, decisions", Text(f"{len(made.changes)}, {len(made.decisions)}"))
    found.add_row("not said", Text("; ".join(u.topic for u in made.unsaid if not u.said) or "nothing"))
    screen.print(found)
    name = f"review of {made.system.id}, {begin} to {end}"
    screen.print(Text(f"MLflow: experiment aims/{made.system.id}, run '{name}', artifacts aims/review.html, .md, .json"))
    if out is not None:
        screen.print(Text(f"files: {out / 'review.html'}, review.md, review.json"))


def _worse(made: ReviewRecord) -> list[str]:
    measures = [f"{m.requirement} {m.sentence}" for m in made.measures if m.way == "worse"]
    return [*measures, *(f"{t.event}: {t.sentence}" for t in made.risks if t.way == "worse")]


def show(record: SystemRecord, out: Path | None) -> None:
    """Print the record at a glance: state, risk, what is open, and where the whole of it is."""
    screen = console()
    screen.print(Text(record.system.name or record.system.id, style="bold"))
    rows = table("", "")
    rows.show_header = False
    rows.add_row("version", Text(record.version or "none"))
    rows.add_row("evidence", state_text(record.state))
    rows.add_row("gate", Text(record.decision))
    rows.add_row("highest risk", Text(record.highest_risk.value.replace("_", " ").upper(), style=LEVEL_STYLES[record.highest_risk]))
    rows.add_row("runs", Text(record.runs.sentence))
    late = sum(d.overdue for d in record.due)
    rows.add_row("due", Text(f"{late} overdue, {sum(d.soon for d in record.due) - late} within {record.warning_days} days"))
    screen.print(rows)
    if record.open_items:
        screen.print()
        found = table("Open", "What", "What to do", "Who")
        for item in record.open_items[:SHOWN]:
            found.add_row(Text(item.weight), Text(item.what + (f"\n{item.why}" if item.why else "")), Text(item.fix), Text(item.who))
        screen.print(found)
        if len(record.open_items) > SHOWN:
            screen.print(Text(f"and {len(record.open_items) - SHOWN} more, in the record", style="dim"))
    screen.print()
    screen.print(
        Text(f"MLflow: experiment aims/{record.system.id}, run 'record of {record.system.id}', artifacts aims/record.html, .md, .json")
    )
    if out is not None:
        screen.print(Text(f"files: {out / 'record.html'}, record.md, record.json"))
    screen.print(Text(record.risks.sentence, style="dim"))
