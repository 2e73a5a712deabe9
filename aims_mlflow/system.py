"""The system file's words: one AI system as it is declared in ``aims.yaml``, typed, every key with its meaning."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, PrivateAttr, model_validator

from aims_mlflow.evidence import Severity, digest

ROLES: tuple[str, ...] = ("train", "validation", "test", "reference", "production")
"""The roles that data can play in a run."""

Text = Annotated[str, Field(min_length=1, max_length=10_000)]
Label = str | int | float | bool
ControlId = Annotated[str, Field(pattern=r"^A\.(10|[2-9])(\.\d{1,2}){1,2}$", description="an Annex A control id, such as A.7.4")]
ObjectiveId = Annotated[str, Field(pattern=r"^C\.2\.(\d|1[01])$", description="an Annex C objective id, such as C.2.5")]
RoleName = Literal["train", "validation", "test", "reference", "production"]


class Part(BaseModel):
    """Base of every part of the system file: unknown keys refused, numbers finite, values frozen."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


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
    model: str = Field(default="", description="the registered model's name in MLflow; a tracked model is registered under it")


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


class Data(Part):
    """Which data play which role, which columns are sensitive, and where the data came from."""

    roles: dict[RoleName, Text] = Field(min_length=1, description="role: name of the tracked function's argument that holds the frame")
    sensitive: tuple[Text | BinnedColumn, ...] = Field(
        default=(), description="columns of the frames that name groups of people; need not be features"
    )
    intersections: bool = Field(default=True, description="whether combinations of sensitive columns are looked at too")
    features: tuple[Text, ...] | None = Field(default=None, description="null: every column but the target and the sensitive ones")
    sources: dict[RoleName, Source] = Field(default_factory=dict, description="where the data in each role came from")

    @property
    def sensitive_columns(self) -> tuple[str, ...]:
        """The names of the sensitive columns."""
        return tuple(s if isinstance(s, str) else s.column for s in self.sensitive)


class Expectation(Part):
    """One Great Expectations expectation, in the form its own JSON uses."""

    type: Text = Field(description="its name, such as expect_column_values_to_not_be_null")
    kwargs: dict[str, JsonValue] = Field(default_factory=dict, description="its arguments, such as column, min_value, max_value, mostly")
    meta: dict[str, JsonValue] | None = Field(default=None, description="notes for people and tools; not evaluated")
    notes: str | list[str] | None = Field(default=None, description="notes for people; not evaluated")
    severity: str | None = Field(
        default=None, description="Great Expectations' own severity; the requirement's severity is what counts here"
    )
    id: str | None = Field(default=None, description="Great Expectations' own id; not evaluated")


class Requirement(Part):
    """What is asked of a check: a metric, what it is asked of, and one bound. Quality takes an expectation or a suite instead."""

    check: Text = Field(description="name of the check: performance, fairness, robustness, drift, overlap, quality, or your own")
    metric: str = Field(default="", description="name of the measure")
    column: str = Field(default="", description="the column it is asked of; fairness without one asks it of every sensitive column")
    dataset: str = Field(default="", description="data role; default: test for what is measured on predictions")
    datasets: tuple[str, ...] = Field(default=(), description="two data roles, for overlap")
    reference: str = Field(default="", description="data role to compare with, for drift")
    perturbation: str = Field(default="", description="robustness: numeric_noise, missing, ...")
    strength: float | None = Field(default=None, ge=0, description="robustness: how strong")
    expectation: Expectation | None = Field(default=None, description="quality: one Great Expectations expectation")
    suite: str = Field(default="", description="quality: path of a Great Expectations suite, beside the system file")
    min: float | None = Field(default=None, description="the measure must be at least this")
    max: float | None = Field(default=None, description="the measure must be at most this")
    equals: float | None = Field(default=None, description="the measure must be this")
    severity: Severity = Field(
        default=Severity.CRITICAL, description="critical can block; major and minor are shown and feed the risk record"
    )
    minimum_n: int | None = Field(
        default=None, ge=1, description="rows (per group, for fairness) below which nothing is decided; default 100"
    )
    because: str = Field(default="", description="why this bound")
    owner: str = Field(default="", description="who stands behind it")
    declared: date | None = Field(default=None, description="when it was set; it must precede the result")
    objective: ObjectiveId | None = Field(
        default=None, description="the Annex C objective it serves, such as C.2.5; default: the check's own"
    )

    @model_validator(mode="after")
    def _asks_one_thing(self) -> Requirement:
        bounds = [b for b in (self.min, self.max, self.equals) if b is not None]
        if self.expectation is not None or self.suite:
            if self.check != "quality":
                raise ValueError("expectation and suite belong to the check quality; write check: quality")
            if bounds or self.metric or (self.expectation is not None and self.suite):
                raise ValueError("a quality requirement asks one thing; give an expectation, or a suite, or a metric with one bound")
        elif not self.metric or len(bounds) != 1:
            raise ValueError("a requirement needs a metric and exactly one bound; add metric: ... and one of min, max or equals")
        return self

    @property
    def id(self) -> str:
        """A readable id, the same for the same question: check.metric[what it is asked of]."""
        name = self.check + (f".{self.metric}" if self.metric else "")
        asked = ", ".join(f"{k}={v}" for k, v in self.scope.items())
        return f"{name}[{asked}]" if asked else name

    @property
    def scope(self) -> dict[str, str]:
        """What it is asked of, with the keys and spellings of ``CheckResult.scope``; only what was given."""
        scope = {
            "dataset": self.dataset,
            "datasets": ",".join(self.datasets),
            "reference": self.reference,
            "column": self.column,
            "perturbation": self.perturbation,
            "strength": "" if self.strength is None else f"{self.strength:g}",
            "expectation": "" if self.expectation is None else expectation_id(self.expectation),
            "suite": self.suite,
        }
        return {key: value for key, value in scope.items() if value}

    @property
    def bound(self) -> str:
        """The bound in words, such as "at least 0.8"."""
        for words, value in (("at least", self.min), ("at most", self.max), ("exactly", self.equals)):
            if value is not None:
                return f"{words} {value:g}"
        return "met in full"


def expectation_id(expectation: Expectation) -> str:
    """Return how an expectation is cited: its type, its column if it has one, and eight digits of its content digest."""
    column = expectation.kwargs.get("column")
    content = digest({"type": expectation.type, "kwargs": expectation.kwargs})[:8]
    return ":".join([expectation.type, *([column] if isinstance(column, str) else []), content])


class Gate(Part):
    """What the gate protects and how strict it is."""

    protects: tuple[Text, ...] = Field(default=("champion", "production"), description="aliases and stages, compared case-folded")
    controls: tuple[ControlId, ...] | None = Field(
        default=None, description="null: every A.6/A.7 control that can have evidence before deployment"
    )
    inconclusive: Literal["block", "allow"] = Field(default="block", description="what undecided evidence does")
    max_age_days: int = Field(default=30, ge=1, description="evidence older than this is stale")
    trusted_keys: tuple[Text, ...] = Field(default=(), description="key ids; empty: any key, and the decision says so")


class Adoption(Part):
    """Who adopted something, and when."""

    adopted_by: Text = Field(description="the person or the role")
    adopted_on: date = Field(description="the day, as 2026-01-31")


class Consequence(Part):
    """How bad it would be, as a named person sees it."""

    objective: ObjectiveId = Field(description="the Annex C objective that suffers, such as C.2.5")
    party: Text = Field(description="whom it hits: a name under system.affected_parties")
    dimension: str = Field(default="", description="rights, health, money, safety, environment, ...")
    class_: int = Field(alias="class", ge=1, le=5, description="consequence class 1 (slight) to 5 (grave)")
    rationale: str = Field(default="", description="why this class")
    set_by: Text = Field(description="who says so")
    set_on: date = Field(description="when, as 2026-01-31")


class Treatment(Part):
    """What is done about a risk."""

    objective: ObjectiveId = Field(description="the Annex C objective whose risk is treated")
    option: Literal["avoid", "modify", "share", "retain", "remove_source"] = Field(description="the treatment option, in ISO 31000's words")
    action: Text = Field(description="what is done")
    owner: Text = Field(description="who does it")
    due: date | None = Field(default=None, description="by when, as 2026-01-31")
    status: Literal["planned", "in_progress", "done"] = Field(default="planned", description="how far it is")
    done_on: date | None = Field(default=None, description="when it was done; residual risk comes from evidence after this day")
    control: ControlId | None = Field(default=None, description="the Annex A control it belongs to")


class Breakpoints(Part):
    """From how many excess adverse decisions a consequence is at least of a class: class -> number, rising."""

    excess_adverse_decisions: dict[Annotated[int, Field(ge=2, le=5)], Annotated[float, Field(gt=0)]] = Field(
        default_factory=dict,
        description="consequence class 2 to 5: number of excess adverse decisions a year from which it is at least that",
    )

    @model_validator(mode="after")
    def _numbers_rise(self) -> Breakpoints:
        numbers = [number for _, number in sorted(self.excess_adverse_decisions.items())]
        if numbers != sorted(set(numbers)):
            raise ValueError("the numbers do not rise with the class; give a higher class a higher number")
        return self


class Risk(Part):
    """Risk criteria, consequences and treatments."""

    criteria: Adoption | None = Field(default=None, description="who adopted the risk criteria; without it no record reads ASSESSED")
    matrix: dict[Literal["L1", "L2", "L3", "L4", "L5"], tuple[Literal["low", "moderate", "high", "very_high"], ...]] | None = Field(
        default=None, description="null: the default table; else likelihood -> five levels, for C1 to C5"
    )
    consequences: tuple[Consequence, ...] = Field(
        default=(), description="how bad it would be, per objective and party, set by named people"
    )
    breakpoints: Breakpoints = Field(default=Breakpoints(), description="numbers from which evidence raises a consequence")
    treatments: tuple[Treatment, ...] = Field(default=(), description="what is done about the risks")

    @model_validator(mode="after")
    def _matrix_is_whole(self) -> Risk:
        if self.matrix is not None and (len(self.matrix) != 5 or any(len(row) != 5 for row in self.matrix.values())):
            raise ValueError("the matrix is not whole; give the five rows L1 to L5 with five levels each")
        return self


class Answer(Part):
    """A person's answer to one question of the impact record."""

    text: Text = Field(description="the answer")
    by: Text = Field(description="who gives it")
    on: date = Field(description="when, as 2026-01-31")
    not_applicable: bool = Field(default=False, description="the question does not apply, and the text says why")


class Impact(Part):
    """What only a person can say, under ISO/IEC 42005's headings."""

    answers: dict[str, Answer] = Field(default_factory=dict, description="question: answer, such as benefits, harms, misuse")


class Attestation(Part):
    """A person's word where a run cannot tell."""

    control: ControlId = Field(description="the Annex A control it is about, such as A.6.2.2")
    statement: Text = Field(description="what is attested, in a sentence")
    by: Text = Field(description="who attests it")
    on: date = Field(description="when, as 2026-01-31")
    reference: str = Field(default="", description="the document it rests on")
    expires: date | None = Field(default=None, description="the last day on which it counts")
    not_applicable: bool = Field(default=False, description="the control does not apply to this system, and the statement says why")


class Waiver(Part):
    """Lets one requirement or control through, by name, for a time; shown wherever it applies."""

    control: ControlId = Field(description="the Annex A control that is waived; the keys below narrow it to one check or requirement")
    check: str = Field(default="", description="only evidence of this check")
    metric: str = Field(default="", description="only evidence about this metric")
    column: str = Field(default="", description="only evidence about this column")
    requirement: str = Field(default="", description="the id of one requirement, as the gate prints it")
    reason: Text = Field(description="why it is let through")
    approved_by: Text = Field(description="who answers for that")
    on: date = Field(description="when it was given, as 2026-01-31")
    expires: date = Field(description="the last day on which it counts")

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Waiver:
        if self.expires < self.on:
            raise ValueError("it expires before it was given; correct one of the two dates")
        return self


class System(Part):
    """One AI system, for the people who answer for it and for the gate."""

    version: Literal[1] = Field(description="the version of this format: 1")
    system: Identity = Field(description="what the system is, whose it is, and what it is for")
    task: Task = Field(description="what the model predicts")
    data: Data = Field(description="which data play which role, which columns are sensitive, where the data came from")
    requirements: tuple[Requirement, ...] = Field(default=(), description="what is asked of the checks: metric and bound")
    gate: Gate = Field(default=Gate(), description="what the gate protects and how strict it is")
    risk: Risk = Field(default=Risk(), description="risk criteria, consequences and treatments")
    impact: Impact = Field(default=Impact(), description="what only a person can say about the system's impact")
    attestations: tuple[Attestation, ...] = Field(default=(), description="a person's word where a run cannot tell")
    waivers: tuple[Waiver, ...] = Field(default=(), description="what is let through, by name, for a time")

    _base_dir: Path | None = PrivateAttr(default=None)

    @property
    def base_dir(self) -> Path | None:
        """The folder of the system file, beside which suites are read; None where there is no file. Not in dumps or the digest."""
        return self._base_dir

    def at(self, base_dir: Path | None) -> System:
        """Return the same declaration as it reads from the folder ``base_dir``."""
        moved = self.model_copy()
        moved._base_dir = base_dir
        return moved

    @property
    def id(self) -> str:
        """The system's id, as in the tag ``aims.system``."""
        return self.system.id

    @property
    def sha256(self) -> str:
        """The digest of the whole declaration: which policy something was judged by."""
        return digest(self.model_dump(mode="json", by_alias=True))
