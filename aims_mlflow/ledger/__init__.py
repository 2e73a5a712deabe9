"""The log of a registry: every decision of the gate, what was taken back, and what went around it, hash-linked and signed.

- ``entry``: the words, and how an entry stands under the digest of its bytes
- ``writing``: ``Ledger``, which appends
- ``walking``: reading the log, and what can be wrong with it
- ``finding``: what an audit finds
"""

from __future__ import annotations

from aims_mlflow.ledger.entry import ENTRY_TYPE, FOLDER, Entry, Facts, Kind, Waived, entry_path
from aims_mlflow.ledger.finding import GRAVEST_FIRST, Finding, Gravity
from aims_mlflow.ledger.walking import Logged, Walk, read, walk
from aims_mlflow.ledger.writing import Ledger

__all__ = [
    "ENTRY_TYPE",
    "FOLDER",
    "GRAVEST_FIRST",
    "Entry",
    "Facts",
    "Finding",
    "Gravity",
    "Kind",
    "Ledger",
    "Logged",
    "Waived",
    "Walk",
    "entry_path",
    "read",
    "walk",
]
