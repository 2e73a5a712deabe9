"""The table of faults: what may go wrong around a training, when, and what is promised of the evidence then."""

from __future__ import annotations

from .of_machine import MACHINE, SETTINGS
from .of_mlflow import MLFLOW
from .of_user import USER
from .scene import Fault, Stage

FAULTS: tuple[Fault, ...] = (*MLFLOW, *MACHINE, *SETTINGS, *USER)

CASES: tuple[tuple[Fault, Stage], ...] = tuple((fault, stage) for fault in FAULTS for stage in fault.stages)
"""Each fault at each stage where it applies."""
