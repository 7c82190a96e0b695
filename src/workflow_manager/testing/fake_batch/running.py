"""Running what a job does, a function or a generator that lasts, with what its container would have."""

from __future__ import annotations

import traceback
from collections.abc import Generator, Mapping
from functools import partial
from types import GeneratorType

from workflow_manager.testing.fake_batch.ends import JobEnd, JobRun
from workflow_manager.testing.fake_batch.log_streams import LOG_GROUP
from workflow_manager.testing.fake_batch.records import Attempt, Job, JobResult, Steps
from workflow_manager.testing.fake_batch.world import ACCOUNT, Doing, World


def new_attempt(world: World, job: Job) -> Attempt:
    """The next attempt of *job*, with its task, its instance and the name of its log stream."""
    task = f"{world.chance.getrandbits(128):032x}"
    return Attempt(
        number=len(job.attempts) + 1,
        task_id=task,
        instance_id=f"{world.chance.getrandbits(128):032x}",
        log_stream=f"{job.definition.name}/default/{task}",
    )


def steps(world: World, job: Job) -> Steps:
    """What the attempt under way does, not begun yet."""
    doing = world.doings.get(job.definition.name) or Doing(run=nothing, seconds=1.0)
    return _steps(doing, _job_run(world, job))


def step(world: World, job: Job) -> float | JobEnd:
    """Lets *job* go on until it waits (so many seconds) or has ended; what it raises is logged, as exit code 1."""
    assert job.steps is not None
    try:
        return float(next(job.steps))
    except StopIteration as stop:
        return as_end(stop.value)
    except SystemExit as stop:
        return as_end(stop.code if isinstance(stop.code, int | None) else 1)
    except Exception:  # noqa: BLE001  # whatever a job raises is the failure of that job
        for line in traceback.format_exc().splitlines():
            _write(world, job, line)
        return JobEnd(exit_code=1)


def kill(job: Job) -> None:
    """Ends what *job* does: a generator is closed, a process terminated."""
    steps, job.steps = job.steps, None
    if isinstance(steps, GeneratorType) and not steps.gi_running:  # a job may end itself, through the service
        steps.close()


def as_end(result: JobResult) -> JobEnd:
    """What a function returned, as the end of its attempt."""
    if isinstance(result, JobEnd):
        return result
    if isinstance(result, int | None):
        return JobEnd(exit_code=int(result or 0))
    raise TypeError(f"a job returns an exit code, a JobEnd or None, not {type(result).__name__}")


def nothing(run: JobRun) -> None:
    """What a job does whose definition nobody gave a behaviour: it succeeds."""


def environment_of(world: World, job: Job) -> dict[str, str]:
    """The variables that definition and SubmitJob give, the latter's over the former's."""
    overrides: Mapping[str, list[dict[str, str]]] = job.request.get("containerOverrides") or {}
    given = [*(job.definition.container.get("environment") or ()), *(overrides.get("environment") or ())]
    return {each["name"]: each.get("value", "") for each in given}


def command_of(job: Job) -> tuple[str, ...]:
    """The container's command: SubmitJob's if it has one, with the placeholders ``Ref::name`` still in it."""
    overrides = job.request.get("containerOverrides") or {}
    return tuple(overrides.get("command") or job.definition.container.get("command") or ())


def parameters_of(job: Job) -> dict[str, str]:
    """SubmitJob's parameters over the definition's."""
    return {**(job.definition.request.get("parameters") or {}), **(job.request.get("parameters") or {})}


def log_group(job: Job) -> str:
    """Where the job logs to: what its definition says for the awslogs driver, else Batch's own group."""
    options = (job.definition.container.get("logConfiguration") or {}).get("options") or {}
    group: str = options.get("awslogs-group", LOG_GROUP)
    return group


def task_arn(world: World, attempt: Attempt) -> str:
    """The ECS task of an attempt."""
    return f"arn:aws:ecs:{world.region}:{ACCOUNT}:task/fake/{attempt.task_id}"


def instance_arn(world: World, attempt: Attempt) -> str:
    """The ECS container instance that an attempt runs on."""
    return f"arn:aws:ecs:{world.region}:{ACCOUNT}:container-instance/fake/{attempt.instance_id}"


def _steps(doing: Doing, run: JobRun) -> Steps:
    result = doing.run(run)
    if isinstance(result, Generator):
        return (yield from result)
    end = as_end(result)
    if end.started:
        yield doing.seconds
    return end


def _job_run(world: World, job: Job) -> JobRun:
    attempt = job.current
    assert attempt is not None
    world.logs.open(log_group(job), attempt.log_stream)
    parameters = parameters_of(job)
    batch = {
        "AWS_BATCH_JOB_ID": job.id,
        "AWS_BATCH_JQ_NAME": job.queue.name,
        "AWS_BATCH_CE_NAME": job.queue.compute_environments[0] if job.queue.compute_environments else "fake",
        "AWS_BATCH_JOB_ATTEMPT": str(attempt.number),
    }
    if job.index is not None:
        batch["AWS_BATCH_JOB_ARRAY_INDEX"] = str(job.index)
    return JobRun(
        job_id=job.id,
        job_name=job.name,
        job_definition=job.definition.arn,
        job_queue=job.queue.name,
        attempt=attempt.number,
        array_index=job.index,
        environment=environment_of(world, job) | batch,
        command=tuple(_filled(part, parameters) for part in command_of(job)),
        parameters=parameters,
        now=world.timeline.moment,
        write=partial(_write_to, world, log_group(job), attempt.log_stream),
    )


def _filled(part: str, parameters: Mapping[str, str]) -> str:
    return parameters.get(part.removeprefix("Ref::"), part) if part.startswith("Ref::") else part


def _write(world: World, job: Job, line: str) -> None:
    if job.current is not None:
        _write_to(world, log_group(job), job.current.log_stream, line)


def _write_to(world: World, group: str, stream: str, line: str) -> None:
    world.logs.write(group, stream, world.timeline.now, line)
