"""What is different between two versions: measures, states, risks, controls, and what they were made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aims_mlflow.bundle import Bundle, DatasetSummary
from aims_mlflow.evidence import LETS_THROUGH, Measure, State
from aims_mlflow.pages.live import Live
from aims_mlflow.pictures.words import number
from aims_mlflow.records.accepting import RISING
from aims_mlflow.records.plan_words import Point
from aims_mlflow.records.review_words import Way
from aims_mlflow.records.risk_words import Level, RiskRecord
from aims_mlflow.records.trends import way_of
from aims_mlflow.records.words import CoverageLine, MeasureShown, SystemRecord, VersionRecord

BAD = (Level.HIGH, Level.VERY_HIGH, Level.UNDETERMINED)
"""Levels at which a risk is called open; from below them to one of them it is reopened."""

WAYS: tuple[Way, ...] = ("worse", "not known", "new", "better", "as it was")
"""What needs a reader first."""

MOST_OTHERS = 2_000


@dataclass(frozen=True)
class MeasureMoved:
    """A measured requirement on both versions."""

    name: str
    requirement: str
    bound: str
    older: MeasureShown | None
    newer: MeasureShown | None
    way: Way

    @property
    def turned(self) -> bool:
        """Whether it was measured on both, and its state is another."""
        return self.older is not None and self.newer is not None and self.older.state is not self.newer.state

    @property
    def unsure(self) -> bool:
        """Whether both have a value, and there are too few cases to say which way it went."""
        return self.way == "not known" and all(one is not None and one.value is not None for one in (self.older, self.newer))

    @property
    def sentence(self) -> str:
        """Both values in words."""
        return f"{self.name} {_value(self.older)} → {_value(self.newer)}"


@dataclass(frozen=True)
class NumberMoved:
    """A measure of which nothing is asked, on both versions."""

    name: str
    older: Measure | None
    newer: Measure | None


@dataclass(frozen=True)
class StateMoved:
    """A control whose evidence reads otherwise."""

    control: str
    title: str
    older: CoverageLine | None
    newer: CoverageLine | None
    gained: bool
    lost: bool


@dataclass(frozen=True)
class RiskMoved:
    """A risk entry on both versions, by today's criteria."""

    entry: RiskRecord
    older: Level | None
    newer: Level | None
    word: str
    evidence_ids: tuple[str, ...]


@dataclass(frozen=True)
class Made:
    """Something that the versions were made of, where it is not the same."""

    what: str
    older: str
    newer: str
    note: str = ""


@dataclass(frozen=True)
class Compared:
    """Everything that is different between two versions, what went worse first."""

    measures: tuple[MeasureMoved, ...]
    numbers: tuple[NumberMoved, ...]
    states: tuple[StateMoved, ...]
    risks: tuple[RiskMoved, ...]
    made: tuple[Made, ...]
    same: tuple[str, ...]

    def of(self, way: Way) -> tuple[MeasureMoved, ...]:
        """Return the measures that went that way."""
        return tuple(m for m in self.measures if m.way == way)


def compare(
    record: SystemRecord, older: Live, newer: Live, before: VersionRecord, after: VersionRecord, params: tuple[Mapping[str, str], ...]
) -> Compared:
    """Compare two versions of a record.

    Args:
        record: the record, for the risks by today's criteria.
        older: the version before, as it is now.
        newer: the version after, as it is now.
        before: what the record says of the first.
        after: what the record says of the second.
        params: MLflow's own parameters of both runs.
    """
    made, same = _made_of(older, newer, params)
    return Compared(
        measures=tuple(sorted(_measures(older, newer), key=lambda m: (WAYS.index(m.way), m.requirement))),
        numbers=tuple(_numbers(older, newer))[:MOST_OTHERS],
        states=tuple(_states(older.line or before, newer.line or after)),
        risks=tuple(_risks(record, before, after)),
        made=made,
        same=same,
    )


def _measures(older: Live, newer: Live) -> Iterator[MeasureMoved]:
    first, last = _asked(older), _asked(newer)
    for key in {**first, **last}:
        a, b = first.get(key), last.get(key)
        one = b or a
        if one is None:
            continue
        yield MeasureMoved(_name(one), one.requirement, one.bound, a, b, _way(a, b))


def _asked(live: Live) -> dict[tuple[str, str], MeasureShown]:
    return {(m.requirement, str(sorted(m.scope.items()))): m for piece in live.pieces for m in piece.measures}


def _name(one: MeasureShown) -> str:
    """Return what was measured, in words: equalized odds difference, column sex."""
    about = [f"{k} {v}" for k, v in one.scope.items() if k not in ("dataset", "reference", "datasets")]
    return ", ".join([one.metric.replace("_", " "), *about])


def _way(a: MeasureShown | None, b: MeasureShown | None) -> Way:
    if b is None:
        return "not known"
    return way_of(_point(a) if a else None, _point(b), least=b.least, exactly=b.exactly)[0]


def _point(one: MeasureShown) -> Point:
    moment = datetime(2000, 1, 1, tzinfo=UTC)
    ends = {"value": one.value, "low": one.low, "high": one.high, "n": one.n}
    return Point(version="", run_id="", measured=moment, state=one.state or State.MISSING, evidence_ids=one.evidence_ids, **ends)  # type: ignore[arg-type]  # the words' own fields


def _value(one: MeasureShown | None) -> str:
    return "not measured" if one is None else "no value" if one.value is None else number(one.value)


def _numbers(older: Live, newer: Live) -> Iterator[NumberMoved]:
    first, last = _every(older), _every(newer)
    for key in sorted({*first, *last}):
        a, b = first.get(key), last.get(key)
        if a is None or b is None or a.value != b.value:
            yield NumberMoved(key, a, b)


def _every(live: Live) -> dict[str, Measure]:
    found = {}
    for result in live.results:
        scope = ", ".join(f"{k} {v}" for k, v in result.scope.items())
        for one in result.measures:
            group = f", group {one.group}" if one.group is not None else ""
            found[f"{result.check}: {one.name.replace('_', ' ')}{f' ({scope})' if scope else ''}{group}"] = one
    return found


def _states(before: VersionRecord, after: VersionRecord) -> Iterator[StateMoved]:
    first = {line.control: line for line in before.lines}
    last = {line.control: line for line in after.lines}
    for control in {**first, **last}:
        a, b = first.get(control), last.get(control)
        if a is not None and b is not None and a.state is b.state:
            continue
        through = (a is not None and a.state in LETS_THROUGH, b is not None and b.state in LETS_THROUGH)
        title = (b or a).title  # type: ignore[union-attr]  # one of the two is there
        yield StateMoved(control, title, a, b, gained=through == (False, True), lost=through == (True, False))


def _risks(record: SystemRecord, before: VersionRecord, after: VersionRecord) -> Iterator[RiskMoved]:
    for entry in record.risks.entries:
        (a, cited_a), (b, cited_b) = (_level(entry, one) for one in (before, after))
        if a is b:
            continue
        yield RiskMoved(entry, a, b, _word(a, b), tuple(dict.fromkeys((*cited_a, *cited_b))))


def _level(entry: RiskRecord, version: VersionRecord) -> tuple[Level | None, tuple[str, ...]]:
    if version.counted:
        return entry.level, entry.evidence_ids
    step = next((s for s in entry.history if s.version == version.uri), None)
    return (None, ()) if step is None else (step.level, step.evidence_ids)


def _word(a: Level | None, b: Level | None) -> str:
    if a is None or b is None:
        return "not read on the older one" if a is None else "not read on the newer one"
    if a not in BAD and b in BAD:
        return "reopened"
    if a in BAD and b not in BAD:
        return "closed"
    if Level.UNDETERMINED in (a, b):
        return "not known any more" if b is Level.UNDETERMINED else "known now"
    return "rose" if RISING.index(b) > RISING.index(a) else "fell"


def _made_of(older: Live, newer: Live, params: tuple[Mapping[str, str], ...]) -> tuple[tuple[Made, ...], tuple[str, ...]]:
    """Return what the versions were made of where it differs, and the names of what is the same."""
    a = older.seen.bundle if older.seen is not None else None
    b = newer.seen.bundle if newer.seen is not None else None
    if a is None or b is None:
        return (Made("evidence", "there" if a else "none to believe", "there" if b else "none to believe"),), ()
    pairs = [*_data(a, b), *_facts(a, b), *(("MLflow parameter " + k, v, w, "by MLflow's word") for k, v, w in _both(*params))]
    changed = tuple(Made(what, x or "none", y or "none", note) for what, x, y, note in pairs if x != y)
    return changed, tuple(what for what, x, y, _ in pairs if x == y)


def _data(a: Bundle, b: Bundle) -> Iterator[tuple[str, str, str, str]]:
    first, last = ({d.role: d for d in bundle.datasets} for bundle in (a, b))
    for role in {**first, **last}:
        x, y = first.get(role), last.get(role)
        yield f"data: {role}", _dataset(x), _dataset(y), _columns(x, y)
    yield "system file (policy)", a.policy_sha256, b.policy_sha256, "by which the run judged itself"
    yield "model flavour", a.model.flavour if a.model else "", b.model.flavour if b.model else "", ""
    yield "package that measured", a.collector, b.collector, ""


def _dataset(one: DatasetSummary | None) -> str:
    return "" if one is None else f"sha256 {one.sha256}, {one.rows:,} rows, {len(one.columns)} columns"


def _columns(x: DatasetSummary | None, y: DatasetSummary | None) -> str:
    if x is None or y is None:
        return ""
    added = [c for c in y.columns if c not in x.columns]
    gone = [c for c in x.columns if c not in y.columns]
    said = [f"column added: {', '.join(added)}"] if added else []
    return "; ".join(said + ([f"column gone: {', '.join(gone)}"] if gone else []))


def _facts(a: Bundle, b: Bundle) -> Iterator[tuple[str, str, str, str]]:
    """Yield what the run noted of code, packages and hyperparameters (the facts of the check design), field by field."""
    first, last = (dict(_flat((), _design(bundle))) for bundle in (a, b))
    for key in {**first, **last}:
        if key[-1:] == ("training_seconds",):  # never the same, and nothing that a model was made of
            continue
        x, y = first.get(key), last.get(key)
        note = _moved(x, y) if isinstance(x, list) and isinstance(y, list) else ""
        yield ": ".join(part.replace("_", " ") for part in key), _said(x), _said(y), note


def _design(bundle: Bundle) -> Mapping[str, Any]:
    return next((dict(r.facts) for r in bundle.results if r.check == "design"), {})


def _flat(key: tuple[str, ...], value: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, Mapping):
        for name, one in value.items():
            yield from _flat((*key, str(name)), one)
    else:
        yield key, value


def _said(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_said, value))
    if isinstance(value, Mapping):
        return "; ".join(f"{k} {_said(v)}" for k, v in value.items())
    return "" if value is None else str(value)


def _moved(x: list[Any], y: list[Any]) -> str:
    """Return what a list gained and lost."""
    first, last = [_said(one) for one in x], [_said(one) for one in y]
    gained = [one for one in last if one not in first]
    lost = [one for one in first if one not in last]
    said = [f"added: {', '.join(gained)}"] if gained else []
    return "; ".join(said + ([f"gone: {', '.join(lost)}"] if lost else []))


def _both(first: Mapping[str, str], last: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    for key in {**first, **last}:
        yield key, first.get(key, ""), last.get(key, "")
