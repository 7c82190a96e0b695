"""Waiting for workflows to end, whoever runs them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Protocol, cast

from workflow_manager.exceptions import InvalidValueError, ManagerClosedError, WaitTimeoutError
from workflow_manager.models import Workflow
from workflow_manager.protocols import WorkflowManager

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 20.0  # seconds between looks at a manager that does not tell
_FIRST_SLICE, _LONGEST_SLICE = 1.0, 10.0  # seconds after which one looks anyway: the end may have come from elsewhere
_TELLER_PAUSE = 0.02  # seconds between questions to a manager that tells, while there are several to wait for
_GROWTH = 1.5


class TellsOfEnds(Protocol):
    """A manager that can tell when a workflow ends, so that nobody has to ask it again and again."""

    def wait_for_end(self, workflow_id: str, seconds: float) -> bool | None:
        """
        Return when the workflow has ended or *seconds* are over.

        ``True``: it has ended; ``False``: the time is over; ``None``, at once: this manager would not be told of its
        end.
        """
        ...


class Directs(Protocol):
    """A manager that leaves each workflow to one of several others."""

    def manager_of(self, workflow: Workflow) -> WorkflowManager:
        """The manager that runs *workflow*."""
        ...


def directed(manager: WorkflowManager, workflow: Workflow) -> WorkflowManager:
    """The manager that runs *workflow*, where *manager* leaves it to another."""
    # Looking for the method, and not for the protocol by isinstance(): that looks all of it up, at every call.
    return cast("Directs", manager).manager_of(workflow) if hasattr(manager, "manager_of") else manager


def teller(manager: WorkflowManager) -> TellsOfEnds | None:
    """*manager* as one that tells of ends, if it is one."""
    return cast("TellsOfEnds", manager) if hasattr(manager, "wait_for_end") else None


def wait(manager: WorkflowManager, workflow: Workflow, timeout: float | None = None) -> Workflow:
    """
    Wait until *workflow* has ended, and return it with its output and all its jobs.

    A manager that can tell (the local one) is not asked meanwhile; any other is asked by ``update_workflow_summary``,
    after pauses that grow to 20 seconds.  *timeout* is in seconds; ``None`` waits for ever.

    Raises:
        WaitTimeoutError: it is still going after *timeout*; it goes on.
        ManagerClosedError: the manager was closed, so the workflow does not go on.
    """
    manager = directed(manager, workflow)
    end = None if timeout is None else time.monotonic() + timeout
    tells = teller(manager)
    pause, slice = _FIRST_PAUSE, _FIRST_SLICE
    while True:
        told = None if tells is None else tells.wait_for_end(workflow.id, _left(end, slice))
        workflow = _look(manager, workflow, has_ended=told is True)
        if workflow.status.is_final:
            return workflow
        _check_open(manager, workflow)
        if end is not None and timeout is not None and time.monotonic() >= end:
            raise WaitTimeoutError(workflow.id, timeout)
        if told is None:
            time.sleep(_left(end, pause))
            pause = min(pause * _GROWTH, _LONGEST_PAUSE)
        else:
            slice = min(slice * _GROWTH, _LONGEST_SLICE)


def wait_any(manager: WorkflowManager, workflows: Iterable[Workflow], timeout: float | None = None) -> Workflow:
    """
    Wait until one of *workflows* has ended, at most *timeout* seconds, and return it with its output and all its jobs.

    Raises:
        WaitTimeoutError: all are still going after *timeout*; they go on.
        ManagerClosedError: the manager of one was closed.
        InvalidValueError: there are none.
    """
    for workflow in as_completed(manager, workflows, timeout):
        return workflow
    raise InvalidValueError("wait_any", "/workflows", "there is no workflow to wait for")


def as_completed(
    manager: WorkflowManager, workflows: Iterable[Workflow], timeout: float | None = None
) -> Iterator[Workflow]:
    """
    Each of *workflows* once it has ended, with its output and all its jobs, the earliest end first.

    *timeout* is in seconds, from the moment when the first is asked for.

    Raises:
        WaitTimeoutError: after *timeout* one is still going; it is the first such, and all go on.
        ManagerClosedError: the manager of one was closed, so that one does not go on.
    """
    end = None if timeout is None else time.monotonic() + timeout
    waiting = {workflow.id: _Awaited(directed(manager, workflow), workflow) for workflow in workflows}
    while waiting:
        now = time.monotonic()
        for awaited in tuple(waiting.values()):
            if awaited.is_due(now) and awaited.look():
                del waiting[awaited.workflow.id]
                yield awaited.workflow
        if not waiting:
            return
        if end is not None and timeout is not None and time.monotonic() >= end:
            raise WaitTimeoutError(next(iter(waiting)), timeout)
        pause = min(awaited.due for awaited in waiting.values()) - time.monotonic()
        time.sleep(_left(end, max(0.0, pause)))


class _Awaited:
    """One of several workflows that are waited for, and when to look at it next."""

    def __init__(self, manager: WorkflowManager, workflow: Workflow) -> None:
        self.manager, self.workflow = manager, workflow
        self.due = self._look_anyway = 0.0
        self._pause, self._slice = _FIRST_PAUSE, _FIRST_SLICE

    def is_due(self, now: float) -> bool:
        return self.due <= now

    def look(self) -> bool:
        """Whether it has ended."""
        tells = teller(self.manager)
        told = None if tells is None else tells.wait_for_end(self.workflow.id, 0)
        now = time.monotonic()
        if told is False and now < self._look_anyway:
            self.due = now + _TELLER_PAUSE
            return False
        self.workflow = _look(self.manager, self.workflow, has_ended=told is True)
        if self.workflow.status.is_final:
            return True
        _check_open(self.manager, self.workflow)
        if told is None:
            self.due, self._pause = now + self._pause, min(self._pause * _GROWTH, _LONGEST_PAUSE)
        else:
            self.due, self._look_anyway = now + _TELLER_PAUSE, now + self._slice
            self._slice = min(self._slice * _GROWTH, _LONGEST_SLICE)
        return False


def _look(manager: WorkflowManager, workflow: Workflow, *, has_ended: bool) -> Workflow:
    """The workflow as it is, with its jobs once it has ended: a history is not asked for before."""
    if not has_ended:
        workflow = manager.update_workflow_summary(workflow)
    return manager.update_workflow_history(workflow) if has_ended or workflow.status.is_final else workflow


def _check_open(manager: WorkflowManager, workflow: Workflow) -> None:
    if getattr(manager, "is_closed", False):
        raise ManagerClosedError(f"the manager of workflow {workflow.id} is closed")


def _left(end: float | None, most: float) -> float:
    return most if end is None else max(0.0, min(most, end - time.monotonic()))
