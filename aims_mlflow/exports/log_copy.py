"""The registry's log as an audit pack holds it: every entry byte for byte, the heads, an index for people, and what is wrong with it."""

from __future__ import annotations

import tempfile
from datetime import datetime
from pathlib import Path

from aims_mlflow.auditing.pinning import export
from aims_mlflow.exports.inert import json_bytes, path_part
from aims_mlflow.ledger import FOLDER, walk
from aims_mlflow.ledger.entry import path_digest
from aims_mlflow.store import Store

FINDINGS = "findings.json"


def log_copy(store: Store, now: datetime) -> dict[str, bytes]:
    """Return the log as files, path -> bytes; nothing where no log was ever begun.

    Entries that cannot be believed are there as well, since an auditor wants to see them; ``findings.json`` says what is wrong.
    """
    found = walk(store)
    if not found.begun:
        return {}
    files: dict[str, bytes] = {}
    for run_id in found.run_ids:
        for path, content in store.download(run_id, FOLDER).items():
            files[path if path_digest(path) else f"other/{path_part(path)}"] = content
    with tempfile.TemporaryDirectory() as folder:
        export(Path(folder), found, now)
        files |= {p.relative_to(folder).as_posix(): p.read_bytes() for p in Path(folder).rglob("*") if p.is_file()}
    return files | {FINDINGS: json_bytes([finding.model_dump(mode="json") for finding in found.findings])}
