"""Train a credit model on the German credit data; the decorator is all that evidence costs."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import aims_mlflow as aims

HERE = Path(__file__).parent
NOT_FEATURES = ["credit_risk", "sex", "age_group", "foreign_worker"]


def read(path: Path = HERE / "german_credit.csv") -> pd.DataFrame:
    """Read the data, with the two sensitive columns that its codes and ages stand for."""
    frame = pd.read_csv(path)
    frame["sex"] = (frame.pop("personal_status_and_sex") == "A92").map({True: "female", False: "male"})
    frame["age_group"] = (frame["age_in_years"] <= 25).map({True: "25 and under", False: "over 25"})
    return frame


@aims.track(HERE / "aims.yaml")
def train(train: pd.DataFrame, test: pd.DataFrame) -> Pipeline:  # noqa: ARG001 - test is for the decorator to evaluate on
    """Fit a logistic regression behind imputation, scaling and one-hot encoding; returns the fitted pipeline."""
    features = train.drop(columns=NOT_FEATURES)
    numeric = list(features.select_dtypes("number"))
    categorical = [column for column in features if column not in numeric]
    prepare = ColumnTransformer(
        [
            ("numeric", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numeric),
            ("categorical", make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")), categorical),
        ]
    )
    model = Pipeline([("prepare", prepare), ("classify", LogisticRegression(max_iter=1000, random_state=0))])
    return model.fit(features, train["credit_risk"])


if __name__ == "__main__":
    data = read()
    rows = train_test_split(data.index, test_size=0.4, random_state=0, stratify=data["credit_risk"])
    train(train=data.loc[rows[0]], test=data.loc[rows[1]])
