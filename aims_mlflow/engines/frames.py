"""What a frame is: which engine holds it, whether it is lazy, its schema, and its rows as a stream of Arrow batches."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from aims_mlflow.engines.schema import Schema, schema_of
from aims_mlflow.errors import CannotMeasure

Engine = Literal["pandas", "polars", "polars lazy", "pyarrow", "pyarrow dataset", "duckdb", "spark"]

ROWS_A_BATCH = 65_536
"""Rows of a batch at most."""

IN_MEMORY: frozenset[str] = frozenset({"pandas", "polars", "pyarrow"})
"""Engines whose rows stand in this process's memory."""

_CLASSES: dict[str, tuple[tuple[str, str, Engine], ...]] = {
    "pandas": (("pandas", "DataFrame", "pandas"),),
    "polars": (("polars", "DataFrame", "polars"), ("polars", "LazyFrame", "polars lazy")),
    "pyarrow": (("pyarrow", "Table", "pyarrow"), ("pyarrow", "RecordBatch", "pyarrow"), ("pyarrow.dataset", "Dataset", "pyarrow dataset")),
    "duckdb": (("duckdb", "DuckDBPyRelation", "duckdb"),),
    "pyspark": (
        ("pyspark.sql", "DataFrame", "spark"),
        ("pyspark.sql.connect.dataframe", "DataFrame", "spark"),
    ),
}
"""The root module of an engine -> module, class and what we call it. A module that nobody has imported has no frames."""


def engine_of(given: Any) -> Engine | None:
    """Return the engine that holds what was given; None where it is no frame that is known. Nothing is imported for it."""
    for root, classes in _CLASSES.items():
        if root not in sys.modules:
            continue
        for module, name, engine in classes:
            found = getattr(sys.modules.get(module), name, None)
            if isinstance(found, type) and isinstance(given, found):
                return engine
    return None


@dataclass(frozen=True)
class Frame:
    """A frame of any engine, looked at and never changed."""

    given: Any
    engine: Engine

    @classmethod
    def of(cls, given: Any) -> Frame:
        """Return what was given as a frame; raises CannotMeasure where it is none that is known."""
        engine = engine_of(given)
        if engine is None:
            kind = f"{type(given).__module__}.{type(given).__name__}"
            raise CannotMeasure(
                f"the data is a {kind}, which is no frame that is known",
                fix="pass a DataFrame of pandas, polars or Spark, a pyarrow Table or Dataset, or a DuckDB relation",
            )
        if engine == "pyarrow" and hasattr(given, "to_struct_array") and not hasattr(given, "combine_chunks"):
            import pyarrow as pa

            given = pa.Table.from_batches([given])
        return cls(given, engine)

    @property
    def in_memory(self) -> bool:
        """Whether its rows stand in this process's memory already."""
        return self.engine in IN_MEMORY

    @cached_property
    def schema(self) -> Schema:
        """Its columns; raises CannotMeasure where they have no proper names."""
        if self.engine == "pandas":
            from aims_mlflow.fingerprint import column_names

            column_names(self.given)
        return schema_of(self.arrow_schema)

    @cached_property
    def arrow_schema(self) -> Any:
        """Its schema as Arrow has it; nothing is computed for it but for pandas, whose columns are looked at."""
        if self.engine == "pandas":
            return self.table.schema
        if self.engine in ("pyarrow", "pyarrow dataset"):
            return self.given.schema
        if self.engine == "polars":
            return self.given.clear().to_arrow().schema
        if self.engine == "polars lazy":
            return self.given.collect_schema().to_frame().to_arrow().schema
        if self.engine == "duckdb":
            return self.given.limit(0).to_arrow_table().schema
        from pyspark.sql.pandas.types import to_arrow_schema  # pyright: ignore[reportMissingImports] # an extra

        return to_arrow_schema(self.given.schema)

    @cached_property
    def plain(self) -> Any:
        """The same frame with its columns named c0, c1, ...: a dot, a quote or a word of SQL's in a name means nothing then."""
        names = self.schema.columns
        if self.engine == "spark":
            return self.given.toDF(*(f"c{at}" for at in range(len(names))))
        if self.engine == "duckdb":
            return self.given.select(", ".join(f"{_quoted(name)} as c{at}" for at, name in enumerate(names)))
        if self.engine.startswith("polars"):
            return self.given.rename({name: f"c{at}" for at, name in enumerate(names)})
        return self.table.rename_columns([f"c{at}" for at in range(len(names))])

    @cached_property
    def table(self) -> Any:
        """The whole frame as an Arrow table; only of one that stands in memory."""
        import pyarrow as pa

        if self.engine == "pyarrow":
            return self.given
        if self.engine == "polars":
            return self.given.to_arrow()
        if self.engine != "pandas":
            raise TypeError(f"a {self.engine} frame is not taken whole")
        from aims_mlflow.fingerprint import as_arrow, column_names

        arrays = {}
        for at, name in enumerate(column_names(self.given)):
            array, dtype = as_arrow(self.given.iloc[:, at], name)
            # Cells of several types are told apart as text, which must not be taken for text: a struct of one field is not.
            arrays[name] = pa.StructArray.from_arrays([array], names=["cell"], mask=array.is_null()) if dtype == "object<mixed>" else array
        return pa.table(arrays)

    def batches(self, columns: tuple[str, ...] | None = None) -> Iterator[Any]:
        """Yield the rows as Arrow record batches of ``columns`` (default: all), some thousand at a time. Not for Spark."""
        wanted = list(self.schema.columns if columns is None else columns)
        if self.in_memory:
            yield from self.table.select(wanted).to_batches(max_chunksize=ROWS_A_BATCH)
        elif self.engine == "pyarrow dataset":
            # In this thread only: others would read up to a gigabyte ahead while rows are hashed.
            ahead: dict[str, Any] = {"batch_size": ROWS_A_BATCH, "batch_readahead": 1, "fragment_readahead": 1, "use_threads": False}
            yield from self.given.to_batches(columns=wanted, fragment_scan_options=_unbuffered(self.given), **ahead)
        elif self.engine == "duckdb":
            # A relation of its own is run: what the user has fetched from theirs, or not yet, stays as it is.
            # It is closed whatever happens, or DuckDB would keep the user's connection busy.
            with self.given.select(", ".join(map(_quoted, wanted))).to_arrow_reader(ROWS_A_BATCH) as reader:
                yield from reader
        elif self.engine == "polars lazy":
            for part in self.given.select(wanted).collect_batches(chunk_size=ROWS_A_BATCH, maintain_order=False):
                yield from part.to_arrow().to_batches(max_chunksize=ROWS_A_BATCH)
        else:
            raise TypeError("the rows of a Spark frame are never streamed to this process")


def _unbuffered(dataset: Any) -> Any:
    """Return how files are scanned with little memory: by default Arrow keeps what it has read of a Parquet file until the file ends."""
    import pyarrow.dataset as ds

    parts = getattr(dataset, "children", [dataset])  # of a union
    parquet = all(isinstance(getattr(one, "format", None), ds.ParquetFileFormat) for one in parts)
    return ds.ParquetFragmentScanOptions(pre_buffer=False, use_buffered_stream=True) if parquet else None


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
