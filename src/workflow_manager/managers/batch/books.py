"""
What is known of the jobs of a workflow: which job does which task, and how each was last seen.

A book is a cache: receipts stand in the workflow's history (TaskSubmitted events), how jobs are stands at AWS.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import attrs

from workflow_manager.asl.values import JSON
from workflow_manager.engine.pending import PendingTask
from workflow_manager.history import HistoryEvent, HistoryEventType, UnlistedEventType

_REMEMBERED = 2000
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)

JOB_ID, JOB_NAME, JOBS = "JobId", "JobName", "Jobs"
"""Members of a receipt: the output of TaskSubmitted.  ``Jobs`` is the whole graph, job ids by state."""

_ENDS = frozenset({HistoryEventType.TASK_SUCCEEDED, HistoryEventType.TASK_FAILED})


@attrs.frozen
class Doubt:
    """A job may have been submitted since that time: to that queue, under that name."""

    since: datetime
    queue: str
    name: str


class Book:
    """The jobs of one workflow."""

    __slots__ = (
        "details",
        "doubts",
        "ended",
        "graph",
        "held",
        "is_rewritten",
        "jobs",
        "members",
        "missed",
        "stopped",
        "strays",
        "suspected_since",
        "workflow_id",
    )

    def __init__(self, workflow_id: str) -> None:
        self.workflow_id = workflow_id
        self.jobs: dict[str, str] = {}  # job ids by task token
        self.graph: dict[str, str] = {}  # job ids by state, where all were submitted at once
        self.doubts: dict[str, Doubt] = {}  # by the key of the job
        self.members: dict[str, frozenset[str]] = {}  # the tokens of the tasks that an array does, by its key
        self.suspected_since: datetime | None = None  # before this another driver may have submitted anything
        self.is_rewritten = False  # whether it was at hand before, and what was not in the history is lost
        self.held: set[str] = set()  # tokens that need not be tried again before the next look
        self.ended: set[str] = set()  # ids of jobs that are known to have ended
        self.stopped: set[str] = set()  # ids of jobs that AWS was told to end
        self.strays: set[str] = set()  # ids of jobs that were found by name when nothing waited for them any more
        self.missed: dict[str, datetime] = {}  # since when Batch does not know a job that it knew
        self.details: dict[str, Mapping[str, Any]] = {}  # jobs as last seen

    def learn(self, task: PendingTask) -> None:
        """Take in the receipt of *task*, if it has one."""
        if task.submitted and isinstance(task.receipt, Mapping):
            self.take_receipt(task.token, task.receipt)

    def take_receipt(self, token: str, receipt: Mapping[str, JSON]) -> None:
        """The job of the task *token*, and the whole graph where the receipt has it."""
        job_id, graph = receipt.get(JOB_ID), receipt.get(JOBS)
        if isinstance(job_id, str):
            self.jobs[token] = job_id
            self.doubts.pop(token, None)
        if isinstance(graph, Mapping):
            self.graph.update({state: str(each) for state, each in graph.items()})

    def suspect(self, key: str, request: Mapping[str, Any]) -> None:
        """The job *key* may have been submitted by another driver, if the workflow was found and not made here."""
        if self.suspected_since is not None:
            self.doubts.setdefault(key, Doubt(self.suspected_since, request["jobQueue"], request["jobName"]))

    def unsettled(self) -> dict[str, Doubt]:
        """The doubts about jobs of which no receipt is known, by key."""
        return {
            key: doubt
            for key, doubt in self.doubts.items()
            if not any(token in self.jobs for token in self.members.get(key, (key,)))
        }

    def see(self, job_id: str, detail: Mapping[str, Any]) -> None:
        """How the job is now."""
        if job_id in self.ended and detail.get("status") not in {"SUCCEEDED", "FAILED"} and job_id in self.details:
            return  # older news than what is known
        self.missed.pop(job_id, None)
        self.details[job_id] = detail
        if detail.get("status") in {"SUCCEEDED", "FAILED"}:
            self.ended.add(job_id)

    @property
    def ids(self) -> list[str]:
        """All jobs, each once."""
        return list(dict.fromkeys((*self.graph.values(), *self.jobs.values(), *sorted(self.strays))))

    def scan(self, workflow_id: str, events: Iterable[HistoryEvent]) -> None:
        """Take in the receipts that stand in a history."""
        entered: dict[str, int] = {}
        attempts: dict[str, int] = {}
        submitted: dict[int, str] = {}
        for event in events:
            if event.type is HistoryEventType.TASK_STATE_ENTERED:
                entered[event.branch], attempts[event.branch] = event.id, 0
            elif event.type is UnlistedEventType.RETRY_SCHEDULED:
                attempts[event.branch] = attempts.get(event.branch, 0) + 1
            elif event.type is HistoryEventType.TASK_SUBMITTED:
                receipt = (event.details or {}).get("output")
                if isinstance(receipt, Mapping):
                    token = f"{workflow_id}.{entered.get(event.branch, 0)}.{attempts.get(event.branch, 0)}"
                    self.take_receipt(token, receipt)
                    submitted[event.id] = str(receipt.get(JOB_ID))
            elif event.type in _ENDS and event.previous_event_id in submitted:
                self.ended.add(submitted[event.previous_event_id])


class Books:
    """The books of the workflows that were looked at last; *read_history* gives all events of a workflow."""

    def __init__(self, read_history: Callable[[str], Iterable[HistoryEvent]]) -> None:
        self._read = read_history
        self._lock = threading.Lock()
        self._books: OrderedDict[str, Book] = OrderedDict()

    def open(self, workflow_id: str) -> Book:
        """The book of a workflow, written from its history if it is not at hand."""
        book = self.known(workflow_id)
        if book is None:
            book = Book(workflow_id)
            book.suspected_since, book.is_rewritten = LONG_AGO, True
            book.scan(workflow_id, self._read(workflow_id))
            book = self._keep(workflow_id, book)
        return book

    def known(self, workflow_id: str) -> Book | None:
        """The book of a workflow, if it is at hand."""
        with self._lock:
            book = self._books.get(workflow_id)
            if book is not None:
                self._books.move_to_end(workflow_id)
            return book

    def begin(self, workflow_id: str) -> None:
        """An empty book, for a workflow that has just been made."""
        self._keep(workflow_id, Book(workflow_id))

    def reread(self, workflow_id: str, events: Iterable[HistoryEvent]) -> None:
        """The workflow has been loaded: what others have written meanwhile belongs into its book."""
        book = self.known(workflow_id)
        if book is None:
            book = self._keep(workflow_id, Book(workflow_id))
        book.scan(workflow_id, events)

    def _keep(self, workflow_id: str, book: Book) -> Book:
        with self._lock:
            book = self._books.setdefault(workflow_id, book)
            while len(self._books) > _REMEMBERED:
                self._books.popitem(last=False)
            return book
