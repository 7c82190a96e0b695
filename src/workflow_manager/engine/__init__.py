"""The interpreter, without input or output: see :mod:`workflow_manager.engine.execution`."""

from workflow_manager.engine.execution import Execution
from workflow_manager.engine.identity import AWS_LIMITS, DEFAULT_ROLE_ARN, NO_LIMITS, Limits
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
from workflow_manager.engine.state import Changes

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
