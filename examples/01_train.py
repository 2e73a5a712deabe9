"""For the ML engineer: one decorator. The function, its result and its exceptions stay as they were."""

from importlib.resources import files
from pathlib import Path

import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OrdinalEncoder

import aims_mlflow as aims

HERE = Path(__file__).parent


@aims.track(HERE / "aims.yaml")
def train(train: pd.DataFrame, test: pd.DataFrame) -> Pipeline:  # noqa: ARG001 - the decorator evaluates on test
    features = train.drop(columns=["credit_risk", "sex"])
    encode = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    prepare = make_column_transformer((encode, make_column_selector(dtype_exclude="number")), remainder="passthrough")
    model = make_pipeline(prepare, HistGradientBoostingClassifier(max_iter=60, learning_rate=0.05, random_state=0))
    return model.fit(features, train["credit_risk"])


if __name__ == "__main__":
    data = pd.read_csv(str(files("aims_mlflow.data") / "german_credit.csv"))
    data["sex"] = (data.pop("personal_status_and_sex") == "A92").map({True: "female", False: "male"})
    train(*train_test_split(data, test_size=0.5, random_state=0, stratify=data["credit_risk"]))
