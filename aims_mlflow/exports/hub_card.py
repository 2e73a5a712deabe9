"""The model card in the form of the Hugging Face Hub: YAML metadata, then what is unknown, the evidence, and the run's own card.

Metadata: https://huggingface.co/docs/hub/model-cards. It goes through huggingface_hub's ``ModelCardData`` where that is installed; the
bytes are the same without it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Any

import yaml

from aims_mlflow.errors import ConfigurationError
from aims_mlflow.exports.inert import figure, sentences, stamp
from aims_mlflow.exports.material import Material
from aims_mlflow.model_card import CARD_PATH
from aims_mlflow.records.words import AnswerState
from aims_mlflow.scorecard import plain, words

PIPELINES = {"regression": "tabular-regression"}
"""Kind of task -> the Hub's name; every other kind of ours is ``tabular-classification``."""

_SIMPLE = re.compile(r"[A-Za-z][A-Za-z0-9 ._/-]*")


def build(material: Material) -> bytes:
    """Return the card.

    Raises:
        ConfigurationError: huggingface_hub is installed and refuses the metadata.
    """
    front = yaml.dump(_through_hub(metadata(material)), Dumper=_OneLine, sort_keys=True, width=float("inf"), allow_unicode=False)
    return f"---\n{front}---\n\n{body(material)}".encode()


def metadata(material: Material) -> dict[str, Any]:
    """Return the metadata: the Hub's own keys, and under ``aims`` what it has no key for."""
    record, version = material.record, material.version
    task = material.system.task.kind if material.system else None
    model = material.bundle.model if material.bundle else None
    made: dict[str, Any] = {
        "license": "unknown",
        "tags": ["aims-mlflow", "evidence"],
        "aims": {
            "system": record.system.id,
            "version": record.version or "none",
            "state": record.state.value,
            "decision": record.decision,
            "highest_risk": record.highest_risk.value,
            "bundle_sha256": (version.bundle_sha256 if version else "") or "unknown",
            "policy_sha256": record.system.policy_sha256 or "unknown",
            "run_id": (version.run_id if version else "") or "unknown",
            "made": stamp(record.made),
            "collector": record.collector,
            "open_items": len(record.open_items),
        },
    }
    if model is not None and model.flavour:
        made["library_name"] = model.flavour
    if task:
        made["pipeline_tag"] = PIPELINES.get(task, "tabular-classification")
    results = _results(material, made.get("pipeline_tag", "unknown"))
    return made | ({"model-index": [{"name": material.name, "results": results}]} if results else {"model_name": material.name})


def _results(material: Material, task: str) -> list[dict[str, Any]]:
    """Return the measures that have a value under the data they were taken on, as ``split`` of the system's data."""
    contents = {d.role: f"{d.algorithm}:{d.sha256}" for d in material.bundle.datasets} if material.bundle else {}
    found: dict[str, list[dict[str, Any]]] = {}
    for one in material.record.measures:
        if one.value is None:
            continue
        args = {"low": one.low, "high": one.high, "n": one.n, "method": one.method, "asked": one.bound, "group": one.group}
        args |= {key: value for key, value in one.scope.items() if key != "dataset"}
        args["state"] = one.state.value if one.state else None
        kept = {key: value for key, value in args.items() if value not in (None, "")}
        found.setdefault(one.scope.get("dataset", "unknown"), []).append(
            {"type": f"{one.check}.{one.metric}", "value": one.value, "name": one.requirement, "args": kept}
        )
    return [
        {
            "task": {"type": task},
            "dataset": {"type": "aims-mlflow", "name": role, "split": role, "revision": contents.get(role, "unknown")},
            "metrics": metrics,
        }
        for role, metrics in found.items()
    ]


def _through_hub(given: dict[str, Any]) -> dict[str, Any]:
    """Return the metadata as huggingface_hub understands them; as they are where it is not installed."""
    try:
        from huggingface_hub import ModelCardData
    except ImportError:
        return given
    try:
        understood: dict[str, Any] = ModelCardData(**given).to_dict()  # type: ignore[no-untyped-call]  # huggingface_hub's
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigurationError(
            f"huggingface_hub refuses the metadata of the card ({type(error).__name__})",
            where="model-card",
            fix="install another version of huggingface_hub, or none: the card can do without",
        ) from error
    return understood


class _OneLine(yaml.SafeDumper):
    """Writes every text on one line, in double quotes unless it is plain: none can end the metadata before their end."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's signature
        """Write everything out."""
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None if _SIMPLE.fullmatch(text) else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_OneLine.add_representer(str, _text)


def body(material: Material) -> str:
    """Return the card's text. Every text of somebody's is escaped for Markdown."""
    record, version = material.record, material.version
    lines = [
        f"# Model card: {plain(material.name)}",
        "",
        f"Made by {plain(record.collector)} from the record of {stamp(record.made)}, about {plain(record.version) or 'no version'}. "
        f"Gate: {plain(record.decision)}. Highest risk: {record.highest_risk.value.replace('_', ' ')}. "
        f"Signature: {plain(version.verification if version else 'no run has left evidence')}.",
        "",
        *_unknown(material),
        *_controls(material),
        *_measures(material),
        *_risks(material),
        *_card_of_run(material),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _unknown(material: Material) -> Iterator[str]:
    record = material.record
    yield from ("## What is unknown or open", "")
    unknown = [f"- unknown: {plain(q.question)}" for q in record.impact.questions if q.state is AnswerState.UNKNOWN]
    unknown.append("- unknown: the licence of the model, which evidence does not tell")
    unknown += [f"- {i.weight}: {plain(sentences(i.what, f'To do: {i.fix}' if i.fix else ''))}" for i in record.open_items]
    yield from (*unknown, "")


def _controls(material: Material) -> Iterator[str]:
    yield from ("## Evidence by control", "", "| Control | Evidence | Why |", "|---|---|---|")
    for line in material.lines:
        yield f"| {plain(line.control)} {plain(line.title)} | {words(line.state)} | {plain(line.reason)} |"
    yield ""


def _measures(material: Material) -> Iterator[str]:
    yield from ("## Measures", "", "| Measure | Value | Interval | n | Asked | Evidence |", "|---|---|---|---|---|---|")
    for one in material.record.measures:
        where = ", ".join(f"{key} {value}" for key, value in one.scope.items())
        group = f", group {one.group}" if one.group is not None else ""
        ends = f"{figure(one.low)} to {figure(one.high)}" if one.low is not None or one.high is not None else one.method or "none"
        name = plain(f"{one.check}.{one.metric} ({where}{group})")
        state = words(one.state) if one.state else "not judged"
        yield (
            f"| {name} | {figure(one.value)} | {plain(ends)} | {one.n if one.n is not None else 'unknown'} | "
            f"{plain(one.bound) or 'nothing'} | {state} |"
        )
    if not material.record.measures:
        yield "| none was measured | unknown | unknown | unknown | unknown | missing |"
    yield ""


def _risks(material: Material) -> Iterator[str]:
    yield from ("## Risks", "", material.record.risks.sentence, "")
    for entry in material.record.risks.entries:
        level = entry.level.value.replace("_", " ")
        why = entry.state_reason or entry.likelihood.reason
        yield f"- **{level}** ({entry.state.value}): {plain(sentences(entry.event, why))}"
    if not material.record.risks.entries:
        yield "- unknown: no entry"
    yield ""


def _card_of_run(material: Material) -> Iterator[str]:
    """Yield the card that the run wrote, if it is the one that the signed evidence speaks of; its headings two levels lower."""
    yield from ("## Declared and recorded by the run", "")
    version = material.version
    card = material.file(version.run_id, CARD_PATH) if version else None
    sha256 = material.fact("documentation", "card_sha256")
    if card is None or hashlib.sha256(card).hexdigest() != sha256:
        why = "it is not there" if card is None else "no signed evidence speaks of it" if sha256 is None else "it was changed afterwards"
        yield f"Unknown: the card of the run ({CARD_PATH}) is not shown, since {why}."
        return
    yield f"From `{CARD_PATH}` of run {plain(version.run_id if version else '')}, sha256 `{sha256}` as in the signed evidence."
    yield ""
    fenced = False
    for line in card.decode().split("\n"):
        fenced ^= line.startswith("```")
        yield f"##{line}" if line.startswith("#") and not fenced else line
