"""The record's JSON Schema (draft 2020-12), shipped as ``data/record.schema.json`` and made from the typed words.

``python -m aims_mlflow.records.schema`` writes the shipped file anew; a test holds the two against each other.
"""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

from aims_mlflow.records.words import SystemRecord

FILE = "record.schema.json"


def schema_text() -> str:
    """Return the shipped schema's text."""
    return resources.files("aims_mlflow.data").joinpath(FILE).read_text(encoding="utf-8")


def schema_of_words() -> str:
    """Make the schema's text from the words, as ``record.json`` writes them."""
    schema = SystemRecord.model_json_schema(by_alias=True, mode="serialization")
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "urn:aims-mlflow:system-record:1"}
    return (
        json.dumps(
            {**head, **schema, "title": "record.json: everything known, and not known, of one AI system"}, indent=1, ensure_ascii=False
        )
        + "\n"
    )


if __name__ == "__main__":
    (Path(__file__).parents[1] / "data" / FILE).write_text(schema_of_words(), encoding="utf-8")
