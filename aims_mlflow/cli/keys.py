"""``aims keys``: shows which key signs here, and makes new ones."""

from __future__ import annotations

from pathlib import Path

import click
from rich.text import Text

from aims_mlflow.cli._output import console, json_option, print_json


@click.group()
def command() -> None:
    """Show the key that signs here, and make keys."""


@command.command()
@json_option
def show(as_json: bool) -> None:
    """Show the key that signs here (made on first use) and the public keys that this machine knows."""
    from aims_mlflow.signing import public_keys, signing_key

    key = signing_key()
    known = sorted(public_keys())
    if as_json:
        print_json({"signing": {"id": key.id, "development": key.development, "path": str(key.path)}, "known": known})
        return
    screen = console()
    kind = "the development key of this machine: good for trying out" if key.development else "named by AIMS_SIGNING_KEY"
    screen.print(Text.assemble("signs  ", (key.id, "bold"), f"  {key.path}  ({kind})"))
    for other in known:
        if other != key.id:
            screen.print(Text(f"knows  {other}"))


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
    screen.print(Text(f"sign with it:   export AIMS_SIGNING_KEY={path}"))
    screen.print(Text(f"trust it:       gate.trusted_keys: [{key.id}]"))
