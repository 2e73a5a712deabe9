"""The recorder of one run: from frames and a model to measures, evidence, the signed bundle, the spool and MLflow.

Nothing here raises into the code that trains: each step that fails is logged as a warning and leaves the evidence incomplete.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from time import perf_counter
from typing import TYPE_CHECKING, Any

from aims_mlflow import journal, registry, sending, spool
from aims_mlflow.bundle import CAPTURE, DIED, FINISHED, Bundle, RunSummary
from aims_mlflow.capture import environment, making, model_adapter, parcelling, publication
from aims_mlflow.capture.earlier import Earlier
from aims_mlflow.capture.intake import Intake, Seen, problem_of
from aims_mlflow.capture.sharing import unlike
from aims_mlflow.engines.predicted import resolved
from aims_mlflow.engines.restating import restated
from aims_mlflow.errors import AimsError, CannotMeasure, ConfigurationError, SpoolError, SpoolFullError
from aims_mlflow.evidence import CheckResult, Evidence, RunKind, canonical
from aims_mlflow.fingerprint import fingerprint
from aims_mlflow.judging import judge
from aims_mlflow.judging.lines import ControlLine, control_lines
from aims_mlflow.judging.standing import gated_controls
from aims_mlflow.measuring.agreeing import held_to_the_model
from aims_mlflow.measuring.hanging import waited_for_once
from aims_mlflow.observation import Code, Dataset, Model, Observation, Parent, Ranks, RunFacts
from aims_mlflow.pictures import plots
from aims_mlflow.signing import seal_bundle
from aims_mlflow.store import RunView, Store, VersionView
from aims_mlflow.store.quiet import without_autologging
from aims_mlflow.store.views import without_password
from aims_mlflow.system import System

if TYPE_CHECKING:
    from aims_mlflow.capture.sharing import Meeting

log = logging.getLogger("aims_mlflow")


class Recorder(Intake):
    """Gathers what one run used and made, and turns it into evidence when the run is over.

    Args:
        system: the AI system that the run belongs to.
        store: MLflow; default: as MLflow is configured.
        run_id: the MLflow run; "" where the server was down, so that evidence waits in the spool.
        function: the tracked function, for the code it stands for; ``file`` where there is none.
        arguments: the function's arguments, looked at for seeds only.
        register: name to register the model under; default: ``system.model`` of the system file.
        experiment: the experiment's name, and ``run_name`` the run's, for a run that has to be made later.
        ends_run: whether the run's end is ours to set.
        others: where the other ranks of a training tell what they were given; None where there are none.
        kind: ``assessment`` where the run looks at a model that was made before, or elsewhere, ``monitoring`` where at one in operation.
    """

    def __init__(
        self,
        system: System,
        *,
        store: Store | None = None,
        run_id: str = "",
        function: Callable[..., Any] | None = None,
        file: str = "",
        arguments: Mapping[str, Any] | None = None,
        register: str | None = None,
        experiment: str = "",
        run_name: str = "",
        ends_run: bool = True,
        others: Meeting | None = None,
        kind: RunKind = "training",
    ) -> None:
        super().__init__(system)
        self.store = store or Store()
        self.offline = not run_id
        self.run_id = run_id or f"offline-{uuid.uuid4().hex}"
        self.registered = register or system.system.model
        self.finished = False
        self._sent = False
        self._journal: journal.Journal | None = None
        self._pid = os.getpid()
        self.seconds = 0.0
        """What has been spent beside the user's function so far."""
        self._function, self._file, self._arguments = function, file, dict(arguments or {})
        self._experiment, self._run_name, self._ends_run = experiment, run_name, ends_run
        self._others = others
        self._kind: RunKind = kind
        self._started = datetime.now(UTC)
        self._began = perf_counter()

    # While it goes on

    @property
    def here(self) -> bool:
        """Whether this is the process that the run began in, and not one that was forked off it, which has only a copy."""
        return os.getpid() == self._pid

    def keep(self) -> None:
        """Write down what is known by now, so that it is sent, and counts as incomplete, if this process dies. Raises nothing."""
        try:
            self._journal = self._journal or journal.begin(spool.folder())
            if self._journal is not None:
                self._journal.keep_only(spool.put(self._obituary(), self._journal.folder).id)
        except Exception as error:
            log.warning("what is known of run %s so far could not be kept on disk: %s: %s", self.run_id, type(error).__name__, error)

    def _obituary(self) -> spool.Parcel:
        datasets = {role: seen.dataset for role, seen in self._seen.items()}
        facts = RunFacts(self.run_id, self._started, Code("unknown"), registered=self.registered, kind=self._kind)
        now = datetime.now(UTC)
        death = problem_of(CAPTURE, "error", parcelling.DEATH, parcelling.DEATH_FIX)
        results = (*self._problems, death)
        evidence = self._judge(results, now)
        run = RunSummary(
            run_id=self.run_id, experiment=self._experiment, started=self._started, finished=now, outcome=DIED, kind=self._kind
        )
        seen = Observation(self.system, datasets, facts)
        bundle = self._bundle(seen, run, results, evidence, complete=False)
        return parcelling.obituary(self._as_mlflow_knows_it(), seen, bundle, self._lines(evidence, results, now))

    def _end_journal(self) -> None:
        """Remove what is on disk only while the run goes on."""
        if self._journal is not None:
            self._journal.end()
        if self._others is not None:
            self._others.end()

    def _as_mlflow_knows_it(self, note: str = "") -> parcelling.Run:
        return parcelling.Run(
            run_id=self.run_id,
            offline=self.offline,
            server=without_password(self.store.tracking_uri),
            experiment=self._experiment,
            run_name=self._run_name,
            ends_run=self._ends_run,
            registered=self.registered,
            note=note,
        )

    # What comes of it

    def finish(self, returned: Any = None, *, outcome: str = FINISHED) -> Bundle | None:
        """Measure, judge, sign, keep and write. Returns the bundle; None where none could be made. Raises nothing.

        Args:
            returned: what the function returned; the model is looked for in it unless one was given.
            outcome: ``finished``, or ``raised`` and the type of the exception: then nothing is measured, and the bundle says so.
        """
        self.finished = True
        after = perf_counter()
        bundle: Bundle | None = None
        try:
            with without_autologging():
                bundle = self._finish(returned, outcome, after - self._began, after)
        except Exception as error:
            self.failed("turn the run into evidence", error)
        self._end_journal()
        if not self._sent and not self.offline:
            with self.guarded("end the run"):
                self._end_without_evidence(outcome)
        return bundle

    def _end_without_evidence(self, outcome: str) -> None:
        """End a run whose evidence did not arrive: the gate blocks what has no bundle, and the tag says why."""
        self.store.require()
        self.store.log(self.run_id, tags={"aims.system": self.system.id, "aims.state": "error"})
        if self._ends_run:
            self.store.end_run(self.run_id, parcelling.status(outcome))

    def _finish(self, returned: Any, outcome: str, training_seconds: float, after: float) -> Bundle:
        view = self._run_view()
        earlier = None if self.offline else Earlier(self.store, self.system.id, self.run_id)
        whole = outcome == FINISHED
        seen = self._observe(returned if whole else None, view, training_seconds, whole)
        results = self._measure(seen) if whole else ()
        files = self._card(seen) if whole else {}
        results = (*results, *self._problems)
        now = datetime.now(UTC)
        evidence = self._judge(results, now)
        complete = whole and not any(p.check == CAPTURE for p in self._problems)
        run = RunSummary(
            run_id=self.run_id,
            experiment=seen.run.experiment,
            started=self._started,
            finished=now,
            outcome=outcome,
            kind=self._kind,
            earlier=earlier.ids() if earlier else (),
        )
        bundle = self._bundle(seen, run, results, evidence, complete=complete)
        lines = self._lines(evidence, results, now)
        with self.guarded("draw the pictures"):
            files |= plots(results, self.system.requirements)
        version = self._publish(bundle, lines, files, seen, view, after)
        self.seconds += perf_counter() - after
        with self.guarded("write how long it took"):
            if not self.offline and self.store.reachable():
                self.store.log(self.run_id, metrics={"aims.overhead_seconds": round(self.seconds, 3)})
        where = version.uri if version else f"run {self.run_id}"
        said = publication.counted(lines, gated_controls(self.system))
        beyond = " beyond training" if self._kind == "training" else ""
        with contextlib.suppress(AttributeError, OSError, ValueError):  # there may be none, or a closed one
            sys.stderr.write(f"aims: {self.system.id}, {where}: controls {said}; {self.seconds:.1f} s{beyond}\n")
        return bundle

    def _judge(self, results: Sequence[CheckResult], now: datetime) -> tuple[Evidence, ...]:
        """Return the evidence that the results are."""
        attested = tuple(self._attestations)
        return judge(self.system, results, run_id=self.run_id, started=self._started, now=now, attested=attested)

    def _bundle(
        self, seen: Observation, run: RunSummary, results: Sequence[CheckResult], evidence: Sequence[Evidence], *, complete: bool
    ) -> Bundle:
        return publication.bundle(seen, run, results, evidence, attested=self._attestations, complete=complete)

    def _lines(self, evidence: Sequence[Evidence], results: Sequence[CheckResult], now: datetime) -> tuple[ControlLine, ...]:
        """Return the lines of the controls that the run can say something of."""
        return control_lines(self.system, evidence, results, today=now.date())

    def _run_view(self) -> RunView | None:
        if self.offline:
            return None
        with self.guarded("read the run back from MLflow"):
            self.store.require()
            return self.store.run(self.run_id)
        return None

    def _observe(self, returned: Any, view: RunView | None, training_seconds: float, whole: bool) -> Observation:
        """Put together what the checks may look at."""
        for role, seen in self._seen.items():
            with self.guarded(f"look at the {role} data again"):
                self._look_again(role, seen)
        ranks = self._hear_the_others()
        given = {role: seen.dataset for role, seen in self._seen.items()}
        datasets, predictions, counted = resolved(given, self._predictions, self.system)
        code = Code("unknown")
        with self.guarded("find the code that trained"):
            code = environment.code_of(self._function, self._file)
        model: Model | None = None
        if whole:
            with self.guarded("take the model"):
                found = self._settle_model(returned, datasets, "" if view is None else self.run_id)
                model = None if found is None else waited_for_once(found)
        estimator = model.estimator if model else None
        facts = RunFacts(
            run_id=self.run_id,
            started=self._started,
            code=code,
            experiment=self._experiment or (view.experiment_id if view else ""),
            params=dict(view.params) if view else {},
            packages=environment.packages(),
            hardware={**environment.hardware(), "training_seconds": round(training_seconds, 3)},
            seeds=environment.seeds(estimator, self._arguments),
            parents=self._known_parents(),
            registered=self.registered,
            preparation=tuple(self._preparation),
            kind=self._kind,
            ranks=ranks,
        )
        if self._kind == "assessment":
            with self.guarded("read how the model was made"):
                facts = making.as_recorded(facts, model, self.store)
        baseline = self._baseline(datasets) if whole and self.system.system.baseline else None
        return held_to_the_model(Observation(self.system, datasets, facts, model, predictions, dict(self._refused), baseline, counted))

    def _hear_the_others(self) -> Ranks | None:
        """Find out what the other ranks were given, and refuse the data of which rank 0 has seen a part."""
        if self._others is None:
            return None
        heard = self._others.heard()
        for role, problem in unlike({role: seen.dataset for role, seen in self._seen.items()}, heard).items():
            self._refuse(role, problem)
        return Ranks(self._others.rank.of, tuple(heard))

    def _known_parents(self) -> tuple[Parent, ...]:
        """Return the models that this one was made from, each with the digest of its files where MLflow has them."""
        return tuple(
            replace(parent, sha256=parent.sha256 or model_adapter.files_digest(parent.uri, self.store)) for parent in self._parents
        )

    def _baseline(self, datasets: Mapping[str, Dataset]) -> Model | CannotMeasure:
        """Return the version that the model is compared with, or why it could not be loaded."""
        uri = self.system.system.baseline
        try:
            self.store.require()
            return model_adapter.from_uri(
                model_adapter.settled_uri(uri, self.store), self.system, model_adapter.frame_for_columns(datasets), self.store
            )
        except Exception as error:
            self._log(f"load the baseline {uri}", error)
            reason = f"the baseline {uri} could not be loaded ({type(error).__name__})"
            return CannotMeasure(reason, state="missing", fix="correct system.baseline in aims.yaml, or start the MLflow server")

    def _look_again(self, role: str, seen: Seen) -> None:
        """Find out whether the frame was changed in place after it was fingerprinted."""
        if (
            fingerprint(seen.dataset.frame).sha256 != seen.dataset.frame_sha256
        ):  # a pandas without copy-on-write: what is measured has changed, too
            what = f"the {role} data was changed in place after it was fingerprinted, so that it cannot be told what was measured"
            self._problems.append(problem_of("provenance", "error", what, "work on a copy: frame = frame.copy()", {"dataset": role}))
            return
        try:
            changed = seen.digest_now() != seen.dataset.fingerprint.sha256
        except CannotMeasure:
            changed = True
        except Exception as error:  # an engine that is closed by now
            log.debug("the %s data could not be looked at again: %s", role, type(error).__name__)
            what = (
                f"the {role} data could not be looked at again when the run was over ({type(error).__name__}); evidence is of them as given"
            )
            seen.dataset = replace(seen.dataset, note=what)
            return
        if changed:
            log.warning("the %s data was changed in place while the run went on; evidence is about it as it was given", role)
            what = f"the {role} frame was changed in place by the run; fingerprint and measures are of it as it was given"
            seen.dataset = replace(seen.dataset, note=what)

    def _settle_model(self, returned: Any, datasets: Mapping[str, Dataset], run_id: str) -> Model | None:
        """Return the model to evaluate, logged: the one that was given, or returned, or logged by the function itself."""
        frame = model_adapter.frame_for_columns(datasets)
        found = self._model if self._model is not None else model_adapter.find_model(returned)
        model, trouble = model_adapter.settle(found, self.system, frame, self.store, run_id=run_id, name=self._model_name)
        if trouble is not None:
            self.failed("log the model", trouble)
        return model

    def _measure(self, seen: Observation) -> tuple[CheckResult, ...]:
        """Run every check. What the recorder knows to be wrong with a dataset stands in place of its provenance result."""
        known = {(p.check, tuple(p.scope.items())) for p in self._problems}
        wholes = {role: dataset.whole for role, dataset in seen.datasets.items() if dataset.whole is not None}
        results: list[CheckResult] = []
        for name, one in registry.checks().items():
            with self.guarded(f"run the check {name}"):
                found = [r for r in one.run(seen) if (r.check, tuple(r.scope.items())) not in known]
                results += [restated(r, wholes, self.system) for r in found] if wholes else found
        return tuple(results)

    def _card(self, seen: Observation) -> dict[str, bytes]:
        with self.guarded("write the model card"):
            from aims_mlflow.model_card import CARD_PATH, model_card

            return {CARD_PATH: model_card(seen).encode()}
        return {}

    def _publish(
        self,
        bundle: Bundle,
        lines: Sequence[ControlLine],
        files: Mapping[str, bytes],
        seen: Observation,
        view: RunView | None,
        after: float,
    ) -> VersionView | None:
        """Sign, keep on disk, send."""
        envelope = unsigned = b""
        with self.guarded("sign the evidence"):
            try:
                envelope = seal_bundle(bundle)
            except ConfigurationError as error:  # the key is not at hand now: the evidence waits for it in the spool
                log.warning("the evidence of run %s is not signed yet: %s", self.run_id, error)
                unsigned = canonical(bundle.statement())
        run = self._as_mlflow_knows_it(view.tags.get(publication.NOTE, "") if view else "")
        seconds = round(self.seconds + perf_counter() - after, 3)
        parcel = parcelling.parcel(run, seen, bundle, lines, files, envelope=envelope, unsigned=unsigned, seconds=seconds)
        return self._deliver(parcel)

    def _deliver(self, parcel: spool.Parcel) -> VersionView | None:
        """Write to the spool first, then to MLflow; what does not arrive stays in the spool.

        Where a disk refuses, it is sent all the same, the bundle last. Where the spool is full of what did not arrive, it is not:
        somebody has to look first.
        """
        entry: spool.Entry | None = None
        try:
            entry = spool.put(parcel)
            self._end_journal()
        except SpoolFullError as error:
            log.error("the evidence of run %s is refused, and the gate stays closed to what it made: %s", self.run_id, error)
            return None
        except (SpoolError, ConfigurationError, OSError) as error:
            log.warning("aims could not keep the evidence on disk before sending it: %s", error)
        try:
            if self.offline:
                self.store.require()
            version = sending.send(entry, parcel, self.store)[1]
            self._sent = True
            return version
        except Exception as error:
            where = f"it is kept in {entry.folder}; `aims sync` sends it when the server is back" if entry else "and it could not be kept"
            reason = error if isinstance(error, AimsError) else type(error).__name__
            log.warning("evidence of run %s did not reach MLflow (%s): %s", self.run_id, reason, where)
            return None
