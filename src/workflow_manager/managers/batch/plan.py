"""
How a definition goes to AWS Batch: which way, why, with which jobs, and what Batch will do differently.

A machine whose flow depends on no data can be submitted whole: Tasks in a row, Parallels of such rows, Passes that only
pass, Succeed.  Every other machine is submitted step by step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import TypeAlias

import attrs

from workflow_manager.asl.errors import ErrorName
from workflow_manager.asl.machine import (
    ABSENT,
    ParallelState,
    PassState,
    Retrier,
    State,
    StateMachine,
    SucceedState,
    TaskState,
)
from workflow_manager.asl.values import JSON, pointer_token
from workflow_manager.exceptions import Problem, Severity
from workflow_manager.managers.batch.limits import MOST_ATTEMPTS, MOST_DEPENDENCIES, SHORTEST_TIMEOUT
from workflow_manager.managers.batch.reasons import exit_conditions

Source: TypeAlias = "str | tuple[Source, ...] | None"
"""What a job is given: the workflow's input (``None``), a state's output (its name), or a list of such things."""


class Submission(StrEnum):
    """How a workflow's jobs are submitted; ``AUTO`` is ``GRAPH`` wherever that is possible."""

    AUTO = "auto"
    GRAPH = "graph"
    STEPPED = "stepped"


@attrs.frozen(kw_only=True)
class PlannedJob:
    """
    One job that is known before anything runs.

    *depends_on* names the states whose jobs it waits for, *joins* says how many jobs that do nothing stand between,
    because a job waits for at most 20.  *retry_strategy* and *timeout_seconds* are SubmitJob's.
    """

    state: str
    resource: str
    depends_on: tuple[str, ...] = ()
    source: Source = None
    retry_strategy: Mapping[str, JSON] | None = None
    timeout_seconds: int | None = None
    joins: int = 0


@attrs.frozen(kw_only=True)
class Plan:
    """
    What will be done with a definition.

    *reasons* say why it cannot be submitted whole, each with its state; *jobs* are those that are known beforehand
    (in stepped submission none is); *differences* say in a sentence each what Batch does otherwise than Step
    Functions; *problems* are what AWS would refuse.
    """

    submission: Submission
    reasons: tuple[Problem, ...] = ()
    jobs: tuple[PlannedJob, ...] = ()
    differences: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


class _NotGraph(Exception):
    pass


class GraphPlanner:
    """Finds the jobs of a machine, or the reasons why they cannot be known beforehand."""

    def __init__(self) -> None:
        self.jobs: list[PlannedJob] = []
        self.reasons: list[Problem] = []
        self.differences: dict[str, None] = {}

    def run(self, machine: StateMachine) -> None:
        """Fill the lists."""
        if machine.timeout_seconds is not None:
            self.differences["the machine's TimeoutSeconds takes effect when somebody next looks at the workflow"] = (
                None
            )
        self._follow(machine, None, "")
        if not self.jobs and not self.reasons:
            self._refuse("", "it has no Task")
        if any(job.joins for job in self.jobs):
            self.differences[f"jobs that do nothing gather what one job waits for, {MOST_DEPENDENCIES} at a time"] = (
                None
            )

    def _refuse(self, path: str, why: str) -> None:
        self.reasons.append(Problem("NOT_A_GRAPH", path, why, Severity.WARNING))

    def _follow(self, machine: StateMachine, source: Source, prefix: str) -> Source:
        name: str | None = machine.start_at
        seen: set[str] = set()
        while name is not None:
            state, path = machine.states[name], f"{prefix}/States/{pointer_token(name)}"
            if name in seen:
                self._refuse(path, f"state {name!r} is visited more than once")
                return source
            seen.add(name)
            source = self._state(state, source, path)
            name = None if state.is_terminal or not state.targets else state.targets[0]
        return source

    def _state(self, state: State, source: Source, path: str) -> Source:
        if isinstance(state, TaskState):
            return self._task(state, source, path)
        if isinstance(state, ParallelState):
            for why in _data_of(state):
                self._refuse(path, f"state {state.name!r} {why}")
            if state.retry or state.catch:
                self._refuse(path, f"state {state.name!r} has Retry or Catch around its branches")
            return tuple(
                self._follow(branch, source, f"{path}/Branches/{index}") for index, branch in enumerate(state.branches)
            )
        if not isinstance(state, PassState | SucceedState):
            self._refuse(path, f"state {state.name!r} is a {state.type.value}, which depends on data or on time")
        for why in _data_of(state):
            self._refuse(path, f"state {state.name!r} {why}")
        return source

    def _task(self, state: TaskState, source: Source, path: str) -> Source:
        for why in (*_data_of(state), *_task_reasons(state)):
            self._refuse(path, f"state {state.name!r} {why}")
        strategy: Mapping[str, JSON] | None = None
        try:
            strategy = _retry_strategy(state.retry)
        except _NotGraph as reason:
            self._refuse(path, f"state {state.name!r} {reason}")
        if strategy is not None:
            self.differences["Batch retries at once: IntervalSeconds and BackoffRate do not count"] = None
            if any("onExitCode" in rule for rule in _rules(strategy)):
                self.differences["Batch retries by exit code, whatever error the job has named"] = None
        timeout = state.timeout_seconds if isinstance(state.timeout_seconds, int) else None
        if timeout is not None:
            self.differences["TimeoutSeconds is counted from the start of each attempt, not from its submission"] = None
            if state.retry:
                self.differences["Batch does not retry a job that has timed out"] = None
        depends_on = tuple(dict.fromkeys(states_in(source)))
        job = PlannedJob(
            state=state.name,
            resource=state.resource,
            depends_on=depends_on,
            source=source,
            retry_strategy=strategy,
            timeout_seconds=timeout,
            joins=joins_for(len(depends_on)),
        )
        self.jobs.append(job)
        return state.name


def states_in(source: Source) -> Iterator[str]:
    """The states whose outputs are in *source*, in order."""
    pending: list[Source] = [source]
    while pending:
        part = pending.pop()
        if isinstance(part, str):
            yield part
        elif isinstance(part, tuple):
            pending.extend(reversed(part))


def uses_input(source: Source) -> bool:
    """Whether the workflow's own input is in *source*."""
    return source is None or (isinstance(source, tuple) and any(map(uses_input, source)))


def joins_for(count: int) -> int:
    """How many jobs that do nothing it takes so that none waits for more than 20."""
    joins = 0
    while count > MOST_DEPENDENCIES:
        count = -(-count // MOST_DEPENDENCIES)
        joins += count
    return joins


_PLAIN: Mapping[str, object] = {
    "input_path": "$",
    "output_path": "$",
    "result_path": "$",
    "parameters": ABSENT,
    "arguments": ABSENT,
    "result_selector": ABSENT,
    "result": ABSENT,
    "output": ABSENT,
    "assign": None,
    "credentials": ABSENT,
}


def _data_of(state: State) -> Iterator[str]:
    """What *state* does to the data that goes through it."""
    for field, plain in _PLAIN.items():
        if getattr(state, field, plain) != plain:
            yield f"has {''.join(part.title() for part in field.split('_'))}"


def _task_reasons(state: TaskState) -> Iterator[str]:
    if state.catch:
        yield "has Catch"
    if state.heartbeat_seconds is not None or state.heartbeat_seconds_path is not None:
        yield "has HeartbeatSeconds"
    if state.timeout_seconds_path is not None or not isinstance(state.timeout_seconds, int | None):
        yield "has a time-out that depends on data"
    elif state.timeout_seconds is not None and state.timeout_seconds < SHORTEST_TIMEOUT:
        yield f"has TimeoutSeconds below {SHORTEST_TIMEOUT}, the least that Batch allows"


def _rules(strategy: Mapping[str, JSON]) -> Iterator[Mapping[str, JSON]]:
    rules = strategy.get("evaluateOnExit")
    yield from (rule for rule in rules if isinstance(rule, Mapping)) if isinstance(rules, list) else ()


def _retry_strategy(retriers: tuple[Retrier, ...]) -> Mapping[str, JSON] | None:
    """SubmitJob's retryStrategy for *retriers*."""
    if not retriers:
        return None
    if len(retriers) > 1:
        raise _NotGraph("has more than one retrier")
    (retrier,) = retriers
    attempts = retrier.max_attempts + 1
    if attempts > MOST_ATTEMPTS:
        raise _NotGraph(f"retries more than {MOST_ATTEMPTS - 1} times, the most that Batch does")
    if {ErrorName.ALL, ErrorName.TASK_FAILED} & set(retrier.error_equals):
        return {"attempts": attempts}
    conditions = [condition for name in retrier.error_equals for condition in exit_conditions(name)]
    if not all(exit_conditions(name) for name in retrier.error_equals):
        raise _NotGraph(f"retries {', '.join(retrier.error_equals)}, which Batch cannot tell apart")
    rules: list[JSON] = [{**condition, "action": "RETRY"} for condition in conditions]
    rules.append({"onReason": "*", "action": "EXIT"})
    if len(rules) > 5:
        raise _NotGraph("retries more error names than evaluateOnExit has room for")
    return {"attempts": attempts, "evaluateOnExit": rules}
