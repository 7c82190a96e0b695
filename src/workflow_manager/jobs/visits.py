"""One visit of a state while it is folded."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from workflow_manager.asl.machine import StateType
from workflow_manager.asl.values import JSON
from workflow_manager.history import HistoryEvent
from workflow_manager.models import JobAttempt, JobStatus


class Visit:
    """What is known of it so far; a job is made of it."""

    __slots__ = (
        "attempts",
        "begun",
        "branch",
        "cause",
        "container",
        "created_at",
        "error",
        "failed_at",
        "failed_by",
        "given_up",
        "id",
        "input",
        "inside",
        "output",
        "parent",
        "path",
        "reason",
        "scheduled_at",
        "started_at",
        "state",
        "status",
        "stopped_at",
        "type",
    )

    def __init__(self, event: HistoryEvent, type: StateType, state: str, input: JSON) -> None:
        self.id = event.id
        self.type = type
        self.state = state
        self.input = input
        self.output: JSON = None
        self.status = JobStatus.CREATED
        self.created_at = event.timestamp
        self.scheduled_at: datetime | None = None
        self.started_at: datetime | None = None
        self.failed_at: datetime | None = None
        self.stopped_at: datetime | None = None  # once nothing more can happen to it
        self.error: str | None = None
        self.cause: str | None = None
        self.reason = ""
        self.container = ""
        self.attempts: tuple[JobAttempt, ...] = ()
        self.begun = False  # whether a Map or Parallel has started its children
        self.given_up = False  # whether its failure stands, so that it starts them no more
        self.failed_by: Visit | None = None  # the visit inside that is at fault
        self.inside: dict[int, Visit] | None = None  # visits in it that have not ended, once there was one
        self.parent: Visit | None = None
        self.path: tuple[str, ...] = ()
        self.branch = ""

    def fail(self, at: datetime, details: Mapping[str, Any], title: str = "") -> None:
        """The visit has failed; a retrier may still answer."""
        self.status, self.failed_at = JobStatus.FAILED, at
        self.error, self.cause = details.get("error"), details.get("cause")
        self.reason = reason(self.error, self.cause, title)

    def begin_again(self) -> None:
        """What has been becomes an attempt, and the visit is open again if it had ended."""
        attempt = JobAttempt(
            created_at=self.scheduled_at or self.created_at,
            started_at=self.started_at,
            stopped_at=self.failed_at or self.stopped_at,
            reason=self.reason,
            error=self.error,
            task_arn=self.container,
        )
        self.attempts = (*self.attempts, attempt)
        self.started_at = self.failed_at = self.stopped_at = self.error = self.cause = None
        self.reason = self.container = ""
        self.given_up, self.failed_by = False, None
        self.open_in_parent()

    def open_in_parent(self) -> None:
        """The Map or Parallel around the visit, if there is one, has it open inside."""
        parent = self.parent
        if parent is not None:
            if parent.inside is None:
                parent.inside = {}
            parent.inside[self.id] = self

    def abort(self, at: datetime, status: JobStatus, why: str) -> None:
        """The visit is ended from outside, unless it had come to an end."""
        if self.stopped_at is None:
            self.end_inside(at, status, why)
            self.stop(self.failed_at or at)
            if self.status is not JobStatus.FAILED:
                self.status, self.reason = status, why

    def fail_by(self, culprit: Visit, at: datetime) -> None:
        """A Map or Parallel has failed by a visit inside, which AWS tells by no event if no task was at fault."""
        if culprit.status is not JobStatus.FAILED:
            culprit.fail(at, {})
        self.fail(culprit.failed_at or at, {"error": culprit.error, "cause": culprit.cause})
        self.reason, self.failed_by = culprit.reason, culprit

    def stop(self, at: datetime) -> None:
        """Nothing more can happen to the visit."""
        self.stopped_at = at
        if self.parent is not None and self.parent.inside is not None:
            self.parent.inside.pop(self.id, None)

    def end_inside(self, at: datetime, status: JobStatus = JobStatus.ABORTED_DEPS_FAILED, why: str = "") -> None:
        """What is still open inside ends with the Map or Parallel around it."""
        for visit in list((self.inside or {}).values()):
            visit.abort(at, status, why)


def reason(error: str | None, cause: str | None, title: str = "") -> str:
    """Why something failed, for people: the last three lines of the cause, then the error."""
    lines = "\n".join((cause or "").strip().splitlines()[-3:])
    return "\n".join(part for part in (title, lines, error or "") if part)
