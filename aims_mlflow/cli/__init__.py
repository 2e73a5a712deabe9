"""The command line ``aims``: one module a command, imported when it is asked for.

Every module of this package that is named in ``COMMANDS`` has a click command or group called ``command``. Exit codes: 0 yes,
1 no, 2 could not decide. A command ends with ``ctx.exit(1)`` where its answer is no; whatever is raised becomes one line on
standard error and exit 2, without a traceback (``AIMS_DEBUG=1`` shows it).
"""

from __future__ import annotations

import importlib
import os
from typing import Any

import click

import aims_mlflow
from aims_mlflow.errors import AimsError, PromotionBlocked

COMMANDS: dict[str, str] = {
    "demo": "Train, gate, complete, promote and summarise on real credit data.",
    "init": "Write a commented aims.yaml for a CSV or Parquet file.",
    "validate": "Say whether a system file is right, and every mistake if not.",
    "controls": "List the controls; with an id, what a run shows and a person must say.",
    "gate": "Say whether a model version may be promoted, one line a control.",
    "assess": "Make evidence for a model that was trained before, or elsewhere.",
    "promote": "Set an alias on a model version if the gate lets it through.",
    "monitor": "Look at a model in operation, on a batch of production data.",
    "nonconformity": "List breaches and what was done about them; act on them, close them.",
    "incident": "Record incidents: what happened, how severe, who was told.",
    "summarise": "Roll a system's evidence up into its impact and risk records.",
    "pages": "Write the pages of all systems as files, for any browser.",
    "export": "Take a system's record out in a format that others read.",
    "lineage": "Show what a model comes from, and how each link holds.",
    "audit": "Find what the gate's log does not prove, in the whole registry.",
    "verify": "Check a run's evidence, or a signed file, without any server.",
    "sync": "Send to MLflow what the local spool still holds.",
    "doctor": "Say what is wrong with this set-up, and what waits in the spool.",
    "keys": "Make signing keys, and say whose signatures count.",
}
"""Command: what it does, in one line. The module of ``x`` is ``aims_mlflow.cli.x``."""

YES, NO, UNDECIDED = 0, 1, 2


class Failure(click.ClickException):
    """Ends a command that could not decide: ``Error: message`` on standard error, exit 2."""

    exit_code = UNDECIDED


class Refusal(click.ClickException):
    """Ends a command whose answer is no: ``Error: message`` on standard error, exit 1."""

    exit_code = NO


class Commands(click.Group):
    """The commands of the table above, each imported when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names, in the table's order."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import a command; None where there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"{__name__}.{cmd_name}").command
        assert isinstance(command, click.Command)  # noqa: S101 - a slip of our own, which the tests find
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that was asked for; an unknown one is refused with the nearest known one."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from aims_mlflow.system_file.mistakes import did_you_mean

            raise click.UsageError(f"there is no command {args[0]!r}. Fix: {did_you_mean(args[0], COMMANDS, 'the commands are')}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; whatever it raises becomes a message and an exit code."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit):
            raise
        except PromotionBlocked as blocked:
            ending = Refusal if getattr(blocked.decision, "decided", False) else Failure
            raise ending(str(blocked)) from blocked
        except AimsError as error:
            raise Failure(str(error)) from error
        except (click.Abort, KeyboardInterrupt, EOFError):
            raise Failure("stopped before there was an answer") from None
        except BrokenPipeError:
            raise
        except Exception as error:
            if os.environ.get("AIMS_DEBUG"):
                raise
            raise Failure(
                f"something unforeseen happened ({type(error).__name__}). Fix: run it again with AIMS_DEBUG=1 and report what it shows"
            ) from error


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(aims_mlflow.__version__, prog_name="aims")
def main() -> None:
    """Evidence for AI management systems (ISO/IEC 42001) from MLflow training runs.

    Exit codes: 0 yes, 1 no, 2 could not decide.
    """
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # standard output is the command's own: --json is one document
