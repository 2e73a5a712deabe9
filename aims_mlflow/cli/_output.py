"""What the commands share on the screen: a console, states in their colours, JSON for machines."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click
from pydantic import BaseModel
from rich.console import Console
from rich.table import Table
from rich.text import Text

from aims_mlflow.evidence import State

STATE_STYLES: dict[State, str] = {
    State.PASS: "green",
    State.FAIL: "bold red",
    State.ERROR: "red",
    State.STALE: "magenta",
    State.MISSING: "yellow",
    State.INCONCLUSIVE: "cyan",
    State.WAIVED: "blue",
    State.NOT_APPLICABLE: "dim",
}
"""The colour of each state. The word always stands beside it: colour alone says nothing."""

WIDTH_WITHOUT_TERMINAL = 140

json_option: Callable[[Any], Any] = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines instead of text.")
"""The option ``--json``; the command's parameter is ``as_json``."""


def console(*, stderr: bool = False) -> Console:
    """Return a console on standard output (or error) as it stands now; markup is off, so that names with brackets print as they are."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else WIDTH_WITHOUT_TERMINAL
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False, soft_wrap=False)


def state_text(state: State | str) -> Text:
    """Return a state in capitals and in its colour."""
    state = State(state)
    return Text(state.value.replace("_", " ").upper(), style=STATE_STYLES[state])


def table(*columns: str, title: str | None = None) -> Table:
    """Return an empty table with these columns, which fold long cells and cut none."""
    made = Table(title=title, title_justify="left", header_style="bold", pad_edge=False, box=None)
    for column in columns:
        made.add_column(column, overflow="fold")
    return made


def print_json(content: Any) -> None:
    """Print one JSON document on standard output: words as their fields, dates as text."""
    click.echo(json.dumps(content, default=_plain, indent=2, ensure_ascii=False, allow_nan=False))


def _plain(thing: Any) -> Any:
    """Return what JSON can hold of a thing that it cannot."""
    if isinstance(thing, BaseModel):
        return thing.model_dump(mode="json", by_alias=True)
    if hasattr(thing, "isoformat"):
        return thing.isoformat()
    if hasattr(thing, "__dataclass_fields__"):
        return {name: getattr(thing, name) for name in thing.__dataclass_fields__}
    if isinstance(thing, (set, frozenset)):
        return sorted(thing)
    return str(thing)


@contextmanager
def working(what: str) -> Iterator[None]:
    """Show that something longer than a second is going on; on standard error, and only on a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    with console(stderr=True).status(Text(what)):
        yield
