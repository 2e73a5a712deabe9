"""``aims validate FILE``: whether a system file, an organisation file or a policy folder is right; the effective policy, line by line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.text import Text

from aims_mlflow.cli._output import console, json_option, print_json, table
from aims_mlflow.errors import ConfigurationError, SystemFileError
from aims_mlflow.system import System
from aims_mlflow.system_file.mistakes import did_you_mean
from aims_mlflow.system_file.schema import schema_text

if TYPE_CHECKING:
    from aims_mlflow.policy.effective import Policy
    from aims_mlflow.policy.folder import Policies
    from aims_mlflow.policy.organisation_file import OrganisationFile

ORGANISATION_KEYS = frozenset({"organisation", "unlisted_models", "default_tier", "systems", "tiers"})
"""Keys that only an organisation file has at its top."""


@click.command()
@click.argument("file", required=False, type=click.Path())
@click.option("--organisation", type=click.Path(), help="The organisation file. Default: the one in AIMS_POLICY_DIR, else beside FILE.")
@click.option("--schema", is_flag=True, help="Print the JSON Schema of system files, for editors, and stop.")
@click.option("--organisation-schema", is_flag=True, help="Print the JSON Schema of organisation files, and stop.")
@json_option
@click.pass_context
def command(ctx: click.Context, file: str | None, organisation: str | None, schema: bool, organisation_schema: bool, as_json: bool) -> None:
    """Say whether FILE is right: a system file (aims.yaml), an organisation file, or a policy folder.

    Of a system it shows the effective policy: its own file with what its organisation and its tier ask merged in, and where each
    line comes from.

    Exit codes: 0 right, 1 it has mistakes, 2 it could not be read.
    """
    if schema or organisation_schema:
        click.echo(schema_text() if schema else _organisation_schema(), nl=False)
        return
    file = file or "aims.yaml"
    try:
        if Path(file).is_dir() and organisation is None:
            ctx.exit(_folder(file, as_json))
        if _is_organisations(Path(file)):
            _organisation(file, as_json)
        else:
            _system(file, organisation, as_json)
    except SystemFileError as error:
        if as_json:
            print_json({"file": error.where or file, "valid": False, "mistakes": [mistake.as_dict() for mistake in error.mistakes]})
        else:
            click.echo(f"Error: {error}", err=True)
        ctx.exit(1)


def _organisation_schema() -> str:
    from aims_mlflow.policy.schema import organisation_schema_text

    return organisation_schema_text()


def _is_organisations(path: Path) -> bool:
    """Return whether a file is an organisation's: by its name, else by keys that no system file has."""
    from aims_mlflow.policy.organisation_file import ORGANISATION_FILE
    from aims_mlflow.system_file.reading import bytes_of, mapping_of

    if path.name == ORGANISATION_FILE:
        return True
    try:
        root, _ = mapping_of(bytes_of(path, "file", ""), str(path), "file", "")
    except ConfigurationError:
        return False  # read as a system file, which says what is wrong
    keys = {key for key, _, _ in root.items()}
    return "system" not in keys and bool(keys & ORGANISATION_KEYS)


# --- a system file ------------------------------------------------------------------------------------------------------


def _system(file: str, organisation: str | None, as_json: bool) -> None:
    from aims_mlflow.policy.choosing import beside, policy_at
    from aims_mlflow.policy.organisation_file import ORGANISATION_FILE
    from aims_mlflow.policy.showing import policy_lines

    policy = policy_at(file, organisation=organisation, thorough=True)
    system, lines = policy.system, policy_lines(policy)
    above = organisation or beside(Path(file), ORGANISATION_FILE)
    if as_json:
        about = {"system": system.id, "tier": policy.tier, "organisation": None if above is None else str(above), "sha256": system.sha256}
        effective = [line._asdict() for line in lines]
        print_json({"file": file, "valid": True, "mistakes": [], **about, "effective": effective, "notes": _notes(system)})
        return
    screen = console()
    screen.print(f"OK  {file} declares the system {system.id} ({system.task.kind}, target {system.task.target}).", style="green")
    for line in (*_summary(system), *_notes(system)):
        screen.print(f"    {line}")
    screen.print()
    screen.print(Text("The effective policy" + (f", under {above}" if above else " (there is no organisation file)"), style="bold"))
    _show(policy)


def _show(policy: Policy) -> None:
    from aims_mlflow.policy.showing import policy_lines

    rows = table("Line", "Says", "From")
    for line in policy_lines(policy):
        rows.add_row(Text(line.line, style="bold"), Text(line.value), Text(line.origin))
    console().print(rows)


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


# --- an organisation file -----------------------------------------------------------------------------------------------


def _organisation(file: str, as_json: bool) -> None:
    from aims_mlflow.policy.organisation_file import load_organisation

    read = load_organisation(file, thorough=True)
    if as_json:
        about = {"organisation": read.organisation.organisation.name, "sha256": read.organisation.sha256}
        print_json({"file": file, "valid": True, "mistakes": [], **about, "tiers": {name: dict(rows) for name, rows in _tiers(read)}})
        return
    said = read.organisation
    screen = console()
    name = said.organisation.name or "the organisation"
    screen.print(f"OK  {file} says what every system of {name} inherits.", style="green")
    screen.print(f"    models that no system names: {said.unlisted_models}; a system without a tier: {said.default_tier}")
    for system, given in said.systems.items():
        screen.print(f"    {system}: {given}")
    screen.print()
    rows = table("Tier", "Asks", "Of")
    for tier, asked in _tiers(read):
        for at, (key, value) in enumerate(asked):
            rows.add_row(Text("" if at else tier, style="bold"), Text(key), Text(value))
    screen.print(rows)


def _tiers(file: OrganisationFile) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return what each tier asks, as rows of key and words."""
    from aims_mlflow.policy.floor import floor_of
    from aims_mlflow.system import TIERS

    found: list[tuple[str, list[tuple[str, str]]]] = []
    for tier in TIERS:
        floor = floor_of(file, tier)
        rows = [
            ("protects", ", ".join(dict.fromkeys(said.value for said in floor.protects))),
            ("controls", ", ".join(dict.fromkeys(said.value for said in floor.controls))),
            ("inconclusive", f"block ({floor.inconclusive.origin})" if floor.inconclusive else "as the system's own file says"),
            ("max_age_days", "at most {0.value} ({0.origin})".format(min(floor.max_age_days, key=lambda said: said.value))),
            ("must_declare", ", ".join(dict.fromkeys(said.value for said in floor.must_declare)) or "nothing"),
        ]
        rows += [("waivers", f"at most {said.value} days ({said.origin})") for said in floor.longest_waiver]
        rows += [(said.value.id, f"{said.value.bound} ({said.origin})") for said in floor.requirements]
        found.append((tier, rows))
    return found


# --- a policy folder ----------------------------------------------------------------------------------------------------


def _folder(folder: str, as_json: bool) -> int:
    """Read a whole policy folder; returns the exit code."""
    from aims_mlflow.policy.folder import read_folder
    from aims_mlflow.policy.showing import notes_on

    found = read_folder(Path(folder), thorough=True)
    if not (found.systems or found.organisation or found.broken or found.trust.keys):
        raise ConfigurationError("there is no policy in this folder", where=folder, fix="put <system id>.yaml for each system there")
    wrong = [*found.broken, *found.refused.values(), *_shared_models(found)]
    notes = notes_on(found)
    if as_json:
        print_json({"folder": folder, "valid": not wrong, "wrong": [_told(error) for error in wrong], **_content(found), "notes": notes})
        return 1 if wrong else 0
    for error in wrong:
        click.echo(f"Error: {error}", err=True)
    screen = console()
    if wrong:
        screen.print(f"NO  {folder} has {len(wrong)} thing{'s' if len(wrong) > 1 else ''} to mend.", style="bold red")
    else:
        beside = ", ".join(name for name, there in (("organisation.yaml", found.organisation), ("keys.yaml", found.trust.keys)) if there)
        many = f"{len(found.systems)} system{'s' if len(found.systems) != 1 else ''}"
        screen.print(f"OK  {folder}: {many}{f', {beside}' if beside else ''}.", style="green")
    rows = table("System", "Tier", "Model", "Protects", "Requirements", "Policy sha256")
    for name, policy in found.policies.items():
        system = policy.system
        sizes = (policy.tier or "", system.system.model or "any", ", ".join(system.gate.protects), str(len(system.requirements)))
        rows.add_row(Text(name, style="bold"), *map(Text, sizes), Text(system.sha256[:12]))
    if found.policies:
        screen.print(rows)
    for note in notes:
        screen.print(f"note: {note}", style="dim")
    return 1 if wrong else 0


def _shared_models(found: Policies) -> list[ConfigurationError]:
    """Return an error for each model that more than one system names: the gate judges by neither."""
    by_model: dict[str, list[str]] = {}
    for file in found.systems:
        if file.system.system.model:
            by_model.setdefault(file.system.system.model, []).append(file.name)
    return [
        ConfigurationError(f"the model {model!r} is named by {', '.join(names)}", where=str(found.folder), fix="let one of them name it")
        for model, names in by_model.items()
        if len(names) > 1
    ]


def _told(error: ConfigurationError) -> dict[str, Any]:
    mistakes = [mistake.as_dict() for mistake in error.mistakes] if isinstance(error, SystemFileError) else []
    return {"file": error.where, "what": error.what, "fix": error.fix, "mistakes": mistakes}


def _content(found: Policies) -> dict[str, Any]:
    from aims_mlflow.policy.showing import policy_lines

    return {
        "organisation": found.organisation.where if found.organisation else None,
        "unlisted_models": found.unlisted,
        "keys": len(found.trust.keys),
        "systems": {
            name: {
                "tier": policy.tier,
                "model": policy.system.system.model,
                "sha256": policy.system.sha256,
                "effective": [line._asdict() for line in policy_lines(policy)],
            }
            for name, policy in found.policies.items()
        },
    }
