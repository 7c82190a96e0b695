"""
What is stored and shown: definitions, workflows, their jobs, state resources, and how one asks for them.

All are frozen.  JSON values (``input``, ``output``) are Python values, immutable by convention.  Timestamps are aware
and in UTC: an aware time of another zone is turned into UTC, a naive one is refused (``InvalidValueError`` names the
field). Nothing here reads a clock or makes an id.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Generic, TypeVar

import attrs

from workflow_manager.asl.machine import StateMachine, StateType
from workflow_manager.asl.values import JSON
from workflow_manager.exceptions import InvalidValueError

T = TypeVar("T")

MAX_PAGE_LIMIT = 10_000
"""The most items that one page may hold."""


def changed(instance: T, **changes: Any) -> T:
    """
    As ``attrs.evolve``, but no converter and no validator runs: for *changes* that are known to be right.

    Every commit makes a few of these objects anew; mutable values are shared with *instance*, which is of a class
    without slots: copying one ``__dict__`` takes a quarter of the time that setting twenty slots does.

    Raises:
        TypeError: there is no such field.
    """
    made = object.__new__(type(instance))
    values = made.__dict__
    values |= instance.__dict__
    values |= changes
    if len(values) > len(instance.__dict__):
        unknown = [name for name in changes if name not in instance.__dict__]
        raise TypeError(f"{type(instance).__name__} has no field {unknown[0]!r}")
    return made


class WorkflowStatus(StrEnum):
    """How a workflow stands."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether a workflow never leaves this status."""
        return self in _FINAL_WORKFLOW


class JobStatus(StrEnum):
    """How a job stands."""

    CREATED = "created"
    QUEUED = "queued"
    WAITING_FOR_DEPS = "waiting_for_deps"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ABORTED_DEPS_FAILED = "aborted_deps_failed"
    ABORTED_BY_USER = "aborted_by_user"

    @property
    def is_final(self) -> bool:
        """Whether the job is done, well or not."""
        return self in _FINAL_JOB


_FINAL_WORKFLOW = frozenset({WorkflowStatus.SUCCEEDED, WorkflowStatus.FAILED, WorkflowStatus.CANCELLED})
_FINAL_JOB = frozenset(
    {JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.ABORTED_DEPS_FAILED, JobStatus.ABORTED_BY_USER},
)


class ResourceType(StrEnum):
    """What the ``uri`` of a state resource points at."""

    JOB_DEFINITION_ARN = "JobDefinitionARN"
    ACTIVITY_ARN = "ActivityARN"
    LAMBDA_FUNCTION_ARN = "LambdaFunctionARN"
    TASK_ARN = "TaskARN"
    PYTHON = "PythonFunction"
    COMMAND = "Command"


class ManagerName(StrEnum):
    """The managers that come with the library; a definition may name any other."""

    BATCH = "batch"
    STEP_FUNCTIONS = "step-functions"
    LOCAL = "local"


def _as_utc(value: datetime | None) -> datetime | None:
    return None if value is None else _as_utc_always(value)


def _as_utc_always(value: datetime) -> datetime:
    zone = getattr(value, "tzinfo", None)  # whatever has none is for _aware to refuse
    return value if zone is None or zone is UTC else value.astimezone(UTC)


def _aware(instance: object, field: attrs.Attribute[Any], value: object) -> None:
    if value is not None and (not isinstance(value, datetime) or value.tzinfo is None):
        reason = "has no time zone" if isinstance(value, datetime) else "is not a datetime"
        raise InvalidValueError(type(instance).__name__, f"/{field.name}", f"{value!r} {reason}")


def _named(instance: object, field: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, str) or not value:
        raise InvalidValueError(type(instance).__name__, f"/{field.name}", f"{value!r} is not a non-empty string")


def _counted(instance: object, field: attrs.Attribute[Any], value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InvalidValueError(type(instance).__name__, f"/{field.name}", f"{value!r} is not a whole number from 0")


def _copy_tags(tags: Mapping[str, str]) -> Mapping[str, str]:
    return dict(tags)


@attrs.frozen(kw_only=True, repr=False, slots=False)
class WorkflowDefinition:
    """
    A state machine under a name and a version, and the manager that runs it.

    *version* counts from 0; the store gives it, as it gives *id* and *created_at*.  *default_tags* are given to every
    workflow that does not say otherwise.
    """

    name: str = attrs.field(validator=_named)
    state_machine: StateMachine
    version: int = attrs.field(default=0, validator=_counted)
    manager: str = ManagerName.LOCAL.value
    id: str = ""
    created_at: datetime | None = attrs.field(default=None, converter=_as_utc, validator=_aware)
    default_tags: Mapping[str, str] = attrs.field(factory=dict, converter=_copy_tags)

    def __repr__(self) -> str:
        return f"<WorkflowDefinition {self.name!r} version {self.version}, {len(self.state_machine.states)} states>"


@attrs.frozen(kw_only=True)
class StateResource:
    """What a Task's short resource *name* means within a *namespace*: a *uri* of some *type*."""

    name: str = attrs.field(validator=_named)
    namespace: str = ""
    uri: str = ""
    type: ResourceType = ResourceType.JOB_DEFINITION_ARN
    last_updated: datetime | None = attrs.field(default=None, converter=_as_utc, validator=_aware)


@attrs.frozen(kw_only=True)
class JobAttempt:
    """One try of a job.  *exit_code* is ``None`` where none was told; *log_stream* names its log."""

    created_at: datetime | None = attrs.field(default=None, converter=_as_utc, validator=_aware)
    started_at: datetime | None = attrs.field(default=None, converter=_as_utc, validator=_aware)
    stopped_at: datetime | None = attrs.field(default=None, converter=_as_utc, validator=_aware)
    container_instance_arn: str = ""
    task_arn: str = ""
    reason: str = ""
    exit_code: int | None = None
    error: str | None = None
    log_stream: str = ""


@attrs.frozen(kw_only=True, repr=False, slots=False)
class Job:
    """
    One visit of a state: what it was given, what became of it, and how often it was tried.

    *id* is unique within its workflow.  *attempts* are the tries before the present one.  *branch* is where it
    happened, as in :class:`workflow_manager.history.HistoryEvent`; *branch_path* the same for people (``("Fan[1]",
    "Each[3]")``). *entered_event_id* is the id of the event that entered the state, 0 where there is no such event.
    """

    id: str
    state: str
    status: JobStatus = JobStatus.CREATED
    state_type: StateType = StateType.TASK
    created_at: datetime | None = attrs.field(default=None, converter=_as_utc, validator=_aware)
    started_at: datetime | None = attrs.field(default=None, converter=_as_utc, validator=_aware)
    stopped_at: datetime | None = attrs.field(default=None, converter=_as_utc, validator=_aware)
    input: JSON = None
    output: JSON = None
    name: str = ""
    queue: str = ""
    container: str = ""
    state_resource: StateResource | None = None
    status_reason: str = ""
    attempts: tuple[JobAttempt, ...] = ()
    error: str | None = None
    cause: str | None = None
    branch: str = ""
    branch_path: tuple[str, ...] = ()
    entered_event_id: int = 0

    @property
    def duration(self) -> timedelta | None:
        """From start (or creation, where no start was told) to stop; ``None`` before the stop."""
        begun = self.started_at or self.created_at
        return None if begun is None or self.stopped_at is None else self.stopped_at - begun

    def __repr__(self) -> str:
        place = "/".join((*self.branch_path, self.state))
        tried = f", {len(self.attempts)} attempts before" if self.attempts else ""
        failed = f", error={self.error!r}" if self.error else ""
        return f"<Job {self.id} {place!r} {self.status.value}{tried}{failed}>"


@attrs.frozen(kw_only=True, repr=False, slots=False)
class Workflow:
    """
    One run of a definition.

    *workflow_definition* is the whole definition as it was when the run began.  *retry_for* is the id of the workflow
    that this one retries, *retries* the ids of those that retry this one, *start_at* the state where a retry began
    (``""`` is the definition's own StartAt).  *revision* is the store's: 0 means never saved.  *jobs* may be empty
    until somebody asks for them (``update_workflow_history``); *last_job* is the latest known.
    """

    id: str = attrs.field(validator=_named)
    workflow_definition: WorkflowDefinition
    status: WorkflowStatus = WorkflowStatus.QUEUED
    created_at: datetime = attrs.field(converter=_as_utc_always, validator=_aware)
    last_updated: datetime = attrs.field(converter=_as_utc_always, validator=_aware)
    stopped_at: datetime | None = attrs.field(default=None, converter=_as_utc, validator=_aware)
    namespace: str = ""
    queue: str = "default"
    input: JSON = attrs.field(factory=dict)
    output: JSON = None
    status_reason: str = ""
    error: str | None = None
    cause: str | None = None
    resolved_by_user: bool = False
    retry_for: str = ""
    retries: tuple[str, ...] = ()
    tags: Mapping[str, str] = attrs.field(factory=dict, converter=_copy_tags)
    jobs: tuple[Job, ...] = ()
    last_job: Job | None = None
    start_at: str = ""
    idempotency_key: str = ""
    revision: int = attrs.field(default=0, validator=_counted)

    @property
    def is_done(self) -> bool:
        """Whether the status is final and every known job is done."""
        return self.status.is_final and all(job.status.is_final for job in self.jobs)

    @property
    def duration(self) -> timedelta | None:
        """From creation to stop; ``None`` before the stop."""
        return None if self.stopped_at is None else self.stopped_at - self.created_at

    def summary(self) -> Workflow:
        """
        The same without the parts that may be large: ``input`` and ``output`` are ``None``, ``jobs`` is empty.

        A summary carries revision 0, so no store will let it replace the whole workflow.
        """
        last = None if self.last_job is None else attrs.evolve(self.last_job, input=None, output=None)
        return attrs.evolve(self, input=None, output=None, jobs=(), last_job=last, revision=0)

    def __repr__(self) -> str:
        definition = self.workflow_definition
        reason = f", {self.status_reason[:80]!r}" if self.status_reason else ""
        return f"<Workflow {self.id} {definition.name!r} version {definition.version} {self.status.value}{reason}>"


def _limit(instance: object, field: attrs.Attribute[Any], value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_PAGE_LIMIT:
        raise InvalidValueError(
            type(instance).__name__, f"/{field.name}", f"{value!r} is not a whole number from 1 to {MAX_PAGE_LIMIT}"
        )


@attrs.frozen(kw_only=True)
class WorkflowQuery:
    """
    Which workflows to list, in which order, and how many at once.

    A field that is ``None`` does not count; *tags* must all be there; *created_after* is inclusive, *created_before*
    exclusive.  The order is by creation time and, among equals, by id: newest first, or the exact reverse when
    *oldest_first*.  *summary_only* asks for :meth:`Workflow.summary` of each.  *page_token* is the ``next`` of the page
    before, from the very same query (*limit* may differ).
    """

    definition_name: str | None = None
    status: WorkflowStatus | None = None
    namespace: str | None = None
    queue: str | None = None
    tags: Mapping[str, str] = attrs.field(factory=dict, converter=_copy_tags)
    resolved_by_user: bool | None = None
    created_after: datetime | None = attrs.field(default=None, converter=_as_utc, validator=_aware)
    created_before: datetime | None = attrs.field(default=None, converter=_as_utc, validator=_aware)
    retry_for: str | None = None
    oldest_first: bool = False
    summary_only: bool = False
    limit: int = attrs.field(default=10, validator=_limit)
    page_token: str | None = None

    def matches(self, workflow: Workflow) -> bool:
        """Whether *workflow* is one of those asked for."""
        return (
            (self.definition_name is None or workflow.workflow_definition.name == self.definition_name)
            and (self.status is None or workflow.status == self.status)
            and (self.namespace is None or workflow.namespace == self.namespace)
            and (self.queue is None or workflow.queue == self.queue)
            and (self.resolved_by_user is None or workflow.resolved_by_user == self.resolved_by_user)
            and (self.retry_for is None or workflow.retry_for == self.retry_for)
            and (self.created_after is None or workflow.created_at >= self.created_after)
            and (self.created_before is None or workflow.created_at < self.created_before)
            and all(workflow.tags.get(key) == value for key, value in self.tags.items())
        )


@attrs.frozen(kw_only=True)
class Page(Generic[T]):
    """Some *items* of a listing; *next* is the page token that leads on, ``None`` at the end."""

    items: tuple[T, ...]
    next: str | None = None

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)
