"""``diagnose``: looks at every part of a set-up, each on its own, so that one that cannot be looked at hides no other."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from aims_mlflow.diagnosing.words import STATES, Area, Diagnosis, Finding, Waiting
from aims_mlflow.errors import AimsError

log = logging.getLogger("aims_mlflow")

T = TypeVar("T")


def diagnose() -> Diagnosis:
    """Look at the set-up as this process's environment variables make it. Nothing is changed, and nobody but MLflow is asked."""
    from aims_mlflow.diagnosing import disks, libraries, policies, servers, set_to, signers, spooled
    from aims_mlflow.signing import Trust

    nothing: list[Finding] = []
    no_parcel: list[Waiting] = []
    blind: list[str] = []

    def at(area: Area, look: Callable[[], T], otherwise: T) -> T:
        try:
            return look()
        except Exception as error:
            log.debug("%s could not be looked at", area, exc_info=True)
            said = f"{error.what} ({error.where})" if isinstance(error, AimsError) else type(error).__name__
            blind.append(f"{area}: {said}")
            return otherwise

    tracking, registry = at("server", _uris, ("", ""))
    ruled, trust, trusted = at("policies", policies.look, (nothing, Trust(), ""))
    signing = at("keys", lambda: signers.look(trust, trusted), nothing)
    held, waiting = at("spool", lambda: spooled.look(tracking, trust.keyring()), (nothing, no_parcel))
    disk = at("disk", disks.look, nothing)
    settings = at("settings", set_to.look, nothing)
    seen = at("server", lambda: servers.look(tracking, registry), servers.Seen()) if tracking else servers.Seen()
    versions = at("versions", lambda: libraries.look(seen.version), nothing)
    reporting = at("telemetry", libraries.telemetry, nothing)
    findings = [*held, *disk, *settings, *signing, *ruled, *seen.findings, *versions, *reporting]
    ordered = sorted(findings, key=lambda f: STATES.index(f.state))
    return Diagnosis(time=datetime.now(UTC), findings=tuple(ordered), waiting=tuple(waiting), blind=tuple(blind))


def _uris() -> tuple[str, str]:
    """Return where MLflow keeps runs and models, by its own rules."""
    import mlflow

    return mlflow.get_tracking_uri(), mlflow.get_registry_uri()
