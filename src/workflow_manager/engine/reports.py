"""Reports: what the world tells the engine.  Each carries the UTC time at which it became true."""

from __future__ import annotations

from datetime import datetime
from typing import TypeAlias

import attrs

from workflow_manager.asl.values import JSON


@attrs.frozen
class TaskSubmitted:
    """The far side has accepted the task; *output* is its first answer (a job id, the reply of a ``.sync`` call)."""

    token: str
    at: datetime
    output: JSON = None


@attrs.frozen
class TaskStarted:
    """The task has begun to run, on the worker *worker_name* if that is known."""

    token: str
    at: datetime
    worker_name: str | None = None


@attrs.frozen
class TaskSucceeded:
    """The task is done; *output* is its result, *started_at* when it began, which need not have been told before."""

    token: str
    at: datetime
    output: JSON = None
    started_at: datetime | None = None


@attrs.frozen
class TaskFailed:
    """
    The task has failed with an error name and a cause, either of which may be absent.

    *started_at* is when it began, which need not have been told before.
    """

    token: str
    at: datetime
    error: str | None = None
    cause: str | None = None
    started_at: datetime | None = None


@attrs.frozen
class TaskHeartbeat:
    """The task is alive: its heartbeat timer starts again."""

    token: str
    at: datetime


@attrs.frozen
class TimerFired:
    """The pending timer *timer_id* is due."""

    timer_id: str
    at: datetime


@attrs.frozen
class Aborted:
    """Somebody ends the execution (AWS API: StopExecution)."""

    at: datetime
    error: str | None = None
    cause: str | None = None


Report: TypeAlias = TaskSubmitted | TaskStarted | TaskSucceeded | TaskFailed | TaskHeartbeat | TimerFired | Aborted
