"""The steps of a model, and whether they are what fitting them on a frame gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import RFE, SelectFromModel, SelectKBest
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline, make_union
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)

from aims_mlflow.measuring.frames.steps import column_names_of, costly, model_input, refitted_alike, steps_of

NUMERIC = ["duration_in_month", "credit_amount", "age_in_years"]
TEXT = ["purpose", "housing"]


def whole() -> Pipeline:
    columns = ColumnTransformer(
        [
            ("numbers", Pipeline([("fill", SimpleImputer()), ("scale", StandardScaler())]), NUMERIC),
            ("words", OneHotEncoder(handle_unknown="ignore"), TEXT),
            ("gone", "drop", ["telephone"]),
            ("kept", "passthrough", ["installment_rate_in_percentage_of_disposable_income"]),
        ]
    )
    union = FeatureUnion([("best", SelectKBest(k=3)), ("svd", TruncatedSVD(2, random_state=0))])
    return Pipeline([("columns", columns), ("union", union), ("model", LogisticRegression(max_iter=2000))])


def fitted_on(pipeline: Any, frame: Any) -> Any:
    return pipeline.fit(frame.drop(columns="credit_risk"), frame["credit_risk"])


def verdicts(pipeline: Any, frame: Any) -> dict[str, bool | None]:
    data = model_input(frame, pipeline, [])
    return {step.name: refitted_alike(step, data, frame["credit_risk"]) for step in steps_of(pipeline)}


def test_steps_are_flattened_in_the_order_of_the_data(german: Any) -> None:
    pipeline = fitted_on(whole(), german)
    steps = {step.name: step for step in steps_of(pipeline)}
    assert list(steps) == [
        "columns__numbers__fill",
        "columns__numbers__scale",
        "columns__words",
        "columns__gone",
        "columns__kept",
        *(["columns__remainder"] if "columns__remainder" in steps else []),
        "union__best",
        "union__svd",
    ]
    names = tuple(german.columns.drop("credit_risk"))
    assert column_names_of(steps["columns__numbers__fill"], names) == NUMERIC
    assert column_names_of(steps["columns__words"], names) == TEXT
    assert column_names_of(steps["columns__numbers__scale"], names) is None
    assert column_names_of(steps["union__best"], names) is None
    assert steps["columns__gone"].kind == "drop"


def test_what_was_fitted_on_a_frame_is_found_alike_and_on_another_is_not(german: Any) -> None:
    pipeline = fitted_on(whole(), german[:600])
    before = {name: value for name, value in pipeline.named_steps["union"].get_params().items() if name.endswith("k")}
    assert all(verdicts(pipeline, german[:600]).values())
    other = verdicts(pipeline, german[300:900])
    assert [name for name, alike in other.items() if alike is False] == [
        "columns__numbers__fill",
        "columns__numbers__scale",
        "union__best",
        "union__svd",
    ]
    assert {name: value for name, value in pipeline.named_steps["union"].get_params().items() if name.endswith("k")} == before


@pytest.mark.parametrize(
    "transformer",
    [
        MinMaxScaler(),
        RobustScaler(),
        PowerTransformer(),
        QuantileTransformer(n_quantiles=50, random_state=0),
        KBinsDiscretizer(4, encode="ordinal", random_state=0, quantile_method="averaged_inverted_cdf"),
        PCA(2),
        KNNImputer(),
        make_pipeline(SimpleImputer(strategy="median"), StandardScaler()),
        TargetEncoder(),
    ],
    ids=lambda transformer: type(transformer).__name__,
)
def test_many_kinds_of_steps_are_compared(german: Any, transformer: Any) -> None:
    german[NUMERIC] = german[NUMERIC].astype(float)
    pipeline = Pipeline([("columns", ColumnTransformer([("it", transformer, NUMERIC)])), ("model", LogisticRegression(max_iter=2000))])
    fitted_on(pipeline, german[:600])
    assert set(verdicts(pipeline, german[:600]).values()) == {True}
    assert False in verdicts(pipeline, german[300:900]).values()


def test_a_step_that_learns_nothing_is_alike_on_any_frame(german: Any) -> None:
    log = Pipeline([("it", ColumnTransformer([("log", FunctionTransformer(np.log1p), NUMERIC)])), ("model", LogisticRegression())])
    assert verdicts(fitted_on(log, german[:600]), german[300:900])["it__log"] is True


@pytest.mark.parametrize(
    ("step", "columns"),
    [
        pytest.param(SelectFromModel(RandomForestClassifier(5, random_state=0)), NUMERIC, id="trees that select"),
        pytest.param(RFE(LogisticRegression(max_iter=2000), n_features_to_select=1), NUMERIC, id="elimination"),
        pytest.param(KMeans(3, random_state=0, n_init=1), NUMERIC, id="clusters"),
        pytest.param(make_pipeline(StandardScaler(), KMeans(3, random_state=0, n_init=1)), NUMERIC, id="clusters after scaling"),
        pytest.param(TfidfVectorizer(), "purpose", id="words"),
        pytest.param(make_union(StandardScaler(), make_pipeline(MinMaxScaler(), PCA(2))), NUMERIC, id="union"),
        pytest.param(ColumnTransformer([("inner", StandardScaler(), [0, 1])], remainder=RobustScaler()), NUMERIC, id="columns in columns"),
    ],
)
def test_what_a_step_holds_inside_is_compared_too(german: Any, step: Any, columns: Any) -> None:
    german[NUMERIC] = german[NUMERIC].astype(float)
    pipeline = Pipeline([("columns", ColumnTransformer([("it", step, columns)])), ("model", LogisticRegression(max_iter=2000))])
    fitted_on(pipeline, german[:600])
    mine = verdicts(pipeline, german[:600])
    assert set(mine.values()) == {True}
    assert any(name.startswith("columns__it") for name in mine)
    others = verdicts(pipeline, german[300:900])
    assert all(alike is False for name, alike in others.items() if name.startswith("columns__it"))


def test_steps_of_a_pipeline_at_the_end_of_a_pipeline_are_steps(german: Any) -> None:
    last = GridSearchCV(make_pipeline(StandardScaler(), LogisticRegression()), {"logisticregression__C": [0.1, 1]}, cv=2)
    for model in (
        make_pipeline(MinMaxScaler(), make_pipeline(StandardScaler(), LogisticRegression())),
        make_pipeline(MinMaxScaler(), last),
    ):
        model.fit(german[NUMERIC], german["credit_risk"])
        assert [step.kind for step in steps_of(model)] == ["MinMaxScaler", "StandardScaler"]
        assert set(verdicts(model, german).values()) == {True}


class Noise(TransformerMixin, BaseEstimator):
    """Learns something else each time."""

    def fit(self, frame: Any, labels: Any = None) -> Noise:  # noqa: ARG002 - scikit-learn's signature
        self.level_ = np.random.rand()
        return self

    def transform(self, frame: Any) -> Any:
        return frame


def test_a_step_that_draws_at_random_is_not_told_and_leaves_the_random_state_alone(german: Any) -> None:
    noisy = Pipeline([("it", ColumnTransformer([("noise", Noise(), NUMERIC)])), ("model", LogisticRegression(max_iter=2000))])
    fitted_on(noisy, german[:600])
    state = np.random.get_state()[1].tolist()
    assert verdicts(noisy, german[:600])["it__noise"] is None
    assert np.random.get_state()[1].tolist() == state


class Peculiar(TransformerMixin, BaseEstimator):
    """Fits once: a step of a user's that cannot be fitted again, or that holds what cannot be compared."""

    def __init__(self, raises: bool = False) -> None:
        self.raises = raises

    def fit(self, frame: Any, labels: Any = None) -> Peculiar:  # noqa: ARG002 - scikit-learn's signature
        self.kept_ = lambda: frame
        if self.raises and len(frame) != 600:
            raise ValueError
        return self

    def transform(self, frame: Any) -> Any:
        return frame


@pytest.mark.parametrize("raises", [True, False])
def test_a_step_that_cannot_be_fitted_again_or_compared_is_not_told(german: Any, raises: bool) -> None:
    own = Pipeline([("own", ColumnTransformer([("it", Peculiar(raises), NUMERIC)])), ("model", LogisticRegression())])
    fitted_on(own, german[:600])
    assert verdicts(own, german[300:800])["own__it"] is None


class Hidden(TransformerMixin, BaseEstimator):
    """Keeps what it learns under names that nobody can tell from bookkeeping."""

    def fit(self, frame: Any, labels: Any = None) -> Hidden:  # noqa: ARG002 - scikit-learn's signature
        self._mean = frame.mean()
        return self

    def transform(self, frame: Any) -> Any:
        return frame - self._mean


def test_a_step_that_hides_what_it_learnt_is_not_told(german: Any) -> None:
    hidden = Pipeline([("own", ColumnTransformer([("it", Hidden(), NUMERIC)])), ("model", LogisticRegression(max_iter=2000))])
    assert verdicts(fitted_on(hidden, german[:600]), german[:600])["own__it"] is None


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (["age_in_years"], ["age_in_years"]),
        ([1, 4], ["duration_in_month", "credit_amount"]),
        (slice(1, 2), ["duration_in_month"]),
        ([False, True, *[False] * 20], ["duration_in_month"]),
        pytest.param(make_column_selector("age_in"), ["age_in_years"], id="selector"),
    ],
    ids=str,
)
def test_columns_are_named_however_they_were_chosen(german: Any, columns: Any, expected: list[str]) -> None:
    step = OrdinalEncoder() if columns == slice(0, 1) else StandardScaler()
    pipeline = Pipeline([("it", ColumnTransformer([("x", step, columns)])), ("model", LogisticRegression())])
    fitted_on(pipeline, german)
    (found, *_) = steps_of(pipeline)
    assert column_names_of(found, tuple(german.columns.drop("credit_risk"))) == expected
    assert verdicts(pipeline, german)["it__x"] is True


def test_a_search_shows_the_steps_of_its_best_model(german: Any) -> None:
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    search = GridSearchCV(pipeline, {"logisticregression__C": [0.1, 1]}, cv=2).fit(german[NUMERIC], german["credit_risk"])
    (step,) = steps_of(search)
    assert step.name == "standardscaler"
    assert refitted_alike(step, model_input(german, search, []), german["credit_risk"]) is True


def test_a_bare_model_has_no_steps(german: Any) -> None:
    assert steps_of(LogisticRegression().fit(german[NUMERIC], german["credit_risk"])) == ()
    assert steps_of(StandardScaler().fit(german[NUMERIC])) == ()
    assert steps_of(object()) == ()


def test_the_models_input_is_taken_from_the_frame(german: Any) -> None:
    by_name = make_pipeline(StandardScaler(), LogisticRegression()).fit(german[NUMERIC], german["credit_risk"])
    by_place = make_pipeline(StandardScaler(), LogisticRegression()).fit(german[NUMERIC].to_numpy(), german["credit_risk"])
    assert list(model_input(german, by_name, ["housing"])) == NUMERIC
    assert model_input(german, by_place, NUMERIC).shape == (1000, 3)
    assert model_input(german, by_place, [*NUMERIC, "housing"]) is None
    assert model_input(german.drop(columns="age_in_years"), by_name, []) is None


def test_steps_that_cost_more_than_in_proportion_are_known(german: Any) -> None:
    pipeline = make_pipeline(KNNImputer(), StandardScaler(), LogisticRegression()).fit(german[NUMERIC], german["credit_risk"])
    assert [costly(step) for step in steps_of(pipeline)] == [True, True]
    assert not any(costly(step) for step in steps_of(fitted_on(whole(), german)))
