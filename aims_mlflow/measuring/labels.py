"""The labels of a target: which there are, and how the target's and a model's are brought to one spelling."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aims_mlflow.errors import CannotMeasure

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Values = Sequence[Any] | np.ndarray | pd.Series[Any]

UNKNOWN = -1
"""The code of a label that is not the target's, and of a missing one."""


@dataclass(frozen=True)
class Labels:
    """The labels of a target, in order; a label's code is its position.

    Labels are matched by what they mean, not by their dtype: ``True``, ``1``, ``1.0`` and numpy's are the same label;
    the text ``"1"`` is another one. Labels are data values: they stay in memory and never go into a message.
    """

    known: tuple[Any, ...]

    def codes(self, values: Values) -> np.ndarray:
        """Return the code of each of ``values`` (n,), ``UNKNOWN`` where it is no known label or is missing."""
        import numpy as np

        position = {label: code for code, label in enumerate(self.known)}
        found, uniques = _factorised(values)
        table: np.ndarray = np.array([*(position.get(plain(label), UNKNOWN) for label in uniques), UNKNOWN], dtype=np.int64)
        codes: np.ndarray = table[found]
        return codes

    def code(self, label: Any) -> int:
        """Return the code of one label, ``UNKNOWN`` where it is not known."""
        return self.known.index(plain(label)) if plain(label) in self.known else UNKNOWN

    @property
    def kind(self) -> str:
        """What the labels are: ``text``, ``numbers``, ``mixed`` or ``other``."""
        return kind_of(self.known)


def labels_of(values: Values) -> Labels:
    """Return the distinct labels of ``values``, sorted within their kind; missing ones are left out.

    Raises:
        CannotMeasure: values that cannot be labels, such as lists.
    """
    _, uniques = _factorised(values)
    return Labels(_ordered(plain(label) for label in uniques))


def together(sets: Iterable[Labels]) -> Labels:
    """Return the union of several sets of labels."""
    return Labels(_ordered(label for labels in sets for label in labels.known))


def plain(label: Any) -> Any:
    """Return a label as the Python value that equals it: numpy scalars unwrapped, bools and whole floats as integers."""
    value = label.item() if hasattr(label, "item") and hasattr(label, "dtype") else label
    if isinstance(value, bool) or (isinstance(value, float) and value.is_integer()):
        return int(value)
    return value


def kind_of(labels: Iterable[Any]) -> str:
    """Return what labels are: ``text``, ``numbers``, ``mixed`` or ``other``."""
    kinds = {"text" if isinstance(one, str) else "numbers" if isinstance(plain(one), int | float) else "other" for one in labels}
    return kinds.pop() if len(kinds) == 1 else "mixed"


def _ordered(labels: Iterable[Any]) -> tuple[Any, ...]:
    def place(label: Any) -> tuple[int, Any]:
        if isinstance(label, int | float):
            return 0, label
        return (1, label) if isinstance(label, str) else (2, str(label))

    return tuple(sorted(set(labels), key=place))


def _factorised(values: Values) -> tuple[np.ndarray, Any]:
    import pandas as pd

    try:
        codes, uniques = pd.factorize(pd.Series(values), use_na_sentinel=True)
        hash(tuple(uniques))
    except TypeError:
        raise CannotMeasure("labels are not single values", fix="labels must be numbers, text or booleans, one a row") from None
    return codes, uniques
