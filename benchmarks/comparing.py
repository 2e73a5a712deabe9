"""One comparison: two ways to the same numbers, run in turns in one process, and the Markdown row that says how they fared."""

from __future__ import annotations

import gc
import os
import statistics
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Clock = Callable[[], float]


@dataclass(frozen=True)
class Comparison:
    """``theirs`` and ``ours`` come to the same numbers; ``agree`` raises AssertionError unless they do, and says what was compared.

    ``target`` is a bound on a ratio: with ``kind`` "less" the least that theirs takes in ours ("20x less"), with "of" the most
    that ours takes in theirs ("1.1x of"). ``clock`` gives seconds; ``units`` divides what each side did (theirs, ours), such as
    resamples. ``remark`` is asked after the timing, for what must not be measured while the clock runs.
    """

    name: str
    instead: str
    theirs: Callable[[], Any]
    ours: Callable[[], Any]
    agree: Callable[[Any, Any], str]
    kind: Literal["less", "of"]
    target: float | None = None
    clock: Clock = time.process_time
    units: tuple[int, int] = (1, 1)
    remark: Callable[[], str] = str


@dataclass(frozen=True)
class Row:
    """What came out: seconds of each run (of one unit), in the order they were made, and what agreed."""

    comparison: Comparison
    theirs: tuple[float, ...]
    ours: tuple[float, ...]
    agreed: str
    remark: str = ""

    @property
    def ratio(self) -> float:
        """Return the ratio of medians: theirs to ours where less is asked, ours to theirs where a share is."""
        theirs, ours = statistics.median(self.theirs), statistics.median(self.ours)
        return theirs / ours if self.comparison.kind == "less" else ours / theirs

    @property
    def met(self) -> bool | None:
        """Return whether the target was met; None where there is none."""
        target = self.comparison.target
        if target is None:
            return None
        return self.ratio >= target if self.comparison.kind == "less" else self.ratio <= target


def measure(comparison: Comparison, times: int = 5) -> Row:
    """Run each side once to warm up, then in turns ``times`` times against the clock; what comes out is compared first and last.

    Compared last, too, so that no side is quick because it no longer does its work.
    """
    comparison.agree(comparison.theirs(), comparison.ours())
    spent: dict[str, list[float]] = {"ours": [], "theirs": []}
    last: dict[str, Any] = {}
    for _ in range(times):
        for side in ("ours", "theirs"):
            last.pop(side, None)
            seconds, last[side] = _timed(getattr(comparison, side), comparison.clock)
            spent[side].append(seconds)
    agreed = comparison.agree(last["theirs"], last["ours"])
    theirs, ours = (tuple(s / units for s in spent[side]) for side, units in zip(("theirs", "ours"), comparison.units, strict=True))
    return Row(comparison, theirs, ours, agreed, comparison.remark())


def _timed(run: Callable[[], Any], clock: Clock) -> tuple[float, Any]:
    gc.collect()  # so that neither side pays for what the other left behind
    started = clock()
    made = run()
    return clock() - started, made


def table(rows: Iterable[Row]) -> str:
    """Return the rows as a Markdown table."""
    head = ["What", "Instead", "Theirs (min-max)", "Ours (min-max)", "Ratio", "Target", "Equal?"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *map(line, rows)])


def line(row: Row) -> str:
    """Return one row of the table."""
    one = row.comparison
    words = {"less": ("x less", "at least {}x less"), "of": ("x", "at most {}x")}[one.kind]
    target = words[1].format(f"{one.target:,g}") if one.target is not None else "-"
    met = {None: "", True: "", False: " (missed)"}[row.met]
    said = f"{row.agreed}. {row.remark}" if row.remark else row.agreed
    cells = [one.name, one.instead, _range(row.theirs), _range(row.ours), f"{_short(row.ratio)}{words[0]}{met}", target, said]
    return "| " + " | ".join(cells) + " |"


def _short(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def _range(seconds: tuple[float, ...]) -> str:
    unit, times = next(((u, t) for u, t in (("s", 1.0), ("ms", 1e3)) if min(seconds) * t >= 1), ("µs", 1e6))
    middle, least, most = (f"{s * times:.3g}" for s in (statistics.median(seconds), min(seconds), max(seconds)))
    return f"{middle} {unit} ({least}-{most})"


@dataclass
class Spent:
    """What a block took: seconds of processor time in this process and those below it, and seconds by the clock."""

    cpu: float = 0.0
    wall: float = 0.0


@contextmanager
def spent() -> Iterator[Spent]:
    """Measure a block: its processor time, that of all processes below (Spark's Java and its Python among them), and the clock.

    Processes below are looked at five times a second, each by itself, so that the time of one that ends meanwhile still counts:
    Spark ends idle workers without waiting for them. What a child does in its last fifth of a second is missed.
    """
    made, over = Spent(), threading.Event()
    before = _each()
    seen = dict(before)

    def look() -> None:
        seen.update(_each())

    def watch() -> None:
        while not over.wait(0.2):
            look()

    watching = threading.Thread(target=watch, daemon=True)
    own, wall = time.process_time(), time.perf_counter()
    watching.start()
    try:
        yield made
    finally:
        over.set()
        watching.join()
        look()
        made.wall = time.perf_counter() - wall
        made.cpu = time.process_time() - own + sum(seen.values()) - sum(before.values())


def _each() -> dict[int, float]:
    """Return the processor seconds of each process below this one that runs now."""
    return {pid: own for pid, (own, _) in _below(os.getpid()).items()}


def children(of: int = 0) -> dict[int, float]:
    """Return the processes below one (this one) that still run: the processor seconds of each, and of its own children that have ended."""
    return {pid: own + ended for pid, (own, ended) in _below(of or os.getpid()).items()}


def _below(top: int) -> dict[int, tuple[float, float]]:
    """Return, of each process below one, its own processor seconds and those of its children that it has waited for."""
    found: dict[int, tuple[int, float, float]] = {}
    tick = os.sysconf("SC_CLK_TCK")
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = place.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        found[int(place.parent.name)] = int(fields[1]), sum(map(int, fields[11:13])) / tick, sum(map(int, fields[13:15])) / tick
    below = {top}
    while new := {pid for pid, (parent, *_) in found.items() if parent in below} - below:
        below |= new
    return {pid: found[pid][1:] for pid in below if pid != top}


def resident(pid: int, field: str) -> int:
    """Return the bytes that a process has resident (VmRSS), of its own (RssAnon), or has had at most (VmHWM); 0 where it is gone."""
    try:
        with open(f"/proc/{pid}/status") as status:
            found = next((line for line in status if line.startswith(field)), "")
    except OSError:
        return 0
    return int(found.split()[1]) * 1024 if found else 0
