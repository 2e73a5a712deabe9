"""``keys.yaml``: read strictly, every mistake named with its line; written whole, and nothing in it lost."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from securesystemslib.signer import CryptoSigner

from aims_mlflow.errors import ConfigurationError
from aims_mlflow.signing import ROLES, Revocation, Trust, TrustedKey
from aims_mlflow.signing.trust_file import rewriting, text
from tests.golden import make

KEY, OTHER = make.key(), make.key("other")
PEM = "".join(f"      {line}\n" for line in KEY.public.splitlines())
GOOD = f"""\
version: 1
keys:
  - id: {KEY.id}
    name: training cluster
    public: |
{PEM}    roles: [evidence]
    since: 2026-01-01
"""


def written(tmp_path: Path, content: str) -> Path:
    path = tmp_path / "keys.yaml"
    path.write_text(content)
    return path


def key(words: str = "golden", **changes: Any) -> TrustedKey:
    made = make.key(words)
    content = {"id": made.id, "public": made.public, "name": words, "roles": ("evidence",), "since": date(2026, 1, 1)}
    return TrustedKey.model_validate(content | changes)


class TestRead:
    def test_a_list_is_read(self, tmp_path: Path) -> None:
        trust = Trust.read(
            written(tmp_path, GOOD + "    until: 2027-01-01\n    revoked: {on: 2026-05-01, reason: lost, from: 2026-04-01}\n")
        )
        (only,) = trust.keys
        assert (only.id, only.name, only.roles, only.public) == (KEY.id, "training cluster", ("evidence",), KEY.public)
        assert (only.since, only.until) == (date(2026, 1, 1), date(2027, 1, 1))
        assert only.revoked == Revocation(on=date(2026, 5, 1), reason="lost", since=date(2026, 4, 1))

    def test_a_key_may_stand_in_a_file_beside(self, tmp_path: Path) -> None:
        (tmp_path / "keys").mkdir()
        (tmp_path / "keys" / "train.pub").write_text(KEY.public)
        inline = Trust.read(written(tmp_path, GOOD))
        beside = Trust.read(written(tmp_path, GOOD.replace(f"    public: |\n{PEM}", "    file: keys/train.pub\n")))
        assert set(beside.keyring()) == set(inline.keyring()) == {KEY.id}

    @pytest.mark.parametrize(
        ("old", "new", "said"),
        [
            (
                "name: training cluster",
                "nmae: training cluster",
                r"keys.yaml:4:5  keys\[0\].nmae: unknown key 'nmae'.*'name'",
            ),
            ("roles: [evidence]", "roles: [evidense]", "'evidense' is not accepted here. Fix: did you mean 'evidence'"),
            ("roles: [evidence]", "roles: []", "it is empty"),
            ("roles: [evidence]", "roles: evidence", "a list is expected here"),
            ("since: 2026-01-01", "since: 2026-02-30", "not a day of the calendar"),
            ("    since: 2026-01-01\n", "", "this key is missing. Fix: add since"),
            ("since: 2026-01-01", "since: 2026-01-01\n    until: 2025-01-01", "ends before it begins"),
            ("since: 2026-01-01", "since: 2026-01-01\n    since: 2026-01-02", "since"),
            ("since: 2026-01-01", "since: 2026-01-01\n    revoked: {on: 2026-05-01}", "add reason"),
            (
                "since: 2026-01-01",
                "since: 2026-01-01\n    revoked: {on: 2026-05-01, reason: lost, form: 2026-04-01}",
                "did you mean 'from'",
            ),
            ("version: 1", "version: 2", "is not accepted here"),
            ("version: 1", "verison: 1", "did you mean 'version'"),
            ("name: training cluster", "name: &n training cluster", "anchor"),
            ("name: training cluster", "name: *n", "alias"),
            ("name: training cluster", "name: !!python/name:os.system x", "tag"),
            (KEY.id, OTHER.id, f"the id of this public key is another, {KEY.id}"),
            (KEY.id, KEY.id[:16], "does not have the form"),
            ("BEGIN PUBLIC", "BEGIN", "no public key in PEM"),
            ("    public: |\n", "    file: x.pub\n    public: |\n", "once"),
            (f"    public: |\n{PEM}", "", "needs the public key, once"),
            (f"    public: |\n{PEM}", "    file: absent.pub\n", r"keys\[0\].file: the file cannot be read: No such file"),
            (f"    public: |\n{PEM}", "    file: private.pub\n", "holds a PRIVATE key"),
            (f"    public: |\n{PEM}", "    file: other.pub\n", "is another"),
            (f"    public: |\n{PEM}", "    file: words.pub\n", "holds no public key"),
            (GOOD, "", "the file is empty"),
            (GOOD, "version: 1\n", "lists no key"),
            (GOOD, "version: 1\nkeys: []\n", "lists no key"),
            (GOOD, "version: 1\nkeys:\n", "lists no key|there is no value"),
            (GOOD, "- keys\n", "not a mapping"),
            (GOOD, GOOD + "---\n" + GOOD, "second document"),
            (GOOD, GOOD + "\x07", "control character"),
            (GOOD, GOOD + "#" * 300_000, "longer than"),
            (GOOD, GOOD + GOOD.partition("keys:\n")[2], "twice"),
        ],
        ids=lambda value: None if len(value) > 40 or "\n" in value else value,
    )
    def test_a_mistake_is_named_with_its_place_and_its_fix(self, old: str, new: str, said: str, tmp_path: Path) -> None:
        (tmp_path / "private.pub").write_bytes(CryptoSigner.generate_ed25519().private_bytes)
        (tmp_path / "other.pub").write_text(OTHER.public)
        (tmp_path / "words.pub").write_text("words")
        assert old in GOOD
        with pytest.raises(ConfigurationError, match=said) as refused:
            Trust.read(written(tmp_path, GOOD.replace(old, new, 1)))
        assert "Fix:" in str(refused.value)
        assert "system file" not in str(refused.value)

    def test_what_is_not_there_is_said(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match=r"no such key list.*aims keys trust"):
            Trust.read(tmp_path / "keys.yaml")
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(ConfigurationError, match="not a regular file"):
            Trust.read(tmp_path / "pipe")


class TestDocumentation:
    @pytest.mark.parametrize("part", [Trust, TrustedKey, Revocation], ids=lambda part: part.__name__)
    def test_every_key_says_what_it_means_and_stands_in_the_documentation(self, part: Any) -> None:
        rows = (Path(__file__).parents[2] / "docs" / "keys.md").read_text("utf-8").splitlines()
        for name, field in part.model_fields.items():
            row = [line for line in rows if line.startswith(f"| `{field.alias or name}` |") and line.endswith(f"| {field.description} |")]
            assert row, f"{part.__name__}.{name}: {field.description}"


LETTERS = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), min_size=1, max_size=40)
DAYS = st.dates(date(2020, 1, 1), date(2040, 1, 1))


@st.composite
def trusts(draw: st.DrawFn) -> Trust:
    keys = []
    for words in draw(st.lists(st.sampled_from(["golden", "other", "third"]), min_size=1, max_size=3, unique=True)):
        since = draw(DAYS)
        revoked = draw(st.none() | st.fixed_dictionaries({"on": DAYS, "reason": LETTERS}, optional={"from": DAYS}))
        roles = draw(st.lists(st.sampled_from(ROLES), min_size=1, unique=True))
        until = draw(st.none() | st.dates(since, date(2041, 1, 1)))
        keys.append(key(words, name=draw(LETTERS), roles=tuple(roles), since=since, until=until, revoked=revoked))
    return Trust(keys=tuple(keys))


class TestWrite:
    @settings(max_examples=60)
    @given(trust=trusts())
    def test_whatever_is_written_comes_back(self, trust: Trust, tmp_path_factory: pytest.TempPathFactory) -> None:
        path = tmp_path_factory.mktemp("lists") / "keys.yaml"
        with rewriting(path) as write:
            write(trust)
        assert Trust.read(path) == trust
        assert sorted(p.name for p in path.parent.iterdir()) == [".keys.yaml.lock", "keys.yaml"]

    def test_it_reads_as_people_write_it(self) -> None:
        written = text(Trust(keys=(key(revoked={"on": date(2026, 5, 1), "reason": "lost"}),)))
        assert "public: |\n    -----BEGIN PUBLIC KEY-----\n" in written
        assert "null" not in written
        assert written.startswith("# Whose signatures count")

    def test_a_list_that_cannot_be_written_stays_as_it_was(self, tmp_path: Path) -> None:
        path = written(tmp_path, GOOD)
        with pytest.raises(ConfigurationError, match="lists no key"), rewriting(path) as write:
            write(Trust())
        assert path.read_text() == GOOD
        with pytest.raises(ConfigurationError, match="cannot be written"), rewriting(tmp_path / "absent" / "keys.yaml") as write:
            write(Trust(keys=(key(),)))

    def test_a_link_is_followed_and_the_mode_stays(self, tmp_path: Path) -> None:
        (tmp_path / "real").mkdir()
        real = written(tmp_path / "real", GOOD)
        real.chmod(0o640)
        link = tmp_path / "keys.yaml"
        link.symlink_to(real)
        with rewriting(link) as write:
            write(Trust(keys=(key(), key("other"))))
        assert link.is_symlink()
        assert len(Trust.read(real).keys) == 2
        assert real.stat().st_mode & 0o777 == 0o640

    def test_of_people_who_change_it_at_once_nobody_loses_what_he_did(self, tmp_path: Path) -> None:
        path = tmp_path / "keys.yaml"
        pems = []
        for number in range(4):
            pem = tmp_path / f"{number}.pub"
            pem.write_text(make.key(f"racer {number}").public)
            pems.append(pem)
        command = [sys.executable, "-m", "aims_mlflow.cli", "keys", "trust", "--role", "evidence", "--file", str(path), "--name", "racer"]
        racers = [subprocess.Popen([*command, str(pem)], stdout=subprocess.DEVNULL) for pem in pems]
        assert [racer.wait() for racer in racers] == [0] * 4
        assert {k.id for k in Trust.read(path).keys} == {make.key(f"racer {n}").id for n in range(4)}
