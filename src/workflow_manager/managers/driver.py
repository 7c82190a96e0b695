"""
The driver: load, replay, listen, and have turns (:mod:`workflow_manager.managers.turns`) for as long as there is news.

One workflow is one actor with an inbox.  Whoever brings a report appends it and, if nobody is at work on that workflow,
works it off; else the one who is at work finds it.  So reports that arrive together are one turn and one commit,
workflows commit side by side, and no thread ever waits for another to bring its news.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable

from workflow_manager.asl.resources import TaskKind
from workflow_manager.asl.values import JSON
from workflow_manager.engine.pending import PendingTask
from workflow_manager.engine.reports import Report, TaskFailed, TaskHeartbeat, TaskSucceeded, TimerFired
from workflow_manager.managers.children import timer_of
from workflow_manager.managers.live import Live
from workflow_manager.managers.turns import Turns
from workflow_manager.models import Workflow

logger = logging.getLogger("workflow_manager")

_MOST_KEPT = 1000  # workflows that a polled driver keeps in memory; it loads another when it is asked for it


class Driver(Turns):
    """Drives workflows; every method may be called from any thread."""

    # What callers do

    def begin(self, workflow: Workflow) -> Workflow:
        """
        Start a workflow that is not stored yet, or only as a record, and return it as committed with its first turn.

        Raises:
            ConflictError: it is stored at another revision.
        """
        live = Live(workflow.id, adopt=True)
        live.execution = self._started(workflow)
        with live.lock:
            committed = self._save(live, workflow, live.execution)
            self._lives[workflow.id] = live
            self._try_to_settle(live)  # what is stored now is the caller's, whatever becomes of its work
        self._go_on(live)
        return committed

    def deliver(self, workflow_id: str, reports: Iterable[Report]) -> None:
        """Let the workflow hear *reports* and do what follows: at once, unless another thread is doing so already."""
        live = self._live(workflow_id)
        live.inbox.extend(reports)
        self._go_on(live)

    def post(self, workflow_id: str, reports: Iterable[Report]) -> None:
        """Only put *reports* into the workflow's inbox; :meth:`go_on` must follow."""
        self._live(workflow_id).inbox.extend(reports)

    def go_on(self, workflow_id: str) -> None:
        """Do what follows from the workflow's inbox, unless another thread is doing so already."""
        live = self._lives.get(workflow_id)
        if live is not None:
            self._go_on(live)

    def settle(self, workflow_id: str, reports: Iterable[Report] = ()) -> None:
        """As :meth:`deliver`, but return only when *reports* have been heard, and raise what goes wrong."""
        live = self._live(workflow_id)
        live.inbox.extend(reports)
        self._settle_or_raise(live)
        self._go_on(live)

    def answer(self, stored: Workflow, report: TaskSucceeded | TaskFailed | TaskHeartbeat) -> bool:
        """
        As :meth:`settle`, with *report* on a task of a workflow that is *stored* so.

        ``False``, and nothing is done, if that task is not pending.
        """
        is_new = not self.is_live(stored.id)
        live = self._live(stored.id)
        with live.lock:
            self._catch_up(live, stored)
            heard = self._heard(live, report, self._settle_or_trouble)
        if not heard and is_new:
            self._lives.pop(stored.id, None)
        self._go_on(live)
        return heard

    def record(self, stored: Workflow, report: TaskSucceeded | TaskFailed | TaskHeartbeat) -> bool:
        """As :meth:`answer`, but what follows is left to the driver that has the workflow."""
        live = Live(stored.id, adopt=False)
        with live.lock:
            heard = self._heard(live, report, self._turn)
        live.tell(self._listeners)
        return heard

    def _heard(
        self, live: Live, report: TaskSucceeded | TaskFailed | TaskHeartbeat, settle: Callable[[Live], None]
    ) -> bool:
        execution = self._execution(live)
        asked = None if execution is None else live.children.find(report.token) or execution
        if asked is None or report.token not in asked.pending_tasks:
            return False
        live.asked, live.heard = report, False
        live.inbox.append(report)
        settle(live)
        return live.heard or isinstance(report, TaskHeartbeat)

    def again(self, workflow_id: str) -> None:
        """Try once more what was in :meth:`trouble`."""
        live = self._live(workflow_id)
        with live.lock:
            self._try_to_settle(live)
        self._go_on(live)

    def refresh(self, stored: Workflow) -> None:
        """Hear what the runner and the clock have to say about a workflow that is *stored* so."""
        live = self._live(stored.id)
        with live.lock:
            self._catch_up(live, stored)
            self._settle(live)
            self._listen(live)
            self._settle(live)
        self._go_on(live)
        self._keep_few(live)

    def _keep_few(self, latest: Live) -> None:
        """Forget the workflows that were refreshed the longest time ago; nobody may ever ask for them again."""
        with self._order:
            if self._lives.pop(latest.id, None) is not None:
                self._lives[latest.id] = latest
            while len(self._lives) > _MOST_KEPT:
                del self._lives[next(iter(self._lives))]

    def adopt(self, workflow_id: str, lost: Callable[[PendingTask], TaskFailed | None]) -> None:
        """Take a workflow over: *lost* tells of each pending task whether it must fail; the others are begun again."""
        live = self._live(workflow_id)
        with live.lock:
            if live.execution is None:
                live.adopt = True
            execution = self._execution(live)
            if execution is not None:
                reports = [lost(task) for task in execution.pending_tasks.values()]
                live.inbox.extend(report for report in reports if report is not None)
        self._settle_or_raise(live)
        self._go_on(live)

    def let_go(self, workflow_id: str) -> None:
        """Somebody else has been given the workflow: withdraw what is under way here, and hear no more of it."""
        live = self._lives.get(workflow_id)
        if live is not None:
            with live.lock:
                self._leave(live)
            live.tell(self._listeners)

    def is_live(self, workflow_id: str) -> bool:
        """Whether this driver is driving the workflow now."""
        return workflow_id in self._lives

    def done_events(self) -> tuple[threading.Event, ...]:
        """Those of all workflows that are driven now; see :meth:`done`."""
        return tuple(live.done for live in tuple(self._lives.values()))

    def done(self, workflow_id: str) -> threading.Event | None:
        """An event that is set once the workflow has ended; ``None`` if it is not driven here."""
        live = self._lives.get(workflow_id)
        return None if live is None else live.done

    def context_of(self, workflow_id: str, token: str) -> JSON:
        """The context object of a pending task; for the runner, while it starts that task."""
        live = self._lives[workflow_id]
        execution = live.children.find(token) or live.execution
        return None if execution is None else execution.context_of(token)

    # One turn after another

    def _catch_up(self, live: Live, stored: Workflow) -> bool:
        """Forget what another driver has gone beyond; whether it has."""
        seen = live.workflow if live.execution is not None else None
        behind = seen is not None and seen.revision < stored.revision
        if behind:
            self._overtaken(live)
        return behind

    def _live(self, workflow_id: str) -> Live:
        live = self._lives.get(workflow_id)
        return live if live is not None else self._lives.setdefault(workflow_id, Live(workflow_id, adopt=self._adopts))

    def _go_on(self, live: Live) -> None:
        # The inbox is looked at again once the lock is released: a report that came just before found the lock taken.
        while live.inbox and live.lock.acquire(blocking=False):
            try:
                if not self._try_to_settle(live):
                    break
            finally:
                live.lock.release()
            if live.inbox or live.outbox:
                self.busy()
        live.tell(self._listeners)

    def _try_to_settle(self, live: Live) -> bool:
        try:
            self._settle(live)
        except Exception:
            logger.exception("workflow %s: could not go on", live.id)
            self._troubled(live)
            return False
        live.troubles = 0
        return True

    def _settle_or_raise(self, live: Live) -> None:
        with live.lock:
            self._settle_or_trouble(live)

    def _settle_or_trouble(self, live: Live) -> None:
        try:
            self._settle(live)
        except BaseException:
            self._troubled(live)  # the inbox may hold what others have brought meanwhile
            raise

    def _troubled(self, live: Live) -> None:
        live.troubles += 1
        self.trouble(live.id, live.troubles)

    def _settle(self, live: Live) -> None:
        """Do all that is to be done; the lock is held."""
        try:
            while True:
                self._turn(live)  # also with an empty inbox: loading may have decided something
                self._perform(live)
                if not live.inbox:
                    return
                self.busy()
        except BaseException:
            live.forget(adopt=True)  # nobody knows how much of it was done
            raise

    def _listen(self, live: Live) -> None:
        """Put into the inbox what the runner and the clock have to say."""
        workflow = live.workflow
        if workflow is None:
            return
        now = self._clock()
        for execution in live.executions:
            tasks = [task for task in execution.pending_tasks.values() if task.resource.kind is not TaskKind.CHILD]
            live.inbox.extend(self._runner.poll(workflow, tasks))
            timers = list(execution.pending_timers.values())
            if execution is not live.execution:
                timers = [timer_of(execution, timer) for timer in timers]
            due = sorted((timer.due, timer.id) for timer in timers if timer.due <= now)
            live.inbox.extend(TimerFired(timer_id, now) for _, timer_id in due)
