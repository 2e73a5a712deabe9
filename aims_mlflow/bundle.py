"""The bundle: all evidence of one run, written as an in-toto Statement v1 with our predicate."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field, ValidationError

from aims_mlflow.errors import VerificationError
from aims_mlflow.evidence import CheckResult, Evidence, RunKind, Word, same
from aims_mlflow.system import Attestation

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "urn:aims-mlflow:evidence:v1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
BUNDLE_PATH = "aims/bundle.dsse.json"
"""Where the signed bundle stands among the artifacts of its run."""
ASSESSMENT = "aims.assessment"
"""The tag by which a model version points to the run that assessed it; it proves nothing, the bundle there must."""
RECORD_TAG = "aims.record"
"""Marks the runs that hold a system's records, so that they are not counted as attempts."""
KIND = "aims.kind"
"""Tag on a run that made no model: ``assessment`` where it looked at one of before, ``monitoring`` where it looked at one in operation."""
MONITORED = "aims.monitored"
"""Tag on a monitoring run: the version that was looked at, or the logged model where no version was named."""
CAPTURE = "capture"
"""The check name under which the bundle keeps what the recorder itself could not do."""
FINISHED = "finished"
"""The outcome of a run whose function came to its end."""
DIED = "died"
"""The outcome of a run whose process ended before the run did."""
MOST_EARLIER = 20
"""How many earlier runs of its system a bundle names at most: each is named by many, so that one taken away leaves a gap."""


def experiment_of(system_id: str) -> str:
    """Return the name of the MLflow experiment that holds a system's records, monitoring runs and cases."""
    return f"aims/{system_id}"


class FileDigest(Word):
    """Size in bytes and sha256 of one file of the logged model."""

    size: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class ModelSummary(Word):
    """The model the evidence is about: its MLflow URI and the manifest of its files (path -> digest)."""

    uri: str
    flavour: str = ""
    serialization: str = ""
    registered: str = ""
    files: dict[str, FileDigest] = Field(default_factory=dict)


class DatasetSummary(Word):
    """A dataset in its role, by its content fingerprint; no value of it."""

    role: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    algorithm: str
    rows: int = Field(ge=0)
    columns: tuple[str, ...]
    dtypes: tuple[str, ...]
    source: str = ""


class RunSummary(Word):
    """The MLflow run: where, when and whether the user's function came to its end."""

    run_id: str
    experiment: str = ""
    started: datetime
    finished: datetime
    outcome: str = Field(description="finished, or raised and the type of the exception, or died: its process ended before it did")
    kind: RunKind = Field(
        default="training",
        description="training: the run made the model; assessment: it looked at one that was made before, or elsewhere; monitoring: it "
        "looked at production data of one in operation",
    )
    earlier: tuple[str, ...] = Field(
        default=(),
        max_length=MOST_EARLIER,
        description="ids of the system's latest other runs that this one saw, newest first, deleted ones too; empty: none, or MLflow "
        "did not answer",
    )


class AskedFor(Word):
    """A requirement as it stood when the run was judged."""

    id: str
    bound: str
    severity: str
    because: str = ""
    owner: str = ""
    declared: str = Field(description="ISO date; where the system file gives none, the time at which it was loaded for this run")


class Bundle(Word):
    """All evidence of one run."""

    collector: str
    system_id: str
    policy_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    run: RunSummary
    model: ModelSummary | None
    datasets: tuple[DatasetSummary, ...]
    requirements: tuple[AskedFor, ...]
    results: tuple[CheckResult, ...]
    attestations: tuple[Attestation, ...] = ()
    evidence: tuple[Evidence, ...]
    complete: bool = Field(strict=True, description="whether every check had its turn before the run ended")

    def statement(self) -> dict[str, Any]:
        """Return the in-toto Statement: subjects are the model's files and the datasets."""
        files = self.model.files if self.model else {}
        subjects = [{"name": f"model/{path}", "digest": {"sha256": f.sha256}} for path, f in sorted(files.items())]
        subjects += [{"name": f"dataset/{d.role}", "digest": {"sha256": d.sha256}} for d in self.datasets]
        if not subjects:  # in-toto asks for at least one; a run without model and data is its own subject
            subjects = [{"name": f"run/{self.run.run_id}", "digest": {"sha256": self.policy_sha256}}]
        return {"_type": STATEMENT_TYPE, "subject": subjects, "predicateType": PREDICATE_TYPE, "predicate": self.model_dump(mode="json")}

    @classmethod
    def from_statement(cls, statement: Any) -> Bundle:
        """Read a Statement back.

        Raises:
            VerificationError: it is not a Statement of ours, or its subjects are not the files and datasets it speaks of.
        """
        if not isinstance(statement, dict) or statement.get("_type") != STATEMENT_TYPE:
            raise VerificationError("the payload is not an in-toto Statement v1", fix="pass the bundle as aims wrote it")
        if statement.get("predicateType") != PREDICATE_TYPE:
            raise VerificationError(f"the predicate type is not {PREDICATE_TYPE}", fix="pass an evidence bundle")
        try:
            bundle = cls.model_validate_json(_json(statement.get("predicate")))
        except ValidationError as error:
            places = ", ".join(".".join(map(str, e["loc"])) for e in error.errors()[:5])
            raise VerificationError(
                f"the bundle does not have the shape of {PREDICATE_TYPE}", where=places, fix="pass the bundle as aims wrote it"
            ) from None
        if not same(bundle.statement()["subject"], statement.get("subject")):
            raise VerificationError("the subjects of the statement are not those its evidence speaks of", fix="run the training again")
        return bundle


def _json(content: Any) -> str:
    import json

    return json.dumps(content)
