"""What the parts of a system file say about one another: names that nobody knows, roles, columns, people and files that are not there.

Works on the nodes as read, before they are typed, so that these mistakes are reported together with all the others.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import resources
from pathlib import Path

from aims_mlflow import controls as catalogue
from aims_mlflow import registry
from aims_mlflow.errors import CannotMeasure
from aims_mlflow.measuring.expectations.evaluating import read_suite
from aims_mlflow.system import ROLES, Requirement
from aims_mlflow.system_file.mistakes import did_you_mean, shown
from aims_mlflow.system_file.strict_yaml import Mistake, Node


def inconsistencies(root: Node, base_dir: Path | None, *, thorough: bool = False) -> Iterator[Mistake]:
    """Yield what does not fit together, in no particular order.

    Args:
        root: the file as read.
        base_dir: the file's folder; None: suites are not looked for.
        thorough: whether Great Expectations may be imported (seconds) to look for types of expectations that are not its usual ones.
    """
    yield from _data(root)
    yield from _time(root)
    yield from _baseline(root)
    yield from _populations(root)
    for requirement in _each(root, "requirements"):
        if not isinstance(requirement.value, dict):
            continue
        yield from of_requirement(requirement, thorough=thorough)
        yield from _roles(requirement, root)
        yield from _column(requirement, root)
        yield from _suite(requirement, base_dir, thorough)
    named = [_at(one, "control") for key in ("attestations", "waivers") for one in _each(root, key)]
    named += [_at(one, "control") for one in _each(root, "risk", "treatments")]
    yield from unknown_controls([*named, *_each(root, "gate", "controls")])
    yield from _known_parties(root)
    yield from _positive_label(root)
    yield from _dates(root)
    for waiver in _each(root, "waivers"):
        yield from _check_and_metric(waiver)


def of_requirement(requirement: Node, *, thorough: bool = False) -> Iterator[Mistake]:
    """Yield what is wrong with a requirement by itself, whatever stands around it."""
    yield from _check_and_metric(requirement)
    yield from _expectation(requirement, thorough)
    yield from _one_question(requirement)


def _each(root: Node, *keys: str) -> Iterator[Node]:
    node: Node | None = root
    for key in keys:
        node = node.get(key) if node else None
    if node:
        yield from node.each()


def _at(node: Node, key: str) -> Node | None:
    """Return the value under ``key`` where it is text that says something."""
    found = node.get(key)
    return found if found is not None and found.text else None


def _data(root: Node) -> Iterator[Mistake]:
    data, task = root.get("data"), root.get("task")
    target = _at(task, "target") if task else None
    if data is None:
        return
    taken: dict[str, str] = {}
    roles = data.get("roles")
    for role, _, argument in roles.items() if roles else ():
        if argument.text and argument.text in taken:
            what = f"the argument {argument.text!r} already plays the role {taken[argument.text]}"
            yield Mistake(
                argument.place, argument.path, what, "give each role an argument of its own: data tested on must not be trained on"
            )
        taken.setdefault(argument.text, role)
    if target is None:
        return
    for column in _each(data, "features"):
        if column.text == target.text:
            yield Mistake(
                column.place, column.path, f"{target.text!r} is the target", "remove it from the features: the model would see the answer"
            )
    for column in _sensitive_nodes(data):
        if column.text == target.text:
            yield Mistake(column.place, column.path, f"{target.text!r} is the target", "name the columns that describe groups of people")


def _time(root: Node) -> Iterator[Mistake]:
    data, task = root.get("data"), root.get("task")
    time, target = _at(data, "time") if data else None, _at(task, "target") if task else None
    if time is not None and target is not None and time.text == target.text:
        yield Mistake(time.place, time.path, f"{time.text!r} is the target", "name the column that holds the time of each row")


def _baseline(root: Node) -> Iterator[Mistake]:
    system = root.get("system")
    baseline = _at(system, "baseline") if system else None
    if baseline is not None and not baseline.text.startswith(("models:/", "runs:/")):
        fix = "write models:/NAME@ALIAS, models:/NAME/VERSION or runs:/RUN_ID/PATH"
        yield Mistake(baseline.place, baseline.path, "the baseline is no model URI of MLflow's", fix)


def _populations(root: Node) -> Iterator[Mistake]:
    named: set[str] = set()
    for one in _each(root, "data", "populations"):
        column = _at(one, "column")
        if column is not None and column.text in named:
            yield Mistake(column.place, column.path, f"{column.text!r} has a population already", "keep one of the two")
        named.add(column.text if column else "")


def _sensitive_nodes(data: Node) -> Iterator[Node]:
    for one in _each(data, "sensitive"):
        column = _at(one, "column") or one
        if column.text:
            yield column


OWN = " (a check of your own must be known here too: install its package, or name its module in the environment variable AIMS_CHECKS)"


def _check_and_metric(node: Node) -> Iterator[Mistake]:
    check, metric = _at(node, "check"), _at(node, "metric")
    if check is None:
        return
    known = registry.checks()
    if check.text not in known:
        fix = did_you_mean(check.text, known, "the known checks are")
        yield Mistake(check.place, check.path, f"there is no check {shown(check.text)}", fix + OWN)
    elif metric is not None:
        names = known[check.text].metric_names()
        if metric.text not in names:
            fix = did_you_mean(metric.text, names, f"the metrics of {check.text} are")
            yield Mistake(metric.place, metric.path, f"the check {check.text} has no metric {shown(metric.text)}", fix)


def _roles(requirement: Node, root: Node) -> Iterator[Mistake]:
    roles = root.get("data")
    roles = roles.get("roles") if roles else None
    declared = [role for role, _, _ in roles.items()] if roles else []
    named = [_at(requirement, "dataset"), _at(requirement, "reference"), *_each(requirement, "datasets")]
    for role in named:
        if role is None or not role.text or role.text in declared:
            continue
        fix = (
            f"add {role.text}: <argument> under data.roles"
            if role.text in ROLES
            else did_you_mean(role.text, declared, "the declared roles are")
        )
        yield Mistake(role.place, role.path, f"no data are declared for the role {shown(role.text)}", fix)
    datasets = requirement.get("datasets")
    if datasets is not None and isinstance(datasets.value, list) and len({one.text for one in datasets.each()}) != 2:
        yield Mistake(datasets.place, datasets.path, "two different data roles are expected", "write datasets: [train, test]")


def _column(requirement: Node, root: Node) -> Iterator[Mistake]:
    check, column, data = _at(requirement, "check"), _at(requirement, "column"), root.get("data")
    if check is None or column is None or check.text != "fairness":
        return
    declared = [one.text for one in _sensitive_nodes(data)] if data else []
    parts = [column.text] if column.text in declared else column.text.split(" & ")
    for part in parts:
        if part not in declared:
            fix = did_you_mean(part, declared, "the sensitive columns are") + " or add it under data.sensitive"
            yield Mistake(column.place, column.path, f"{shown(part)} is not a sensitive column", fix)


def _suite(requirement: Node, base_dir: Path | None, thorough: bool) -> Iterator[Mistake]:
    suite = _at(requirement, "suite")
    if suite is None or base_dir is None:
        return
    try:
        found = read_suite(suite.text, base_dir)
    except CannotMeasure as problem:
        yield Mistake(suite.place, suite.path, problem.what, problem.fix)
        return
    if thorough:
        for one in found.expectations:
            yield from _expectation_type(one.type, suite)


def _expectation(requirement: Node, thorough: bool) -> Iterator[Mistake]:
    expectation = requirement.get("expectation")
    name = _at(expectation, "type") if expectation else None
    if name is not None and thorough:
        yield from _expectation_type(name.text, name)


def _expectation_type(name: str, node: Node) -> Iterator[Mistake]:
    if name not in usual_expectation_types() and name not in installed_expectation_types():
        fix = did_you_mean(name, usual_expectation_types(), "the usual ones are")
        yield Mistake(node.place, node.path, f"Great Expectations has no expectation {shown(name)}", fix)


@cache
def usual_expectation_types() -> frozenset[str]:
    """Return the types of expectations that Great Expectations itself brings."""
    text = resources.files("aims_mlflow.data").joinpath("expectation_types.json").read_text(encoding="utf-8")
    return frozenset(json.loads(text)["types"])


@cache
def installed_expectation_types() -> frozenset[str]:
    """Ask Great Expectations, which takes seconds to import; types of packages that are not imported are not known to it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its imports use deprecated modules
        import great_expectations  # noqa: F401 - its import registers its expectations
        from great_expectations.expectations.registry import list_registered_expectation_implementations

    return frozenset(list_registered_expectation_implementations())


def unknown_controls(nodes: Iterable[Node | None]) -> Iterator[Mistake]:
    """Yield a mistake for each node that should name a control of Annex A and does not."""
    for node in nodes:
        if node is not None and node.text and node.text not in catalogue.control_ids():
            fix = did_you_mean(node.text, catalogue.control_ids(), "the controls are") + " (aims controls lists them)"
            yield Mistake(node.place, node.path, f"Annex A has no control {shown(node.text)}", fix)


def _known_parties(root: Node) -> Iterator[Mistake]:
    parties = [_at(one, "name") for one in _each(root, "system", "affected_parties")]
    known = [one.text for one in parties if one]
    for one in [*_each(root, "risk", "consequences"), *_each(root, "impact", "impacts")]:
        party = _at(one, "party")
        if party is not None and party.text not in known:
            fix = did_you_mean(party.text, known, "the affected parties are") + " or add it under system.affected_parties"
            yield Mistake(party.place, party.path, f"{shown(party.text)} is not among the affected parties", fix)


def _dates(root: Node) -> Iterator[Mistake]:
    for key in ("attestations", "waivers"):
        for one in _each(root, key):
            expires, given = _at(one, "expires"), _at(one, "on")
            if expires and given and expires.text < given.text:  # dates as text sort as dates
                yield Mistake(one.place, one.path, "it expires before it was given", "correct one of the two dates")


def _one_question(requirement: Node) -> Iterator[Mistake]:
    """Say what the typed model says too, but would keep back as long as the requirement has another mistake."""
    keys = {key for key, _, node in requirement.items() if node.value is not None}
    if not keys or keys - set(Requirement.model_fields):
        return  # a misspelt key explains what is missing
    if keys & {"expectation", "suite"}:
        return
    if "metric" not in keys or len(keys & {"min", "max", "equals"}) != 1:
        what = "a requirement needs a metric and exactly one bound"
        yield Mistake(requirement.place, requirement.path, what, "add metric: ... and one of min, max or equals")


def _positive_label(root: Node) -> Iterator[Mistake]:
    task = root.get("task")
    kind = _at(task, "kind") if task else None
    label = task.get("positive_label") if task else None
    if task and kind and kind.text == "binary_classification" and (label is None or label.value is None):
        fix = "write it as it stands in the data (such as 1, true or 'yes')"
        yield Mistake(task.place, task.path, "a binary task needs positive_label", fix)
