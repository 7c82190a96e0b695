"""The driver of workflows on Batch: the engine's, over machines whose Tasks are Batch jobs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import attrs

from workflow_manager.asl.resources import TaskKind
from workflow_manager.engine import Execution, Limits
from workflow_manager.engine.pending import PendingTask
from workflow_manager.engine.reports import TaskFailed, TaskSucceeded
from workflow_manager.history import HistoryEvent
from workflow_manager.managers.batch.books import Books
from workflow_manager.managers.batch.runner import BatchRunner, is_whole
from workflow_manager.managers.driver import Driver
from workflow_manager.managers.live import Listener, Live
from workflow_manager.models import Workflow
from workflow_manager.protocols import Store


class BatchDriver(Driver):
    """
    Any driver may take a workflow over, because the runner looks before it leaps.

    *link* is called with a retry that has been saved, before anything of it begins.
    """

    def __init__(
        self,
        store: Store,
        runner: BatchRunner,
        books: Books,
        *,
        clock: Callable[[], datetime],
        limits: Limits,
        listeners: list[Listener],
        link: Callable[[Workflow], None],
    ) -> None:
        super().__init__(store, runner, clock=clock, limits=limits, listeners=listeners)
        self._batch_runner, self._books, self._link = runner, books, link

    def begin(self, workflow: Workflow) -> Workflow:
        """See :meth:`workflow_manager.managers.driver.Driver.begin`."""
        self._books.begin(workflow.id)
        return super().begin(workflow)

    def first_saved(self, workflow: Workflow, events: Sequence[HistoryEvent]) -> Workflow:
        """See :meth:`workflow_manager.managers.driver.Driver.first_saved`; a retry is linked before its jobs begin."""
        saved = super().first_saved(workflow, events)
        if saved.retry_for:
            self._link(saved)
        return saved

    def history(self, workflow_id: str, after: int = 0) -> list[HistoryEvent]:
        """All stored events but the first *after*; a whole history goes into the workflow's book as well."""
        events = super().history(workflow_id, after)
        if after == 0:
            self._books.reread(workflow_id, events)
        return events

    def read(self, workflow_id: str, after: int = 0) -> Iterable[HistoryEvent]:
        """See :meth:`workflow_manager.managers.turns.Turns.read`; the book has what is read whole, too."""
        return self.history(workflow_id, after)

    def refresh(self, stored: Workflow) -> None:
        """Hear what Batch and the clock have to say; what is known of a whole graph already leads on at once."""
        with self._batch_runner.round() as round:
            round.look(self.watched(stored))  # of all executions together, the children of Map Runs too
            super().refresh(stored)
            while self._goes_on(stored.id):
                pass

    def _goes_on(self, workflow_id: str) -> bool:
        live = self._lives.get(workflow_id)
        if live is None:
            return False
        with live.lock:
            if live.workflow is None or live.execution is None:
                return False
            news = self._batch_runner.known_news(live.workflow, self.pending_tasks(live))
            reports = [report for report in news if isinstance(report, TaskSucceeded | TaskFailed)]
            if not reports:
                return False
            live.inbox.extend(reports)
            self._settle(live)
        self._go_on(live)
        return True

    @staticmethod
    def pending_tasks(live: Live) -> list[PendingTask]:
        """The tasks of *live* that are jobs."""
        return [
            task
            for execution in live.executions
            for task in execution.pending_tasks.values()
            if task.resource.kind is not TaskKind.CHILD
        ]

    def siblings(self, workflow_id: str) -> Collection[PendingTask]:
        """The pending tasks of the workflow itself; for the runner, while it starts one of them."""
        live = self._lives.get(workflow_id)
        return () if live is None or live.execution is None else tuple(live.execution.pending_tasks.values())

    def hear(self, stored: Workflow, detail: Mapping[str, Any]) -> None:
        """
        Hear what the round that is under way knows already: the *detail* of one job.

        In a graph the jobs that come next may have ended before, when their events came too early, so those whose turn
        it is are looked at; all are if they have.
        """
        live = self._live(stored.id)
        with live.lock:
            self._catch_up(live, stored)
            self._settle(live)
        heard = self._goes_on(stored.id)
        if is_whole(stored) and (heard or self._batch_runner.is_ahead(stored, detail)):
            with self._batch_runner.round() as round:
                round.look(self._batch_runner.jobs_of(stored, self.wanted(stored.id) or ()))
                if self._goes_on(stored.id):
                    self.refresh(stored)

    def wanted(self, workflow_id: str) -> list[PendingTask] | None:
        """The tasks that are jobs of a workflow as it was last refreshed; ``None`` if it is not driven any more."""
        live = self._lives.get(workflow_id)
        if live is None:
            return None
        with live.lock:
            return self.pending_tasks(live)

    def watched(self, stored: Workflow) -> list[str]:
        """The ids of the jobs that are to be looked at for a workflow that is *stored* so."""
        live = self._live(stored.id)
        with live.lock:
            self._catch_up(live, stored)
            if self._execution(live) is None or live.workflow is None:
                return []
            return self._batch_runner.watched(live.workflow, self.pending_tasks(live))

    def _loaded(self, live: Live, workflow: Workflow) -> Execution:
        execution = super()._loaded(live, self._as_jobs(workflow))
        tasks = [task for task in execution.pending_tasks.values() if task.resource.kind is not TaskKind.CHILD]
        self._batch_runner.loaded(workflow, tasks)
        return execution

    def _started(self, workflow: Workflow) -> Execution:
        return super()._started(self._as_jobs(workflow))

    def _as_jobs(self, workflow: Workflow) -> Workflow:
        machine = self._batch_runner.machine(workflow).machine
        definition = attrs.evolve(workflow.workflow_definition, state_machine=machine)
        return attrs.evolve(workflow, workflow_definition=definition)
