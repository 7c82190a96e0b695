"""SubmitJob: from a request to a job, its children, and what they wait for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workflow_manager.testing.fake_batch import flow, registry
from workflow_manager.testing.fake_batch.checks import check_submission
from workflow_manager.testing.fake_batch.errors import client_error, request_error
from workflow_manager.testing.fake_batch.records import Job, Status
from workflow_manager.testing.fake_batch.world import World, fresh_summary

Body = Mapping[str, Any]

UNKNOWN = ("nodeOverrides", "eksPropertiesOverride", "ecsPropertiesOverride", "consumableResourcePropertiesOverride")


def submit(world: World, body: Body, size: int) -> dict[str, str]:
    """Batch API, SubmitJob; *size* is the request's length in bytes.  There is no idempotency token."""
    for member in UNKNOWN:
        if body.get(member):
            raise NotImplementedError(f"FakeBatch does not know SubmitJob's {member}")
    queue = registry.find_queue(world, body.get("jobQueue", ""))
    check_submission(body, size, queue)
    definition = registry.find_definition(world, body.get("jobDefinition", ""))
    needed = _needed(world, body)
    world.newest += 1
    job = Job(
        id=world.new_id(),
        name=body["jobName"],
        number=world.newest,
        queue=queue,
        definition=definition,
        request=body,
        created_at=world.timeline.now,
        size=(body.get("arrayProperties") or {}).get("size"),
    )
    if job.size is not None:
        job.summary = fresh_summary()
        job.children = [_child(job, index) for index in range(job.size)]
    for dependency, other in needed:
        if dependency.get("type") == "N_TO_N":
            for child, other_child in zip(job.children, other.children, strict=True):
                _wait_for(child, other_child)
        else:
            _wait_for(job, other)
    if any(each.get("type") == "SEQUENTIAL" for each in body.get("dependsOn") or ()):
        for former, child in zip(job.children, job.children[1:], strict=False):
            _wait_for(child, former)
    flow.submitted(world, job)
    return {"jobName": job.name, "jobId": job.id, "jobArn": world.arn("job", job.id)}


def _needed(world: World, body: Body) -> list[tuple[Body, Job]]:
    needed = []
    for dependency in body.get("dependsOn") or ():
        if "jobId" not in dependency:
            continue
        other = world.jobs.get(dependency["jobId"])
        if other is None:
            raise request_error(f"Job dependency {dependency['jobId']} does not exist")
        if dependency.get("type") == "N_TO_N" and other.size != (body.get("arrayProperties") or {}).get("size"):
            raise client_error("Array sizes of an N_TO_N dependency must be equal")
        needed.append((dependency, other))
    return needed


def _child(parent: Job, index: int) -> Job:
    return Job(
        id=f"{parent.id}:{index}",
        name=parent.name,
        number=parent.number,
        queue=parent.queue,
        definition=parent.definition,
        request=parent.request,
        created_at=parent.created_at,
        parent=parent,
        index=index,
        visible=False,
    )


def _wait_for(job: Job, other: Job) -> None:
    if other.status is Status.FAILED:
        job.doomed = True
    elif other.status is not Status.SUCCEEDED:
        job.waiting += 1
        other.dependents.append(job)
