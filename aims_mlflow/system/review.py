"""What people decided when they reviewed the management system (clause 9.3), and what they said is to be done."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field

from aims_mlflow.system.parts import Part, Text


class ReviewAction(Part):
    """What a review said is to be done."""

    action: Text = Field(description="what is to be done")
    owner: Text = Field(description="who does it")
    due: date | None = Field(default=None, description="by when, as 2026-01-31")
    status: Literal["planned", "in_progress", "done"] = Field(default="planned", description="how far it is")
    done_on: date | None = Field(default=None, description="when it was done")


class Review(Part):
    """One management review: who looked, what they knew of changes outside, what they decided."""

    on: date = Field(description="the day of the review, as 2026-01-31")
    by: Text = Field(description="who held it")
    issues: str = Field(default="", description="changes of external and internal issues and of what interested parties need")
    improvements: str = Field(default="", description="opportunities for improvement that were seen")
    decisions: tuple[Text, ...] = Field(default=(), description="what was decided")
    actions: tuple[ReviewAction, ...] = Field(default=(), description="what is to be done, by whom, by when")
    next_due: date | None = Field(default=None, description="by when the next review is held, as 2026-01-31")
