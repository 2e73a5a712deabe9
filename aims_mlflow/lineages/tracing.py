"""Following a model back: version, run, evidence, data, code, and the models it was made from, as far as MLflow goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from aims_mlflow.bundle import BUNDLE_PATH, Bundle
from aims_mlflow.decision import manifest_digest
from aims_mlflow.errors import AimsError, ConfigurationError, StoreError, VerificationError
from aims_mlflow.gate import file_differences
from aims_mlflow.lineages.recorded import Graph, edges_of, facts_of, mlflow_edges
from aims_mlflow.lineages.words import Lineage, Node, Strength
from aims_mlflow.pointing import evidence_run
from aims_mlflow.signing import Verified, open_bundle
from aims_mlflow.store import RunView, Store, VersionView

DEEPEST = 8
"""Generations of parents that are followed."""

SIBLINGS = 20
"""Other versions from the same run that are listed."""

UNKNOWN_RUN = "run:unknown"
"""How the lineage check names the run that made a model which was only assessed."""

FORMS = "models:/NAME/VERSION, models:/NAME@ALIAS, models:/m-… or runs:/RUN_ID"


@dataclass(frozen=True)
class Found:
    """What a URI stands for in MLflow: a version (if it is one), a logged model ("": none), and the run that made it ("": none).

    ``evidence`` is the run whose evidence counts for it: the same, or that of an assessment the version points to.
    """

    version: VersionView | None
    model: str
    run_id: str
    evidence: str

    @property
    def name(self) -> str:
        """What it is called."""
        return self.version.uri if self.version is not None else self.model or f"runs:/{self.run_id}"


@dataclass(frozen=True)
class Held:
    """A run's evidence as it was opened.

    ``problem`` says why there is none to believe (``absent``: there is none at all), ``changed`` what is wrong with the model's
    files, and ``digest`` is that over the files as they are now ("": not read).
    """

    model: str
    bundle: Bundle | None = None
    verified: Verified | None = None
    problem: str = ""
    absent: bool = False
    changed: str = ""
    digest: str = ""


def trace(uri: str, *, store: Store | None = None, keys: Sequence[str] = (), deepest: int = DEEPEST) -> Lineage:
    """Follow a model back to its data, code and parents.

    Args:
        uri: ``models:/NAME/VERSION``, ``models:/NAME@ALIAS``, ``models:/m-…`` or ``runs:/RUN_ID``.
        store: the MLflow to read; default: MLflow's own settings.
        keys: key ids; only evidence signed by one of them is believed. Empty: any key.
        deepest: generations of parents to follow.

    Returns:
        The lineage. Links that the run's signed evidence proves by digests are strong; what MLflow alone says is weak; evidence
        that is missing for the model asked about, or does not hold for any, and files that changed are broken links.

    Raises:
        ConfigurationError: the URI is of no known form.
        StoreError: MLflow cannot be read, or has no such model.
    """
    store = store or Store()
    store.require()
    tracer = _Tracer(store, tuple(keys), deepest)
    found = tracer.find(uri)
    subject = tracer.follow(found, generation=0, path=())
    graph = tracer.graph
    return Lineage(
        asked=uri, subject=subject, nodes=tuple(graph.nodes.values()), edges=tuple(graph.edges.values()), notes=tuple(graph.notes)
    )


class _Tracer:
    """One walk back through MLflow; every model is followed once."""

    def __init__(self, store: Store, keys: tuple[str, ...], deepest: int) -> None:
        self.store, self.keys, self.deepest = store, keys, deepest
        self.graph = Graph()
        self.done: dict[str, str] = {}

    def find(self, uri: str) -> Found:
        """Return what a URI stands for; raises ConfigurationError and StoreError."""
        if uri.startswith("runs:/"):
            run_id = uri.removeprefix("runs:/").partition("/")[0]
            run = self.store.run(run_id)
            models = self.store.logged_models(run.run_id)
            if len(models) > 1:
                raise ConfigurationError(f"run {run_id} has logged {len(models)} models", fix=f"ask about one: {', '.join(models[:5])}")
            return Found(None, models[0] if models else "", run.run_id, run.run_id)
        if uri.startswith("models:/m-"):
            run_id = self.store.model_run(uri)
            return Found(None, uri, run_id, run_id)
        if not uri.startswith("models:/"):
            raise ConfigurationError(f"{uri!r} is not the URI of a model in MLflow", fix=f"write it as {FORMS}")
        return self._of_version(self.store.version(uri))

    def _of_version(self, version: VersionView) -> Found:
        source = version.source
        if source.startswith("runs:/"):  # registered by the path of a run's model, as MLflow 2 did
            logged = self.store.logged_models(version.run_id) if version.run_id else []
            source = logged[0] if len(logged) == 1 else source
        for _ in range(self.deepest):  # a copied version: its model is that of the version it was copied from
            if not source.startswith("models:/") or source.startswith("models:/m-"):
                break
            source = self.store.version(source).source
        return Found(version, source, version.run_id, evidence_run(self.store, version))

    def follow(self, found: Found, *, generation: int, path: tuple[str, ...]) -> str:
        """Add a model and all it comes from; returns the id of its node (the version's, where it is one)."""
        graph, held = self.graph, self._evidence(found)
        model = Node(id=f"model:{held.model}", kind="model", label=held.model, sha256=held.digest) if held.model else None
        run = Node(id=f"run:{found.run_id}", kind="run", label=found.run_id)
        entry = _version_node(found.version) if found.version is not None else model or run
        self.done[_key(found)] = graph.add(entry)
        if model is not None:
            graph.add(model)
        if model is not None and found.version is not None:
            graph.link(model.id, entry.id, "registered as", *_registered(held))
        self._say(held, found)
        made = model.id if model is not None else entry.id
        if held.bundle is not None:
            self._recorded(held.bundle, found, generation, (*path, _key(found)))
        if held.bundle is None or (found.run_id and found.run_id != found.evidence):
            self._by_mlflow(found, made)
        wrong = held.problem if not (held.absent and generation) else ""
        wrong = wrong or (held.changed if found.version is None else "")
        if wrong:
            evidence = Node(id=f"evidence:{found.evidence or made}", kind="evidence", label="no evidence to believe")
            graph.link(evidence, made, "evidence", "broken", wrong)
        if generation == 0 and found.run_id:
            self._siblings(found, held)
        return entry.id

    def _evidence(self, found: Found) -> Held:
        """Open the evidence of a run as the gate does: the signature, then that it is about this run and this model's files."""
        run = self._run(found.evidence)
        if run is None:
            return Held(found.model, problem="the run that made it is not known, or not there any more", absent=True)
        try:
            if BUNDLE_PATH not in self.store.artifacts(run.run_id, str(Path(BUNDLE_PATH).parent)):
                return Held(found.model, problem="the run left no evidence", absent=True, digest=self._digest(found))
            bundle, verified = open_bundle(self.store.read(run.run_id, BUNDLE_PATH), trusted=self.keys)
        except VerificationError as error:
            return Held(found.model, problem=f"the evidence cannot be believed: {error.what}", digest=self._digest(found))
        if bundle.run.run_id != run.run_id:
            return Held(found.model, problem=f"the evidence is of run {bundle.run.run_id}, not of this one", digest=self._digest(found))
        if bundle.model is None or not bundle.model.files:
            return Held(found.model, bundle, verified, changed="the evidence is of a run without a model")
        try:
            files = self.store.model_files(found.version or found.model or bundle.model.uri)
        except AimsError as error:
            return Held(bundle.model.uri, bundle, verified, changed=f"the model's files cannot be read: {error.what}")
        differences = file_differences(bundle.model, files)
        if differences and found.model not in ("", bundle.model.uri):
            problem = f"the evidence of its run is about {bundle.model.uri or 'another model'}, not about this one"
            return Held(found.model, problem=problem, digest=manifest_digest(files))
        changed = f"the model's files are not those that were evaluated: {differences}" if differences else ""
        return Held(bundle.model.uri, bundle, verified, changed=changed, digest=manifest_digest(files))

    def _digest(self, found: Found) -> str:
        """Return the digest over a model's files as they are now; "" where they cannot be read."""
        try:
            return manifest_digest(self.store.model_files(found.version or found.model)) if found.model else ""
        except AimsError:
            return ""

    def _say(self, held: Held, found: Found) -> None:
        """Note whose word the lineage of a model is."""
        if held.bundle is not None and held.verified is not None:
            by = "a key that was asked for" if held.verified.trusted else "a key that nobody vouched for"
            self.graph.say(f"The evidence of run {found.evidence} is signed by {by} ({', '.join(k[:12] for k in held.verified.key_ids)}).")
            if held.bundle.run.kind == "assessment":
                self.graph.say(f"Run {found.evidence} only looked at {found.name}, which was made before it, or elsewhere.")
            if facts_of(held.bundle) is None:
                self.graph.say(f"The evidence of run {found.evidence} has no links; its data and its model are shown.")
        else:
            self.graph.say(f"Of {found.name} only MLflow's own word is shown, which anybody can edit: {held.problem}.")

    def _recorded(self, bundle: Bundle, found: Found, generation: int, path: tuple[str, ...]) -> None:
        """Add what the evidence holds; the models it was made from are followed in their turn."""
        for start, end, kind, strength, why in edges_of(bundle):
            if end.kind == "version" or (start.id == UNKNOWN_RUN and found.run_id not in ("", found.evidence)):
                continue  # by name only: versions are looked up instead, and so is the run that made an assessed model
            if start.kind == "model" and end.kind == "model":
                self._parent(start, end, (kind, strength, why), generation, path)
            else:
                self.graph.link(start, end, kind, strength, why)

    def _parent(self, start: Node, end: Node, link: tuple[str, Strength, str], generation: int, path: tuple[str, ...]) -> None:
        """Add a model that another was made from, with its own lineage where this MLflow has it."""
        graph, uri = self.graph, start.label
        found = self._here(uri)
        if found is None or generation >= self.deepest:
            if found is not None:
                graph.say(f"What {uri} comes from is not shown: it is more than {self.deepest} generations back.")
            graph.link(start, end, *link)
            return
        if _key(found) in path:
            again = Node(id=f"again:{found.name}", kind="model", label=found.name, note="the model that this began with")
            graph.link(again, end, link[0], "broken", "the models it was made from lead back to itself")
            return
        if _key(found) not in self.done:
            self.follow(found, generation=generation + 1, path=path)
        entry, now = self.done[_key(found)], self._digest(found)
        kind, strength, why = link
        if start.sha256 and now:
            same = start.sha256 == now
            strength = "strong" if same else "broken"
            why = "by the digest of its files, which is still the same" if same else "its files are not those that the run saw"
        graph.link(entry, end, kind, strength, why)

    def _here(self, uri: str) -> Found | None:
        """Return what a parent's URI stands for in this MLflow; None where it is none of MLflow's, or not there."""
        if not uri.startswith(("models:/", "runs:/")):
            return None
        try:
            return self.find(uri)
        except AimsError:
            self.graph.say(f"{uri} is not in this MLflow, or cannot be read: what it comes from is not shown.")
            return None

    def _by_mlflow(self, found: Found, made: str) -> None:
        """Add what MLflow alone knows: the run, its inputs, its code."""
        run = self._run(found.run_id)
        if run is None:
            node = Node(id=f"run:{found.run_id or 'unknown'}", kind="run", label=found.run_id or "unknown", note="not there")
            self.graph.link(node, made, "model", "weak", "the run is not there to be asked")
            return
        gone = "deleted" if run.lifecycle != "active" else ""
        node = Node(id=f"run:{run.run_id}", kind="run", label=run.run_id, note=gone)
        if self.graph.add(node) != made:
            self.graph.link(node.id, made, "model", "weak", "by MLflow's word")
        for edge in mlflow_edges(run):
            self.graph.link(*edge)

    def _run(self, run_id: str) -> RunView | None:
        try:
            return self.store.run(run_id) if run_id else None
        except StoreError:
            return None

    def _siblings(self, found: Found, held: Held) -> None:
        """Add the other versions that were registered from the same run."""
        run = Node(id=f"run:{found.run_id}", kind="run", label=found.run_id)
        others = [v for v in self.store.run_versions(found.run_id) if found.version is None or v.uri != found.version.uri]
        for version in others[:SIBLINGS]:
            node = _version_node(version)
            if version.source == held.model:
                self.graph.link(Node(id=f"model:{held.model}", kind="model", label=held.model), node, "registered as", *_registered(held))
            elif version.source.startswith("models:/m-"):
                model = Node(id=f"model:{version.source}", kind="model", label=version.source)
                self.graph.link(run, model, "model", "weak", "another model of the same run, by MLflow's word")
                self.graph.link(model, node, "registered as", "weak", "by MLflow's word")
            else:
                self.graph.link(run, node, "registered as", "weak", "by MLflow's word")
        if len(others) > SIBLINGS:
            self.graph.say(f"{len(others) - SIBLINGS} more versions were registered from the same run.")


def _key(found: Found) -> str:
    """Return what a model is known by while it is followed: its files, wherever it is registered."""
    return found.model or f"runs:/{found.run_id}"


def _version_node(version: VersionView) -> Node:
    aliases = f"holds {', '.join(version.aliases)}" if version.aliases else ""
    return Node(id=f"version:{version.uri}", kind="version", label=version.uri, note=aliases)


def _registered(held: Held) -> tuple[Strength, str]:
    """Return how a version holds to its model: by files that are as they were evaluated, or by name only."""
    if held.changed:
        return "broken", held.changed
    if held.bundle is not None:
        return "strong", "its files are those that were evaluated"
    return "weak", "by MLflow's word"
