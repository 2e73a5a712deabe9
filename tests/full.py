"""What ``make full`` runs whole and ``make test`` in part, so that what is run at each change stays under its twenty minutes."""

from __future__ import annotations

import os

import pytest

FULL = bool(os.environ.get("AIMS_TESTS_FULL"))

only_full = pytest.mark.skipif(not FULL, reason="takes long and looks at little that no other test does: `make full` runs it")


def part(whole: int, one_of: int) -> int:
    """Return how many of so many are run: all, or one of ``one_of``."""
    return whole if FULL else max(1, whole // one_of)
