"""``keys.yaml``: read as strictly as the system file, and written whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from aims_mlflow.errors import ConfigurationError
from aims_mlflow.signing.keys import LARGEST_KEY_FILE, read_public
from aims_mlflow.signing.trust import Trust, TrustedKey
from aims_mlflow.system_file.reading import bytes_of, file_error, mapping_of, typed
from aims_mlflow.system_file.strict_yaml import Mistake, Node

HEAD = """\
# Whose signatures count, for what, and from when to when. Written by `aims keys trust` and `aims keys revoke`;
# it may be edited by hand: `aims keys list` says whether it is right. A key that is revoked stays in the list.
"""

KIND = "key list"
HOW = "make it with: aims keys trust KEY.pub --role evidence --name NAME"


def read(path: str | os.PathLike[str]) -> Trust:
    """Read the file; ``Trust.read`` says what is raised."""
    file = Path(path)
    root, mistakes = mapping_of(bytes_of(file, KIND, HOW), str(path), KIND, HOW)
    trust, found = typed(Trust, root, _schema())
    listed = root.get("keys")
    if listed is None or listed.value in (None, []):  # a list that says nothing must not be read as: any key counts
        found.append(Mistake(root.place, "keys", "it lists no key", "list one, or remove the file: then gate.trusted_keys counts alone"))
    if trust is None or listed is None or mistakes or found:
        raise file_error([*mistakes, *found], str(path), KIND)
    trust._from_files.update(_of_files(trust, file, listed))
    return trust


@contextmanager
def rewriting(path: Path) -> Iterator[Callable[[Trust], None]]:
    """Give a function that writes the file anew; nobody else who comes this way can write until the block ends.

    What is written is read back before it takes the old file's place, and takes it in one step.

    Raises:
        ConfigurationError: the folder cannot be written, or what was written does not come back as it was.
    """
    target = path.resolve()  # where the path is a link, the file it means is written

    def write(trust: Trust) -> None:
        draft = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
        try:
            mode = target.stat().st_mode & 0o777 if target.exists() else 0o644
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
                file.write(text(trust).encode())
                file.flush()
                os.fsync(file.fileno())
            if read(draft).sha256 != trust.sha256:
                raise ConfigurationError("the key list did not come back as it was written", where=str(path), fix="report this")
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)

    try:
        with _locked(target):
            yield write
    except OSError as error:
        raise ConfigurationError(
            f"the key list cannot be written: {error.strerror}", where=str(path), fix="check the folder and its permissions"
        ) from None


def text(trust: Trust) -> str:
    """Return the text of the file: every field that says something, in the order of the words."""
    import yaml

    content = trust.model_dump(mode="json", by_alias=True, exclude_none=True)
    content["keys"] = [{name: value for name, value in key.items() if value != ""} for key in content["keys"]]
    return HEAD + yaml.dump(content, Dumper=_dumper(), sort_keys=False, allow_unicode=True, width=10_000)


@cache
def _dumper() -> type[Any]:
    """Return a YAML writer that gives texts of several lines as blocks, as people write a PEM key."""
    import yaml

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - yaml's signature
            return True

    def shown(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)

    Dumper.add_representer(str, shown)
    return Dumper


@contextmanager
def _locked(target: Path) -> Iterator[None]:
    """Hold a lock beside the file, so that of two people who change it at once none loses what he did."""
    try:
        import fcntl
    except ImportError:  # Windows: the file is still written whole
        yield
        return
    with target.with_name(f".{target.name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@cache
def _schema() -> Any:
    return Trust.model_json_schema(by_alias=True)


def _of_files(trust: Trust, file: Path, listed: Node) -> dict[str, str]:
    """Return the PEM of the keys that stand in files of their own, by id; one that cannot be believed spoils the whole list."""
    mistakes: list[Mistake] = []
    pems: dict[str, str] = {}
    for key, node in zip(trust.keys, listed.each(), strict=True):
        if not key.file:
            continue
        said = node.get("file") or node
        pem, what, fix = _of_file(key, file.parent / key.file)
        pems[key.id] = pem
        mistakes += [Mistake(said.place, said.path, what, fix)] if what else []
    if mistakes:
        raise file_error(mistakes, str(file), KIND)
    return pems


def _of_file(key: TrustedKey, beside: Path) -> tuple[str, str, str]:
    """Return the PEM in a key's own file, what is wrong with it ("" if nothing), and the fix."""
    try:
        with beside.open("rb") as stream:
            pem = stream.read(LARGEST_KEY_FILE).decode("ascii")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        return "", f"the file cannot be read: {reason}", f"put the public key at {beside}"
    found = read_public(pem)
    if found is None and "PRIVATE KEY" in pem:
        return "", "the file holds a PRIVATE key", "take it away from here, revoke it, make a new one, and name its .pub file"
    if found is None:
        return "", "the file holds no public key", "name the .pub file"
    if found.keyid != key.id:
        return "", f"the id of the key in the file is another, {found.keyid}", "correct the id, or name another file"
    return pem, "", ""
