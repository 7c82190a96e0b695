"""What a job is told when it runs, and what it may say about how it ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

import attrs

CONTAINER_EXITED = "Essential container in task exited"
TIMED_OUT = "Job attempt duration exceeded timeout"
DEPENDENCY_FAILED = "Dependent Job failed"
CHILD_FAILED = "Array Child Job failed"
OVERRIDES_TOO_LONG = "Container Overrides length must be at most 8192"
TASK_NOT_STARTED = "Task failed to start"

KILLED = 137
"""The exit code of a container that was killed: 128 + SIGKILL."""


@attrs.frozen(kw_only=True)
class JobEnd:
    """
    How one attempt ended.

    *exit_code* is the container's (None: it never said), *reason* the container's reason, *status_reason* the
    attempt's; *started* is False when the container never ran, so that the attempt has no startedAt.
    """

    exit_code: int | None = 0
    reason: str | None = None
    status_reason: str = CONTAINER_EXITED
    started: bool = True

    @property
    def succeeded(self) -> bool:
        return self.started and self.exit_code == 0

    @classmethod
    def out_of_memory(cls) -> JobEnd:
        """The container used more memory than it was given."""
        return cls(exit_code=KILLED, reason="OutOfMemoryError: Container killed due to memory usage")

    @classmethod
    def spot_reclaimed(cls, instance: str = "i-0123456789abcdef0") -> JobEnd:
        """EC2 took the instance away under the job; the container leaves no exit code."""
        return cls(exit_code=None, status_reason=f"Host EC2 (instance {instance}) terminated.")

    @classmethod
    def image_pull_error(cls, image: str = "missing:latest") -> JobEnd:
        """The image could not be fetched: the container never ran."""
        reason = f"CannotPullContainerError: Error response from daemon: pull access denied for {image}"
        return cls(exit_code=None, reason=reason, status_reason=TASK_NOT_STARTED, started=False)

    @classmethod
    def not_started(cls, reason: str) -> JobEnd:
        """The container never ran, for the *reason* that ECS gives (``ResourceInitializationError: ...``)."""
        return cls(exit_code=None, reason=reason, status_reason=TASK_NOT_STARTED, started=False)


@attrs.frozen(kw_only=True)
class JobRun:
    """
    One attempt, as the job itself sees it.

    *environment* is the container's: the definition's variables, SubmitJob's over them, and Batch's own
    (``AWS_BATCH_JOB_ID``, ``AWS_BATCH_JOB_ATTEMPT``, ``AWS_BATCH_JOB_ARRAY_INDEX`` ...).  *command* has its ``Ref::``
    placeholders filled from *parameters*.  *attempt* counts from 1, *array_index* from 0 (None outside arrays), *now*
    is the virtual time (UTC) at which the container starts.
    """

    job_id: str
    job_name: str
    job_definition: str
    job_queue: str
    attempt: int
    array_index: int | None
    environment: Mapping[str, str]
    command: tuple[str, ...]
    parameters: Mapping[str, str]
    now: datetime
    _write: Callable[[str], None] = attrs.field(repr=False, alias="write")

    def log(self, text: str) -> None:
        """Writes *text*, line by line, to the attempt's log stream, at the virtual time of the call."""
        for line in text.splitlines():
            self._write(line)
