"""Strict YAML: hostile or ambiguous text is refused while it is read; what is read remembers where it stood.

A small part of YAML 1.2's core schema: mappings with scalar keys, sequences, text, numbers, true/false, null. Only ``true`` and
``false`` are booleans: ``on``, ``yes`` and ``no`` are text. Dates stay text (the typed model makes dates of them). Refused: aliases,
anchors, tags, merge keys, directives, several documents, duplicate keys, ``.nan`` and ``.inf``, numbers that do not fit, control
characters, anything over the limits below. Mistakes are gathered as far as reading can go on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import yaml
from yaml import events as ev

MAX_BYTES = 256_000
"""Longest accepted file, in bytes. A real system file has about 5,000."""
MAX_DEPTH = 20
"""Deepest accepted nesting. A real system file has about 6."""
MAX_VALUES = 5_000
"""Most accepted values. A real system file has some hundreds."""
MAX_MISTAKES = 100
"""After so many mistakes reading stops."""
MAX_DIGITS = 18
"""Most digits of a whole number: what fits into 64 bits."""

_FORBIDDEN = re.compile(
    "[^\\t\\n\\r\\x20-\\x7e\\xa0-\\u2027\\u202f-\\u2065\\u206a-\\ud7ff\\ue000-\\ufefe\\uff00-\\ufffd\\U00010000-\\U0010ffff]"
)
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUTH = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_WHOLE = re.compile(r"[-+]?[0-9]+")
_OTHER_BASE = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_DECIMAL = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+")


class Place(NamedTuple):
    """A position in the text: line and column, both from 1."""

    line: int
    column: int

    def __str__(self) -> str:
        """Return line:column."""
        return f"{self.line}:{self.column}"


@dataclass(frozen=True)
class Mistake:
    """One thing that is wrong: where it stands, the dotted path to it, what it is, and how to mend it."""

    place: Place
    path: str
    what: str
    fix: str = ""

    def __str__(self) -> str:
        """Return the mistake as one line."""
        subject = f"{self.path}: " if self.path else ""
        remedy = f" Fix: {self.fix}" if self.fix else ""
        return f"{self.place}  {subject}{self.what}.{remedy}"

    def as_dict(self) -> dict[str, str | int]:
        """Return the mistake for machines."""
        return {"line": self.place.line, "column": self.place.column, "path": self.path, "what": self.what, "fix": self.fix}


@dataclass(slots=True)
class Node:
    """A value that was read: a scalar, a list of nodes, or a mapping from key to (place of the key, node)."""

    place: Place
    value: Any
    path: str = ""

    def plain(self) -> Any:
        """Return the value as plain dicts, lists and scalars."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, (_, node) in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def get(self, key: str) -> Node | None:
        """Return the value under ``key``, or None where this is no mapping or has no such key."""
        found = self.value.get(key) if isinstance(self.value, dict) else None
        return found[1] if found else None

    def items(self) -> Iterator[tuple[str, Place, Node]]:
        """Iterate over key, place of the key, and value; nothing where this is no mapping."""
        if isinstance(self.value, dict):
            for key, (place, node) in self.value.items():
                yield key, place, node

    def each(self) -> Iterator[Node]:
        """Iterate over the elements; nothing where this is no list."""
        if isinstance(self.value, list):
            yield from self.value

    @property
    def text(self) -> str:
        """The value where it is text, else nothing."""
        return self.value if isinstance(self.value, str) else ""


class Refused(Exception):
    """Reading cannot go on; the mistakes so far, the last one included."""

    def __init__(self, mistakes: list[Mistake]) -> None:
        super().__init__(f"{len(mistakes)} mistakes")
        self.mistakes = mistakes


def decode(content: bytes) -> str:
    """Return the text of a file's bytes: UTF-8, with or without a byte order mark; raises Refused."""
    if len(content) > MAX_BYTES:
        raise Refused([_too_long()])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        place = Place(before.count(b"\n") + 1, error.start - (before.rfind(b"\n") + 1) + 1)
        raise Refused([Mistake(place, "", "the file is not UTF-8 text", "save it with the encoding UTF-8")]) from None


def read(text: str) -> tuple[Node | None, list[Mistake]]:
    """Read one document.

    Returns:
        The root node (None for an empty document) and the mistakes met on the way, in the order of the text.

    Raises:
        Refused: reading could not go on (not YAML, too long, too deep, several documents, control characters).
    """
    text = text.removeprefix("\ufeff")
    if len(text) > MAX_BYTES or len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise Refused([_too_long()])
    stranger = _FORBIDDEN.search(text)
    if stranger:
        before = text[: stranger.start()]
        place = Place(before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)
        raise Refused([Mistake(place, "", f"the character U+{ord(stranger[0]):04X} is invisible or a control character", "delete it")])
    reader = _Reader()
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            reader.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(mark.line + 1, mark.column + 1) if mark else Place(1, 1)
        reader.stop(place, f"this is not YAML: {_one_line(error)}", "check the indentation, the brackets and the quotes above this place")
    except yaml.YAMLError:
        reader.stop(Place(1, 1), "this is not YAML", "check the encoding and the characters of the file")
    return reader.root, reader.mistakes


_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's parser where PyYAML was built with it: twenty times as fast


def _too_long() -> Mistake:
    return Mistake(Place(1, 1), "", f"the file is longer than {MAX_BYTES:,} bytes; it was not read", "such a file needs a few kilobytes")


def _one_line(error: yaml.MarkedYAMLError) -> str:
    return " ".join(part for part in (error.context, error.problem) if part)[:200]


@dataclass
class _Open:
    """A mapping or sequence that is being read."""

    node: Node
    key: str | None = None
    key_place: Place = field(default_factory=lambda: Place(1, 1))


class _Reader:
    """Builds nodes from parser events, without recursion, noting mistakes."""

    def __init__(self) -> None:
        self.root: Node | None = None
        self.mistakes: list[Mistake] = []
        self._open: list[_Open] = []
        self._values = 0
        self._documents = 0

    def stop(self, place: Place, what: str, fix: str, path: str = "") -> None:
        """Note a mistake after which reading cannot go on."""
        raise Refused([*self.mistakes, Mistake(place, path, what, fix)])

    def _note(self, place: Place, path: str, what: str, fix: str) -> None:
        self.mistakes.append(Mistake(place, path, what, fix))
        if len(self.mistakes) >= MAX_MISTAKES:
            self.stop(place, f"there are more than {MAX_MISTAKES} mistakes; the rest was not read", "mend these first")

    def take(self, event: ev.Event) -> None:
        """Take the next event of the parser."""
        mark: Any = event.start_mark  # every event of a parser has one
        place = Place(mark.line + 1, mark.column + 1)
        if isinstance(event, ev.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                self.stop(place, "there is a second document", "keep one document in the file; remove the line ---")
            if event.version or event.tags:
                self._note(place, "", "directives (lines that begin with %) are not accepted", "remove the line")
        elif isinstance(event, ev.AliasEvent):
            self._note(
                place, self._path(), f"the alias *{str(event.anchor)[:40]} is not accepted", "write the value out where it is needed"
            )
            self._add(Node(place, None))
        elif isinstance(event, ev.ScalarEvent):
            self._marks(event, place)
            hidden = _FORBIDDEN.search(event.value)  # an escape in quotes can bring in what the text itself may not hold
            if hidden:
                self.stop(place, f"the escape of U+{ord(hidden[0]):04X} is not accepted", "delete it", self._path())
            self._scalar(event, place)
        elif isinstance(event, (ev.MappingStartEvent, ev.SequenceStartEvent)):
            self._marks(event, place)
            self._start(event, place)
        elif isinstance(event, (ev.MappingEndEvent, ev.SequenceEndEvent)):
            self._open.pop()

    def _marks(self, event: ev.ScalarEvent | ev.MappingStartEvent | ev.SequenceStartEvent, place: Place) -> None:
        if event.anchor is not None:
            self._note(place, self._path(), f"the anchor &{str(event.anchor)[:40]} is not accepted", "remove it and write values out")
        if event.tag is not None:
            self._note(place, self._path(), f"the tag {str(event.tag)[:40]} is not accepted", "remove the tag; write the plain value")

    def _path(self) -> str:
        """Return the dotted path of what comes next."""
        if not self._open:
            return ""
        top = self._open[-1]
        if isinstance(top.node.value, list):
            return f"{top.node.path}[{len(top.node.value)}]"
        if top.key is None:
            return top.node.path
        return f"{top.node.path}.{top.key}" if top.node.path else top.key

    def _start(self, event: ev.Event, place: Place) -> None:
        top = self._open[-1] if self._open else None
        if len(self._open) >= MAX_DEPTH:
            self.stop(place, f"the nesting is deeper than {MAX_DEPTH} levels", "a system file needs about six; check the brackets")
        if top is not None and isinstance(top.node.value, dict) and top.key is None:
            self.stop(place, "a key cannot be a list or a mapping", "write the key as plain text", top.node.path)
        node = Node(place, {} if isinstance(event, ev.MappingStartEvent) else [])
        self._add(node)
        self._open.append(_Open(node))

    def _scalar(self, event: ev.ScalarEvent, place: Place) -> None:
        top = self._open[-1] if self._open else None
        if top is not None and isinstance(top.node.value, dict) and top.key is None:
            self._key(top, event, place)
            return
        self._add(Node(place, self._meaning(event, place)))

    def _key(self, top: _Open, event: ev.ScalarEvent, place: Place) -> None:
        key = event.value
        if key == "<<" and event.implicit[0]:
            self._note(place, top.node.path, "the merge key << is not accepted", "write the keys out")
        elif not key:
            self._note(place, top.node.path, "a key is empty", "give the key a name")
        elif len(key) > 200:
            self._note(place, top.node.path, f"a key is {len(key)} characters long", "at most 200")
            key = key[:200]
        elif key in top.node.value:
            first = top.node.value[key][0]
            path = f"{top.node.path}.{key}" if top.node.path else key
            self._note(place, path, f"the key {key!r} stands here a second time (first at {first})", "keep one of the two")
        top.key, top.key_place = key, place

    def _add(self, node: Node) -> None:
        self._values += 1
        if self._values > MAX_VALUES:
            self.stop(node.place, f"there are more than {MAX_VALUES:,} values", "a system file needs some hundreds")
        node.path = self._path()
        if not self._open:
            self.root = node
            return
        top = self._open[-1]
        if isinstance(top.node.value, list):
            top.node.value.append(node)
        elif top.key is None:  # an alias in the place of a key
            top.key, top.key_place = "*", node.place
        else:
            top.node.value.setdefault(top.key, (top.key_place, node))
            top.key = None

    def _meaning(self, event: ev.ScalarEvent, place: Place) -> Any:
        """Return what a scalar means: text unless it is plain and reads as null, a boolean or a number."""
        text = event.value
        if not event.implicit[0]:
            return text
        if text in _NULL:
            return None
        if text in _TRUTH:
            return _TRUTH[text]
        if _NOT_FINITE.fullmatch(text):
            self._note(place, self._path(), f"{text} is not a number that can be compared", "write a finite number, or leave the key out")
            return None
        if _LEADING_ZERO.fullmatch(text):
            self._note(
                place,
                self._path(),
                f"{text[:40]} can be read in two ways",
                f"write '{text[:40]}' in quotes, or the number without leading zeros",
            )
            return None
        if _WHOLE.fullmatch(text) or _OTHER_BASE.fullmatch(text):
            if len(text) > MAX_DIGITS:
                self._note(place, self._path(), f"the number has more than {MAX_DIGITS} digits", "write it in quotes if it is a name")
                return None
            return int(text, 0) if _OTHER_BASE.fullmatch(text) else int(text)
        if _DECIMAL.fullmatch(text):
            number = float(text)
            if number in (float("inf"), float("-inf")):
                self._note(place, self._path(), "the number is too large", "write a number below 1e308, or text in quotes")
                return None
            return number
        return text
