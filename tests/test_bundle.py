"""The bundle's format: it comes back as it was written, and its schema is published. The golden files: tests/signing/test_golden.py."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from aims_mlflow.bundle import PREDICATE_TYPE, STATEMENT_TYPE, Bundle
from aims_mlflow.errors import VerificationError
from aims_mlflow.evidence import canonical, digest
from aims_mlflow.signing import open_bundle, seal_bundle
from tests.golden import make

GOLDEN = Path(__file__).parent / "golden"


class TestSchema:
    def test_the_published_schema_is_up_to_date(self) -> None:
        assert make.SCHEMA.read_text(encoding="utf-8") == make.schema(), "run python tests/golden/make.py"

    def test_a_bundle_meets_it_and_a_spoilt_one_does_not(self) -> None:
        schema = json.loads(make.SCHEMA.read_text(encoding="utf-8"))
        jsonschema.Draft202012Validator.check_schema(schema)
        validator = jsonschema.Draft202012Validator(schema)
        predicate = make.bundle().statement()["predicate"]
        assert list(validator.iter_errors(predicate)) == []
        without_run = {k: v for k, v in predicate.items() if k != "run"}
        for spoilt in (predicate | {"verdict": "pass"}, predicate | {"policy_sha256": "none"}, without_run):
            assert list(validator.iter_errors(spoilt))


class TestStatement:
    def test_it_is_an_in_toto_statement_about_files_and_data(self) -> None:
        statement = make.bundle().statement()
        assert (statement["_type"], statement["predicateType"]) == (STATEMENT_TYPE, PREDICATE_TYPE)
        assert {s["name"] for s in statement["subject"]} == {"model/MLmodel", "model/model.skops", "dataset/train", "dataset/test"}
        assert {s["digest"]["sha256"] for s in statement["subject"]} == {
            *(sha for _, sha in make.FILES.values()),
            digest("train"),
            digest("test"),
        }

    def test_a_run_without_model_and_data_is_its_own_subject(self) -> None:
        bundle = make.bundle(model=None, datasets=())
        assert [s["name"] for s in bundle.statement()["subject"]] == [f"run/{make.RUN_ID}"]
        assert open_bundle(seal_bundle(bundle))[0] == bundle

    def test_it_comes_back_to_the_last_digit(self) -> None:
        bundle = make.bundle()
        again = Bundle.from_statement(json.loads(canonical(bundle.statement())))
        assert again == bundle
        assert [r.id for r in again.results] == [r.id for r in bundle.results]
        assert [e.id for e in again.evidence] == [e.id for e in bundle.evidence]
        assert again.run.finished == datetime(2026, 3, 1, 12, tzinfo=UTC)

    @pytest.mark.parametrize("content", [None, [], "text", {}, {"_type": STATEMENT_TYPE}, {"predicateType": PREDICATE_TYPE}])
    def test_what_is_no_statement_is_refused(self, content: Any) -> None:
        with pytest.raises(VerificationError):
            Bundle.from_statement(content)

    def test_a_refusal_quotes_no_value(self) -> None:
        statement = make.bundle().statement()
        statement["predicate"]["run"]["started"] = "canary-4711"
        with pytest.raises(VerificationError, match=r"run\.started") as refused:
            Bundle.from_statement(statement)
        assert "canary" not in str(refused.value)


@pytest.mark.parametrize("said", [1, 1.0, "yes", "true", None])
def test_only_true_says_that_it_is_complete(said: object) -> None:
    statement = json.loads(canonical(make.small().statement()))
    assert Bundle.from_statement(statement).complete
    statement["predicate"]["complete"] = said
    with pytest.raises(VerificationError):
        Bundle.from_statement(statement)
