"""Where a retry on Step Functions starts, and with what, told from the jobs of what it retries."""

from __future__ import annotations

from collections.abc import Sequence

from workflow_manager.asl.machine import StateMachine, StateType
from workflow_manager.asl.values import JSON
from workflow_manager.exceptions import InvalidValueError
from workflow_manager.models import Job, JobStatus, Workflow, WorkflowStatus

_LOST = (JobStatus.FAILED, JobStatus.ABORTED_BY_USER, JobStatus.ABORTED_DEPS_FAILED)


def default_start(workflow: Workflow, machine: StateMachine, visits: Sequence[Job]) -> str:
    """
    The state where a retry of *workflow* starts unless the caller says otherwise.

    *visits* are those of its top level, *machine* is what it ran.  It is the last one that failed or was aborted, else
    the last one that is no Fail state; for a workflow that has succeeded, or never entered any, where it began.
    """
    if workflow.status is WorkflowStatus.SUCCEEDED or not visits:
        return machine.start_at
    work = [visit for visit in visits if visit.state_type is not StateType.FAIL]
    lost = [visit for visit in work if visit.status in _LOST]
    return (lost or work or visits)[-1].state


def latest_input(state: str, visits: Sequence[Job]) -> JSON:
    """
    The input of the latest visit of *state*.

    Raises:
        InvalidValueError: it was never entered.
    """
    for visit in reversed(visits):
        if visit.state == state:
            return visit.input
    raise InvalidValueError("retry", "/input", f"state {state!r} was never entered, so an input must be given")
