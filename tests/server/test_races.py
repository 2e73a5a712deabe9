"""Swapping and promoting at once, from eight processes: no unverified promotion, and none lost.

An **unverified promotion** is an alias that came to rest at a version by a move that did not succeed, or by one that succeeded while the
version's files were at no time, from the request to its answer, those that were evaluated. A **lost** one is a success after which
the alias rests elsewhere though no later success moved it there. A move that is taken back is one event and its undoing with nobody's
between them. ``AIMS_RACE_ROUNDS=125 python -m pytest tests/server/test_races.py`` runs the 1,000 rounds on each database.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .serving import database, policies

ROOT = Path(__file__).parents[2]
PROCESSES = 8
log = logging.getLogger("aims_mlflow.tests")
ROUNDS = int(os.environ.get("AIMS_RACE_ROUNDS", "5"))

Event = tuple[float, str, int | None, int | None]
"""When, who, from which version, to which."""


@pytest.fixture(scope="module")
def races(tmp_path_factory: pytest.TempPathFactory, _mlflow_template: Path, postgres: str) -> dict[str, dict[str, Any]]:
    """What happened in a race on each database; one program runs both, for what is dear is to import."""
    folders = {kind: tmp_path_factory.mktemp(f"race-{kind}") for kind in ("sqlite", "postgresql")}
    shutil.copy(_mlflow_template, folders["sqlite"] / "mlflow.db")
    where = {"sqlite": f"sqlite:///{folders['sqlite'] / 'mlflow.db'}", "postgresql": database(postgres, "race")}
    rules = policies(folders["sqlite"] / "policies")
    env = {"AIMS_POLICY_DIR": str(rules), "AIMS_HOME": str(folders["sqlite"] / "home"), "MLFLOW_DISABLE_TELEMETRY": "true"}
    command: list[Any] = [sys.executable, "-m", "tests.server.racing", str(PROCESSES), str(ROUNDS)]
    command += [one for kind, folder in folders.items() for one in (folder, where[kind])]
    ran = subprocess.run(command, cwd=ROOT, env={**os.environ, **env}, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-3000:]
    return {kind: json.loads((folder / "told.json").read_text()) for kind, folder in folders.items()}


@pytest.fixture(params=["sqlite", "postgresql"])
def raced(request: pytest.FixtureRequest, races: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What happened in a race."""
    return races[request.param]


def promotions(raced: dict[str, Any], *, succeeded: bool) -> list[dict[str, Any]]:
    return sorted((one for one in raced["told"] if one["what"] == "promote" and (not one["said"]) == succeeded), key=lambda one: one["to"])


def was_good(raced: dict[str, Any], version: str, since: float, until: float) -> bool:
    """Whether a version may have been as evaluated at some time in an interval. Before the first swap all were."""
    swaps = [one for one in raced["told"] if one["what"] == "swap" and one["version"] == version]
    if any(one["good"] and one["to"] >= since and one["from"] <= until for one in swaps):
        return True
    done = [one for one in swaps if one["to"] < since]
    if not done:
        return True
    latest = max(one["from"] for one in done)
    return any(one["good"] for one in done if one["to"] >= latest)  # of swaps at one time either may have been the last


def test_all_that_was_to_happen_did(raced: dict[str, Any]) -> None:
    good, bad = promotions(raced, succeeded=True), promotions(raced, succeeded=False)
    assert len(good) + len(bad) == PROCESSES * ROUNDS
    assert good
    assert bad
    assert all("may not be promoted" in one["said"] for one in bad), {one["said"][:300] for one in bad}
    back = sum("while it was being promoted" in one["said"] for one in bad)
    log.info("%d promoted, %d refused, %d of them taken back", len(good), len(bad), back)


def test_what_was_promoted_was_as_evaluated(raced: dict[str, Any]) -> None:
    for one in promotions(raced, succeeded=True):
        assert was_good(raced, one["version"], one["from"], one["to"]), one


def test_the_alias_rests_where_a_success_put_it(raced: dict[str, Any]) -> None:
    """Whose end is before another's beginning was before it; the last of them have no other after them."""
    good = promotions(raced, succeeded=True)
    last = {one["version"] for one in good if not any(other["from"] > one["to"] for other in good)}
    assert str(raced["now"]) in last


def test_moves_follow_one_another(raced: dict[str, Any]) -> None:
    history = raced["history"]
    assert [was for _, _, was, _ in history] == [None, *(now for *_, now in history[:-1])]
    assert history[-1][3] == raced["now"]


def test_each_move_is_a_success_or_is_taken_back(races: dict[str, dict[str, Any]]) -> None:
    """Asked of PostgreSQL, which says who has written."""
    raced = races["postgresql"]
    history: list[Event] = [tuple(one) for one in raced["history"]]
    resting: list[int | None] = []
    explained = 0
    for one in sorted((o for o in raced["told"] if o["what"] == "promote"), key=lambda o: o["from"]):
        mine = [i for i, (at, who, *_) in enumerate(history) if who == one["who"] and one["from"] - 0.001 <= at <= one["to"] + 0.001]
        moves = [(history[i][2], history[i][3]) for i in mine]
        explained += len(mine)
        if one["said"]:
            assert not moves or (len(moves) == 2 and moves[0][1] == int(one["version"]) and moves[1] == moves[0][::-1]), (one, moves)
            assert not mine or mine[1] == mine[0] + 1, "somebody moved the alias between a move and its undoing"
        else:
            assert [now for _, now in moves] in ([], [int(one["version"])]), (one, moves)
            resting += [now for _, now in moves]
    assert explained == len(history), "somebody moved the alias without asking"
    assert raced["now"] in resting
