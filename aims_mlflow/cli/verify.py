"""``aims verify RUN_OR_FILE``: whether a bundle or decision is as it was signed and, from its run, whether the model still is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.text import Text

from aims_mlflow.cli._output import console, json_option, print_json, working
from aims_mlflow.errors import ConfigurationError, VerificationError


@click.command()
@click.argument("run_or_file")
@click.option("--key", "keys", multiple=True, metavar="KEY_ID", help="Accept only a signature by this key; may be given several times.")
@json_option
@click.pass_context
def command(ctx: click.Context, run_or_file: str, keys: tuple[str, ...], as_json: bool) -> None:
    """Check the evidence of a run (by its id), or a bundle or decision in a file (*.dsse.json, without any server).

    Exit codes: 0 it holds, 1 it does not, 2 it could not be read.
    """
    try:
        with working("Verifying"):
            found = _file(Path(run_or_file), keys) if Path(run_or_file).is_file() else _run(run_or_file, keys)
    except VerificationError as error:
        _show({"holds": False, "reason": error.what, "fix": error.fix}, as_json)
        ctx.exit(1)
    _show({"holds": True, **found}, as_json)


def _file(path: Path, keys: tuple[str, ...]) -> dict[str, Any]:
    """Verify an envelope in a file, offline."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"the file cannot be read: {error.strerror}", where=str(path), fix="pass a file you may read") from None
    return _envelope(content, keys)


def _run(run_id: str, keys: tuple[str, ...]) -> dict[str, Any]:
    """Verify a run's bundle, that it is this run's, and that the logged model's files are those it speaks of."""
    from aims_mlflow.bundle import BUNDLE_PATH
    from aims_mlflow.gate import file_differences
    from aims_mlflow.signing import open_bundle
    from aims_mlflow.store import Store

    if not run_id.isalnum():
        raise ConfigurationError(f"{run_id!r} is neither a file nor a run id", fix="pass the id of a run or the path of a *.dsse.json file")
    store = Store()
    store.require()
    content = store.read(run_id, BUNDLE_PATH)
    found = _envelope(content, keys)
    bundle, _ = open_bundle(content)
    if bundle.run.run_id != run_id:
        raise VerificationError(f"the evidence is of run {bundle.run.run_id}, not of this one", fix="find out who copied it here")
    if bundle.model is None:
        return found
    present = store.model_files(bundle.model.uri)
    differences = file_differences(bundle.model, present)
    if differences:
        what = f"the model's files are not those that were evaluated: {differences}"
        raise VerificationError(what, where=bundle.model.uri, fix="find out who changed them")
    return found | {"model_files": f"{len(present)} files as evaluated"}


def _envelope(content: bytes, keys: tuple[str, ...]) -> dict[str, Any]:
    """Verify an envelope and say what it holds: a bundle or a decision."""
    from aims_mlflow.bundle import Bundle
    from aims_mlflow.decision import DECISION_TYPE, GateDecision
    from aims_mlflow.signing import strict_json, verify

    verified = verify(content, trusted=keys)
    statement = strict_json(verified.payload, "payload")
    about: dict[str, Any]
    if isinstance(statement, dict) and statement.get("predicateType") == DECISION_TYPE:
        decision = GateDecision.from_statement(statement)
        about = {
            "kind": "decision",
            "system": decision.system_id,
            "run": decision.run_id,
            "said": decision.summary(),
            "time": decision.time,
        }
    else:
        bundle = Bundle.from_statement(statement)
        said = f"{len(bundle.results)} results, {'complete' if bundle.complete else 'NOT complete'}, the run {bundle.run.outcome}"
        about = {"kind": "bundle", "system": bundle.system_id, "run": bundle.run.run_id, "said": said, "time": bundle.run.finished}
    by = "keys asked for" if verified.trusted else "any key"
    return {
        **about,
        "sha256": verified.sha256,
        "signed_by": list(verified.key_ids),
        "accepted": by,
        "development_key": verified.development,
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
