"""How often the intervals that we print hold the truth: every kind, drawn from worlds whose true values are known.

Each interval is asked of the code that the checks themselves call. Shares of independent rows are summed up exactly over all
possible counts; everything else is simulated, with the Monte Carlo error beside it. What misses the target is printed as missed.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.stats import binom, multinomial

from aims_mlflow.intervals import mover_ratio, newcombe_difference, tango_difference, wilson
from benchmarks.experiments import RATES, SIZES, Ends, Experiment, experiments

NOMINAL = 0.95
LEAST, MOST = 0.93, 0.985
"""The target: nominal 95 %, and what the simulation must show."""

REPLICATIONS = 2_000
SEED = 20_260_301

HEAD = ("Measure and world", "Method", "n", "Holds the truth, by rate", "Truth below / above it", "Error", "Target 93-98.5 %")


@dataclass(frozen=True)
class Cell:
    """What came of one measure, world and size: shares of the replications that gave an interval, and of those without one."""

    below: float
    above: float
    none: float
    replications: int

    @property
    def covered(self) -> float:
        """Return the share of intervals that hold the truth."""
        return 1 - self.below - self.above

    @property
    def error(self) -> float:
        """Return the Monte Carlo standard error; 0 where everything was summed up."""
        given = self.replications * (1 - self.none)
        return math.sqrt(max(self.covered * (1 - self.covered), 1e-4) / given) if given else 0.0


@dataclass(frozen=True)
class Row:
    """One line of the table: a measure at one size, over its worlds."""

    name: str
    method: str
    n: int
    cells: Mapping[float | str, Cell]

    @property
    def short(self) -> tuple[float | str, ...]:
        """Return the worlds in which too few intervals hold the truth."""
        return tuple(world for world, cell in self.cells.items() if round(cell.covered, 3) < LEAST)

    @property
    def wide(self) -> tuple[float | str, ...]:
        """Return the worlds in which the intervals are wider than need be: what they decide is right, but they decide less."""
        return tuple(world for world, cell in self.cells.items() if round(cell.covered, 3) > MOST)


def report(quick: bool = False) -> Iterator[str]:
    """Yield the lines of the Markdown table, each as soon as it is known, and below it what was missed."""
    yield "| " + " | ".join(HEAD) + " |"
    yield "|" + "---|" * len(HEAD)
    cells = short = wide = 0
    for row in rows(quick):
        yield line(row)
        cells, short, wide = cells + len(row.cells), short + len(row.short), wide + len(row.wide)
    yield ""
    yield f"Of {cells}: {cells - short - wide} meet the target, {short} hold the truth too seldom, {wide} are wider than need be."


def rows(quick: bool = False) -> Iterator[Row]:
    """Measure every experiment; ``quick`` takes 20 replications of 50 rows, to see that it works."""
    replications = 20 if quick else REPLICATIONS
    yield from exact_rows(quick)
    for experiment in experiments():
        sizes, worlds = (experiment.sizes[:1], experiment.worlds[-1:]) if quick else (experiment.sizes, experiment.worlds)
        for n in sizes:
            yield from simulated(experiment, n, worlds, max(10, round(replications * experiment.share)))


def line(row: Row) -> str:
    """Return one line of the table; what misses the target is bold, and named at its end."""
    held, sides = [], []
    for world, cell in row.cells.items():
        share = f"{100 * cell.covered:.1f}" if world not in row.short else f"**{100 * cell.covered:.1f}**"
        without = f" ({100 * cell.none:.0f} % without)" if cell.none >= 0.005 else ""
        held.append(f"{world}: {share}{without}" if world != "" else f"{share}{without}")
        sides.append(f"{100 * cell.below:.1f} / {100 * cell.above:.1f}")
    error = max(cell.error for cell in row.cells.values())
    verdicts = (("missed", row.short), ("wider than need be", row.wide))
    told = [word + (": " + ", ".join(map(str, worlds)) if len(row.cells) > 1 else "") for word, worlds in verdicts if worlds]
    said = "; ".join(told) or "met"
    cells = (row.name, row.method, f"{row.n:,}", "; ".join(held), "; ".join(sides), f"{100 * error:.1f}" if error else "exact", said)
    return "| " + " | ".join(cells) + " |"


# --- summed up exactly ------------------------------------------------------------------------------------------------------


def exact_rows(quick: bool = False) -> Iterator[Row]:
    """Yield the intervals of shares of independent rows, summed over all counts that have any chance."""
    kinds: tuple[tuple[str, str, Callable[[float, int], Cell]], ...] = (
        ("share of rows (accuracy, rates of a group)", "wilson", _exact_share),
        ("difference of two groups, 0.1 apart", "newcombe", lambda rate, n: _exact_pair(newcombe_difference, rate, rate + 0.1, n, -0.1)),
        ("difference of two equal groups", "newcombe", lambda rate, n: _exact_pair(newcombe_difference, rate, rate, n, 0.0)),
        ("ratio of two groups, 0.8", "mover", lambda rate, n: _exact_pair(mover_ratio, 0.8 * rate, rate, n, 0.8)),
        ("ratio of two equal groups", "mover", lambda rate, n: _exact_pair(mover_ratio, rate, rate, n, 1.0)),
        ("difference of shares of the same rows (accuracy_gain)", "tango, paired", _exact_paired),
    )
    for (name, method, cell), n in product(kinds, SIZES[:1] if quick else SIZES):
        yield Row(name, method, n, {rate: cell(rate, n) for rate in (RATES[-1:] if quick else RATES)})


def _likely(rate: float, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the counts of ``n`` that have any chance to speak of (1e-9 is left out), and their chances."""
    counts = np.arange(int(binom.ppf(1e-10, n, rate)), int(binom.ppf(1 - 1e-10, n, rate)) + 1)
    return counts, binom.pmf(counts, n, rate)


def _cell(ends: list[Ends], chances: np.ndarray, truth: float) -> Cell:
    below = np.array([low is not None and truth < low for low, _ in ends])
    above = np.array([high is not None and truth > high for _, high in ends])
    return Cell(float(chances[below].sum()), float(chances[above].sum()), 0.0, 0)


def _exact_share(rate: float, n: int) -> Cell:
    counts, chances = _likely(rate, n)
    return _cell([wilson(int(count), n) for count in counts], chances, rate)


def _exact_pair(interval: Callable[..., Ends], one: float, other: float, n: int, truth: float) -> Cell:
    (first, chance1), (second, chance2) = _likely(one, n), _likely(other, n)
    ends = [interval(int(x), n, int(y), n) for x, y in product(first, second)]
    return _cell(ends, np.outer(chance1, chance2).ravel(), truth)


def _exact_paired(rate: float, n: int) -> Cell:
    """The models disagree on a share ``rate`` of the rows; where they do, the new one is right in 6 of 10."""
    apart, _ = _likely(rate, n)
    pairs = [(won, int(d) - won) for d in apart for won in range(int(d) + 1)]
    chances = multinomial.pmf([(won, lost, n - won - lost) for won, lost in pairs], n, [0.6 * rate, 0.4 * rate, 1 - rate])
    likely = chances > 1e-12
    ends = [tango_difference(*pair, n) for pair, kept in zip(pairs, likely, strict=True) if kept]
    return _cell(list(ends), chances[likely], 0.2 * rate)


# --- simulated --------------------------------------------------------------------------------------------------------------


def simulated(experiment: Experiment, n: int, worlds: tuple[float | str, ...], replications: int) -> Iterator[Row]:
    """Run one experiment at one size; one row a measure."""
    cells: dict[str, dict[float | str, Cell]] = {}
    methods: dict[str, Counter[str]] = {}
    for at, world in enumerate(worlds):
        random, truths = np.random.default_rng([SEED, n, at]), experiment.truths(world)
        told: dict[str, list[tuple[bool, bool, bool]]] = {name: [] for name in truths}
        for _ in range(replications):
            sample = experiment.sample(world, n, random)
            for name, truth in truths.items():
                ends, method = sample.get(name, (None, ""))
                low, high = ends or (None, None)
                told[name].append((ends is None, low is not None and truth < low, high is not None and truth > high))
                if ends is not None:
                    methods.setdefault(name, Counter())[method] += 1
        for name, outcomes in told.items():
            none, below, above = (float(share) for share in np.mean(outcomes, axis=0))
            given = max(1 - none, 1e-12)
            cells.setdefault(name, {})[world] = Cell(below / given, above / given, none, replications)
    for name, by_world in cells.items():
        method = methods[name].most_common(1)[0][0] if name in methods else "none"
        yield Row(f"{name}, {experiment.name}" if experiment.name else name, method, n, by_world)
