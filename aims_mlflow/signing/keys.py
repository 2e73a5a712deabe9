"""Keys: the files they stand in, the development key that is made on first use, and how a public key is found again."""

# securesystemslib.signer re-exports its face without saying so to type checkers:
# pyright: reportPrivateImportUsage=false

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aims_mlflow.errors import ConfigurationError

if TYPE_CHECKING:
    from securesystemslib.signer import Signer, SSlibKey

DEVELOPMENT = "development"
"""The name of the key that is made on first use, and of its two files ``development.key`` and ``development.pub``."""

PUBLIC_KEY_FIELD = "public_key"
"""Where a signature carries its public key (PEM) inside the envelope."""

KEY_TYPES = ("ed25519", "ecdsa", "rsa")
"""What we verify, in securesystemslib's words: also RSASSA-PSS with SHA-256, and ECDSA on P-256, P-384 and P-521."""

LARGEST_KEY_FILE = 64_000
"""Of a key file never more than so many bytes are read. An RSA key of 8,192 bits has about 6,500."""


@dataclass(frozen=True)
class Key:
    """A private key to sign with. ``id`` is derived from the public key; ``public`` is the public key in PEM.

    ``path`` is the file it stands in, None for a key that a key service keeps: ``uri`` then says where.
    """

    id: str
    public: str
    development: bool
    path: Path | None
    signer: Signer = field(repr=False, compare=False)
    uri: str = ""

    @property
    def place(self) -> str:
        """Where the key is: a path or a URI."""
        return str(self.path) if self.path is not None else self.uri


def home() -> Path:
    """Return the directory of keys and spool: ``AIMS_HOME``, by default ``~/.aims``.

    Raises:
        ConfigurationError: it is not set, and the system knows no home directory.
    """
    try:
        return Path(os.environ.get("AIMS_HOME") or Path.home() / ".aims").expanduser()
    except RuntimeError:
        raise ConfigurationError("there is no home directory for keys and spool", fix="set AIMS_HOME to a directory") from None


def signing_key() -> Key:
    """Return the key that runs sign with: what ``AIMS_SIGNING_KEY`` names, else the development key, made on first use.

    ``AIMS_SIGNING_KEY`` is the path of a PEM file or a signer URI (see ``signers``); a key service that asks for it is told the
    public key from the PEM file that ``AIMS_SIGNING_PUBLIC_KEY`` names.

    Raises:
        ConfigurationError: the file cannot be read, is no unencrypted PEM private key, or others may read it; or the key
            service cannot be reached.
    """
    return _named("AIMS_SIGNING_KEY", "AIMS_SIGNING_PUBLIC_KEY") or _development()


def gate_key() -> Key:
    """Return the key that the gate signs decisions with: ``AIMS_GATE_KEY``, else as ``signing_key``.

    The public key of a key service is named by ``AIMS_GATE_PUBLIC_KEY``.

    Raises:
        ConfigurationError: as ``signing_key``.
    """
    return _named("AIMS_GATE_KEY", "AIMS_GATE_PUBLIC_KEY") or signing_key()


def new_key(path: Path) -> Key:
    """Make an Ed25519 key pair: the private key at ``path`` (mode 0600), the public one beside it with the suffix ``.pub``.

    Raises:
        ConfigurationError: one of the files exists already, or the directory cannot be written.
    """
    public = path.with_name(path.name + ".pub")
    for taken in (path, public):
        if taken.exists():
            raise ConfigurationError(f"{taken} exists already", fix="choose another path: a key is never overwritten")
    _create(path)
    key = load_key(path)
    _write_once(public, key.public.encode(), 0o644)
    return key


def load_key(path: Path, *, development: bool = False) -> Key:
    """Read an unencrypted PEM private key (Ed25519, ECDSA or RSA) that nobody else may read.

    Raises:
        ConfigurationError: the file cannot be read, is no such key, or its permissions are wider than 0600.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from securesystemslib.signer import CryptoSigner

    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            pem = file.read(LARGEST_KEY_FILE)
    except OSError as error:
        raise ConfigurationError(
            f"the signing key cannot be read: {error.strerror}", where=str(path), fix="set AIMS_SIGNING_KEY to a PEM file that you may read"
        ) from None
    if os.name == "posix" and mode & 0o177:  # other systems do not keep these bits
        raise ConfigurationError(f"the signing key can be read by others (mode {mode:04o})", where=str(path), fix=f"chmod 600 {path}")
    try:
        private = load_pem_private_key(pem, None)
        signer = CryptoSigner(private)
    except (TypeError, ValueError, UnsupportedAlgorithm):  # their texts may quote the key
        raise ConfigurationError(
            "the signing key is not an unencrypted PEM private key", where=str(path), fix="make one with `aims keys new PATH`"
        ) from None
    return Key(signer.public_key.keyid, pem_of(private.public_key()), development, path, signer)


def public_keys() -> dict[str, SSlibKey]:
    """Return the public keys in ``AIMS_HOME/keys/*.pub`` by key id; a file's name says nothing about its key.

    Files that hold no public key are passed over: they can leave a signature unknown, never make it valid.
    """
    keys = (read_public_file(path) for path in sorted((home() / "keys").glob("*.pub")))
    return {key.keyid: key for key in keys if key is not None}


def public_pems() -> dict[str, str]:
    """Return the same public keys in PEM, by key id."""
    found: dict[str, str] = {}
    for path in sorted((home() / "keys").glob("*.pub")):
        key = read_public_file(path)
        if key is not None:
            found[key.keyid] = canonical_pem(path.read_text(encoding="ascii"))
    return found


def read_public_file(path: Path) -> SSlibKey | None:
    """Return the public key in a PEM file, or None where there is none."""
    try:
        with path.open("rb") as file:
            return read_public(file.read(LARGEST_KEY_FILE).decode("ascii"))
    except (OSError, ValueError):
        return None


def read_public(pem: str) -> SSlibKey | None:
    """Return the key with the id that follows from it, or None where the text is no public key of a kind we know."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from securesystemslib.signer import SSlibKey

    try:
        key: SSlibKey = SSlibKey.from_crypto(load_pem_public_key(pem.encode()))
    except (TypeError, ValueError, UnsupportedAlgorithm):
        return None
    return key if key.keytype in KEY_TYPES else None


def canonical_pem(pem: str) -> str:
    """Return the public key in the one PEM text it has (SubjectPublicKeyInfo, lines of 64, a line end after each); raises ValueError."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        return pem_of(load_pem_public_key(pem.encode()))
    except (TypeError, UnsupportedAlgorithm) as error:
        raise ValueError("no public key") from error


def pem_of(public: Any) -> str:
    """Return a public key of the cryptography library in PEM."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    written: bytes = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return written.decode("ascii")


def _named(variable: str, public_variable: str) -> Key | None:
    """Return the key that an environment variable names; None where it is not set."""
    from aims_mlflow.signing.signers import is_uri, key_at

    named = os.environ.get(variable)
    if not named:
        return None
    if is_uri(named):
        return key_at(named, variable, public_variable)
    return load_key(Path(named).expanduser())


def _development() -> Key:
    path = home() / "keys" / f"{DEVELOPMENT}.key"
    if not path.exists():
        _create(path)
    key = load_key(path, development=True)
    public = path.with_suffix(".pub")
    if not public.exists():
        _write_once(public, key.public.encode(), 0o644)
    return key


def _create(path: Path) -> None:
    """Write a new Ed25519 private key; where another process was faster, its key stands."""
    from securesystemslib.signer import CryptoSigner

    _write_once(path, CryptoSigner.generate_ed25519().private_bytes, 0o600)


def _write_once(path: Path, content: bytes, mode: int) -> None:
    """Write a file whole or not at all, and never over another: readers see no half-written key and no key changes."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            return
    except OSError as error:
        raise ConfigurationError(
            f"a key file cannot be written: {error.strerror}", where=str(path), fix="set AIMS_HOME to a local directory you may write to"
        ) from None
    finally:
        with contextlib.suppress(OSError):  # where there is no folder, there is no draft
            draft.unlink()
