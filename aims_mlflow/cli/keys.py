"""``aims keys``: makes keys, says which one signs here, and keeps the list of those whose signatures count (``keys.yaml``)."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.text import Text

from aims_mlflow.cli._output import console, json_option, print_json, table
from aims_mlflow.errors import ConfigurationError

if TYPE_CHECKING:
    from aims_mlflow.signing import Role, Trust, TrustedKey

STATE_STYLES = {"valid": "green", "revoked": "bold red", "expired": "yellow", "not yet valid": "yellow"}

SHORTEST_PREFIX = 8
"""A key id may be shortened to so many digits where it is typed."""

file_option: Callable[[Any], Any] = click.option(
    "--file", "file", type=click.Path(dir_okay=False, path_type=Path), help="The list of keys. Default: keys.yaml in AIMS_POLICY_DIR."
)
day: Any = click.DateTime(["%Y-%m-%d"])
role_choice = click.Choice(("evidence", "decision", "attestation"))


@click.group()
def command() -> None:
    """Make keys, show the one that signs here, and say whose signatures count."""


@command.command()
@json_option
def show(as_json: bool) -> None:
    """Show the keys that sign here (a development key is made on first use) and the public keys that this machine knows."""
    from aims_mlflow.signing import gate_key, public_keys, signing_key

    key, gate = signing_key(), gate_key()
    known = sorted(public_keys())
    if as_json:
        told = {role: {"id": k.id, "development": k.development, "path": k.place} for role, k in (("signing", key), ("gate", gate))}
        print_json({**told, "known": known})
        return
    screen = console()
    for role, one, variable in (("signs runs     ", key, "AIMS_SIGNING_KEY"), ("signs decisions", gate, "AIMS_GATE_KEY")):
        named = variable if os.environ.get(variable) else "AIMS_SIGNING_KEY"
        kind = "the development key of this machine: good for trying out" if one.development else f"named by {named}"
        screen.print(Text.assemble(f"{role}  ", (one.id, "bold"), f"  {one.place}  ({kind})"))
    for other in known:
        if other not in (key.id, gate.id):
            screen.print(Text(f"knows            {other}"))


@command.command()
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path))
@json_option
def new(path: Path, as_json: bool) -> None:
    """Make a key pair: the private key at PATH (mode 0600), the public key at PATH.pub. Nothing is overwritten."""
    from aims_mlflow.signing import new_key

    key = new_key(path)
    if as_json:
        print_json({"id": key.id, "path": str(path), "public": f"{path}.pub"})
        return
    screen = console()
    screen.print(Text.assemble("key id ", (key.id, "bold")))
    screen.print(Text(f"sign runs with it:       export AIMS_SIGNING_KEY={path}"))
    screen.print(Text(f"sign decisions with it:  export AIMS_GATE_KEY={path}"))
    screen.print(Text(f"let it count:            aims keys trust {path}.pub --role evidence --name NAME"))


@command.command("list")
@file_option
@json_option
def list_keys(file: Path | None, as_json: bool) -> None:
    """List the keys that count or once did: whose they are, what they may sign, and whether they count today."""
    from aims_mlflow.signing import Trust

    path = _list_file(file)
    trust = Trust.read(path)
    today = datetime.now(UTC).date()
    if as_json:
        print_json({"file": str(path), "sha256": trust.sha256, "keys": [{**_plain(k), "state": k.state(today)} for k in trust.keys]})
        return
    rows = table("Key", "Name", "May sign", "From", "Until", "Today")
    for key in trust.keys:
        state = key.state(today)
        why = f": {key.revoked.reason}" if key.revoked else ""
        shown = Text(f"{state}{why}", style=STATE_STYLES[state])
        rows.add_row(key.id, Text(key.name), ", ".join(key.roles), str(key.since), str(key.until or ""), shown)
    console().print(rows)


@command.command()
@click.argument("key_or_pem", metavar="KEY_OR_PEM")
@click.option(
    "--role", "roles", multiple=True, required=True, type=click.Choice(("evidence", "decision", "attestation")), help="What it may sign."
)
@click.option("--name", required=True, help="Whose key it is: a machine, a service, a person.")
@click.option("--since", type=day, help="The first day on which it counts. Default: today.")
@click.option("--until", type=day, help="The last day on which it counts. Default: no end.")
@click.option("--replace", is_flag=True, help="Change what the list says of a key that it has already.")
@file_option
@json_option
def trust(
    key_or_pem: str,
    roles: tuple[Role, ...],
    name: str,
    since: datetime | None,
    until: datetime | None,
    replace: bool,
    file: Path | None,
    as_json: bool,
) -> None:
    """Let a key count: KEY_OR_PEM is a PEM file with a public key, - to read one, or the id of a key that this machine knows."""
    from aims_mlflow.signing import Trust, TrustedKey
    from aims_mlflow.signing.trust_file import rewriting

    key_id, public = _public_key(key_or_pem)
    path = _list_file(file)
    with rewriting(path) as write:
        before = Trust.read(path) if path.exists() else Trust()
        there = before.key(key_id)
        if there is not None and there.revoked is not None:
            what = f"the key {key_id[:16]} ({there.name}) was revoked on {there.revoked.on}: {there.revoked.reason}"
            raise ConfigurationError(what, where=str(path), fix="make a new key: one that was revoked does not come back")
        if there is not None and not replace:
            what = f"the key {key_id[:16]} is in the list already, as {there.name!r} for {', '.join(there.roles)}"
            raise ConfigurationError(what, where=str(path), fix="pass --replace to change what the list says of it")
        first = since.date() if since else there.since if there else datetime.now(UTC).date()
        said = {"id": key_id, "name": name, "public": public, "roles": tuple(dict.fromkeys(roles)), "since": first}
        last = until.date() if until else there.until if there else None
        made = _valid(TrustedKey, said | {"until": last}, path)
        write(_with(before, made))
    _changed(made, path, "counts", as_json)


@command.command()
@click.argument("key_id", metavar="KEY_ID")
@click.option("--reason", required=True, help="Why: lost, stolen, a person who has left.")
@click.option("--on", "on", type=day, help="The day on which it was revoked. Default: today.")
@click.option(
    "--from",
    "first",
    type=day,
    help="The first day from which its signatures do not count; those that say they are older then do. Default: none of them counts.",
)
@file_option
@json_option
def revoke(key_id: str, reason: str, on: datetime | None, first: datetime | None, file: Path | None, as_json: bool) -> None:
    """Let a key no longer count: KEY_ID is its id, or the first 8 digits of it or more. It stays in the list."""
    from aims_mlflow.signing import Revocation, Trust
    from aims_mlflow.signing.trust_file import rewriting

    path = _list_file(file)
    with rewriting(path) as write:
        before = Trust.read(path)
        key = _of_list(before, key_id, path)
        if key.revoked is not None:
            what = f"the key {key.id[:16]} ({key.name}) was revoked already, on {key.revoked.on}: {key.revoked.reason}"
            raise ConfigurationError(what, where=str(path), fix="nothing is left to do; edit the file to correct the reason")
        said = {"on": on.date() if on else datetime.now(UTC).date(), "reason": reason} | ({"from": first.date()} if first else {})
        made = key.model_copy(update={"revoked": _valid(Revocation, said, path)})
        write(_with(before, made))
    _changed(made, path, "no longer counts", as_json)


def _list_file(given: Path | None) -> Path:
    """Return the list's path: what was given, else that in the policy directory."""
    from aims_mlflow.signing.trust import KEYS_FILE

    folder = os.environ.get("AIMS_POLICY_DIR")
    if given is not None:
        return given
    if not folder:
        raise ConfigurationError("it is not said which list of keys is meant", fix=f"set AIMS_POLICY_DIR, or pass --file {KEYS_FILE}")
    return Path(folder) / KEYS_FILE


def _public_key(given: str) -> tuple[str, str]:
    """Return id and PEM of a public key that is named by a file, by its id, or given on standard input."""
    from aims_mlflow.signing.keys import LARGEST_KEY_FILE, canonical_pem, public_pems, read_public

    fix = "pass the .pub file, as `aims keys new` writes it, or the id of a key in AIMS_HOME/keys"
    found = [one for one in public_pems().items() if len(given) >= SHORTEST_PREFIX and one[0].startswith(given.lower())]
    if len(found) == 1:
        return found[0]
    try:
        with click.open_file(given, "rb") as stream:
            text = stream.read(LARGEST_KEY_FILE).decode("ascii")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise ConfigurationError(f"this is neither a public key nor a file with one: {reason}", where=given, fix=fix) from None
    key = read_public(text)
    if key is None:
        what = "this is a PRIVATE key, which stays where it is" if "PRIVATE KEY" in text else "there is no public key in it"
        raise ConfigurationError(what, where=given, fix=fix)
    return key.keyid, canonical_pem(text)


def _of_list(trust: Trust, given: str, path: Path) -> TrustedKey:
    """Return the one key of the list whose id begins as typed."""
    typed = given.strip().lower()
    found = [key for key in trust.keys if len(typed) >= SHORTEST_PREFIX and key.id.startswith(typed)]
    if len(found) != 1:
        what = f"{len(found)} keys begin with {given!r}" if found else f"the list has no key {given!r}"
        raise ConfigurationError(
            what, where=str(path), fix=f"see `aims keys list`; pass the whole id, or its first {SHORTEST_PREFIX} digits or more"
        )
    return found[0]


def _with(trust: Trust, key: TrustedKey) -> Trust:
    """Return the list with a key in its place, or at the end."""
    keys = tuple(key if one.id == key.id else one for one in trust.keys)
    return trust.model_copy(update={"keys": keys if trust.key(key.id) else (*keys, key)})


def _valid(kind: Any, content: dict[str, Any], path: Path) -> Any:
    """Return a word of the list; what contradicts itself is refused before anything is written."""
    from pydantic import ValidationError

    try:
        return kind.model_validate(content)
    except ValidationError as error:
        what, _, fix = error.errors()[0]["msg"].removeprefix("Value error, ").partition("; ")
        raise ConfigurationError(what, where=str(path), fix=fix or "correct the options") from None


def _plain(key: TrustedKey) -> dict[str, Any]:
    return key.model_dump(mode="json", by_alias=True, exclude_none=True)


def _changed(key: TrustedKey, path: Path, said: str, as_json: bool) -> None:
    """Say what the list now says of a key."""
    if as_json:
        print_json({"file": str(path), "key": {**_plain(key), "state": key.state(datetime.now(UTC).date())}})
        return
    screen = console()
    screen.print(Text.assemble((key.id, "bold"), f"  {key.name}  {said} for {', '.join(key.roles)}"))
    screen.print(Text(f"written to {path}"))
