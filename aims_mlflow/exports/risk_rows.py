"""The risk register as rows of a table: one for each entry, undetermined ones first, and one for each risk that was not raised."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date

from aims_mlflow.exports.inert import figure, stamp
from aims_mlflow.exports.material import Material
from aims_mlflow.records.risk_words import LIKELIHOOD_SENTENCE, Indicator, NotRaised, RiskRecord, Step, TreatmentAction
from aims_mlflow.scorecard import words

UNKNOWN, NONE = "unknown", "none"
"""What stands in a cell where nobody knows, and where there is nothing."""

Value = str | float
Row = Mapping[str, Value]

COLUMNS = (
    *("risk_id", "system_id", "model_version", "state", "state_reason", "level", "level_lowest", "level_highest"),
    *("risk_source", "objective", "event", "cause", "consequence_description", "parties", "existing_controls"),
    *("likelihood_class", "likelihood_p", "likelihood_p_low", "likelihood_p_high", "likelihood_method", "likelihood_reason"),
    *("evidence_grade", "consequence_class", "consequence_class_declared", "consequence_party", "consequence_dimension"),
    *("consequence_rationale", "consequence_set_by", "consequence_set_at", "consequence_reason", "criteria_ref", "owner"),
    *("treatment", "treatment_actions", "residual_level", "residual_reason", "accepted_by", "accepted_at"),
    *("acceptance_rationale", "acceptance_expires", "review_due", "indicators", "history", "to_do", "evidence_ids", "how_to_read"),
)
"""The columns, named as ISO 31000 and ISO/IEC 23894 name things."""


def risk_rows(material: Material) -> list[Row]:
    """Return the rows; each has a value for every one of the ``COLUMNS``."""
    register = material.record.risks
    rows = [_entry(entry) for entry in register.entries]
    rows += [_absent(material, one) for one in register.not_raised]
    return [{name: row.get(name, NONE) for name in COLUMNS} for row in rows]


def _entry(entry: RiskRecord) -> dict[str, Value]:
    chance, harm, accepted = entry.likelihood, entry.consequence, entry.acceptance
    return {
        "risk_id": entry.risk_id,
        "system_id": entry.system_id,
        "model_version": entry.model_version or NONE,
        "state": entry.state.value,
        "state_reason": entry.state_reason or NONE,
        "level": entry.level.value,
        "level_lowest": entry.level_range[0].value,
        "level_highest": entry.level_range[1].value,
        "risk_source": joined(entry.risk_source),
        "objective": joined(entry.objective),
        "event": entry.event,
        "cause": entry.cause or UNKNOWN,
        "consequence_description": entry.consequence_description or UNKNOWN,
        "parties": joined(entry.parties, UNKNOWN),
        "existing_controls": joined(entry.existing_controls),
        "likelihood_class": chance.class_ or UNKNOWN,
        "likelihood_p": _number(chance.p),
        "likelihood_p_low": _number(chance.p_low),
        "likelihood_p_high": _number(chance.p_high),
        "likelihood_method": chance.method or UNKNOWN,
        "likelihood_reason": chance.reason or NONE,
        "evidence_grade": chance.evidence_grade,
        "consequence_class": harm.class_ or UNKNOWN,
        "consequence_class_declared": harm.declared or UNKNOWN,
        "consequence_party": harm.party or UNKNOWN,
        "consequence_dimension": harm.dimension or UNKNOWN,
        "consequence_rationale": harm.rationale or UNKNOWN,
        "consequence_set_by": harm.set_by or UNKNOWN,
        "consequence_set_at": day(harm.set_at, UNKNOWN),
        "consequence_reason": harm.reason or NONE,
        "criteria_ref": entry.criteria_ref or UNKNOWN,
        "owner": entry.owner or UNKNOWN,
        "treatment": entry.treatment or UNKNOWN,
        "treatment_actions": joined(map(in_words, entry.treatment_actions)),
        "residual_level": entry.residual.level.value if entry.residual else UNKNOWN,
        "residual_reason": (entry.residual.reason if entry.residual else entry.residual_reason) or NONE,
        "accepted_by": accepted.by if accepted else NONE,
        "accepted_at": day(accepted.at if accepted else None),
        "acceptance_rationale": accepted.rationale if accepted else NONE,
        "acceptance_expires": day(accepted.expires if accepted else None),
        "review_due": day(entry.review_due, UNKNOWN),
        "indicators": joined(map(_indicator, entry.indicators)),
        "history": joined(map(_step, entry.history)),
        "to_do": entry.fix or NONE,
        "evidence_ids": joined(entry.evidence_ids),
        "how_to_read": LIKELIHOOD_SENTENCE,
    }


def _absent(material: Material, one: NotRaised) -> dict[str, Value]:
    return {
        "risk_id": NONE,
        "system_id": material.record.system.id,
        "model_version": material.record.version or NONE,
        "state": "not raised",
        "state_reason": f"looked for, and not shown by the evidence: {one.reason}",
        "risk_source": joined(one.risk_source),
        "objective": joined(one.objective),
        "event": one.event,
        "evidence_ids": joined(one.evidence_ids),
        "how_to_read": LIKELIHOOD_SENTENCE,
    }


def joined(texts: Iterable[str], otherwise: str = NONE) -> str:
    """Return texts in one cell."""
    return "; ".join(texts) or otherwise


def day(value: date | None, otherwise: str = NONE) -> str:
    """Return a day as ISO 8601."""
    return value.isoformat() if value else otherwise


def in_words(action: TreatmentAction) -> str:
    """Return what is done, by whom and until when."""
    late = ", overdue" if action.overdue else ""
    done = f", done {action.done_on}" if action.done_on else ""
    return (
        f"{action.action} ({action.option.replace('_', ' ')}, {action.owner or 'nobody named'}, {action.status.replace('_', ' ')}, "
        f"due {day(action.due, 'not said')}{done}{late}, control {action.control_id or 'not named'})"
    )


def _number(value: float | None) -> Value:
    return UNKNOWN if value is None else value


def _indicator(one: Indicator) -> str:
    where = ", ".join(f"{key} {value}" for key, value in one.scope.items())
    return (
        f"{one.metric} ({where}): value {figure(one.value)}, interval {figure(one.low)} to {figure(one.high)}, "
        f"n {one.n if one.n is not None else UNKNOWN}, asked {one.tolerance}, evidence {words(one.state)}"
    )


def _step(one: Step) -> str:
    level = one.level.value.replace("_", " ")
    return f"{one.version} on {stamp(one.measured)}: {level}, likelihood {one.likelihood or UNKNOWN} (p {figure(one.p)})"
