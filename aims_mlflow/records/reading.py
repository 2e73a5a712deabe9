"""Read what MLflow holds of a system: runs, versions, signed bundles and decisions; judge each version by the system at hand."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from aims_mlflow.bundle import BUNDLE_PATH, Bundle
from aims_mlflow.decision import Blocker, Files, GateDecision, VersionFacts
from aims_mlflow.errors import AimsError, ConfigurationError, StoreError, VerificationError
from aims_mlflow.evidence import LETS_THROUGH, CheckResult, Evidence, State, digest
from aims_mlflow.gate import NOT_ABOUT_THIS, decide
from aims_mlflow.judging import judge
from aims_mlflow.judging.lines import ControlLine, control_lines
from aims_mlflow.policy.choosing import POLICY_FILE, chosen_policy, policy_at
from aims_mlflow.promotion import DECISIONS, Recorded, recorded_decisions
from aims_mlflow.records.words import WARNING_DAYS, RunCounts
from aims_mlflow.signing import Trust, Verified, open_bundle
from aims_mlflow.store import RunView, Store, VersionView
from aims_mlflow.system import Data, Identity, System, Task

if TYPE_CHECKING:
    from aims_mlflow.records.operating import Operation
    from aims_mlflow.records.parts import Part


@dataclass(frozen=True)
class Declared:
    """The system file at hand, or a bare stand-in where there is none (``known`` False: nothing in it but the id is said)."""

    system: System
    known: bool
    where: str
    trust: Trust = field(default_factory=Trust)

    @property
    def citation(self) -> tuple[str, ...]:
        """The id by which records cite the system file; none where there is none."""
        return (f"s-{self.system.sha256[:16]}",) if self.known else ()


@dataclass(frozen=True)
class Seen:
    """One version (or run) as it was read. ``bundle`` is None where there is no evidence to believe; ``opened`` is what verified."""

    uri: str
    name: str
    version: str
    run_id: str
    created: datetime
    aliases: tuple[str, ...]
    opened: Bundle | None
    bundle: Bundle | None
    verification: Verified | Blocker
    gate: GateDecision
    hashed: bool
    judged: tuple[Evidence, ...]
    lines: tuple[ControlLine, ...]
    decisions: tuple[Recorded, ...]
    view: VersionView | None = None

    @property
    def id(self) -> str:
        """The id by which records cite the version."""
        return "v-" + digest([self.uri, self.run_id])[:16]

    @property
    def bundle_id(self) -> str | None:
        """The id by which records cite the bundle; None where none verified."""
        return f"b-{self.verification.sha256[:16]}" if isinstance(self.verification, Verified) else None

    @cached_property
    def results(self) -> dict[str, CheckResult]:
        """The check results of the bundle by id. Kept: an id is a digest of the whole result, and everything here asks for it."""
        return {r.id: r for r in self.bundle.results} if self.bundle else {}

    @property
    def let_through(self) -> bool:
        """Whether its evidence, judged by the system file at hand, would be let through, or the gate has let it through."""
        return self.gate.allowed or any(r.decision is not None and r.decision.allowed for r in self.decisions)

    def of_check(self, *checks: str) -> tuple[Evidence, ...]:
        """Return the evidence of these checks."""
        return tuple(e for e in self.judged if e.check in checks)


@dataclass(frozen=True)
class Read:
    """What was read for a record: the system file, the versions (newest first), the one that counts, and the runs.

    ``versions`` are those that were read now. ``parts`` are what the record takes of all versions, newest first, and of runs from
    which none was registered, whether read now or remembered; without them they are made of ``versions`` alone.
    """

    said: Declared
    versions: tuple[Seen, ...]
    counted: Seen | None
    runs: RunCounts
    now: datetime
    parts: tuple[Part, ...] = ()
    warning_days: int = WARNING_DAYS
    operation: Operation | None = field(default=None, compare=False)


def declared(system: System | str | os.PathLike[str]) -> Declared:
    """Return the system file for a System, a path or a system id.

    An id is looked up as ``AIMS_POLICY_DIR/<id>.yaml``, then as ``./aims.yaml`` if that declares this id. Where neither is
    there, a stand-in comes back that declares nothing.

    Raises:
        ConfigurationError: the file cannot be used, or declares another system; or the text is neither a file nor an id.
    """
    from aims_mlflow.system_file import load_system

    if isinstance(system, System):
        return Declared(system, True, "given as an object", chosen_policy(system, model_name=system.system.model).trust)
    name = os.fspath(system)
    if Path(name).is_file() or Path(name).suffix in (".yaml", ".yml"):
        return _of_policy(Path(name))
    folder = os.environ.get("AIMS_POLICY_DIR")
    candidates = ([Path(folder, f"{name}.yaml")] if folder else []) + [Path(POLICY_FILE)]
    for path in candidates:
        if path.is_file() and (path.name != POLICY_FILE or path.parent != Path() or load_system(path).id == name):
            found = _of_policy(path)
            if found.system.id != name:
                raise ConfigurationError(
                    f"the file declares the system {found.system.id!r}, not {name!r}",
                    where=str(path),
                    fix=f"call it {found.system.id}.yaml",
                )
            return found
    return Declared(bare(name), False, "no system file was found")


def _of_policy(path: Path) -> Declared:
    """Return the system file as the gate reads it: with what its organisation asks merged in, and whose keys count."""
    policy = policy_at(path)
    return Declared(policy.system, True, path.name, policy.trust)


def bare(system_id: str) -> System:
    """Return the stand-in for a system of which nothing but the id is said; raises ConfigurationError where that is none."""
    try:
        return System(
            version=1, system=Identity(id=system_id), task=Task(kind="regression", target="unknown"), data=Data(roles={"train": "train"})
        )
    except ValueError:
        raise ConfigurationError(
            f"{system_id!r} is neither a file nor the id of a system", fix="pass the path of a system file, or an id such as credit-scoring"
        ) from None


def counted(newest_first: Sequence[VersionView], protects: Iterable[str]) -> VersionView | None:
    """Return the version a record is about: the newest that holds the first protected alias or stage that is held, else the newest."""
    for alias in protects:
        for view in newest_first:
            if alias.casefold() in {a.casefold() for a in (*view.aliases, view.stage)}:
                return view
    return newest_first[0] if newest_first else None


def see(
    store: Store, said: Declared, facts: VersionFacts, view: VersionView | None, run: RunView | None, now: datetime, *, hash_files: bool
) -> Seen:
    """Read one version, or one run, verify what it has, and judge it again by the system at hand.

    Args:
        store: the MLflow that holds it.
        said: the system file, and whose keys count.
        facts: which version it is, and the run whose evidence counts for it.
        view: the version; None for a run from which none was registered.
        run: that run; None where it cannot be found.
        now: the time of the record.
        hash_files: whether the model's files are hashed again.
    """
    system = said.system
    facts = facts.model_copy(
        update={"run_status": run.status if run else None, "run_deleted": run is not None and run.lifecycle != "active"}
    )
    there = _listed(store, facts.run_id) if run else _nothing("the run cannot be found")
    opened, verification = (None, there) if isinstance(there, Blocker) else _bundle(store, facts.run_id, said, there)
    files = _files(store, view) if hash_files and view else _evaluated(opened)
    gate = decide(system, opened, facts, now=now, verification=verification, model_files=files, trust=said.trust)
    broken = next(
        (b for b in gate.blockers if b.code in NOT_ABOUT_THIS and (view is not None or b.code not in ("other_model", "no_model_files"))),
        None,
    )
    bundle = opened if broken is None else None
    decisions = _decisions(store, facts.run_id) if not isinstance(there, Blocker) and DECISIONS in there else ()
    judged = _judged(said, bundle, facts.run_id, now) + _promotions(decisions, gate, said)
    lines = control_lines(system, judged, bundle.results if bundle else (), today=now.date())
    if broken is not None:
        lines = tuple(_restated(line, broken) for line in lines)
    age = next((b for b in gate.blockers if b.code in ("stale", "clock")), None)
    if age is not None and bundle is not None:
        lines = tuple(_aged(line, age) for line in lines)
    return Seen(
        uri=view.uri if view else f"runs:/{facts.run_id}",
        name=facts.name if view else "",
        version=facts.version if view else "",
        run_id=facts.run_id,
        created=view.created if view else (run.started if run else now),
        aliases=view.aliases if view else (),
        opened=opened,
        bundle=bundle,
        verification=broken or verification if bundle is None else verification,
        gate=gate,
        hashed=hash_files,
        judged=judged,
        lines=tuple(lines),
        decisions=decisions,
        view=view,
    )


def _judged(said: Declared, bundle: Bundle | None, run_id: str, now: datetime) -> tuple[Evidence, ...]:
    """Judge the bundle's measures by the system at hand; without a system file, what the run concluded stands.

    Evidence that comes out as the run had it is the bundle's own piece, so that it is cited by the id it has there.
    """
    if not said.known:
        return bundle.evidence if bundle else ()
    started = bundle.run.started if bundle else now
    judged = judge(
        said.system,
        bundle.results if bundle else (),
        run_id=run_id or "none",
        started=started if started.tzinfo else started.replace(tzinfo=UTC),
        now=now,
        attested=bundle.attestations if bundle else (),
    )
    own = {_content(e): e for e in bundle.evidence} if bundle else {}
    return tuple(own.get(_content(e), e) for e in judged)


def _content(evidence: Evidence) -> str:
    """Return what a piece of evidence says, whenever and by whatever version of this package it was judged."""
    return evidence.model_copy(update={"time": datetime(2000, 1, 1, tzinfo=UTC), "collector": ""}).id


def _promotions(decisions: Sequence[Recorded], gate: GateDecision, said: Declared) -> tuple[Evidence, ...]:
    """Return what verified decisions to promote exactly this model are evidence of (A.6.2.5)."""
    trusted = {t.strip().lower() for t in said.system.gate.trusted_keys}
    found = []
    for one in decisions:
        decision = one.decision
        if decision is None or decision.model != gate.model or (trusted and not trusted & set(one.key_ids)):
            continue
        same = decision.bundle_sha256 == gate.bundle_sha256 and gate.model_sha256 in (None, decision.model_sha256)
        evidence = decision.evidence() if same else None
        if evidence is not None:
            found.append(evidence)
    return tuple(found)


def _restated(line: ControlLine, why: Blocker) -> ControlLine:
    """Say why a control has no evidence where a run could have given it."""
    if line.state is not State.MISSING or not line.control.startswith(("A.6.", "A.7.")):
        return line
    return line.model_copy(update={"reason": why.reason, "fix": why.fix or line.fix})


def _aged(line: ControlLine, why: Blocker) -> ControlLine:
    """Say of evidence that is too old that it is, as the gate does; what fails or is missing stays so."""
    if line.state not in (*LETS_THROUGH, State.INCONCLUSIVE) or not line.control.startswith(("A.6.", "A.7.")):
        return line
    return line.model_copy(update={"state": State.STALE, "reason": why.reason, "fix": why.fix})


def _listed(store: Store, run_id: str) -> Mapping[str, bool] | Blocker:
    """Return what the run left in our folder, by one call: path -> whether it is a folder."""
    try:
        return store.listed(run_id, str(Path(BUNDLE_PATH).parent))
    except StoreError as error:
        return Blocker(code="no_bundle", reason=f"the evidence could not be read: {error.what}", fix=error.fix)


def _bundle(store: Store, run_id: str, said: Declared, there: Mapping[str, bool]) -> tuple[Bundle | None, Verified | Blocker]:
    if BUNDLE_PATH not in there:
        return None, _nothing("the run left no evidence")
    try:
        return open_bundle(store.read(run_id, BUNDLE_PATH), trusted=said.system.gate.trusted_keys, keyring=said.trust.keyring())
    except VerificationError as error:
        return None, Blocker(code="bad_bundle", reason=f"the evidence cannot be believed: {error.what}", fix=error.fix)
    except StoreError as error:
        return None, Blocker(code="no_bundle", reason=f"the evidence could not be read: {error.what}", fix=error.fix)


def _nothing(reason: str) -> Blocker:
    return Blocker(code="no_bundle", reason=reason, fix="run the training under @aims.track and register its model")


def _evaluated(bundle: Bundle | None) -> Files:
    """Return the manifest the evidence speaks of, where the files themselves are not hashed again."""
    return {path: (f.size, f.sha256) for path, f in bundle.model.files.items()} if bundle and bundle.model else {}


def _files(store: Store, view: VersionView) -> Files | Blocker:
    try:
        return store.model_files(view)
    except AimsError as error:
        return Blocker(code="no_model_files", reason=f"the model's files cannot be read: {error.what}", fix=error.fix)


def _decisions(store: Store, run_id: str) -> tuple[Recorded, ...]:
    try:
        return recorded_decisions(run_id, store)
    except StoreError:
        return ()


def clock(today: date | None) -> datetime:
    """Return the time of the record: now, or the end of the day that was given."""
    return datetime.now(UTC) if today is None else datetime(today.year, today.month, today.day, 23, 59, 59, tzinfo=UTC)
