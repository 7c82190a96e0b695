"""
How many workflows of a definition or in a queue may be active at once; those beyond are held and start in order.

A held workflow is an ordinary record, queued, with the tag ``workflow-manager:held`` and a manager that nobody is, so
that no manager takes it for its own.  To let it go is one compare-and-set that names its manager; from then on it is a
workflow that was saved and has not begun, which every manager over the engine starts when it is updated or recovered.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import attrs

from workflow_manager.asl.values import JSON
from workflow_manager.exceptions import ConflictError, InvalidValueError, NotFoundError
from workflow_manager.managers.admission import Admission
from workflow_manager.managers.base import EngineWorkflowManager
from workflow_manager.managers.processes import new_owner
from workflow_manager.managers.wait import directed
from workflow_manager.models import Workflow, WorkflowDefinition, WorkflowQuery, WorkflowStatus
from workflow_manager.protocols import Store, WorkflowManager
from workflow_manager.service.pending import Recovers

logger = logging.getLogger("workflow_manager")

_HELD_TAG, _HELD_BY = "workflow-manager:held", "held:"
_KEYS = uuid.UUID("6f1d2c2e-9a53-5c0e-8b8e-0f6a3b1f7d42")  # the managers' own, so that a key means one workflow
_PAGE = 1000


def _counts(instance: object, field: attrs.Attribute[Any], value: Mapping[str, Any]) -> None:
    for name, limit in value.items():
        if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
            reason = f"{limit!r} is not a whole number from 1"
            raise InvalidValueError("StartLimits", f"/{field.name}/{name}", reason)


@attrs.frozen(kw_only=True)
class StartLimits:
    """
    How many workflows may be active at once, by the name of their definition and by their queue.

    What is not named has no limit.  Both count, where both are named.
    """

    definitions: Mapping[str, int] = attrs.field(factory=dict, validator=_counts)
    queues: Mapping[str, int] = attrs.field(factory=dict, validator=_counts)

    def limit(self, definition: str, queue: str) -> bool:
        """Whether workflows of that definition in that queue are limited."""
        return definition in self.definitions or queue in self.queues


def is_held(workflow: Workflow) -> bool:
    """Whether *workflow* has to wait for its turn to start."""
    return _HELD_TAG in workflow.tags and not workflow.status.is_final


def given_up(workflow: Workflow, reason: str) -> Workflow:
    """*workflow*, which is held, as cancelled."""
    now = max(datetime.now(UTC), workflow.last_updated)
    return attrs.evolve(
        _let_go(workflow),
        status=WorkflowStatus.CANCELLED,
        status_reason=reason,
        resolved_by_user=True,
        stopped_at=now,
        last_updated=now,
    )


def _let_go(workflow: Workflow) -> Workflow:
    definition = workflow.workflow_definition
    mine = attrs.evolve(definition, manager=definition.manager.removeprefix(_HELD_BY))
    tags = {name: value for name, value in workflow.tags.items() if name != _HELD_TAG}
    return attrs.evolve(workflow, workflow_definition=mine, tags=tags)


class Gate:
    """Holds workflows of *manager* in *store*, and lets them go, the oldest first, as far as *limits* allow."""

    def __init__(self, store: Store, manager: WorkflowManager, limits: StartLimits, lease_seconds: float) -> None:
        self._store, self._manager, self.limits = store, manager, limits
        self._lease_seconds = lease_seconds
        self._admission = Admission()
        self._lock = threading.Lock()

    def start(
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
        Save a workflow, and start it as soon as its turn comes, which may be at once; it is returned as stored then.

        Raises:
            DefinitionError, UnknownResourceError: it could not run.
            InvalidValueError: its manager cannot start what was saved before.
        """
        now = datetime.now(UTC)
        is_keyed = idempotency_key is not None
        key = uuid.uuid5(_KEYS, f"{definition.name}\n{idempotency_key}") if is_keyed else uuid.uuid4()
        held = Workflow(
            id=str(key),
            workflow_definition=definition,
            created_at=now,
            last_updated=now,
            namespace=namespace,
            queue=queue,
            input=input,
            tags={**definition.default_tags, **(tags or {}), _HELD_TAG: "true"},
            idempotency_key=idempotency_key or "",
        )
        manager = self._starter(held)
        for need in self._admission.needs(definition.state_machine):
            manager.check_resource(need, namespace)
        held = attrs.evolve(held, workflow_definition=attrs.evolve(definition, manager=_HELD_BY + manager.name))
        try:
            self._store.save_workflow(held)
        except ConflictError:
            if not is_keyed:
                raise
        self.open()
        return self._store.get_workflow(held.id)

    def _starter(self, workflow: Workflow) -> EngineWorkflowManager:
        manager = directed(self._manager, workflow)
        if not isinstance(manager, EngineWorkflowManager):
            name = workflow.workflow_definition.manager
            raise InvalidValueError("limits", "", f"manager {name!r} cannot start a workflow that was held")
        return manager

    def open(self) -> tuple[str, ...]:
        """Let go all that there is room for, and return their ids; another process may be doing so at the same time."""
        with self._lock:
            return tuple(held.id for held in tuple(self._held()) if self._has_room(held) and self._start(held))

    def _held(self) -> Iterator[Workflow]:
        query = WorkflowQuery(
            status=WorkflowStatus.QUEUED, tags={_HELD_TAG: "true"}, oldest_first=True, summary_only=True, limit=_PAGE
        )
        return _all(self._store, query)

    def _has_room(self, held: Workflow) -> bool:
        name, queue = held.workflow_definition.name, held.queue
        of_name, of_queue = self.limits.definitions.get(name), self.limits.queues.get(queue)
        return (of_name is None or self._active(WorkflowQuery(definition_name=name), of_name) < of_name) and (
            of_queue is None or self._active(WorkflowQuery(queue=queue), of_queue) < of_queue
        )

    def _active(self, query: WorkflowQuery, most: int) -> int:
        """How many are active and not held, counted to *most*."""
        count = 0
        for status in (WorkflowStatus.RUNNING, WorkflowStatus.QUEUED):
            asked = attrs.evolve(query, status=status, summary_only=True, limit=_PAGE)
            for workflow in _all(self._store, asked):
                count += not is_held(workflow)
                if count >= most:
                    return count
        return count

    def _start(self, held: Workflow) -> bool:
        """Let one go; ``False`` if somebody else is doing so, or has done, or there is no room any more."""
        try:
            lease = self._store.acquire(held.id, new_owner(), self._lease_seconds)
        except (ConflictError, NotFoundError):
            return False
        try:
            stored = self._store.get_workflow(held.id)
            if not is_held(stored) or not self._has_room(stored):
                return False
            stored = self._store.save_workflow(_let_go(stored))
        except (ConflictError, NotFoundError):
            return False
        finally:
            self._store.release(lease)
        self._begin(stored)
        return True

    def _begin(self, workflow: Workflow) -> None:
        try:
            manager = self._starter(workflow)
            manager.update_workflow_summary(workflow)
            if isinstance(manager, Recovers):
                manager.recover()
        except Exception:  # it is saved: a later round begins it
            logger.warning(
                "workflow %s: it cannot begin now", workflow.id, exc_info=True, extra={"workflow_id": workflow.id}
            )


def _all(store: Store, query: WorkflowQuery) -> Iterator[Workflow]:
    while True:
        page = store.list_workflows(query)
        yield from page
        if page.next is None:
            return
        query = attrs.evolve(query, page_token=page.next)
