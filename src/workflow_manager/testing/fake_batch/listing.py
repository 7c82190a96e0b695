"""DescribeJobs and ListJobs: what they show, in which order, and what they leave out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from workflow_manager.testing.fake_batch import registry
from workflow_manager.testing.fake_batch.details import job_detail, job_summary
from workflow_manager.testing.fake_batch.errors import client_error
from workflow_manager.testing.fake_batch.records import Job, Status
from workflow_manager.testing.fake_batch.world import World

Body = Mapping[str, Any]

MOST_DESCRIBED = 100
PAGE, FILTERED_PAGE = 1000, 100


def describe_jobs(world: World, body: Body) -> dict[str, Any]:
    """Batch API, DescribeJobs: up to 100 ids; unknown ones are left out; the order is not that of the request."""
    ids = body.get("jobs") or ()
    if len(ids) > MOST_DESCRIBED:
        raise client_error(f"At most {MOST_DESCRIBED} jobs can be described at once, got {len(ids)}")
    jobs = sorted(world.found(dict.fromkeys(ids)), key=lambda job: (job.number, job.index or 0))
    return {"jobs": [job_detail(world, job) for job in jobs]}


def list_jobs(world: World, body: Body) -> dict[str, Any]:
    """
    Batch API, ListJobs: of one queue or one array, newest first; without a status only RUNNING jobs.

    At most one filter, which makes jobStatus count for nothing unless it is SHARE_IDENTIFIER and leaves an array's
    children alone.
    """
    _check_one_place(body)
    token = _read_token(body)
    status = body.get("jobStatus", Status.RUNNING)
    array = body.get("arrayJobId")
    if array is not None:
        parent = world.jobs.get(array)
        children = [child for child in parent.children if child.visible] if parent is not None else []
        return _page(world, (job for job in children[token or 0 :] if job.status == status), body, _index_after, PAGE)
    filters = body.get("filters") or ()
    jobs: Iterable[Job]
    if not filters:
        jobs = (job for job in _newest_first(world, body, token) if job.status == status)
        return _page(world, jobs, body, _number, PAGE)
    keep = _filter(filters)
    by_status = filters[0]["name"] == "SHARE_IDENTIFIER" and "jobStatus" in body
    jobs = (
        job
        for job in _candidates(world, body, filters[0], token)
        if keep(job) and (not by_status or job.status == status)
    )
    return _page(world, jobs, body, _number, FILTERED_PAGE)


def _check_one_place(body: Body) -> None:
    places = [name for name in ("jobQueue", "arrayJobId", "multiNodeJobId") if body.get(name)]
    if len(places) != 1:
        raise client_error("Exactly one of jobQueue, arrayJobId and multiNodeJobId should be specified")
    if places == ["multiNodeJobId"]:
        raise NotImplementedError("FakeBatch has no multi-node parallel jobs (ListJobs with multiNodeJobId)")
    if "maxResults" in body and not 1 <= body["maxResults"] <= PAGE:
        raise client_error(f"maxResults must be between 1 and {PAGE}, got {body['maxResults']}")
    if "jobStatus" in body and body["jobStatus"] not in Status.__members__:
        raise client_error(f"Job status {body['jobStatus']} is not valid")


def _read_token(body: Body) -> int | None:
    token = body.get("nextToken")
    if token is None:
        return None
    if not str(token).isdecimal():
        raise client_error("nextToken is not valid")
    return int(token)


def _newest_first(world: World, body: Body, before: int | None) -> Iterable[Job]:
    queue = registry.find_queue(world, body["jobQueue"])
    return _visible(world, reversed(queue.jobs.values()), before)


def _candidates(world: World, body: Body, given: Body, before: int | None) -> Iterable[Job]:
    # The index by name makes looking for one name independent of how many jobs there are.
    name = given["values"][0].lower() if given.get("values") else ""
    if given["name"] != "JOB_NAME" or name.endswith("*"):
        return _newest_first(world, body, before)
    queue = registry.find_queue(world, body["jobQueue"])
    named = _visible(world, reversed(world.by_name.get(name, {}).values()), before)
    return (job for job in named if job.queue is queue)


def _visible(world: World, jobs: Iterable[Job], before: int | None) -> Iterable[Job]:
    latest = world.timeline.now - world.listing_lag * 1000
    return (job for job in jobs if job.created_at <= latest and (before is None or job.number < before))


def _filter(filters: Sequence[Body]) -> Callable[[Job], bool]:
    given = filters[0]
    values: Sequence[str] = given.get("values") or ()
    if len(filters) != 1 or len(values) != 1:
        raise client_error("Only one filter with one value can be used at a time")
    name, value = given.get("name"), values[0]
    if name == "JOB_NAME":
        return lambda job: _matches(value.lower(), job.name.lower())
    if name == "JOB_DEFINITION":
        return lambda job: job.definition.arn == value or _matches(value, job.definition.name)
    if name == "SHARE_IDENTIFIER":
        return lambda job: bool(job.request.get("shareIdentifier") == value)
    if name in {"BEFORE_CREATED_AT", "AFTER_CREATED_AT"}:
        if not value.isdecimal():
            raise client_error(f"{name} must be a number of milliseconds, got {value}")
        at = int(value)
        return lambda job: job.created_at < at if name == "BEFORE_CREATED_AT" else job.created_at > at
    raise client_error(f"Filter {name} is not supported")


def _matches(pattern: str, name: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


def _page(world: World, jobs: Iterable[Job], body: Body, mark: Callable[[Job], int], longest: int) -> dict[str, Any]:
    size = min(longest, body.get("maxResults") or longest)
    found = list(islice(jobs, size + 1))
    page: dict[str, Any] = {"jobSummaryList": [job_summary(world, job) for job in found[:size]]}
    return page | ({"nextToken": str(mark(found[size - 1]))} if len(found) > size else {})


def _number(job: Job) -> int:
    return job.number


def _index_after(job: Job) -> int:
    assert job.index is not None
    return job.index + 1
