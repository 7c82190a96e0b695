"""Tending to active workflows from many processes at once, each under a lease."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol, runtime_checkable

import attrs

from workflow_manager.exceptions import ConflictError, InvalidValueError, NotFoundError
from workflow_manager.managers.leases import lent
from workflow_manager.managers.processes import new_owner
from workflow_manager.managers.wait import directed
from workflow_manager.models import Workflow
from workflow_manager.protocols import Store, WorkflowManager

logger = logging.getLogger("workflow_manager")


@attrs.frozen(kw_only=True)
class PendingUpdate:
    """
    What one round of updates has come to.

    *workflows* are those that were brought up to date, as stored; *skipped* the ids of those that somebody else was
    tending to; *failed* id and reason of those that could not be looked at.
    """

    workflows: tuple[Workflow, ...] = ()
    skipped: tuple[str, ...] = ()
    failed: tuple[tuple[str, str], ...] = ()


@runtime_checkable
class Recovers(Protocol):
    """A manager that can go on with workflows whose process is gone (the local one)."""

    def recover(self) -> tuple[str, ...]:
        """Take over the workflows that nobody tends to, and return their ids."""
        ...


class Poller:
    """
    Updates workflows of *store* by *manager*, each under a lease of *lease_seconds*, but those that it *passes*.

    Raises:
        InvalidValueError: *lease_seconds* is not above 0.
    """

    def __init__(
        self, store: Store, manager: WorkflowManager, lease_seconds: float, *, passes: Callable[[Workflow], bool]
    ) -> None:
        if not lease_seconds > 0:
            raise InvalidValueError("WorkflowService", "/lease_seconds", f"{lease_seconds!r} is not above 0")
        self._store, self._manager, self._lease_seconds = store, manager, lease_seconds
        self._passes = passes

    def update(self, limit: int) -> PendingUpdate:
        """One round over at most *limit* workflows, each under a lease that ends with its update."""
        updated: list[Workflow] = []
        skipped: list[str] = []
        failed: list[tuple[str, str]] = []
        owner = new_owner()  # of this call alone: what one owner asks for again it is given, and two would share it
        for workflow_id in self._store.list_pending(limit):
            try:
                workflow = self._update(workflow_id, owner)
            except (ConflictError, NotFoundError):
                skipped.append(workflow_id)  # somebody else has it, or it is gone
            except Exception as error:
                logger.warning(
                    "workflow %s: it cannot be looked at now",
                    workflow_id,
                    exc_info=True,
                    extra={"workflow_id": workflow_id},
                )
                failed.append((workflow_id, str(error)))
            else:
                updated.extend(() if self._passes(workflow) else (workflow,))
        self._recover(updated)
        return PendingUpdate(workflows=tuple(updated), skipped=tuple(skipped), failed=tuple(failed))

    def _update(self, workflow_id: str, owner: str) -> Workflow:
        lease = self._store.acquire(workflow_id, owner, self._lease_seconds)
        try:
            workflow = self._store.get_workflow(workflow_id)
            leaves = workflow.status.is_final or self._passes(workflow)
            with lent(lease):
                return workflow if leaves else self._manager.update_workflow_summary(workflow)
        finally:
            self._store.release(lease)

    def _recover(self, updated: list[Workflow]) -> None:
        """Let a manager go on with what is active and was found without a lease, where leases tell who has it."""
        is_shared = bool(getattr(self._store, "is_shared", True))
        if is_shared and isinstance(self._manager, Recovers) and any(map(self._is_left, updated)):
            try:
                self._manager.recover()
            except Exception:
                logger.exception("workflows whose process is gone could not be taken over")

    def _is_left(self, workflow: Workflow) -> bool:
        """Whether *workflow* is active, and of a manager that would have leased it if it were at work on it."""
        return not workflow.status.is_final and isinstance(directed(self._manager, workflow), Recovers)
