"""The data quality characteristics of ISO/IEC 5259-2: each once, with what can be measured of it here, and who must say the rest.

Names and groups are the standard's (those of ISO/IEC 25012, and the ones it adds for machine learning); the sentences are ours.
"""

from __future__ import annotations

from dataclasses import dataclass

NO_MEASURE = "no automatic measure"

INHERENT = "inherent"
BOTH = "inherent and system dependent"
SYSTEM = "system dependent"
ADDITIONAL = "additional"


@dataclass(frozen=True)
class Characteristic:
    """One characteristic. ``how`` says what is measured where something is, ``otherwise`` why nothing is and who must say.

    ``elsewhere`` names measures of other checks ("drift.drifted_columns_share") that speak of it.
    """

    name: str
    group: str
    otherwise: str
    how: str = ""
    elsewhere: tuple[str, ...] = ()


_OF_THE_STORE = "it is a property of the system that keeps the data, which a run does not see: whoever runs that system says"
_RULES = "by declared rules only"

CHARACTERISTICS: tuple[Characteristic, ...] = (
    Characteristic(
        "accuracy",
        INHERENT,
        "declare expectations about form and range; whether values and labels are true needs a second source: a person's study of them",
        f"{_RULES}: the share of the expectations about form and range that are met",
        ("quality.met_share",),
    ),
    Characteristic("completeness", INHERENT, "", "the share of cells that are not missing", ("quality.completeness",)),
    Characteristic(
        "consistency", INHERENT, "", "the share of rows that repeat no earlier row; declared rules", ("quality.duplicate_share",)
    ),
    Characteristic(
        "credibility",
        INHERENT,
        "whether a source can be believed is a person's judgement of where the data came from",
        elsewhere=("acquisition.undeclared_fields",),
    ),
    Characteristic("currentness", INHERENT, "declare the column with the time of each row: data.time", "the age in days of the newest row"),
    Characteristic("accessibility", BOTH, _OF_THE_STORE),
    Characteristic(
        "compliance",
        BOTH,
        "whether the data keep to laws and agreements is a legal judgement of a person; declared terms are recorded",
        elsewhere=("acquisition.undeclared_fields",),
    ),
    Characteristic("efficiency", BOTH, _OF_THE_STORE),
    Characteristic(
        "precision",
        BOTH,
        "mark an expectation (such as a pattern of decimals) with meta: {characteristic: precision}",
        f"{_RULES}, marked with meta: {{characteristic: precision}}",
    ),
    Characteristic(
        "traceability",
        BOTH,
        "",
        "whether the content is known by digest and its source declared",
        ("provenance.fingerprinted", "provenance.source_declared", "lineage.broken_links"),
    ),
    Characteristic("understandability", BOTH, "whether people understand columns and values is for them to say, by a data dictionary"),
    Characteristic("availability", SYSTEM, _OF_THE_STORE),
    Characteristic("portability", SYSTEM, _OF_THE_STORE),
    Characteristic("recoverability", SYSTEM, _OF_THE_STORE),
    Characteristic(
        "auditability",
        ADDITIONAL,
        "",
        "whether the chain from source to model has gaps, and the steps of the preparation are recorded",
        ("lineage.broken_links", "preparation.steps_recorded"),
    ),
    Characteristic(
        "balance",
        ADDITIONAL,
        "a regression has no labels to balance; how groups are balanced is in quality.smallest_group",
        "how even the labels are: Shannon's entropy over that of equal shares (Pielou 1966), and the share of the rarest label",
        ("quality.minority_share", "quality.smallest_group"),
    ),
    Characteristic(
        "diversity",
        ADDITIONAL,
        "there is no column of categories; whether the data hold all cases that matter is for a person to say",
        "the chance that two rows differ in a column of categories (Simpson 1949), the mean over such columns",
    ),
    Characteristic(
        "effectiveness",
        ADDITIONAL,
        "whether the data suffice for the task shows in the model: performance measures that, and a person judges it",
        elsewhere=("performance.balanced_accuracy_score", "performance.r2_score"),
    ),
    Characteristic(
        "identifiability",
        ADDITIONAL,
        "nothing reliable: suspected columns are counted by a heuristic, and a person says whether people can be told",
        elsewhere=("personal_data.suspected_columns",),
    ),
    Characteristic("relevance", ADDITIONAL, "whether the columns matter to the purpose is for a person who knows the field to say"),
    Characteristic(
        "representativeness",
        ADDITIONAL,
        "declare the shares of groups in the population: data.populations",
        "the groups' shares against their declared shares in the population",
        ("representativeness.smallest_ratio", "representativeness.total_variation"),
    ),
    Characteristic(
        "similarity",
        ADDITIONAL,
        "",
        "the distance of the columns of test and train data, and rows of one that are nearly rows of the other",
        ("drift.drifted_columns_share", "leakage.near_duplicate_share"),
    ),
    Characteristic("timeliness", ADDITIONAL, "the delay from an event to its record needs both times: whoever collects them says"),
)
"""All characteristics, in the standard's order; each once."""
