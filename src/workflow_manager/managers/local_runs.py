"""One task of the local runner under way, and the gate before those of a limited resource."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from datetime import datetime
from enum import Enum, auto

from workflow_manager.engine.pending import PendingTask
from workflow_manager.managers.context import TaskContext
from workflow_manager.managers.resources import Hands


class Stage(Enum):
    """How far a task is."""

    WAITING = auto()
    RUNNING = auto()
    OVER = auto()


class Run:
    """One task under way."""

    __slots__ = (
        "admitted",
        "announced",
        "beaten_at",
        "cancel",
        "context",
        "hands",
        "is_job",
        "stage",
        "started_at",
        "task",
        "thread",
        "workflow_id",
    )

    def __init__(self, workflow_id: str, task: PendingTask, hands: Hands, started_at: datetime) -> None:
        self.workflow_id, self.task, self.hands = workflow_id, task, hands
        self.stage = Stage.WAITING
        self.started_at = self.beaten_at = started_at
        self.admitted = False  # whether it has passed its gate
        self.announced = False  # whether its TaskStarted has been told
        self.context: TaskContext | None = None
        self.cancel: Callable[[], None] | None = None
        self.is_job = False  # whether it has become a job at AWS, which holds no thread
        self.thread: threading.Thread | None = None  # the worker that runs it


class Gate:
    """How many runs of one resource may be under way at once, and those that wait for their turn."""

    __slots__ = ("free", "waiting")

    def __init__(self, limit: int) -> None:
        self.free = limit
        self.waiting: deque[Run] = deque()
