"""Where states lead: names, targets, ends, and what cannot be reached."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from workflow_manager.asl.graph import breadth_first
from workflow_manager.asl.validate.judge import Judge, did_you_mean
from workflow_manager.asl.values import JSON, pointer_token

MISSING_TARGET = "MISSING_TRANSITION_TARGET"
MISSING_END = "MISSING_END_STATE"
INVALID_NAME = "INVALID_STATE_NAME"


def check_flow(judge: Judge, machine: Mapping[str, JSON], states: Mapping[str, JSON], where: str) -> None:
    """
    Judge how the *states* of one machine hang together (ASL specification, "Transitions").

    Targets are looked for in the same machine only: no state may lead into or out of a branch.
    """
    edges: dict[str, list[str]] = {}
    for name, state in states.items():
        place = f"{where}/States/{pointer_token(name)}"
        _check_name(judge, name, place)
        edges[name] = []
        for field, target in _targets(state):
            edges[name].append(target)
            if target not in states and not judge.is_substitution(target):
                _missing(judge, target, states, f"{place}/{field}")
    if not any(_is_terminal(state) for state in states.values()):
        judge.error(f"{where}/States", "No state ends the machine: none has 'End': true, Succeed or Fail", MISSING_END)
    start = machine.get("StartAt")
    if not isinstance(start, str):
        return
    if start not in states:
        if not judge.is_substitution(start):
            _missing(judge, start, states, f"{where}/StartAt")
        return
    reached = set(breadth_first(edges, start))
    for name in states:
        if name not in reached:
            judge.error(f"{where}/States/{pointer_token(name)}", f"State {name!r} is not reachable", MISSING_TARGET)


def _check_name(judge: Judge, name: str, where: str) -> None:
    if not name:
        judge.error(where, "A state needs a name", INVALID_NAME)
    elif len(name) > 80:
        judge.error(where, f"A state name has at most 80 characters, not {len(name)}", INVALID_NAME)


def _missing(judge: Judge, target: str, states: Mapping[str, JSON], where: str) -> None:
    field = where.rpartition("/")[2]
    judge.error(where, f"Missing {field!r} target: {target}{did_you_mean(target, states)}", MISSING_TARGET)


def _targets(state: JSON) -> Iterator[tuple[str, str]]:
    """The fields of *state* that name another state, as pointers, and the names."""
    if not isinstance(state, Mapping):
        return
    for field in ("Next", "Default"):
        target = state.get(field)
        if isinstance(target, str):
            yield field, target
    for field in ("Choices", "Catch"):
        entries = state.get(field)
        for index, entry in enumerate(entries if isinstance(entries, list) else ()):
            target = entry.get("Next") if isinstance(entry, Mapping) else None
            if isinstance(target, str):
                yield f"{field}/{index}/Next", target


def _is_terminal(state: JSON) -> bool:
    return isinstance(state, Mapping) and (state.get("End") is True or state.get("Type") in ("Succeed", "Fail"))
