"""Bytes made worse: by single bytes, by words that readers fear, by values of a JSON document, by lines of a text; all from one seed."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

LARGEST = 200_000
"""Bytes that a mutated input has at most: what is larger is cut."""

WORDS: tuple[bytes, ...] = (
    b"\x00", b"\xff", b"\xef\xbb\xbf", b"\xc3\x28", b"\xed\xa0\x80", b"\xe2\x80\xa8", b"\xc2\x85", b"\r", b"\r\n", b"\t", b"\x1b[2J",
    b"{", b"}", b"[", b"]", b'"', b"'", b":", b": ", b",", b"- ", b"? ", b"|\n", b">-\n", b"#", b"&a ", b"*a", b"<<: *a", b"!!int ",
    b"!!python/object/apply:os.system ", b"!!binary ", b"!!float .nan", b"%YAML 1.2\n---\n", b"---\n", b"...\n", b"~", b"null", b"true",
    b"yes", b"NaN", b"-Infinity", b"1e999", b"-0.0", b"0x1F", b"0o17", b"1_000", b"9" * 400, b"\\ud800", b"\\u0000", b"[" * 2_000,
    b'{"a":' * 2_000, b"- " * 500, b"0001-01-01T00:00:00", b"9999-12-31T23:59:59+00:00", b"2026-03-01", b"2026-03-01T12:00:00",
    b"2026-02-30", b"-----BEGIN PUBLIC KEY-----\n", b"-----END PUBLIC KEY-----\n", b"../", b"/dev/zero", b"A" * 5_000,
)  # fmt: skip
"""What parsers, numbers, dates and paths stumble over."""

VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2**31, 2**63, -(2**63) - 1, 10**400, 0.5, -0.0, 1e308, 5e-324, float("nan"), float("inf"), "", " ", "\x00",
    "\ud800", "e\u0301", "\u2028", "x" * 3_000, "0", "1", "true", "NaN", "0001-01-01T00:00:00", "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00", "2026-03-01T12:00:00", "2026-03-01T12:00:00+00:00", "2026-03-01", "0001-01-01", "9999-12-31", "0" * 64,
    "F" * 64, "../../etc/passwd", [], {}, [[]], [None], {"": None}, "pass", "fail", "allowed", "train", "critical", "A.6.2.4",
)  # fmt: skip
"""What stands in the place of a value of a JSON document."""


def mutated(content: bytes, random: Random, others: Sequence[bytes] = ()) -> bytes:
    """Return the content made worse in one to four ways.

    Args:
        content: what is made worse.
        random: what decides; the same state gives the same bytes.
        others: further contents, of which pieces are taken over.
    """
    for _ in range(random.choice((1, 1, 1, 2, 3, 4))):
        way = random.choice(WAYS)
        content = way(content, random) if way is not _spliced else _spliced(content, random, others)
    return content[:LARGEST]


def _bit(content: bytes, random: Random) -> bytes:
    if not content:
        return b"\x00"
    at = random.randrange(len(content))
    return content[:at] + bytes([content[at] ^ (1 << random.randrange(8))]) + content[at + 1 :]


def _byte(content: bytes, random: Random) -> bytes:
    at = random.randrange(len(content) + 1)
    return content[:at] + bytes([random.choice((0, 10, 32, 34, 39, 45, 48, 58, 127, 255, random.randrange(256)))]) + content[at + 1 :]


def _cut(content: bytes, random: Random) -> bytes:
    first, last = sorted(random.randrange(len(content) + 1) for _ in range(2))
    return content[:first] + content[last if random.random() < 0.5 else min(first + 1, last) :]


def _doubled(content: bytes, random: Random) -> bytes:
    first, last = sorted(random.randrange(len(content) + 1) for _ in range(2))
    return content[:last] + content[first:last] * random.choice((1, 1, 2, 20)) + content[last:]


def _worded(content: bytes, random: Random) -> bytes:
    at = random.randrange(len(content) + 1)
    return content[:at] + random.choice(WORDS) + content[at + random.choice((0, 0, 1, 4)) :]


def _truncated(content: bytes, random: Random) -> bytes:
    return content[: random.randrange(len(content) + 1)]


def _spliced(content: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    other = random.choice(others) if others else content
    first, last = sorted(random.randrange(len(other) + 1) for _ in range(2))
    at = random.randrange(len(content) + 1)
    return content[:at] + other[first:last] + content[at:]


def _lines(content: bytes, random: Random) -> bytes:
    lines = content.split(b"\n")
    at, to = random.randrange(len(lines)), random.randrange(len(lines))
    match random.randrange(6):
        case 0:
            del lines[at]
        case 1:
            lines.insert(to, lines[at])
        case 2:
            lines[at], lines[to] = lines[to], lines[at]
        case 3:
            lines[at] = b" " * random.choice((1, 2, 4)) + lines[at]
        case 4:
            lines[at] = lines[at].removeprefix(b"  ")
        case _:  # another value behind a key, or another item
            name, colon, _ = lines[at].partition(b":")
            lines[at] = (name + colon + b" " if colon else b"- ") + json.dumps(random.choice(VALUES)).encode()
    return b"\n".join(lines)


def _json(content: bytes, random: Random) -> bytes:
    """Change one place of a JSON document; what is none comes back with a word more."""
    try:
        document = json.loads(content)
        places = _places(document)
        if not places:
            return json.dumps(random.choice(VALUES)).encode()
        _changed(*random.choice(places), places, random)
        compact = random.random() < 0.8
        made = json.dumps(document, sort_keys=compact, separators=(",", ":") if compact else None, ensure_ascii=random.random() < 0.1)
    except (ValueError, RecursionError, OverflowError):
        return _worded(content, random)
    return made.encode("utf-8", "surrogatepass")


def _changed(holder: Any, key: Any, places: Sequence[tuple[Any, Any]], random: Random) -> None:
    match random.randrange(8):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, list):
            holder.insert(random.randrange(len(holder) + 1), holder[key])
        case 1:
            holder[f"{key}x"] = holder[key]
        case 2:
            other, place = random.choice(places)
            holder[key] = json.loads(json.dumps(other[place]))
        case 3:
            holder[key] = [holder[key]] if random.random() < 0.5 else {"a": holder[key]}
        case 4 if isinstance(holder[key], str):
            holder[key] = _text(holder[key], random)
        case 4 | 5 if isinstance(holder[key], int | float):
            holder[key] = random.choice((-holder[key], holder[key] + 1, holder[key] * 1_000, str(holder[key]), holder[key] / 3))
        case _:
            holder[key] = random.choice(VALUES)


def _text(text: str, random: Random) -> str:
    """Change a text, or what it is the base64 of."""
    try:
        inner = base64.b64decode(text, validate=True) if len(text) > 100 else b""
    except ValueError:
        inner = b""
    if inner and random.random() < 0.7:
        return base64.b64encode(_json(inner, random)).decode("ascii")
    return _worded(text.encode("utf-8", "surrogatepass"), random).decode("utf-8", "replace")


def _places(document: Any, limit: int = 4_000) -> list[tuple[Any, Any]]:
    """Return (holder, key) of the places of a document: so many at most, and none below a hundred levels."""
    found: list[tuple[Any, Any]] = []
    ahead = [(document, 0)]
    while ahead and len(found) < limit:
        one, depth = ahead.pop()
        keys: Any = range(len(one)) if isinstance(one, list) else list(one) if isinstance(one, dict) else ()
        found += [(one, key) for key in keys]
        if depth < 100:
            ahead += [(one[key], depth + 1) for key in keys]
    return found


WAYS: tuple[Callable[..., bytes], ...] = (_bit, _byte, _cut, _doubled, _worded, _truncated, _spliced, _lines, _lines, _json, _json, _json)
