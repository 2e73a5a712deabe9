"""Whose signature counts, for what and when: each way of not counting has its own code and its own words."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from aims_mlflow.decision import Blocker, VersionFacts
from aims_mlflow.evidence import State
from aims_mlflow.gate import decide
from aims_mlflow.signing import ROLES, Revocation, Trust, TrustedKey, Verified
from tests.golden import make

TODAY = datetime(2026, 3, 2, 12, tzinfo=UTC)
KEY, OTHER = make.key(), make.key("other")
STOLEN: dict[str, Any] = {"on": date(2026, 2, 20), "reason": "the laptop was stolen"}


def trusted(**changes: Any) -> TrustedKey:
    content: dict[str, Any] = {
        "id": KEY.id,
        "public": KEY.public,
        "name": "training cluster",
        "roles": ("evidence",),
        "since": date(2026, 1, 1),
    }
    return TrustedKey.model_validate(content | changes)


def signed(*key_ids: str) -> Verified:
    return Verified(b"", key_ids, trusted=False, development=False, sha256="0" * 64)


FACTS = VersionFacts(name="golden", version="7", source="models:/m-golden", run_id=make.RUN_ID, run_status="FINISHED")
ELSE = {"id": OTHER.id, "public": OTHER.public, "name": "another machine"}

BLOCKED: list[tuple[str, dict[str, Any], str, str]] = [
    ("unknown", ELSE, "unknown_key", "keys.yaml does not list"),
    ("revoked", {"revoked": STOLEN}, "revoked_key", r"training cluster\), which was revoked on 2026-02-20: the laptop was stolen"),
    ("revoked-from-before-the-signature", {"revoked": STOLEN | {"from": date(2026, 2, 1)}}, "revoked_key", "before 2026-02-01 counts"),
    ("revoked-and-of-another-role", {"revoked": STOLEN, "roles": ("decision",)}, "revoked_key", "was revoked"),
    ("role", {"roles": ("decision", "attestation")}, "wrong_role", "may sign decision and attestation and not evidence"),
    ("not-yet", {"since": date(2026, 3, 3)}, "expired_key", "counts only from 2026-03-03 on"),
    ("no-longer", {"until": date(2026, 3, 1)}, "expired_key", "counted until 2026-03-01"),
]
COUNTS: list[tuple[str, dict[str, Any]]] = [
    ("plainly", {}),
    ("of-several-roles", {"roles": ROLES}),
    ("on-its-first-day", {"since": date(2026, 3, 2)}),
    ("on-its-last-day", {"until": date(2026, 3, 2)}),
    ("revoked-from-after-the-signature", {"revoked": STOLEN | {"from": date(2026, 3, 2)}}),
]


class TestBlocker:
    @pytest.mark.parametrize(("changes", "code", "said"), [row[1:] for row in BLOCKED], ids=[row[0] for row in BLOCKED])
    def test_each_has_its_own_words(self, changes: dict[str, Any], code: str, said: str) -> None:
        trust = Trust(keys=(trusted(**changes),))
        blocker = trust.blocker(signed(KEY.id), "evidence", TODAY, dated=make.FINISHED)
        assert blocker is not None
        assert blocker.code == code
        assert blocker.fix
        assert re.search(said, blocker.reason)

    @pytest.mark.parametrize("changes", [row[1] for row in COUNTS], ids=[row[0] for row in COUNTS])
    def test_what_counts_counts(self, changes: dict[str, Any]) -> None:
        assert Trust(keys=(trusted(**changes),)).blocker(signed(KEY.id), "evidence", TODAY, dated=make.FINISHED) is None

    def test_no_signature_at_all_is_no_known_key(self) -> None:
        blocker = Trust(keys=(trusted(),)).blocker(signed(), "evidence", TODAY)
        assert blocker is not None
        assert (blocker.code, "no signature that holds" in blocker.reason) == ("unknown_key", True)

    def test_without_a_list_nothing_is_said(self) -> None:
        assert Trust().blocker(signed(), "decision", TODAY) is None

    def test_a_signatures_own_date_makes_no_revoked_key_count(self) -> None:
        """A thief dates what he signs as he likes."""
        trust = Trust(keys=(trusted(revoked=STOLEN),))
        for dated in (None, datetime(2026, 1, 2, tzinfo=UTC), TODAY):
            blocker = trust.blocker(signed(KEY.id), "evidence", TODAY, dated=dated)
            assert blocker is not None
            assert blocker.code == "revoked_key"

    def test_a_date_is_believed_only_where_the_list_says_from_when_and_something_is_dated(self) -> None:
        trust = Trust(keys=(trusted(revoked=STOLEN | {"from": date(2026, 2, 10)}),))
        before, after = datetime(2026, 2, 9, 23, 59, tzinfo=UTC), datetime(2026, 2, 10, tzinfo=UTC)
        assert trust.blocker(signed(KEY.id), "evidence", TODAY, dated=before) is None
        for dated in (after, None):
            assert trust.blocker(signed(KEY.id), "evidence", TODAY, dated=dated) is not None

    def test_one_signature_that_counts_is_enough_and_else_the_nearest_speaks(self) -> None:
        both = Trust(keys=(trusted(), trusted(**ELSE, revoked=STOLEN)))
        assert both.blocker(signed(OTHER.id, KEY.id), "evidence", TODAY) is None
        blocker = both.blocker(signed("f" * 64, OTHER.id, KEY.id), "decision", TODAY)
        assert blocker is not None
        assert blocker.code == "wrong_role"

    def test_a_day_is_a_day_in_utc(self) -> None:
        trust = Trust(keys=(trusted(until=date(2026, 3, 1)),))
        west = datetime(2026, 3, 1, 23, tzinfo=timezone(timedelta(hours=-5)))
        assert trust.blocker(signed(KEY.id), "evidence", west) is not None
        assert trust.blocker(signed(KEY.id), "evidence", datetime(2026, 3, 1, 23, 59)) is None  # noqa: DTZ001 - without a zone it is UTC

    @given(
        since=st.dates(date(2025, 1, 1), date(2027, 1, 1)),
        days=st.none() | st.integers(0, 400),
        revoked=st.booleans(),
        role=st.sampled_from(ROLES),
        roles=st.sets(st.sampled_from(ROLES), min_size=1),
        at=st.datetimes(datetime(2025, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001 - Hypothesis adds the zone
    )
    def test_a_key_counts_exactly_in_its_time_and_role(
        self, since: date, days: int | None, revoked: bool, role: Any, roles: set[Any], at: datetime
    ) -> None:
        until = None if days is None else since + timedelta(days=days)
        key = trusted(since=since, until=until, roles=tuple(roles), revoked=STOLEN if revoked else None)
        counts = not revoked and role in roles and since <= at.date() and (until is None or at.date() <= until)
        assert (Trust(keys=(key,)).blocker(signed(KEY.id), role, at) is None) == counts
        assert (key.state(at.date()) == "valid") == (not revoked and since <= at.date() and (until is None or at.date() <= until))


class TestWords:
    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"public": ""}, "needs the public key, once"),
            ({"file": "key.pub"}, "needs the public key, once"),
            ({"public": "PEM"}, "no public key in PEM"),
            ({"public": OTHER.public}, f"is another, {OTHER.id}"),
            ({"until": date(2025, 12, 31)}, "ends before it begins"),
            ({"roles": ("evidence", "evidence")}, "stands twice"),
            ({"roles": ()}, "at least 1"),
            ({"roles": ("gate",)}, "evidence"),
            ({"id": "abc"}, "pattern"),
        ],
        ids=["no-key", "two-keys", "no-pem", "other-id", "dates", "role-twice", "no-role", "unknown-role", "id"],
    )
    def test_a_key_that_contradicts_itself_is_none(self, changes: dict[str, Any], said: str) -> None:
        with pytest.raises(ValidationError, match=said):
            trusted(**changes)

    def test_a_key_stands_once(self) -> None:
        with pytest.raises(ValidationError, match="twice"):
            Trust(keys=(trusted(), trusted()))

    def test_the_keyring_has_revoked_keys_too(self) -> None:
        trust = Trust(keys=(trusted(revoked=Revocation(**STOLEN)),))
        assert set(trust.keyring()) == {KEY.id}
        assert trust.sha256 != Trust(keys=(trusted(),)).sha256


class TestGate:
    """The gate asks the list as well as the system's own gate.trusted_keys: a key must be in both where both name any."""

    def decided(self, trust: Trust, *keys: str, **gate: Any) -> Any:
        return decide(
            make.system(gate=gate) if gate else make.system(),
            make.bundle(),
            FACTS,
            now=TODAY,
            verification=signed(*(keys or (KEY.id,))),
            model_files=make.FILES,
            alias="champion",
            trust=trust,
        )

    def test_a_listed_key_lets_through_and_is_named(self) -> None:
        decision = self.decided(Trust(keys=(trusted(),)))
        assert decision.allowed
        assert any("training cluster (evidence)" in note for note in decision.notes)
        assert not any("any key counts" in note for note in decision.notes)

    @pytest.mark.parametrize(("changes", "code"), [(row[1], row[2]) for row in BLOCKED], ids=[row[0] for row in BLOCKED])
    def test_each_key_that_does_not_count_blocks_with_its_code(self, changes: dict[str, Any], code: str) -> None:
        decision = self.decided(Trust(keys=(trusted(**changes),)))
        assert not decision.allowed
        assert decision.decided
        assert [b.code for b in decision.blockers] == [code]
        assert {line.state for line in decision.lines} == {State.MISSING}

    def test_a_key_must_be_in_both_lists(self) -> None:
        both = Trust(keys=(trusted(), trusted(**ELSE)))
        assert self.decided(both, KEY.id, trusted_keys=[KEY.id]).allowed
        refused = self.decided(both, OTHER.id, trusted_keys=[KEY.id])
        assert [b.code for b in refused.blockers] == ["bad_bundle"]
        split = self.decided(Trust(keys=(trusted(**ELSE),)), KEY.id, OTHER.id, trusted_keys=[KEY.id])
        assert [b.code for b in split.blockers] == ["unknown_key"]

    def test_a_key_that_is_nowhere_to_be_found_has_its_own_code(self) -> None:
        decision = decide(
            make.system(),
            None,
            FACTS,
            now=TODAY,
            verification=Blocker(code="missing_key", reason="its public key is nowhere to be found"),
            model_files=make.FILES,
        )
        assert [b.code for b in decision.blockers] == ["missing_key"]
        assert {line.state for line in decision.lines} == {State.MISSING}
