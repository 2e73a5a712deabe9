"""The pages: one file that needs nothing else, readable by people and programs, and harmless whatever a name says."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import pytest

from aims_mlflow.evidence import State
from aims_mlflow.records import pages, viewing
from aims_mlflow.records.looking import count
from aims_mlflow.records.reading import Declared, Read
from aims_mlflow.records.risk_words import LIKELIHOOD_SENTENCE
from aims_mlflow.records.summary import make_record
from aims_mlflow.records.words import SystemRecord

VOID = {"meta", "br", "line", "circle", "rect"}

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</style><script>alert(1)</script>",
    "</title><svg onload=alert(1)>",
    "javascript:alert(1)",
    "[click](javascript:alert(1))",
    "![x](https://example.org/x.png)",
    "| a | b |\n# heading",
    "=cmd|'/C calc'!A1",
    "{{ 7*7 }}{% raw %}",
    "\u202etxt.exe",
    "a\x00b\x1b[31m",
    "&lt;b&gt; &#x3c;b",
    "]]><![CDATA[",
    "x" * 9_000,
]


class Page(HTMLParser):
    """What a browser would find in the page."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.stack: list[str] = []
        self.text: list[str] = []
        self.unbalanced: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        if not self.stack or self.stack.pop() != tag:
            self.unbalanced.append(tag)

    def handle_data(self, data: str) -> None:
        if "style" not in self.stack:
            self.text.append(data)

    def values(self, name: str) -> list[str]:
        return [value for _, key, value in self.attributes if key == name]


def record_of(seen: Any, system: Any, results: Any = None, *, versions: int = 2) -> SystemRecord:
    found = tuple(seen(system, results) for _ in range(versions))
    named = tuple(one.__class__(**{**one.__dict__, "uri": f"models:/loans/{versions - i}"}) for i, one in enumerate(found))
    now = datetime.now(UTC)
    return make_record(Read(Declared(system, True, "aims.yaml"), named, named[0] if named else None, count((), {}), now))


@pytest.fixture
def record(seen: Any, make: Any) -> SystemRecord:
    waiver = {"control": "A.2.2", "reason": "later", "approved_by": "Board", "on": "2026-01-01", "expires": "2099-01-01"}
    return record_of(seen, make.system(waivers=[waiver], risk={"breakpoints": {"excess_adverse_decisions": {4: 100}}}))


@pytest.fixture
def page(record: SystemRecord) -> Page:
    return Page(pages.html(record))


class TestPage:
    def test_it_needs_nothing_else(self, record: SystemRecord, page: Page) -> None:
        assert page.tags.keys().isdisjoint({"script", "link", "img", "iframe", "object", "embed", "form", "base", "video", "audio", "use"})
        assert set(page.values("http-equiv")) == {"Content-Security-Policy"}
        assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in page.values("content")
        assert all(href.startswith("#") for href in page.values("href"))
        assert not page.values("src")
        style = pages.html(record).partition("<style>")[2].partition("</style>")[0]
        assert "url(" not in style
        assert "@import" not in style
        assert "http" not in style

    def test_tags_are_balanced_and_ids_unique_and_links_resolve(self, page: Page) -> None:
        assert page.unbalanced == []
        assert page.stack == []
        ids = page.values("id")
        assert len(ids) == len(set(ids))
        assert {href[1:] for href in page.values("href")} <= set(ids)
        assert set(page.values("aria-labelledby")) <= set(ids)

    def test_it_has_landmarks_and_headings_in_order(self, record: SystemRecord, page: Page) -> None:
        for landmark in ("header", "nav", "main", "footer", "h1"):
            assert page.tags[landmark] == 1
        assert page.values("lang") == ["en"]
        levels = [int(level) for level in re.findall(r"<h([1-6])[ >]", pages.html(record))]
        assert levels[0] == 1
        assert all(after - before <= 1 for before, after in pairwise(levels))

    def test_tables_say_what_they_hold(self, page: Page) -> None:
        assert page.tags["table"] == page.tags["caption"] > 5
        scopes = [value for tag, key, value in page.attributes if tag == "th" and key == "scope"]
        assert len(scopes) == page.tags["th"]
        assert set(scopes) == {"row", "col"}

    def test_pictures_have_words(self, page: Page) -> None:
        assert page.tags["svg"] > 2
        assert page.values("role").count("img") == page.tags["svg"]
        pictures = [value for tag, key, value in page.attributes if tag == "svg" and key == "aria-label"]
        assert all(pictures)
        assert any("n = 500" in words for words in pictures)

    def test_each_fairness_robustness_and_drift_result_is_drawn_beside_what_was_asked(self, record: SystemRecord, page: Page) -> None:
        assert [f.check for f in record.figures] == ["fairness", "robustness", "drift"]
        drawn = [value for tag, key, value in page.attributes if tag == "svg" and key == "aria-describedby"]
        over_time = {figure.id for o in record.objectives for s in o.series if (figure := viewing.over_time(s)) is not None}
        assert len(over_time) == 4
        assert len(drawn) == len(record.figures) + len(over_time), "a series that serves two objectives is drawn once"
        for figure in record.figures:
            assert figure.requirements
            assert f"#{figure.id}" in page.values("href"), "its requirement's row leads to it"
            assert set(figure.evidence_ids) <= set(page.values("id")), "what it is drawn from stands among the sources"
        text = " ".join(page.text)
        assert "0.6 (0.556 to 0.642), n = 500" in text, "interval and n are real text"
        assert page.tags["title"] == page.tags["desc"] + 1
        assert "details" in page.tags

    def test_many_pictures_leave_the_page_readable(self, seen: Any, make: Any) -> None:
        groups = {f"group {i}": (100 + i, 500) for i in range(20)}
        fairness = [make.fairness(f"column {i} with a rather long name", groups) for i in range(65)]
        record = record_of(seen, make.system(), [*make.results(), *fairness, *make.drift([(0.02, 0.01)] * 60)], versions=1)
        made = pages.html(record)
        assert Page(made).unbalanced == []
        assert len(record.figures) == 60
        assert len(made) < 1_500_000
        assert made.count('<details class="figure">') == 60

    def test_it_says_what_must_be_said(self, page: Page) -> None:
        text = " ".join(page.text)
        assert LIKELIHOOD_SENTENCE in text
        assert "compliant" not in text.lower()
        assert (
            text.index("Open items") < text.index("Controls and their evidence") < text.index("Risk register") < text.index("Impact record")
        )

    def test_colour_never_stands_alone(self, record: SystemRecord) -> None:
        for chip in re.findall(r'<span class="chip[^>]*>(.*?)</span>', pages.html(record)):
            words = re.sub(r"<i.*?</i>", "", chip).strip()
            assert words in {"✓", "✗", "○", "?", "~", "!", "-", "⌛"} or len(words) > 2

    def test_all_controls_and_all_entries_are_there(self, record: SystemRecord, page: Page) -> None:
        text = " ".join(page.text)
        assert record.counted is not None
        assert len(record.counted.lines) == 38
        assert all(line.control in text for line in record.counted.lines)
        assert {e.risk_id for e in record.risks.entries} <= set(page.values("id"))
        assert {s.id for s in record.sources} <= set(page.values("id"))

    def test_it_answers_to_width_paper_and_light(self) -> None:
        style = pages._template("style.css")
        assert "prefers-color-scheme: dark" in style
        assert "@media print" in style
        assert "max-width: 46rem" in style

    def test_nothing_registered_makes_a_page_too(self, make: Any) -> None:
        said = Declared(make.system(), False, "no system file was found")
        empty = make_record(Read(said, (), None, count((), {}), datetime.now(UTC)))
        assert Page(pages.html(empty)).unbalanced == []
        assert "There is no version or run to look at." in pages.markdown(empty)
        assert empty.state is State.MISSING


def full(make: Any) -> Any:
    """A system file in which every part of the record has something to show."""
    return make.system(
        attestations=[
            {"control": "A.2.2", "statement": "s", "by": "b", "on": "2026-01-01", "expires": "2026-02-01"},
            {"control": "A.10.4", "statement": "s", "by": "b", "on": "2026-01-01", "not_applicable": True},
        ],
        reviews=[{"on": "2026-01-01", "by": "b", "actions": [{"action": "a", "owner": "o", "due": "2026-02-01"}]}],
        risk={
            "treatments": [
                {"objective": "C.2.5", "option": "modify", "action": "a", "owner": "o", "due": "2026-02-01", "control": "A.7.6"}
            ],
            "acceptances": [
                {"objective": "C.2.5", "up_to": "low", "rationale": "r", "by": "b", "on": "2026-01-01", "expires": "2099-01-01"}
            ],
        },
    )


class TestPlans:
    @pytest.fixture
    def text(self, seen: Any, make: Any) -> str:
        return " ".join(" ".join(Page(pages.html(record_of(seen, full(make)))).text).split())

    def test_the_parts_stand_in_the_order_in_which_to_read_them(self, text: str) -> None:
        names = ["Open items", "Due", "Controls and their evidence", "Statement of applicability (draft)", "AI objectives over time"]
        names += [
            "Risk register",
            "Treatment plan",
            "Impact record",
            "Measures",
            "Nonconformities and incidents",
            "Attestations and waivers",
        ]
        main = text[text.index("What to do next") - 20 :]
        at = [main.index(f" {name} ") for name in names]
        assert at == sorted(at)

    def test_what_is_overdue_is_said_in_words(self, text: str) -> None:
        for words in ("overdue by", "ended", "days ago", "Nothing in this record has a date"):
            assert (words in text) == (words != "Nothing in this record has a date"), words

    def test_a_statement_of_applicability_says_who_excluded_what(self, text: str) -> None:
        assert "37 of 38 controls included, 1 excluded; for 1 a named person has given the reason." in text
        assert "Excluded, by a named person's reason" in text

    def test_who_has_to_act_is_said(self, text: str) -> None:
        assert "Who: Head of credit (owner of the system)" in text

    def test_every_number_of_a_series_is_the_bundles(self, seen: Any, make: Any) -> None:
        record = record_of(seen, make.system(), make.results(make.robustness(0.0123)))
        page = Page(pages.html(record))
        results = {r.id: r for r in seen(make.system(), make.results(make.robustness(0.0123))).bundle.results}
        points = [(s, p) for o in record.objectives for s in o.series for p in s.points]
        assert len(points) > 4
        for series, point in points:
            (result,) = [results[i] for i in point.evidence_ids if i in results]
            measure = result.measure(series.metric)
            assert measure is not None
            assert (point.value, point.n) == (measure.value, measure.n)
            assert pages.number(point.value) in " ".join(page.text)


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_name_is_shown_and_does_nothing(seen: Any, make: Any, text: str) -> None:
    answers = {"answers": {"benefits": {"text": text, "by": text, "on": "2026-01-20"}}}
    party = {"name": text, "size": 100, "source": text}
    requirement = {"check": "fairness", "metric": "demographic_parity_ratio", "column": text, "min": 0.8, "because": text}
    system = make.system(
        system={"name": text, "purpose": text, "affected_parties": [party], "owner": {"name": text, "contact": text}, "deployment": text},
        data={"sensitive": [text]},
        requirements=[requirement],
        impact={
            **answers,
            "impacts": [
                {
                    "party": text,
                    "kind": "harm",
                    "description": text,
                    "dimension": text,
                    "irremediability": text,
                    "by": text,
                    "on": "2026-01-01",
                }
            ],
        },
        risk={
            "owners": {"C.2.5": text},
            "treatments": [{"objective": "C.2.5", "option": "modify", "action": text, "owner": text, "due": "2026-02-01"}],
            "acceptances": [
                {"objective": "C.2.5", "up_to": "low", "rationale": text, "by": text, "on": "2026-01-01", "expires": "2099-01-01"}
            ],
            "consequences": [{"objective": "C.2.5", "party": text, "class": 3, "rationale": text, "set_by": text, "set_on": "2026-01-01"}],
        },
        attestations=[
            {"control": "A.2.2", "statement": text, "by": text, "on": "2026-01-01", "reference": text, "expires": "2026-02-01"},
            {"control": "A.10.4", "statement": text, "by": text, "on": "2026-01-01", "not_applicable": True},
        ],
        reviews=[{"on": "2026-01-01", "by": text, "actions": [{"action": text, "owner": text, "due": "2026-02-01"}]}],
    )
    results = make.results(make.fairness(text, {text[:200]: (30, 200), "other": (100, 200)}))
    record = record_of(seen, system, results, versions=1)
    plain = Page(pages.html(record_of(seen, full(make), versions=1)))
    page = Page(pages.html(record))
    assert page.unbalanced == []
    assert page.tags.keys() <= plain.tags.keys()
    assert {name for _, name, _ in page.attributes} <= {name for _, name, _ in plain.attributes}
    assert all(href.startswith("#") for href in page.values("href"))
    assert pages.visible(text) in "".join(page.text)
    written = pages.markdown(record)
    assert "<" not in written.replace("&lt;", "")
    assert not re.search(r"(?<!\\)\]\(", written)
    assert "javascript:" not in written
    assert SystemRecord.model_validate_json(record.json_bytes()) == record, "nothing is lost in the data"


def test_every_row_of_a_markdown_table_has_its_columns(record: SystemRecord) -> None:
    width = 0
    for line in pages.markdown(record).splitlines():
        if not line.startswith("|"):
            width = 0
            continue
        cells = len(re.findall(r"(?<!\\)\|", line))
        assert width in (0, cells), line
        width = cells


def test_the_same_record_makes_the_same_files(record: SystemRecord) -> None:
    assert pages.files_of(record) == pages.files_of(record)
    assert set(pages.files_of(record)) == {"record.json", "record.md", "record.html"}
