"""What a task's function may know and do about its own run."""

from __future__ import annotations

import threading
from collections.abc import Callable

from workflow_manager.asl.values import JSON, check_json


class TaskContext:
    """
    The second argument of a task's function, if it takes one.

    *token* is the task token, *workflow_id* the workflow, *state* the state's name, *attempt* counts retries from 0,
    *execution* is the context object that ``$$`` means in the definition.  *cancelled* is set once nobody wants the
    answer any more: the workflow was cancelled, the task timed out, or a sibling branch failed.
    """

    __slots__ = ("_beat", "_copy", "_execution", "attempt", "cancelled", "state", "token", "workflow_id")

    def __init__(
        self, *, token: str, workflow_id: str, state: str, attempt: int, execution: JSON, beat: Callable[[], None]
    ) -> None:
        self.token, self.workflow_id, self.state, self.attempt = token, workflow_id, state, attempt
        self._execution, self._copy = execution, False
        self.cancelled = threading.Event()
        self._beat = beat

    @property
    def execution(self) -> JSON:
        """The context object; a copy, made when it is first asked for, because the workflow's input is in it."""
        if not self._copy:
            self._execution, self._copy = check_json(self._execution, "context"), True
        return self._execution

    def heartbeat(self) -> None:
        """Say that the task is alive: its HeartbeatSeconds are counted from now (AWS API: SendTaskHeartbeat)."""
        self._beat()

    def cancel_requested(self) -> bool:
        """Whether the answer is no longer wanted; a thread cannot be stopped from outside, so long tasks should ask."""
        return self.cancelled.is_set()

    def __repr__(self) -> str:
        return f"<TaskContext {self.state!r} attempt {self.attempt} of workflow {self.workflow_id}>"
