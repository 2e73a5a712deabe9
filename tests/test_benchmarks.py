"""The benchmarks at small sizes: what is compared comes to the same numbers. How long it takes is never asserted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.full import FULL, only_full

ROOT = Path(__file__).parents[1]
ROWS = {"fingerprint": 2, "groups": 1, "resampling": 1, "quality": 1, "robustness": 1, "imports": 1, "track": 1, "rollup": 2, "pages": 4}
DEAR = {"track", "rollup", "pages", "promotion", "many", "census", "outofcore", "engines", "soak", "logs"}
"""What takes minutes even at small sizes: run with ``make full`` only."""

SIMULATED = {
    "coverage": ("wilson", "newcombe", "mover", "tango", "delong", "bootstrap", "welch", "roc_auc_score_gain", "distance"),
    "promotion": ("stock", "gated: not protected", "gated: protected, allowed", "gated: protected, denied", "50 MB"),
    "many": ("search of one system's runs", "summary of one system", "inventory page", "audit: first", "audit --memory"),
    "census": ("performance.roc_auc_score", "overlap.shared_rows", "fairness.demographic_parity_ratio[column=race]"),
    "outofcore": ("pyarrow Dataset", "polars LazyFrame", "DuckDB relation", "3 of 3 requirements pass"),
    "engines": ("pandas", "pyarrow Table", "pyarrow Dataset", "polars LazyFrame", "DuckDB relation", "Spark"),
    "logs": ("| 20 |",),
    "soak": ("set alias, allowed", "set alias, denied", "page of the inventory"),
    "error_rates": ("demographic_parity_ratio", "equalized_odds_difference", "accuracy_score", "roc_auc_score"),
}


@only_full
def test_both_ways_come_to_the_same_numbers(tmp_path: Path) -> None:
    run = {name: rows for name, rows in ROWS.items() if FULL or name not in DEAR}
    # In one process of its own: the libraries' warnings, stores and threads are not this one's, and are imported once.
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from importlib import import_module\n"
        f"for name in {list(run)!r}:\n"
        "    for one in import_module(f'benchmarks.{name}').comparisons(quick=True):\n"
        "        print(name, one.agree(one.theirs(), one.ours()), sep=': ')\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    said = [line.split(": ", 1) for line in ran.stdout.splitlines()]
    assert {name: [one for one, _ in said].count(name) for name in run} == run
    for name, words in said:
        assert words.startswith(("yes", "not comparable", "nothing to compare", "the same distribution")), name


@only_full
def test_the_command_prints_a_table() -> None:
    command = [sys.executable, "-m", "benchmarks", "imports", "--quick", "--times", "3"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    head, rule, row = ran.stdout.splitlines()
    assert head.count("|") == rule.count("|") == row.count("|") == 8
    assert "`import mlflow`" in row


@pytest.mark.parametrize("name", [name for name in SIMULATED if FULL or name not in DEAR])
def test_what_is_simulated_is_printed_as_a_table_of_its_own(name: str) -> None:
    ran = subprocess.run([sys.executable, "-m", "benchmarks", name, "--quick"], cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    head, rule, *lines = ran.stdout.splitlines()
    table, told = lines[: lines.index("")], lines[lines.index("") + 1 :]
    assert {line.count("|") for line in (head, rule, *table)} == {head.count("|")}
    assert all(words in "\n".join(table) for words in SIMULATED[name])
    assert told
    assert "failed" not in ran.stdout


def test_what_a_block_takes_is_counted_with_its_children() -> None:
    code = (
        "import signal, subprocess, sys\n"
        "from benchmarks.comparing import children, resident, spent\n"
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"  # nobody waits for what ends, as Spark does with its workers
        "busy = 'import time\\nwhile time.process_time() < 0.8: pass\\nprint()\\ninput()'\n"
        "with spent() as took:\n"
        "    child = subprocess.Popen([sys.executable, '-c', busy], stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n"
        "    child.stdout.readline()\n"
        "    assert child.pid in children(), children()\n"
        "    assert resident(child.pid, 'VmHWM') >= resident(child.pid, 'VmRSS') > 1_000_000\n"
        "    child.communicate(b'')\n"
        "assert 0.5 <= took.cpu < 5, took\n"
        "assert took.wall > 0 and resident(child.pid, 'VmRSS') == 0\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


def test_census_data_that_cannot_be_had_are_said_to_be_missing() -> None:
    code = "from benchmarks import census, on_spark\non_spark.installed = lambda: True\nprint(*census.report(), sep='\\n')\n"
    env = os.environ | {"AIMS_CENSUS": "/nowhere"}
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, env=env)
    assert ran.returncode == 0, ran.stderr
    assert "the data cannot be had here" in ran.stdout
    assert "AIMS_CENSUS may name" in ran.stdout


def test_a_simulation_says_what_misses_the_target_and_what_is_wider_than_need_be() -> None:
    code = (
        "from benchmarks.coverage import Cell, Row, line, simulated\n"
        "from benchmarks.experiments import Experiment\n"
        "sample = {'m': ((1.0, 2.0), 'x'), 'u': (None, '')}\n"
        "never = Experiment('w', lambda world, n, random: sample, lambda _: {'m': 3.0, 'u': 0.0}, (0.5,))\n"
        "for row in simulated(never, 50, (0.5,), 30): print(line(row))\n"
        "print(line(Row('m', 'x', 50, {0.1: Cell(0.0, 0.0, 0.0, 100), 0.5: Cell(0.02, 0.03, 0.25, 100)})))\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    never, none, mixed = ran.stdout.splitlines()
    assert never == "| m, w | x | 50 | 0.5: **0.0** | 0.0 / 100.0 | 0.2 | missed |"
    assert "(100 % without)" in none
    assert mixed == "| m | x | 50 | 0.1: 100.0; 0.5: 95.0 (25 % without) | 0.0 / 0.0; 2.0 / 3.0 | 2.5 | wider than need be: 0.1 |"


def test_the_command_refuses_what_it_does_not_know_and_medians_of_too_few() -> None:
    for arguments, words in ((["speed"], "unknown row"), (["imports", "--times", "1"], "at least 3")):
        ran = subprocess.run([sys.executable, "-m", "benchmarks", *arguments], cwd=ROOT, capture_output=True, text=True)
        assert ran.returncode == 2
        assert words in ran.stderr


def test_every_module_of_a_row_is_known() -> None:
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location("benchmarks_main", ROOT / "benchmarks" / "__main__.py")
    assert spec is not None
    assert spec.loader is not None
    sys.path.insert(0, str(ROOT))
    try:
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(ROOT))
    assert set(module.NAMES) == set(ROWS)
    assert set(module.SIMULATED) == set(SIMULATED)
