"""The handle of the tracked run one is in: what arguments and the returned value cannot show is told through it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextvars import ContextVar
from datetime import date
from time import perf_counter
from typing import TYPE_CHECKING, Any, final

if TYPE_CHECKING:
    import pandas as pd

    from aims_mlflow.capture.sharing import Share
    from aims_mlflow.recorder import Recorder
    from aims_mlflow.system import Source

log = logging.getLogger("aims_mlflow")


@final
class TrackedRun:
    """One tracked run, from the inside. None of its methods raises: what cannot be done is logged, and the evidence says so.

    Outside a tracked function, and after its end, there is no run to tell: the methods log a warning and do nothing.
    """

    def __init__(self, recorder: Recorder | None = None, *, share: Share | None = None) -> None:
        self._recorder = recorder
        self._share = share
        """Where rank 0 makes the evidence of this training, and this process only tells it what it was given."""

    @property
    def run_id(self) -> str:
        """The id of the MLflow run; ``offline-…`` where the server was down, "" outside a tracked function."""
        return self._recorder.run_id if self._recorder is not None else ""

    def data(self, frame: Any, role: str, source: str | Source | None = None) -> None:
        """Give the frame that plays ``role`` (train, validation, test, reference, production), and where it came from."""
        if self._share is not None:
            with self._share.guarded(f"tell rank 0 about the {role} data"):
                self._share.data(frame, role, source)
            return
        self._tell(f"take the {role} data", lambda recorder: recorder.data(frame, role, source))

    def model(self, model: Any, name: str | None = None) -> None:
        """Give the model to evaluate: anything with ``predict``, or a ``models:/`` or ``runs:/`` URI."""
        self._tell("take the model", lambda recorder: recorder.model(model, name))

    def predictions(self, role: str, values: Any, *, scores: Any = None) -> None:
        """Give predictions that were made elsewhere on the data in ``role``.

        They are one label (or number) a row, in the frame's order, or the name of the column of that frame that holds them.
        """
        self._tell(f"take the predictions on the {role} data", lambda recorder: recorder.predictions(role, values, scores=scores))

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
        """Give a person's word on a control, as of today; ``not_applicable`` where the control does not apply to the system."""
        self._tell(
            f"take the attestation of {control}",
            lambda recorder: recorder.attest(
                control, by=by, statement=statement, reference=reference, expires=expires, not_applicable=not_applicable
            ),
        )

    def preparation(self, *words: str, before: pd.DataFrame | None = None, after: pd.DataFrame | None = None) -> None:
        """Give the steps from raw data to model input that the model itself does not hold, in their order, in words.

        With the frames ``before`` and ``after`` (of one step), their digests and the number of dropped rows are kept, no value.
        """
        self._tell("take the preparation steps", lambda recorder: recorder.preparation(*words, before=before, after=after))

    def parent(self, uri: str, relation: str = "tuned from") -> None:
        """Give the URI of a model that this one is made from, and how (tuned from, base model, distilled from)."""
        self._tell("take the parent model", lambda recorder: recorder.parent(uri, relation))

    def _tell(self, step: str, do: Callable[[Recorder], None]) -> None:
        recorder = self._recorder
        if self._share is not None:
            log.debug("aims does not %s here: rank 0 makes the evidence", step)
            return
        if recorder is None:
            log.warning("aims could not %s: there is no tracked run here; call it inside a function under @aims.track", step)
            return
        if recorder.finished:
            log.warning("aims could not %s: the tracked run %s is over", step, recorder.run_id)
            return
        if not recorder.here:
            log.warning("aims could not %s: this process was forked off the one that tracks run %s; tell it there", step, recorder.run_id)
            return
        began = perf_counter()
        with recorder.guarded(step):
            do(recorder)
        recorder.keep()
        recorder.seconds += perf_counter() - began


current: ContextVar[TrackedRun | None] = ContextVar("aims_mlflow_run", default=None)
"""The run that the code at hand is in. New threads start without one; asyncio tasks have their own."""


def active_run() -> TrackedRun:
    """Return the handle of the tracked run one is in; outside of any, a handle whose methods warn and do nothing."""
    return current.get() or TrackedRun()
