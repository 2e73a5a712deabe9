"""What ``make full`` runs whole and ``make test`` in part, so that what is run at each change stays under its twenty minutes."""

from __future__ import annotations

import os

import pytest

FULL = bool(os.environ.get("AIMS_TESTS_FULL"))

only_full = pytest.mark.skipif(not FULL, reason="takes long and looks at little that no other test does: `make full` runs it")


LONGEST = (
    "test_packaging.py",
    "reliability/test_deaths.py",
    "reliability/test_skew.py",
    "reliability/test_workers.py",
    "test_writing_a_check.py",
    "test_live_server.py",
    "test_benchmarks.py",
    "pages/test_app.py",
    "pages/test_browser.py",
    "test_canaries.py",
    "engines/test_spark_udf.py",
    "server/test_promoting.py",
    "cli/test_ci_examples.py",
    "exports/test_real.py",
    "hooks/test_autologging.py",
    "server/test_races.py",
    "hooks/test_ways_in.py",
    "server/test_tags.py",
    "server/test_equivalence.py",
)
"""The files that take longest, which begin first: one that begins last keeps one core busy while the others have nothing left."""


def part(whole: int, one_of: int) -> int:
    """Return how many of so many are run: all, or one of ``one_of``."""
    return whole if FULL else max(1, whole // one_of)
