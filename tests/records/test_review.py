"""The input of a management review: what happened in the period and nothing else, every claim with its source."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import mlflow
import pytest

from aims_mlflow.errors import ConfigurationError
from aims_mlflow.promotion import promote
from aims_mlflow.records.pages import review_files
from aims_mlflow.records.review import management_review
from aims_mlflow.records.review_words import ReviewRecord
from aims_mlflow.records.sources import cited_by
from aims_mlflow.records.summary import summarise
from aims_mlflow.scorecard import visible
from aims_mlflow.system import System

TODAY = datetime.now(UTC).date()
BEGIN, END = TODAY - timedelta(days=10), TODAY


def ago(days: int) -> str:
    return str(TODAY - timedelta(days=days))


def spoken(make: Any) -> System:
    system: System = make.system(
        gate={"controls": ["A.7.6"]},
        waivers=[
            {"control": "A.2.2", "reason": "later", "approved_by": "Board", "on": ago(5), "expires": str(TODAY + timedelta(days=9))},
            {"control": "A.2.3", "reason": "long ago", "approved_by": "Board", "on": ago(90), "expires": str(TODAY + timedelta(days=99))},
        ],
        attestations=[{"control": "A.6.2.2", "statement": "approved", "by": "Head of credit", "on": ago(3)}],
        risk={
            "acceptances": [
                {
                    "objective": "C.2.5",
                    "up_to": "high",
                    "rationale": "we can live with it",
                    "by": "CRO",
                    "on": ago(2),
                    "expires": "2099-01-01",
                }
            ],
            "treatments": [
                {"objective": "C.2.8", "option": "modify", "action": "noise training", "owner": "Ada", "status": "done", "done_on": ago(4)},
                {"objective": "C.2.5", "option": "modify", "action": "reweigh", "owner": "Ada", "due": ago(1)},
            ],
        },
        reviews=[
            {
                "on": ago(6),
                "by": "Board",
                "issues": "a new law",
                "decisions": ["go on"],
                "actions": [
                    {"action": "hire", "owner": "Eve", "due": ago(1)},
                    {"action": "train staff", "owner": "Eve", "status": "done", "done_on": ago(2)},
                ],
            }
        ],
    )
    return system


@pytest.fixture
def review(world: Any, make: Any) -> ReviewRecord:
    system = spoken(make)
    world.version(system, make.results(make.robustness(0.01)), started=datetime.now(UTC) - timedelta(days=20))
    newest = world.version(system, make.results(make.robustness(0.2)))
    promote(newest.uri, "champion", system=system, store=world.store)
    return management_review(system, BEGIN, END, store=world.store, out=world.folder / "out")


def test_it_tells_of_the_period(review: ReviewRecord, world: Any) -> None:
    assert [r.uri for r in review.results] == ["models:/loans/2"]
    drop = next(m for m in review.measures if "accuracy_drop" in m.requirement)
    assert (drop.way, drop.first.version if drop.first else "", drop.values) == ("worse", "models:/loans/1", 1)
    assert drop.sentence.startswith("0.01 (0 to 0.02), passing -> 0.2 (0.19 to 0.21), failing")
    risk = next(t for t in review.risks if "disturbed" in t.event)
    assert (risk.way, risk.before, risk.after) == ("worse", "low", "high")
    assert [d.what for d in review.earlier_actions] == [f"hire (review of {ago(6)})"]
    assert len(review.done_actions) == 1
    assert "train staff" in review.done_actions[0]
    assert {c.kind for c in review.changes} >= {"version", "attestation", "treatment"}
    told = " | ".join(d.what for d in review.decisions)
    for words in ("models:/loans/2 allowed as champion", "waiver on A.2.2", "accepted up to high", "go on"):
        assert words in told, words
    assert "long ago" not in told, "that waiver was given before the period"
    assert {(u.topic.split()[0], u.said) for u in review.unsaid} >= {("Changes", "a new law"), ("Opportunities", "")}
    assert [d.kind for d in review.due if d.overdue] == ["treatment"]
    assert review.cases_reason.startswith("none recorded")
    assert review.runs.runs == 2, "both runs began in the period, whatever their bundles say of their time"


def test_every_claim_can_be_followed(review: ReviewRecord) -> None:
    cited = set(cited_by(review))
    assert cited
    assert cited <= {s.id for s in review.sources}
    claims = [*review.results, *review.measures, *review.risks, *review.changes, *review.decisions, *review.due, *review.earlier_actions]
    assert [c for c in claims if not c.evidence_ids] == []


def test_it_stands_in_files_and_in_a_run_of_its_own(review: ReviewRecord, world: Any, make: Any) -> None:
    out: Path = world.folder / "out"
    assert sorted(p.name for p in out.iterdir()) == ["review.html", "review.json", "review.md"]
    assert ReviewRecord.model_validate_json((out / "review.json").read_bytes()) == review
    client = mlflow.MlflowClient()
    (run,) = client.search_runs([client.get_experiment_by_name("aims/loans").experiment_id])
    assert run.info.run_name == f"review of loans, {BEGIN} to {END}"
    assert (run.data.tags["aims.review"], run.info.status) == (f"{BEGIN}/{END}", "FINISHED")
    assert "robustness.accuracy" in run.data.tags["mlflow.note.content"].replace("\\", "")
    assert json.loads(world.store.read(run.info.run_id, "aims/review.json"))["begin"] == str(BEGIN)
    assert summarise(spoken(make), store=world.store, write=False).runs.runs == 2, "a review is no attempt"


def test_an_empty_period_and_an_empty_system_say_so(world: Any, make: Any) -> None:
    made = management_review(make.system(), date(2020, 1, 1), date(2020, 3, 31), store=world.store, write=False)
    assert (made.results, made.measures, made.changes, made.decisions) == ((), (), (), ())
    page = review_files(made)["review.html"].decode()
    for words in ("No version was measured in the period.", "No decision is recorded in the period.", "none recorded", "not said"):
        assert words in page, words


def test_a_period_that_ends_before_it_begins_is_refused(world: Any, make: Any) -> None:
    with pytest.raises(ConfigurationError, match="before it begins"):
        management_review(make.system(), END, BEGIN, store=world.store)


HOSTILE = ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "[x](javascript:alert(1))", "\u202etxt", "=1+1")


def test_hostile_words_are_shown_and_do_nothing(review: ReviewRecord) -> None:
    for text in HOSTILE:
        shown_and_harmless(review, text)


def shown_and_harmless(review: ReviewRecord, text: str) -> None:
    def hostile(value: Any) -> Any:
        if isinstance(value, str):
            return text
        if isinstance(value, tuple):
            return tuple(hostile(v) for v in value)
        return value

    changed = {
        "system": review.system.model_copy(update={"name": text}),
        "decisions": tuple(d.model_copy(update={"what": text, "by": text}) for d in review.decisions),
        "changes": tuple(c.model_copy(update={"what": text, "by": text}) for c in review.changes),
        "done_actions": hostile(review.done_actions),
        "unsaid": tuple(u.model_copy(update={"said": text, "by": text}) for u in review.unsaid),
        "measures": tuple(m.model_copy(update={"requirement": text}) for m in review.measures),
        "risks": tuple(t.model_copy(update={"event": text}) for t in review.risks),
        "due": tuple(d.model_copy(update={"what": text, "who": text}) for d in review.due),
    }
    files = review_files(review.model_copy(update=changed))
    page, written = files["review.html"].decode(), files["review.md"].decode()
    assert re.findall(r"<(script|img)\b", page) == []
    assert "javascript:" not in re.sub(r">[^<]*<", "><", page), "only as text"
    assert "javascript:" not in written
    assert "<" not in written.replace("&lt;", "")
    assert "\u202e" not in page + written
    assert visible(text).replace("<", "&lt;").replace(">", "&gt;").replace('"', "&#34;") in page
