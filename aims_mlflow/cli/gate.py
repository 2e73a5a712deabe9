"""``aims gate MODEL_URI``: whether a model version may be promoted, one line a control; changes nothing."""

from __future__ import annotations

import os
from pathlib import Path

import click
from rich.text import Text

from aims_mlflow.cli._output import console, json_option, print_json, state_text, table, working
from aims_mlflow.decision import GateDecision
from aims_mlflow.evidence import LETS_THROUGH

VERDICT_STYLES = {"allowed": "bold green", "denied": "bold red", "undecided": "bold yellow"}

system_option = click.option(
    "--system",
    "system_file",
    type=click.Path(dir_okay=False),
    help="The gate's own system file. Default: the one for this model in AIMS_POLICY_DIR, else ./aims.yaml.",
)


@click.command()
@click.argument("model_uri")
@click.option("--alias", help="The alias the version is to get.")
@system_option
@click.option("--junit", type=click.Path(dir_okay=False), help="Write the decision to this file as JUnit XML, whatever it is.")
@click.option("--sarif", type=click.Path(dir_okay=False), help="Write it as SARIF 2.1.0, for code scanning.")
@click.option("--markdown", type=click.Path(dir_okay=False), help="Write it as Markdown, for a summary page.")
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    model_uri: str,
    alias: str | None,
    system_file: str | None,
    junit: str | None,
    sarif: str | None,
    markdown: str | None,
    as_json: bool,
) -> None:
    """Say whether MODEL_URI (models:/NAME/VERSION or models:/NAME@ALIAS) may be promoted, and why.

    Exit codes: 0 yes, 1 no, 2 could not decide.
    """
    from aims_mlflow import reports
    from aims_mlflow.promotion import check_promotion

    with working("Reading the evidence"):
        decision = check_promotion(model_uri, alias=alias, system=system_file)
    show(decision, as_json)
    if junit:
        reports.write_report(junit, reports.junit(decision))
    if sarif:
        reports.write_report(sarif, reports.sarif(decision, file=_declared_in(system_file, decision)))
    if markdown:
        reports.write_report(markdown, reports.markdown(decision))
    ctx.exit(decision.exit_code)


def _declared_in(system_file: str | None, decision: GateDecision) -> str:
    """Return the system file's path as a repository knows it: from the working directory, where it lies within."""
    folder = os.environ.get("AIMS_POLICY_DIR")
    path = Path(system_file) if system_file else Path(folder, f"{decision.system_id}.yaml") if folder else Path("aims.yaml")
    here = Path.cwd()
    return path.absolute().relative_to(here).as_posix() if path.absolute().is_relative_to(here) else path.name


def show(decision: GateDecision, as_json: bool) -> None:
    """Print a decision: the verdict, what blocks, a line for each control, notes."""
    if as_json:
        print_json({"verdict": decision.verdict, "exit_code": decision.exit_code, **decision.model_dump(mode="json")})
        return
    screen = console()
    to = f" as {decision.alias}" if decision.alias else ""
    screen.print(Text(f"{decision.verdict.upper()}  {decision.model}{to}", style=VERDICT_STYLES[decision.verdict]))
    ended = f", ended {decision.evidence_time.isoformat(timespec='seconds')}" if decision.evidence_time else ""
    screen.print(Text(f"system {decision.system_id or 'unknown'}, run {decision.run_id or 'none'}{ended}", style="dim"))
    for blocker in decision.blockers:
        screen.print(Text.assemble(("BLOCKED ", "bold red"), blocker.reason))
        if blocker.fix:
            screen.print(Text(f"        do: {blocker.fix}"))
    if decision.lines:
        rows = table("State", "Control", "Why", "What to do")
        for line in decision.lines:
            name = Text.assemble((line.control, "bold"), f"\n{line.title}")
            rows.add_row(state_text(line.state), name, Text(line.reason), Text("" if line.state in LETS_THROUGH else line.fix))
        screen.print()
        screen.print(rows)
        screen.print()
    for note in decision.notes:
        screen.print(Text(f"note: {note}", style="dim"))
