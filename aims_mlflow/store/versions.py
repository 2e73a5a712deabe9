"""The registry: registered models, their versions, aliases, tags and descriptions."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from aims_mlflow.errors import StoreError
from aims_mlflow.store import connection
from aims_mlflow.store.models import Models
from aims_mlflow.store.patience import LONGEST
from aims_mlflow.store.views import VersionView, moment, quoted

SERVER_KEEPS_TAGS = "the server keeps the aims.* tags itself"
"""What a gated server says where it does not take a tag of ours: it judges by its own policy, and writes what follows from that."""

log = logging.getLogger("aims_mlflow")


class Versions(Models):
    """What the store does with registered models and their versions."""

    def register(self, model_uri: str, name: str, *, run_id: str, tags: Mapping[str, str] | None = None) -> VersionView:
        """Make a new version of the registered model ``name`` (made where it is not there yet) from a logged model."""
        from mlflow.exceptions import MlflowException

        def create() -> VersionView:
            try:
                self._client.create_registered_model(name)
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
            made = self._client.create_model_version(
                name,
                model_uri,
                run_id=run_id,
                tags=dict(tags or {}),
                model_id=model_uri.removeprefix("models:/") if model_uri.startswith("models:/m-") else None,  # a server insists on it
            )
            return self.version(f"models:/{name}/{made.version}")

        return self._call(f"register {name}", create, patient=LONGEST)

    def version(self, uri: str) -> VersionView:
        """Return the version behind ``models:/NAME/VERSION`` or ``models:/NAME@ALIAS``; StoreError where there is none."""
        form = "models:/NAME/VERSION or models:/NAME@ALIAS"
        if not uri.startswith("models:/"):
            raise StoreError(f"{uri!r} is not the URI of a registered model", fix=f"write it as {form}")
        rest = uri.removeprefix("models:/")
        name, _, number = rest.rpartition("/")  # first, because a model's name may have an @ in it
        alias = ""
        if not name or not number.isdecimal():
            name, _, alias = rest.rpartition("@")
            if not name or "/" in alias:
                raise StoreError(f"{uri!r} does not name a version", fix=f"write it as {form}")

        def find() -> VersionView:
            asked = str(self._client.get_model_version_by_alias(name, alias).version) if alias else number
            return self._version_view(self._client.get_model_version(name, asked))  # only this call fills in all aliases

        return self._call(f"find {uri}", find)

    def versions(self, name: str) -> list[VersionView]:
        """Return every version of a registered model, oldest first."""
        return self._versions(f"name = '{quoted(name)}'")

    def run_versions(self, run_id: str) -> list[VersionView]:
        """Return every model version that was registered from the run, oldest first."""
        return self._versions(f"run_id = '{quoted(run_id)}'")

    def system_versions(self, system_id: str) -> list[VersionView]:
        """Return every model version tagged with the system, oldest first."""
        return self._versions(f"tags.`aims.system` = '{quoted(system_id)}'")

    def _versions(self, condition: str) -> list[VersionView]:
        def search(token: str | None) -> Any:
            return self._client.search_model_versions(condition, max_results=connection.PAGE, page_token=token)

        found = list(self._pages("search model versions", search))
        aliases: dict[str, dict[str, list[str]]] = {}
        for name in {v.name for v in found}:
            model = self._call(f"read {name}", lambda n=name: self._client.get_registered_model(n))  # type: ignore[misc]  # as above
            for alias, number in model.aliases.items():
                aliases.setdefault(name, {}).setdefault(str(number), []).append(alias)
        views = [self._version_view(v, tuple(sorted(aliases.get(v.name, {}).get(str(v.version), [])))) for v in found]
        return sorted(views, key=lambda v: (v.name, int(v.version)))

    def _version_view(self, found: Any, aliases: tuple[str, ...] | None = None) -> VersionView:
        return VersionView(
            name=found.name,
            version=str(found.version),
            run_id=found.run_id or self.model_run(found.source or ""),
            source=found.source or "",
            created=moment(found.creation_timestamp),
            stage=found.current_stage or "None",
            aliases=tuple(found.aliases) if aliases is None else aliases,
            tags=dict(found.tags),
            description=found.description or "",
        )

    def set_alias(self, name: str, alias: str, version: str) -> None:
        """Point the alias at the version."""
        self._call(f"set alias {alias}", lambda: self._client.set_registered_model_alias(name, alias, version))

    def delete_alias(self, name: str, alias: str) -> None:
        """Take the alias away."""
        self._call(f"delete alias {alias}", lambda: self._client.delete_registered_model_alias(name, alias))

    def alias_version(self, name: str, alias: str) -> str | None:
        """Return the number of the version that holds the alias, or None. Aliases are compared as MLflow does: with case."""
        model = self._call(f"read {name}", lambda: self._client.get_registered_model(name))
        number = model.aliases.get(alias)
        return None if number is None else str(number)

    def tag_version(self, view: VersionView, tags: Mapping[str, str]) -> None:
        """Set tags on a model version; MLflow has no batched call for it, so only what changed is written."""
        for key, value in tags.items():
            if view.tags.get(key) != value:
                self._tag(view.uri, lambda k=key, v=value: self._client.set_model_version_tag(view.name, view.version, k, v))  # type: ignore[misc]  # as above

    def _tag(self, what: str, do: Callable[[], None]) -> None:
        """Set a tag; where a gated server keeps them, it has written what is true."""
        try:
            self._call(f"tag {what}", do, patient=LONGEST)
        except StoreError as error:
            if SERVER_KEEPS_TAGS not in error.what:
                raise
            log.debug("%s", error)

    def describe_version(self, view: VersionView, text: str) -> None:
        """Set the description of a model version."""
        self._call(f"describe {view.uri}", lambda: self._client.update_model_version(view.name, view.version, text))

    def index_version(self, view: VersionView, tags: Mapping[str, str], text: str) -> None:
        """Set tags and the description of a model version."""
        self.tag_version(view, tags)
        self.describe_version(view, text)

    def tag_model(self, name: str, tags: Mapping[str, str]) -> None:
        """Set tags on a registered model."""
        for key, value in tags.items():
            self._tag(name, lambda k=key, v=value: self._client.set_registered_model_tag(name, k, v))  # type: ignore[misc]  # as above

    def describe_model(self, name: str, text: str) -> None:
        """Set the description of a registered model."""
        self._call(f"describe {name}", lambda: self._client.update_registered_model(name, text))

    def model_description(self, name: str) -> str:
        """Return the description of a registered model, or ""."""
        return self._call(f"read {name}", lambda: self._client.get_registered_model(name).description or "")
