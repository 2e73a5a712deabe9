"""The provenance check: digests, declarations, and the roles that were not seen."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from aims_mlflow.checks.provenance import METRICS
from aims_mlflow.checks.provenance import provenance as _check
from aims_mlflow.registry import get


def results(seen: Any) -> dict[str, Any]:
    return {result.scope.get("dataset", ""): result for result in get("provenance").run(seen)}


def values(result: Any) -> dict[str, float | None]:
    return {measure.name: measure.value for measure in result.measures}


def test_every_dataset_is_known_by_content(seen_of: Any) -> None:
    seen = seen_of(data={"sources": {"train": {"uri": "https://user:secret@example.org/d?key=s3cr3t"}}})
    found = results(seen)
    assert values(found["train"]) == {"fingerprinted": 1, "source_declared": 1, "digest_mismatch": 0, "rows": 600, "columns": 23}
    assert values(found["test"]) == {"fingerprinted": 1, "digest_mismatch": 0, "rows": 400, "columns": 23}
    assert values(found[""]) == {"roles_missing": 0, "roles_seen": 2}
    assert found["train"].facts["sha256"] == seen.datasets["train"].fingerprint.sha256 == found["train"].subjects[0].sha256
    assert len(found["train"].facts["columns"]) == 23
    assert found["train"].facts["uri"] == "https://example.org/d"
    assert {m.name for r in found.values() for m in r.measures} <= set(METRICS)
    assert all(m.exact for r in found.values() for m in r.measures)


@pytest.mark.parametrize("uri", ["", "TODO", " "])
def test_a_source_that_nobody_declared_is_named_with_the_line_to_add(seen_of: Any, uri: str) -> None:
    found = results(seen_of(data={"sources": {"train": {"uri": uri}}}))["train"]
    assert found.measure("source_declared").value == 0
    assert "add uri under data.sources.train" in found.notes[0]


def test_a_declared_digest_that_differs_is_a_mismatch(seen_of: Any) -> None:
    right = seen_of().datasets["train"].fingerprint.sha256
    for sha256, expected in ((right, 0), ("0" * 64, 1)):
        found = results(seen_of(data={"sources": {"train": {"uri": "x", "sha256": sha256}}}))["train"]
        assert found.measure("digest_mismatch").value == expected
        assert len(found.notes) == expected


def test_a_frame_that_was_changed_after_it_was_handed_over_is_a_mismatch(seen_of: Any) -> None:
    seen = seen_of()
    seen.datasets["train"].frame.loc[599, "credit_risk"] += 1
    found = results(seen)["train"]
    assert found.measure("digest_mismatch").value == 1
    assert "changed in place after it was handed over (columns credit_risk)" in found.notes[0]
    assert found.facts["digest_mismatch"] == ["the frame as it was handed over"]


def test_roles_that_were_not_seen_are_counted_and_production_comes_later(seen_of: Any) -> None:
    roles = {role: role for role in ("train", "validation", "reference", "production")}
    found = results(seen_of(frames={"test": None}, data={"roles": roles}))[""]
    assert found.measure("roles_missing").value == 3
    assert found.facts["roles_missing"] == ["test", "validation", "reference"]
    assert found.coverage.left_out == ("test", "validation", "reference")
    assert "after deployment" in found.notes[-1]


def test_without_any_data_train_and_test_are_missing(seen_of: Any) -> None:
    found = results(seen_of(frames={"train": None, "test": None}))
    assert list(found) == [""]
    assert found[""].measure("roles_missing").value == 2


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (pd.DataFrame({"a": []}), "zero rows"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "duplicate column names"),
        (pd.DataFrame([[1, 2]], columns=[0, 1]), "not strings"),
        (pd.DataFrame({"a": [object()]}), "column 'a'"),
    ],
)
def test_bad_frames_are_problems(seen_of: Any, frame: Any, said: str) -> None:
    found = results(seen_of(frames={"test": frame}))
    assert found["test"].problem.state == "error"
    assert said in found["test"].problem.reason
    assert found["test"].problem.fix
    assert found["test"].measures == ()
    assert found["train"].problem is None


def test_the_check_is_registered() -> None:
    assert get("provenance").measure is _check
    assert get("provenance").controls == ("A.7.5", "A.7.2", "A.4.3")
