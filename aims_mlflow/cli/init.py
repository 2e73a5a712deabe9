"""``aims init DATA``: a first, commented aims.yaml for a CSV or Parquet file; what is not passed is asked."""

from __future__ import annotations

import re
from pathlib import Path

import click

from aims_mlflow.cli import Failure
from aims_mlflow.cli._output import console, working
from aims_mlflow.errors import ConfigurationError
from aims_mlflow.system_file import parse_system
from aims_mlflow.system_file.drafting import DataFile, Draft, Kind, likely_kind

KINDS: tuple[Kind, ...] = ("binary_classification", "multiclass_classification", "regression")


@click.command()
@click.argument("data", type=click.Path())
@click.option("--id", "system_id", help="The system's id: lower-case letters, digits and hyphens.")
@click.option("--target", help="The column to predict.")
@click.option("--kind", type=click.Choice(KINDS), help="The kind of task; by default told from the target column, and announced.")
@click.option("--positive-label", help="Binary tasks: the positive label, as it stands in the data. It is never guessed.")
@click.option("--favourable-label", help="The outcome people want; by default the positive label.")
@click.option("--sensitive", help="Columns that name groups of people, separated by commas; '' for none.")
@click.option("--bins", multiple=True, metavar="COLUMN=EDGE,EDGE", help="Inner edges for a numeric sensitive column, such as age=25,40.")
@click.option("--out", default="aims.yaml", show_default=True, type=click.Path(), help="The file to write.")
@click.option("--force", is_flag=True, help="Write over the file if it is there.")
def command(
    data: str,
    system_id: str | None,
    target: str | None,
    kind: Kind | None,
    positive_label: str | None,
    favourable_label: str | None,
    sensitive: str | None,
    bins: tuple[str, ...],
    out: str,
    force: bool,
) -> None:
    """Write a commented aims.yaml for the CSV or Parquet file DATA.

    Asks for what is not passed. No value of the data is written but the labels that you name.
    """
    if Path(out).exists() and not force:
        raise ConfigurationError("the file is there already", where=out, fix="give another --out, or pass --force to write over it")
    with working("reading the data file"):
        file = DataFile(data)
    system_id = system_id or _ask("Id of the system (--id)", default=_slug(Path(data).stem))
    target = target or _ask("Column to predict (--target)")
    described = file.column(target)
    screen = console()
    if kind is None:
        kind = likely_kind(described)
        screen.print(f"The target has {described.distinct} distinct values: taken for {kind} (--kind says otherwise).")
    if positive_label is not None and kind != "binary_classification":
        raise ConfigurationError(f"a {kind} task has no positive label", fix="pass --favourable-label, or --kind binary_classification")
    if kind == "binary_classification" and positive_label is None:
        positive_label = _ask("Positive label, as it stands in the data (--positive-label)")
    if sensitive is None:
        sensitive = _ask("Columns that name groups of people, separated by commas, or nothing (--sensitive)", default="")
    edges = dict(_edges(one) for one in bins)
    groups = {name: _bins(file, name, edges.pop(name, None)) for name in _names(sensitive, file)}
    if edges:
        raise ConfigurationError(f"--bins names {', '.join(map(repr, edges))}, which --sensitive does not", fix="name the column in both")
    draft = Draft(
        id=system_id,
        target=target,
        kind=kind,
        positive_label=None if positive_label is None else file.label(target, positive_label),
        favourable_label=None if favourable_label is None else file.label(target, favourable_label),
        sensitive=groups,
    )
    text = draft.text()
    parse_system(text, where=out)  # a draft that would not load is never written
    Path(out).write_text(text, encoding="utf-8")
    screen.print(f"Wrote {out}. Read it through: the bounds are proposals, and lines with # are waiting for what only people know.")
    screen.print(f"Next: aims validate {out}")


def _ask(question: str, default: str | None = None) -> str:
    """Ask; where nobody answers, say what to pass."""
    try:
        return str(click.prompt(question, default=default, show_default=bool(default), err=True)).strip()
    except click.Abort:
        option = question[question.rindex("(") + 1 : -1]
        raise Failure(f"nobody answered. Fix: pass {option}") from None


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.casefold()).strip("-")[:64] or "my-system"


def _names(sensitive: str, file: DataFile) -> list[str]:
    """Split the list of columns; a name that holds a comma is found as it is."""
    if sensitive.strip() in file.columns:
        return [sensitive.strip()]
    return list(dict.fromkeys(name.strip() for name in sensitive.split(",") if name.strip()))


def _edges(text: str) -> tuple[str, tuple[float, ...]]:
    """Read COLUMN=EDGE,EDGE."""
    column, _, edges = text.rpartition("=")
    try:
        return column, tuple(float(edge) for edge in edges.split(","))
    except ValueError:
        raise ConfigurationError(f"--bins {text!r} cannot be read", fix="write it as age=25,40") from None


def _bins(file: DataFile, name: str, edges: tuple[float, ...] | None) -> tuple[float, ...] | None:
    """Return the bins of a sensitive column, which a numeric one with many values needs."""
    column = file.column(name)
    if edges is not None and column.kind != "number":
        raise ConfigurationError(f"--bins for {name!r}: the column is not numeric", fix="name bins for numeric columns only")
    if edges is None and column.needs_bins:
        answer = _ask(f"{name!r} has {column.distinct} distinct numbers. Inner edges of its groups, such as 25,40 (--bins {name}=25,40)")
        edges = _edges(f"{name}={answer}")[1]
    if column.missing:
        click.echo(
            f"Note: {name!r} has {column.missing} missing values; fairness cannot be measured on it before they are filled.", err=True
        )
    return edges
