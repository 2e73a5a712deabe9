"""The system file ``aims.yaml``: read strictly, typed, checked against itself; every mistake at once, with its place and its fix."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from aims_mlflow.system import System
from aims_mlflow.system_file.consistency import inconsistencies
from aims_mlflow.system_file.reading import Placed, bytes_of, file_error, mapping_of, typed
from aims_mlflow.system_file.schema import json_schema
from aims_mlflow.system_file.strict_yaml import MAX_MISTAKES

KIND = "system file"
HOW = "write one with: aims init"


@dataclass(frozen=True)
class SystemFile(Placed):
    """A system file that was read: what it declares, and where in it each thing stands."""

    system: System


def load_system(path: str | os.PathLike[str], *, thorough: bool = False) -> System:
    """Read the system file at ``path``; the system knows its folder (``base_dir``), beside which suites are read.

    Args:
        path: of a YAML file.
        thorough: also look for the types of expectations, for which Great Expectations may have to be imported (seconds).

    Raises:
        SystemFileError: the file is refused or has mistakes; all of them are in the message and in ``mistakes``.
        ConfigurationError: there is no such file, or it cannot be read.
    """
    return open_system(path, thorough=thorough).system


def open_system(path: str | os.PathLike[str], *, thorough: bool = False) -> SystemFile:
    """Read the system file as ``load_system`` does, and keep where each line stands; raises as it does."""
    file = Path(path)
    return _parse(bytes_of(file, KIND, HOW), str(path), file.absolute().parent, thorough=thorough)


def parse_system(text: str, where: str = "", base_dir: Path | None = None) -> System:
    """Read a system file's text. ``where`` names its origin in messages; ``base_dir`` is its folder (None: suites are not looked for).

    Raises:
        SystemFileError: the text is refused or has mistakes; all of them are in the message and in ``mistakes``.
    """
    return _parse(text, where, base_dir).system


def _parse(content: bytes | str, where: str, base_dir: Path | None, *, thorough: bool = False) -> SystemFile:
    root, mistakes = mapping_of(content, where, KIND, HOW)
    system, found = typed(System, root, json_schema())
    mistakes = [*mistakes, *islice(inconsistencies(root, base_dir, thorough=thorough), MAX_MISTAKES + 1), *found]
    if mistakes or system is None:
        raise file_error(mistakes, where, KIND)
    return SystemFile(root, where, system.at(base_dir))
