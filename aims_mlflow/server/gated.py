"""What both gated registries decide: each of MLflow's methods that could put, or hide, an unproven model behind a protected name.

``Gated`` stands before one of MLflow's registry stores (``class GatedSqlStore(Gated, SqlAlchemyStore)``) and passes on
whatever is not protected. MLflow's server, its prompts and ``copy_model_version`` all end in these methods.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from aims_mlflow.errors import AimsError, PromotionBlocked, StoreError
from aims_mlflow.promotion import Move, move
from aims_mlflow.server import guarding
from aims_mlflow.server.guarding import folded, protected
from aims_mlflow.store import Store

log = logging.getLogger("aims_mlflow")


class Gated:
    """Stands before a registry store of MLflow's. What the store underneath can do besides is said by the methods below."""

    def _reader(self) -> Store:
        """Return the store that the gate reads and writes by: the same registry, ungated."""
        raise NotImplementedError

    def _known_as(self, name: str) -> str:
        """Return the registered model's name as the registry writes it."""
        return name

    def _aliases(self, name: str) -> dict[str, str]:
        """Return alias -> number of the version, for a registered model; empty where there is none."""
        raise NotImplementedError

    def _stages(self, name: str) -> dict[str, str]:
        """Return number of the version -> stage, for the versions in a stage other than None."""
        raise NotImplementedError

    @contextmanager
    def _together(self) -> Iterator[None]:
        """Do all within as one, or nothing of it, where the registry underneath can."""
        yield

    @contextmanager
    def _turn(self, *_names: str) -> Iterator[None]:
        """Let nobody else promote, rename or delete these models meanwhile, where the registry underneath can."""
        yield

    @contextmanager
    def _gathering(self) -> Iterator[None]:
        """Write together what the gate writes for people, where the registry underneath can."""
        yield

    # MLflow's methods, with MLflow's signatures

    def set_registered_model_alias(self, name: str, alias: str, version: Any) -> None:
        """Set an alias; a protected one by the gate's leave only."""
        plain: Any = super()
        if not self._is_protected(name, alias):
            plain.set_registered_model_alias(name, alias, version)
            return
        found = self._asked(name, version, alias)
        number = str(found.version)
        if self._is_a_text(name, found):
            plain.set_registered_model_alias(name, alias, number)
            return

        def do() -> None:
            plain.set_registered_model_alias(name, alias, number)

        def undo(before: str | None) -> None:
            with self._together():
                if self._holder(name, alias) != number:  # it has been taken away meanwhile
                    return
                if before is None:
                    plain.delete_registered_model_alias(name, alias)
                else:
                    plain.set_registered_model_alias(name, alias, before)

        self._promote(name, number, alias, Move(lambda: self._holder(name, alias), do, undo))

    def delete_registered_model_alias(self, name: str, alias: str) -> None:
        """Delete an alias. A protected one too, at once: an emergency must be quick. It is logged as a withdrawal."""
        plain: Any = super()
        if not self._is_protected(name, alias):
            plain.delete_registered_model_alias(name, alias)
            return
        with self._together():
            held = self._holder(name, alias)
            plain.delete_registered_model_alias(name, alias)
        if held is not None:
            self._withdrawn(name, alias, held, stage=False)

    def transition_model_version_stage(self, name: str, version: Any, stage: str, archive_existing_versions: bool) -> Any:
        """Move a version to another stage: into a protected one by the gate's leave only; out of one freely, which is logged."""
        from mlflow.entities.model_registry.model_version_stages import get_canonical_stage

        plain: Any = super()
        if not self._is_protected(name, stage):
            with self._together():
                stages = self._stages(name)
                result = plain.transition_model_version_stage(name, version, stage, archive_existing_versions)
            self._left(name, stages, {**stages, str(result.version): result.current_stage})
            return result
        target = get_canonical_stage(stage)
        number = str(self._asked(name, version, None).version)
        before: dict[str, str] = {}
        moved: list[Any] = []

        def holder() -> str | None:
            there = [n for n, s in self._stages(name).items() if s == target]
            return number if number in there else max(there, key=int, default=None)

        def do() -> None:
            with self._together():
                before.update(self._stages(name))
                moved.append(plain.transition_model_version_stage(name, number, target, archive_existing_versions))

        def undo(_: str | None) -> None:
            with self._together():
                now = self._stages(name)
                if now.get(number) != target:  # it has been moved on meanwhile
                    return
                plain.transition_model_version_stage(name, number, before.get(number, "None"), False)
                for other, was in before.items():
                    if other != number and was == target and now.get(other) == "Archived":
                        plain.transition_model_version_stage(name, other, target, False)

        self._promote(name, number, target, Move(holder, do, undo))
        archived = {n: "Archived" for n, s in before.items() if archive_existing_versions and n != number and s == target}
        self._left(name, before, {**before, **archived, number: target})
        return moved[0]

    def rename_registered_model(self, name: str, new_name: str) -> Any:
        """Rename a registered model, unless it holds what the policy protects under its old name or its new one."""
        plain: Any = super()
        if not all(isinstance(given, str) for given in (name, new_name)):
            return plain.rename_registered_model(name, new_name)
        guarded = protected(self._known_as(name)) | protected(new_name)
        with self._refusing("the renaming"), self._turn(name, new_name), self._together():
            self._refuse_if_held(name, guarded, "the renaming")
            renamed = plain.rename_registered_model(name, new_name)
            self._refuse_if_held(new_name, guarded, "the renaming")  # an alias that came between
        return renamed

    def delete_registered_model(self, name: str) -> None:
        """Delete a registered model, unless it holds a protected alias or stage."""
        plain: Any = super()
        if not isinstance(name, str):
            plain.delete_registered_model(name)
            return
        with self._refusing("the deletion"), self._turn(name), self._together():
            self._refuse_if_held(name, protected(self._known_as(name)), "the deletion")
            plain.delete_registered_model(name)

    def delete_model_version(self, name: str, version: Any) -> None:
        """Delete a version, unless it holds a protected alias or stage."""
        plain: Any = super()
        number = _number(version)
        if not isinstance(name, str) or not number:
            plain.delete_model_version(name, version)
            return
        with self._refusing("the deletion"), self._turn(name), self._together():
            self._refuse_if_held(name, protected(self._known_as(name)), "the deletion", number)
            plain.delete_model_version(name, version)

    # how

    def _is_protected(self, name: object, holder: object) -> bool:
        if not isinstance(name, str) or not isinstance(holder, str):  # MLflow says what is wrong with it
            return False
        return folded(holder) in protected(self._known_as(name))

    def _asked(self, name: str, version: Any, alias: str | None) -> Any:
        """Return the version (as MLflow gives it) if MLflow would take the request; else raises what MLflow would."""
        from mlflow.utils import validation

        validation._validate_model_name(name)
        if alias is not None:
            for renamed in ("_validate_model_alias_name", "_validate_model_alias_name_reserved"):  # without "model" since MLflow 3.18
                validate = getattr(validation, renamed, None) or getattr(validation, renamed.replace("_model", ""))
                validate(alias)
        return self._there(name, validation._validate_model_version(version))

    def _there(self, name: str, number: int) -> Any:
        """Return a version as MLflow gives it, or raise what MLflow does where there is none."""
        plain: Any = self
        return plain.get_model_version(name, str(number))

    def _is_a_text(self, name: str, found: Any) -> bool:
        """Whether a version is a prompt: a source that says so and names no files, of which there is nothing to prove.

        Asked of the source, which is written once, and never of MLflow's prompt tags, which anybody can set.
        """
        from mlflow.prompt.constants import _PROMPT_SOURCE_PLACEHOLDERS

        return found.source in _PROMPT_SOURCE_PLACEHOLDERS and not found.run_id and not guarding.is_listed(self._known_as(name))

    def _holder(self, name: str, alias: str) -> str | None:
        return self._aliases(name).get(alias)

    def _promote(self, name: str, number: str, holder: str, wish: Move) -> None:
        """Let the gate decide, and do it then."""
        what = f"the promotion of models:/{name}/{number} to {holder}"
        careful = Move(_answering(wish.holder), _answering(wish.do), lambda before: _answering(lambda: wish.undo(before))())
        try:
            name = self._known_as(name)
            store, actor = self._reader(), guarding.actor()
            examined = guarding.examined(f"models:/{name}/{number}", holder, store)
            with self._turn(name), self._gathering():
                move(examined, careful, store, actor=actor)
        except PromotionBlocked as error:
            raise guarding.denied(error.decision) from error.__cause__  # type: ignore[arg-type]  # our own move puts a GateDecision there
        except AimsError as error:
            raise guarding.blocked(what, error) from error
        except Exception as error:
            log.exception("%s is blocked by an error", what)
            raise guarding.blocked(what, error) from error

    def _refuse_if_held(self, name: str, guarded: frozenset[str], what: str, number: str | None = None) -> None:
        """Raise where the model (or only the version ``number``) holds something protected."""
        holders = {alias: n for alias, n in self._aliases(name).items() if folded(alias) in guarded}
        holders |= {f"the stage {stage}": n for n, stage in self._stages(name).items() if folded(stage) in guarded}
        if number is not None:
            holders = {holder: n for holder, n in holders.items() if n == number}
        if holders:
            raise guarding.held(name, what, holders)

    def _left(self, name: str, before: dict[str, str], now: dict[str, str]) -> None:
        """Log every version that has left a protected stage."""
        guarded = protected(self._known_as(name))
        for number, stage in before.items():
            if folded(stage) in guarded and now.get(number) != stage:
                self._withdrawn(name, stage, number, stage=True)

    def _withdrawn(self, name: str, holder: str, number: str, *, stage: bool) -> None:
        """Log a withdrawal. It stands whether or not it can be written."""
        from aims_mlflow.ledger import Ledger

        try:
            Ledger(self._reader()).withdraw(name, holder, number, actor=guarding.actor(), stage=stage)
        except Exception as error:
            log.warning("version %s of %s no longer holds %s; that could not be written to the log: %s", number, name, holder, error)

    @contextmanager
    def _refusing(self, what: str) -> Iterator[None]:
        """Turn an error of our own into one that MLflow passes on."""
        try:
            yield
        except AimsError as error:
            raise guarding.refusal(f"{what} is refused: {error}") from error


def _number(version: Any) -> str:
    """Return a version's number as the registry writes it; what is no number is MLflow's to refuse."""
    try:
        return str(int(version))
    except (TypeError, ValueError):
        return ""


def _answering(do: Callable[[], Any]) -> Callable[[], Any]:
    """Return ``do`` with MLflow's errors as ours."""

    def done() -> Any:
        from mlflow.exceptions import MlflowException

        try:
            return do()
        except MlflowException as error:
            raise StoreError(f"MLflow could not do it: {error.message}") from error

    return done
