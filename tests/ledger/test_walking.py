"""Walking a log: whatever is taken out of it or changed in it is found."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import date, timedelta
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aims_mlflow.auditing.entries import brief
from aims_mlflow.evidence import canonical
from aims_mlflow.ledger import Walk, entry_path, read
from aims_mlflow.ledger.entry import path_digest
from aims_mlflow.ledger.walking import _in_order
from aims_mlflow.signing import Trust, TrustedKey, sign

from .conftest import BEGAN, REGISTRY, Paper


def walked(log: Paper, files: dict[str, bytes] | None = None, **given: Any) -> Walk:
    return read(log.files if files is None else files, **({"registry": REGISTRY} | given))


def codes(found: Walk) -> set[str]:
    return {f.code for f in found.findings}


def heads(log: Paper) -> set[str]:
    return set(walked(log).heads)


class TestWhole:
    def test_a_log_with_forks_is_whole_and_in_order(self, forked: Paper) -> None:
        found = walked(forked)
        assert found.findings == ()
        assert len(found.entries) == 12
        assert len(found.heads) == 2
        place = {one.sha256: at for at, one in enumerate(found.entries)}
        assert all(place[p] < place[one.sha256] for one in found.entries for p in one.entry.parents)
        assert all(one.believed and one.key_ids == (forked.key.id,) for one in found.entries)

    def test_no_log_is_no_finding(self, paper: Paper) -> None:
        assert walked(paper) == Walk(REGISTRY)

    def test_the_order_of_the_files_says_nothing(self, forked: Paper) -> None:
        assert walked(forked, dict(reversed(forked.files.items()))) == walked(forked)


class TestKnown:
    @given(st.data())
    def test_what_was_read_before_need_not_be_read_again(self, forked: Paper, data: st.DataObject) -> None:
        gone = data.draw(st.sets(st.sampled_from(sorted(forked.files)), max_size=2))
        there = {path: content for path, content in forked.files.items() if path not in gone}
        before = {entry_path(one.sha256): brief(one) for one in walked(forked).entries}
        known = data.draw(st.sets(st.sampled_from(sorted(there))))
        found, whole = walked(forked, there | {path: before[path] for path in known}), walked(forked, there)
        assert (found.findings, found.heads) == (whole.findings, whole.heads)
        assert [brief(one) for one in found.entries] == [brief(one) for one in whole.entries]


class TestTampering:
    @given(st.data())
    @settings(max_examples=40)
    def test_any_removal_of_an_entry_that_something_follows_is_found(self, forked: Paper, data: st.DataObject) -> None:
        followed = sorted({entry_path(p) for one in walked(forked).entries for p in one.entry.parents})
        gone = data.draw(st.sets(st.sampled_from(followed), min_size=1, max_size=3))
        found = walked(forked, {path: content for path, content in forked.files.items() if path not in gone})
        missing = [f for f in found.findings if f.code == "parent_missing"]
        named = {f.what.split()[2].rstrip(",") for f in missing}
        alive = {p for one in found.entries for p in one.entry.parents}
        assert missing
        assert named == {path_digest(path)[:16] for path in gone if path_digest(path) in alive}  # type: ignore[index]  # these are entries

    @given(st.data())
    @settings(max_examples=60)
    def test_any_edit_of_an_entry_is_found(self, forked: Paper, data: st.DataObject) -> None:
        path = data.draw(st.sampled_from(sorted(forked.files)))
        content = bytearray(forked.files[path])
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] ^= 1 << data.draw(st.integers(0, 7))
        found = walked(forked, forked.files | {path: bytes(content)})
        assert {f.code for f in found.findings if f.where == path} == {"entry_altered"}
        assert len(found.entries) == 11

    @given(st.data())
    @settings(max_examples=30)
    def test_an_edit_that_takes_a_new_name_is_found_too(self, forked: Paper, data: st.DataObject) -> None:
        """Without the key, an entry that says something else has no signature that holds."""
        path = data.draw(st.sampled_from(sorted(forked.files)))
        envelope = json.loads(forked.files[path])
        statement = json.loads(base64.b64decode(envelope["payload"]))
        field = data.draw(st.sampled_from(["actor", "time", "kind"]))
        statement["predicate"][field] = {"actor": "nobody", "time": "2026-03-02T00:00:00Z", "kind": "bypass"}[field]
        content = canonical(envelope | {"payload": base64.b64encode(canonical(statement)).decode()})
        new = entry_path(hashlib.sha256(content).hexdigest())
        files = {p: c for p, c in forked.files.items() if p != path} | {new: content}
        assert "entry_bad" in codes(walked(forked, files))

    def test_entries_that_change_places_are_found(self, forked: Paper) -> None:
        first, second, *_ = sorted(forked.files)
        swapped = forked.files | {first: forked.files[second], second: forked.files[first]}
        found = walked(forked, swapped)
        assert [f.code for f in found.findings].count("entry_altered") == 2

    def test_a_cut_tail_shows_by_the_hint(self, forked: Paper) -> None:
        for head in heads(forked):
            files = {p: c for p, c in forked.files.items() if p != entry_path(head)}
            assert codes(walked(forked, files)) == set()  # nothing inside the log says so: the heads file does, see the audit
            assert "head_gone" in codes(walked(forked, files, hints=heads(forked)))

    def test_a_head_without_a_hint_is_only_a_note(self, forked: Paper) -> None:
        one, _ = heads(forked)
        (found,) = walked(forked, hints=[one]).findings
        assert (found.code, found.severity) == ("head_unnamed", "note")

    def test_a_stray_file_is_named(self, forked: Paper) -> None:
        found = walked(forked, forked.files | {"log/notes.txt": b"x"})
        assert [(f.code, f.where) for f in found.findings] == [("not_an_entry", "log/notes.txt")]

    def test_something_else_that_is_signed_is_no_entry(self, forked: Paper, make: ModuleType) -> None:
        bundle = sign(canonical(make.small().statement()), key=make.key())
        path = entry_path(hashlib.sha256(bundle).hexdigest())
        found = walked(forked, forked.files | {path: bundle})
        assert [(f.code, f.where) for f in found.findings] == [("entry_bad", path)]


class TestWrongLinks:
    def test_an_entry_of_another_registry(self, paper: Paper) -> None:
        paper.write([paper.write()], registry="f" * 32)
        assert codes(walked(paper)) == {"entry_of_another_log"}

    @pytest.mark.parametrize("number", [2, 4, 9])
    def test_a_number_that_does_not_follow(self, paper: Paper, number: int) -> None:
        paper.write([paper.write([paper.write()])], sequence=number)
        assert codes(walked(paper)) == {"sequence"}

    def test_a_clock_that_runs_back_or_ahead(self, paper: Paper) -> None:
        one = paper.write()
        paper.write([one], time=BEGAN - timedelta(minutes=6))
        assert codes(walked(paper)) == {"clock"}
        late = Paper(paper.key)
        late.write(time=BEGAN + timedelta(days=1))
        assert codes(walked(late, now=BEGAN)) == {"clock"}
        assert codes(walked(late, now=BEGAN + timedelta(days=1))) == set()

    @pytest.mark.parametrize("year", [1, 9999])
    def test_a_date_at_the_end_of_time_stops_nobody(self, paper: Paper, year: int) -> None:
        one = paper.write(time=BEGAN.replace(year=year, month=12, day=31))
        paper.write([one])
        found = walked(paper, now=BEGAN + timedelta(days=1))
        assert (codes(found), len(found.entries)) == ({"clock"} if year == 9999 else set(), 2)

    def test_a_log_that_begins_anew(self, paper: Paper) -> None:
        paper.write([paper.write()])
        paper.write(time=BEGAN + timedelta(minutes=1))  # two writers that began at once
        assert codes(walked(paper)) == set()
        paper.write(time=BEGAN + timedelta(days=1))
        assert codes(walked(paper)) == {"second_beginning"}

    def test_a_circle_is_found_though_no_digest_makes_one(self, forked: Paper) -> None:
        first, second = walked(forked).entries[:2]
        looped = first.entry.model_copy(update={"parents": (second.sha256,)})
        ones = {first.sha256: type(first)(first.sha256, looped, b""), second.sha256: second}
        assert _in_order(ones) == ([], sorted(ones))


class TestKeys:
    def trust(self, make: ModuleType, words: str = "golden", **changes: Any) -> Trust:
        key = make.key(words)
        content = {"id": key.id, "name": "the gate", "public": key.public, "roles": ("decision",), "since": date(2026, 1, 1)}
        return Trust(keys=(TrustedKey.model_validate(content | changes),))

    def test_a_key_with_the_role_counts(self, forked: Paper, make: ModuleType) -> None:
        assert walked(forked, trust=self.trust(make)).findings == ()

    @pytest.mark.parametrize(
        "changes",
        [
            {"roles": ("evidence",)},
            {"since": date(2026, 6, 1)},
            {"until": date(2026, 2, 1)},
            {"revoked": {"on": date(2026, 4, 1), "reason": "stolen"}},
        ],
        ids=["another role", "not yet", "no longer", "revoked"],
    )
    def test_a_key_that_may_not_is_found_at_each_entry(self, forked: Paper, make: ModuleType, changes: dict[str, Any]) -> None:
        found = walked(forked, trust=self.trust(make, **changes))
        assert [f.code for f in found.findings] == ["entry_key"] * 12
        assert not any(one.believed for one in found.entries)

    @pytest.mark.parametrize(
        "changes",
        [{"until": date(2026, 3, 1)}, {"revoked": {"on": date(2026, 4, 1), "reason": "left", "from": date(2026, 3, 2)}}],
        ids=["came to its end since", "revoked from a later day on"],
    )
    def test_what_a_key_signed_while_it_counted_stands(self, forked: Paper, make: ModuleType, changes: dict[str, Any]) -> None:
        assert walked(forked, trust=self.trust(make, **changes)).findings == ()

    def test_a_stranger_among_the_entries_is_found(self, paper: Paper, make: ModuleType) -> None:
        one = paper.write()
        stranger = paper.write([one], key=make.key("other"))
        found = walked(paper, trust=self.trust(make))
        assert [(f.code, f.where) for f in found.findings] == [("entry_key", entry_path(stranger))]
        assert [one.believed for one in found.entries] == [True, False]
