"""The bars of the page: numbers only, on an axis that holds them all, with the bound and the side that meets it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aims_mlflow.records.pictures import in_figures, interval_svg
from aims_mlflow.records.words import MeasureShown


def shown(**given: Any) -> MeasureShown:
    content = {"check": "c", "requirement": "r", "metric": "m", "scope": {}, "value": 0.5, "low": 0.4, "high": 0.6, "evidence_ids": ()}
    return MeasureShown.model_validate({**content, **given})


def test_a_bar_has_interval_point_bound_and_words() -> None:
    svg = interval_svg(shown(n=1200, least=0.45))
    assert 'aria-label="0.5 (0.4 to 0.6), n = 1,200"' in svg
    assert 'role="img"' in svg
    for kind in ("axis", "met", "interval", "bound", "point", "tick bound-tick"):
        assert f'class="{kind}"' in svg
    assert ">0.45<" in svg


@pytest.mark.parametrize(
    ("bound", "met"),
    [({"least": 0.25}, (84.0, 312.0)), ({"most": 0.25}, (8.0, 84.0)), ({"exactly": 0.25}, (84.0, 84.0)), ({}, None)],
    ids=["least", "most", "exactly", "none"],
)
def test_the_shaded_side_is_the_one_that_meets(bound: dict[str, float], met: tuple[float, float] | None) -> None:
    found = re.search(r'class="met" x="([\d.]+)" y="\d+" width="([\d.]+)"', interval_svg(shown(high=0.9, **bound)))
    assert (None if found is None else (float(found[1]), float(found[1]) + float(found[2]))) == met


def test_what_is_not_known_says_so() -> None:
    unknown = shown(value=None, low=None, high=None, least=0.8)
    assert in_figures(unknown) == "not known"
    assert 'class="point"' not in interval_svg(unknown)


finite = st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False))


@given(finite, finite, finite, finite, finite)
def test_any_measure_stays_on_its_bar(value: Any, low: Any, high: Any, least: Any, most: Any) -> None:
    svg = interval_svg(shown(value=value, low=low, high=high, least=least, most=most))
    places = [float(x) for x in re.findall(r' (?:x|x1|x2|cx)="([^"]*)"', svg)]
    assert all(0 <= x <= 320 for x in places)
    assert not re.search(r'="-?(?:nan|inf)', svg)
