"""How long MLflow's trouble may hold up a training: one budget for a run, and no further question right after a refusal."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from time import monotonic
from typing import Any, TypeVar

from aims_mlflow.errand import Errand
from aims_mlflow.errors import StoreError
from aims_mlflow.settings import BUDGET_SECONDS

T = TypeVar("T")

log = logging.getLogger("aims_mlflow")

PAUSE = 30.0
"""Seconds after a refusal in which a server is not asked again: what is sent then waits in the spool."""

LOOK = 1.0
"""While files are sent, it is asked so often whether the server is still there, which is all that tells a slow way from a dead one."""

SLOWEST = 50_000.0
"""Bytes a second. A way that is slower counts as dead: an artifact store that refuses is tried again by MLflow for minutes, and as
long as it likes where it says Retry-After, while the server itself is well."""

GRACE = 15.0
"""Seconds that any files may take besides, while the server is well: a busy machine or a far store is no trouble yet."""

TRYING_AGAIN = "urllib3.util.retry"
"""The module in which MLflow's client sleeps after a refusal, before it tries again."""

LONGEST = 120.0
"""Seconds that the server may look at files itself, while it is well."""

PATIENTLY = 0.5
"""The least that a question may take, however little of the budget is left."""

FIX = "see whether the MLflow server is well; `aims sync` sends what waits in the spool"


class Budget:
    """The seconds that MLflow's trouble may cost one run in all. What succeeds costs nothing, however long it takes.

    A question that is not answered goes on waiting in a thread of its own, which cannot be ended: MLflow's retries take minutes
    there, and nobody waits for them. What it still writes is what ``aims sync`` writes again.
    """

    def __init__(self, seconds: float | None = None) -> None:
        self._left = BUDGET_SECONDS.value() if seconds is None else seconds
        self._shut_until = 0.0
        self._lock = threading.Lock()
        self._thread = threading.local()

    @property
    def left(self) -> float:
        """The seconds that are left."""
        return max(self._left, 0.0)

    @property
    def shut(self) -> bool:
        """Whether nobody is asked now: a moment ago there was a refusal, or the budget is spent."""
        return self.left <= 0 or monotonic() < self._shut_until

    def refused(self, cost: float) -> None:
        """Count a refusal that took so many seconds: the next question has to wait, or is never asked."""
        with self._lock:
            self._left -= cost
            self._shut_until = monotonic() + PAUSE

    def allows(self, is_there: Callable[[float], bool]) -> bool:
        """Whether a question may be asked now: the budget is not spent, and the server answers within what is left of it."""
        if self.shut:
            return False
        began = monotonic()
        if is_there(max(self.left, PATIENTLY)):
            return True
        self.refused(monotonic() - began)
        return False

    def ask(
        self,
        do: Callable[[], T],
        *,
        is_there: Callable[[float], bool] | None = None,
        is_trouble: Callable[[Exception], bool],
        longest: float = float("inf"),
    ) -> T:
        """Return what ``do`` returns, or raise what it raises, within the budget.

        Args:
            do: a question to MLflow.
            is_there: for files, which may take their time: whether the server answers within so many seconds. Only while it
                does not, or has refused and is to be tried again, is the budget spent.
            is_trouble: whether an error is the server's trouble, and not its answer.
            longest: the seconds that files may take beyond what is left of the budget, although the server answers.

        Raises:
            StoreError: the budget is spent, or the server has refused a moment ago.
        """
        if getattr(self._thread, "asking", False):  # part of a question that is being waited for
            return do()
        if self.shut:
            raise StoreError("MLflow did not answer a moment ago and is not asked again now", fix=FIX)

        def run() -> T:
            self._thread.asking = True
            return do()

        began = monotonic()
        asked = Errand(run, "aims-mlflow")
        spent = self._wait(asked, is_there, longest)
        if asked.wait(0):
            try:
                return asked.result()
            except Exception as error:
                if is_trouble(error):
                    self.refused(max(spent, 0.0 if is_there else monotonic() - began))
                raise
        self.refused(spent)
        log.debug("a question to MLflow was left behind after %.1f s", monotonic() - began)
        raise StoreError(
            f"MLflow's trouble may cost a run {BUDGET_SECONDS.value():g} seconds ({BUDGET_SECONDS.name}), and they are spent", fix=FIX
        )

    def ask_here(self, do: Callable[[], T], *, is_trouble: Callable[[Exception], bool]) -> T:
        """Return what ``do`` returns, or raise what it raises, in this thread: a database file, which has a time limit of its own.

        One that was locked for so long, or that could not be read after a while, is not asked again for each of our questions.

        Raises:
            StoreError: it had trouble a moment ago.
        """
        if self.shut:
            raise StoreError("MLflow's database did not answer a moment ago and is not asked again now", fix=FIX)
        began = monotonic()
        try:
            return do()
        except Exception as error:
            if monotonic() - began > PATIENTLY and is_trouble(error):
                self.refused(monotonic() - began)
            raise

    def _wait(self, asked: Errand[Any], is_there: Callable[[float], bool] | None, longest: float) -> float:
        """Wait until it is done or the budget is spent; return how much of it was."""
        patience = max(self.left, PATIENTLY)
        began = monotonic()
        if is_there is None:
            return 0.0 if asked.wait(patience) else monotonic() - began
        spent = 0.0
        while not asked.wait(LOOK):
            looked = monotonic()
            if looked - began > patience + GRACE + longest:
                return patience
            if not asked.is_in(TRYING_AGAIN) and is_there(min(LOOK, max(patience - spent, 0.1))):
                continue
            spent += monotonic() - looked + LOOK
            if spent >= patience:
                break
        return spent
