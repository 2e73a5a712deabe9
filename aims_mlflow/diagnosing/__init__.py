"""What is wrong with a set-up, found without changing anything: the spool, the keys, the policies, the server, this machine.

- ``looking``: ``diagnose``, which looks everywhere and puts it together
- ``spooled``: what waits to be sent, whether each byte of it holds, and how much room there is
- ``libraries``: versions, imports, and the telemetry of others
- ``signers``: the keys at hand, and whether their signatures count
- ``servers``: MLflow: whether it answers, of which kind it is, where the gate stands, what its clock says
- ``policies``: the policy folder
- ``disks``: whether the disk of the spool keeps what is written to it
- ``words``: what comes of it
"""

from __future__ import annotations

from aims_mlflow.diagnosing.looking import diagnose
from aims_mlflow.diagnosing.words import Diagnosis, Finding, Waiting

__all__ = ["Diagnosis", "Finding", "Waiting", "diagnose"]
