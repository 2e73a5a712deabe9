"""``aims nonconformity``: what does not do as it was asked to, what was done about it, and the evidence that it worked (clause 10.2)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import click

from aims_mlflow.cli._cases import DAY, book_of, day, print_case, print_cases, refusing
from aims_mlflow.cli._output import json_option
from aims_mlflow.errors import ConfigurationError

by_option: Callable[[Any], Any] = click.option("--by", required=True, metavar="WHO", help="Who says so: a name or a role.")
what_option: Callable[[Any], Any] = click.option("--what", required=True, metavar="TEXT", help="What, in words. No personal data.")


@click.group()
def command() -> None:
    """Nonconformities of a SYSTEM (its id, or its file) and what is done about them.

    A breach that `aims monitor` finds opens one by itself. What is written is signed with AIMS_SIGNING_KEY and kept in MLflow, in the
    experiment aims/SYSTEM.
    """


@command.command("list")
@click.argument("system")
@click.option("--open", "only_open", is_flag=True, help="Only those that are not closed.")
@json_option
def list_(system: str, only_open: bool, as_json: bool) -> None:
    """List the nonconformities of SYSTEM, what is open first."""
    book, _ = book_of(system)
    found = [case for case in book.cases("nonconformity") if case.open or not only_open]
    print_cases(found, "nonconformity", book.system_id, as_json=as_json)


@command.command()
@click.argument("system")
@click.argument("case_id", metavar="ID")
@json_option
def show(system: str, case_id: str, as_json: bool) -> None:
    """Show everything that happened to one nonconformity."""
    print_case(book_of(system)[0].case(case_id), as_json=as_json)


@command.command("open")
@click.argument("system")
@by_option
@what_option
@click.option("--due", type=DAY, help="By when it is to be closed. Default: operation.act_within_days from now.")
@click.option("--evidence", metavar="RUN_ID", default="", help="A monitoring run: a nonconformity is opened for each breach it found.")
@json_option
def open_(system: str, by: str, what: str, due: datetime | None, evidence: str, as_json: bool) -> None:
    """Open a nonconformity that somebody has found, or those of the breaches of a monitoring run."""
    from aims_mlflow.operation.nonconformities import DAYS, open_from_run, open_nonconformity

    book, said = book_of(system)
    if evidence:
        if not said.known:
            raise ConfigurationError("without the system file the run cannot be judged", fix="pass the path of the system file as SYSTEM")
        with refusing():
            made = open_from_run(book, said.system, evidence, by=by)
        print_cases(made, "nonconformity", book.system_id, as_json=as_json)
        return
    days = said.system.operation.act_within_days if said.system.operation else DAYS
    print_case(open_nonconformity(book, by=by, what=what, due=day(due), days=days), as_json=as_json)


@command.command()
@click.argument("system")
@click.argument("case_id", metavar="ID")
@by_option
@what_option
@json_option
def cause(system: str, case_id: str, by: str, what: str, as_json: bool) -> None:
    """Say why it came about."""
    from aims_mlflow.operation.nonconformities import add_cause

    print_case(add_cause(book_of(system)[0], case_id, by=by, what=what), as_json=as_json)


@command.command()
@click.argument("system")
@click.argument("case_id", metavar="ID")
@by_option
@what_option
@click.option("--due", type=DAY, help="A new day by which it is to be closed.")
@json_option
def act(system: str, case_id: str, by: str, what: str, due: datetime | None, as_json: bool) -> None:
    """Say what was done about it."""
    from aims_mlflow.operation import nonconformities

    print_case(nonconformities.act(book_of(system)[0], case_id, by=by, what=what, due=day(due)), as_json=as_json)


@command.command()
@click.argument("system")
@click.argument("case_id", metavar="ID")
@by_option
@what_option
@click.option("--worked/--did-not-work", "effective", required=True, help="Whether what was done has worked.")
@json_option
def review(system: str, case_id: str, by: str, what: str, effective: bool, as_json: bool) -> None:
    """Say whether what was done has worked. A nonconformity whose action did not is open again."""
    from aims_mlflow.operation import nonconformities

    print_case(nonconformities.review(book_of(system)[0], case_id, by=by, what=what, effective=effective), as_json=as_json)


@command.command()
@click.argument("system")
@click.argument("case_id", metavar="ID")
@by_option
@what_option
@click.option("--evidence", metavar="RUN_ID", default="", help="A later monitoring or training run in which the requirement passes.")
@click.option("--without-evidence", metavar="REASON", default="", help="Why there is none. The nonconformity shows it for ever.")
@json_option
def close(system: str, case_id: str, by: str, what: str, evidence: str, without_evidence: str, as_json: bool) -> None:
    """Close it, with evidence that what was done has worked.

    Exit codes: 0 closed, 1 the evidence does not show it, 2 it could not be looked at.
    """
    from aims_mlflow.operation import nonconformities

    book, said = book_of(system)
    with refusing():
        closed = nonconformities.close(
            book,
            case_id,
            by=by,
            what=what,
            system=said.system if said.known else None,
            evidence=evidence,
            without_evidence=without_evidence,
        )
    print_case(closed, as_json=as_json)


@command.command()
@click.argument("system")
@click.argument("case_id", metavar="ID")
@by_option
@what_option
@json_option
def reopen(system: str, case_id: str, by: str, what: str, as_json: bool) -> None:
    """Open a closed one again."""
    from aims_mlflow.operation import nonconformities

    print_case(nonconformities.reopen(book_of(system)[0], case_id, by=by, what=what), as_json=as_json)
