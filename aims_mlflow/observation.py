"""What the hooks saw of one run: the frames in their roles, the model, the code and the machine. Checks read only this."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from aims_mlflow.errors import CannotMeasure
from aims_mlflow.evidence import RunKind, Subject
from aims_mlflow.system import Requirement, Source, System

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from aims_mlflow.engines.whole import Whole
    from aims_mlflow.fingerprint import Fingerprint

Role = Literal["train", "validation", "test", "reference", "production"]


@dataclass(frozen=True)
class Dataset:
    """A frame in a role. The frame is the user's own and must never be changed.

    Where ``whole`` is known, the frame is what was read of data that another engine holds: a sample of their rows, unless it is
    complete. ``fingerprint`` is of all of them.
    """

    role: str
    frame: pd.DataFrame
    fingerprint: Fingerprint
    source: Source | None = None
    note: str = ""
    whole: Whole | None = None
    held: Any = field(default=None, compare=False, repr=False)
    """What was given, of another engine: the frame itself, for what the engine is to count over all rows. It stays in memory."""
    shown_sha256: str = ""
    """The digest of the frame, where columns were taken out of it after it was fingerprinted."""

    @property
    def frame_sha256(self) -> str:
        """The digest of the frame itself as it was taken, which tells whether it is still what it was."""
        return self.shown_sha256 or (self.fingerprint.sha256 if self.whole is None else self.whole.sample_sha256)

    @property
    def subject(self) -> Subject:
        """The dataset as the subject of evidence, by its content."""
        return Subject(kind="dataset", name=self.role, sha256=self.fingerprint.sha256)


@dataclass(frozen=True)
class Model:
    """The model under test, seen through what it predicts.

    ``predict`` takes a frame with at least the columns ``features`` and returns labels or numbers, one a row;
    ``predict_proba`` returns (n rows, n classes) in the order of ``classes``, or is None where the model has none.
    ``estimator`` is the object itself where there is one (for its steps and parameters), ``files`` the manifest of
    the logged model: relative path -> (size in bytes, sha256).
    """

    predict: Callable[[pd.DataFrame], Any]
    features: tuple[str, ...] | None
    predict_proba: Callable[[pd.DataFrame], Any] | None = None
    classes: tuple[Any, ...] = ()
    estimator: Any = None
    flavour: str = ""
    serialization: str = ""
    uri: str = ""
    files: Mapping[str, tuple[int, str]] = field(default_factory=dict)

    @property
    def subjects(self) -> tuple[Subject, ...]:
        """The files of the logged model as subjects of evidence."""
        return tuple(Subject(kind="model", name=name, sha256=sha) for name, (_, sha) in sorted(self.files.items()))


@dataclass(frozen=True)
class Code:
    """Which code trained the model: a git commit, an installed distribution, or neither (``kind`` unknown)."""

    kind: Literal["git", "distribution", "unknown"]
    reference: str = ""
    dirty: bool | None = None
    source_sha256: str = ""
    entry: str = ""


@dataclass(frozen=True)
class FrameFacts:
    """What is kept of a frame before or after a step: its size, its columns, and the digest of its content."""

    rows: int
    columns: tuple[str, ...]
    sha256: str


@dataclass(frozen=True)
class PreparationStep:
    """A step from raw data to model input that the training code told: in words, and what it did to a frame where that was shown.

    ``dropped`` counts the rows of ``before`` whose content, over the columns that both frames have, is not in ``after`` (each as
    often as it is missing there), ``added`` the other way round; None where one of the frames was not shown, or they share no column.
    """

    words: str
    before: FrameFacts | None = None
    after: FrameFacts | None = None
    dropped: int | None = None
    added: int | None = None


@dataclass(frozen=True)
class Parent:
    """A model that this one was made from: its URI, how, and the digest over its files where they could be read."""

    uri: str
    relation: str = "tuned from"
    sha256: str = ""


@dataclass(frozen=True)
class Ranks:
    """The processes that trained together: how many they were, and which of the others told what data they were given."""

    of: int
    heard: tuple[int, ...]

    @property
    def silent(self) -> tuple[int, ...]:
        """The ranks of which nothing is known."""
        return tuple(number for number in range(1, self.of) if number not in self.heard)


@dataclass(frozen=True)
class RunFacts:
    """What is known of the run around the model.

    ``kind`` is ``training`` where the run made the model, ``assessment`` where it only looks at one that was made before, or elsewhere,
    ``monitoring`` where it looks at production data of one in operation.
    """

    run_id: str
    started: datetime
    code: Code
    experiment: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    packages: Mapping[str, str] = field(default_factory=dict)
    hardware: Mapping[str, str | int | float] = field(default_factory=dict)
    seeds: Mapping[str, str] = field(default_factory=dict)
    parents: tuple[Parent, ...] = ()
    registered: str = ""
    preparation: tuple[PreparationStep, ...] = ()
    kind: RunKind = "training"
    ranks: Ranks | None = None
    """The processes that trained together; None where one trained alone."""
    recorded_by: str = ""
    """In an assessment: the run that made the model, whose records the facts are taken from; "" where none is known."""
    recorded_data: Mapping[str, str] = field(default_factory=dict)
    """In an assessment: role -> sha256 (or MLflow's own digest) of the data that the run which made the model says it used."""


@dataclass(frozen=True)
class Predictions:
    """What the model said on a dataset, beside the truth; arrays of one length, in the frame's row order.

    For binary tasks ``y_true`` and ``y_pred`` are 0/1 integers with 1 the positive label and ``score`` the positive
    label's probability (None without ``predict_proba``). For multiclass tasks labels stand as in the data and
    ``score`` has shape (n, classes). For regression both are floats.
    """

    y_true: np.ndarray
    y_pred: np.ndarray
    score: np.ndarray | None
    classes: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Counted:
    """How many rows of a dataset have each combination of groups, truth and prediction, over all of them.

    ``frame`` has one row a combination, of the sensitive columns and the target, ``labels`` (n,) are what was predicted and
    ``weights`` (n,) how many rows there are of it.
    """

    frame: pd.DataFrame
    labels: pd.Series[Any]
    weights: np.ndarray


@dataclass(frozen=True)
class Observation:
    """Everything the checks may look at, for one run."""

    system: System
    datasets: Mapping[str, Dataset]
    run: RunFacts
    model: Model | None = None
    given_predictions: Mapping[str, Any] = field(default_factory=dict)
    refused: Mapping[str, CannotMeasure] = field(default_factory=dict)
    """Role -> why the frame that was given for it could not be taken."""
    baseline: Model | CannotMeasure | None = None
    """The version that the model is compared with; why it could not be loaded; None where none is declared."""
    counted: Mapping[str, Counted | CannotMeasure] = field(default_factory=dict)
    """Role -> counts over all rows of data that are seen by a sample and have a column of predictions; why there are none."""

    def asked(self, check: str) -> tuple[Requirement, ...]:
        """Return what the system file asks of ``check``."""
        return tuple(r for r in self.system.requirements if r.check == check)

    def how_to_give(self, role: str) -> str:
        """Return what to do so that the data in ``role`` are seen, in the way that this run is made."""
        if self.run.kind == "assessment":
            return f"give them, if they still exist: --data {role}=FILE"
        if self.run.kind == "monitoring":
            return f"give the {role} data: --reference FILE" if role == "reference" else f"a monitoring run takes no {role} data"
        return f'pass the frame as the argument that data.roles names for {role}, or call run.data(frame, role="{role}")'

    def dataset(self, role: str) -> Dataset:
        """Return the dataset in ``role``; raises CannotMeasure (missing) where none was given, (error) where it is empty or was refused."""
        found = self.datasets.get(role)
        if found is None and role in self.refused:
            problem = self.refused[role]
            raise CannotMeasure(f"the {role} data could not be taken: {problem.what}", state=problem.state, fix=problem.fix)
        if found is None:
            raise CannotMeasure(
                f"no {role} data was seen in this run",
                state="missing",
                fix=self.how_to_give(role),
            )
        if len(found.frame) == 0:
            raise CannotMeasure(f"the {role} data has zero rows", where=f"data role {role}", fix="pass a frame with rows")
        return found

    def with_model(self, model: Model) -> Observation:
        """Return the same observation about another model."""
        return replace(self, model=model)

    @cached_property
    def kept(self) -> dict[str, Any]:
        """What is worked out once for all checks, by what it is; starts empty."""
        return {}
