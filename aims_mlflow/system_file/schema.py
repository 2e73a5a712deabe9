"""The system file's JSON Schema (draft 2020-12), for editors: shipped as ``data/aims.schema.json``, made from the typed model.

``python -m aims_mlflow.system_file.schema`` writes the shipped file anew; a test holds the two against each other.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import BaseModel

FILE = "aims.schema.json"


@cache
def json_schema() -> Mapping[str, Any]:
    """Return the schema as it is shipped."""
    made: Mapping[str, Any] = json.loads(schema_text())
    return made


def schema_text() -> str:
    """Return the shipped schema's text."""
    return resources.files("aims_mlflow.data").joinpath(FILE).read_text(encoding="utf-8")


def schema_of_model() -> str:
    """Make the schema's text from the typed model."""
    from aims_mlflow.system import System

    return schema_for(System, "urn:aims-mlflow:system-file:1", "aims.yaml: the declaration of one AI system")


def schema_for(model: type[BaseModel], uri: str, title: str) -> str:
    """Make the text of the JSON Schema of a file from people from its typed model."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": uri, "title": title}
    return json.dumps({**head, **_without_titles(model.model_json_schema(by_alias=True))}, indent=1, ensure_ascii=False) + "\n"


def _without_titles(node: Any, named: bool = False) -> Any:
    """Drop the titles that repeat the names; ``named``: the node maps names to schemas, where ``title`` would be a name."""
    if isinstance(node, list):
        return [_without_titles(one) for one in node]
    if not isinstance(node, dict):
        return node
    return {k: _without_titles(v, named=k in ("properties", "$defs")) for k, v in node.items() if named or k != "title"}


if __name__ == "__main__":
    (Path(__file__).parents[1] / "data" / FILE).write_text(schema_of_model(), encoding="utf-8")
