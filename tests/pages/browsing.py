"""A real Chromium: how a test starts it, and what it asks of a page."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

WAIT = 60_000
"""Milliseconds: other tests run beside this one."""

PHONE = {"width": 375, "height": 700}
DESK = {"width": 1280, "height": 900}


@contextmanager
def chromium() -> Iterator[Any]:
    """Start Debian's Chromium, or the one that playwright has fetched. Fails where there is none."""
    from playwright.sync_api import Error, sync_playwright

    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"])
        except Error:
            if os.environ.get("AIMS_TESTS_WITHOUT_CHROMIUM"):
                pytest.skip("AIMS_TESTS_WITHOUT_CHROMIUM says that this machine has no Chromium")
            pytest.fail("Chromium does not start (apt-get install chromium), or set AIMS_TESTS_WITHOUT_CHROMIUM=1")
        yield browser
        browser.close()


@dataclass
class Heard:
    """What a page did besides being shown."""

    dialogs: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def listen(self, page: Any) -> None:
        """Write down what the page does from now on."""

        def dismissed(dialog: Any) -> None:
            self.dialogs.append(dialog.message)
            dialog.dismiss()

        page.on("dialog", dismissed)
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))


RULES: dict[str, dict[str, Any]] = {
    "all": {},
    "colours": {"runOnly": ["color-contrast"]},
    "all but colours": {"rules": {"color-contrast": {"enabled": False}}},
}


def broken_rules(page: Any, rules: str = "all") -> list[str]:
    """Return what axe-core finds wrong with a page: rule, and where."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page, options={"resultTypes": ["violations"], **RULES[rules]}).response["violations"]
    return [f"{v['id']}: {v['help']}: {[n['target'] for n in v['nodes']][:3]} {v['nodes'][0].get('failureSummary')}" for v in found]


STOPS = """() => [...document.querySelectorAll('a[href], button, summary, input, select, textarea, [tabindex]:not([tabindex="-1"])')]
  .filter(e => e.checkVisibility({visibilityProperty: true})).length"""

FOCUSED = """() => {
  const e = document.activeElement, s = getComputedStyle(e), r = e.getBoundingClientRect();
  const shows = (s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) > 0) || s.boxShadow !== 'none';
  return {what: e === document.body ? '' : e.tagName + ' ' + (e.getAttribute('href') || e.textContent.trim().slice(0, 40)), shows,
          inside: r.width > 0 && r.height > 0 && r.right > 0 && r.bottom > 0 && r.left < innerWidth && r.top < innerHeight};
}"""

WIDE = """() => [...document.querySelectorAll('body *')].filter(e => {
  if (e.getBoundingClientRect().right <= innerWidth + 1 || getComputedStyle(e).clipPath !== 'none') return false;
  for (let p = e.parentElement; p; p = p.parentElement) if (getComputedStyle(p).overflowX !== 'visible') return false;
  return true;
}).slice(0, 5).map(e => e.tagName + '.' + e.className + ' ' + e.textContent.trim().slice(0, 60))"""
"""What sticks out on the right, and not within something that scrolls."""
