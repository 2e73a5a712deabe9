"""Numbers in the environment: what is advised is taken, what cannot be used is refused or passed over."""

from __future__ import annotations

import threading

import pytest

from aims_mlflow.errors import ConfigurationError
from aims_mlflow.settings import BUDGET_SECONDS, GATE_SECONDS, NUMBERS, SAMPLE_ROWS, Number

EACH = pytest.mark.parametrize("one", NUMBERS, ids=[one.name for one in NUMBERS])


@EACH
def test_what_the_error_advises_is_taken(one: Number, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(one.name, "much")
    with pytest.raises(ConfigurationError, match=rf"{one.name} is not a (whole )?number .*set it to such as {one.usual}, or unset it"):
        one.strictly()
    assert one.value() == one.default
    monkeypatch.setenv(one.name, one.usual)
    assert one.strictly() == one.default


@EACH
@pytest.mark.parametrize("said", ["-1", "nan", "inf", "1e300", "-inf", "0x10"])
def test_what_is_no_number_that_it_may_be_is_passed_over(one: Number, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(one.name, said)
    assert one.value() == one.default


@pytest.mark.parametrize("one", [BUDGET_SECONDS, GATE_SECONDS], ids=["budget", "gate"])
def test_no_time_limit_is_more_than_a_thread_can_wait(one: Number) -> None:
    assert one.below < threading.TIMEOUT_MAX


def test_a_whole_number_may_be_written_with_underscores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SAMPLE_ROWS.name, " 250_000 ")
    assert SAMPLE_ROWS.strictly() == 250_000
    monkeypatch.setenv(SAMPLE_ROWS.name, "250.5")
    with pytest.raises(ConfigurationError):
        SAMPLE_ROWS.strictly()
