"""Links from one page: to others of the site, to MLflow's own pages, and from cited ids to what they stand for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from aims_mlflow.pages import addresses
from aims_mlflow.pages.addresses import Address, href


@dataclass(frozen=True)
class Links:
    """The links of the page at ``here``. ``ui`` is where MLflow's own pages are, from the inventory; None: nowhere."""

    here: Address
    static: bool = False
    ui: str | None = None

    def to(self, there: Address, anchor: str = "") -> str:
        """Return the link to a page, or to a place in it."""
        return href(self.here, there, static=self.static, anchor=anchor)

    @property
    def mlflow(self) -> str | None:
        """The link to MLflow's own pages; None where there are none."""
        return None if self.ui is None else "../" * self.here.path.count("/") + self.ui

    def crumbs(self, last: str = "") -> list[tuple[str, str]]:
        """Return the way to this page, from the inventory: words and link; the page itself has no link."""
        home = ("All systems", self.to(Address()))
        if self.here.kind == "inventory":
            return [("All systems", "")]
        if not self.here.system:
            return [home, (last, "")]
        if self.here.kind == "system":
            return [home, (self.here.system, "")]
        return [home, (self.here.system, self.to(addresses.system(self.here.system))), (last, "")]

    def sources(self, record: Collection[str], pages: Mapping[str, Address] | None = None) -> Callable[[str], str]:
        """Return where cited ids lead: to the page on which the id stands, else to the record's list of sources.

        Args:
            record: ids that the record lists.
            pages: ids that stand on the pages of versions.
        """
        listed, shown = frozenset(record), pages or {}
        place = self.to(addresses.record(self.here.system)) if self.here.system else ""

        def where(id_: str) -> str:
            if id_ in shown:
                return self.to(shown[id_], id_)
            return f"{place}#{id_ if id_ in listed else 'sources'}"

        return where
