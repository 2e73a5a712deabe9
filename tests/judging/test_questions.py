"""The table of standing questions, written out a second time: which controls ask what of every run, and what follows where it is unmet.

A change of the table is a change of what the gate lets through: it has to be made in two places.
"""

from __future__ import annotations

from aims_mlflow.judging.questions import STANDING, Standing

TABLE = """
A.6.1.2 | objectives.requirements_declared | min 1 | missing | run
A.6.1.2 | objectives.requirements_dated_after_result | max 0 | fail | run
A.6.1.2 | objectives.objectives_without_requirement | max 0 | missing | run
A.6.1.3 | process.gate_declared | min 1 | missing | run
A.6.1.3 | process.checks_not_run | max 0 | fail | run
A.6.2.2 | specification.requirements_without_test | max 0 | fail | run
A.6.2.2 | specification.undeclared_fields | max 0 | missing | run
A.6.2.3 A.4.4 A.4.5 | design.undocumented_fields | max 0 | missing | run
A.6.2.3 | design.code_unknown | max 0 | fail | run
A.6.2.3 | design.code_dirty | max 0 | fail | run
A.7.5 A.6.2.3 | lineage.broken_links | max 0 | missing | run
A.6.2.7 A.8.2 | documentation.empty_fields | max 0 | missing | run
A.6.2.7 A.8.2 | documentation.card_matches_model | equals 1 | fail | run
A.7.3 | acquisition.undeclared_fields | max 0 | missing | each acquired role
A.7.2 A.4.3 | provenance.roles_missing | max 0 | missing | run
A.7.5 A.7.2 A.4.3 | provenance.fingerprinted | equals 1 | missing | each role
A.7.5 A.4.3 | provenance.source_declared | equals 1 | missing | each learning role
A.7.5 | provenance.digest_mismatch | max 0 | fail | each role
A.7.4 | quality.all_null_columns | max 0 | fail | each role
A.7.2 A.6.2.4 | overlap.shared_rows | max 0 | fail | train and test
A.7.2 A.6.2.4 | overlap.identical | max 0 | fail | train and test
A.7.2 A.6.2.4 | leakage.leaking_features | max 0 | inconclusive | test after train
A.7.2 A.6.2.4 | leakage.out_of_order_rows | max 0 | fail | train and what follows it
A.7.6 | preparation.steps_recorded | min 1 | missing | run | attestable
A.7.6 | preparation.digest_gaps | max 0 | fail | steps that were shown
A.7.6 | preparation.fitted_on_other_data | max 0 | fail | run | attestable
A.10.3 | upstream.upstream_undigested | max 0 | missing | models that were taken over
"""


def written(row: Standing) -> str:
    bounds = [f"{kind} {bound:g}" for kind in ("min", "max", "equals") if (bound := getattr(row, kind)) is not None]
    cells = [" ".join(row.controls), f"{row.check}.{row.metric}", *bounds, row.unmet.value, row.of]
    return " | ".join([*cells, *(["attestable"] if row.attestable else [])])


def test_every_question_is_asked_as_it_is_written_here() -> None:
    assert [written(row) for row in STANDING] == TABLE.strip().splitlines()


def test_a_question_becomes_a_requirement_of_the_scope_it_is_asked_of() -> None:
    row = next(row for row in STANDING if row.metric == "shared_rows")
    asked = row.requirement({"datasets": "train,test"})
    assert (asked.check, asked.metric, asked.max, asked.min, asked.equals) == ("overlap", "shared_rows", 0, None, None)
    assert (asked.datasets, asked.dataset, asked.reference, asked.column) == (("train", "test"), "", "", "")
    assert asked.because == row.asks
    pointed = row.requirement({"dataset": "test", "reference": "train", "column": "when"})
    assert (pointed.dataset, pointed.reference, pointed.column, pointed.datasets) == ("test", "train", "when", ())
    plain = row.requirement()
    assert (plain.dataset, plain.reference, plain.column, plain.datasets) == ("", "", "", ())


def test_every_question_and_its_fix_are_words_for_people() -> None:
    for row in STANDING:
        assert " " in row.asks
        assert " " in row.fix
