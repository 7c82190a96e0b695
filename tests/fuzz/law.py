"""What has to hold for every case, however mad; :func:`check` says how one ended, or raises :class:`Broken`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from random import Random
from typing import Any

import attrs
import awkward
from mutate import Case

from workflow_manager.asl import validate
from workflow_manager.asl.machine import StateMachine
from workflow_manager.asl.values import JSON
from workflow_manager.codec import event_from_record, event_to_record, history_to_aws
from workflow_manager.engine import Execution, Limits
from workflow_manager.exceptions import DefinitionError, InvalidValueError, Problem, Severity, TaskError
from workflow_manager.testing import NEVER, Simulation, Submitted, TaskCall, simulate, simulation

MOST_CHILDREN = 150
"""How many executions one simulation may begin before it is given up; a Map Run of a Map Run may mean millions."""
MOST_REPLAYED = 8
MOST_SHOWN = 150
"""How many events of one run are turned into text; 25,000 with 200 kB of data each would be 5 GB of it."""
SHORT_STACK = 1000
"""Python's own limit of recursion, which stands until JSONata is used for the first time."""
_LONG_STACK = 10_000


class Broken(AssertionError):
    """The library has broken a promise."""


class NobodyMillsThatError(LookupError):
    """The handler's own: it knows no such resource."""


class EnoughError(BaseException):
    """The case has begun as many executions as it may."""


class OverTimeError(BaseException):
    """The case has taken too long."""


@attrs.define
class Progress:
    """
    Whether a run gets on.  An expression has bounds that take a second or two; a run of a thousand of them has none
    but the length of its history.
    """

    executions: list[Execution] = attrs.field(factory=list)
    noted: int | None = None

    def begin(self, executions: list[Execution]) -> None:
        """Another run: its executions will be in *executions*."""
        self.executions, self.noted = executions, None

    @property
    def events(self) -> int:
        """How many events there are, unlisted ones too."""
        return sum(execution.event_count for execution in self.executions)

    def tick(self) -> None:
        """
        A few seconds have passed.

        Raises:
            OverTimeError: the second time.
        """
        if self.noted is not None:
            raise OverTimeError
        self.noted = self.events

    def goes_on(self, most: int) -> bool:
        """Whether there was news since the first tick, and not far more than histories of *most* events may bring."""
        grown = self.noted is not None and self.events > self.noted
        return grown and all(execution.event_count < 20 * most for execution in self.executions)


PROGRESS = Progress()


@attrs.frozen
class Verdict:
    """How a case ended: *end* is a word for the statistics, *error* the error name of a run that failed."""

    end: str
    error: str | None = None
    events: int = 0


def check(case: Case) -> Verdict:
    """
    Read, judge and run *case*.

    Raises:
        Broken: something that has to hold does not.  Any other exception that comes out is a broken promise as well.
    """
    PROGRESS.begin([])
    if case.short_stack:
        sys.setrecursionlimit(SHORT_STACK)
    try:
        return _check(case)
    finally:
        sys.setrecursionlimit(_LONG_STACK)


def _check(case: Case) -> Verdict:
    machine = _read(case)
    errors = _judge(case, machine)
    if machine is None:
        return Verdict("refused while read")
    executions: list[Execution] = []
    PROGRESS.begin(executions)
    try:
        with _watched(executions):
            result = simulate(
                machine,
                case.input,
                tasks=Miller(case),
                type=case.type.value,
                limits=Limits(history_events=case.history_events),
            )
    except EnoughError:
        return Verdict("given up: too many executions")
    except OverTimeError:
        if not PROGRESS.goes_on(case.history_events):
            raise
        return Verdict("given up: it goes on, but slowly")
    except NobodyMillsThatError:
        return Verdict("no such resource")
    except DefinitionError as refused:
        _must(bool(errors) and refused.problems == errors, "refused for other reasons than validate gives")
        return Verdict("refused by validate")
    except InvalidValueError as refused:
        if refused.what == "input":
            _must(case.wrong_at in (None, refused.path), f"{refused.path!r} is named, not {case.wrong_at!r}")
        else:
            _must(refused.what.startswith("the answer of state"), f"{refused} comes from nobody's value")
        return Verdict(f"refused: {refused.what.partition(' of ')[0]}")
    _must(not errors, "ran although validate gives errors")
    _must(case.wrong_at is None, "ran on an input that is no JSON")
    PROGRESS.begin([])
    _inspect(result, case)
    for execution in (executions[0], *executions[1:][-MOST_REPLAYED:]):
        _examine(execution)
    return Verdict(result.status, result.error, len(result.events))


def _must(holds: bool, sentence: str) -> None:
    if not holds:
        raise Broken(sentence)


# ---------------------------------------------------------------- definitions
def _read(case: Case) -> StateMachine | None:
    """The machine, or ``None`` where it cannot be read."""
    definition = case.definition
    try:
        machine = (
            StateMachine.from_json(definition) if isinstance(definition, str) else StateMachine.from_dict(definition)
        )
    except DefinitionError as error:
        _must(bool(error.problems), "refused without a reason")
        return None
    written = machine.to_dict()
    if not isinstance(definition, str):
        _must(_same(written, definition), "what is written is not what was read")
    _must(StateMachine.from_dict(written) == machine, "what was written reads as another machine")
    return machine


def _same(left: Any, right: Any) -> bool:
    """Equal as JSON, the order of keys too; tuples are lists."""
    waiting = [(left, right)]
    while waiting:
        one, other = waiting.pop()
        if isinstance(one, dict) and isinstance(other, dict) and list(one) == list(other):
            waiting.extend((one[key], other[key]) for key in one)
        elif isinstance(one, list) and isinstance(other, list | tuple) and len(one) == len(other):
            waiting.extend(zip(one, other, strict=True))
        elif type(one) is not type(other) or one != other or isinstance(one, dict | list):
            return False
    return True


def _judge(case: Case, machine: StateMachine | None) -> tuple[Problem, ...]:
    """The errors that ``validate`` gives."""
    problems = validate(case.definition, case.type)
    errors = tuple(problem for problem in problems if problem.severity is Severity.ERROR)
    for problem in problems:
        str(problem).encode("utf-8", "surrogatepass")
    _must(machine is not None or bool(errors), "cannot be read, but validate finds no error")
    validate(case.definition, case.type, allow_substitutions=True)
    if machine is not None:
        again = tuple(problem for problem in validate(machine, case.type) if problem.severity is Severity.ERROR)
        _must(again == errors, "the machine is judged differently from its document")
    return errors


# ---------------------------------------------------------------- runs
class Miller:
    """Answers tasks by the chance of its case, well or badly."""

    def __init__(self, case: Case) -> None:
        self._rng = Random(case.answers)
        self._temper = self._rng.choice(("kind", "kind", "moody", "moody", "mad"))

    def __call__(self, call: TaskCall) -> Any:
        rng = self._rng
        json.dumps(call.context, allow_nan=False)
        if call.resource.startswith("arn:aws:states:::s3:"):
            return self._bucket(call)
        if self._temper == "kind" or rng.random() < 0.4:
            return (
                {**awkward.expected_input(rng), "got": call.input}
                if rng.random() < 0.3
                else awkward.expected_input(rng)
            )
        if self._temper == "mad":
            match rng.randrange(12):
                case 0:
                    raise NobodyMillsThatError(call.resource)
                case 1 | 2:
                    return awkward.not_json(rng)[0]
                case 3 | 4:
                    return awkward.awkward_input(rng)
        match rng.randrange(7):
            case 0 | 1 | 2:
                raise TaskError(
                    rng.choice(("Broken", "States.Timeout", "", None, "x" * 300, "\ud800")),
                    rng.choice((None, "", "so")),
                )
            case 3:
                return NEVER
            case 4:
                return Submitted({"JobId": 1}, rng.choice((NEVER, TaskError("Broken"), {"n": 1}, [1])))
            case _:
                return awkward.value(rng)

    def _bucket(self, call: TaskCall) -> Any:
        rng = self._rng
        if rng.random() < 0.1:
            raise TaskError("S3.NoSuchKeyException", "gone")
        if rng.random() < 0.15:
            return awkward.value(rng)
        if call.resource.endswith("listObjectsV2"):
            token = rng.choice((None, None, "more", 3))
            objects = [{"Key": "a", "Size": number} for number in range(rng.randrange(4))]
            return {"Contents": objects, "IsTruncated": token is not None, "NextContinuationToken": token}
        return awkward.file_content(rng) if call.resource.endswith("getObject") else {}


@contextmanager
def _watched(begun: list[Execution]) -> Iterator[None]:
    """Meanwhile every execution that a simulation begins is put into *begun*."""

    class Watched(Execution):
        def __init__(self, *arguments: Any) -> None:
            if len(begun) >= MOST_CHILDREN:
                raise EnoughError
            super().__init__(*arguments)
            begun.append(self)

        @classmethod
        def start(cls, machine: StateMachine, input: JSON, **options: Any) -> Execution:
            execution = super().start(machine, input, **options)
            execution.options = {key: option for key, option in options.items() if key != "at"}  # type: ignore[attr-defined]
            return execution

    simulation.Execution = Watched  # type: ignore[attr-defined]
    try:
        yield
    finally:
        simulation.Execution = Execution  # type: ignore[attr-defined]


def _inspect(result: Simulation, case: Case) -> None:
    """What a simulation shows."""
    listed = [event for event in result.events if event.is_listed]
    _must(len(listed) <= case.history_events, "more events than are allowed")
    for event in listed[:: len(listed) // MOST_SHOWN + 1]:
        json.dumps(history_to_aws([event]), default=_time, allow_nan=False)
    _must(len(listed) > MOST_SHOWN or history_to_aws(result.events) == result.history, "two histories of one run")
    json.dumps([result.output, result.error, result.cause], allow_nan=False)
    for job in result.jobs:
        repr(job)
    _must([event.id for event in listed] == list(range(1, len(listed) + 1)), "ids do not count from 1")
    for event in listed:
        _must(0 <= event.previous_event_id < event.id, "an event hangs on none before it")


def _time(value: object) -> str:
    if not isinstance(value, datetime):
        raise TypeError(f"{value!r} in a history")
    return value.isoformat()


def _examine(execution: Execution) -> None:
    """An execution whose simulation has ended, and its history."""
    options = execution.options  # type: ignore[attr-defined]
    if execution.outcome.is_final:
        _must(not execution.pending_tasks and not execution.pending_timers, "it has ended with work still pending")
    else:
        _must(bool(execution.pending_tasks), "it has not ended and waits for nothing")
        _must(not execution.pending_timers, "it has not ended, and a timer still runs")
    snapshot = _text(execution.snapshot())
    replayed = Execution.replay(execution.machine, execution.events, **options)
    _must(_text(replayed.snapshot()) == snapshot, "the replay is another execution")
    restored = Execution.restore(execution.machine, json.loads(snapshot), **options)
    _must(_text(restored.snapshot()) == snapshot, "the restored snapshot is another execution")
    for event in execution.events[:: len(execution.events) // MOST_SHOWN + 1]:
        record = json.dumps(event_to_record(event), allow_nan=False)
        _must(event_from_record(json.loads(record)) == event, "an event that was stored is another")


def _text(snapshot: Any) -> str:
    return json.dumps(snapshot, allow_nan=False, sort_keys=True)
