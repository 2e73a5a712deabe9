"""What people have said: attestations and waivers, and how long they hold."""

from __future__ import annotations

from datetime import date

from aims_mlflow.records.reading import Declared, Seen
from aims_mlflow.records.words import PersonsWord


def persons_words(said: Declared, seen: Seen | None, today: date) -> tuple[PersonsWord, ...]:
    """Return attestations and waivers: those of the system file, and attestations given in the run."""
    made = []
    in_run = seen.bundle.attestations if seen is not None and seen.bundle is not None else ()
    from_run = (seen.bundle_id,) if seen is not None and seen.bundle_id else ()
    for given, cited, where in [(a, said.citation, "system file") for a in said.system.attestations] + [
        (a, from_run, "run") for a in in_run
    ]:
        about = f"does not apply ({where})" if given.not_applicable else where
        text = f"{given.statement} [{given.reference}]" if given.reference else given.statement
        made.append(_word("attestation", given.control, about, text, given.by, given.on, given.expires, cited, today))
    for waiver in said.system.waivers:
        about = ", ".join(filter(None, (waiver.requirement, waiver.check, waiver.metric, waiver.column))) or "the whole control"
        made.append(
            _word("waiver", waiver.control, about, waiver.reason, waiver.approved_by, waiver.on, waiver.expires, said.citation, today)
        )
    return tuple(sorted(made, key=lambda w: (w.expires or date.max, w.control)))


def _word(
    kind: str, control: str, about: str, text: str, by: str, on: date, expires: date | None, cited: tuple[str, ...], today: date
) -> PersonsWord:
    left = (expires - today).days if expires else None
    return PersonsWord.model_validate(
        {
            "kind": kind,
            "control": control,
            "about": about,
            "text": text,
            "by": by,
            "on": on,
            "expires": expires,
            "expired": left is not None and left < 0,
            "days_left": left,
            "evidence_ids": cited,
        }
    )
