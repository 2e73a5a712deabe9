"""Operation: looking at a model after deployment, and what follows where it does not do as it was asked to.

- ``looking``: ``monitor``, one look at a batch of production data
- ``asking``, ``batches``, ``recorded``, ``shifting``, ``recording``, ``verdicts``: what is asked, given, known, compared, measured, judged
- ``events``: the event log (A.6.2.8)
- ``cases``, ``casebook``: nonconformities and incidents as signed, hash-linked events in MLflow
- ``nonconformities`` (clause 10.2) and ``incidents`` (A.8.4): what people do with them
- ``standing``: what all looks at a version say together, for the records (A.6.2.6, A.6.2.8)
"""

from __future__ import annotations

from aims_mlflow.operation.casebook import Casebook
from aims_mlflow.operation.cases import Case, CaseEvent
from aims_mlflow.operation.events import EventLog, read_events
from aims_mlflow.operation.incidents import close_incident, open_incident, tell
from aims_mlflow.operation.looking import Monitoring, monitor
from aims_mlflow.operation.nonconformities import act, add_cause, close, open_nonconformity, reopen, review

__all__ = [
    "Case",
    "CaseEvent",
    "Casebook",
    "EventLog",
    "Monitoring",
    "act",
    "add_cause",
    "close",
    "close_incident",
    "monitor",
    "open_incident",
    "open_nonconformity",
    "read_events",
    "reopen",
    "review",
    "tell",
]
