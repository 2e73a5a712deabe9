"""A small torch model, through pyfunc: wrapped so that it gives labels, and as a module that gives numbers."""

from __future__ import annotations

from typing import Any

import pytest

import aims_mlflow as aims
from aims_mlflow import registry
from aims_mlflow.store import Store

torch = pytest.importorskip("torch", reason="torch is not installed here; the development lock installs it")

KEPT = ("performance", "fairness", "robustness", "lineage", "design")
EVERY = registry.checks()

pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning",  # MLflow's own hints about type hints and pickles
    "ignore::FutureWarning",
    "ignore::DeprecationWarning",  # torch's own, of its compiler
)


@pytest.fixture(autouse=True)
def _few_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "checks", lambda: {name: EVERY[name] for name in KEPT})


def fitted(frame: Any, target: str, loss: Any) -> Any:
    """Return a net of two layers, fitted for a moment."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1))
    optimiser = torch.optim.Adam(net.parameters(), lr=0.05)
    features = torch.tensor(frame[["x", "z"]].to_numpy(), dtype=torch.float32)
    wanted = torch.tensor(frame[target].to_numpy(), dtype=torch.float32)
    for _ in range(60):
        optimiser.zero_grad()
        loss(net(features)[:, 0], wanted).backward()
        optimiser.step()
    return net


def tracked(system: Any, frames: Any, make: Any) -> str:
    seen: list[str] = []

    @aims.track(system)
    def train(train: Any, test: Any) -> Any:
        seen.append(aims.active_run().run_id)
        return make(train)

    train(frames.train, frames.test)
    return seen[0]


def test_a_net_behind_a_python_model_gives_labels(store: Store, system: Any, frames: Any, evidence: Any) -> None:
    from mlflow.pyfunc import PythonModel

    class Labels(PythonModel):
        def __init__(self, net: Any) -> None:
            self.net = net

        def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]  # noqa: ARG002 - MLflow's form
            import torch as library

            with library.no_grad():
                scores = self.net(library.tensor(model_input[["x", "z"]].to_numpy(), dtype=library.float32))
            return (scores[:, 0] > 0).int().numpy()

    few = system.model_copy(update={"robustness": type(system.robustness)(queries=100)})
    loss = torch.nn.functional.binary_cross_entropy_with_logits
    bundle = evidence(store, tracked(few, frames, lambda train: Labels(fitted(train, "y", loss))))
    assert bundle.complete
    assert "python_model.pkl" in bundle.model.files
    by_check = {r.check: r for r in bundle.results}
    assert by_check["performance"].measure("accuracy_score").value > 0.8
    noise = [r for r in bundle.results if r.scope.get("perturbation") == "numeric_noise" and "strength" in r.scope]
    assert noise
    assert all(r.problem is None for r in noise)
    assert set(next(r for r in bundle.results if r.check == "fairness").groups("selection_rate")) == {"a", "b"}
    assert by_check["lineage"].facts["edges"]


def test_a_module_that_gives_numbers_is_a_regression(store: Store, system: Any, frames: Any, evidence: Any) -> None:
    task = system.task.model_copy(update={"kind": "regression", "positive_label": None, "target": "t"})
    regression = system.model_copy(update={"task": task, "requirements": (), "robustness": type(system.robustness)(queries=100)})
    both = type(frames)(*(f.assign(t=2 * f["x"] + f["z"]).drop(columns=["y"]) for f in frames))
    bundle = evidence(store, tracked(regression, both, lambda train: fitted(train, "t", torch.nn.functional.mse_loss)))
    assert bundle.complete
    assert bundle.model.flavour == "pytorch"
    assert any(name.endswith("model.pth") for name in bundle.model.files)
    performance = next(r for r in bundle.results if r.check == "performance")
    assert performance.measure("r2_score").value > 0.5
    design = next(r for r in bundle.results if r.check == "design")
    assert design.facts["seeds"]["torch"] == "0"
