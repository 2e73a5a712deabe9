"""What robustness tests may assume about the columns: which never change, how far they reach, which can be mistaken."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from aims_mlflow.system.parts import Part, Text

Factor = Annotated[float, Field(gt=0)]


class Robustness(Part):
    """What is known of the columns when the model is put on trial."""

    immutable: tuple[Text, ...] = Field(default=(), description="columns that a search for a changed answer may not change")
    ranges: dict[Text, tuple[float, float]] = Field(
        default_factory=dict, description="column: [least, most] that it can be; default: what the train data show"
    )
    swaps: tuple[tuple[Text, Text], ...] = Field(default=(), description="pairs of columns that can be mistaken for one another")
    units: dict[Text, tuple[Factor, ...]] = Field(
        default_factory=dict, description="column: factors by which its unit can be mistaken; default: 10 and 1000 on every numeric column"
    )
    queries: int = Field(default=1000, ge=100, le=1_000_000, description="rows that a search may ask the model about, in all")

    @model_validator(mode="after")
    def _makes_sense(self) -> Robustness:
        for column, (least, most) in self.ranges.items():
            if least >= most:
                raise ValueError(f"the range of {column} does not rise; write the least and the most, as [0, 100]")
        for one, other in self.swaps:
            if one == other:
                raise ValueError(f"{one} cannot be swapped with itself; name two columns")
        for column, factors in self.units.items():
            if not factors or 1.0 in factors:
                raise ValueError(f"the unit factors of {column} change nothing; write factors other than 1, as [10, 1000]")
        return self
