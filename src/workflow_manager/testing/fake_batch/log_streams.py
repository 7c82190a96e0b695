"""The log lines of jobs, as CloudWatch Logs keeps them, and its read operations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workflow_manager.testing.fake_batch.errors import Refusal

LOG_GROUP = "/aws/batch/job"

Body = Mapping[str, Any]
Line = tuple[int, str]


class LogStreams:
    """Lines by log group and stream, each with its time in milliseconds since 1970; they outlive their jobs."""

    def __init__(self) -> None:
        self._groups: dict[str, dict[str, list[Line]]] = {LOG_GROUP: {}}

    def open(self, group: str, stream: str) -> None:
        """Makes an empty stream."""
        self._groups.setdefault(group, {}).setdefault(stream, [])

    def write(self, group: str, stream: str, at: int, line: str) -> None:
        self._groups.setdefault(group, {}).setdefault(stream, []).append((at, line))

    def lines(self, stream: str, group: str = LOG_GROUP) -> list[str]:
        """The lines of one stream, oldest first; none when there is no such stream."""
        return [text for _, text in self._groups.get(group, {}).get(stream, ())]

    def get_log_events(self, body: Body) -> dict[str, Any]:
        """CloudWatch Logs API, GetLogEvents: the newest page unless startFromHead; tokens go both ways."""
        stream = body.get("logStreamName", "")
        streams = self._group(body)
        if stream not in streams:
            raise Refusal("ResourceNotFoundException", "The specified log stream does not exist.")
        lines = _between(streams[stream], body)
        limit = int(body.get("limit") or 10_000)
        first, last = _window(body, len(lines), limit)
        return {
            "events": [{"timestamp": at, "message": text, "ingestionTime": at} for at, text in lines[first:last]],
            "nextForwardToken": f"f/{last:056d}/s",
            "nextBackwardToken": f"b/{first:056d}/s",
        }

    def filter_log_events(self, body: Body) -> dict[str, Any]:
        """CloudWatch Logs API, FilterLogEvents; of filter patterns only terms that must all occur are understood."""
        streams = self._group(body)
        names = body.get("logStreamNames")
        prefix = body.get("logStreamNamePrefix", "")
        terms = [term.strip('"') for term in (body.get("filterPattern") or "").split()]
        found = sorted(
            (at, name, n, text)
            for name, lines in streams.items()
            if (names is None or name in names) and name.startswith(prefix)
            for n, (at, text) in enumerate(_between(lines, body))
            if all(term in text for term in terms)
        )
        first, limit = int(body.get("nextToken") or 0), int(body.get("limit") or 10_000)
        more = first + limit < len(found)
        events = [
            {
                "logStreamName": name,
                "timestamp": at,
                "message": text,
                "ingestionTime": at,
                "eventId": f"{at}-{name}-{n}",
            }
            for at, name, n, text in found[first : first + limit]
        ]
        page: dict[str, Any] = {"events": events, "searchedLogStreams": []}
        return page | ({"nextToken": str(first + limit)} if more else {})

    def describe_log_streams(self, body: Body) -> dict[str, Any]:
        """CloudWatch Logs API, DescribeLogStreams, by name, in one page."""
        prefix = body.get("logStreamNamePrefix", "")
        names = sorted(name for name in self._group(body) if name.startswith(prefix))
        return {"logStreams": [{"logStreamName": name} for name in names[: int(body.get("limit") or 50)]]}

    def _group(self, body: Body) -> dict[str, list[Line]]:
        name = body.get("logGroupName") or str(body.get("logGroupIdentifier", "")).rpartition("log-group:")[2]
        if name not in self._groups:
            raise Refusal("ResourceNotFoundException", "The specified log group does not exist.")
        return self._groups[name]


def _between(lines: list[Line], body: Body) -> list[Line]:
    start, end = body.get("startTime"), body.get("endTime")
    if start is None and end is None:
        return lines
    return [line for line in lines if (start is None or line[0] >= start) and (end is None or line[0] < end)]


def _window(body: Body, count: int, limit: int) -> tuple[int, int]:
    # A token says where its page ends (backward) or begins (forward).
    token = body.get("nextToken")
    if token:
        way, _, rest = str(token).partition("/")
        at = int(rest.partition("/")[0])
        return (max(0, at - limit), at) if way == "b" else (at, min(count, at + limit))
    if body.get("startFromHead"):
        return 0, min(count, limit)
    return max(0, count - limit), count
