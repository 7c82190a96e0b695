"""Jobs of workflows that are looked at again and again: each look reads only what is new in the history."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

from workflow_manager.history import HistoryEvent
from workflow_manager.jobs import JobFold
from workflow_manager.managers.standing import machine_of
from workflow_manager.models import Job, Workflow

_REMEMBERED = 64

ReadHistory = Callable[[str, int], list[HistoryEvent]]
"""Gives the events of a workflow but the first so many."""


class JobCache:
    """The folds of the unfinished workflows that were looked at last."""

    def __init__(self, read_history: ReadHistory) -> None:
        self._read = read_history
        self._lock = threading.Lock()
        self._folds: OrderedDict[str, tuple[JobFold, int]] = OrderedDict()

    def jobs(self, workflow: Workflow) -> tuple[tuple[Job, ...], Job | None]:
        """All jobs of *workflow*, and the one that was opened last."""
        fold, count = self._up_to_date(workflow)
        jobs, last = fold.jobs(), fold.last_job
        self._keep(workflow, fold, count)
        return jobs, last

    def last_job(self, workflow: Workflow) -> Job | None:
        """The job of *workflow* that was opened last."""
        fold, count = self._up_to_date(workflow)
        last = fold.last_job
        self._keep(workflow, fold, count)
        return last

    def _up_to_date(self, workflow: Workflow) -> tuple[JobFold, int]:
        with self._lock:  # whoever takes a fold out has it alone
            known = self._folds.pop(workflow.id, None)
        fold, count = known or (JobFold(machine=machine_of(workflow), namespace=workflow.namespace), 0)
        events = self._read(workflow.id, count)
        for event in events:
            fold.add(event)
        return fold, count + len(events)

    def _keep(self, workflow: Workflow, fold: JobFold, count: int) -> None:
        if workflow.status.is_final:
            return
        with self._lock:
            self._folds[workflow.id] = fold, count
            while len(self._folds) > _REMEMBERED:
                self._folds.popitem(last=False)
