"""The effective policy: a system's own file and its organisation's merged into an ordinary ``System``, each line with its origin."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aims_mlflow import controls as catalogue
from aims_mlflow.judging.standing import GATED
from aims_mlflow.policy.floor import DEFAULT, Floor, Said, floor_of, normal_keys
from aims_mlflow.policy.organisation_file import OrganisationFile
from aims_mlflow.policy.strictness import covers, looser
from aims_mlflow.system import TIERS, Attestation, Gate, Requirement, System, TierName, Waiver
from aims_mlflow.system_file import KIND, SystemFile
from aims_mlflow.system_file.reading import file_error
from aims_mlflow.system_file.strict_yaml import Mistake, Place

if TYPE_CHECKING:
    from aims_mlflow.signing.trust import Trust


@dataclass(frozen=True)
class Policy:
    """What the gate judges one system by.

    ``system`` is the effective declaration: the system's own file with what its organisation and its tier ask merged in.
    ``origins`` says for each line of the policy where it comes from. ``trust``: whose keys count.
    """

    system: System
    trust: Trust
    origins: Mapping[str, str] = field(default_factory=dict)
    tier: TierName | None = None


def policy_of(file: SystemFile, organisation: OrganisationFile | None, trust: Trust) -> Policy:
    """Return the effective policy of one system; ``trust``: whose keys count. Raises as ``effective`` does."""
    system, origins, tier = effective(file, organisation)
    return Policy(system, trust, origins, tier)


def effective(file: SystemFile, organisation: OrganisationFile | None) -> tuple[System, dict[str, str], TierName | None]:
    """Merge a system's own file with its organisation's; return the merged declaration, the origin of each line, and the tier.

    Never looser than either: protected aliases and gated controls are united, undecided evidence is blocked where either says
    so, the smaller age holds, keys must be trusted by both where both name some, and requirements are inherited. Only the tier
    low can be gated by fewer controls than the eleven, where the organisation says so, and only in a system that names none.

    Raises:
        SystemFileError: the system's own file is looser than the organisation's, or leaves out what its tier must declare.
    """
    if organisation is None:
        return file.system, _own_origins(file), file.system.system.tier
    tier, origin, mistakes = _tier(file, organisation)
    floor = floor_of(organisation, tier)
    mistakes += [*_undeclared(file, floor), *_looser_requirements(file, floor), *_waivers_too_long(file, floor)]
    gate, origins, found = _gate(file, floor)
    mistakes += found
    if mistakes:
        raise file_error(mistakes, file.where, KIND)
    requirements, asked = _requirements(file, floor)
    system = file.system.model_copy(update={"gate": gate, "requirements": requirements}).at(file.system.base_dir)
    return system, {"tier": origin, **origins, **asked, **_peoples_words(file)}, tier


def _tier(file: SystemFile, organisation: OrganisationFile) -> tuple[TierName, str, list[Mistake]]:
    own, given = file.system.system.tier, organisation.organisation.systems.get(file.system.id)
    if given is None:
        if own is not None:
            return own, file.line("system", "tier"), []
        said = organisation.line("default_tier")
        return organisation.organisation.default_tier, said or DEFAULT, []
    line = organisation.line("systems", file.system.id)
    if own is None or own == given:
        return given, line, []
    if TIERS.index(own) > TIERS.index(given):
        return own, file.line("system", "tier"), []
    what = f"the organisation gives this system the tier {given} ({line}), and its own file cannot lower it to {own}"
    return given, line, [Mistake(_place(file, "system", "tier"), "system.tier", what, f"write {given}, or remove the line")]


def _undeclared(file: SystemFile, floor: Floor) -> Iterator[Mistake]:
    for said in floor.must_declare:
        value: object = file.system
        for key in said.value.split("."):
            value = getattr(value, key)
        if not value:
            place = _place(file, said.value.split(".")[0])
            what = f"the tier {floor.tier} asks for this key ({said.origin}), and it says nothing"
            yield Mistake(place, said.value, what, f"fill in {said.value}")


def _looser_requirements(file: SystemFile, floor: Floor) -> Iterator[Mistake]:
    for at, own in enumerate(file.system.requirements):
        for said in floor.requirements:
            why = looser(own, said.value) if covers(said.value, own) else ""
            if why:
                what = f"{own.id}: {why}, which the organisation asks ({said.origin})"
                fix = "make it at least as strict as that line, or remove it: what the organisation asks is asked anyway"
                yield Mistake(_place(file, "requirements", at), f"requirements[{at}]", what, fix)


def _waivers_too_long(file: SystemFile, floor: Floor) -> Iterator[Mistake]:
    if not floor.longest_waiver:
        return
    most = min(floor.longest_waiver, key=lambda said: said.value)
    for at, waiver in enumerate(file.system.waivers):
        days = (waiver.expires - waiver.on).days
        if days > most.value or not most.value:
            allowed = f"at most {most.value} days" if most.value else "no waiver"
            what = f"the waiver of {waiver.control} lasts {days} days, and the organisation allows {allowed} ({most.origin})"
            yield Mistake(_place(file, "waivers", at), f"waivers[{at}]", what, "let it end sooner, or mend what it waives")


def _gate(file: SystemFile, floor: Floor) -> tuple[Gate, dict[str, str], list[Mistake]]:
    own = file.system.gate
    mistakes: list[Mistake] = []
    here = {key: file.line("gate", key) for key in Gate.model_fields}
    protects = [*(Said(name, here["protects"] or DEFAULT) for name in own.protects), *floor.protects]
    controls = list(floor.controls)
    if own.controls is not None:  # an empty list gates nothing, which blocks: it stays
        controls = [*(Said(control, here["controls"]) for control in own.controls), *controls] if own.controls else []
    blocks = [Said[str](own.inconclusive, here["inconclusive"] or DEFAULT), *([floor.inconclusive] if floor.inconclusive else [])]
    inconclusive = min(blocks, key=lambda said: (said.value != "block", said.origin == DEFAULT))
    age = min([Said(own.max_age_days, here["max_age_days"] or DEFAULT), *floor.max_age_days], key=lambda s: (s.value, s.origin == DEFAULT))
    named = [*([Said(normal_keys(own.trusted_keys), here["trusted_keys"])] if own.trusted_keys else []), *floor.trusted_keys]
    trusted = frozenset.intersection(*(said.value for said in named)) if named else frozenset[str]()
    if named and not trusted:
        lines = ", ".join(said.origin for said in floor.trusted_keys)
        what = f"none of these keys is trusted by the organisation ({lines})"
        mistakes.append(Mistake(_place(file, "gate", "trusted_keys"), "gate.trusted_keys", what, "name a key that both trust"))
    names: dict[str, str] = {}
    for said in protects:
        names.setdefault(said.value.casefold(), said.value)
    gate = Gate(
        protects=tuple(names.values()),
        controls=_in_order(controls, empty=own.controls == ()),
        inconclusive="block" if inconclusive.value == "block" else "allow",
        max_age_days=age.value,
        trusted_keys=tuple(sorted(trusted)) if floor.trusted_keys else own.trusted_keys,
    )
    origins = {
        "gate.protects": _listed(protects),
        "gate.controls": _listed(controls) or here["controls"],
        "gate.inconclusive": inconclusive.origin,
        "gate.max_age_days": age.origin,
        "gate.trusted_keys": " and ".join(dict.fromkeys(said.origin for said in named)) or DEFAULT,
    }
    return gate, origins, mistakes


def _in_order(controls: list[Said[str]], *, empty: bool) -> tuple[str, ...] | None:
    """Return the controls in the standard's order; None where they are the eleven, as in a file that does not name them."""
    named = {said.value for said in controls}
    if empty:
        return ()
    return None if named == set(GATED) else tuple(control for control in catalogue.control_ids() if control in named)


def _requirements(file: SystemFile, floor: Floor) -> tuple[tuple[Requirement, ...], dict[str, str]]:
    """Return the system's own requirements and those that it inherits, and the origin of each."""
    owned = [Said(own, file.line("requirements", at)) for at, own in enumerate(file.system.requirements)]
    told: list[Said[Requirement]] = []
    for own in owned:
        above = next((said for said in floor.requirements if covers(said.value, own.value) and covers(own.value, said.value)), None)
        stricter = f", at least as strict as {above.origin}" if above else ""
        told.append(Said(own.value, own.origin + stricter))
    inherited = [
        said for said in floor.inherited if not any(covers(said.value, own.value) and covers(own.value, said.value) for own in owned)
    ]
    origins: dict[str, str] = {}
    for said in (*told, *inherited):
        origins[_key(said.value, origins)] = said.origin
    for said in floor.kept:
        origins.setdefault(said.value.id, f"asked of every run, and not to be loosened: {said.origin}")
    return (*file.system.requirements, *(said.value for said in inherited)), origins


def _key(requirement: Requirement, taken: Mapping[str, str]) -> str:
    """Return the requirement's id, with its bound where two requirements have the same id."""
    return requirement.id if requirement.id not in taken else f"{requirement.id} {requirement.bound}"


def _own_origins(file: SystemFile) -> dict[str, str]:
    """Return where the lines of a policy come from where there is no organisation file."""
    origins = {f"gate.{key}": file.line("gate", key) or DEFAULT for key in Gate.model_fields}
    for at, one in enumerate(file.system.requirements):
        origins[_key(one, origins)] = file.line("requirements", at)
    return {**origins, **_peoples_words(file)}


def _peoples_words(file: SystemFile) -> dict[str, str]:
    """Return where attestations and waivers stand: only in the system's own file."""
    found: dict[str, str] = {}
    words: dict[str, tuple[Attestation | Waiver, ...]] = {"attestation": file.system.attestations, "waiver": file.system.waivers}
    for kind, given in words.items():
        for at, one in enumerate(given):
            key = f"{kind}[{one.control}]"
            line = file.line(f"{kind}s", at)
            found[key] = f"{found[key]}, {line}" if key in found else line
    return found


def _listed(said: list[Said[str]]) -> str:
    """Return the values of a list by their origin: ``champion, production: default; canary: organisation.yaml line 4``."""
    by_origin: dict[str, list[str]] = {}
    for one in said:
        by_origin.setdefault(one.origin, []).append(one.value)
    return "; ".join(f"{', '.join(dict.fromkeys(values))}: {origin}" for origin, values in by_origin.items())


def _place(file: SystemFile, *keys: str | int) -> Place:
    return file.place(*keys) or file.place(*keys[:1]) or file.root.place
