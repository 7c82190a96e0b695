"""
Folding: what one event makes of an execution.

Rule 1: this is the only place where the state changes; nothing else moves it.
Rule 2: folding never decides.  What was decided stands in the event, so a later version of the library replays an old
history to the very state that the older one had.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from workflow_manager.engine.folding.details import NOTHING
from workflow_manager.engine.folding.failures import (
    aborted,
    evaluation_failed,
    iteration_aborted,
    retry_scheduled,
    retry_started,
    state_failed,
)
from workflow_manager.engine.folding.forks import (
    fork_failed,
    fork_succeeded,
    iteration_failed,
    iteration_started,
    iteration_succeeded,
    map_started,
    parallel_started,
)
from workflow_manager.engine.folding.readiness import settle
from workflow_manager.engine.folding.runs import (
    child_failed,
    child_scheduled,
    child_succeeded,
    items_read,
    map_run_ended,
    map_run_started,
    read_scheduled,
    results_written,
    write_scheduled,
)
from workflow_manager.engine.folding.states import entered, exited, wait_ended, wait_scheduled
from workflow_manager.engine.folding.tasks import (
    heartbeat,
    scheduled,
    started,
    submitted,
    succeeded,
    task_failed,
    task_timed_out,
)
from workflow_manager.engine.folding.whole import execution_ended, execution_started, redriven
from workflow_manager.engine.pending import ExecutionStatus
from workflow_manager.engine.state import Branch, ExecutionState
from workflow_manager.history import HistoryEvent, UnlistedEventType
from workflow_manager.history import HistoryEventType as E

_U = UnlistedEventType


Handler = Callable[[ExecutionState, Branch, HistoryEvent, Mapping[str, Any]], None]


def fold(x: ExecutionState, event: HistoryEvent) -> None:
    """Make of *x* what it is after *event*."""
    x.sequence += 1
    if event.id > x.last_id:  # noqa: PLR1730  this runs for every event
        x.last_id = event.id
    details = event.details or NOTHING
    handler = _HANDLERS.get(event.type)
    if handler is None:
        _BEGINNINGS[event.type](x, event, details)
        return
    branch = x.branches[event.branch]
    x.ready.pop(event.branch, None)
    handler(x, branch, event, details)
    settle(x, branch)


_BEGINNINGS: Mapping[Any, Callable[[ExecutionState, HistoryEvent, Mapping[str, Any]], None]] = {
    E.EXECUTION_STARTED: execution_started,
    E.EXECUTION_SUCCEEDED: execution_ended(ExecutionStatus.SUCCEEDED),
    E.EXECUTION_FAILED: execution_ended(ExecutionStatus.FAILED),
    E.EXECUTION_TIMED_OUT: execution_ended(ExecutionStatus.TIMED_OUT),
    E.EXECUTION_ABORTED: execution_ended(ExecutionStatus.ABORTED),
    E.MAP_ITERATION_STARTED: iteration_started,
}


_HANDLERS: Mapping[Any, Handler] = {
    **{type: entered for type in E if type.endswith("StateEntered")},
    **{type: exited for type in E if type.endswith("StateExited")},
    **dict.fromkeys((E.TASK_SCHEDULED, E.LAMBDA_FUNCTION_SCHEDULED, E.ACTIVITY_SCHEDULED), scheduled),
    **dict.fromkeys((E.TASK_STARTED, E.LAMBDA_FUNCTION_STARTED, E.ACTIVITY_STARTED), started),
    **dict.fromkeys((E.TASK_SUCCEEDED, E.LAMBDA_FUNCTION_SUCCEEDED, E.ACTIVITY_SUCCEEDED), succeeded),
    **dict.fromkeys((E.TASK_TIMED_OUT, E.LAMBDA_FUNCTION_TIMED_OUT, E.ACTIVITY_TIMED_OUT), task_timed_out),
    **dict.fromkeys(
        (
            E.TASK_FAILED,
            E.TASK_START_FAILED,
            E.TASK_SUBMIT_FAILED,
            E.LAMBDA_FUNCTION_FAILED,
            E.LAMBDA_FUNCTION_SCHEDULE_FAILED,
            E.LAMBDA_FUNCTION_START_FAILED,
            E.ACTIVITY_FAILED,
            E.ACTIVITY_SCHEDULE_FAILED,
        ),
        task_failed,
    ),
    **dict.fromkeys(
        (
            E.TASK_STATE_ABORTED,
            E.WAIT_STATE_ABORTED,
            E.PARALLEL_STATE_ABORTED,
            E.MAP_STATE_ABORTED,
        ),
        aborted,
    ),
    **dict.fromkeys((E.MAP_RUN_SUCCEEDED, E.MAP_RUN_FAILED, E.MAP_RUN_ABORTED), map_run_ended),
    **dict.fromkeys((E.PARALLEL_STATE_FAILED, E.MAP_STATE_FAILED), fork_failed),
    **dict.fromkeys((E.PARALLEL_STATE_SUCCEEDED, E.MAP_STATE_SUCCEEDED), fork_succeeded),
    **dict.fromkeys((E.EXECUTION_REDRIVEN, E.MAP_RUN_REDRIVEN), redriven),
    E.TASK_SUBMITTED: submitted,
    E.EVALUATION_FAILED: evaluation_failed,
    E.PARALLEL_STATE_STARTED: parallel_started,
    E.MAP_STATE_STARTED: map_started,
    E.MAP_ITERATION_SUCCEEDED: iteration_succeeded,
    E.MAP_ITERATION_FAILED: iteration_failed,
    E.MAP_ITERATION_ABORTED: iteration_aborted,
    E.MAP_RUN_STARTED: map_run_started,
    _U.STATE_FAILED: state_failed,
    _U.RETRY_SCHEDULED: retry_scheduled,
    _U.RETRY_STARTED: retry_started,
    _U.WAIT_SCHEDULED: wait_scheduled,
    _U.WAIT_ENDED: wait_ended,
    _U.TASK_HEARTBEAT: heartbeat,
    _U.READ_SCHEDULED: read_scheduled,
    _U.ITEMS_READ: items_read,
    _U.CHILD_SCHEDULED: child_scheduled,
    _U.CHILD_SUCCEEDED: child_succeeded,
    _U.CHILD_FAILED: child_failed,
    _U.WRITE_SCHEDULED: write_scheduled,
    _U.RESULTS_WRITTEN: results_written,
}
