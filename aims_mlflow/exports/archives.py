"""Zip files that come out the same each time: sorted names, one date, nothing of the machine in them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

DATE = (1980, 1, 1, 0, 0, 0)
"""The date of every entry: the first that a zip file can hold."""


def zipped(files: Mapping[str, bytes], *, first: tuple[str, ...] = ()) -> bytes:
    """Return a zip of path -> content, sorted by path; the paths in ``first`` stand before the others."""
    made = io.BytesIO()
    order = [*first, *(path for path in sorted(files) if path not in first)]
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in order:
            entry = zipfile.ZipInfo(path, DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Unix, whatever this machine is
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, files[path])
    return made.getvalue()


def unzipped(content: bytes) -> dict[str, bytes]:
    """Return what is in a zip, path -> content."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {entry.filename: archive.read(entry) for entry in archive.infolist()}
