"""What does not fit together in a system file: each with its line, what is wrong, and the nearest name that would fit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aims_mlflow.errors import SystemFileError
from aims_mlflow.system_file import load_system, parse_system
from aims_mlflow.system_file.consistency import installed_expectation_types, usual_expectation_types
from aims_mlflow.system_file.strict_yaml import Mistake

LINES = """\
version: 1
system: {id: tiny, affected_parties: [{name: applicants}]}
task: {kind: regression, target: y}
data: {roles: {train: train, test: test}, sensitive: [sex, {column: age, bins: [30]}]}
"""


def mistakes_of(text: str, base_dir: Path | None = None) -> tuple[Mistake, ...]:
    with pytest.raises(SystemFileError) as caught:
        parse_system(text, base_dir=base_dir)
    return caught.value.mistakes


TABLE = [
    (
        "{check: performanse, metric: r2_score, min: 0}",
        "requirements[0].check",
        "there is no check 'performanse'",
        "did you mean 'performance'?",
    ),
    ("{check: performance, metric: r2_scores, min: 0}", "requirements[0].metric", "has no metric 'r2_scores'", "did you mean 'r2_score'?"),
    (
        "{check: overlap, datasets: [train, test], metric: shared_row, max: 0}",
        "requirements[0].metric",
        "no metric 'shared_row'",
        "'shared_rows'",
    ),
    ("{check: fairness, metric: demografic_parity_ratio, min: 0.8}", "requirements[0].metric", "no metric", "'demographic_parity_ratio'"),
    (
        "{check: fairness, metric: accuracy_score, column: gender, min: 0.8}",
        "requirements[0].column",
        "'gender' is not a sensitive",
        "sex, age",
    ),
    (
        "{check: fairness, metric: accuracy_score, column: sex & race, min: 0.8}",
        "requirements[0].column",
        "'race' is not a sensitive",
        "under data.sensitive",
    ),
    (
        "{check: quality, dataset: validation, metric: completeness, min: 1}",
        "requirements[0].dataset",
        "no data are declared",
        "under data.roles",
    ),
    (
        "{check: quality, dataset: tset, metric: completeness, min: 1}",
        "requirements[0].dataset",
        "no data are declared",
        "did you mean 'test'?",
    ),
    (
        "{check: drift, dataset: test, reference: reference, metric: drifted_columns_share, max: 1}",
        "requirements[0].reference",
        "no data",
        "data.roles",
    ),
    (
        "{check: overlap, datasets: [train, train], metric: shared_rows, max: 0}",
        "requirements[0].datasets",
        "two different data roles",
        "[train, test]",
    ),
    (
        "{check: overlap, datasets: [train, tset], metric: shared_rows, max: 0}",
        "requirements[0].datasets[1]",
        "no data are declared",
        "'test'",
    ),
    ("{check: quality, dataset: train, suite: ../a.json}", "requirements[0].suite", "outside the folder", "beside the system file"),
    ("{check: quality, dataset: train, suite: /etc/passwd}", "requirements[0].suite", "outside the folder", "beside the system file"),
    ("{check: quality, dataset: train, suite: gone.json}", "requirements[0].suite", "'gone.json' is not there", "beside the system file"),
    ("{check: performance, metric: r2_score}", "requirements[0]", "exactly one bound", "one of min, max or equals"),
    ("{check: performance, metric: r2_score, min: 0, max: 1}", "requirements[0]", "exactly one bound", "one of min, max or equals"),
    ("{check: performance, metric: r2_score, severity: bad}", "requirements[0]", "exactly one bound", "one of min, max or equals"),
]


@pytest.mark.parametrize(("requirement", "path", "what", "fix"), TABLE, ids=[row[0][:70] for row in TABLE])
def test_a_requirement_that_asks_for_nothing_known(requirement: str, path: str, what: str, fix: str, tmp_path: Path) -> None:
    found = mistakes_of(LINES + f"requirements:\n  - {requirement}\n", tmp_path)
    assert path in [m.path for m in found]
    one = next(m for m in found if m.path == path)
    assert one.place.line == 6
    assert what in one.what
    assert fix in one.fix


OTHERS = [
    ("gate: {controls: [A.7.4, A.7.44]}", "gate.controls[1]", "Annex A has no control 'A.7.44'", "'A.7.4'"),
    ("gate: {controls: [7.4]}", "gate.controls[0]", "text is expected", "quotes"),
    (
        "attestations: [{control: A.6.2.9, statement: s, by: b, on: 2026-01-01}]",
        "attestations[0].control",
        "no control 'A.6.2.9'",
        "A.6.2.",
    ),
    (
        "attestations: [{control: A.7.4, statement: s, by: b, on: 2026-01-02, expires: 2026-01-01}]",
        "attestations[0]",
        "expires before",
        "dates",
    ),
    (
        "waivers: [{control: A.1.1, reason: r, approved_by: b, on: 2026-01-01, expires: 2026-02-01}]",
        "waivers[0].control",
        "no control",
        "A.",
    ),
    (
        "waivers: [{control: A.7.4, check: qality, reason: r, approved_by: b, on: 2026-01-01, expires: 2026-02-01}]",
        "waivers[0].check",
        "there is no check 'qality'",
        "did you mean 'quality'?",
    ),
    (
        "risk: {consequences: [{objective: C.2.5, party: aplicants, class: 3, set_by: b, set_on: 2026-01-01}]}",
        "risk.consequences[0].party",
        "'aplicants' is not among the affected parties",
        "did you mean 'applicants'?",
    ),
    (
        "risk: {treatments: [{objective: C.2.5, option: avoid, action: a, owner: o, control: A.99.1}]}",
        "risk.treatments[0].control",
        "Annex A has no control",
        "A.",
    ),
]


@pytest.mark.parametrize(("line", "path", "what", "fix"), OTHERS, ids=[row[0][:60] for row in OTHERS])
def test_a_name_that_nothing_answers_to(line: str, path: str, what: str, fix: str) -> None:
    found = mistakes_of(LINES + line + "\n")
    assert [(m.place.line, m.path) for m in found] == [(5, path)]
    assert what in found[0].what
    assert fix in found[0].fix


@pytest.mark.parametrize(
    ("old", "new", "path", "what"),
    [
        ("test: test}", "test: train}", "data.roles.test", "already plays the role train"),
        ("sensitive: [sex,", "sensitive: [y,", "data.sensitive[0]", "'y' is the target"),
        ("test: test},", "test: test}, features: [a, y],", "data.features[1]", "'y' is the target"),
        ("test: test},", "test: test}, time: y,", "data.time", "'y' is the target"),
        ("id: tiny,", "id: tiny, baseline: credit@champion,", "system.baseline", "no model URI"),
        (
            "test: test},",
            "test: test}, populations: [{column: sex, shares: {f: 0.5, m: 0.5}}, {column: sex, shares: {f: 0.4, m: 0.6}}],",
            "data.populations[1].column",
            "has a population already",
        ),
    ],
)
def test_data_that_contradict_themselves(old: str, new: str, path: str, what: str) -> None:
    found = mistakes_of(LINES.replace(old, new))
    assert [m.path for m in found] == [path]
    assert what in found[0].what


def test_crossings_of_sensitive_columns_can_be_asked_about() -> None:
    text = LINES + 'requirements:\n  - {check: fairness, metric: accuracy_score_ratio, column: "sex & age", min: 0.8}\n'
    assert parse_system(text).requirements[0].column == "sex & age"


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"{", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"[]", "no list of expectations"),
        (b'{"expectations": []}', "asks nothing"),
        (b"\xff", "is not JSON"),
    ],
)
def test_a_suite_that_cannot_be_used(content: bytes, what: str, tmp_path: Path) -> None:
    (tmp_path / "suite.json").write_bytes(content)
    found = mistakes_of(LINES + "requirements: [{check: quality, dataset: train, suite: suite.json}]\n", tmp_path)
    assert what in found[0].what


def test_a_suite_is_looked_for_beside_the_system_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "suite.json").write_text(
        json.dumps({"expectations": [{"type": "expect_table_row_count_to_equal", "kwargs": {"value": 1}}]})
    )
    (tmp_path / "there" / "aims.yaml").write_text(LINES + "requirements: [{check: quality, dataset: train, suite: suite.json}]\n")
    monkeypatch.chdir(tmp_path)
    assert load_system("there/aims.yaml").base_dir == tmp_path / "there"


def test_types_of_expectations_are_looked_at_when_asked_for(tmp_path: Path) -> None:
    (tmp_path / "suite.json").write_text(json.dumps({"expectations": [{"type": "expect_miracles", "kwargs": {}}]}))
    (tmp_path / "aims.yaml").write_text(
        LINES
        + "requirements:\n"
        + "  - {check: quality, dataset: train, expectation: {type: expect_column_values_to_not_be_nul, kwargs: {column: a}}}\n"
        + "  - {check: quality, dataset: train, suite: suite.json}\n"
    )
    assert len(load_system(tmp_path / "aims.yaml").requirements) == 2
    with pytest.raises(SystemFileError) as caught:
        load_system(tmp_path / "aims.yaml", thorough=True)
    assert [(m.place.line, m.path) for m in caught.value.mistakes] == [
        (6, "requirements[0].expectation.type"),
        (7, "requirements[1].suite"),
    ]
    assert "did you mean 'expect_column_values_to_not_be_null'?" in caught.value.mistakes[0].fix


def test_the_usual_expectations_are_those_of_great_expectations() -> None:
    assert usual_expectation_types() <= installed_expectation_types()
    assert len(usual_expectation_types()) > 50
