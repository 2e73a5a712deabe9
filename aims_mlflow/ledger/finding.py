"""What an audit finds: a code for machines, how grave it is, what and where, and what to do."""

from __future__ import annotations

from typing import Literal

from aims_mlflow.evidence import Word

Gravity = Literal["critical", "major", "minor", "note"]
"""``critical``: something protected is unproven, or the log cannot be believed. ``major``: proof is missing. ``minor``: somebody
should look. ``note``: reported so that it is seen, and no fault."""

GRAVEST_FIRST: tuple[Gravity, ...] = ("critical", "major", "minor", "note")


class Finding(Word):
    """One thing that an audit found."""

    code: str
    severity: Gravity
    what: str
    where: str
    fix: str = ""
