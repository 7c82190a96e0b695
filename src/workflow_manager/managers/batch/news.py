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
from workflow_manager.managers.batch.results import ERROR_MEMBER
from workflow_manager.models import Workflow

NO_RESULT: Mapping[str, JSON] = {}
"""The output of a job that has written none."""


class News:
    """Reports on jobs; *lost* is how long DescribeJobs may not know a job that was submitted."""

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
        for task in tasks:
            job_id = book.jobs.get(task.token, "")
            report = None
            if job_id in round.details:
                book.see(job_id, round.details[job_id])
                report = self._about(task, states[task.state], round.details[job_id], round)
            elif job_id in round.missing and round.is_read(job_id):
                since = workflow.created_at if book.graph else task.scheduled_at
                report = self._about_lost(task, since, job_id, round)
            if report is not None:
                yield report

    def _about(self, task: PendingTask, state: TaskState, detail: Mapping[str, Any], round: Round) -> Report | None:
        status, job_id, now = detail["status"], detail["jobId"], self._clock()
        if status == "RUNNING":
            return None if task.heartbeat_seconds is None else TaskHeartbeat(task.token, now)
        if status not in {"SUCCEEDED", "FAILED"} or not round.is_read(job_id):
            return None
        result = round.results.get(job_id, NO_RESULT)
        if status == "SUCCEEDED":
            return TaskSucceeded(task.token, now, NO_RESULT if _named_error(result) else result)
        failure = classify(detail)
        named = _named_error(result)
        if named and failure.error.startswith("Batch.ExitCode."):
            error, cause = named.get("error"), named.get("cause")
            return TaskFailed(task.token, now, _text(error), _text(cause))
        own_limit = state.timeout_seconds is not None or state.timeout_seconds_path is not None
        error = ErrorName.TIMEOUT.value if failure.error == "Batch.TimedOut" and own_limit else failure.error
        said = f"\n{result}" if isinstance(result, str) and result else ""
        return TaskFailed(task.token, now, str(error), f"{failure.cause}{said}")

    def _about_lost(self, task: PendingTask, since: datetime, job_id: str, round: Round) -> Report | None:
        """Batch does not know the job: its result tells how it ended, if it has left one."""
        now = self._clock()
        if job_id in round.results:
            result = round.results[job_id]
            named = _named_error(result)
            if named:
                return TaskFailed(task.token, now, _text(named.get("error")), _text(named.get("cause")))
            return TaskSucceeded(task.token, now, result)
        if now - since < self._lost:
            return None
        return TaskFailed(task.token, now, LOST.error, LOST.cause)


def _named_error(result: JSON) -> Mapping[str, JSON]:
    """What a failed job has left: ``error`` and ``cause``; empty if *result* is none of that."""
    error = result.get(ERROR_MEMBER) if isinstance(result, Mapping) else None
    return error if isinstance(error, Mapping) else {}


def _text(value: JSON) -> str | None:
    return value if isinstance(value, str) else None
