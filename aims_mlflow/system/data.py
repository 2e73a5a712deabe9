"""Which data play which role, which columns are sensitive, where the data came from, and whom they should stand for."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import Field, model_validator

from aims_mlflow.system.parts import Part, RoleName, Text

SHARES_TOLERANCE = 0.005
"""How far declared shares may add up to something else than 1: published ones are rounded."""


class Source(Part):
    """Where data came from and on what terms: what acquisition evidence (A.7.3) asks for."""

    uri: str = Field(default="", description="where it was obtained")
    licence: str = Field(default="", description="SPDX id or name of the licence")
    owner: str = Field(default="", description="who owns the data")
    acquired: date | None = Field(default=None, description="when it was obtained")
    collection: str = Field(default="", description="how and when it was collected")
    legal_basis: str = Field(default="", description="on what legal basis it is used")
    personal_data: bool | None = Field(default=None, description="whether it holds personal data")
    special_categories: bool | None = Field(
        default=None, description="whether it holds special categories (health, origin, belief and so on)"
    )
    consent_reference: str = Field(default="", description="where consent is documented, if consent is the basis")
    retention: str = Field(default="", description="how long it is kept")
    derived_from: tuple[str, ...] = Field(default=(), description="sha256 digests or URIs of the data it was made from")
    sha256: str = Field(default="", pattern=r"^([0-9a-f]{64})?$", description="expected content fingerprint, where it is known")


class BinnedColumn(Part):
    """A numeric sensitive column with the bins in which it is judged: edges a < b < c give (-inf, a), [a, b), [b, c), [c, inf)."""

    column: Text = Field(description="the numeric column")
    bins: tuple[float, ...] = Field(min_length=1, description="inner edges, rising; a value on an edge belongs to the bin above it")

    @model_validator(mode="after")
    def _edges_rise(self) -> BinnedColumn:
        if list(self.bins) != sorted(set(self.bins)):
            raise ValueError("the bins are not rising numbers, each once; write the inner edges as [25, 40]")
        return self


class Population(Part):
    """Whom the data should stand for: the share of each group in the population."""

    column: Text = Field(description="a sensitive column, or one that names groups")
    shares: dict[Text, Annotated[float, Field(ge=0, le=1)]] = Field(
        min_length=2, description="group: its share in the population; the shares add up to 1"
    )
    source: str = Field(default="", description="where the shares come from, such as a census and its year")

    @model_validator(mode="after")
    def _shares_add_up(self) -> Population:
        total = sum(self.shares.values())
        if abs(total - 1) > SHARES_TOLERANCE:
            raise ValueError(f"the shares add up to {total:g}, not to 1; correct them, or add a group for everybody else")
        return self


class Data(Part):
    """Which data play which role, which columns are sensitive, and where the data came from."""

    roles: dict[RoleName, Text] = Field(min_length=1, description="role: name of the tracked function's argument that holds the frame")
    sensitive: tuple[Text | BinnedColumn, ...] = Field(
        default=(), description="columns of the frames that name groups of people; need not be features"
    )
    intersections: bool = Field(default=True, description="whether combinations of sensitive columns are looked at too")
    features: tuple[Text, ...] | None = Field(default=None, description="null: every column but the target and the sensitive ones")
    time: str = Field(default="", description="column with the time of each row; test rows must come after the train rows")
    populations: tuple[Population, ...] = Field(
        default=(), description="whom the data should stand for: shares of groups in the population"
    )
    sources: dict[RoleName, Source] = Field(default_factory=dict, description="where the data in each role came from")

    @property
    def sensitive_columns(self) -> tuple[str, ...]:
        """The names of the sensitive columns."""
        return tuple(s if isinstance(s, str) else s.column for s in self.sensitive)
