"""Data flow of a state whose query language is JSONata: Arguments → work → Assign, Output."""

from __future__ import annotations

from collections.abc import Mapping

from workflow_manager.asl.jsonata import Template, compile_template
from workflow_manager.asl.machine import Absent, State
from workflow_manager.asl.payload import Flow, Stage, Watch
from workflow_manager.asl.scope import Scope
from workflow_manager.asl.values import JSON


def states_of(scope: Scope, **more: JSON) -> JSON:
    """What ``$states`` is: the raw input, the context object, and the result or error output where there is one."""
    return {"input": scope.input, **more, "context": scope.context}


class JSONataData:
    """
    The compiled data flow of a JSONata state.

    Without Output the result leaves the state; a state without work has its input as result.
    """

    __slots__ = ("_arguments", "_assign", "_catchers", "_output", "is_identity")

    def __init__(self, state: State) -> None:
        self._arguments = _optional(getattr(state, "arguments", None), "Arguments")
        self._output = _optional(getattr(state, "output", None), "Output", null=True)
        self._assign = _optional(getattr(state, "assign", None), "Assign")
        self._catchers = [
            (
                _optional(catcher.output, f"Catch[{index}]/Output", null=True),
                _optional(catcher.assign, f"Catch[{index}]/Assign"),
            )
            for index, catcher in enumerate(getattr(state, "catch", ()))
        ]
        self.is_identity = self._arguments is None and self._output is None and self._assign is None

    def effective_input(self, scope: Scope, watch: Watch | None = None) -> JSON:
        if self._arguments is None:
            return scope.input
        value = self._arguments.evaluate(states_of(scope), scope.variables, scope)
        if watch is not None:
            watch(Stage.AFTER_ARGUMENTS, value)
        return value

    def finish(self, scope: Scope, result: JSON, watch: Watch | None = None) -> Flow:
        return flow(self._output, self._assign, states_of(scope, result=result), scope, result)

    def catch(self, index: int, scope: Scope, error_output: JSON) -> Flow:
        output, assign = self._catchers[index]
        return flow(output, assign, states_of(scope, errorOutput=error_output), scope, error_output)


def flow(output: Template | None, assign: Template | None, states: JSON, scope: Scope, default: JSON) -> Flow:
    """Evaluate Output and Assign, both before anything is assigned; without Output *default* leaves the state."""
    left = default if output is None else output.evaluate(states, scope.variables, scope)
    assigned = None if assign is None else assign.evaluate(states, scope.variables, scope)
    return Flow(left, dict(sorted(assigned.items())) if isinstance(assigned, Mapping) and assigned else None)


def _optional(value: JSON | Absent, field: str, *, null: bool = False) -> Template | None:
    """The template of a field, or ``None`` when the field is absent (a null counts as absent unless *null*)."""
    if isinstance(value, Absent) or (value is None and not null):
        return None
    return compile_template(value, field)
