"""
The ledger of limits: who has been admitted, in one record of the store.

It is a workflow that never was one, ended from the beginning; what counts is its ``output``.  Every admission is a save
of that record, and a save succeeds only at the revision that was read (law 1 of stores), so of two processes that see
one free place, one gets it, and the other looks again.  A workflow leaves the ledger when its own record is read and
has ended.  Neither rests on a listing, which may lag.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice

import attrs

from workflow_manager.asl.machine import StateMachine
from workflow_manager.exceptions import ConflictError, NotFoundError
from workflow_manager.managers.later import HELD_TAG
from workflow_manager.models import Workflow, WorkflowDefinition, WorkflowQuery, WorkflowStatus
from workflow_manager.protocols import Store
from workflow_manager.service.limits import Key, StartLimits

LEDGER_ID = "workflow-manager:limits"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)  # so that it comes after all others in listings of the newest
_MACHINE = StateMachine.from_dict({"StartAt": "None", "States": {"None": {"Type": "Succeed"}}})
_PAGE, _FEW = 100, 10  # there is seldom room for more than a few at once


def without_ledger(workflows: Iterable[Workflow]) -> Iterator[Workflow]:
    """*workflows*, but the one that is none."""
    return (workflow for workflow in workflows if workflow.id != LEDGER_ID)


def listed(store: Store, query: WorkflowQuery) -> Iterator[Workflow]:
    """All workflows that match *query*, page after page."""
    while True:
        page = store.list_workflows(query)
        yield from page
        if page.next is None:
            return
        query = attrs.evolve(query, page_token=page.next)


class Round:
    """
    One look at the ledger and at what is active, and what is to be written into it.

    *unbegun* are the ids of those that were admitted and have not been seen to run.
    """

    def __init__(self, store: Store, limits: StartLimits) -> None:
        self._store, self._limits = store, limits
        self._record = _read(store)
        self._before = _admitted(self._record)
        self._admitted = dict(self._before)
        self._active: dict[Key, set[str]] = {}
        self.unbegun: dict[str, None] = {}

    def has_room(self, key: Key) -> bool:
        """Whether one more may be admitted under *key*."""
        return len(self._active_under(key)) < key.limit

    def admit(self, workflow: Workflow) -> bool:
        """Admit *workflow*, which is held, if there is room under every limit that it keeps."""
        name, queue = workflow.workflow_definition.name, workflow.queue
        keys = tuple(self._limits.keys(name, queue))
        active = [self._active_under(key) for key in keys]
        if workflow.id in self._admitted or not all(map(self.has_room, keys)):
            return False
        for ids in active:
            ids.add(workflow.id)
        if keys:
            self._admitted[workflow.id] = (name, queue)
        return True

    def _active_under(self, key: Key) -> set[str]:
        if key not in self._active:
            running = listed(self._store, key.query(WorkflowStatus.RUNNING, _PAGE))
            ids = {workflow.id for workflow in islice(running, key.limit)}
            mine = (found for found, place in tuple(self._admitted.items()) if key.fits(*place))
            self._active[key] = ids | {found for found in mine if found in ids or self._goes_on(found)}
        return self._active[key]

    def check_all(self) -> None:
        """Look at all that were admitted, under limits that are no more too."""
        for workflow_id, place in tuple(self._admitted.items()):
            for key in self._limits.keys(*place):
                self._active_under(key)
            if not self._limits.limit(*place):
                self._goes_on(workflow_id)

    def _goes_on(self, workflow_id: str) -> bool:
        """Whether a workflow that was admitted has not ended; else it leaves the ledger."""
        try:
            status = self._store.get_workflow(workflow_id).status
        except NotFoundError:
            status = WorkflowStatus.CANCELLED  # it has been deleted
        if status.is_final:
            self._admitted.pop(workflow_id, None)
        elif status is WorkflowStatus.QUEUED:
            self.unbegun[workflow_id] = None
        return not status.is_final

    def save(self) -> bool:
        """Write down what has changed; ``False`` if somebody else was first, and all must be looked at again."""
        if self._admitted == self._before:
            return True
        output = {"admitted": {found: list(place) for found, place in self._admitted.items()}}
        try:
            self._store.save_workflow(attrs.evolve(self._record, output=output))
        except ConflictError:
            return False
        return True


def held_under(key: Key | None, store: Store) -> Iterator[Workflow]:
    """The workflows that are held and keep the limit *key*, or all that are held, the oldest first."""
    tags = {HELD_TAG: "true"}
    if key is not None:
        return listed(store, key.query(WorkflowStatus.QUEUED, _FEW, tags))
    status = WorkflowStatus.QUEUED
    return listed(store, WorkflowQuery(status=status, tags=tags, oldest_first=True, summary_only=True, limit=_PAGE))


def _read(store: Store) -> Workflow:
    try:
        return store.get_workflow(LEDGER_ID)
    except NotFoundError:
        return Workflow(
            id=LEDGER_ID,
            workflow_definition=WorkflowDefinition(name=LEDGER_ID, state_machine=_MACHINE, manager=LEDGER_ID),
            status=WorkflowStatus.SUCCEEDED,
            created_at=_EPOCH,
            last_updated=_EPOCH,
            stopped_at=_EPOCH,
            resolved_by_user=True,
        )


def _admitted(record: Workflow) -> dict[str, tuple[str, str]]:
    """Definition and queue of each that was admitted, by id."""
    kept = record.output.get("admitted") if isinstance(record.output, Mapping) else None
    places = kept.items() if isinstance(kept, Mapping) else ()
    return {found: (str(place[0]), str(place[1])) for found, place in places if isinstance(place, list | tuple)}
