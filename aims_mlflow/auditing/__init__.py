"""The audit of a registry: what is protected against what the log proves, and what has gone missing.

- ``sweep``: ``audit``, which reads everything and puts it together
- ``aliases``: protected aliases and stages against the log
- ``runs``: every run of a system accounted for, and how many attempts a version took
- ``agreement``: the log against the decisions in the runs
- ``pinning``: the log's heads kept outside MLflow, and the log copied out
- ``protecting``: what the policy protects
- ``words``: what comes of it
"""

from __future__ import annotations

from aims_mlflow.auditing.sweep import audit
from aims_mlflow.auditing.words import Attempts, Audit, Held, WaiverUse

__all__ = ["Attempts", "Audit", "Held", "WaiverUse", "audit"]
