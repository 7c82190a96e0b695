"""Several managers behind one: each workflow is run by the one that its definition names."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

from typing_extensions import Unpack

from workflow_manager.asl.values import JSON
from workflow_manager.exceptions import InvalidValueError, NotFoundError
from workflow_manager.managers.later import HELD_BY, StartsLater
from workflow_manager.managers.live import Listener
from workflow_manager.models import Workflow, WorkflowDefinition
from workflow_manager.protocols import RetryChanges, WorkflowManager

logger = logging.getLogger("workflow_manager")


@runtime_checkable
class _UpdatesMany(Protocol):
    def update_workflows(self, workflows: Iterable[Workflow]) -> tuple[Workflow, ...]: ...


@runtime_checkable
class _Recovers(Protocol):
    def recover(self) -> tuple[str, ...]: ...


@runtime_checkable
class _Tells(Protocol):
    def on_event(self, listener: Listener) -> Listener: ...


@runtime_checkable
class _Closes(Protocol):
    def close(self) -> None: ...


class MultiWorkflowManager:
    """
    A :class:`workflow_manager.protocols.WorkflowManager` that leaves every workflow to one of *managers*.

    *managers* has them by the name that definitions call them by.  A definition that names none of them is refused,
    unless *default* says which of them takes it.

    Raises:
        InvalidValueError: *default* is not one of them, or a manager calls itself by another name than its key: what it
            has started could not be found again.
    """

    def __init__(self, managers: Mapping[str, WorkflowManager], default: str | None = None) -> None:
        self._managers = dict(managers)
        self._default = default
        for name, manager in self._managers.items():
            own = getattr(manager, "name", name)
            if own != name:
                raise InvalidValueError("MultiWorkflowManager", f"/managers/{name}", f"it calls itself {own!r}")
        if default is not None:
            self._named(default)

    @property
    def managers(self) -> Mapping[str, WorkflowManager]:
        """The managers by name."""
        return dict(self._managers)

    def manager_of(self, workflow: Workflow) -> WorkflowManager:
        """
        The manager that runs *workflow*.

        Raises:
            InvalidValueError: its definition names a manager that is not here.
        """
        return self._named(workflow.workflow_definition.manager)

    def _named(self, name: str) -> WorkflowManager:
        name = name.removeprefix(HELD_BY)  # its turn has not come yet
        manager = self._managers.get(name)
        if manager is None and self._default is not None:
            manager = self._managers.get(self._default)
        if manager is None:
            known = ", ".join(map(repr, sorted(self._managers))) or "none"
            raise InvalidValueError("definition", "/manager", f"there is no manager {name!r}; known: {known}")
        return manager

    def create_workflow(
        self,
        definition: WorkflowDefinition,
        input: JSON,
        *,
        namespace: str = "",
        queue: str = "default",
        tags: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> Workflow:
        """
        See :meth:`workflow_manager.protocols.WorkflowManager.create_workflow`.

        Raises:
            InvalidValueError: also when *definition* names a manager that is not here.
        """
        return self._named(definition.manager).create_workflow(
            definition, input, namespace=namespace, queue=queue, tags=tags, idempotency_key=idempotency_key
        )

    def new_workflow(
        self,
        definition: WorkflowDefinition,
        input: JSON,
        *,
        namespace: str = "",
        queue: str = "default",
        tags: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> Workflow:
        """See :meth:`workflow_manager.managers.later.StartsLater.new_workflow`."""
        return self._starter(definition.manager).new_workflow(
            definition, input, namespace=namespace, queue=queue, tags=tags, idempotency_key=idempotency_key
        )

    def new_retry(self, workflow: Workflow, **changes: Unpack[RetryChanges]) -> Workflow:
        """See :meth:`workflow_manager.managers.later.StartsLater.new_retry`."""
        starter = self._starter(workflow.workflow_definition.manager)
        return starter.new_retry(workflow, **changes)

    def begin_workflow(self, workflow: Workflow) -> Workflow:
        """See :meth:`workflow_manager.managers.later.StartsLater.begin_workflow`."""
        return self._starter(workflow.workflow_definition.manager).begin_workflow(workflow)

    def _starter(self, name: str) -> StartsLater:
        manager = self._named(name)
        if not isinstance(manager, StartsLater):
            raise InvalidValueError("definition", "/manager", f"manager {name!r} cannot start a workflow later")
        return manager

    def retry_workflow(self, workflow: Workflow, **changes: Unpack[RetryChanges]) -> Workflow:
        """See :meth:`workflow_manager.protocols.WorkflowManager.retry_workflow`; it runs where *workflow* ran."""
        return self.manager_of(workflow).retry_workflow(workflow, **changes)

    def cancel_workflow(self, workflow: Workflow, *, reason: str) -> Workflow:
        """See :meth:`workflow_manager.protocols.WorkflowManager.cancel_workflow`."""
        return self.manager_of(workflow).cancel_workflow(workflow, reason=reason)

    def update_workflow_summary(self, workflow: Workflow) -> Workflow:
        """See :meth:`workflow_manager.protocols.WorkflowManager.update_workflow_summary`."""
        return self.manager_of(workflow).update_workflow_summary(workflow)

    def update_workflow_history(self, workflow: Workflow) -> Workflow:
        """See :meth:`workflow_manager.protocols.WorkflowManager.update_workflow_history`."""
        return self.manager_of(workflow).update_workflow_history(workflow)

    def update_workflows(self, workflows: Iterable[Workflow]) -> tuple[Workflow, ...]:
        """
        Bring many workflows up to date, the managers side by side; they come back in the same order.

        What cannot be looked at now is returned as it was handed in, and that is logged; one manager's trouble neither
        stops nor delays what another does.
        """
        given = tuple(workflows)
        shares: dict[str, list[int]] = {}
        for place, workflow in enumerate(given):
            shares.setdefault(workflow.workflow_definition.manager, []).append(place)
        updated = list(given)
        with ThreadPoolExecutor(max(1, len(shares)), thread_name_prefix="multi") as pool:
            rounds = {name: pool.submit(self._update, name, [given[i] for i in shares[name]]) for name in shares}
            for name, round in rounds.items():
                for place, workflow in zip(shares[name], round.result(), strict=True):
                    updated[place] = workflow
        return tuple(updated)

    def _update(self, name: str, workflows: list[Workflow]) -> Sequence[Workflow]:
        try:
            manager = self._named(name)
        except InvalidValueError:
            logger.warning("%d workflows are of manager %r, which is not here", len(workflows), name)
            return workflows
        try:
            if isinstance(manager, _UpdatesMany):
                return manager.update_workflows(workflows)
        except NotFoundError:
            logger.info("one of %d workflows has been deleted: each is looked at by itself", len(workflows))
        except Exception:
            logger.warning("%d workflows of manager %r cannot be looked at now", len(workflows), name, exc_info=True)
            return workflows
        return [_tried(manager, workflow) for workflow in workflows]

    def on_event(self, listener: Listener) -> Listener:
        """Add a listener to those managers that tell of events (those over this library's engine); returns it."""
        for manager in self._managers.values():
            if isinstance(manager, _Tells):
                manager.on_event(listener)
        return listener

    def recover(self) -> tuple[str, ...]:
        """Let those managers that can take over workflows whose process is gone; their ids are returned."""
        found: list[str] = []
        for name, manager in self._managers.items():
            if isinstance(manager, _Recovers):
                try:
                    found.extend(manager.recover())
                except Exception:
                    logger.exception("manager %r could not take over workflows", name)
        return tuple(found)

    def close(self) -> None:
        """Close those managers that can be closed, all of them, whatever goes wrong with one."""
        with ExitStack() as stack:
            for manager in self._managers.values():
                if isinstance(manager, _Closes):
                    stack.callback(manager.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _tried(manager: WorkflowManager, workflow: Workflow) -> Workflow:
    try:
        return manager.update_workflow_summary(workflow)
    except NotFoundError:
        logger.info("workflow %s: it has been deleted", workflow.id)
    except Exception:
        logger.warning("workflow %s: it cannot be looked at now", workflow.id, exc_info=True)
    return workflow
