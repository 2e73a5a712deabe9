"""What controls ask of every run, whether or not the system file says so: the whole table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from aims_mlflow.evidence import State
from aims_mlflow.system import Requirement

Of = Literal[
    "run",
    "each role",
    "each acquired role",
    "each learning role",
    "train and test",
    "test after train",
    "train and what follows it",
    "steps that were shown",
    "models that were taken over",
]


@dataclass(frozen=True)
class Standing:
    """One question that every run is asked.

    ``unmet`` is the state where the bound is missed: FAIL where something is wrong, MISSING where something is not there.
    ``of`` says of what it is asked: the run, or each data role. ``attestable``: a person's word for the control stands in
    where the check looked and found nothing (MISSING); never where it found something wrong, or was not run.
    """

    controls: tuple[str, ...]
    check: str
    metric: str
    asks: str
    fix: str
    unmet: State = State.FAIL
    min: float | None = None
    max: float | None = None
    equals: float | None = None
    of: Of = "run"
    attestable: bool = False

    def requirement(self, scope: dict[str, str] | None = None) -> Requirement:
        """Return the question as a requirement, asked of ``scope``."""
        at = scope or {}
        return Requirement(
            check=self.check,
            metric=self.metric,
            dataset=at.get("dataset", ""),
            reference=at.get("reference", ""),
            column=at.get("column", ""),
            datasets=tuple(at["datasets"].split(",")) if "datasets" in at else (),
            min=self.min,
            max=self.max,
            equals=self.equals,
            because=self.asks,
        )


_SOURCES = (
    "fill in data.sources.<role> in aims.yaml (uri, licence, owner, acquired, collection, legal_basis, personal_data, special_categories)"
)
_GIVE = 'pass each frame as the argument that data.roles names for it, or call run.data(frame, role="...")'
_M = State.MISSING

STANDING: tuple[Standing, ...] = (
    Standing(
        ("A.6.1.2",), "objectives", "requirements_declared", "objectives become requirements", "add requirements to aims.yaml", _M, min=1
    ),
    Standing(
        ("A.6.1.2",),
        "objectives",
        "requirements_dated_after_result",
        "requirements come before results",
        "train again under the requirements as they now stand, or correct their `declared` dates in aims.yaml",
        max=0,
    ),
    Standing(
        ("A.6.1.2",),
        "objectives",
        "objectives_without_requirement",
        "every Annex C objective that applies has a requirement",
        "add a requirement that serves the objective (or set `objective: C.2.x` on one) in aims.yaml",
        _M,
        max=0,
    ),
    Standing(
        ("A.6.1.3",),
        "process",
        "gate_declared",
        "a gate stands before deployment",
        "name aliases under gate.protects in aims.yaml",
        _M,
        min=1,
    ),
    Standing(
        ("A.6.1.3",),
        "process",
        "checks_not_run",
        "every check that is asked for can run",
        "install the check, or correct its name in aims.yaml",
        max=0,
    ),
    Standing(
        ("A.6.2.2",),
        "specification",
        "requirements_without_test",
        "every requirement has a test",
        "correct the requirement's check or metric in aims.yaml",
        max=0,
    ),
    Standing(
        ("A.6.2.2",),
        "specification",
        "undeclared_fields",
        "purpose and uses are written down",
        "fill in system.purpose, system.intended_uses and system.prohibited_uses in aims.yaml",
        _M,
        max=0,
    ),
    Standing(
        ("A.6.2.3", "A.4.4", "A.4.5"),
        "design",
        "undocumented_fields",
        "the model can be built again",
        "let the run log what is named (parameters, features, packages, seed)",
        _M,
        max=0,
    ),
    Standing(("A.6.2.3",), "design", "code_unknown", "the code is known", "train from a git checkout or an installed package", max=0),
    Standing(("A.6.2.3",), "design", "code_dirty", "the code is committed", "commit the changes, then train again", max=0),
    Standing(
        ("A.7.5", "A.6.2.3"),
        "lineage",
        "broken_links",
        "the chain from source to model has no gap",
        "pass the training data and the model to the run, and train from known code",
        _M,
        max=0,
    ),
    Standing(
        ("A.6.2.7", "A.8.2"),
        "documentation",
        "empty_fields",
        "the model card is filled in",
        "fill in what the model card leaves empty, under system in aims.yaml",
        _M,
        max=0,
    ),
    Standing(
        ("A.6.2.7", "A.8.2"),
        "documentation",
        "card_matches_model",
        "the model card is of this model",
        "train again, so that the card is written anew",
        equals=1,
    ),
    Standing(
        ("A.7.3",), "acquisition", "undeclared_fields", "where the data came from is declared", _SOURCES, _M, max=0, of="each acquired role"
    ),
    Standing(("A.7.2", "A.4.3"), "provenance", "roles_missing", "every declared role was seen", _GIVE, _M, max=0),
    Standing(
        ("A.7.5", "A.7.2", "A.4.3"), "provenance", "fingerprinted", "the data are known by content", _GIVE, _M, equals=1, of="each role"
    ),
    Standing(
        ("A.7.5", "A.4.3"),
        "provenance",
        "source_declared",
        "the first hop is declared",
        "declare data.sources.<role>.uri in aims.yaml",
        _M,
        equals=1,
        of="each learning role",
    ),
    Standing(
        ("A.7.5",),
        "provenance",
        "digest_mismatch",
        "the data are those that were declared",
        "find out why the data differ, or correct data.sources.<role>.sha256 in aims.yaml",
        max=0,
        of="each role",
    ),
    Standing(
        ("A.7.4",),
        "quality",
        "all_null_columns",
        "no column is empty",
        "repair or drop the empty columns before training",
        max=0,
        of="each role",
    ),
    Standing(
        ("A.7.2", "A.6.2.4"),
        "overlap",
        "shared_rows",
        "nothing is tested on what it was trained on",
        "split the data so that no row stands in both",
        max=0,
        of="train and test",
    ),
    Standing(
        ("A.7.2", "A.6.2.4"),
        "overlap",
        "identical",
        "test data are not the training data",
        "pass held-out data as test",
        max=0,
        of="train and test",
    ),
    Standing(
        ("A.7.2", "A.6.2.4"),
        "leakage",
        "leaking_features",
        "no single feature gives the target away",
        "find out whether the feature is known before the outcome is: drop it, or waive A.7.2 and A.6.2.4 by name for the check leakage",
        State.INCONCLUSIVE,
        max=0,
        of="test after train",
    ),
    Standing(
        ("A.7.2", "A.6.2.4"),
        "leakage",
        "out_of_order_rows",
        "test rows are later than the train rows",
        "split by data.time: train on what was known before the first test row",
        max=0,
        of="train and what follows it",
    ),
    Standing(
        ("A.7.6",),
        "preparation",
        "steps_recorded",
        "the steps from raw data to model input are recorded",
        'pass a pipeline, call run.preparation("...") for each step, or attest A.7.6 in aims.yaml',
        _M,
        min=1,
        attestable=True,
    ),
    Standing(
        ("A.7.6",),
        "preparation",
        "digest_gaps",
        "each step takes up where the one before it left off",
        "tell the steps between with run.preparation(words, before=..., after=...), up to the frame that is given to the run",
        max=0,
        of="steps that were shown",
    ),
    Standing(
        ("A.7.6",),
        "preparation",
        "fitted_on_other_data",
        "what learns from data learnt from training data only",
        "fit every step on the training data only; where a run cannot see what a step learnt from, attest A.7.6 in aims.yaml",
        max=0,
        attestable=True,
    ),
    Standing(
        ("A.10.3",),
        "upstream",
        "upstream_undigested",
        "every model that was taken over is known by a digest",
        "log or register the model that this one was made from in MLflow, and name it by that URI",
        _M,
        max=0,
        of="models that were taken over",
    ),
)
"""The whole table (CONTROLS.md, columns PASS / FAIL / MISSING)."""
