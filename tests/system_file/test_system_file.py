"""The system file: the example loads typed, hostile files are refused, and nothing but our own errors comes out."""

from __future__ import annotations

import datetime
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aims_mlflow.errors import ConfigurationError, SystemFileError
from aims_mlflow.system import BinnedColumn, System
from aims_mlflow.system_file import load_system, parse_system
from aims_mlflow.system_file.strict_yaml import MAX_BYTES

EXAMPLE = Path(__file__).parents[1] / "data" / "aims.yaml"
SMALLEST = """\
version: 1
system: {id: tiny}
task: {kind: regression, target: y}
data: {roles: {train: train, test: test}}
"""


def test_the_example_loads_typed(example_system: System) -> None:
    assert example_system.id == "credit-scoring"
    assert example_system.task.favourable == 1
    assert type(example_system.task.favourable) is int
    assert example_system.data.sources["train"].acquired == datetime.date(1994, 11, 17)
    assert example_system.attestations[0].on == datetime.date(2026, 1, 12)
    assert example_system.risk.breakpoints.excess_adverse_decisions == {3: 50, 4: 200, 5: 1000}
    assert example_system.risk.consequences[0].class_ == 3
    assert example_system.impact.answers["benefits"].by == "Product owner"
    assert [r.id for r in example_system.requirements][:3] == [
        "performance.roc_auc_score",
        "fairness.demographic_parity_ratio[column=sex]",
        "fairness.equalized_odds_difference[column=sex]",
    ]
    assert example_system.base_dir == EXAMPLE.parent


def test_the_smallest_file_loads() -> None:
    tiny = parse_system(SMALLEST)
    assert tiny.requirements == ()
    assert tiny.gate.protects == ("champion", "production")
    assert tiny.base_dir is None


def test_a_byte_order_mark_and_windows_line_ends_change_nothing(tmp_path: Path) -> None:
    file = tmp_path / "aims.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + SMALLEST.replace("\n", "\r\n").encode())
    assert load_system(file).sha256 == parse_system(SMALLEST).sha256


def test_the_folder_is_no_part_of_the_declaration(example_system: System, tmp_path: Path) -> None:
    (tmp_path / "expectations").mkdir()
    (tmp_path / "expectations" / "train.json").write_bytes((EXAMPLE.parent / "expectations" / "train.json").read_bytes())
    (tmp_path / "aims.yaml").write_bytes(EXAMPLE.read_bytes())
    elsewhere = load_system(tmp_path / "aims.yaml")
    assert elsewhere.sha256 == example_system.sha256
    assert elsewhere.model_dump() == example_system.model_dump()
    assert elsewhere.base_dir == tmp_path
    assert elsewhere.at(None).base_dir is None
    assert elsewhere.base_dir == tmp_path


@pytest.mark.parametrize(
    ("label", "meaning"),
    [
        ("1", 1),
        ("'1'", "1"),
        ("true", True),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("1.5", 1.5),
        ("2026-01-01", "2026-01-01"),
        ("A91", "A91"),
    ],
)
def test_labels_keep_their_type(label: str, meaning: object) -> None:
    text = SMALLEST.replace("kind: regression, target: y", f"kind: binary_classification, target: y, positive_label: {label}")
    found = parse_system(text).task.positive_label
    assert found == meaning
    assert type(found) is type(meaning)


def test_nothing_is_converted_silently() -> None:
    with pytest.raises(SystemFileError) as caught:
        parse_system(SMALLEST + 'gate: {max_age_days: "30"}\nattestations: [{control: A.7.4, statement: 1, by: x, on: 5}]\n')
    assert [m.path for m in caught.value.mistakes] == ["gate.max_age_days", "attestations[0].statement", "attestations[0].on"]


def test_binned_columns_are_read() -> None:
    text = SMALLEST.replace("test: test}}", "test: test}, sensitive: [sex, {column: age, bins: [25, 40]}]}")
    assert parse_system(text).data.sensitive == ("sex", BinnedColumn(column="age", bins=(25, 40)))


@pytest.mark.parametrize("name", ["nowhere.yaml", "", "a\x00b", "x" * 5000])
def test_a_file_that_is_not_there_says_so(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_system(f"{tmp_path}/{name}")
    assert not isinstance(caught.value, SystemFileError)
    assert caught.value.fix


def test_a_named_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "aims.yaml")
    with pytest.raises(ConfigurationError, match="not a regular file"):
        load_system(tmp_path / "aims.yaml")


def test_of_a_large_file_no_more_than_the_limit_is_read(tmp_path: Path) -> None:
    file = tmp_path / "aims.yaml"
    with file.open("wb") as stream:
        stream.truncate(10_000_000_000)  # sparse: reading all of it could not stay within the memory below
    tracemalloc.start()
    try:
        with pytest.raises(SystemFileError, match=f"longer than {MAX_BYTES:,} bytes; it was not read"):
            load_system(file)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2_000_000


HOSTILE = {
    "unknown keys": "version: 1\n" + "".join(f"k{n}: 1\n" for n in range(4_000)),
    "wrong requirements": SMALLEST + "requirements: [" + "a," * 4_000 + "]\n",
    "unknown metrics": SMALLEST + "requirements: [" + "{check: fairness, metric: x}," * 1_200 + "]\n",
    "wrong labels": SMALLEST + "impact: {answers: {" + ",".join(f"k{n}: 1" for n in range(4_000)) + "}}\n",
    "long names": SMALLEST.replace("tiny", "t" * 200_000),
    "deep": SMALLEST + "requirements: " + "[" * 1_000,
    "deep arguments": SMALLEST + "requirements: [{check: quality, expectation: {type: a, kwargs: " + "{a: " * 1_000,
    "laughs": SMALLEST + "x: &a [b,b]\n" + "".join(f"x{n}: &b{n} [*a,*a,*a,*a,*a,*a,*a,*a]\n" for n in range(9)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_within_the_memory(name: str) -> None:
    with pytest.raises(SystemFileError):
        parse_system(SMALLEST + "nothing: 1")  # what is loaded once for all is loaded now
    tracemalloc.start()
    try:
        with pytest.raises(SystemFileError) as caught:
            parse_system(HOSTILE[name], "aims.yaml")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 50_000_000
    assert len(str(caught.value)) < 100_000


def test_every_mistake_is_listed_in_the_order_of_the_file() -> None:
    with pytest.raises(SystemFileError) as caught:
        parse_system("version: 1\nsytem: {id: x}\ntask: {kind: regression, traget: y}\ndata: {roles: {train: a}}\ngate: &g {}\n", "my.yaml")
    assert str(caught.value).splitlines()[0] == "the system file has 5 mistakes:"
    assert [(m.place.line, m.path) for m in caught.value.mistakes] == [
        (1, "system"),
        (2, "sytem"),
        (3, "task.target"),
        (3, "task.traget"),
        (5, "gate"),
    ]
    assert "my.yaml:2:1  sytem: unknown key 'sytem'. Fix: did you mean 'system'?" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"), [("", "empty"), ("# nothing", "empty"), ("null", "empty"), ("- 1", "not a mapping"), ("hello", "not a mapping")]
)
def test_a_file_that_declares_nothing_is_refused(text: str, words: str) -> None:
    with pytest.raises(SystemFileError, match=words):
        parse_system(text)


def test_loading_imports_nothing_heavy() -> None:
    code = (
        f"import sys; from aims_mlflow.system_file import load_system; load_system({str(EXAMPLE)!r});"
        "print([m for m in ('pandas', 'mlflow', 'sklearn', 'great_expectations', 'evidently', 'fairlearn', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    assert done.stdout.strip() == "[]"


EXAMPLE_TEXT = EXAMPLE.read_text(encoding="utf-8")
PIECES = [
    "{",
    "}",
    "[",
    "]",
    ":",
    "- ",
    "&a ",
    "*a",
    "!t ",
    "null",
    ".nan",
    "1e999",
    "\n",
    "  ",
    "'",
    '"',
    "<<: ",
    "? ",
    "é",
    "\x00",
    "---\n",
    "9" * 30,
    "%",
]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(EXAMPLE_TEXT)), st.integers(0, 40), st.sampled_from(PIECES)), min_size=1, max_size=3))
def test_a_damaged_example_loads_or_is_refused_in_our_words(edits: list[tuple[int, int, str]]) -> None:
    text = EXAMPLE_TEXT
    for start, length, piece in edits:
        text = text[:start] + piece + text[start + length :]
    try:
        parse_system(text)
        refused = None
    except SystemFileError as error:
        refused = error
    assert refused is None or refused.mistakes
    assert "pydantic" not in str(refused)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60) | st.text("{}[]:-,&*!|>'\"%@ \n#?ab1.~", max_size=60))
def test_any_text_loads_or_is_refused_in_our_words(text: str) -> None:
    with pytest.raises(SystemFileError) as caught:
        parse_system(text)
    assert all(mistake.place.line >= 1 and mistake.place.column >= 1 for mistake in caught.value.mistakes)
