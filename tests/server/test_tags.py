"""The ``aims.*`` tags of a gated registry: they say what the evidence says, whoever writes them."""

from __future__ import annotations

import logging
from typing import Any

import pytest

import aims_mlflow as aims
from aims_mlflow.bundle import ASSESSMENT, BUNDLE_PATH
from aims_mlflow.signing import seal_bundle

from . import making
from .serving import Answer, Gated


def tag(gated: Gated, made: making.Trained, key: str, value: str | None, version: str = "1") -> Answer:
    """Set a tag of a version, or delete it where there is no value."""
    body = {"name": made.name, "version": version, "key": key}
    if value is None:
        return gated.post("model-versions/delete-tag", body, "DELETE")
    return gated.post("model-versions/set-tag", body | {"value": value})


def ours(made: making.Trained, version: str = "1") -> dict[str, str]:
    found = made.store.version(f"models:/{made.name}/{version}").tags
    return {key: value for key, value in found.items() if key.casefold().startswith("aims.")}


def test_a_new_version_has_the_true_ones(gated: Gated) -> None:
    good, bad = gated.model(), gated.model(spoilt=making.failing)
    assert (ours(good)["aims.state"], ours(bad)["aims.state"]) == ("pass", "fail")
    assert (ours(good)["aims.A.6.2.4"], ours(bad)["aims.A.6.2.4"]) == ("pass", "fail")
    assert {"aims.system", "aims.bundle"} <= set(ours(good))


def test_what_a_client_says_of_a_new_version_is_left_out(postgresql: Gated) -> None:
    bad = postgresql.model(evidence=False)
    forged = [{"key": key, "value": "pass"} for key in ("aims.state", "AIMS.A.7.4", "aims.decision", "aims.new")]
    body = {"name": bad.name, "source": bad.version.source, "run_id": bad.version.run_id, "model_id": bad.logged}
    made = postgresql.post("model-versions/create", body | {"tags": [*forged, {"key": "team", "value": "red"}]})
    assert made.status == 200, made
    found = made_tags = dict(postgresql.client.get_model_version(bad.name, "2").tags)
    assert found["team"] == "red"
    assert {value for key, value in made_tags.items() if key.startswith("aims.A.")} == {"missing"}
    assert made_tags["aims.state"] == "missing"
    assert not {"AIMS.A.7.4", "aims.decision", "aims.new"} & set(made_tags)
    assert '"missing"' in made.body  # the answer says it as well


def test_a_copy_takes_none_along(postgresql: Gated) -> None:
    good = postgresql.model()
    postgresql.post("registered-models/alias", {"name": good.name, "alias": "champion", "version": "1"})
    copied = postgresql.client.copy_model_version(good.uri, f"{good.name}-copy")
    assert "aims.decision" in ours(good)
    found = dict(postgresql.client.get_model_version(copied.name, copied.version).tags)
    assert {k: v for k, v in found.items() if k != "aims.decision"} == {k: v for k, v in ours(good).items() if k != "aims.decision"}
    assert "aims.decision" not in found


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("aims.state", "pass"),
        ("aims.A.6.2.4", "pass"),
        ("Aims.A.6.2.4", "fail"),
        ("aims.bundle", "0" * 64),
        ("aims.decision", "allowed champion 2026-01-01T00:00:00+00:00"),
        ("aims.assessment", "0" * 32),
        ("aims.anything", "pass"),
        ("\u00e4ims.state", "fail"),
    ],
    ids=ascii,
)
def test_an_untrue_one_is_refused(postgresql: Gated, key: str, value: str) -> None:
    bad = postgresql.model(spoilt=making.failing)
    before = ours(bad)
    answer = tag(postgresql, bad, key, value)
    assert (answer.status, answer.code) == (403, "PERMISSION_DENIED")
    assert answer.message.startswith("DENIED: ")
    assert ours(bad) == before


def test_a_true_one_is_taken_and_not_taken_away(gated: Gated) -> None:
    good = gated.model()
    for key, value in ours(good).items():
        assert tag(gated, good, key, value).status == 200
        assert tag(gated, good, key, None).status == 403
    assert tag(gated, good, "aims.anything", None).status == 200  # there is none, and MLflow does not mind
    assert tag(gated, good, "team", "red").status == 200
    assert tag(gated, good, "team", None).status == 200


def test_an_old_untruth_goes_with_the_next_look(postgresql: Gated) -> None:
    """Tags that were there before the registry was gated, or were written into the database."""
    import sqlalchemy

    bad = postgresql.model(spoilt=making.failing)
    engine = sqlalchemy.create_engine(postgresql.server.database)
    with engine.begin() as connection:
        connection.execute(
            sqlalchemy.text("UPDATE model_version_tags SET value = 'pass' WHERE name = :n AND key = 'aims.A.6.2.4'"), {"n": bad.name}
        )
        insert = "INSERT INTO model_version_tags (workspace, name, version, key, value) VALUES ('default', :n, 1, 'aims.A.9.9', 'pass')"
        connection.execute(sqlalchemy.text(insert), {"n": bad.name})
    engine.dispose()
    assert ours(bad)["aims.A.6.2.4"] == "pass"
    assert tag(postgresql, bad, "aims.state", "fail").status == 200
    assert ours(bad)["aims.A.6.2.4"] == "fail"
    assert "aims.A.9.9" not in ours(bad)


def test_the_evidence_that_comes_later_is_seen(postgresql: Gated) -> None:
    good = postgresql.model(evidence=False)
    assert ours(good)["aims.state"] == "missing"
    good.store.write(good.version.run_id, BUNDLE_PATH, seal_bundle(good.bundle))
    assert tag(postgresql, good, "aims.state", "pass").status == 200
    assert ours(good)["aims.A.6.2.4"] == "pass"


def test_a_model_of_no_known_system_gets_none(postgresql: Gated) -> None:
    stranger = postgresql.model(spoilt=making.of_another_system)
    assert ours(stranger) == {}
    assert "no policy for the model" in tag(postgresql, stranger, "aims.state", "pass").message


def test_an_assessment_is_pointed_to_if_it_is_one_of_this_model(postgresql: Gated) -> None:
    elsewhere = postgresql.model(evidence=False)
    run = elsewhere.store.create_run("tests", "assess", {"aims.system": "golden"})
    assert tag(postgresql, elsewhere, ASSESSMENT, run).status == 403  # there is nothing yet

    def assessed(files: making.Trained) -> None:
        summary = files.bundle.run.model_copy(update={"run_id": run, "kind": "assessment"})
        evidence = tuple(e.model_copy(update={"run_id": run}) for e in files.bundle.evidence)
        changed = files.bundle.model_copy(update={"run": summary, "evidence": evidence})
        elsewhere.store.write(run, BUNDLE_PATH, seal_bundle(changed))

    assessed(postgresql.model())
    assert tag(postgresql, elsewhere, ASSESSMENT, run).status == 403  # of another model
    assessed(elsewhere)
    assert tag(postgresql, elsewhere, ASSESSMENT, run).status == 200
    elsewhere.store.end_run(run)
    answer = postgresql.post("registered-models/alias", {"name": elsewhere.name, "alias": "champion", "version": "1"})
    assert answer.status == 200, answer
    assert ours(elsewhere)[ASSESSMENT] == run


def test_our_own_client_says_nothing_where_the_server_knows_better(postgresql: Gated, caplog: pytest.LogCaptureFixture) -> None:
    bad = postgresql.model(spoilt=making.failing)
    with caplog.at_level(logging.DEBUG, "aims_mlflow"):
        bad.store.tag_version(bad.version, {"aims.state": "pass", "aims.A.7.5": "pass", "team": "red"})
    assert not [one for one in caplog.records if one.levelno > logging.DEBUG and one.name == "aims_mlflow"]
    assert (ours(bad)["aims.state"], bad.store.version(bad.uri).tags["team"]) == ("fail", "red")


class TestRegisteredModels:
    def test_it_says_what_the_newest_record_says(self, postgresql: Gated, tmp_path: Any) -> None:
        import yaml

        name = f"recorded-{next(making._numbers)}"
        rule = making.SYSTEM | {"system": making.SYSTEM["system"] | {"id": name, "model": name}}
        file = postgresql.policies / f"{name}.yaml"
        file.write_text(yaml.safe_dump(rule))
        try:
            made = postgresql.model(name, spoilt=lambda: {"system_id": name})

            def tagged(key: str, value: str) -> int:
                return postgresql.post("registered-models/set-tag", {"name": name, "key": key, "value": value}).status

            assert tagged("aims.system", "golden") == 403
            assert tagged("aims.system", name) == 200
            assert tagged("aims.state", "pass") == 403  # there is no record yet
            record = aims.summarise(file, store=made.store, out=tmp_path)
            there = postgresql.client.get_registered_model(name).tags
            assert (there["aims.state"], there["aims.risk"]) == (record.state.value, record.highest_risk.value)
            for key, value in (("aims.state", "nonsense"), ("aims.risk", "low"), ("AIMS.risk", record.highest_risk.value)):
                assert tagged(key, value) == (200 if there.get(key) == value else 403)
            gone = postgresql.post("registered-models/delete-tag", {"name": name, "key": "aims.risk"}, "DELETE")
            assert gone.status == 403
        finally:
            file.unlink()

    def test_a_new_one_has_none(self, postgresql: Gated) -> None:
        name = f"new-{next(making._numbers)}"
        tags = [{"key": "aims.state", "value": "pass"}, {"key": "team", "value": "red"}]
        assert postgresql.post("registered-models/create", {"name": name, "tags": tags}).status == 200
        assert postgresql.client.get_registered_model(name).tags == {"team": "red"}
