"""The command: `python -m benchmarks [ROW ...] [--quick] [--times N]` prints a Markdown table of times, or what was simulated."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module

import aims_mlflow  # noqa: F401 - switches the libraries' telemetry off before any of them is imported
from benchmarks.comparing import Row, line, measure, table

NAMES = ("fingerprint", "groups", "resampling", "quality", "robustness", "imports", "track", "rollup", "pages")
SIMULATED = ("coverage", "error_rates", "promotion", "many", "census", "outofcore", "engines", "soak", "logs")
"""Tables of their own, by simulation or on servers of their own: they take minutes, so they are printed only where they are named."""


def rows(name: str, *, quick: bool = False, times: int = 5) -> Iterator[Row]:
    """Measure the comparisons of one module."""
    for comparison in import_module(f"benchmarks.{name}").comparisons(quick):
        yield measure(comparison, times)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table; each row as soon as it is known."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="ROW", help=f"which to run: {', '.join(NAMES)} (default: all of these); or {', '.join(SIMULATED)}"
    )
    parser.add_argument("--quick", action="store_true", help="small sizes: to see that it works, not how fast")
    parser.add_argument("--times", type=int, default=5, help="timed runs of each side, at least 3 (default 5)")
    chosen = parser.parse_args(arguments)
    unknown = [name for name in chosen.names if name not in NAMES + SIMULATED]
    if unknown:
        parser.error(f"unknown row {unknown[0]!r}; known: {', '.join(NAMES + SIMULATED)}")
    if chosen.times < 3:
        parser.error("--times must be at least 3: a median of fewer says nothing")
    for name in chosen.names:
        if name in SIMULATED:
            for text in import_module(f"benchmarks.{name}").report(chosen.quick):
                print(text, flush=True)
    timed = [name for name in chosen.names or NAMES if name in NAMES]
    if timed:
        print(table([]), flush=True)
    missed = False
    for name in timed:
        for row in rows(name, quick=chosen.quick, times=chosen.times):
            print(line(row), flush=True)
            missed |= row.met is False
    if missed:
        print("\nA target was missed.", file=sys.stderr)


if __name__ == "__main__":
    main()
