"""The table 'evidence to risk': for each check whose measures bear on a risk, its sources, objectives, event and cause."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    """A row of the table 'evidence to risk': the check, its risk sources and objectives, and what the entries are told apart by."""

    check: str
    sources: tuple[str, ...]
    objectives: tuple[str, ...]
    by: tuple[str, ...]
    event: str
    cause: str
    example: str
    anywhere: str = ""
    """The event where nothing in particular has been asked of."""


FAMILIES: tuple[Family, ...] = (
    Family(
        "fairness",
        ("C.3.4",),
        ("C.2.5",),
        ("column",),
        "outcomes differ between groups of {column} by more than is tolerated",
        "the model, or the data it learned from, treats groups of people differently",
        "{{check: fairness, metric: demographic_parity_ratio, column: {column}, min: 0.80, because: …}}",
        "outcomes differ between groups of people by more than is tolerated",
    ),
    Family(
        "robustness",
        ("C.3.1", "C.3.4"),
        ("C.2.8",),
        ("perturbation",),
        "the model loses more than is tolerated when its input is disturbed ({perturbation})",
        "input in use differs from the data that the model was tested on",
        "{{check: robustness, perturbation: numeric_noise, strength: 0.1, metric: accuracy_drop, max: 0.05}}",
        "the model loses more than is tolerated when its input is disturbed",
    ),
    Family(
        "drift",
        ("C.3.6",),
        ("C.2.3", "C.2.8"),
        ("dataset", "reference"),
        "the {dataset} data differ from the {reference} data by more than is tolerated (a warning, not a loss of accuracy)",
        "the population, or the way the data are collected, has changed",
        "{{check: drift, dataset: test, reference: train, metric: drifted_columns_share, max: 0.2}}",
        "data differ from those the model was trained on by more than is tolerated",
    ),
    Family(
        "quality",
        ("C.3.4",),
        ("C.2.3",),
        ("dataset",),
        "the {dataset} data do not meet a declared quality requirement",
        "errors in collecting, entering or preparing the data",
        "{{check: quality, dataset: train, suite: expectations/train.json}}",
        "the data are not good enough for their purpose",
    ),
)
"""The measured rows of 'evidence to risk', as CONTROLS lists them."""

OTHERS = Family("", ("C.3.4",), (), (), "{check} does not meet what is asked of it", "the model or its data fall short", "")
EVENTS = {
    "performance": "the model performs less well than is asked of it",
    "overlap": "the model is tested on rows that it was trained on, so that it looks better than it is",
}
"""Events of checks that have no family of their own, where the check's name does not say enough."""
