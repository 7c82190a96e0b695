"""What is looked at before anything starts: the definition, its resources, the input."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator

import attrs

from workflow_manager.asl import graph
from workflow_manager.asl.machine import MapState, StateMachine, TaskState
from workflow_manager.asl.resources import TaskResource, parse_resource
from workflow_manager.asl.validate import validate
from workflow_manager.exceptions import DefinitionError, Severity

_REMEMBERED = 256


@attrs.frozen
class Need:
    """A resource that a machine names, and the first state that names it."""

    state: str
    resource: TaskResource


class Admission:
    """Judges machines; each one, being frozen, only once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._judged: OrderedDict[int, tuple[StateMachine, tuple[Need, ...]]] = OrderedDict()

    def needs(self, machine: StateMachine) -> tuple[Need, ...]:
        """
        The resources that *machine* names, in nested machines too, each once.

        Raises:
            DefinitionError: the machine cannot run; every problem that is an error is in it.
        """
        with self._lock:
            known = self._judged.get(id(machine))
            if known is not None:
                self._judged.move_to_end(id(machine))
                return known[1]
        problems = [problem for problem in validate(machine) if problem.severity is Severity.ERROR]
        if problems:
            raise DefinitionError(problems)
        needs = tuple({need.resource.text: need for need in reversed(list(_needs(machine)))}.values())[::-1]
        with self._lock:
            self._judged[id(machine)] = machine, needs  # the machine is kept with it, so that its id stays its own
            while len(self._judged) > _REMEMBERED:
                self._judged.popitem(last=False)
        return needs


def _needs(machine: StateMachine) -> Iterator[Need]:
    for _, _, state in graph.walk(machine):
        texts: list[str | None] = []
        if isinstance(state, TaskState):
            texts.append(state.resource)
        elif isinstance(state, MapState):
            texts.append(state.item_reader.resource if state.item_reader else None)
            texts.append(state.result_writer.resource if state.result_writer else None)
        for text in texts:
            if isinstance(text, str) and text:
                yield Need(state.name, parse_resource(text))
