"""The organisation file's JSON Schema (draft 2020-12), for editors: shipped as ``data/organisation.schema.json``.

``python -m aims_mlflow.policy.schema`` writes the shipped file anew; a test holds the two against each other.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from aims_mlflow.system_file.schema import schema_for

FILE = "organisation.schema.json"


@cache
def organisation_schema() -> Mapping[str, Any]:
    """Return the schema as it is shipped."""
    made: Mapping[str, Any] = json.loads(organisation_schema_text())
    return made


def organisation_schema_text() -> str:
    """Return the shipped schema's text."""
    return resources.files("aims_mlflow.data").joinpath(FILE).read_text(encoding="utf-8")


def schema_of_organisation() -> str:
    """Make the schema's text from the typed model."""
    from aims_mlflow.policy.organisation import Organisation

    return schema_for(Organisation, "urn:aims-mlflow:organisation-file:1", "organisation.yaml: what every AI system inherits")


if __name__ == "__main__":
    (Path(__file__).parents[1] / "data" / FILE).write_text(schema_of_organisation(), encoding="utf-8")
