"""Jobs as people see them: the engine's, with what Batch knows of each beside it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import attrs

from workflow_manager.managers.batch.books import Book
from workflow_manager.managers.batch.reasons import is_stopped_by_hand, stuck
from workflow_manager.models import Job, JobAttempt, JobStatus, StateResource, Workflow

_STATUS: Mapping[str, JobStatus] = {
    "SUBMITTED": JobStatus.CREATED,
    "PENDING": JobStatus.WAITING_FOR_DEPS,
    "RUNNABLE": JobStatus.QUEUED,
    "STARTING": JobStatus.QUEUED,
    "RUNNING": JobStatus.RUNNING,
}


def with_details(workflow: Workflow, job: Job, book: Book) -> Job:
    """*job*, which the history of *workflow* tells of, with all that *book* has about its Batch job."""
    resource = _resource(workflow, job)
    tokens = [token for n in range(len(job.attempts) + 1) if (token := _token(workflow, job, n)) in book.jobs]
    if not tokens:
        return attrs.evolve(job, state_resource=resource)
    job_id = book.jobs[tokens[-1]]
    detail = book.details.get(job_id, {})
    earlier = [
        _earlier(attempt, book.details.get(book.jobs.get(_token(workflow, job, n), ""), {}))
        for n, attempt in enumerate(job.attempts)
    ]
    status, reason = _status(job, detail)
    container = detail.get("container") or {}
    return attrs.evolve(
        job,
        id=job_id,
        name=str(detail.get("jobName", job.name)),
        queue=str(detail.get("jobQueue", "")),
        status=status,
        status_reason=reason,
        container=str(container.get("taskArn", job.container)),
        created_at=time_of(detail, "createdAt") or job.created_at,
        started_at=time_of(detail, "startedAt") if detail else job.started_at,
        stopped_at=time_of(detail, "stoppedAt") or job.stopped_at,
        state_resource=resource,
        attempts=(*earlier, *_attempts(detail)),
    )


def _token(workflow: Workflow, job: Job, attempt: int) -> str:
    return f"{workflow.id}.{job.entered_event_id}.{attempt}"


def _resource(workflow: Workflow, job: Job) -> StateResource | None:
    """Named after the state where there is no namespace, as upstream has it."""
    found = job.state_resource
    return found if found is None or workflow.namespace else attrs.evolve(found, name=job.state)


def _status(job: Job, detail: Mapping[str, Any]) -> tuple[JobStatus, str]:
    if job.status is JobStatus.FAILED and detail.get("startedAt") is None and is_stopped_by_hand(detail):
        return JobStatus.ABORTED_BY_USER, job.status_reason
    if job.status.is_final or detail.get("status") not in _STATUS:
        return job.status, job.status_reason
    return _STATUS[detail["status"]], stuck(detail) or str(detail.get("statusReason") or job.status_reason)


def _attempts(detail: Mapping[str, Any]) -> list[JobAttempt]:
    """As Batch tells them; of an array's child only the last is known (Batch API, JobSummary)."""
    if "attempts" in detail:
        return [_attempt(each) for each in detail["attempts"]]
    return [_attempt(detail)] if detail.get("startedAt") and detail.get("stoppedAt") else []


def _attempt(attempt: Mapping[str, Any]) -> JobAttempt:
    container = attempt.get("container") or {}
    code = container.get("exitCode")
    return JobAttempt(
        started_at=time_of(attempt, "startedAt"),
        stopped_at=time_of(attempt, "stoppedAt"),
        container_instance_arn=container.get("containerInstanceArn", ""),
        task_arn=container.get("taskArn", ""),
        reason=container.get("reason") or attempt.get("statusReason") or "",
        exit_code=None if code is None else int(code),
        log_stream=container.get("logStreamName", ""),
    )


def _earlier(attempt: JobAttempt, detail: Mapping[str, Any]) -> JobAttempt:
    """An attempt that was a job of its own."""
    tried = _attempts(detail)
    if not tried:
        return attempt
    return attrs.evolve(tried[-1], created_at=attempt.created_at, error=attempt.error, reason=attempt.reason)


def time_of(detail: Mapping[str, Any], name: str) -> datetime | None:
    """A time that Batch gives as milliseconds since 1970."""
    value = detail.get(name)
    return datetime.fromtimestamp(value / 1000, UTC) if isinstance(value, int | float) and value else None
