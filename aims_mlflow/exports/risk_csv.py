"""The risk register as CSV (RFC 4180) that a spreadsheet opens as it is: UTF-8 with a mark, every cell quoted, none a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from aims_mlflow.exports.inert import cell, figure
from aims_mlflow.exports.material import Material
from aims_mlflow.exports.risk_rows import COLUMNS, Row, Value, risk_rows


def build(material: Material) -> bytes:
    """Return the register as CSV."""
    return csv_bytes(COLUMNS, risk_rows(material), mark=True)


def csv_bytes(columns: Sequence[str], rows: Iterable[Row], *, mark: bool) -> bytes:
    """Return rows as CSV: quoted, CRLF, and with a byte order mark where a spreadsheet is to know the encoding by it."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_text(row[name]) for name in columns])
    return text.getvalue().encode("utf-8-sig" if mark else "utf-8")


def _text(value: Value) -> str:
    """Return a cell; numbers here are probabilities, which no sign stands before."""
    return cell(value if isinstance(value, str) else figure(value))
