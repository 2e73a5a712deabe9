"""Without the decorator: what is logged to MLflow anyway becomes evidence. For models of before, `aims assess` does it in a shell."""

from importlib.resources import files
from pathlib import Path

import mlflow
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import aims_mlflow as aims

HERE = Path(__file__).parent

aims.autolog(HERE / "aims.yaml")  # the only line that is about evidence

data = pd.read_csv(str(files("aims_mlflow.data") / "german_credit.csv"))
data["sex"] = (data.pop("personal_status_and_sex") == "A92").map({True: "female", False: "male"})
train, test = train_test_split(data, test_size=0.5, random_state=0, stratify=data["credit_risk"])
features = ["duration_in_month", "credit_amount", "age_in_years"]

with mlflow.start_run() as run:
    mlflow.log_input(mlflow.data.from_pandas(train, targets="credit_risk"), context="training")
    mlflow.log_input(mlflow.data.from_pandas(test, targets="credit_risk"), context="test")
    model = make_pipeline(StandardScaler(), LogisticRegression(random_state=0)).fit(train[features], train["credit_risk"])
    mlflow.sklearn.log_model(model, name="model", pip_requirements=["scikit-learn"])

state = mlflow.get_run(run.info.run_id).data.tags["aims.state"]
print(f"run {run.info.run_id}: {state}; its evidence is among its artifacts, under aims/")
