"""Figures of fairness, robustness and drift: what each shows, that it stays on its sheet, and that nothing raises."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aims_mlflow.evidence import CheckResult, Measure, Problem, canonical
from aims_mlflow.pictures import FILES_AT_MOST, figures, plots
from tests.pictures import conftest as strategies

GOLDEN = Path(__file__).parents[1] / "golden" / "pictures"


class TestFairness:
    def test_groups_with_interval_n_and_the_line_of_a_ratio(self, made: Any) -> None:
        requirement = made.asked(check="fairness", metric="demographic_parity_ratio", column="sex", min=0.8)
        (figure,) = figures([made.fairness()], [requirement])
        rates, gaps = figure.panels
        assert [(r.label, r.n) for r in rates.rows] == [("female", 150), ("male", 200), ("other", 12)]
        assert rates.rows[0].value == 0.6
        assert rates.rows[0].low is not None
        assert rates.limits[0].side == "least"
        assert rates.limits[0].value == pytest.approx(0.8 * 0.85), "the bound times the highest rate of a group that is large enough"
        assert "highest: male" in rates.limits[0].words
        assert [r.small for r in rates.rows] == [False, False, True]
        assert rates.rows[2].remark == "too small to decide: has n=12, asked: 100"
        (gap,) = gaps.rows
        assert gap.limits[0].value == 0.8
        assert gap.low is not None
        assert gap.low < 0.6 / 0.85 < (gap.high or 0)
        assert figure.requirements == (requirement.id,)

    @pytest.mark.parametrize(
        ("metric", "rate", "bound", "value", "side"),
        [
            ("demographic_parity_difference", "selection_rate", {"max": 0.1}, 0.75, "least"),
            ("false_positive_rate_difference", "false_positive_rate", {"max": 0.1}, 0.7, "most"),
            ("false_positive_rate_ratio", "false_positive_rate", {"min": 0.8}, 0.75, "most"),
            ("accuracy_score_group_min", "accuracy_score", {"min": 0.7}, 0.7, "least"),
            ("zero_one_loss_group_max", "zero_one_loss", {"max": 0.4}, 0.4, "most"),
            ("mean_absolute_error_difference", "mean_absolute_error", {"max": 0.5}, 1.1, "most"),
            ("selection_rate", "selection_rate", {"min": 0.5}, 0.5, "least"),
        ],
    )
    def test_the_line_in_the_groups_own_terms(self, made: Any, metric: str, rate: str, bound: Any, value: float, side: str) -> None:
        groups = {"a": (120, 200), "b": (170, 200)}
        (figure,) = figures([made.fairness(groups=groups, rate=rate)], [made.asked(check="fairness", metric=metric, **bound)])
        panel = figure.panels[0]
        assert panel.title == rate.replace("_", " ")
        assert [(pytest.approx(limit.value), limit.side) for limit in panel.limits] == [(value, side)]

    def test_furthest_from_zero_has_a_line_on_either_side(self, made: Any) -> None:
        result = made.fairness(groups={"a": (120, 200), "b": (170, 200)}, rate="mean_residual")
        (figure,) = figures([result], [made.asked(check="fairness", metric="mean_residual_group_max", max=0.3)])
        assert {(limit.value, limit.side) for limit in figure.panels[0].limits} == {(0.3, "most"), (-0.3, "least")}

    def test_odds_have_both_of_their_rates(self, made: Any) -> None:
        result = made.fairness(rate="true_positive_rate")
        others = made.fairness(rate="false_positive_rate").measures
        result = result.model_copy(update={"measures": (*result.measures, *others)})
        (figure,) = figures([result], [made.asked(check="fairness", metric="equalized_odds_difference", max=0.2)])
        assert [panel.title for panel in figure.panels] == ["true positive rate", "false positive rate", "Between the groups"]

    def test_a_ratio_that_is_asked_to_be_small_draws_no_line_among_the_groups(self, made: Any) -> None:
        (figure,) = figures([made.fairness()], [made.asked(check="fairness", metric="demographic_parity_ratio", max=0.8)])
        assert figure.panels[0].limits == ()

    def test_what_is_not_asked_is_drawn_without_a_line(self, made: Any) -> None:
        (figure,) = figures([made.fairness("sex & age")])
        assert figure.requirements == ()
        assert figure.panels[0].limits == ()
        assert "sex & age" in figure.title

    def test_a_problem_is_said(self) -> None:
        problem = Problem(state="missing", reason="no column 'sex'")
        result = CheckResult(check="fairness", scope={"dataset": "test", "column": "sex"}, problem=problem)
        (figure,) = figures([result])
        assert figure.panels == ()
        assert figure.notes == ("Not measured: no column 'sex'",)

    def test_very_many_groups_are_cut_to_those_at_the_ends(self, made: Any) -> None:
        (figure,) = figures([made.fairness(groups={f"g{i}": (i + 1, 200) for i in range(120)})])
        labels = [row.label for row in figure.panels[0].rows]
        assert {"g0", "g119"} <= set(labels)
        assert labels[-1] == "and 80 groups between these, which are not shown"


class TestRobustness:
    def test_strengths_in_their_order_with_what_was_refused(self, made: Any) -> None:
        results = [made.robustness("0.2", 0.05, rejected=0.2), made.robustness("0.05", 0.01)]
        requirement = made.asked(check="robustness", metric="accuracy_drop", perturbation="missing", strength=0.2, max=0.1)
        (figure,) = figures(results, [requirement])
        (panel,) = figure.panels
        assert [row.label for row in panel.rows] == ["strength 0.05", "strength 0.2"]
        assert [len(row.limits) for row in panel.rows] == [0, 1], "the bound is drawn where it is asked"
        assert panel.rows[1].remark == "rejected 20 %, crashed 0 %"
        assert all(row.n == 400 for row in panel.rows)

    def test_a_bound_on_all_strengths_is_said_once(self, made: Any) -> None:
        requirement = made.asked(check="robustness", metric="accuracy_drop", perturbation="missing", max=0.1)
        (figure,) = figures([made.robustness("0.1", 0.0), made.robustness("0.2", 0.05)], [requirement])
        assert [limit.value for limit in figure.panels[0].limits] == [0.1]
        assert not any(row.limits for row in figure.panels[0].rows)

    def test_a_refusal_is_said(self) -> None:
        scope = {"dataset": "test", "perturbation": "missing", "strength": "0.1"}
        measures = (Measure.counted("rejected_share", 1.0, n=5, unit="share"),)
        problem = Problem(state="error", reason="the model rejects missing values")
        (figure,) = figures([CheckResult(check="robustness", scope=scope, measures=measures, problem=problem)])
        assert figure.panels[0].rows[0].remark.endswith("rejected 100 %; the model rejects missing values")

    def test_the_column_whose_damage_does_most_stands_beside_the_mean(self, made: Any) -> None:
        result = made.robustness("10", 0.1)
        worst = Measure(name="worst_column_accuracy_drop", value=0.4, ci_low=0.3, ci_high=0.5, ci_method="worst of 7", n=400)
        (figure,) = figures([result.model_copy(update={"measures": (*result.measures, worst), "notes": ("The mean over 7 columns.",)})])
        assert [panel.title for panel in figure.panels] == ["accuracy drop", "worst column accuracy drop"]
        assert figure.notes == ("The mean over 7 columns.",)

    def test_a_result_of_another_kind_has_a_panel_of_its_own(self, made: Any) -> None:
        scope = {"dataset": "test", "perturbation": "missing"}
        kept = Measure(name="accuracy_retention", value=0.97, ci_low=0.95, ci_high=0.99, ci_method="bootstrap", n=400)
        bare = Measure(name="a_count", value=3.0)
        other = CheckResult(check="robustness", scope=scope, measures=(bare, kept))
        (figure,) = figures([made.robustness("0.1", 0.01), other])
        assert [(p.title, [r.label for r in p.rows]) for p in figure.panels] == [
            ("accuracy drop", ["strength 0.1"]),
            ("accuracy retention", ["all rows"]),
        ]

    def test_what_is_asked_and_was_not_measured_is_said(self, made: Any) -> None:
        requirement = made.asked(check="robustness", metric="r2_drop", perturbation="missing", max=0.1)
        (figure,) = figures([made.robustness("0.1", 0.01)], [requirement])
        panel = next(p for p in figure.panels if p.title == "r2 drop")
        assert [(row.value, row.remark.split(";")[0]) for row in panel.rows] == [(None, "not measured")]


class TestDrift:
    def test_columns_farthest_first_with_the_threshold(self, made: Any) -> None:
        requirement = made.asked(check="drift", metric="drifted_columns_share", max=0.2)
        (figure,) = figures(made.drift({"near": 0.03, "far": 0.3}), [requirement])
        share, columns = figure.panels
        assert share.limits[0].value == 0.2
        assert [row.label for row in columns.rows] == ["far", "near"]
        assert columns.limits[0].value == 0.1
        assert "Asked: drifted columns share at most 0.2." in figure.about

    def test_an_extreme_distance_leaves_the_others_readable(self, made: Any) -> None:
        (svg,) = plots(made.drift({"near": 0.05, "wild": 900.0})).values()
        picture = made.read(svg)
        assert picture.count("polygon", "beyond") == 1, "one arrow for the value and its interval"
        assert "900 (900 to 900), n = 400" in picture.words

    def test_many_columns_are_cut_to_the_farthest(self, made: Any) -> None:
        (figure,) = figures(made.drift({f"c{i:03}": i / 1000 for i in range(100)}))
        assert len(figure.panels[1].rows) == 40
        assert figure.panels[1].rows[0].label == "c099"
        assert figure.notes == ("And 60 more columns, none of them farther than these.",)

    def test_a_column_that_cannot_be_compared_comes_first_with_its_reason(self, made: Any) -> None:
        problem = Problem(state="error", reason="in one frame only")
        lost = CheckResult(check="drift", scope={"dataset": "test", "reference": "train", "column": "z"}, problem=problem)
        (figure,) = figures([*made.drift({"a": 0.3}), lost])
        assert [(row.label, row.remark) for row in figure.panels[1].rows] == [("z", "in one frame only"), ("a", "")]


GALLERY = {
    "fairness": lambda made: ([made.fairness()], [made.asked(check="fairness", metric="demographic_parity_ratio", min=0.8)]),
    "robustness": lambda made: (
        [made.robustness("0.1", 0.01), made.robustness("0.2", 0.04, rejected=0.2)],
        [made.asked(check="robustness", metric="accuracy_drop", perturbation="missing", strength=0.2, max=0.05)],
    ),
    "drift": lambda made: (
        made.drift({"income": 0.02, "installment_rate_in_percentage_of_disposable_income": 0.17}),
        [made.asked(check="drift", metric="drifted_columns_share", max=0.2)],
    ),
}


@pytest.mark.parametrize("name", GALLERY)
def test_a_picture_is_what_is_committed(made: Any, name: str) -> None:
    """To look at the pictures anew: AIMS_GOLDEN=write python -m pytest tests/pictures tests/lineages."""
    import os

    (svg,) = plots(*GALLERY[name](made)).values()
    made.read(svg)
    path = GOLDEN / f"{name}.svg"
    if os.environ.get("AIMS_GOLDEN") == "write":
        path.write_bytes(svg)
    assert svg == path.read_bytes()
    assert len(svg) < 8_000


@pytest.mark.parametrize("name", GALLERY)
def test_what_is_seen_is_said_too(made: Any, name: str) -> None:
    results, requirements = GALLERY[name](made)
    (figure,), (svg,) = figures(results, requirements), plots(results, requirements).values()
    picture = made.read(svg)
    assert picture.title() == figure.title
    for panel in figure.panels:
        for row in panel.rows:
            assert row.label in picture.description()
            assert f"n = {row.n}" in picture.description()
            assert f"n = {row.n}" in picture.words
    assert picture.description().count("asked: ") >= 1
    assert picture.count("line", "bound") >= 1
    assert picture.count("rect", "met") >= 1


def test_the_same_results_give_the_same_bytes(made: Any) -> None:
    results = [made.fairness(), made.robustness("0.1", 0.02), *made.drift({"x": 0.2})]
    again = [CheckResult.model_validate_json(canonical(r.model_dump(mode="json"))) for r in results]  # as a bundle gives them back
    assert plots(results) == plots(again) == plots(results)


def test_what_is_asked_comes_first_and_there_are_not_too_many(made: Any) -> None:
    results = [made.fairness(f"column {i}") for i in range(FILES_AT_MOST + 20)]
    last = made.asked(check="fairness", metric="demographic_parity_ratio", column=f"column {FILES_AT_MOST + 19}", min=0.8)
    found = figures(results, [last])
    assert len(found) == FILES_AT_MOST
    assert found[0].requirements == (last.id,)


def test_paths_are_safe_stable_and_apart(made: Any) -> None:
    columns = ["sex", "Sex", "sex & age", "sex-age", "../../etc/passwd", "a/b", "a b", ".", "x" * 300, "x" * 301, "日本語", "年齢", ""]
    found = plots([made.fairness(column) for column in columns])
    assert len(found) == len(columns)
    assert len({path.casefold() for path in found}) == len(columns)
    for path in found:
        assert re.fullmatch(r"aims/plots/fairness/[a-z0-9_-]{1,80}\.svg", path), path
    assert "aims/plots/fairness/test-sex.svg" in found
    assert found.keys() == plots([made.fairness(column) for column in columns]).keys()


HOSTILE = ["<script>alert(1)</script>", '"><svg onload=alert(1)>', "]]><![CDATA[", "&amp;&#60;", "\x00\x1b\u202e\ufffe", "'"]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_name_is_shown_and_does_nothing(made: Any, text: str) -> None:
    result = made.fairness(text, {text: (90, 150), "other": (170, 200)})
    column = [
        r.model_copy(update={"scope": {**r.scope, **({"column": text} if "column" in r.scope else {})}}) for r in made.drift({"x": 0.1})
    ]
    requirement = made.asked(check="fairness", metric="demographic_parity_ratio", min=0.8)
    for svg in plots([result, *column], [requirement]).values():
        picture = made.read(svg)  # what is active or unknown is refused there
        assert b"<script" not in svg
        assert "alert" not in text or "alert(1)" in picture.words


@settings(max_examples=120, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.lists(strategies.results(), max_size=4), st.lists(strategies.requirements(), max_size=3))
def test_any_result_makes_a_picture_that_stays_on_its_sheet(results: list[CheckResult], requirements: list[Any]) -> None:
    made = plots(results, requirements)
    checks = {(r.check, *((k, r.scope.get(k)) for k in ("dataset", "perturbation", "reference"))) for r in results}
    assert len(made) >= len({c[0] for c in checks})
    for svg in made.values():
        strategies.drawn.read(svg)
