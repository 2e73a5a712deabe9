"""The examples of operation: every command and call in them is one that there is. Cron and Airflow themselves are not started."""

from __future__ import annotations

import ast
import inspect
import re
import shlex
from pathlib import Path

import click

from aims_mlflow.cli import main
from aims_mlflow.operation import monitor
from aims_mlflow.operation.looking import Monitoring

EXAMPLES = Path(__file__).parents[2] / "examples" / "operation"


def commands(text: str) -> list[list[str]]:
    """Return the arguments of each call of aims in a crontab."""
    lines = [line for line in text.splitlines() if re.match(r"[\d*]", line)]
    for line in lines:
        assert re.match(r"((\*|\d{1,2}) ){5}\S", line), line
    calls = [line.partition("aims ")[2] for line in lines]
    return [shlex.split(call.replace("$(date -d yesterday +\\%F)", "day")) for call in calls]


def test_each_line_of_the_crontab_calls_a_command_as_it_is() -> None:
    found = commands((EXAMPLES / "crontab").read_text(encoding="utf-8"))
    assert [call[0] for call in found] == ["monitor", "monitor", "monitor", "nonconformity", "summarise"]
    for name, *arguments in found:
        context = click.Context(main)
        command = main.get_command(context, name)  # type: ignore[attr-defined]
        while isinstance(command, click.Group):
            command, arguments = command.get_command(context, arguments[0]), arguments[1:]
        assert command is not None
        command.make_context(name, list(arguments))  # raises a usage error where an option or argument is not known


def test_the_dag_calls_what_there_is() -> None:
    tree = ast.parse((EXAMPLES / "airflow_dag.py").read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    (look,) = [c for c in calls if isinstance(c.func, ast.Name) and c.func.id == "monitor"]
    inspect.signature(monitor).bind(*look.args, **{k.arg: k.value for k in look.keywords if k.arg})
    read = {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name) and n.value.id == "found"}
    assert read <= {*Monitoring.__dataclass_fields__, "exit_code"}
    imported = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert {"airflow.decorators", "aims_mlflow.operation"} <= imported
