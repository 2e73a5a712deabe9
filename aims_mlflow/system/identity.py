"""What the system is, whose it is, what it is for, and what its model predicts."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, model_validator

from aims_mlflow.errors import ConfigurationError
from aims_mlflow.system.parts import Label, Part, Text, TierName

MODEL_NAME = r"^[^/:]{0,256}$"
"""What MLflow takes for the name of a registered model: its database holds 256 characters, and URIs need / and : for themselves."""


def registrable(name: str | None) -> str | None:
    """Return the name of a registered model as it stands; raises ConfigurationError where MLflow would refuse it."""
    if name and re.fullmatch(MODEL_NAME, name) is None:
        raise ConfigurationError(
            f"{name[:80]!r} cannot be the name of a registered model", where="register", fix="take at most 256 characters, without / and :"
        )
    return name


class Person(Part):
    """Who answers for something."""

    name: Text = Field(description="the person, or the role that somebody holds")
    contact: str = Field(default="", description="how to reach them")


class Party(Part):
    """People whom the system's outcomes touch."""

    name: Text = Field(description="who they are, such as applicants")
    size: int | None = Field(default=None, ge=0, description="how many people in a year")
    vulnerable: bool | None = Field(default=None, description="whether they need special care (children, patients, people in need)")
    source: str = Field(default="", description="where the size comes from")


class Identity(Part):
    """What the system is, whose it is, and what it is for."""

    id: str = Field(pattern=r"^[a-z0-9-]{1,64}$", description="the tag aims.system: lower-case letters, digits and hyphens")
    name: str = Field(default="", description="the name people use")
    description: str = Field(default="", description="what it does, in a few sentences")
    owner: Person | None = Field(default=None, description="who answers for the system")
    purpose: str = Field(default="", description="what it is for, in one sentence")
    intended_uses: tuple[Text, ...] = Field(default=(), description="uses it was made for")
    prohibited_uses: tuple[Text, ...] = Field(default=(), description="uses that are ruled out")
    affected_parties: tuple[Party, ...] = Field(default=(), description="people whom its outcomes touch")
    deployment: str = Field(default="", description="where and under which limits it runs: geography, languages, constraints")
    model: str = Field(
        default="",
        pattern=MODEL_NAME,
        description="the registered model's name in MLflow, without / and :; a tracked model is registered under it",
    )
    baseline: str = Field(default="", description="the version that a new one is compared with, such as models:/credit-scoring@champion")
    tier: TierName | None = Field(
        default=None, description="how much is at stake, for the organisation file: low, limited or high; null: as that file says"
    )


class Task(Part):
    """What the model predicts."""

    kind: Literal["binary_classification", "multiclass_classification", "regression"] = Field(description="what kind of thing is predicted")
    target: Text = Field(description="the column to predict")
    positive_label: Label | None = Field(
        default=None, description="binary tasks: the positive label as it stands in the data; never guessed"
    )
    favourable_label: Label | None = Field(default=None, description="the outcome people want; default: positive_label")

    @model_validator(mode="after")
    def _positive_label_is_named(self) -> Task:
        if self.kind == "binary_classification" and self.positive_label is None:
            raise ValueError("a binary task needs positive_label; write it as it stands in the data (such as 1, true or 'yes')")
        return self

    @property
    def favourable(self) -> Label | None:
        """The outcome people want."""
        return self.positive_label if self.favourable_label is None else self.favourable_label
