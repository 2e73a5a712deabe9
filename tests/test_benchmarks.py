"""The benchmarks at small sizes: what is compared comes to the same numbers. How long it takes is never asserted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROWS = {"fingerprint": 2, "groups": 1, "resampling": 1, "quality": 1, "robustness": 1, "imports": 1, "track": 1}


def test_both_ways_come_to_the_same_numbers(tmp_path: Path) -> None:
    # In one process of its own: the libraries' warnings, stores and threads are not this one's, and are imported once.
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from importlib import import_module\n"
        f"for name in {list(ROWS)!r}:\n"
        "    for one in import_module(f'benchmarks.{name}').comparisons(quick=True):\n"
        "        print(name, one.agree(one.theirs(), one.ours()), sep=': ')\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    said = [line.split(": ", 1) for line in ran.stdout.splitlines()]
    assert {name: [one for one, _ in said].count(name) for name in ROWS} == ROWS
    for name, words in said:
        assert words.startswith(("yes", "not comparable", "nothing to compare", "the same distribution")), name


def test_the_command_prints_a_table() -> None:
    command = [sys.executable, "-m", "benchmarks", "imports", "--quick", "--times", "3"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    head, rule, row = ran.stdout.splitlines()
    assert head.count("|") == rule.count("|") == row.count("|") == 8
    assert "`import mlflow`" in row


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
