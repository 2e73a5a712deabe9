"""Patterns of personal data: what they find, what they leave alone, and that no cell comes back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aims_mlflow.measuring.frames.personal_patterns import by_name, iban, luhn, suspicions, words_of

N = 120
RANDOM = np.random.default_rng(0)

CARDS = ["4111 1111 1111 1111", "5500-0000-0000-0004", "340000000000009", "6011000000000004"]
IBANS = ["DE89 3704 0044 0532 0130 00", "GB29NWBK60161331926819", "FR14 2004 1010 0505 0001 3M02 606", "NL91ABNA0417164300"]


def kinds(column: Any, name: str = "column") -> dict[str, str]:
    return {one.kind: one.by for one in suspicions(pd.Series(column), name)}


@pytest.mark.parametrize("text", IBANS)
def test_the_check_digits_of_an_iban(text: str) -> None:
    assert iban(text)
    turned = text[:2] + ("00" if text[2:4] != "00" else "11") + text[4:]
    assert not iban(turned)
    assert not iban(text[:10])


@pytest.mark.parametrize("text", CARDS)
def test_luhns_digit(text: str) -> None:
    digits = "".join(sign for sign in text if sign.isdigit())
    assert luhn(digits)
    assert [luhn(digits[:-1] + str(last)) for last in range(10)].count(True) == 1


@settings(max_examples=60)
@given(st.lists(st.integers(0, 9), min_size=2, max_size=18), st.data())
def test_luhns_digit_shows_every_single_error(digits: list[int], data: st.DataObject) -> None:
    text = "".join(map(str, digits))
    last = next(str(at) for at in range(10) if luhn(text + str(at)))
    place, other = data.draw(st.integers(0, len(text) - 1)), data.draw(st.integers(1, 9))
    wrong = text[:place] + str((int(text[place]) + other) % 10) + text[place + 1 :]
    assert not luhn(wrong + last)


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        pytest.param([f"person{at}@example.org" for at in range(N)], "e-mail address", id="e-mail"),
        pytest.param(
            ["nothing to see"] * N + ["call me", "or write to jane.doe@example.org, please"], "e-mail address", id="e-mail in text"
        ),
        pytest.param(IBANS * 30, "bank account", id="iban"),
        pytest.param(["a", "b", f"pay to {IBANS[0]} SOON"] * 40, "bank account", id="iban in text"),
        pytest.param(CARDS * 30, "payment card", id="card"),
        pytest.param([4111111111111111, 5500000000000004, 6011000000000004] * 40, "payment card", id="card as number"),
        pytest.param([f"192.168.{at}.1" for at in range(N)], "network address", id="ip"),
        pytest.param([f"2001:db8::{at:x}" for at in range(N)], "network address", id="ipv6"),
        pytest.param([f"+49 30 {1234500 + at}" for at in range(N)], "telephone number", id="phone"),
        pytest.param([f"(0{at}) 555-01{at}7" for at in range(100, 100 + N)], "telephone number", id="phone with an area"),
        pytest.param([f"212-555-{at:04}" for at in range(N)], "telephone number", id="american phone"),
        pytest.param([f"{100 + at}-45-6789" for at in range(N)], "national identifier", id="social security"),
        pytest.param(["12345678Z", "00000000T", "X1234567L"] * 40, "national identifier", id="spanish"),
        pytest.param([f"key-{at}-{at * 7919 % 1009}" for at in range(N)], "identifier: nearly every value occurs once", id="keys"),
        pytest.param([f"{at}: a long story of somebody whom one can tell by what it says" for at in range(N)], "free text", id="free text"),
    ],
)
def test_cells_that_look_personal(cells: Any, kind: str) -> None:
    found = kinds(cells)
    assert found.get(kind) == "cells"


@pytest.mark.parametrize(
    "cells",
    [
        pytest.param(RANDOM.normal(size=N), id="measurements"),
        pytest.param(RANDOM.integers(10**15, 10**16, N), id="long numbers without check digits"),
        pytest.param(RANDOM.choice(["A40", "A41", "A43"], N), id="codes"),
        pytest.param(pd.date_range("2026", periods=N), id="dates"),
        pytest.param([str(one.date()) for one in pd.date_range("2026", periods=N)], id="dates as text"),
        pytest.param([f"{one:.3f}" for one in RANDOM.normal(size=N)], id="fractions as text"),
        pytest.param(["1.2.3", "1.2.4", "2.0.0"] * 40, id="versions"),
        pytest.param(["12345678A", "00000001A", "87654321B"] * 40, id="letters that do not check"),
        pytest.param([True, False] * 60, id="truth values"),
        pytest.param([None] * N, id="nothing"),
        pytest.param([[1], [2], [3]] * 40, id="lists"),
    ],
)
def test_cells_that_do_not(cells: Any) -> None:
    assert kinds(cells) == {}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("email", "e-mail address"),
        ("customer_e_mail", "e-mail address"),
        ("Mobile Phone", "telephone number"),
        ("lastName", "name of a person"),
        ("name", "name of a person"),
        ("Vorname", "name of a person"),
        ("DateOfBirth", "date of birth"),
        ("dob", "date of birth"),
        ("home_address", "postal address"),
        ("zipCode", "postal address"),
        ("SSN", "national identifier"),
        ("passport_no", "national identifier"),
        ("IBAN", "bank account"),
        ("card_number", "payment card"),
        ("ip", "network address"),
        ("longitude", "place of a person"),
        ("patientID", "identifier of a person"),
    ],
)
def test_names_that_speak_of_people(name: str, kind: str) -> None:
    assert kind in by_name(name)
    assert kinds(range(N), name)[kind] == "name"


@pytest.mark.parametrize(
    "name",
    [
        "credit_amount",
        "product_name",
        "age_in_years",
        "duration",
        "latency",
        "shipment",
        "description",
        "membership",
        "belonging",
        "x0",
        "",
    ],
)
def test_names_that_do_not(name: str) -> None:
    assert by_name(name) == ()


def test_a_flag_is_no_telephone_number() -> None:
    assert kinds(["yes", "no"] * 60, "telephone") == {}


def test_words_of_names() -> None:
    assert [words_of(name) for name in ("DateOfBirth", "date-of birth", "IPAddress", "userID")] == [
        "date_of_birth",
        "date_of_birth",
        "ip_address",
        "user_id",
    ]


def test_shares_are_of_the_cells_that_are_there_and_the_same_each_time() -> None:
    cells = [f"person{at}@example.org" for at in range(3000)] + [None] * 3000 + ["unknown"] * 1000
    first, second = (suspicions(pd.Series(cells), "contact") for _ in range(2))
    assert first == second
    share = next(one.share for one in first if one.kind == "e-mail address")
    assert share == pytest.approx(0.75, abs=0.05)


@settings(max_examples=60)
@given(st.lists(st.one_of(st.none(), st.text(max_size=30), st.integers(), st.booleans()), max_size=60), st.text(max_size=15))
def test_whatever_a_column_holds_is_taken_and_never_given_back(cells: list[Any], name: str) -> None:
    column = pd.Series(cells, dtype=object)
    for one in suspicions(column, name):
        assert one.by in ("name", "cells")
        assert one.share is None or 0 < one.share <= 1
        assert one.kind not in cells
