"""Waiting for a workflow to end, whoever runs it."""

from __future__ import annotations

import time
from typing import Protocol, runtime_checkable

from workflow_manager.exceptions import ManagerClosedError, WaitTimeoutError
from workflow_manager.models import Workflow
from workflow_manager.protocols import WorkflowManager

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 20.0  # seconds between looks at a manager that does not tell
_FIRST_SLICE, _LONGEST_SLICE = 1.0, 10.0  # seconds after which one looks anyway: the end may have come from elsewhere
_GROWTH = 1.5


@runtime_checkable
class TellsOfEnds(Protocol):
    """A manager that can tell when a workflow ends, so that nobody has to ask it again and again."""

    def wait_for_end(self, workflow_id: str, seconds: float) -> bool | None:
        """
        Return when the workflow has ended or *seconds* are over.

        ``True``: it has ended; ``False``: the time is over; ``None``, at once: this manager would not be told of its
        end.
        """
        ...


def wait(manager: WorkflowManager, workflow: Workflow, timeout: float | None = None) -> Workflow:
    """
    Wait until *workflow* has ended, and return it with its output and all its jobs.

    A manager that can tell (the local one) is not asked meanwhile; any other is asked by ``update_workflow_summary``,
    after pauses that grow to 20 seconds.  *timeout* is in seconds; ``None`` waits for ever.

    Raises:
        WaitTimeoutError: it is still going after *timeout*; it goes on.
        ManagerClosedError: the manager was closed, so the workflow does not go on.
    """
    end = None if timeout is None else time.monotonic() + timeout
    tells = manager if isinstance(manager, TellsOfEnds) else None
    pause, slice = _FIRST_PAUSE, _FIRST_SLICE
    while True:
        told = None if tells is None else tells.wait_for_end(workflow.id, _left(end, slice))
        workflow = _look(manager, workflow, has_ended=told is True)
        if workflow.status.is_final:
            return workflow
        if getattr(manager, "is_closed", False):
            raise ManagerClosedError(f"the manager of workflow {workflow.id} is closed")
        if end is not None and timeout is not None and time.monotonic() >= end:
            raise WaitTimeoutError(workflow.id, timeout)
        if told is None:
            time.sleep(_left(end, pause))
            pause = min(pause * _GROWTH, _LONGEST_PAUSE)
        else:
            slice = min(slice * _GROWTH, _LONGEST_SLICE)


def _look(manager: WorkflowManager, workflow: Workflow, *, has_ended: bool) -> Workflow:
    """The workflow as it is, with its jobs once it has ended: a history is not asked for before."""
    if not has_ended:
        workflow = manager.update_workflow_summary(workflow)
    return manager.update_workflow_history(workflow) if has_ended or workflow.status.is_final else workflow


def _left(end: float | None, most: float) -> float:
    return most if end is None else max(0.0, min(most, end - time.monotonic()))
