"""The short Markdown scorecard that people read in MLflow's own UI: which controls have evidence, and what it says."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Protocol

from aims_mlflow.evidence import WORST_FIRST, State

LIMIT = 4_500
"""Longest scorecard in characters: MLflow's SQL stores keep 5,000 of a model version's description."""

OWN_PART = "<!-- aims -->"
"""Where our part of a description begins; what people wrote above it stays."""

SUMMARY_END = " (aims)"
"""How the line of ours ends that stands before that mark."""

MARKS: dict[State, str] = {
    State.PASS: "✓",
    State.FAIL: "✗",
    State.ERROR: "!",
    State.STALE: "⌛",
    State.MISSING: "○",
    State.INCONCLUSIVE: "?",
    State.WAIVED: "~",
    State.NOT_APPLICABLE: "-",
}
"""A mark for each state; always shown beside the word, never instead of it."""

_SPECIAL = re.compile(r"([\\`*_\[\]#|~])")
_AUTOLINK = re.compile(r"(?i)\b(https?|ftp|file|javascript|data|vbscript)(:)")


class Line(Protocol):
    """What a line of the scorecard needs to know of a control; ``judging.ControlLine`` is one."""

    @property
    def control(self) -> str:
        """The control's id, such as A.7.4."""
        ...

    @property
    def title(self) -> str:
        """The control's title."""
        ...

    @property
    def state(self) -> State:
        """What its evidence says."""
        ...

    @property
    def reason(self) -> str:
        """Why, in words."""
        ...


def visible(text: str) -> str:
    """Return the text on one line, with control, direction-changing and zero-width characters spelled out."""
    if text.isprintable():  # so are most; none of the characters below is
        return text
    flat = re.sub(r"[\r\n\t]+", " ", text)
    return "".join(c if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co") else f"\\u{ord(c):04x}" for c in flat)


def plain(text: str) -> str:
    """Return a text of somebody's as Markdown that shows it and does nothing else: no markup, no HTML, no link."""
    shown = _SPECIAL.sub(r"\\\1", visible(text))
    shown = shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _AUTOLINK.sub(r"\1&#58;", shown)


def shortened(text: str, limit: int) -> str:
    """Return the text cut to ``limit`` characters with a sign of it."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def scorecard(lines: Iterable[Line], *, heading: str = "Evidence", facts: Iterable[tuple[str, str]] = (), limit: int = LIMIT) -> str:
    """Return a scorecard: the counts, what does not pass with its reason, and what passes in one line.

    The controls of A.6 and A.7 come one by one, worst first; the others are counted. Every text is escaped, so that a
    hostile name shows as it is and does nothing.

    Args:
        lines: the control lines, in the catalogue's order.
        heading: its title; plain text.
        facts: pairs of label and value for the lines under the heading; plain text.
        limit: longest result, in characters.
    """
    every = tuple(lines)
    near = tuple(line for line in every if line.control.startswith(("A.6.", "A.7.")))
    rest = tuple(line for line in every if line not in near)
    head = [f"### {plain(shortened(heading, 200))}", ""]
    head += [f"- **{plain(label)}**: {plain(shortened(value, 300))}" for label, value in facts]
    head += [f"- **A.6 and A.7**: {counts(near)}"] if near else ["- **Evidence**: none"]
    head += [f"- **Other controls**: {counts(rest)}"] if rest else []
    open_lines = sorted((line for line in near if line.state is not State.PASS), key=lambda line: WORST_FIRST.index(line.state))
    passing = [line.control for line in near if line.state is State.PASS]
    tail = ["", f"Passing: {', '.join(passing)}."] if passing else []
    table = ["", "| Control | Evidence | Why |", "|---|---|---|"] if open_lines else []
    for reason_length in (240, 120, 60, 24):
        body = [_row(line, reason_length) for line in open_lines]
        text = "\n".join([*head, *table, *body, *tail]) + "\n"
        if len(text) <= limit:
            return text
    return shortened(text, limit)


def with_own(written: str, card: str, summary: str = "") -> str:
    """Return the card below what a person wrote in a description, which stays; an earlier card is replaced.

    Args:
        written: the description as it is.
        card: Markdown of ours.
        summary: one line of ours for lists of MLflow's pages, which show the first words of a description as they are written.
    """
    own = written.partition(OWN_PART)[0].rstrip()
    before, _, last = own.rpartition("\n")
    if last.endswith(SUMMARY_END):
        own = before.rstrip()
    head = f"{summary}{SUMMARY_END}\n{OWN_PART}" if summary else OWN_PART
    if not own or own.startswith(("### Evidence", "### Gate", "### Record")):  # a scorecard as it was first written
        return f"{head}\n{card}"
    return f"{own}\n\n{head}\n{card}"


def counts(lines: Sequence[Line]) -> str:
    """Return how many lines are in which state, in words."""
    return counts_of(line.state for line in lines)


def counts_of(states: Iterable[State]) -> str:
    """Return how many there are of which state, in words, worst first; what passes leads."""
    found = Counter(states)
    order = (State.PASS, *(s for s in WORST_FIRST if s is not State.PASS))
    return ", ".join(f"{found[state]} {words(state)}" for state in order if found[state])


def words(state: State) -> str:
    """Return the state as people read it."""
    return {
        State.PASS: "passing",
        State.FAIL: "failing",
        State.INCONCLUSIVE: "undecided",
        State.MISSING: "missing",
        State.STALE: "stale",
        State.ERROR: "in error",
        State.NOT_APPLICABLE: "not applicable",
        State.WAIVED: "waived",
    }[state]


def _row(line: Line, length: int) -> str:
    name = f"{plain(line.control)} {plain(shortened(line.title, 60))}"
    return f"| {name} | {MARKS[line.state]} {words(line.state)} | {plain(shortened(line.reason, length))} |"
