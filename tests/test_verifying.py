"""What is said of a signed file that holds: its kind, in a sentence what it says, whose it is, and whether its keys count."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from aims_mlflow.errors import VerificationError
from aims_mlflow.evidence import canonical
from aims_mlflow.ledger.entry import Entry, Facts, content_digest
from aims_mlflow.signing import Key, Role, Trust, TrustedKey, seal_bundle, sign
from aims_mlflow.verifying import Checked, checked, compare_model
from tests.golden import make

GOLDEN = Path(__file__).parent / "golden"
RUN = "0123456789abcdef0123456789abcdef"
EVALUATED, DECIDED = datetime(2026, 3, 1, 12, tzinfo=UTC), datetime(2026, 3, 2, 12, tzinfo=UTC)
SAID = {  # name -> kind, what its key must be trusted for, system, run, time, what it says
    "bundles/good-bundle": ("bundle", "evidence", "golden", RUN, EVALUATED, "2 results, complete, the run finished"),
    "decisions/good-allowed": (
        *("decision", "decision", "golden", RUN, DECIDED),
        "models:/golden/7 may be promoted as champion: 11 controls have the evidence that the policy asks for",
    ),
    "decisions/good-undecided": (
        *("decision", "decision", "", "", DECIDED),
        "models:/golden/7 could not be decided on, and is not promoted as champion: no policy",
    ),
    "entries/good-first": ("log entry", "decision", "golden", RUN, DECIDED, "decision of golden/7 as champion, number 1, after 0 others"),
    "entries/good-second": ("log entry", "decision", "", "", DECIDED, "withdrawal of golden/7 as champion, number 2, after 1 others"),
    "events/good-incident": (
        *("case event", "attestation", "golden", "", DECIDED),
        "incident in-0123456789ab: opened by the golden files, after 0 others",
    ),
    "events/good-opened": (
        *("case event", "evidence", "golden", RUN, DECIDED),
        "nonconformity nc-0123456789ab: opened by the golden files, after 0 others",
    ),
}


def golden(name: str) -> Checked:
    return checked((GOLDEN / f"{name}.dsse.json").read_bytes())


@pytest.mark.parametrize("name", SAID)
def test_a_file_that_holds_is_told(name: str) -> None:
    found = golden(name)
    assert (found.kind, found.role, found.system, found.run, found.time, found.said) == SAID[name]
    assert found.verified.key_ids


def entry(**facts: str) -> bytes:
    held = Facts.model_validate(facts)
    made = Entry(
        registry="0" * 32,
        sequence=1,
        kind="bypass",
        time=DECIDED,
        actor="auditor",
        collector="test",
        content_sha256=content_digest(held),
        facts=held,
    )
    return sign(canonical(made.statement()), key=make.key())


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({}, "bypass, number 1, after 0 others"),
        ({"model": "loans"}, "bypass of loans, number 1, after 0 others"),
        ({"model": "loans", "version": "3"}, "bypass of loans/3, number 1, after 0 others"),
        ({"version": "3"}, "bypass, number 1, after 0 others"),
        ({"model": "loans", "stage": "Production"}, "bypass of loans as Production, number 1, after 0 others"),
        ({"model": "loans", "version": "3", "alias": "champion"}, "bypass of loans/3 as champion, number 1, after 0 others"),
    ],
    ids=["nothing", "model", "version", "version-alone", "stage", "alias"],
)
def test_an_entry_says_as_much_as_it_knows(facts: dict[str, str], said: str) -> None:
    assert checked(entry(**facts)).said == said


def test_a_run_that_was_not_complete_says_so_loudly() -> None:
    assert "NOT complete" in checked(seal_bundle(make.small().model_copy(update={"complete": False}), make.key())).said


def test_only_the_keys_that_are_asked_for_count() -> None:
    content = (GOLDEN / "bundles" / "good-bundle.dsse.json").read_bytes()
    assert checked(content, keys=[make.key().id]).verified.trusted
    with pytest.raises(VerificationError, match="does not trust"):
        checked(content, keys=["0" * 64])


def listed(key: Key, *roles: Role, until: date | None = None) -> Trust:
    one = TrustedKey(id=key.id, name="golden", public=key.public, roles=roles, since=date(2026, 1, 1), until=until)
    return Trust(keys=(one,))


def test_a_list_of_keys_gives_the_public_key_that_the_signature_lacks() -> None:
    bare = (GOLDEN / "bundles" / "bad-unknown-key.dsse.json").read_bytes()
    with pytest.raises(VerificationError, match="nowhere to be found"):
        checked(bare)
    assert checked(bare, trust=listed(make.key(), "evidence")).verified.key_ids == (make.key().id,)
    with pytest.raises(VerificationError, match="nowhere to be found"):
        checked(bare, trust=listed(make.key("nobody"), "evidence"))


def test_the_list_is_asked_for_the_role_of_the_file_unless_another_is_named() -> None:
    found, trust = golden("bundles/good-bundle"), listed(make.key(), "evidence")
    assert found.blocker(trust, DECIDED) is None
    refused = found.blocker(trust, DECIDED, "decision")
    assert refused is not None
    assert refused.code == "wrong_role"


def test_a_key_is_held_against_the_time_of_asking_and_a_revocation_against_that_of_the_file() -> None:
    found, trust = golden("bundles/good-bundle"), listed(make.key(), "evidence", until=DECIDED.date())
    assert found.blocker(trust, DECIDED) is None
    late = found.blocker(trust, DECIDED + timedelta(days=1))
    assert late is not None
    assert late.code == "expired_key"
    revoked = {"on": "2026-03-05", "reason": "lost", "from": "2026-03-02"}
    held = Trust.model_validate({"keys": [trust.keys[0].model_dump(by_alias=True) | {"until": None, "revoked": revoked}]})
    assert found.blocker(held, DECIDED + timedelta(days=9)) is None
    other = golden("decisions/good-allowed").blocker(held, DECIDED + timedelta(days=9), "evidence")
    assert other is not None
    assert other.code == "revoked_key"


def test_only_a_bundle_with_a_model_can_be_compared_with_files(tmp_path: Path) -> None:
    assert compare_model(golden("bundles/good-of-files"), GOLDEN / "model") == 2
    for name in ("decisions/good-allowed", "bundles/good-no-model-and-no-data"):
        with pytest.raises(VerificationError, match="about no model files"):
            compare_model(golden(name), GOLDEN / "model")
    with pytest.raises(VerificationError, match="not those that were evaluated: missing MLmodel, data/weights"):
        compare_model(golden("bundles/good-of-files"), tmp_path)
