"""
History events: one fact each, as AWS's GetExecutionHistory gives it.

*details* holds the event's details structure with AWS's own member names, and JSON *values* where AWS sends JSON text
(``input``, ``output``, ``parameters``, the values of ``assignedVariables``); :mod:`workflow_manager.codec` turns them
into AWS's shape.  Beside AWS's fields an event carries the *branch* it happened in: ``""`` is the root, ``"2"`` the
third branch of a Parallel or the third iteration of a Map, ``"2/0"`` a branch within it.

Some facts AWS keeps to itself: that a retrier answered and how long it waits, until when a Wait waits, a heartbeat,
what the children of a Map Run said.  They are :class:`UnlistedEventType` events: they take no id of their own (they
carry that of the listed event before them), stand in the stored history and never in AWS's shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

import attrs

from workflow_manager.asl.values import JSON


class HistoryEventType(StrEnum):
    """The event types of AWS Step Functions (AWS API: HistoryEvent, ``type``)."""

    ACTIVITY_FAILED = "ActivityFailed"
    ACTIVITY_SCHEDULED = "ActivityScheduled"
    ACTIVITY_SCHEDULE_FAILED = "ActivityScheduleFailed"
    ACTIVITY_STARTED = "ActivityStarted"
    ACTIVITY_SUCCEEDED = "ActivitySucceeded"
    ACTIVITY_TIMED_OUT = "ActivityTimedOut"
    CHOICE_STATE_ENTERED = "ChoiceStateEntered"
    CHOICE_STATE_EXITED = "ChoiceStateExited"
    EVALUATION_FAILED = "EvaluationFailed"
    EXECUTION_ABORTED = "ExecutionAborted"
    EXECUTION_FAILED = "ExecutionFailed"
    EXECUTION_REDRIVEN = "ExecutionRedriven"
    EXECUTION_STARTED = "ExecutionStarted"
    EXECUTION_SUCCEEDED = "ExecutionSucceeded"
    EXECUTION_TIMED_OUT = "ExecutionTimedOut"
    FAIL_STATE_ENTERED = "FailStateEntered"
    LAMBDA_FUNCTION_FAILED = "LambdaFunctionFailed"
    LAMBDA_FUNCTION_SCHEDULED = "LambdaFunctionScheduled"
    LAMBDA_FUNCTION_SCHEDULE_FAILED = "LambdaFunctionScheduleFailed"
    LAMBDA_FUNCTION_STARTED = "LambdaFunctionStarted"
    LAMBDA_FUNCTION_START_FAILED = "LambdaFunctionStartFailed"
    LAMBDA_FUNCTION_SUCCEEDED = "LambdaFunctionSucceeded"
    LAMBDA_FUNCTION_TIMED_OUT = "LambdaFunctionTimedOut"
    MAP_ITERATION_ABORTED = "MapIterationAborted"
    MAP_ITERATION_FAILED = "MapIterationFailed"
    MAP_ITERATION_STARTED = "MapIterationStarted"
    MAP_ITERATION_SUCCEEDED = "MapIterationSucceeded"
    MAP_RUN_ABORTED = "MapRunAborted"
    MAP_RUN_FAILED = "MapRunFailed"
    MAP_RUN_REDRIVEN = "MapRunRedriven"
    MAP_RUN_STARTED = "MapRunStarted"
    MAP_RUN_SUCCEEDED = "MapRunSucceeded"
    MAP_STATE_ABORTED = "MapStateAborted"
    MAP_STATE_ENTERED = "MapStateEntered"
    MAP_STATE_EXITED = "MapStateExited"
    MAP_STATE_FAILED = "MapStateFailed"
    MAP_STATE_STARTED = "MapStateStarted"
    MAP_STATE_SUCCEEDED = "MapStateSucceeded"
    PARALLEL_STATE_ABORTED = "ParallelStateAborted"
    PARALLEL_STATE_ENTERED = "ParallelStateEntered"
    PARALLEL_STATE_EXITED = "ParallelStateExited"
    PARALLEL_STATE_FAILED = "ParallelStateFailed"
    PARALLEL_STATE_STARTED = "ParallelStateStarted"
    PARALLEL_STATE_SUCCEEDED = "ParallelStateSucceeded"
    PASS_STATE_ENTERED = "PassStateEntered"
    PASS_STATE_EXITED = "PassStateExited"
    SUCCEED_STATE_ENTERED = "SucceedStateEntered"
    SUCCEED_STATE_EXITED = "SucceedStateExited"
    TASK_FAILED = "TaskFailed"
    TASK_SCHEDULED = "TaskScheduled"
    TASK_STARTED = "TaskStarted"
    TASK_START_FAILED = "TaskStartFailed"
    TASK_STATE_ABORTED = "TaskStateAborted"
    TASK_STATE_ENTERED = "TaskStateEntered"
    TASK_STATE_EXITED = "TaskStateExited"
    TASK_SUBMITTED = "TaskSubmitted"
    TASK_SUBMIT_FAILED = "TaskSubmitFailed"
    TASK_SUCCEEDED = "TaskSucceeded"
    TASK_TIMED_OUT = "TaskTimedOut"
    WAIT_STATE_ABORTED = "WaitStateAborted"
    WAIT_STATE_ENTERED = "WaitStateEntered"
    WAIT_STATE_EXITED = "WaitStateExited"


class UnlistedEventType(StrEnum):
    """Facts that AWS writes into no history; stored beside it so that a replay never has to decide again."""

    STATE_FAILED = "StateFailed"  # error, cause: a failure that AWS shows only by what follows from it
    RETRY_SCHEDULED = "RetryScheduled"  # retrier (index), delaySeconds
    RETRY_STARTED = "RetryStarted"  # the delay is over
    WAIT_SCHEDULED = "WaitScheduled"  # until (RFC 3339)
    WAIT_ENDED = "WaitEnded"
    TASK_HEARTBEAT = "TaskHeartbeat"
    READ_SCHEDULED = "ReadScheduled"  # resource, parameters: a Map Run asks for its items
    ITEMS_READ = "ItemsRead"  # items
    CHILD_SCHEDULED = "ChildScheduled"  # index, input: a child execution of a Map Run
    CHILD_SUCCEEDED = "ChildSucceeded"  # index, output
    CHILD_FAILED = "ChildFailed"  # index, error, cause
    WRITE_SCHEDULED = "WriteScheduled"  # resource, parameters: a Map Run hands its results over
    RESULTS_WRITTEN = "ResultsWritten"  # output


@attrs.frozen
class HistoryEvent:
    """
    One fact of an execution.

    *id* counts from 1, *previous_event_id* is AWS's (0 for the first two), *timestamp* is UTC, *details* the members
    of AWS's details structure (``None`` where AWS sends none), *branch* where it happened (``""`` is the root).
    *next* names the state that follows when this event leaves a state, *beside* holds what else was decided at this
    moment and AWS does not tell (a Map's concurrency, the error behind a ParallelStateFailed); events read from AWS
    have neither.
    """

    id: int
    previous_event_id: int
    type: HistoryEventType | UnlistedEventType
    timestamp: datetime
    details: Mapping[str, JSON] | None = None
    branch: str = ""
    next: str | None = None
    beside: Mapping[str, JSON] | None = None

    @property
    def is_listed(self) -> bool:
        """Whether AWS would show this event."""
        return isinstance(self.type, HistoryEventType)


JSON_TEXT_MEMBERS = frozenset({"input", "output", "parameters"})
"""Members of a details structure that AWS sends as JSON text and :class:`HistoryEvent` holds as values."""

_STATE_DETAILS = ("StateEntered", "StateExited")
_NO_DETAILS = frozenset(
    {
        HistoryEventType.LAMBDA_FUNCTION_STARTED,
        HistoryEventType.MAP_RUN_SUCCEEDED,
        HistoryEventType.MAP_RUN_ABORTED,
        HistoryEventType.MAP_STATE_ABORTED,
        HistoryEventType.MAP_STATE_FAILED,
        HistoryEventType.MAP_STATE_SUCCEEDED,
        HistoryEventType.PARALLEL_STATE_ABORTED,
        HistoryEventType.PARALLEL_STATE_FAILED,
        HistoryEventType.PARALLEL_STATE_STARTED,
        HistoryEventType.PARALLEL_STATE_SUCCEEDED,
        HistoryEventType.TASK_STATE_ABORTED,
        HistoryEventType.WAIT_STATE_ABORTED,
    }
)


def details_member(type: HistoryEventType) -> str | None:
    """The member of AWS's HistoryEvent that holds the details of *type*, such as ``stateEnteredEventDetails``."""
    if type in _NO_DETAILS:
        return None
    for suffix in _STATE_DETAILS:
        if type.endswith(suffix):
            return f"s{suffix[1:]}EventDetails"
    return f"{type[0].lower()}{type[1:]}EventDetails"


DETAILS_MEMBERS: Mapping[HistoryEventType, str | None] = {type: details_member(type) for type in HistoryEventType}
"""The details member of every event type."""
