"""The policy folder: whether it can be read, and which of its files cannot be used."""

from __future__ import annotations

import os
from pathlib import Path

from aims_mlflow.diagnosing.words import Finding, State
from aims_mlflow.errors import ConfigurationError
from aims_mlflow.policy.choosing import POLICY_DIR, POLICY_FILE, beside, policy_at
from aims_mlflow.policy.folder import read_folder
from aims_mlflow.signing import Trust
from aims_mlflow.signing.trust import KEYS_FILE


def look() -> tuple[list[Finding], Trust, str]:
    """Look at what the gate would judge by from here. Returns also whose keys count, and the path of the file that says so."""
    folder = os.environ.get(POLICY_DIR)
    if not folder:
        return _one_file()
    policies = read_folder(Path(folder).absolute())
    found = [_unusable(error) for error in (*policies.broken, *policies.refused.values())]
    keys = Path(folder).absolute() / KEYS_FILE
    trusted = str(keys) if os.path.lexists(keys) else ""
    if not found and not policies.systems:
        what = "no system file is in the policy folder, so nothing that is protected can be promoted"
        found = [_found("no_system", "problem", what, folder, "put <system id>.yaml there, one for each system")]
    if not found:
        many = len(policies.systems)
        also = f" and {KEYS_FILE}" if trusted else f"; {KEYS_FILE} is not there, so any key counts that a system file does not exclude"
        what = f"the policy folder can be read: {many} system file{'s' * (many != 1)}{also}"
        found = [_found("folder", "ok", what, folder)]
    return found, policies.trust, trusted


def _one_file() -> tuple[list[Finding], Trust, str]:
    """Look at ``./aims.yaml``, which counts where there is no policy folder."""
    what = f"{POLICY_DIR} is not set: the gate judges by ./{POLICY_FILE}, which whoever trains can change"
    path = Path(POLICY_FILE)
    if not path.is_file():
        what = f"{POLICY_DIR} is not set, and there is no ./{POLICY_FILE} here: each command has to be told its system file"
        return [_found("no_folder", "note", what, POLICY_DIR, f"set {POLICY_DIR} to the folder with the system files")], Trust(), ""
    found = [_found("no_folder", "note", what, POLICY_DIR, f"set {POLICY_DIR} to a folder that only the gate's keepers can write to")]
    keys = beside(path, KEYS_FILE)
    try:
        return [*found, *_readable(path)], Trust() if keys is None else Trust.read(keys), str(keys or "")
    except ConfigurationError as error:
        return [*found, _unusable(error)], Trust(), str(keys or "")


def _readable(path: Path) -> list[Finding]:
    policy_at(path)
    return [_found("file", "ok", f"./{POLICY_FILE} can be used", str(path.absolute()))]


def _unusable(error: ConfigurationError) -> Finding:
    """Return a finding of a file that cannot be used. A list of mistakes is what `aims validate` prints; here its first line will do."""
    what = error.what.partition("\n")[0].rstrip(":")
    return _found(
        "broken", "problem", f"nothing protected moves while this file cannot be used: {what}", error.where, error.fix or "aims validate"
    )


def _found(code: str, state: State, what: str, where: str, fix: str = "") -> Finding:
    return Finding(area="policies", code=code, state=state, what=what, where=where, fix=fix)
