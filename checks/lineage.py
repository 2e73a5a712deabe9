"""Lineage (A.7.5, A.6.2.3): the hops from source to data, code, packages and seed to run to model to version, and how they hold."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

from aims_mlflow import describing
from aims_mlflow.evidence import CheckResult, Coverage, Measure
from aims_mlflow.observation import Code, Observation
from aims_mlflow.registry import check

Strength = Literal["strong", "weak", "broken", "noted"]
"""Strong: by a digest. Weak: by a name, which can come to mean something else. Broken: one end is not known. Noted: for information."""

ENVIRONMENT = "(whole environment)"
"""The key among the packages that stands for all that is installed, by a digest; no package has such a name."""

_DIGEST = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")


@dataclass(frozen=True)
class Hop:
    """One hop. ``broken`` means that one end is not known; ``why`` says so in words."""

    start: str
    end: str
    kind: str
    strength: Strength
    why: str

    @property
    def words(self) -> str:
        """The hop in one line."""
        return f"{self.kind}: {self.start} -> {self.end} ({self.why})"


@check("lineage", controls=["A.7.5", "A.6.2.3"], metrics=("broken_links", "weak_links", "links"))
def lineage(seen: Observation) -> CheckResult:
    """Count the hops that are broken, and those that hold by a name only, which can come to mean something else.

    Training data, code and model must be there; validation, test and reference data, declared sources, models that this one
    was made from and the registered version are hops where the run knows of them. Packages and seed weaken the lineage where
    they are not known; the machine is noted, and counts for nothing. ``facts`` hold every hop: ``edges`` with ``strength`` and
    ``why`` beside them, and ``broken_edges``, each as [start, end, kind, why].
    """
    every = tuple(_hops(seen))
    hops = tuple(hop for hop in every if hop.strength != "noted")
    broken = [hop for hop in hops if hop.strength == "broken"]
    weak = [hop for hop in hops if hop.strength == "weak"]
    return CheckResult(
        check="lineage",
        measures=(
            Measure.counted("broken_links", len(broken), n=len(hops)),
            Measure.counted("weak_links", len(weak), n=len(hops)),
            Measure.counted("links", len(hops)),
        ),
        facts={
            "edges": [[hop.start, hop.end, hop.kind] for hop in every if hop.strength != "broken"],
            "strength": [hop.strength for hop in every if hop.strength != "broken"],
            "why": [hop.why for hop in every if hop.strength != "broken"],
            "broken_edges": [[hop.start, hop.end, hop.kind, hop.why] for hop in broken],
            "weak_links": [hop.words for hop in weak],
            "broken_links": [hop.words for hop in broken],
        },
        coverage=Coverage(
            asked=tuple(dict.fromkeys(hop.kind for hop in hops)),
            evaluated=tuple(dict.fromkeys(hop.kind for hop in hops if hop.kind not in {b.kind for b in broken})),
        ),
        subjects=(*(d.subject for _, d in sorted(seen.datasets.items())), *(seen.model.subjects if seen.model else ())),
    )


def _hops(seen: Observation) -> Iterator[Hop]:
    run = f"run:{seen.run.run_id}"
    yield from _data(seen, run)
    yield _code(seen.run.code, run)
    yield from _environment(seen, run)
    yield from _model(seen, run)


def _data(seen: Observation, run: str) -> Iterator[Hop]:
    if "train" not in seen.datasets:
        yield Hop("dataset:train", run, "train data", "broken", "no train data was seen in this run")
    for role, dataset in sorted(seen.datasets.items()):
        node = f"dataset:{role}@sha256:{dataset.fingerprint.sha256}"
        yield Hop(node, run, f"{role} data", "strong", "by the digest of its whole content")
        source = describing.source_of(seen, role)
        if describing.said(source.uri):
            start = f"source:{describing.address(source.uri)}"
            if not source.sha256:
                yield Hop(start, node, f"source of {role}", "weak", "by the address only; declare the source's sha256")
            elif source.sha256 == dataset.fingerprint.sha256:
                yield Hop(start, node, f"source of {role}", "strong", "the content has the declared digest")
            else:
                yield Hop(start, node, f"source of {role}", "broken", "the content does not have the declared digest")
        for origin in source.derived_from:
            by_digest = _DIGEST.search(origin) is not None
            why = "by digest" if by_digest else "by name only; declare its sha256"
            yield Hop(f"data:{describing.address(origin)}", node, f"origin of {role}", "strong" if by_digest else "weak", why)


def _code(code: Code, run: str) -> Hop:
    if code.kind == "git" and code.reference:
        clean = code.dirty is False
        why = "by commit" if clean else "by a commit that the code was changed from, or may have been"
        return Hop(f"code:git:{code.reference}", run, "code", "strong" if clean else "weak", why)
    if code.kind == "distribution" and code.reference:
        return Hop(f"code:distribution:{code.reference}", run, "code", "weak", "by name and version of the package")
    if code.source_sha256:
        return Hop(f"code:source@sha256:{code.source_sha256}", run, "code", "weak", "by the digest of one source, not of what it imports")
    return Hop("code:unknown", run, "code", "broken", "the code is not known")


def _environment(seen: Observation, run: str) -> Iterator[Hop]:
    """Yield packages, seed and machine."""
    packages = seen.run.packages
    if packages:
        lines = "\n".join(sorted(f"{name}=={number}" for name, number in packages.items()))
        many = len(packages) - (ENVIRONMENT in packages)
        node = f"packages:{many} imported@sha256:{sha256(lines.encode()).hexdigest()}"
        yield Hop(node, run, "packages", "strong", "by the digest of the sorted list of names and versions")
    else:
        yield Hop("packages:unknown", run, "packages", "weak", "the packages are not known")
    seeds = ", ".join(f"{name}={value}" for name, value in describing.seeds(seen).items())
    if describing.seed_is_known(seen):
        yield Hop(f"seed:{seeds or 'none needed'}", run, "seed", "strong", "by its value" if seeds else "nothing random is drawn")
    else:
        yield Hop(f"seed:{seeds or 'unknown'}", run, "seed", "weak", "not every seed is known: a second run could draw other numbers")
    machine = {name: seen.run.hardware[name] for name in ("machine", "cores", "memory_bytes", "gpu", "gpus") if name in seen.run.hardware}
    if machine:
        words = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in machine.items())
        yield Hop(f"hardware:{words}", run, "hardware", "noted", "by description, for information")


def _model(seen: Observation, run: str) -> Iterator[Hop]:
    model, digest = seen.model, describing.model_digest(seen.model)
    if model is None:
        yield Hop(run, "model:unknown", "model", "broken", "no model was seen in this run")
        return
    node = f"model:{describing.address(model.uri)}@sha256:{digest}" if digest else f"model:{describing.address(model.uri) or 'unknown'}"
    if digest and seen.run.kind == "assessment":
        yield Hop(node, run, "assessed model", "strong", "by the digests of all its files")
        yield Hop("run:unknown", node, "training run", "weak", "it was made before, or elsewhere, and only looked at here")
    elif digest:
        yield Hop(run, node, "model", "strong", "by the digests of all its files")
    else:
        yield Hop(run, node, "model", "broken", "the model was not logged, so its files have no digests")
    for parent in seen.run.parents:
        known = parent.sha256 or _DIGEST.search(parent.uri) is not None
        start = f"model:{describing.address(parent.uri)}" + (f"@sha256:{parent.sha256}" if parent.sha256 else "")
        why = "by the digest of its files" if known else "by name only; its files could not be read"
        yield Hop(start, node, parent.relation, "strong" if known else "weak", why)
    if seen.run.registered:
        yield Hop(node, f"version:{seen.run.registered}", "registered as", "weak", "by name; the gate compares the digests of the files")
