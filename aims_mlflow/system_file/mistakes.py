"""Mistakes in plain words: what the typed model says about a system file, translated to line, path, meaning and fix."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from aims_mlflow.system_file.schema import json_schema
from aims_mlflow.system_file.strict_yaml import Mistake, Node, Place

Schema = Mapping[str, Any]


def did_you_mean(name: str, known: Iterable[str], kind: str = "the known ones are") -> str:
    """Return a fix that names the nearest of the known names, or lists them (at most twenty) after ``kind``."""
    names = list(dict.fromkeys(known))
    by_folded = {n.casefold(): n for n in reversed(names)}
    begun = [n for n in names if len(name) > 2 and n.startswith(name)]
    if len(begun) == 1:
        return f"did you mean {begun[0]!r}?"
    close = difflib.get_close_matches(name.casefold()[:80], list(by_folded), n=1, cutoff=0.5)
    if close:
        return f"did you mean {by_folded[close[0]]!r}?"
    if not names:
        return "there is none yet"
    return f"{kind} {', '.join(names[:20])}" + (f" and {len(names) - 20} more" if len(names) > 20 else "")


def shown(value: object) -> str:
    """Return a scalar as it may be quoted in a message: short, on one line."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)):
        return "a mapping" if isinstance(value, dict) else "a list"
    text = str(value)
    text = text if len(text) <= 60 else text[:57] + "..."
    return repr(text) if isinstance(value, str) else f"the number {text}"


Loc = Sequence[int | str]


def translate(error: ValidationError, root: Node, schema: Schema | None = None) -> Iterator[Mistake]:
    """Yield the typed model's errors as mistakes, in the model's order; a union's branches that do not apply are left out.

    ``schema`` is the JSON Schema of the model, where known names and meanings are looked up; default: that of the system file.
    """
    whole = json_schema() if schema is None else schema
    for one in error.errors(include_url=False, include_input=False):
        loc = one["loc"]
        node, place = _locate(root, loc)
        of_its_parts = one["type"] == "too_short" and bool(node.value)  # elements that are wrong are not counted, and are told themselves
        if _applies(loc, node) and not of_its_parts:
            what, fix = _words(one["type"], one.get("ctx", {}), one["msg"], loc, node, whole)
            missing = one["type"] == "missing"
            path = f"{node.path}.{loc[-1]}".removeprefix(".") if missing else node.path
            on_key = missing or one["type"] == "extra_forbidden" or loc[-1:] == ("[key]",)
            yield Mistake(place if on_key else node.place, path, what, fix)


def _locate(root: Node, loc: Loc) -> tuple[Node, Place]:
    """Find the node that ``loc`` means, and the place of its key (its own place where it is an element of a list).

    Parts of ``loc`` that are not in the file are the model's names for a union's branches, or the missing key: skipped.
    """
    node, place = root, root.place
    for part in loc:
        if isinstance(part, int) and isinstance(node.value, list) and part < len(node.value):
            node = node.value[part]
            place = node.place
        elif isinstance(node.value, dict) and str(part) in node.value:
            place, node = node.value[str(part)]
    return node, place


def _applies(loc: Loc, node: Node) -> bool:
    """Whether an error belongs to the branch of a union that the file's value has taken.

    The unions are text | binned column (``data.sensitive``), text | number | boolean (labels), and text | list
    (an expectation's notes); where no branch fits, the error of the first one is kept.
    """
    if loc[:2] == ("data", "sensitive") and len(loc) > 3:
        inside = len(loc) > 4 or isinstance(node.value, dict)
        return (loc[3] == "constrained-str") != inside
    return not loc or loc[-1] not in ("int", "float", "bool", "list[str]")  # no place: the model as a whole contradicts itself


def _words(kind: str, ctx: Mapping[str, Any], message: str, loc: Loc, node: Node, whole: Schema) -> tuple[str, str]:
    """Return (what is wrong, the fix) for one of the model's errors."""
    last = str(loc[-2] if loc[-1] == "[key]" and len(loc) > 1 else loc[-1]) if loc else ""
    if kind == "extra_forbidden":
        known = _schema_at(loc[:-1], whole).get("properties", {})
        return f"unknown key {shown(last)}", did_you_mean(last, known, "the keys known here are")
    schema = _schema_at(loc, whole)
    meaning = str(schema.get("description", ""))
    if loc and loc[-1] == "[key]":
        meaning = str(_schema_at(loc[:-2], whole).get("propertyNames", {}).get("description", meaning))
    if kind == "missing":
        return "this key is missing", f"add {last}: {_example(schema, whole)}{_hint(meaning)}"
    if kind == "value_error":
        what, _, fix = message.removeprefix("Value error, ").partition("; ")
        return what, fix
    if kind in ("literal_error", "enum"):
        given = last if loc[-1] == "[key]" else node.value
        options = _options(_schema_at(loc[:-2], whole) if loc[-1] == "[key]" else schema, whole)
        return f"{shown(given)} is not accepted here", did_you_mean(str(given), options, "the accepted ones are")
    if loc and loc[-1] == "str":
        return f"one value is expected here, and {shown(node.value)} was found", "write text, a number, or true or false"
    if node.value is None and kind.endswith("_type"):
        return "there is no value", f"fill it in, or remove the line{_hint(meaning)}"
    return _value_words(kind, ctx, last if loc and loc[-1] == "[key]" else node.value, meaning)


def _value_words(kind: str, ctx: Mapping[str, Any], value: object, meaning: str) -> tuple[str, str]:
    """Return (what is wrong, the fix) where a value has the wrong type, size or form."""
    expected = {
        "string_type": ("text", "put the value in quotes" if isinstance(value, (int, float)) else "write plain text"),
        "int_type": ("a whole number", "write it without quotes and without decimals, such as 3"),
        "int_from_float": ("a whole number", "write it without decimals, such as 3"),
        "int_parsing": ("a whole number as the key", "write the key as a number, such as 3"),
        "float_type": ("a number", "write it without quotes, such as 0.8"),
        "bool_type": ("true or false", "write true or false; yes, no, on and off are text in YAML 1.2"),
        "tuple_type": ("a list", "write it as [one, two] or as lines that begin with -"),
        "list_type": ("a list", "write it as [one, two] or as lines that begin with -"),
        "dict_type": ("a mapping of keys to values", "write key: value lines under it"),
        "model_type": ("a mapping of keys to values", "write key: value lines under it"),
        "model_attributes_type": ("a mapping of keys to values", "write key: value lines under it"),
        "date_type": ("a date", "write it as 2026-01-31"),
    }
    if kind in expected:
        noun, fix = expected[kind]
        return f"{noun} is expected here, and {shown(value)} was found", fix + _hint(meaning)
    if kind.startswith("date"):
        return f"{shown(value)} is not a day of the calendar", "write a real day as 2026-01-31"
    bounds = {
        "greater_than_equal": ("at least", "ge"),
        "greater_than": ("more than", "gt"),
        "less_than_equal": ("at most", "le"),
        "less_than": ("less than", "lt"),
    }
    if kind in bounds:
        words, limit = bounds[kind]
        return f"the number must be {words} {ctx[limit]:g}", f"correct the number{_hint(meaning)}"
    if kind == "string_pattern_mismatch":
        return f"{shown(value)} does not have the form that is asked for", meaning or f"it must match {ctx.get('pattern')}"
    if kind in ("string_too_short", "too_short"):
        return "it is empty", f"fill it in, or remove the line{_hint(meaning)}"
    if kind in ("string_too_long", "too_long"):
        return f"it is longer than {ctx.get('max_length')}", "shorten it, and refer to a document"
    if kind == "finite_number":
        return "the number is not finite", "write a finite number"
    return "the value cannot be used here", meaning or "see docs/system-file.md"


def _hint(meaning: str) -> str:
    return f" (meaning of this key: {meaning})" if meaning else ""


def _options(schema: Schema, whole: Schema) -> list[str]:
    """Return the values that a schema accepts by name."""
    schema = _resolved(schema, whole)
    options = schema.get("enum") or schema.get("propertyNames", {}).get("enum") or ([schema["const"]] if "const" in schema else [])
    return [str(option) for option in options]


def _example(schema: Schema, whole: Schema) -> str:
    options, resolved = _options(schema, whole), _resolved(schema, whole)
    if options and "propertyNames" not in resolved:
        return " | ".join(options)
    kind = resolved.get("type")
    if resolved.get("format") == "date":
        return "2026-01-31"
    return {"object": "followed by its own keys", "array": "[...]", "integer": "1", "number": "0.8"}.get(str(kind), "...")


def _resolved(schema: Schema, whole: Schema) -> Schema:
    """Follow a reference, and the one branch beside null; keep the description of the key itself."""
    branches = [b for b in schema.get("anyOf", ()) if b.get("type") != "null"]
    target = branches[0] if len(branches) == 1 else next((b for b in branches if "$ref" in b), schema)
    if "$ref" in target:
        target = whole["$defs"][target["$ref"].rpartition("/")[2]]
    return {**target, "description": schema.get("description", target.get("description", ""))}


def _schema_at(loc: Loc, whole: Schema) -> Schema:
    """Return the schema of the value at ``loc``; parts that are no keys (a union's branches) are skipped."""
    schema = _resolved(whole, whole)
    for part in loc:
        if isinstance(part, int):
            schema = {**_resolved(schema.get("items", {}), whole), "description": ""}
        elif part in schema.get("properties", {}):
            schema = _resolved(schema["properties"][part], whole)
        elif isinstance(schema.get("additionalProperties"), dict):
            schema = _resolved(schema["additionalProperties"], whole)
        elif schema.get("patternProperties"):  # keys of one form
            schema = _resolved(next(iter(schema["patternProperties"].values())), whole)
    return schema
