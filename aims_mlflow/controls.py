"""The catalogue: Annex A controls, Annex C objectives and risk sources, and clauses 4-10 of ISO/IEC 42001:2023.

Ids and titles are the standard's (its text is copyrighted and is not here); the guidance is this project's own words. The
crosswalk to NIST AI RMF 1.0, the EU AI Act and other ISO standards is our own compilation: pointers for a reader, never a
finding. Only pairs that NIST's own crosswalk shows are marked official.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any, Literal

from aims_mlflow.errors import UnknownNameError

ToldBy = Literal["run", "run and person", "later phase", "person"]


@dataclass(frozen=True)
class Pointer:
    """A place in another document; ``official`` where the pairing stands in that document's own published crosswalk."""

    id: str
    official: bool = False

    def __str__(self) -> str:
        """Return the id, starred where the pairing is official."""
        return self.id + ("*" if self.official else "")


@dataclass(frozen=True)
class Guidance:
    """What the project makes of a control, in its own words. ``told_by`` says who can tell.

    ``shows`` is what a run shows by itself, ``person`` what a named person must say, ``passes``, ``fails`` and
    ``missing`` what these states mean, ``auditor`` what an auditor would sample.
    """

    told_by: ToldBy
    shows: str
    person: str
    passes: str
    fails: str
    missing: str
    auditor: str


@dataclass(frozen=True)
class Control:
    """An Annex A control: the standard's id and title, our guidance, and where else to read."""

    id: str
    title: str
    short_title: str
    group: str
    group_title: str
    oscal_id: str
    urn: str
    guidance: Guidance
    clauses: tuple[str, ...] = ()
    nist: tuple[Pointer, ...] = ()
    eu_ai_act: tuple[Pointer, ...] = ()
    iso: tuple[Pointer, ...] = ()


@dataclass(frozen=True)
class Objective:
    """An Annex C objective (C.2.x)."""

    id: str
    title: str


@dataclass(frozen=True)
class RiskSource:
    """An Annex C risk source (C.3.x)."""

    id: str
    title: str


@dataclass(frozen=True)
class Clause:
    """A clause of the management system standard, with its pointers."""

    id: str
    title: str
    nist: tuple[Pointer, ...] = ()
    eu_ai_act: tuple[Pointer, ...] = ()
    iso: tuple[Pointer, ...] = ()


def _data(name: str) -> Any:
    return json.loads(resources.files("aims_mlflow.data").joinpath(name).read_text(encoding="utf-8"))


def _pointers(id_: str) -> dict[str, tuple[Pointer, ...]]:
    """Return the crosswalk's pointers for a control or a clause, in the order of the rows, each once."""
    found: dict[str, dict[str, Pointer]] = {"nist": {}, "eu_ai_act": {}, "iso": {}}
    for row in _crosswalk():
        if id_ in row["for"]:
            for book, pointers in found.items():
                pointers.update({p["id"]: Pointer(**p) for p in row[book]})
    return {book: tuple(pointers.values()) for book, pointers in found.items()}


@cache
def _crosswalk() -> tuple[dict[str, Any], ...]:
    return tuple(_data("crosswalk.json")["rows"])


@cache
def _controls() -> Mapping[str, Control]:
    catalogue, guidance = _data("annex_a.json"), _data("guidance.json")
    groups = {group["id"]: group["title"] for group in catalogue["groups"]}
    made = {}
    for row in catalogue["controls"]:
        id_ = row["id"]
        group = id_.rpartition(".")[0]
        said = dict(guidance[id_])
        clauses = tuple(said.pop("clauses", ()))
        where = _pointers(id_)
        made[id_] = Control(
            **row,
            group=group,
            group_title=groups[group],
            guidance=Guidance(**said),
            clauses=clauses,
            nist=where["nist"],
            eu_ai_act=where["eu_ai_act"],
            iso=where["iso"],
        )
    return MappingProxyType(made)


@cache
def _annex_c() -> Mapping[str, Any]:
    return MappingProxyType(_data("annex_c.json"))


@cache
def controls() -> tuple[Control, ...]:
    """Return the 38 controls of Annex A in the standard's order."""
    return tuple(_controls().values())


@cache
def objectives() -> tuple[Objective, ...]:
    """Return the 11 objectives of Annex C in the standard's order."""
    return tuple(Objective(id_, title) for id_, title in _annex_c()["objectives"].items())


@cache
def risk_sources() -> tuple[RiskSource, ...]:
    """Return the 7 risk sources of Annex C in the standard's order."""
    return tuple(RiskSource(id_, title) for id_, title in _annex_c()["risk_sources"].items())


@cache
def clauses() -> tuple[Clause, ...]:
    """Return clauses 4-10, with the sub-clauses that records cite, in the standard's order."""
    return tuple(Clause(id_, title, **_pointers(id_)) for id_, title in _annex_c()["clauses"].items())


@cache
def control_ids() -> tuple[str, ...]:
    """Return the ids of the 38 controls in the standard's order."""
    return tuple(_controls())


@cache
def objective_ids() -> tuple[str, ...]:
    """Return the ids C.2.1 to C.2.11."""
    return tuple(_annex_c()["objectives"])


@cache
def risk_source_ids() -> tuple[str, ...]:
    """Return the ids C.3.1 to C.3.7."""
    return tuple(_annex_c()["risk_sources"])


def control(id_: str) -> Control:
    """Return the control of that id; raises UnknownNameError with the nearest known one."""
    try:
        return _controls()[id_]
    except KeyError:
        raise UnknownNameError.among("control", id_, control_ids()) from None


def objective(id_: str) -> Objective:
    """Return the objective of that id; raises UnknownNameError with the nearest known one."""
    found = next((o for o in objectives() if o.id == id_), None)
    if found is None:
        raise UnknownNameError.among("objective", id_, objective_ids())
    return found


def risk_source(id_: str) -> RiskSource:
    """Return the risk source of that id; raises UnknownNameError with the nearest known one."""
    found = next((r for r in risk_sources() if r.id == id_), None)
    if found is None:
        raise UnknownNameError.among("risk source", id_, risk_source_ids())
    return found
