"""The JSON Schema: shipped as the typed model has it, with a description for every key, and the example file meets it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest

from aims_mlflow import system
from aims_mlflow.system_file.schema import json_schema, schema_of_model, schema_text
from aims_mlflow.system_file.strict_yaml import read

EXAMPLE = Path(__file__).parents[1] / "data" / "aims.yaml"


def test_the_shipped_schema_is_that_of_the_model() -> None:
    assert schema_text() == schema_of_model(), "run: python -m aims_mlflow.system_file.schema"


def test_it_is_a_schema_of_the_draft_that_it_names() -> None:
    assert json_schema()["$schema"].endswith("2020-12/schema")
    jsonschema.Draft202012Validator.check_schema(json_schema())


def parts() -> list[type[system.Part]]:
    return [system.Part, *system.Part.__subclasses__()][1:]


@pytest.mark.parametrize("part", parts(), ids=lambda part: part.__name__)
def test_every_key_says_what_it_means(part: type[system.Part]) -> None:
    schema = json_schema() if part is system.System else json_schema()["$defs"][part.__name__]
    for name, field in part.model_fields.items():
        shown = schema["properties"][field.alias or name]
        assert len(shown.get("description", "").split()) >= 2, f"{part.__name__}.{name}"
    assert schema["additionalProperties"] is False


def example() -> dict[str, Any]:
    node, mistakes = read(EXAMPLE.read_text(encoding="utf-8"))
    assert node is not None
    assert not mistakes
    content: dict[str, Any] = node.plain()
    return content


def test_the_example_file_meets_it() -> None:
    errors = list(jsonschema.Draft202012Validator(json_schema()).iter_errors(example()))
    assert errors == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("version",), 2),
        (("system", "id"), "Not An Id"),
        (("system", "colour"), "red"),
        (("task", "kind"), "binary"),
        (("data", "roles"), {}),
        (("data", "roles"), {"trian": "train"}),
        (("gate", "inconclusive"), "maybe"),
        (("attestations",), [{"control": "7.4", "statement": "x", "by": "y", "on": "2026-01-01"}]),
    ],
)
def test_a_wrong_file_does_not_meet_it(path: tuple[str, ...], value: Any) -> None:
    content = example()
    inner = content
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    assert not jsonschema.Draft202012Validator(json_schema()).is_valid(content)


def test_the_documentation_holds_every_key_with_its_meaning() -> None:
    text = (Path(__file__).parents[2] / "docs" / "system-file.md").read_text(encoding="utf-8")
    for part in parts():
        assert f"### {part.__name__}\n" in text
        for name, field in part.model_fields.items():
            rows = [line for line in text.splitlines() if line.startswith(f"| `{field.alias or name}` |")]
            assert any(line.endswith(f"| {field.description} |") for line in rows), f"{part.__name__}.{name}"
