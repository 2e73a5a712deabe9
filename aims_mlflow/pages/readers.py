"""Who reads: whether somebody may read a registered model, or an experiment."""

from __future__ import annotations

from typing import Protocol


class Reader(Protocol):
    """Who asks for a page. Both answers are about reading; whoever implements it asks MLflow's own permissions."""

    def may_read_model(self, name: str) -> bool:
        """Whether they may read the registered model of that name."""
        ...

    def may_read_experiment(self, experiment_id: str) -> bool:
        """Whether they may read the experiment of that id."""
        ...


class _Everything:
    def may_read_model(self, name: str) -> bool:  # noqa: ARG002 - as the protocol has it
        return True

    def may_read_experiment(self, experiment_id: str) -> bool:  # noqa: ARG002 - as the protocol has it
        return True


EVERYTHING: Reader = _Everything()
"""The reader where nobody has to log in."""
