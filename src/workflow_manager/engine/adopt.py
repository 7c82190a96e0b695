"""
Histories that AWS wrote: what they do not say, found out from the machine.

AWS tells neither the branch of an event, nor where a Choice or a catcher goes, nor a Map's concurrency.  All of it
follows from the machine and the events before: an event belongs to the branch of the event that it hangs on, an Exited
event goes where the next Entered one says, and the rest is evaluated.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

from workflow_manager.asl.errors import StatesError
from workflow_manager.asl.machine import StateType
from workflow_manager.asl.program import CompiledState
from workflow_manager.asl.retries import find_catcher
from workflow_manager.asl.scope import Scope
from workflow_manager.asl.values import JSON
from workflow_manager.engine.decide import note_failure
from workflow_manager.engine.decide_run import count_children
from workflow_manager.engine.fold import fold
from workflow_manager.engine.folding.readiness import child_path
from workflow_manager.engine.state import Branch, ExecutionState
from workflow_manager.engine.writer import Writer
from workflow_manager.history import HistoryEvent
from workflow_manager.history import HistoryEventType as E
from workflow_manager.history import UnlistedEventType as U

_ENTERED, _EXITED = "StateEntered", "StateExited"
_ITERATIONS = (E.MAP_ITERATION_STARTED, E.MAP_ITERATION_SUCCEEDED, E.MAP_ITERATION_FAILED, E.MAP_ITERATION_ABORTED)
_FORKS: Mapping[str, StateType] = {"Map": StateType.MAP, "Parallel": StateType.PARALLEL}


def adopt(x: ExecutionState, events: Iterable[HistoryEvent]) -> list[HistoryEvent]:
    """
    Fold *events*, as AWS lists them, into the empty state *x*, and return them with what AWS does not tell.

    Raises:
        ValueError: the history is not one of this machine.
    """
    known = list(events)
    return _Adoption(x, known).run()


class _Adoption:
    def __init__(self, x: ExecutionState, events: Sequence[HistoryEvent]) -> None:
        self._x = x
        self._events = events
        self._paths: dict[int, str] = {0: ""}  # event id -> path of the branch that what hangs on it belongs to
        self._parallels: set[int] = set()  # ids of ParallelStateStarted events
        self._entered = {
            event.previous_event_id: str((event.details or {}).get("name"))
            for event in events
            if event.type.endswith(_ENTERED)
        }

    def run(self) -> list[HistoryEvent]:
        adopted: list[HistoryEvent] = []
        for event in self._events:
            try:
                full = self._complete(event)
                adopted += self._untold_failures(full)
                fold(self._x, full)
            except (KeyError, AssertionError, AttributeError, IndexError) as error:
                raise ValueError(
                    f"event {event.id} ({event.type}) does not fit the state machine: {error!r}"
                ) from error
            adopted.append(full)
        self._refuse_lost_results()
        return adopted

    def _untold_failures(self, event: HistoryEvent) -> list[HistoryEvent]:
        """Why a Fail state fails is told, inside a Map or Parallel, by no event: it is evaluated."""
        if event.type is E.MAP_ITERATION_FAILED:
            failing = [self._x.branches[event.branch]]
        elif event.type in (E.PARALLEL_STATE_STARTED, E.PARALLEL_STATE_FAILED):
            fork = self._x.branches[event.branch].fork
            failing = [] if fork is None else list(fork.children.values())
        else:
            return []
        told: list[HistoryEvent] = []
        writer = Writer(self._x, event.timestamp, told)
        for branch in failing:
            if branch.state is not None and branch.state.type is StateType.FAIL and branch.failure is None:
                note_failure(writer, branch, branch.state)
                if event.type is E.PARALLEL_STATE_STARTED:  # it hangs on a retry: the failure has gone up
                    parent = self._x.branches[event.branch]
                    why = told[-1].details or {}
                    writer.note(U.STATE_FAILED, parent, error=why.get("error"), cause=why.get("cause"), below=True)
        return told

    def _refuse_lost_results(self) -> None:
        """A Map Run's results stand in its children's histories and in the event that leaves the Map, nowhere else."""
        for branch in self._x.branches.values():
            fork = branch.fork
            if fork is not None and fork.run is not None and fork.run.ended and branch.failure is None:
                raise ValueError(
                    f"the history ends before it tells the results of the Map Run of {branch.current.name!r}"
                )

    def _complete(self, event: HistoryEvent) -> HistoryEvent:
        details = event.details or {}
        path = self._path(event, details)
        self._paths[event.id] = path
        if event.type in _ITERATIONS and event.type is not E.MAP_ITERATION_STARTED:
            self._paths[event.id] = path.rpartition("/")[0]  # what follows is the Map's
        if event.type is E.PARALLEL_STATE_STARTED:
            self._parallels.add(event.id)
        branch = self._x.branches.get(path)
        beside = None if branch is None else self._beside(event, branch)
        target = None if branch is None or not event.type.endswith(_EXITED) else self._target(event, branch)
        return attrs.evolve(event, branch=path, next=target, beside=beside)

    # ------------------------------------------------------------ the branch
    def _path(self, event: HistoryEvent, details: Mapping[str, Any]) -> str:
        type, name = event.type, details.get("name")
        before = self._paths.get(event.previous_event_id, "")
        if type.startswith("Execution"):
            return ""
        if type in _ITERATIONS:
            return child_path(self._fork(before, StateType.MAP, name), int(details["index"]))
        if type is E.EVALUATION_FAILED:
            return self._in_state(str(details.get("state")), before)
        if type.endswith(_ENTERED):
            return self._entry(event, before, str(name))
        for prefix, state_type in _FORKS.items():
            if type.startswith(prefix) and not type.startswith("MapRun"):
                return self._fork(before, state_type, name, gone=type.endswith("StateAborted")).path
        return before

    def _entry(self, event: HistoryEvent, before: str, name: str) -> str:
        """A Parallel's branch begins with the event that hangs on ParallelStateStarted."""
        if event.previous_event_id not in self._parallels:
            return before
        parent = self._x.branches[before]
        for index, program in enumerate(parent.current.branches):
            path = child_path(parent, index)
            child = self._x.branches.get(path)
            if program.machine.start_at == name and child is not None and child.state is None:
                return path
        raise KeyError(name)

    def _fork(self, path: str, type: StateType, name: str | None, *, gone: bool = False) -> Branch:
        """
        The innermost branch from *path* outwards that is in a Map or Parallel (called *name*).

        One whose failure is told goes on no more; with *gone* it counts all the same, until its end is told too.
        """
        branch: Branch | None = self._x.branches.get(path)
        while branch is None and path:
            path = path.rpartition("/")[0]
            branch = self._x.branches.get(path)
        while branch is not None:
            state = branch.state
            told = branch.aborted if gone else branch.reported
            if state is not None and state.type is type and name in (None, state.name) and not told:
                return branch
            if state is not None and state.type is type and name == state.name:
                return branch
            branch = branch.parent
        raise KeyError(name or type)

    def _in_state(self, name: str, before: str) -> str:
        for path, branch in self._x.branches.items():
            if branch.state is not None and branch.state.name == name and path.startswith(before):
                return path
        return before

    # ------------------------------------------------------------ what was decided
    def _beside(self, event: HistoryEvent, branch: Branch) -> Mapping[str, JSON] | None:
        if event.type not in (E.MAP_STATE_STARTED, E.PARALLEL_STATE_STARTED, E.MAP_RUN_STARTED):
            return None
        state = branch.current
        scope = Writer(self._x, event.timestamp, []).scope(branch)
        try:
            if event.type is E.PARALLEL_STATE_STARTED:
                effective = state.data.effective_input(scope)
                return None if effective is branch.input else {"input": effective}
            if event.type is E.MAP_STATE_STARTED:
                limit = None if state.max_concurrency is None else state.max_concurrency(scope)
                return {"concurrency": int(limit)} if limit else None
            return self._run(branch, state, scope)
        except StatesError:
            return None  # AWS got beyond this, so it is no part of what counts

    def _run(self, branch: Branch, state: CompiledState, scope: Scope) -> Mapping[str, JSON]:
        assert branch.entered_at is not None
        beside: dict[str, JSON] = {"reads": state.reads_items}
        for member, number in (
            ("toleratedFailureCount", state.tolerated_failure_count),
            ("toleratedFailurePercentage", state.tolerated_failure_percentage),
        ):
            if number is not None:
                beside[member] = number(scope)
        if not state.reads_items:
            beside["children"] = count_children(Writer(self._x, branch.entered_at, []), branch, state)
        return beside

    def _target(self, event: HistoryEvent, branch: Branch) -> str | None:
        """Where the state is left for: the next Entered event tells, else what was decided is decided again."""
        entered = self._entered.get(event.id)
        if entered is not None:
            return entered
        state = branch.current
        if branch.failure is not None:
            catcher = find_catcher(state.catch, branch.failure)
            return None if catcher is None else state.catch[catcher].next
        if state.type is StateType.CHOICE:
            scope = Writer(self._x, event.timestamp, []).scope(branch)
            try:
                return state.choose(scope, state.data.effective_input(scope))[0]
            except StatesError:  # AWS's own chance cannot be drawn again
                return state.state.targets[-1]
        return state.next
