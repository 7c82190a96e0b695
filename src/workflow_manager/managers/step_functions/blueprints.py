"""From a definition, a start and a namespace to the state machine that is wanted, each worked out once."""

from __future__ import annotations

import threading
from collections import OrderedDict

import attrs

from workflow_manager.asl import graph
from workflow_manager.asl.machine import StateMachine
from workflow_manager.managers.admission import Admission
from workflow_manager.managers.step_functions.machines import Wanted
from workflow_manager.managers.step_functions.names import MachineKey, Place
from workflow_manager.managers.step_functions.resources import Translator, uris
from workflow_manager.models import WorkflowDefinition
from workflow_manager.protocols import StateResourceStore

_REMEMBERED = 256


@attrs.frozen
class _Entry:
    definition: WorkflowDefinition  # kept, so that its id stays its own
    uris: dict[str, str]
    wanted: Wanted


class Blueprints:
    """What :class:`Wanted` machines definitions mean; the store is asked for state resources every time."""

    def __init__(self, place: Place, store: StateResourceStore) -> None:
        self._place, self._store = place, store
        self._admission = Admission()
        self._lock = threading.Lock()
        self._made: OrderedDict[tuple[int, str, str], _Entry] = OrderedDict()

    def wanted(self, definition: WorkflowDefinition, namespace: str, start_at: str = "") -> Wanted:
        """
        The state machine for *definition* in *namespace*; *start_at* is where a retry begins.

        Raises:
            DefinitionError: the definition cannot run.
            UnknownResourceError: a short name that cannot be that of an activity.
        """
        needs = [(need.state, need.resource.text) for need in self._admission.needs(definition.state_machine)]
        found = uris(needs, namespace, self._place, self._store)
        place = (id(definition), namespace, start_at)
        with self._lock:
            entry = self._made.get(place)
        if entry is None or entry.uris != found:
            entry = _Entry(definition, found, self._make(definition, namespace, start_at, found))
            self._keep(place, entry)
        return entry.wanted

    def _make(self, definition: WorkflowDefinition, namespace: str, start_at: str, found: dict[str, str]) -> Wanted:
        machine = trimmed(definition.state_machine, start_at)
        key = MachineKey(namespace, definition.name, definition.version, machine.start_at)
        translated = Translator(namespace, self._place, found).machine(machine)
        return Wanted.of(key, translated, definition.default_tags)

    def _keep(self, place: tuple[int, str, str], entry: _Entry) -> None:
        with self._lock:
            self._made[place] = entry
            self._made.move_to_end(place)
            while len(self._made) > _REMEMBERED:
                self._made.popitem(last=False)


def trimmed(machine: StateMachine, start_at: str) -> StateMachine:
    """*machine*, or what is left of it from *start_at* on."""
    return graph.trim(machine, start_at) if start_at else machine
