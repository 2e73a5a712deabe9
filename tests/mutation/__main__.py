"""Mutation testing of what decides: ``python -m tests.mutation --sample 400``. Prints how many mutants die, and who survives."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random

from aims_mlflow.intervals import wilson
from tests.mutation.mutants import Mutant, mutants_of
from tests.mutation.running import ROOT, Fate, fate, prepare, reach

PACKAGES = ("judging", "signing")
MODULES = ("gate", "decision", "verifying")
LEFT_OUT = frozenset({"aims_mlflow.signing"})
"""Names only."""

DEAD: tuple[Fate, ...] = ("killed", "timed out")


def modules() -> dict[str, Path]:
    """Return the modules that are mutated, by name."""
    folder = ROOT / "aims_mlflow"
    paths = [*(folder / f"{name}.py" for name in MODULES), *(p for name in PACKAGES for p in sorted((folder / name).glob("*.py")))]
    named = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in paths}
    return {name: path for name, path in named.items() if name not in LEFT_OUT}


def say(words: str) -> None:
    """Print at once: this takes long."""
    print(words, flush=True)  # noqa: T201 - a program


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the mutants that are asked for; 1 where fewer than nine of ten die."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("--sample", type=int, help="so many mutants, drawn from all of them; default: all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", help="names of modules, or module:number of mutants, separated by commas")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after so long; what was drawn first was run first")
    parser.add_argument("--reach", type=Path, help="a file that keeps which tests reach what, for the next run of the very same tree")
    asked = parser.parse_args(arguments)
    os.environ["CI"] = "1"  # Hypothesis draws the same examples each time
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    paths = modules()
    known = reach(paths.values(), asked.reach)
    chosen = drawn({name: mutants_of(name, path) for name, path in paths.items()}, asked.sample, asked.seed, asked.only)
    for name in [name for name in sys.modules if name.partition(".")[0] == "aims_mlflow"]:
        del sys.modules[name]
    prepare(known.libraries)
    began, fates = time.monotonic(), {}
    if chosen and fate(chosen[0].unchanged(), known) != "survived":
        raise SystemExit("a module without any change is killed: what is measured here is nothing")
    for mutant in chosen:
        if time.monotonic() - began > asked.minutes * 60:
            break
        fates[mutant] = fate(mutant, known)
        if fates[mutant] not in DEAD:
            say(f"{fates[mutant].upper()} {mutant.id} line {mutant.line}\n    - {_short(mutant.was)}\n    + {_short(mutant.now)}")
    say(table(fates, time.monotonic() - began))
    dead = sum(one in DEAD for one in fates.values())
    return 0 if dead >= 0.9 * len(fates) else 1


def drawn(made: dict[str, list[Mutant]], sample: int | None, seed: int, only: str | None) -> list[Mutant]:
    """Return the mutants to run: all, those named, or a sample of them, in an order that the seed draws."""
    every = [mutant for mutants in made.values() for mutant in mutants]
    say(f"{len(every)} mutants of {len(made)} modules: " + ", ".join(f"{name} {len(of)}" for name, of in made.items()))
    if only is not None:
        names = set(only.split(","))
        every = [mutant for mutant in every if {mutant.module, mutant.id} & names]
    Random(seed).shuffle(every)  # noqa: S311 - it has to be the same each time
    return every[:sample]


def table(fates: dict[Mutant, Fate], seconds: float) -> str:
    """Return how many died, by module, with the 95 % Wilson interval of all."""
    of: Counter[tuple[str, str]] = Counter((mutant.module, one) for mutant, one in fates.items())
    kinds: tuple[Fate, ...] = ("killed", "timed out", "survived", "not reached")
    rows = [f"| module | run | {' | '.join(kinds)} |", "|---|" + "---:|" * (len(kinds) + 1)]
    for name in sorted({mutant.module for mutant in fates}):
        counts = [of[name, kind] for kind in kinds]
        rows.append(f"| `{name}` | {sum(counts)} | {' | '.join(map(str, counts))} |")
    dead = sum(one in DEAD for one in fates.values())
    low, high = wilson(dead, len(fates)) if fates else (0.0, 1.0)
    share = f"{dead} of {len(fates)} died: {dead / max(len(fates), 1):.1%} (95 % Wilson interval {low:.1%} to {high:.1%})"
    return "\n".join([*rows, "", f"{share}, in {seconds / 60:.0f} minutes"])


def _short(code: str) -> str:
    line = " ".join(code.split())
    return line if len(line) <= 160 else f"{line[:157]}…"


if __name__ == "__main__":
    sys.exit(main())
