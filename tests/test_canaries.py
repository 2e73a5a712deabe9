"""No raw value leaves the frame: values of ten kinds, planted in the data, are in no byte that a run, a gate or a record writes.

The contrast: what Great Expectations and Evidently write of the same frames holds them, found by the same search.
"""

from __future__ import annotations

import base64
import binascii
import importlib
import json
import logging
import sqlite3
import urllib.parse
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

import aims_mlflow as aims
from aims_mlflow import journal, registry, spool
from aims_mlflow.bundle import BUNDLE_PATH
from aims_mlflow.fingerprint import fingerprint
from aims_mlflow.observation import Code, Dataset, Model, Observation, RunFacts
from aims_mlflow.signing import home
from aims_mlflow.system import System

BORN, LATEST = datetime(1877, 3, 4, 5, 6, 7, tzinfo=UTC), datetime(2098, 11, 23, 21, 22, 23, tzinfo=UTC)
LARGEST, SMALLEST, FRACTION = 918_273_645, -777_123_456, 31337.4242175

PLANTED: dict[str, tuple[Any, ...]] = {
    "name": ("Barnabas Quillfeather", "Quillfeather"),
    "e-mail": ("quillfeather.b@zembla.example", "zembla.example"),
    "telephone number": ("+44 7700 900461", "7700 900461"),
    "rare category": ("Zorglubbing",),
    "common category": ("Grimblethorpe",),
    "rare group": ("Trombloniste",),
    "free text": ("reports jellied eels at midnight", "jellied eels"),
    "label": ("zounds-refused",),
    "coded flag": ("Y-77316604",),
    "whole number": (LARGEST, SMALLEST),
    "fraction": (FRACTION,),
    "date": (BORN, LATEST),
}
"""Kind -> values that stand in the train and test frames and nowhere else: the rarest, the most frequent, the least and the greatest."""

KNOWN_TO_MODELS = {"label"}
"""What the user's own model file holds by itself: a classifier that is to answer with labels has to know them."""


def spellings(value: Any) -> set[str]:
    """Return how a value may be written: as Python, numpy and pandas show it, with separators, as an exponent, as an instant."""
    if isinstance(value, datetime):
        moment = pd.Timestamp(value).tz_localize(None)
        numbers = {str(moment.value), str(moment.value // 1_000), str(moment.value // 1_000_000), str(moment.value // 10**9)}
        return numbers | {f"{moment:{form}}" for form in ("%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%Y%m%d", "%b %d, %Y")}
    if isinstance(value, float):
        return {repr(value), f"{value:.4f}", f"{value:.2f}", f"{value:,.2f}", f"{value:.6e}"[:7], f"{value:.3f}"}
    if isinstance(value, int):
        return {str(value), f"{value:,}", f"{value:_}", f"{value:.6e}"[:9], f"{float(value):.8g}"[:9], hex(abs(value))[2:]}
    return {value, value.upper(), value.lower()}


def in_base64(text: bytes) -> set[bytes]:
    """Return what stands in base64 text wherever these bytes begin in it: whole groups of three bytes, at each of three offsets."""
    found = set()
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + text)
        found.add(encoded[4 if offset else 0 : len(encoded) - (4 if (offset + len(text)) % 3 else 0)])
    return found


def encodings(value: Any) -> set[bytes]:
    """Return the bytes of every spelling in UTF-8 and UTF-16, escaped for JSON, HTML and addresses, in base64 and in hexadecimal."""
    found: set[bytes] = set()
    for text in spellings(value):
        plain = text.encode()
        found |= {plain, text.encode("utf-16-le"), text.encode("utf-16-be"), json.dumps(text)[1:-1].encode(), binascii.hexlify(plain)}
        found |= {urllib.parse.quote(text).encode(), urllib.parse.quote_plus(text).encode(), text.replace("+", "&#43;").encode()}
        found |= in_base64(plain)
    return {one for one in found if len(one) >= 5}


NEEDLES = {kind: set().union(*(encodings(value) for value in values)) for kind, values in PLANTED.items()}


def leaks(content: bytes) -> dict[str, bytes]:
    """Return which kinds of planted value stand in the bytes, and how."""
    found = {kind: next((needle for needle in needles if needle in content), None) for kind, needles in NEEDLES.items()}
    return {kind: needle for kind, needle in found.items() if needle is not None}


def planted(rows: int, seed: int) -> pd.DataFrame:
    """Return a frame in which every kind of value is planted, beside columns that the model reads."""
    random = np.random.default_rng(seed)
    x = random.normal(size=rows)
    frame = pd.DataFrame(
        {
            "x": x,
            "z": random.normal(size=rows),
            "g": np.where(np.arange(rows) % 2, "left", "right"),
            "repaid": np.where(x + random.normal(scale=0.6, size=rows) > 0, "repaid", "zounds-refused"),
            "person": [f"Jane Doe {at + seed * rows}" for at in range(rows)],
            "mail": [f"jane.doe.{at + seed * rows}@example.org" for at in range(rows)],
            "telephone": [f"+49 30 {at + seed * rows:07}" for at in range(rows)],
            "town": np.where(np.arange(rows) % 3, "Grimblethorpe", "Little Snoring"),
            "remark": [f"note {at + seed * rows}: nothing to report" for at in range(rows)],
            "flag": "N-1000",
            "amount": random.integers(1000, 9000, rows),
            "share": random.uniform(1, 2, rows),
            "born": pd.Timestamp("1970-01-01") + pd.to_timedelta(random.integers(0, 9000, rows), unit="D"),
        }
    )
    last = {
        "g": "Trombloniste",
        "person": "Barnabas Quillfeather",
        "mail": "quillfeather.b@zembla.example",
        "telephone": "+44 7700 900461",
        "town": "Zorglubbing",
        "remark": "reports jellied eels at midnight",
        "flag": "Y-77316604",
        "amount": LARGEST,
        "share": FRACTION,
        "born": pd.Timestamp(BORN).tz_localize(None),
    }
    for row in (0, rows - 1):  # where a head or a tail would show it
        frame.loc[row, list(last)] = list(last.values())
    frame.loc[1, ["amount", "born"]] = [SMALLEST, pd.Timestamp(LATEST).tz_localize(None)]
    frame["kind"] = frame["town"].astype("category")
    return frame


class Threshold:
    """A model of one column: it holds no category of the data, only the labels that it answers with."""

    feature_names_in_ = ("x", "z")

    def __init__(self, labels: list[str]) -> None:
        self.classes_ = labels

    def predict(self, frame: Any) -> Any:
        return np.where(frame["x"] > 0, *self.classes_[::-1])

    def predict_proba(self, frame: Any) -> Any:
        likely = 1 / (1 + np.exp(-2 * frame["x"].to_numpy(dtype=float)))
        return np.column_stack([1 - likely, likely])


REQUIREMENTS: list[dict[str, Any]] = [
    {"check": "performance", "metric": "roc_auc_score", "min": 0.99},
    {"check": "fairness", "metric": "demographic_parity_ratio", "column": "g", "min": 0.99},
    {"check": "robustness", "perturbation": "numeric_noise", "strength": 0.5, "metric": "accuracy_drop", "max": 0},
    {"check": "overlap", "datasets": ["train", "test"], "metric": "shared_rows", "max": 0},
    {"check": "drift", "metric": "drifted_columns_share", "max": 0},
    *({"check": "drift", "column": column, "metric": "distance", "max": 0} for column in ("town", "amount", "share", "flag")),
    *({"check": "quality", "column": column, "metric": "completeness", "min": 1} for column in ("town", "person", "amount")),
]
EXPECTED: list[dict[str, Any]] = [
    {"type": "expect_column_values_to_be_between", "kwargs": {"column": "amount", "min_value": 0, "max_value": 9000}},
    {"type": "expect_column_values_to_be_between", "kwargs": {"column": "share", "max_value": 2}},
    {"type": "expect_column_max_to_be_between", "kwargs": {"column": "amount", "max_value": 9000}},
    {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "town", "value_set": ["Little Snoring"]}},
    {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "repaid", "value_set": ["repaid"]}},
    {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "g", "value_set": ["left", "right"]}},
    {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "flag", "value_set": ["N-1000"]}},
    {"type": "expect_column_most_common_value_to_be_in_set", "kwargs": {"column": "town", "value_set": ["Little Snoring"]}},
    {"type": "expect_column_values_to_match_regex", "kwargs": {"column": "person", "regex": "^Jane"}},
    {"type": "expect_column_values_to_match_regex", "kwargs": {"column": "mail", "regex": "^jane"}},
    {"type": "expect_column_values_to_match_regex", "kwargs": {"column": "telephone", "regex": "^.49"}},
    {"type": "expect_column_values_to_match_regex", "kwargs": {"column": "remark", "regex": "^note"}},
    {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "born", "value_set": ["1970-01-01"]}},
    {"type": "expect_column_values_to_be_between", "kwargs": {"column": "town", "max_value": 7}},  # of another type: it raises
]
"""Expectations that the planted values fail, so that a report that quotes what failed would quote them."""


def system() -> System:
    return System.model_validate(
        {
            "version": 1,
            "system": {"id": "canaries", "model": "canaries", "name": "Loans"},
            "task": {"kind": "binary_classification", "target": "repaid", "positive_label": "repaid"},
            "data": {
                "roles": {"train": "train", "test": "test"},
                "sensitive": ["g"],
                "time": "born",
                "features": ["x", "z"],
                "populations": [{"column": "g", "shares": {"left": 0.5, "right": 0.5}}],
            },
            "requirements": [*REQUIREMENTS, *({"check": "quality", "expectation": one} for one in EXPECTED)],
        }
    )


@pytest.fixture(autouse=True)
def _quiet() -> None:
    """What MLflow's model room warns about while it is imported is not what is tested."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        importlib.import_module("mlflow.pyfunc")


def written(*folders: Path) -> Iterator[tuple[str, bytes]]:
    """Yield every file below the folders, what signed envelopes carry, and every cell of databases."""
    for path in sorted(p for folder in folders for p in folder.rglob("*") if p.is_file()):
        content = path.read_bytes()
        yield str(path), content
        yield from ((f"{path}: {what}", inner) for what, inner in _opened(content))
        if content.startswith(b"SQLite format 3\0"):
            yield str(path), "\n".join(_cells(path)).encode()


def _opened(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the payloads of envelopes: of the content itself, and of the files in a parcel of the spool."""
    try:
        parsed = json.loads(content)
    except ValueError:
        return
    files = parsed.get("files") if isinstance(parsed, dict) else None
    for part in files.values() if isinstance(files, dict) else ():
        if isinstance(part, str):
            inner = base64.b64decode(part)
            yield "file", inner
            yield from _opened(inner)
    if isinstance(parsed, dict) and isinstance(parsed.get("payload"), str):
        yield "payload", base64.b64decode(parsed["payload"])


def _cells(path: Path) -> Iterator[str]:
    with sqlite3.connect(path) as database:
        for (table,) in database.execute("select name from sqlite_master where type = 'table'").fetchall():
            for row in database.execute(f'select * from "{table}"'):  # noqa: S608 - names of MLflow's own tables
                yield repr(row)


def is_a_model(path: str) -> bool:
    return path.endswith((".pkl", ".skops", ".cloudpickle"))


def assert_nothing_in(*folders: Path) -> int:
    """Assert that no planted value is in any byte below the folders, and return how many bytes were looked at."""
    seen = 0
    for path, content in written(*folders):
        seen += len(content)
        found = leaks(content)
        if is_a_model(path):
            found = {kind: how for kind, how in found.items() if kind not in KNOWN_TO_MODELS}
        assert found == {}, path
    return seen


def trained() -> None:
    train, test = planted(300, 0), planted(240, 1)
    model = Threshold(["zounds-refused", "repaid"])

    @aims.track(system())
    def fit(train: Any, test: Any) -> Any:
        return model

    assert fit(train, test) is model


def test_no_byte_of_a_run_its_gate_and_its_records_holds_a_value(
    mlflow_home: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.DEBUG, logger="aims_mlflow"):
        trained()
        decision = aims.check_promotion("models:/canaries/1", system=system())
        record = aims.summarise(system(), out=tmp_path / "record.html")
    assert decision.lines
    assert record.format
    assert assert_nothing_in(tmp_path, home()) > 1_000_000
    texts = [path for path, content in written(tmp_path, home()) if b"drifted_columns_share" in content]
    assert any(path.endswith("payload") for path in texts)  # the evidence itself is among what was looked at
    assert any(path.endswith("mlflow.db") for path in texts)
    assert any(path.endswith(".html") for path, _ in written(tmp_path, home()))
    said = capfd.readouterr()
    assert leaks("\n".join([caplog.text, said.out, said.err, repr(decision), repr(record)]).encode()) == {}


def test_no_byte_that_waits_for_a_server_holds_a_value(mlflow_home: str, tmp_path: Path) -> None:
    import mlflow

    mlflow.set_tracking_uri("http://127.0.0.1:9")
    mlflow.set_registry_uri("http://127.0.0.1:9")
    trained()
    (entry,) = spool.pending()
    assert leaks(entry.read().files[BUNDLE_PATH]) == {}
    assert any(path.endswith("payload") and b"drifted_columns_share" in content for path, content in written(home()))
    assert_nothing_in(home())


def test_no_byte_that_is_kept_of_a_run_while_it_goes_on_holds_a_value(mlflow_home: str) -> None:
    with aims.track(system()) as run:
        run.data(planted(300, 0), "train")
        run.data(planted(240, 1), "test")
        run.predictions("test", planted(240, 1)["repaid"])
        run.attest("A.6.2.2", by="Head of credit", statement="The requirements were approved")
        kept = [content for path, content in written(home()) if journal.RUNNING in path]
        assert any(b'"datasets"' in content for content in kept)
        assert_nothing_in(home())


def test_no_byte_of_a_look_at_production_holds_a_value(
    mlflow_home: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    from aims_mlflow.operation import monitor
    from aims_mlflow.operation.casebook import Casebook
    from aims_mlflow.store import Store

    looked = tmp_path / "looked"
    looked.mkdir()
    data, outside = planted(260, 2), tmp_path.parent / f"{tmp_path.name}-outside"
    outside.mkdir()
    lines = [{"time": datetime.now(UTC).isoformat(), "kind": value, "who": value} for value in PLANTED["name"]]
    (outside / "events.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with caplog.at_level(logging.DEBUG, logger="aims_mlflow"):
        trained()
        with_labels = monitor("models:/canaries/1", data, system=system(), reference=planted(300, 0), events=outside / "events.jsonl")
        without = monitor("models:/canaries/1", data.drop(columns="repaid").assign(amount=None), system=system(), key="mail")
        kept = data.assign(said=data["repaid"])
        given = monitor("models:/canaries/1", kept, system=system(), predictions="said")
        cases = Casebook("canaries", Store()).cases("nonconformity")
    assert {with_labels.exit_code, without.exit_code, given.exit_code} == {1}
    assert len(cases) >= len(with_labels.breaches)
    assert assert_nothing_in(tmp_path, home()) > 1_000_000
    assert any(b"urn:aims-mlflow:nonconformity-event:v1" in content for _, content in written(tmp_path))
    said = capfd.readouterr()
    everything = [caplog.text, said.out, said.err, repr(with_labels), repr(without), repr(given), repr(cases)]
    assert leaks("\n".join(everything).encode()) == {}


# --- the contrast -------------------------------------------------------------------------------------------------------------


def great_expectations_says(frame: pd.DataFrame, result_format: str) -> str:
    """Return what Great Expectations reports of the same expectations, as its own JSON."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import great_expectations as gx

        context: Any = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = {"globally": False}
        batch = context.data_sources.add_pandas("p").add_dataframe_asset("a").add_batch_definition_whole_dataframe("b")
        suite = gx.ExpectationSuite(name="s", expectations=[_gx(gx, one) for one in EXPECTED])
        return str(batch.get_batch(batch_parameters={"dataframe": frame}).validate(suite, result_format=result_format))


def _gx(gx: Any, expectation: dict[str, Any]) -> Any:
    name = "".join(part.capitalize() for part in expectation["type"].split("_"))
    return getattr(gx.expectations, name)(**expectation["kwargs"])


def evidently_says(current: pd.DataFrame, reference: pd.DataFrame) -> dict[str, str]:
    """Return what Evidently reports of the same frames: its snapshot, its page, and its dictionary."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from evidently import DataDefinition, Dataset, Report
        from evidently.presets import DataSummaryPreset

        definition = DataDefinition(
            numerical_columns=["x", "amount", "share"],
            categorical_columns=["g", "town", "flag", "repaid", "person", "mail", "telephone", "remark"],
            datetime_columns=["born"],
        )
        sides = [Dataset.from_pandas(frame.drop(columns="kind"), data_definition=definition) for frame in (current, reference)]
        report = Report([DataSummaryPreset()]).run(sides[0], sides[1])
        return {"snapshot": report.json(), "page": report.get_html_str(as_iframe=False), "dictionary": repr(report.dict())}


@pytest.mark.parametrize("result_format", ["COMPLETE", "SUMMARY"])
def test_great_expectations_own_results_hold_the_values(result_format: str) -> None:
    found = leaks(great_expectations_says(planted(300, 0), result_format).encode())
    assert set(found) == set(PLANTED)


def test_evidentlys_own_report_holds_the_values() -> None:
    said = evidently_says(planted(300, 0), planted(240, 1))
    found = {form: set(leaks(text.encode())) for form, text in said.items()}
    assert {"common category", "rare category", "rare group", "label", "coded flag", "whole number", "fraction"} <= found["page"]
    assert {"whole number", "label"} <= found["dictionary"] | found["snapshot"]


@pytest.mark.parametrize("kind", PLANTED)
@pytest.mark.parametrize("how", ["text", "UTF-16", "JSON", "base64", "envelope", "database", "numpy"])
def test_the_search_finds_each_kind_however_it_is_hidden(kind: str, how: str, tmp_path: Path) -> None:
    for value in PLANTED[kind]:
        text = f"the value is {pd.Timestamp(value):%Y-%m-%d} here" if isinstance(value, datetime) else f"the value is {value!r} here"
        file = tmp_path / "found"
        file.unlink(missing_ok=True)
        if how == "text":
            file.write_text(text)
        elif how == "UTF-16":
            file.write_text(text, encoding="utf-16")
        elif how == "JSON":
            file.write_text(json.dumps({"note": [text]}))
        elif how == "base64":
            file.write_bytes(b"\n".join(base64.b64encode(b"\0" * offset + text.encode()) for offset in range(3)))
        elif how == "envelope":
            file.write_text(json.dumps({"payload": base64.b64encode(text.encode()).decode(), "signatures": []}))
        elif how == "database":
            with sqlite3.connect(file) as database:
                database.execute("create table tags (value text)")
                database.execute("insert into tags values (?)", (text,))
            database.close()
        else:
            moment = pd.Timestamp(value).tz_localize(None) if isinstance(value, datetime) else value
            file.write_text(repr(np.array([moment, moment], dtype="datetime64[ns]" if isinstance(value, datetime) else None)))
        assert any(kind in leaks(content) for _, content in written(tmp_path))


# --- even what a person has quoted ----------------------------------------------------------------------------------------------


QUOTING: list[dict[str, Any]] = [
    {"type": "expect_column_values_to_be_between", "kwargs": {"column": "amount", "max_value": LARGEST - 1}},
    {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "town", "value_set": ["Zorglubbing"]}},
    {"type": "expect_column_most_common_value_to_be_in_set", "kwargs": {"column": "person", "value_set": ["Barnabas Quillfeather"]}},
    {"type": "expect_column_values_to_be_between", "kwargs": {"column": "town", "max_value": LARGEST}},
    {"type": "expect_column_values_to_match_regex", "kwargs": {"column": "person", "regex": "Quillfeather("}},
    {"type": "expect_column_values_to_be_betwixt", "kwargs": {"column": "person", "value": "Barnabas Quillfeather"}},
    {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "town", "set": "Zorglubbing"}},
]


@pytest.mark.parametrize("check", sorted(registry.checks()))
def test_no_check_repeats_a_value_even_if_an_expectation_quotes_it(check: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """And a fitted model, whose steps know the categories, is no way out either."""
    train, test = planted(200, 0), planted(160, 1)
    ordered: Any = OrdinalEncoder().set_params(categories=[["Grimblethorpe", "Little Snoring", "Zorglubbing"]])
    words = ColumnTransformer(
        [
            ("one_hot", OneHotEncoder(handle_unknown="ignore"), ["town", "person", "g"]),
            ("ordinal", ordered, ["kind"]),
            ("scale", StandardScaler(), ["amount", "share"]),
        ]
    )
    features = ["town", "person", "g", "kind", "amount", "share"]
    fitted = Pipeline([("words", words), ("model", LogisticRegression(max_iter=3000))]).fit(train[features], train["repaid"])
    (tmp_path / "s.json").write_text(json.dumps({"name": "Zorglubbing", "expectations": QUOTING, "meta": {"note": "Zorglubbing"}}))
    asked = [*({"check": "quality", "expectation": one} for one in QUOTING), {"check": "quality", "suite": "s.json"}]
    declared = system().model_copy(update={"requirements": ()}).model_dump(mode="json", by_alias=True)
    declared["requirements"] = [*REQUIREMENTS, *asked]
    seen = Observation(
        System.model_validate(declared).at(tmp_path),
        {role: Dataset(role, frame, fingerprint(frame)) for role, frame in (("train", train), ("test", test))},
        RunFacts(run_id="r", started=datetime.now(UTC), code=Code("unknown")),
        Model(
            predict=lambda frame: fitted.predict(frame[features]),
            predict_proba=lambda frame: fitted.predict_proba(frame[features]),
            features=tuple(features),
            classes=tuple(fitted.classes_),
            estimator=fitted,
        ),
    )
    with caplog.at_level(logging.CRITICAL):
        found = registry.get(check).run(seen)
    assert found
    quoted = leaks(json.dumps([result.model_dump(mode="json") for result in found], ensure_ascii=False).encode())
    assert quoted == {}
