"""Where a version comes from, as its page draws it: followed through MLflow, or by its own bundle alone where that would cost much."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aims_mlflow.errors import AimsError
from aims_mlflow.lineages import Lineage
from aims_mlflow.pages.live import MOST_HASHED, Live, size_of

if TYPE_CHECKING:
    from aims_mlflow.store import Store


@dataclass(frozen=True)
class Traced:
    """A lineage, or why there is none."""

    lineage: Lineage | None
    problem: str = ""


def traced(store: Store, live: Live) -> Traced:
    """Return where a version comes from.

    A model that is too large to be hashed whenever somebody looks is drawn by what its bundle says; then nothing is followed.
    """
    from aims_mlflow.lineages.tracing import trace

    if live.seen is None:
        return Traced(None, live.problem)
    bundle = live.seen.opened
    if bundle is not None and size_of(bundle) > MOST_HASHED:
        return Traced(_of_bundle(live))
    try:
        return Traced(trace(live.seen.uri, store=store, keys=live.said.system.gate.trusted_keys))
    except AimsError as error:
        return Traced(None, str(error))


def _of_bundle(live: Live) -> Lineage | None:
    from aims_mlflow.lineages.recorded import Graph, edges_of
    from aims_mlflow.lineages.words import Node

    seen = live.seen
    if seen is None or seen.bundle is None:
        return None
    graph = Graph()
    model = seen.bundle.model
    subject = graph.add(Node(id=f"version:{seen.uri}", kind="version", label=seen.uri))
    for start, end, kind, strength, why in edges_of(seen.bundle):
        if end.kind != "version":
            graph.link(start, end, kind, strength, why)
    if model is not None:
        graph.link(f"model:{model.uri}", subject, "registered as", "weak", "its files were not hashed again for this page") if any(
            key == f"model:{model.uri}" for key in graph.nodes
        ) else None
    graph.say(f"By the evidence of run {seen.run_id} alone; what it names was not looked at again. aims lineage {seen.uri} does.")
    return Lineage(
        asked=seen.uri, subject=subject, nodes=tuple(graph.nodes.values()), edges=tuple(graph.edges.values()), notes=tuple(graph.notes)
    )
