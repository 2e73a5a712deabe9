"""What evidence says of a lineage, read back: nodes by kind and digest, links with their strength, whatever stands in the facts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aims_mlflow.evidence import CheckResult
from aims_mlflow.lineages.recorded import MOST_EDGES, Graph, edges_of, mlflow_edges, node_of
from aims_mlflow.lineages.words import Node
from aims_mlflow.store import RunView

SHA = "a" * 64


@pytest.mark.parametrize(
    ("text", "id_", "kind", "label", "sha256"),
    [
        (f"dataset:train@sha256:{SHA}", f"dataset:train@{SHA}", "dataset", "train", SHA),
        (f"model:models:/m-1@sha256:{SHA}", "model:models:/m-1", "model", "models:/m-1", SHA),
        ("source:https://example.org/a:b", "source:https://example.org/a:b", "source", "https://example.org/a:b", ""),
        ("code:unknown", "code:unknown", "code", "unknown", ""),
        ("no kind", "other:no kind", "other", "no kind", ""),
    ],
    ids=["dataset", "model", "source", "code", "other"],
)
def test_a_node_by_its_name(text: str, id_: str, kind: str, label: str, sha256: str) -> None:
    assert node_of(text) == Node(id=id_, kind=kind, label=label, sha256=sha256)


def test_links_with_their_strength_and_reason(bundle: Any, edges: Any) -> None:
    result = edges([("code:git:1", "run:r", "code", "strong", "by commit")], [("dataset:train", "run:r", "train data", "not seen")])
    found = list(edges_of(bundle.model_copy(update={"results": (result,)})))
    assert [(a.label, b.label, *rest) for a, b, *rest in found] == [
        ("git:1", "r", "code", "strong", "by commit"),
        ("train", "r", "train data", "broken", "not seen"),
    ]


def test_runs_share_data_but_not_their_seeds(bundle: Any, edges: Any) -> None:
    pairs = [(f"{kind}:7", f"run:{run}", kind, "strong", "") for kind in ("seed", "hardware", "dataset") for run in "ab"]
    starts = [start for start, *_ in edges_of(bundle.model_copy(update={"results": (edges(pairs),)}))]
    assert len({start.id for start in starts}) == 5
    assert {start.label for start in starts} == {"7"}


def test_evidence_of_before_had_its_reasons_in_lines(bundle: Any) -> None:
    facts: Any = {
        "edges": [["source:s", "dataset:d", "source of train"], ["code:c", "run:r", "code"]],
        "strength": ["weak", "strong"],
        "weak_links": ["source of train: source:s -> dataset:d (by the address only)"],
    }
    found = list(edges_of(bundle.model_copy(update={"results": (CheckResult(check="lineage", facts=facts),)})))
    assert [(strength, why) for *_, strength, why in found] == [("weak", "by the address only"), ("strong", "by digest")]


def test_without_links_the_datasets_and_the_model_are_those_of_the_bundle(bundle: Any) -> None:
    found = list(edges_of(bundle.model_copy(update={"results": ()})))
    assert [kind for _, _, kind, *_ in found] == ["train data", "test data", "model"]


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.sampled_from(["strong", "weak", "run:r", "model:m"]),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(["edges", "strength", "why", "broken_edges", "weak_links"]), json))
def test_whatever_stands_in_the_facts_makes_links_or_none(facts: Any) -> None:
    """Anybody can sign a bundle: its facts are read as they come."""
    from aims_mlflow.bundle import Bundle, RunSummary

    now = datetime(2026, 1, 1, tzinfo=UTC)
    made = Bundle(
        collector="test",
        system_id="x",
        policy_sha256=SHA,
        run=RunSummary(run_id="r", started=now, finished=now, outcome="finished"),
        model=None,
        datasets=(),
        requirements=(),
        results=(CheckResult(check="lineage", facts=facts),),
        evidence=(),
        complete=True,
    )
    for start, end, kind, strength, why in edges_of(made):
        assert start.id
        assert end.id
        assert isinstance(kind, str)
        assert strength in ("strong", "weak", "broken", "noted")
        assert isinstance(why, str)


def test_links_end_somewhere(bundle: Any, edges: Any) -> None:
    many = edges([(f"data:{i}", "run:r", "data", "strong", "") for i in range(MOST_EDGES + 10)])
    assert len(list(edges_of(bundle.model_copy(update={"results": (many,)})))) == MOST_EDGES


def test_mlflows_own_word_is_weak() -> None:
    run = RunView(
        run_id="r",
        experiment_id="1",
        status="FINISHED",
        started=datetime(2026, 1, 1, tzinfo=UTC),
        finished=None,
        tags={"mlflow.source.name": "https://me:secret@example.org/train.py?token=secret"},
        dataset_inputs=({"name": "loans", "digest": "1234abcd", "mlflow.data.context": "train"}, {"name": "t", "aims.sha256": SHA}),
    )
    found = list(mlflow_edges(run))
    assert {strength for *_, strength, _ in found} == {"weak"}
    assert [a.kind for a, *_ in found] == ["dataset", "dataset", "code"]
    assert "secret" not in str(found)


def test_a_graph_holds_nothing_twice_and_gains_what_it_lacks() -> None:
    graph = Graph()
    bare, known = Node(id="model:m", kind="model", label="m"), Node(id="model:m", kind="model", label="m", sha256=SHA)
    run = Node(id="run:r", kind="run", label="r")
    graph.link(run, bare, "model", "strong", "by digest")
    graph.link(run, known, "model", "weak", "again")
    assert graph.nodes["model:m"].sha256 == SHA
    assert [e.strength for e in graph.edges.values()] == ["strong"]
    graph.say("once")
    graph.say("once")
    assert graph.notes == ["once"]
