"""Pictures of measures, drawn from results alone: forest plots that show interval, bound and n, as SVG.

``figures`` says what is to be drawn (``words``: Figure, Panel, Row, Limit): fairness in ``rates``, robustness in ``drops``, drift in
``distances``. ``drawing`` draws a figure, with the ``marks`` that the bars of the record page are made of, too. ``plots`` gives files.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from aims_mlflow.evidence import CheckResult
from aims_mlflow.pictures.words import Figure
from aims_mlflow.system import Requirement

FILES_AT_MOST = 60
"""Pictures of one run; what something is asked of comes first."""

__all__ = ["FILES_AT_MOST", "Figure", "figures", "plots"]


def figures(results: Iterable[CheckResult], requirements: Sequence[Requirement] = ()) -> tuple[Figure, ...]:
    """Return a figure for each fairness, robustness and drift result (all strengths of a perturbation in one, all columns of a pair).

    Args:
        results: what the checks of one run measured; of other checks nothing is drawn.
        requirements: what is asked; their bounds are drawn as lines.

    Returns:
        At most ``FILES_AT_MOST``: those that requirements ask about first, else in the order of the results.
    """
    from aims_mlflow.pictures.distances import drift_figures
    from aims_mlflow.pictures.drops import robustness_figures
    from aims_mlflow.pictures.rates import fairness_figures

    every = tuple(results)
    made = [draw(every, requirements) for draw in (fairness_figures, robustness_figures, drift_figures)]
    found = {figure.path: figure for some in made for figure in some}
    return tuple(sorted(found.values(), key=lambda figure: not figure.requirements)[:FILES_AT_MOST])


def plots(results: Iterable[CheckResult], requirements: Sequence[Requirement] = ()) -> dict[str, bytes]:
    """Return the figures as files: ``aims/plots/<check>/<name>.svg`` -> its bytes; the same results give the same bytes."""
    from aims_mlflow.pictures.drawing import svg

    return {figure.path: svg(figure).encode() for figure in figures(results, requirements)}
