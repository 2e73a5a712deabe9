"""Mutants of a module's source: mutmut's operators, and four of our own, on every line that can make a wrong answer.

mutmut (https://mutmut.readthedocs.io) itself passes over what stands outside functions and over decorated functions: tables, validators
and properties, which say most here. So its operators are taken, and not its runner. Left out: types, imports, docstrings, log lines and
the words that people read (texts with a space in them, and what is passed as ``what``, ``where``, ``fix``, ``reason`` and the like).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import libcst as cst
import libcst.matchers as m
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation.mutators import mutation_operators

WORDS = frozenset({"what", "where", "fix", "reason", "description", "title", "said", "why", "how", "failed", "asks"})
"""Arguments and variables that hold words for people."""

UNTOUCHED = frozenset({"len", "isinstance", "cast", "TypeVar", "assert_never"})
"""Calls that mutmut leaves alone, and those that mean nothing when a program runs."""

LOGGING = ("debug", "info", "warning", "error", "exception")


@dataclass(frozen=True)
class Mutant:
    """One change of one module. ``line`` is where it begins, ``was`` and ``now`` what it changes."""

    module: str
    path: Path
    number: int
    line: int
    was: str
    now: str
    _old: cst.CSTNode = field(repr=False, compare=False)
    _new: cst.CSTNode = field(repr=False, compare=False)
    _tree: cst.Module = field(repr=False, compare=False)

    @property
    def id(self) -> str:
        """``module:number``."""
        return f"{self.module}:{self.number}"

    def unchanged(self) -> Mutant:
        """Return a mutant at the same place that is none."""
        return replace(self, _new=self._old)

    def source(self) -> str:
        """Return the module with the change."""
        tree = self._tree.deep_replace(self._old, self._new)
        assert isinstance(tree, cst.Module)
        return str(tree.code)


def mutants_of(module: str, path: Path) -> list[Mutant]:
    """Return every mutant of a module, in the order of its lines."""
    wrapper = MetadataWrapper(cst.parse_module(path.read_text(encoding="utf-8")))
    places = wrapper.resolve(PositionProvider)
    found: list[Mutant] = []
    for node in _nodes(wrapper.module):
        for new in _changes(node):
            was, now = (wrapper.module.code_for_node(one).strip() for one in (node, new))
            if was != now:
                found.append(Mutant(module, path, 0, places[node].start.line, was, now, node, new, wrapper.module))
    found.sort(key=lambda one: one.line)
    return [replace(one, number=number) for number, one in enumerate(found)]


def _nodes(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    if _left_out(node):
        return
    yield node
    for child in node.children:
        yield from _nodes(child)


def _left_out(node: cst.CSTNode) -> bool:
    match node:
        case cst.Annotation() | cst.Decorator() | cst.Import() | cst.ImportFrom() | cst.FormattedString() | cst.ConcatenatedString():
            return True
        case cst.SimpleString():
            return " " in node.value or node.value.startswith(('"""', "r'''"))
        case cst.If(test=cst.Name(value="TYPE_CHECKING")):
            return True
        case cst.Subscript(value=cst.Name(value="Literal" | "Mapping" | "TypeVar")):
            return True
        case cst.Assign():
            names = [t.target.value for t in node.targets if isinstance(t.target, cst.Name)]
            return "__all__" in names or (bool(WORDS & {*names}) and _is_text(node.value))
        case cst.Call(func=cst.Name(value=name)):
            return name in UNTOUCHED
        case cst.Call(func=cst.Attribute(value=cst.Name(value="log"), attr=cst.Name(value=name))):
            return name in LOGGING
        case cst.Arg():
            return _is_words(node)
        case cst.Expr(value=cst.SimpleString()):
            return True
    return False


def _is_text(node: cst.BaseExpression) -> bool:
    if isinstance(node, cst.IfExp):
        return _is_text(node.body) or _is_text(node.orelse)
    if isinstance(node, cst.BinaryOperation):
        return _is_text(node.left) or _is_text(node.right)
    is_prose = isinstance(node, cst.SimpleString) and (" " in node.value or node.value in ('""', "''"))
    return is_prose or isinstance(node, cst.FormattedString | cst.ConcatenatedString)


def _is_words(arg: cst.Arg) -> bool:
    """Whether an argument holds words for people, by its name or by its text."""
    if arg.keyword is not None:
        return arg.keyword.value in WORDS
    return _is_text(arg.value) or (isinstance(arg.value, cst.Name) and arg.value.value in WORDS)


def _changes(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    for kind, operator in mutation_operators:
        if isinstance(node, kind):
            for new in operator(node):
                if not (isinstance(node, cst.Call) and isinstance(new, cst.Call) and _loses_words(node, new)):
                    yield new
    yield from _own(node)


def _loses_words(node: cst.Call, new: cst.Call) -> bool:
    """Whether all that a call loses are words for people."""
    gone = [arg for arg in node.args if not any(arg is other for other in new.args)]
    return bool(gone) and all(_is_words(arg) for arg in gone)


def _own(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """What mutmut has no operator for: a bare condition turned round, a statement or a raise left out, a value not returned."""
    if isinstance(node, cst.If | cst.While | cst.CompIf) and isinstance(node.test, cst.Name | cst.Attribute | cst.Call | cst.NamedExpr):
        inner = node.test.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
        yield node.with_changes(test=cst.UnaryOperation(cst.Not(), inner))
    if isinstance(node, cst.SimpleStatementLine) and m.matches(node, m.SimpleStatementLine(body=[m.Expr(value=m.Call()) | m.Raise()])):
        yield node.with_changes(body=[cst.Pass()])
    if isinstance(node, cst.Return) and node.value is not None and not m.matches(node.value, m.Name("None")):
        yield node.with_changes(value=cst.Name("None"), whitespace_after_return=cst.SimpleWhitespace(" "))
