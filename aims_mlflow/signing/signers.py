"""Keys that a key service or a hardware module keeps, reached by a signer URI of securesystemslib, with a time limit on each call.

https://github.com/secure-systems-lab/securesystemslib: ``Signer.from_priv_key_uri`` knows ``file2:``, ``awskms:``, ``azurekms:``,
``gcpkms:``, ``gnupg:``, ``hsm:``, ``hv:`` (HashiCorp Vault) and ``tkey:``, and whatever is added to its ``SIGNER_FOR_URI_SCHEME``.
"""

# securesystemslib.signer re-exports its face without saying so to type checkers:
# pyright: reportPrivateImportUsage=false

from __future__ import annotations

import logging
import os
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from aims_mlflow.errand import Errand
from aims_mlflow.errors import AimsError, ConfigurationError
from aims_mlflow.signing.keys import Key, canonical_pem, load_key, read_public, read_public_file

if TYPE_CHECKING:
    from securesystemslib.signer import Signature, Signer

SECONDS = 30.0
"""How long a key service may take for one call before it counts as dead."""

MOST_WAITING = 8
"""So many calls at once. One that has timed out goes on waiting in its thread, which cannot be ended: a dead service must not fill the
process with them."""

FILE_SCHEME = "file2"

_URI = re.compile(r"[a-z][a-z0-9+.-]+:.*", re.DOTALL)  # two letters at least: one is a drive of Windows

log = logging.getLogger("aims_mlflow")

_waiting = threading.BoundedSemaphore(MOST_WAITING)
_silent_until: dict[str, float] = {}

Result = TypeVar("Result")


def is_uri(named: str) -> bool:
    """Whether the name of a key is a signer URI and not the path of a file that is there."""
    return _URI.fullmatch(named) is not None and not Path(named).is_file()


def key_at(uri: str, variable: str, public_variable: str) -> Key:
    """Return the key that a signer URI names.

    Args:
        uri: of a scheme that securesystemslib knows.
        variable: the environment variable that named it, for messages.
        public_variable: the one that names the PEM file with its public key. A ``file2:`` key needs none.

    Raises:
        ConfigurationError: nobody knows the scheme, there is no public key, or the key service fails or is silent.
    """
    scheme, rest = signer_for(uri, variable)
    where = f"{variable}={scheme}:…"  # the rest may hold what is not for a log
    if scheme == FILE_SCHEME:
        return load_key(Path(os.environ.get("CRYPTO_SIGNER_PATH_PREFIX", "")) / rest)
    from securesystemslib.signer import Signer

    public = _public(public_variable, where)
    key = read_public(public)
    assert key is not None  # noqa: S101 - _public has read it
    signer = limited(lambda: Signer.from_priv_key_uri(uri, key, _secrets(variable)), "could not be opened", service=uri, where=where)
    guarded = cast("Signer", _Guarded(signer, key, uri, where))  # it has what an envelope asks of a signer
    return Key(key.keyid, public, False, None, guarded, uri)


def _secrets(variable: str) -> Callable[[str], str]:
    """Return what answers a signer that asks for a secret, such as the PIN of a token: the environment."""

    def secret(name: str) -> str:
        named = f"{variable}_{re.sub('[^A-Z0-9]', '_', name.upper())}"
        if named not in os.environ:
            raise ConfigurationError(f"the key asks for its {name[:40]}", where=variable, fix=f"set {named}")
        return os.environ[named]

    return secret


def signer_for(uri: str, variable: str) -> tuple[str, str]:
    """Return scheme and rest of a signer URI that somebody can open; raises ConfigurationError where nobody knows the scheme."""
    from securesystemslib.signer import SIGNER_FOR_URI_SCHEME

    from aims_mlflow.system_file.mistakes import did_you_mean

    scheme, _, rest = uri.partition(":")
    if scheme not in SIGNER_FOR_URI_SCHEME:
        fix = did_you_mean(scheme, sorted(SIGNER_FOR_URI_SCHEME), "pass the path of a PEM file, or a URI of one of the schemes")
        raise ConfigurationError(f"no signer is known for {scheme!r}, and no file is called so", where=variable, fix=fix)
    return scheme, rest


class _Guarded:
    """A signer whose calls end in time, and whose signatures are looked at before they are used."""

    def __init__(self, signer: Signer, key: Any, uri: str, where: str) -> None:
        self._signer = signer
        self.public_key = key
        self._uri = uri
        self._where = where

    def sign(self, payload: bytes) -> Signature:
        """Sign with the key service; raises ConfigurationError where it fails, is silent, or signs with another key."""
        from securesystemslib.exceptions import UnverifiedSignatureError
        from securesystemslib.signer import Signature

        made: Signature = limited(lambda: self._signer.sign(payload), "could not sign", service=self._uri, where=self._where)
        signature = Signature(self.public_key.keyid, str(getattr(made, "signature", "")))
        try:
            self.public_key.verify_signature(signature, payload)
        except UnverifiedSignatureError:
            raise ConfigurationError(
                "what the key service signed does not verify with the public key that was named for it",
                where=self._where,
                fix="name the public key of exactly this key; of RSA keys only RSASSA-PSS with SHA-256 can be used",
            ) from None
        return signature


def limited(call: Callable[[], Result], failed: str, *, service: str, where: str) -> Result:
    """Return what ``call`` returns, within ``SECONDS``; whatever it raises becomes a ConfigurationError that quotes no text of it.

    A service that has been silent is not asked again for as long: what is to be refused is then refused at once.
    """
    if time.monotonic() < _silent_until.get(service, 0.0):
        raise _dead(f"the key service {failed}: it did not answer a moment ago", where)
    if not _waiting.acquire(timeout=SECONDS):
        raise _dead(f"the key service {failed}: {MOST_WAITING} earlier calls are still unanswered", where)

    def work() -> Result:
        try:
            return call()
        finally:
            _waiting.release()

    asked = Errand(work, "aims-key-service")
    if not asked.wait(SECONDS):
        _silent_until[service] = time.monotonic() + SECONDS
        raise _dead(f"the key service {failed}: no answer in {SECONDS:g} seconds", where)
    try:
        return asked.result()
    except AimsError:
        raise
    except BaseException as error:
        log.debug("the key service failed", exc_info=error)
        raise _dead(f"the key service {failed} ({type(error).__name__})", where) from None


def _dead(what: str, where: str) -> ConfigurationError:
    fix = "see that the key service is up, that this machine may use the key, and that the library for its scheme is installed"
    return ConfigurationError(what, where=where, fix=fix)


def _public(variable: str, where: str) -> str:
    """Return the public key (PEM) that belongs to a key in a key service."""
    named = os.environ.get(variable)
    if not named:
        raise ConfigurationError("the public key of the key service is not named", where=where, fix=f"set {variable} to its PEM file")
    key = read_public_file(Path(named).expanduser())
    if key is None:
        raise ConfigurationError("there is no public key in the file", where=f"{variable}={named}", fix="name a readable PEM public key")
    return canonical_pem(Path(named).expanduser().read_text(encoding="ascii"))
