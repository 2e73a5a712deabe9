"""The address of a page: a value, its path below ``/aims/`` and back, and links from one page to another."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["inventory", "system", "record", "version", "difference"]

SYSTEM = r"[a-z0-9-]{1,64}"
"""A system's id, as the system file allows it."""

VERSION = r"v-[0-9a-f]{16}"
"""A version's id, as ``VersionRecord.id`` is made."""

_FORMS: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("inventory", re.compile("")),
    ("system", re.compile(rf"systems/(?P<system>{SYSTEM})/")),
    ("record", re.compile(rf"systems/(?P<system>{SYSTEM})/record/")),
    ("version", re.compile(rf"systems/(?P<system>{SYSTEM})/versions/(?P<version>{VERSION})/")),
    ("difference", re.compile(rf"systems/(?P<system>{SYSTEM})/differences/(?P<older>{VERSION})/(?P<version>{VERSION})/")),
)


@dataclass(frozen=True)
class Address:
    """Which page it is. Only letters, digits and hyphens of ours stand in it: no word of anybody's.

    ``version`` is the version shown; of a difference, the newer one, and ``older`` is the one before.
    """

    kind: Kind = "inventory"
    system: str = ""
    version: str = ""
    older: str = ""

    def __post_init__(self) -> None:
        if parse(self.path) != self:
            raise ValueError(f"{self.path!r} is not the address of a page")

    @property
    def path(self) -> str:
        """The path below ``/aims/``: it has no leading slash, and ends in one or is empty."""
        match self.kind:
            case "inventory":
                return ""
            case "system":
                return f"systems/{self.system}/"
            case "record":
                return f"systems/{self.system}/record/"
            case "version":
                return f"systems/{self.system}/versions/{self.version}/"
            case "difference":
                return f"systems/{self.system}/differences/{self.older}/{self.version}/"


def parse(path: str) -> Address | None:
    """Return the address that a path below ``/aims/`` means; None where it means none. Nothing is decoded, guessed or completed."""
    for kind, form in _FORMS:
        found = form.fullmatch(path)
        if found:
            made = object.__new__(Address)  # __post_init__ asks us
            for name, value in {"kind": kind, "system": "", "version": "", "older": "", **found.groupdict()}.items():
                object.__setattr__(made, name, value)
            return made
    return None


def system(system_id: str) -> Address:
    """Return the address of a system's page."""
    return Address("system", system_id)


def record(system_id: str) -> Address:
    """Return the address of a system's whole record, as it was published."""
    return Address("record", system_id)


def version(system_id: str, version_id: str) -> Address:
    """Return the address of a version's page."""
    return Address("version", system_id, version_id)


def difference(system_id: str, older: str, newer: str) -> Address:
    """Return the address of what is different between two versions."""
    return Address("difference", system_id, newer, older)


def href(here: Address, there: Address, *, static: bool = False, anchor: str = "") -> str:
    """Return the link from one page to another, relative, so that it holds wherever the pages are put.

    Args:
        here: the page that the link stands in.
        there: the page it leads to.
        static: whether the pages are files: a folder's page is then its ``index.html``.
        anchor: the place in that page, without ``#``.
    """
    mark = f"#{anchor}" if anchor else ""
    if here == there and mark:
        return mark
    way = posixpath.relpath("/" + there.path, "/" + here.path)
    return f"{'' if way == '.' else way + '/'}{'index.html' if static else ''}{mark}" or "./"


def is_system(text: str) -> bool:
    """Return whether a text may be a system's id, and so stand in an address."""
    return re.fullmatch(SYSTEM, text) is not None
