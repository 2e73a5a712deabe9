"""The keys at hand: which one signs, who else may read it, and whether its signatures count. None is made, shown, or asked of a service."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from aims_mlflow.diagnosing.words import Finding, State
from aims_mlflow.errors import ConfigurationError
from aims_mlflow.signing import DEVELOPMENT, Role, Trust, home, load_key
from aims_mlflow.signing.keys import read_public_file
from aims_mlflow.signing.signers import FILE_SCHEME, is_uri, signer_for

SIGNING, GATE = ("AIMS_SIGNING_KEY", "AIMS_SIGNING_PUBLIC_KEY"), ("AIMS_GATE_KEY", "AIMS_GATE_PUBLIC_KEY")
"""The variables that name a key, and the public key of one in a key service."""

SIGNS: dict[Role, str] = {"evidence": "signs runs", "decision": "signs decisions"}


@dataclass(frozen=True)
class _AtHand:
    """A key as far as it shows without using it. ``id`` is "" where there is none yet, or it is not known."""

    id: str
    place: str
    development: bool = False
    service: bool = False


def look(trust: Trust, trusted: str) -> list[Finding]:
    """Look at the key that signs runs, the one that signs decisions, and the key files beside them.

    Args:
        trust: what ``keys.yaml`` says.
        trusted: its path, "" where there is none; the path of one that cannot be used is the policies' to report.
    """
    found: list[Finding] = []
    roles: tuple[tuple[Role, tuple[str, str]], ...] = (("evidence", SIGNING), ("decision", GATE))
    for role, variables in roles:
        named = variables if os.environ.get(variables[0]) else SIGNING
        try:
            key = _at_hand(*named)
        except ConfigurationError as error:
            what = f"the key that {SIGNS[role]} cannot be used: {error.what}"
            found.append(_found("unusable_key", "problem", what, error.where, error.fix))
            continue
        found += _which(role, key)
        found += _counts(role, key, trust, trusted)
    return [*found, *_files()]


def _at_hand(variable: str, public_variable: str) -> _AtHand:
    """Return the key that a variable names, or the development key; as ``signing.signing_key``, but nothing is made and nobody is asked."""
    named = os.environ.get(variable, "")
    if not named:
        path = home() / "keys" / f"{DEVELOPMENT}.key"
        return _AtHand(load_key(path, development=True).id if path.exists() else "", str(path), development=True)
    if not is_uri(named):
        path = Path(named).expanduser()
        if not _is_file(path):  # what it says may be a key itself, pasted: it is not shown
            fix = f"set {variable} to the path of a PEM file that you may read"
            raise ConfigurationError(f"{variable} names no file", where=variable, fix=fix)
        return _AtHand(load_key(path).id, str(path))
    scheme, rest = signer_for(named, variable)
    place = f"{variable}={scheme}:…"  # the rest may hold what is not for a screen
    if scheme == FILE_SCHEME:
        return _AtHand(load_key(Path(os.environ.get("CRYPTO_SIGNER_PATH_PREFIX", "")) / rest).id, place)
    public = os.environ.get(public_variable, "")
    key = read_public_file(Path(public).expanduser()) if public else None
    if key is None:
        what = "the public key of the key service is not named, or its file holds none"
        raise ConfigurationError(what, where=public_variable, fix=f"set {public_variable} to its PEM file")
    return _AtHand(key.keyid, place, service=True)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long for a path, or no path at all
        return False


def _which(role: Role, key: _AtHand) -> Iterator[Finding]:
    if key.development:
        there = f"the development key {key.id[:16]}" if key.id else "a development key, which is made on first use,"
        what = f"{there} {SIGNS[role]}: good for trying out, and nobody else's policy counts it"
        yield _found(f"{role}_key", "note", what, key.place, "aims keys new PATH, and set AIMS_SIGNING_KEY to it")
    elif key.service:
        what = f"the key {key.id[:16]} in a key service {SIGNS[role]}; the service was not asked"
        yield _found(f"{role}_key", "ok", what, key.place)
    else:
        yield _found(f"{role}_key", "ok", f"the key {key.id[:16]} {SIGNS[role]}; nobody else may read its file", key.place)


def _counts(role: Role, key: _AtHand, trust: Trust, trusted: str) -> Iterator[Finding]:
    """Say whether keys.yaml lets a key's signatures count for what it signs."""
    if not trust.keys:
        if not trusted and not key.development:
            what = f"no keys.yaml says whose signatures count: the key that {SIGNS[role]} counts as any key does"
            yield _found(f"{role}_trust", "note", what, key.place, "aims keys trust, with AIMS_POLICY_DIR set")
        return
    if not key.id:
        what = f"keys.yaml lists keys, and the one that {SIGNS[role]} is not made yet, so it is none of them"
        yield _found(f"{role}_trust", "problem", what, trusted, "set AIMS_SIGNING_KEY to a key that is listed")
        return
    blocker = trust.blocker_of((key.id,), role, datetime.now(UTC))
    if blocker is None:
        listed = trust.key(key.id)
        name = f" as {listed.name}" if listed is not None else ""
        yield _found(f"{role}_trust", "ok", f"the key {key.id[:16]} is listed{name} for {role}, and counts today", trusted)
    else:
        yield _found(f"{role}_trust", "problem", f"what it signs will not count: {blocker.reason}", trusted, blocker.fix)


def _files() -> Iterator[Finding]:
    """Say which private key files beside ours others may read, and which public ones hold no key."""
    folder = home() / "keys"
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix in (".key", ".pub"))
    except FileNotFoundError:
        return
    except OSError as error:
        fix = "let AIMS_HOME be a folder that you may read"
        yield _found("key_folder", "problem", f"the folder of keys cannot be read: {error.strerror}", str(folder), fix)
        return
    for path in paths:
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
        except OSError as error:
            yield _found("key_file", "problem", f"a key file cannot be looked at: {error.strerror}", str(path), "remove or restore it")
            continue
        if path.suffix == ".key" and os.name == "posix" and mode & 0o177:
            what = f"others may read a private key, or run it (mode {mode:04o})"
            yield _found("key_mode", "problem", what, str(path), f"chmod 600 {path}; if others were here, make a new key")
        elif path.suffix == ".pub" and read_public_file(path) is None:
            yield _found("public_key", "note", "no public key that we can read is in this file", str(path), "restore or remove it")


def _found(code: str, state: State, what: str, where: str, fix: str = "") -> Finding:
    return Finding(area="keys", code=code, state=state, what=what, where=where, fix=fix)
