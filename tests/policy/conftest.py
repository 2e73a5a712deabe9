"""What the tests of policies share: the golden system as a file, and organisation files written in a few lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from aims_mlflow.policy.organisation_file import OrganisationFile, parse_organisation
from aims_mlflow.system_file import SystemFile, open_system
from tests.golden import make


class Written:
    """Writes policy files into a folder and reads them."""

    def __init__(self, folder: Path, whole: dict[str, Any]) -> None:
        self.folder = folder
        self.whole = whole

    def system(self, name: str = "golden", **changes: Any) -> SystemFile:
        """Write the golden system under a name, with parts replaced, and read it."""
        path = self.folder / f"{name}.yaml"
        content = json.loads(json.dumps(self.whole | {"system": self.whole["system"] | {"id": name}}))
        identity = content["system"] | changes.pop("system", {})
        path.write_text(yaml.safe_dump(content | {"system": identity} | changes, sort_keys=False))
        return open_system(path)

    def organisation(self, text: str) -> OrganisationFile:
        """Write and read an organisation file; the line ``version: 1`` is added."""
        (self.folder / "organisation.yaml").write_text(f"version: 1\n{text}")
        return parse_organisation(f"version: 1\n{text}")


DECLARED = {
    "owner": {"name": "Head of the golden files"},
    "affected_parties": [{"name": "nobody"}],
}
"""What the tier high asks a system to declare beyond what the golden one does, under ``system``."""


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """A writer of policy files in a folder of its own; its golden system declares what the tier high asks."""
    whole = json.loads(json.dumps(make.SYSTEM))
    whole["system"] |= DECLARED
    whole["risk"] = {"criteria": {"adopted_by": "Chief risk officer", "adopted_on": "2026-01-15"}}
    folder = tmp_path / "policies"
    folder.mkdir()
    return Written(folder, whole)
