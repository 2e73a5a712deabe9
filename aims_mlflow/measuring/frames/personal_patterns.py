"""Patterns of personal data in column names and cells: a heuristic, which misses some and suspects others wrongly.

Names are read as words (``date_of_birth``, ``dateOfBirth`` and ``DateOfBirth`` are alike). Cells are matched in a seeded sample of
distinct values; only shares of matching cells are given back, never a cell. What carries a check digit is checked: IBAN by ISO 13616
(modulo 97, ISO/IEC 7064), payment cards by Luhn's digit (ISO/IEC 7812-1). Telephone numbers are 8 to 15 digits (ITU-T E.164)
written as people write them; addresses are those that Python's ``ipaddress`` takes.

Not found: names and places in free text, pictures, what stands in nested cells, other languages' column names, and anything
hashed or encoded. Wrongly suspected: a product called ``name``, codes that look like telephone numbers, versions like addresses.
"""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aims_mlflow.measuring.frames.columns import kind_of

if TYPE_CHECKING:
    import pandas as pd

CELLS = 1_000
"""Cells of a column that are looked at, drawn at random among those that are not missing."""

SEED = 0

FEW_VALUES = 2
"""Distinct values up to which a column's name alone raises no suspicion: a flag (has_phone) identifies nobody."""

TEXT_LENGTH = 40
"""Mean length of text from which a column is free text."""

UNIQUE_SHARE = 0.95
"""Share of distinct values from which text tells rows apart."""

FEWEST_CELLS = 50
"""Cells below which it is not said that text tells rows apart."""


@dataclass(frozen=True)
class Suspicion:
    """Why a column may hold personal data: the kind, whether its name or its cells say so, and the share of cells that do."""

    kind: str
    by: str
    share: float | None = None


_NAMES: Mapping[str, re.Pattern[str]] = {
    kind: re.compile(rf"(?:^|_)(?:{words})(?:_|$)")
    for kind, words in {
        "e-mail address": "e_?mail(?:_address)?|mail_address",
        "telephone number": "(?:tele)?phone|mobile|cell_?phone|tel|fax|msisdn|handy|telefon(?:nummer)?",
        "name of a person": "(?:first|last|sur|fore|given|family|full|maiden|middle|user|nick)_?name|person_name|customer_name|client_name|"
        "patient_name|employee_name|applicant_name|surname|vorname|nachname|signature",
        "date of birth": "(?:date_of_|date_)?birth(?:_?day|_?date|_date)?|dob|geburtsdatum|geburtstag",
        "postal address": "(?:street|home|postal|mailing|billing|shipping)(?:_?address)?|address(?:_line)?(?:_?\\d)?|zip(?:_?code)?|"
        "post_?(?:al_)?code|plz|strasse|wohnort",
        "national identifier": "ssn|social_security(?:_number|_no)?|national_(?:id|insurance)(?:_number|_no)?|passport(?:_number|_no|_id)?|"
        "tax_?(?:id|number|no)|nino|nhs_number|driving_licen[cs]e|driver_?s?_licen[cs]e|aadhaar|cpf|curp|personnummer|steuer_?id|id_card",
        "bank account": "iban|account_?(?:number|no)|bank_account|kontonummer|routing_number",
        "payment card": "(?:credit_|debit_|payment_)?card_?(?:number|no|pan)|ccn",
        "network address": "ip(?:_?address|v4|v6)?|mac_?address",
        "place of a person": "lat|latitude|lon|lng|long|longitude|gps(?:_.*)?|coordinates?|geo_?location",
        "identifier of a person": "(?:person|customer|client|patient|user|employee|applicant|member|account|subject|student)_?"
        "(?:id|key|uuid|no|number)",
    }.items()
}
_PLAIN_NAME = re.compile(r"^name$")

_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,}")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
_CARD = re.compile(r"^\d(?:[ -]?\d){12,18}$")
_PHONE = re.compile(r"^(?:\+|00|0|\()\(?\d[\d\s()./-]{5,22}\d$|^(?:\+?1[-. ])?\(?[2-9]\d\d\)?[-. ]?\d{3}[-. ]\d{4}(?: ?x\d{1,6})?$")
_DATE = re.compile(r"^\d{1,4}([-/.])\d{1,2}\1\d{1,4}(?:[ T].*)?$")
_FRACTION = re.compile(r"^[+-]?\d*[.,]\d+(?:[eE][+-]?\d+)?$")
_ADDRESS = re.compile(r"^[0-9a-fA-F:.]{2,45}(?:/\d{1,3})?$")
_NATIONAL = re.compile(
    r"^(?:"
    r"(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}"  # United States: social security number
    r"|(?![DFIQUV])[A-Z](?![DFIOQUV])[A-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D]"  # United Kingdom: national insurance number
    r"|[A-Z]{6}\d{2}[ABCDEHLMPRST]\d{2}[A-Z]\d{3}[A-Z]"  # Italy: codice fiscale
    r"|[XYZ]?\d{7,8}[A-HJ-NP-TV-Z]"  # Spain: DNI and NIE; the letter is checked
    r")$"
)
_SPANISH = "TRWAGMYFPDXBNJZSQVHLCKE"


def words_of(name: str) -> str:
    """Return a column's name in lower case, its words joined by underscores."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return re.sub(r"[^a-z0-9]+", "_", parted.lower()).strip("_")


def by_name(name: str) -> tuple[str, ...]:
    """Return the kinds of personal data that a column's name speaks of."""
    words = words_of(name)
    kinds = [kind for kind, pattern in _NAMES.items() if pattern.search(words)]
    return tuple([*kinds, "name of a person"] if _PLAIN_NAME.match(words) else kinds)


def luhn(digits: str) -> bool:
    """Return whether the last digit is Luhn's check digit (ISO/IEC 7812-1, annex B)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def iban(text: str) -> bool:
    """Return whether a text is an IBAN whose check digits hold (ISO 13616: modulo 97 is 1)."""
    compact = text.replace(" ", "").upper()
    if not 15 <= len(compact) <= 34 or not re.fullmatch(r"[A-Z]{2}\d{2}[A-Z0-9]+", compact):
        return False
    return int("".join(str(int(sign, 36)) for sign in compact[4:] + compact[:4])) % 97 == 1


def _holds_iban(text: str) -> bool:
    return any(iban(found.group()) or iban(_shortened(found.group())) for found in _IBAN.finditer(text))


def _shortened(text: str) -> str:
    """Return the text without its last word: a word of capitals may follow an IBAN."""
    return text.rpartition(" ")[0]


def _is_card(text: str) -> bool:
    digits = re.sub(r"[ -]", "", text)
    return bool(_CARD.match(text)) and len(set(digits)) > 1 and luhn(digits)


def _is_phone(text: str) -> bool:
    if not _PHONE.match(text) or _DATE.match(text) or _is_address(text):
        return False
    digits = sum(sign.isdigit() for sign in text.partition("x")[0])
    written = text.startswith("+") or any(sign in text for sign in " ()/-.")
    return 8 <= digits <= 15 and (written or (text.isdigit() and text.startswith("0")))


def _is_address(text: str) -> bool:
    if not _ADDRESS.match(text) or (text.count(".") != 3 and text.count(":") < 2):
        return False
    try:
        ipaddress.ip_interface(text)
    except ValueError:
        return False
    return True


def _is_national(text: str) -> bool:
    if not _NATIONAL.match(text):
        return False
    if re.fullmatch(r"[XYZ]?\d{7,8}[A-Z]", text):
        number = text[:-1].translate(str.maketrans("XYZ", "012"))
        return _SPANISH[int(number) % 23] == text[-1]
    return True


_CELLS: Mapping[str, tuple[Callable[[str], Any], float]] = {
    "e-mail address": (_EMAIL.search, 0.0),
    "bank account": (_holds_iban, 0.0),
    "payment card": (_is_card, 0.3),
    "network address": (_is_address, 0.2),
    "national identifier": (_is_national, 0.2),
    "telephone number": (_is_phone, 0.2),
}
"""Kind: its test, and the share of cells above which it is suspected. Of digits at random one in ten passes Luhn's test; what
has a stricter form is suspected from the first cell. The shares are our own choice."""


def suspicions(column: pd.Series[Any], name: str) -> tuple[Suspicion, ...]:
    """Return why a column may hold personal data; empty where nothing speaks for it. No cell is given back.

    Shares are of the sampled cells that are not missing, rounded to a thousandth.
    """
    known = _drawn(column)
    held = kind_of(known)
    if held == "number" and not _may_be_cards(known):
        return tuple(Suspicion(kind, "name") for kind in by_name(name)) if known.nunique() > FEW_VALUES else ()
    texts = _texts(known)
    often = Counter(texts)
    if len(often) <= FEW_VALUES:
        return ()
    found = [Suspicion(kind, "name") for kind in by_name(name)]
    if held == "number" and all(13 <= len(text) <= 19 for text in often):
        _add(found, "payment card", often, len(texts))
    elif held in ("category", "other"):
        for kind in _CELLS:
            _add(found, kind, often, len(texts))
        found += _telling_apart(texts, len(often))
    return tuple(found)


def _drawn(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return ``CELLS`` cells that are not missing, drawn at random; all of them where there are no more."""
    import numpy as np

    if len(column) > 4 * CELLS:
        some = column.iloc[np.random.default_rng(SEED).choice(len(column), 2 * CELLS, replace=False)].dropna()
        if len(some) >= CELLS:
            return some.iloc[:CELLS]
    known = column.dropna()
    return known.sample(CELLS, random_state=SEED) if len(known) > CELLS else known


def _may_be_cards(known: pd.Series[Any]) -> bool:
    """Return whether all numbers have the 13 to 19 digits of a payment card."""
    from pandas.api import types

    wide = known.astype(float) if types.is_float_dtype(known.dtype) else known  # half-precision floats end far below
    return bool(len(known)) and bool(wide.between(10**12, 10**19).all())


def _add(found: list[Suspicion], kind: str, often: Counter[str], cells: int) -> None:
    matches, least = _CELLS[kind]
    share = sum(count for text, count in often.items() if matches(text)) / cells
    if share > least:
        found.append(Suspicion(kind, "cells", round(share, 3)))


def _texts(known: pd.Series[Any]) -> list[str]:
    """Return the cells as text: of text as it stands, of whole numbers their digits, of anything else nothing to match."""
    from pandas.api import types

    if types.is_bool_dtype(known.dtype):
        return [str(cell) for cell in known]
    if types.is_float_dtype(known.dtype):
        return [f"{cell:.0f}" if float(cell).is_integer() else str(cell) for cell in known]
    return [cell.strip() if isinstance(cell, str) else str(cell) for cell in known.tolist()]


def _telling_apart(texts: list[str], distinct: int) -> list[Suspicion]:
    """Return a suspicion of text that is another one in nearly every row: free text where it is long, else an identifier."""
    written = sum(bool(_DATE.match(text) or _FRACTION.match(text)) for text in texts)
    if len(texts) < FEWEST_CELLS or distinct < UNIQUE_SHARE * len(texts) or written > len(texts) / 2:
        return []
    long = sum(map(len, texts)) >= TEXT_LENGTH * len(texts)
    return [Suspicion("free text" if long else "identifier: nearly every value occurs once", "cells", round(distinct / len(texts), 3))]
