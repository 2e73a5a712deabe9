"""``aims sync``: send to MLflow what the local spool still holds."""

from __future__ import annotations

import click
from rich.text import Text

from aims_mlflow.cli._output import console, json_option, print_json, table, working


@click.command()
@json_option
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """Send the evidence that did not reach MLflow when its run ended: the server was down, or refused.

    Each piece is checked against its digest before it is sent, and leaves the spool (AIMS_HOME/spool) when all of it has
    arrived. Sending again does no harm.

    Exit codes: 0 nothing is left, 1 something is left, with the reason.
    """
    from aims_mlflow import sending, spool

    with working("Sending"):
        sent = sending.replay()
    if as_json:
        print_json([{"id": s.id, "run_id": s.run_id, "sent": not s.problem, "problem": s.problem} for s in sent])
    elif not sent:
        console().print(Text(f"The spool is empty ({spool.folder()})."))
    else:
        made = table("Evidence", "Run", "Outcome")
        for one in sent:
            made.add_row(one.id[:16], one.run_id or "-", Text(one.problem, style="red") if one.problem else Text("sent", style="green"))
        console().print(made)
    if any(s.problem for s in sent):
        ctx.exit(1)
