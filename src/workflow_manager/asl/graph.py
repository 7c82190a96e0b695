"""The graph of a machine: where its states lead, what can be reached, and in which order."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping

import attrs

from workflow_manager.asl.machine import MapState, ParallelState, State, StateMachine
from workflow_manager.asl.values import pointer_token
from workflow_manager.exceptions import DefinitionError, Problem


def targets(machine: StateMachine) -> dict[str, tuple[str, ...]]:
    """Every state of *machine* with the names to which it may go, existing or not; nested machines are left out."""
    return {name: state.targets for name, state in machine.states.items()}


def order(machine: StateMachine, start: str | None = None) -> tuple[str, ...]:
    """
    The states that can be reached from *start* (default: StartAt), nearest first, then in the order of ``targets``.

    A *start* or a target that does not exist is left out.
    """
    return breadth_first(targets(machine), machine.start_at if start is None else start)


def reachable(machine: StateMachine, start: str | None = None) -> frozenset[str]:
    """The names of the states that can be reached from *start* (default: StartAt), itself among them."""
    return frozenset(order(machine, start))


def breadth_first(edges: Mapping[str, Iterable[str]], start: str) -> tuple[str, ...]:
    """The keys of *edges* that can be reached from *start*, nearest first."""
    if start not in edges:
        return ()
    seen, waiting = {start: None}, deque([start])
    while waiting:
        for name in edges[waiting.popleft()]:
            if name in edges and name not in seen:
                seen[name] = None
                waiting.append(name)
    return tuple(seen)


def trim(machine: StateMachine, start_at: str) -> StateMachine:
    """
    *machine* with another StartAt, without the states that can no longer be reached; the rest keeps its order.

    Raises:
        DefinitionError: *machine* has no state *start_at* at its top level (MISSING_TRANSITION_TARGET).
    """
    if start_at not in machine.states:
        message = f"Missing 'StartAt' target: {start_at}; the states are [{', '.join(machine.states)}]"
        raise DefinitionError([Problem("MISSING_TRANSITION_TARGET", "/StartAt", message)])
    kept = reachable(machine, start_at)
    states = {name: state for name, state in machine.states.items() if name in kept}
    return attrs.evolve(machine, start_at=start_at, states=states)


def walk(machine: StateMachine) -> Iterator[tuple[str, StateMachine, State]]:
    """Every state with its JSON Pointer (RFC 6901) and its own machine; nested ones right after what holds them."""
    pending = [_places("", machine)]
    while pending:
        found = next(pending[-1], None)
        if found is None:
            pending.pop()
            continue
        yield found
        place, _, state = found
        pending.extend(_places(f"{place}/{step}", nested) for step, nested in reversed(list(_nested(state))))


def _places(prefix: str, machine: StateMachine) -> Iterator[tuple[str, StateMachine, State]]:
    for name, state in machine.states.items():
        yield f"{prefix}/States/{pointer_token(name)}", machine, state


def _nested(state: State) -> Iterator[tuple[str, StateMachine]]:
    if isinstance(state, ParallelState):
        for index, branch in enumerate(state.branches):
            yield f"Branches/{index}", branch
    elif isinstance(state, MapState):
        yield ("Iterator" if state.legacy_iterator else "ItemProcessor"), state.item_processor


def find(machine: StateMachine, state_name: str) -> tuple[str, StateMachine, State] | None:
    """The first state called *state_name*, nested ones too, as :func:`walk` gives it; None where there is none."""
    return next((found for found in walk(machine) if found[2].name == state_name), None)
