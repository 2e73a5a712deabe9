"""The table 'evidence to risk': for each check whose measures bear on a risk, its sources, objectives, event and cause."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


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
    events: Mapping[str, str] = field(default_factory=dict)
    """Events of some of the things asked of (by the first of ``by``), where they are another kind of thing."""

    def event_of(self, names: Mapping[str, str]) -> str:
        """Return the event for what was asked of, by the names in ``by``."""
        kind = names.get(self.by[0], "") if self.by else ""
        return self.events.get(kind, self.event).format_map(names)


_DAMAGE = "the model does not deal as is asked with input that is damaged ({perturbation})"
_STEADY = "the model's answer hangs more than is tolerated on what must not matter ({perturbation})"
PERTURBED: Mapping[str, str] = {
    **dict.fromkeys(("out_of_range", "unseen_category", "unit_error", "swapped_columns", "missing_column"), _DAMAGE),
    **dict.fromkeys(("row_order", "repeat", "batch_of_one", "float32", "int_as_float"), _STEADY),
    "worst_slice": "the model does worse on some part of the data than is tolerated ({perturbation})",
    "search": "small changes that are allowed change the model's answer more easily than is tolerated ({perturbation})",
}
"""Events of robustness where more than disturbed input is meant."""

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
        PERTURBED,
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
    "leakage": "the model is told the answer in a way that it will not be told in use, so that it looks better than it is",
    "baseline": "the model does worse than the version that it replaces",
    "representativeness": "the data do not stand for the people that they should stand for",
    "personal_data": "personal data are used that nobody has declared",
}
"""Events of checks that have no family of their own, where the check's name does not say enough."""
