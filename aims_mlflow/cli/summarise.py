"""``aims summarise SYSTEM``: roll a system's evidence up into its impact and risk records."""

from __future__ import annotations

from pathlib import Path

import click
from rich.text import Text

from aims_mlflow.cli._output import console, json_option, state_text, table, working
from aims_mlflow.records.risk_words import Level
from aims_mlflow.records.words import SystemRecord

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
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="A folder that gets record.json, record.md and record.html.")
@json_option
def command(system: str, system_file: str | None, out: Path | None, as_json: bool) -> None:
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
    with working("Reading runs, versions and evidence"):
        record = summarise(given or system, out=out)
    if as_json:
        click.echo(record.json_bytes(), nl=False)
    else:
        show(record, out)


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
    screen.print(rows)
    if record.open_items:
        screen.print()
        found = table("Open", "What", "What to do")
        for item in record.open_items[:SHOWN]:
            found.add_row(Text(item.weight), Text(item.what + (f"\n{item.why}" if item.why else "")), Text(item.fix))
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
