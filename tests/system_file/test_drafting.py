"""The first aims.yaml: right as it stands for any data file, and without a value of the data in it."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aims_mlflow.errors import ConfigurationError, UnknownNameError
from aims_mlflow.system_file import parse_system
from aims_mlflow.system_file.drafting import Column, DataFile, Draft, likely_kind, quoted
from aims_mlflow.system_file.strict_yaml import read

TODAY = datetime.date(2026, 3, 1)


@pytest.fixture(params=["csv", "parquet"])
def file(request: pytest.FixtureRequest, german: Any, tmp_path: Path) -> DataFile:
    german["good"] = german["credit_risk"] == 1
    german.loc[:9, "sex"] = None
    path = tmp_path / f"german.{request.param}"
    german.to_csv(path, index=False) if request.param == "csv" else german.to_parquet(path)
    return DataFile(path)


def test_columns_are_described_without_their_values(file: DataFile) -> None:
    assert file.column("sex") == Column("sex", "text", 2, 10)
    assert file.column("good") == Column("good", "boolean", 2, 0)
    assert file.column("age_in_years") == Column("age_in_years", "number", 53, 0)
    assert file.column("age_in_years").needs_bins
    assert not file.column("sex").needs_bins


@pytest.mark.parametrize(
    ("target", "text", "label"), [("credit_risk", "1", 1), ("sex", "female", "female"), ("good", "true", True), ("good", "False", False)]
)
def test_a_label_is_read_as_it_stands_in_the_data(file: DataFile, target: str, text: str, label: object) -> None:
    found = file.label(target, text)
    assert found == label
    assert type(found) is type(label)


@pytest.mark.parametrize(("target", "text"), [("credit_risk", "3"), ("credit_risk", "good"), ("sex", "Female"), ("good", "1")])
def test_a_label_that_does_not_occur_is_refused(file: DataFile, target: str, text: str) -> None:
    with pytest.raises(ConfigurationError, match="does not occur"):
        file.label(target, text)


def test_an_unknown_column_names_the_nearest(file: DataFile) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'credit_risk'"):
        file.column("credit_rsik")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("gone.csv", None, "no such data file"),
        ("data.xlsx", b"x", "only CSV and Parquet"),
        ("data.parquet", b"x", "cannot be read"),
        ("data.csv", b"", "cannot be read"),
        ("data.csv", b"a;b\n1;2\n", "not separated by commas"),
        ("data.csv", b"a,b\n\xff\xfe,2\n", "cannot be read"),
    ],
)
def test_files_that_cannot_be_used(name: str, content: bytes | None, words: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigurationError, match=words):
        DataFile(tmp_path / name).column("a")


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        (Column("y", "number", 2, 0), "binary_classification"),
        (Column("y", "text", 2, 0), "binary_classification"),
        (Column("y", "number", 3, 0), "multiclass_classification"),
        (Column("y", "text", 300, 0), "multiclass_classification"),
        (Column("y", "number", 300, 0), "regression"),
    ],
)
def test_the_kind_is_told_from_the_target(column: Column, kind: str) -> None:
    assert likely_kind(column) == kind


DRAFTS = {
    "binary": Draft("a", "y", "binary_classification", positive_label="yes", sensitive={"sex": None, "age": (25.0, 40.5)}, today=TODAY),
    "binary without groups": Draft("a", "y", "binary_classification", positive_label=True, today=TODAY),
    "unwanted positive": Draft(
        "a", "y", "binary_classification", positive_label=1, favourable_label=0, sensitive={"sex": None}, today=TODAY
    ),
    "multiclass": Draft("a", "y", "multiclass_classification", sensitive={"sex": None}, today=TODAY),
    "multiclass, wanted": Draft("a", "y", "multiclass_classification", favourable_label="1", sensitive={"sex": None}, today=TODAY),
    "regression": Draft("a", "y", "regression", sensitive={"sex": None}, today=TODAY),
}


@pytest.mark.parametrize("name", DRAFTS)
def test_a_draft_is_right_as_it_stands(name: str) -> None:
    draft = DRAFTS[name]
    system = parse_system(draft.text())
    assert (system.id, system.task.target, system.task.kind) == (draft.id, draft.target, draft.kind)
    assert system.task.positive_label == draft.positive_label
    assert system.data.sensitive_columns == tuple(draft.sensitive or ())
    assert {"performance", "robustness", "drift", "overlap", "quality"} <= {r.check for r in system.requirements}
    assert all(r.declared == TODAY for r in system.requirements)
    assert "TODO" not in draft.text()


def test_fairness_is_proposed_where_it_can_be_judged() -> None:
    asked = {name: [r.column for r in parse_system(d.text()).requirements if r.check == "fairness"] for name, d in DRAFTS.items()}
    assert asked["binary"] == ["sex", "sex", "age", "age"]
    assert asked["multiclass, wanted"] == ["sex", "sex"]
    assert asked["multiclass"] == ["sex"]
    assert asked["binary without groups"] == asked["regression"] == []
    assert "Fairness needs a sensitive column" in DRAFTS["binary without groups"].text()
    assert "Fairness needs a bound in the units of the target" in DRAFTS["regression"].text()


def test_the_outcome_that_people_want_is_written_out() -> None:
    assert parse_system(DRAFTS["unwanted positive"].text()).task.favourable == 0
    assert parse_system(DRAFTS["binary"].text()).task.favourable == "yes"


@pytest.mark.parametrize("name", DRAFTS)
def test_every_proposal_behind_a_mark_is_right_once_the_mark_is_gone(name: str) -> None:
    text = DRAFTS[name].text()
    head, rest = text[: text.index("system:")], text[text.index("system:") :]
    lines = [
        line
        for line in rest.splitlines()
        if "Fairness needs" not in line and "These bounds" not in line and "a sensitive column" not in line
    ]
    without_marks = "\n".join(line.replace("# ", "", 1) if line.lstrip().startswith("# ") else line for line in lines)
    filled = (
        without_marks.replace("party: a name under affected_parties", "party: people whom its outcomes touch")
        .replace("column: a column", "column: sex")
        .replace("[a use that is ruled out]", "[b]")
        .replace("favourable_label: a label", "favourable_label: b")
    )
    system = parse_system(head + filled)
    assert {a.control for a in system.attestations} == {"A.6.1.2", "A.6.1.3", "A.6.2.2"}
    assert system.data.sources["train"].personal_data is True
    assert system.risk.consequences[0].class_ == 3
    assert system.waivers[0].check == "fairness"


names = st.text(min_size=1, max_size=20).filter(lambda text: text.isprintable())


@settings(max_examples=150, deadline=None)
@given(
    names
    | st.sampled_from(
        [
            "yes",
            "true",
            "null",
            "1",
            "a: b",
            "[x]",
            "{",
            "# a",
            "a #b",
            "'",
            '"',
            "- a",
            "&a",
            "!b",
            "~",
            "=",
            "<<",
            "é",
            " a ",
            "savings/bonds",
        ]
    )
)
def test_any_name_is_written_so_that_it_reads_back(name: str) -> None:
    node, mistakes = read(f"a: [{quoted(name)}, {quoted(name)}] # b")
    assert not mistakes
    assert node is not None
    assert node.plain() == {"a": [name, name]}


@settings(max_examples=50, deadline=None)
@given(st.booleans() | st.integers(-(10**15), 10**15) | st.floats(allow_nan=False, allow_infinity=False))
def test_any_label_is_written_so_that_it_reads_back(label: bool | float) -> None:
    node, _ = read(quoted(label))
    assert node is not None
    assert node.value == label
    assert isinstance(node.value, bool) == isinstance(label, bool)


def test_a_name_that_a_system_file_may_not_hold_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="characters that a system file may not hold"):
        quoted("a\x00b")
