"""What a run's evidence, or MLflow alone, says of where its model comes from, as nodes and edges. Pure: nothing is read here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from aims_mlflow.bundle import Bundle
from aims_mlflow.describing import address
from aims_mlflow.evidence import CheckResult
from aims_mlflow.lineages.words import Edge, Node, Strength
from aims_mlflow.store import RunView

CHECK = "lineage"
"""The check whose facts hold the links that the run knew of."""

MOST_EDGES = 500
"""Links of one run that are drawn: a fuse against evidence of somebody's making."""

_NODE = re.compile(r"(?s)(?P<kind>[a-z]+):(?P<name>.*?)(?:@sha256:(?P<sha256>[0-9a-f]{64}))?")
_STRENGTHS: Mapping[str, Strength] = {"strong": "strong", "weak": "weak", "broken": "broken", "noted": "noted"}
_ONE_MODEL = ("model", "version", "run")
"""Kinds that are known by their name: their digest is what can be compared, not who they are."""

_OF_ONE_RUN = ("seed", "hardware")
"""Kinds that two runs do not share, though they may look the same."""


@dataclass
class Graph:
    """Nodes by id and edges, in the order in which they were found; nothing twice."""

    nodes: dict[str, Node] = field(default_factory=dict)
    edges: dict[tuple[str, str, str], Edge] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, node: Node) -> str:
        """Take a node; returns its id. One that is there already keeps what it says and gains what it lacks."""
        known = self.nodes.get(node.id)
        if known is not None:
            node = known.model_copy(update={"sha256": known.sha256 or node.sha256, "note": known.note or node.note})
        self.nodes[node.id] = node
        return node.id

    def link(self, start: Node | str, end: Node | str, kind: str, strength: Strength, why: str) -> None:
        """Take an edge between nodes, or between the ids of nodes that are there."""
        ids = [self.add(x) if isinstance(x, Node) else x for x in (start, end)]
        self.edges.setdefault((ids[0], ids[1], kind), Edge(start=ids[0], end=ids[1], kind=kind, strength=strength, why=why))

    def say(self, note: str) -> None:
        """Take a note for the reader, once."""
        if note not in self.notes:
            self.notes.append(note)


def node_of(text: str) -> Node:
    """Return the node that a check's fact names: ``kind:name@sha256:digest``."""
    found = _NODE.fullmatch(text)
    if found is None:
        return Node(id=f"other:{text}", kind="other", label=text)
    kind, name, sha256 = found["kind"], found["name"], found["sha256"] or ""
    known_by = name if kind in _ONE_MODEL or not sha256 else f"{name}@{sha256}"
    return Node(id=f"{kind}:{known_by}", kind=kind, label=name, sha256=sha256)


def facts_of(bundle: Bundle) -> CheckResult | None:
    """Return the lineage check's result, where the bundle has one with links."""
    return next((r for r in bundle.results if r.check == CHECK and isinstance(r.facts.get("edges"), list)), None)


def edges_of(bundle: Bundle) -> Iterator[tuple[Node, Node, str, Strength, str]]:
    """Yield the links that the evidence holds: (start, end, kind, strength, why).

    Where the lineage check gave no result, the datasets and the model of the bundle are linked by their digests.
    """
    result = facts_of(bundle)
    if result is None:
        run = Node(id=f"run:{bundle.run.run_id}", kind="run", label=bundle.run.run_id)
        for data in bundle.datasets:
            named = Node(id=f"dataset:{data.role}@{data.sha256}", kind="dataset", label=data.role, sha256=data.sha256)
            yield named, run, f"{data.role} data", "strong", "by the digest of its whole content"
        if bundle.model is not None:
            yield (
                run,
                Node(id=f"model:{bundle.model.uri}", kind="model", label=bundle.model.uri),
                "model",
                "strong",
                "by its files' digests",
            )
        return
    edges, strengths, whys = (_list(result.facts.get(name)) for name in ("edges", "strength", "why"))
    for at, edge in enumerate(edges[:MOST_EDGES]):
        words = _texts(edge, 3)
        if words is not None:
            strength = _STRENGTHS.get(str(strengths[at]) if at < len(strengths) else "", "weak")
            why = str(whys[at]) if at < len(whys) else _why_of(words, result.facts)
            start, end = node_of(words[0]), node_of(words[1])
            if start.kind in _OF_ONE_RUN:
                start = start.model_copy(update={"id": f"{start.id} of {end.id}"})
            yield start, end, words[2], strength, why
    for edge in _list(result.facts.get("broken_edges"))[:MOST_EDGES]:
        words = _texts(edge, 4)
        if words is not None:
            yield node_of(words[0]), node_of(words[1]), words[2], "broken", words[3]


def mlflow_edges(run: RunView) -> Iterator[tuple[Node, Node, str, Strength, str]]:
    """Yield what MLflow alone says of a run: its inputs and its code, all of it weak."""
    end = Node(id=f"run:{run.run_id}", kind="run", label=run.name or run.run_id)
    for one in run.dataset_inputs:
        role, name, ours = one.get("mlflow.data.context", ""), one.get("name", ""), one.get("aims.sha256", "")
        known_by = ours or one.get("digest", "")
        why = "by a digest in a tag, which anybody can edit" if ours else "by MLflow's digest, which is not of the whole content"
        node = Node(id=f"dataset:{role or name}@{known_by}", kind="dataset", label=role or name or "dataset", note=f"digest {known_by}")
        yield node, end, f"{role} data".strip(), "weak", why
    commit, entry = run.tags.get("mlflow.source.git.commit", ""), run.tags.get("mlflow.source.name", "")
    if commit:
        yield Node(id=f"code:git:{commit}", kind="code", label=f"git:{commit}"), end, "code", "weak", "by a commit in a tag"
    elif entry:
        name = address(entry)
        yield Node(id=f"code:{name}", kind="code", label=name), end, "code", "weak", "by the name of a file"


def _why_of(words: list[str], facts: Mapping[str, JsonValue]) -> str:
    """Return the reason of a weak link as evidence of before said it: at the end of a line of words."""
    start = f"{words[2]}: {words[0]} -> {words[1]} ("
    said: Iterable[str] = (line for line in _list(facts.get("weak_links")) if isinstance(line, str))
    return next((line.removeprefix(start).removesuffix(")") for line in said if line.startswith(start)), "by digest")


def _list(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []


def _texts(value: JsonValue, many: int) -> list[str] | None:
    texts = [text for text in _list(value) if isinstance(text, str)]
    return texts if len(texts) == many and texts[0] and texts[1] else None
