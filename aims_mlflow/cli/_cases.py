"""What the commands on cases share: the system's casebook, and a case in words and as JSON."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import click
from rich.text import Text

from aims_mlflow.cli import Refusal
from aims_mlflow.cli._output import console, print_json, table
from aims_mlflow.errors import VerificationError
from aims_mlflow.scorecard import shortened, visible

if TYPE_CHECKING:
    from aims_mlflow.operation.casebook import Casebook
    from aims_mlflow.operation.cases import Case, CaseEvent
    from aims_mlflow.records.reading import Declared

STYLES = {"open": "bold red", "broken": "bold red", "acted": "yellow", "reviewed": "cyan", "closed": "green"}

DAY = click.DateTime(["%Y-%m-%d"])


def book_of(system: str) -> tuple[Casebook, Declared]:
    """Return the casebook of a system, by its id or its file, and the system file where there is one."""
    from aims_mlflow.operation.casebook import Casebook
    from aims_mlflow.records.reading import declared
    from aims_mlflow.store import Store

    said = declared(system)
    trusted = tuple(said.system.gate.trusted_keys) if said.known else ()
    return Casebook(said.system.id, Store(), trusted, said.trust), said


def day(given: datetime | None) -> date | None:
    """Return the day of an option."""
    return None if given is None else given.date()


@contextlib.contextmanager
def refusing() -> Iterator[None]:
    """End with exit 1 where evidence does not show what it is to show."""
    try:
        yield
    except VerificationError as error:
        raise Refusal(str(error)) from error


def print_case(case: Case, *, as_json: bool) -> None:
    """Print one case with everything that happened to it."""
    if as_json:
        print_json(content_of(case))
        return
    screen, today = console(), datetime.now(UTC).date()
    screen.print(Text(f"{case.id}  {words_of(case, today)}", style=STYLES[case.state]))
    for problem in case.problems:
        screen.print(Text(f"cannot be believed: {visible(problem)}", style="bold red"))
    rows = table("When (UTC)", "What happened", "Who", "In words")
    for kept in case.events:
        event = kept.event
        rows.add_row(
            Text(event.time.astimezone(UTC).strftime("%Y-%m-%d %H:%M")), Text(_kind(event)), Text(visible(event.by)), Text(_words(event))
        )
    screen.print()
    screen.print(rows)


def print_cases(cases: Sequence[Case], sort: str, system_id: str, *, as_json: bool) -> None:
    """Print the cases of a system, what is open first."""
    if as_json:
        print_json({"system": system_id, sort: [content_of(case) for case in cases]})
        return
    screen, today = console(), datetime.now(UTC).date()
    if not cases:
        screen.print(Text(f"{system_id} has no {sort} on record"))
        return
    rows = table("State", "Id", "What", "Last")
    for case in sorted(cases, key=lambda c: (not c.problems, not c.open)):
        first, last = case.first, case.last
        what = shortened(visible(first.what), 240) if first else "its events are gone"
        about = f"\n{case.breach.model}, seen {len(case.breaches)} times" if case.breach else ""
        done = f"{last.time:%Y-%m-%d} {_kind(last)}, {shortened(visible(last.by), 80)}" if last else ""
        rows.add_row(Text(words_of(case, today), style=STYLES[case.state]), Text(case.id), Text(what + visible(about)), Text(done))
    screen.print(rows)


def words_of(case: Case, today: date) -> str:
    """Return the state of a case in words."""
    closing = next((k.event for k in reversed(case.events) if k.event.kind == "closed"), None)
    if case.state == "closed" and closing is not None and closing.without_evidence:
        return "CLOSED WITHOUT EVIDENCE"
    late = f", OVERDUE SINCE {case.due}" if case.overdue(today) else f", due {case.due}" if case.open and case.due else ""
    return f"{case.state.upper()}{late}"


def content_of(case: Case) -> dict[str, Any]:
    """Return a case as JSON holds it."""
    today = datetime.now(UTC).date()
    return {
        "id": case.id,
        "state": case.state,
        "open": case.open,
        "due": case.due,
        "overdue": case.overdue(today),
        "problems": list(case.problems),
        "events": [{"sha256": k.sha256, "signed_by": list(k.key_ids), **k.event.model_dump(mode="json")} for k in case.events],
    }


def _kind(event: CaseEvent) -> str:
    if event.kind == "reviewed":
        return "it worked" if event.effective else "it did not work"
    said = {"breached": "seen again", "action": "action taken", "told": "told", "reopened": "opened again"}
    return said.get(event.kind, event.kind)


def _words(event: CaseEvent) -> str:
    said = [visible(event.what)]
    if event.incident is not None:
        touched = ", ".join(event.incident.affected) or "nobody named"
        said.append(visible(f"{event.incident.severity}, since {event.incident.since}, affected: {touched}"))
    if event.told is not None:
        said.append(visible(f"told: {event.told.who}, on {event.told.on}"))
    if event.evidence is not None:
        said.append(visible(f"evidence: run {event.evidence.run_id}, {event.evidence.requirement} {event.evidence.state}"))
    if event.without_evidence:
        said.append(f"without evidence: {visible(event.without_evidence)}")
    return "\n".join(said)
