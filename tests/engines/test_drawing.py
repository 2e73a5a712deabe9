"""The sample: seeded, bounded, fair, and the same wherever the rows stand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from aims_mlflow.engines import chances, drawing
from aims_mlflow.engines.content import content_fingerprint, summed_here
from aims_mlflow.engines.drawing import Plan
from aims_mlflow.engines.frames import Frame


def drawn(given: Any, plan: Plan) -> tuple[pa.Table, int]:
    frame = Frame.of(given)
    if frame.engine == "spark":
        from aims_mlflow.engines import on_spark

        return on_spark.drawn(frame, plan)
    with drawing.Tally() as tally:
        summed_here(frame, tally.put)
        return drawing.drawn_here(frame, tally, plan)


def test_it_is_the_same_rows_in_the_same_order_on_every_engine(engine: str, frame: Any, table: pa.Table) -> None:
    for seed in (7,) if engine == "spark" else (0, 7):  # Spark's jobs are dear
        plan = Plan(table.num_rows, 150, seed)
        sample, different = drawn(frame, plan)
        wanted, known = drawn(table.take(pa.array(np.random.default_rng(1).permutation(table.num_rows))), plan)
        assert different == known == 400
        assert 60 <= sample.num_rows <= 150
        assert (
            content_fingerprint(sample) == content_fingerprint(wanted)
            or content_fingerprint(sample).sha256 == content_fingerprint(wanted).sha256
        )
        assert sample.column("day").to_pylist() == [day.date() if hasattr(day, "date") else day for day in wanted.column("day").to_pylist()]


def test_another_seed_gives_other_rows(table: pa.Table) -> None:
    first, second = (drawn(table, Plan(table.num_rows, 150, seed))[0] for seed in (0, 1))
    assert content_fingerprint(first).sha256 != content_fingerprint(second).sha256


def test_all_rows_are_taken_where_they_are_few_enough(engine: str, frame: Any, table: pa.Table) -> None:
    sample, different = drawn(frame, Plan(table.num_rows, table.num_rows, 0))
    assert (sample.num_rows, different) == (table.num_rows, 400)
    assert content_fingerprint(sample).sha256 == content_fingerprint(table).sha256
    if engine in ("pandas", "polars", "pyarrow"):
        assert sample.column("clock").to_pylist() == table.column("clock").to_pylist()


def test_equal_rows_are_drawn_one_by_one() -> None:
    """Of a million rows of two kinds the sample has as many of each as their shares say: not all or none."""
    keys, counts, plan = np.array([3, 2**63 + 5], np.uint64), np.array([900_000, 100_000]), Plan(1_000_000, 10_000, 0)
    sizes = []
    for seed in range(200):
        assert chances.is_drawn(keys, counts, plan.chance, seed).all()
        sizes.append(drawing.copies(keys, counts, Plan(1_000_000, 10_000, seed)))
    assert np.mean(sizes, axis=0) == pytest.approx(plan.chance * counts, rel=0.01)
    assert np.std(sizes, axis=0) == pytest.approx(np.sqrt(plan.chance * (1 - plan.chance) * counts), rel=0.25)


def test_every_row_has_the_same_chance() -> None:
    """Over many seeds each row is drawn as often as any other (chi-squared on rows and on a group)."""
    keys = np.random.default_rng(0).integers(0, 2**63, 2_000).astype(np.uint64)
    hits: Any = sum(chances.is_drawn(keys, np.ones(2_000), 0.1, seed).astype(int) for seed in range(400))
    assert hits.mean() == pytest.approx(40, rel=0.02)
    assert hits.var() == pytest.approx(36, rel=0.15)


def test_the_size_is_never_more_than_was_asked_for() -> None:
    keys = np.random.default_rng(0).integers(0, 2**63, 5_000).astype(np.uint64)
    for seed in range(50):
        plan = Plan(5_000, 20, seed)
        kept = keys[chances.is_drawn(keys, np.ones(5_000), plan.chance, seed)]
        assert drawing.copies(kept, np.ones(len(kept)), plan).sum() == min(len(kept), 20)


def test_buckets_that_overflow_go_to_files_and_count_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "IN_MEMORY_BYTES", 64)
    keys = np.random.default_rng(0).integers(0, 2**64 - 1, 3_000, dtype=np.uint64)
    with drawing.Tally() as tally:
        for part in (keys, keys[:1_000], keys[:0]):
            tally.put(part)
        found = dict(pair for some, often in tally.counted() for pair in zip(some.tolist(), often.tolist(), strict=True))
    assert found == {key: 2 if at < 1_000 else 1 for at, key in enumerate(keys.tolist())}


def test_more_rows_than_a_batch_are_seen_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aims_mlflow.engines.frames.ROWS_A_BATCH", 97)
    table = pa.table({"x": np.arange(5_000) % 1_700})
    small, different = drawn(table, Plan(5_000, 900, 3))
    monkeypatch.undo()
    again, _ = drawn(table, Plan(5_000, 900, 3))
    assert different == 1_700
    assert small.equals(again)
