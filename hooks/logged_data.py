"""A dataset as MLflow has it, as a frame in a role: which role a context means, and the labels back beside the features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aims_mlflow.engines.frames import engine_of
from aims_mlflow.errors import CannotMeasure, nearest
from aims_mlflow.system import System

if TYPE_CHECKING:
    from aims_mlflow.hooks.tapping import Logged

CONTEXTS: dict[str, str] = {
    "train": "train",
    "training": "train",
    "fit": "train",
    "val": "validation",
    "valid": "validation",
    "validate": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
    "eval": "test",
    "evaluation": "test",
    "holdout": "test",
    "reference": "reference",
    "production": "production",
    "inference": "production",
}
"""What people and libraries write as the context of a dataset, and the data role it means."""


@dataclass(frozen=True)
class Given:
    """A logged frame of any engine, the column of it that holds predictions, where it came from, and what was done to make it whole."""

    frame: Any
    predictions: str = ""
    source: str = ""
    note: str = ""


def role_of(context: str, system: System) -> str:
    """Return the data role that a context means: a role, a word of ``CONTEXTS``, or a name that ``data.roles`` gives to a role.

    Raises:
        CannotMeasure: it means none of them.
    """
    word = context.strip().casefold().replace("-", "_").replace(" ", "_").replace("_set", "").replace("_data", "")
    own = {name.casefold(): role for role, name in system.data.roles.items()}
    role = own.get(context.strip().casefold()) or CONTEXTS.get(word.replace("_", ""))
    if role is None:
        known = sorted({*CONTEXTS, *own})
        said = f"the context {context!r}" if context else "no context"
        close = nearest(context, known) if context else ""
        hint = f"{close} " if close.startswith("did you mean") else ""
        fix = f"{hint}log it with context= one of {', '.join(known)}"
        raise CannotMeasure(f"a dataset was logged with {said}, which is no data role, so it was not seen", state="missing", fix=fix)
    return str(role)


def given(logged: Logged, system: System) -> Given:
    """Return what was logged as one frame that holds the target, where its labels are known.

    A frame that stands elsewhere (Spark, a lazy frame) stays there: no row of it is read for this.

    Raises:
        CannotMeasure: MLflow's object holds no rows that could be looked at.
    """
    dataset, target = logged.dataset, system.task.target
    frame, labels, notes = _rows(logged, system), logged.labels, []
    columns = _columns(frame)
    named = getattr(dataset, "targets", None)
    if isinstance(named, str) and named in columns and target not in columns:
        frame = _renamed(frame, named, target)
        columns = [target if name == named else name for name in columns]
        notes.append(f"its targets, the column {named}, were taken as {target}")
    elif not isinstance(named, str) and named is not None:
        labels = named
    if labels is not None and target not in columns:
        frame, note = _with_labels(frame, labels, target)
        notes.append(note)
    said = getattr(dataset, "predictions", None)
    predictions = said if isinstance(said, str) and said in columns else ""
    if predictions:
        notes.append(f"its predictions, the column {said}, were taken as the model's")
    return Given(frame, predictions, _address(getattr(dataset, "source", None)), "; ".join(notes))


def _rows(logged: Logged, system: System) -> Any:
    """Return the rows of MLflow's dataset as a frame; the very one that was logged, where it is one."""
    dataset = logged.dataset
    held: Any = getattr(dataset, "df", None)
    held = getattr(dataset, "ds", None) if held is None else held
    if held is None and getattr(dataset, "features", None) is not None:
        return _named(dataset.features, system)
    if logged.automatic and engine_of(held) == "spark":
        raise CannotMeasure(
            "autologging has logged a Spark frame with what the model made of it beside, and asks for no queries over all of it",
            state="missing",
            fix="log it yourself: mlflow.log_input(mlflow.data.from_spark(frame, targets=…), context=…)",
        )
    as_pandas = getattr(held, "to_pandas", None)
    unknown = engine_of(held) is None and not hasattr(held, "iloc")  # what has iloc and is not pandas may stand on a cluster
    frame: Any = as_pandas() if unknown and callable(as_pandas) else held
    if frame is None or engine_of(frame) is None:
        raise CannotMeasure(
            f"a {type(dataset).__name__} holds no rows that can be looked at",
            state="missing",
            fix="log it with mlflow.data.from_pandas(frame, targets=…)",
        )
    return frame


def _columns(frame: Any) -> list[Any]:
    """Return the names of a frame's columns, as they are."""
    if engine_of(frame) == "pandas":
        return list(frame.columns)
    if engine_of(frame) == "pyarrow dataset":
        return list(frame.schema.names)
    import narwhals as nw

    return list(nw.from_native(frame).collect_schema())


def _renamed(frame: Any, name: str, to: str) -> Any:
    """Return a frame with one column under another name, on its own engine."""
    import narwhals as nw

    if engine_of(frame) == "pyarrow dataset":
        raise CannotMeasure(
            f"its targets are the column {name}, which a pyarrow Dataset cannot call {to}",
            fix=f"name {name} as task.target in the system file, or log a Table",
        )
    return nw.from_native(frame).rename({name: to}).to_native()


def _named(features: Any, system: System) -> Any:
    """Return an array (rows, columns), or a dict of columns, as a frame; columns are named by data.features where they are as many."""
    import pandas as pd

    if isinstance(features, dict):
        return pd.DataFrame(features)
    if getattr(features, "ndim", 0) != 2:
        raise CannotMeasure(
            f"an array of {getattr(features, 'ndim', 0)} dimensions was logged, which is not rows and columns",
            fix="log rows and columns: mlflow.data.from_pandas(frame, targets=…)",
        )
    declared, wide = system.data.features or (), features.shape[1]
    return pd.DataFrame(features, columns=list(declared) if len(declared) == wide else [f"column_{at}" for at in range(wide)])


def _with_labels(frame: Any, labels: Any, target: str) -> tuple[Any, str]:
    """Return the frame with the labels beside the features again, last, and a note; unchanged where they are not one a row."""
    import pandas as pd

    if engine_of(frame) in ("polars", "pyarrow"):
        frame = frame.to_pandas()
    if engine_of(frame) != "pandas":
        return frame, f"its labels were logged apart, and cannot be put beside rows that are read when they are asked for, under {target}"
    column = labels.iloc[:, 0] if getattr(labels, "ndim", 1) == 2 and hasattr(labels, "iloc") and labels.shape[1] == 1 else labels
    column = column.ravel() if getattr(column, "ndim", 1) == 2 and hasattr(column, "ravel") and column.shape[1] == 1 else column
    if getattr(column, "ndim", 1) != 1 or len(column) != len(frame):
        return frame, f"its labels are not one a row, so that they could not be put under {target}"
    values = column if isinstance(column, pd.Series) else pd.Series(column)
    whole = frame.assign(**{target: values.set_axis(frame.index)})
    return whole, f"features and labels were logged apart; the labels were put under {target}, as the last column"


def _address(source: Any) -> str:
    """Return where MLflow says that the data came from; "" for code, and for files of this machine, whose names are nobody's business."""
    for name in ("url", "uri", "path"):
        found = getattr(source, name, None)
        if isinstance(found, str) and "://" in found and not found.startswith("file:"):
            return found
    return ""
