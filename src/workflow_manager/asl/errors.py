"""Errors of the States Language at run time: an error name and a cause, as Retry and Catch see them."""

from __future__ import annotations

from enum import StrEnum

NO_NEXT = "Failed to transition out of the state. The state does not point to a next state."
"""AWS's cause for a Choice of which no rule holds and that has no Default."""


class ErrorName(StrEnum):
    """The reserved error names.  Source: ASL specification, Appendix A; AWS, "Handling errors in Step Functions"."""

    ALL = "States.ALL"
    BRANCH_FAILED = "States.BranchFailed"
    DATA_LIMIT_EXCEEDED = "States.DataLimitExceeded"
    EXCEED_TOLERATED_FAILURE_THRESHOLD = "States.ExceedToleratedFailureThreshold"
    HEARTBEAT_TIMEOUT = "States.HeartbeatTimeout"
    INTRINSIC_FAILURE = "States.IntrinsicFailure"
    ITEM_READER_FAILED = "States.ItemReaderFailed"
    NO_CHOICE_MATCHED = "States.NoChoiceMatched"
    PARAMETER_PATH_FAILURE = "States.ParameterPathFailure"
    PERMISSIONS = "States.Permissions"
    QUERY_EVALUATION_ERROR = "States.QueryEvaluationError"
    RESULT_PATH_MATCH_FAILURE = "States.ResultPathMatchFailure"
    RESULT_WRITER_FAILED = "States.ResultWriterFailed"
    RUNTIME = "States.Runtime"
    TASK_FAILED = "States.TaskFailed"
    TIMEOUT = "States.Timeout"


class StatesError(Exception):
    """
    Evaluating a part of a state failed.

    *error* is the error name, *cause* AWS's sentence without its prefix ("An error occurred while executing the state
    ..."),
    *location* the field that failed as AWS names it in EvaluationFailed (``Arguments/FunctionName``), if any.
    """

    def __init__(self, error: str, cause: str, location: str | None = None) -> None:
        super().__init__(f"{error}: {cause}")
        self.error, self.cause, self.location = error, cause, location
