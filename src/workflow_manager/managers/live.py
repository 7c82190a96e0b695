"""A workflow that this process is driving: its execution, and the mail for it."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable

from workflow_manager.engine import Execution
from workflow_manager.engine.reports import Report
from workflow_manager.history import HistoryEvent
from workflow_manager.managers.children import Children
from workflow_manager.models import Workflow

logger = logging.getLogger("workflow_manager")

Listener = Callable[[Workflow, HistoryEvent], None]
"""Hears of every event, once it is committed, with the workflow as of that commit."""


class Live:
    """
    One workflow in memory.

    Whoever holds *lock* may touch *workflow* (as last committed) and *execution*; anybody may append to *inbox*.  An
    execution of ``None`` must be loaded from the store first; *adopt* says whether the work found pending then is ours
    to begin.
    """

    __slots__ = (
        "adopt",
        "answered",
        "asked",
        "children",
        "done",
        "execution",
        "heard",
        "id",
        "inbox",
        "is_over",
        "lock",
        "outbox",
        "snapshot_due",
        "telling",
        "troubles",
        "was_loaded",
        "workflow",
    )

    def __init__(self, id: str, *, adopt: bool) -> None:
        self.id = id
        self.adopt = adopt
        self.lock = threading.Lock()
        self.inbox: deque[Report] = deque()
        self.workflow: Workflow | None = None
        self.execution: Execution | None = None
        self.was_loaded = False  # whether work of ours may be under way that the stored history no longer wants
        self.children = Children()
        self.answered: set[str] = set()  # tokens of tasks that ended by their own answer, until the next performing
        self.asked: Report | None = None  # somebody wants to know whether this one still meant something,
        self.heard = False  # and this tells it
        self.troubles = 0  # turns in a row that raised
        self.is_over = False
        self.snapshot_due = 0  # so many events make the next snapshot due; 0: as many as one is first made after
        self.outbox: deque[tuple[Workflow, HistoryEvent]] = deque()
        self.telling = threading.Lock()
        self.done = threading.Event()  # set when the workflow has ended and its listeners have heard of it

    @property
    def executions(self) -> tuple[Execution, ...]:
        """The workflow's own, if it is loaded, and those of its children."""
        return (*(() if self.execution is None else (self.execution,)), *self.children)

    @property
    def tokens(self) -> Collection[str]:
        """All tasks that should be under way."""
        if self.execution is not None and not self.children:
            return self.execution.pending_tasks.keys()
        return {token for execution in self.executions for token in execution.pending_tasks}

    def take_inbox(self) -> list[Report]:
        """All reports that are there now, the oldest first."""
        reports: list[Report] = []
        while self.inbox:
            reports.append(self.inbox.popleft())
        return reports

    def put_back(self, reports: Iterable[Report]) -> None:
        """Undo :meth:`take_inbox`."""
        self.inbox.extendleft(reversed(list(reports)))

    def forget(self, *, adopt: bool) -> None:
        """Drop the execution, which may differ from what is stored; it is loaded again when it is next needed."""
        self.was_loaded = self.was_loaded or self.execution is not None
        self.execution = None
        self.adopt = adopt
        self.answered.clear()

    def tell(self, listeners: Iterable[Listener]) -> None:
        """Let *listeners* hear, in order and one at a time, outside the lock; then those who wait for the end."""
        while (self.outbox or (self.is_over and not self.done.is_set())) and self.telling.acquire(blocking=False):
            try:
                while self.outbox:
                    workflow, event = self.outbox.popleft()
                    for listener in tuple(listeners):
                        _call(listener, workflow, event)
                if self.is_over:
                    self.done.set()
            finally:
                self.telling.release()


def _call(listener: Listener, workflow: Workflow, event: HistoryEvent) -> None:
    try:
        listener(workflow, event)
    except Exception:
        logger.exception("a listener failed on an event of workflow %s", workflow.id)
