"""The whole registry, read in pages: every registered model with its aliases and versions, by few calls however many there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aims_mlflow.store import connection
from aims_mlflow.store.logs import Logs
from aims_mlflow.store.versions import Versions
from aims_mlflow.store.views import VersionView, moment, quoted


@dataclass(frozen=True)
class Registered:
    """A registered model. ``versions``: oldest first; their ``run_id`` is what the registry says, "" where it says nothing."""

    name: str
    aliases: Mapping[str, str]
    tags: Mapping[str, str]
    versions: tuple[VersionView, ...]


class Sweep(Logs, Versions):
    """What the store does with a registry as a whole."""

    def registered(self, names: Sequence[str] = ()) -> list[Registered]:
        """Return the registered models of these names, or all of them, in the order of their names.

        Raises:
            StoreError: there is no model of one of the names, or MLflow did not answer.
        """
        if names:
            models = [self._call(f"read {name}", lambda n=name: self._client.get_registered_model(n)) for name in names]  # type: ignore[misc]  # mypy cannot infer a lambda with a default
            found = [v for name in names for v in self._all_versions(f"name = '{quoted(name)}'")]
        else:

            def search(token: str | None) -> Any:
                return self._client.search_registered_models(max_results=connection.PAGE, page_token=token)

            models, found = list(self._pages("list the registered models", search)), self._all_versions("")
        versions: dict[str, list[VersionView]] = {}
        for one in found:
            versions.setdefault(one.name, []).append(registry_view(one))
        made = [
            Registered(
                name=m.name,
                aliases={alias: str(number) for alias, number in dict(m.aliases).items()},
                tags=dict(m.tags),
                versions=tuple(sorted(versions.get(m.name, ()), key=lambda v: int(v.version))),
            )
            for m in models
        ]
        return sorted(made, key=lambda m: m.name)

    def _all_versions(self, condition: str) -> list[Any]:
        def search(token: str | None) -> Any:
            return self._client.search_model_versions(condition, max_results=connection.PAGE, page_token=token)

        return list(self._pages("search model versions", search))


def registry_view(found: Any) -> VersionView:
    """Return one of MLflow's versions as ours, by what a search says of it: without aliases."""
    return VersionView(
        name=found.name,
        version=str(found.version),
        run_id=found.run_id or "",
        source=found.source or "",
        created=moment(found.creation_timestamp),
        stage=found.current_stage or "None",
        tags=dict(found.tags),
        description=found.description or "",
    )
