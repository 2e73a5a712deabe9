from __future__ import annotations

import pytest

from aims_mlflow.checks.robustness import STRENGTHS
from aims_mlflow.records.families import FAMILIES, PERTURBED

ROBUSTNESS = next(family for family in FAMILIES if family.check == "robustness")


@pytest.mark.parametrize("perturbation", STRENGTHS)
def test_an_event_names_its_perturbation_and_disturbance_only_where_input_is_disturbed(perturbation: str) -> None:
    event = ROBUSTNESS.event_of({"perturbation": perturbation})
    assert f"({perturbation})" in event
    assert ("disturbed" in event) == (perturbation in ("numeric_noise", "missing"))


def test_every_event_is_of_a_perturbation_that_there_is() -> None:
    assert set(PERTURBED) <= set(STRENGTHS)
