"""Which system file the gate judges a model by: the one passed, else the one in the policy directory, else ``./aims.yaml``."""

from __future__ import annotations

import os
from pathlib import Path

from aims_mlflow.errors import ConfigurationError
from aims_mlflow.system import System

POLICY_FILE = "aims.yaml"
"""The system file that the gate takes where none is named, in the working directory."""

SystemLike = System | str | os.PathLike[str]


def policy_for(system: SystemLike | None, *, model_name: str, system_id: str = "") -> System:
    """Return the gate's policy: what was passed, else the file in ``AIMS_POLICY_DIR`` for this model, else ``./aims.yaml``.

    In ``AIMS_POLICY_DIR`` every ``<system id>.yaml`` is read. The one whose ``system.model`` is ``model_name`` is taken;
    where none is, the one of ``system_id`` that names no model. So the training side cannot choose a weaker file by
    calling its system by another id, and a file that cannot be read is never passed over.

    Raises:
        ConfigurationError: there is no such file, more than one, or one that cannot be read.
    """
    from aims_mlflow.system_file import load_system

    if isinstance(system, System):
        return system
    if system is not None:
        return load_system(Path(system))
    folder = os.environ.get("AIMS_POLICY_DIR")
    if not folder:
        if Path(POLICY_FILE).is_file():
            return load_system(Path(POLICY_FILE))
        fix = f"pass the system file (--system FILE), set AIMS_POLICY_DIR, or go to the directory with {POLICY_FILE}"
        raise ConfigurationError("the gate has no policy to judge by", fix=fix)
    policies = []
    for path in sorted(Path(folder).glob("*.yaml")):
        policy = load_system(path)
        if path.stem != policy.id:
            raise ConfigurationError(f"the policy declares the system {policy.id!r}", where=str(path), fix=f"call it {policy.id}.yaml")
        policies.append(policy)
    own = [p for p in policies if p.system.model == model_name] or [p for p in policies if p.id == system_id and not p.system.model]
    if len(own) != 1:
        names = ", ".join(p.id for p in own)
        what = f"more than one policy names the model {model_name!r}: {names}" if own else f"no policy for the model {model_name!r}"
        raise ConfigurationError(what, where=folder, fix=f"let exactly one <system id>.yaml there say system.model: {model_name}")
    return own[0]
