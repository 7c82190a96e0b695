"""A definition's graph as text, for a terminal or a log."""

from __future__ import annotations

from collections.abc import Iterator

from workflow_manager.asl import graph
from workflow_manager.asl.machine import ChoiceState, MapState, ParallelState, State, StateMachine, TaskState


def graph_text(machine: StateMachine) -> str:
    """
    The states of *machine* in the order in which they are reached, one a line, each with where it goes.

    Nested machines are indented under their Parallel or Map.
    """
    return "\n".join(_lines(machine, ""))


def _lines(machine: StateMachine, indent: str) -> Iterator[str]:
    for name in graph.order(machine):
        state = machine.states[name]
        start = "▶ " if name == machine.start_at else "  "
        yield f"{indent}{start}{name} ({_what(state)}){_where(state)}"
        if isinstance(state, ParallelState):
            for index, branch in enumerate(state.branches):
                yield f"{indent}    branch {index}"
                yield from _lines(branch, f"{indent}    ")
        elif isinstance(state, MapState):
            yield f"{indent}    for each item"
            yield from _lines(state.item_processor, f"{indent}    ")


def _what(state: State) -> str:
    return f"Task {state.resource}" if isinstance(state, TaskState) else str(state.type)


def _where(state: State) -> str:
    ways: list[str] = []
    if isinstance(state, ChoiceState):
        ways = [f"→ {rule.next}" for rule in state.choices if rule.next]
        if state.default:
            ways.append(f"else → {state.default}")
    else:
        target = getattr(state, "next", None)
        ways = [f"→ {target}"] if target else ["■"] if state.is_terminal else []
    ways += [f"on {', '.join(catcher.error_equals)} → {catcher.next}" for catcher in getattr(state, "catch", ())]
    return f"  {', '.join(ways)}" if ways else ""
