"""
One turn of a workflow: hear, decide, commit, then perform.

A turn is committed before anything that follows from it is performed.  A driver that dies in between loses nothing: the
next one finds the same pending work under the same tokens.  Of two drivers the store's revision tells which one was
first; the other loads what is stored and listens again.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime

from workflow_manager.asl.resources import TaskKind
from workflow_manager.engine import Execution, Limits
from workflow_manager.engine.pending import PendingTimer
from workflow_manager.engine.reports import TaskFailed, TaskSucceeded
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
_PAGE = 2_000  # events


class Turns:
    """
    Has the turns of workflows, each by whoever holds its lock.

    *adopts* says whether pending work that is found in the store may be begun again by any driver, because *runner*
    looks before it leaps; where it is false only ``adopt`` takes such work over.  *owns* says that nobody else
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

    # One turn

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
        while touched := live.children.take_touched(self._clock):
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

    def _overtaken(self, live: Live) -> None:
        """Another driver was first: load what is stored when it is next needed, unless that has the workflow now."""
        if self._owns and self.is_lost(live.id):
            self._leave(live)
        else:
            live.forget(adopt=live.adopt or self._owns)

    def _leave(self, live: Live) -> None:
        live.forget(adopt=False)
        self._drop(live)

    # Loading

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

    def history(self, workflow_id: str, after: int = 0) -> list[HistoryEvent]:
        """All stored events of the workflow but the first *after*."""
        return list(self._pages(workflow_id, after))

    def read(self, workflow_id: str, after: int = 0) -> Iterable[HistoryEvent]:
        """As :meth:`history`, for whoever need not have all of it at once: read as it is asked for."""
        return self._pages(workflow_id, after)

    def _pages(self, workflow_id: str, after: int) -> Iterator[HistoryEvent]:
        token: str | None = None
        while True:
            page = self._store.read_history(workflow_id, after=after, limit=_PAGE, page_token=token)
            yield from page.items
            token = page.next
            if token is None:
                return
