"""
The driver: load, replay, listen, decide, commit, then perform.

One workflow is one actor with an inbox.  Whoever brings a report appends it and, if nobody is at work on that workflow,
works it off; else the one who is at work finds it.  So reports that arrive together are one turn and one commit,
workflows commit side by side, and no thread ever waits for another to bring its news.

A turn is committed before anything that follows from it is performed.  A driver that dies in between loses nothing: the
next one finds the same pending work under the same tokens.  Of two drivers the store's revision tells which one was
first; the other loads what is stored and listens again.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from workflow_manager.asl.resources import TaskKind
from workflow_manager.asl.values import JSON
from workflow_manager.engine import Execution, Limits
from workflow_manager.engine.pending import PendingTask, PendingTimer
from workflow_manager.engine.reports import Report, TaskFailed, TaskHeartbeat, TaskSucceeded, TimerFired
from workflow_manager.exceptions import ConflictError, NotFoundError, WorkflowStatusError
from workflow_manager.history import HistoryEvent
from workflow_manager.managers.children import answer_of, timer_id_of, timer_of
from workflow_manager.managers.live import Listener, Live
from workflow_manager.managers.snapshots import Snapshots
from workflow_manager.managers.standing import advanced, machine_of
from workflow_manager.models import Workflow
from workflow_manager.protocols import Store, TaskRunner

logger = logging.getLogger("workflow_manager")

_MOST_CONFLICTS = 100  # so many in a row mean that something else is wrong
_PAGE = 10_000
_MOST_KEPT = 1000  # workflows that a polled driver keeps in memory; it loads another when it is asked for it


class Driver:
    """
    Drives workflows; every method may be called from any thread.

    *adopts* says whether pending work that is found in the store may be begun again by any driver, because *runner*
    looks before it leaps; where it is false only :meth:`adopt` takes such work over.  *owns* says that nobody else
    carries out these workflows: what others may have written meanwhile is for this driver to begin.  With *snapshots*
    a long history need not be read whole when a workflow is loaded.
    """

    def __init__(
        self,
        store: Store,
        runner: TaskRunner,
        *,
        clock: Callable[[], datetime],
        limits: Limits,
        listeners: list[Listener],
        adopts: bool = True,
        owns: bool = False,
        snapshots: Snapshots | None = None,
    ) -> None:
        self._store, self._runner, self._clock, self._limits = store, runner, clock, limits
        self._listeners, self._adopts, self._owns, self._snapshots = listeners, adopts, owns, snapshots
        self._lives: dict[str, Live] = {}
        self._order = threading.Lock()  # of _lives, where it matters

    # What a subclass may do otherwise

    def timers_changed(self, workflow_id: str, timers: Sequence[PendingTimer], withdrawn: Sequence[str]) -> None:
        """These timers have begun, those have ended, and that is committed."""

    def tasks_ended(self, live: Live, workflow: Workflow, tokens: Sequence[str]) -> None:
        """The tasks *tokens* are pending no more, those in ``live.answered`` because they have answered."""
        if not live.answered.issuperset(tokens):
            self._runner.stop(workflow, live.tokens)

    def child_turned(self, live: Live, workflow: Workflow, child: Execution, events: Sequence[HistoryEvent]) -> None:
        """The *child* of a Map Run has written *events*, which nobody keeps."""

    def trouble(self, workflow_id: str, count: int) -> None:
        """What had to be done has raised, *count* times in a row; it is logged and can be done again."""

    def busy(self) -> None:
        """The calling thread goes on with what others have brought meanwhile, or with listeners."""

    def first_saved(self, workflow: Workflow, events: Sequence[HistoryEvent]) -> Workflow:
        """Save a workflow that is new, and goes on after its first turn."""
        return self._store.save_workflow(workflow, events)

    def is_lost(self, workflow_id: str) -> bool:
        """Whether somebody else has been given the workflow, which this driver was driving."""
        return False

    def ended(self, workflow_id: str) -> None:
        """The workflow is not driven here any more."""

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

    def history(self, workflow_id: str, after: int = 0) -> list[HistoryEvent]:
        """All stored events of the workflow but the first *after*."""
        events: list[HistoryEvent] = []
        token: str | None = None
        while True:
            page = self._store.read_history(workflow_id, after=after, limit=_PAGE, page_token=token)
            events.extend(page.items)
            token = page.next
            if token is None:
                return events

    # One turn after another

    def _catch_up(self, live: Live, stored: Workflow) -> bool:
        """Forget what another driver has gone beyond; whether it has."""
        seen = live.workflow if live.execution is not None else None
        behind = seen is not None and seen.revision < stored.revision
        if behind:
            self._overtaken(live)
        return behind

    def _overtaken(self, live: Live) -> None:
        """Another driver was first: load what is stored when it is next needed, unless that has the workflow now."""
        if self._owns and self.is_lost(live.id):
            self._leave(live)
        else:
            live.forget(adopt=live.adopt or self._owns)

    def _leave(self, live: Live) -> None:
        live.forget(adopt=False)
        self._drop(live)

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

    def _turn(self, live: Live) -> None:
        """Hear all that is in the inbox and commit what follows."""
        reports = live.take_inbox()
        try:
            for _ in range(_MOST_CONFLICTS):
                execution = self._execution(live)
                if execution is None or live.workflow is None:
                    return
                for report in reports:
                    heard = bool(live.children and live.children.hear(report)) or bool(execution.receive(report))
                    if report is live.asked:
                        live.heard = heard
                    if isinstance(report, TaskSucceeded | TaskFailed):
                        live.answered.add(report.token)
                try:
                    self._save(live, live.workflow, execution)
                    return
                except (ConflictError, WorkflowStatusError):
                    live.heard = False
                    self._overtaken(live)
            raise ConflictError("workflow", live.id)
        except BaseException:
            live.put_back(reports)
            raise

    def _save(self, live: Live, workflow: Workflow, execution: Execution) -> Workflow:
        events = execution.take_events()
        if not events:
            return workflow
        turned = advanced(workflow, execution.outcome, events[-1].timestamp)
        is_first = live.workflow is None and not turned.status.is_final
        saved = (self.first_saved if is_first else self._store.save_workflow)(turned, events)
        live.workflow = saved
        if self._snapshots is not None:
            live.snapshot_due = self._snapshots.saved(saved, execution, live.snapshot_due)
        if self._listeners:
            live.outbox.extend((saved, event) for event in events)
        return saved

    def _perform(self, live: Live) -> None:
        """Begin and withdraw what the latest commits have brought about."""
        execution, workflow = live.execution, live.workflow
        if execution is None or workflow is None:
            return
        self._carry_out(live, workflow, execution)
        while touched := live.children.take_touched(self._clock()):
            for child in touched:
                self.child_turned(live, workflow, child, child.take_events())
                self._carry_out(live, workflow, child)
                if child.outcome.is_final and live.children.drop(child.name):
                    live.inbox.append(answer_of(child, self._clock()))
        live.answered.clear()
        live.adopt = self._adopts  # all that was to be begun has been
        if execution.outcome.is_final:
            self._end(live, workflow)

    def _carry_out(self, live: Live, workflow: Workflow, execution: Execution) -> None:
        changes = execution.take_changes()
        if changes.timers or changes.withdrawn_timers:
            self._set_timers(live, execution, list(changes.timers.values()), changes.withdrawn_timers)
        if changes.withdrawn:
            for token in changes.withdrawn if live.children else ():
                self._drop_child(live, workflow, token)
            self.tasks_ended(live, workflow, changes.withdrawn)
        for task in changes.tasks.values():
            if task.resource.kind is TaskKind.CHILD:
                live.children.begin(execution, task, self._clock(), self._limits)
            elif not (task.started or task.submitted):  # else it is under way, and the runner tells what becomes of it
                report = self._runner.start(workflow, task)
                if report is not None:
                    live.inbox.append(report)

    def _set_timers(
        self, live: Live, execution: Execution, timers: Sequence[PendingTimer], withdrawn: Sequence[str]
    ) -> None:
        if execution is not live.execution:
            timers = [timer_of(execution, timer) for timer in timers]
            withdrawn = [timer_id_of(execution, timer_id) for timer_id in withdrawn]
        self.timers_changed(live.id, timers, withdrawn)

    def _drop_child(self, live: Live, workflow: Workflow, token: str) -> None:
        """Withdraw all that the child *token* has under way, if there is such a child."""
        child = live.children.drop(token)
        if child is not None:
            self._set_timers(live, child, (), tuple(child.pending_timers))
            for inner in tuple(child.pending_tasks):
                self._drop_child(live, workflow, inner)
            self.tasks_ended(live, workflow, tuple(child.pending_tasks))

    def _end(self, live: Live, workflow: Workflow) -> None:
        live.inbox.clear()
        live.is_over = True
        if self._lives.pop(live.id, None) is not None:
            self.ended(live.id)
            self._runner.stop(workflow, ())
            fields = {"workflow_id": workflow.id, "workflow_status": workflow.status.value}
            logger.info("workflow %s has %s", workflow.id, workflow.status.value, extra=fields)

    # Listening and loading

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

    def _execution(self, live: Live) -> Execution | None:
        """The execution, loaded if need be; ``None`` if the workflow has ended elsewhere or is gone."""
        if live.execution is None and not live.is_over:
            try:
                workflow = self._store.get_workflow(live.id)
            except NotFoundError:
                self._drop(live)
                return None
            if workflow.status.is_final:
                self._drop(live)
                return None
            live.workflow, live.execution = workflow, self._loaded(live, workflow)
        return live.execution

    def _loaded(self, live: Live, workflow: Workflow) -> Execution:
        execution = self._restored(live, workflow) or self._replayed(workflow)
        if execution is None:
            return self._started(workflow)
        if live.was_loaded:
            live.execution = execution
            live.children.prune(execution)
            self._runner.stop(workflow, live.tokens)
        if not live.adopt:
            execution.take_changes()  # what is pending already is another driver's, or under way here
        execution.advance(self._clock())
        return execution

    def _replayed(self, workflow: Workflow) -> Execution | None:
        events = self.history(workflow.id)
        if not events:
            return None
        return Execution.replay(machine_of(workflow), events, name=workflow.id, limits=self._limits)

    def _restored(self, live: Live, workflow: Workflow) -> Execution | None:
        """The execution from its snapshot and the events after it, if there is one that can be used."""
        if self._snapshots is None:
            return None
        restored = self._snapshots.restored(workflow, machine_of(workflow), self._limits, self.history)
        if restored is None:
            return None
        execution, live.snapshot_due = restored
        return execution

    def _started(self, workflow: Workflow) -> Execution:
        return Execution.start(
            machine_of(workflow), workflow.input, name=workflow.id, at=self._clock(), limits=self._limits
        )

    def _drop(self, live: Live) -> None:
        """The workflow has ended elsewhere, or was deleted: what is under way here is not wanted any more."""
        if live.was_loaded and live.workflow is not None:
            self._runner.stop(live.workflow, ())
        live.inbox.clear()
        live.is_over = True
        if self._lives.pop(live.id, None) is not None:
            self.ended(live.id)
