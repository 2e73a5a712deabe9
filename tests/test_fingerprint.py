"""Fingerprints of frames and manifests of folders."""

from __future__ import annotations

import hashlib
import os
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aims_mlflow.errors import CannotMeasure, VerificationError
from aims_mlflow.fingerprint import ALGORITHM, column_names, fingerprint, manifest


def digest_of(column: Any, name: str = "c") -> str:
    return fingerprint(pd.DataFrame({name: column})).column_digests[name]


def test_the_digest_of_a_known_frame_never_changes() -> None:
    frame = pd.DataFrame({"n": [1, 2, 3], "x": [0.5, np.nan, -1.0], "s": ["a", None, "ü"], "b": [True, False, True]})
    found = fingerprint(frame)
    assert found.algorithm == ALGORITHM == "aims-arrow-sha256-v1"
    assert (found.rows, found.columns) == (3, ("n", "x", "s", "b"))
    assert dict(found.dtypes) == {"n": "int64", "x": "double", "s": "string", "b": "bool"}
    by_hand = hashlib.sha256(f"{ALGORITHM}\0int64\0".encode() + (3).to_bytes(8, "little") + bytes(8) + np.array([1, 2, 3], "<i8").tobytes())
    assert found.column_digests["n"] == by_hand.hexdigest()
    assert found.sha256 == "028ead11ef62aad29812486899ac7094c98ecaf68a763c05aab054a7ed128d0c"


def test_csv_and_parquet_of_the_same_data_are_equal(german: Any, tmp_path: Path) -> None:
    german["share"] = german["credit_amount"] / 7
    german["big"] = german["credit_amount"] > 5000
    german["when"] = pd.Timestamp("2020-01-01", tz="UTC") + pd.to_timedelta(german["duration_in_month"], unit="D")
    german["kind"] = german["purpose"].astype("category")
    german.loc[3, "purpose"] = None
    german.to_csv(tmp_path / "d.csv", index=False)
    german.to_parquet(tmp_path / "d.parquet")
    read = pd.read_csv(tmp_path / "d.csv", parse_dates=["when"], dtype={"kind": "category"}, float_precision="round_trip")
    read["when"] = read["when"].astype(german["when"].dtype)
    assert fingerprint(read) == fingerprint(pd.read_parquet(tmp_path / "d.parquet")) == fingerprint(german)


TEXTS = ["a", None, "", "ü€", "a"]


@pytest.mark.parametrize(
    "column",
    [
        pd.Series(TEXTS, dtype=object),
        pd.Series(TEXTS, dtype="str"),
        pd.Series(TEXTS, dtype="string[python]"),
        pd.Series(TEXTS, dtype="string[pyarrow]"),
        pd.Series(TEXTS, dtype=pd.ArrowDtype(pa.string())),
        pd.Series(TEXTS, dtype=pd.ArrowDtype(pa.large_string())),
        pd.Series(pd.arrays.ArrowExtensionArray(pa.chunked_array([TEXTS[:2], TEXTS[2:]], pa.string()))),
        pd.Series(pd.arrays.ArrowExtensionArray(pa.array(["x", *TEXTS, "y"], pa.large_string())[1:-1])),
        pd.Series(["a", np.nan, "", "ü€", "a"], dtype=object),
        pd.Series(["a", pd.NA, "", "ü€", "a"], dtype=object),
    ],
    ids=lambda column: str(column.dtype),
)
def test_text_is_text_however_it_is_stored(column: Any) -> None:
    assert digest_of(column) == digest_of(pd.Series(TEXTS))


def test_what_lies_under_a_missing_value_does_not_count() -> None:
    def masked(values: list[Any], kind: Any) -> Any:
        mask = pa.py_buffer(bytes([0b101]))
        whole = pa.array(values, kind)
        return pd.Series(pd.arrays.ArrowExtensionArray(pa.Array.from_buffers(kind, 3, [mask, *whole.buffers()[1:]])))

    for kind, one, other in ((pa.int64(), [1, 7, 3], [1, 9, 3]), (pa.large_string(), ["a", "x", "b"], ["a", "yyy", "b"])):
        assert digest_of(masked(one, kind)) == digest_of(masked(other, kind))
        assert digest_of(masked(one, kind)) == digest_of(pd.Series([one[0], None, one[2]], dtype=pd.ArrowDtype(kind)))


def test_missing_is_missing() -> None:
    odd = np.array([1.0, np.nan])
    odd.view("uint64")[1] ^= np.uint64(1 << 63 | 5)
    columns = [odd, pd.Series([1.0, None], dtype="Float64"), pd.Series(pd.arrays.ArrowExtensionArray(pa.array([1.0, float("nan")])))]
    assert {digest_of(column) for column in columns} == {digest_of([1.0, np.nan])}
    assert digest_of(pd.Series([1, None], dtype="Int64")) == digest_of(pd.Series([1, None], dtype="int64[pyarrow]"))
    assert digest_of(pd.Series([True, None], dtype=object)) == digest_of(pd.Series([True, np.nan], dtype=object))


FRAME = pd.DataFrame(
    {
        "n": [1, 2, 3],
        "x": [0.0, 1.5, np.nan],
        "s": ["a", "b", None],
        "b": [True, False, True],
        "t": pd.to_datetime(["2020-01-01", "2020-01-02", None]),
        "k": pd.Categorical(["u", "v", "u"], categories=["u", "v"]),
        "d": [Decimal("1.50"), Decimal("2.25"), None],
    }
)


@pytest.mark.parametrize(
    "change",
    [
        lambda f: f.assign(n=[1, 2, 4]),
        lambda f: f.assign(n=f["n"].astype("int32")),
        lambda f: f.assign(n=f["n"].astype("float64")),
        lambda f: f.assign(x=[-0.0, 1.5, np.nan]),
        lambda f: f.assign(x=[np.nan, 1.5, 0.0]),
        lambda f: f.assign(s=["a", None, "b"]),
        lambda f: f.assign(s=["ab", "", None]),
        lambda f: f.assign(s=["a", "b", ""]),
        lambda f: f.assign(b=[True, False, False]),
        lambda f: f.assign(t=f["t"].dt.tz_localize("UTC")),
        lambda f: f.assign(t=f["t"].astype("datetime64[ms]")),
        lambda f: f.assign(t=f["t"] + pd.Timedelta(1, "us")),
        lambda f: f.assign(k=f["k"].astype(str)),
        lambda f: f.assign(k=f["k"].cat.as_ordered()),
        lambda f: f.assign(k=f["k"].cat.add_categories("w")),
        lambda f: f.assign(d=[Decimal("1.50"), Decimal("2.26"), None]),
        lambda f: f.iloc[::-1],
        lambda f: f[[*f.columns[1:], f.columns[0]]],
        lambda f: f.rename(columns={"n": "m"}),
        lambda f: f.iloc[:2],
        lambda f: f.drop(columns="n"),
        lambda f: pd.concat([f, f.iloc[:1]]),
    ],
)
def test_any_change_changes_the_digest(change: Any) -> None:
    assert fingerprint(change(FRAME)).sha256 != fingerprint(FRAME).sha256


@pytest.mark.parametrize(
    "change",
    [
        lambda f: f.set_axis([9, 9, 7], axis=0),
        lambda f: f.copy(),
        lambda f: f.assign(k=f["k"].cat.reorder_categories(["v", "u"])),
        lambda f: pd.concat([f, f]).iloc[3:],
        lambda f: f.assign(n=np.arange(12).reshape(3, 4)[:, 1] // 4 + 1),
    ],
)
def test_what_is_not_content_does_not_change_it(change: Any) -> None:
    assert fingerprint(change(FRAME)).sha256 == fingerprint(FRAME).sha256


def test_a_renamed_column_keeps_its_own_digest() -> None:
    assert digest_of([1, 2], "a") == digest_of([1, 2], "b")


@pytest.mark.parametrize(
    ("cells", "dtype"),
    [
        ([1, "a", None], "object<mixed>"),
        ([1, 2.5], "object<mixed>"),
        ([2**70, 1], "object<mixed>"),
        ([b"a", "a"], "object<mixed>"),
        ([[1, 2], None, [3]], "object<mixed>"),
        ([date(2020, 1, 1), None], "object<date32[day]>"),
        ([True, None], "object<bool>"),
    ],
)
def test_object_columns_are_handled_deterministically(cells: list[Any], dtype: str) -> None:
    column = pd.Series(cells, dtype=object)
    found = fingerprint(pd.DataFrame({"c": column}))
    assert found.dtypes["c"] == dtype
    assert found == fingerprint(pd.DataFrame({"c": column.copy()}))
    assert found.column_digests["c"] != digest_of(column.iloc[::-1])


def test_mixed_cells_are_told_apart_by_type() -> None:
    columns = [[1, "a"], ["1", "a"], [1.0, "a"], [True, "a"], [b"1", "a"], [datetime(2020, 1, 1), "a"], [date(2020, 1, 1), "a"]]  # noqa: DTZ001 - naive on purpose
    assert len({digest_of(pd.Series(cells, dtype=object)) for cells in columns}) == len(columns)


def knot() -> list[Any]:
    """Return a list that holds itself: Arrow ends the process over one."""
    one: list[Any] = []
    one.append(one)
    return one


@pytest.mark.parametrize("cell", [object(), {1, 2}, lambda: None, 1j, knot()], ids=["object", "set", "function", "complex", "knot"])
def test_cells_without_bytes_of_their_own_are_refused(cell: Any) -> None:
    column = pd.Series([cell, cell], dtype=complex if isinstance(cell, complex) else object)
    with pytest.raises(CannotMeasure, match=r"column 'c' .* Fix: .*astype"):
        fingerprint(pd.DataFrame({"c": column}))


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "duplicate column names: a"),
        (pd.DataFrame([[1, 2]], columns=["a", 7]), "1 of 2 column names are not strings"),
        (pd.DataFrame([[1, 2]]), "2 of 2 column names are not strings"),
        (pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", "b"), ("a", "c")])), "not strings"),
        (pd.DataFrame([[1, 2]], columns=pd.Index(["a", "\ud800"], dtype=object)), "1 of 2 column names cannot be written"),
        (np.zeros((2, 2)), "numpy.ndarray, not a pandas DataFrame"),
    ],
)
def test_frames_without_proper_columns_are_refused(frame: Any, said: str) -> None:
    for measured in (fingerprint, column_names):
        with pytest.raises(CannotMeasure, match=said) as refused:
            measured(frame)
        assert refused.value.fix


@pytest.mark.parametrize("frame", [pd.DataFrame(), pd.DataFrame({"a": []}), pd.DataFrame({"a": pd.Series([], dtype="str")})])
def test_an_empty_frame_has_a_fingerprint(frame: Any) -> None:
    assert fingerprint(frame).rows == 0
    assert len(fingerprint(frame).sha256) == 64


CELLS = st.one_of(
    st.lists(st.one_of(st.none(), st.floats(width=64)), min_size=1, max_size=6),
    st.lists(st.one_of(st.none(), st.text(max_size=4)), min_size=1, max_size=6),
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=6),
    st.lists(st.booleans(), min_size=1, max_size=12),
    st.lists(st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)), min_size=1, max_size=4),  # noqa: DTZ001 - naive on purpose
    st.lists(st.timedeltas(timedelta(-9), timedelta(9)), min_size=1, max_size=4),
)


@settings(max_examples=40, deadline=None)
@given(CELLS)
def test_a_round_trip_through_parquet_keeps_the_digest(tmp_path_factory: Any, cells: list[Any]) -> None:
    frame = pd.DataFrame({"c": cells})
    before = frame.copy(deep=True)
    path = tmp_path_factory.mktemp("trip") / "f.parquet"
    frame.to_parquet(path)
    if frame["c"].dtype != object:
        assert fingerprint(pd.read_parquet(path)) == fingerprint(frame)
    pd.testing.assert_frame_equal(frame, before)


@settings(max_examples=40, deadline=None)
@given(CELLS, CELLS)
def test_equal_digests_mean_equal_columns(one: list[Any], other: list[Any]) -> None:
    left, right = pd.Series(one), pd.Series(other)
    if digest_of(left) == digest_of(right):
        pd.testing.assert_series_equal(left, right)
    else:
        zeros = left.dtype == float == right.dtype and (left.eq(0) & right.eq(0)).any()
        assert zeros or not left.equals(right) or left.dtype != right.dtype


def test_a_manifest_lists_every_file_in_order(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x.bin").write_bytes(b"\0" * 3_000_000)
    (tmp_path / "MLmodel").write_bytes(b"hello")
    assert manifest(tmp_path) == {
        "MLmodel": (5, hashlib.sha256(b"hello").hexdigest()),
        "b/x.bin": (3_000_000, hashlib.sha256(bytes(3_000_000)).hexdigest()),
    }
    assert list(manifest(tmp_path)) == ["MLmodel", "b/x.bin"]


def test_a_manifest_refuses_what_is_no_plain_file(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "f").write_text("x")
    for name, target in (("file", "real/f"), ("folder", "real"), ("broken", "nowhere")):
        link = tmp_path / name
        link.symlink_to(target)
        with pytest.raises(VerificationError, match=f"{name}' is a symbolic link"):
            manifest(tmp_path)
        link.unlink()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(VerificationError, match="not a plain file"):
        manifest(tmp_path)
    with pytest.raises(VerificationError, match="not there"):
        manifest(tmp_path / "absent")
