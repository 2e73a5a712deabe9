"""The golden files: what each is bad for, said by the package, and the second verifier's word on every one of them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from securesystemslib.dsse import Envelope
from securesystemslib.signer import CryptoSigner, SSlibKey

from aims_mlflow.errors import VerificationError
from aims_mlflow.signing import PUBLIC_KEY_FIELD, Key
from aims_mlflow.signing.keys import pem_of, read_public
from aims_mlflow.verifying import checked, compare_model
from docs import verify_standalone as second
from tests.golden import make

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden"
STANDALONE = ROOT / "docs" / "verify_standalone.py"
FILES = {f"{p.parent.name}/{p.name.removesuffix('.dsse.json')}": p for p in sorted(GOLDEN.glob("*/*.dsse.json"))}

CANONICAL = "not written as canonical JSON"
ALTERED = "has been altered"
SUBJECTS = "subjects of the statement are not those"
NOT_NAMED = "not the one that the signature names"

BAD = {  # name -> what it is refused for
    "bundles/bad-altered-payload": ALTERED,
    "bundles/bad-another-payload-type": "payload type is not",
    "bundles/bad-duplicate-key": "envelope has a repeated JSON key",
    "bundles/bad-empty": "envelope is not JSON",
    "bundles/bad-list": "not a DSSE envelope",
    "bundles/bad-text": "envelope is not JSON",
    "bundles/bad-nan-in-envelope": "envelope is not JSON",
    "bundles/bad-field-in-envelope": "a field that does not belong there",
    "bundles/bad-field-in-signature": "a field that does not belong there",
    "bundles/bad-spread-out": CANONICAL,
    "bundles/bad-reordered": CANONICAL,
    "bundles/bad-line-end": CANONICAL,
    "bundles/bad-byte-order-mark": "envelope is not JSON",
    "bundles/bad-escaped": CANONICAL,
    "bundles/bad-truncated": "envelope is not JSON",
    "bundles/bad-payload-not-base64": "payload is not base64",
    "bundles/bad-payload-url-safe-base64": "payload is not base64",
    "bundles/bad-payload-without-padding": "payload is not base64",
    "bundles/bad-payload-truncated": ALTERED,
    "bundles/bad-not-signed": "is not signed",
    "bundles/bad-unknown-key": "unknown key .* nowhere to be found",
    "bundles/bad-unknown-key-beside-a-good-one": "unknown key .* nowhere to be found",
    "bundles/bad-key-of-another": NOT_NAMED,
    "bundles/bad-key-id-of-another": NOT_NAMED,
    "bundles/bad-key-id-short": "not 64 hex digits",
    "bundles/bad-key-that-is-none": NOT_NAMED,
    "bundles/bad-key-in-other-lines": "not PEM as it is written",
    "bundles/bad-signature-of-another": ALTERED,
    "bundles/bad-signature-of-something-else": ALTERED,
    "bundles/bad-signature-empty": ALTERED,
    "bundles/bad-signature-not-base64": "signature is not base64",
    "bundles/bad-signature-spare-bit": "signature is not base64 as it is written",
    "bundles/bad-signature-twice": "two signatures name the same key",
    "bundles/bad-two-signatures-one-of-something-else": ALTERED,
    "bundles/bad-payload-not-json": "payload is not JSON",
    "bundles/bad-payload-list": "not an in-toto Statement",
    "bundles/bad-duplicate-key-in-payload": "payload has a repeated JSON key",
    "bundles/bad-nan-in-payload": "payload is not JSON",
    "bundles/bad-too-large-a-number": "payload is not JSON",
    "bundles/bad-another-statement-type": "not an in-toto Statement v1",
    "bundles/bad-another-predicate": "predicate type is not",
    "bundles/bad-predicate-type-list": "predicate type is not",
    "bundles/bad-no-predicate": "bundle does not have the shape",
    "bundles/bad-unknown-field": "bundle does not have the shape",
    "bundles/bad-missing-field": "bundle does not have the shape",
    "bundles/bad-missing-subject": SUBJECTS,
    "bundles/bad-no-subject": SUBJECTS,
    "bundles/bad-extra-subject": SUBJECTS,
    "bundles/bad-another-digest": SUBJECTS,
    "bundles/bad-replaced-manifest-entry": SUBJECTS,
    "bundles/bad-added-manifest-entry": SUBJECTS,
    "bundles/bad-renamed-manifest-entry": SUBJECTS,
    "bundles/bad-negative-size": "bundle does not have the shape",
    "decisions/bad-denied-made-allowed": ALTERED,
    "decisions/bad-not-signed": "is not signed",
    "decisions/bad-allowed-with-a-blocker": "contradicts itself: a decision that allows has lines, no blocker",
    "decisions/bad-allowed-without-lines": "contradicts itself: a decision that allows has lines, no blocker",
    "decisions/bad-allowed-undecided": "contradicts itself: a decision that allows .* was decided",
    "decisions/bad-allowed-with-a-failing-line": "contradicts itself: a decision that allows has no line that stops",
    "decisions/bad-allowed-in-words": "contradicts itself: a decision that allows has no line that stops",
    "decisions/bad-another-model": "decision's subjects are not those",
    "decisions/bad-another-bundle": "decision's subjects are not those",
    "decisions/bad-another-policy": "decision's subjects are not those",
    "decisions/bad-missing-subject": "decision's subjects are not those",
    "decisions/bad-extra-subject": "decision's subjects are not those",
    "decisions/bad-field-in-statement": "decision's subjects are not those",
    "decisions/bad-unknown-field": "decision does not have the shape",
    "decisions/bad-missing-field": "decision does not have the shape",
    "entries/bad-another-kind": "log entry does not have the shape",
    "entries/bad-another-decision": "log entry does not have the shape",
    "entries/bad-other-facts": "log entry does not have the shape",
    "entries/bad-parent-taken-away": "log entry does not have the shape",
    "entries/bad-parent-without-subject": "log entry's subjects are not those",
    "entries/bad-first-with-a-later-number": "log entry does not have the shape",
    "entries/bad-facts-in-place-of-a-decision": "log entry does not have the shape",
    "entries/bad-rollback-of-nothing": "log entry does not have the shape",
    "entries/bad-denial-that-undoes": "log entry does not have the shape",
    "events/bad-other-words": "event's subjects are not those",
    "events/bad-other-evidence": "event's subjects are not those",
    "events/bad-parent-taken-away": "event's subjects are not those",
    "events/bad-parent-without-subject": "event's subjects are not those",
    "events/bad-closed-without-grounds": "event does not have the shape",
    "events/bad-of-the-other-sort": "event's subjects are not those",
    "events/bad-unknown-field": "event does not have the shape",
}
GOOD = {  # name -> what it says
    "bundles/good-bundle": "2 results, complete, the run finished",
    "bundles/good-two-signatures": "2 results, complete, the run finished",
    "bundles/good-of-another-key": "2 results, complete, the run finished",
    "bundles/good-no-model-and-no-data": "results, complete",
    "bundles/good-assessment": "2 results, complete, the run finished",
    "bundles/good-other-letters": "2 results, complete, the run finished",
    "bundles/good-every-result": "results, complete",
    "bundles/good-of-files": "2 results, complete, the run finished",
    "decisions/good-allowed": "may be promoted as champion",
    "decisions/good-denied": "may not be promoted as champion",
    "decisions/good-undecided": "could not be decided on",
    "entries/good-first": "decision of golden/7 as champion, number 1, after 0 others",
    "entries/good-second": "withdrawal of golden/7 as champion, number 2, after 1 others",
    "entries/good-denial": "denial of golden/7 as champion",
    "entries/good-rollback": "rollback of golden/7 as champion, number 2",
    "events/good-opened": "nonconformity nc-0123456789ab: opened by the golden files, after 0 others",
    "events/good-action": "nc-0123456789ab: action by Head of the golden files, after 1 others",
    "events/good-closed": "nc-0123456789ab: closed",
    "events/good-incident": "incident in-0123456789ab: opened",
    "events/good-told": "in-0123456789ab: told",
    "kept/good-ecdsa": "2 results, complete, the run finished",
    "kept/good-rsa": "2 results, complete, the run finished",
}

KINDS = {"bundles": "bundle", "decisions": "decision", "entries": "log entry", "events": "case event", "kept": "bundle"}


def word_of_the_second(content: bytes) -> str:
    """Return why the second verifier refuses an envelope, "" where it does not; in this process, as its ``main`` does it."""
    try:
        second.read(second.opened(content)[0])
    except second.REFUSALS as refused:
        return str(refused) or "refused"
    return ""


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which the second verifier can be run and this package cannot be imported."""
    folder = tmp_path_factory.mktemp("alone")
    shutil.copy(STANDALONE, folder)
    (folder / "aims_mlflow.py").write_text("raise ImportError('the second verifier must not import the package')\n")
    return {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", "ALONE": str(folder / STANDALONE.name)}


def run_alone(alone: dict[str, str], *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, alone["ALONE"], *map(str, arguments)]
    return subprocess.run(command, env=alone, capture_output=True, text=True, cwd=Path(alone["ALONE"]).parent)


class TestFiles:
    def test_they_are_what_the_script_makes(self) -> None:
        assert {name: path.read_bytes() for name, path in FILES.items() if not name.startswith("kept/")} == make.envelopes()
        assert {p: (GOLDEN / "model" / p).read_bytes() for p in make.MODEL} == make.MODEL

    def test_each_has_its_line_in_the_tables(self) -> None:
        assert set(FILES) == {*BAD, *GOOD}
        assert len([name for name in FILES if name.startswith(("bundles/", "decisions/", "kept/"))]) >= 40
        assert all(("/bad-" in name) == (name in BAD) for name in FILES)

    @pytest.mark.parametrize("name", BAD)
    def test_a_bad_one_is_refused_for_what_it_is_bad_for(self, name: str) -> None:
        with pytest.raises(VerificationError, match=BAD[name]) as refused:
            checked(FILES[name].read_bytes())
        assert refused.value.fix

    @pytest.mark.parametrize("name", GOOD)
    def test_a_good_one_is_read(self, name: str) -> None:
        found = checked(FILES[name].read_bytes())
        assert GOOD[name] in found.said
        assert found.kind == KINDS[name.partition("/")[0]]

    @pytest.mark.parametrize("name", GOOD)
    def test_securesystemslibs_own_verifier_agrees_on_the_good_ones(self, name: str) -> None:
        content = json.loads(FILES[name].read_bytes())
        keys = [read_public(s[PUBLIC_KEY_FIELD]) for s in content["signatures"]]
        assert None not in keys
        assert len(Envelope.from_dict(content).verify(keys, len(keys))) == len(keys)


class TestSecondVerifier:
    def test_it_is_short_and_imports_nothing_of_ours(self) -> None:
        text = STANDALONE.read_text("utf-8")
        assert len(text.splitlines()) < 200
        roots = {line.split()[1].partition(".")[0] for line in text.splitlines() if line.startswith(("import ", "from "))}
        assert roots - set(sys.stdlib_module_names) == {"cryptography"}

    @pytest.mark.parametrize("name", [*BAD, *GOOD])
    def test_it_agrees_on_every_golden_file(self, name: str) -> None:
        assert bool(word_of_the_second(FILES[name].read_bytes())) == (name in BAD)

    @pytest.mark.parametrize(
        "name",
        [
            "bundles/good-bundle",
            "bundles/good-two-signatures",
            "bundles/bad-altered-payload",
            "bundles/bad-unknown-key",
            "decisions/good-denied",
            "decisions/bad-allowed-with-a-blocker",
            "entries/good-second",
            "events/good-closed",
            "events/bad-closed-without-grounds",
            "kept/good-ecdsa",
            "kept/good-rsa",
        ],
    )
    def test_it_agrees_as_a_program_where_the_package_cannot_be_imported(self, name: str, alone: dict[str, str]) -> None:
        done = run_alone(alone, FILES[name])
        assert done.returncode == (1 if name in BAD else 0), done.stderr
        assert done.stdout.startswith("DOES NOT HOLD: " if name in BAD else "HOLDS: urn:aims-mlflow:")
        assert done.stderr == ""

    def test_exit_codes_keys_and_models(self, alone: dict[str, str], tmp_path: Path) -> None:
        good, files = FILES["bundles/good-bundle"], FILES["bundles/good-of-files"]
        assert run_alone(alone, good, "--key", make.key().id).returncode == 0
        assert run_alone(alone, good, "--key", make.key("other").id).returncode == 1
        assert run_alone(alone, tmp_path / "absent.json").returncode == 2
        assert run_alone(alone).returncode == 2
        assert run_alone(alone, files, "--model", GOLDEN / "model").returncode == 0
        changed = tmp_path / "model"
        shutil.copytree(GOLDEN / "model", changed)
        (changed / "MLmodel").write_text("other\n")
        said = run_alone(alone, files, "--model", changed)
        assert (said.returncode, "MLmodel" in said.stdout) == (1, True)

    @pytest.mark.parametrize("curve", [ec.SECP256R1, ec.SECP384R1, ec.SECP521R1, None], ids=["p256", "p384", "p521", "rsa"])
    def test_it_knows_the_ids_of_other_keys(self, curve: type[ec.EllipticCurve] | None) -> None:
        private = ec.generate_private_key(curve()) if curve else rsa.generate_private_key(65537, 2048)
        signer = CryptoSigner(private)
        pem = pem_of(private.public_key())
        assert second.public_key(pem)[1] == signer.public_key.keyid == SSlibKey.from_crypto(private.public_key()).keyid
        content = make.seal_bundle(make.small(), Key(signer.public_key.keyid, pem, False, None, signer))
        assert word_of_the_second(content) == ""
        assert checked(content).verified.key_ids == (signer.public_key.keyid,)


def change(folder: Path) -> None:
    (folder / "data" / "weights.txt").write_text("0.25 0.5 0.126\n")


def add(folder: Path) -> None:
    (folder / "extra.py").write_text("")


def remove(folder: Path) -> None:
    (folder / "MLmodel").unlink()


def rename(folder: Path) -> None:
    (folder / "data" / "weights.txt").rename(folder / "weights.txt")


def link(folder: Path) -> None:
    (folder / "MLmodel").unlink()
    (folder / "MLmodel").symlink_to(GOLDEN / "model" / "MLmodel")


def link_a_folder(folder: Path) -> None:
    (folder / "more").symlink_to(folder / "data")


def exchange(folder: Path) -> None:
    one, other = (folder / "MLmodel").read_bytes(), (folder / "data" / "weights.txt").read_bytes()
    (folder / "MLmodel").write_bytes(other)
    (folder / "data" / "weights.txt").write_bytes(one)


class TestModel:
    def test_the_files_that_were_evaluated_are_those(self) -> None:
        assert compare_model(checked(FILES["bundles/good-of-files"].read_bytes()), GOLDEN / "model") == 2

    @pytest.mark.parametrize(
        ("harm", "said"),
        [
            (change, r"changed data/weights\.txt"),
            (add, r"added extra\.py"),
            (remove, "missing MLmodel"),
            (rename, r"renamed data/weights\.txt to weights\.txt"),
            (link, "'MLmodel' is a symbolic link"),
            (link_a_folder, "'more' is a symbolic link"),
            (exchange, r"changed MLmodel, data/weights\.txt"),
        ],
        ids=["changed", "added", "missing", "renamed", "linked", "linked-folder", "exchanged"],
    )
    def test_each_harm_is_named_and_the_second_verifier_sees_it_too(self, harm: object, said: str, tmp_path: Path) -> None:
        folder = tmp_path / "model"
        shutil.copytree(GOLDEN / "model", folder)
        assert callable(harm)
        harm(folder)
        content = FILES["bundles/good-of-files"].read_bytes()
        with pytest.raises(VerificationError, match=said):
            compare_model(checked(content), folder)
        with pytest.raises(ValueError, match=r"changed, added or missing|is a link"):
            second.compare(second.read(second.opened(content)[0])[1], str(folder))

    @pytest.mark.parametrize("name", ["decisions/good-allowed", "bundles/good-no-model-and-no-data"])
    def test_what_is_about_no_files_compares_with_none(self, name: str, tmp_path: Path) -> None:
        with pytest.raises(VerificationError, match="nothing to compare"):
            compare_model(checked(FILES[name].read_bytes()), tmp_path)
        with pytest.raises(ValueError, match="nothing to compare"):
            second.compare(second.read(second.opened(FILES[name].read_bytes())[0])[1], str(tmp_path))
