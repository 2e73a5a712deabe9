"""Text in pictures: how wide it runs at most, wrapped and cut to fit, and made fit for XML."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

from markupsafe import escape

from aims_mlflow.scorecard import visible

ELLIPSIS = "…"

_GROUPS = {
    0.32: "'ijlIJ ,.",
    0.37: "/:;\\|f-",
    0.46: '()[]t!r"',
    0.56: "*_`sz?cL",
    0.64: "FkvxyPTYaeo$0123456789ESbdghnpqu{}",
    0.70: "KABVXZCR",
    0.79: "UNHD&GOQ",
    0.84: "w#+<=>^~",
    1.00: "M%mW@…",
}
_WIDTHS: Mapping[str, float] = {letter: width for width, letters in _GROUPS.items() for letter in letters}
"""Advance of a letter in units of the font size: not below DejaVu Sans', which is the widest of the fonts that a page may get."""

_BOLD = 1.15


def width(text: str, size: float, *, bold: bool = False) -> float:
    """Return how wide the text runs at most in a sans-serif font of ``size``, in units of the picture."""
    total = 0.0
    for letter in text:
        known = _WIDTHS.get(letter)
        if known is None:
            known = 0.0 if unicodedata.combining(letter) else 1.05 if unicodedata.east_asian_width(letter) in "WFA" else 0.85
        total += known
    return total * size * (_BOLD if bold else 1.0)


def lines_of(text: str, room: float, size: float, *, bold: bool = False, most: int = 3) -> list[str]:
    """Return the text on at most ``most`` lines that fit in ``room``; what does not fit is cut with an ellipsis.

    It is broken at spaces where there are any, else after punctuation, else anywhere. Characters that change what a reader
    sees are spelled out.
    """
    rest = visible(text[:2_000]).strip()
    lines: list[str] = []
    while rest:
        if width(rest, size, bold=bold) <= room:
            return [*lines, rest]
        if len(lines) == most - 1:
            return [*lines, cut(rest, room, size, bold=bold)]
        end = _fitting(rest, room, size, bold)
        at = _break(rest, end)
        lines.append(rest[:at].rstrip())
        rest = rest[at:].lstrip()
    return lines


def cut(text: str, room: float, size: float, *, bold: bool = False) -> str:
    """Return the text, its end cut with an ellipsis where it does not fit in ``room``."""
    if width(text, size, bold=bold) <= room:
        return text
    return text[: _fitting(text, room - width(ELLIPSIS, size, bold=bold), size, bold)].rstrip() + ELLIPSIS


def xml(text: str) -> str:
    """Return the text as XML shows it: escaped, and without characters that XML does not have."""
    return str(escape("".join(letter for letter in visible(text) if ord(letter) not in (0xFFFE, 0xFFFF))))


def _fitting(text: str, room: float, size: float, bold: bool) -> int:
    """Return how many letters fit; at least one, so that something is always said."""
    total = 0.0
    for at, letter in enumerate(text):
        total += width(letter, size, bold=bold)
        if total > room:
            return max(1, at)
    return len(text)


def _break(text: str, end: int) -> int:
    """Return where to break at or before ``end``: after a space, else after punctuation in the last third, else there."""
    space = text.rfind(" ", 0, end + 1)
    if space > 0:
        return space + 1 if space < end else space
    joint = max((text.rfind(mark, end * 2 // 3, end) for mark in "_/-.,:;&"), default=-1)
    return joint + 1 if joint > 0 else end
