"""The pages of all systems of a store: one call makes any of them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from aims_mlflow.bundle import RECORD_TAG
from aims_mlflow.pages import addresses, views
from aims_mlflow.pages.addresses import Address, parse
from aims_mlflow.pages.comparing import compare
from aims_mlflow.pages.linking import Links
from aims_mlflow.pages.live import Live, look_at
from aims_mlflow.pages.opening import Broken, Desk, Glance, Opened, models_of, said_of
from aims_mlflow.pages.readers import EVERYTHING, Reader
from aims_mlflow.pages.shelf import Holding, Shelf
from aims_mlflow.pages.tracing import traced
from aims_mlflow.records import pages as record_pages
from aims_mlflow.records.words import VersionRecord
from aims_mlflow.scorecard import visible
from aims_mlflow.store import RunView, Store

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["EVERYTHING", "Address", "Page", "Reader", "Site", "parse"]


MOST_LIVE = 64
"""Versions that are kept while files of one record are written."""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Page:
    """A page as it is sent: ``etag`` is the same as long as the page is, without quotes."""

    status: int
    html: str
    etag: str


class Site:
    """All pages of a store. Safe to be asked by several threads.

    Args:
        store: the MLflow that is read; nothing is ever written to it.
        now: the clock.
        static: whether the pages are to be files, so that links name ``index.html``.
        ui: where MLflow's own pages are, from the inventory; files have none to lead to.
        root: where the inventory is, for the page that says that something is not there: that one is shown anywhere.
        patience: how long what was seen of MLflow counts as new enough; none: it is looked at for each page.
    """

    def __init__(
        self,
        store: Store,
        now: Callable[[], datetime] = _now,
        *,
        static: bool = False,
        ui: str = "../",
        root: str = "./",
        patience: timedelta = timedelta(),
    ) -> None:
        self.store, self.now, self.static, self.root = store, now, static, root
        self.ui = None if static else ui
        self._shelf = Shelf(store, now, patience)
        self._desk = Desk(store)
        self._lives: dict[tuple[str, str], Live] = {}

    def page(self, address: Address | None, reader: Reader = EVERYTHING) -> Page:
        """Return a page; for None, and for whatever is not there or may not be read by that reader, the page that says so (404).

        A record that cannot be read, or does not hold, is a page like any other that says so.

        Args:
            address: which page, as ``parse`` gives it.
            reader: who asks.

        Raises:
            StoreError: MLflow did not answer.
        """
        if address is None:
            return self._missing()
        links = Links(address, self.static, self.ui)
        holdings = self._shelf.look()
        if address.kind == "inventory":
            found = list(self._readable(holdings, reader))
            return self._made("inventory.html.j2", views.inventory(found, links), links)
        holding = holdings.get(address.system)
        if holding is None:
            return self._missing()
        now = _whole_hour(self.now())
        opened = self._desk.open(holding.system, holding.records, now) if holding.records else None
        models = models_of(opened.record) if isinstance(opened, Opened) else frozenset[str]()
        if not holding.may_be_read(reader, models):
            return self._missing()
        if not isinstance(opened, Opened):
            return self._made("norecord.html.j2", views.no_record(holding, opened), links, "no record")
        return self._of_record(address, opened, holding, links, now)

    def addresses(self, reader: Reader = EVERYTHING) -> list[Address]:
        """Return the addresses of all pages: of a system's differences, those that its pages lead to; raises StoreError."""
        found = [Address()]
        holdings = self._shelf.look()
        for holding, glance in self._readable(holdings, reader):
            found.append(addresses.system(holding.system))
            opened = self._desk.open(holding.system, holding.records, self.now()) if isinstance(glance, Glance) else None
            if not isinstance(opened, Opened):
                continue
            found.append(addresses.record(holding.system))
            pairs: dict[Address, None] = {}
            for one in opened.record.versions:
                found.append(addresses.version(holding.system, one.id))
                for pair in views.pairs_of(opened.record, one):
                    pairs |= {addresses.difference(holding.system, *pair): None, addresses.difference(holding.system, *pair[::-1]): None}
            found += pairs
        return found

    def _readable(self, holdings: Mapping[str, Holding], reader: Reader) -> Iterator[tuple[Holding, Glance | Broken | None]]:
        """Yield the systems that a reader may see, with what the inventory says of their records."""
        for holding in holdings.values():
            glance = self._desk.glance(holding.system, holding.records, self.now()) if holding.records else None
            if holding.may_be_read(reader, glance.models if isinstance(glance, Glance) else frozenset()):
                yield holding, glance

    def _of_record(self, address: Address, opened: Opened, holding: Holding, links: Links, now: datetime) -> Page:
        record = opened.record
        if address.kind == "system":
            content = {**views.system(opened, holding, links), "reviews": self._reviews(holding)}
            return self._made("system.html.j2", content, links, opened=opened)
        if address.kind == "record":
            html = record_pages.html(record, home=links.to(Address()), up=links.to(addresses.system(holding.system)))
            return _page(200, html)
        by_id = {v.id: v for v in record.versions}
        after = by_id.get(address.version)
        before = by_id.get(address.older) if address.kind == "difference" else None
        if after is None or (address.kind == "difference" and (before is None or before is after)):
            return self._missing()
        if before is None:
            return self._version(opened, holding, after, links, now)
        lives = (self._live(opened, before, now), self._live(opened, after, now))
        params = tuple(self._params(live) for live in lives)
        compared = compare(record, *lives, before, after, params)
        content = views.difference(opened, holding, (before, after), lives, compared, links)
        last = f"{views.short(before)} → {views.short(after)}"
        return self._made("difference.html.j2", content, links, last, opened, _places(opened, (before, after), lives))

    def _reviews(self, holding: Holding) -> list[RunView]:
        """Return the runs with the input of management reviews, newest first."""
        found = self.store.marked_runs(RECORD_TAG, "review", (holding.home,)) if holding.home else ()
        return [run for run in found if run.lifecycle == "active"]

    def _version(self, opened: Opened, holding: Holding, shown: VersionRecord, links: Links, now: datetime) -> Page:
        live = self._live(opened, shown, now)
        content = views.version(opened, holding, shown, live, traced(self.store, live), links)
        return self._made("version.html.j2", content, links, views.short(shown), opened, _places(opened, (shown,), (live,)))

    def _live(self, opened: Opened, shown: VersionRecord, now: datetime) -> Live:
        key = (opened.sha256, shown.id)
        if self.static and key in self._lives:  # all files tell of one moment
            return self._lives[key]
        said, _ = said_of(opened.record.system.id)
        live = look_at(self.store, said, opened.record, shown, now)
        if self.static:
            self._lives = {k: v for k, v in self._lives.items() if k[0] == opened.sha256 and len(self._lives) < MOST_LIVE} | {key: live}
        return live

    def _params(self, live: Live) -> Mapping[str, str]:
        from aims_mlflow.errors import StoreError

        try:
            return self.store.params(live.run.run_id) if live.run is not None else {}
        except StoreError:
            return {}

    def _missing(self) -> Page:
        """Return the page for whatever is not there; it says nothing of why, and nothing of what was asked for."""
        links = Links(Address(), self.static, None if self.ui is None else self.root + self.ui)
        content = {"home": self.root, "crumbs": [("All systems", self.root), ("not found", "")]}
        return self._made("missing.html.j2", content, links, status=404)

    def _made(
        self,
        template: str,
        content: Mapping[str, Any],
        links: Links,
        last: str = "",
        opened: Opened | None = None,
        places: Mapping[str, Address] | None = None,
        status: int = 200,
    ) -> Page:
        around = {"crumbs": links.crumbs(last), "ui": links.mlflow}
        listed = [source.id for source in opened.record.sources] if opened is not None else ()
        with record_pages.citing(links.sources(listed, places)):
            html = record_pages.page(template, {**around, **content}, made=_environment(), css=_css())
        return _page(status, html)


def _whole_hour(now: datetime) -> datetime:
    """Return the end of the hour: what is judged for a page bears that time, so that the page stays the same for as long."""
    return now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)


def _places(opened: Opened, versions: Sequence[VersionRecord], lives: Sequence[Live]) -> dict[str, Address]:
    """Return on which version's page an id stands that was read from its bundle now."""
    system = opened.record.system.id
    return {id_: addresses.version(system, one.id) for one, live in zip(versions, lives, strict=True) for id_ in live.ids}


def _page(status: int, html: str) -> Page:
    return Page(status, html, hashlib.sha256(html.encode()).hexdigest()[:32])


def _text(name: str) -> str:
    return resources.files("aims_mlflow.pages.templates").joinpath(name).read_text(encoding="utf-8")


@cache
def _css() -> str:
    from aims_mlflow.lineages.picture import PAGE_RULES

    return _text("style.css") + PAGE_RULES


def _own(name: str) -> str | None:
    place = resources.files("aims_mlflow.pages.templates").joinpath(name)
    return place.read_text(encoding="utf-8") if place.is_file() else None


@cache
def _environment() -> Environment:
    made = record_pages.environment(_own)
    made.filters |= {
        "exact": repr,
        "breaking": lambda text: Markup("<wbr>").join(re.split(r"(?<=[\[.=,])", visible(text))),
        "capital": lambda text: text[:1].upper() + text[1:],
        "open_lines": lambda lines: [line for line in lines if line.state.value not in ("pass", "not_applicable")],
    }
    return made
