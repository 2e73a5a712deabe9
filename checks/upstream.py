"""Suppliers (A.10.3): the models that were taken over from before or elsewhere, by name and digest, and what nobody can say of them."""

from __future__ import annotations

from pydantic import JsonValue

from aims_mlflow import describing
from aims_mlflow.evidence import CheckResult, Coverage, Measure
from aims_mlflow.observation import Observation
from aims_mlflow.registry import check
from aims_mlflow.unknowns import unknowns

METRICS = ("upstream_models", "upstream_undigested", "unknown_facts", "data_not_as_recorded")


@check("upstream", controls=["A.10.3"], objectives=["C.2.1"], metrics=METRICS)
def upstream(seen: Observation) -> CheckResult:
    """Count the models that were taken over, those without a digest, and, for an assessment, what can no longer be known.

    Taken over are the model itself where it was made before or elsewhere (an assessment), and every model it was made from. What
    a supplier was asked, and by whom it was accepted, is a person's to say (A.10.3). ``data_not_as_recorded`` counts the roles
    whose data are not those that the run which made the model recorded, where both are known by a digest of their whole content.
    """
    taken: list[dict[str, JsonValue]] = []
    if seen.run.kind == "assessment" and seen.model is not None:
        digest = describing.model_digest(seen.model)
        taken.append({"uri": describing.address(seen.model.uri), "relation": "assessed", "sha256": digest, "run": seen.run.recorded_by})
    for parent in seen.run.parents:
        taken.append({"uri": describing.address(parent.uri), "relation": parent.relation, "sha256": parent.sha256, "run": ""})
    bare = [str(one["uri"]) for one in taken if not one["sha256"]]
    gone = unknowns(seen)
    other, compared = _other_data(seen)
    measures = [
        Measure.counted("upstream_models", len(taken)),
        Measure.counted("upstream_undigested", len(bare), n=len(taken)),
    ]
    if seen.run.kind == "assessment":
        measures.append(Measure.counted("unknown_facts", len(gone)))
        measures.append(Measure.counted("data_not_as_recorded", len(other), n=len(compared)))
    notes = [f"{one.what}: {one.reason}. Fix: {one.fix}" for one in gone]
    notes += [f"the {role} data are not those that run {seen.run.recorded_by} recorded" for role in other]
    return CheckResult(
        check="upstream",
        measures=tuple(measures),
        facts={
            "kind": seen.run.kind,
            "models": [*taken],
            "upstream_undigested": [*bare],
            "unknown_facts": [one.what for one in gone],
            "unknown": [{"what": one.what, "reason": one.reason, "fix": one.fix} for one in gone],
            "as_recorded_by": seen.run.recorded_by,
            "data_not_as_recorded": [*other],
            "data_as_recorded": [role for role in compared if role not in other],
        },
        notes=tuple(notes),
        coverage=Coverage(asked=tuple(str(one["uri"]) for one in taken), evaluated=tuple(str(one["uri"]) for one in taken)),
        subjects=seen.model.subjects if seen.model is not None else (),
    )


def _other_data(seen: Observation) -> tuple[list[str], list[str]]:
    """Return the roles whose data have another digest than was recorded, and those that could be compared."""
    recorded = {role: digest for role, digest in seen.run.recorded_data.items() if len(digest) == 64}
    compared = [role for role in seen.datasets if role in recorded]
    return [role for role in compared if seen.datasets[role].fingerprint.sha256 != recorded[role]], compared
