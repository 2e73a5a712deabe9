"""The event log: what is counted, what is never written, gaps, and that less of a log is never better."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aims_mlflow.errors import ConfigurationError
from aims_mlflow.evidence import State
from aims_mlflow.operation.events import EventLog, events_result, read_events
from aims_mlflow.operation.verdicts import log_verdict
from aims_mlflow.system import Operation

NOW = datetime(2026, 5, 31, 12, tzinfo=UTC)
OPERATION = Operation(longest_gap_hours=24, event_kinds=("prediction",), retention_days=30)


def events(path: Path, *, hours: list[float], kind: str = "prediction", **more: Any) -> Path:
    lines = [{"time": (NOW - timedelta(hours=h)).isoformat(), "kind": kind, **more} for h in sorted(hours, reverse=True)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def verdict(log: EventLog, operation: Operation | None = OPERATION, earliest: datetime | None = None) -> State:
    return log_verdict(operation, events_result(log, operation, now=NOW, earliest=earliest)).state


def read(path: Path, declared: tuple[str, ...] = ("prediction",)) -> EventLog:
    return read_events(path, now=NOW, declared=declared)


def test_a_log_without_a_gap_is_whole(tmp_path: Path) -> None:
    log = read(events(tmp_path / "e.jsonl", hours=[1, 10, 20, 40]))
    assert (log.events, log.kinds["prediction"], log.gap) == (4, 4, timedelta(hours=20))
    assert (log.first, log.last) == (NOW - timedelta(hours=40), NOW - timedelta(hours=1))
    assert verdict(log) is State.PASS


@pytest.mark.parametrize(
    ("hours", "kind", "state"),
    [([1, 30], "prediction", State.FAIL), ([30], "prediction", State.FAIL), ([1], "error", State.FAIL), ([], "", State.FAIL)],
    ids=["a gap", "nothing since", "no such kind", "nothing at all"],
)
def test_what_is_not_there_fails(tmp_path: Path, hours: list[float], kind: str, state: State) -> None:
    assert verdict(read(events(tmp_path / "e.jsonl", hours=hours, kind=kind))) is state


@pytest.mark.parametrize(
    "line",
    [
        "not json",
        "[1]",
        '{"kind": "prediction"}',
        '{"time": "2026-05-31T11:00:00", "kind": "prediction"}',
        '{"time": true}',
        '{"time": "x"}',
        '{"time": "2099-01-01T00:00:00Z"}',
        '{"time": NaN}',
        '{"time": 1e400}',
        "[" * 5000,
        '{"time": "' + "1" * 60 + '"}',
        '{"time": 12}',
    ],
    ids=lambda line: line[:30].replace("[", "(").replace("]", ")"),
)
def test_what_cannot_be_read_as_an_event_in_time_is_no_pass(tmp_path: Path, line: str) -> None:
    path = events(tmp_path / "e.jsonl", hours=[1, 10])
    path.write_text(path.read_text() + line + "\n")
    assert verdict(read(path)) is State.ERROR


def test_without_a_declared_gap_nothing_is_concluded(tmp_path: Path) -> None:
    log = read(events(tmp_path / "e.jsonl", hours=[1]))
    assert verdict(log, None) is State.MISSING
    assert verdict(log, Operation(retention_days=30)) is State.MISSING


@pytest.mark.parametrize("form", ["iso", "z", "seconds", "milliseconds", "nanoseconds"])
def test_every_form_of_time(tmp_path: Path, form: str) -> None:
    moment = NOW - timedelta(hours=3)
    seconds = int(moment.timestamp())
    said = {
        "iso": "2026-05-31T11:00:00+02:00",
        "z": "2026-05-31T09:00:00Z",
        "seconds": seconds,
        "milliseconds": seconds * 1_000,
        "nanoseconds": seconds * 1_000_000_000,
    }[form]
    (tmp_path / "e.jsonl").write_text(json.dumps({"ts": said, "type": "prediction"}) + "\n")
    assert read(tmp_path / "e.jsonl").first == moment


def test_a_folder_and_what_is_packed(tmp_path: Path) -> None:
    one = events(tmp_path / "a.jsonl", hours=[20, 22])
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(one.read_bytes()))
    (tmp_path / "notes.txt").write_text("not a log")
    log = read(tmp_path)
    assert (log.files, log.events, log.disordered) == (2, 4, 0)


def test_events_out_of_order_are_counted_within_a_file(tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    lines = events(path, hours=[1, 2, 3]).read_text().splitlines()
    path.write_text("\n".join(reversed(lines)))
    assert read(path).disordered == 2


@pytest.mark.parametrize("name", ["nowhere.jsonl", "empty", "torn.jsonl.gz"])
def test_no_log_is_said_to_be_none(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "torn.jsonl.gz").write_bytes(gzip.compress(b'{"a": 1}\n' * 1000)[:40])
    with pytest.raises(ConfigurationError) as raised:
        read(tmp_path / name)
    assert raised.value.fix


def test_a_line_without_an_end_is_passed_over(tmp_path: Path) -> None:
    path = events(tmp_path / "e.jsonl", hours=[1, 10])
    with path.open("ab") as stream:
        stream.write(b'{"time": "' + b"1" * 3_000_000 + b'"}\n' + path.read_bytes().splitlines()[0] + b"\n")
    log = read(path)
    assert (log.events, log.unreadable) == (3, 1)


def test_no_value_of_an_event_is_written(tmp_path: Path) -> None:
    path = events(tmp_path / "e.jsonl", hours=[1], applicant="Barnabas Quillfeather", amount=918_273_645)
    path.write_text(path.read_text() + json.dumps({"time": NOW.isoformat(), "kind": "Barnabas Quillfeather"}) * 1 + "\n")
    result = events_result(read(path), OPERATION, now=NOW)
    said = json.dumps(result.model_dump(mode="json")) + log_verdict(OPERATION, result).reason
    assert "Quillfeather" not in said
    assert "918273645" not in said
    assert result.facts["kinds"] == {"other": 1, "prediction": 1}


class TestRetention:
    def test_events_that_an_earlier_look_had_seen_and_that_are_gone_too_soon(self, tmp_path: Path) -> None:
        log = read(events(tmp_path / "e.jsonl", hours=list(range(0, 240, 12))))
        assert verdict(log, earliest=NOW - timedelta(days=20)) is State.FAIL
        assert verdict(log, earliest=log.first) is State.PASS

    def test_events_that_are_older_than_they_must_be_may_go(self, tmp_path: Path) -> None:
        log = read(events(tmp_path / "e.jsonl", hours=list(range(0, 24 * 30, 12))))
        assert verdict(log, earliest=NOW - timedelta(days=300)) is State.PASS

    def test_what_was_known_is_carried_on(self, tmp_path: Path) -> None:
        result = events_result(read(events(tmp_path / "e.jsonl", hours=[1])), OPERATION, now=NOW, earliest=NOW - timedelta(days=20))
        assert result.facts["earliest_known"] == (NOW - timedelta(days=20)).isoformat(timespec="seconds")


@settings(max_examples=60)
@given(hours=st.lists(st.integers(0, 60), min_size=1, max_size=20), gone=st.data())
def test_taking_events_away_never_makes_a_log_better(
    tmp_path_factory: pytest.TempPathFactory, hours: list[int], gone: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("log") / "e.jsonl"
    whole = read(events(path, hours=list(map(float, hours))))
    kept = gone.draw(st.lists(st.sampled_from(hours), max_size=len(hours), unique=True))
    part = read(events(path, hours=list(map(float, kept))))
    if verdict(part, earliest=whole.first) is State.PASS:
        assert verdict(whole, earliest=whole.first) is State.PASS
