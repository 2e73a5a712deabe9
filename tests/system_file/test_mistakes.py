"""Mistakes of form: each with its line, its path, plain words and a fix, and none with the words of a library."""

from __future__ import annotations

import pytest

from aims_mlflow.errors import SystemFileError
from aims_mlflow.system_file import parse_system
from aims_mlflow.system_file.mistakes import did_you_mean, shown
from aims_mlflow.system_file.strict_yaml import Mistake

LINES = """\
version: 1
system: {id: tiny}
task: {kind: regression, target: y}
data: {roles: {train: train, test: test}}
"""


def mistakes_of(text: str) -> tuple[Mistake, ...]:
    with pytest.raises(SystemFileError) as caught:
        parse_system(text)
    return caught.value.mistakes


TABLE = [
    # line to put in the place of the line that begins with the same key (or to add), path, words of what, words of fix
    ("version: 2", "version", "the number 2 is not accepted here", "1"),
    ("version: '1'", "version", "'1' is not accepted here", "1"),
    ("version:", "version", "nothing is not accepted here", "1"),
    ("system: {id: Not An Id}", "system.id", "does not have the form", "lower-case letters, digits and hyphens"),
    ("system: {}", "system.id", "this key is missing", "add id:"),
    ("system: hello", "system", "a mapping of keys to values is expected here, and 'hello' was found", "key: value lines"),
    ("system: {id: a, naem: b}", "system.naem", "unknown key 'naem'", "did you mean 'name'?"),
    ("system: {id: a, owner: Jane}", "system.owner", "a mapping of keys to values is expected", "key: value lines"),
    ("system: {id: a, name: 5}", "system.name", "text is expected here, and the number 5 was found", "quotes"),
    ("system: {id: a, purpose: }", "system.purpose", "there is no value", "remove the line"),
    ("system: {id: a, intended_uses: one}", "system.intended_uses", "a list is expected here, and 'one' was found", "[one, two]"),
    (
        "system: {id: a, affected_parties: [{name: b, size: -1}]}",
        "system.affected_parties[0].size",
        "must be at least 0",
        "correct the number",
    ),
    (
        "system: {id: a, affected_parties: [{name: b, vulnerable: no}]}",
        "system.affected_parties[0].vulnerable",
        "true or false is expected",
        "YAML 1.2",
    ),
    ("task: {kind: binary, target: y}", "task.kind", "'binary' is not accepted here", "did you mean 'binary_classification'?"),
    ("task: {kind: binary_classification, target: y}", "task", "a binary task needs positive_label", "as it stands in the data"),
    ("task: {kind: regression}", "task.target", "this key is missing", "the column to predict"),
    (
        "task: {kind: regression, target: y, favourable_label: [1]}",
        "task.favourable_label",
        "one value is expected here, and a list",
        "true or false",
    ),
    ("data: {roles: {}}", "data.roles", "it is empty", "fill it in"),
    ("data: {}", "data.roles", "this key is missing", "add roles:"),
    ("data: {roles: {trian: a}}", "data.roles.trian", "'trian' is not accepted here", "did you mean 'train'?"),
    ("data: {roles: {train: a}, sensitive: [5]}", "data.sensitive[0]", "text is expected here, and the number 5", "quotes"),
    ("data: {roles: {train: a}, sensitive: [{column: b}]}", "data.sensitive[0].bins", "this key is missing", "inner edges"),
    ("data: {roles: {train: a}, sensitive: [{column: b, bins: [2, 1]}]}", "data.sensitive[0]", "not rising numbers", "[25, 40]"),
    (
        "data: {roles: {train: a}, sensitive: [{column: b, bins: [x]}]}",
        "data.sensitive[0].bins[0]",
        "a number is expected here, and 'x'",
        "0.8",
    ),
    (
        "data: {roles: {train: a}, sources: {train: {acquired: 2026-02-30}}}",
        "data.sources.train.acquired",
        "not a day of the calendar",
        "2026-01-31",
    ),
    ("data: {roles: {train: a}, sources: {train: {sha256: abc}}}", "data.sources.train.sha256", "does not have the form", "fingerprint"),
    (
        "data: {roles: {train: a}, sources: {train: {license: MIT}}}",
        "data.sources.train.license",
        "unknown key 'license'",
        "did you mean 'licence'?",
    ),
    (
        "requirements: [{check: fairness, metric: accuracy_score, min: high}]",
        "requirements[0].min",
        "a number is expected here, and 'high'",
        "0.8",
    ),
    (
        "requirements: [{check: fairness, metric: accuracy_score, min: 1, severity: mayor}]",
        "requirements[0].severity",
        "'mayor' is not",
        "'major'",
    ),
    (
        "requirements: [{check: quality, metric: rows, min: 1, minimum_n: 1.5}]",
        "requirements[0].minimum_n",
        "a whole number is expected",
        "such as 3",
    ),
    (
        "requirements: [{check: quality, metric: rows, min: 1, objective: C.2.12}]",
        "requirements[0].objective",
        "does not have the form",
        "C.2.5",
    ),
    ("requirements: {check: quality}", "requirements", "a list is expected here, and a mapping was found", "begin with -"),
    ("gate: {max_age_days: 0}", "gate.max_age_days", "must be at least 1", "correct the number"),
    ("gate: {max_age: 3}", "gate.max_age", "unknown key 'max_age'", "did you mean 'max_age_days'?"),
    (
        "risk: {breakpoints: {excess_adverse_decisions: {6: 10}}}",
        "risk.breakpoints.excess_adverse_decisions.6",
        "must be at most 5",
        "correct",
    ),
    (
        "risk: {breakpoints: {excess_adverse_decisions: {a: 10}}}",
        "risk.breakpoints.excess_adverse_decisions.a",
        "whole number as the key",
        "such as 3",
    ),
    ("risk: {breakpoints: {excess_adverse_decisions: {3: 10, 4: 5}}}", "risk.breakpoints", "do not rise with the class", "higher number"),
    ("risk: {matrix: {L1: [low]}}", "risk", "the matrix is not whole", "L1 to L5"),
    ("impact: {answers: {benefits: Speed}}", "impact.answers.benefits", "a mapping of keys to values is expected", "key: value lines"),
    ("attestations: [{control: A.7.4, statement: '', by: x, on: 2026-01-01}]", "attestations[0].statement", "it is empty", "fill it in"),
    ("attestations: [{control: A.7.4, statement: s, by: x, on: soon}]", "attestations[0].on", "'soon' is not a day", "2026-01-31"),
    (
        "waivers: [{control: A.7.4, reason: r, approved_by: b, on: 2026-02-01, expires: 2026-01-01}]",
        "waivers[0]",
        "expires before",
        "dates",
    ),
]


@pytest.mark.parametrize(("line", "path", "what", "fix"), TABLE, ids=[row[0][:60] for row in TABLE])
def test_a_mistake_is_told_with_its_place_and_its_fix(line: str, path: str, what: str, fix: str) -> None:
    key = line.partition(":")[0]
    kept = [one for one in LINES.splitlines() if one.partition(":")[0] != key]
    number = next((n for n, one in enumerate(LINES.splitlines()) if one.partition(":")[0] == key), len(kept))
    found = mistakes_of("\n".join([*kept[:number], line, *kept[number:]]) + "\n")
    assert [m.path for m in found] == [path]
    assert found[0].place.line == number + 1
    assert what in found[0].what
    assert fix in found[0].fix
    for jargon in ("Input should", "valid string", "extra", "pydantic", "tuple", "Value error", "NoneType", "str "):
        assert jargon not in str(found[0])


def test_mistakes_in_one_part_do_not_hide_those_in_another() -> None:
    found = mistakes_of(
        "\n".join(line for line, *_ in TABLE if line.startswith(("gate: {max_age:", "task: {kind: bin", "waivers", "impact"))).splitlines()[
            0
        ]
    )
    assert {m.path for m in found} >= {"version", "system", "data"}


def test_the_nearest_name_is_told_and_else_the_known_ones() -> None:
    assert did_you_mean("Min", ["min", "max"]) == "did you mean 'min'?"
    assert did_you_mean("zzz", ["min", "max"]) == "the known ones are min, max"
    assert did_you_mean("zzz", []) == "there is none yet"
    assert did_you_mean("zzz", [f"m{n}" for n in range(25)]).endswith("and 5 more")


def test_what_is_quoted_is_short_and_on_one_line() -> None:
    assert shown("a\nb") == r"'a\nb'"
    assert len(shown("x" * 1_000)) < 80
    assert shown(True) == "true"
    assert shown({}) == "a mapping"
