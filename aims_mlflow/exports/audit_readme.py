"""The README of an audit pack: what is missing first, then which file says what and how to verify it without MLflow or this package."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from aims_mlflow.exports.inert import path_part, sentences, stamp
from aims_mlflow.exports.material import Material
from aims_mlflow.records.words import AnswerState, VersionRecord
from aims_mlflow.scorecard import counts_of, plain, words

VERIFIER = "verify/verify_standalone.py"


def readme(material: Material, files: Mapping[str, bytes]) -> str:
    """Return the README for these files. Every text of somebody's is escaped for Markdown."""
    record = material.record
    lines = [
        f"# Audit pack: {plain(material.name)}",
        "",
        f"System `{record.system.id}`, version {plain(record.version) or 'none'}. Made by {plain(record.collector)} from the record of "
        f"{stamp(record.made)}. Gate: {plain(record.decision)}. Highest risk: {record.highest_risk.value.replace('_', ' ')}.",
        "",
        "The pack shows evidence: passing, failing, missing or undecided. It does not say that anybody conforms to a standard. "
        "You need no MLflow to read it, and Python with the package `cryptography` to verify the signatures.",
        "",
        *_missing(material, files),
        *_what_is_where(files),
        *_versions(material, files),
        *_how_to_verify(material, files),
        *_limits(files),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _missing(material: Material, files: Mapping[str, bytes]) -> Iterator[str]:
    record = material.record
    yield from ("## 1. What is missing, broken or open", "")
    yield from (f"- {line}" for line in _absent(material, files))
    for item in record.open_items:
        yield f"- **{item.weight}**: {plain(sentences(item.what, item.why, f'To do: {item.fix}' if item.fix else ''))}"
    unknown = record.impact.having(AnswerState.UNKNOWN)
    if unknown:
        asked = "; ".join(plain(q.question) for q in unknown)
        yield f"- **unknown**: {len(unknown)} questions of the impact record have no answer: {asked}"
    yield ""
    yield f"Controls: {counts_of(line.state for line in material.lines)}. {plain(record.runs.sentence)}"
    yield ""


def _absent(material: Material, files: Mapping[str, bytes]) -> Iterator[str]:
    """Yield what this pack does not have and should."""
    if material.system is None:
        yield "**unknown**: no system file was found, so nothing that it would declare is here"
    if not material.record.versions:
        yield "**missing**: no run has left evidence; there is no bundle in this pack"
    for version in material.record.versions:
        if _bundle_of(version) not in files:
            yield f"**missing**: {plain(version.uri)} has no signed evidence that could be read ({plain(version.verification)})"
        elif not version.verified:
            yield f"**broken**: the evidence of {plain(version.uri)} is here and was not used: {plain(version.verification)}"
    if not any(path.startswith("decisions/") for path in files):
        yield "**missing**: no decision of the gate is recorded"
    if not any(path.startswith("ledger/") for path in files):
        yield "**missing**: this registry has no log of decisions"
    if VERIFIER not in files:
        yield "**missing**: the standalone verifier is not in this pack; it is docs/verify_standalone.py in the source of aims-mlflow"


def _bundle_of(version: VersionRecord) -> str:
    return f"evidence/{path_part(version.run_id)}/bundle.dsse.json"


def _what_is_where(files: Mapping[str, bytes]) -> Iterator[str]:
    rows = [
        ("record/record.html", "the record to read in a browser: open items, controls, risks, impact, measures, history"),
        ("record/record.md", "the same as text"),
        ("record/record.json", "the same for machines; `schemas/record.schema.json` says how it is built"),
        ("record/risk-register.csv", "the risk register as a table; an apostrophe stands before texts that could be run as formulas"),
        (
            "evidence/",
            "for each run: `bundle.dsse.json`, the signed evidence, byte for byte as in MLflow; `bundle.decoded.json`, what it says",
        ),
        ("decisions/", "each decision of the gate, signed, byte for byte; beside it what it says"),
        ("ledger/", "the log of the whole registry, begin with `ledger/INDEX.md`; `ledger/findings.json`: what is wrong with it"),
        ("keys/", "public keys that the signatures carry, by key id"),
        ("policy/system.json", "what was asked: the system file's content; its sha256 is the policy digest that evidence names"),
        ("schemas/", "JSON Schemas"),
        ("verify/", "the standalone verifier"),
    ]
    yield from ("## 2. Which file says what", "", "| File | Says |", "|---|---|")
    for path, what in rows:
        there = any(one == path or (path.endswith("/") and one.startswith(path)) for one in files)
        yield f"| `{path}` | {what if there else 'not in this pack: see section 1'} |"
    yield ""
    yield (
        "Ids in the record lead here: `e-` evidence and `r-` results stand in `bundle.decoded.json` of their run, `b-` is the begin of "
        "the sha256 of a bundle file, `s-` that of `policy/system.json`, `v-` a model version. The record's part Sources lists them all."
    )
    yield ""


def _versions(material: Material, files: Mapping[str, bytes]) -> Iterator[str]:
    yield from ("## 3. Versions", "", "| Version | Evidence | Bundle | sha256 of the bundle | Signature |", "|---|---|---|---|---|")
    for version in material.record.versions:
        about = " (this record)" if version.counted else ""
        path = _bundle_of(version)
        yield (
            f"| {plain(version.uri)}{about} | {words(version.state)} | {f'`{path}`' if path in files else 'missing'} | "
            f"{f'`{version.bundle_sha256}`' if version.bundle_sha256 else 'unknown'} | {plain(version.verification)} |"
        )
    if not material.record.versions:
        yield "| none | missing | missing | unknown | unknown |"
    yield ""


def _how_to_verify(material: Material, files: Mapping[str, bytes]) -> Iterator[str]:
    version = material.version
    bundle = _bundle_of(version) if version else "evidence/RUN/bundle.dsse.json"
    keys = [path.removeprefix("keys/").removesuffix(".pub") for path in sorted(files) if path.startswith("keys/")]
    yield from ("## 4. How to verify", "")
    yield from ("1. That nothing changed since the pack was made (in the folder into which you unpacked it):", "")
    yield from ("   ```sh", "   sha256sum -c MANIFEST.sha256", "   ```", "")
    yield "2. That the evidence is what was signed (do so for each `.dsse.json` of `evidence/`, `decisions/` and `ledger/`):"
    yield from ("", "   ```sh", "   pip install cryptography", f"   python3 {VERIFIER} {bundle}", "   ```", "")
    yield (
        "3. Whose signature it is. A key inside a signature proves nothing by itself: ask the organisation, by another way than this pack, "
        "which key ids are theirs, and pass them with `--key KEY_ID`. Signed here: "
        + (", ".join(f"`{key}`" for key in keys) or "nothing")
        + "."
    )
    yield (
        "4. That the policy is the one that was judged by: `sha256sum policy/system.json` gives "
        + (
            f"`{material.record.system.policy_sha256}`"
            if material.record.system.policy_sha256
            else "nothing, since no system file was found"
        )
        + "."
    )
    yield (
        "5. That the model is the one that was measured: let the organisation give you the model's files, and add `--model FOLDER` to "
        "the command of step 2."
    )
    yield "6. That a number of the record is the one that was measured: look its id up in `bundle.decoded.json`."
    yield ""


def _limits(files: Mapping[str, bytes]) -> Iterator[str]:
    yield from ("## 5. What this pack cannot show", "")
    yield "- `record/` and this file are not signed: they are made from what is. Where one differs from a signed file, that one counts."
    yield "- No row of the data is here, and no value of it: data are named by digests of their content."
    yield "- A time in a bundle is that of the machine which measured."
    yield "- Whether a run was deleted for good shows only in the log and in later bundles, which name earlier runs."
    if any(path.startswith("ledger/") for path in files):
        yield "- The log is the registry's: it speaks of other systems as well, since its entries hold each other."
    yield ""
