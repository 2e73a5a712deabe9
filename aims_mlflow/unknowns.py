"""What can no longer be known of a model that was made before, or elsewhere: each thing, why, and what would make it known."""

from __future__ import annotations

from dataclasses import dataclass

from aims_mlflow import describing
from aims_mlflow.measuring.frames.steps import steps_of
from aims_mlflow.observation import Observation

AGAIN = "train it again under @aims.track"


@dataclass(frozen=True)
class Unknown:
    """One thing that nothing at hand tells, in words."""

    what: str
    reason: str
    fix: str


def unknowns(seen: Observation) -> tuple[Unknown, ...]:
    """Return what an assessment could not find out; nothing for a training run, which was there.

    Asked for: the training data, the code and whether it was clean, parameters, packages, machine, seed, and the steps from
    raw data to model input.
    """
    if seen.run.kind != "assessment":
        return ()
    by = recorder_of(seen)
    none = f"{by} says nothing of it" if seen.run.recorded_by else by
    found = [_data(seen, by), code(seen)]
    if describing.parameters(seen) is None:
        found.append(Unknown("parameters", f"the model does not tell its parameters, and {none}", f"{AGAIN}, or log them to the run"))
    if not seen.run.packages:
        fix = f"log the model with pip_requirements, or {AGAIN}"
        found.append(Unknown("packages", f"the model's files name no package with its version, and {none}", fix))
    if not seen.run.hardware:
        found.append(Unknown("hardware", f"on which machine it was trained was not recorded: {none}", AGAIN))
    if not describing.seed_is_known(seen):
        found.append(Unknown("seed", f"the model names no seed for what it draws at random, and {none}", f"{AGAIN} with a fixed seed"))
    if not seen.run.preparation and not (seen.model is not None and seen.model.estimator is not None and steps_of(seen.model.estimator)):
        fix = f"attest A.7.6 in aims.yaml, or {AGAIN} as a pipeline"
        found.append(Unknown("preparation", f"the model shows no step from raw data to its input, and {none}", fix))
    return tuple(one for one in found if one is not None)


def recorder_of(seen: Observation) -> str:
    """Return who recorded what is known of how the model was made, in words."""
    return f"run {seen.run.recorded_by}, which made it," if seen.run.recorded_by else "no run that made it is recorded"


def code(seen: Observation) -> Unknown | None:
    """Return why the code behind an assessed model is not known, or not known to be clean; None where it is, or for a training run."""
    made_by = seen.run.code
    if seen.run.kind != "assessment" or (made_by.reference and (made_by.dirty is not None or made_by.kind == "distribution")):
        return None
    fix = f"{AGAIN} from a committed checkout, or let a named person waive A.6.2.3 for it in aims.yaml (waivers)"
    if made_by.reference:
        reason = f"{recorder_of(seen)} names the commit {made_by.reference[:12]}, but not whether anything differed from it"
        return Unknown("code", reason, fix)
    by = f"{recorder_of(seen)} names no commit and no released package" if seen.run.recorded_by else recorder_of(seen)
    return Unknown("code", f"which code trained the model cannot be known any more: {by}", fix)


def _data(seen: Observation, by: str) -> Unknown | None:
    if "train" in seen.datasets:
        return None
    digest = seen.run.recorded_data.get("train") or seen.run.recorded_data.get("training", "")
    known = f"; {by} used data with the digest {digest[:16]}…" if digest else ""
    fix = "give them, if they still exist: --data train=FILE"
    return Unknown("training data", f"the data that the model was trained on were not given{known}", fix)
