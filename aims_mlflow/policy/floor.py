"""What an organisation asks of a tier, all parts of its file taken together, each thing with the line that says it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, Literal, NamedTuple, TypeVar

from aims_mlflow.judging.standing import GATED
from aims_mlflow.policy.organisation import PROTECTED, Declarable
from aims_mlflow.policy.organisation_file import SOURCES, OrganisationFile, Source
from aims_mlflow.policy.strictness import asked_anyway, covers
from aims_mlflow.system import TIERS, Requirement, TierName

T = TypeVar("T")

DEFAULT = "default"
"""The origin of what nobody says."""


@dataclass(frozen=True)
class Said(Generic[T]):
    """A value and where it comes from: ``FILE line N``, ``tier high`` (built in) or ``default``."""

    value: T
    origin: str


class BuiltIn(NamedTuple):
    """What a tier asks where the organisation file does not say otherwise."""

    inconclusive: Literal["block"] | None
    max_age_days: int
    must_declare: tuple[Declarable, ...]


BUILT_IN: dict[TierName, BuiltIn] = {
    "low": BuiltIn(None, 365, ()),
    "limited": BuiltIn("block", 90, ("system.owner", "system.purpose")),
    "high": BuiltIn("block", 30, ("system.intended_uses", "system.prohibited_uses", "system.affected_parties", "risk.criteria")),
}
"""The tiers as they are built in; each asks, besides, all that the lower ones ask."""


@dataclass(frozen=True)
class Floor:
    """The least that is asked of a system of a tier.

    ``inherited`` are requirements that the system gets; ``kept`` those that every run is asked anyway, which its own file may not
    loosen. ``narrowed`` says where the eleven controls were replaced by fewer.
    """

    tier: TierName
    protects: tuple[Said[str], ...]
    controls: tuple[Said[str], ...]
    inconclusive: Said[str] | None
    max_age_days: tuple[Said[int], ...]
    trusted_keys: tuple[Said[frozenset[str]], ...]
    inherited: tuple[Said[Requirement], ...]
    kept: tuple[Said[Requirement], ...]
    must_declare: tuple[Said[Declarable], ...]
    longest_waiver: tuple[Said[int], ...]

    @property
    def requirements(self) -> tuple[Said[Requirement], ...]:
        """All that a system's own requirements are held against."""
        return (*self.inherited, *self.kept)


def floor_of(file: OrganisationFile, tier: TierName) -> Floor:
    """Return what the organisation asks of a tier: its general part, and the tiers up to this one."""
    tiers = TIERS[: TIERS.index(tier) + 1]
    sources = [source for source in SOURCES if source.tier is None or source.tier in tiers]
    asked = [Said(one, file.origin(source, "requirements", at)) for source in sources for at, one in enumerate(file.requirements(source))]
    return Floor(
        tier=tier,
        protects=tuple(_protects(file, sources)),
        controls=tuple(_controls(file, sources, tier)),
        inconclusive=_inconclusive(file, sources),
        max_age_days=tuple(_max_age(file, sources)),
        trusted_keys=tuple(
            Said(normal_keys(file.gate(source).trusted_keys), file.origin(source, "gate", "trusted_keys"))
            for source in sources
            if file.gate(source).trusted_keys
        ),
        inherited=tuple(_strictest([one for one in asked if asked_anyway(one.value) is None])),
        kept=tuple(one for one in asked if asked_anyway(one.value) is not None),
        must_declare=tuple(_must_declare(file, sources)),
        longest_waiver=tuple(
            Said(days, file.origin(source, "gate", "longest_waiver_days"))
            for source in sources
            if (days := file.gate(source).longest_waiver_days) is not None
        ),
    )


def normal_keys(keys: Iterable[str]) -> frozenset[str]:
    """Return key ids as they are compared."""
    return frozenset(key.strip().lower() for key in keys)


def _protects(file: OrganisationFile, sources: list[Source]) -> Iterable[Said[str]]:
    for source in sources:
        for at, name in enumerate(file.gate(source).protects or ()):
            yield Said(name, file.origin(source, "gate", "protects", at))
    if file.organisation.gate.protects is None:
        yield from (Said(name, DEFAULT) for name in PROTECTED)


def _controls(file: OrganisationFile, sources: list[Source], tier: TierName) -> Iterable[Said[str]]:
    low = Source("low", ("tiers", "low"))
    narrowed = file.organisation.tiers.low.narrow_controls
    eleven = () if narrowed is not None and tier == "low" else GATED
    yield from (Said(control, DEFAULT) for control in eleven)
    for at, control in enumerate(narrowed or ()):
        if control not in eleven:
            yield Said(control, file.origin(low, "narrow_controls", at))
    for source in sources:
        for at, control in enumerate(file.gate(source).controls):
            yield Said(control, file.origin(source, "gate", "controls", at))


def _inconclusive(file: OrganisationFile, sources: list[Source]) -> Said[str] | None:
    """Return the line that blocks undecided evidence, the first one; None where a system's own file decides."""
    for source in sources:
        said = file.gate(source).inconclusive
        if said == "block":
            return Said("block", file.origin(source, "gate", "inconclusive"))
        if said is None and source.tier is not None and BUILT_IN[source.tier].inconclusive == "block":
            return Said("block", f"tier {source.tier}")
    return None


def _max_age(file: OrganisationFile, sources: list[Source]) -> Iterable[Said[int]]:
    for source in sources:
        said = file.gate(source).max_age_days
        if said is not None:
            yield Said(said, file.origin(source, "gate", "max_age_days"))
        elif source.tier is not None:
            yield Said(BUILT_IN[source.tier].max_age_days, f"tier {source.tier}")


def _must_declare(file: OrganisationFile, sources: list[Source]) -> Iterable[Said[Declarable]]:
    for source in sources:
        if source.tier is None:
            continue
        said = file.organisation.tiers.of(source.tier).must_declare
        for at, path in enumerate(BUILT_IN[source.tier].must_declare if said is None else said):
            yield Said(path, f"tier {source.tier}" if said is None else file.origin(source, "must_declare", at))


def _strictest(asked: list[Said[Requirement]]) -> Iterable[Said[Requirement]]:
    """Leave out what a later line asks of the very same at least as strictly: the file's own contradictions are refused earlier."""
    for at, one in enumerate(asked):
        if not any(covers(other.value, one.value) and covers(one.value, other.value) for other in asked[at + 1 :]):
            yield one
