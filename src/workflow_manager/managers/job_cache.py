"""Jobs of workflows that are looked at again and again: each look reads only what is new in the history."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Generic, TypeVar

from workflow_manager.history import HistoryEvent
from workflow_manager.jobs import SHOWN, JobFold
from workflow_manager.managers.standing import machine_of
from workflow_manager.models import Job, Workflow
from workflow_manager.protocols import SnapshotStore, Store

logger = logging.getLogger("workflow_manager")

_REMEMBERED = 64
_ENDED_REMEMBERED = 1000
_FEW_SAVES = 50  # a history of fewer is sooner read than a snapshot looked for

_SHOWN_ENTRIES = frozenset(f"{type}StateEntered" for type in SHOWN)

ReadHistory = Callable[[str, int], Iterable[HistoryEvent]]
"""Gives the events of a workflow but the first so many."""

T = TypeVar("T")


class JobCache:
    """
    The folds of the unfinished workflows that were looked at last, and the last jobs of finished ones.

    Where *store* keeps a snapshot of a workflow, its last job is looked for among the events after that first, so that
    whoever sees a workflow for the first time need not read a long history for it.
    """

    def __init__(self, read_history: ReadHistory, store: Store) -> None:
        self._read = read_history
        self._snapshots = store if isinstance(store, SnapshotStore) else None
        self._lock = threading.Lock()
        self._folds: _Latest[_Fold] = _Latest(_REMEMBERED)
        self._ends: _Latest[tuple[datetime | None, Job | None]] = _Latest(_ENDED_REMEMBERED)

    def jobs(self, workflow: Workflow) -> tuple[tuple[Job, ...], Job | None]:
        """All jobs of *workflow*, and the one that was opened last."""
        fold = self._known(workflow.id)
        if fold is None or fold.begin:
            fold = _Fold(workflow, 0)
        self._bring_up_to_date(workflow, fold)
        jobs, last = fold.fold.jobs(), fold.fold.last_job
        self._keep(workflow, fold, last)
        return jobs, last

    def last_job(self, workflow: Workflow) -> Job | None:
        """The job of *workflow* that was opened last."""
        if workflow.status.is_final:
            with self._lock:
                end = self._ends.get(workflow.id)
            if end is not None and end[0] == workflow.stopped_at:  # else it was deleted, and this is another of its id
                return end[1]
        fold = self._known(workflow.id) or self._begun(workflow)
        self._bring_up_to_date(workflow, fold)
        if fold.begin and not fold.tells_all_of_the_last:
            fold = _Fold(workflow, 0)
            self._bring_up_to_date(workflow, fold)
        last = fold.fold.last_job
        self._keep(workflow, fold, last)
        return last

    def _known(self, workflow_id: str) -> _Fold | None:
        with self._lock:  # whoever takes a fold out has it alone
            return self._folds.take(workflow_id)

    def _begun(self, workflow: Workflow) -> _Fold:
        is_short = workflow.status.is_final or workflow.revision < _FEW_SAVES
        return _Fold(workflow, 0 if is_short else self._position(workflow.id))

    def _position(self, workflow_id: str) -> int:
        """How many events the snapshot of the workflow spares a look at its last job."""
        try:
            kept = None if self._snapshots is None else self._snapshots.load_snapshot(workflow_id)
        except Exception as error:  # noqa: BLE001  whatever is wrong with it, the history is not
            logger.debug("workflow %s: its snapshot cannot be used: %r", workflow_id, error)
            return 0
        return 0 if kept is None else kept.position

    def _bring_up_to_date(self, workflow: Workflow, fold: _Fold) -> None:
        for event in self._read(workflow.id, fold.count):
            fold.add(event)

    def _keep(self, workflow: Workflow, fold: _Fold, last: Job | None) -> None:
        with self._lock:
            if workflow.status.is_final:
                self._ends.put(workflow.id, (workflow.stopped_at, last))
            else:
                self._folds.put(workflow.id, fold)


class _Fold:
    """A fold of the events from the place *begin* on."""

    def __init__(self, workflow: Workflow, begin: int) -> None:
        self.fold = JobFold(machine=machine_of(workflow), namespace=workflow.namespace)
        self.begin = self.count = begin
        self._last_at_top = False

    def add(self, event: HistoryEvent) -> None:
        self.fold.add(event)
        self.count += 1
        if event.type in _SHOWN_ENTRIES:
            self._last_at_top = not event.branch

    @property
    def tells_all_of_the_last(self) -> bool:
        """Whether the last job was opened here, outside of any Parallel or Map, which may have begun before."""
        return self._last_at_top


class _Latest(Generic[T]):
    """The *most* values that were put last, by the ids of their workflows."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: OrderedDict[str, T] = OrderedDict()

    def get(self, workflow_id: str) -> T | None:
        return self._values.get(workflow_id)

    def take(self, workflow_id: str) -> T | None:
        return self._values.pop(workflow_id, None)

    def put(self, workflow_id: str, value: T) -> None:
        self._values[workflow_id] = value
        self._values.move_to_end(workflow_id)
        if len(self._values) > self._most:
            self._values.popitem(last=False)
