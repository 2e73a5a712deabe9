"""Every exception of the package; each says what went wrong, where, and how to mend it, in one message.

The tree::

    AimsError
    ├── ConfigurationError          a file or an argument of the user's is wrong
    │   ├── SystemFileError         the system file, or the organisation's: all its mistakes at once
    │   ├── NoSystemError           no system of the policy folder speaks for the model
    │   └── UnknownNameError        a name nobody knows; the nearest known one is in the fix
    ├── CannotMeasure               a check looked and could not see (becomes MISSING or ERROR evidence)
    ├── VerificationError           a signature, digest or manifest does not hold
    │   └── MissingKeyError         the public key that a signature names is not at hand
    ├── StoreError                  MLflow did not answer, or answered with a refusal
    ├── SpoolError                  the local spool could not be written or read
    │   └── SpoolFullError          what waits in it leaves no room for more
    └── PromotionBlocked            the gate said no, or could not decide
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any, Literal


class AimsError(Exception):
    """Base of the tree. ``what`` happened, ``where`` (may be empty) and the ``fix``."""

    def __init__(self, what: str, *, where: str = "", fix: str = "") -> None:
        self.what = what
        self.where = where
        self.fix = fix
        place = f" ({where})" if where else ""
        remedy = f" Fix: {fix}" if fix else ""
        super().__init__(f"{what}{place}{remedy}")


class ConfigurationError(AimsError):
    """A file or an argument of the user's is wrong."""


class SystemFileError(ConfigurationError):
    """A system or organisation file cannot be used; the message lists every mistake with line and column, ``mistakes`` holds them."""

    mistakes: tuple[Any, ...] = ()

    @classmethod
    def of(cls, mistakes: Iterable[object], where: str = "", *, more: bool = False, kind: str = "system file") -> SystemFileError:
        """Build the error from mistakes (``strict_yaml.Mistake``), one line each; ``more``: there are others, not listed."""
        found = tuple(mistakes)
        many = f"{'more than ' if more else ''}{len(found)} mistakes" if len(found) != 1 else "a mistake"
        lines = [f"  {where + ':' if where else ''}{m}" for m in found] + (["  and others; mend these first"] if more else [])
        error = cls(f"the {kind} has {many}:\n" + "\n".join(lines))
        error.where, error.mistakes = where, found
        return error


class NoSystemError(ConfigurationError):
    """No system of the policy folder speaks for the registered model, so the gate has nothing to judge it by."""


class UnknownNameError(ConfigurationError):
    """A name that nobody knows."""

    @classmethod
    def among(cls, kind: str, name: str, known: Iterable[str], *, where: str = "") -> UnknownNameError:
        """Build the error for ``name``, naming the nearest of the ``known`` ones."""
        return cls(f"unknown {kind} {name!r}", where=where, fix=nearest(name, known))


class CannotMeasure(AimsError):
    """A check could not measure what it was asked for.

    ``state`` is the evidence state that follows: ``missing`` where something was not given, ``error`` where what was
    given cannot be used. The message must never quote a data value.
    """

    def __init__(self, what: str, *, state: Literal["missing", "error"] = "error", where: str = "", fix: str = "") -> None:
        super().__init__(what, where=where, fix=fix)
        self.state: Literal["missing", "error"] = state


class VerificationError(AimsError):
    """A signature, a digest or a manifest does not hold."""


class MissingKeyError(VerificationError):
    """The public key that a signature names is not at hand, so that nobody can say whether it holds."""


class StoreError(AimsError):
    """MLflow did not answer, or answered with a refusal."""


class SpoolError(AimsError):
    """The local spool could not be written or read."""


class SpoolFullError(SpoolError):
    """What waits in the spool leaves no room for more, and none of it may be deleted: it has not reached MLflow yet."""


class PromotionBlocked(AimsError):
    """The gate said no, or could not decide; ``decision`` holds its lines."""

    def __init__(self, what: str, *, decision: object = None, where: str = "", fix: str = "") -> None:
        super().__init__(what, where=where, fix=fix)
        self.decision = decision


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a sentence that names the known name closest to ``name``, or lists the known ones."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"known: {', '.join(names)}" if names else "nothing is known here yet"
