"""Where two runs of one case part: the first event of any program that the other interpreter did not write."""

from __future__ import annotations

import itertools
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import attrs
from moto_runner import NotJSON, Run

Program = tuple[str, ...]
"""Where a program stands in a definition: () is the whole, ("S3", "1") the second branch of the Parallel S3."""


@attrs.frozen(kw_only=True)
class Difference:
    """
    The first thing that differs.

    *ours* and *theirs* are events as :func:`plain` makes them, ``None`` where one has ended; where all events are the
    same, *aspect* is the field of the outcome that is not, otherwise ``"events"``.  *state* is the definition of the
    state under way at that point, *name* its name; *enclosing* are the states around it, outermost first.
    """

    aspect: str
    ours: Mapping[str, Any] | None
    theirs: Mapping[str, Any] | None
    name: str | None
    state: Mapping[str, Any]
    enclosing: tuple[Mapping[str, Any], ...]

    @classmethod
    def of_outcome(cls, aspect: str, ours: Any, theirs: Any) -> Difference:
        """The difference of two outcomes in *aspect*."""
        return cls(aspect=aspect, ours={aspect: ours}, theirs={aspect: theirs}, name=None, state={}, enclosing=())

    @property
    def own(self) -> str:
        """JSON text of the fields of the state under way, without the machines inside it."""
        fields = {field: value for field, value in self.state.items() if field not in _MACHINES}
        return json.dumps(fields, ensure_ascii=False)


_MACHINES = ("Branches", "ItemProcessor", "Iterator")


@attrs.frozen
class _Place:
    program: Program
    state: Mapping[str, Any]
    enclosing: tuple[Mapping[str, Any], ...]


def places(definition: Mapping[str, Any]) -> dict[str, _Place]:
    """Where every state of *definition* stands, whatever the depth."""
    return dict(_places(definition, (), ()))


def _places(
    machine: Mapping[str, Any], program: Program, enclosing: tuple[Mapping[str, Any], ...]
) -> Iterator[tuple[str, _Place]]:
    for name, state in machine["States"].items():
        yield name, _Place(program, state, enclosing)
        inner = (*enclosing, state)
        for index, branch in enumerate(state.get("Branches", ())):
            yield from _places(branch, (*program, name, str(index)), inner)
        for field in ("ItemProcessor", "Iterator"):
            if field in state:
                yield from _places(state[field], (*program, name, "item"), inner)


def plain(event: Mapping[str, Any]) -> dict[str, Any]:
    """
    What of an event has to agree: its type, and of its details all but causes and ids.

    ``input``, ``output`` and the assigned variables are read as JSON.
    """
    kept: dict[str, Any] = {"type": event["type"]}
    for member, details in event.items():
        if not member.endswith("EventDetails"):
            continue
        for field in ("name", "index", "length", "error"):
            if field in details:
                kept[field] = details[field]
        for field in ("input", "output"):
            if field in details:
                kept[field] = value_of(details[field])
        if "assignedVariables" in details:
            kept["assigned"] = {name: value_of(text) for name, text in details["assignedVariables"].items()}
    return kept


def value_of(text: str) -> Any:
    """The value of JSON *text*."""
    try:
        return json.loads(text)
    except ValueError:
        return NotJSON(text)


def same(left: Any, right: Any) -> bool:
    """Whether two values are equal as JSON: 1 is 1.0, but neither is true."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(same(value, right[key]) for key, value in left.items())
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


def by_program(events: tuple[dict[str, Any], ...], where: Mapping[str, _Place]) -> dict[Program, list[dict[str, Any]]]:
    """
    The events of every program, in order.

    Branches of a Parallel may interleave, so only this order is the interpreters' to keep.  An event that names no
    state belongs to the program of the event before it or, when it joins branches, to the one around that.
    """
    programs: dict[Program, list[dict[str, Any]]] = defaultdict(list)
    of_event: dict[int, Program] = {0: ()}
    for event in events:
        here = plain(event)
        name = here.get("name")
        if name in where:
            program = where[name].program
        elif here["type"] in _ROOT:
            program = ()
        else:
            program = of_event.get(event.get("previousEventId", 0), ())
            if here["type"] in _JOINING and not _in_progress(programs[program], here["type"]):
                program = program[:-2]
        of_event[event["id"]] = program
        programs[program].append({**here, "id": event["id"], "details": event})
    return programs


_ROOT = frozenset({"ExecutionStarted", "ExecutionSucceeded", "ExecutionFailed", "ExecutionAborted"})
_JOINING = frozenset({"ParallelStateSucceeded", "ParallelStateFailed", "MapStateSucceeded", "MapStateFailed"})


def _in_progress(program: list[dict[str, Any]], type: str) -> bool:
    """Whether the last state that *program* entered is one that an event of *type* may end."""
    kind = "Parallel" if type.startswith("Parallel") else "Map"
    entered = [event for event in program if event["type"].endswith("StateEntered")]
    return bool(entered) and entered[-1]["type"] == f"{kind}StateEntered"


def first_difference(definition: Mapping[str, Any], ours: Run, theirs: Run) -> Difference | None:
    """The first difference between two runs of *definition*, or ``None``."""
    where = places(definition)
    left, right = by_program(ours.events, where), by_program(theirs.events, where)
    found: list[tuple[int, Difference]] = []
    for program in {**left, **right}:
        parted = _parting(left.get(program, []), right.get(program, []))
        if parted is not None:
            at = min(event["id"] for event in parted[1:] if event is not None)
            found.append((at, _difference(program, left.get(program, [])[: parted[0]], *parted[1:], where)))
    if found:
        return _root([difference for _, difference in sorted(found, key=lambda pair: pair[0])], ours, theirs)
    for aspect in ("status", "error", "output"):
        mine, other = getattr(ours, aspect), getattr(theirs, aspect)
        if not same(mine, other):
            return Difference.of_outcome(aspect, mine, other)
    return None


def _root(differences: list[Difference], ours: Run, theirs: Run) -> Difference:
    """Of *differences*, in the order of their events, the cause of the first: what only one run failed in."""
    first = differences[0]
    if first.name in ours.failures and first.name not in theirs.failures:
        return first
    inside = [other for other in differences[1:] if any(around is first.state for around in other.enclosing)]
    failed = [other for other in inside if (other.name in ours.failures) is not (other.name in theirs.failures)]
    return _root(failed, ours, theirs) if failed else first


Event = dict[str, Any]


def _parting(left: list[Event], right: list[Event]) -> tuple[int, Event | None, Event | None] | None:
    """The index at which two lists of events part, and the two events there."""
    for index, (mine, other) in enumerate(itertools.zip_longest(left, right)):
        if mine is None or other is None or not same(_told(mine), _told(other)):
            return index, mine, other
    return None


def _told(event: Event) -> Event:
    return {field: value for field, value in event.items() if field not in ("id", "details")}


def _difference(
    program: Program, before: list[Event], ours: Event | None, theirs: Event | None, where: Mapping[str, _Place]
) -> Difference:
    entered = [event["name"] for event in before if event["type"].endswith("StateEntered")]
    name = entered[-1] if entered else program[-2] if program else None
    place = where[name] if name is not None else _Place((), {}, ())
    return Difference(
        aspect="events", ours=ours, theirs=theirs, name=name, state=place.state, enclosing=place.enclosing
    )
