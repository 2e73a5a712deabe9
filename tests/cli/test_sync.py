"""``aims sync``: what waits is sent, what cannot be sent is named."""

from __future__ import annotations

import json

from click.testing import CliRunner

from aims_mlflow import spool
from aims_mlflow.cli import main
from aims_mlflow.store import Store


def waiting() -> spool.Entry:
    """Put a parcel without a bundle and without a run into the spool."""
    return spool.put(
        spool.Parcel(run_id="", server="", files={"aims/model_card.md": b"# Card"}, tags={"aims.system": "small"}, local_id="offline-1")
    )


def test_an_empty_spool() -> None:
    said = CliRunner().invoke(main, ["sync"])
    assert (said.exit_code, "is empty" in said.output) == (0, True)


def test_what_waits_is_sent(mlflow_home: str) -> None:
    entry = waiting()
    said = CliRunner().invoke(main, ["sync", "--json"])
    (sent,) = json.loads(said.output)
    assert said.exit_code == 0
    assert (sent["id"], sent["sent"]) == (entry.id, True)
    assert Store().read(sent["run_id"], "aims/model_card.md") == b"# Card"
    assert spool.pending() == []


def test_what_cannot_be_sent_stays_with_the_reason(mlflow_home: str) -> None:
    entry = waiting()
    (entry.folder / spool.PARCEL).write_text("{}")
    said = CliRunner().invoke(main, ["sync"])
    assert said.exit_code == 1
    assert "not what was written" in " ".join(said.output.split())
    assert len(spool.pending()) == 1
