"""Which keys count, for what and from when to when: the words of ``keys.yaml``, and why a signature does not count."""

# securesystemslib.signer re-exports its face without saying so to type checkers:
# pyright: reportPrivateImportUsage=false

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Literal, get_args

from pydantic import ConfigDict, Field, PrivateAttr, model_validator

from aims_mlflow.decision import Blocker
from aims_mlflow.evidence import Word, digest
from aims_mlflow.signing.envelopes import Verified
from aims_mlflow.signing.keys import read_public
from aims_mlflow.system.parts import Text

if TYPE_CHECKING:
    from securesystemslib.signer import SSlibKey

Role = Literal["evidence", "decision", "attestation"]
"""What a key may sign: what runs leave, what the gate decides and logs, what people attest."""

ROLES: tuple[Role, ...] = get_args(Role)

KEYS_FILE = "keys.yaml"
"""The file's name, beside the policies in ``AIMS_POLICY_DIR``."""

NEAREST_FIRST = ("expired_key", "wrong_role", "revoked_key", "unknown_key")
"""Of several signatures that do not count, the one that came nearest to counting gives the reason."""

_WHAT: dict[Role, str] = {"evidence": "the evidence", "decision": "the decision", "attestation": "the attestation"}


class Revocation(Word):
    """That a key no longer counts. Without ``from`` none of its signatures does, whatever date they bear."""

    model_config = ConfigDict(populate_by_name=True)

    on: date = Field(description="the day on which it was revoked, as 2026-01-31")
    reason: Text = Field(description="why: lost, stolen, a person who has left")
    since: date | None = Field(
        default=None,
        alias="from",
        description="the first day from which its signatures do not count; those that say they are older do. Leave it out: none counts",
    )


class TrustedKey(Word):
    """A public key, whose it is, and what it may sign."""

    id: str = Field(pattern=r"^[0-9a-f]{64}$", description="the key id: 64 hex digits, as `aims keys show` prints them")
    name: Text = Field(description="whose key it is: a machine, a service, a person")
    public: str = Field(default="", description="the public key in PEM; or give file")
    file: str = Field(default="", description="a PEM file with the public key, beside this file; or give public")
    roles: tuple[Role, ...] = Field(min_length=1, description="what it may sign: evidence, decision, attestation")
    since: date = Field(description="the first day on which it counts, as 2026-01-31 (UTC)")
    until: date | None = Field(default=None, description="the last day on which it counts (UTC)")
    revoked: Revocation | None = Field(default=None, description="since when and why it no longer counts")

    @model_validator(mode="after")
    def _is_one_key(self) -> TrustedKey:
        if bool(self.public) == bool(self.file):
            raise ValueError("it needs the public key, once; give either public (PEM text) or file (a PEM file beside this one)")
        if self.public:
            key = read_public(self.public)
            if key is None:
                raise ValueError("public is no public key in PEM; paste the text of the .pub file")
            if key.keyid != self.id:
                raise ValueError(f"the id of this public key is another, {key.keyid}; correct one of the two")
        if self.until is not None and self.until < self.since:
            raise ValueError("it ends before it begins; correct since or until")
        if len(set(self.roles)) != len(self.roles):
            raise ValueError("a role stands twice; keep it once")
        return self

    def state(self, on: date) -> Literal["valid", "revoked", "not yet valid", "expired"]:
        """Return what the key is worth on a day."""
        if self.revoked is not None:
            return "revoked"
        if on < self.since:
            return "not yet valid"
        return "expired" if self.until is not None and on > self.until else "valid"


class Trust(Word):
    """Which keys count. Without any key it has nothing to say: ``gate.trusted_keys`` of the system file then counts alone."""

    version: Literal[1] = Field(default=1, description="the version of this format: 1")
    keys: tuple[TrustedKey, ...] = Field(default=(), description="every key that counts or once did")

    _from_files: dict[str, str] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _each_once(self) -> Trust:
        ids = [key.id for key in self.keys]
        twice = sorted({i for i in ids if ids.count(i) > 1})
        if twice:
            raise ValueError(f"the key {twice[0][:16]} stands in the list twice; keep one of the two")
        return self

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Trust:
        """Read ``keys.yaml`` strictly; every mistake is named with its line.

        Raises:
            ConfigurationError: the file is not there, cannot be read, has mistakes, or names no key.
        """
        from aims_mlflow.signing.trust_file import read

        return read(path)

    @property
    def sha256(self) -> str:
        """The digest of what the file says, whatever its spacing."""
        return digest(self.model_dump(mode="json", by_alias=True))

    def key(self, key_id: str) -> TrustedKey | None:
        """Return the key of that id, or None."""
        return next((key for key in self.keys if key.id == key_id), None)

    def keyring(self) -> dict[str, SSlibKey]:
        """Return the public keys by id, revoked ones too: that a signature holds does not say that it counts."""
        read = {key.id: read_public(key.public or self._from_files.get(key.id, "")) for key in self.keys}
        return {name: key for name, key in read.items() if key is not None}

    def blocker(self, verified: Verified, role: Role, at: datetime, *, dated: datetime | None = None) -> Blocker | None:
        """Say why none of the signatures counts; None where one does, or where this trust names no key at all.

        Args:
            verified: what ``verify`` gave: whose signatures hold.
            role: what was signed.
            at: the time of the one who asks. It is what ``since`` and ``until`` are held against: a signature's own date is its
                signer's word.
            dated: the time that the signed content itself claims. It is believed in one place only, where the file says so: a key
                that was revoked ``from`` a day on has signed validly before that day.
        """
        return self.blocker_of(verified.key_ids, role, at, dated=dated)

    def blocker_of(self, key_ids: Sequence[str], role: Role, at: datetime, *, dated: datetime | None = None) -> Blocker | None:
        """Say why none of these keys counts; as ``blocker``."""
        if not self.keys:
            return None
        found: list[Blocker] = []
        for key_id in key_ids:
            blocker = self._against(key_id, role, _day(at), None if dated is None else _day(dated))
            if blocker is None:
                return None
            found.append(blocker)
        if not found:
            fix = "sign with a key that keys.yaml lists"
            return Blocker(code="unknown_key", reason=f"{_WHAT[role]} has no signature that holds by any known key", fix=fix)
        return min(found, key=lambda blocker: NEAREST_FIRST.index(blocker.code))

    def _against(self, key_id: str, role: Role, today: date, dated: date | None) -> Blocker | None:
        """Say why the signature of one key does not count, or None."""
        key = self.key(key_id)
        signed = f"{_WHAT[role]} is signed by the key {key_id[:16]}"
        if key is None:
            fix = f"sign with a key that {KEYS_FILE} lists, or list this one: aims keys trust KEY.pub --role {role} --name NAME"
            return Blocker(code="unknown_key", reason=f"{signed}, which {KEYS_FILE} does not list", fix=fix)
        signed += f" ({key.name})"
        if key.revoked is not None:
            first = key.revoked.since
            if first is None or dated is None or dated >= first:
                reason = f"{signed}, which was revoked on {key.revoked.on}: {key.revoked.reason}"
                if first is not None and dated is not None:
                    reason += f"; what it signed before {first} counts, and this is dated {dated}"
                return Blocker(code="revoked_key", reason=reason, fix="make it again and sign it with a key that still counts")
        if role not in key.roles:
            reason = f"{signed}, which may sign {' and '.join(key.roles)} and not {role}"
            fix = f"sign with a key that has the role {role}, or give it to this one in {KEYS_FILE}"
            return Blocker(code="wrong_role", reason=reason, fix=fix)
        if today < key.since:
            fix = "wait for that day, or correct since; see that the gate's clock is right"
            return Blocker(code="expired_key", reason=f"{signed}, which counts only from {key.since} on", fix=fix)
        if key.until is not None and today > key.until:
            fix = f"sign with the key that came after it, or set until to a later day in {KEYS_FILE}"
            return Blocker(code="expired_key", reason=f"{signed}, which counted until {key.until}", fix=fix)
        return None


def _day(time: datetime) -> date:
    """Return the day in UTC; a time without a zone is UTC, as the recorder writes it."""
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC).date()
