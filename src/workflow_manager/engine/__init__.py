"""The interpreter, without input or output: see :mod:`workflow_manager.engine.execution`."""

from workflow_manager.engine.execution import DEFAULT_ROLE_ARN, Execution
from workflow_manager.engine.pending import ExecutionStatus, Outcome, PendingTask, PendingTimer, TimerKind
from workflow_manager.engine.reports import (
    Aborted,
    Report,
    TaskFailed,
    TaskHeartbeat,
    TaskStarted,
    TaskSubmitted,
    TaskSucceeded,
    TimerFired,
)
from workflow_manager.engine.state import AWS_LIMITS, NO_LIMITS, Changes, Limits

__all__ = [
    "AWS_LIMITS",
    "DEFAULT_ROLE_ARN",
    "NO_LIMITS",
    "Aborted",
    "Changes",
    "Execution",
    "ExecutionStatus",
    "Limits",
    "Outcome",
    "PendingTask",
    "PendingTimer",
    "Report",
    "TaskFailed",
    "TaskHeartbeat",
    "TaskStarted",
    "TaskSubmitted",
    "TaskSucceeded",
    "TimerFired",
    "TimerKind",
]
