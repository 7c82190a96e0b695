"""
The interpreter: one execution of a state machine, as a value that reports change.

``Execution.start`` writes the first events; ``receive`` turns a report into the events that it means; ``replay``
builds the same execution from its history alone.  What should be under way at any moment stands in ``pending_tasks``
and ``pending_timers``.

This package knows no clock, no thread, no store and no client: time arrives as ``at``, chance is a hash of the
execution's name and of how many events there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from typing_extensions import Unpack

from workflow_manager.asl.machine import StateMachine
from workflow_manager.asl.program import compile_machine
from workflow_manager.asl.resources import TaskKind
from workflow_manager.asl.values import JSON
from workflow_manager.engine import decide_run, decide_task
from workflow_manager.engine.adopt import adopt
from workflow_manager.engine.decide import decide, too_long
from workflow_manager.engine.fold import fold
from workflow_manager.engine.identity import Identity, IdentityFields, identity_of
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
from workflow_manager.engine.snapshot import dump, load
from workflow_manager.engine.state import Branch, Changes, ExecutionState
from workflow_manager.engine.writer import HistoryFullError, Writer, context_of
from workflow_manager.history import HistoryEvent, HistoryEventType, UnlistedEventType


class Execution:
    """One run of a state machine.  Not safe for use by several threads at once."""

    def __init__(self, machine: StateMachine, identity: Identity) -> None:
        self._machine = machine
        self._state = ExecutionState(compile_machine(machine), identity)
        self._events: list[HistoryEvent] = []

    # ------------------------------------------------------------ beginnings
    @classmethod
    def start(
        cls,
        machine: StateMachine,
        input: JSON,
        *,
        at: datetime,
        **identity: Unpack[IdentityFields],
    ) -> Execution:
        """
        Begin a run of *machine* on *input* (a JSON value) at the time *at* (UTC).

        *identity* is for all beginnings the same: :class:`workflow_manager.engine.identity.IdentityFields`.
        """
        execution = cls(machine, identity_of(identity))
        details = {"input": input, "roleArn": execution._state.identity.role_arn}
        event = HistoryEvent(1, 0, HistoryEventType.EXECUTION_STARTED, at, details)
        execution._events.append(event)
        fold(execution._state, event)
        decide(execution._writer(at))
        return execution

    @classmethod
    def replay(
        cls,
        machine: StateMachine,
        events: Iterable[HistoryEvent],
        **identity: Unpack[IdentityFields],
    ) -> Execution:
        """
        The execution that wrote *events*, built from them alone by folding; nothing is decided anew.

        Where *events* end in the middle of what one report meant, :meth:`advance` writes the rest.
        """
        execution = cls(machine, identity_of(identity))
        for event in events:
            fold(execution._state, event)
        return execution

    @classmethod
    def adopt(
        cls,
        machine: StateMachine,
        events: Iterable[HistoryEvent],
        **identity: Unpack[IdentityFields],
    ) -> Execution:
        """
        The execution whose history AWS recorded: *events* as GetExecutionHistory lists them, from the first on.

        :meth:`take_events` then gives them with what AWS does not tell, ready to be stored; :meth:`advance` goes on
        from where they end.

        Raises:
            ValueError: the history is not one of *machine*.
        """
        execution = cls(machine, identity_of(identity))
        execution._events.extend(adopt(execution._state, events))
        return execution

    def snapshot(self) -> dict[str, JSON]:
        """The execution as a JSON value, a cache that may be thrown away: :meth:`restore` or a replay give the same."""
        return dump(self._state)

    @classmethod
    def restore(
        cls,
        machine: StateMachine,
        snapshot: Mapping[str, JSON],
        events: Iterable[HistoryEvent] = (),
        **identity: Unpack[IdentityFields],
    ) -> Execution:
        """
        The execution that wrote *snapshot* and then *events*; the rest is as for :meth:`start`.

        Raises:
            ValueError: another version of the library wrote the snapshot; replay the history instead.
        """
        execution = cls(machine, identity_of(identity))
        execution._state = load(execution._state.program, execution._state.identity, snapshot)
        for event in events:
            fold(execution._state, event)
        return execution

    # ------------------------------------------------------------ reports
    def receive(self, report: Report) -> list[HistoryEvent]:
        """
        What *report* means, as new events.  A report about something that is no longer pending means nothing.

        The events are also kept for :meth:`take_events`.
        """
        begun = len(self._events)
        if not self.outcome.is_final:
            writer = self._writer(report.at)
            try:
                self._report(writer, report)
            except HistoryFullError:
                too_long(writer)
            if len(self._events) > begun:
                decide(writer)
        return self._events[begun:]

    def advance(self, at: datetime) -> list[HistoryEvent]:
        """Write what follows from the state as it is; only a history that was cut short leaves anything to write."""
        begun = len(self._events)
        if self._state.branches and not self.outcome.is_final:
            decide(self._writer(at))
        return self._events[begun:]

    def _writer(self, at: datetime) -> Writer:
        return Writer(self._state, at, self._events)

    def _report(self, w: Writer, report: Report) -> None:
        if isinstance(report, TimerFired):
            self._timer_fired(w, report)
        elif isinstance(report, Aborted):
            self._aborted(w, report)
        else:
            self._task_report(w, report)

    def _task_report(
        self, w: Writer, report: TaskSubmitted | TaskStarted | TaskSucceeded | TaskFailed | TaskHeartbeat
    ) -> None:
        x = self._state
        task = x.tasks.get(report.token)
        if task is None:
            return
        branch = x.branches[x.token_branches[report.token]]
        if branch.token != report.token:  # a Map Run's reader, writer or child
            if isinstance(report, TaskSucceeded | TaskFailed):
                decide_run.run_report(w, branch, task, report)
        elif isinstance(report, TaskSucceeded):
            decide_task.succeeded(w, branch, task, report)
        elif isinstance(report, TaskFailed):
            decide_task.failed(w, branch, task, report)
        elif isinstance(report, TaskStarted):
            decide_task.started(w, branch, task, report)
        elif isinstance(report, TaskSubmitted):
            decide_task.submitted(w, branch, task, report)
        elif task.heartbeat_seconds is not None:
            w.note(UnlistedEventType.TASK_HEARTBEAT, branch)

    def _timer_fired(self, w: Writer, report: TimerFired) -> None:
        x = self._state
        timer = x.timers.get(report.timer_id)
        if timer is None or (timer.kind is TimerKind.HEARTBEAT and report.at < timer.due):
            return  # a heartbeat came while the timer fired, and started it again
        branch = x.branches[timer.branch]
        if timer.kind is TimerKind.WAIT:
            w.note(UnlistedEventType.WAIT_ENDED, branch)
        elif timer.kind is TimerKind.RETRY:
            w.note(UnlistedEventType.RETRY_STARTED, branch)
        elif timer.kind is TimerKind.EXECUTION_TIMEOUT:
            w.write(HistoryEventType.EXECUTION_TIMED_OUT, branch)
        else:
            assert branch.token is not None
            decide_task.timed_out(w, branch, x.tasks[branch.token])

    def _aborted(self, w: Writer, report: Aborted) -> None:
        details = decide_task.failure_details(report.error, report.cause)
        w.write(HistoryEventType.EXECUTION_ABORTED, self._state.root, details, previous=0)

    # ------------------------------------------------------------ what is
    @property
    def name(self) -> str:
        """The execution's name."""
        return self._state.identity.name

    @property
    def machine(self) -> StateMachine:
        """The state machine that runs."""
        return self._machine

    @property
    def outcome(self) -> Outcome:
        """How the execution stands."""
        return self._state.outcome

    @property
    def status(self) -> ExecutionStatus:
        """AWS's status of the execution."""
        return self._state.outcome.status

    @property
    def pending_tasks(self) -> Mapping[str, PendingTask]:
        """Tasks that should be under way, by token."""
        return self._state.tasks

    @property
    def pending_timers(self) -> Mapping[str, PendingTimer]:
        """Timers that run, by id."""
        return self._state.timers

    @property
    def last_event_id(self) -> int:
        """The id of the last listed event."""
        return self._state.last_id

    @property
    def event_count(self) -> int:
        """How many events there are, unlisted ones too."""
        return self._state.sequence

    @property
    def events(self) -> list[HistoryEvent]:
        """The events written since they were last taken."""
        return self._events

    def take_events(self) -> list[HistoryEvent]:
        """The events written since the last call."""
        events, self._events = self._events, []
        return events

    def take_changes(self) -> Changes:
        """What has become pending, or is no longer, since the last call."""
        changes, self._state.changes = self._state.changes, Changes()
        return changes

    def context_of(self, token: str) -> JSON:
        """The context object (``$$``) of the pending task *token*; ``KeyError`` when it is not pending."""
        branch = self._state.branches[self._state.token_branches[token]]
        return context_of(self._state, branch)

    def child_machine(self, token: str) -> StateMachine:
        """The item processor that the pending child execution *token* of a Map Run runs."""
        return self._map_branch(token).current.processor.machine

    def child_item(self, token: str) -> JSON:
        """``$$.Map.Item`` of the pending child execution *token*."""
        fork = self._map_branch(token).fork
        index = int(token.rpartition("c")[2])
        one_each = fork is not None and fork.items is not None and fork.length == len(fork.items)
        value = fork.items[index] if one_each and fork is not None and fork.items else self._state.tasks[token].input
        return {"Index": index, "Value": value}

    def _map_branch(self, token: str) -> Branch:
        assert self._state.tasks[token].resource.kind is TaskKind.CHILD
        return self._state.branches[self._state.token_branches[token]]
