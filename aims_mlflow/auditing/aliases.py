"""Whether each protected alias and stage has a decision in the log that lets exactly this version, with exactly these bytes, hold it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from aims_mlflow.auditing.words import Held
from aims_mlflow.gate import CLOCK_SKEW
from aims_mlflow.ledger import Facts, Finding, Gravity, Logged
from aims_mlflow.store import Registered, VersionView

BYPASSES: frozenset[str] = frozenset({"bypass", "other_bytes", "withdrawn", "rolled_back", "decision_key", "no_files", "no_version"})
"""The codes under which something protected points at a version that nothing in the log lets it point at."""

AROUND = "somebody went around the gate: promote the version through it, or take the {what} away; then find out who set it"

Digest = Callable[[VersionView], str]
"""Returns the digest of the manifest of a version's files as they are now; "" where they cannot be read."""


@dataclass
class Book:
    """The log by what its entries are about: model and holder -> entries, in the log's order."""

    about: dict[tuple[str, str], list[Logged]] = field(default_factory=dict)
    undone: set[str] = field(default_factory=set)
    passed: set[tuple[str, str]] = field(default_factory=set)
    """Model and version of every decision that lets one through and was not taken back."""

    @classmethod
    def of(cls, entries: Sequence[Logged]) -> Book:
        """Sort the entries once, so that each question looks only at what it is about."""
        book = cls(undone={one.entry.undoes for one in entries if one.entry.undoes and one.believed})
        for one in entries:
            name, version, holder = one.entry.about
            book.about.setdefault((name, holder), []).append(one)
            if book.stands(one):
                book.passed.add((name, version))
        return book

    def stands(self, one: Logged) -> bool:
        """Whether an entry is a decision that counts and was not taken back."""
        return one.entry.kind == "decision" and one.believed and one.sha256 not in self.undone


def holders(model: Registered, protected: frozenset[str]) -> Iterator[tuple[Held, VersionView | None]]:
    """Yield every protected alias and stage of a model with the version that holds it; names are compared without case."""
    by_number = {v.version: v for v in model.versions}
    for alias, number in sorted(model.aliases.items()):
        if alias.casefold() in protected:
            yield Held(model=model.name, holder=alias, version=number), by_number.get(number)
    for view in model.versions:
        if view.stage.casefold() in protected:
            yield Held(model=model.name, holder=view.stage, stage=True, version=view.version), view


def judged(held: Held, view: VersionView | None, book: Book, files: Digest) -> tuple[Held, Finding | None]:
    """Say whether the log lets a version hold what it holds, and what is wrong if not."""
    where = f"models:/{held.model}/{held.version} as {held.holder}"
    what = "stage" if held.stage else "alias"
    entries = book.about.get((held.model, held.holder), [])
    of_version = [(at, one) for at, one in enumerate(entries) if one.entry.about[1] == held.version]
    decisions = [(at, one) for at, one in of_version if one.entry.kind == "decision"]

    def wrong(code: str, reason: str, fix: str = "") -> tuple[Held, Finding]:
        found = Finding(code=code, severity="critical", what=reason, where=where, fix=fix or AROUND.format(what=what))
        return held.model_copy(update={"code": code}), found

    if view is None:
        return wrong("no_version", f"the {what} points at a version that is not there")
    if not decisions:
        denied = [one for _, one in of_version if one.entry.kind == "denial"]
        said = f", and the gate has denied it ({denied[-1].entry.time.isoformat(timespec='seconds')})" if denied else ""
        return wrong("bypass", f"the {what} points at a version that no decision in the log lets it point at{said}")
    believed = [(at, one) for at, one in decisions if one.believed]
    if not believed:
        return wrong("decision_key", f"the {what} rests on a decision that does not count: {decisions[-1][1].problem}")
    standing = [(at, one) for at, one in believed if book.stands(one)]
    if not standing:
        return wrong("rolled_back", f"the {what} points at a version whose promotion was taken back")
    left = max((at for at, one in of_version if one.entry.kind == "withdrawal" and one.believed), default=-1)
    current = [(at, one) for at, one in standing if at > left]
    if not current:
        return wrong("withdrawn", f"the {what} was taken from this version, and points at it again without a new decision")
    digest = files(view)
    if not digest:
        return wrong("no_files", "the files of the version that holds it cannot be read", "restore them, or promote another version")
    same = [(at, one) for at, one in current if one.entry.decision and one.entry.decision.model_sha256 == digest]
    if not same:
        fix = "find out who changed the files; then train, register and promote again"
        return wrong("other_bytes", "the model's files are not those that the gate let through", fix)
    at, one = same[-1]
    known = held.model_copy(update={"decision": one.sha256, "decided": one.entry.time, "actor": one.entry.actor})
    later = None if held.stage else _superseding(entries[at + 1 :], held.version, book)  # a stage has room for several versions
    if later is None:
        return known, None
    near = later.entry.time - one.entry.time <= CLOCK_SKEW
    reason = f"the {what} points at version {held.version}, though version {later.entry.about[1]} was let through after it"
    reason += ": two promotions at about the same time" if near else f" ({later.entry.time.isoformat(timespec='seconds')})"
    fix = "go back through the gate: promote the version that is wanted again"
    severity: Gravity = "note" if near else "major"
    return known.model_copy(update={"code": "superseded"}), Finding(code="superseded", severity=severity, what=reason, where=where, fix=fix)


def unheld(models: Iterable[Registered], book: Book, protects: Callable[[str], frozenset[str]]) -> Iterator[Finding]:
    """Yield a note for each protected alias that the log lets a version hold, and that nobody holds and nobody has withdrawn."""
    held = {m.name: {*m.aliases, *(v.stage for v in m.versions)} for m in models}
    for (name, holder), entries in book.about.items():
        if holder in held.get(name, {holder}) or holder.casefold() not in protects(name):
            continue
        last = next((e for e in reversed(entries) if book.stands(e) or e.entry.kind == "withdrawal"), None)
        if last is not None and last.entry.kind == "decision":
            what = f"{holder} was let through for version {last.entry.about[1]}, and nobody holds it: it was taken away around the gate"
            yield Finding(code="gone_unlogged", severity="note", what=what, where=f"models:/{name}")


def _superseding(later: Sequence[Logged], version: str, book: Book) -> Logged | None:
    """Return the decision for another version that came later and stands, if there is one."""
    left = {one.entry.about[1]: at for at, one in enumerate(later) if one.entry.kind == "withdrawal" and one.believed}
    for at, one in reversed(list(enumerate(later))):
        other = one.entry.about[1]
        if book.stands(one) and other != version and at > left.get(other, -1):
            return one
    return None


def bypass_facts(held: Held, finding: Finding, digest: str) -> Facts:
    """Return what the log keeps of a bypass: the same each time it is seen, so that it is written once."""
    return Facts(
        model=held.model,
        version=held.version,
        alias="" if held.stage else held.holder,
        stage=held.holder if held.stage else "",
        model_sha256=digest,
        code=finding.code,
    )
