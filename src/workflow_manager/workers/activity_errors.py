"""The error names with which a worker answers; those of the original's ``sfncli``, so that retriers know them."""

from __future__ import annotations

from enum import StrEnum

from workflow_manager.exceptions import TaskError


class ActivityError(StrEnum):
    """Why a task failed, where neither the function nor the command has said it."""

    INPUT_NOT_JSON = "sfncli.TaskInputNotJSON"
    INPUT_MISSING_EXECUTION_NAME = "sfncli.TaskInputMissingExecutionName"
    COMMAND_NOT_FOUND = "sfncli.CommandNotFound"
    COMMAND_KILLED = "sfncli.CommandKilled"
    COMMAND_EXITED_NONZERO = "sfncli.CommandExitedNonzero"
    COMMAND_TERMINATED = "sfncli.CommandTerminated"
    OUTPUT_NOT_JSON = "sfncli.TaskOutputNotJSON"
    UNKNOWN = "sfncli.Unknown"

    def because(self, cause: str) -> TaskError:
        """The error to raise."""
        return TaskError(self.value, cause)
