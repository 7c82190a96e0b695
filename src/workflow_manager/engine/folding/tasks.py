"""Folding events of tasks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from workflow_manager.asl.resources import TaskKind
from workflow_manager.asl.retries import Failure
from workflow_manager.asl.timestamps import later
from workflow_manager.engine.folding.failures import fail, retried_unseen
from workflow_manager.engine.folding.pending_work import drop_task, token_of
from workflow_manager.engine.pending import PendingTask, PendingTimer, TimerKind
from workflow_manager.engine.state import Branch, ExecutionState, Phase
from workflow_manager.history import HistoryEvent
from workflow_manager.models import changed


def scheduled(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    """A task should run."""
    retried_unseen(branch)
    branch.previous = event.id
    branch.phase = Phase.WORKING
    resource = branch.current.resource
    credentials = details.get("taskCredentials")
    task = PendingTask(
        token=token_of(x, branch),
        branch=branch.path,
        state=branch.current.name,
        resource=resource,
        input=details.get("parameters") if resource.kind is TaskKind.SERVICE else details.get("input"),
        attempt=branch.attempt,
        scheduled_event_id=event.id,
        scheduled_at=event.timestamp,
        timeout_seconds=details.get("timeoutInSeconds"),
        heartbeat_seconds=details.get("heartbeatInSeconds"),
        credentials=None if credentials is None else dict(credentials),
    )
    branch.token = task.token
    x.add_task(branch, task)
    _start_clock(x, branch, TimerKind.TASK_TIMEOUT, task, task.timeout_seconds, event.timestamp)
    _start_clock(x, branch, TimerKind.HEARTBEAT, task, task.heartbeat_seconds, event.timestamp)


def _start_clock(
    x: ExecutionState, branch: Branch, kind: TimerKind, task: PendingTask, seconds: int | None, begun: datetime
) -> None:
    if seconds is not None:
        due = later(begun, seconds)
        x.add_timer(branch, PendingTimer(id=f"{kind}:{task.token}", kind=kind, branch=branch.path, due=due))


def started(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    """The task has begun."""
    branch.previous = event.id
    _touch(x, branch, event, started=True)


def submitted(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    """The task has given its first answer."""
    branch.previous = event.id
    _touch(x, branch, event, submitted=True, receipt=details.get("output"))


def heartbeat(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    """The task is alive."""
    _touch(x, branch, event)


def _touch(x: ExecutionState, branch: Branch, event: HistoryEvent, **changes: Any) -> None:
    """The task has been heard of: note it, and start its heartbeat clock again."""
    task = x.tasks.get(branch.token or "")
    if task is None:
        return
    if changes:
        task = changed(task, **changes)
        x.tasks[task.token] = task
        if task.token in x.changes.tasks:
            x.changes.tasks[task.token] = task
    _start_clock(x, branch, TimerKind.HEARTBEAT, task, task.heartbeat_seconds, event.timestamp)


def succeeded(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    """The task has its result."""
    branch.previous = event.id
    drop_task(x, branch)
    branch.phase, branch.result = Phase.DONE, details.get("output")


def task_failed(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    """The task has failed."""
    branch.previous = event.id
    fail(x, branch, Failure(details.get("error"), details.get("cause")))


def task_timed_out(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    """A time-out has no cause in the event, and an empty one in the error output."""
    branch.previous = event.id
    beat = x.timers.get(f"{TimerKind.HEARTBEAT}:{branch.token}")
    missed = beat is not None and beat.due <= event.timestamp
    fail(x, branch, Failure(details.get("error"), details.get("cause", ""), heartbeat=missed))
