"""What the fake remembers: jobs, attempts, queues, job definitions.  Times are milliseconds since 1970."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Generator, Mapping, Sequence
from enum import StrEnum
from typing import Any, TypeAlias

import attrs

from workflow_manager.testing.fake_batch.ends import JobEnd, JobRun

JobResult: TypeAlias = JobEnd | int | None
"""What a job's function returns: an exit code (None is 0) or a :class:`JobEnd`."""

Steps: TypeAlias = Generator[float, None, JobResult]
"""A job that lasts: each number it yields is that many seconds of virtual time."""

Behaviour: TypeAlias = Callable[[JobRun], JobResult | Steps]


class Status(StrEnum):
    """The statuses of a job, in the order in which it passes them (Batch API, JobDetail, ``status``)."""

    SUBMITTED = "SUBMITTED"
    PENDING = "PENDING"
    RUNNABLE = "RUNNABLE"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"

    @property
    def final(self) -> bool:
        return self in _FINAL


_FINAL = frozenset({Status.SUCCEEDED, Status.FAILED})


class StopKind(StrEnum):
    """Which of the two operations asked a job to stop."""

    CANCEL = "CANCEL"
    TERMINATE = "TERMINATE"


@attrs.frozen(kw_only=True)
class Delays:
    """
    How long a job stays in each status, in seconds of virtual time.

    *pending* counts from the end of the last dependency, *runnable* is the least time that a job waits for a slot,
    *stopping* is what passes between a request to stop and FAILED.
    """

    submitted: float = 1.0
    pending: float = 1.0
    runnable: float = 1.0
    starting: float = 1.0
    stopping: float = 1.0


@attrs.define(kw_only=True, eq=False)
class Attempt:
    """One try of one job; *end* is None while it lasts."""

    number: int
    task_id: str
    instance_id: str
    log_stream: str
    started_at: int | None = None
    stopped_at: int | None = None
    end: JobEnd | None = None


@attrs.define(kw_only=True, eq=False)
class JobQueue:
    """
    One job queue; *slots* is how many jobs it runs at once (None: any number), *used* how many it runs now.

    While *blocked* is a text no job leaves RUNNABLE, and the text is each waiting job's statusReason.
    """

    name: str
    arn: str
    slots: int | None = None
    priority: int = 1
    state: str = "ENABLED"
    fair_share: bool = False
    compute_environments: tuple[str, ...] = ()
    tags: Mapping[str, str] = attrs.field(factory=dict)
    used: int = 0
    blocked: str | None = None
    ready: deque[tuple[Job, int]] = attrs.field(factory=deque)
    jobs: dict[str, Job] = attrs.field(factory=dict)


@attrs.define(kw_only=True, eq=False)
class JobDefinition:
    """One revision of a job definition; *request* is what RegisterJobDefinition was given."""

    name: str
    revision: int
    arn: str
    request: Mapping[str, Any]
    active: bool = True

    @property
    def container(self) -> Mapping[str, Any]:
        """Its containerProperties."""
        found: Mapping[str, Any] = self.request.get("containerProperties") or {}
        return found


@attrs.define(kw_only=True, eq=False)
class Job:
    """
    One job: single, array parent (*size* is set) or array child (*parent* and *index* are set).

    *request* is SubmitJob's body, which an array's children share.  *waiting* counts the dependencies that have not
    ended, *doomed* says that one has failed.  *tick* changes whenever what was planned for the job no longer holds.
    Children exist from the start but are *visible* only once their parent has spawned them.
    """

    id: str
    name: str
    number: int
    queue: JobQueue
    definition: JobDefinition
    request: Mapping[str, Any]
    created_at: int
    status: Status = Status.SUBMITTED
    status_reason: str | None = None
    started_at: int | None = None
    stopped_at: int | None = None
    attempts: list[Attempt] = attrs.field(factory=list)
    current: Attempt | None = None
    steps: Steps | None = None
    stop: StopKind | None = None
    stop_reason: str = ""
    cancelled: bool = False
    terminated: bool = False
    waiting: int = 0
    doomed: bool = False
    dependents: list[Job] = attrs.field(factory=list)
    parent: Job | None = None
    index: int | None = None
    size: int | None = None
    children: Sequence[Job] = ()
    summary: Counter[Status] | None = None
    summary_at: int | None = None
    visible: bool = True
    tick: int = 0

    @property
    def retry_strategy(self) -> Mapping[str, Any]:
        """SubmitJob's, else the definition's, else one attempt."""
        found: Mapping[str, Any] | None = self.request.get("retryStrategy") or self.definition.request.get(
            "retryStrategy"
        )
        return found or {"attempts": 1, "evaluateOnExit": []}

    @property
    def timeout(self) -> int | None:
        """How many seconds one attempt may run, by SubmitJob or else by the definition."""
        found = self.request.get("timeout") or self.definition.request.get("timeout") or {}
        seconds: int | None = found.get("attemptDurationSeconds")
        return seconds

    @property
    def last_attempt(self) -> Attempt | None:
        """The attempt under way, else the last one that ended."""
        return self.current or (self.attempts[-1] if self.attempts else None)
