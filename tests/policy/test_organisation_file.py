"""The organisation file: read as strictly as a system file, with its place and its fix in every mistake."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from aims_mlflow.errors import ConfigurationError, SystemFileError
from aims_mlflow.policy import organisation
from aims_mlflow.policy.floor import BUILT_IN, floor_of
from aims_mlflow.policy.organisation import OrganisationPart
from aims_mlflow.policy.organisation_file import load_organisation, parse_organisation
from aims_mlflow.policy.schema import organisation_schema, organisation_schema_text, schema_of_organisation
from aims_mlflow.system import TIERS
from aims_mlflow.system_file.strict_yaml import Mistake, read

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs" / "policy.md"

WHOLE = """\
version: 1
organisation: {name: Example Bank, owner: {name: Head of AI governance}}
unlisted_models: block
default_tier: high
systems: {credit-scoring: high, churn: low}
gate:
  protects: [champion, production]
  controls: [A.5.4]
  inconclusive: block
  max_age_days: 30
  trusted_keys: []
requirements:
  - {check: performance, metric: roc_auc_score, min: 0.6}
tiers:
  low: {narrow_controls: [A.6.2.4, A.7.4], must_declare: []}
  limited: {must_declare: [system.owner]}
  high:
    gate: {max_age_days: 14}
    requirements: [{check: fairness, metric: demographic_parity_ratio, min: 0.8}]
"""


def mistakes_of(text: str) -> tuple[Mistake, ...]:
    with pytest.raises(SystemFileError) as caught:
        parse_organisation(text)
    found: tuple[Mistake, ...] = caught.value.mistakes
    return found


def test_the_smallest_file_is_enough() -> None:
    read = parse_organisation("version: 1\n").organisation
    assert (read.unlisted_models, read.default_tier, read.protects) == ("block", "high", ("champion", "production"))


def test_every_key_is_read() -> None:
    file = parse_organisation(WHOLE)
    assert file.organisation.systems == {"credit-scoring": "high", "churn": "low"}
    assert file.organisation.tiers.low.narrow_controls == ("A.6.2.4", "A.7.4")
    assert file.line("systems", "churn") == "organisation.yaml line 5"
    assert len(file.organisation.sha256) == 64


TABLE = [
    ("unknown-key", "version: 1\ngait: {}\n", 2, "gait", "unknown key 'gait'", "did you mean 'gate'?"),
    ("unknown-tier", "version: 1\ntiers: {hihg: {}}\n", 2, "tiers.hihg", "unknown key", "did you mean 'high'?"),
    ("tier-of-a-system", "version: 1\nsystems: {a: higher}\n", 2, "systems.a", "not accepted here", "did you mean 'high'?"),
    ("id-of-a-system", "version: 1\nsystems: {Not An Id: low}\n", 2, "systems.Not An Id", "does not have the form", "system.id"),
    ("no-version", "default_tier: low\n", 1, "version", "this key is missing", "add version"),
    ("unlisted", "version: 1\nunlisted_models: warn\n", 2, "unlisted_models", "'warn' is not accepted", "block, allow"),
    ("alias", "version: 1\ngate: &g {}\ntiers: {low: {gate: *g}}\n", 2, "gate", "anchor", "remove it"),
    ("twice", "version: 1\ngate: {}\ngate: {}\n", 3, "gate", "a second time", "keep one"),
    ("age", "version: 1\ngate: {max_age_days: 0}\n", 2, "gate.max_age_days", "at least 1", "correct the number"),
    ("latest", "version: 1\ngate: {protects: [Latest]}\n", 2, "gate.protects", "moves with every registration", "protect an alias"),
    ("control", "version: 1\ngate: {controls: [A.7.44]}\n", 2, "gate.controls[0]", "no control 'A.7.44'", "did you mean"),
    ("narrow-high", "version: 1\ntiers: {high: {narrow_controls: [A.7.4]}}\n", 2, "tiers", "only the tier low", "remove it"),
    ("narrow-none", "version: 1\ntiers: {low: {narrow_controls: []}}\n", 2, "tiers.low.narrow_controls", "it is empty", "fill it in"),
    (
        "declare",
        "version: 1\ntiers: {low: {must_declare: [system.ownr]}}\n",
        2,
        "tiers.low.must_declare[0]",
        "not accepted",
        "'system.owner'",
    ),
    (
        "metric",
        "version: 1\nrequirements: [{check: fairness, metric: demografic_parity_ratio, min: 1}]\n",
        2,
        "requirements[0].metric",
        "no metric 'demografic_parity_ratio'",
        "did you mean",
    ),
    (
        "suite",
        "version: 1\ntiers: {low: {requirements: [{check: quality, suite: a.json}]}}\n",
        2,
        "tiers.low.requirements[0].suite",
        "beside a system file",
        "one by one",
    ),
    (
        "role",
        "version: 1\nrequirements: [{check: quality, metric: completeness, dataset: trian, min: 1}]\n",
        2,
        "requirements[0].dataset",
        "no data role 'trian'",
        "did you mean 'train'?",
    ),
    (
        "two-bounds",
        "version: 1\nrequirements: [{check: performance, metric: roc_auc_score, min: 0, max: 1}]\n",
        2,
        "requirements[0]",
        "exactly one bound",
        "one of min",
    ),
]


@pytest.mark.parametrize(("text", "line", "path", "what", "fix"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_each_mistake_names_its_place_and_its_fix(text: str, line: int, path: str, what: str, fix: str) -> None:
    found = [m for m in mistakes_of(text) if m.path == path]
    assert found, mistakes_of(text)
    assert found[0].place.line == line
    assert what in found[0].what
    assert fix in found[0].fix


CONTRADICTIONS = [
    (
        "a-higher-tier-that-asks-less",
        "requirements: [{check: performance, metric: roc_auc_score, min: 0.7}]\n"
        "tiers: {high: {requirements: [{check: performance, metric: roc_auc_score, min: 0.6}]}}\n",
        "at least 0.6 is looser than at least 0.7",
    ),
    (
        "a-lighter-severity",
        "requirements:\n- {check: performance, metric: roc_auc_score, min: 0.7}\n"
        "- {check: performance, metric: roc_auc_score, dataset: test, min: 0.7, severity: minor}\n",
        "severity minor is lighter than critical",
    ),
    (
        "fewer-rows",
        "requirements:\n- {check: performance, metric: roc_auc_score, min: 0.7, minimum_n: 500}\n"
        "- {check: performance, metric: roc_auc_score, min: 0.7}\n",
        "a minimum_n of 100 is fewer than 500",
    ),
    ("looser-than-every-run", "requirements: [{check: overlap, metric: shared_rows, max: 5}]\n", "every run is asked for at most 0"),
    ("another-kind-of-bound", "requirements: [{check: overlap, metric: shared_rows, equals: 0}]\n", "every run is asked for at most 0"),
    (
        "keys-that-nobody-shares",
        "gate: {trusted_keys: [aa]}\ntiers: {high: {gate: {trusted_keys: [bb]}}}\n",
        "no key is trusted by this line and by those above it",
    ),
]


@pytest.mark.parametrize(("text", "what"), [row[1:] for row in CONTRADICTIONS], ids=[row[0] for row in CONTRADICTIONS])
def test_a_file_cannot_contradict_itself(text: str, what: str) -> None:
    found = mistakes_of("version: 1\n" + text)
    assert len(found) == 1
    assert what in found[0].what
    assert found[0].fix
    if "with another strictness" in found[0].what:
        assert "organisation.yaml line 2" in found[0].what or "organisation.yaml line 3" in found[0].what


def test_a_higher_tier_may_ask_for_more_and_a_part_of_what_is_asked_may_be_asked_more_strictly() -> None:
    made = parse_organisation(
        "version: 1\nrequirements: [{check: fairness, metric: demographic_parity_ratio, min: 0.8}]\n"
        "tiers:\n  high: {requirements: [{check: fairness, metric: demographic_parity_ratio, min: 0.9}]}\n"
        "  low: {requirements: [{check: fairness, metric: demographic_parity_ratio, column: sex, min: 0.85}]}\n"
    )
    assert [one.min for one in made.organisation.requirements] == [0.8]
    assert [one.min for tier in (made.organisation.tiers.low, made.organisation.tiers.high) for one in tier.requirements] == [0.85, 0.9]


def test_a_higher_tier_asks_all_that_the_lower_ones_ask() -> None:
    file = parse_organisation(WHOLE)
    floors = [floor_of(file, tier) for tier in TIERS]
    for lower, higher in pairwise(floors):
        assert {s.value for s in lower.protects} <= {s.value for s in higher.protects}
        assert {s.value for s in lower.controls} <= {s.value for s in higher.controls}
        assert {s.value for s in lower.must_declare} <= {s.value for s in higher.must_declare}
        assert min(s.value for s in higher.max_age_days) <= min(s.value for s in lower.max_age_days)
        assert len(lower.requirements) <= len(higher.requirements)
    assert [s.value for s in floors[0].controls] == ["A.6.2.4", "A.7.4", "A.5.4"]
    assert len(floors[1].controls) == 12
    assert min(s.value for s in floors[2].max_age_days) == 14


def test_the_built_in_tiers_rise() -> None:
    low, limited, high = (BUILT_IN[tier] for tier in TIERS)
    assert low.max_age_days > limited.max_age_days > high.max_age_days
    assert (low.inconclusive, limited.inconclusive, high.inconclusive) == (None, "block", "block")


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no such organisation file"):
        load_organisation(tmp_path / "organisation.yaml")


def test_the_shipped_schema_is_that_of_the_model_and_the_whole_file_meets_it() -> None:
    assert organisation_schema_text() == schema_of_organisation(), "run: python -m aims_mlflow.policy.schema"
    jsonschema.Draft202012Validator.check_schema(organisation_schema())
    node, _ = read(WHOLE)
    assert node is not None
    validator = jsonschema.Draft202012Validator(organisation_schema())
    assert list(validator.iter_errors(node.plain())) == []
    assert not validator.is_valid({"version": 1, "default_tier": "higher"})


def parts() -> list[type[OrganisationPart]]:
    return [kind for kind in vars(organisation).values() if isinstance(kind, type) and issubclass(kind, OrganisationPart)][1:]


@pytest.mark.parametrize("part", parts(), ids=lambda part: part.__name__)
def test_the_documentation_holds_every_key_with_its_meaning(part: Any) -> None:
    text = DOCS.read_text(encoding="utf-8")
    assert f"### {part.__name__}\n" in text
    for name, field in part.model_fields.items():
        rows = [line for line in text.splitlines() if line.startswith(f"| `{name}` |")]
        assert any(line.endswith(f"| {field.description} |") for line in rows), f"{part.__name__}.{name}: {field.description}"


def test_the_documentation_says_what_the_tiers_ask() -> None:
    text = DOCS.read_text(encoding="utf-8")
    for tier, asked in BUILT_IN.items():
        declared = ", ".join(f"`{path}`" for path in asked.must_declare) or "nothing"
        row = f"| `{tier}` | {'blocks' if asked.inconclusive else 'as the system file says'} | {asked.max_age_days} | {declared} |"
        assert row in text, row


def test_the_example_of_the_documentation_reads() -> None:
    block = DOCS.read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0]
    file = parse_organisation(block)
    assert file.organisation.systems == {"credit-scoring": "high", "churn": "limited", "sandbox": "low"}
    assert [said.value for said in floor_of(file, "low").controls] == ["A.6.2.4", "A.7.4"]
