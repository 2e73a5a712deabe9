"""Texts of anybody's made harmless for each carrier, so that a reader of the format gets back exactly what was written."""

from __future__ import annotations

import json
import re
import unicodedata
from datetime import UTC, date, datetime, time
from typing import Any

from aims_mlflow.evidence import digest
from aims_mlflow.scorecard import visible

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001 - full-width signs count as well
"""A cell that begins so may be run as a formula (OWASP, CSV Injection: https://owasp.org/www-community/attacks/CSV_Injection)."""

MARK = "'"
"""Stands before a text that would be a formula, and before one that begins with this mark itself, so that it can be taken off again."""

LONGEST_CELL = 32_767
"""Characters that a cell of a workbook holds (ECMA-376)."""

_PUNCTUATION = re.compile(r"([\\`*\[\]<>&#~|!{}$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9]))")
_BLOCK_START = re.compile(r"^([-+=:])|^(\d{1,9})([.)])")
_AUTOLINK = re.compile(r"(?i)\b(https?|ftp|file|javascript|data|vbscript)(:)|\b(www)(\.)")
_IN_JSON = re.compile("[<>&\x7f-\x9f\u00ad\u0600-\u0605\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]")


def json_bytes(content: Any, *, indent: int | None = 1) -> bytes:
    """Return JSON in UTF-8 that is safe to paste into a page.

    Markup characters, invisible ones and those that turn the direction of a line are written as escapes, which every parser
    reads as the characters themselves. No NaN, no infinity: these raise ValueError.
    """
    text = json.dumps(content, indent=indent, ensure_ascii=False, allow_nan=False, separators=None if indent else (",", ":"))
    return (_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n").encode()


def markup(text: str) -> str:
    """Return the text as one line of CommonMark that shows it exactly: no markup, no HTML, no link.

    Punctuation is escaped by a backslash, but underscores within words; what is invisible, a line break or a space at an end is a
    numeric character reference. A CommonMark reader gives back the same characters. Control characters stay as they are, since a
    reference to one means U+FFFD; U+0000 does so anyway.
    """
    body = _PUNCTUATION.sub(r"\\\1", text)
    body = _BLOCK_START.sub(lambda at: f"\\{at[1]}" if at[1] else f"{at[2]}\\{at[3]}", body)
    body = _AUTOLINK.sub(lambda at: f"{at[1]}&#58;" if at[1] else f"{at[3]}&#46;", body)
    if not body.isprintable():
        body = "".join(c if _is_shown(c) else f"&#{ord(c)};" for c in body)
    inner = body.strip(" ")
    before, after = len(body) - len(body.lstrip(" ")), len(body) - len(body.rstrip(" "))
    return "&#32;" * before + inner + "&#32;" * (after if inner else 0)


def _is_shown(character: str) -> bool:
    return character not in "\t\n\r" and (character == " " or unicodedata.category(character) not in ("Cf", "Zs", "Zl", "Zp"))


def token(text: str, otherwise: str = "unknown") -> str:
    """Return the text on one line without space at its ends, invisible characters spelled out; ``otherwise`` where nothing is left."""
    return re.sub("[\u2028\u2029]", " ", visible(text)).strip() or otherwise


def cell(text: str) -> str:
    """Return a text as a cell that no spreadsheet runs; ``read_cell`` takes it back."""
    return MARK + text if text.startswith((*FORMULA_STARTS, MARK)) else text


def read_cell(text: str) -> str:
    """Return what stood in a cell that ``cell`` wrote."""
    return text.removeprefix(MARK)


def path_part(text: str, ending: str = "") -> str:
    """Return a text as one part of a path, safe on every system and another one for each text.

    Letters, digits, dots, hyphens and underscores, at most 140 characters; a text that is more than that is shortened to such a
    name and gets some digits of its digest. ``ending`` is kept where the text has it.
    """
    stem = text.removesuffix(ending)
    safe = re.sub(r"[^A-Za-z0-9._-]+", "_", stem).strip("._-")[:120]
    if safe != stem or not safe:
        safe = f"{safe or 'unnamed'}-{digest(text)[:8]}"
    return safe + (ending if text.endswith(ending) else "")


def stamp(moment: datetime | date) -> str:
    """Return a time as RFC 3339 in UTC, to the second; a day is its first second."""
    if not isinstance(moment, datetime):
        moment = datetime.combine(moment, time.min, tzinfo=UTC)
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def sentences(*texts: str) -> str:
    """Return texts as sentences one after the other, each with an end; empty ones are left out."""
    kept = (text for text in texts if text.strip())
    return " ".join(text if text.rstrip().endswith((".", "!", "?", "…")) else f"{text}." for text in kept)


def figure(value: float | None) -> str:
    """Return a number as text that reads back as the same number; ``unknown`` where there is none."""
    return "unknown" if value is None else repr(float(value))
