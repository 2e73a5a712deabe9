"""``aims validate FILE``: whether a system file is right; every mistake with its line, its meaning and its fix."""

from __future__ import annotations

import click

from aims_mlflow.cli._output import console, json_option, print_json
from aims_mlflow.errors import SystemFileError
from aims_mlflow.system import System
from aims_mlflow.system_file import load_system
from aims_mlflow.system_file.mistakes import did_you_mean
from aims_mlflow.system_file.schema import schema_text


@click.command()
@click.argument("file", required=False, type=click.Path())
@click.option("--schema", is_flag=True, help="Print the JSON Schema of system files, for editors, and stop.")
@json_option
@click.pass_context
def command(ctx: click.Context, file: str | None, schema: bool, as_json: bool) -> None:
    """Say whether the system file FILE (aims.yaml) is right.

    Exit codes: 0 right, 1 it has mistakes, 2 it could not be read.
    """
    if schema:
        click.echo(schema_text(), nl=False)
        return
    file = file or "aims.yaml"
    try:
        system = load_system(file, thorough=True)
    except SystemFileError as error:
        if as_json:
            print_json({"file": file, "valid": False, "mistakes": [mistake.as_dict() for mistake in error.mistakes]})
        else:
            click.echo(f"Error: {error}", err=True)
        ctx.exit(1)
    if as_json:
        about = {"system": system.id, "sha256": system.sha256, "notes": _notes(system)}
        print_json({"file": file, "valid": True, "mistakes": [], **about})
        return
    screen = console()
    screen.print(f"OK  {file} declares the system {system.id} ({system.task.kind}, target {system.task.target}).", style="green")
    for line in (*_summary(system), *_notes(system)):
        screen.print(f"    {line}")


def _summary(system: System) -> list[str]:
    """Say what the file declares, and what it leaves to be missing."""
    protected = ", ".join(system.gate.protects) or "nothing"
    critical = sum(r.severity == "critical" for r in system.requirements)
    lines = [
        f"data roles: {', '.join(system.data.roles)}; sensitive columns: {', '.join(system.data.sensitive_columns) or 'none'}",
        f"requirements: {len(system.requirements)}, of which {critical} can block; the gate protects: {protected}",
        f"attestations: {len(system.attestations)}; waivers: {len(system.waivers)}; impact answers: {len(system.impact.answers)}",
    ]
    left_out = [
        name
        for name, value in {
            "system.owner": system.system.owner,
            "system.purpose": system.system.purpose,
            "system.intended_uses": system.system.intended_uses,
            "system.prohibited_uses": system.system.prohibited_uses,
            "system.affected_parties": system.system.affected_parties,
            "data.sources": system.data.sources,
            "requirements": system.requirements,
            "risk.criteria": system.risk.criteria,
            "attestations": system.attestations,
        }.items()
        if not value
    ]
    if left_out:
        lines.append(f"left out, and so missing evidence: {', '.join(left_out)}")
    return lines


def _notes(system: System) -> list[str]:
    """Say what is accepted and yet looks like a slip: answers to questions that the impact record does not ask."""
    from aims_mlflow.records.impact import QUESTIONS

    asked = [question.key for question in QUESTIONS]
    return [
        f"impact.answers: the record asks no question {key} ({did_you_mean(key, asked, 'it asks')})"
        for key in system.impact.answers
        if key not in asked
    ]
