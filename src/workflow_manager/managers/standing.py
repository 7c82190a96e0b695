"""How a workflow stands, told from how its execution stands."""

from __future__ import annotations

from datetime import datetime

from workflow_manager.asl import graph
from workflow_manager.asl.machine import StateMachine
from workflow_manager.engine.pending import ExecutionStatus, Outcome
from workflow_manager.models import Workflow, WorkflowStatus, changed

STATUS = {
    ExecutionStatus.RUNNING: WorkflowStatus.RUNNING,
    ExecutionStatus.SUCCEEDED: WorkflowStatus.SUCCEEDED,
    ExecutionStatus.FAILED: WorkflowStatus.FAILED,
    ExecutionStatus.TIMED_OUT: WorkflowStatus.FAILED,
    ExecutionStatus.ABORTED: WorkflowStatus.CANCELLED,
}
"""The workflow's status for every status of an execution."""

_RESOLVED = (WorkflowStatus.SUCCEEDED, WorkflowStatus.CANCELLED)


def advanced(workflow: Workflow, outcome: Outcome, at: datetime) -> Workflow:
    """*workflow* as it is at the time *at*, when its execution stands like *outcome*; its revision stays."""
    at = max(at, workflow.last_updated)
    if not outcome.is_final:
        return changed(workflow, status=WorkflowStatus.RUNNING, last_updated=at)
    status = STATUS[outcome.status]
    return changed(
        workflow,
        status=status,
        last_updated=at,
        stopped_at=at,
        output=outcome.output,
        error=outcome.error,
        cause=outcome.cause,
        status_reason=_reason(outcome),
        resolved_by_user=status in _RESOLVED,
    )


def _reason(outcome: Outcome) -> str:
    """What a person wants to read first: the reason of a cancellation, else error and cause."""
    if outcome.status is ExecutionStatus.ABORTED:
        return outcome.cause or outcome.error or ""
    said = ": ".join(part for part in (outcome.error, outcome.cause) if part)
    if outcome.status is ExecutionStatus.TIMED_OUT:
        return f"Workflow timed out\n{said}".rstrip()
    return said


def machine_of(workflow: Workflow) -> StateMachine:
    """The machine that *workflow* runs: its definition's, or what is left of that when a retry starts further on."""
    machine = workflow.workflow_definition.state_machine
    return graph.trim(machine, workflow.start_at) if workflow.start_at else machine
