"""The logs of jobs in CloudWatch Logs."""

from __future__ import annotations

from workflow_manager.managers.batch.client import LogsClient, message_of
from workflow_manager.models import Job


def job_log(client: LogsClient | None, group: str, job: Job, tail: int) -> tuple[str, ...]:
    """
    The last *tail* lines of the log of the latest attempt of *job*, then the job's status reason if it has one.

    Whatever is wrong with the log is told in its place, so that it never hides the job's own error.
    """
    return (*_lines(client, group, job, tail), *(job.status_reason.splitlines()))


def _lines(client: LogsClient | None, group: str, job: Job, tail: int) -> list[str]:
    streams = [attempt.log_stream for attempt in job.attempts if attempt.log_stream]
    if client is None:
        return ["(no log: this manager was given no client for CloudWatch Logs)"]
    if not streams:
        return ["(no log: the job has not started, or Batch has forgotten it)"]
    try:
        answer = client.get_log_events(logGroupName=group, logStreamName=streams[-1], limit=tail, startFromHead=False)
    except Exception as error:  # noqa: BLE001  whatever it is, the job's own error matters more
        return [f"(no log: {message_of(error)})"]
    return [str(event["message"]) for event in answer["events"]][-tail:] if tail > 0 else []
