"""
Histories in the store, brought up to date from AWS, and the jobs that follow from them.

The store keeps what AWS has told, so that only what is new is asked for, whoever asked before, and that a history is
still there when AWS has deleted its own.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

import attrs

from workflow_manager.aws import code_of
from workflow_manager.exceptions import ConflictError
from workflow_manager.history import HistoryEvent, HistoryEventType
from workflow_manager.jobs import JobFold
from workflow_manager.managers.step_functions.blueprints import trimmed
from workflow_manager.managers.step_functions.client import Calls
from workflow_manager.managers.step_functions.executions import NO_EXECUTION
from workflow_manager.managers.step_functions.pages import Reader, events_after, remember
from workflow_manager.models import Job, Workflow
from workflow_manager.protocols import WorkflowStore

_REMEMBERED = 64
_STORE_PAGE = 10_000
_TRIES = 20
_ENDS = frozenset(
    {
        HistoryEventType.EXECUTION_SUCCEEDED,
        HistoryEventType.EXECUTION_FAILED,
        HistoryEventType.EXECUTION_ABORTED,
        HistoryEventType.EXECUTION_TIMED_OUT,
    }
)


def new_fold(workflow: Workflow) -> JobFold:
    """A fold for the history of *workflow*."""
    machine = trimmed(workflow.workflow_definition.state_machine, workflow.start_at)
    return JobFold(machine=machine, namespace=workflow.namespace)


@attrs.define
class _Known:
    """What is known of one history: *count* stored events, folded; the last of them has the id *last_id*."""

    fold: JobFold
    redrives_left: int  # before the one that the workflow is
    count: int = 0
    last_id: int = 0
    end: HistoryEvent | None = None
    links: dict[int, int] = attrs.field(factory=dict)  # past events of unknown types, to known ones

    def add(self, event: HistoryEvent) -> None:
        self.fold.add(event)
        self.count += 1
        self.last_id = event.id
        if event.type is HistoryEventType.EXECUTION_REDRIVEN:
            self.redrives_left -= 1
        self.end = event if event.type in _ENDS and self.redrives_left <= 0 else None


@attrs.frozen(kw_only=True)
class History:
    """
    A history that is up to date: of *workflow*, as stored, folded into *fold*; *end* is its last event if it has ended.

    *is_there* is false if AWS knows no such execution, or shows no such redrive of it.
    """

    workflow: Workflow
    fold: JobFold
    end: HistoryEvent | None
    is_there: bool


class Histories:
    """
    The histories of workflows; those looked at last are remembered.

    *redrive_of* tells the number of the redrive that a workflow is: events of a later one are not its own.
    """

    def __init__(self, calls: Calls, store: WorkflowStore, redrive_of: Callable[[Workflow], int]) -> None:
        self._calls, self._store, self._redrive_of = calls, store, redrive_of
        self._lock = threading.Lock()
        self._known: OrderedDict[str, _Known] = OrderedDict()

    def update(self, workflow: Workflow, arn: str) -> History:
        """
        Ask AWS for what is new in the history of *workflow*, the execution *arn*, and store it.

        A history that has ended is not asked for.
        """
        for _ in range(_TRIES):
            known, is_there = self._take(workflow), True
            try:
                if known.end is None:
                    workflow = self._bring(workflow, arn, known)
            except ConflictError:  # somebody else has stored something; what was folded here may not be what is there
                workflow = self._store.get_workflow(workflow.id)
                continue
            except Exception as error:
                if code_of(error) != NO_EXECUTION:
                    raise
                is_there = False
            self._put_back(workflow, known)
            is_there = is_there and known.redrives_left <= 0
            return History(workflow=workflow, fold=known.fold, end=known.end, is_there=is_there)
        raise ConflictError("workflow", workflow.id, workflow.revision)

    def _bring(self, workflow: Workflow, arn: str, known: _Known) -> Workflow:
        reader = Reader(known.last_id, known.links)
        for page in events_after(self._calls, arn, known.last_id):
            events: list[HistoryEvent] = []
            for event in reader.read(page):
                known.add(event)
                events.append(event)
                if known.end is not None:  # what follows is of a later redrive
                    break
            if events:
                workflow = self._store.save_workflow(workflow, events)
            if known.end is not None:
                break
        return workflow

    def _take(self, workflow: Workflow) -> _Known:
        with self._lock:  # whoever takes one out has it alone
            known = self._known.pop(workflow.id, None)
        known = known or _Known(new_fold(workflow), self._redrive_of(workflow))
        token: str | None = None
        after = known.count
        while True:
            page = self._store.read_history(workflow.id, after=after, limit=_STORE_PAGE, page_token=token)
            for event in page.items:
                remember(known.links, event)
                known.add(event)
            token = page.next
            if token is None:
                return known

    def _put_back(self, workflow: Workflow, known: _Known) -> None:
        with self._lock:
            self._known[workflow.id] = known
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)


def top_level(fold: JobFold) -> tuple[Job, ...]:
    """The visits of the states of the machine itself, in order, without those of nested machines."""
    return tuple(job for job in fold.jobs(all_states=True) if job.branch == "")
