"""What is concluded from production data, at a desk: each kind of breach, what shows nothing, and that more breaches are never better."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from aims_mlflow.evidence import State

from .world import BATCH, DECLARED, EMPTY_COLUMN, TRAIN, at_desk, declared, drawn, unlabelled

PERFORMANCE = "performance.accuracy_score[dataset=production]"


def test_a_sound_batch_breaches_nothing() -> None:
    assert at_desk(BATCH, reference=TRAIN).answer == "no breach"
    assert at_desk(unlabelled(BATCH)).answer == "no breach"


class TestBreaches:
    @pytest.mark.parametrize(
        ("data", "more", "requirement"),
        [
            (BATCH.assign(y=1 - BATCH["y"]), {}, PERFORMANCE),
            (drawn(400, 3, shift=3), {"reference": TRAIN}, "monitor.selection_rate_shift[dataset=production]"),
            (EMPTY_COLUMN, {}, "quality.all_null_columns[dataset=production]"),
            (unlabelled(BATCH).drop(columns="z"), {}, "monitor.columns_missing[dataset=production]"),
            (unlabelled(BATCH).assign(z="one"), {}, "monitor.kinds_changed[dataset=production]"),
            (unlabelled(BATCH).assign(g=["a"] * 390 + ["b"] * 10), {}, "monitor.group_share_shift[dataset=production, column=g]"),
            (
                unlabelled(BATCH).assign(z=[None] * 300 + list(BATCH["z"][300:])),
                {},
                "monitor.completeness_shift[dataset=production, column=z]",
            ),
            (
                unlabelled(BATCH).assign(x=100.0),
                {},
                "quality[dataset=production, expectation=expect_column_values_to_be_between:x:",
            ),
        ],
        ids=["performance", "shift", "empty column", "no column", "another kind", "a group", "empty cells", "expectation"],
    )
    def test_each_kind(self, data: pd.DataFrame, more: dict[str, Any], requirement: str) -> None:
        found = at_desk(data, **more)
        assert found.answer == "breach"
        assert any(e.requirement.startswith(requirement) for e in found.breaches), found.states

    def test_a_requirement_that_is_not_critical_breaches_nothing(self) -> None:
        light = [{**r, "severity": "major"} if r["check"] == "performance" else r for r in DECLARED["requirements"]]
        found = at_desk(BATCH.assign(y=1 - BATCH["y"]), system=declared(requirements=light))
        assert found.states[PERFORMANCE] is State.FAIL
        assert PERFORMANCE not in {e.requirement for e in found.breaches}

    def test_a_waiver_for_it_lets_it_through_and_shows(self) -> None:
        waiver = {
            "control": "A.6.2.6",
            "requirement": "quality.all_null_columns[dataset=production]",
            "reason": "z is gone for good",
            "approved_by": "CRO",
            "on": "2026-01-01",
            "expires": "2099-01-01",
        }
        found = at_desk(EMPTY_COLUMN, system=declared(waivers=[waiver]))
        assert "quality.all_null_columns[dataset=production]" not in {e.requirement for e in found.breaches}
        assert found.states["quality.all_null_columns[dataset=production]"] is State.FAIL

    def test_what_cannot_be_decided_and_is_waived_leaves_no_question_open(self) -> None:
        few = BATCH.head(150)  # 75 in each group
        assert at_desk(few).answer == "could not look"
        waiver = {"control": "A.6.2.6", "check": "fairness", "column": "g", "reason": "few", "approved_by": "CRO"}
        system = declared(waivers=[{**waiver, "on": "2026-01-01", "expires": "2099-01-01"}], operation=None)
        found = at_desk(few, system=system)
        assert (found.answer, "waived: fairness" in found.reason) == ("no breach", True)
        lapsed = declared(waivers=[{**waiver, "on": "2026-01-01", "expires": "2026-04-30"}], operation=None)
        assert at_desk(few, system=lapsed).answer == "could not look"

    def test_more_breaches_never_make_it_better(self) -> None:
        """Each further spoilt column keeps the answer at a breach, whatever else can no longer be measured."""
        data = unlabelled(BATCH)
        for column in ("z", "x", "g"):
            data = data.assign(**{column: np.nan})
            assert at_desk(data).answer == "breach"


class TestHostile:
    """What cannot be looked at is no pass, and never a traceback."""

    @pytest.mark.parametrize(
        ("data", "more"),
        [
            (BATCH.assign(y=np.nan), {}),
            (BATCH.assign(y=["yes", "no"] * 200), {}),
            (BATCH.assign(y=0), {}),
            (BATCH.assign(y=[0, 1, 2, 3] * 100), {}),
            (unlabelled(BATCH).drop(columns="g"), {}),
            (unlabelled(BATCH).head(30), {}),
            (unlabelled(BATCH).head(1), {}),
            (unlabelled(BATCH), {"reference": unlabelled(BATCH)}),
            (unlabelled(BATCH), {"reference": TRAIN.head(0)}),
            (unlabelled(BATCH), {"reference": TRAIN[["y"]]}),
            (BATCH.assign(p=0.3), {"predictions": "p"}),
            (BATCH.assign(p=np.nan), {"predictions": "p"}),
            (unlabelled(BATCH).assign(p="yes"), {"predictions": "p"}),
            (unlabelled(BATCH).assign(x=np.inf), {}),
            (unlabelled(BATCH).assign(x=pd.Series([object() for _ in range(400)], dtype=object)), {}),
            (unlabelled(BATCH).rename(columns={"x": 7}), {}),
        ],
        ids=[
            "labels all missing",
            "labels of another type",
            "labels all alike",
            "labels too many",
            "no sensitive column",
            "30 rows",
            "1 row",
            "reference is the batch",
            "reference without rows",
            "reference of other columns",
            "probabilities as predictions",
            "predictions missing",
            "predictions of another type",
            "infinite",
            "objects",
            "a column that is no text",
        ],
    )
    def test_what_shows_nothing_is_no_pass(self, data: pd.DataFrame, more: dict[str, Any]) -> None:
        found = at_desk(data, **more)
        assert found.answer != "no breach", found.states
        assert found.reason

    def test_nothing_that_is_asked_is_no_pass(self) -> None:
        found = at_desk(unlabelled(BATCH), system=declared(requirements=[]))
        assert (found.answer, found.states["monitor.looked"]) == ("could not look", State.MISSING)
