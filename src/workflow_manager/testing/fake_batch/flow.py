"""
How a job gets from SUBMITTED to its end (AWS Batch User Guide, Job states, Job dependencies, Array jobs).

Nothing here calls itself for another job: what follows from the end of a job is planned for the same millisecond, so
that a chain of any length is walked without recursion.
"""

from __future__ import annotations

import json
from functools import partial

from workflow_manager.testing.fake_batch import running
from workflow_manager.testing.fake_batch.ends import (
    CHILD_FAILED,
    DEPENDENCY_FAILED,
    KILLED,
    OVERRIDES_TOO_LONG,
    TIMED_OUT,
    JobEnd,
)
from workflow_manager.testing.fake_batch.records import Attempt, Job, JobQueue, Status, StopKind
from workflow_manager.testing.fake_batch.retries import should_retry
from workflow_manager.testing.fake_batch.world import World

LONGEST_OVERRIDES = 8192
MOST_TAGS = 50


def submitted(world: World, job: Job) -> None:
    """Begins the life of a new *job*."""
    world.add(job)
    world.announce(job)
    world.later(job, world.delays.submitted, _evaluate)


def _evaluate(world: World, job: Job) -> None:
    if any("jobId" in dependency for dependency in job.request.get("dependsOn") or ()):
        world.move(job, Status.PENDING)
    _go_on(world, job)


def _go_on(world: World, job: Job) -> None:
    # The scheduler looks at a job that is not yet RUNNABLE.
    if job.stop is StopKind.TERMINATE:
        return
    if job.stop is StopKind.CANCEL and (job.doomed or not job.waiting):
        finish(world, job, Status.FAILED, job.stop_reason)
    elif job.doomed:
        finish(world, job, Status.FAILED, DEPENDENCY_FAILED)
    elif job.waiting:
        return
    elif job.size is not None:
        _spawn(world, job)
    elif job.status is Status.PENDING:
        world.later(job, world.delays.pending, make_runnable)
    else:
        make_runnable(world, job)


def _spawn(world: World, parent: Job) -> None:
    for child in parent.children:
        child.created_at = world.timeline.now
        child.status = Status.PENDING
        world.add(child)
        world.announce(child)
    for child in parent.children:
        _go_on(world, child)


def make_runnable(world: World, job: Job) -> None:
    """All that *job* waited for has succeeded, or it is tried again: it waits for a slot of its queue."""
    world.move(job, Status.RUNNABLE, job.queue.blocked)
    if job.parent is not None and job.parent.status is Status.SUBMITTED:
        world.move(job.parent, Status.PENDING)
    world.later(job, world.delays.runnable, _queue_up)


def _queue_up(world: World, job: Job) -> None:
    job.queue.ready.append((job, job.tick))
    fill(world, job.queue)


def fill(world: World, queue: JobQueue) -> None:
    """Starts what waits in *queue*, first come, first served, while there are slots."""
    while queue.ready and queue.blocked is None and (queue.slots is None or queue.used < queue.slots):
        job, tick = queue.ready.popleft()
        if job.tick == tick:
            _start(world, job)


def _start(world: World, job: Job) -> None:
    job.queue.used += 1
    job.current = running.new_attempt(world, job)
    world.move(job, Status.STARTING)
    overrides = job.request.get("containerOverrides")
    tags = {**job.definition.request.get("tags", {}), **job.request.get("tags", {})}
    propagates = job.request.get("propagateTags", job.definition.request.get("propagateTags", False))
    if overrides and len(json.dumps(overrides, separators=(",", ":"))) > LONGEST_OVERRIDES:
        world.later(job, 0, partial(_refuse, reason=OVERRIDES_TOO_LONG))
    elif propagates and len(tags) > MOST_TAGS:
        reason = f"Combined tags of job and job definition exceed {MOST_TAGS}"
        world.later(job, 0, partial(_refuse, reason=reason))
    else:
        world.later(job, world.delays.starting, _container_starts)


def _refuse(world: World, job: Job, reason: str) -> None:
    # ECS does not take the task: there is no container and no attempt, and no other attempt would help.
    job.current = None
    finish(world, job, Status.FAILED, reason)
    _leave_slot(world, job)


def _container_starts(world: World, job: Job) -> None:
    job.steps = running.steps(world, job)
    tick, step = job.tick, running.step(world, job)
    if job.tick != tick:  # the job has ended itself, through the service
        return
    if isinstance(step, JobEnd) and not step.started:
        end_attempt(world, job, step)
        return
    assert job.current is not None
    job.started_at = job.current.started_at = world.timeline.now
    world.move(job, Status.RUNNING)
    if job.timeout is not None:
        world.later(job, job.timeout, _time_out)
    _wait(world, job, step)


def _wait(world: World, job: Job, step: float | JobEnd) -> None:
    if isinstance(step, JobEnd):
        world.later(job, 0, partial(_end_with, end=step))
    else:
        world.later(job, step, _step)


def _step(world: World, job: Job) -> None:
    tick, step = job.tick, running.step(world, job)
    if job.tick == tick:
        _wait(world, job, step)


def _end_with(world: World, job: Job, end: JobEnd) -> None:
    end_attempt(world, job, end)


def _time_out(world: World, job: Job) -> None:
    stop_container(world, job, JobEnd(exit_code=KILLED, status_reason=TIMED_OUT))


def stop_container(world: World, job: Job, end: JobEnd, *, may_retry: bool = False) -> None:
    """Kills the container of *job* now; the attempt ends with *end* when Batch has noticed."""
    running.kill(job)
    job.tick += 1
    world.later(job, world.delays.stopping, partial(end_attempt, end=end, may_retry=may_retry))


def end_attempt(world: World, job: Job, end: JobEnd, *, may_retry: bool = True) -> None:
    """The attempt under way ends with *end*: the job succeeds, fails, or waits for its next attempt."""
    running.kill(job)
    attempt, job.current = job.current, None
    assert attempt is not None
    _close(world, attempt, end)
    job.attempts.append(attempt)
    if end.succeeded:
        finish(world, job, Status.SUCCEEDED, end.status_reason)
    elif may_retry and job.stop is None and should_retry(job.retry_strategy, len(job.attempts), end):
        make_runnable(world, job)
    else:
        finish(world, job, Status.FAILED, end.status_reason)
    _leave_slot(world, job)


def _close(world: World, attempt: Attempt, end: JobEnd) -> None:
    attempt.stopped_at, attempt.end = world.timeline.now, end


def _leave_slot(world: World, job: Job) -> None:
    job.queue.used -= 1
    fill(world, job.queue)


def finish(world: World, job: Job, status: Status, reason: str | None = None) -> None:
    """*job* has its final *status*; those who wait for it are told."""
    world.move(job, status, reason)
    if job.size is not None and not job.children[0].visible:
        for child in job.children:
            # Never spawned: nobody sees them, but children of other arrays may wait for them.
            finish(world, child, status, reason)
    if job.dependents:
        world.timeline.after(0, partial(_tell_dependents, world, job))
    if job.parent is not None and job.visible:
        _child_ended(world, job.parent)


def _tell_dependents(world: World, job: Job) -> None:
    for dependent in job.dependents:
        dependent.waiting -= 1
        dependent.doomed |= job.status is Status.FAILED
        if dependent.status is Status.PENDING and dependent.visible:
            _go_on(world, dependent)
    job.dependents.clear()


def _child_ended(world: World, parent: Job) -> None:
    assert parent.summary is not None and parent.size is not None
    failed = parent.summary[Status.FAILED]
    if failed + parent.summary[Status.SUCCEEDED] < parent.size:
        return
    if not failed:
        finish(world, parent, Status.SUCCEEDED)
    else:
        finish(world, parent, Status.FAILED, parent.stop_reason if parent.stop else CHILD_FAILED)
