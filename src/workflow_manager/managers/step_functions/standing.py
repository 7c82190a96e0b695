"""How a workflow stands, told from what AWS says of its execution."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta

import attrs

from workflow_manager.asl.values import JSON
from workflow_manager.jobs import reason as short_reason
from workflow_manager.models import Workflow, WorkflowStatus

logger = logging.getLogger("workflow_manager")

STATUS: Mapping[str, WorkflowStatus] = {
    "RUNNING": WorkflowStatus.RUNNING,
    "PENDING_REDRIVE": WorkflowStatus.RUNNING,
    "SUCCEEDED": WorkflowStatus.SUCCEEDED,
    "FAILED": WorkflowStatus.FAILED,
    "TIMED_OUT": WorkflowStatus.FAILED,
    "ABORTED": WorkflowStatus.CANCELLED,
}
"""The workflow's status for every status of an execution (AWS API: ExecutionStatus)."""

LOST_AFTER = timedelta(minutes=5)
"""So long an execution may be unknown to AWS after the workflow was last saved: what AWS shows comes with a delay."""
LOST = "ExecutionDoesNotExist"
NEVER_THERE = "AWS Step Functions knows no such execution or redrive: it never started, or its state machine is gone"

EXECUTION_TAG = "workflow-manager:execution"
"""The tag of a workflow whose execution's ARN does not follow from its id: a redrive, or a machine of another name."""
REDRIVE_TAG = "workflow-manager:redrive"
"""The tag of a workflow that is the n-th redrive of an execution; its value is n."""
OWN_TAGS = (EXECUTION_TAG, REDRIVE_TAG)

_RESOLVED = (WorkflowStatus.SUCCEEDED, WorkflowStatus.CANCELLED)
_unknown_statuses: set[str] = set()


@attrs.frozen(kw_only=True)
class Standing:
    """How an execution stands: *status* in AWS's word, *stopped_at* (UTC) when it has ended."""

    status: str
    stopped_at: datetime | None = None
    output: JSON = None
    error: str | None = None
    cause: str | None = None

    @property
    def is_final(self) -> bool:
        """Whether the execution has ended."""
        status = STATUS.get(self.status)
        return status is not None and status.is_final


def advanced(workflow: Workflow, standing: Standing, at: datetime) -> Workflow:
    """*workflow* as it is when its execution stands like that, known at the time *at*; the same if nothing is new."""
    status = STATUS.get(standing.status)
    if status is None:
        _tell_once(standing.status)
        return workflow
    at = max(at, workflow.last_updated)
    if not status.is_final:
        return workflow if workflow.status is status else attrs.evolve(workflow, status=status, last_updated=at)
    stopped = max(standing.stopped_at or at, workflow.created_at)
    return attrs.evolve(
        workflow,
        status=status,
        last_updated=at,
        stopped_at=stopped,
        output=standing.output,
        error=standing.error,
        cause=standing.cause,
        status_reason=_reason(workflow, standing),
        resolved_by_user=status in _RESOLVED,
    )


def lost(workflow: Workflow, at: datetime) -> Workflow:
    """*workflow* when AWS has not known it for :data:`LOST_AFTER`: cancelled if somebody wanted that, else failed."""
    if is_cancelling(workflow):
        return attrs.evolve(workflow, status=WorkflowStatus.CANCELLED, last_updated=at, stopped_at=at)
    return attrs.evolve(
        workflow,
        status=WorkflowStatus.FAILED,
        last_updated=at,
        stopped_at=at,
        error=LOST,
        cause=NEVER_THERE,
        status_reason=f"{LOST}: {NEVER_THERE}",
    )


def cancelling(workflow: Workflow, reason: str, at: datetime) -> Workflow:
    """*workflow* when its cancellation is wanted, and not yet seen to have happened."""
    at = max(at, workflow.last_updated)
    return attrs.evolve(workflow, status_reason=reason, resolved_by_user=True, last_updated=at)


def is_cancelling(workflow: Workflow) -> bool:
    """Whether somebody has asked for an end that has not come."""
    return workflow.resolved_by_user and not workflow.status.is_final


def _reason(workflow: Workflow, standing: Standing) -> str:
    """What a person wants to read first."""
    if standing.status == "SUCCEEDED":
        return ""
    if standing.status == "ABORTED":
        return standing.cause or standing.error or (workflow.status_reason if workflow.resolved_by_user else "")
    if standing.status == "TIMED_OUT":
        return short_reason(standing.error, standing.cause, "Workflow timed out")
    said = ": ".join(part for part in (standing.error, standing.cause) if part)
    if standing.error == "States.Runtime" and "Internal Error" in (standing.cause or ""):
        return f"State resource does not exist\n{said}"
    return said


def _tell_once(status: str) -> None:
    if status not in _unknown_statuses:
        _unknown_statuses.add(status)
        logger.warning("executions may have the status %r, which this version does not know", status)
