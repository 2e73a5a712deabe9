"""What is asked once the model is in operation: how often somebody looks, what is logged and for how long, how soon a breach is mended."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from aims_mlflow.system.parts import Part

KindName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.:/-]{0,99}$", description="the name of a kind of event, such as prediction")]


class Operation(Part):
    """What is asked once the model is in operation: monitoring, the event log, and how soon a breach is mended."""

    monitor_every_days: int | None = Field(
        default=None,
        ge=1,
        description="the longest time between two looks (aims monitor); null: there is no plan, and A.6.2.6 stays missing",
    )
    act_within_days: int = Field(default=30, ge=1, description="a nonconformity that is open longer than this is overdue")
    largest_shift: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="how far a share (cells filled, favourable outcomes, a group) may lie from what training recorded; null: shown only",
    )
    longest_gap_hours: float | None = Field(
        default=None, gt=0, description="the longest time without an event in the event log; null: not declared, and A.6.2.8 stays missing"
    )
    retention_days: int | None = Field(default=None, ge=1, description="how long the event log is kept")
    event_kinds: tuple[KindName, ...] = Field(default=(), description="kinds of events that the event log must hold, such as prediction")
