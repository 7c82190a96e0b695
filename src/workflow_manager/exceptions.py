"""
The error tree: what callers may catch.

One root, :class:`WorkflowManagerError`.  Every class has a cousin among Python's own errors where one fits, and
carries its data beside the sentence.  A workflow that fails is a value, not an exception: what is raised here means
that the caller or the world broke a promise.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import attrs


class Severity(StrEnum):
    """How much a :class:`Problem` matters (AWS: ValidateStateMachineDefinition, ``severity``)."""

    ERROR = "ERROR"
    WARNING = "WARNING"


@attrs.frozen
class Problem:
    """
    One thing that is wrong with a definition.

    *code* is a stable name (AWS's own where AWS has one), *path* a JSON Pointer (RFC 6901) into the definition,
    *message* one sentence, *severity* whether the definition may still run.
    """

    code: str
    path: str
    message: str
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        return f"{self.code} at {self.path or '/'}: {self.message}"


class WorkflowManagerError(Exception):
    """Root of every error that this library raises on purpose."""


class DefinitionError(WorkflowManagerError, ValueError):
    """A definition cannot be read or cannot run; *problems* holds every reason, each with its JSON Pointer."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__("; ".join(str(problem) for problem in self.problems) or "invalid definition")


class InvalidValueError(WorkflowManagerError, ValueError):
    """A value is not what it must be; *path* names the place (JSON Pointer within *what*)."""

    def __init__(self, what: str, path: str, reason: str) -> None:
        super().__init__(f"{what} is invalid at {path or '/'}: {reason}")
        self.what, self.path, self.reason = what, path, reason


class NotFoundError(WorkflowManagerError, LookupError):
    """The store holds nothing under that key."""

    def __init__(self, kind: str, key: str) -> None:
        super().__init__(f"no {kind} {key!r}")
        self.kind, self.key = kind, key


class TaskTokenReason(StrEnum):
    """Why a task token is of no use (AWS API: SendTaskSuccess, errors)."""

    INVALID_TOKEN = "InvalidToken"  # it is no token at all
    TASK_DOES_NOT_EXIST = "TaskDoesNotExist"  # nobody here has given it out
    TASK_TIMED_OUT = "TaskTimedOut"  # its task has ended: it was answered, timed out or was withdrawn


class TaskTokenError(NotFoundError):
    """No task waits for that task token; *reason* says why."""

    def __init__(self, token: str, reason: TaskTokenReason) -> None:
        super().__init__("task for the token", token)
        self.reason = reason


class ConflictError(WorkflowManagerError):
    """Somebody else was first: what is stored is not what the caller believed (*revision* is the caller's belief)."""

    def __init__(self, kind: str, key: str, revision: int | None = None) -> None:
        believed = "" if revision is None else f" at revision {revision}"
        super().__init__(f"{kind} {key!r} is not as expected{believed}")
        self.kind, self.key, self.revision = kind, key, revision


class PageTokenError(WorkflowManagerError, ValueError):
    """A page token is forged, damaged, or belongs to another query."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"invalid page token: {reason}")
        self.reason = reason


class StoreError(WorkflowManagerError):
    """
    The place where a store keeps things cannot be read or written; *reason* says why, *store* which place it is.

    Whatever was to be written then has been written whole or not at all.
    """

    def __init__(self, store: str, reason: str) -> None:
        super().__init__(f"{store}: {reason}")
        self.store, self.reason = store, reason


class UnknownResourceError(WorkflowManagerError, LookupError):
    """A state names a resource that nobody here can run."""

    def __init__(
        self, state: str, resource: str, namespace: str, reason: str = "nothing is registered under that name"
    ) -> None:
        place = f" in namespace {namespace!r}" if namespace else ""
        super().__init__(f"state {state!r}: resource {resource!r}{place}: {reason}")
        self.state, self.resource, self.namespace, self.reason = state, resource, namespace, reason


class WorkflowStatusError(WorkflowManagerError):
    """What was asked is not allowed while the workflow has this *status*."""

    def __init__(self, operation: str, workflow_id: str, status: str) -> None:
        super().__init__(f"{operation} not allowed: workflow {workflow_id} is {status}")
        self.operation, self.workflow_id, self.status = operation, workflow_id, status


class WaitTimeoutError(WorkflowManagerError, TimeoutError):
    """The workflow was still going when the caller's patience ended; the workflow itself goes on."""

    def __init__(self, workflow_id: str, seconds: float) -> None:
        super().__init__(f"workflow {workflow_id} is still active after {seconds:g} s")
        self.workflow_id, self.seconds = workflow_id, seconds


class ManagerClosedError(WorkflowManagerError):
    """The manager has been closed and takes no more work."""


class TaskError(WorkflowManagerError):
    """
    Raised by a task to fail with a named ASL error, which Retry and Catch can match.

    *error* is the error name (at most 256 characters), *cause* free text; either may be absent, as in AWS's
    SendTaskFailure.
    """

    def __init__(self, error: str | None = None, cause: str | None = None) -> None:
        super().__init__(": ".join(part for part in (error, cause) if part))
        self.error, self.cause = error, cause
