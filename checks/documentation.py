"""Technical documentation (A.6.2.7, A.8.2): the model card, what it leaves empty, and whether it speaks of exactly these files."""

from __future__ import annotations

import hashlib

from aims_mlflow.evidence import FULL_COUNT, CheckResult, Coverage, Measure
from aims_mlflow.model_card import CARD_PATH, REQUIRED, card_files, empty_fields, model_card
from aims_mlflow.observation import Observation
from aims_mlflow.registry import check


@check("documentation", controls=["A.6.2.7", "A.8.2"], metrics=("empty_fields", "card_matches_model"))
def documentation(seen: Observation) -> CheckResult:
    """Write the card, count the required fields it cannot fill, and read the model's file digests back out of it.

    ``card_matches_model`` is 1 where the card states exactly the files of the logged model with their digests, else 0; it
    has no value where no file of a model was seen.
    """
    card = model_card(seen)
    empty = empty_fields(seen)
    files = {path: sha256 for path, (_, sha256) in (seen.model.files if seen.model else {}).items()}
    matches = None if not files else float(card_files(card) == files)
    return CheckResult(
        check="documentation",
        measures=(
            Measure.counted("empty_fields", len(empty), n=len(REQUIRED)),
            Measure(name="card_matches_model", value=matches, ci_method=FULL_COUNT, n=len(files), unit="share"),
        ),
        facts={"empty_fields": [*empty], "card": CARD_PATH, "card_sha256": hashlib.sha256(card.encode()).hexdigest(), "files": len(files)},
        notes=() if files else ("no file of a logged model was seen, so the card cannot be compared with one",),
        coverage=Coverage(asked=REQUIRED, evaluated=tuple(name for name in REQUIRED if name not in empty)),
        subjects=seen.model.subjects if seen.model else (),
    )
