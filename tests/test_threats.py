"""Every threat that the gate promises to meet, and the tests that show each found or stopped: they are there, and they are run."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parent

MOVING, AUDIT, SERVER, REQUESTS = "promotion/test_moving.py", "cli/test_audit.py", "server/test_promoting.py", "server/test_requests.py"

THREATS: dict[str, tuple[tuple[str, str], ...]] = {
    "an edited tag or metric": (
        (MOVING, "test_edited_tags_and_metrics_open_nothing"),
        (AUDIT, "test_a_tag_that_names_other_evidence"),
        (REQUESTS, "test_whoever_asks"),
    ),
    "an edited artifact": (
        (MOVING, "test_each_attack_is_a_no_that_names_it"),
        (MOVING, "test_an_altered_decision_is_not_believed"),
        (AUDIT, "test_evidence_that_is_not_what_it_was"),
        ("signing/test_bit_flips.py", "test_no_flip_of_an_envelope_is_accepted"),
    ),
    "a model file swapped, added or removed after evaluation": (
        (MOVING, "test_each_attack_is_a_no_that_names_it"),
        (SERVER, "test_a_swapped_file_is_found"),
        (SERVER, "test_a_link_in_the_models_folder_is_refused"),
        (AUDIT, "test_each_way_around_the_gate_is_found_and_recorded_once"),
        ("signing/test_bit_flips.py", "test_no_flip_of_a_models_file_or_of_its_name_goes_unseen"),
    ),
    "a bundle replayed on another model, run or system": (
        (MOVING, "test_each_attack_is_a_no_that_names_it"),
        ("test_gate.py", "test_evidence_about_something_else_leaves_every_control_missing"),
        (MOVING, "test_a_decision_copied_from_another_run_is_not_believed"),
        ("test_assessment.py", "test_a_training_run_is_no_assessment_to_point_at"),
    ),
    "a deleted failing run": (
        (AUDIT, "test_a_deleted_run"),
        (AUDIT, "test_a_failing_run_deleted_and_purged_leaves_a_gap"),
        (AUDIT, "test_attempts_are_counted_from_one_pass_to_the_next"),
        ("test_assessment.py", "test_not_even_when_the_bundle_was_taken_away"),
    ),
    "a weaker, older or ambiguous policy": (
        ("test_gate.py", "test_a_weaker_policy_on_the_training_side_changes_nothing"),
        (MOVING, "test_a_directory_without_exactly_one_leaves_it_undecided"),
        (MOVING, "test_a_broken_file_in_the_directory_is_never_passed_over"),
        (MOVING, "test_the_system_that_training_names_cannot_leave_the_directory"),
        ("policy/test_monotone.py", "test_an_organisation_file_never_turns_a_no_into_a_yes"),
    ),
    "a wrong, revoked or missing key": (
        ("signing/test_trust.py", "test_each_key_that_does_not_count_blocks_with_its_code"),
        ("signing/test_trust.py", "test_a_key_that_is_nowhere_to_be_found_has_its_own_code"),
        (MOVING, "test_a_forger_with_a_key_of_his_own_is_stopped_by_trusted_keys"),
        ("ledger/test_walking.py", "test_a_key_that_may_not_is_found_at_each_entry"),
    ),
    "a direct REST call": (
        (REQUESTS, "test_however_the_path_is_written"),
        (REQUESTS, "test_whatever_the_verb"),
        (REQUESTS, "test_whatever_the_content_is_said_to_be"),
        ("server/test_routes.py", "test_every_route_that_changes_something_has_been_thought_of"),
    ),
    "alias case": (
        (SERVER, "test_a_name_that_looks_like_a_protected_one_is_one"),
        (REQUESTS, "test_however_the_alias_is_written"),
        (AUDIT, "test_each_way_around_the_gate_is_found_and_recorded_once"),
    ),
    "copy_model_version": (
        (SERVER, "test_a_copy_brings_no_proof_along"),
        (SERVER, "test_the_files_that_are_loaded_count_and_not_those_that_the_source_has_come_to_mean"),
        (AUDIT, "test_each_way_around_the_gate_is_found_and_recorded_once"),
    ),
    "stage transitions": (
        (SERVER, "test_a_protected_stage_is_for_proven_versions"),
        (SERVER, "test_what_was_there_is_archived_with_the_new_one_or_not_at_all"),
        (AUDIT, "test_each_way_around_the_gate_is_found_and_recorded_once"),
    ),
    "deletion of a version that holds an alias": ((SERVER, "test_what_is_promoted_is_neither_deleted_nor_renamed"),),
    "a model swapped between check and promotion": (
        (MOVING, "test_the_alias_goes_back_to_where_it_was"),
        ("server/test_races.py", ""),
    ),
    "a clock that lies": (
        ("test_gate.py", "test_evidence_that_ends_before_it_began_is_a_clock_that_lies"),
        ("ledger/test_walking.py", "test_a_clock_that_runs_back_or_ahead"),
        ("signing/test_trust.py", "test_a_signatures_own_date_makes_no_revoked_key_count"),
    ),
    "an edited, shortened or deleted log": (
        ("ledger/test_walking.py", "test_any_edit_of_an_entry_is_found"),
        ("ledger/test_walking.py", "test_any_removal_of_an_entry_that_something_follows_is_found"),
        (AUDIT, "test_the_last_entry_removed_shows_by_the_hint_and_by_the_heads_file"),
        (AUDIT, "test_the_log_gone_for_good"),
    ),
}
"""Threat -> (file, test): the one table. An empty name means every test of the file."""


def found_in(file: str) -> dict[str, ast.FunctionDef]:
    tree = ast.parse((TESTS / file).read_text("utf-8"))
    return {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


@pytest.mark.parametrize("threat", THREATS)
def test_each_threat_has_a_test_that_is_run_and_can_fail(threat: str) -> None:
    for file, name in THREATS[threat]:
        found = found_in(file)
        assert found
        for one in [found[name]] if name else found.values():
            marks = [ast.unparse(decorator) for decorator in one.decorator_list]
            assert not [mark for mark in marks if "skip" in mark or "xfail" in mark], (file, one.name)
            looks = [
                node
                for node in ast.walk(one)
                if isinstance(node, ast.Assert) or "raises" in ast.unparse(node)[:60] or "send" in ast.unparse(node)[:60]
            ]
            assert looks, (file, one.name)
