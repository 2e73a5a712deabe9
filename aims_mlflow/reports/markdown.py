"""A decision as Markdown for a CI server's summary page: the verdict, what stops it with its fix, every control, the digests."""

from __future__ import annotations

from aims_mlflow.decision import GateDecision
from aims_mlflow.evidence import LETS_THROUGH, WORST_FIRST
from aims_mlflow.reports.facts import facts_of
from aims_mlflow.scorecard import MARKS, counts, plain, shortened, words

LONGEST = 600
"""Longest reason or fix in a row, in characters: the run's evidence has all of it."""


def markdown(decision: GateDecision) -> str:
    """Return the decision as Markdown; every text of somebody's is escaped, so that it shows as it is and does nothing."""
    to = f" as {decision.alias}" if decision.alias else ""
    parts = [f"## {decision.verdict.upper()}: {plain(decision.model + to)}", ""]
    if decision.lines:
        parts += [f"{len(decision.lines)} controls: {counts(decision.lines)}.", ""]
    if decision.blockers:
        parts += ["| Blocked by | Why | What to do |", "|---|---|---|"]
        parts += [f"| {plain(b.code)} | {_cell(b.reason)} | {_cell(b.fix)} |" for b in decision.blockers] + [""]
    if decision.lines:
        parts += ["| Control | Evidence | Why | What to do |", "|---|---|---|---|"]
        for line in sorted(decision.lines, key=lambda line: WORST_FIRST.index(line.state)):
            fix = "" if line.state in LETS_THROUGH else line.fix
            name = f"{plain(line.control)} {plain(line.title)}"
            parts.append(f"| {name} | {MARKS[line.state]} {words(line.state)} | {_cell(line.reason)} | {_cell(fix)} |")
        parts.append("")
    parts += [f"- {plain(note)}" for note in decision.notes] + ([""] if decision.notes else [])
    facts = "".join(f"| {plain(name)} | {plain(value)} |\n" for name, value in facts_of(decision).items())
    return "\n".join(parts) + f"<details><summary>What this decision rests on</summary>\n\n| | |\n|---|---|\n{facts}\n</details>\n"


def _cell(text: str) -> str:
    return plain(shortened(text, LONGEST))
