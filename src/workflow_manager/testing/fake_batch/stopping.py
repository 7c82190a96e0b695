"""CancelJob and TerminateJob, as they really are (Batch API, both pages)."""

from __future__ import annotations

from workflow_manager.testing.fake_batch import flow
from workflow_manager.testing.fake_batch.ends import KILLED, JobEnd
from workflow_manager.testing.fake_batch.records import Job, Status, StopKind
from workflow_manager.testing.fake_batch.world import World

_CONTAINER = frozenset({Status.STARTING, Status.RUNNING})


def terminate(world: World, job: Job, reason: str) -> None:
    """
    Ends *job* whatever its status, unless it has ended; an array's children one by one.

    One that has not reached STARTING reads back as cancelled, any other as terminated.
    """
    if job.status.final or job.stop is StopKind.TERMINATE:
        return
    job.stop, job.stop_reason = StopKind.TERMINATE, reason
    if job.size is not None and job.children[0].visible:
        job.terminated = True
        for child in job.children:
            terminate(world, child, reason)
    elif job.status in _CONTAINER:
        job.terminated = True
        end = JobEnd(exit_code=KILLED if job.status is Status.RUNNING else None, status_reason=reason)
        flow.stop_container(world, job, end)
    else:
        job.cancelled = True
        _fail_soon(world, job)


def cancel(world: World, job: Job, reason: str) -> None:
    """
    Ends *job* if it has not reached STARTING; otherwise nothing happens.

    A PENDING job waits for the end of its dependencies first.  Of an array the children are cancelled; the parent
    follows when the last of them has ended.
    """
    if job.status.final or job.status in _CONTAINER or job.stop is not None:
        return
    job.stop, job.stop_reason, job.cancelled = StopKind.CANCEL, reason, True
    if job.size is not None and job.children[0].visible:
        for child in job.children:
            cancel(world, child, reason)
    elif job.status is not Status.PENDING or not job.waiting:
        _fail_soon(world, job)


def _fail_soon(world: World, job: Job) -> None:
    job.tick += 1
    world.later(job, world.delays.stopping, _fail)


def _fail(world: World, job: Job) -> None:
    flow.finish(world, job, Status.FAILED, job.stop_reason)
