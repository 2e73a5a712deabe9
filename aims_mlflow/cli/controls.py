"""``aims controls [ID]``: the catalogue, and for one control what a run shows, what a person must say, and what its states mean."""

from __future__ import annotations

import click
from rich.table import Table

from aims_mlflow import controls as catalogue
from aims_mlflow.cli._output import console, json_option, print_json, table
from aims_mlflow.controls import Control


@click.command()
@click.argument("control_id", required=False, metavar="[ID]")
@json_option
def command(control_id: str | None, as_json: bool) -> None:
    """List the 38 controls of Annex A; with an ID such as A.7.4, say what its evidence is.

    Ids and titles are those of ISO/IEC 42001:2023; the guidance is in this project's own words.
    """
    if control_id is None:
        _print_all(as_json)
        return
    wanted = control_id.upper() if control_id[:1] in "ac" else control_id
    found = catalogue.control(wanted)
    if as_json:
        print_json(found)
    else:
        _print_one(found)


def _print_all(as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "controls": catalogue.controls(),
                "objectives": catalogue.objectives(),
                "risk_sources": catalogue.risk_sources(),
                "clauses": catalogue.clauses(),
            }
        )
        return
    screen = console()
    made = table("Control", "Title", "Who can tell")
    for one in catalogue.controls():
        made.add_row(one.id, one.short_title, one.guidance.told_by)
    screen.print(made)
    screen.print()
    screen.print("What the evidence of a training run says about the controls of A.6 and A.7", style="bold")
    for one in catalogue.controls():
        if one.id.startswith(("A.6.", "A.7.")):
            screen.print()
            screen.print(f"{one.id}  {one.short_title}", style="bold")
            screen.print(_guidance(one))
    screen.print()
    screen.print("aims controls A.5.4 says the same about any other control, with pointers to other documents.")


def _guidance(one: Control) -> Table:
    """Return the table of what the guidance says."""
    said = one.guidance
    return _rows(
        {
            "A run shows": said.shows,
            "A person must say": said.person,
            "PASS means": said.passes,
            "FAIL means": said.fails,
            "MISSING means": said.missing,
        }
    )


def _rows(rows: dict[str, str]) -> Table:
    made = table("", "")
    made.show_header = False
    made.columns[0].min_width = 19
    for name, text in rows.items():
        if text:
            made.add_row(name, text)
    return made


def _print_one(one: Control) -> None:
    screen = console()
    screen.print(f"{one.id}  {one.title}", style="bold")
    screen.print(f"{one.group} {one.group_title}; who can tell: {one.guidance.told_by}")
    screen.print()
    screen.print(_guidance(one))
    screen.print(
        _rows(
            {
                "An auditor samples": one.guidance.auditor,
                "Clauses": ", ".join(one.clauses),
                "NIST AI RMF 1.0": ", ".join(map(str, one.nist)),
                "EU AI Act": ", ".join(map(str, one.eu_ai_act)),
                "Other ISO documents": ", ".join(map(str, one.iso)),
            }
        )
    )
    if one.nist or one.eu_ai_act or one.iso:
        screen.print()
        screen.print(
            "The last rows are pointers for a reader, compiled by this project; * marks pairs in NIST's own crosswalk.", style="dim"
        )
