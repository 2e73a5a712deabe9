"""Incidents as records (A.8.4): what happened, how severe it is, whom it touches, who was told and when."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Literal

from aims_mlflow.errors import ConfigurationError, UnknownNameError
from aims_mlflow.evidence import collector
from aims_mlflow.operation.casebook import Casebook
from aims_mlflow.operation.cases import Case, CaseEvent, Incident, Told, new_case_id
from aims_mlflow.system import System

SORT = "incident"


def open_incident(
    book: Casebook,
    system: System,
    *,
    by: str,
    what: str,
    severity: Literal["minor", "major", "critical"],
    since: date | None = None,
    affected: Iterable[str] = (),
    model: str = "",
) -> Case:
    """Open an incident.

    Args:
        book: the system's cases.
        system: whose affected parties may be named.
        by: who reports it.
        what: what happened, in words. No personal data belong here: the record is for readers.
        severity: how severe it is.
        since: since when; default: today.
        affected: names under ``system.affected_parties`` in the system file.
        model: the version that was in operation.

    Raises:
        UnknownNameError: a party that the system file does not declare.
        ConfigurationError: nobody, nothing, or a day that is still to come.
    """
    now = datetime.now(UTC)
    parties = tuple(dict.fromkeys(affected))
    known = [party.name for party in system.system.affected_parties]
    for name in parties:
        if name not in known:
            raise UnknownNameError.among("affected party", name, known, where="system.affected_parties in aims.yaml")
    _said(by, what)
    if since is not None and since > now.date():
        raise ConfigurationError(f"the incident would have begun on {since}, which is still to come", fix="correct --since")
    event = CaseEvent(
        case=new_case_id(SORT, book.system_id, by, what, now),
        system_id=book.system_id,
        kind="opened",
        time=now,
        by=by,
        what=what,
        collector=collector(),
        incident=Incident(severity=severity, since=since or now.date(), affected=parties, model=model),
    )
    return book.append(event)


def tell(book: Casebook, case_id: str, *, by: str, who: str, on: date | None = None, what: str = "") -> Case:
    """Record that somebody was told: a party, an authority, a customer. Also of a closed incident.

    Args:
        book: the system's cases.
        case_id: which incident.
        by: who told them.
        who: who was told.
        on: when; default: today.
        what: in words, what they were told, or where that is filed.

    Raises:
        ConfigurationError: no such incident, nobody, or a day that is still to come.
    """
    book.case(case_id)
    now = datetime.now(UTC)
    _said(by, who)
    if on is not None and on > now.date():
        raise ConfigurationError(f"they would have been told on {on}, which is still to come", fix="record it when it has been done")
    return book.append(
        CaseEvent(
            case=case_id,
            system_id=book.system_id,
            kind="told",
            time=now,
            by=by,
            what=what or f"told {who}",
            collector=collector(),
            told=Told(who=who, on=on or now.date()),
        )
    )


def close_incident(book: Casebook, case_id: str, *, by: str, what: str) -> Case:
    """Close an incident, with what came of it in words; raises ConfigurationError where there is none, or it is closed."""
    case = book.case(case_id)
    if not case.open:
        raise ConfigurationError(f"{case_id} is closed already", fix="open a new one where it has come again")
    _said(by, what)
    return book.append(
        CaseEvent(case=case_id, system_id=book.system_id, kind="closed", time=datetime.now(UTC), by=by, what=what, collector=collector())
    )


def told_of(case: Case) -> tuple[Told, ...]:
    """Return who has been told of an incident, in the order in which it was recorded."""
    return tuple(k.event.told for k in case.events if k.event.told is not None)


def _said(*texts: str) -> None:
    if not all(text.strip() for text in texts):
        raise ConfigurationError("an incident says who and what", fix="give each in words")
