"""Disturbed answers against undisturbed ones, paired by row: what is lost, and how sure that is.

Intervals are over rows: the same rows undisturbed and disturbed, several copies of a row averaged first. Of means Student's t, or,
where no row lies below zero (shares of flips, sizes of changes), Hall's (1992) transformed t, because these are skewed. Of ratios
the percentile bootstrap (Efron 1979) up to ``BOOTSTRAP_AT_MOST`` rows, beyond that the normal limit of the same bootstrap.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from aims_mlflow.evidence import Measure
from aims_mlflow.intervals import skewed_mean, student_t, wilson
from aims_mlflow.measuring import resampling
from aims_mlflow.measuring.scores import calibration
from aims_mlflow.measuring.scores.influence import area_influence
from aims_mlflow.measuring.trials.trial import Reply, Trial, differs

if TYPE_CHECKING:
    import numpy as np

BOOTSTRAP_AT_MOST = 2_000
"""Rows up to which a ratio's interval is bootstrapped; beyond, the normal limit of the same bootstrap."""

SCORED_AT_MOST = 2_000
"""Rows, over all copies of one kind, whose scores are asked for and resampled."""

KEPT = 3
"""Sets of draws that are kept: 1,000 resamples of 2,000 rows take 16 MB."""

OF_REGRESSION = ("mean_absolute_error_increase", "mean_absolute_change", "r2_drop")
WORST = "worst_column_"
"""Stands before the name of a measure that is the worst column's own instead of the mean over columns."""

_Z = NormalDist().inv_cdf(0.975)


@dataclass
class Paired:
    """The measures of one trial, on draws that are made once for each number of rows."""

    trial: Trial
    _draws: dict[int, np.ndarray] = field(default_factory=dict)

    def drawn(self, n: int) -> np.ndarray:
        """Return how often each of ``n`` rows is drawn, (resamples, n)."""
        import numpy as np

        if n not in self._draws:
            while len(self._draws) >= KEPT:
                del self._draws[next(iter(self._draws))]
            self._draws[n] = np.concatenate(list(resampling.drawn(n)))
        return self._draws[n]

    def mean(self, name: str, rows: np.ndarray, least: float | None = None) -> Measure:
        """Return the mean of a per-row quantity (n,) with its interval over rows; ``least`` to 1 is its range, where it has one.

        Where all rows are alike there is no spread to go by. Then the share of rows that could be otherwise has Wilson's upper
        end for none of n, and the interval is what such rows could at most do.
        """
        if rows.min() == rows.max():
            return _alike(name, float(rows.mean()), len(rows), least)
        return _spread(name, rows, least)

    def ratio(self, name: str, above: np.ndarray, below: np.ndarray, *, method: str = "") -> Measure:
        """Return mean(above) / mean(below) of per-row quantities (n,), with its interval over rows."""
        import numpy as np

        n, value = len(above), float(above.sum() / below.sum())
        if n <= BOOTSTRAP_AT_MOST:
            with np.errstate(divide="ignore", invalid="ignore"):
                ends = resampling.ends((self.drawn(n) @ above) / (self.drawn(n) @ below))
            return with_ends(name, value, ends, method or f"paired {resampling.method(n)}", n)
        spread = (above - value * below) / below.mean()
        half = _Z * float(spread.std(ddof=1)) / math.sqrt(n)
        return with_ends(name, value, (value - half, value + half) if half > 0 else None, "paired normal, delta method", n)

    def losses(self, replies: Sequence[Reply]) -> list[Measure]:
        """Return what the answered copies lost: accuracy and labels, or errors and changes; without any answered, nothing."""
        answered = [r for r in replies if r.said is not None]
        if not answered:
            return []
        rows, answers, blank = _together(answered)
        odd = self.mean("non_finite_share", self._by_row(rows, blank.astype(float))[1], 0.0)
        if self.trial.labels is not None:
            lost, flipped = self._lost(rows, answers)
            return [self._row_mean("accuracy_drop", rows, lost, -1.0), self._row_mean("flip_rate", rows, flipped, 0.0), odd]
        if blank.any():
            return [*(Measure(name=name, value=None, n=len(set(rows.tolist()))) for name in OF_REGRESSION), odd]
        moved = abs(answers - self.trial.clean[rows])
        grown, change = self._row_mean(OF_REGRESSION[0], rows, self._lost(rows, answers)[0]), self._row_mean(OF_REGRESSION[1], rows, moved)
        return [grown, change, self._r2_drop(rows, answers), odd]

    def silent(self, replies: Sequence[Reply]) -> list[Measure]:
        """Return how much damage was let through: the share of copies that were answered, and of rows answered wrongly for it.

        ``silently_wrong_share``: of all damaged rows, those whose answer was right and is now wrong (regression: lies further
        from the truth than before, beyond rounding). A row that was refused, or got no label or number, is not silent.
        """
        import numpy as np

        accepted = sum(r.said is not None for r in replies) / len(replies)
        rows = np.concatenate([r.rows for r in replies])
        wrong = np.concatenate([self._wrong(r) for r in replies])
        share = Measure.counted("silent_accept_share", accepted, n=len(replies), unit="share")
        return [share, self._row_mean("silently_wrong_share", rows, wrong, 0.0)]

    def worst(self, replies: Sequence[Reply]) -> list[Measure]:
        """Return the worst column's own measures.

        The upper end is the highest of the columns' upper ends (a bound on all of them needs no correction: an
        intersection-union test), the lower end the highest of their lower ends at a level shared out by Bonferroni, because
        the largest of many noisy numbers leans upward.
        """
        columns: dict[str, list[Reply]] = {}
        for reply in replies:
            columns.setdefault(reply.copy.group, []).append(reply)
        found: dict[str, list[Measure]] = {}
        for own in columns.values():
            for measure in self._of_column(own):
                found.setdefault(measure.name, []).append(measure)
        return [_worst_of(WORST + name, own) for name, own in found.items()]

    def _of_column(self, replies: list[Reply]) -> Iterator[Measure]:
        import numpy as np

        silent = np.concatenate([self._wrong(r) for r in replies])
        yield self._row_mean("silently_wrong_share", np.concatenate([r.rows for r in replies]), silent, 0.0)
        answered = [r for r in replies if r.said is not None]
        if not answered:
            return
        rows, answers, blank = _together(answered)
        if self.trial.labels is None:
            if not blank.any():
                yield self._row_mean(OF_REGRESSION[0], rows, self._lost(rows, answers)[0])
            return
        lost, flipped = self._lost(rows, answers)
        yield self._row_mean("accuracy_drop", rows, lost, -1.0)
        yield self._row_mean("flip_rate", rows, flipped, 0.0)

    def by(self, replies: Iterable[Reply], key: Callable[[Reply], str]) -> dict[str, dict[str, Any]]:
        """Return the fate and the rates of the copies of each column or seed, to be written as facts."""
        parts: dict[str, list[Reply]] = {}
        for reply in replies:
            parts.setdefault(key(reply), []).append(reply)
        return {name: self._part(own) for name, own in parts.items()}

    def _part(self, replies: list[Reply]) -> dict[str, Any]:
        import numpy as np

        fates = [reply.fate for reply in replies]
        found: dict[str, Any] = {fate: fates.count(fate) for fate in dict.fromkeys(fates)}
        answered = [r for r in replies if r.said is not None]
        if answered:
            rows, answers, blank = _together(answered)
            found |= {"rows": len(rows)}
            if not blank.any() or self.trial.labels is not None:
                lost, flipped = self._lost(rows, answers)
                name = "accuracy_drop" if self.trial.labels is not None else OF_REGRESSION[0]
                found |= {name: round(float(lost.mean()), 6), "flip_rate": round(float(np.mean(flipped)), 6)}
        return found

    def _lost(self, rows: np.ndarray, answers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return what each answer lost (right before minus right now, or growth of the absolute error), and whether it differs."""
        import numpy as np

        truth, clean = self.trial.y_true[rows], self.trial.clean[rows]
        flipped = np.asarray(differs(self.trial, answers, clean), dtype=float)
        if self.trial.labels is not None:
            return (clean == truth).astype(float) - (answers == truth), flipped
        return abs(truth - answers) - abs(truth - clean), flipped

    def _wrong(self, reply: Reply) -> np.ndarray:
        import numpy as np

        if reply.said is None:
            return np.zeros(len(reply.rows))
        lost, flipped = self._lost(reply.rows, np.where(reply.said.blank, self.trial.clean[reply.rows], reply.said.answers))
        return ((lost > 0) & (flipped > 0)).astype(float)

    def _by_row(self, rows: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows that were asked, once each, and the mean of their values."""
        import numpy as np

        counts = np.bincount(rows, minlength=self.trial.n)
        asked = np.flatnonzero(counts)
        return asked, np.bincount(rows, weights=values, minlength=self.trial.n)[asked] / counts[asked]

    def _row_mean(self, name: str, rows: np.ndarray, values: np.ndarray, least: float | None = None) -> Measure:
        return self.mean(name, self._by_row(rows, values)[1], least)

    def _r2_drop(self, rows: np.ndarray, answers: np.ndarray) -> Measure:
        truth = self.trial.y_true
        asked, grown = self._by_row(rows, (truth[rows] - answers) ** 2 - (truth[rows] - self.trial.clean[rows]) ** 2)
        centred, n = truth[asked] - truth[asked].mean(), len(asked)
        if not (centred != 0).any():
            return Measure(name="r2_drop", value=None, n=n)
        value = float(grown.sum() / (centred**2).sum())
        if n > BOOTSTRAP_AT_MOST:
            return self.ratio("r2_drop", grown, centred**2)
        weights = self.drawn(n)
        ends = resampling.ends(weights @ grown / (weights @ centred**2 - (weights @ centred) ** 2 / n))
        return with_ends("r2_drop", value, ends, f"paired {resampling.method(n)}", n)

    def hits(self, replies: Sequence[Reply]) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows that were asked, and the share of each one's disturbed answers that is right."""
        rows, answers, _ = _together([r for r in replies if r.said is not None])
        return self._by_row(rows, (answers == self.trial.y_true[rows]).astype(float))

    def area_drop(self, replies: Sequence[Reply]) -> list[Measure]:
        """Return how much area under the ROC curve is lost; the interval from DeLong's (1988) placements, paired by row."""
        import numpy as np

        trial, lost, influence = self.trial, [], np.zeros(self.trial.n)
        answered = [r for r in replies if r.said is not None]
        for reply in answered:
            positive = trial.y_true[reply.rows] == 1
            whole = reply.score is not None and reply.scored is not None and len(reply.scored) == len(reply.rows)
            if trial.score is None or reply.score is None or not whole or reply.score.blank.any() or positive.all() or not positive.any():
                return []
            area, before = area_influence(positive, trial.score[reply.rows])
            now, after = area_influence(positive, reply.score.answers)
            lost.append(area - now)
            influence[reply.rows] += (before - after) / len(reply.rows) / len(answered)
        if not lost:
            return []
        n = len(np.unique(np.concatenate([r.rows for r in answered])))
        value, half = float(np.mean(lost)), _Z * math.sqrt(float((influence**2).sum()))
        return [with_ends("roc_auc_drop", value, (value - half, value + half) if half > 0 else None, "paired delong", n)]

    def calibration(self, replies: Sequence[Reply]) -> list[Measure]:
        """Return how much the expected calibration error grows, over the answers to all copies together.

        The error is ``calibration.error_of`` (Naeini et al. 2015), disturbed minus undisturbed on the same rows. A sum of
        absolute values leans upward, by nothing where the error is large and most where there is none: what leans less can grow
        by chance, and what leans more hides a growth. The sums of the bins are drawn together from their normal limit, and how
        far their errors lie from what they were drawn from is set off from the value (the basic bootstrap, Davison and Hinkley
        1997). They are drawn from where the lean can be most: for the upper end undisturbed bins within two standard errors of
        no error are taken to have none, for the lower end the disturbed ones.
        """
        import numpy as np

        name, trial, (rows, after) = "calibration_error_increase", self.trial, _scored(replies)
        if trial.score is None or not len(rows) or not ((after >= 0) & (after <= 1)).all():
            return []
        truth, before = trial.y_true[rows], trial.score[rows]
        n, value = len(np.unique(rows)), calibration.error_of(truth, after) - calibration.error_of(truth, before)
        if (after == before).all():
            return [_unmoved(name, n)]
        columns = np.hstack([_residuals(truth, after), _residuals(truth, before)])
        sums = np.zeros((trial.n, columns.shape[1]))
        np.add.at(sums, rows, columns)
        sums = sums[np.unique(rows)]
        covariance, wide = np.cov(sums, rowvar=False, ddof=0) * n, int(calibration.bins_of(after).max()) + 1
        total = sums.sum(axis=0)
        spread, axes = np.linalg.eigh(covariance)
        random = np.random.default_rng(0).standard_normal((resampling.RESAMPLES, len(spread)))
        noise = random * np.sqrt(np.maximum(spread, 0)) @ axes.T
        none, first = np.abs(total) < 2 * np.sqrt(np.diag(covariance)), np.arange(len(total)) < wide
        found = []
        for leaning in (first, ~first):
            middle = np.where(none & leaning, 0.0, total)
            found.append(resampling.ends((_growth(middle + noise, wide) - _growth(middle, wide)) / len(rows)))
        low, high = found
        ends = (min(value - low[1], value), max(value - high[0], value)) if low is not None and high is not None else None
        return [with_ends(name, value, ends, f"paired, {resampling.RESAMPLES} draws of the bins, set off", n)]


def _growth(sums: np.ndarray, wide: int) -> np.ndarray:
    """Return the summed errors of the disturbed bins, the first ``wide``, less those of the undisturbed ones (the last axis)."""
    import numpy as np

    error = np.abs(sums)
    return np.asarray(error[..., :wide].sum(axis=-1) - error[..., wide:].sum(axis=-1))


def _alike(name: str, value: float, n: int, least: float | None) -> Measure:
    """Return the mean of rows that are all alike; with a range (``least`` to 1) its interval is what unseen rows could at most do."""
    if least is None:
        return Measure(name=name, value=value, n=n)
    other = wilson(0, n)[1]
    low, high = value - other * (value - least), value + other * (1 - value)
    return Measure(name=name, value=value, ci_low=low, ci_high=high, ci_method="wilson, no row was different", n=n)


def _spread(name: str, rows: np.ndarray, least: float | None) -> Measure:
    n, value = len(rows), float(rows.mean())
    ends, method = skewed_mean(rows) if rows.min() >= 0 else None, "paired, hall's transformed t"
    if ends is None:
        half = student_t(0.95, n - 1) * float(rows.std(ddof=1)) / math.sqrt(n)
        ends, method = (value - half, value + half), "paired student t"
    if least is not None:
        ends = max(least, ends[0]), min(1.0, ends[1])
    return with_ends(name, value, ends, method, n)


def _unmoved(name: str, n: int) -> Measure:
    """Return the measure where no score moved: a row that could have moves at most two bins' sums by one."""
    most = 2 * wilson(0, n)[1]
    return Measure(name=name, value=0.0, ci_low=-most, ci_high=most, ci_method="wilson, no row was different", n=n)


def _scored(replies: Sequence[Reply]) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and their disturbed scores (NaN where blank) of all copies, of ``SCORED_AT_MOST`` rows."""
    import numpy as np

    scored = [(r.scored, np.where(r.score.blank, np.nan, r.score.answers)) for r in replies if r.scored is not None and r.score is not None]
    step = max(1, -(-sum(len(rows) for rows, _ in scored) // SCORED_AT_MOST))
    if not scored:
        return np.empty(0, dtype=int), np.empty(0)
    parts = [(rows[at % step :: step], score[at % step :: step]) for at, (rows, score) in enumerate(scored)]
    return np.concatenate([rows for rows, _ in parts]), np.concatenate([score for _, score in parts])


def with_ends(name: str, value: float, ends: tuple[float, float] | None, method: str, n: int) -> Measure:
    """Return a measure with its interval; without one where there are no ends."""
    if ends is None:
        return Measure(name=name, value=value, n=n)
    return Measure(name=name, value=value, ci_low=ends[0], ci_high=ends[1], ci_method=method, n=n)


def _residuals(truth: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Return each row's residual in the column of its bin, (n, bins)."""
    import numpy as np

    bins = calibration.bins_of(score)
    return np.asarray(np.eye(int(bins.max()) + 1)[bins] * (score - truth)[:, None])


def _together(replies: Sequence[Reply]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the rows, the answers and the blanks of answered copies, one after the other."""
    import numpy as np

    said = [r.said for r in replies if r.said is not None]
    rows = np.concatenate([r.rows for r in replies])
    return rows, np.concatenate([s.answers for s in said]), np.concatenate([s.blank for s in said])


def _worst_of(name: str, own: list[Measure]) -> Measure:
    value = max(m.value for m in own if m.value is not None)
    n = min(m.n or 0 for m in own)
    highs = [m.ci_high for m in own]
    if any(high is None for high in highs):
        return Measure(name=name, value=value, n=n)
    shared = NormalDist().inv_cdf(1 - 0.025 / len(own)) / _Z
    lows = [m.value - shared * (m.value - m.ci_low) for m in own if m.value is not None and m.ci_low is not None]
    low = max(lows)
    method = f"worst of {len(own)} columns: each column's interval, Bonferroni below"
    return with_ends(name, value, (min(low, value), max(high for high in highs if high is not None)), method, n)
