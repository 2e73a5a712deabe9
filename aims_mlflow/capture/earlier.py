"""The runs of a system that were there before this one: asked for in the background, so that nobody waits, and named in the bundle."""

from __future__ import annotations

import logging
import threading

from aims_mlflow.bundle import MOST_EARLIER, RECORD_TAG
from aims_mlflow.store import Store

log = logging.getLogger("aims_mlflow")

PATIENCE = 2.0
"""Seconds that the bundle waits for the answer at most, counted from when it is wanted: the checks took longer, as a rule."""

RECORDS_AMONG = 20
"""So many more runs are asked for than are named: some of a system's runs hold its records and train nothing."""


class Earlier:
    """Asks MLflow once, in a thread of its own, for the latest runs of a system. Raises nothing.

    Args:
        store: the MLflow to ask.
        system_id: the system.
        run_id: the run that asks, which is not its own forerunner.
    """

    def __init__(self, store: Store, system_id: str, run_id: str) -> None:
        self._store, self._system, self._run = store, system_id, run_id
        self._found: tuple[str, ...] = ()
        self._thread = threading.Thread(target=self._ask, name="aims-earlier-runs", daemon=True)
        self._thread.start()

    def ids(self, seconds: float = PATIENCE) -> tuple[str, ...]:
        """Return the ids, newest first; empty where MLflow has not answered in time."""
        self._thread.join(seconds)
        return () if self._thread.is_alive() else self._found

    def _ask(self) -> None:
        try:
            self._store.require()
            latest = self._store.latest_runs(self._system, MOST_EARLIER + 1 + RECORDS_AMONG)
            self._found = tuple(r.run_id for r in latest if r.run_id != self._run and RECORD_TAG not in r.tags)[:MOST_EARLIER]
        except Exception as error:  # whatever it is: the bundle names none, and the training goes on
            log.debug("the earlier runs of %s could not be found: %s", self._system, type(error).__name__)
