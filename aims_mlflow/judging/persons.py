"""What people have said: attestations and waivers, and on which day they count."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from aims_mlflow.evidence import State
from aims_mlflow.system import Attestation, System, Waiver

TIME_ZONES = timedelta(hours=14)
"""A date in a file is local to whoever wrote it: up to fourteen hours ahead of UTC."""


@dataclass(frozen=True)
class Asked:
    """What a piece of evidence is about, in a waiver's words."""

    check: str
    metric: str
    column: str
    requirement: str


OBJECTIVE = re.compile(r"\bC\.2\.\d{1,2}(?!\d|\.\d)")
"""How a statement names an Annex C objective."""


def latest_local_date(moment: datetime) -> date:
    """Return the latest date that it can be anywhere at ``moment`` (naive: UTC)."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware.astimezone(UTC) + TIME_ZONES).date()


def attestation_line(control: str) -> str:
    """Return what to do where a person has to speak for a control."""
    entry = f"{{control: {control}, statement: <what is so>, by: <name or role>, on: <date>, reference: <document>}}"
    return f"add to attestations in aims.yaml: - {entry}"


def persons_word(control: str, system: System, given: Sequence[Attestation], now: datetime) -> tuple[State, str] | None:
    """Return what people have attested for a control, as of ``now``: the state and the reason; None where nobody said anything.

    PASS where an attestation counts; NOT_APPLICABLE where those that count say so (only in the system file: a run cannot
    excuse itself); MISSING where all have expired or are dated in the future. An attestation for A.6.1.2 that names an
    objective (C.2.x) as not applicable excludes that objective, not the control.

    Args:
        control: the Annex A id.
        system: whose attestations are looked at.
        given: attestations given in the run.
        now: attestations must be dated on or before, and not have expired.
    """
    counted: list[tuple[Attestation, str]] = []
    why_not: list[str] = []
    for where, attestations in (("in the system file", system.attestations), ("in the run", tuple(given))):
        for one in attestations:
            excludes = control == "A.6.1.2" and one.not_applicable and OBJECTIVE.search(one.statement)
            if one.control != control or excludes:
                continue
            if one.on > latest_local_date(now):
                why_not.append(f"that of {one.by} is dated in the future ({one.on.isoformat()})")
            elif one.expires is not None and one.expires < now.date():
                why_not.append(f"that of {one.by} expired on {one.expires.isoformat()}")
            elif one.not_applicable and where == "in the run":
                why_not.append("that the control does not apply can only be said in the system file, not in the run")
            else:
                counted.append((one, where))
    if not counted:
        return (State.MISSING, f"no attestation counts: {'; '.join(why_not)}") if why_not else None
    stated = [item for item in counted if not item[0].not_applicable]
    one, where = max(stated or counted, key=lambda item: item[0].on)
    reference = f" ({one.reference})" if one.reference else ""
    if not stated:
        return State.NOT_APPLICABLE, f"declared not applicable by {one.by} on {one.on.isoformat()}: {one.statement}{reference}"
    return State.PASS, f"attested {where} by {one.by} on {one.on.isoformat()}: {one.statement}{reference}"


def excluded_objectives(system: System, *, by: date, on: date) -> frozenset[str]:
    """Return the Annex C objectives that a person has declared not applicable: in an attestation for A.6.1.2 that names them.

    Args:
        system: whose attestations are looked at; a run cannot excuse itself.
        by: attestations must be dated on or before this day.
        on: they must not have expired before this day.
    """
    said = (a for a in system.attestations if a.control == "A.6.1.2" and a.not_applicable)
    hold = (a for a in said if a.on <= by and (a.expires is None or a.expires >= on))
    return frozenset(objective for a in hold for objective in OBJECTIVE.findall(a.statement))


def waiver_of(system: System, control: str, asked: Asked | None, today: date) -> Waiver | None:
    """Return the waiver that lets a piece of evidence through under one control, or None.

    A waiver fits where all that it names fits: the control, and the check, metric, column or requirement id where given. One
    that names the control alone lets through whatever that control lacks. Given on ``today`` or before, and not expired.

    Args:
        system: whose waivers are looked at.
        control: the control under which the evidence is looked at; a waiver for another control does not count.
        asked: what the evidence is about; None where there is no evidence: then only a waiver of the whole control fits.
        today: the day on which it must hold.
    """
    fitting = [w for w in system.waivers if w.control == control and _fits(w, asked) and w.on <= today <= w.expires]
    return max(fitting, key=lambda w: w.expires, default=None)


def lapsed_waiver(system: System, control: str, asked: Asked | None, today: date) -> Waiver | None:
    """Return the waiver that would fit had it not expired, the last one, or None."""
    lapsed = [w for w in system.waivers if w.control == control and _fits(w, asked) and w.expires < today]
    return max(lapsed, key=lambda w: w.expires, default=None)


def _fits(waiver: Waiver, asked: Asked | None) -> bool:
    given = {key: value for key in ("check", "metric", "column", "requirement") if (value := getattr(waiver, key))}
    return not given or (asked is not None and all(getattr(asked, key) == value for key, value in given.items()))
