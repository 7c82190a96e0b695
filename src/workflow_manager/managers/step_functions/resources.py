"""
From a definition with short names to one that Step Functions can run, in every nested machine.

A Task's short Resource becomes the ARN of its state resource, else of an activity ``{namespace}--{resource}``;
``lambda:name`` is the function ``{namespace}--{name}``, ``glue:name`` a run of the Glue job ``{namespace}--{name}``.
What is an ARN already is left alone.  Every Task retries ``sfncli.CommandTerminated``, with which workers answer when
they are shut down, and ``_EXECUTION_NAME`` is carried through Maps that build their items' inputs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from workflow_manager.asl.machine import (
    ABSENT,
    Absent,
    MapState,
    ParallelState,
    QueryLanguage,
    Retrier,
    State,
    StateMachine,
    TaskState,
)
from workflow_manager.asl.values import JSON
from workflow_manager.exceptions import NotFoundError, UnknownResourceError
from workflow_manager.managers.step_functions.names import Place, is_valid, is_valid_function
from workflow_manager.models import ResourceType
from workflow_manager.protocols import StateResourceStore

EXECUTION_NAME = "_EXECUTION_NAME"
"""The field in which tasks find the id of their workflow."""

LAMBDA, GLUE, ARN = "lambda:", "glue:", "arn:"
TERMINATED = "sfncli.CommandTerminated"
DEFAULT_RETRIER = Retrier(error_equals=(TERMINATED,), interval_seconds=10, max_attempts=10, backoff_rate=1.0)

_STATE_RESOURCES = (ResourceType.ACTIVITY_ARN, ResourceType.LAMBDA_FUNCTION_ARN, ResourceType.TASK_ARN)


@attrs.frozen
class NamePath:
    """Where the workflow's id is to be found: a path into the context object; *is_sure* whether it is there."""

    text: str
    is_sure: bool = True


_ROOT = NamePath("$$.Execution.Name")
_IN_CHILD = f"$$.Execution.Input.{EXECUTION_NAME}"


def uris(needs: Iterable[tuple[str, str]], namespace: str, place: Place, store: StateResourceStore) -> dict[str, str]:
    """
    The ARN behind each short Resource of *needs* (state, resource); Glue jobs have none of their own.

    Raises:
        UnknownResourceError: a name that cannot be that of an activity or a function.
    """
    found: dict[str, str] = {}
    state_of: dict[str, str] = {}
    for state, text in needs:
        state_of.setdefault(text, state)  # each is looked up once, however many states have it
    for text, state in state_of.items():
        if text.startswith(ARN):
            continue
        known = _state_resource(text, namespace, store)
        if known is not None:
            found[text] = known
        elif text.startswith(LAMBDA):
            found[text] = _function(state, text, namespace, place)
        elif not text.startswith(GLUE):
            found[text] = _activity(state, text, namespace, place)
    return found


def _state_resource(text: str, namespace: str, store: StateResourceStore) -> str | None:
    """The ARN of a state resource that Step Functions can run; one for other managers does not count."""
    try:
        resource = store.get_state_resource(text, namespace)
    except NotFoundError:
        return None
    return resource.uri if resource.type in _STATE_RESOURCES and resource.uri.startswith(ARN) else None


def _activity(state: str, text: str, namespace: str, place: Place) -> str:
    name = f"{namespace}--{text}"
    if not is_valid(name):
        reason = f"{name!r} cannot be the name of an activity (at most 80 characters, none that AWS forbids)"
        raise UnknownResourceError(state, text, namespace, reason)
    return place.activity(name)


def _function(state: str, text: str, namespace: str, place: Place) -> str:
    name = f"{namespace}--{text.removeprefix(LAMBDA)}"
    if not is_valid_function(name):
        reason = f"{name!r} cannot be the name of a function (at most 64 letters, digits, - and _; a version or alias)"
        raise UnknownResourceError(state, text, namespace, reason)
    return place.function(name)


@attrs.frozen
class Translator:
    """Translates the machines of one *namespace*; *uris* are the ARNs behind short names."""

    namespace: str
    place: Place
    uris: Mapping[str, str]

    def machine(self, machine: StateMachine, name_path: NamePath | None = _ROOT) -> StateMachine:
        """*machine* as Step Functions runs it; *name_path* leads to the workflow's id, ``None`` where nothing does."""
        states = {name: self._state(machine, state, name_path) for name, state in machine.states.items()}
        return attrs.evolve(machine, states=states)

    def _state(self, machine: StateMachine, state: State, name_path: NamePath | None) -> State:
        is_jsonata = machine.language_of(state) is QueryLanguage.JSONATA
        if isinstance(state, TaskState):
            return self._task(state, is_jsonata=is_jsonata)
        if isinstance(state, ParallelState):
            return attrs.evolve(state, branches=tuple(self.machine(branch, name_path) for branch in state.branches))
        if isinstance(state, MapState):
            return self._map(state, name_path, is_jsonata=is_jsonata)
        return state

    def _task(self, state: TaskState, *, is_jsonata: bool) -> TaskState:
        retry = state.retry
        if not any(TERMINATED in retrier.error_equals for retrier in retry):
            retry = (DEFAULT_RETRIER, *retry)
        text = state.resource
        if not text.startswith(GLUE) or text in self.uris:
            return attrs.evolve(state, resource=self.uris.get(text, text), retry=retry)
        job: Mapping[str, JSON] = {"JobName": f"{self.namespace}--{text.removeprefix(GLUE)}"}
        state = attrs.evolve(state, resource=self.place.integration("glue:startJobRun.sync"), retry=retry)
        if is_jsonata:
            return attrs.evolve(state, arguments=_with(state.arguments, job))
        return attrs.evolve(state, parameters=_with(state.parameters, job))

    def _map(self, state: MapState, name_path: NamePath | None, *, is_jsonata: bool) -> MapState:
        selector = state.item_selector
        if name_path is not None:
            selector = _jsonata_items(selector, name_path) if is_jsonata else _jsonpath_items(selector, name_path)
        inner = name_path
        if state.is_distributed:  # each child is an execution of its own, with a name of its own
            inner = _in_child(selector, name_path) if state.item_batcher is None else None
        processor = self.machine(state.item_processor, inner)
        return attrs.evolve(state, item_selector=selector, item_processor=processor)


def _in_child(selector: JSON | Absent, name_path: NamePath | None) -> NamePath | None:
    """Where it is in a child execution, whose input is one item: what an expression made may be no object."""
    if selector is ABSENT or name_path is None:
        return None
    return NamePath(_IN_CHILD, is_sure=name_path.is_sure and isinstance(selector, Mapping))


def _with(given: JSON | Absent, more: Mapping[str, JSON]) -> JSON:
    """The object *given*, or the JSONata that makes one, with *more* in it."""
    if isinstance(given, Mapping):
        kept = {name: value for name, value in given.items() if name.removesuffix(".$") not in more}
        return {**kept, **more}
    expression = _expression(given)
    if expression is None:
        return dict(more)
    pairs = ", ".join(f'"{name}": "{value}"' for name, value in more.items())
    return f"{{% $merge([({expression}), {{{pairs}}}]) %}}"


def _expression(value: JSON | Absent) -> str | None:
    if isinstance(value, str) and value.startswith("{%") and value.endswith("%}"):
        return value[2:-2].strip()
    return None


def _jsonpath_items(selector: JSON | Absent, name_path: NamePath) -> JSON | Absent:
    """An ItemSelector that is there carries the name; without one the items go on as they are, whatever they are."""
    if not isinstance(selector, Mapping) or EXECUTION_NAME in selector or f"{EXECUTION_NAME}.$" in selector:
        return selector
    return {**selector, f"{EXECUTION_NAME}.$": name_path.text} if name_path.is_sure else selector


def _jsonata_items(selector: JSON | Absent, name_path: NamePath) -> JSON | Absent:
    """The ItemSelector, or the item itself, with the name in it if it is an object."""
    name = name_path.text.replace("$$", "$states.context")
    if isinstance(selector, Mapping):
        is_left = EXECUTION_NAME in selector or not name_path.is_sure  # a field without a value is an error
        return selector if is_left else {**selector, EXECUTION_NAME: f"{{% {name} %}}"}
    item = "$states.context.Map.Item.Value" if selector is ABSENT else _expression(selector)
    if item is None:
        return selector
    merged = f'$merge([$item, {{"{EXECUTION_NAME}": {name}}}])'
    return f'{{% ($item := ({item}); $type($item) = "object" ? {merged} : $item) %}}'


def with_execution_name(input: JSON, workflow_id: str) -> JSON:
    """*input* with the workflow's id in it, if it is an object."""
    return {**input, EXECUTION_NAME: workflow_id} if isinstance(input, Mapping) else input
