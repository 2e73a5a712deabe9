"""Verify evidence of aims-mlflow without aims-mlflow: the format of docs/evidence-format.md in the standard library and `cryptography`.

    python verify_standalone.py FILE.dsse.json [--key KEY_ID ...] [--model FOLDER]

FILE is a bundle, a decision, a log entry or an event of a case. --key: only signatures by these keys count. --model: compare the files of
a model with those of the bundle. Exit codes: 0 it holds, 1 it does not, 2 it could not be read. A key must stand beside its signature.
"""

import argparse
import base64
import hashlib
import json
import re
import sys
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

PAYLOAD_TYPE, STATEMENT = "application/vnd.in-toto+json", "https://in-toto.io/Statement/v1"
BUNDLE, DECISION, ENTRY = (f"urn:aims-mlflow:{name}:v1" for name in ("evidence", "decision", "log-entry"))
CASES = {"urn:aims-mlflow:nonconformity-event:v1": "nonconformities", "urn:aims-mlflow:incident-event:v1": "incidents"}
EVENT = "case system_id kind time by what parents collector evidence without_evidence breach incident told due effective"
CURVES = {"secp256r1": SHA256(), "secp384r1": SHA384(), "secp521r1": SHA512()}
REFUSALS = (ValueError, RecursionError, UnsupportedAlgorithm, InvalidSignature)
HEX64 = re.compile(r"[0-9a-f]{64}")
FIELDS = {  # of each predicate
    BUNDLE: "collector system_id policy_sha256 run model datasets requirements results evidence complete attestations",
    DECISION: "allowed decided model alias system_id run_id lines blockers notes evidence_time key_ids policy_sha256 bundle_sha256 "
    "model_sha256 time collector actor replaced",
    ENTRY: "registry sequence parents kind time actor collector content_sha256 decision facts undoes",
    **dict.fromkeys(CASES, EVENT),
}


def need(holds: object, why: str) -> None:
    """Refuse the file unless it is so: a ValueError, as the libraries raise for what is no JSON, no base64 or no key."""
    if not holds:
        raise ValueError(why)


def canonical(content: object) -> bytes:
    """Return canonical JSON (section 1): sorted keys, no spaces, UTF-8."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def strict_json(content: bytes, what: str) -> object:
    """Parse JSON without repeated keys, NaN and infinity (section 1)."""
    made = json.loads(
        content.decode("utf-8"),
        object_pairs_hook=lambda pairs: need(len(dict(pairs)) == len(pairs), f"the {what} has a repeated key") or dict(pairs),
        parse_constant=lambda name: need(False, f"{name} is no number"),
    )
    canonical(made)  # half a character, or a number too large for one, has no such text
    return made


def decoded(text: str, what: str) -> bytes:
    """Return the bytes of base64 that is written in the one way there is (section 2)."""
    need(base64.b64encode(content := base64.b64decode(text)).decode() == text, f"the {what} is not written as base64 is")
    return content


def public_key(pem: str) -> tuple:
    """Return how a public key verifies, and its id: the sha256 of its canonical description (section 2.1)."""
    key = load_pem_public_key(pem.encode())
    need(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode() == pem, "a public key is not written as PEM is")
    if isinstance(key, ed25519.Ed25519PublicKey):
        kind, scheme, value, how = "ed25519", "ed25519", key.public_bytes(Encoding.Raw, PublicFormat.Raw).hex(), ()
    elif isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in CURVES:
        kind, scheme, value, how = "ecdsa", f"ecdsa-sha2-nistp{key.curve.key_size}", pem, (ec.ECDSA(CURVES[key.curve.name]),)
    else:
        need(isinstance(key, rsa.RSAPublicKey), "a public key is of a kind that is not used here")
        kind, scheme, value, how = "rsa", "rsassa-pss-sha256", pem, (padding.PSS(padding.MGF1(SHA256()), padding.PSS.AUTO), SHA256())
    told = f'{{"keytype":"{kind}","keyval":{{"public":"{value}"}},"scheme":"{scheme}"}}'
    return lambda signature, message: key.verify(signature, message, *how), hashlib.sha256(told.encode()).hexdigest()


def opened(content: bytes) -> tuple:
    """Return payload and key ids of a DSSE envelope (section 2) of which every signature holds."""
    envelope = strict_json(content, "envelope")
    need(isinstance(envelope, dict) and set(envelope) == {"payload", "payloadType", "signatures"}, "it is no envelope")
    need(envelope["payloadType"] == PAYLOAD_TYPE and isinstance(envelope["payload"], str), "it is an envelope of something else")
    need(isinstance(signatures := envelope["signatures"], list) and 1 <= len(signatures) <= 16, "it is not signed, or by too many")
    for one in signatures:
        need(isinstance(one, dict) and set(one) == {"keyid", "sig", "public_key"}, "a signature lacks fields, or has others")
        need(all(isinstance(value, str) for value in one.values()) and HEX64.fullmatch(one["keyid"]), "a signature names no key")
    need(len({one["keyid"] for one in signatures}) == len(signatures), "two signatures are by one key")
    need(canonical(envelope) == content, "the envelope is not canonical JSON")
    payload = decoded(envelope["payload"], "payload")
    message = b"DSSEv1 %d %b %d %b" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)
    for one in signatures:
        verify, key_id = public_key(one["public_key"])
        need(key_id == one["keyid"], "a public key is not the one that its signature names")
        verify(decoded(one["sig"], "signature"), message)
    return payload, [one["keyid"] for one in signatures]


def subjects(kind: str, told: dict) -> list:
    """Return the subjects that follow from a predicate (sections 4 to 7)."""
    if kind == BUNDLE:
        files = told["model"]["files"] if told["model"] else {}
        found = [(f"model/{path}", files[path]["sha256"]) for path in sorted(files)]
        found += [(f"dataset/{one['role']}", one["sha256"]) for one in told["datasets"]]
        found = found or [(f"run/{told['run']['run_id']}", told["policy_sha256"])]
    elif kind == DECISION:
        names = {told["model"]: "model_sha256", "bundle": "bundle_sha256", f"policy/{told['system_id']}": "policy_sha256"}
        found = [(name, told[of]) for name, of in names.items() if told[of]]
    elif kind == ENTRY:
        found = [(told["kind"], told["content_sha256"]), *((f"log/{one[:2]}/{one}.dsse.json", one) for one in told["parents"])]
    else:
        found = [(f"{told['case']}/{told['kind']}", hashlib.sha256(canonical(told)).hexdigest())]
        found += [(f"{CASES[kind]}/{told['case']}/{one}.dsse.json", one) for one in told["parents"]]
        found += [(f"runs/{one['run_id']}", one["bundle_sha256"]) for one in (told["evidence"],) if one]
    return [{"name": name, "digest": {"sha256": sha256}} for name, sha256 in found]


def consistent(kind: str, told: dict) -> None:
    """Refuse a predicate that contradicts itself."""
    need(isinstance(told, dict) and set(told) == set(FIELDS[kind].split()), "the predicate lacks fields, or has others")
    if kind == BUNDLE:
        for file in (told["model"] or {"files": {}})["files"].values():
            fits = set(file) == {"size", "sha256"} and type(file["size"]) is int and file["size"] >= 0
            need(fits and HEX64.fullmatch(file["sha256"]), "a file of the model has no size or no sha256")
    if kind == DECISION and told["allowed"] is not False:
        states = {line["state"] for line in told["lines"]}  # inconclusive: where the policy lets it through
        grounds = told["allowed"] is True and told["decided"] is True and states and not told["blockers"]
        need(grounds and states <= {"pass", "not_applicable", "waived", "inconclusive"}, "a yes without grounds, or against its own lines")
    fits = (up := told.get("parents", [])) == sorted(set(up)) and (kind != ENTRY or (told["sequence"] == 1) == (not up))
    need(fits, "the parents are not in order")
    if kind in CASES:
        need(told["case"].startswith("in-" if CASES[kind] == "incidents" else "nc-"), "the case is of the other sort")
        grounds = bool(told["evidence"]) != bool(told["without_evidence"]) or CASES[kind] == "incidents"
        need(grounds or told["kind"] != "closed", "it is closed without grounds, or with two")
    if kind == ENTRY:
        held, gate = told["decision"] or told["facts"], told["kind"] in ("decision", "denial", "rollback")
        fits = (told["decision"] is not None) == gate != (told["facts"] is not None)
        need(fits and bool(told["undoes"]) == (told["kind"] == "rollback"), "the entry does not hold what its kind says")
        if gate:
            consistent(DECISION, held)
            need(held["allowed"] == (told["kind"] == "decision"), "the entry's kind is not that of its decision")
            held = {"_type": STATEMENT, "subject": subjects(DECISION, held), "predicateType": DECISION, "predicate": held}
        need(hashlib.sha256(canonical(held)).hexdigest() == told["content_sha256"], "the entry's digest is not that of what it holds")


def read(payload: bytes) -> tuple:
    """Return the kind and the predicate of a statement (section 3) whose subjects are those that follow from its predicate."""
    statement = strict_json(payload, "payload")
    try:
        need(isinstance(statement, dict) and statement.get("_type") == STATEMENT, "it is no statement")
        kind, told = statement["predicateType"], statement["predicate"]
        need(kind in FIELDS, "it is a statement of something else")
        need(kind == BUNDLE or set(statement) == {"_type", "subject", "predicateType", "predicate"}, "the statement has other fields")
        consistent(kind, told)
        need(statement["subject"] == subjects(kind, told), "the subjects are not those that the predicate speaks of")
    except (AttributeError, KeyError, TypeError):
        raise ValueError("the predicate does not have its shape") from None
    return kind, told


def compare(told: dict, folder: str) -> None:
    """Refuse a folder whose files are not those of the bundle's manifest (section 4.1), byte for byte."""
    files, found = told["model"]["files"] if isinstance(told.get("model"), dict) else {}, {}
    need(files, "the file is no bundle with a model, so there is nothing to compare")
    for path in (one for one in Path(folder).rglob("*") if one.is_symlink() or not one.is_dir()):
        name = path.relative_to(folder).as_posix()
        need(path.is_file() and not path.is_symlink(), f"{name} is a link, or no plain file")
        found[name] = {"size": path.lstat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    wrong = sorted(name for name in {*files, *found} if files.get(name) != found.get(name))
    need(not wrong, f"changed, added or missing: {', '.join(wrong)}")


def main() -> tuple:
    """Verify what the command line names; return what to say and the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("--key", action="append", default=[])
    parser.add_argument("--model")
    asked = parser.parse_args()
    try:
        content = Path(asked.file).read_bytes()
        payload, key_ids = opened(content)
        need(not asked.key or set(asked.key) & set(key_ids), f"signed by {', '.join(key_ids)}, which nobody asked for")
        kind, told = read(payload)
        if asked.model:
            compare(told, asked.model)
    except REFUSALS as refused:
        return f"DOES NOT HOLD: {str(refused) or 'something that was signed has been altered'}", 1
    except OSError as error:
        return f"COULD NOT BE READ: {error}", 2
    return f"HOLDS: {kind}, signed by {', '.join(key_ids)}, sha256 {hashlib.sha256(content).hexdigest()}", 0


if __name__ == "__main__":
    said, code = main()
    sys.stdout.write(said + "\n")
    sys.exit(code)
