"""What every report says of a decision besides its lines: whose it is and the digests of all it rests on; and texts made fit for XML."""

from __future__ import annotations

import re
from datetime import UTC

from aims_mlflow.decision import GateDecision

_NOT_XML = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")


def facts_of(decision: GateDecision) -> dict[str, str]:
    """Return the facts of a decision by name, those that are known, as text."""
    known = {
        "verdict": decision.verdict,
        "model": decision.model,
        "alias": decision.alias,
        "system": decision.system_id,
        "run": decision.run_id,
        "evidence_time": decision.evidence_time.astimezone(UTC).isoformat(timespec="seconds") if decision.evidence_time else None,
        "time": decision.time.astimezone(UTC).isoformat(timespec="seconds"),
        "policy_sha256": decision.policy_sha256,
        "bundle_sha256": decision.bundle_sha256,
        "model_sha256": decision.model_sha256,
        "key_ids": ", ".join(decision.key_ids),
        "collector": decision.collector,
    }
    return {name: value for name, value in known.items() if value}


def printable(text: str) -> str:
    """Return the text with every character spelled out that XML 1.0 cannot hold."""
    return _NOT_XML.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
