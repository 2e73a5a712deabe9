"""``aims lineage MODEL_URI``: what a model version comes from, link by link, and how each link holds; changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.text import Text

from aims_mlflow.cli._output import console, print_json, working
from aims_mlflow.errors import ConfigurationError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.tree import Tree

    from aims_mlflow.lineages import Lineage

STYLES = {"strong": "green", "weak": "yellow", "broken": "bold red", "noted": "dim"}
"""The colour of a strength; the word always stands there."""

FORMATS = ("tree", "json", "svg")


@click.command()
@click.argument("model_uri")
@click.option("--format", "form", type=click.Choice(FORMATS), default="tree", show_default=True, help="How to show it.")
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file instead of the screen.")
@click.option(
    "--key", "keys", multiple=True, metavar="KEY_ID", help="Believe only evidence signed by this key; may be given several times."
)
@click.pass_context
def command(ctx: click.Context, model_uri: str, form: str, as_json: bool, out: Path | None, keys: tuple[str, ...]) -> None:
    """Show what MODEL_URI comes from: data, run, code, packages, seed, and the models it was made from, with their own.

    MODEL_URI is models:/NAME/VERSION, models:/NAME@ALIAS, models:/m-... or runs:/RUN_ID. Each link is strong (by a digest that
    was compared), weak (by a name only) or broken (an end is not known, or not what it was).

    Exit codes: 0 no link is broken, 1 some are, 2 it could not be read.
    """
    from aims_mlflow.lineages.picture import svg
    from aims_mlflow.lineages.tracing import trace

    with working("Following the model back"):
        found = trace(model_uri, keys=keys)
    form = "json" if as_json else form
    if out is not None:
        text = svg(found) if form == "svg" else found.model_dump_json(indent=2) + "\n" if form == "json" else in_text(found)
        _write(out, text)
    elif form == "json":
        print_json(found)
    elif form == "svg":
        click.echo(svg(found), nl=False)
    else:
        _show(found)
    ctx.exit(0 if found.whole else 1)


def _write(out: Path, text: str) -> None:
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"the lineage cannot be written: {error.strerror}", where=str(out), fix="choose a file you may write"
        ) from None


def in_text(lineage: Lineage) -> str:
    """Return the lineage as the screen shows it, without colours."""
    from io import StringIO

    from rich.console import Console

    written = StringIO()
    _print(lineage, Console(file=written, width=140, color_system=None, highlight=False, markup=False, emoji=False))
    return "\n".join(line.rstrip() for line in written.getvalue().splitlines()) + "\n"


def _show(lineage: Lineage) -> None:
    _print(lineage, console())


def _print(lineage: Lineage, screen: Console) -> None:
    from aims_mlflow.lineages.picture import in_words

    screen.print(tree(lineage))
    screen.print(Text(in_words(lineage)))
    for note in lineage.notes:
        screen.print(Text(f"note: {note}", style="dim"))


def tree(lineage: Lineage) -> Tree:
    """Return the lineage as a tree: the model asked about, under it what it was made from, and what else came of its run."""
    from rich.tree import Tree

    top = Tree(_named(lineage, lineage.subject))
    drawn: set[str] = set()
    _grow(lineage, lineage.subject, top, drawn)
    rest = [edge for edge in lineage.edges if edge.end not in drawn]
    if rest:
        besides = top.add(Text("and of the same run"))
        for end in dict.fromkeys(edge.end for edge in rest):
            branch = besides.add(_named(lineage, end))
            for edge in (e for e in rest if e.end == end):
                branch.add(_link(lineage, edge.start, edge.kind, edge.strength, edge.why))
    return top


def _grow(lineage: Lineage, id_: str, branch: Tree, drawn: set[str]) -> None:
    """Add what a node was made from; a node that stands in the tree already is named, not drawn again."""
    drawn.add(id_)
    for edge in (e for e in lineage.edges if e.end == id_):
        twig = branch.add(_link(lineage, edge.start, edge.kind, edge.strength, edge.why))
        if edge.start in drawn:
            if any(e.end == edge.start for e in lineage.edges):
                twig.add(Text("(as above)", style="dim"))
        else:
            _grow(lineage, edge.start, twig, drawn)


def _link(lineage: Lineage, start: str, kind: str, strength: str, why: str) -> Text:
    """Return a link in a line: its kind, how it holds, what is at its start, and why."""
    from aims_mlflow.scorecard import visible

    head = Text.assemble((visible(kind), "bold"), " ", (strength.upper(), STYLES[strength]), ": ")
    return Text.assemble(head, _named(lineage, start), (f"  {visible(why)}", "dim"))


def _named(lineage: Lineage, id_: str) -> Text:
    """Return a node in words: its kind, its name, a digest to compare by, its note."""
    from aims_mlflow.scorecard import visible

    node = lineage.node(id_)
    digest = f" sha256 {node.sha256[:12]}" if node.sha256 else ""
    note = f" ({visible(node.note)})" if node.note else ""
    return Text.assemble(f"{node.kind} ", (visible(node.label), "bold"), (digest, "dim"), note)
