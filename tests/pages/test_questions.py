"""The ways of docs/questions.md from /aims, clicked in a real Chromium: each answer stands where its last click leads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from . import browsing
from .browsing import DESK, WAIT
from .world import World

TEXT = (Path(__file__).parents[2] / "docs" / "questions.md").read_text("utf-8")
ROWS = re.findall(r"^\| (?:\d+ \| )?([^|]+\?) \|.*\| ([^|]+) \((\d)\) \|$", TEXT, re.MULTILINE)

SEEN = {
    "Which AI systems": ["AI systems", "Loan decisions", "no-record", "broken"],
    "May this model be used": ["Decisions", "allowed", "denied"],
    "Which controls have evidence": ["Controls by version", "A.2.2", "A.10.4"],
    "What is to be done next": ["Open items", "Blocks", "Who:"],
    "What is overdue": ["Due"],
    "How high are the risks": ["Likelihood", "Owner"],
    "Who is affected": ["Impact", "applicants"],
    "Do we meet our objectives": ["Objectives"],
    "Which controls apply": ["applicability", "Included"],
    "What happened last quarter": ["review of golden"],
    "Is this evidence genuine": ["Verification", "Signature"],
    "How often did they try": ["Versions and runs", "run"],
    "What is different": ["version 1", "version 2", "Measures"],
}
"""What the reader has to see there, by how the question begins."""

PROMOTED = ("May this model be used", "What happened last quarter")
"""What is asked of the system that has decisions and a review."""


@pytest.fixture(scope="module")
def page() -> Iterator[Any]:
    with browsing.chromium() as browser:
        made = browser.new_page(viewport=DESK)
        made.set_default_timeout(WAIT)
        yield made


def link(page: Any, words: str, system: str) -> Any:
    """Return the link that a way names."""
    if words == "the system":
        return page.get_by_role("link", name=system, exact=True)
    if words == "the version":
        return page.get_by_role("link", name="models:/loans/2", exact=True).first
    if words == "the version before":
        return page.get_by_role("link", name=re.compile("^the one before")).first
    if words == "the review":
        return page.get_by_role("link", name=re.compile("^review of golden"))
    if words == "an entry":
        return page.locator("#risks th a").first
    return page.get_by_role("link", name=words, exact=True).first


def test_every_question_has_its_way() -> None:
    assert len(ROWS) == 13
    assert [sum(question.startswith(start) for question, *_ in ROWS) for start in SEEN] == [1] * len(SEEN)


@pytest.mark.parametrize(("question", "way", "clicks"), ROWS, ids=[question.split(",")[0][:30] for question, *_ in ROWS])
def test_at_most_three_clicks_lead_to_the_answer(page: Any, served: Any, world: World, question: str, way: str, clicks: str) -> None:
    del world
    page.goto(f"{served.uri}/aims/")
    named = re.findall(r"(?:^|> )\*([^*]+)\*", way)
    system = "golden" if question.startswith(PROMOTED) else "Loan decisions"
    for words in named:
        link(page, words, system).click()
    further = int(clicks) - len(named)
    assert further in (0, 1), "beyond these there is one thing to unfold, or none"
    assert int(clicks) <= 3
    if not page.url.startswith(f"{served.uri}/aims/"):  # MLflow's own UI draws its page by scripts
        page.get_by_text("review of golden").first.wait_for()
        seen = page.inner_text("body")
    elif "#" in page.url:
        part = page.locator(f"[id='{page.url.partition('#')[2]}']")
        assert part.evaluate("e => { const r = e.getBoundingClientRect(); return r.top < innerHeight && r.bottom > 0 }")
        if further:
            part.locator("summary").first.click()
        seen = part.inner_text()
    else:
        seen = page.inner_text("body")
    for one in SEEN[next(start for start in SEEN if question.startswith(start))]:
        assert one.casefold() in seen.casefold()
