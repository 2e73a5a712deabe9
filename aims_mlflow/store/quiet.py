"""Quiet while we measure: MLflow's autologging takes our own questions to a model, and our own fits, for the user's."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_counting = threading.Lock()
_quiet = 0
_before = False


@contextmanager
def without_autologging() -> Iterator[None]:
    """Switch MLflow's autologging off for the while, in the whole process: MLflow has no switch for one thread.

    Training that another thread begins meanwhile is not logged by MLflow itself; what it logs by hand is.
    """
    import mlflow.utils.autologging_utils as switches

    global _quiet, _before
    held: Any = switches
    with _counting:
        if _quiet == 0:
            _before = held._AUTOLOGGING_GLOBALLY_DISABLED
        _quiet += 1
        held._AUTOLOGGING_GLOBALLY_DISABLED = True
    try:
        yield
    finally:
        with _counting:
            _quiet -= 1
            if _quiet == 0:
                held._AUTOLOGGING_GLOBALLY_DISABLED = _before
