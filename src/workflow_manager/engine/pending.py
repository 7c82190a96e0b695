"""Pending work: what should be under way now.  It stands until it is met or withdrawn."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import attrs

from workflow_manager.asl.resources import TaskResource
from workflow_manager.asl.values import JSON


@attrs.frozen(kw_only=True, slots=False)
class PendingTask:
    """
    One task that somebody should be doing.

    *token* names it, the same after every replay.  *input* is what the task gets, *attempt* counts its retries from 0,
    *submitted* tells whether a first answer (*receipt*) has come.  Time limits are in seconds.
    """

    token: str
    branch: str
    state: str
    resource: TaskResource
    input: JSON
    attempt: int
    scheduled_event_id: int
    scheduled_at: datetime
    timeout_seconds: int | None = None
    heartbeat_seconds: int | None = None
    credentials: JSON = None
    started: bool = False
    submitted: bool = False
    receipt: JSON = None


class TimerKind(StrEnum):
    """Why a timer runs."""

    WAIT = "wait"
    RETRY = "retry"
    TASK_TIMEOUT = "task-timeout"
    HEARTBEAT = "heartbeat"
    EXECUTION_TIMEOUT = "execution-timeout"


@attrs.frozen(kw_only=True)
class PendingTimer:
    """Something happens at *due* (UTC) unless it is withdrawn before; *id* is the same after every replay."""

    id: str
    kind: TimerKind
    branch: str
    due: datetime


class ExecutionStatus(StrEnum):
    """AWS API: DescribeExecution, ``status``."""

    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    TIMED_OUT = "TIMED_OUT"
    ABORTED = "ABORTED"


@attrs.frozen(kw_only=True)
class Outcome:
    """How the execution stands: its status, and its output or its error and cause once it has ended."""

    status: ExecutionStatus = ExecutionStatus.RUNNING
    output: JSON = None
    error: str | None = None
    cause: str | None = None

    @property
    def is_final(self) -> bool:
        """Whether the execution has ended."""
        return self.status is not ExecutionStatus.RUNNING
