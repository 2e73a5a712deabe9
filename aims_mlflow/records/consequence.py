"""How bad it would be: the class that a named person set, raised where the number of excess adverse decisions asks for it.

Excess adverse decisions a year = people of the group a year x upper end of the gap in favourable outcomes between the group
and the best-off group. Evidence can raise a class against the declared breakpoints; it can never lower one.
"""

from __future__ import annotations

from collections.abc import Iterable

from aims_mlflow.disparity import MINIMUM_N
from aims_mlflow.evidence import CheckResult, Measure
from aims_mlflow.intervals import newcombe_difference
from aims_mlflow.records.reading import Declared
from aims_mlflow.records.risk_words import CLASSES, ConsequenceClass, ConsequenceRecord, ExcessDecisions
from aims_mlflow.system import Consequence, Party

METHOD = (
    "group size x upper end of the two-sided 95 % interval (Newcombe) of the gap in favourable outcomes to the best-off group; "
    "the best-off group is taken among those large enough to be judged, where there are any"
)


def consequence_of(said: Declared, objectives: tuple[str, ...], excess: tuple[ExcessDecisions, ...], unseen: str) -> ConsequenceRecord:
    """Return the worst consequence declared for the objectives, raised by the excess decisions of its party.

    Args:
        said: the system file.
        objectives: Annex C objectives of the risk.
        excess: what ``excess_decisions`` found for this risk.
        unseen: why excess decisions could not be counted although there are breakpoints; "" where they could.
    """
    points = said.system.risk.breakpoints.excess_adverse_decisions
    found = [_raised(said, one, excess, points, unseen) for one in said.system.risk.consequences if one.objective in objectives]
    if not found:
        reason = "nobody has said how bad it would be" if said.known else "no system file was found, so nobody's word is known"
        return ConsequenceRecord(excess=excess, reason=reason, evidence_ids=_cited(excess))
    return max(found, key=lambda c: c.class_ or "")


def what_to_declare(objectives: tuple[str, ...]) -> str:
    """Return the line that gives these objectives a consequence."""
    return f"add under risk.consequences:  - {{objective: {objectives[0]}, party: …, dimension: …, class: 1-5, set_by: …, set_on: …}}"


def _raised(
    said: Declared, one: Consequence, excess: tuple[ExcessDecisions, ...], points: dict[int, float], unseen: str
) -> ConsequenceRecord:
    """Return one declared consequence, raised to the class whose breakpoint the largest number reaches."""
    own = tuple(e for e in excess if e.party == one.party)
    most = max((e.decisions for e in own), default=0.0)
    asked = max((c for c, number in points.items() if most >= number), default=0)
    final = max(one.class_, asked)
    reason = ""
    if final > one.class_:
        worst = max(own, key=lambda e: e.decisions)
        reason = (
            f"raised from C{one.class_}: up to {worst.decisions:,.0f} more adverse decisions a year for {worst.column} {worst.group}, "
            f"breakpoint {points[asked]:g}"
        )
    elif points and unseen:
        reason = f"breakpoints could not be looked at: {unseen}"
    elif points and own:
        reason = f"not raised: at most {most:,.0f} more adverse decisions a year in any group"
    return ConsequenceRecord(
        class_=CLASSES[final - 1],
        declared=CLASSES[one.class_ - 1],
        party=one.party,
        dimension=one.dimension,
        rationale=one.rationale,
        set_by=one.set_by,
        set_at=one.set_on,
        excess=own,
        reason=reason,
        evidence_ids=(*said.citation, *_cited(own)),
    )


def highest_class(said: Declared, consequence: ConsequenceRecord, unseen: str) -> ConsequenceClass:
    """Return how high the class could still be: breakpoints that could not be looked at count as reached."""
    if consequence.class_ is None:
        return "C5"
    points = said.system.risk.breakpoints.excess_adverse_decisions
    return max(consequence.class_, CLASSES[max(points) - 1]) if points and unseen else consequence.class_


def excess_decisions(said: Declared, results: Iterable[CheckResult], minimum_n: int = MINIMUM_N) -> tuple[tuple[ExcessDecisions, ...], str]:
    """Return the excess adverse decisions per party, column and group, and why there are none for a party (or "").

    The file declares a party's size; a group's size is that times the group's share of the test data, which each entry says.
    """
    parties = {p.name: p for p in said.system.system.affected_parties}
    wanted = {c.party for c in said.system.risk.consequences if c.objective == "C.2.5"} or set(parties)
    made: list[ExcessDecisions] = []
    why: list[str] = []
    rated = {result.id: (result, result.groups("selection_rate")) for result in results}
    rated = {i: (r, groups) for i, (r, groups) in rated.items() if len(_known(groups)) > 1}
    if not rated:
        why.append("there are no favourable-outcome rates of two or more groups")
    for name in sorted(wanted):
        party = parties.get(name)
        if party is None or party.size is None:
            why.append(f"the number of {name} a year is not declared (system.affected_parties: size)")
            continue
        for result, groups in rated.values():
            made += _of_column(party, party.size, result, _known(groups), minimum_n)
    return tuple(made), "; ".join(why)


def _of_column(party: Party, size: int, result: CheckResult, groups: dict[str, Measure], minimum_n: int) -> list[ExcessDecisions]:
    rows = {name: m.n or 0 for name, m in groups.items()}
    total = sum(rows.values())
    large = [name for name in groups if rows[name] >= minimum_n] or [max(rows, key=lambda name: rows[name])]
    best = max(large, key=lambda name: _rate(groups[name]))
    made = []
    for name, measure in groups.items():
        if name == best:
            continue
        gap = _rate(groups[best]) - _rate(measure)
        _, high = newcombe_difference(groups[best].count or 0, rows[best], measure.count or 0, rows[name])
        people = size * rows[name] / total
        made.append(
            ExcessDecisions(
                party=party.name,
                column=result.scope.get("column", ""),
                group=name,
                group_size=people,
                size_source=f"{size:,} {party.name} a year ({party.source or 'source not said'}) x the group's share of the test data, "
                f"{rows[name]} of {total} rows; the file declares the size of the party only",
                gap=gap,
                gap_high=high,
                decisions=people * max(0.0, high),
                method=METHOD,
                evidence_ids=(result.id,),
            )
        )
    return made


def _known(groups: dict[str, Measure]) -> dict[str, Measure]:
    return {name: m for name, m in groups.items() if m.n and m.count is not None}


def _rate(measure: Measure) -> float:
    return (measure.count or 0) / (measure.n or 1)


def _cited(excess: Iterable[ExcessDecisions]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(i for e in excess for i in e.evidence_ids))
