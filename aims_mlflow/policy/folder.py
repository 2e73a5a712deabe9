"""The policy folder ``AIMS_POLICY_DIR``: one system file per system, and beside them what the organisation and its keys say.

``organisation.yaml`` (optional), ``keys.yaml`` (optional) and ``<system id>.yaml`` for each system. A file that cannot be used is
never passed over: until it is mended, nothing that is protected moves.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from aims_mlflow.errors import ConfigurationError, NoSystemError
from aims_mlflow.policy.effective import Policy, policy_of
from aims_mlflow.policy.floor import DEFAULT
from aims_mlflow.policy.organisation import PROTECTED
from aims_mlflow.policy.organisation_file import ORGANISATION_FILE, OrganisationFile, load_organisation
from aims_mlflow.signing.trust import KEYS_FILE, Trust
from aims_mlflow.system import TIERS
from aims_mlflow.system_file import SystemFile, open_system

DEPTH = 2
"""How many levels below the folder are watched for changes: suites stand there."""

MOST_WATCHED = 5_000
"""How many files are watched at most."""

SETTLED_NS = 100_000_000
"""A file younger than this could change once more without its stamp changing: what was read is not kept yet."""

Stamp = tuple[tuple[str, int, int, int, int], ...]

_read: dict[str, tuple[Stamp, Policies]] = {}


@dataclass(frozen=True)
class Policies:
    """A policy folder as it was read.

    ``systems`` are the system files that can be read, as they stand; ``policies`` the effective policy by system id; ``refused``
    why a system's own file contradicts the organisation's, by system id; ``broken`` the files that cannot be used at all.
    """

    folder: Path
    organisation: OrganisationFile | None = None
    trust: Trust = field(default_factory=Trust)
    systems: tuple[SystemFile, ...] = ()
    policies: Mapping[str, Policy] = field(default_factory=dict)
    refused: Mapping[str, ConfigurationError] = field(default_factory=dict)
    broken: tuple[ConfigurationError, ...] = ()

    @classmethod
    def read(cls, folder: str | os.PathLike[str]) -> Policies:
        """Return what the folder says; read anew where any of its files has changed. What is wrong is kept, not raised."""
        path = Path(folder).absolute()
        stamp = _stamp(path)
        kept = _read.get(str(path))
        if kept is not None and kept[0] == stamp:
            return kept[1]
        found = read_folder(path)
        if stamp and time.time_ns() - max(mtime for _, mtime, *_ in stamp) > SETTLED_NS:
            _read[str(path)] = (stamp, found)
        return found

    @property
    def unlisted(self) -> Literal["block", "allow"]:
        """What becomes of registered models that no system names; ``block`` where the organisation's file cannot be read."""
        if self.broken or self.organisation is None:
            return "block"
        return self.organisation.organisation.unlisted_models

    def judges(self, name: str) -> bool:
        """Whether the gate is asked about a registered model at all.

        It is not where unlisted models are left alone and no system can be meant: a system file that names no model could be any
        model's.
        """
        return self.unlisted == "block" or any(file.system.system.model in ("", name) for file in self.systems)

    def protects(self, name: str) -> frozenset[str]:
        """Return the aliases and stages, case-folded, that are protected for a registered model; none where it is left alone.

        Its system's and the organisation's; for a model that no system names the organisation's, else ``champion`` and
        ``production``, and what systems that name no model protect. Where a file cannot be used: all that any file protects.
        """
        if not self.judges(name):
            return frozenset()
        general = self.organisation.organisation.protects if self.organisation else PROTECTED
        own = [file for file in self.systems if file.system.system.model == name]
        names = [alias for file in own for alias in self._protected_by(file)]
        if self.broken or not own:
            meant = self.systems if self.broken else [file for file in self.systems if not file.system.system.model]
            names += [*general, *(alias for file in meant for alias in self._protected_by(file))]
        if self.broken:
            names += PROTECTED
        return frozenset(alias.casefold() for alias in names)

    def for_model(self, name: str, system_id: str = "") -> Policy:
        """Return the policy for a registered model: of the system whose ``system.model`` it is, else of ``system_id`` if that names none.

        So the training side cannot choose a weaker file by calling its system by another id.

        Raises:
            NoSystemError: no system speaks for the model.
            ConfigurationError: more than one does, or a file of the folder cannot be used, or the system's contradicts the organisation's.
        """
        if self.broken:
            raise self._unusable()
        own = [f for f in self.systems if f.system.system.model == name]
        own = own or [f for f in self.systems if f.system.id == system_id and not f.system.system.model]
        if not own:
            raise self._no_system(name)
        if len(own) > 1:
            what = f"more than one policy names the model {name!r}: {', '.join(file.system.id for file in own)}"
            fix = f"let exactly one <system id>.yaml there say system.model: {name}"
            raise ConfigurationError(what, where=str(self.folder), fix=fix)
        refused = self.refused.get(own[0].system.id)
        if refused is not None:
            raise copy(refused)  # what is kept must not gather a traceback each time it is raised
        return self.policies[own[0].system.id]

    def _protected_by(self, file: SystemFile) -> tuple[str, ...]:
        policy = self.policies.get(file.system.id)
        if policy is not None:
            return policy.system.gate.protects
        general = self.organisation.organisation if self.organisation else None
        tiers = [alias for tier in TIERS for alias in general.tiers.of(tier).gate.protects or ()] if general else []
        return (*file.system.gate.protects, *(general.protects if general else ()), *tiers)

    def _unusable(self) -> ConfigurationError:
        first, more = self.broken[0], len(self.broken) - 1
        also = f"; {more} more file{'s are' if more > 1 else ' is'} like it" if more else ""
        what = f"the policy folder cannot be used: {first.what}{also}"
        return ConfigurationError(what, where=str(self.folder), fix=f"mend what `aims validate {self.folder}` names")

    def _no_system(self, name: str) -> NoSystemError:
        entry = f"add <system id>.yaml with system.model: {name} to the policy folder"
        said = self.organisation.line("unlisted_models") if self.organisation else ""
        if self.unlisted == "allow":
            alone = f"the organisation leaves unlisted models alone ({said}), so the gate has nothing to say"
            what = f"no policy for the model {name!r}: {alone}"
            return NoSystemError(what, where=str(self.folder), fix=f"set the alias in MLflow itself, without evidence; or {entry}")
        what = f"no policy for the model {name!r}: no system names it, and unlisted models are blocked ({said or DEFAULT})"
        return NoSystemError(what, where=str(self.folder), fix=f"{entry}, or write unlisted_models: allow in {ORGANISATION_FILE}")


def read_folder(folder: Path, *, thorough: bool = False) -> Policies:
    """Read a policy folder, whatever was kept of it; what is wrong is in ``broken`` and ``refused``.

    Args:
        folder: its path.
        thorough: as for ``load_system``.
    """
    broken: list[ConfigurationError] = []
    systems: list[SystemFile] = []
    organisation: OrganisationFile | None = None
    trust = Trust()
    for path in _files(folder, broken):
        try:
            if path.name == ORGANISATION_FILE:
                organisation = load_organisation(path, thorough=thorough)
            elif path.name == KEYS_FILE:
                trust = Trust.read(path)
            else:
                systems.append(_system(path, thorough))
        except ConfigurationError as error:
            broken.append(error)
    policies: dict[str, Policy] = {}
    refused: dict[str, ConfigurationError] = {}
    for file in systems if not broken else ():
        try:
            policies[file.system.id] = policy_of(file, organisation, trust)
        except ConfigurationError as error:
            refused[file.system.id] = error
    return Policies(folder, organisation, trust, tuple(systems), policies, refused, tuple(broken))


def _files(folder: Path, broken: list[ConfigurationError]) -> Iterator[Path]:
    """Yield the folder's policy files by name; what cannot be listed or read as one goes to ``broken``."""
    try:
        names = sorted(entry.name for entry in os.scandir(folder))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "the path cannot be used"
        fix = "let AIMS_POLICY_DIR name the folder with the system files"
        broken.append(ConfigurationError(f"the policy folder cannot be read: {reason}", where=str(folder), fix=fix))
        return
    for name in names:
        stem, _, suffix = name.rpartition(".")
        if name.startswith(".") or suffix.lower() not in ("yaml", "yml"):
            continue
        if suffix == "yaml":
            yield folder / name
        else:
            fix = f"call it {stem}.yaml, or remove it"
            broken.append(ConfigurationError("it would not be read under this name", where=str(folder / name), fix=fix))


def _system(path: Path, thorough: bool) -> SystemFile:
    file = open_system(path, thorough=thorough)
    if path.stem != file.system.id:
        what = f"the policy declares the system {file.system.id!r}"
        raise ConfigurationError(what, where=str(path), fix=f"call it {file.system.id}.yaml")
    return file


def _stamp(folder: Path) -> Stamp:
    """Return what tells whether anything in the folder has changed: name, times, size and inode of each entry, links followed."""
    found: list[tuple[str, int, int, int, int]] = []
    if "\0" in str(folder):
        return ()
    base = len(folder.parts)
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".")) if len(Path(here).parts) - base < DEPTH else []
        for name in (*folders, *files):
            path = os.path.join(here, name)
            try:
                seen = os.stat(path)
            except OSError:
                found.append((path, 0, 0, 0, 0))
                continue
            found.append((path, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_size, seen.st_ino))
        if len(found) > MOST_WATCHED:
            break
    return tuple(sorted(found))
