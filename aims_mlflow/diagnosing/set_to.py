"""What the environment variables are set to: numbers that are none, and names that nothing reads."""

from __future__ import annotations

import os
from collections.abc import Iterator

from aims_mlflow.diagnosing.words import Finding
from aims_mlflow.errors import ConfigurationError, nearest
from aims_mlflow.settings import NAMES, NUMBERS

PREFIX = "AIMS_"


def look() -> list[Finding]:
    """Look at every variable whose name begins as ours do. Only the values of numbers are read."""
    fine = Finding(area="settings", code="settings", state="ok", what="every variable that is set can be used")
    return [*_numbers(), *_strangers()] or [fine]


def _numbers() -> Iterator[Finding]:
    for one in NUMBERS:
        try:
            one.strictly()
        except ConfigurationError as wrong:
            what = f"{wrong.what}, so the default counts ({one.usual}), or data are refused that are to be sampled by it"
            yield Finding(area="settings", code="number", state="problem", what=what, where=one.name, fix=wrong.fix)


def _strangers() -> Iterator[Finding]:
    known = {*NAMES, *(one.name for one in NUMBERS)}
    for name in sorted(name for name in os.environ if name.startswith(PREFIX) and name not in known):
        yield Finding(
            area="settings", code="stranger", state="note", what="nothing here reads this variable", where=name, fix=nearest(name, known)
        )
