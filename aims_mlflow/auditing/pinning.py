"""Outside MLflow: the heads of the log as an audit has seen them, so that a tail cut off later shows, and the log copied out."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, Field, ValidationError

from aims_mlflow.errors import ConfigurationError, VerificationError
from aims_mlflow.gate import CLOCK_SKEW
from aims_mlflow.ledger import Entry, Finding, Walk, entry_path
from aims_mlflow.ledger.entry import Strict
from aims_mlflow.signing import strict_json

INDEX = "INDEX.md"


class Pinned(Strict):
    """The heads of a registry's log at a time. Whoever keeps it outside MLflow sees later whether the log was cut or replaced."""

    format: Literal["aims-heads-v1"] = "aims-heads-v1"
    registry: str
    heads: tuple[str, ...] = Field(description="sha256 of the entries that nothing followed")
    entries: int = Field(ge=0)
    time: AwareDatetime


def pinned(path: Path) -> Pinned | None:
    """Read the heads of an earlier audit; None where the file is not there yet. Raises ConfigurationError."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigurationError(f"the heads cannot be read: {error.strerror}", where=str(path), fix="pass a file you may read") from None
    try:
        strict_json(content, "heads file")
        return Pinned.model_validate_json(content)
    except (ValidationError, VerificationError):
        raise ConfigurationError(
            "the file does not hold heads of a log", where=str(path), fix="pass the file that aims audit --heads wrote, or a new path"
        ) from None


def cut(before: Pinned, now: Walk) -> Iterator[Finding]:
    """Yield what the log no longer has, or has got in between, since its heads were pinned."""
    when = before.time.isoformat(timespec="seconds")
    if before.registry != now.registry and (before.registry or before.entries):
        what = f"the log is another one than the audit of {when} saw (registry {before.registry[:16]}, now {now.registry[:16] or 'none'})"
        yield Finding(code="log_replaced", severity="critical", what=what, where="experiment aims.ledger", fix="restore it from a backup")
    there = {one.sha256: one.entry for one in now.entries}
    lost = [head for head in before.heads if head not in there]
    for head in lost:
        what = f"the entry {head[:16]}, a head of the log in the audit of {when}, is gone: the log's end was cut off"
        yield Finding(code="tail_cut", severity="critical", what=what, where=f"log entry {head[:16]}", fix="restore the log from a backup")
    if lost:
        return
    old = _ancestors(before.heads, there)
    for sha256, entry in there.items():
        if sha256 not in old and before.time - entry.time > CLOCK_SKEW:
            what = f"an entry is dated {entry.time.isoformat(timespec='seconds')} and was not there in the audit of {when}"
            fix = "a writer that was cut off, or somebody who dates back: compare it with its run"
            yield Finding(code="dated_back", severity="major", what=what, where=f"log entry {sha256[:16]}", fix=fix)


def _ancestors(heads: tuple[str, ...], there: dict[str, Entry]) -> set[str]:
    """Return the entries that the heads hold, themselves included."""
    found: set[str] = set()
    open_ones = list(heads)
    while open_ones:
        one = open_ones.pop()
        if one in found or one not in there:
            continue
        found.add(one)
        open_ones += there[one].parents
    return found


def pin(path: Path, walk: Walk, now: datetime) -> None:
    """Write the heads, whole or not at all; raises ConfigurationError."""
    content = Pinned(registry=walk.registry, heads=walk.heads, entries=len(walk.entries), time=now)
    write(path, content.model_dump_json(indent=2).encode() + b"\n")


def export(folder: Path, walk: Walk, now: datetime) -> None:
    """Write every entry, byte for byte, under its name, with the heads and an index for people; raises ConfigurationError."""
    for one in walk.entries:
        write(folder / entry_path(one.sha256), one.content)
    pin(folder / "heads.json", walk, now)
    write(folder / INDEX, _index(walk, now).encode())


def _index(walk: Walk, now: datetime) -> str:
    rows = [
        f"# The log of the registry {walk.registry or '(none)'}",
        "",
        f"{len(walk.entries)} entries, copied out on {now.isoformat(timespec='seconds')}. Each file `log/ab/ab….dsse.json` is named by "
        "the sha256 of its bytes; check it with `sha256sum`, and its signature with `aims verify FILE`. An entry names the entries "
        "before it (`parents`), so that one that is missing in between shows. `heads.json` names those that nothing follows yet.",
        "",
        "| no. | time | kind | model | version | as | by | entry | follows |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for one in walk.entries:
        entry, link = one.entry, f"[{one.sha256[:12]}]({entry_path(one.sha256)})"
        cells = [str(entry.sequence), entry.time.isoformat(timespec="seconds"), entry.kind, *entry.about, entry.actor]
        rows.append(f"| {' | '.join(_cell(c) for c in cells)} | {link} | {' '.join(p[:12] for p in entry.parents)} |")
    return "\n".join(rows) + "\n"


def _cell(text: str) -> str:
    """Return text that stays in its cell and is nothing but text, whatever it holds."""
    return "".join(f"&#{ord(c)};" if c in "\\`*_[]<>|#!&" else c if c.isprintable() else " " for c in text)


def write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all; raises ConfigurationError."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(content)
        os.replace(draft, path)
    except OSError as error:
        raise ConfigurationError(f"{path.name} cannot be written: {error.strerror}", where=str(path), fix="choose another place") from None
    finally:
        draft.unlink(missing_ok=True)
