"""
What a worker says to Step Functions about one task, and what the answers mean.

Source: AWS API, SendTaskSuccess, SendTaskFailure, SendTaskHeartbeat.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import attrs

from workflow_manager.aws import code_of, passes
from workflow_manager.callables import MAX_CAUSE, MAX_ERROR, cut

logger = logging.getLogger("workflow_manager")

MAX_OUTPUT = 262_144
"""The longest output, in bytes of UTF-8."""

_GONE = frozenset({"TaskDoesNotExist", "TaskTimedOut", "InvalidToken"})
_TRIES = 40  # some five minutes: an answer is the work of hours
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 15.0


class ActivityClient(Protocol):
    """What is used of ``boto3.client("stepfunctions")``; give it a ``read_timeout`` of at least 65 seconds."""

    @property
    def create_activity(self) -> Callable[..., Mapping[str, Any]]: ...
    @property
    def list_activities(self) -> Callable[..., Mapping[str, Any]]: ...
    @property
    def tag_resource(self) -> Callable[..., object]: ...
    @property
    def get_activity_task(self) -> Callable[..., Mapping[str, Any]]: ...
    @property
    def send_task_success(self) -> Callable[..., object]: ...
    @property
    def send_task_failure(self) -> Callable[..., object]: ...
    @property
    def send_task_heartbeat(self) -> Callable[..., object]: ...


@attrs.frozen
class Answers:
    """
    Sends what becomes of tasks, again and again while that fails in passing.

    *pause* waits for some seconds; *chance* gives a random number between its two arguments.  Every method returns
    whether AWS still wants to know: ``False`` means that the task has timed out, was answered, or its execution ended.
    """

    client: ActivityClient
    pause: Callable[[float], object]
    chance: Callable[[float, float], float]

    def success(self, token: str, output: str) -> bool:
        """The task has succeeded with *output*, JSON text."""
        return self._send(self.client.send_task_success, taskToken=token, output=output)

    def failure(self, token: str, error: str | None, cause: str | None, *, tries: int = _TRIES) -> bool:
        """The task has failed; *error* and *cause* are cut where they are too long.  *tries* is how often to try."""
        said = {"error": cut(error, MAX_ERROR), "cause": cut(cause, MAX_CAUSE)}
        given: dict[str, Any] = {name: text for name, text in said.items() if text is not None}
        return self._send(self.client.send_task_failure, tries=tries, taskToken=token, **given)

    def heartbeat(self, token: str) -> bool:
        """The task is alive; tried once, because the next heartbeat is near."""
        return self._send(self.client.send_task_heartbeat, tries=1, taskToken=token)

    def _send(self, operation: Callable[..., object], /, *, tries: int = _TRIES, **arguments: Any) -> bool:
        for number in range(tries):
            try:
                operation(**arguments)
            except Exception as error:  # told apart by code, so as not to import botocore
                if code_of(error) in _GONE:
                    return False
                if not passes(error) or number == tries - 1:
                    raise
                logger.warning("a task's answer did not get through, trying again: %s", error)
                self.pause(self.chance(0.0, min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**number)))
            else:
                return True
        return True
