"""Reads ``organisation.yaml`` as strictly as a system file: every mistake at once, with its place and its fix."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, islice
from pathlib import Path

from aims_mlflow.policy.organisation import Organisation, SharedGate
from aims_mlflow.policy.schema import organisation_schema
from aims_mlflow.policy.strictness import as_asked, asked_anyway, covers, looser
from aims_mlflow.system import ROLES, TIERS, Requirement, TierName
from aims_mlflow.system_file.consistency import of_requirement, unknown_controls
from aims_mlflow.system_file.mistakes import did_you_mean, shown
from aims_mlflow.system_file.reading import Placed, bytes_of, file_error, mapping_of, typed
from aims_mlflow.system_file.strict_yaml import MAX_MISTAKES, Mistake, Node, Place

ORGANISATION_FILE = "organisation.yaml"
"""The organisation file's name, in the policy folder or beside a system file."""

KIND = "organisation file"
HOW = "begin with the line: version: 1"


@dataclass(frozen=True)
class Source:
    """A part of the organisation file that asks something: the whole, or one tier; ``keys`` lead to it."""

    tier: TierName | None
    keys: tuple[str, ...]


SOURCES: tuple[Source, ...] = (Source(None, ()), *(Source(tier, ("tiers", tier)) for tier in TIERS))
"""The parts of the file, the general one first, then the tiers, rising."""


@dataclass(frozen=True)
class OrganisationFile(Placed):
    """An organisation file that was read: what it says, and where in it each thing stands."""

    organisation: Organisation

    def requirements(self, source: Source) -> tuple[Requirement, ...]:
        """Return the requirements of one part of the file."""
        return self.organisation.requirements if source.tier is None else self.organisation.tiers.of(source.tier).requirements

    def gate(self, source: Source) -> SharedGate:
        """Return what one part of the file asks of the gate."""
        return self.organisation.gate if source.tier is None else self.organisation.tiers.of(source.tier).gate

    def origin(self, source: Source, *keys: str | int) -> str:
        """Return ``organisation.yaml line N (tier high)`` for what a part of the file says; "" where it does not say it."""
        line = self.line(*source.keys, *keys)
        return f"{line} (tier {source.tier})" if line and source.tier else line


def load_organisation(path: str | os.PathLike[str], *, thorough: bool = False) -> OrganisationFile:
    """Read the organisation file at ``path``.

    Args:
        path: of a YAML file.
        thorough: also look for the types of expectations, for which Great Expectations may have to be imported (seconds).

    Raises:
        SystemFileError: the file is refused or has mistakes; all of them are in the message and in ``mistakes``.
        ConfigurationError: there is no such file, or it cannot be read.
    """
    return _parse(bytes_of(Path(path), KIND, HOW), str(path), thorough=thorough)


def parse_organisation(text: str, where: str = ORGANISATION_FILE) -> OrganisationFile:
    """Read an organisation file's text; ``where`` names its origin in messages. Raises SystemFileError."""
    return _parse(text, where)


def _parse(content: bytes | str, where: str, *, thorough: bool = False) -> OrganisationFile:
    root, mistakes = mapping_of(content, where, KIND, HOW)
    made, found = typed(Organisation, root, organisation_schema())
    mistakes = [*mistakes, *islice(_inconsistencies(root, thorough), MAX_MISTAKES + 1), *found]
    if made is None:
        raise file_error(mistakes, where, KIND)
    file = OrganisationFile(root, where, made)
    mistakes += islice(_contradictions(file), MAX_MISTAKES + 1)
    if mistakes:
        raise file_error(mistakes, where, KIND)
    return file


def _inconsistencies(root: Node, thorough: bool) -> Iterator[Mistake]:
    """Yield what does not fit together, on the nodes as read: reported together with what the typed model says."""
    for source in SOURCES:
        part: Node | None = root
        for key in source.keys:
            part = part.get(key) if part else None
        if part is None:
            continue
        gate = part.get("gate")
        listed = [gate.get("controls") if gate else None, part.get("narrow_controls")]
        yield from unknown_controls(node for nodes in listed if nodes for node in nodes.each())
        requirements = part.get("requirements")
        for requirement in requirements.each() if requirements else ():
            if isinstance(requirement.value, dict):
                yield from of_requirement(requirement, thorough=thorough)
                yield from _elsewhere(requirement)


def _elsewhere(requirement: Node) -> Iterator[Mistake]:
    """Yield what a requirement of a system's own file may say and that of an organisation may not."""
    suite = requirement.get("suite")
    if suite is not None and suite.value is not None:
        fix = "write the expectations out here one by one, or name the suite in each system's file"
        yield Mistake(suite.place, suite.path, "a suite is read beside a system file, and this is none", fix)
    datasets = requirement.get("datasets")
    for role in (requirement.get("dataset"), requirement.get("reference"), *(datasets.each() if datasets else ())):
        if role is not None and role.text and role.text not in ROLES:
            yield Mistake(
                role.place, role.path, f"there is no data role {shown(role.text)}", did_you_mean(role.text, ROLES, "the roles are")
            )


def _contradictions(file: OrganisationFile) -> Iterator[Mistake]:
    """Yield where the typed file asks something twice in different ways, or in a way that asks less than every run is asked."""
    asked = [(source, at, one) for source in SOURCES for at, one in enumerate(file.requirements(source))]
    for source, at, one in asked:
        standing = asked_anyway(one)
        if standing is not None and not as_asked(one, standing):
            bound = standing.requirement().bound
            what = f"every run is asked for {bound} here anyway ({standing.asks}), and an organisation cannot ask it in another way"
            fix = f"ask for {bound}, so that no system's own file can loosen it; or remove the requirement"
            yield Mistake(_place(file, source, at), one.id, what, fix)
    for (first_source, first_at, first), (source, at, one) in combinations(asked, 2):
        why = looser(one, first) if covers(first, one) else ""
        if not why and first_source == source and covers(one, first):
            why = looser(first, one)
        if why:
            line = file.origin(first_source, "requirements", first_at)
            what = f"it asks the same as {line}, with another strictness: {why}"
            yield Mistake(_place(file, source, at), one.id, what, "let what stands higher in the file, or under a lower tier, ask for less")
    yield from _keys(file)


def _place(file: OrganisationFile, source: Source, at: int) -> Place:
    return file.place(*source.keys, "requirements", at) or file.root.place


def _keys(file: OrganisationFile) -> Iterator[Mistake]:
    gates = [
        (source, file.organisation.gate if source.tier is None else file.organisation.tiers.of(source.tier).gate) for source in SOURCES
    ]
    trusted: frozenset[str] | None = None
    for source, gate in gates:
        named = frozenset(key.strip().lower() for key in gate.trusted_keys)
        if named:
            trusted = named if trusted is None else trusted & named
        if trusted is not None and not trusted:
            place = file.place(*source.keys, "gate", "trusted_keys") or file.root.place
            what = "no key is trusted by this line and by those above it"
            yield Mistake(place, ".".join((*source.keys, "gate", "trusted_keys")), what, "name a key here that the lines above name, too")
            return
