"""``aims verify RUN_OR_FILE``: whether a signed file is as it was signed, by whom, and whether the model still is what it speaks of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.text import Text

from aims_mlflow.cli._output import console, json_option, print_json, working
from aims_mlflow.errors import ConfigurationError, VerificationError

if TYPE_CHECKING:
    from aims_mlflow.signing import Role, Trust
    from aims_mlflow.verifying import Checked


@dataclass(frozen=True)
class Asked:
    """Whose signatures are to count, and what the model is to be compared with."""

    keys: tuple[str, ...]
    trust: Trust | None
    role: Role | None
    model: Path | None


@click.command()
@click.argument("run_or_file")
@click.option("--key", "keys", multiple=True, metavar="KEY_ID", help="Accept only a signature by this key; may be given several times.")
@click.option("--trust", "trust_file", type=click.Path(dir_okay=False), help="Accept only keys that this list (keys.yaml) lets count.")
@click.option(
    "--role",
    type=click.Choice(("evidence", "decision", "attestation")),
    help="What the key must be trusted for. Default: what such a file asks for.",
)
@click.option(
    "--model", type=click.Path(file_okay=False, path_type=Path), help="Compare the files in this folder with those of the bundle."
)
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    run_or_file: str,
    keys: tuple[str, ...],
    trust_file: str | None,
    role: Role | None,
    model: Path | None,
    as_json: bool,
) -> None:
    """Check the evidence of a run (by its id), or a signed file (*.dsse.json: bundle, decision, log entry, event of a case; no server).

    Exit codes: 0 it holds, 1 it does not, 2 it could not be read.
    """
    from aims_mlflow.signing import Trust

    asked = Asked(keys, Trust.read(trust_file) if trust_file else None, role, model)
    if role and asked.trust is None:
        raise click.UsageError("--role says what a key is trusted for, so it needs --trust. Fix: pass --trust keys.yaml")
    try:
        with working("Verifying"):
            found = _file(Path(run_or_file), asked) if Path(run_or_file).is_file() else _run(run_or_file, asked)
    except VerificationError as error:
        _show({"holds": False, "reason": error.what, "where": error.where, "fix": error.fix}, as_json)
        ctx.exit(1)
    _show(found, as_json)
    ctx.exit(0 if found["holds"] else 1)


def _file(path: Path, asked: Asked) -> dict[str, Any]:
    """Verify an envelope in a file, offline."""
    from aims_mlflow.signing import LARGEST_ENVELOPE
    from aims_mlflow.verifying import checked, compare_model

    try:
        with path.open("rb") as stream:
            content = stream.read(LARGEST_ENVELOPE + 1)
    except OSError as error:
        raise ConfigurationError(f"the file cannot be read: {error.strerror}", where=str(path), fix="pass a file you may read") from None
    found = checked(content, keys=asked.keys, trust=asked.trust)
    files = {} if asked.model is None else {"model_files": f"{compare_model(found, asked.model)} files as evaluated"}
    return _told(found, asked, files)


def _run(run_id: str, asked: Asked) -> dict[str, Any]:
    """Verify a run's bundle, that it is this run's, and that the logged model's files are those it speaks of."""
    from aims_mlflow.bundle import BUNDLE_PATH, Bundle
    from aims_mlflow.gate import file_differences
    from aims_mlflow.store import Store
    from aims_mlflow.verifying import checked, compare_model

    if not run_id.isalnum():
        raise ConfigurationError(f"{run_id!r} is neither a file nor a run id", fix="pass the id of a run or the path of a *.dsse.json file")
    store = Store()
    store.require()
    found = checked(store.read(run_id, BUNDLE_PATH), keys=asked.keys, trust=asked.trust)
    bundle = found.content
    if not isinstance(bundle, Bundle) or bundle.run.run_id != run_id:
        raise VerificationError(f"the evidence is of run {found.run or 'none'}, not of this one", fix="find out who copied it here")
    if asked.model is not None:
        return _told(found, asked, {"model_files": f"{compare_model(found, asked.model)} files as evaluated"})
    if bundle.model is None:
        return _told(found, asked, {})
    present = store.model_files(bundle.model.uri)
    differences = file_differences(bundle.model, present)
    if differences:
        what = f"the model's files are not those that were evaluated: {differences}"
        raise VerificationError(what, where=bundle.model.uri, fix="find out who changed them")
    return _told(found, asked, {"model_files": f"{len(present)} files as evaluated"})


def _told(found: Checked, asked: Asked, files: dict[str, str]) -> dict[str, Any]:
    """Say what a file is that holds, who has signed it, and, of a list of keys, why their word does not count."""
    verified = found.verified
    blocker = None if asked.trust is None else found.blocker(asked.trust, datetime.now(UTC), asked.role)
    by = "keys of the list" if asked.trust is not None else "keys asked for" if verified.trusted else "any key"
    names = [] if asked.trust is None else [key.name for key in map(asked.trust.key, verified.key_ids) if key is not None]
    why = {} if blocker is None else {"reason": blocker.reason, "code": blocker.code, "fix": blocker.fix}
    return {
        "holds": blocker is None,
        **why,
        "kind": found.kind,
        "system": found.system,
        "run": found.run,
        "said": found.said,
        "time": found.time,
        "sha256": verified.sha256,
        "signed_by": list(verified.key_ids),
        **({"names": names} if names else {}),
        "accepted": by,
        "development_key": verified.development,
        **files,
    }


def _show(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    screen = console()
    screen.print(Text("HOLDS" if found["holds"] else "DOES NOT HOLD", style="bold green" if found["holds"] else "bold red"))
    for name, value in found.items():
        if name != "holds" and value != "":
            screen.print(Text(f"{name.replace('_', ' '):<16} {', '.join(value) if isinstance(value, list) else value}"))
