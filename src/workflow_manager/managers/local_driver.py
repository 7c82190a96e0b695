"""The local manager's driver: news comes by itself."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial

from workflow_manager.asl.resources import IntegrationPattern
from workflow_manager.engine import Execution, Limits
from workflow_manager.engine.pending import PendingTimer
from workflow_manager.engine.reports import TimerFired
from workflow_manager.exceptions import ConflictError
from workflow_manager.history import HistoryEvent
from workflow_manager.managers.children import workflow_of
from workflow_manager.managers.driver import Driver
from workflow_manager.managers.leases import Leases
from workflow_manager.managers.live import Listener, Live
from workflow_manager.managers.local_runner import LocalRunner
from workflow_manager.managers.snapshots import Snapshots
from workflow_manager.managers.timers import Timers
from workflow_manager.models import Workflow
from workflow_manager.protocols import SnapshotStore, Store

logger = logging.getLogger("workflow_manager")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 30.0  # seconds before what has failed is tried again


class LocalDriver(Driver):
    """A driver that nobody has to poll: tasks post their news, and timers have a thread."""

    def __init__(
        self,
        store: Store,
        runner: LocalRunner,
        *,
        timers: Timers,
        clock: Callable[[], datetime],
        limits: Limits,
        listeners: list[Listener],
        leases: Leases | None,
        keep_children: bool,
    ) -> None:
        super().__init__(
            store,
            runner,
            clock=clock,
            limits=limits,
            listeners=listeners,
            adopts=False,
            owns=leases is not None,
            snapshots=Snapshots(store) if isinstance(store, SnapshotStore) and is_shared(store) else None,
        )
        self._leases = leases
        self._local_runner, self._timers, self._keep_children = runner, timers, keep_children

    def first_saved(self, workflow: Workflow, events: Sequence[HistoryEvent]) -> Workflow:
        return super().first_saved(workflow, events) if self._leases is None else self._leases.save(workflow, events)

    def is_lost(self, workflow_id: str) -> bool:
        return self._leases is not None and self._leases.has_lost(workflow_id)

    def ended(self, workflow_id: str) -> None:
        if self._leases is not None:
            self._leases.forget(workflow_id)

    def timers_changed(self, workflow_id: str, timers: Sequence[PendingTimer], withdrawn: Sequence[str]) -> None:
        for timer_id in withdrawn:
            self._timers.cancel((workflow_id, timer_id))
        for timer in timers:
            self._timers.set((workflow_id, timer.id), timer.due, partial(self._fire, workflow_id, timer.id))

    def _fire(self, workflow_id: str, timer_id: str) -> None:
        if self.is_live(workflow_id):  # else it has ended elsewhere
            self.deliver(workflow_id, (TimerFired(timer_id, self._clock()),))

    def busy(self) -> None:
        self._local_runner.staying()

    def tasks_ended(self, live: Live, workflow: Workflow, tokens: Sequence[str]) -> None:
        self._local_runner.withdraw(workflow, tokens)

    def refresh(self, stored: Workflow) -> None:
        """News comes by itself; what is left to see is whether another driver has been at work."""
        live = self._lives.get(stored.id)
        if live is not None:
            with live.lock:
                if self._catch_up(live, stored):
                    self._try_to_settle(live)
            self._go_on(live)

    def child_turned(self, live: Live, workflow: Workflow, child: Execution, events: Sequence[HistoryEvent]) -> None:
        if not self._keep_children:
            return
        parent = live.children.parent(child) or live.execution
        task = None if parent is None else parent.pending_tasks.get(child.name)
        if task is None:
            return  # nobody waits for it any more
        history = live.children.remember(child, events)
        if child.outcome.is_final:
            try:
                self._store.save_workflow(workflow_of(child, workflow, task.state, history), history)
            except ConflictError:
                logger.info("workflow %s: child %s had been kept before", workflow.id, child.name)
            except Exception:  # the parent goes on all the same
                logger.exception("workflow %s: child %s could not be kept", workflow.id, child.name)

    def await_answers(self) -> tuple[str, ...]:
        """The workflows with a task that somebody may answer by its token, through any process that has the store."""
        return tuple(live.id for live in tuple(self._lives.values()) if _awaits_answers(live))

    def trouble(self, workflow_id: str, count: int) -> None:
        pause = min(_FIRST_PAUSE * 2 ** (count - 1), _LONGEST_PAUSE)
        due = self._clock() + timedelta(seconds=pause)
        self._timers.set((workflow_id, None), due, partial(self.again, workflow_id))


def is_shared(store: Store) -> bool:
    """Whether other processes may see what is in *store*; it says so itself if not."""
    return bool(getattr(store, "is_shared", True))


def _awaits_answers(live: Live) -> bool:
    if not live.lock.acquire(blocking=False):
        return False  # it is having a turn, and will see for itself what is stored
    try:
        tasks = () if live.execution is None else live.execution.pending_tasks.values()
        return any(task.resource.pattern is IntegrationPattern.WAIT_FOR_TASK_TOKEN for task in tasks)
    finally:
        live.lock.release()
