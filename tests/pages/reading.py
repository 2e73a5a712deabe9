"""HTML as tests read it: the text, the links, the ids and the numbers of a page."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "wbr", "br", "img", "link", "input", "hr"}


@dataclass
class Seen:
    """What stands in a page."""

    text: str = ""
    ids: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    values: list[tuple[str, str]] = field(default_factory=list)
    """``<data value=…>`` and the text in it."""
    tags: set[str] = field(default_factory=set)
    attributes: set[str] = field(default_factory=set)
    headings: list[int] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    unbalanced: list[str] = field(default_factory=list)


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.seen, self._open, self._value = Seen(), [""], None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {k: v or "" for k, v in attrs}
        self.seen.tags.add(tag)
        self.seen.attributes |= set(given)
        if "id" in given:
            self.seen.ids.append(given["id"])
        if "href" in given:
            self.seen.links.append(given["href"])
        if tag == "data":
            self._value = given["value"]
        if tag == "th":
            self.seen.headers.append(given)
        if len(tag) == 2 and tag[0] == "h" and tag[1].isdigit():
            self.seen.headings.append(int(tag[1]))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        if self._open[-1] != tag:
            self.seen.unbalanced.append(tag)
        else:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if self._open[-1] not in ("style", "script"):
            self.seen.text += data
        if self._open[-1] == "data" and self._value is not None:
            self.seen.values.append((self._value, data))


def read(html: str) -> Seen:
    """Return what stands in a page."""
    parser = _Parser()
    parser.feed(html)
    parser.close()
    parser.seen.text = " ".join(parser.seen.text.split())
    return parser.seen
