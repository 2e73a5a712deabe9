"""Versions and imports of the libraries we stand on, and whether the telemetry of any of them is on."""

from __future__ import annotations

import importlib
import os
import platform
import re
import warnings
from collections.abc import Iterator
from importlib import metadata
from typing import TYPE_CHECKING

import aims_mlflow
from aims_mlflow.diagnosing.words import Area, Finding, State

if TYPE_CHECKING:
    from packaging.requirements import Requirement

OURS = "aims-mlflow"
"""The distribution whose metadata says which versions are supported."""

MODULES = {"pyyaml": "yaml", "scikit-learn": "sklearn"}
"""Modules that are not called as their distribution is."""

_ON = ("1", "true", "t", "yes", "y", "on")
_OFF = ("0", "false", "f", "no", "n", "off")


def look(server_version: str = "") -> list[Finding]:
    """Look at Python, at ourselves, at every library, and at MLflow on both sides.

    Args:
        server_version: the MLflow server's; "" where it is not known.
    """
    needed = list(requirements())
    found = [*_ourselves(), *(_library(one) for one in needed)]
    mlflow = next((one for one in needed if one.name == "mlflow"), None)
    if server_version and mlflow is not None:
        found.append(_server(server_version, mlflow))
    return found


def requirements() -> Iterator[Requirement]:
    """Yield what our own metadata asks for here: the libraries, and those of the extras that are installed."""
    from packaging.requirements import Requirement

    try:
        asked = metadata.requires(OURS) or []
    except metadata.PackageNotFoundError:
        return
    for text in asked:
        one = Requirement(text)
        optional = one.marker is not None and "extra" in str(one.marker)
        if optional and _installed(one.name) is None:
            continue
        if optional or one.marker is None or one.marker.evaluate():
            yield one


def telemetry() -> list[Finding]:
    """Say of each library that can report its use whether it is kept from that, as the library itself reads its switches."""
    env = os.environ
    not_tracked = env.get("DO_NOT_TRACK")
    off = {
        "mlflow": _is(env.get("MLFLOW_DISABLE_TELEMETRY"), _ON) or (not_tracked or "").lower() == "true",
        "evidently": not_tracked is not None,
        "great-expectations": _is(env.get("GX_ANALYTICS_ENABLED"), _OFF),
        "huggingface-hub": any(
            _is(env.get(name), _ON) for name in ("HF_HUB_DISABLE_TELEMETRY", "DISABLE_TELEMETRY", "DO_NOT_TRACK", "HF_HUB_OFFLINE")
        ),
    }
    switch = {
        "mlflow": "MLFLOW_DISABLE_TELEMETRY=true",
        "evidently": "DO_NOT_TRACK=true",
        "great-expectations": "GX_ANALYTICS_ENABLED=false",
        "huggingface-hub": "HF_HUB_DISABLE_TELEMETRY=1",
    }
    found: list[Finding] = []
    for name, is_off in off.items():
        if _installed(name) is None:
            continue
        if is_off:
            what = f"{name} reports nothing from a program that imports aims_mlflow first, or has {switch[name]} in its environment"
            found.append(_found("telemetry", "telemetry", "ok", what, name))
        else:
            what = f"{name} may report how it is used: its switch is set so in this environment"
            found.append(_found("telemetry", "telemetry", "problem", what, name, f"export {switch[name]}"))
    return found


def _ourselves() -> Iterator[Finding]:
    from packaging.specifiers import SpecifierSet

    try:
        about = metadata.metadata(OURS)
    except metadata.PackageNotFoundError:
        what = "aims-mlflow runs from a folder that was never installed: its entry points are not there, and no version can be compared"
        yield _found("versions", "not_installed", "problem", what, str(aims_mlflow.__file__), "pip install it")
        return
    installed, running = about["Version"], aims_mlflow.__version__
    if installed == running:
        yield _found("versions", "aims", "ok", f"aims-mlflow {running}", OURS)
    else:
        what = f"aims-mlflow {running} is running, and {installed} is what is installed"
        yield _found("versions", "aims", "problem", what, str(aims_mlflow.__file__), "install it again, once, in this environment")
    python, range_ = platform.python_version(), about["Requires-Python"] or ""
    fits = SpecifierSet(range_).contains(python, prereleases=True)
    fix = "" if fits else f"use Python {range_}"
    yield _found(
        "versions", "python", "ok" if fits else "problem", f"Python {python} (supported: {range_ or 'any'})", platform.platform(), fix
    )


def _library(asked: Requirement) -> Finding:
    """Say whether a library is there, in the supported range, and can be imported."""
    there, supported = _installed(asked.name), str(asked.specifier) or "any"
    fix = f"pip install '{asked.name}{asked.specifier}'"
    if there is None:
        return _found("versions", "missing", "problem", f"{asked.name} is not installed (supported: {supported})", asked.name, fix)
    if not asked.specifier.contains(there, prereleases=True):
        return _found("versions", "range", "problem", f"{asked.name} {there} is outside the supported range {supported}", asked.name, fix)
    trouble = _import_trouble(_module(asked.name))
    if trouble:
        what = f"{asked.name} {there} cannot be imported ({trouble})"
        return _found("versions", "import", "problem", what, asked.name, f"pip install --force-reinstall '{asked.name}{asked.specifier}'")
    return _found("versions", "library", "ok", f"{asked.name} {there} (supported: {supported})", asked.name)


def _server(version: str, asked: Requirement) -> Finding:
    from packaging.version import InvalidVersion, Version

    client = _installed("mlflow") or ""
    try:
        fits = asked.specifier.contains(Version(version), prereleases=True)
    except InvalidVersion:
        fits = False
    if not fits:
        what = f"the MLflow server is {version}, outside what we are tried with ({asked.specifier}); the client is {client}"
        return _found("versions", "server", "problem", what, "mlflow", f"run a server of MLflow {asked.specifier}")
    if version.split(".")[:2] != client.split(".")[:2]:
        return _found(
            "versions", "server", "note", f"the MLflow server is {version}, the client {client}", "mlflow", "use one version for both"
        )
    return _found("versions", "server", "ok", f"the MLflow server is {version}, the client {client}", "mlflow")


def _import_trouble(module: str) -> str:
    """Import a module; return what kind of trouble there was, "" for none. Other libraries' texts may quote what is not ours to print."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the libraries' own, which nobody here can mend
            importlib.import_module(module)
    except ModuleNotFoundError as error:
        return f"the module {error.name} is missing"
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # also SystemExit
        return type(error).__name__
    return ""


def _module(distribution: str) -> str:
    name = re.sub(r"[-_.]+", "-", distribution).lower()
    return MODULES.get(name, name.replace("-", "_"))


def _installed(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _is(value: str | None, words: tuple[str, ...]) -> bool:
    return value is not None and value.strip().lower() in words


def _found(area: Area, code: str, state: State, what: str, where: str, fix: str = "") -> Finding:
    return Finding(area=area, code=code, state=state, what=what, where=where, fix=fix)
