"""The chain of frames that the preparation steps name: does each step begin where another ended, and do they end at the data seen?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from aims_mlflow.observation import PreparationStep


@dataclass
class Chain:
    """What following the digests shows: how many links could be followed, and where one does not hold, in words."""

    links: int = 0
    gaps: list[str] = field(default_factory=list)
    reached: list[str] = field(default_factory=list)


def follow(steps: Sequence[PreparationStep], datasets: Mapping[str, str]) -> Chain:
    """Follow the digests of the frames through the steps, in their order.

    A step's frame before must be the first one, or one that an earlier step began or ended with (data may be split, and each
    part prepared by itself). A frame after which no later step begins must be one of the data sets that the run has seen. A step
    without a frame is passed over; nothing can be followed through it.

    Args:
        steps: as they were declared.
        datasets: the role of each dataset seen -> its digest.
    """
    chain, known = Chain(), set[str]()
    roles: dict[str, list[str]] = {}
    for role, sha256 in datasets.items():
        roles.setdefault(sha256, []).append(role)
    begins = [None if step.before is None else step.before.sha256 for step in steps]
    for position, step in enumerate(steps):
        before, after = begins[position], None if step.after is None else step.after.sha256
        if before is not None and known:
            chain.links += 1
            if before not in known:
                chain.gaps.append(f"step {position + 1} begins with a frame that no earlier step began or ended with")
        known |= {sha256 for sha256 in (before, after) if sha256 is not None}
        following = [one for one in begins[position + 1 :] if one is not None]
        if after is not None and after not in following and not (following and following[0] not in known):
            chain.links += 1  # where the next step begins with an unknown frame, the gap is told there
            if after in roles:
                chain.reached += roles[after]
            else:
                chain.gaps.append(f"step {position + 1} ends with a frame that no later step begins with and that is no data of this run")
    return chain
