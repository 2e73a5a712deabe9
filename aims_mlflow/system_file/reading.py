"""How a file from people is read: its bytes within a limit, strict YAML, a typed model; all mistakes in one error."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from aims_mlflow.errors import ConfigurationError, SystemFileError
from aims_mlflow.system_file.mistakes import translate
from aims_mlflow.system_file.strict_yaml import MAX_BYTES, MAX_MISTAKES, Mistake, Node, Place, Refused, decode, read

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Placed:
    """A file that was read: the nodes of its text, and its path as it was given."""

    root: Node
    where: str

    @property
    def name(self) -> str:
        """The file's name, for messages."""
        return Path(self.where).name

    def place(self, *keys: str | int) -> Place | None:
        """Return where the value under these keys is said (a key's place, or that of an element); None where the file does not say it."""
        node, place = self.root, self.root.place
        for key in keys:
            found: Any = None
            if isinstance(key, int) and isinstance(node.value, list) and key < len(node.value):
                found = (node.value[key].place, node.value[key])
            elif isinstance(node.value, dict):
                found = node.value.get(key)
            if found is None:
                return None
            place, node = found
        return place if node.value is not None else None

    def line(self, *keys: str | int) -> str:
        """Return ``NAME line N`` for what is said under these keys, or "" where the file does not say it."""
        place = self.place(*keys)
        return f"{self.name} line {place.line}" if place else ""


def bytes_of(file: Path, kind: str, how: str) -> bytes:
    """Return the file's content, of which never more than the limit and one byte is read.

    Args:
        file: its path.
        kind: what it is, for messages, such as "system file".
        how: how to come by one, for messages.

    Raises:
        ConfigurationError: there is no such file, or it cannot be read.
    """
    try:
        descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))  # a named pipe must not block
        with open(descriptor, "rb") as stream:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ConfigurationError(f"the {kind} is not a regular file", where=str(file), fix="give the path of a YAML file")
            return stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise ConfigurationError(f"there is no such {kind}", where=str(file), fix=f"check the path, or {how}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "the path cannot be used"
        raise ConfigurationError(
            f"the {kind} cannot be read: {reason}", where=str(file), fix="check the path and its permissions"
        ) from None


def mapping_of(content: bytes | str, where: str, kind: str, how: str) -> tuple[Node, list[Mistake]]:
    """Return the root of a document that is a mapping, and the mistakes met on the way; raises SystemFileError."""
    try:
        root, mistakes = read(decode(content) if isinstance(content, bytes) else content)
    except Refused as refused:
        raise file_error(refused.mistakes, where, kind) from None
    if root is None or root.value is None:
        raise file_error([*mistakes, Mistake(Place(1, 1), "", "the file is empty", how)], where, kind)
    if not isinstance(root.value, dict):
        raise file_error([*mistakes, Mistake(root.place, "", "the file is not a mapping", "begin with the line: version: 1")], where, kind)
    return root, mistakes


def typed(model: type[Model], root: Node, schema: Mapping[str, Any]) -> tuple[Model | None, list[Mistake]]:
    """Type the nodes: through strict JSON, in which dates are text, lists become tuples and nothing else is converted."""
    try:
        return model.model_validate_json(json.dumps(root.plain()), strict=True), []
    except ValidationError as error:
        return None, list(islice(translate(error, root, schema), MAX_MISTAKES + 1))


def file_error(mistakes: Iterable[Mistake], where: str, kind: str) -> SystemFileError:
    """Build the error: one line a mistake, in the order of the file; of several at one place about one thing, the first found.

    A hostile file could have thousands: only so many are looked at.
    """
    first: dict[tuple[Place, str], Mistake] = {}
    for mistake in mistakes:
        first.setdefault((mistake.place, mistake.path), mistake)
    ordered = sorted(first.values(), key=lambda m: m.place)
    return SystemFileError.of(ordered[:MAX_MISTAKES], where, more=len(ordered) > MAX_MISTAKES, kind=kind)
