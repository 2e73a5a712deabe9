"""A first ``aims.yaml`` for a data file: commented, with proposed requirements, right as it stands.

No data value is written into it but the labels that a person passed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from aims_mlflow.errors import ConfigurationError, UnknownNameError
from aims_mlflow.system import Label
from aims_mlflow.system_file.strict_yaml import Refused, read

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["binary_classification", "multiclass_classification", "regression"]

MANY_NUMBERS = 10
"""A numeric sensitive column with more distinct values than this needs bins: its groups would be too small to judge."""
MANY_CLASSES = 20
"""A numeric target with more distinct values than this is taken for a quantity."""


@dataclass(frozen=True)
class Column:
    """What is known of a column: its name, its kind, how many distinct values it has and how many are missing; no value itself."""

    name: str
    kind: Literal["number", "boolean", "text"]
    distinct: int
    missing: int

    @property
    def needs_bins(self) -> bool:
        """Whether its groups would be too many to judge one by one."""
        return self.kind == "number" and self.distinct > MANY_NUMBERS


class DataFile:
    """A CSV or Parquet file; only the columns that are asked for are read."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise ConfigurationError("there is no such data file", where=str(path), fix="check the path")
        self._parquet = self.path.suffix.casefold() in (".parquet", ".pq")
        if not self._parquet and self.path.suffix.casefold() not in (".csv", ".gz", ".bz2", ".zip", ".xz", ".txt"):
            raise ConfigurationError(
                "only CSV and Parquet files are read", where=str(path), fix="give a file that ends in .csv or .parquet"
            )
        self.columns = self._names()

    def _names(self) -> tuple[str, ...]:
        frame = self._read(None, rows=0)
        names = tuple(frame.columns)
        if not names or not all(isinstance(name, str) for name in names):
            raise ConfigurationError("the columns have no names in text", where=str(self.path), fix="give the file a header line")
        if len(names) == 1 and any(mark in names[0] for mark in ";\t|"):
            raise ConfigurationError(
                "the file is not separated by commas", where=str(self.path), fix="save it as CSV with commas, or as Parquet"
            )
        return names

    def _read(self, columns: Sequence[str] | None, rows: int | None = None) -> pd.DataFrame:
        import pandas as pd

        try:
            if not self._parquet:
                return pd.read_csv(self.path, usecols=None if columns is None else list(columns), nrows=rows)
            if rows == 0:
                import pyarrow.parquet

                empty: pd.DataFrame = pyarrow.parquet.read_schema(self.path).empty_table().to_pandas()
                return empty
            return pd.read_parquet(self.path, columns=None if columns is None else list(columns))
        except Exception as error:  # the libraries raise all sorts of errors here, and their texts quote data
            raise ConfigurationError(
                f"the data file cannot be read ({type(error).__name__})",
                where=str(self.path),
                fix="check that it is CSV in UTF-8, or Parquet",
            ) from None

    def column(self, name: str) -> Column:
        """Return what is known of a column; raises UnknownNameError with the nearest known one."""
        from pandas.api.types import is_bool_dtype, is_numeric_dtype

        values = self._values(name)
        kind: Literal["number", "boolean", "text"] = "text"
        if is_bool_dtype(values.dtype):
            kind = "boolean"
        elif is_numeric_dtype(values.dtype):
            kind = "number"
        return Column(name, kind, int(values.nunique()), int(values.isna().sum()))

    def label(self, target: str, text: str) -> Label:
        """Return the label that ``text`` means in the target column, as it stands in the data.

        Raises:
            ConfigurationError: it does not occur there.
        """
        values = self._values(target).dropna()
        candidates: list[Label] = [text]
        if self.column(target).kind == "number":
            candidates = [number for number in (_number(text, int), _number(text, float)) if number is not None]
        elif self.column(target).kind == "boolean":
            candidates = [text.casefold() == "true"] if text.casefold() in ("true", "false") else []
        for candidate in candidates:
            if bool((values == candidate).any()):
                return candidate
        raise ConfigurationError(
            "that label does not occur in the target column",
            where=f"column {target!r}",
            fix="pass a label exactly as it stands in the data",
        )

    def _values(self, name: str) -> pd.Series[Any]:
        if name not in self.columns:
            raise UnknownNameError.among("column", name, self.columns, where=str(self.path))
        return self._read([name])[name]


def _number(text: str, kind: type[int] | type[float]) -> int | float | None:
    try:
        return kind(text)
    except ValueError:
        return None


def likely_kind(target: Column) -> Kind:
    """Return what a target column looks like: two values binary, a number with many values regression, else multiclass."""
    if target.distinct == 2:
        return "binary_classification"
    return "regression" if target.kind == "number" and target.distinct > MANY_CLASSES else "multiclass_classification"


@dataclass(frozen=True)
class Draft:
    """What a person has said about the system; ``sensitive`` maps a column to its inner bin edges, None for none."""

    id: str
    target: str
    kind: Kind
    positive_label: Label | None = None
    favourable_label: Label | None = None
    sensitive: Mapping[str, tuple[float, ...] | None] | None = None
    today: date | None = None

    def text(self) -> str:
        """Return the file's text."""
        parts = (_HEAD, self._system(), self._task(), self._data(), self._requirements(), _TAIL)
        return "\n".join(part.strip("\n") + "\n" for part in parts)

    def _system(self) -> str:
        return _SYSTEM.replace("{id}", quoted(self.id))

    def _task(self) -> str:
        lines = [
            "task:",
            f"  kind: {self.kind}   # binary_classification, multiclass_classification or regression",
            f"  target: {quoted(self.target)}",
        ]
        if self.positive_label is not None:
            lines.append(f"  positive_label: {quoted(self.positive_label)}   # as it stands in the data")
        if self.kind != "regression":
            favourable = self.positive_label if self.favourable_label is None else self.favourable_label
            shown = f"favourable_label: {quoted(favourable)}" if favourable is not None else "# favourable_label: a label"
            lines.append(f"  {shown}   # the outcome people want; fairness counts who gets it")
        return "\n".join(lines)

    def _data(self) -> str:
        named = [
            quoted(column) if bins is None else f"{{column: {quoted(column)}, bins: [{', '.join(f'{edge:g}' for edge in bins)}]}}"
            for column, bins in (self.sensitive or {}).items()
        ]
        return _DATA.replace("{sensitive}", f"[{', '.join(named)}]")

    def _requirements(self) -> str:
        said = f"because: proposed by aims init, declared: {(self.today or datetime.now(UTC).date()).isoformat()}"
        lines = [
            "requirements:   # check, metric, what it is asked of, and one bound: min, max or equals. Critical ones can block.",
            "  # These bounds are proposals: replace each by your own, and say why in because.",
            *(f"  - {{{line}, {said}}}" for line in self._proposals()),
        ]
        return "\n".join([*lines, *self._fairness_later()])

    def _proposals(self) -> Iterable[str]:
        performance = {"binary_classification": "roc_auc_score, min: 0.7", "multiclass_classification": "balanced_accuracy_score, min: 0.5"}
        drop = "r2_drop" if self.kind == "regression" else "accuracy_drop"
        yield f"check: performance, metric: {performance.get(self.kind, 'r2_score, min: 0.3')}"
        yield from self._fairness()
        yield f"check: robustness, perturbation: numeric_noise, strength: 0.1, metric: {drop}, max: 0.05"
        yield f"check: robustness, perturbation: missing, strength: 0.1, metric: {drop}, max: 0.1"
        yield "check: drift, dataset: test, reference: train, metric: drifted_columns_share, max: 0.2"
        yield "check: overlap, datasets: [train, test], metric: shared_rows, max: 0"
        yield "check: quality, dataset: train, metric: completeness, min: 0.95"
        yield "check: quality, dataset: test, metric: completeness, min: 0.95"

    def _fairness(self) -> list[str]:
        """Propose fairness bounds per sensitive column; of a quantity none, since its bound is in the units of the target."""
        asked = []
        if self.kind != "regression" and (self.positive_label is not None or self.favourable_label is not None):
            asked.append("demographic_parity_ratio, column: {}, min: 0.8")
        if self.kind == "binary_classification":
            asked.append("equalized_odds_difference, column: {}, max: 0.2")
        if self.kind == "multiclass_classification":
            asked.append("true_positive_rate_difference_class_max, column: {}, max: 0.2")
        return [f"check: fairness, metric: {one.format(quoted(column))}" for column in (self.sensitive or {}) for one in asked]

    def _fairness_later(self) -> list[str]:
        """Say what fairness still needs, with a line to take over."""
        if self._fairness():
            return []
        columns = list(self.sensitive or ())
        column = quoted(columns[0]) if columns else "a sensitive column"
        metric = "mean_absolute_error_difference" if self.kind == "regression" else "demographic_parity_ratio"
        bound = "max: 1" if self.kind == "regression" else "min: 0.8"
        needs = "a bound in the units of the target" if columns else "a sensitive column (data.sensitive)"
        return [
            f"  # Fairness needs {needs}. Then ask for instance:",
            f"  # - {{check: fairness, metric: {metric}, column: {column}, {bound}, because: why this bound}}",
        ]


_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*(?: [A-Za-z0-9_./-]+)*")


def quoted(value: Label) -> str:
    """Return a scalar as YAML that reads back as the same value; raises ConfigurationError where it holds what a system file may not."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        text = repr(value)
    elif _PLAIN.fullmatch(value) and value.casefold() not in ("true", "false", "null"):
        text = value
    else:
        text = json.dumps(value, ensure_ascii=False)
    try:
        node, mistakes = read(text)
    except Refused:
        node, mistakes = None, []
    if node is None or mistakes or node.value != value:
        raise ConfigurationError(
            "a name or a label holds characters that a system file may not hold", fix="rename the column, or recode the label"
        )
    return text


_HEAD = """
# aims.yaml: one AI system, for the people who answer for it and for the gate. Lines that begin with # are proposals:
# take the # away and fill them in. Whatever is left out becomes missing evidence with the line to add, never a pass.
# aims validate aims.yaml checks this file; aims validate --schema prints its JSON Schema, for editors.
version: 1
"""

_SYSTEM = """
system:
  id: {id}   # the tag aims.system: lower-case letters, digits and hyphens
  # name: what people call it
  # model: the registered model's name in MLflow; a tracked model is registered under it
  # owner: {name: who answers for it, contact: how to reach them}
  # purpose: what it is for, in one sentence.
  # intended_uses: [a use it was made for]
  # prohibited_uses: [a use that is ruled out]
  # affected_parties:
  #   - {name: people whom its outcomes touch, size: 1000, vulnerable: false, source: where the size comes from}
  # deployment: where and under which limits it runs
  # baseline: models:/the registered name@champion   # the version that a new one is compared with
"""

_DATA = """
data:
  roles: {train: train, test: test}   # role: argument of the tracked function. Roles: train, validation, test, reference, production
  sensitive: {sensitive}   # columns that name groups of people; need not be features of the model
  intersections: true   # look at combinations of sensitive columns too
  features: null   # null: every column but the target and the sensitive ones
  # time: column with the time of each row   # test rows must come after the train rows
  # populations:   # whom the data stand for
  #   - {column: a column, shares: {one group: 0.5, the other: 0.5}, source: a census and its year}
  # sources:   # what acquisition evidence (A.7.3) asks for, for each role
  #   train:
  #     uri: where it was obtained
  #     licence: SPDX id or name of the licence
  #     owner: who owns the data
  #     acquired: 2026-01-31
  #     collection: how and when it was collected
  #     legal_basis: on what legal basis it is used
  #     personal_data: true
  #     special_categories: false
"""

_TAIL = """
# robustness:   # what is known of the columns when the model is put on trial
#   immutable: [a column]   # a search for a changed answer may not change it
#   ranges: {a column: [0, 100]}   # the least and the most that it can be
#   swaps: [[a column, another that can be mistaken for it]]
#   units: {a column: [12]}   # factors by which its unit can be mistaken

gate:
  protects: [champion, production]   # aliases and stages that only a model with sufficient evidence may take
  controls: null   # null: every A.6/A.7 control that can have evidence before deployment
  inconclusive: block   # or allow
  max_age_days: 30   # older evidence is stale
  trusted_keys: []   # key ids; empty: any key, and the decision says so

# risk:
#   criteria: {adopted_by: who adopts the risk criteria, adopted_on: 2026-01-31}
#   consequences:   # class 1 (slight) to 5 (grave), set by a named person
#     - {objective: C.2.5, party: a name under affected_parties, dimension: rights, class: 3, set_by: who, set_on: 2026-01-31}

# impact:
#   answers:   # what only a person can say
#     benefits: {text: the answer, by: who gives it, on: 2026-01-31}

# attestations:   # a person's word where a run cannot tell; aims controls says where one is needed
#   - {control: A.6.1.2, statement: The objectives and bounds in this file are approved, by: who, on: 2026-01-31, expires: 2027-01-31}
#   - {control: A.6.1.3, statement: The development procedure is written down and followed, by: who, on: 2026-01-31, expires: 2027-01-31}
#   - {control: A.6.2.2, statement: The requirements specification was approved, by: who, on: 2026-01-31, expires: 2027-01-31}

# waivers:   # lets one requirement or control through, by name, for a time; shown wherever it applies
#   - {control: A.6.2.4, check: fairness, column: a column, reason: why, approved_by: who, on: 2026-01-31, expires: 2026-07-31}
"""
