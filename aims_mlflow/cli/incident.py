"""``aims incident``: what went wrong in operation, how severe it is, whom it touches, and who was told (A.8.4)."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import click

from aims_mlflow.cli._cases import DAY, book_of, day, print_case, print_cases
from aims_mlflow.cli._output import json_option
from aims_mlflow.cli.nonconformity import by_option, what_option
from aims_mlflow.errors import ConfigurationError


@click.group()
def command() -> None:
    """Incidents of a SYSTEM (its id, or its file), as signed records.

    What is written stays: no personal data belong into it.
    """


@command.command("list")
@click.argument("system")
@json_option
def list_(system: str, as_json: bool) -> None:
    """List the incidents of SYSTEM, what is open first."""
    book, _ = book_of(system)
    print_cases(book.cases("incident"), "incident", book.system_id, as_json=as_json)


@command.command()
@click.argument("system")
@click.argument("case_id", metavar="ID")
@json_option
def show(system: str, case_id: str, as_json: bool) -> None:
    """Show everything that happened in one incident."""
    print_case(book_of(system)[0].case(case_id), as_json=as_json)


@command.command("open")
@click.argument("system")
@by_option
@what_option
@click.option("--severity", type=click.Choice(["minor", "major", "critical"]), required=True, help="How severe it is.")
@click.option("--since", type=DAY, help="Since when. Default: today.")
@click.option("--affected", multiple=True, metavar="PARTY", help="Whom it touches: a name under system.affected_parties. May be repeated.")
@click.option("--model", default="", metavar="MODEL_URI", help="The version that was in operation.")
@json_option
def open_(
    system: str,
    by: str,
    what: str,
    severity: Literal["minor", "major", "critical"],
    since: datetime | None,
    affected: tuple[str, ...],
    model: str,
    as_json: bool,
) -> None:
    """Open an incident."""
    from aims_mlflow.operation.incidents import open_incident

    book, said = book_of(system)
    if affected and not said.known:
        fix = "pass the path of the system file as SYSTEM"
        raise ConfigurationError("without the system file nobody knows its affected parties", fix=fix)
    made = open_incident(book, said.system, by=by, what=what, severity=severity, since=day(since), affected=affected, model=model)
    print_case(made, as_json=as_json)


@command.command()
@click.argument("system")
@click.argument("case_id", metavar="ID")
@by_option
@click.option("--who", required=True, help="Who was told: a party, an authority, a customer.")
@click.option("--on", type=DAY, help="When. Default: today.")
@click.option("--what", default="", metavar="TEXT", help="What they were told, or where that is filed.")
@json_option
def tell(system: str, case_id: str, by: str, who: str, on: datetime | None, what: str, as_json: bool) -> None:
    """Record that somebody was told. Nothing is sent."""
    from aims_mlflow.operation import incidents

    print_case(incidents.tell(book_of(system)[0], case_id, by=by, who=who, on=day(on), what=what), as_json=as_json)


@command.command()
@click.argument("system")
@click.argument("case_id", metavar="ID")
@by_option
@what_option
@json_option
def close(system: str, case_id: str, by: str, what: str, as_json: bool) -> None:
    """Close an incident, with what came of it."""
    from aims_mlflow.operation.incidents import close_incident

    print_case(close_incident(book_of(system)[0], case_id, by=by, what=what), as_json=as_json)
