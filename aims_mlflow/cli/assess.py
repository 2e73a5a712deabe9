"""``aims assess MODEL_URI --data test=FILE``: evidence for a model that was made before, or elsewhere, and what can no longer be known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from rich.text import Text

from aims_mlflow.cli import NO, UNDECIDED, YES
from aims_mlflow.cli._output import console, json_option, print_json, state_text, table, working
from aims_mlflow.evidence import LETS_THROUGH, State

if TYPE_CHECKING:
    from aims_mlflow.assessment import Assessment
    from aims_mlflow.judging.lines import ControlLine
    from aims_mlflow.system import System

UNDECIDING = frozenset({State.ERROR, State.INCONCLUSIVE})
"""States that say neither yes nor no."""


@click.command()
@click.argument("model_uri")
@click.option(
    "--data", "data", multiple=True, required=True, metavar="ROLE=FILE", help="Data in a role: test, train, validation, reference."
)
@click.option("--system", "system_file", type=click.Path(dir_okay=False), help="The system file. Default: as the gate finds it.")
@click.option("--register", metavar="NAME", help="Register the model under this name, where it is not registered yet.")
@click.option("--experiment", help="MLflow experiment of the assessing run.")
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    model_uri: str,
    data: tuple[str, ...],
    system_file: str | None,
    register: str | None,
    experiment: str | None,
    as_json: bool,
) -> None:
    """Assess MODEL_URI (models:/NAME/VERSION, models:/NAME@ALIAS, models:/m-… or runs:/RUN_ID/NAME) on data files.

    For models that were trained without aims, or by somebody else. Files are CSV, Parquet, Feather or JSON lines. Loading a model
    runs its code.

    Exit codes: 0 every gated control is let through, 1 one is not, 2 it could not be decided or measured.
    """
    from aims_mlflow.assessment import assess
    from aims_mlflow.judging.standing import gated_controls

    files = _files(data)
    system = _system(system_file, model_uri, register)
    with working("Measuring"):
        found = assess(model_uri, files, system=system, register=register, experiment=experiment)
    gated = gated_controls(system)
    lines = [line for line in found.lines if line.control in gated]
    code = exit_code(lines, found.bundle.complete, allow_undecided=system.gate.inconclusive == "allow")
    if as_json:
        print_json(_content(found, lines, code))
    else:
        _show(found, lines, code)
    ctx.exit(code)


def exit_code(lines: list[ControlLine], complete: bool, *, allow_undecided: bool = False) -> int:
    """Return 0 where every line lets through, 2 where nothing speaks against it but something could not be decided, else 1.

    ``allow_undecided``: whether the policy lets undecided evidence through (``gate.inconclusive: allow``).
    """
    lets_through = LETS_THROUGH | ({State.INCONCLUSIVE} if allow_undecided else set())
    stopping = {line.state for line in lines if line.state not in lets_through}
    if not lines or not complete or (stopping and stopping <= UNDECIDING):
        return UNDECIDED
    return NO if stopping else YES


def _files(data: tuple[str, ...]) -> dict[str, str]:
    files: dict[str, str] = {}
    for one in data:
        role, equals, path = one.partition("=")
        if not equals or not role or not path:
            raise click.UsageError(f"--data {one!r} is not ROLE=FILE. Fix: write it as --data test=applications.csv")
        if role in files:
            raise click.UsageError(f"--data names {role} twice. Fix: give one file a role")
        files[role] = path
    return files


def _system(path: str | None, model_uri: str, register: str | None) -> System:
    from aims_mlflow.policy.choosing import policy_for

    name = register or ""
    if model_uri.startswith("models:/") and not model_uri.startswith("models:/m-"):
        name = model_uri.removeprefix("models:/").partition("@")[0].partition("/")[0]
    return policy_for(path, model_name=name)


def _content(found: Assessment, lines: list[ControlLine], code: int) -> dict[str, Any]:
    return {
        "verdict": {YES: "allowed", NO: "denied", UNDECIDED: "undecided"}[code],
        "exit_code": code,
        "model": found.model,
        "version": found.version,
        "run_id": found.run_id,
        "recorded_by": found.recorded_by,
        "lines": lines,
        "unknown": found.unknown,
        "notes": found.notes,
    }


def _show(found: Assessment, lines: list[ControlLine], code: int) -> None:
    verdict, style = {
        YES: ("LET THROUGH", "bold green"),
        NO: ("NOT LET THROUGH", "bold red"),
        UNDECIDED: ("UNDECIDED", "bold yellow"),
    }[code]
    screen = console()
    screen.print(Text(f"{verdict}  {found.version or found.model}", style=style))
    by = f"; how it was made: as recorded by run {found.recorded_by}" if found.recorded_by else ""
    screen.print(Text(f"system {found.bundle.system_id}, assessed in run {found.run_id}{by}", style="dim"))
    rows = table("State", "Control", "Why", "What to do")
    for line in lines:
        name = Text.assemble((line.control, "bold"), f"\n{line.title}")
        rows.add_row(state_text(line.state), name, Text(line.reason), Text("" if line.state in LETS_THROUGH else line.fix))
    screen.print()
    screen.print(rows)
    if found.unknown:
        gone = table("Can no longer be known", "Why", "What would make it known")
        for one in found.unknown:
            gone.add_row(Text(one.what, style="bold"), Text(one.reason), Text(one.fix))
        screen.print()
        screen.print(gone)
    screen.print()
    for note in found.notes:
        screen.print(Text(f"note: {note}", style="dim"))
