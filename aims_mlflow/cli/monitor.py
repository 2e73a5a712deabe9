"""``aims monitor MODEL_URI DATA``: look at a model in operation, and open a nonconformity for each breach."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from rich.text import Text

from aims_mlflow.cli._output import console, json_option, print_json, state_text, table, working
from aims_mlflow.evidence import WORST_FIRST, Severity, State
from aims_mlflow.scorecard import visible

if TYPE_CHECKING:
    from aims_mlflow.evidence import Evidence
    from aims_mlflow.operation.looking import Monitoring

STYLES = {"no breach": "bold green", "breach": "bold red", "could not look": "bold yellow"}


@click.command()
@click.argument("model_uri")
@click.argument("data", type=click.Path())
@click.option("--labels", type=click.Path(), help="The outcomes, one a row of DATA: a file with a column called as the target.")
@click.option("--target", metavar="COLUMN", default="", help="The column of DATA that holds the outcomes, instead of --labels.")
@click.option("--key", metavar="COLUMN", default="", help="A column by which labels and rows are matched. Default: row by row.")
@click.option("--system", "system_file", type=click.Path(dir_okay=False), help="The system file. Default: as the gate finds it.")
@click.option("--reference", type=click.Path(), help="The frame to compare with for drift: as a rule the training data.")
@click.option("--predictions", metavar="COLUMN", default="", help="The column of DATA with the model's answers; no model is loaded.")
@click.option("--scores", metavar="COLUMN", default="", help="The column of DATA with the positive label's probability.")
@click.option("--events", type=click.Path(), help="The event log: a file of JSON lines, or a folder of such files.")
@click.option("--strict", is_flag=True, help="Exit 2, too, where something could not be looked at for want of labels or a reference.")
@json_option
@click.pass_context
def command(
    ctx: click.Context, /, model_uri: str, data: str, system_file: str | None, strict: bool, as_json: bool, **given: str | None
) -> None:
    """Look at MODEL_URI in operation, on the production batch DATA (CSV, Parquet, Feather or JSON lines).

    Measures quality, drift, fairness and, where the outcomes are known, performance; writes them as signed evidence to a run of its
    own, and opens a nonconformity for each critical requirement that fails. Loading a model runs its code.

    Exit codes: 0 no breach, 1 a breach, 2 could not look.
    """
    from aims_mlflow.operation.looking import monitor

    with working("Looking"):
        found = monitor(model_uri, data, system=system_file, **_options(given))
    code = found.exit_code or (2 if strict and found.unknown else 0)
    if as_json:
        print_json(_content(found, code))
    else:
        _show(found)
    ctx.exit(code)


def _options(given: dict[str, str | None]) -> dict[str, Any]:
    """Return what was given, an empty path or column not taken for none."""
    for name, value in given.items():
        if value is not None and not value.strip() and (value or name in ("labels", "reference", "events")):
            raise click.UsageError(f"--{name} is empty. Fix: name a file or a column, or leave it out")
    return dict(given)


def _content(found: Monitoring, code: int) -> dict[str, Any]:
    return {
        "answer": found.answer,
        "exit_code": code,
        "reason": found.reason,
        "model": found.model,
        "version": found.version,
        "run_id": found.run_id,
        "unknown": found.unknown,
        "breaches": [_brief(e) for e in found.breaches],
        "nonconformities": dict(found.cases),
        "evidence": [_brief(e) for e in found.bundle.evidence],
        "lines": found.lines,
        "notes": found.notes,
    }


def _brief(evidence: Evidence) -> dict[str, Any]:
    fields = ("id", "requirement", "severity", "state", "reason", "fix")
    return {name: getattr(evidence, name) for name in fields}


def _show(found: Monitoring) -> None:
    screen = console()
    many = len(found.unknown)
    partly = f", {many} REQUIREMENT{'S' if many > 1 else ''} NOT LOOKED AT" if many else ""
    screen.print(Text(f"{found.answer.upper()}{partly}  {found.version or found.model}", style=STYLES[found.answer]))
    screen.print(Text(visible(found.reason)))
    screen.print(Text(f"system {found.bundle.system_id}, looked at in run {found.run_id}", style="dim"))
    if found.unknown:
        unseen = table("Not looked at", "Why", "What would show it")
        for gone in found.unknown:
            unseen.add_row(Text(visible(gone.what), style="bold"), Text(visible(gone.reason)), Text(visible(gone.fix)))
        screen.print()
        screen.print(unseen)
    rows = table("State", "Asked", "Why", "What to do")
    shown = [e for e in found.bundle.evidence if e.kind != "attestation"]
    for one in sorted(shown, key=lambda e: WORST_FIRST.index(e.state)):
        light = "" if one.severity is Severity.CRITICAL else f"\n({one.severity.value}: shown, not counted)"
        fix = "" if one.state is State.PASS else one.fix
        rows.add_row(state_text(one.state), Text(visible(one.requirement) + light), Text(visible(one.reason)), Text(visible(fix)))
    screen.print()
    screen.print(rows)
    if found.cases:
        screen.print()
        words = {"opened": "opened", "breached": "is open already; this breach was added to it", "reopened": "was closed and is open again"}
        for case_id, became in found.cases.items():
            screen.print(Text(f"nonconformity {case_id} {words.get(became, became)}", style="bold"))
        act = f"aims nonconformity act {found.bundle.system_id} {next(iter(found.cases))} --by WHO --what ACTION"
        screen.print(Text(f"do: {act}"))
    screen.print()
    for note in found.notes:
        screen.print(Text(f"note: {visible(note)}", style="dim"))
