"""``aims pages --out DIR``: the pages of all systems as files."""

from __future__ import annotations

from pathlib import Path

import click

from aims_mlflow.cli._output import console, working


@click.command()
@click.option(
    "--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="The folder that gets the pages; an empty one, or ours."
)
@click.option("--system", "systems", multiple=True, metavar="ID", help="Write only this system's pages; may be given several times.")
def command(out: Path, systems: tuple[str, ...]) -> None:
    """Write the pages of all systems as static files: the same as `mlflow server --app-name aims` shows under /aims.

    They show the records that `aims summarise` has published, and each version as it is now. Open DIR/index.html in any browser;
    nothing in it needs a server, a script or a network.
    """
    from rich.text import Text

    from aims_mlflow.pages.site import Site
    from aims_mlflow.pages.writing import ONCE, write_pages
    from aims_mlflow.store import Store

    store = Store()
    store.require()
    with working("Making pages"):
        done = write_pages(Site(store, static=True, patience=ONCE), out, systems=systems)
    many = f"{done.pages} page{'s' if done.pages != 1 else ''} of {done.systems} system{'s' if done.systems != 1 else ''}"
    old = f", {done.removed} old ones taken away" if done.removed else ""
    console().print(Text(f"{out / 'index.html'}: {many}{old}"))
