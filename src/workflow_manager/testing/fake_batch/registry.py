"""Job queues, compute environments and job definitions: what SubmitJob names."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from workflow_manager.testing.fake_batch.checks import check_definition, check_tags, unsupported_name
from workflow_manager.testing.fake_batch.errors import client_error
from workflow_manager.testing.fake_batch.records import JobDefinition, JobQueue
from workflow_manager.testing.fake_batch.world import World

Body = Mapping[str, Any]

MOST_DESCRIBED = 100
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
_DEFINITION = re.compile(r"(?P<name>[A-Za-z0-9_-]{1,128})(?::(?P<revision>[0-9]+))?")


def find_queue(world: World, name: str) -> JobQueue:
    """The queue of this name or ARN."""
    prefix = world.arn("job-queue", "")
    found = world.queues.get(name.removeprefix(prefix))
    if found is None:
        raise client_error(f"JobQueue {name} not found.")
    return found


def find_definition(world: World, name: str) -> JobDefinition:
    """The definition of this ARN, ``name:revision``, or the newest active one of this name."""
    prefix = world.arn("job-definition", "")
    parts = _DEFINITION.fullmatch(name.removeprefix(prefix))
    if parts is None:
        raise unsupported_name(name)
    revisions = [each for each in world.definitions.get(parts["name"], ()) if each.active]
    if parts["revision"] is not None:
        revisions = [each for each in revisions if each.revision == int(parts["revision"])]
    if revisions:
        return revisions[-1]
    if name.startswith("arn:"):
        raise client_error(f"JobDefinition {name} not found.")
    raise client_error(f"JobDefinition name {name} does not exist or is not in ACTIVE status")


def register_job_definition(world: World, body: Body) -> dict[str, Any]:
    """Batch API, RegisterJobDefinition: the next revision of the name."""
    check_definition(body)
    name = body["jobDefinitionName"]
    revisions = world.definitions.setdefault(name, [])
    revision = len(revisions) + 1
    arn = world.arn("job-definition", f"{name}:{revision}")
    revisions.append(JobDefinition(name=name, revision=revision, arn=arn, request=body))
    return {"jobDefinitionName": name, "jobDefinitionArn": arn, "revision": revision}


def deregister_job_definition(world: World, body: Body) -> dict[str, Any]:
    """Batch API, DeregisterJobDefinition: the revision stays known, as INACTIVE."""
    find_definition(world, body["jobDefinition"]).active = False
    return {}


def describe_job_definitions(world: World, body: Body) -> dict[str, Any]:
    """Batch API, DescribeJobDefinitions: by ARN or ``name:revision``, or by name and status."""
    named = body.get("jobDefinitions")
    if named is not None:
        _check_count(named, "job definitions")
        wanted = {str(each).removeprefix(world.arn("job-definition", "")) for each in named}
        chosen = [each for each in _definitions(world) if f"{each.name}:{each.revision}" in wanted]
    else:
        chosen = [
            each
            for each in _definitions(world)
            if body.get("jobDefinitionName") in {None, each.name} and body.get("status") in {None, _status(each)}
        ]
    return _page("jobDefinitions", chosen, body, _definition_detail)


def create_job_queue(world: World, body: Body) -> dict[str, Any]:
    """Batch API, CreateJobQueue; the queue is VALID at once and runs any number of jobs."""
    name = body.get("jobQueueName", "")
    if not _NAME.fullmatch(name):
        raise client_error(f"Job queue name {name} should match valid pattern")
    if name in world.queues:
        raise client_error("Object already exists")
    check_tags(body.get("tags") or {})
    order = sorted(body.get("computeEnvironmentOrder") or (), key=lambda entry: entry["order"])
    queue = JobQueue(
        name=name,
        arn=world.arn("job-queue", name),
        priority=body.get("priority", 1),
        state=body.get("state", "ENABLED"),
        fair_share="schedulingPolicyArn" in body,
        compute_environments=tuple(str(entry["computeEnvironment"]).rpartition("/")[2] for entry in order),
        tags=body.get("tags") or {},
    )
    world.queues[name] = queue
    return {"jobQueueName": name, "jobQueueArn": queue.arn}


def update_job_queue(world: World, body: Body) -> dict[str, Any]:
    """Batch API, UpdateJobQueue: of its fields state and priority."""
    queue = find_queue(world, body["jobQueue"])
    queue.state, queue.priority = body.get("state", queue.state), body.get("priority", queue.priority)
    return {"jobQueueName": queue.name, "jobQueueArn": queue.arn}


def describe_job_queues(world: World, body: Body) -> dict[str, Any]:
    """Batch API, DescribeJobQueues; what is unknown is left out."""
    chosen = _named(world, "job-queue", body.get("jobQueues"), world.queues)
    return _page("jobQueues", chosen, body, lambda queue: _queue_detail(world, queue))


def create_compute_environment(world: World, body: Body) -> dict[str, Any]:
    """Batch API, CreateComputeEnvironment; it is VALID at once and limits nothing."""
    name = body.get("computeEnvironmentName", "")
    if not _NAME.fullmatch(name):
        raise client_error(f"Compute environment name {name} should match valid pattern")
    if name in world.compute_environments:
        raise client_error("Object already exists")
    check_tags(body.get("tags") or {})
    world.compute_environments[name] = body
    return {"computeEnvironmentName": name, "computeEnvironmentArn": world.arn("compute-environment", name)}


def describe_compute_environments(world: World, body: Body) -> dict[str, Any]:
    """Batch API, DescribeComputeEnvironments."""
    chosen = _named(world, "compute-environment", body.get("computeEnvironments"), world.compute_environments)
    return _page("computeEnvironments", chosen, body, lambda given: _environment_detail(world, given))


def _definitions(world: World) -> list[JobDefinition]:
    return [each for name in sorted(world.definitions) for each in world.definitions[name]]


def _status(definition: JobDefinition) -> str:
    return "ACTIVE" if definition.active else "INACTIVE"


def _definition_detail(definition: JobDefinition) -> dict[str, Any]:
    head = {"jobDefinitionArn": definition.arn, "revision": definition.revision, "status": _status(definition)}
    return {**definition.request, **head, "containerOrchestrationType": "ECS"}


def _queue_detail(world: World, queue: JobQueue) -> dict[str, Any]:
    return {
        "jobQueueName": queue.name,
        "jobQueueArn": queue.arn,
        "state": queue.state,
        "status": "VALID",
        "statusReason": "JobQueue Healthy",
        "priority": queue.priority,
        "computeEnvironmentOrder": [
            {"order": order, "computeEnvironment": world.arn("compute-environment", name)}
            for order, name in enumerate(queue.compute_environments, 1)
        ],
        "tags": dict(queue.tags),
    }


def _environment_detail(world: World, given: Body) -> dict[str, Any]:
    healthy = {"status": "VALID", "statusReason": "ComputeEnvironment Healthy", "state": given.get("state", "ENABLED")}
    arn = world.arn("compute-environment", given["computeEnvironmentName"])
    return {**given, **healthy, "computeEnvironmentArn": arn, "containerOrchestrationType": "ECS"}


def _named(world: World, kind: str, names: Sequence[str] | None, known: Mapping[str, Any]) -> list[Any]:
    if not names:
        return [known[name] for name in sorted(known)]
    _check_count(names, kind)
    short = [name.removeprefix(world.arn(kind, "")) for name in names]
    return [known[name] for name in short if name in known]


def _check_count(names: Sequence[str], what: str) -> None:
    if len(names) > MOST_DESCRIBED:
        raise client_error(f"At most {MOST_DESCRIBED} {what} can be described at once, got {len(names)}")


def _page(key: str, found: Sequence[Any], body: Body, detail: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
    first = int(body.get("nextToken") or 0)
    last = first + min(MOST_DESCRIBED, int(body.get("maxResults") or MOST_DESCRIBED))
    page: dict[str, Any] = {key: [detail(each) for each in found[first:last]]}
    return page | ({"nextToken": str(last)} if last < len(found) else {})
