"""Acquisition (A.7.3): what is declared about where data came from and on what terms, role by role."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import JsonValue

from aims_mlflow.describing import declared_source, said, source_of, source_role
from aims_mlflow.evidence import CheckResult, Coverage, Measure, Problem
from aims_mlflow.observation import Observation
from aims_mlflow.registry import check
from aims_mlflow.system import Source

FIELDS = ("uri", "licence", "owner", "acquired", "collection", "legal_basis", "personal_data", "special_categories")
"""What must be declared of every source; what the words mean stands in the system file's schema."""

ROLES = ("train", "validation", "reference", "test")


@check("acquisition", controls=["A.7.3"], metrics=("undeclared_fields",))
def acquisition(seen: Observation) -> Iterator[CheckResult]:
    """Count, for each role, the fields of its source that nobody has declared.

    Train data are always asked for; the other roles where the run used them. Test data without a declaration of their own take
    that of the train data, since most test data are split off from them; a note says so.
    """
    for role in ROLES:
        if role in seen.datasets:
            yield _declared(seen, role)
        elif role == "train":
            reason = "no train data was seen in this run, so there is nothing whose origin could be declared"
            fix = seen.how_to_give(role)
            yield CheckResult(check="acquisition", scope={"dataset": role}, problem=Problem(state="missing", reason=reason, fix=fix))


def _declared(seen: Observation, role: str) -> CheckResult:
    dataset = seen.datasets[role]
    lender = source_role(seen, role)
    source = source_of(seen, lender)
    undeclared = [name for name in FIELDS if not _is_declared(source, name)]
    notes = []
    if lender != role and len(undeclared) < len(FIELDS):
        notes.append("the test data have no declaration of their own; that of the train data counts for them")
    if source.personal_data and not (said(source.consent_reference) or said(source.legal_basis)):
        notes.append("personal data without a legal basis or a reference to consent")
    stated = declared_source(seen, role)
    if (
        stated is not None
        and dataset.source is not None
        and said(dataset.source.uri)
        and said(stated.uri)
        and dataset.source.uri != stated.uri
    ):
        notes.append(f"the run took the data from another address than data.sources.{role} declares; the other declarations are taken over")
    facts: dict[str, JsonValue] = {
        "undeclared_fields": [*undeclared],
        "declared_under": f"data.sources.{lender}",
        "licence": source.licence,
        "personal_data": source.personal_data,
        "special_categories": source.special_categories,
    }
    return CheckResult(
        check="acquisition",
        scope={"dataset": role},
        measures=(Measure.counted("undeclared_fields", len(undeclared), n=len(FIELDS)),),
        facts=facts,
        notes=tuple(notes),
        coverage=Coverage(asked=FIELDS, evaluated=tuple(name for name in FIELDS if name not in undeclared)),
        subjects=(dataset.subject,),
    )


def _is_declared(source: Source, name: str) -> bool:
    value = getattr(source, name)
    return said(value) if isinstance(value, str) else value is not None
