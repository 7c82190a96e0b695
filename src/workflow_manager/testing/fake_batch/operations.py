"""The table of operations that the fake answers: each takes the request's body and gives the response's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from workflow_manager.testing.fake_batch import listing, registry, stopping, submission
from workflow_manager.testing.fake_batch.checks import check_reason
from workflow_manager.testing.fake_batch.errors import client_error
from workflow_manager.testing.fake_batch.records import Job
from workflow_manager.testing.fake_batch.world import World

Body: TypeAlias = Mapping[str, Any]
Operation: TypeAlias = Callable[[World, Body, int], Mapping[str, Any]]
"""World, request body and its length in bytes to response body."""

Stop: TypeAlias = Callable[[World, Job, str], None]

MOST_STOPPED = 50


def _plain(do: Callable[[World, Body], Mapping[str, Any]]) -> Operation:
    return lambda world, body, size: do(world, body)


def _stop_one(stop: Stop) -> Operation:
    # A job that Batch does not know is not an error (Batch API, CancelJobs: "treated as successfully processed").
    def do(world: World, body: Body, size: int) -> dict[str, Any]:
        check_reason(body["reason"])
        _stop(world, [body["jobId"]], stop, body["reason"])
        return {}

    return do


def _stop_many(stop: Stop) -> Operation:
    def do(world: World, body: Body, size: int) -> dict[str, Any]:
        check_reason(body["reason"])
        ids = body["jobs"]
        if len(ids) > MOST_STOPPED:
            raise client_error(f"At most {MOST_STOPPED} jobs can be given at once, got {len(ids)}")
        _stop(world, ids, stop, body["reason"])
        return {"successful": list(ids), "errors": []}

    return do


def _stop(world: World, ids: Iterable[str], stop: Stop, reason: str) -> None:
    for job in world.found(ids):
        stop(world, job, reason)


def _tags(world: World, body: Body, size: int) -> dict[str, Any]:
    arn = str(body["resourceArn"])
    if arn.startswith(world.arn("job", "")):
        job = world.jobs.get(arn.rpartition("/")[2])
        return {"tags": dict(job.request.get("tags") or {}) if job is not None else {}}
    if arn.startswith(world.arn("job-definition", "")):
        return {"tags": dict(registry.find_definition(world, arn).request.get("tags") or {})}
    return {"tags": dict(registry.find_queue(world, arn).tags)}


BATCH: dict[str, Operation] = {
    "SubmitJob": submission.submit,
    "DescribeJobs": _plain(listing.describe_jobs),
    "ListJobs": _plain(listing.list_jobs),
    "CancelJob": _stop_one(stopping.cancel),
    "TerminateJob": _stop_one(stopping.terminate),
    "CancelJobs": _stop_many(stopping.cancel),
    "TerminateJobs": _stop_many(stopping.terminate),
    "RegisterJobDefinition": _plain(registry.register_job_definition),
    "DeregisterJobDefinition": _plain(registry.deregister_job_definition),
    "DescribeJobDefinitions": _plain(registry.describe_job_definitions),
    "CreateJobQueue": _plain(registry.create_job_queue),
    "UpdateJobQueue": _plain(registry.update_job_queue),
    "DescribeJobQueues": _plain(registry.describe_job_queues),
    "CreateComputeEnvironment": _plain(registry.create_compute_environment),
    "DescribeComputeEnvironments": _plain(registry.describe_compute_environments),
    "ListTagsForResource": _tags,
}

LOGS: dict[str, Operation] = {
    "GetLogEvents": lambda world, body, size: world.logs.get_log_events(body),
    "FilterLogEvents": lambda world, body, size: world.logs.filter_log_events(body),
    "DescribeLogStreams": lambda world, body, size: world.logs.describe_log_streams(body),
}

SERVICES: dict[str, dict[str, Operation]] = {"batch": BATCH, "cloudwatch-logs": LOGS}
