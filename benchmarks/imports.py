"""Importing aims_mlflow in a fresh interpreter, against importing mlflow."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Iterator

from benchmarks.comparing import Comparison


def comparisons(quick: bool = False) -> Iterator[Comparison]:  # noqa: ARG001 - there is nothing to make smaller
    """Yield one. Seconds are the child's CPU, with the start of the interpreter."""
    yield Comparison(
        "`import aims_mlflow`",
        "`import mlflow`",
        lambda: imported("mlflow"),
        lambda: imported("aims_mlflow"),
        agree,
        "less",
        clock=children,
    )


def imported(module: str) -> set[str]:
    """Import a module in a fresh interpreter; return the packages that came with it."""
    code = f"import {module}, sys; print(*{{name.partition('.')[0] for name in sys.modules}})"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603 - this interpreter
    return set(ran.stdout.split())


def children() -> float:
    """Return the CPU seconds of all child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def agree(theirs: set[str], ours: set[str]) -> str:
    """Look at what came with ours: none of the heavy libraries."""
    assert "mlflow" in theirs
    heavy = {"mlflow", "pandas", "numpy", "sklearn", "great_expectations", "evidently", "fairlearn", "scipy"} & ours
    assert not heavy, heavy
    return "nothing to compare (asserted: no heavy library comes with ours)"
