"""The heavy libraries load while the training runs, and never in front of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PREAMBLE = """
import multiprocessing, os, sys, time
import aims_mlflow as aims
heavy = {"mlflow", "pandas", "sklearn", "great_expectations", "evidently", "fairlearn", "scipy"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
from aims_mlflow.hooks import preloading
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""


def python(code: str, folder: Path, **environment: str) -> str:
    inherited = {name: value for name, value in os.environ.items() if name != "AIMS_PRELOAD"}
    done = subprocess.run(
        [sys.executable, "-c", PREAMBLE + code],
        cwd=folder,
        env={**inherited, "AIMS_HOME": str(folder / "home"), **environment},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()


def test_the_function_imports_the_same_libraries_meanwhile_and_may_fork(tmp_path: Path) -> None:
    said = python(
        """
def child():
    import scipy.stats, pandas
    os._exit(0)

preloading.preload()
from sklearn.linear_model import LogisticRegression
from sklearn.ensemble import RandomForestClassifier
import pandas as pd
frame = pd.DataFrame({"x": range(100)})
RandomForestClassifier(5).fit(frame, frame["x"] > 50)
process = multiprocessing.get_context("fork").Process(target=child)
process.start()
process.join(60)
assert process.exitcode == 0, process.exitcode
preloading.wait()
print(sorted(heavy - set(sys.modules)))
""",
        tmp_path,
    )
    assert said == "[]"


def test_it_can_be_switched_off(tmp_path: Path) -> None:
    assert python("preloading.preload(); preloading.wait(); print(sorted(heavy & set(sys.modules)))", tmp_path, AIMS_PRELOAD="0") == "[]"


def test_a_process_that_ends_meanwhile_ends(tmp_path: Path) -> None:
    assert python("preloading.preload(); time.sleep(0.2); print('over')", tmp_path) == "over"
