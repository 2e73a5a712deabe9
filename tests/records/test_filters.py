"""The documentation's filters are MLflow's: each is asked of a real MLflow and finds what it says, and the paths lead there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import mlflow

from aims_mlflow.records import pages
from aims_mlflow.records.review import management_review
from aims_mlflow.records.summary import summarise

DOCS = Path(__file__).parents[2] / "docs"


def filters() -> dict[str, str]:
    """Question -> filter, as docs/mlflow-ui.md lists them."""
    rows = re.findall(r"^\| ([^|]+) \| ``(.+?)`` \|$", (DOCS / "mlflow-ui.md").read_text(encoding="utf-8"), re.MULTILINE)
    return {question: condition.replace("credit-scoring", "loans") for question, condition in rows}


def test_every_filter_is_understood_and_finds_what_it_says(world: Any, make: Any) -> None:
    system = make.system()
    version = world.version(system)
    world.store.log(
        version.run_id,
        tags={"aims.state": "pass", "aims.A.7.4": "fail", "aims.A.6.2.4": "fail", "aims.A.7.5": "pass"},
        metrics={"aims.performance.accuracy_score": 0.8},
    )
    failed = world.store.create_run("tests", "f", {"aims.system": "loans"})
    world.store.end_run(failed, "FAILED")
    record = summarise(system, store=world.store)
    management_review(system, make.today, make.today, store=world.store)
    assert record.highest_risk == "undetermined"

    asked = filters()
    assert len(asked) == 11
    client = mlflow.MlflowClient()
    every = [e.experiment_id for e in client.search_experiments()]
    for question, condition in asked.items():
        if "model" in question:
            found = [m.name for m in client.search_registered_models(condition)]
            assert found == ([] if "at high risk" in question else ["loans"]), question
        else:
            runs = client.search_runs(every, condition)
            assert len(runs) == (0 if "production" in question else 1), question
    assert [e.name for e in client.search_experiments(filter_string="tags.`aims.risk` = 'undetermined'")] == ["aims/loans"]


def test_ten_questions_each_have_a_path_of_at_most_three_clicks_to_a_part_that_is_there(world: Any, make: Any) -> None:
    rows = re.findall(
        r"^\| (\d+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \| *([^|]*) *\|$", (DOCS / "questions.md").read_text("utf-8"), re.MULTILINE
    )
    assert [int(number) for number, *_ in rows] == list(range(1, 11))
    page = pages.html(summarise(make.system(), store=world.store, write=False))
    contents = dict(re.findall(r'<li><a href="#([\w-]+)">([^<]+)</a></li>', page))
    named = {name: anchor for anchor, name in contents.items()}
    for _, question, path, clicks, _ in rows:
        assert question.strip().endswith("?")
        assert all(1 <= int(count) <= 3 for count in re.findall(r"\d", clicks)), question
        for part in re.findall(r"> \*\*(\w+)\*\*|under \*\*(\w+)\*\*|: \*\*([\w ]+)\*\* come", path):
            name = next(filter(None, part))
            assert name in named, (question, name)
            assert f'id="{named[name]}"' in page
