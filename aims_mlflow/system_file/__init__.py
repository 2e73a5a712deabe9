"""The system file ``aims.yaml``: read strictly, typed, checked against itself; every mistake at once, with its place and its fix."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from pydantic import ValidationError

from aims_mlflow.errors import ConfigurationError, SystemFileError
from aims_mlflow.system import System
from aims_mlflow.system_file.consistency import inconsistencies
from aims_mlflow.system_file.mistakes import translate
from aims_mlflow.system_file.strict_yaml import MAX_BYTES, MAX_MISTAKES, Mistake, Node, Place, Refused, decode, read


def load_system(path: str | os.PathLike[str], *, thorough: bool = False) -> System:
    """Read the system file at ``path``; the system knows its folder (``base_dir``), beside which suites are read.

    Args:
        path: of a YAML file.
        thorough: also look for the types of expectations, for which Great Expectations may have to be imported (seconds).

    Raises:
        SystemFileError: the file is refused or has mistakes; all of them are in the message and in ``mistakes``.
        ConfigurationError: there is no such file, or it cannot be read.
    """
    file = Path(path)
    return _parse(_bytes_of(file), str(path), file.absolute().parent, thorough=thorough)


def parse_system(text: str, where: str = "", base_dir: Path | None = None) -> System:
    """Read a system file's text. ``where`` names its origin in messages; ``base_dir`` is its folder (None: suites are not looked for).

    Raises:
        SystemFileError: the text is refused or has mistakes; all of them are in the message and in ``mistakes``.
    """
    return _parse(text, where, base_dir)


def _bytes_of(file: Path) -> bytes:
    """Return the file's content, of which never more than the limit and one byte is read."""
    try:
        descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))  # a named pipe must not block
        with open(descriptor, "rb") as stream:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ConfigurationError("the system file is not a regular file", where=str(file), fix="give the path of a YAML file")
            return stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise ConfigurationError(
            "there is no such system file", where=str(file), fix="check the path, or write one with: aims init"
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "the path cannot be used"
        raise ConfigurationError(
            f"the system file cannot be read: {reason}", where=str(file), fix="check the path and its permissions"
        ) from None


def _parse(content: bytes | str, where: str, base_dir: Path | None, *, thorough: bool = False) -> System:
    try:
        root, mistakes = read(decode(content) if isinstance(content, bytes) else content)
    except Refused as refused:
        raise _error(refused.mistakes, where) from None
    if root is None or root.value is None:
        raise _error([*mistakes, Mistake(Place(1, 1), "", "the file is empty", "write one with: aims init")], where)
    if not isinstance(root.value, dict):
        raise _error([*mistakes, Mistake(root.place, "", "the file is not a mapping", "begin with the line: version: 1")], where)
    typed, found = _typed(root)
    mistakes = [*mistakes, *islice(inconsistencies(root, base_dir, thorough=thorough), MAX_MISTAKES + 1), *found]
    if mistakes or typed is None:
        raise _error(mistakes, where)
    return typed.at(base_dir)


def _typed(root: Node) -> tuple[System | None, list[Mistake]]:
    """Type the nodes: through strict JSON, in which dates are text, lists become tuples and nothing else is converted."""
    try:
        return System.model_validate_json(json.dumps(root.plain()), strict=True), []
    except ValidationError as error:
        return None, list(islice(translate(error, root), MAX_MISTAKES + 1))


def _error(mistakes: Iterable[Mistake], where: str) -> SystemFileError:
    """Build the error: one line a mistake, in the order of the file; of several at one place about one thing, the first found.

    A hostile file could have thousands: only so many are looked at.
    """
    first: dict[tuple[Place, str], Mistake] = {}
    for mistake in mistakes:
        first.setdefault((mistake.place, mistake.path), mistake)
    ordered = sorted(first.values(), key=lambda m: m.place)
    return SystemFileError.of(ordered[:MAX_MISTAKES], where, more=len(ordered) > MAX_MISTAKES)
