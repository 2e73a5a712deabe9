"""What a run is told while it goes on: its data, model, predictions, people's words, and what went wrong in taking them."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from aims_mlflow.bundle import CAPTURE
from aims_mlflow.capture import model_adapter
from aims_mlflow.capture.steps import as_frame, step_between
from aims_mlflow.engines.predicted import PredictionColumns
from aims_mlflow.engines.taking import Taken, is_foreign, take
from aims_mlflow.errors import CannotMeasure, UnknownNameError
from aims_mlflow.evidence import CheckResult, Problem
from aims_mlflow.fingerprint import fingerprint
from aims_mlflow.observation import Dataset, Parent, PreparationStep
from aims_mlflow.system import ROLES, Attestation, Source, System

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger("aims_mlflow")


@dataclass
class Seen:
    """A frame as it was given, a copy of its handle whose content in-place changes do not reach, and what was seen of it."""

    given: Any
    dataset: Dataset
    taken: Taken | None = None
    """How it was taken from another engine; None for pandas."""

    def digest_now(self) -> str:
        """Return the digest of what was given as it is now, of the dataset's kind of fingerprint."""
        return fingerprint(self.given).sha256 if self.taken is None else self.taken.again()


class Intake:
    """Gathers what one run of ``system`` used and made. What cannot be taken raises here; ``guarded`` keeps that from the user's code."""

    def __init__(self, system: System) -> None:
        self.system = system
        self._seen: dict[str, Seen] = {}
        self._refused: dict[str, CannotMeasure] = {}
        self._model: Any = None
        self._model_name = "model"
        self._predictions: dict[str, Any] = {}
        self._attestations: list[Attestation] = []
        self._preparation: list[PreparationStep] = []
        self._parents: list[Parent] = []
        self._problems: list[CheckResult] = []

    def data(self, frame: Any, role: str, source: str | Source | None = None, note: str = "") -> None:
        """Take a frame in its role: its content is fingerprinted now, and measured as it is now.

        Args:
            frame: a DataFrame of pandas, polars (LazyFrame too) or Spark, a pyarrow Table or Dataset, a DuckDB relation, or anything
                with ``to_pandas()``. It is never changed. What is lazy, of Spark, or large is seen by counts and a sample.
            role: train, validation, test, reference or production.
            source: where it came from; default: what the system file says of the role.
            note: what was done to the frame on its way here, for the provenance evidence.

        Raises:
            UnknownNameError: no such role.
            CannotMeasure: the frame has no fingerprint (not a table, duplicate or non-string column names, ...), or its engine failed.
        """
        if role not in ROLES:
            raise UnknownNameError.among("data role", str(role), ROLES)
        declared = self.system.data.sources.get(role)  # type: ignore[call-overload]  # role is one of the literals: checked above
        if isinstance(source, str):
            source = (declared or Source()).model_copy(update={"uri": source})
        try:
            self._seen[role] = self._taken(frame, role, source or declared, note)
        except CannotMeasure as problem:
            self._refuse(role, problem)
            raise

    def _refuse(self, role: str, problem: CannotMeasure) -> None:
        """Let nothing be measured on the data in ``role``, and say why."""
        self._seen.pop(role, None)
        self._problems.append(problem_of("provenance", problem.state, problem.what, problem.fix, {"dataset": role}))
        self._refused[role] = problem

    def _taken(self, frame: Any, role: str, source: Source | None, note: str) -> Seen:
        """Take a frame in memory as it stands, and one of another engine by what the engine says of it."""
        if is_foreign(frame):
            taken = take(frame, self.system)
            return Seen(frame, Dataset(role, taken.frame, taken.fingerprint, source, note, taken.whole, held=frame), taken)
        given: Any = as_frame(frame)
        found = fingerprint(given)
        return Seen(given, Dataset(role, given.copy(deep=False), found, source, note))

    def digests(self, role: str) -> Mapping[str, str]:
        """Return column -> digest of its content, of the data that were taken in ``role``; empty where none were."""
        seen = self._seen.get(role)
        return {} if seen is None else seen.dataset.fingerprint.column_digests

    def model(self, model: Any, name: str | None = None) -> None:
        """Take the model to evaluate: anything with ``predict``, or the URI of a logged one. ``name`` is for logging it."""
        found = model_adapter.find_model(model)
        if found is None:
            raise CannotMeasure(
                f"a {type(model).__name__} was given as the model, which has no predict",
                fix="give an object with predict, or a models:/ or runs:/ URI",
            )
        self._model = found
        self._model_name = name or self._model_name

    def predictions(self, role: str, values: Any, *, scores: Any = None) -> None:
        """Take predictions made elsewhere on the data in ``role``, with the positive label's probability if there is one.

        Args:
            role: of the data they were made on.
            values: one label (or number) a row, in the frame's order; or the name of the column of that frame that holds them.
            scores: one a row, or the name of their column.

        Raises:
            UnknownNameError: no such role.
            CannotMeasure: one of ``values`` and ``scores`` is a name and the other is not.
        """
        if role not in ROLES:
            raise UnknownNameError.among("data role", str(role), ROLES)
        if isinstance(values, str) or isinstance(scores, str):
            self._predictions[role] = PredictionColumns.of(values, scores)
        else:
            self._predictions[role] = values if scores is None else (values, scores)

    def attest(
        self,
        control: str,
        *,
        by: str,
        statement: str,
        reference: str = "",
        expires: date | None = None,
        not_applicable: bool = False,
    ) -> None:
        """Take a person's word on a control, as of today."""
        self._attestations.append(
            Attestation(
                control=control,
                statement=statement,
                by=by,
                on=datetime.now(UTC).date(),
                reference=reference,
                expires=expires,
                not_applicable=not_applicable,
            )
        )

    def preparation(self, *words: str, before: pd.DataFrame | None = None, after: pd.DataFrame | None = None) -> None:
        """Take the steps from raw data to model input that the model itself does not hold, in their order, in words.

        Args:
            words: what was done and why, such as "drop rows without income: they cannot be scored"; each is a step of its own.
            before: the frame before the step. Its size, columns and digest are kept.
            after: the frame that the step made; with both, how many rows were dropped is counted. They belong to a single step.

        Raises:
            CannotMeasure: frames with no step, or with several; a frame that has no fingerprint.
        """
        if before is None and after is None:
            self._preparation += [PreparationStep(str(step)) for step in words]
            return
        if len(words) != 1:
            raise CannotMeasure(
                f"{len(words)} steps were told with the frames before and after",
                fix='tell one at a time: run.preparation("…", before=, after=)',
            )
        self._preparation.append(step_between(str(words[0]), as_frame(before), as_frame(after)))

    def parent(self, uri: str, relation: str = "tuned from") -> None:
        """Take the URI of a model that this one was made from, and how: tuned from, base model, distilled from."""
        self._parents.append(Parent(str(uri), str(relation)))

    @contextlib.contextmanager
    def guarded(self, step: str) -> Iterator[None]:
        """Do a step so that its failure is a warning and incomplete evidence, never the user's problem."""
        try:
            yield
        except (Exception, SystemExit, GeneratorExit) as error:  # a model or a frame of the user's may raise these, too
            self.failed(step, error)

    def failed(self, step: str, error: BaseException) -> None:
        """Log that a step failed and keep it for the bundle. An exception's text can quote data: ours do not, others' stay in the log."""
        self._log(step, error)
        if isinstance(error, CannotMeasure):
            what, fix = f"could not {step}: {error.what}", error.fix
        else:
            what, fix = f"could not {step} ({type(error).__name__})", "the text of the exception is in the log of the training process"
        self._problems.append(problem_of(CAPTURE, "error", what, fix))

    def _log(self, step: str, error: BaseException) -> None:
        log.warning("aims could not %s: %s: %s", step, type(error).__name__, error, exc_info=log.isEnabledFor(logging.DEBUG))


def problem_of(check: str, state: str, reason: str, fix: str = "", scope: Mapping[str, str] | None = None) -> CheckResult:
    """Return the result of a check that has nothing to say, and why."""
    return CheckResult(check=check, scope=dict(scope or {}), problem=Problem.model_validate({"state": state, "reason": reason, "fix": fix}))
