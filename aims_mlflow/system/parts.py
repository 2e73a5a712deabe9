"""What every part of the system file is made of: the strict base class, and the kinds of text, id and label."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

ROLES: tuple[str, ...] = ("train", "validation", "test", "reference", "production")
"""The roles that data can play in a run."""

Text = Annotated[str, Field(min_length=1, max_length=10_000)]
Label = str | int | float | bool
ControlId = Annotated[str, Field(pattern=r"^A\.(10|[2-9])(\.\d{1,2}){1,2}$", description="an Annex A control id, such as A.7.4")]
ObjectiveId = Annotated[str, Field(pattern=r"^C\.2\.(\d|1[01])$", description="an Annex C objective id, such as C.2.5")]
RoleName = Literal["train", "validation", "test", "reference", "production"]
TierName = Literal["low", "limited", "high"]

TIERS: tuple[TierName, ...] = ("low", "limited", "high")
"""How much is at stake with a system, rising: what is asked of a tier is asked of every higher one."""


class Part(BaseModel):
    """Base of every part of the system file: unknown keys refused, numbers finite, values frozen."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
