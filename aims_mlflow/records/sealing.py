"""The seal of a published record: a signed envelope beside it with the digest of its bytes, so that a change of it shows.

It says that nobody has touched the record since its maker signed it, not that the record is right: what it rests on is in the
bundles, which are signed by themselves.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import Field, ValidationError

from aims_mlflow.errors import AimsError, VerificationError
from aims_mlflow.evidence import Word, canonical
from aims_mlflow.records.reading import Declared
from aims_mlflow.signing import Verified, sign, strict_json, verify

RECORD = "aims/record.json"
"""Where the record stands among the artifacts of its run."""

PATH = "aims/record.dsse.json"
"""Where its seal stands, beside it."""

TYPE = "application/vnd.aims-mlflow.record-seal.v1+json"
"""The payload type of its envelope: the JSON of ``Seal``."""

AGAIN = "make it again, and find out who changed it: aims summarise {}"

log = logging.getLogger("aims_mlflow")


class Seal(Word):
    """What is signed: which record it is, by the digest of its bytes, of which system, and in which run it stands."""

    format: Literal["aims-mlflow record seal 1"] = "aims-mlflow record seal 1"
    system_id: str
    run_id: str
    record_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


@dataclass(frozen=True)
class Sealed:
    """What became of a seal that holds: whose key signed, and why that key does not count where it does not."""

    verified: Verified
    listed: bool
    doubt: str = ""


def seal(record: bytes, system_id: str, run_id: str) -> bytes | None:
    """Return the signed envelope for a record's bytes; None where no key is at hand, so that the record stands unsigned."""
    said = Seal(system_id=system_id, run_id=run_id, record_sha256=hashlib.sha256(record).hexdigest())
    try:
        return sign(canonical(said.model_dump(mode="json")), TYPE)
    except (AimsError, OSError) as error:
        log.warning("the record of %s is not signed: %s", system_id, error)
        return None


def unseal(envelope: bytes, record: bytes, system_id: str, run_id: str, said: Declared, now: datetime) -> Sealed:
    """Verify the seal of a record.

    Args:
        envelope: the bytes of the seal.
        record: the bytes of the record.
        system_id: the system whose record it should be.
        run_id: the run in which both stand.
        said: the system file at hand, and whose keys count.
        now: the time at which a key has to count.

    Raises:
        VerificationError: the signature does not hold, or what was signed is another record, system or run.
    """
    verified = verify(envelope, payload_type=TYPE, keyring=said.trust.keyring())
    fix = AGAIN.format(system_id)
    try:
        signed = Seal.model_validate(strict_json(verified.payload, "payload"))
    except ValidationError:
        raise VerificationError("the seal does not have the shape of one", where=PATH, fix=fix) from None
    if (signed.system_id, signed.run_id) != (system_id, run_id):
        raise VerificationError("the seal is of another system's record, or of another run", where=PATH, fix=fix)
    if signed.record_sha256 != hashlib.sha256(record).hexdigest():
        raise VerificationError("the record is not the one that was signed: it has been altered since", where=RECORD, fix=fix)
    return _weighed(verified, said, now)


def _weighed(verified: Verified, said: Declared, now: datetime) -> Sealed:
    """Say whether a key that signed counts: those that may sign evidence may sign records."""
    trusted = {t.strip().lower() for t in said.system.gate.trusted_keys}
    blocker = said.trust.blocker(verified, "evidence", now)
    if blocker is not None:
        return Sealed(verified, listed=False, doubt=blocker.reason.replace("the evidence is", "the record is"))
    if said.trust.keys or trusted & set(verified.key_ids):
        return Sealed(verified, listed=True)
    doubt = "the key that signed the record is none of gate.trusted_keys" if trusted else ""
    return Sealed(verified, listed=False, doubt=doubt)
