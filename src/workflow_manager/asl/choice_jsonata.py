"""Choice rules and Map items of states whose query language is JSONata."""

from __future__ import annotations

from workflow_manager.asl.errors import NO_NEXT, ErrorName, StatesError
from workflow_manager.asl.jsonata import (
    Expression,
    Template,
    compile_expression,
    compile_template,
    expect,
    is_expression,
)
from workflow_manager.asl.machine import Absent, ChoiceRule, ChoiceState, MapState
from workflow_manager.asl.payload import Flow
from workflow_manager.asl.payload_jsonata import flow, states_of
from workflow_manager.asl.scope import Scope
from workflow_manager.asl.templates import Fill
from workflow_manager.asl.values import JSON, dumps


def compile_choice(state: ChoiceState) -> ChooseJSONata:
    """Compile the rules of *state*; see :data:`workflow_manager.asl.program.Choose`."""
    return ChooseJSONata(state)


class ChooseJSONata:
    """Goes by the first rule whose Condition is true; its Output and Assign, or the state's own for Default."""

    def __init__(self, state: ChoiceState) -> None:
        self._default = state.default
        self._rules = [_Rule(rule, index) for index, rule in enumerate(state.choices)]
        self._output = _template(state.output, "Output")
        self._assign = None if not state.assign else compile_template(state.assign, "Assign")

    def __call__(self, scope: Scope, effective: JSON) -> tuple[str, Flow]:
        states = states_of(scope)
        for rule in self._rules:
            if rule.holds(states, scope):
                return rule.next, flow(rule.output, rule.assign, states, scope, scope.input)
        if self._default is None:
            raise StatesError(ErrorName.RUNTIME, NO_NEXT)
        return self._default, flow(self._output, self._assign, states, scope, scope.input)


class _Rule:
    def __init__(self, rule: ChoiceRule, index: int) -> None:
        place = f"Choices[{index}]"
        self.next = rule.next or ""
        self.output = _template(rule.output, f"{place}/Output")
        self.assign = None if not rule.assign else compile_template(rule.assign, f"{place}/Assign")
        self._field = f"{place}/Condition"
        self._constant = rule.condition
        self._condition: Expression | None = None
        if isinstance(rule.condition, str) and is_expression(rule.condition):
            self._condition = compile_expression(rule.condition)

    def holds(self, states: JSON, scope: Scope) -> bool:
        if self._condition is None:
            return self._constant is True
        value = self._condition.evaluate(states, scope.variables, scope, self._field)
        return expect(value, "boolean", self._condition.source, self._field) is True


def compile_items(state: MapState) -> Fill:
    """The items of a JSONata Map: ``Items``, else the state's input, which must be an array."""
    template = _template(state.items, "Items")
    if template is None:
        return _input_items

    def items(scope: Scope) -> JSON:
        value = template.evaluate(states_of(scope), scope.variables, scope)
        return expect(value, "array", "" if template.expression is None else template.expression.source, "Items")

    return items


def _input_items(scope: Scope) -> JSON:
    if not isinstance(scope.input, list):
        cause = f"Map state input must be an array but was: {dumps(scope.input)}"
        raise StatesError(ErrorName.QUERY_EVALUATION_ERROR, cause)
    return scope.input


def _template(value: JSON | Absent, field: str) -> Template | None:
    return None if isinstance(value, Absent) else compile_template(value, field)
