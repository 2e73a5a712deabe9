"""Addresses: a value and its path are the same thing, nothing else has one, and links lead from any page to any other."""

from __future__ import annotations

from urllib.parse import urljoin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aims_mlflow.pages.addresses import Address, difference, href, parse, record, system, version

SYSTEMS = st.from_regex(r"[a-z0-9-]{1,64}", fullmatch=True)
VERSIONS = st.from_regex(r"v-[0-9a-f]{16}", fullmatch=True)
ADDRESSES = st.one_of(
    st.just(Address()),
    st.builds(system, SYSTEMS),
    st.builds(record, SYSTEMS),
    st.builds(version, SYSTEMS, VERSIONS),
    st.builds(difference, SYSTEMS, VERSIONS, VERSIONS),
)
V = "v-0123456789abcdef"


@given(ADDRESSES)
def test_a_path_means_the_address_that_has_it(address: Address) -> None:
    assert parse(address.path) == address
    assert address.path == "" or address.path.endswith("/")


REFUSED = [
    "/",
    "index.html",
    "systems/",
    "systems/loans",
    "systems//",
    "systems/Loans/",
    "systems/lo_ans/",
    "systems/loans\n/",
    "systems/loans/\n",
    "systems/" + "x" * 65 + "/",
    "systems/../",
    "systems/%2e%2e/",
    "systems/loans/../other/",
    "systems/loans/versions/",
    "systems/loans/versions/v-123/",
    f"systems/loans/versions/{V.upper()}/",
    f"systems/loans/versions/{V}0/",
    f"systems/loans/differences/{V}/",
    f"systems/loans/differences/{V}/{V}/x/",
    "systems/loans/record/record.json",
    f"systems/loans/versions/{V}/?x=1",
    "systems/٣/",
    f"systems/loans/versions/v-012345678٩abcdef/",  # noqa: F541 - beside its like
]


@pytest.mark.parametrize("path", REFUSED)
def test_whatever_else_is_asked_for_is_no_page(path: str) -> None:
    assert parse(path) is None


@pytest.mark.parametrize("made", [{"kind": "system"}, {"kind": "system", "system": "../x"}, {"kind": "inventory", "system": "x"}])
def test_no_address_can_be_made_that_has_no_path(made: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="is not the address of a page"):
        Address(**made)  # type: ignore[arg-type]


@given(ADDRESSES, ADDRESSES, st.sampled_from(["", "open"]), st.booleans(), st.sampled_from(["/aims/", "/ml/aims/", "/a/b/"]))
def test_a_link_leads_from_any_page_to_any_other_wherever_they_are_put(
    here: Address, there: Address, anchor: str, static: bool, root: str
) -> None:
    page = "index.html" if static else ""
    found = urljoin(f"https://example.org{root}{here.path}{page}", href(here, there, static=static, anchor=anchor))
    assert found == f"https://example.org{root}{there.path}{page}" + (f"#{anchor}" if anchor else "")
