"""The gap report: what to do next, what blocks first, each with why, how and who."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from aims_mlflow.evidence import LETS_THROUGH
from aims_mlflow.judging import gated_controls
from aims_mlflow.records.looking import count
from aims_mlflow.records.openitems import WEIGHTS
from aims_mlflow.records.reading import Declared, Read
from aims_mlflow.records.summary import make_record
from aims_mlflow.records.words import OpenItem

NOW = datetime.now(UTC)


def items(seen: Any, system: Any, results: Any = None, *, known: bool = True) -> tuple[OpenItem, ...]:
    version = seen(system, results)
    return make_record(Read(Declared(system, known, "aims.yaml"), (version,), version, count((), {}), NOW)).open_items


def test_every_gap_is_there_once_in_the_order_in_which_to_close_it(make: Any, seen: Any) -> None:
    system = make.system()
    found = items(seen, system, make.results(make.robustness(0.2)))
    weights = [i.weight for i in found]
    assert weights == sorted(weights, key=WEIGHTS.index)
    controls = [i.control for i in found if i.control]
    gated = gated_controls(system)
    version = seen(system, make.results(make.robustness(0.2)))
    open_ = [line.control for line in version.lines if line.state not in LETS_THROUGH]
    assert sorted(controls) == sorted(open_)
    assert {i.control for i in found if i.weight == "blocks" and i.control} == set(open_) & set(gated)
    assert {i.control for i in found if i.weight == "gap"} == set(open_) - set(gated)
    assert controls.index("A.6.2.4") < controls.index("A.2.2"), "what blocks comes before what does not"


def test_each_says_why_how_and_who(make: Any, seen: Any) -> None:
    for item in items(seen, make.system(), make.results(make.robustness(0.2))):
        if item.control:
            assert item.why, item
            assert item.fix, item
            assert item.evidence_ids, item
        if item.weight != "note":
            assert item.who, item


def test_who_stands_behind_a_requirement_has_to_act_on_it(make: Any, seen: Any) -> None:
    requirements = make.system().model_dump(mode="json", by_alias=True)["requirements"]
    owned = [{**r, "owner": "Noise team"} if r["check"] == "robustness" else r for r in requirements]
    plain = [{k: v for k, v in r.items() if v not in (None, "", [], ())} for r in owned]
    found = items(seen, make.system(requirements=plain), make.results(make.robustness(0.2)))
    assert next(i.who for i in found if i.control == "A.6.2.4") == "Noise team"
    assert next(i.who for i in found if i.control == "A.2.2") == "Head of credit (owner of the system)"


def test_nobody_is_invented(make: Any, seen: Any) -> None:
    who = {i.who for i in items(seen, make.system(system={"owner": None})) if i.control}
    assert who == {"nobody is named (system.owner)"}


def test_an_acceptance_that_no_longer_covers_its_risk_is_open(make: Any, seen: Any) -> None:
    given = {"objective": "C.2.8", "up_to": "low", "rationale": "r", "by": "CRO", "on": "2026-01-01", "expires": "2099-01-01"}
    system = make.system(risk={"acceptances": [given]})
    item = next(i for i in items(seen, system, make.results(make.robustness(0.2))) if "not accepted as it reads now" in i.what)
    assert "accepted up to low, and it reads high now" in item.why
    assert not any("not accepted" in i.what for i in items(seen, system))


def test_what_ends_soon_is_warned_of_and_what_ends_later_is_not(make: Any, seen: Any) -> None:
    def due(days: int) -> list[str]:
        day = str((NOW + timedelta(days=days)).date())
        word = {"control": "A.2.2", "statement": "s", "by": "Di", "on": "2026-01-12", "expires": day}
        return [i.why for i in items(seen, make.system(attestations=[word])) if i.weight == "due"]

    assert [w for w in due(29) if "in 29 days" in w]
    assert [w for w in due(-2) if "ended on" in w and "2 days ago" in w]
    assert due(31) == []


def test_without_a_file_there_is_one_thing_to_do_first(make: Any, seen: Any) -> None:
    found = items(seen, make.system(), known=False)
    assert found[0].what.startswith("The system file is missing")
    assert not [i for i in found if i.control]
