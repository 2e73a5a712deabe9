"""Results by hand, results by Hypothesis, and how a picture is read back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import strategies as st

from aims_mlflow.evidence import CheckResult, Measure
from aims_mlflow.system import Requirement
from tests import drawn

names = st.one_of(
    st.sampled_from(
        ["female", "over 25", "a & b", "<script>alert(1)</script>", '"onload="x', "\u202etxt.exe", "\x00\x1b[31m", "日本語", "]]>"]
    ),
    st.text(max_size=90),
    st.text(min_size=200, max_size=400),
)
"""Names of columns, groups and perturbations, whatever they are."""

numbers = st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False), st.floats(0, 1), st.integers(-3, 3).map(float))
counts = st.one_of(st.none(), st.integers(0, 10**9))
RATES = ("selection_rate", "true_positive_rate", "false_positive_rate", "accuracy_score", "mean_absolute_error", "group_size")
METRICS = (
    *("demographic_parity_ratio", "demographic_parity_difference", "equalized_odds_difference", "equalized_odds_ratio"),
    *("accuracy_score", "accuracy_score_group_min", "mean_absolute_error_difference", "mean_residual_group_max", "unheard_of"),
    *("accuracy_drop", "flip_rate", "roc_auc_drop", "rejected_share", "drifted_columns_share", "drifted_columns", "distance"),
)


@st.composite
def measures(draw: Any) -> Measure:
    """Any measure that could be written."""
    name = draw(st.sampled_from([*RATES, *METRICS]))
    group = draw(st.one_of(st.none(), names)) if name in RATES else None
    n = draw(counts)
    return Measure(
        name=name,
        value=draw(numbers),
        ci_low=draw(numbers),
        ci_high=draw(numbers),
        ci_method=draw(st.sampled_from([None, "wilson", "full count"])),
        n=n,
        count=draw(counts),
        group=group,
    )


@st.composite
def results(draw: Any) -> CheckResult:
    """Any fairness, robustness or drift result that could be written."""
    check = draw(st.sampled_from(["fairness", "robustness", "drift"]))
    scope = {"dataset": draw(st.sampled_from(["test", "train"]))}
    if check == "fairness" or (check == "drift" and draw(st.booleans())):
        scope["column"] = draw(names)
    if check == "robustness":
        scope |= {"perturbation": draw(names), "strength": draw(st.sampled_from(["0.1", "0.5", "much"]))}
    if check == "drift":
        scope["reference"] = "train"
    untestable = draw(st.lists(names, max_size=2))
    problem = draw(st.one_of(st.none(), names.map(lambda reason: {"state": "error", "reason": reason})))
    return CheckResult.model_validate(
        {
            "check": check,
            "scope": scope,
            "measures": draw(st.lists(measures(), max_size=12)),
            "facts": {"untestable": untestable, "threshold": draw(st.sampled_from([0.1, 0, "x"]))},
            "problem": problem,
        }
    )


@st.composite
def requirements(draw: Any) -> Requirement:
    """Any requirement on these checks."""
    bound = draw(st.sampled_from(["min", "max", "equals"]))
    return Requirement.model_validate(
        {
            "check": draw(st.sampled_from(["fairness", "robustness", "drift"])),
            "metric": draw(st.sampled_from(METRICS)),
            "dataset": draw(st.sampled_from(["", "test", "train"])),
            bound: draw(st.floats(allow_nan=False, allow_infinity=False)),
        }
    )


def share(name: str, count: int, n: int, group: str | None = None) -> Measure:
    """A proportion with Wilson's interval."""
    from aims_mlflow.intervals import wilson

    low, high = wilson(count, n)
    return Measure(name=name, value=count / n, ci_low=low, ci_high=high, ci_method="wilson", n=n, count=count, group=group)


def fairness(column: str = "sex", groups: dict[str, tuple[int, int]] | None = None, rate: str = "selection_rate") -> CheckResult:
    """A fairness result of one rate: group -> (count, n)."""
    found = groups or {"female": (90, 150), "male": (170, 200), "other": (8, 12)}
    made = [Measure.counted("group_size", n, n=n, group=g) for g, (_, n) in found.items()]
    made += [share(rate, count, n, g) for g, (count, n) in found.items()]
    made.append(Measure(name="demographic_parity_ratio", value=0.6 / 0.85, n=min(n for _, n in found.values())))
    small = [g for g, (_, n) in found.items() if n < 100]
    return CheckResult(check="fairness", scope={"dataset": "test", "column": column}, measures=tuple(made), facts={"untestable": [*small]})


def robustness(strength: str, drop: float, half: float = 0.01, rejected: float = 0.0) -> CheckResult:
    """A robustness result at one strength."""
    measures = (
        Measure(name="accuracy_drop", value=drop, ci_low=drop - half, ci_high=drop + half, ci_method="paired bootstrap", n=400),
        Measure.counted("rejected_share", rejected, n=5, unit="share"),
        Measure.counted("crashed_share", 0.0, n=5, unit="share"),
    )
    return CheckResult(check="robustness", scope={"dataset": "test", "perturbation": "missing", "strength": strength}, measures=measures)


def drift(distances: dict[str, float], share_: float = 0.1) -> tuple[CheckResult, ...]:
    """A pair and its columns."""
    scope = {"dataset": "test", "reference": "train"}
    whole = Measure(name="drifted_columns_share", value=share_, ci_low=0.0, ci_high=min(1.0, share_ + 0.2), ci_method="bootstrap", n=400)
    columns = tuple(
        CheckResult(
            check="drift",
            scope={**scope, "column": name},
            measures=(Measure(name="distance", value=d, ci_low=max(0, d - 0.02), ci_high=d + 0.02, ci_method="bootstrap", n=400),),
            facts={"threshold": 0.1, "method": "wasserstein"},
        )
        for name, d in distances.items()
    )
    return CheckResult(check="drift", scope=scope, measures=(whole,), facts={"threshold": 0.1}), *columns


def asked(**content: Any) -> Requirement:
    """A requirement."""
    return Requirement.model_validate(content)


class Made:
    """The builders above, as test modules get them."""

    fairness = staticmethod(fairness)
    robustness = staticmethod(robustness)
    drift = staticmethod(drift)
    asked = staticmethod(asked)
    share = staticmethod(share)
    read = staticmethod(drawn.read)
    results = staticmethod(results)
    requirements = staticmethod(requirements)


@pytest.fixture(scope="session")
def made() -> type[Made]:
    return Made
