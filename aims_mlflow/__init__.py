"""Evidence for AI management systems (ISO/IEC 42001) from MLflow training runs.

The face is the names below; each is imported when it is first asked for, so that ``import aims_mlflow`` costs nothing.

Rooms, from the ground up (each imports only what stands below it):

- ground: ``errors``, ``controls`` the catalogue, ``intervals`` the statistics
- words: ``evidence``, ``system`` and ``system_file/`` (read, checked, drafted), ``bundle``, ``fingerprint``, ``observation`` what hooks saw
- rules: ``registry`` of checks, ``disparity`` and ``judging/`` (measures and what was asked -> states -> a line a control),
  ``signing/`` envelopes and whose keys count, ``policy/`` what an organisation asks of every system
- keeping and measuring: ``store/`` (MLflow), ``spool`` (local), ``gate`` and its ``decision``, ``ledger/`` the log of decisions,
  ``measuring/`` for the checks, ``checks/``, ``pictures/`` of what they found
- doing: ``capture/`` and ``recorder`` (frames and model -> bundle), ``assessment``, ``model_card``, ``lineages/``, ``promotion/``,
  ``verifying`` one file, ``auditing/`` a registry, ``diagnosing/`` a set-up, ``operation/`` after deployment, ``records/`` and
  ``exports/`` out of the tool
- meeting people: ``hooks/``, ``cli/``, ``server/`` the gate within MLflow's own, ``pages/``, ``reports/`` for CI, ``scorecard``, ``demo/``
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aims_mlflow.evidence import CheckResult, Measure, State
    from aims_mlflow.gate import GateDecision
    from aims_mlflow.hooks.autologging import autolog
    from aims_mlflow.hooks.context import active_run
    from aims_mlflow.hooks.tracking import track
    from aims_mlflow.promotion import check_promotion, promote
    from aims_mlflow.records.summary import summarise
    from aims_mlflow.registry import check
    from aims_mlflow.system import System
    from aims_mlflow.system_file import load_system

__version__ = "0.1.0"

# The libraries' own telemetry is off wherever this package is imported; a value that the user has set stays.
for _switch, _off in (("DO_NOT_TRACK", "true"), ("MLFLOW_DISABLE_TELEMETRY", "true"), ("GX_ANALYTICS_ENABLED", "false")):
    os.environ.setdefault(_switch, _off)
# An MLflow that was imported before has read its switch by then, and is told to look again; it says nothing before its first event.
if (_mlflow := sys.modules.get("mlflow.telemetry.client")) is not None and _mlflow.is_telemetry_disabled():
    _mlflow.set_telemetry_client()

_FACE = {
    "CheckResult": "evidence",
    "GateDecision": "gate",
    "Measure": "evidence",
    "State": "evidence",
    "System": "system",
    "active_run": "hooks.context",
    "autolog": "hooks.autologging",
    "check": "registry",
    "check_promotion": "promotion",
    "load_system": "system_file",
    "promote": "promotion",
    "summarise": "records.summary",
    "track": "hooks.tracking",
}

__all__ = [
    "CheckResult",
    "GateDecision",
    "Measure",
    "State",
    "System",
    "active_run",
    "autolog",
    "check",
    "check_promotion",
    "load_system",
    "promote",
    "summarise",
    "track",
]


def __getattr__(name: str) -> Any:
    """Import a name of the face when it is first asked for."""
    try:
        module = importlib.import_module(f"{__name__}.{_FACE[name]}")
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    return getattr(module, name)


def __dir__() -> list[str]:
    """List the face."""
    return sorted({*globals(), *__all__})
