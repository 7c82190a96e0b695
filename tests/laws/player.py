"""A driver for the laws: it plays a script through an execution under a virtual clock, and keeps a ledger."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
from hypothesis import HealthCheck, Phase, settings
from machines import READERS, WRITER, Act, Step

from workflow_manager.asl.machine import StateMachine
from workflow_manager.engine import (
    Aborted,
    Execution,
    Limits,
    PendingTask,
    PendingTimer,
    Report,
    TaskFailed,
    TaskHeartbeat,
    TaskStarted,
    TaskSubmitted,
    TaskSucceeded,
    TimerFired,
)
from workflow_manager.history import HistoryEvent

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
NAME = "law"
MODEST = settings(
    max_examples=50,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
)
LIMITS = Limits(history_events=400)
"""Short of AWS's, so that the limit too is met now and then."""


@attrs.define(eq=False)
class Turn:
    """One report (``None`` is the start), when it came, and the events that it meant."""

    report: Report | None
    at: datetime
    events: list[HistoryEvent]


@attrs.define(eq=False)
class Player:
    """
    Plays *script*; ``turns`` says what was written when.

    ``tasks`` and ``timers`` are what a driver that listens to ``take_changes`` alone believes to be pending.
    """

    machine: StateMachine
    input: Any
    script: Sequence[Step]
    name: str = NAME
    now: datetime = BEGIN
    turns: list[Turn] = attrs.field(factory=list)
    tasks: dict[str, PendingTask] = attrs.field(factory=dict)
    timers: dict[str, PendingTimer] = attrs.field(factory=dict)
    gone: dict[str, None] = attrs.field(factory=dict)
    gone_timers: dict[str, None] = attrs.field(factory=dict)
    execution: Execution = attrs.field(init=False)
    _silent: set[str] = attrs.field(factory=set)

    def __attrs_post_init__(self) -> None:
        self.execution = Execution.start(self.machine, self.input, name=self.name, at=self.now, limits=LIMITS)
        self._turn(None, self.execution.events)

    @property
    def events(self) -> list[HistoryEvent]:
        """Every event so far."""
        return [event for turn in self.turns for event in turn.events]

    def play(self) -> Player:
        """Go on until nothing is left that could happen."""
        steps = iter(self.script)
        while not self.execution.outcome.is_final and self.step(next(steps, None)):
            pass
        return self

    def step(self, step: Step | None) -> bool:
        """Do one step; ``None`` finishes what is pending.  False when nothing can happen any more."""
        open_tasks = [task for token, task in self.execution.pending_tasks.items() if token not in self._silent]
        if step is None:
            step = Step(Act.SUCCEED if open_tasks else Act.FIRE, value={"n": 3})
        self.now += timedelta(seconds=step.seconds)
        if step.act is Act.ABORT:
            self.deliver(Aborted(self.now, step.error, "by the script"))
        elif step.act is Act.FIRE or not open_tasks:
            return self._fire() or bool(open_tasks)
        else:
            task = open_tasks[step.which % len(open_tasks)]
            if step.act is Act.NEVER:
                self._silent.add(task.token)
            else:
                self.deliver(self.report(task, step))
        return True

    def report(self, task: PendingTask, step: Step) -> Report:
        """What *step* says of *task*; readers and writers of a Map Run answer as S3 would."""
        token, at = task.token, self.now
        if step.act is Act.START:
            return TaskStarted(token, at, "a worker")
        if step.act is Act.SUBMIT:
            return TaskSubmitted(token, at, {"id": token})
        if step.act is Act.HEARTBEAT:
            return TaskHeartbeat(token, at)
        if step.act is Act.FAIL:
            return TaskFailed(token, at, step.error, "by the script")
        return TaskSucceeded(token, at, _S3.get(task.resource.text, step.value))

    def deliver(self, report: Report) -> list[HistoryEvent]:
        """Hand a report in."""
        events = self.execution.receive(report)
        self._turn(report, events)
        return events

    def _fire(self) -> bool:
        timers = self.execution.pending_timers.values()
        timer = min(timers, key=lambda timer: timer.due, default=None)
        if timer is not None:
            self.now = max(self.now, timer.due)
            self.deliver(TimerFired(timer.id, self.now))
        return timer is not None

    def _turn(self, report: Report | None, events: list[HistoryEvent]) -> None:
        self.turns.append(Turn(report, self.now, list(events)))
        changes = self.execution.take_changes()
        for token in changes.withdrawn:
            self.tasks.pop(token, None)
            self.gone[token] = None
        for timer_id in changes.withdrawn_timers:
            self.timers.pop(timer_id, None)
            self.gone_timers[timer_id] = None
        self.tasks.update(changes.tasks)
        self.timers.update(changes.timers)


_S3: dict[str, Any] = {
    READERS[0]: {"Body": "[1, 2, 3, 4]"},
    READERS[1]: {"Contents": [{"Key": "a", "Size": 1}, {"Key": "b", "Size": 2}]},
    WRITER: {},
}


def as_text(snapshot: dict[str, Any]) -> str:
    """A snapshot frozen: later changes do not reach it."""
    return json.dumps(snapshot, sort_keys=True)


def replay(machine: StateMachine, events: Sequence[HistoryEvent], name: str = NAME) -> Execution:
    """The execution that wrote *events*."""
    return Execution.replay(machine, events, name=name, limits=LIMITS)
