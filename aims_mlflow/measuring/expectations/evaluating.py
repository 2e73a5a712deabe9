"""Great Expectations, asked in one batch and answered in counts: no observed value of the data comes back from here."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue, ValidationError

from aims_mlflow.errors import CannotMeasure, nearest
from aims_mlflow.evidence import digest
from aims_mlflow.measuring.expectations.vacuous import asks_nothing
from aims_mlflow.system import Expectation

if TYPE_CHECKING:
    import pandas as pd

    from aims_mlflow.measuring.expectations.on_spark import OnSpark

SUITE_BYTES = 4 * 1024 * 1024
"""The largest suite file that is read."""

_COUNTS = ("element_count", "unexpected_count", "missing_count")
_ABOUT_NULLS = ("expect_column_values_to_not_be_null", "expect_column_values_to_be_null")
_NULL_SHARES = ("expect_column_proportion_of_non_null_values_to_be_between", "expect_column_values_to_be_of_type")
_MAY_BE_ABSENT = ("expect_column_to_exist",)
_PROBE = "expect_column_values_to_not_be_null"
_NEED_A_DATABASE = (
    "expect_column_values_to_match_like_pattern",
    "expect_column_values_to_match_like_pattern_list",
    "expect_column_values_to_not_match_like_pattern",
    "expect_column_values_to_not_match_like_pattern_list",
    "expect_query_results_to_match_comparison",
    "expect_table_row_count_to_equal_other_table",
    "unexpected_rows_expectation",
)
"""Types that Great Expectations answers by SQL only; the frames of a run are no tables of a database."""

_NOT_OURS = ("result_format", "catch_exceptions", "include_config", "batch_id")

log = logging.getLogger("aims_mlflow")


@dataclass(frozen=True)
class Outcome:
    """What one expectation said: whether it was met, and of how many elements (rows), as far as it counts them.

    ``problem`` tells why there is no answer; then ``met`` is None.
    """

    met: bool | None = None
    counts: Mapping[str, int] | None = None
    problem: CannotMeasure | None = None


@dataclass(frozen=True)
class Suite:
    """A suite file: its expectations in order, and the sha256 (64 hex digits) of its content."""

    expectations: tuple[Expectation, ...]
    sha256: str


def read_suite(path: str, folder: Path | None) -> Suite:
    """Read a suite as Great Expectations 1.x writes it, from ``path`` below the system file's folder.

    Raises:
        CannotMeasure: (error) no folder is known, no such file, outside the folder, too large, or not a suite;
            (missing) a suite without expectations.
    """
    if folder is None:
        raise CannotMeasure(
            f"the suite {path!r} cannot be found: the system was not read from a file", fix="load the system file by its path"
        )
    file = (folder / path).resolve()
    if not file.is_relative_to(folder.resolve()):
        raise CannotMeasure(f"the suite {path!r} lies outside the folder of the system file", fix="copy it beside the system file")
    try:
        if file.stat().st_size > SUITE_BYTES:
            raise CannotMeasure(f"the suite {path!r} is larger than {SUITE_BYTES} bytes", fix="split it into several suites")
        content = json.loads(file.read_bytes().decode(), parse_constant=_no_constant)
        sha256 = digest(content)
    except OSError:
        raise CannotMeasure(f"the suite {path!r} is not there", fix="write it beside the system file, or correct the path") from None
    except (ValueError, RecursionError):
        raise CannotMeasure(
            f"the suite {path!r} is not JSON", fix="save it with Great Expectations: json.dump(suite.to_json_dict(), file)"
        ) from None
    listed = content.get("expectations") if isinstance(content, dict) else None
    if not isinstance(listed, list):
        raise CannotMeasure(f"the suite {path!r} has no list of expectations", fix='it needs {"name": ..., "expectations": [...]}')
    if not listed:
        raise CannotMeasure(f"the suite {path!r} is empty, so it asks nothing", state="missing", fix="add expectations to it")
    return Suite(tuple(_listed(listed, path)), sha256)


def _no_constant(_: str) -> Any:
    raise ValueError


def _listed(listed: Sequence[Any], path: str) -> Iterator[Expectation]:
    for position, one in enumerate(listed, start=1):
        if isinstance(one, dict) and "expectation_type" in one and "type" not in one:
            raise CannotMeasure(f"the suite {path!r} is of Great Expectations 0.x", fix="write it again with Great Expectations 1.x")
        known = {key: one[key] for key in ("type", "kwargs", "meta") if key in one} if isinstance(one, dict) else {}
        try:
            yield Expectation.model_validate(known)
        except ValidationError:
            raise CannotMeasure(
                f"expectation {position} of the suite {path!r} is not one", fix='each needs {"type": "expect_...", "kwargs": {...}}'
            ) from None


def evaluate(frame: pd.DataFrame, asked: Sequence[Expectation], spark: OnSpark | None = None) -> list[Outcome]:
    """Return what each of the expectations says of the frame, in their order; everything is evaluated in one pass.

    With ``spark`` they are asked of that Spark frame, over all its rows; ``frame`` is then a sample of it and shows the columns.

    An expectation is answered by Great Expectations itself. It has no answer (``problem``) where its type or arguments are not
    Great Expectations' own, a column it names is not there, it raised, any data would meet it, or not one element was
    evaluated - both of which Great Expectations calls a success.

    Raises:
        CannotMeasure: Great Expectations cannot be imported.
    """
    refused = [spark.refused(one, _columns_of(one)) if spark else None for one in asked]
    configured = [no or _configured(one, frame) for no, one in zip(refused, asked, strict=True)]
    probes = [_probe(one, spark) for one in asked]
    order = [one for one in [*configured, *probes] if not isinstance(one, CannotMeasure | tuple | None)]
    answers = _answers(frame, order, spark)
    places = iter(range(len(order)))
    results = [one if isinstance(one, CannotMeasure) else answers.get(next(places)) for one in configured]
    probed = [one if isinstance(one, tuple | None) else answers.get(next(places)) for one in probes]
    return [_outcome(*three) for three in zip(asked, results, probed, strict=True)]


def _configured(one: Expectation, frame: pd.DataFrame) -> Any:
    """Return Great Expectations' configuration of an expectation, or the problem with it."""
    if one.type in _NEED_A_DATABASE:
        fix = "ask it of the database the data came from, and here something that a frame can answer, such as a regex"
        return CannotMeasure(f"Great Expectations answers {one.type} in SQL only, not on a frame", fix=fix)
    gx = _library()
    names = _columns_of(one)
    absent = [name for name in names if name not in frame.columns]
    try:
        configuration = gx.configuration(type=one.type, kwargs={k: v for k, v in one.kwargs.items() if k not in _NOT_OURS})
        with warnings.catch_warnings():  # such as that of row conditions in pandas' language, which is for the suite's author
            warnings.simplefilter("ignore")
            configuration.to_domain_obj()
    except gx.not_found:
        fix = nearest(one.type, gx.known())
        return CannotMeasure(
            f"Great Expectations knows no expectation {one.type!r}", fix=fix if "did you mean" in fix else "see its gallery"
        )
    except Exception as error:  # its messages quote the arguments, which are values
        fields = ", ".join(sorted({str(part) for e in _errors(error) for part in e.get("loc", ()) if part != "__root__"}))
        what = f" (look at {fields})" if fields else ""
        return CannotMeasure(f"{one.type} does not take these arguments{what}", fix=f"write its kwargs as {one.type} asks for them")
    if asks_nothing(one):
        fix = "give it a bound that data can miss, a set that is not empty, and a mostly above 0"
        return CannotMeasure(f"{one.type} as it is written is met by any data, so it asks nothing", fix=fix)
    if absent and one.type not in _MAY_BE_ABSENT:
        fix = nearest(absent[0], [str(name) for name in frame.columns])
        return CannotMeasure(f"{one.type} asks about the column {absent[0]!r}, which is not in the data", fix=fix)
    return configuration


def _errors(error: Exception) -> list[dict[str, Any]]:
    ask: Any = getattr(error, "errors", None)
    listed: Any = ask() if callable(ask) else []
    return [*listed]


def _columns_of(one: Expectation) -> list[str]:
    """Return the columns whose values an expectation looks at."""
    named: list[JsonValue] = [one.kwargs.get(key) for key in ("column", "column_A", "column_B")]
    several = one.kwargs.get("column_list")
    return [name for name in [*named, *(several if isinstance(several, list) else [])] if isinstance(name, str)]


def _probe(one: Expectation, spark: OnSpark | None) -> Any:
    """Return the question how many values an expectation about one column had to look at, under its own row condition.

    A tuple is the answer itself, where it is known without asking.
    """
    column = one.kwargs.get("column")
    if not isinstance(column, str) or one.type in (*_ABOUT_NULLS, *_MAY_BE_ABSENT):
        return None
    condition: dict[str, Any] = {key: one.kwargs[key] for key in ("row_condition", "condition_parser") if key in one.kwargs}
    if spark is not None and not condition and column in spark.missing:
        return spark.counted(column)
    return _library().configuration(type=_PROBE, kwargs={"column": column, **condition})


def _answers(
    frame: pd.DataFrame, configurations: Sequence[Any], spark: OnSpark | None
) -> dict[int, tuple[bool | None, dict[str, int]] | None]:
    """Return, by position, whether each was met and its counts; None where Great Expectations raised.

    This is the allow-list: of all that Great Expectations says, a truth value and three counts go on.
    """
    gx = _library()
    marked = []
    for position, configuration in enumerate(configurations):
        configuration.meta = {"aims": position}
        marked.append(configuration)
    if not marked:
        return {}
    engine = gx.engine(batch_data_dict={"aims": frame}) if spark is None else spark.engine()
    validator = gx.validator(execution_engine=engine)
    format_ = {"result_format": "BASIC", "partial_unexpected_count": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = validator.graph_validate(marked, runtime_configuration={"result_format": format_, "catch_exceptions": True})
    answers: dict[int, tuple[bool | None, dict[str, int]] | None] = {}
    for result in results:
        position = result.expectation_config.meta["aims"]
        if _raised(result.exception_info):
            log.warning("%s raised in Great Expectations: %s", result.expectation_config.type, result.exception_info)
            answers[position] = None
            continue
        said = result.result if isinstance(result.result, dict) else {}
        counts = {name: int(said[name]) for name in _COUNTS if isinstance(said.get(name), int) and "element_count" in said}
        answers[position] = (None if result.success is None else bool(result.success), counts)
    return answers


def _raised(info: Any) -> bool:
    if not isinstance(info, Mapping):
        return False
    return bool(info.get("raised_exception")) or any(isinstance(one, Mapping) and one.get("raised_exception") for one in info.values())


def _outcome(one: Expectation, result: Any, probed: Any) -> Outcome:
    if isinstance(result, CannotMeasure):
        return Outcome(problem=result)
    if result is None or result[0] is None:
        return Outcome(
            problem=CannotMeasure(
                f"Great Expectations could not evaluate {one.type}",
                fix="its arguments may not fit the column's dtype (a bound on datetimes needs a time: 2026-01-31T00:00:00); "
                "the log of the training process has its own message",
            )
        )
    met, counts = result
    if _nothing_evaluated(one, counts, probed):
        return Outcome(
            problem=CannotMeasure(
                f"{one.type} evaluated nothing: no row, or no value that is not missing, was there to look at",
                fix="check the data and the row condition; ask expect_column_values_to_not_be_null where values must be there",
            )
        )
    return Outcome(met=met, counts=counts)


def _nothing_evaluated(one: Expectation, counts: Mapping[str, int], probed: Any) -> bool:
    """Return whether the expectation looked at no element. Missing values are elements only of expectations about missing values."""
    if "element_count" in counts and counts["element_count"] - counts.get("missing_count", 0) <= 0:
        return True
    if probed is None or "element_count" not in probed[1]:
        return False
    rows, missing = probed[1]["element_count"], probed[1].get("unexpected_count", 0)
    return rows == 0 or (rows == missing and one.type not in _NULL_SHARES)


@dataclass(frozen=True)
class _Library:
    """The parts of Great Expectations that are used, imported when they are first needed."""

    configuration: Any
    engine: Any
    validator: Any
    not_found: type[Exception]
    known: Any


def _library() -> _Library:
    """Import Great Expectations (about 4 s the first time); raises CannotMeasure where that fails.

    Its validator is used without a data context: making one would replace the user's own, and writes nothing we need.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from great_expectations.exceptions.exceptions import ExpectationNotFoundError
            from great_expectations.execution_engine.pandas_execution_engine import PandasExecutionEngine
            from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
            from great_expectations.expectations.registry import list_registered_expectation_implementations
            from great_expectations.validator.validator import Validator
    except Exception as error:
        log.warning("Great Expectations cannot be imported: %s", error)
        raise CannotMeasure("Great Expectations cannot be imported", fix='install it: pip install "great-expectations>=1.18,<2"') from None

    class Silent(Validator):  # type: ignore[misc] # the library ships no types
        def _determine_progress_bars(self) -> bool:
            return False

    return _Library(
        ExpectationConfiguration, PandasExecutionEngine, Silent, ExpectationNotFoundError, list_registered_expectation_implementations
    )
