"""The logs of jobs in CloudWatch Logs."""

from __future__ import annotations

from workflow_manager.aws import message_of
from workflow_manager.managers.batch.client import Calls, LogsClient
from workflow_manager.models import Job

_MOST_LINES = 10_000
"""GetLogEvents gives no more at once."""


class JobLogs:
    """Reads logs with *client*; *group* is where they are unless the job's definition names another log group."""

    def __init__(self, client: LogsClient | None, group: str, calls: Calls) -> None:
        self._client, self._group, self._calls = client, group, calls

    def of(self, job: Job, tail: int) -> tuple[str, ...]:
        """
        The last *tail* lines of the log of the latest attempt of *job*, then the job's status reason if it has one.

        Whatever is wrong with the log is told in its place, so that it never hides the job's own error.
        """
        return (*self._lines(job, tail), *job.status_reason.splitlines())

    def _lines(self, job: Job, tail: int) -> list[str]:
        if self._client is None:
            return ["(no log: this manager was given no client for CloudWatch Logs)"]
        if tail <= 0:
            return []
        try:
            group, stream = self._place(job)
            if not stream:
                return ["(no log: the job has not started, or Batch has forgotten it)"]
            limit = min(tail, _MOST_LINES)
            answer = self._client.get_log_events(
                logGroupName=group, logStreamName=stream, limit=limit, startFromHead=False
            )
        except Exception as error:  # noqa: BLE001  whatever it is, the job's own error matters more
            return [f"(no log: {message_of(error)})"]
        return [str(event["message"]) for event in answer["events"]]

    def _place(self, job: Job) -> tuple[str, str]:
        """Log group and stream: as Batch tells them, also while the job runs, else as they were when it ended."""
        streams = [attempt.log_stream for attempt in job.attempts if attempt.log_stream]
        try:
            found = self._calls.make("describe_jobs", jobs=[job.id])["jobs"]
        except Exception:
            if not streams:
                raise
            found = []
        container = found[0].get("container") or {} if found else {}
        options = (container.get("logConfiguration") or {}).get("options") or {}
        known = container.get("logStreamName") or (streams[-1] if streams else "")
        return options.get("awslogs-group") or self._group, known
