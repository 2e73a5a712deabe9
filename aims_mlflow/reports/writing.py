"""Writes a report to its file: whole or not at all, except that a CI server's own summary file is added to."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from aims_mlflow.errors import ConfigurationError

ADDED_TO = "GITHUB_STEP_SUMMARY"
"""The environment variable of GitHub Actions that names a step's summary file: what other commands wrote there stays."""


def write_report(path: str | os.PathLike[str], text: str) -> None:
    """Write a report; raises ConfigurationError where that is not possible."""
    target = Path(path)
    try:
        if os.environ.get(ADDED_TO) and target.absolute() == Path(os.environ[ADDED_TO]).absolute():
            with target.open("a", encoding="utf-8") as file:
                file.write(text)
            return
        if target.exists() and not target.is_file():  # /dev/stdout and the like
            target.write_text(text, encoding="utf-8")
            return
        draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
        try:
            draft.write_text(text, encoding="utf-8")
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        reason = error.strerror or "the path cannot be used"
        raise ConfigurationError(f"the report cannot be written: {reason}", where=str(target), fix="check the path") from None
