"""Which policy the gate judges a model by: the one passed, else the one in the policy folder, else ``./aims.yaml``."""

from __future__ import annotations

import os
from pathlib import Path

from aims_mlflow.errors import ConfigurationError
from aims_mlflow.policy.effective import Policy, policy_of
from aims_mlflow.policy.folder import Policies
from aims_mlflow.policy.organisation_file import ORGANISATION_FILE, load_organisation
from aims_mlflow.signing.trust import KEYS_FILE, Trust
from aims_mlflow.system import System

POLICY_FILE = "aims.yaml"
"""The system file that the gate takes where none is named, in the working directory."""

POLICY_DIR = "AIMS_POLICY_DIR"
"""The environment variable that names the policy folder."""

SystemLike = System | Policy | str | os.PathLike[str]


def policy_for(system: SystemLike | None, *, model_name: str, system_id: str = "") -> System:
    """Return what the gate judges a model by, as one declaration; see ``chosen_policy``."""
    return chosen_policy(system, model_name=model_name, system_id=system_id).system


def chosen_policy(system: SystemLike | None, *, model_name: str, system_id: str = "") -> Policy:
    """Return the gate's policy: what was passed, else the one of the folder ``AIMS_POLICY_DIR`` for this model, else ``./aims.yaml``.

    A path is merged with the organisation file that goes with it (``beside``); a ``System`` or ``Policy`` is taken as it is.

    Args:
        system: what the caller passed, or None.
        model_name: the registered model's name, which finds its system in the folder.
        system_id: the system that the evidence names; counts only for a system file that names no model.

    Raises:
        NoSystemError: no system of the folder speaks for the model.
        ConfigurationError: there is no policy, more than one, or one that cannot be used.
    """
    if isinstance(system, Policy):
        return system
    if isinstance(system, System):
        return Policy(system, _trust(None))
    if system is not None:
        return policy_at(system)
    folder = os.environ.get(POLICY_DIR)
    if folder:
        return Policies.read(folder).for_model(model_name, system_id)
    if Path(POLICY_FILE).is_file():
        return policy_at(POLICY_FILE)
    fix = f"pass the system file (--system FILE), set {POLICY_DIR}, or go to the directory with {POLICY_FILE}"
    raise ConfigurationError("the gate has no policy to judge by", fix=fix)


def policy_at(path: str | os.PathLike[str], *, organisation: str | os.PathLike[str] | None = None, thorough: bool = False) -> Policy:
    """Return the effective policy of the system file at ``path``.

    Args:
        path: of the system file.
        organisation: of the organisation file; default: the one that goes with it (``beside``).
        thorough: as for ``load_system``.

    Raises:
        SystemFileError: one of the files has mistakes, or the system's is looser than the organisation's.
        ConfigurationError: one of the files cannot be read.
    """
    from aims_mlflow.system_file import open_system

    file = open_system(path, thorough=thorough)
    above = organisation if organisation is not None else beside(Path(path), ORGANISATION_FILE)
    return policy_of(file, load_organisation(above, thorough=thorough) if above is not None else None, _trust(Path(path)))


def beside(path: Path | None, name: str) -> Path | None:
    """Return the organisation's file of this name that goes with a system file: in ``AIMS_POLICY_DIR``, else in the same folder."""
    folder = os.environ.get(POLICY_DIR)
    places = [*([Path(folder)] if folder else []), *([path.absolute().parent] if path else [])]
    return next((place / name for place in places if os.path.lexists(place / name)), None)


def _trust(path: Path | None) -> Trust:
    found = beside(path, KEYS_FILE)
    return Trust() if found is None else Trust.read(found)
