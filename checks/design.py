"""Design documentation (A.6.2.3, A.4.4, A.4.5): whether one could build the same model again from what the run recorded."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue

from aims_mlflow import describing
from aims_mlflow.evidence import FULL_COUNT, CheckResult, Coverage, Measure, Problem, Subject
from aims_mlflow.observation import Code, Observation
from aims_mlflow.registry import check
from aims_mlflow.unknowns import code as why_code_is_unknown

SHOWN_PACKAGES = 200
"""Packages listed in the facts; a run that imported more has their number in a note."""


@check("design", controls=["A.6.2.3", "A.4.4", "A.4.5"], metrics=("undocumented_fields", "code_unknown", "code_dirty"))
def design(seen: Observation) -> CheckResult | tuple[CheckResult, ...]:
    """Count the parts of the design that nothing recorded, and say whether the code is known and committed.

    Fields: algorithm, flavour, parameters, features, signature (a dtype for each feature), packages, hardware, seed. The seed
    counts as documented where one is known, and where no part of the model draws random numbers. Of a model that was made before,
    or elsewhere, code that no record names is missing, which is not the same as code that nobody could name in the run itself.
    """
    unknown = why_code_is_unknown(seen)
    of_code = (_known_measure(seen.run.code), _dirty(seen.run.code))
    if unknown is None:
        return _documented(seen, of_code)
    blank = tuple(m for m in of_code if m.value != 0)
    gone = CheckResult(
        check="design",
        measures=tuple(Measure(name=m.name, value=None, ci_method=FULL_COUNT, n=0, unit="count") for m in blank),
        facts={"as_recorded_by": seen.run.recorded_by},
        problem=Problem(state="missing", reason=unknown.reason, fix=unknown.fix),
    )
    return _documented(seen, tuple(m for m in of_code if m not in blank)), gone


def _documented(seen: Observation, of_code: tuple[Measure, ...]) -> CheckResult:
    """Return what the run documented; with the measures of its code."""
    model, run = seen.model, seen.run
    parameters, features, signature = describing.parameters(seen), describing.features(seen), describing.signature(seen)
    algorithm = describing.algorithm(seen)
    documented = {
        "algorithm": bool(algorithm),
        "flavour": model is not None and bool(model.flavour),
        "parameters": parameters is not None,
        "features": bool(features),
        "signature": bool(signature),
        "packages": bool(run.packages),
        "hardware": bool(run.hardware),
        "seed": describing.seed_is_known(seen),
    }
    missing = [name for name, there in documented.items() if not there]
    facts: dict[str, JsonValue] = {
        "undocumented_fields": [*missing],
        "algorithm": algorithm,
        "flavour": model.flavour if model else "",
        "serialization": model.serialization if model else "",
        "parameters": {**(parameters or {})},
        "features": [*(features or ())],
        "signature": {**(signature or {})},
        "packages": dict(sorted(run.packages.items())[:SHOWN_PACKAGES]),
        "hardware": dict(run.hardware),
        "seeds": {**describing.seeds(seen)},
        "unseeded": [*(describing.unseeded(seen) or ())],
        "code": {"kind": run.code.kind, "reference": run.code.reference, "dirty": run.code.dirty, "source_sha256": run.code.source_sha256},
    }
    return CheckResult(
        check="design",
        measures=(Measure.counted("undocumented_fields", len(missing), n=len(documented)), *of_code),
        facts=facts,
        notes=_notes(seen, parameters or {}),
        coverage=Coverage(asked=tuple(documented), evaluated=tuple(name for name in documented if name not in missing)),
        subjects=(*(model.subjects if model else ()), *_code_subject(run.code)),
    )


def _known(code: Code) -> bool:
    return code.kind != "unknown" and bool(code.reference)


def _known_measure(code: Code) -> Measure:
    return Measure.counted("code_unknown", int(not _known(code)), n=1)


def _dirty(code: Code) -> Measure:
    """Return 1 for a work tree with uncommitted changes, 0 for none; no value where nobody could look.

    An installed distribution has no work tree, so it is clean unless somebody found it changed.
    """
    clean_by_nature = _known(code) and code.kind == "distribution" and code.dirty is None
    value = 0.0 if clean_by_nature else None if not _known(code) or code.dirty is None else float(code.dirty)
    return Measure(name="code_dirty", value=value, ci_method=FULL_COUNT, n=1 if value is not None else 0, unit="count")


def _notes(seen: Observation, parameters: Mapping[str, describing.Setting]) -> tuple[str, ...]:
    notes = []
    code = seen.run.code
    if seen.run.kind == "assessment":
        by = f"as recorded by run {seen.run.recorded_by}" if seen.run.recorded_by else "as the model's own files tell it"
        notes.append(f"the model was made before this run, or elsewhere: how it was made is {by}")
    elif not _known(code):
        notes.append("the code is neither a git commit nor an installed distribution, so nobody can tell whether it has changed")
    if code.kind == "git" and code.dirty is None:
        notes.append("git did not say whether the work tree has uncommitted changes")
    withheld = sum(1 for value in parameters.values() if value == describing.WITHHELD)
    if withheld:
        notes.append(f"{withheld} of {len(parameters)} parameters are named without their value, which could hold data")
    if seen.model is not None and seen.model.serialization in ("pickle", "cloudpickle"):
        notes.append("the model is kept as a pickle, which runs code when it is loaded")
    if len(seen.run.packages) > SHOWN_PACKAGES:
        notes.append(f"{SHOWN_PACKAGES} of {len(seen.run.packages)} packages are listed")
    return tuple(notes)


def _code_subject(code: Code) -> tuple[Subject, ...]:
    return (Subject(kind="code", name=code.entry or code.kind, sha256=code.source_sha256),) if code.source_sha256 else ()
