"""The pages in a real Chromium: nothing that axe-core finds, the keyboard reaches everything, and no script, request or error at all."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urldefrag, urljoin

import pytest

from aims_mlflow.scorecard import visible

from . import browsing
from .browsing import DESK, FOCUSED, PHONE, STOPS, WAIT, WIDE, Heard, broken_rules
from .world import HOSTILE, World

PAGES = {
    "inventory": "",
    "system": "systems/loans/",
    "promoted": "systems/golden/",
    "unregistered": "systems/unregistered/",
    "record": "systems/loans/record/",
    "version": "systems/loans/versions/{loans[1]}/",
    "promoted version": "systems/golden/versions/{golden[1]}/",
    "refused version": "systems/golden/versions/{golden[0]}/",
    "difference": "systems/loans/differences/{loans[0]}/{loans[1]}/",
    "no record": "systems/no-record/",
    "broken": "systems/broken/",
    "hostile": "systems/hostile/",
    "hostile version": "systems/hostile/versions/{hostile[0]}/",
    "not found": "systems/nobody/",
}
"""Every kind of page, and the systems for which it looks different."""

KINDS = ["inventory", "system", "version", "difference", "no record", "broken", "not found"]
"""Those that are looked at by all means."""

ALIKE = ["record", "hostile version"]
"""Those of the same parts (or, of the record, as its own tests know it), at which one look is enough."""

LOOKS = {
    **dict.fromkeys(KINDS, (("light", DESK, "all"), ("dark", DESK, "colours"), ("light", PHONE, "all but colours"))),
    **dict.fromkeys(ALIKE, (("dark", PHONE, "all"),)),
}
"""Schemes and sizes, and the rules that each is asked about: colours are the slow ones, and the same on a phone."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with browsing.chromium() as found:
        yield found


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    context = browser.new_context(viewport=DESK)
    made = context.new_page()
    made.set_default_timeout(WAIT)
    yield made
    context.close()


def at(served: Any, world: World, name: str) -> str:
    """Return where a page is."""
    return f"{served.uri}/aims/{PAGES[name].format(**world.versions)}"


class TestEveryPage:
    @pytest.mark.parametrize("name", LOOKS)
    def test_axe_finds_nothing_and_nothing_sticks_out(self, page: Any, served: Any, world: World, name: str) -> None:
        heard = Heard()
        heard.listen(page)
        answer = page.goto(at(served, world, name))
        assert answer.status == (404 if name == "not found" else 200)
        for scheme, size, rules in LOOKS[name]:
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size(size)
            assert not broken_rules(page, rules), (scheme, size)
            assert not page.evaluate(WIDE), (scheme, size)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (scheme, size)
        assert heard.dialogs == []
        assert heard.requests == [at(served, world, name)]
        assert [one for one in heard.said if "404" not in one] == []

    @pytest.mark.parametrize("name", KINDS)
    def test_the_keyboard_reaches_everything_and_shows_where_it_is(self, page: Any, served: Any, world: World, name: str) -> None:
        page.goto(at(served, world, name))
        stops = page.evaluate(STOPS)
        assert stops
        found = []
        for _ in range(stops + 1):
            page.keyboard.press("Tab")
            found.append(page.evaluate(FOCUSED))
            if not found[-1]["what"]:
                break
        assert found[0]["what"].startswith("A #"), "first of all the way past the navigation"
        assert [one for one in found if one["what"] and not (one["shows"] and one["inside"])] == []
        assert len([one for one in found if one["what"]]) == stops
        page.goto(at(served, world, name))
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        assert page.evaluate("document.querySelector('main').matches(':target') || !!document.querySelector('main :target')")

    @pytest.mark.parametrize("name", KINDS)
    def test_it_is_the_same_without_scripts(self, browser: Any, page: Any, served: Any, world: World, name: str) -> None:
        page.goto(at(served, world, name))
        context = browser.new_context(viewport=DESK, java_script_enabled=False)
        other = context.new_page()
        other.goto(at(served, world, name))
        assert other.inner_text("body") == page.inner_text("body")
        assert page.locator("script").count() == 0
        context.close()

    @pytest.mark.parametrize("name", ["inventory", "system", "version", "difference"])
    def test_it_prints(self, page: Any, served: Any, world: World, name: str) -> None:
        page.goto(at(served, world, name))
        printed = page.pdf(format="A4")
        assert printed.startswith(b"%PDF-")
        page.emulate_media(media="print")
        page.set_viewport_size({"width": 720, "height": 1000})  # A4 less its margins
        assert not page.evaluate(WIDE)
        hidden = page.evaluate(
            "[...document.querySelectorAll('h1, h2, caption, th')].filter(e => !e.checkVisibility()).map(e => e.textContent)"
        )
        assert hidden == []


class Marks(HTMLParser):
    """The links of a page, and the places in it that a link can lead to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.ids: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.ids |= {found["id"] or ""} if "id" in found else set()
        self.links |= {found["href"] or ""} if tag == "a" and "href" in found else set()


def test_every_link_leads_somewhere(served: Any, world: World) -> None:
    waiting, seen, anchors = [f"{served.uri}/aims/"], dict[str, set[str]](), set[tuple[str, str]]()
    while waiting:
        here = waiting.pop()
        if here in seen:
            continue
        answer = served.ask("GET", here.removeprefix(served.uri))
        assert answer.status == 200, here
        marks = Marks(answer.body)
        seen[here] = marks.ids
        for href in marks.links:
            there, mark = urldefrag(urljoin(here, href))
            if there.startswith(f"{served.uri}/aims/"):
                waiting.append(there)
                anchors |= {(there, mark)} if mark else set()
            else:
                assert there == f"{served.uri}/", "elsewhere is MLflow's own UI alone"
    assert [(there, mark) for there, mark in anchors if mark not in seen[there]] == []
    expected = {at(served, world, name) for name in PAGES if name != "not found"}
    assert expected <= set(seen), "every page can be reached from the inventory"


class TestHostileNames:
    def test_nothing_is_lost(self, page: Any, served: Any, world: World) -> None:
        text = ""
        for name in ("hostile", "hostile version", "inventory"):
            page.goto(at(served, world, name))
            text += page.evaluate("document.body.textContent")
        plain = re.sub(r"\s+", " ", text)
        for one in HOSTILE:
            assert re.sub(r"\s+", " ", visible(one)) in plain, one[:80]

    def test_nothing_runs_or_leaves(self, page: Any, served: Any, world: World) -> None:
        heard = Heard()
        heard.listen(page)
        for name in ("hostile", "hostile version", "inventory"):
            page.goto(at(served, world, name))
            page.evaluate("document.querySelectorAll('details').forEach(e => { e.open = true })")
            page.mouse.move(300, 300)
            assert (
                page.evaluate("document.querySelectorAll('script, iframe, object, embed, form, base, meta[http-equiv=refresh]').length")
                == 0
            )
            assert (
                page.evaluate("[...document.querySelectorAll('*')].flatMap(e => e.getAttributeNames()).filter(n => n.startsWith('on'))")
                == []
            )
            assert (
                page.evaluate(
                    "[...document.querySelectorAll('[href]')].filter(e => !/^(#|\\.|[a-z0-9-]+\\/)/.test(e.getAttribute('href'))).length"
                )
                == 0
            )
        assert heard.dialogs == []
        assert all(url.startswith(f"{served.uri}/aims/") for url in heard.requests)
        assert heard.said == []
