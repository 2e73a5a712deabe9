"""The words of a lineage: what a model comes from, link by link, and how each link holds. ``Lineage`` is what ``--json`` prints."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, computed_field

from aims_mlflow.evidence import Word

Strength = Literal["strong", "weak", "broken", "noted"]
"""Strong: by a digest that was compared. Weak: by a name only. Broken: an end is not known, or not what it was. Noted: for information."""

STRENGTHS: tuple[Strength, ...] = ("strong", "weak", "broken", "noted")


class Node(Word):
    """One thing in a lineage. ``id`` is its kind, a colon, and what it is known by."""

    id: str
    kind: str = Field(description="source, data, dataset, code, packages, seed, hardware, run, model, version, evidence")
    label: str = Field(description="what it is called, in words")
    sha256: str = Field(default="", description="digest by which it is known; empty where there is none")
    note: str = ""


class Edge(Word):
    """One link: ``end`` was made from ``start``."""

    start: str
    end: str
    kind: str = Field(description="train data, code, model, registered as, tuned from, ...")
    strength: Strength
    why: str


class Lineage(Word):
    """Where a model comes from. Edges point from what was there first to what was made of it."""

    format: Literal["aims-mlflow lineage 1"] = "aims-mlflow lineage 1"
    asked: str = Field(description="the URI that was asked about")
    subject: str = Field(description="id of its node")
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    notes: tuple[str, ...] = ()

    @computed_field  # type: ignore[prop-decorator]  # mypy does not take decorators upon property
    @property
    def counts(self) -> dict[str, int]:
        """How many links are of which strength."""
        return {strength: len(self.of(strength)) for strength in STRENGTHS}

    @computed_field  # type: ignore[prop-decorator]  # as above
    @property
    def whole(self) -> bool:
        """Whether no link is broken."""
        return not self.of("broken")

    def of(self, strength: Strength) -> tuple[Edge, ...]:
        """Return the links of that strength."""
        return tuple(edge for edge in self.edges if edge.strength == strength)

    def node(self, id_: str) -> Node:
        """Return the node of that id."""
        return next(node for node in self.nodes if node.id == id_)
