"""Jobs as JSON: Batch's JobDetail, JobSummary and the event "Batch Job State Change"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workflow_manager.testing.fake_batch import running
from workflow_manager.testing.fake_batch.records import Attempt, Job, Status
from workflow_manager.testing.fake_batch.world import ACCOUNT, World

_RESOURCES = ("image", "vcpus", "memory", "jobRoleArn", "executionRoleArn", "user", "logConfiguration")


def job_detail(world: World, job: Job) -> dict[str, Any]:
    """Batch API, JobDetail; what does not apply is left out."""
    definition = job.definition.request
    found = {
        "jobArn": world.arn("job", job.id),
        "jobName": job.name,
        "jobId": job.id,
        "jobQueue": job.queue.arn,
        "status": str(job.status),
        "attempts": [_attempt(world, attempt) for attempt in job.attempts],
        "statusReason": job.status_reason,
        "createdAt": job.created_at,
        "retryStrategy": job.retry_strategy,
        "startedAt": job.started_at,
        "stoppedAt": job.stopped_at,
        "dependsOn": job.request.get("dependsOn") or [],
        "jobDefinition": job.definition.arn,
        "parameters": running.parameters_of(job),
        "container": _container(world, job),
        "arrayProperties": _array(job),
        "timeout": job.request.get("timeout") or definition.get("timeout"),
        "tags": job.request.get("tags") or {},
        "propagateTags": job.request.get("propagateTags", definition.get("propagateTags", False)),
        "platformCapabilities": definition.get("platformCapabilities") or [],
        "shareIdentifier": job.request.get("shareIdentifier"),
        "isCancelled": job.cancelled,
        "isTerminated": job.terminated,
    }
    return _present(found)


def job_summary(world: World, job: Job) -> dict[str, Any]:
    """Batch API, JobSummary."""
    last = job.last_attempt
    end = last.end if last is not None and job.status.final else None
    found = {
        "jobArn": world.arn("job", job.id),
        "jobId": job.id,
        "jobName": job.name,
        "createdAt": job.created_at,
        "status": str(job.status),
        "statusReason": job.status_reason,
        "startedAt": job.started_at,
        "stoppedAt": job.stopped_at,
        "container": _present({"exitCode": end.exit_code, "reason": end.reason}) if end else None,
        "arrayProperties": _array(job),
        "jobDefinition": job.definition.arn,
        "shareIdentifier": job.request.get("shareIdentifier"),
        "isCancelled": job.cancelled,
        "isTerminated": job.terminated,
    }
    return _present(found)


def state_change(world: World, job: Job) -> dict[str, Any]:
    """EventBridge's event "Batch Job State Change": its detail is the JobDetail of the moment."""
    return {
        "version": "0",
        "id": world.new_id(),
        "detail-type": "Batch Job State Change",
        "source": "aws.batch",
        "account": ACCOUNT,
        "time": world.timeline.moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": world.region,
        "resources": [world.arn("job", job.id)],
        "detail": job_detail(world, job),
    }


def _present(found: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if value is not None}


def _container(world: World, job: Job) -> dict[str, Any]:
    given = job.definition.container
    overrides = job.request.get("containerOverrides") or {}
    environment = running.environment_of(world, job)
    last = job.last_attempt
    return (
        {name: given[name] for name in _RESOURCES if name in given}
        | {
            "command": list(running.command_of(job)),
            "environment": [{"name": name, "value": value} for name, value in environment.items()],
            "resourceRequirements": _requirements(given, overrides),
            "volumes": [],
            "mountPoints": [],
            "ulimits": [],
            "networkInterfaces": [],
            "secrets": list(given.get("secrets") or ()),
        }
        | (_attempt_container(world, last) if last is not None else {})
    )


def _requirements(given: Mapping[str, Any], overrides: Mapping[str, Any]) -> list[dict[str, str]]:
    both = [*(given.get("resourceRequirements") or ()), *(overrides.get("resourceRequirements") or ())]
    return [{"type": type, "value": value} for type, value in {each["type"]: each["value"] for each in both}.items()]


def _attempt(world: World, attempt: Attempt) -> dict[str, Any]:
    return _present(
        {
            "container": _attempt_container(world, attempt) | {"networkInterfaces": []},
            "startedAt": attempt.started_at,
            "stoppedAt": attempt.stopped_at,
            "statusReason": attempt.end.status_reason if attempt.end else None,
        }
    )


def _attempt_container(world: World, attempt: Attempt) -> dict[str, Any]:
    return _present(
        {
            "containerInstanceArn": running.instance_arn(world, attempt),
            "taskArn": running.task_arn(world, attempt),
            "logStreamName": attempt.log_stream if attempt.started_at is not None else None,
            "exitCode": attempt.end.exit_code if attempt.end else None,
            "reason": attempt.end.reason if attempt.end else None,
        }
    )


def _array(job: Job) -> dict[str, Any] | None:
    if job.index is not None:
        return {"index": job.index}
    if job.size is None or job.summary is None:
        return None
    summary = {str(status): job.summary[status] for status in Status}
    return _present({"statusSummary": summary, "statusSummaryLastUpdatedAt": job.summary_at, "size": job.size})
