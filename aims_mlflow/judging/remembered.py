"""Judged lines, remembered: the same evidence by the same policy on the same day says the same, and a server is asked it often."""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from aims_mlflow.judging import judge
from aims_mlflow.judging.lines import ControlLine, control_lines
from aims_mlflow.judging.persons import latest_local_date
from aims_mlflow.system import System

if TYPE_CHECKING:
    from aims_mlflow.bundle import Bundle

MOST = 64
"""How many judgements are remembered; each keeps its bundle and its policy alive."""

_Key = tuple[int, int, date, date]

_kept: OrderedDict[_Key, tuple[System, Bundle, tuple[ControlLine, ...]]] = OrderedDict()
_at_it = threading.Lock()


def judged_lines(system: System, bundle: Bundle, now: datetime) -> tuple[ControlLine, ...]:
    """Return the line of each control, as ``judge`` and ``control_lines`` give them.

    Only these very objects are remembered, which cannot change; a bundle or a policy that is read anew is judged anew. What
    depends on time (attestations, waivers) goes by the date, here and in the time zone that is furthest ahead.

    Args:
        system: the policy.
        bundle: the evidence of a run.
        now: the time of judging.
    """
    key = (id(system), id(bundle), now.date(), latest_local_date(now))
    with _at_it:
        kept = _kept.get(key)
        if kept is not None and kept[0] is system and kept[1] is bundle:
            _kept.move_to_end(key)
            return kept[2]
    started = bundle.run.started if bundle.run.started.tzinfo else bundle.run.started.replace(tzinfo=UTC)
    judged = judge(system, bundle.results, run_id=bundle.run.run_id, started=started, now=now, attested=bundle.attestations)
    lines = tuple(control_lines(system, judged, bundle.results, today=now.date()))
    with _at_it:
        _kept[key] = (system, bundle, lines)
        while len(_kept) > MOST:
            _kept.popitem(last=False)
    return lines
