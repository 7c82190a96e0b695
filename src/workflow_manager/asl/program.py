"""
A state machine made ready to run: every state beside its compiled data flow.

Compiled once per machine and kept with it; parts that a run never reaches are never compiled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs

from workflow_manager.asl.errors import NO_NEXT, ErrorName, StatesError
from workflow_manager.asl.lazy import lazy
from workflow_manager.asl.machine import (
    Catcher,
    ChoiceState,
    FailState,
    MapState,
    ParallelState,
    QueryLanguage,
    Retrier,
    State,
    StateMachine,
    StateType,
    TaskState,
    WaitState,
)
from workflow_manager.asl.numbers import GetNumber, compile_number
from workflow_manager.asl.payload import Flow, StateData, compile_data, compile_items, fail_text
from workflow_manager.asl.resources import TaskResource, parse_resource
from workflow_manager.asl.scope import Scope
from workflow_manager.asl.templates import Fill, compile_template
from workflow_manager.asl.values import JSON
from workflow_manager.asl.waits import Until, compile_wait

Choose = Callable[[Scope, JSON], tuple[str, Flow]]
"""Where a Choice goes and what leaves it, from its raw input (the scope's) and effective input."""


@attrs.frozen(eq=False)
class Program:
    """A machine and its states by name."""

    machine: StateMachine
    states: Mapping[str, CompiledState]


def compile_machine(machine: StateMachine) -> Program:
    """The program of *machine*, compiled at the first call and kept with it."""
    program = machine._cache.get("program")
    if not isinstance(program, Program):
        states = {name: CompiledState(state, machine.language_of(state)) for name, state in machine.states.items()}
        program = Program(machine, states)
        machine._cache["program"] = program
    return program


class CompiledState:
    """One state, with everything that its type needs compiled at first use."""

    def __init__(self, state: State, language: QueryLanguage) -> None:
        self.state = state
        self.name = state.name
        self.type: StateType = state.type
        self.language = language
        self.retry: tuple[Retrier, ...] = getattr(state, "retry", ())
        self.catch: tuple[Catcher, ...] = getattr(state, "catch", ())
        self.next: str | None = getattr(state, "next", None)
        self.is_terminal = state.is_terminal

    @property
    def is_jsonata(self) -> bool:
        """Whether the state's query language is JSONata."""
        return self.language is QueryLanguage.JSONATA

    @lazy
    def data(self) -> StateData:
        """The data flow."""
        return compile_data(self.state, self.language)

    @lazy
    def resource(self) -> TaskResource:
        """A Task's resource."""
        assert isinstance(self.state, TaskState)
        return parse_resource(str(self.state.resource))

    @lazy
    def timeout_seconds(self) -> GetNumber | None:
        """A Task's time-out."""
        return self._number("TimeoutSeconds", "timeout_seconds")

    @lazy
    def heartbeat_seconds(self) -> GetNumber | None:
        """A Task's longest silence."""
        return self._number("HeartbeatSeconds", "heartbeat_seconds")

    @lazy
    def is_plain(self) -> bool:
        """Whether a Task has neither time limits nor credentials."""
        return self.timeout_seconds is None and self.heartbeat_seconds is None and self.credentials is None

    @lazy
    def reads_items(self) -> bool:
        """Whether a Map's items come from an ItemReader."""
        return isinstance(self.state, MapState) and self.state.item_reader is not None

    @lazy
    def max_concurrency(self) -> GetNumber | None:
        """How many of a Map's iterations may run at once; 0 sets no limit."""
        return self._number("MaxConcurrency", "max_concurrency")

    @lazy
    def tolerated_failure_count(self) -> GetNumber | None:
        """How many of a distributed Map's items may fail."""
        return self._number("ToleratedFailureCount", "tolerated_failure_count")

    @lazy
    def tolerated_failure_percentage(self) -> GetNumber | None:
        """Which share of a distributed Map's items may fail, 0 to 100."""
        return self._number("ToleratedFailurePercentage", "tolerated_failure_percentage")

    def _number(self, field: str, attribute: str) -> GetNumber | None:
        literal, path = getattr(self.state, attribute), getattr(self.state, f"{attribute}_path")
        return compile_number(self.language, field, literal, path)

    @lazy
    def credentials(self) -> Fill | None:
        """A Task's Credentials."""
        assert isinstance(self.state, TaskState)
        return self._payload(self.state.credentials, "Credentials")

    @lazy
    def until(self) -> Until:
        """Until when a Wait waits."""
        assert isinstance(self.state, WaitState)
        return compile_wait(self.state, self.language)

    @lazy
    def choose(self) -> Choose:
        """Where a Choice goes."""
        assert isinstance(self.state, ChoiceState)
        if self.is_jsonata:
            from workflow_manager.asl.choice_jsonata import compile_choice

            return compile_choice(self.state)
        return _choose_by_path(self.state, self.data)

    @lazy
    def failure(self) -> tuple[Callable[[Scope], str | None], Callable[[Scope], str | None]]:
        """The Error and the Cause of a Fail state."""
        state = self.state
        assert isinstance(state, FailState)
        if self.is_jsonata:
            return self._text(state.error, "Error"), self._text(state.cause, "Cause")
        return (
            fail_text(state, state.error_path, state.error, "ErrorPath"),
            fail_text(state, state.cause_path, state.cause, "CausePath"),
        )

    def _text(self, value: str | None, field: str) -> Callable[[Scope], str | None]:
        fill = self._payload(value, field) if value is not None else None

        def text(scope: Scope) -> str | None:
            found = None if fill is None else fill(scope)
            if found is None or isinstance(found, str):
                return found
            from workflow_manager.asl.jsonata import unexpected_type

            raise unexpected_type(found, "string", str(value), field)

        return text

    @lazy
    def branches(self) -> tuple[Program, ...]:
        """The programs of a Parallel's branches."""
        assert isinstance(self.state, ParallelState)
        return tuple(compile_machine(branch) for branch in self.state.branches)

    @lazy
    def processor(self) -> Program:
        """The program of a Map's item processor."""
        assert isinstance(self.state, MapState)
        return compile_machine(self.state.item_processor)

    @lazy
    def is_distributed(self) -> bool:
        """Whether a Map runs its iterations as child executions."""
        return isinstance(self.state, MapState) and self.state.is_distributed

    @lazy
    def items(self) -> Fill:
        """The items of a Map, from the scope of its effective input."""
        assert isinstance(self.state, MapState)
        if self.is_jsonata:
            from workflow_manager.asl.choice_jsonata import compile_items as compile_jsonata_items

            return compile_jsonata_items(self.state)
        return compile_items(self.state)

    @lazy
    def item_selector(self) -> Fill | None:
        """What each iteration of a Map gets, from the scope of its effective input with ``$$.Map.Item``."""
        assert isinstance(self.state, MapState)
        return self._payload(self.state.item_selector, "ItemSelector")

    def _payload(self, value: object, field: str) -> Fill | None:
        if value is None or (not value and not isinstance(value, dict | list | str | int | float)):
            return None
        return compile_payload(value, field, self.language)  # type: ignore[arg-type]


def compile_payload(value: JSON, field: str, language: QueryLanguage) -> Fill:
    """Compile a value with paths (JSONPath, fields ending in ``.$``) or expressions (JSONata) in it."""
    if language is not QueryLanguage.JSONATA:
        return compile_template(value)
    from workflow_manager.asl.jsonata import compile_template as compile_jsonata
    from workflow_manager.asl.payload_jsonata import states_of

    template = compile_jsonata(value, field)
    return lambda scope: template.evaluate(states_of(scope), scope.variables, scope)


def _choose_by_path(state: ChoiceState, data: StateData) -> Choose:
    from workflow_manager.asl.choices import compile_rule
    from workflow_manager.asl.payload import assignment, selection

    select = selection(state.output_path)  # the state's own Assign is Default's, not evaluated where a rule holds
    rules = [(compile_rule(rule), rule.next, assignment(rule.assign)) for rule in state.choices]

    def choose(scope: Scope, effective: JSON) -> tuple[str, Flow]:
        within = scope.on(effective)
        for holds, target, assign in rules:
            if target is not None and holds(within):
                output = effective if select is None else select(within)
                return target, Flow(output, None if assign is None else assign(within))
        if state.default is None:
            raise StatesError(ErrorName.RUNTIME, NO_NEXT)
        return state.default, data.finish(scope, effective)

    return choose
