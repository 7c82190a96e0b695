"""
Running a definition in virtual time: no waiting, no AWS, no threads.

A thirty-day Wait takes milliseconds; the answers of tasks are the caller's.  What comes out is what AWS would answer:
status, output, error, cause, and the history as GetExecutionHistory gives it.
"""

from __future__ import annotations

import hashlib
import heapq
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, TypeAlias

import attrs

from workflow_manager import codec
from workflow_manager.asl.machine import StateMachine, StateMachineType
from workflow_manager.asl.resources import TaskKind
from workflow_manager.asl.validate import validate
from workflow_manager.asl.values import JSON, check_json
from workflow_manager.engine import (
    AWS_LIMITS,
    Execution,
    ExecutionStatus,
    Limits,
    PendingTask,
    Report,
    TaskFailed,
    TaskStarted,
    TaskSubmitted,
    TaskSucceeded,
    TimerFired,
)
from workflow_manager.engine.inputs import check_input
from workflow_manager.exceptions import DefinitionError, InvalidValueError, Severity, TaskError
from workflow_manager.history import HistoryEvent
from workflow_manager.jobs import jobs_from_history
from workflow_manager.models import Job, WorkflowDefinition

START = datetime(2026, 1, 1, tzinfo=UTC)
"""When a simulation begins, unless it is told."""


class Never(Enum):
    """The type of :data:`NEVER`."""

    NEVER = "never"


NEVER = Never.NEVER
"""What a handler returns for a task that never answers: the definition's own time-outs decide."""


@attrs.frozen
class Submitted:
    """
    The two answers of a ``.sync`` or callback task: *receipt* at once (AWS's TaskSubmitted), *result* as its end.

    *result* is a JSON value, ``NEVER`` or a :class:`TaskError`.
    """

    receipt: JSON
    result: JSON | Never | TaskError


@attrs.frozen(kw_only=True)
class TaskCall:
    """
    One task that the simulated execution schedules.

    *resource* is the Resource as the definition has it, *input* the task's input or parameters, *attempt* counts
    retries from 0, time limits are in seconds, *context* is the context object (``$$``).
    """

    state: str
    resource: str
    input: JSON
    token: str
    attempt: int
    timeout_seconds: int | None
    heartbeat_seconds: int | None
    context: JSON


Answer: TypeAlias = "JSON | Never | Submitted"
Handler: TypeAlias = Callable[[TaskCall], Any]
Tasks: TypeAlias = "Handler | Mapping[str, Callable[[Any], Any]]"


@attrs.frozen(kw_only=True)
class Simulation:
    """
    What a simulated execution came to.

    *status* is ``SUCCEEDED``, ``FAILED``, ``TIMED_OUT`` or ``ABORTED``; ``RUNNING`` when nothing that is pending will
    ever happen (a task that never answers, without a time-out).  *elapsed* is virtual time.  *events* are the
    library's own history events.
    """

    status: str
    output: JSON = attrs.field(repr=False)
    error: str | None
    cause: str | None
    events: tuple[HistoryEvent, ...] = attrs.field(repr=False)
    elapsed: timedelta
    machine: StateMachine = attrs.field(repr=False)

    @property
    def history(self) -> list[dict[str, Any]]:
        """The history exactly as boto3's ``get_execution_history`` gives its events."""
        return codec.history_to_aws(self.events)

    @property
    def jobs(self) -> tuple[Job, ...]:
        """The jobs of the execution, in the order in which their states were entered."""
        return jobs_from_history(self.events, machine=self.machine)


def simulate(
    definition: WorkflowDefinition | StateMachine | Mapping[str, Any] | str,
    input: JSON = None,
    *,
    tasks: Tasks | None = None,
    type: str = "STANDARD",
    start: datetime | None = None,
    name: str = "simulation",
    execution_arn: str | None = None,
    state_machine_arn: str | None = None,
    role_arn: str | None = None,
    limits: Limits = AWS_LIMITS,
    resume_from: Sequence[Mapping[str, Any]] | None = None,
) -> Simulation:
    """
    Run *definition* on *input* in virtual time from *start* (UTC).

    *tasks* answers every task: either one callable that takes a :class:`TaskCall` and returns JSON, raises
    :class:`TaskError`, or returns ``NEVER`` or ``Submitted(receipt, result)``, any other exception passing through to
    the caller; or a mapping from resource to a callable of the input, as LocalWorkflowManager takes it, where any
    exception is a failure named by its class.  S3 reads and writes of distributed Maps arrive as tasks too
    (``arn:aws:states:::s3:getObject``).

    *resume_from* is a history recorded on AWS, or its beginning, as boto3's ``get_execution_history`` gives it: the
    execution goes on from there; *input* and *start* are then those of the history.

    Raises:
        DefinitionError: the definition cannot run; every problem is in it.
        InvalidValueError: the input is not JSON or too long, or *resume_from* is no history of the definition.
        LookupError: *tasks* is a mapping, or absent, and has nothing for a resource.
    """
    machine = _machine(definition, type)
    handler = _handler(tasks)
    at = (start or START).astimezone(UTC)
    if execution_arn is not None:
        name = execution_arn.split(":")[7] if len(execution_arn.split(":")) > 7 else name
    identity: dict[str, Any] = {
        "name": name,
        "execution_arn": execution_arn,
        "state_machine_arn": state_machine_arn,
        "role_arn": role_arn,
        "type": StateMachineType(type),
        "limits": limits,
    }
    if resume_from is None:
        execution = Execution.start(machine, check_input(input, limits), at=at, **identity)
    else:
        execution, at = _resume(machine, resume_from, identity)
    world = _World(handler, at, limits)
    world.adopt(execution)
    world.run()
    outcome = execution.outcome
    return Simulation(
        status=outcome.status.value,
        output=outcome.output,
        error=outcome.error,
        cause=outcome.cause,
        events=tuple(execution.events),
        elapsed=(execution.events[-1].timestamp if outcome.is_final else world.now) - execution.events[0].timestamp,
        machine=machine,
    )


def _resume(
    machine: StateMachine, history: Sequence[Mapping[str, Any]], identity: Mapping[str, Any]
) -> tuple[Execution, datetime]:
    """The execution that *history* tells of, and the time of its last event."""
    known = [event for event in map(codec.event_from_aws, history) if event is not None]
    if not known:
        raise InvalidValueError("resume_from", "", "the history has no events")
    try:
        execution = Execution.adopt(machine, known, **identity)
    except ValueError as error:
        raise InvalidValueError("resume_from", "", str(error)) from error
    at = known[-1].timestamp
    execution.advance(at)
    return execution, at


def _machine(definition: WorkflowDefinition | StateMachine | Mapping[str, Any] | str, type: str) -> StateMachine:
    if isinstance(definition, WorkflowDefinition):
        machine = definition.state_machine
    elif isinstance(definition, StateMachine):
        machine = definition
    elif isinstance(definition, str):
        machine = StateMachine.from_json(definition)
    else:
        machine = StateMachine.from_dict(definition)
    problems = [problem for problem in validate(machine, type=type) if problem.severity is Severity.ERROR]
    if problems:
        raise DefinitionError(problems)
    return machine


def _handler(tasks: Tasks | None) -> Handler:
    if callable(tasks):
        return tasks
    functions: Mapping[str, Callable[[Any], Any]] = tasks or {}

    def handler(call: TaskCall) -> Any:
        function = functions.get(call.resource)
        if function is None:
            raise LookupError(f"state {call.state!r}: tasks has nothing for the resource {call.resource!r}")
        try:
            return function(call.input)
        except TaskError:
            raise
        except Exception as error:
            raise TaskError(error.__class__.__name__, str(error)) from error

    return handler


class _World:
    """Executions that share one virtual clock; children of Map Runs beside their parents."""

    def __init__(self, handler: Handler, now: datetime, limits: Limits) -> None:
        self.now = now
        self._limits = limits
        self._handler = handler
        self._news: deque[tuple[Execution, Report]] = deque()
        self._calls: deque[tuple[Execution, PendingTask]] = deque()
        self._timers: list[tuple[datetime, int, Execution, str]] = []
        self._count = 0
        self._parents: dict[int, tuple[Execution, str]] = {}

    def adopt(self, execution: Execution) -> None:
        """Care for what *execution* has pending, or tell its parent that it has ended."""
        changes = execution.take_changes()
        for timer in changes.timers.values():
            self._count += 1
            heapq.heappush(self._timers, (timer.due, self._count, execution, timer.id))
        self._calls.extend((execution, task) for task in changes.tasks.values())
        if execution.outcome.is_final:
            self._tell_parent(execution)

    def run(self) -> None:
        """Go on until nothing is left that could happen."""
        while True:
            if self._news:
                execution, report = self._news.popleft()
                if execution.receive(report):
                    self.adopt(execution)
            elif self._calls:
                self._call(*self._calls.popleft())
            elif not self._fire():
                return

    def _fire(self) -> bool:
        """Move the clock to the next timer that still runs."""
        while self._timers:
            due, _, execution, timer_id = heapq.heappop(self._timers)
            timer = execution.pending_timers.get(timer_id)
            if timer is not None and timer.due == due:
                self.now = max(self.now, due)
                self._news.append((execution, TimerFired(timer_id, self.now)))
                return True
        return False

    def _call(self, execution: Execution, task: PendingTask) -> None:
        if task.token not in execution.pending_tasks:
            return  # withdrawn before anybody began
        if task.resource.kind is TaskKind.CHILD:
            self._start_child(execution, task)
            return
        call = TaskCall(
            state=task.state,
            resource=task.resource.text,
            input=check_json(task.input),
            token=task.token,
            attempt=task.attempt,
            timeout_seconds=task.timeout_seconds,
            heartbeat_seconds=task.heartbeat_seconds,
            context=execution.context_of(task.token),
        )
        self._news.append((execution, TaskStarted(task.token, self.now)))
        try:
            answer = self._handler(call)
        except TaskError as error:
            answer = error
        self._answer(execution, task, answer)

    def _answer(self, execution: Execution, task: PendingTask, answer: Any) -> None:
        if isinstance(answer, Submitted):
            self._news.append((execution, TaskSubmitted(task.token, self.now, check_json(answer.receipt, "receipt"))))
            answer = answer.result
        if isinstance(answer, TaskError):
            self._news.append((execution, TaskFailed(task.token, self.now, answer.error, answer.cause)))
        elif answer is not NEVER:
            self._news.append((execution, TaskSucceeded(task.token, self.now, _result(task, answer))))

    def _start_child(self, parent: Execution, task: PendingTask) -> None:
        digits = hashlib.sha256(task.token.encode()).hexdigest()
        child = Execution.start(
            parent.child_machine(task.token),
            task.input,
            name=f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:32]}",
            at=self.now,
            limits=self._limits,
            map_item=parent.child_item(task.token),
        )
        self._parents[id(child)] = (parent, task.token)
        self.adopt(child)

    def _tell_parent(self, child: Execution) -> None:
        found = self._parents.pop(id(child), None)
        if found is None:
            return
        parent, token = found
        outcome = child.outcome
        if outcome.status is ExecutionStatus.SUCCEEDED:
            self._news.append((parent, TaskSucceeded(token, self.now, outcome.output)))
        else:
            error = outcome.error or ("States.Timeout" if outcome.status is ExecutionStatus.TIMED_OUT else None)
            self._news.append((parent, TaskFailed(token, self.now, error, outcome.cause)))


def _result(task: PendingTask, answer: Any) -> JSON:
    """A task's answer as JSON; what a reader brings may have bytes in it."""
    if isinstance(answer, Mapping) and isinstance(answer.get("Body"), bytes):
        return {**answer, "Body": answer["Body"]}
    return check_json(answer, f"the answer of state {task.state!r}")
