"""
The child executions of distributed Maps.

A Map Run's child is an execution of its own with a history of its own, which AWS does not show in the parent's and
which is not kept here: a driver that takes a workflow over begins the children that had not ended again, under the same
names and so with the same tokens.  A child is named by the token of the task that it is for its parent, and a task's
token begins with its execution's name; that is how news finds its way.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import attrs

from workflow_manager.engine import Execution, Limits
from workflow_manager.engine.pending import ExecutionStatus, PendingTask, PendingTimer
from workflow_manager.engine.reports import Aborted, Report, TaskFailed, TaskSucceeded, TimerFired

_BAR = "|"  # between a child's name and the id of one of its timers


class Children:
    """Those of one workflow that are under way, by name."""

    __slots__ = ("_by_name", "_touched")

    def __init__(self) -> None:
        self._by_name: dict[str, Execution] = {}
        self._touched: dict[str, Execution] = {}  # those that have changed since they were last taken

    def __bool__(self) -> bool:
        return bool(self._by_name)

    def __iter__(self) -> Iterator[Execution]:
        return iter(tuple(self._by_name.values()))

    def begin(self, parent: Execution, task: PendingTask, at: datetime, limits: Limits) -> None:
        """Start the child that *task* of *parent* is, unless it is under way."""
        if task.token not in self._by_name:
            child = Execution.start(
                parent.child_machine(task.token),
                task.input,
                name=task.token,
                at=at,
                limits=limits,
                map_item=parent.child_item(task.token),
            )
            self._by_name[task.token] = self._touched[task.token] = child

    def find(self, token: str) -> Execution | None:
        """The child that has the task *token*."""
        return self._by_name.get(token.rsplit(".", 2)[0])

    def hear(self, report: Report) -> bool:
        """Let the child that *report* is for hear it; ``False`` if it is for none."""
        if isinstance(report, Aborted):
            return False
        if isinstance(report, TimerFired):
            name, bar, timer_id = report.timer_id.partition(_BAR)
            child = self._by_name.get(name) if bar else None
            report = TimerFired(timer_id, report.at)
        else:
            child = self.find(report.token)
        if child is None:
            return False
        child.receive(report)
        self._touched[child.name] = child
        return True

    def prune(self, root: Execution) -> None:
        """Forget the children that nobody waits for any more, now that *root* has been loaded anew."""
        wanted = set(root.pending_tasks)
        for name in sorted(self._by_name, key=len):  # parents before their children
            if name in wanted:
                wanted.update(self._by_name[name].pending_tasks)
            else:
                self.drop(name)

    def take_touched(self) -> tuple[Execution, ...]:
        """The children that have changed since the last call."""
        touched, self._touched = tuple(self._touched.values()), {}
        return touched

    def drop(self, name: str) -> Execution | None:
        """Forget the child *name*, and return it if it was there."""
        self._touched.pop(name, None)
        return self._by_name.pop(name, None)


def timer_of(child: Execution, timer: PendingTimer) -> PendingTimer:
    """*timer* of *child* under an id that is unique within the workflow."""
    return attrs.evolve(timer, id=timer_id_of(child, timer.id))


def timer_id_of(child: Execution, timer_id: str) -> str:
    """The id within the workflow of a timer of *child*."""
    return f"{child.name}{_BAR}{timer_id}"


def answer_of(child: Execution, at: datetime) -> TaskSucceeded | TaskFailed:
    """What a *child* that has ended means to its parent."""
    outcome = child.outcome
    if outcome.status is ExecutionStatus.SUCCEEDED:
        return TaskSucceeded(child.name, at, outcome.output)
    return TaskFailed(child.name, at, outcome.error, outcome.cause)
