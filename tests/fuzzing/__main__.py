"""Fuzz every reader of foreign bytes: ``python -m tests.fuzzing --minutes 60``. Guided by coverage where atheris is installed.

Finds go to ``tests/fuzzing/corpus/<reader>``, where the tests read them again from then on.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.fuzzing.readers import Find, Reader

POOL = 500
"""Contents of one reader that are remembered, beside its seeds, for the next mutations."""

CORPUS = Path(__file__).parent / "corpus"


def say(words: str) -> None:
    """Print at once, since the process may end without a word."""
    print(words, flush=True)  # noqa: T201 - a program


class Tally:
    """What has been tried, what became of it, and what was found."""

    def __init__(self, table: dict[str, Reader], corpus: Path) -> None:
        self.readers = [*table.values()]
        self.corpus = corpus
        self.tried: Counter[str] = Counter()
        self.read: Counter[str] = Counter()
        self.spent: Counter[str] = Counter()
        """Microseconds of processor time that each reader has had."""
        self.finds: dict[str, tuple[str, Find]] = {}
        self.began = time.monotonic()

    def take(self, number: int, content: bytes) -> None:
        """Give a content to the reader of that number, and keep it where it is a find."""
        from tests.fuzzing.readers import tried

        reader = self.readers[number % len(self.readers)]
        began = time.process_time_ns()
        found, said = tried(reader, content)
        self.spent[reader.name] += (time.process_time_ns() - began) // 1000
        self.tried[reader.name] += 1
        self.read[reader.name] += said == "read"
        if found is not None and f"{reader.name} {found.place}" not in self.finds:
            self.finds[f"{reader.name} {found.place}"] = (reader.name, found)
            path = self.corpus / reader.name / f"find-{hashlib.sha256(content).hexdigest()[:12]}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            say(f"FIND {reader.name}: {found.what} [{found.place}] -> {path}")

    def poorest(self) -> int:
        """Return the number of the reader that has had the least time."""
        return min(range(len(self.readers)), key=lambda number: self.spent[self.readers[number].name])

    def table(self) -> str:
        """Return how often each reader was asked, and what was found."""
        minutes = (time.monotonic() - self.began) / 60
        processor = self.spent.total() / 60e6
        rows = [f"{self.tried.total()} contents in {minutes:.1f} minutes ({processor:.1f} of processor time), {len(self.finds)} finds"]
        rows += ["", "| reader | tried | read | seconds | finds |", "|---|---|---|---|---|"]
        finds = Counter(name for name, _ in self.finds.values())
        for one in self.readers:
            name = one.name
            rows.append(f"| {name} | {self.tried[name]:,} | {self.read[name]:,} | {self.spent[name] / 1e6:.0f} | {finds[name]} |")
        return "\n".join(rows)


def plain(tally: Tally, rounds: int, seed: int, until: float = float("inf")) -> None:
    """Mutate seeds blindly, so many rounds of one content a reader, from a seed."""
    from tests.fuzzing.mutating import mutated

    random = Random(seed)  # noqa: S311 - it has to be the same each time
    seeds = [[*one.seeds, *kept(one.name, tally.corpus)] for one in tally.readers]
    for _ in range(rounds):
        for number, own in enumerate(seeds):
            if time.monotonic() > until:
                return
            tally.take(number, mutated(random.choice(own), random, own))


def guided(tally: Tally, minutes: float, seed: int, found: Path) -> None:
    """Let libFuzzer keep what reaches more code (https://github.com/google/atheris), each reader with the same time; does not return."""
    from tests.fuzzing.mutating import LARGEST, mutated

    atheris: Any = importlib.import_module("atheris")

    count = len(tally.readers)
    for number, one in enumerate(tally.readers):
        for content in (*one.seeds, *kept(one.name, tally.corpus)):
            (found / hashlib.sha256(bytes([number]) + content).hexdigest()).write_bytes(bytes([number]) + content)
    seeds = [one.seeds for one in tally.readers]
    pools = [[*one.seeds] for one in tally.readers]
    until = time.monotonic() + minutes * 60

    def one_input(data: bytes) -> None:
        if data:
            tally.take(data[0], data[1:])
        if time.monotonic() > until:  # libFuzzer leaves without a word of ours
            say(tally.table())
            os._exit(1 if tally.finds else 0)

    def mutator(data: bytes, largest: int, seed: int) -> bytes:
        random = Random(seed)  # noqa: S311 - it has to be the same each time
        if not data:
            data = bytes([random.randrange(count)])
        pools[data[0] % count].append(data[1:])  # it is in the corpus since it reached something new
        del pools[data[0] % count][len(seeds[data[0] % count]) : -POOL]
        number = tally.poorest()
        base = data[1:] if number == data[0] % count else random.choice(pools[number])
        content = atheris.Mutate(base, largest - 1) if random.random() < 0.2 and base else mutated(base, random, seeds[number])
        return (bytes([number]) + bytes(content))[:largest]

    options = [f"-max_len={LARGEST}", f"-seed={seed}", "-timeout=120", "-rss_limit_mb=6000", "-len_control=0", "-verbosity=0"]
    atheris.Setup([sys.argv[0], *options, str(found)], one_input, custom_mutator=mutator)
    atheris.Fuzz()


def kept(name: str, corpus: Path = CORPUS) -> list[bytes]:
    """Return what the corpus holds for a reader."""
    return [path.read_bytes() for path in sorted((corpus / name).glob("*"))]


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz as long as asked, and print what was found; 1 where something was."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzzing", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plain", action="store_true", help="without atheris, though it is installed")
    parser.add_argument("--only", help="names of readers, separated by commas")
    asked = parser.parse_args(arguments)
    atheris: Any = None
    if not asked.plain:
        try:
            atheris = importlib.import_module("atheris")
        except ImportError:
            say("atheris is not installed: seeds are mutated blindly")
    if atheris is not None:
        with atheris.instrument_imports(include=["aims_mlflow"]):
            from tests.fuzzing.readers import readers
    else:
        from tests.fuzzing.readers import readers
    with tempfile.TemporaryDirectory() as folder:
        table = readers(Path(folder))
        only = asked.only.split(",") if asked.only else [*table]
        tally = Tally({name: table[name] for name in only}, CORPUS)
        if atheris is not None:
            reached = Path(folder, "reached")
            reached.mkdir()
            guided(tally, asked.minutes, asked.seed, reached)
        plain(tally, sys.maxsize, asked.seed, until=time.monotonic() + asked.minutes * 60)
    say(tally.table())
    return 1 if tally.finds else 0


if __name__ == "__main__":
    sys.exit(main())
