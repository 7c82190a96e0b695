"""
The machine that the engine runs for a workflow on Batch.

Every Task becomes what Step Functions calls a Batch job (``arn:aws:states:::batch:submitJob.sync``), so that a history
tells a job's life as AWS's own would: TaskScheduled, TaskStarted, TaskSubmitted with the job's id, TaskSucceeded.
Where the graph is submitted whole, Retry and TimeoutSeconds are Batch's business and not the engine's.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import attrs

from workflow_manager.asl import graph
from workflow_manager.asl.machine import MapState, ParallelState, State, StateMachine, TaskState

SUBMIT_JOB = "arn:aws:states:::batch:submitJob.sync"
_REMEMBERED = 256


@attrs.frozen
class BatchMachine:
    """A machine as the engine runs it; *tasks* are the Task states as they were written, by name."""

    machine: StateMachine
    tasks: Mapping[str, TaskState]
    array_states: frozenset[str]
    """Task states that are all of an inline Map's iteration: what they do for all items may be one array job."""


class Machines:
    """Makes them, each once for each machine and way of submission."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: OrderedDict[tuple[int, bool], tuple[StateMachine, BatchMachine]] = OrderedDict()

    def of(self, machine: StateMachine, *, whole: bool) -> BatchMachine:
        """The machine to run for *machine*, whose graph is submitted *whole* or not."""
        key = (id(machine), whole)
        with self._lock:
            known = self._made.get(key)
            if known is not None:
                self._made.move_to_end(key)
                return known[1]
        made = _made(machine, whole)
        with self._lock:
            self._made[key] = machine, made  # the machine is kept with it, so that its id stays its own
            while len(self._made) > _REMEMBERED:
                self._made.popitem(last=False)
        return made


def _made(machine: StateMachine, whole: bool) -> BatchMachine:
    tasks: dict[str, TaskState] = {}
    arrays: set[str] = set()
    for _, _, state in graph.walk(machine):
        if isinstance(state, TaskState):
            tasks[state.name] = state
        elif isinstance(state, MapState) and (each := array_task(state)) is not None:
            arrays.add(each.name)
    return BatchMachine(_as_jobs(machine, whole), tasks, frozenset(arrays))


def array_task(state: MapState) -> TaskState | None:
    """
    The Task that is all of an iteration of *state*, if children of an array will do for it.

    A child is not looked at while it runs, so nobody would see its heartbeat.
    """
    if state.is_distributed or len(state.item_processor.states) != 1:
        return None
    (each,) = state.item_processor.states.values()
    return each if isinstance(each, TaskState) and not has_heartbeat(each) else None


def has_heartbeat(state: TaskState) -> bool:
    """Whether *state* has to give signs of life."""
    return state.heartbeat_seconds is not None or state.heartbeat_seconds_path is not None


def _as_jobs(machine: StateMachine, whole: bool) -> StateMachine:
    return attrs.evolve(machine, states={name: _state(state, whole) for name, state in machine.states.items()})


def _state(state: State, whole: bool) -> State:
    if isinstance(state, TaskState):
        batch_own: dict[str, Any] = {"retry": (), "timeout_seconds": None} if whole else {}
        return attrs.evolve(state, resource=SUBMIT_JOB, **batch_own)
    if isinstance(state, ParallelState):
        return attrs.evolve(state, branches=tuple(_as_jobs(branch, whole) for branch in state.branches))
    if isinstance(state, MapState):
        return attrs.evolve(state, item_processor=_as_jobs(state.item_processor, whole))
    return state
