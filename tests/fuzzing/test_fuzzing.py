"""The corpus and some thousand new contents: every reader of foreign bytes reads them, or says in our own words why not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from aims_mlflow.errors import VerificationError
from tests.full import part
from tests.fuzzing import readers as table
from tests.fuzzing.__main__ import CORPUS, Tally, kept, plain
from tests.fuzzing.mutating import LARGEST, mutated
from tests.fuzzing.readers import Reader, readers, tried

NAMES = sorted(path.name for path in CORPUS.iterdir())


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Reader]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIMS_HOME", "")
        yield readers(tmp_path_factory.mktemp("fuzzing"))


@pytest.mark.parametrize("name", NAMES)
def test_what_has_been_found_is_read_or_refused(known: dict[str, Reader], name: str) -> None:
    contents = kept(name)
    assert contents
    for content in contents:
        found, said = tried(known[name], content)
        assert found is None, content[:200]
        assert said


def test_every_reader_has_a_folder_in_the_corpus_which_is_small(known: dict[str, Reader]) -> None:
    files = [path for path in CORPUS.rglob("*") if path.is_file()]
    assert sorted(known) == NAMES
    assert len(files) < 200
    assert sum(path.stat().st_size for path in files) < 1_000_000


def test_seeds_are_good_and_bad_as_they_are_called(known: dict[str, Reader]) -> None:
    for name, reader in known.items():
        said = [tried(reader, seed) for seed in reader.seeds]
        assert not [found for found, _ in said if found is not None], name
        assert "read" in [words for _, words in said], name


def test_thousands_of_new_contents_find_nothing(known: dict[str, Reader], tmp_path: Path) -> None:
    tally = Tally(known, tmp_path)
    plain(tally, part(600, 10), seed=20_261_122)
    assert not tally.finds, tally.table()
    assert min(tally.tried.values()) == part(600, 10)


def test_one_seed_gives_the_same_contents(known: dict[str, Reader]) -> None:
    seeds = known["envelope"].seeds
    first, second = ([mutated(seeds[0], random, seeds) for _ in range(50)] for random in (Random(3), Random(3)))  # noqa: S311 - the same each time
    assert first == second
    assert len({*first}) > 40
    assert max(map(len, first)) <= LARGEST


def broken(content: bytes) -> None:
    if b"!" in content:
        raise KeyError(content)
    if b"?" in content:
        raise VerificationError("a question")


def slow(content: bytes) -> None:
    sum(i * len(content) for i in range(300_000))


def large(content: bytes, megabytes: int = 300) -> None:
    assert len(content * (megabytes * 2**20))


@pytest.mark.parametrize(("read", "what"), [(broken, "KeyError"), (slow, "seconds"), (large, "MB")], ids=["another-error", "slow", "large"])
def test_what_no_reader_may_do_is_a_find(read: Callable[[bytes], None], what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "SECONDS", 0.001 if read is slow else 100.0)
    monkeypatch.setattr(table, "MEGABYTES", 200 if read is large else 10_000)
    found, _ = tried(Reader("planted", (), read), b"!")
    assert found is not None
    assert what in found.what


def test_what_took_much_memory_before_hides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    large(b"!", 900)
    monkeypatch.setattr(table, "SECONDS", 100.0)
    for _ in range(2):
        found, _ = tried(Reader("planted", (), large), b"!")
        assert found is not None
        assert "MB" in found.what
    assert tried(Reader("planted", (), broken), b"fine") == (None, "read")


def test_a_find_is_kept_once_with_its_content_and_a_refusal_is_none(tmp_path: Path) -> None:
    tally = Tally({"planted": Reader("planted", (), broken)}, tmp_path)
    for content in (b"fine", b"?", b"!1", b"!2"):
        tally.take(0, content)
    assert (tally.tried["planted"], tally.read["planted"], len(tally.finds)) == (4, 1, 1)
    assert kept("planted", tmp_path) == [b"!1"]
    assert "1 finds" in tally.table()
