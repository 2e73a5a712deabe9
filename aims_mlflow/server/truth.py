"""Which ``aims.*`` tags are true: those of a version follow from its evidence and our policy, those of a model from its newest record.

Nothing is decided from a tag. But people filter by them, so a gated registry keeps them true: it writes what follows from the
evidence, takes what a client sends if it says the same, and refuses what says something else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from aims_mlflow.bundle import ASSESSMENT
from aims_mlflow.decision import GateDecision
from aims_mlflow.errors import AimsError, StoreError, VerificationError
from aims_mlflow.promotion.keeping import index_tags
from aims_mlflow.store import Store, VersionView

DECISION = "aims.decision"
"""The tag with the last decision: what the gate has written there is true, and nothing else."""

CANNOT_SAY = frozenset({"no_answer", "no_version"})
"""Blockers under which the gate has not seen the evidence, so that nothing follows for what the tags say."""


@dataclass(frozen=True)
class Truth:
    """The true tags. ``known`` False: the evidence could not be read now, so what stands there stays; ``why`` says so."""

    tags: Mapping[str, str]
    known: bool = True
    why: str = ""


def of_version(decision: GateDecision, there: Mapping[str, str], store: Store, version: VersionView | None) -> Truth:
    """Return the true tags of a version.

    Args:
        decision: what the gate says of the version now.
        there: the tags that it has, of which the gate's last decision and a true pointer to an assessment stay.
        store: where an assessment is looked for.
        version: the version, where there is one.
    """
    reasons = "; ".join(b.reason for b in decision.blockers)
    if any(b.code in CANNOT_SAY for b in decision.blockers):
        return Truth({}, known=False, why=reasons)
    kept = {DECISION: there[DECISION]} if DECISION in there else {}
    pointer = there.get(ASSESSMENT)
    if pointer is not None and version is not None and points_to_an_assessment(store, version, pointer):
        kept[ASSESSMENT] = pointer
    return Truth(index_tags(decision) | kept, why=reasons)


def points_to_an_assessment(store: Store, version: VersionView, run_id: str) -> bool:
    """Whether the run holds signed evidence of an assessment of just these files."""
    from aims_mlflow.bundle import BUNDLE_PATH
    from aims_mlflow.gate import file_differences
    from aims_mlflow.signing import open_bundle

    try:
        bundle = open_bundle(store.read(run_id, BUNDLE_PATH))[0]
        about_this = bundle.model is not None and not file_differences(bundle.model, store.model_files(version))
    except (StoreError, VerificationError):
        return False
    return about_this and bundle.run.kind == "assessment" and bundle.run.run_id == run_id


def of_model(name: str, store: Store) -> Truth:
    """Return the true tags of a registered model: the system that our policy says it is of, and what the newest record of it says.

    The record is no signed evidence: its tags are as true as the record that people read.
    """
    from aims_mlflow.bundle import RECORD_TAG
    from aims_mlflow.policy.choosing import policy_for

    try:
        system_id = policy_for(None, model_name=name).id
    except AimsError as error:
        return Truth({}, why=error.what)
    tags = {"aims.system": system_id}
    try:
        newest = [run.run_id for run in store.system_runs(system_id) if run.tags.get(RECORD_TAG) == "newest" and run.lifecycle == "active"]
        record = json.loads(store.read(newest[0], "aims/record.json")) if newest else {}
        if record.get("system", {}).get("id") == system_id:
            tags |= {"aims.state": str(record["state"]), "aims.risk": str(record["highest_risk"])}
    except (StoreError, ValueError, KeyError, AttributeError, RecursionError):
        return Truth(tags, why=f"the newest record of {system_id} cannot be read")
    return Truth(tags, why="" if newest else f"there is no record of {system_id} yet; `aims summarise` makes one")
