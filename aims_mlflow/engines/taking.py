"""How a frame of another engine than pandas is taken: whole where it stands in memory and is small enough, else by counts and a sample."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from aims_mlflow.engines.content import content_fingerprint
from aims_mlflow.engines.frames import Frame, engine_of
from aims_mlflow.engines.whole import Again, Whole, as_pandas, gather
from aims_mlflow.errors import AimsError, CannotMeasure
from aims_mlflow.fingerprint import Fingerprint, fingerprint
from aims_mlflow.settings import CELLS_IN_MEMORY, SAMPLE_ROWS, SAMPLE_SEED
from aims_mlflow.system import System

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger("aims_mlflow")
T = TypeVar("T")


@dataclass(frozen=True)
class Taken:
    """A frame as the checks will see it, the fingerprint of its content, what is known of all rows, and how to look at it again."""

    frame: pd.DataFrame
    fingerprint: Fingerprint
    whole: Whole | None
    again: Again


def is_foreign(given: Any) -> bool:
    """Return whether what was given is a frame of another engine than pandas."""
    return engine_of(given) not in (None, "pandas")


def take(given: Any, system: System) -> Taken:
    """Return a frame of another engine as the checks will see it; it is not changed.

    Raises:
        ConfigurationError: one of the environment variables is no number that can be used.
        CannotMeasure: it cannot be taken, or the engine failed; the engine's own words stay in the log, since they can quote data.
    """
    cells, size, seed = (int(one.strictly()) for one in (CELLS_IN_MEMORY, SAMPLE_ROWS, SAMPLE_SEED))
    frame = Frame.of(given)
    return _asked(frame, lambda: _taken(frame, system, cells, size, seed))


def _taken(frame: Frame, system: System, cells: int, size: int, seed: int) -> Taken:
    columns = len(frame.schema.columns)
    if frame.engine == "polars":
        # polars changes a frame in place where it is told to: a clone shares its columns and is left as it is.
        frame, given = Frame(frame.given.clone(), "polars"), frame.given
    else:
        given = frame.given
    if frame.in_memory and len(given) * columns <= cells:
        found = as_pandas(frame.table)
        return Taken(found, fingerprint(found), None, lambda: fingerprint(as_pandas(Frame.of(given).table)).sha256)
    gathered = gather(frame, system, size=size, seed=seed)
    return Taken(gathered.sample, gathered.fingerprint, gathered.whole, lambda: content_fingerprint(given).sha256)


def _asked(frame: Frame, do: Callable[[], T]) -> T:
    """Ask the engine; what it raises becomes CannotMeasure."""
    try:
        return do()
    except AimsError:
        raise
    except ModuleNotFoundError as error:
        raise CannotMeasure(
            f"the {frame.engine} frame could not be read: {error.name} is not installed", fix=f"pip install {error.name}"
        ) from None
    except Exception as error:
        log.warning("the %s frame could not be read: %s: %s", frame.engine, type(error).__name__, error)
        raise CannotMeasure(
            f"the {frame.engine} frame could not be read ({type(error).__name__})",
            fix="the text of the exception is in the log of the training process (it may quote data, so it is not kept)",
        ) from None
