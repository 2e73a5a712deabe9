"""The effective policy: united, tightened, inherited; a looser line of the system's own is a mistake that names both lines."""

from __future__ import annotations

from typing import Any

import pytest

from aims_mlflow.errors import SystemFileError
from aims_mlflow.judging import gated_controls
from aims_mlflow.judging.standing import GATED
from aims_mlflow.policy.effective import effective
from aims_mlflow.system import System
from aims_mlflow.system_file import SystemFile

Written = Any  # tests/policy/conftest.py


def merged(file: SystemFile, organisation: Any) -> tuple[System, dict[str, str]]:
    system, origins, _ = effective(file, organisation)
    return system, origins


def mistakes(file: SystemFile, organisation: Any) -> list[Any]:
    with pytest.raises(SystemFileError) as caught:
        effective(file, organisation)
    assert caught.value.where == file.where
    return list(caught.value.mistakes)


class TestGate:
    def test_without_an_organisation_file_nothing_changes(self, written: Written) -> None:
        file = written.system(gate={"max_age_days": 5})
        system, origins = merged(file, None)
        assert system is file.system
        lines = (written.folder / "golden.yaml").read_text().splitlines()
        assert origins["gate.max_age_days"] == f"golden.yaml line {lines.index('  max_age_days: 5') + 1}"
        assert origins["gate.inconclusive"] == "default"
        assert origins["performance.roc_auc_score"].startswith("golden.yaml line ")

    def test_protected_aliases_are_united(self, written: Written) -> None:
        file = written.system(gate={"protects": ["Live", "champion"]})
        system, origins = merged(
            file, written.organisation("gate: {protects: [Champion, canary]}\ntiers: {high: {gate: {protects: [eu]}}}\n")
        )
        assert system.gate.protects == ("Live", "champion", "canary", "eu")
        assert "canary: organisation.yaml line 2" in origins["gate.protects"]
        assert "eu: organisation.yaml line 3 (tier high)" in origins["gate.protects"]

    def test_an_organisation_protects_the_usual_aliases_where_it_names_none(self, written: Written) -> None:
        system, _ = merged(written.system(gate={"protects": ["live"]}), written.organisation(""))
        assert set(system.gate.protects) == {"live", "champion", "production"}

    @pytest.mark.parametrize(
        ("own", "organisation", "expected"),
        [
            (None, "", GATED),
            (["A.7.4"], "", GATED),
            (["A.5.4"], "", ("A.5.4", *GATED)),
            (None, "gate: {controls: [A.5.4]}", ("A.5.4", *GATED)),
            (None, "default_tier: low\ntiers: {low: {narrow_controls: [A.7.4]}}", ("A.7.4",)),
            (["A.7.6"], "default_tier: low\ntiers: {low: {narrow_controls: [A.7.4]}}", ("A.7.4", "A.7.6")),
            (None, "default_tier: limited\ntiers: {low: {narrow_controls: [A.7.4, A.5.4]}}", ("A.5.4", *GATED)),
            ([], "gate: {controls: [A.5.4]}", ()),
        ],
        ids=[
            "default",
            "fewer-of-its-own",
            "more-of-its-own",
            "more",
            "narrowed",
            "narrowed-and-its-own",
            "not-narrowed-above-low",
            "none",
        ],
    )
    def test_gated_controls_are_united_and_only_low_is_narrowed(
        self, written: Written, own: list[str] | None, organisation: str, expected: tuple[str, ...]
    ) -> None:
        system, _ = merged(written.system(gate={"controls": own}), written.organisation(organisation + "\n"))
        assert gated_controls(system) == expected

    @pytest.mark.parametrize(
        ("own", "organisation", "expected", "origin"),
        [
            ("allow", "default_tier: low", "allow", "golden.yaml line"),
            ("block", "default_tier: low\ngate: {inconclusive: allow}", "block", "golden.yaml line"),
            ("allow", "default_tier: low\ngate: {inconclusive: block}", "block", "organisation.yaml line 3"),
            ("allow", "default_tier: limited", "block", "tier limited"),
            ("allow", "tiers: {limited: {gate: {inconclusive: allow}}, high: {gate: {inconclusive: allow}}}", "allow", "golden.yaml line"),
            ("allow", "tiers: {high: {gate: {inconclusive: allow}}}", "block", "tier limited"),
        ],
        ids=["low-allows", "own-block-wins", "organisation-blocks", "tier-blocks", "both-tiers-allow", "a-lower-tier-blocks"],
    )
    def test_block_wins(self, written: Written, own: str, organisation: str, expected: str, origin: str) -> None:
        system, origins = merged(written.system(gate={"inconclusive": own}), written.organisation(organisation + "\n"))
        assert system.gate.inconclusive == expected
        assert origins["gate.inconclusive"].startswith(origin)

    @pytest.mark.parametrize(
        ("own", "organisation", "expected", "origin"),
        [
            ({}, "", 30, "tier high"),
            ({"max_age_days": 10}, "", 10, "golden.yaml line"),
            ({"max_age_days": 300}, "default_tier: low", 300, "golden.yaml line"),
            ({"max_age_days": 400}, "default_tier: low", 365, "tier low"),
            ({"max_age_days": 300}, "default_tier: low\ngate: {max_age_days: 60}", 60, "organisation.yaml line 3"),
            ({}, "tiers: {high: {gate: {max_age_days: 7}}}", 7, "organisation.yaml line 2 (tier high)"),
        ],
        ids=["default", "own", "low", "low-has-an-end", "organisation", "tier"],
    )
    def test_the_smaller_age_holds(self, written: Written, own: dict[str, Any], organisation: str, expected: int, origin: str) -> None:
        system, origins = merged(written.system(gate=own), written.organisation(organisation + "\n"))
        assert system.gate.max_age_days == expected
        assert origins["gate.max_age_days"].startswith(origin)

    @pytest.mark.parametrize(
        ("own", "organisation", "expected"),
        [
            ([], "", ()),
            (["AA"], "", ("AA",)),
            ([], "gate: {trusted_keys: [aa, bb]}", ("aa", "bb")),
            ([" AA ", "cc"], "gate: {trusted_keys: [aa, bb]}", ("aa",)),
            (["aa", "bb"], "gate: {trusted_keys: [aa, bb]}\ntiers: {high: {gate: {trusted_keys: [bb]}}}", ("bb",)),
        ],
        ids=["any", "own", "organisation", "both", "all-three"],
    )
    def test_a_key_must_be_trusted_by_all_that_name_keys(
        self, written: Written, own: list[str], organisation: str, expected: tuple[str, ...]
    ) -> None:
        system, _ = merged(written.system(gate={"trusted_keys": own}), written.organisation(organisation + "\n"))
        assert system.gate.trusted_keys == expected

    def test_keys_that_the_organisation_does_not_trust_are_a_mistake_and_never_any_key(self, written: Written) -> None:
        file = written.system(gate={"trusted_keys": ["cc"]})
        (mistake,) = mistakes(file, written.organisation("gate: {trusted_keys: [aa]}\n"))
        assert (mistake.path, mistake.place.line) == ("gate.trusted_keys", file.place("gate", "trusted_keys").line)
        assert "organisation.yaml line 2" in mistake.what


class TestRequirements:
    def test_they_are_inherited(self, written: Written) -> None:
        file = written.system()
        text = (
            "requirements: [{check: performance, metric: accuracy_score, min: 0.6}]\n"
            "tiers:\n  low: {requirements: [{check: performance, metric: recall_score, min: 0.5}]}\n"
            "  high: {requirements: [{check: performance, metric: f1_score, min: 0.5}]}\n"
        )
        system, origins = merged(file, written.organisation(text))
        inherited = system.requirements[len(file.system.requirements) :]
        assert [one.metric for one in inherited] == ["accuracy_score", "recall_score", "f1_score"]
        assert origins["performance.accuracy_score"] == "organisation.yaml line 2"
        assert origins["performance.f1_score"] == "organisation.yaml line 5 (tier high)"
        low, _ = merged(written.system(), written.organisation(f"default_tier: low\n{text}"))
        assert "f1_score" not in {one.metric for one in low.requirements}

    def test_a_stricter_line_of_its_own_takes_the_place_of_the_inherited_one(self, written: Written) -> None:
        text = "requirements: [{check: performance, metric: roc_auc_score, dataset: test, min: 0.6}]\n"
        system, origins = merged(written.system(), written.organisation(text))
        assert [one.min for one in system.requirements if one.metric == "roc_auc_score"] == [0.7]
        assert origins["performance.roc_auc_score"].endswith("at least as strict as organisation.yaml line 2")

    @pytest.mark.parametrize(
        ("organisation", "words"),
        [
            ("{check: performance, metric: roc_auc_score, min: 0.75}", "at least 0.7 is looser than at least 0.75"),
            ("{check: performance, metric: roc_auc_score, min: 0.7, minimum_n: 400}", "a minimum_n of 100 is fewer than 400"),
            ("{check: fairness, metric: demographic_parity_ratio, min: 0.9}", "at least 0.8 is looser than at least 0.9"),
            ("{check: robustness, metric: accuracy_drop, max: 0.04}", "at most 0.05 is looser than at most 0.04"),
        ],
        ids=["bound", "rows", "a-part-of-what-is-asked", "all-perturbations"],
    )
    def test_a_looser_line_of_its_own_is_a_mistake_that_names_both_lines(self, written: Written, organisation: str, words: str) -> None:
        file = written.system()
        (mistake,) = mistakes(file, written.organisation(f"requirements:\n- {organisation}\n"))
        assert words in mistake.what
        assert "organisation.yaml line 3" in mistake.what
        at = int(mistake.path.removeprefix("requirements[").removesuffix("]"))
        assert mistake.place == file.place("requirements", at)
        assert mistake.fix

    def test_a_lighter_severity_of_its_own_is_a_mistake(self, written: Written) -> None:
        own = [{"check": "performance", "metric": "roc_auc_score", "min": 0.9, "severity": "minor"}]
        text = "requirements: [{check: performance, metric: roc_auc_score, min: 0.7, severity: major}]\n"
        (mistake,) = mistakes(written.system(requirements=own), written.organisation(text))
        assert "severity minor is lighter than major" in mistake.what

    def test_another_kind_of_bound_stands_beside(self, written: Written) -> None:
        text = "requirements: [{check: performance, metric: roc_auc_score, max: 0.99}]\n"
        system, origins = merged(written.system(), written.organisation(text))
        assert [one.bound for one in system.requirements if one.metric == "roc_auc_score"] == ["at least 0.7", "at most 0.99"]
        assert origins["performance.roc_auc_score at most 0.99"] == "organisation.yaml line 2"

    def test_what_every_run_is_asked_is_kept_and_not_asked_twice(self, written: Written) -> None:
        text = "requirements: [{check: overlap, metric: shared_rows, max: 0}]\n"
        system, origins = merged(written.system(), written.organisation(text))
        assert not [one for one in system.requirements if one.check == "overlap"]
        assert origins["overlap.shared_rows"] == "asked of every run, and not to be loosened: organisation.yaml line 2"
        own = [{"check": "overlap", "metric": "shared_rows", "max": 3}]
        (mistake,) = mistakes(written.system(requirements=own), written.organisation(text))
        assert "at most 3 is looser than at most 0" in mistake.what


class TestTier:
    @pytest.mark.parametrize(
        ("own", "organisation", "tier", "origin"),
        [
            (None, "", "high", "default"),
            (None, "default_tier: low", "low", "organisation.yaml line 2"),
            ("low", "", "low", "golden.yaml line"),
            ("limited", "default_tier: low", "limited", "golden.yaml line"),
            (None, "default_tier: low\nsystems: {golden: limited}", "limited", "organisation.yaml line 3"),
            ("high", "systems: {golden: limited}", "high", "golden.yaml line"),
            ("limited", "systems: {golden: limited}", "limited", "organisation.yaml line 2"),
        ],
        ids=["strict-side", "default", "own", "own-above-the-default", "given", "raised", "the-same"],
    )
    def test_where_it_comes_from(self, written: Written, own: str | None, organisation: str, tier: str, origin: str) -> None:
        _, origins, found = effective(written.system(system={"tier": own}), written.organisation(organisation + "\n"))
        assert found == tier
        assert origins["tier"].startswith(origin)

    def test_it_cannot_be_lowered(self, written: Written) -> None:
        file = written.system(system={"tier": "low"})
        (mistake,) = mistakes(file, written.organisation("systems: {golden: limited}\n"))
        assert (mistake.path, mistake.place) == ("system.tier", file.place("system", "tier"))
        assert "organisation.yaml line 2" in mistake.what
        assert "limited" in mistake.fix

    def test_a_tier_says_what_must_be_declared(self, written: Written) -> None:
        file = written.system(system={"owner": None, "affected_parties": []})
        assert {m.path for m in mistakes(file, written.organisation(""))} == {"system.owner", "system.affected_parties"}
        merged(file, written.organisation("default_tier: low\n"))
        found = mistakes(file, written.organisation("default_tier: low\ntiers: {low: {must_declare: [data.sources]}}\n"))
        assert [m.path for m in found] == ["data.sources"]
        assert "organisation.yaml line 3 (tier low)" in found[0].what
        nothing = "tiers: {limited: {must_declare: []}, high: {must_declare: []}}\n"
        merged(file, written.organisation(nothing))


def test_the_digest_of_a_system_that_says_no_tier_is_what_it_was(written: Written) -> None:
    plain, tiered = written.system().system, written.system(system={"tier": "low"}).system
    assert plain.sha256 != tiered.sha256
    assert tiered.model_copy(update={"system": tiered.system.model_copy(update={"tier": None})}).sha256 == plain.sha256


def test_attestations_and_waivers_have_their_lines(written: Written) -> None:
    waiver = {"control": "A.7.4", "reason": "a", "approved_by": "b", "on": "2026-01-01", "expires": "2026-02-01"}
    file = written.system(waivers=[waiver])
    _, origins = merged(file, written.organisation(""))
    assert origins["waiver[A.7.4]"] == file.line("waivers", 0)
    assert origins["attestation[A.6.1.2]"] == file.line("attestations", 0)


@pytest.mark.parametrize(
    ("organisation", "words"),
    [
        ("", None),
        ("gate: {longest_waiver_days: 31}", None),
        ("gate: {longest_waiver_days: 30}", "lasts 31 days, and the organisation allows at most 30 days (organisation.yaml line 2)"),
        (
            "gate: {longest_waiver_days: 90}\ntiers: {high: {gate: {longest_waiver_days: 0}}}",
            "no waiver (organisation.yaml line 3 (tier high))",
        ),
    ],
    ids=["unlimited", "short-enough", "too-long", "none"],
)
def test_an_organisation_can_limit_waivers(written: Written, organisation: str, words: str | None) -> None:
    file = written.system(waivers=[{"control": "A.7.4", "reason": "a", "approved_by": "b", "on": "2026-01-01", "expires": "2026-02-01"}])
    above = written.organisation(f"{organisation}\n")
    if words is None:
        merged(file, above)
        return
    (mistake,) = mistakes(file, above)
    assert words in mistake.what
    assert mistake.place == file.place("waivers", 0)


def test_merging_twice_changes_nothing_more(written: Written) -> None:
    organisation = written.organisation(
        "gate: {protects: [canary], controls: [A.5.4], trusted_keys: [aa]}\n"
        "requirements: [{check: performance, metric: accuracy_score, min: 0.6}]\n"
    )
    file = written.system()
    once, _ = merged(file, organisation)
    again, _ = merged(SystemFile(file.root, file.where, once), organisation)
    assert again.sha256 == once.sha256
