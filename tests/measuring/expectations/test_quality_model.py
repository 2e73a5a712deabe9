"""The table of characteristics: all of ISO/IEC 5259-2, each once."""

from __future__ import annotations

from aims_mlflow.measuring.expectations.quality_model import CHARACTERISTICS
from aims_mlflow.registry import get

STANDARD = {
    "inherent": "accuracy completeness consistency credibility currentness",
    "inherent and system dependent": "accessibility compliance efficiency precision traceability understandability",
    "system dependent": "availability portability recoverability",
    "additional": "auditability balance diversity effectiveness identifiability relevance representativeness similarity timeliness",
}


def test_every_characteristic_stands_there_once() -> None:
    found = [(one.group, one.name) for one in CHARACTERISTICS]
    assert found == [(group, name) for group, names in STANDARD.items() for name in names.split()]


def test_each_says_what_is_measured_or_why_nothing_is() -> None:
    assert all(one.how or one.otherwise for one in CHARACTERISTICS)


def test_measures_that_are_pointed_to_exist() -> None:
    for one in CHARACTERISTICS:
        for pointer in one.elsewhere:
            check, _, metric = pointer.partition(".")
            assert metric in get(check).metric_names(), pointer
