"""The golden file of each format: what is made now is what is kept."""

from __future__ import annotations

from typing import Any

from aims_mlflow.exports import FORMATS


def test_what_is_made_is_what_is_kept(made: Any) -> None:
    kept = {path.name: path.read_bytes() for path in made.GOLDEN.iterdir()}
    now = made.golden()
    assert set(kept) == set(now), "run: python tests/exports/made.py"
    different = [name for name in kept if kept[name] != now[name]]
    assert different == [], "run: python tests/exports/made.py, and look at what has changed"


def test_each_format_has_one(made: Any) -> None:
    names = {path.name.partition(".")[0] for path in made.GOLDEN.iterdir()}
    assert set(FORMATS) <= names
