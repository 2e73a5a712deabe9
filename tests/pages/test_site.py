"""The pages of a store with several systems: what they list, that every link and every citation leads somewhere, and who may see what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urldefrag, urljoin

import pytest

from aims_mlflow.bundle import BUNDLE_PATH
from aims_mlflow.pages import addresses
from aims_mlflow.pages.addresses import Address, parse
from aims_mlflow.pages.site import Page, Site
from aims_mlflow.signing import open_bundle
from aims_mlflow.store import Store

from . import world as worlds
from .reading import Seen, read


@pytest.fixture(scope="module")
def made(world: worlds.World) -> Site:
    return Site(world.store)


@pytest.fixture(scope="module")
def pages(world: worlds.World, made: Site) -> dict[Address, Page]:
    with worlds.at_home(world):
        return {address: made.page(address) for address in made.addresses()}


@pytest.fixture
def site(world: worlds.World, made: Site) -> Iterator[Site]:
    """The same site, by the world's keys: those of a test are its own."""
    with worlds.at_home(world):
        yield made


@pytest.fixture(scope="module")
def seen(pages: dict[Address, Page]) -> dict[Address, Seen]:
    return {address: read(page.html) for address, page in pages.items()}


def test_every_kind_of_page_is_there(pages: dict[Address, Page], world: worlds.World) -> None:
    assert {a.kind for a in pages} == {"inventory", "system", "record", "version", "difference"}
    assert {a.system for a in pages} == {"", "loans", "golden", "hostile", "unregistered", "no-record", "broken"}
    assert {a.version for a in pages if a.kind == "version" and a.system == "loans"} == set(world.versions["loans"])
    assert {p.status for p in pages.values()} == {200}


def test_every_link_leads_to_a_place_that_is_there(seen: dict[Address, Seen]) -> None:
    ids = {address.path: set(one.ids) for address, one in seen.items()}
    dead = []
    for address, one in seen.items():
        for link in one.links:
            whole, anchor = urldefrag(urljoin(f"https://example.org/aims/{address.path}", link))
            path = whole.removeprefix("https://example.org/aims/")
            if whole == "https://example.org/":  # MLflow's own pages
                continue
            if path not in ids or (anchor and anchor not in ids[path]):
                dead.append((address.path, link))
    assert dead == []


def test_no_id_stands_twice_and_every_page_is_well_formed(seen: dict[Address, Seen]) -> None:
    for address, one in seen.items():
        assert len(one.ids) == len(set(one.ids)), (address, sorted(i for i in one.ids if one.ids.count(i) > 1)[:5])
        assert one.unbalanced == [], address
        assert one.headings.count(1) == 1, address
        assert all(b - a <= 1 for a, b in zip(one.headings, one.headings[1:], strict=False)), (address, one.headings)
        assert all("scope" in header for header in one.headers), address
        assert not {"script", "form", "iframe", "object", "link", "base"} & one.tags


def test_what_nobody_has_put_together_and_what_does_not_hold_come_first(site: Site) -> None:
    text = read(site.page(Address()).html).text
    order = [text.index(word) for word in ("No record yet", "aims summarise no-record", "Records that do not hold", "Loan decisions")]
    assert order == sorted(order)
    assert "the record cannot be believed" in text
    assert "4 with a record, 1 without one, 1 with one that does not hold" in text


@pytest.mark.parametrize("system", ["broken", "no-record"])
def test_a_system_without_a_record_to_show_has_a_page_that_says_what_to_do(site: Site, system: str) -> None:
    page = site.page(addresses.system(system))
    assert page.status == 200
    assert f"aims summarise {system}" in read(page.html).text


NOT_THERE = ["systems/nobody/", "systems/nobody/record/", "systems/loans/versions/v-0000000000000000/"]


@pytest.mark.parametrize("path", NOT_THERE)
def test_what_is_not_there_is_one_page_whatever_it_is(site: Site, path: str) -> None:
    assert site.page(parse(path)) == site.page(None)
    assert site.page(None).status == 404


def test_a_version_is_not_compared_with_itself(site: Site, world: worlds.World) -> None:
    one = world.versions["loans"][0]
    assert site.page(addresses.difference("loans", one, one)).status == 404


@dataclass
class Some:
    """A reader who may read some models and experiments, and notes what was asked."""

    models: frozenset[str] = frozenset()
    experiments: frozenset[str] = frozenset()
    asked: list[str] = field(default_factory=list)

    def may_read_model(self, name: str) -> bool:
        self.asked.append(name)
        return name in self.models

    def may_read_experiment(self, experiment_id: str) -> bool:
        return experiment_id in self.experiments


def test_who_may_not_read_a_model_sees_nothing_of_its_system(site: Site, pages: dict[Address, Page]) -> None:
    nobody, reader = Some(), Some(models=frozenset({"loans"}))
    missing = site.page(None)
    for address in pages:
        if address.kind == "inventory":
            continue
        assert site.page(address, nobody) == missing
        assert site.page(address, reader) == (pages[address] if address.system == "loans" else missing)
    listed = read(site.page(Address(), reader).html)
    assert "1 with a record" in listed.text
    assert not [link for link in listed.links if "systems/" in link and "systems/loans/" not in link]
    assert "Nothing is here yet" in read(site.page(Address(), nobody).html).text
    assert {a.system for a in site.addresses(reader)} == {"", "loans"}


def test_a_system_without_a_model_is_read_by_who_may_read_its_experiment(site: Site, world: worlds.World) -> None:
    home = world.store.experiment_named("aims/unregistered")
    assert home is not None
    assert site.page(addresses.system("unregistered"), Some(experiments=frozenset({home}))).status == 200
    assert site.page(addresses.system("unregistered"), Some(experiments=frozenset({"0"}))).status == 404


def test_every_number_of_a_version_is_the_bundles_own(site: Site, world: worlds.World) -> None:
    bundle, _ = open_bundle(world.store.read(world.store.versions("loans")[1].run_id, BUNDLE_PATH))
    page = read(site.page(addresses.version("loans", world.versions["loans"][1])).html)
    shown = [float(value) for value, _ in page.values]
    for result in bundle.results:
        for one in result.measures:
            for number in (one.value, one.ci_low, one.ci_high, one.n):
                assert number is None or float(number) in shown, (result.check, one.name)
    known = {float(x) for r in bundle.results for m in r.measures for x in (m.value, m.ci_low, m.ci_high, m.n, m.ci_level) if x is not None}
    known |= {float(d.rows) for d in bundle.datasets}
    elsewhere = [x for x in shown if x not in known]
    assert len(elsewhere) <= 2 * sum(e.check == "fairness" for e in bundle.evidence)  # the bounds that decide a disparity: made of groups


def test_each_piece_of_evidence_stands_on_its_versions_page(site: Site, world: worlds.World) -> None:
    for view, id_ in zip(world.store.versions("loans"), world.versions["loans"], strict=True):
        bundle, _ = open_bundle(world.store.read(view.run_id, BUNDLE_PATH))
        page = read(site.page(addresses.version("loans", id_)).html)
        assert {r.id for r in bundle.results} <= set(page.ids)
        for evidence in bundle.evidence:
            assert evidence.id in page.ids
            assert " ".join(evidence.reason.split()) in page.text


def test_a_system_page_has_all_controls_on_all_versions(site: Site, world: worlds.World) -> None:
    from aims_mlflow import controls

    page = site.page(addresses.system("loans"))
    text = read(page.html).text
    matrix = page.html[page.html.index("by-version all") : page.html.index("</table></div>")]
    for control in controls.controls():
        assert f'<span class="cid">{control.id}</span>' in matrix
        assert control.title in text
    assert matrix.count("<td") == 38 * len(world.versions["loans"])


def test_the_gates_decisions_stand_in_the_history_and_on_their_version(site: Site, world: worlds.World) -> None:
    history = read(site.page(addresses.system("golden")).html).text
    assert "denied" in history
    assert "allowed as champion" in history
    bad, good = world.versions["golden"]
    assert "What stopped it" in read(site.page(addresses.version("golden", bad)).html).text
    assert "controls had the evidence that the policy asks for" in read(site.page(addresses.version("golden", good)).html).text


def test_the_same_page_has_the_same_etag(site: Site, pages: dict[Address, Page]) -> None:
    for address in (Address(), addresses.system("loans")):
        assert site.page(address).etag == pages[address].etag
    assert len({p.etag for p in pages.values()}) == len(pages)


def test_the_inventory_reads_no_record_again_that_has_not_changed(world: worlds.World, monkeypatch: pytest.MonkeyPatch) -> None:
    from aims_mlflow.server.inside import Inside

    read_of: list[tuple[str, str]] = []

    class Counting(Inside):
        def read(self, run_id: str, path: str) -> bytes:
            read_of.append((run_id, path))
            return super().read(run_id, path)

    with worlds.at_home(world):
        site = Site(Counting(world.database, world.database))
        first = site.page(Address())
        assert read_of
        read_of.clear()
        assert site.page(Address()) == first
        assert read_of == []


def test_pages_write_nothing(site: Site, world: worlds.World, pages: dict[Address, Page]) -> None:
    def state() -> dict[str, int]:
        return {str(p): p.stat().st_mtime_ns for p in Path(world.folder).rglob("*") if p.is_file() and "home" not in p.parts}

    before = state()
    for address in (Address(), addresses.system("loans"), addresses.version("loans", world.versions["loans"][0])):
        site.page(address)
    assert state() == before
    assert pages


def test_a_store_with_nothing_in_it_says_so(mlflow_home: str) -> None:
    page = Site(Store()).page(Address())
    assert page.status == 200
    assert "Nothing is here yet" in read(page.html).text
