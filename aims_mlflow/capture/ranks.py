"""Which of several processes that train one model together this is: the first one makes the run and its evidence, the others train."""

from __future__ import annotations

import os
import sys
from typing import Any, NamedTuple

VARIABLES = (("RANK", "WORLD_SIZE"), ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"), ("PMI_RANK", "PMI_SIZE"))
"""What launchers tell each process: torchrun (and those that follow it), Open MPI, MPICH and its kin; rank and number of ranks."""


class Rank(NamedTuple):
    """This process among those of one training, counted from 0, and how many they are."""

    number: int
    of: int

    @property
    def is_first(self) -> bool:
        """Whether the run and its evidence are this process's to make."""
        return self.number == 0


ALONE = Rank(0, 1)


def rank() -> Rank:
    """Return what torch.distributed says, where the process has joined a group already, else what its launcher says, else ``ALONE``.

    Slurm's variables are not looked at: it starts processes that train together and processes that do not in the same way.
    """
    group: Any = sys.modules.get("torch.distributed")
    if group is not None and group.is_available() and group.is_initialized():
        return Rank(int(group.get_rank()), int(group.get_world_size()))
    for number, of in VARIABLES:
        try:
            found = Rank(int(os.environ[number]), int(os.environ[of]))
        except (KeyError, ValueError):
            continue
        if found.of > 1 and 0 <= found.number < found.of:
            return found
    return ALONE
