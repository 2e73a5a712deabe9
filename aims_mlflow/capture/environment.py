"""What a run stood on: the code that trained, the packages, the machine and the seeds. No network, none of the user's git hooks."""

from __future__ import annotations

import hashlib
import inspect
import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, distributions, packages_distributions, version
from pathlib import Path
from typing import Any

from aims_mlflow.capture.ranks import rank
from aims_mlflow.observation import Code

GIT_SECONDS = 5.0
"""How long git may take for each of its answers before the commit counts as unknown."""

ENVIRONMENT_DIGEST = "(whole environment)"
"""The key among the packages under which the digest of everything installed stands."""

_SEED = re.compile(r"(^|_)(random_state|seed|random_seed)$")


def code_of(function: Callable[..., Any] | None, file: str = "") -> Code:
    """Return which code trained the model.

    Args:
        function: the tracked function; None where there is none (a ``with`` block).
        file: the file of the ``with`` block.

    An installed distribution where the file stands among the site packages, else the git commit where git tracks the
    file or its repository, else unknown. ``dirty`` is true where a tracked file differs from the commit, or where the
    file itself is not in it. ``source_sha256`` is the digest of the whole source file, or of the function's source
    where it has no file (a notebook).
    """
    found = inspect.unwrap(function) if function is not None else None
    found = getattr(found, "func", found)  # functools.partial
    path = _file(found, file)
    module = str(getattr(found, "__module__", "") or "")
    entry = f"{module}:{getattr(found, '__qualname__', type(found).__qualname__)}" if found is not None else (path.name if path else "")
    digest = _source_digest(found, path)
    if path is not None and {"site-packages", "dist-packages"} & set(path.parts):
        reference = _distribution(module.partition(".")[0])
        if reference:
            return Code("distribution", reference, None, digest, entry)
    commit, dirty = _git(path) if path is not None else ("", None)
    if commit:
        return Code("git", commit, dirty, digest, entry)
    return Code("unknown", "", None, digest, entry)


def packages() -> dict[str, str]:
    """Return name -> version of the installed distributions that this process has imported, and a digest of all installed.

    The digest (under ``ENVIRONMENT_DIGEST``) is the sha256 of the sorted lines ``name==version``.
    """
    imported = {name.partition(".")[0] for name in tuple(sys.modules)}
    owners = _owners()
    names = {dist for module in imported for dist in owners.get(module, ())}
    found = {name: _version(name) for name in sorted(names, key=str.lower)}
    return {**{name: number for name, number in found.items() if number}, ENVIRONMENT_DIGEST: f"sha256:{_installed_digest()}"}


def hardware() -> dict[str, str | int | float]:
    """Return cores, memory in bytes, platform and Python of this machine; a GPU only where the run has loaded torch.

    Where several processes trained together, ``processes`` is how many (what the others were given: ``sharing``).
    """
    found: dict[str, str | int | float] = {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 0,
        "platform": platform.platform(),
        "machine": platform.machine(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        found["memory_bytes"] = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if rank().of > 1:
        found["processes"] = rank().of
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "cuda") and torch.cuda.is_available():
        found["gpus"] = torch.cuda.device_count()
        found["gpu"] = str(torch.cuda.get_device_name(0))
    return found


def seeds(estimator: Any = None, arguments: Mapping[str, Any] | None = None) -> dict[str, str]:
    """Return the seeds that can be seen: the estimator's, the function's own arguments, PYTHONHASHSEED, torch's.

    numpy's and Python's global generators do not tell the seed they were given, so they are not listed.
    """
    found = {f"estimator.{k}": _seed(v) for k, v in sorted(_parameters(estimator).items()) if _SEED.search(k) and v is not None}
    found |= {f"argument.{k}": _seed(v) for k, v in (arguments or {}).items() if _SEED.search(k) and v is not None}
    if os.environ.get("PYTHONHASHSEED", "random") != "random":
        found["PYTHONHASHSEED"] = os.environ["PYTHONHASHSEED"]
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "initial_seed"):
        found["torch"] = str(torch.initial_seed())
    return found


def _parameters(estimator: Any) -> dict[str, Any]:
    ask = getattr(estimator, "get_params", None)
    if ask is None or isinstance(estimator, type):
        return {}
    try:
        return {str(k): v for k, v in ask().items()}
    except Exception:  # somebody else's class: it may want arguments, or refuse
        return {}


def _seed(value: Any) -> str:
    return str(int(value)) if isinstance(value, int) or hasattr(value, "__index__") else f"<{type(value).__name__}>"


def _file(function: Any, given: str) -> Path | None:
    if function is not None:
        try:
            given = inspect.getsourcefile(function) or ""
        except TypeError:  # a callable object: the file of its class
            try:
                given = inspect.getsourcefile(type(function)) or ""
            except (TypeError, OSError):
                given = ""
    path = Path(given) if given else None
    return path.resolve() if path is not None and path.is_file() else None


def _source_digest(function: Any, path: Path | None) -> str:
    try:
        content = path.read_bytes() if path is not None else inspect.getsource(function).encode()
    except (OSError, TypeError):
        return ""
    return hashlib.sha256(content).hexdigest()


def _distribution(module: str) -> str:
    return next((f"{name}=={_version(name)}" for name in _owners().get(module, ()) if _version(name)), "")


@cache
def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""


@cache
def _owners() -> Mapping[str, list[str]]:
    return packages_distributions()


@cache
def _installed_digest() -> str:
    lines = {f"{d.name.lower()}=={d.version}" for d in distributions() if d.name}
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def _git(path: Path) -> tuple[str, bool | None]:
    """Return the commit that the file's repository stands at, and whether the work tree differs from it."""
    commit = _ask_git(path, "rev-parse", "--verify", "HEAD")
    if not commit:
        return "", None
    changed = _ask_git(path, "status", "--porcelain", "--untracked-files=no")
    tracked = _ask_git(path, "ls-files", "--error-unmatch", "--", str(path))
    return commit, None if changed is None else bool(changed) or tracked is None


def _ask_git(path: Path, *question: str) -> str | None:
    """Return git's answer, or None. Nothing of the repository's own configuration may start a program."""
    quiet = ("--no-optional-locks", "-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}", "-c", "core.pager=cat")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")} | {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    try:
        answer = subprocess.run(  # noqa: S603 - a fixed program with fixed words; the path is an argument, never a shell's
            ["git", *quiet, *question],  # noqa: S607 - git wherever the user has it
            cwd=path.parent,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=GIT_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.decode(errors="replace").strip()
