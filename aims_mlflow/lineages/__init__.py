"""Where a model comes from, link by link.

``words`` say what a lineage is, ``recorded`` reads one off evidence or off MLflow, ``tracing`` follows a model back through MLflow,
``layers`` and ``picture`` draw it.
"""

from __future__ import annotations

from aims_mlflow.lineages.words import Edge, Lineage, Node

__all__ = ["Edge", "Lineage", "Node"]
