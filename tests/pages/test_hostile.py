"""Whatever somebody calls a column, a category, a model, a system or a party: all of it is shown, and none of it is done."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from aims_mlflow.pages.addresses import Address
from aims_mlflow.pages.site import Site
from aims_mlflow.scorecard import visible

from . import world as worlds
from .reading import Seen, read

ELEMENTS = """
html head meta title style body a header div nav ol ul li span h1 h2 h3 p b i bdi dl dt dd main section footer table
caption thead tbody tr th td details summary code data article strong wbr svg desc text path rect line circle g polygon
"""
"""Every element that a template or a picture of ours writes."""


@pytest.fixture(scope="module")
def seen(world: worlds.World) -> Iterator[dict[Address, Seen]]:
    with worlds.at_home(world):
        site = Site(world.store)
        yield {a: read(site.page(a).html) for a in site.addresses() if a.system in ("", "hostile")}


def text_of(seen: dict[Address, Seen], *kinds: str) -> str:
    return " ".join(one.text for address, one in seen.items() if address.kind in kinds)


def shown(name: str) -> str:
    return " ".join(visible(name).split())


@pytest.mark.parametrize("at", range(len(worlds.HOSTILE)))
def test_a_partys_name_is_shown_whole(seen: dict[Address, Seen], at: int) -> None:
    assert shown(worlds.HOSTILE[at]) in text_of(seen, "system")
    assert shown(worlds.HOSTILE[at]) in text_of(seen, "record")


@pytest.mark.parametrize("at", range(len(worlds.HOSTILE)))
def test_a_category_is_shown_whole(seen: dict[Address, Seen], at: int) -> None:
    assert shown(worlds.HOSTILE[at][:400]) in text_of(seen, "version")


def test_the_names_of_the_system_its_owner_and_its_model_are_shown(seen: dict[Address, Seen]) -> None:
    assert shown(worlds.HOSTILE[0]) in text_of(seen, "inventory")
    assert shown(worlds.HOSTILE[1]) in text_of(seen, "inventory")
    assert shown('hostile "><img src=x onerror=alert(1)>') in text_of(seen, "version")


def test_nothing_of_it_became_an_element_an_attribute_or_a_link(seen: dict[Address, Seen]) -> None:
    for address, one in seen.items():
        assert one.tags <= set(ELEMENTS.split()), address
        assert not {a for a in one.attributes if a.startswith("on") or a in ("src", "srcdoc", "action", "formaction")}, address
        assert one.unbalanced == [], address
        assert not [
            link for link in one.links if not link.startswith(("#", "../", "./", "systems/", "record/", "versions/", "differences/"))
        ]
