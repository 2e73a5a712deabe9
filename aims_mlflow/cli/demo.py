"""``aims demo``: the whole way on real credit data: train, be blocked, complete what people must say, promote, summarise."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aims_mlflow.cli._output import console
from aims_mlflow.errors import ConfigurationError
from aims_mlflow.evidence import Severity, State

if TYPE_CHECKING:
    from rich.console import Console

    from aims_mlflow.decision import GateDecision
    from aims_mlflow.evidence import Evidence

MODEL = "models:/credit-scoring/1"
ALIAS = "champion"
REASONS = {
    "fairness": "too few people of a group are in the test data to decide; a loan officer reads every case",
    "drift": "too few rows to decide; train and test are a random split of one file",
}
"""What the demo's risk officer says when giving a waiver, by check."""

OURS = ("train.py", "aims.yaml", "expectations.json", "german_credit.csv", ".gitignore")
"""What the demo writes itself; a folder that holds anything else than these and their products is left alone."""


@click.command()
@click.option("--dir", "folder", type=click.Path(path_type=Path), default=Path("aims-demo"), show_default=True, help="Folder to make.")
@click.pass_context
def command(ctx: click.Context, folder: Path) -> None:
    """Show the whole product on the German credit data, offline, in a folder of its own.

    A model is trained and registered; the gate refuses it and says why; what only people can say is added to the system file, and
    what the data cannot decide is waived by name; the gate is asked again; the impact and risk records are written.
    """
    screen = console()
    folder = folder.absolute()
    _lay_out(folder)
    with _working_in(folder):
        allowed = _tell(screen, folder)
    ctx.exit(0 if allowed else 1)


def _tell(screen: Console, folder: Path) -> bool:
    """Go through the steps; returns whether the model was promoted."""
    import aims_mlflow as aims

    screen.rule("1  Train, with one decorator: python train.py")
    subprocess.run([sys.executable, "train.py"], cwd=folder, check=True)
    screen.rule(f"2  Ask the gate: aims gate {MODEL} --alias {ALIAS}")
    before = aims.check_promotion(MODEL, alias=ALIAS, system="aims.yaml")
    _show(before)
    screen.rule("3  Complete what only people can say, and waive by name what these data cannot decide")
    added = files("aims_mlflow.demo").joinpath("said.yaml").read_text("utf-8") + _waivers(_undecided(before))
    with Path("aims.yaml").open("a", encoding="utf-8") as file:
        file.write(added)
    _commit("Record attestations and waivers")
    screen.print(added.strip())
    screen.rule(f"4  Promote: aims promote {MODEL} {ALIAS}")
    after = aims.check_promotion(MODEL, alias=ALIAS, system="aims.yaml")
    if after.allowed:
        after = aims.promote(MODEL, ALIAS, system="aims.yaml")
    _show(after)
    screen.rule("5  Summarise: aims summarise credit-scoring")
    aims.summarise("aims.yaml", out=folder)
    _say_where(screen, folder, after)
    return after.allowed


def _lay_out(folder: Path) -> None:
    """Make the demo's project: script, system file, expectations, data, under git where git is there."""
    if folder.exists() and not (folder / "train.py").exists() and any(folder.iterdir()):
        raise ConfigurationError(f"{folder} holds something else", fix="pass another folder with --dir")
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    for package, names in (("aims_mlflow.demo", OURS[:3]), ("aims_mlflow.data", OURS[3:4])):
        for name in names:
            (folder / name).write_bytes(files(package).joinpath(name).read_bytes())
    (folder / ".gitignore").write_text("mlflow.db*\nmlruns/\nmlartifacts/\nrecord.*\n__pycache__/\n")
    with contextlib.chdir(folder):
        if shutil.which("git"):
            _git("init", "--quiet", "--initial-branch=main")
            _commit("Start from the demo's script, system file and data")


def _commit(message: str) -> None:
    if shutil.which("git"):
        _git("add", "--all")
        _git("-c", "user.name=aims demo", "-c", "user.email=demo@example.org", "commit", "--quiet", "--no-gpg-sign", "--message", message)


def _git(*arguments: str) -> None:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    nobody = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}  # no hooks and no templates of the user's
    subprocess.run(["git", *arguments], check=True, env={**kept, **nobody})  # noqa: S603, S607 - git, with arguments of our own


@contextlib.contextmanager
def _working_in(folder: Path) -> Iterator[None]:
    """Stand in the folder, with an MLflow store of its own."""
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    ours = {"MLFLOW_TRACKING_URI": uri, "MLFLOW_REGISTRY_URI": uri, "MLFLOW_EXPERIMENT_NAME": "credit-scoring"}
    before = {name: os.environ.get(name) for name in ours}
    os.environ.update(ours)
    try:
        with contextlib.chdir(folder):
            yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _show(decision: GateDecision) -> None:
    from aims_mlflow.cli.gate import show

    show(decision, as_json=False)


def _undecided(decision: GateDecision) -> list[tuple[Evidence, str]]:
    """Return the critical evidence that the data leave undecided, with the control that it holds up."""
    from aims_mlflow.bundle import BUNDLE_PATH
    from aims_mlflow.signing import open_bundle
    from aims_mlflow.store import Store

    bundle, _ = open_bundle(Store().read(decision.run_id, BUNDLE_PATH))
    held_up = [line.control for line in decision.stopping]
    return [
        (evidence, control)
        for evidence in bundle.evidence
        if evidence.state is State.INCONCLUSIVE and evidence.severity is Severity.CRITICAL
        for control in evidence.controls
        if control in held_up
    ]


def _waivers(undecided: list[tuple[Evidence, str]]) -> str:
    """Write a waiver, for 90 days, for each requirement that could not be decided; failing ones are never waived here."""
    if not undecided:
        return ""
    today = date.today()  # noqa: DTZ011 - a waiver's days are those of the people who give it
    rows = [
        f"  - {{control: {control}, requirement: {json.dumps(evidence.requirement)},\n"
        f"     reason: {REASONS.get(evidence.check, 'these rows are too few to decide')},\n"
        f"     approved_by: Chief risk officer, on: {today}, expires: {today + timedelta(days=90)}}}"
        for evidence, control in undecided
    ]
    return "\nwaivers:\n" + "\n".join(rows) + "\n"


def _say_where(screen: Console, folder: Path, decision: GateDecision) -> None:
    at = os.path.relpath(folder, os.environ.get("PWD", folder.parent)) if folder.is_relative_to(os.environ.get("PWD", folder)) else folder
    screen.rule("Where to look")
    screen.print(decision.summary(), style="green" if decision.allowed else "red")
    screen.print(f"  the record            {at}/record.html  (also record.md, record.json)")
    screen.print(f"  the project           {at}/train.py, {at}/aims.yaml")
    screen.print(f"  in the MLflow UI      mlflow ui --backend-store-uri sqlite:///{folder / 'mlflow.db'}")
    screen.print("                        filter runs and versions with  tags.`aims.A.7.5` = 'pass'")
