"""``aims export FORMAT SYSTEM``: take the record of a system out of the tool, in a format that others read."""

from __future__ import annotations

import base64
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.text import Text

from aims_mlflow.cli._output import console, json_option, print_json, working

if TYPE_CHECKING:
    from aims_mlflow.exports import Exported


class _Listing(click.Command):
    """Lists the formats below its help."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """Write the formats, each with what it is."""
        from aims_mlflow.exports import FORMATS

        with formatter.section("Formats"):
            formatter.write_dl([(one.name, one.what) for one in FORMATS.values()])


@click.command(cls=_Listing)
@click.argument("format_name", metavar="FORMAT")
@click.argument("system")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="The file to write; default: standard output.")
@click.option("--version", metavar="N", help="A model version's number, or models:/NAME/N; default: the one that the record is about.")
@click.option(
    "--system", "system_file", type=click.Path(dir_okay=False), help="The system file, where SYSTEM is an id and it is not ./aims.yaml."
)
@json_option
def command(format_name: str, system: str, out: Path | None, version: str | None, system_file: str | None, as_json: bool) -> None:
    """Export the record of SYSTEM (a system's id, or its system file) in FORMAT.

    What is missing or unknown is written as such. Nothing is written to MLflow. With --json a description is printed, with the
    content in it where --out names no file.
    """
    from aims_mlflow.errors import ConfigurationError
    from aims_mlflow.exports import export
    from aims_mlflow.system_file import load_system

    given = load_system(system_file) if system_file else None
    if given is not None and given.id != system and not Path(system).is_file():
        raise ConfigurationError(
            f"the file declares the system {given.id!r}, not {system!r}",
            where=str(system_file),
            fix=f"aims export {format_name} {given.id}",
        )
    with working(f"Reading the evidence of {system}"):
        made = export(format_name, given or system, version=version, out=out)
    if as_json:
        print_json(_described(made, out))
    elif out is None:
        _print(made)
    else:
        console(stderr=True).print(Text(f"{out}: {made.format} of {made.version or 'no version'}, {len(made.content):,} bytes"))


def _described(made: Exported, out: Path | None) -> dict[str, Any]:
    """Return what was made, for machines."""
    described: dict[str, Any] = {
        "format": made.format,
        "system": made.system,
        "version": made.version,
        "record_made": made.made,
        "media_type": made.media_type,
        "file": str(out) if out else None,
        "file_name": made.file_name,
        "bytes": len(made.content),
        "sha256": made.sha256,
    }
    if out is None:
        if made.binary:
            described["content_base64"] = base64.b64encode(made.content).decode()
        else:
            described["content"] = made.content.decode()
    return described


def _print(made: Exported) -> None:
    """Write the bytes to standard output, but nothing to a terminal that would not show it."""
    from aims_mlflow.errors import ConfigurationError

    if made.binary and sys.stdout.isatty():
        raise ConfigurationError(
            f"{made.format} is not text, and standard output is a terminal", where=made.format, fix=f"add --out {made.file_name}"
        )
    sys.stdout.flush()
    sys.stdout.buffer.write(made.content)
