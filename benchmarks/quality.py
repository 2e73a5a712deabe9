"""The quality check, against Great Expectations alone with the same suite."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from aims_mlflow.evidence import CheckResult
from aims_mlflow.registry import get
from benchmarks.comparing import Comparison
from benchmarks.data import applicants
from benchmarks.observing import SUITE, observation, system


def comparisons(quick: bool = False) -> Iterator[Comparison]:
    """Yield one: 100,000 x 20 and 32 expectations."""
    rows = 2_000 if quick else 100_000
    frame = applicants(rows)
    with tempfile.TemporaryDirectory() as folder:
        seen = observation(system(Path(folder)), {"train": frame})
        check = get("quality")
        name = f"quality check, {rows:,} x 20, {len(SUITE)} expectations"
        # Anew each time: an observation keeps what its checks have worked out.
        yield Comparison(name, "Great Expectations alone", lambda: validated(frame), lambda: check.run(replace(seen)), agree, "of", 1.1)


def validated(frame: Any) -> list[bool]:
    """Return whether each expectation of the suite is met, by Great Expectations as its manual says: context, batch, suite.

    Args:
        frame: of pandas or Spark.
    """
    import great_expectations as gx
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = {"globally": False}  # ours shows none either
        pandas = isinstance(frame, pd.DataFrame)
        source: Any = context.data_sources.add_pandas("benchmark") if pandas else context.data_sources.add_spark("benchmark", persist=False)
        asset = source.add_dataframe_asset("frame")
        batch = asset.add_batch_definition_whole_dataframe("whole").get_batch(batch_parameters={"dataframe": frame})
        suite = gx.ExpectationSuite(name="suite")
        for one in SUITE:
            suite.add_expectation_configuration(ExpectationConfiguration(**one))
        results = batch.validate(suite).results
    said = {(r.expectation_config.type, r.expectation_config.kwargs.get("column", "")): bool(r.success) for r in results}
    return [said[one["type"], one["kwargs"].get("column", "")] for one in SUITE]


def agree(theirs: list[bool], ours: tuple[CheckResult, ...]) -> str:
    """Compare every expectation; what ours measures beyond them has no counterpart."""
    (suite,) = [r for r in ours if "suite" in r.scope]
    listed: Any = suite.facts["expectations"]
    assert [one["met"] for one in listed] == theirs
    assert not all(theirs)
    assert all(r.problem is None for r in ours)
    return "yes: every expectation; ours also has completeness, duplicates, constants, balance and group sizes"
