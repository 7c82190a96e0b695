"""From what Batch shows of a job to what the engine is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from workflow_manager.asl.errors import ErrorName
from workflow_manager.asl.machine import TaskState
from workflow_manager.asl.values import JSON
from workflow_manager.engine.pending import PendingTask
from workflow_manager.engine.reports import Report, TaskFailed, TaskHeartbeat, TaskSucceeded
from workflow_manager.managers.batch.books import Book
from workflow_manager.managers.batch.polling import Round
from workflow_manager.managers.batch.reasons import LOST, classify
from workflow_manager.managers.batch.results import failure_in
from workflow_manager.models import Workflow

NO_RESULT: Mapping[str, JSON] = {}
"""The output of a job that has written none."""


class News:
    """Reports on jobs; *lost* is how long DescribeJobs may not know a job that was submitted, or that it did know."""

    def __init__(self, clock: Callable[[], datetime], lost: timedelta) -> None:
        self._clock, self._lost = clock, lost

    def of(
        self,
        workflow: Workflow,
        tasks: Sequence[PendingTask],
        states: Mapping[str, TaskState],
        book: Book,
        round: Round,
    ) -> Iterator[Report]:
        """What *round* has shown about *tasks*; *states* are the Tasks as they were written."""
        now = self._clock()  # once, so that what begins because of these reports begins at the same time
        for task in tasks:
            job_id = book.jobs.get(task.token, "")
            report = None
            if job_id in round.details:
                book.see(job_id, round.details[job_id])
                report = self._about(task, states[task.state], round.details[job_id], round, now)
            elif job_id in round.missing and round.is_read(job_id):
                since = workflow.created_at if book.graph else task.scheduled_at
                if job_id in book.details:  # Batch knew it when it was last asked
                    since = book.missed.setdefault(job_id, now)
                report = self._about_lost(task, since, job_id, round, now)
            if report is not None:
                yield report

    def _about(
        self, task: PendingTask, state: TaskState, detail: Mapping[str, Any], round: Round, now: datetime
    ) -> Report | None:
        status, job_id = detail["status"], detail["jobId"]
        if status == "RUNNING":
            return None if task.heartbeat_seconds is None else TaskHeartbeat(task.token, now)
        if status not in {"SUCCEEDED", "FAILED"} or not round.is_read(job_id):
            return None
        result = round.results.get(job_id, NO_RESULT)
        left = failure_in(result)
        if status == "SUCCEEDED":
            return TaskSucceeded(task.token, now, result if left is None else NO_RESULT)
        failure = classify(detail)
        if left and left.get("error") and failure.error.startswith("Batch.ExitCode."):
            return TaskFailed(task.token, now, _text(left["error"]), _text(left.get("cause")))
        own_limit = state.timeout_seconds is not None or state.timeout_seconds_path is not None
        error = ErrorName.TIMEOUT.value if failure.error == "Batch.TimedOut" and own_limit else failure.error
        said = result if left is None else None if "error" in left else left.get("cause")
        more = f"\n{said}" if isinstance(said, str) and said else ""
        return TaskFailed(task.token, now, str(error), f"{failure.cause}{more}")

    def _about_lost(
        self, task: PendingTask, since: datetime, job_id: str, round: Round, now: datetime
    ) -> Report | None:
        """Batch does not know the job: its result tells how it ended, if it has left one."""
        if job_id in round.results:
            result = round.results[job_id]
            left = failure_in(result)
            if left is not None:
                return TaskFailed(task.token, now, _text(left.get("error")) or "Batch.Failed", _text(left.get("cause")))
            return TaskSucceeded(task.token, now, result)
        if now - since < self._lost:
            return None
        return TaskFailed(task.token, now, LOST.error, LOST.cause)


def _text(value: JSON) -> str | None:
    return value if isinstance(value, str) else None
