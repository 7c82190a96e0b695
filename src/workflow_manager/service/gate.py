"""
The gate: workflows under a limit are held in the store, and start in order as room is seen.

To let one go takes two steps, and a process may end between any two calls of them: it is written into the ledger, which
decides; then its manager begins it.  Whoever comes next begins those that are in the ledger and have not begun.
"""

from __future__ import annotations

import heapq
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Protocol, runtime_checkable

import attrs
from typing_extensions import Unpack

from workflow_manager.asl.values import JSON
from workflow_manager.exceptions import ConflictError, InvalidValueError, ManagerClosedError, NotFoundError
from workflow_manager.history import HistoryEvent, HistoryEventType
from workflow_manager.managers.later import StartsLater, held, is_held, let_go
from workflow_manager.managers.live import Listener
from workflow_manager.managers.resume import link
from workflow_manager.models import Workflow, WorkflowDefinition, WorkflowStatus
from workflow_manager.protocols import RetryChanges, SharedStore, Store, WorkflowManager
from workflow_manager.service.ledger import Round, held_under
from workflow_manager.service.limits import Key, StartLimits

logger = logging.getLogger("workflow_manager")

_TRIES = 100
_HOLDER = "workflow-manager:held"  # leases what is held, wherever the store can, so that no poller spends time on it
_LONG, _MOMENT = 3.2e8, 5.0  # seconds: ten years; long enough to release the lease again
_ENDS = frozenset(
    {
        HistoryEventType.EXECUTION_SUCCEEDED,
        HistoryEventType.EXECUTION_FAILED,
        HistoryEventType.EXECUTION_TIMED_OUT,
        HistoryEventType.EXECUTION_ABORTED,
    }
)


@runtime_checkable
class _Tells(Protocol):
    """A manager that tells of events."""

    def on_event(self, listener: Listener) -> Listener: ...


class _Opener:
    """Calls *open* on a thread of its own for whoever may not wait; the thread ends when there is nothing to do."""

    def __init__(self, open: Callable[[Workflow], None]) -> None:
        self._open = open
        self._lock = threading.Lock()
        self._due: dict[tuple[str, str], Workflow] = {}
        self._at_work = False

    def open_soon(self, beside: Workflow) -> None:
        """Open for those that wait beside a workflow."""
        with self._lock:
            self._due[beside.workflow_definition.name, beside.queue] = beside
            if self._at_work:
                return
            self._at_work = True
        threading.Thread(target=self._work, name="workflow-limits", daemon=True).start()

    def _work(self) -> None:
        while True:
            with self._lock:
                self._at_work = bool(self._due)
                if not self._due:
                    return
                beside = self._due.pop(next(iter(self._due)))
            try:
                self._open(beside)
            except Exception:
                logger.warning("whose turn it is cannot be told now", exc_info=True)


class Gate:
    """
    Holds workflows of *manager* in *store*, and lets them go, the oldest first, as far as *limits* allow.

    With limits of ``None`` it holds none, and lets none go.
    """

    def __init__(self, store: Store, manager: WorkflowManager, limits: StartLimits | None) -> None:
        self._store, self._manager = store, manager
        self._limits, self._is_open = limits or StartLimits(), limits is None
        self._lock = threading.Lock()
        self._beginning: dict[str, threading.Lock] = {}
        self._swept = False
        self._latest = datetime.min.replace(tzinfo=UTC)
        self._opener = _Opener(self.open)
        if isinstance(manager, _Tells) and not self._is_open:
            manager.on_event(self._hear)

    def _hear(self, workflow: Workflow, event: HistoryEvent) -> None:
        limited = self._limits.limit(workflow.workflow_definition.name, workflow.queue)
        if limited and workflow.status.is_final and event.type in _ENDS:
            self._opener.open_soon(workflow)

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
        As ``create_workflow`` of managers; if there is a limit, it starts when its turn comes, which may be at once.

        Raises:
            InvalidValueError: also when there is a limit and its manager cannot start a workflow later.
        """
        is_limited = self._limits.limit(definition.name, queue)
        create = self._starter().new_workflow if is_limited else self._manager.create_workflow
        workflow = create(
            definition, input, namespace=namespace, queue=queue, tags=tags, idempotency_key=idempotency_key
        )
        if not is_limited:
            return workflow
        try:
            self._hold(workflow)
        except ConflictError:
            if idempotency_key is None:
                raise
        return self._opened(workflow)

    def retry(self, workflow: Workflow, **changes: Unpack[RetryChanges]) -> Workflow:
        """As ``retry_workflow`` of managers, but if there is a limit, it starts when its turn comes."""
        definition = changes.get("definition") or workflow.workflow_definition
        if not self._limits.limit(definition.name, workflow.queue):
            return self._manager.retry_workflow(workflow, **changes)
        retry = self._starter().new_retry(workflow, **changes)
        self._hold(retry)
        link(self._store, workflow.id, retry.id)
        return self._opened(retry)

    def _starter(self) -> StartsLater:
        if not isinstance(self._manager, StartsLater):
            raise InvalidValueError("limits", "", "the manager cannot start a workflow later")
        return self._manager

    def _hold(self, workflow: Workflow) -> None:
        workflow = held(self._in_order(workflow))
        if isinstance(self._store, SharedStore):
            self._store.save_and_acquire(workflow, (), _HOLDER, _LONG)
            return
        self._store.save_workflow(workflow)
        lease = self._store.acquire(workflow.id, _HOLDER, _LONG)
        if not is_held(self._store.get_workflow(workflow.id)):  # its turn came in between
            self._store.release(lease)

    def _in_order(self, workflow: Workflow) -> Workflow:
        """*workflow*, created later than the one before, though the clock has not moved on or was put back a little."""
        with self._lock:
            step = timedelta(microseconds=1)
            if timedelta() <= self._latest - workflow.created_at < timedelta(seconds=1):
                workflow = attrs.evolve(workflow, created_at=self._latest + step, last_updated=self._latest + step)
            self._latest = workflow.created_at
        return workflow

    def _free(self, workflow_id: str) -> None:
        """Let whoever begins a workflow that is held lease it."""
        self._store.release(self._store.acquire(workflow_id, _HOLDER, _MOMENT))

    def _opened(self, workflow: Workflow) -> Workflow:
        self.open(workflow)
        return self._store.get_workflow(workflow.id)

    def open(self, beside: Workflow | None = None) -> None:
        """Let go all that there is room for, or only those that keep one of the limits that *beside* keeps."""
        keys = None if beside is None else tuple(self._limits.keys(beside.workflow_definition.name, beside.queue))
        if self._is_open or keys == ():
            return
        with self._lock:
            admitted = self._admit(keys)
        for workflow_id in admitted:
            self._begin(workflow_id)

    def _admit(self, keys: tuple[Key, ...] | None) -> tuple[str, ...]:
        """Write into the ledger whose turn it is; the ids of all in it that have not begun, in order."""
        for _ in range(_TRIES):
            round = Round(self._store, self._limits)
            if keys is None:
                round.check_all()
            admitted = [held.id for held in self._waiting(round, keys) if round.admit(held)]
            if round.save():
                self._swept = self._swept or keys is None
                return tuple(dict.fromkeys((*round.unbegun, *admitted)))
        logger.info("others are busy with the limits; they see to whose turn it is")
        return ()

    def _waiting(self, round: Round, keys: tuple[Key, ...] | None) -> Iterator[Workflow]:
        """Those that are held, the oldest first; at first those too that are held under limits that are no more."""
        if keys is None and not self._swept:
            return held_under(None, self._store)
        lines = [self._line(round, key) for key in (self._limits.all if keys is None else keys)]
        return heapq.merge(*lines, key=lambda workflow: (workflow.created_at, workflow.id))

    def _line(self, round: Round, key: Key) -> Iterator[Workflow]:
        if round.has_room(key):
            for workflow in held_under(key, self._store):
                if not round.has_room(key):
                    return
                yield workflow

    def _begin(self, workflow_id: str) -> None:
        with self._lock:
            lock = self._beginning.setdefault(workflow_id, threading.Lock())
        try:
            with lock:
                self._begin_or_raise(self._store.get_workflow(workflow_id))
        except (ConflictError, NotFoundError, ManagerClosedError):
            logger.debug("workflow %s: somebody else begins it, or will, or it is gone", workflow_id)
        except Exception:  # its turn has come: whoever opens the gate next tries again
            logger.warning(
                "workflow %s: it cannot begin now", workflow_id, exc_info=True, extra={"workflow_id": workflow_id}
            )
        finally:
            with self._lock:
                self._beginning.pop(workflow_id, None)

    def _begin_or_raise(self, stored: Workflow) -> None:
        if stored.status is not WorkflowStatus.QUEUED:
            return
        if not is_held(stored):
            self._starter().begin_workflow(stored)
            return
        self._free(stored.id)
        self._starter().begin_workflow(let_go(stored))
        if not isinstance(self._store, SharedStore):
            self._free(stored.id)  # who holds it may have got to its lease only now
