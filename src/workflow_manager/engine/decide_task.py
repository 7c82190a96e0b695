"""Tasks: what is written when one is scheduled, and what a report about it means."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs

from workflow_manager.asl.errors import ErrorName, StatesError
from workflow_manager.asl.integrations import check_parameters
from workflow_manager.asl.numbers import GetNumber
from workflow_manager.asl.program import CompiledState
from workflow_manager.asl.resources import TaskKind
from workflow_manager.asl.scope import Scope
from workflow_manager.asl.values import is_larger
from workflow_manager.engine.nesting import check_nesting
from workflow_manager.engine.pending import PendingTask
from workflow_manager.engine.reports import TaskFailed, TaskStarted, TaskSubmitted, TaskSucceeded
from workflow_manager.engine.state import Branch
from workflow_manager.engine.writer import Writer
from workflow_manager.history import HistoryEventType as E


@attrs.frozen
class Life:
    """The event types that tell the life of one kind of task."""

    scheduled: E
    started: E
    succeeded: E
    failed: E
    timed_out: E


LIVES: Mapping[TaskKind, Life] = {
    TaskKind.LAMBDA: Life(
        E.LAMBDA_FUNCTION_SCHEDULED,
        E.LAMBDA_FUNCTION_STARTED,
        E.LAMBDA_FUNCTION_SUCCEEDED,
        E.LAMBDA_FUNCTION_FAILED,
        E.LAMBDA_FUNCTION_TIMED_OUT,
    ),
    TaskKind.ACTIVITY: Life(
        E.ACTIVITY_SCHEDULED, E.ACTIVITY_STARTED, E.ACTIVITY_SUCCEEDED, E.ACTIVITY_FAILED, E.ACTIVITY_TIMED_OUT
    ),
    TaskKind.SERVICE: Life(E.TASK_SCHEDULED, E.TASK_STARTED, E.TASK_SUCCEEDED, E.TASK_FAILED, E.TASK_TIMED_OUT),
}


def schedule(w: Writer, branch: Branch, state: CompiledState) -> None:
    """Evaluate what the task gets and write that it is scheduled."""
    data = state.data
    resource = state.resource
    if data.is_identity and state.is_plain:
        details: dict[str, Any] = {"input": branch.input}
    else:
        scope = w.scope(branch)
        details = {"input": data.effective_input(scope), **time_limits(state, scope)}
        if state.credentials is not None:
            details["taskCredentials"] = _credentials(state.credentials(scope))
        for value in details.values():
            check_nesting(value)
    if resource.kind is TaskKind.SERVICE:
        parameters = details.pop("input")
        check_parameters(resource, parameters)
        details = {
            "parameters": parameters,
            "region": w.x.identity.region,
            "resource": resource.resource,
            "resourceType": resource.resource_type,
            **details,
        }
    else:
        details["resource"] = resource.text
    w.write(LIVES[resource.kind].scheduled, branch, details)


def _credentials(value: Any) -> Any:
    """AWS shows the role alone (AWS API: TaskCredentials)."""
    return {"roleArn": value["RoleArn"]} if isinstance(value, Mapping) and "RoleArn" in value else {}


def time_limits(state: CompiledState, scope: Scope) -> dict[str, int]:
    """A task's time limits as AWS's events name them, in seconds; a limit that is no positive integer is an error."""
    limits: dict[str, int] = {}
    for member, field, number in (
        ("timeoutInSeconds", "TimeoutSeconds", state.timeout_seconds),
        ("heartbeatInSeconds", "HeartbeatSeconds", state.heartbeat_seconds),
    ):
        if number is not None:
            limits[member] = _positive(field, number, scope)
    return limits


def _positive(field: str, number: GetNumber, scope: Scope) -> int:
    value = number(scope)
    if value is None or value <= 0 or value != int(value):
        raise StatesError(
            ErrorName.RUNTIME, f'The {field} field refers to value "{value}" which is not a positive integer.'
        )
    return int(value)


# ---------------------------------------------------------------- reports
def started(w: Writer, branch: Branch, task: PendingTask, report: TaskStarted) -> None:
    """The task has begun; a second word of it is no news."""
    if not task.started:
        _write_started(w, branch, task, report.worker_name)


def _write_started(
    w: Writer, branch: Branch, task: PendingTask, worker_name: str | None = None, at: datetime | None = None
) -> None:
    kind = task.resource.kind
    details: Mapping[str, Any] | None = None
    if kind is TaskKind.SERVICE:
        details = {"resource": task.resource.resource, "resourceType": task.resource.resource_type}
    elif kind is TaskKind.ACTIVITY:
        details = {} if worker_name is None else {"workerName": worker_name}
    w.write(LIVES[kind].started, branch, details, at=at)


def submitted(w: Writer, branch: Branch, task: PendingTask, report: TaskSubmitted) -> None:
    """The first answer: an event for a ``.sync`` or callback task, as AWS has it."""
    if task.submitted:
        return
    if task.resource.kind is TaskKind.SERVICE:
        if not task.started:
            _write_started(w, branch, task)
        w.write(E.TASK_SUBMITTED, branch, {"output": report.output, **_service(task)})


def succeeded(w: Writer, branch: Branch, task: PendingTask, report: TaskSucceeded) -> None:
    """The result; one beyond AWS's limit is a failure."""
    limit = w.x.identity.limits.payload_bytes
    if limit is not None and is_larger(report.output, limit):
        resource = task.resource
        name = resource.resource_type if resource.kind is TaskKind.SERVICE else resource.text
        cause = too_large(name)
        error = ErrorName.DATA_LIMIT_EXCEEDED.value
        failed(w, branch, task, TaskFailed(report.token, report.at, error, cause, report.started_at))
        return
    if not task.started:
        _write_started(w, branch, task, at=report.started_at)
    w.write(LIVES[task.resource.kind].succeeded, branch, {"output": report.output, **_service(task)})


def failed(w: Writer, branch: Branch, task: PendingTask, report: TaskFailed) -> None:
    """The failure, named as it was reported."""
    if not task.started:
        _write_started(w, branch, task, at=report.started_at)
    w.write(LIVES[task.resource.kind].failed, branch, {**failure_details(report.error, report.cause), **_service(task)})


def timed_out(w: Writer, branch: Branch, task: PendingTask) -> None:
    """A time-out or a missed heartbeat: both are States.Timeout at AWS."""
    w.write(LIVES[task.resource.kind].timed_out, branch, {"error": ErrorName.TIMEOUT.value, **_service(task)})


def too_large(name: str) -> str:
    """AWS's cause for a result beyond its limit."""
    return f"The state/task '{name}' returned a result with a size exceeding the maximum number of bytes service limit."


def failure_details(error: str | None, cause: str | None) -> dict[str, Any]:
    """Error and cause as members of a details structure: absent where there is none, cut to AWS's lengths."""
    details: dict[str, Any] = {}
    if cause is not None:
        details["cause"] = cause[:32_768]
    if error is not None:
        details["error"] = error[:256]
    return details


def _service(task: PendingTask) -> Mapping[str, Any]:
    if task.resource.kind is not TaskKind.SERVICE:
        return {}
    return {"resource": task.resource.resource, "resourceType": task.resource.resource_type}
