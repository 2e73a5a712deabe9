"""Incidents: opened, told of, closed; parties are those that the system file declares."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from aims_mlflow.errors import ConfigurationError, UnknownNameError
from aims_mlflow.operation.casebook import Casebook
from aims_mlflow.operation.incidents import close_incident, open_incident, tell, told_of
from aims_mlflow.store import Store
from aims_mlflow.system import System

from .world import DECLARED

SYSTEM = System.model_validate(DECLARED)


@pytest.fixture
def book(mlflow_home: str) -> Casebook:
    return Casebook("small", Store())


def test_an_incident_from_its_opening_to_its_end(book: Casebook) -> None:
    case = open_incident(
        book, SYSTEM, by="Operator", what="scores were swapped", severity="major", since=date(2026, 1, 2), affected=["applicants"]
    )
    assert case.first is not None
    assert case.first.incident is not None
    assert (case.first.incident.severity, case.first.incident.since, case.first.incident.affected) == (
        "major",
        date(2026, 1, 2),
        ("applicants",),
    )
    tell(book, case.id, by="Owner", who="the data protection authority", on=date(2026, 1, 4))
    closed = close_incident(book, case.id, by="Owner", what="put right")
    assert closed.state == "closed"
    after = tell(book, case.id, by="Owner", who="applicants", what="a letter")
    assert (after.state, [t.who for t in told_of(after)]) == ("closed", ["the data protection authority", "applicants"])
    assert book.cases("nonconformity") == ()
    assert [c.id for c in book.cases("incident")] == [case.id]
    with pytest.raises(ConfigurationError, match="closed already"):
        close_incident(book, case.id, by="Owner", what="again")


def test_a_party_that_nobody_declared_is_refused_with_the_nearest(book: Casebook) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'applicants'"):
        open_incident(book, SYSTEM, by="a", what="b", severity="minor", affected=["aplicants"])
    assert book.cases("incident") == ()


def test_nothing_happens_tomorrow(book: Casebook) -> None:
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    with pytest.raises(ConfigurationError, match="still to come"):
        open_incident(book, SYSTEM, by="a", what="b", severity="minor", since=tomorrow)
    case = open_incident(book, SYSTEM, by="a", what="b", severity="minor")
    with pytest.raises(ConfigurationError, match="still to come"):
        tell(book, case.id, by="a", who="b", on=tomorrow)
    for by, what in (("", "x"), ("x", " ")):
        with pytest.raises(ConfigurationError, match="who and what"):
            open_incident(book, SYSTEM, by=by, what=what, severity="minor")
