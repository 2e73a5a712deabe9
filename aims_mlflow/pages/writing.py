"""The pages as files: the same HTML as behind a server, for a folder that any browser opens and any web server shows."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from aims_mlflow.errors import ConfigurationError
from aims_mlflow.pages.addresses import Address
from aims_mlflow.pages.site import Site

INDEX = "index.html"

MARK = ".aims-pages"
"""The file by which a folder is known for one of ours, so that pages of systems that are gone may be taken away from it."""

ONCE = timedelta(days=1)
"""How long what was seen of MLflow counts while files are written: all of them tell of one moment."""


@dataclass(frozen=True)
class Written:
    """What was written: how many pages of how many systems, and how many old ones were taken away."""

    pages: int
    systems: int
    removed: int


def write_pages(site: Site, folder: Path, *, systems: Sequence[str] = (), told: Callable[[Address], None] = lambda _: None) -> Written:
    """Write all pages into a folder; those of an earlier time that are none any more are taken away.

    Args:
        site: the pages; ``static``.
        folder: made where it is not there; one with anything else in it is left alone.
        systems: ids; only their pages are written, besides the inventory of all. None: all.
        told: called with each page's address before it is made.

    Raises:
        ConfigurationError: the folder holds something else, or cannot be written; or there is no such system.
        StoreError: MLflow did not answer.
    """
    every = site.addresses()
    unknown = sorted(set(systems) - {a.system for a in every})
    if unknown:
        raise ConfigurationError(f"there is no system {unknown[0]!r} with a run in this MLflow", fix="leave --system out to see all")
    wanted = [a for a in every if not systems or not a.system or a.system in systems]
    try:
        _prepare(folder)
        known = {_file(folder, a) for a in wanted}
        for address in wanted:
            told(address)
            _put(_file(folder, address), site.page(address).html.encode())
        gone = [] if systems else [p for p in (folder / "systems").rglob(INDEX) if p not in known]
        for path in gone:
            _take(path, folder)
    except OSError as error:
        raise ConfigurationError(
            f"the pages cannot be written: {error.strerror}", where=str(folder), fix="choose a folder you may write to"
        ) from None
    return Written(len(wanted), len({a.system for a in wanted if a.system}), len(gone))


def _file(folder: Path, address: Address) -> Path:
    return folder / address.path / INDEX


def _prepare(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    mark = folder / MARK
    if not mark.exists():
        if any(folder.iterdir()):
            raise ConfigurationError(
                "the folder holds something else", where=str(folder), fix="pass an empty folder, or one that is not there"
            )
        mark.write_text("The pages here are written by `aims pages`, which takes away those it does not write any more.\n", "utf-8")


def _put(file: Path, content: bytes) -> None:
    """Write a file whole or not at all; one that is the same already stays as it is."""
    if file.is_file() and file.read_bytes() == content:
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{secrets.token_hex(8)}")
    try:
        draft.write_bytes(content)
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)


def _take(path: Path, folder: Path) -> None:
    """Take a page away, and the folders above it that are empty then."""
    path.unlink()
    for above in path.parents:
        if above == folder or os.listdir(above):
            return
        above.rmdir()
