"""The model card: what a run shows and a person declares about a model, as Markdown, every line measured, declared or unknown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, Literal

from aims_mlflow import describing
from aims_mlflow.bundle import BUNDLE_PATH
from aims_mlflow.describing import said
from aims_mlflow.observation import Dataset, Model, Observation
from aims_mlflow.system import Party, Source

CARD_PATH = "aims/model_card.md"
"""Where the card stands among the artifacts of its run."""

Label = Literal["measured", "declared", "unknown"]

REQUIRED = (
    "purpose",
    "intended uses",
    "prohibited uses",
    "owner contact",
    "algorithm",
    "training data",
    "model digest",
)
"""The fields without which the documentation of a model is not one (A.6.2.7)."""


@dataclass(frozen=True)
class Field:
    """One line of the card: its name, where it comes from, and its values (none where it is unknown)."""

    name: str
    label: Label
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class Section:
    """A heading of the card with its fields."""

    title: str
    fields: tuple[Field, ...]


def model_card(seen: Observation) -> str:
    """Return the card as Markdown (CommonMark). The same observation gives the same bytes.

    The headings follow Mitchell et al., Model Cards for Model Reporting (2019); results are not repeated, since the signed
    bundle is where they can be relied on.
    """
    import jinja2

    # Markdown, not HTML: escaping is the md filter's, which leaves neither markup nor HTML alive.
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, undefined=jinja2.StrictUndefined)  # noqa: S701
    environment.filters["md"] = as_text
    template = environment.from_string(resources.files("aims_mlflow.data").joinpath("model_card.md.j2").read_text(encoding="utf-8"))
    sections = card_sections(seen)
    return template.render(
        title=seen.system.system.name or seen.system.id,
        collector="aims-mlflow",
        unknown=[field.name for section in sections for field in section.fields if field.label == "unknown"],
        sections=sections,
        manifest=_manifest_lines(seen.model),
    )


def card_sections(seen: Observation) -> tuple[Section, ...]:
    """Return the card's content: sections of fields."""
    return (
        Section("Identity", _identity(seen)),
        Section("Use", _use(seen)),
        Section("People", _people(seen)),
        Section("Data", _data(seen)),
        Section("Making", _making(seen)),
        Section("Evaluation", _evaluation(seen)),
    )


def empty_fields(seen: Observation) -> tuple[str, ...]:
    """Return which of the ``REQUIRED`` fields the card cannot fill."""
    filled = {field.name for section in card_sections(seen) for field in section.fields if field.label != "unknown"}
    return tuple(name for name in REQUIRED if name not in filled)


def card_files(card: str) -> dict[str, str]:
    """Return path -> sha256 of the model's files as a card states them; empty where it states none."""
    found = {}
    for escaped, sha256, path in re.findall(r"^(\\?)([0-9a-f]{64})  (.+)$", card, flags=re.MULTILINE):
        found[_unescaped(path) if escaped else path] = sha256
    return found


def as_text(text: object) -> str:
    """Return the text so that Markdown and HTML show it as it is: one line, markup escaped, control characters left out."""
    line = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    line = re.sub(r"([\\`*\[\]<#|~&])", r"\\\1", line)
    line = re.sub(r"_+", _underscores, line)
    return re.sub(
        r"^([-+=>])|^(\d+)(?=[.)])", lambda at: f"\\{at[1]}" if at[1] else f"{at[2]}\\", line
    )  # a list or a quote would begin here


def _underscores(found: re.Match[str]) -> str:
    """Return the underscores as they are within a word, where they are no markup, and escaped at its ends."""
    before, after = found.string[: found.start()][-1:], found.string[found.end() :][:1]
    return found[0] if before.isalnum() and after.isalnum() else "\\_" * len(found[0])


def _field(name: str, label: Label, *values: str) -> Field:
    """Build a field; whatever nobody has said is left out, and a field with nothing left is unknown."""
    kept = tuple(value for value in values if said(value))
    return Field(name, label if kept else "unknown", kept)


def _identity(seen: Observation) -> tuple[Field, ...]:
    declared, run, model = seen.system.system, seen.run, seen.model
    return (
        _field("system", "declared", f"{declared.name} ({declared.id})" if declared.name else declared.id),
        _field("owner", "declared", declared.owner.name if declared.owner else ""),
        _field("owner contact", "declared", declared.owner.contact if declared.owner else ""),
        _field("registered model", "declared", run.registered or declared.model),
        _field("model uri", "measured", model.uri if model else ""),
        _field("model digest", "measured", _prefixed(describing.model_digest(model))),
        _field("run", "measured", run.run_id),
        _field("run started", "measured", run.started.isoformat()),
        _field("policy digest", "measured", _prefixed(seen.system.sha256)),
    )


def _use(seen: Observation) -> tuple[Field, ...]:
    declared = seen.system.system
    return (
        _field("purpose", "declared", declared.purpose),
        _field("description", "declared", declared.description),
        _field("intended uses", "declared", *declared.intended_uses),
        _field("prohibited uses", "declared", *declared.prohibited_uses),
        _field("limits of deployment", "declared", declared.deployment),
        _field("task", "declared", f"{seen.system.task.kind.replace('_', ' ')} of column {seen.system.task.target}"),
    )


def _people(seen: Observation) -> tuple[Field, ...]:
    return (
        _field("affected parties", "declared", *(_party(party) for party in seen.system.system.affected_parties)),
        _field("sensitive columns", "declared", *seen.system.data.sensitive_columns),
    )


def _party(party: Party) -> str:
    size = "size unknown" if party.size is None else f"{party.size} a year"
    care = {True: "vulnerable", False: "not vulnerable", None: "vulnerability unknown"}[party.vulnerable]
    return f"{party.name}: {size}, {care}" + (f"; source: {party.source}" if said(party.source) else "")


def _data(seen: Observation) -> tuple[Field, ...]:
    names = {"train": "training data", "test": "test data", "validation": "validation data", "reference": "reference data"}
    fields = []
    for role in dict.fromkeys(["train", "test", *sorted(seen.datasets)]):
        dataset = seen.datasets.get(role)
        name = names.get(role, f"{role} data")
        fields.append(_field(name, "measured", _content(dataset) if dataset is not None else ""))
        lender = describing.source_role(seen, role)
        prefix = "" if lender == role else f"as of the {names[lender]}: "
        source = _source(describing.source_of(seen, lender))
        fields.append(_field(f"source of the {name}", "declared", prefix + source if source else ""))
    return tuple(fields)


def _content(dataset: Dataset) -> str:
    print_ = dataset.fingerprint
    return f"{print_.rows} rows, {len(print_.columns)} columns, {print_.algorithm}:{print_.sha256}" if print_.rows else ""


def _source(source: Source) -> str:
    parts = {
        "": describing.address(source.uri),
        "licence": source.licence,
        "owner": source.owner,
        "acquired": source.acquired.isoformat() if source.acquired else "",
    }
    return "; ".join(f"{name} {value}".strip() for name, value in parts.items() if said(value))


def _making(seen: Observation) -> tuple[Field, ...]:
    run, model = seen.run, seen.model
    names = describing.features(seen)
    settings = describing.parameters(seen)
    code = f"{run.code.kind} {run.code.reference}{' with changes that are not committed' if run.code.dirty else ''}"
    return (
        _field("algorithm", "measured", describing.algorithm(seen)),
        _field("flavour", "measured", " ".join(part for part in (model.flavour, model.serialization) if part) if model else ""),
        _field("features", "measured", *_typed(names, describing.signature(seen))),
        _field("parameters", "measured", *_assigned(settings)),
        _field("seeds", "measured", *_assigned(describing.seeds(seen))),
        _field("preparation", "declared", *(step.words for step in run.preparation)),
        _field("code", "measured", code.strip() if run.code.kind != "unknown" else ""),
        _field("packages", "measured", *_assigned(run.packages)),
        _field("hardware", "measured", *_assigned(run.hardware)),
        _field("made from", "measured", *(f"{describing.address(parent.uri)} ({parent.relation})" for parent in run.parents)),
    )


def _typed(names: Iterable[str] | None, dtypes: Mapping[str, str] | None) -> tuple[str, ...]:
    return tuple(f"{name}: {dtypes[name]}" if dtypes else name for name in names or ())


def _assigned(settings: Mapping[str, Any] | None) -> tuple[str, ...]:
    return tuple(f"{name} = {value}" for name, value in sorted((settings or {}).items()))


def _evaluation(seen: Observation) -> tuple[Field, ...]:
    return (
        _field("evidence", "measured", f"the signed bundle {BUNDLE_PATH} among the artifacts of run {seen.run.run_id}"),
        _field("requirements", "declared", *(f"{r.id}: {r.bound} ({r.severity})" for r in seen.system.requirements)),
    )


def _prefixed(sha256: str) -> str:
    return f"sha256:{sha256}" if sha256 else ""


def _manifest_lines(model: Model | None) -> list[str]:
    """Return the lines of the manifest as sha256sum writes them: a path with a backslash or a line break is escaped and marked."""
    lines = []
    for path, (_, sha256) in sorted((model.files if model else {}).items()):
        escaped = path.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
        lines.append(f"{chr(92) if escaped != path else ''}{sha256}  {escaped}")
    return lines


def _unescaped(path: str) -> str:
    return re.sub(r"\\(.)", lambda found: {"n": "\n", "r": "\r"}.get(found[1], found[1]), path)
