"""``aims promote MODEL_URI ALIAS``: sets an alias on a model version if the gate lets it through."""

from __future__ import annotations

import click

from aims_mlflow.cli._output import json_option, working
from aims_mlflow.cli.gate import show, system_option
from aims_mlflow.decision import GateDecision
from aims_mlflow.errors import PromotionBlocked


@click.command()
@click.argument("model_uri")
@click.argument("alias")
@system_option
@json_option
@click.pass_context
def command(ctx: click.Context, model_uri: str, alias: str, system_file: str | None, as_json: bool) -> None:
    """Point ALIAS at MODEL_URI (models:/NAME/VERSION or models:/NAME@ALIAS) if the gate allows it.

    The signed decision is kept in the version's run, also where it is a no. Exit codes: 0 promoted, 1 no, 2 could not decide.
    """
    from aims_mlflow.promotion import promote

    try:
        with working("Reading the evidence"):
            decision = promote(model_uri, alias, system=system_file)
    except PromotionBlocked as blocked:
        if not isinstance(blocked.decision, GateDecision):
            raise
        decision = blocked.decision
    show(decision, as_json)
    ctx.exit(decision.exit_code)
