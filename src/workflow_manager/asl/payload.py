"""
How data flows through one state: what its work gets, what leaves the state, which variables it assigns.

Source: ASL specification, "Input and Output Processing"; AWS: "Processing input and output", "Transforming data with
JSONata", "Passing data between states with variables".  :func:`compile_data` compiles one state; everything else
evaluates under a :class:`Scope` whose ``input`` is the state's raw input.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Protocol

import attrs

from workflow_manager.asl.errors import ErrorName, StatesError
from workflow_manager.asl.machine import (
    ABSENT,
    Absent,
    Catcher,
    FailState,
    MapState,
    ParallelState,
    PassState,
    QueryLanguage,
    State,
    TaskState,
)
from workflow_manager.asl.paths import PathNotFound, ResultPathMismatch, compile_path, compile_reference_path
from workflow_manager.asl.scope import Scope
from workflow_manager.asl.templates import Fill, compile_template, not_found
from workflow_manager.asl.values import JSON


@attrs.frozen
class Flow:
    """What leaves a state: its *output*, and the variables that it assigned (names sorted, as AWS lists them)."""

    output: JSON
    assigned: Mapping[str, JSON] | None = None


class Stage(StrEnum):
    """The stations that data passes on its way through a state, as AWS names them (AWS API: InspectionData)."""

    AFTER_INPUT_PATH = "afterInputPath"
    AFTER_PARAMETERS = "afterParameters"
    AFTER_ARGUMENTS = "afterArguments"
    AFTER_RESULT_SELECTOR = "afterResultSelector"
    AFTER_RESULT_PATH = "afterResultPath"


Watch = Callable[[Stage, JSON], None]
"""Is told what the data is at each station that it passes."""


class StateData(Protocol):
    """The compiled data flow of one state."""

    is_identity: bool
    """Whether the state hands its raw input on as it is, whatever the input."""

    def effective_input(self, scope: Scope, watch: Watch | None = None) -> JSON:
        """What the state's work gets: InputPath and Parameters, or Arguments."""

    def finish(self, scope: Scope, result: JSON, watch: Watch | None = None) -> Flow:
        """What leaves the state when its work gave *result*."""

    def catch(self, index: int, scope: Scope, error_output: JSON) -> Flow:
        """What leaves the state when its catcher number *index* caught *error_output*."""


def compile_data(state: State, language: QueryLanguage) -> StateData:
    """
    Compile the data flow of *state*.

    Raises:
        ValueError: a path, an intrinsic function call or an expression cannot be parsed.
    """
    if language is QueryLanguage.JSONATA:
        from workflow_manager.asl.payload_jsonata import JSONataData

        return JSONataData(state)
    return JSONPathData(state)


def error_output(error: str | None, cause: str | None) -> JSON:
    """The error output that a catcher sees (ASL specification, "Error output")."""
    return {"Error": error, "Cause": cause}


class JSONPathData:
    """InputPath → Parameters → work → ResultSelector → ResultPath → OutputPath."""

    __slots__ = (
        "_assign",
        "_catchers",
        "_input",
        "_output",
        "_parameters",
        "_result",
        "_result_path",
        "_selector",
        "is_identity",
    )

    def __init__(self, state: State) -> None:
        self._input = selection(getattr(state, "input_path", "$"))
        self._output = selection(getattr(state, "output_path", "$"))
        self._parameters = _template(_parameters_of(state))
        self._result: JSON | Absent = state.result if isinstance(state, PassState) else ABSENT
        self._selector = _template(getattr(state, "result_selector", ABSENT))
        self._result_path = _placement(getattr(state, "result_path", "$"))
        self._assign = assignment(getattr(state, "assign", None))
        self._catchers = [_JSONPathCatcher(catcher) for catcher in getattr(state, "catch", ())]
        parts = (self._input, self._output, self._parameters, self._selector, self._result_path, self._assign)
        self.is_identity = self._result is ABSENT and not any(parts)

    def effective_input(self, scope: Scope, watch: Watch | None = None) -> JSON:
        value = scope.input if self._input is None else self._input(scope)
        if watch is not None:
            watch(Stage.AFTER_INPUT_PATH, value)
        if self._parameters is not None:
            value = self._parameters(scope.on(value))
        if watch is not None:
            watch(Stage.AFTER_PARAMETERS, value)
        return value

    def finish(self, scope: Scope, result: JSON, watch: Watch | None = None) -> Flow:
        if not isinstance(self._result, Absent):
            result = self._result
        if self._selector is not None:
            result = self._selector(scope.on(result))
        if watch is not None:
            watch(Stage.AFTER_RESULT_SELECTOR, result)
        assigned = None if self._assign is None else self._assign(scope.on(result))
        output = result if self._result_path is None else self._result_path(scope.input, result)
        if watch is not None:
            watch(Stage.AFTER_RESULT_PATH, output)
        return Flow(output if self._output is None else self._output(scope.on(output)), assigned)

    def catch(self, index: int, scope: Scope, error_output: JSON) -> Flow:
        return self._catchers[index].flow(scope, error_output)


class _JSONPathCatcher:
    __slots__ = ("_assign", "_placement")

    def __init__(self, catcher: Catcher) -> None:
        self._placement = _placement(catcher.result_path)
        self._assign = assignment(catcher.assign)

    def flow(self, scope: Scope, error_output: JSON) -> Flow:
        assigned = None if self._assign is None else self._assign(scope.on(error_output))
        return Flow(error_output if self._placement is None else self._placement(scope.input, error_output), assigned)


def _parameters_of(state: State) -> JSON | Absent:
    if isinstance(state, PassState | TaskState | ParallelState):
        return state.parameters
    return ABSENT


def _template(value: JSON | Absent) -> Fill | None:
    return None if isinstance(value, Absent) else compile_template(value)


def assignment(assign: Mapping[str, JSON] | None) -> Callable[[Scope], Mapping[str, JSON]] | None:
    """The variables that ``Assign`` gives, names sorted; all are evaluated before any is assigned."""
    if not assign:
        return None
    fill = compile_template(assign)

    def assigned(scope: Scope) -> Mapping[str, JSON]:
        values = fill(scope)
        assert isinstance(values, Mapping)
        return dict(sorted(values.items()))

    return assigned


def selection(path: str | None) -> Fill | None:
    """InputPath or OutputPath: ``None`` when it selects everything; null selects an empty object."""
    if path == "$":
        return None
    if path is None:
        return lambda scope: {}
    compiled = compile_path(path)

    def select(scope: Scope) -> JSON:
        try:
            return compiled.get(scope)
        except PathNotFound as missing:
            raise StatesError(ErrorName.RUNTIME, str(missing)) from None

    return select


def _placement(path: str | None) -> Callable[[JSON, JSON], JSON] | None:
    """ResultPath as ``(raw input, result) -> output``: ``None`` when the result is the output; null keeps the input."""
    if path == "$":
        return None
    if path is None:
        return lambda document, result: document
    compiled = compile_reference_path(path)

    def put(document: JSON, result: JSON) -> JSON:
        try:
            return compiled.put(document, result)
        except ResultPathMismatch as mismatch:
            raise StatesError(ErrorName.RESULT_PATH_MATCH_FAILURE, str(mismatch)) from None

    return put


def compile_items(state: MapState) -> Fill:
    """The items of a JSONPath Map, an array in the *effective* input or behind ``$$`` or a variable."""
    path = state.items_path or "$"
    select = selection(path) or (lambda scope: scope.input)
    shown = path[1:] if path.startswith("$$") else path  # AWS names the path within the context object

    def items(scope: Scope) -> JSON:
        value = select(scope)
        if not isinstance(value, list):
            raise StatesError(ErrorName.RUNTIME, f'Reference path "{shown}" must point to array.')
        return value

    return items


def fail_text(state: FailState, path: str | None, literal: str | None, field: str) -> Callable[[Scope], str | None]:
    """The Error or Cause of a JSONPath Fail state: *literal*, or what *path* (a path or intrinsic call) gives."""
    if path is None:
        return lambda scope: literal
    from workflow_manager.asl.templates import compile_field

    fill = compile_field(field, path)

    def text(scope: Scope) -> str | None:
        value = fill(scope)
        if value is not None and not isinstance(value, str):
            raise not_found(path, field, scope.input)
        return value

    return text
