"""Promotion: read what the gate needs, let it decide, sign and keep the decision, move the alias, and look again."""

from __future__ import annotations

from aims_mlflow.promotion.examining import Examined, check_promotion, examine
from aims_mlflow.promotion.keeping import DECISIONS, Recorded, open_decision, recorded_decisions
from aims_mlflow.promotion.moving import Move, move, promote

__all__ = [
    "DECISIONS",
    "Examined",
    "Move",
    "Recorded",
    "check_promotion",
    "examine",
    "move",
    "open_decision",
    "promote",
    "recorded_decisions",
]
