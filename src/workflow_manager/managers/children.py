"""
The child executions of distributed Maps.

A Map Run's child is an execution of its own with a history of its own, which AWS does not show in the parent's and
which is only kept where somebody asks for it, once the child has ended: a driver that takes a workflow over begins the
children that had not ended again, under the same names and so with the same tokens.  A child is named by the token of
the task that it is for its parent, and a task's token begins with its execution's name; that is how news finds its way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

import attrs

from workflow_manager.engine import Execution, Limits
from workflow_manager.engine.pending import ExecutionStatus, PendingTask, PendingTimer
from workflow_manager.engine.reports import Aborted, Report, TaskFailed, TaskSucceeded, TimerFired
from workflow_manager.history import HistoryEvent
from workflow_manager.managers.standing import advanced
from workflow_manager.models import Workflow

MOST_AT_ONCE = 1000
"""Children of one Map Run that are in memory at once; AWS has a bound of its own (10,000) where none is given."""

_BAR = "|"  # between a child's name and the id of one of its timers


class Children:
    """
    Those of one workflow that are under way, by name.

    Of each parent's at most :data:`MOST_AT_ONCE` are; the others wait in order.
    """

    __slots__ = ("_by_name", "_histories", "_open", "_touched", "_waiting")

    def __init__(self) -> None:
        self._by_name: dict[str, Execution] = {}
        self._touched: dict[str, Execution] = {}  # those that have changed since they were last taken
        self._open: dict[str, int] = {}  # how many each parent has under way
        self._waiting: dict[str, dict[str, tuple[Execution, PendingTask, Limits]]] = {}  # by parent, then by name
        self._histories: dict[str, list[HistoryEvent]] = {}

    def __bool__(self) -> bool:
        return bool(self._by_name)

    def __iter__(self) -> Iterator[Execution]:
        return iter(tuple(self._by_name.values()))

    def begin(self, parent: Execution, task: PendingTask, at: datetime, limits: Limits) -> None:
        """Start the child that *task* of *parent* is, unless it is under way, or when there is room for it."""
        if task.token in self._by_name:
            return
        waiting = self._waiting.setdefault(parent.name, {})
        if self._open.get(parent.name, 0) >= MOST_AT_ONCE:
            waiting[task.token] = parent, task, limits
        else:
            waiting.pop(task.token, None)
            self._start(parent, task, at, limits)

    def _start(self, parent: Execution, task: PendingTask, at: datetime, limits: Limits) -> None:
        child = Execution.start(
            parent.child_machine(task.token),
            task.input,
            name=task.token,
            at=at,
            limits=limits,
            map_item=parent.child_item(task.token),
        )
        self._by_name[task.token] = self._touched[task.token] = child
        self._open[parent.name] = self._open.get(parent.name, 0) + 1

    def _fill(self, at: datetime) -> None:
        for name, waiting in list(self._waiting.items()):
            while waiting and self._open.get(name, 0) < MOST_AT_ONCE:
                parent, task, limits = waiting.pop(next(iter(waiting)))
                self._start(parent, task, at, limits)
            if not waiting:
                self._waiting.pop(name, None)

    def find(self, token: str) -> Execution | None:
        """The child that has the task *token*."""
        return self._by_name.get(token.rsplit(".", 2)[0])

    def parent(self, child: Execution) -> Execution | None:
        """The child that *child* is a child of; ``None`` if that is the workflow itself."""
        return self.find(child.name)

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
        for token, (_, task, limits) in self._waiting.get(root.name, {}).items():
            if token in wanted:
                self._waiting[root.name][token] = root, task, limits
        for name in sorted(self._by_name, key=len):  # parents before their children
            if name in wanted:
                wanted.update(self._by_name[name].pending_tasks)
            else:
                self.drop(name)
        for name in {token for waiting in self._waiting.values() for token in waiting if token not in wanted}:
            self.drop(name)

    def take_touched(self, clock: Callable[[], datetime]) -> tuple[Execution, ...]:
        """The children that have changed since the last call; of those that wait as many begin as there is room for."""
        if self._waiting:
            self._fill(clock())
        if not self._touched:
            return ()
        touched, self._touched = tuple(self._touched.values()), {}
        return touched

    def drop(self, name: str) -> Execution | None:
        """Forget the child *name*, and return it if it was under way."""
        self._touched.pop(name, None)
        self._histories.pop(name, None)
        self._waiting.pop(name, None)
        parent = name.rsplit(".", 2)[0]
        child = self._by_name.pop(name, None)
        if child is None:
            self._waiting.get(parent, {}).pop(name, None)
            return None
        left = self._open[parent] - 1
        if left:
            self._open[parent] = left
        else:
            del self._open[parent]
        return child

    def remember(self, child: Execution, events: Sequence[HistoryEvent]) -> list[HistoryEvent]:
        """The history of *child*, which *events* now belong to."""
        history = self._histories.setdefault(child.name, [])
        history.extend(events)
        return history


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


def workflow_of(child: Execution, parent: Workflow, state: str, history: Sequence[HistoryEvent]) -> Workflow:
    """
    A *child* that has ended, as a workflow of its own that was never saved.

    Its id is the child's name, its definition is called after the one of *parent* and the Map *state*, and its tags
    ``parent`` and ``index`` say which item it was for.
    """
    definition = attrs.evolve(
        parent.workflow_definition,
        name=f"{parent.workflow_definition.name}/{state}",
        state_machine=child.machine,
        version=0,
        id="",
    )
    started, ended = history[0], history[-1]
    own_parent, _, index = child.name.rpartition("c")
    workflow = Workflow(
        id=child.name,
        workflow_definition=definition,
        created_at=started.timestamp,
        last_updated=started.timestamp,
        namespace=parent.namespace,
        queue=parent.queue,
        input=(started.details or {}).get("input"),
        tags={**parent.tags, "parent": own_parent.rsplit(".", 2)[0], "index": index},
    )
    return advanced(workflow, child.outcome, ended.timestamp)
