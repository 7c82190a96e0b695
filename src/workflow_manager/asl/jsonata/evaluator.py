"""
The library's evaluator with a budget.

Each evaluation has an instance of its own, so evaluations never meet, in one thread or in several; the parsed
expression is shared and only read.  Every node visited counts against the budget, as does what functions read and
build (``limits``).
"""

from __future__ import annotations

import math
from typing import Any

from workflow_manager.asl.jsonata.budget import Budget
from workflow_manager.asl.jsonata.library import Frame, JException, Jsonata, Parser, Utils, functions_frame
from workflow_manager.asl.jsonata.limits import COPIED_PER_STEP, READ_PER_STEP
from workflow_manager.asl.jsonata.numbers import normal
from workflow_manager.asl.jsonata.regexes import RegexError, compile_regex
from workflow_manager.asl.jsonata.values import NULL, is_function, own, own_deep
from workflow_manager.asl.scope import Scope

_JList = Utils.JList
_NONE = Utils.NONE


class Evaluation(Budget, Jsonata):  # type: ignore[misc]
    """One evaluation: the *scope* it sees, and what is left of its budget."""

    def __init__(self, scope: Scope) -> None:  # not the library's: that would parse
        self.scope = scope
        self.parser = Jsonata.get_parser()
        self.environment = functions_frame()
        self.input = None
        self.regex_engine = compile_regex
        Budget.__init__(self)
        self._owned: dict[int, tuple[Any, Any]] = {}

    # ---- one node

    def get_per_thread_instance(self) -> Evaluation:
        """The evaluation itself: it belongs to one thread from the start."""
        return self

    def create_frame(self, enclosing_environment: Any = None) -> Frame:
        """A frame within another."""
        return Frame(enclosing_environment)

    def eval(self, expr: Any, input: Any, environment: Any) -> Any:
        """The value of one node; None is undefined."""
        self.enter()
        self.environment = environment
        kind = expr.type
        handler = _HANDLERS.get(kind)
        result: Any = None if handler is None else handler(self, expr, input, environment)
        if expr.predicate is not None:
            for item in expr.predicate:
                result = self.evaluate_filter(item.expr, result, environment)
        if expr.group is not None and kind != "path":
            result = self.evaluate_group_expression(expr.group, result, environment)
        self.depth -= 1
        if type(result) is _JList:
            if kind in _BUILDERS:
                self.will_build(len(result), 8, 8)
            if result.sequence and not result.tuple_stream:
                return self._collapse(expr, result)
        return result

    def _collapse(self, expr: Any, sequence: Any) -> Any:
        """A sequence of one is that one, an empty one is nothing."""
        if expr.keep_array:
            sequence.keep_singleton = True
        if not sequence:
            return None
        return sequence[0] if len(sequence) == 1 and not sequence.keep_singleton else sequence

    # ---- data: nulls are marked when they are reached

    def evaluate_variable(self, expr: Any, input: Any, environment: Any) -> Any:
        """``$name``, or ``$``."""
        if expr.value == "":
            return input[0] if isinstance(input, _JList) and input.outer_wrapper else input
        value = environment.lookup(expr.value)
        return self._own(value) if type(value) is list else value

    def _own(self, value: Any) -> Any:
        """As ``own``, but a long list is looked through once only."""
        if type(value) is not list or len(value) <= READ_PER_STEP:
            return own(value)
        known = self._owned.get(id(value))
        if known is None:
            known = self._owned[id(value)] = value, own(value)  # holding the list keeps its id from being used again
        return known[1]

    def evaluate_name(self, expr: Any, input: Any, environment: Any) -> Any:
        """A key of an object, or of each object in a list."""
        return self.look_up(input, expr.value)

    def look_up(self, value: Any, key: str) -> Any:
        """What *value* has under *key*."""
        if isinstance(value, dict):
            found = value.get(key, _NONE)
            return None if found is _NONE else self._own(found)
        if not isinstance(value, list):
            return None
        self.read(len(value))
        results = Utils.create_sequence()
        for item in value:
            found = self.look_up(item, key)
            if isinstance(found, list):
                results.extend(found)
            elif found is not None:
                results.append(found)
        return results

    def evaluate_wildcard(self, expr: Any, input: Any) -> Any:
        """``*``: every value of an object, lists flattened."""
        if isinstance(input, _JList) and input.outer_wrapper and input:
            input = input[0]
        values = input.values() if isinstance(input, dict) else input if isinstance(input, list) else ()
        self.read(len(values))
        results = Utils.create_sequence()
        for value in values:
            if isinstance(value, list):
                results.extend(self.flatten(own(value), None))
                results.sequence = False  # what a list was appended to stays a list
            else:
                results.append(own(value))
        return results

    def evaluate_descendants(self, expr: Any, input: Any) -> Any:
        """``**``: every value below, and the value itself."""
        results = Utils.create_sequence()
        if input is not None:
            self.recurse_descendants(own_deep(input, self.read), results)
        return results[0] if len(results) == 1 else results

    def recurse_descendants(self, input: Any, results: Any) -> None:
        """Add *input* and everything below it, lists flattened."""
        self.steps(1)
        super().recurse_descendants(input, results)

    # ---- operators

    def _holds(self, value: Any) -> bool:
        """Whether *value* counts as true."""
        if isinstance(value, list):
            self.read(len(value))
            return any(map(self._holds, value))
        return type(value) in _ATOMS and bool(value) and not (type(value) is float and math.isnan(value))

    def evaluate_condition(self, expr: Any, input: Any, environment: Any) -> Any:
        """``condition ? then : else``."""
        if self._holds(self.eval(expr.condition, input, environment)):
            return self.eval(expr.then, input, environment)
        return None if expr._else is None else self.eval(expr._else, input, environment)

    def evaluate_filter(self, predicate: Any, input: Any, environment: Any) -> Any:
        """``items[predicate]``: the items at an index, at several, or for which the predicate holds."""
        results = Utils.create_sequence()
        stream = isinstance(input, _JList) and input.tuple_stream
        results.tuple_stream = stream
        items = input if isinstance(input, list) else [] if input is None else [input]
        if predicate.type == "number":
            index = int(predicate.value)
            found = own(items[index]) if -len(items) <= index < len(items) else None
            if found is not None and not isinstance(found, list):
                results.append(found)
            return found if isinstance(found, list) else results
        for index, item in enumerate(items):
            frame = self.create_frame_from_tuple(environment, item) if stream else environment
            value = self.eval(predicate, item["@"] if stream else item, frame)
            if self._selects(value, index, len(items)):
                results.append(item)
        return results

    def _selects(self, value: Any, index: int, length: int) -> bool:
        """Whether *value*, that of a predicate, selects the item at *index*."""
        wanted = [value] if Utils.is_numeric(value) else value
        if isinstance(wanted, list):
            self.read(len(wanted))
            if Utils.is_array_of_numbers(wanted):
                return any(math.floor(number) in (index, index - length) for number in wanted)
        return self._holds(value)

    def evaluate_transform_expression(self, expr: Any, input: Any, environment: Any) -> Any:
        """``|place|update|``: a function that copies its argument and changes the copy."""
        return _Transformer(Jsonata.Transformer(self, expr, environment), "<(oa):o>")

    def evaluate_binary(self, expr: Any, input: Any, environment: Any) -> Any:
        """Two operands and what stands between."""
        operator = expr.value
        left = self.eval(expr.lhs, input, environment)
        if operator == "and":
            return self._holds(left) and self._holds(self.eval(expr.rhs, input, environment))
        if operator == "or":
            return self._holds(left) or self._holds(self.eval(expr.rhs, input, environment))
        right = self.eval(expr.rhs, input, environment)
        if operator in _ARITHMETIC:
            return self.evaluate_numeric_expression(left, right, operator)
        if operator in ("=", "!="):
            return self._equal(left, right, operator)
        if operator in ("<", "<=", ">", ">="):
            return self.evaluate_comparison_expression(left, right, operator)
        if operator == "&":
            return self._concatenate(left, right)
        if operator == "..":
            return self.evaluate_range_expression(left, right)
        return self.evaluate_includes_expression(left, right)

    def evaluate_numeric_expression(self, lhs: Any, rhs: Any, op: Any) -> Any:
        """Arithmetic on doubles; undefined with undefined."""
        if lhs is not None and not Utils.is_numeric(lhs):
            raise JException("T2001", -1, op, lhs)
        if rhs is not None and not Utils.is_numeric(rhs):
            raise JException("T2002", -1, op, rhs)
        return None if lhs is None or rhs is None else _arithmetic(float(lhs), float(rhs), op)

    def _equal(self, lhs: Any, rhs: Any, operator: str) -> bool:
        if lhs is None or rhs is None:
            return False
        if isinstance(lhs, list | dict) and isinstance(rhs, list | dict):
            self.read(len(lhs) + len(rhs))
            lhs, rhs = own_deep(lhs, self.read), own_deep(rhs, self.read)
        equal: bool = Utils.is_deep_equal(lhs, rhs)
        return equal == (operator == "=")

    def _concatenate(self, lhs: Any, rhs: Any) -> str:
        left, right = self.text(lhs), self.text(rhs)
        self.will_build(len(left) + len(right), 1 if left.isascii() and right.isascii() else 4)
        return left + right

    def text(self, value: Any) -> str:
        """*value* as ``&`` writes it; nothing is the empty string."""
        if isinstance(value, str):
            return value
        if value is None:
            return ""
        function = functions_frame().lookup("string")
        text: str = function.call(None, [value])
        return text

    def evaluate_includes_expression(self, lhs: Any, rhs: Any) -> bool:
        """``in``: whether one of the values of *rhs* is *lhs*."""
        if lhs is None or rhs is None:
            return False
        if not isinstance(rhs, list):
            rhs = [rhs]
        self.read(len(rhs))
        return any(item == lhs and isinstance(item, bool) == isinstance(lhs, bool) for item in rhs)

    def evaluate_range_expression(self, lhs: Any, rhs: Any) -> Any:
        """``[1..5]``: whole numbers from *lhs* up to and including *rhs*."""
        for code, side in (("T2003", lhs), ("T2004", rhs)):
            if side is not None and (not Utils.is_numeric(side) or side != int(side)):
                raise JException(code, -1, side)
        if lhs is None or rhs is None or lhs > rhs:
            return None
        size = int(rhs) - int(lhs) + 1
        if size > 10_000_000:
            raise JException("D2014", -1, size)
        self.will_build(size, 40, 8)
        return Utils.create_sequence_from_iter(range(int(lhs), int(rhs) + 1))

    # ---- objects and groups

    def evaluate_group_expression(self, expr: Any, input: Any, environment: Any) -> Any:
        """``{key: value}``: items with the same key are evaluated together."""
        reduce = isinstance(input, _JList) and input.tuple_stream
        items: list[Any] = (input or [None]) if isinstance(input, list) else [input]
        pairs: Any = expr.lhs_object
        groups: dict[str, tuple[int, list[Any]]] = {}
        for item in items:
            env = self.create_frame_from_tuple(environment, item) if reduce else environment
            for index, pair in enumerate(pairs):
                key = self.eval(pair[0], item["@"] if reduce else item, env)
                if key is None:
                    continue
                if not isinstance(key, str):
                    raise JException("T1003", expr.position, "" if is_function(key) else key)
                if groups.setdefault(key, (index, []))[0] != index:
                    raise JException("D1009", expr.position, key)
                groups[key][1].append(item)
        result: dict[str, Any] = {}
        for key, (index, members) in groups.items():
            value = self._group_value(pairs[index][1], members, reduce, environment)
            if value is not None:
                result[key] = value
        return result

    def _group_value(self, expr: Any, members: list[Any], reduce: bool, environment: Any) -> Any:
        if not reduce:
            return self.eval(expr, _joined(members), environment)
        names = dict.fromkeys(name for member in members for name in member)
        values = {name: _joined([member[name] for member in members if name in member]) for name in names}
        frame = self.create_frame(environment)
        frame.bindings.update(values)
        return self.eval(expr, values["@"], frame)

    # ---- functions

    def apply_inner(self, proc: Any, args: Any, input: Any, environment: Any) -> Any:
        """The value of the function *proc* for *args*."""
        if isinstance(proc, Parser.Symbol) and proc._jsonata_lambda:
            signature = proc.signature
            return self.apply_procedure(proc, args if signature is None else signature.validate(args, input))
        if isinstance(proc, Jsonata.JFunction):
            per_step = COPIED_PER_STEP if proc.function_name in _COPYING else READ_PER_STEP
            for arg in args:
                if isinstance(arg, list | dict):
                    self.read(len(arg), per_step)
            result = self._call(proc, proc.validate(args, input), input)
            if type(result) is int and abs(result) >= 10**21:
                return float(result)
            return self.built(result)
        if not is_function(proc):
            raise JException("T1006", 0)
        return super().apply_inner(proc, args, input, environment)

    def _call(self, function: Any, args: Any, input: Any) -> Any:
        try:
            return function.call(input, args)
        except (JException, RegexError, RecursionError):
            raise
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RuntimeError, OSError):
            # the library's function trips over a missing or strange argument
            name = function.function_name or "transform"
            raise JException(f'The function "{name}" cannot work with these arguments', -1) from None


class _Transformer(Jsonata.JFunction):  # type: ignore[misc]
    """A transformation, whose copying counts."""

    def call(self, input: Any, args: Any) -> Any:
        own_deep(args, Jsonata.CURRENT.jsonata.read)
        return super().call(input, args)


def _joined(members: list[Any]) -> Any:
    """Several items as one list, one as itself."""
    if len(members) == 1:
        return members[0]
    results = _JList()
    for member in members:
        if isinstance(member, list):
            results.extend(member)
        elif member is not None:
            results.append(member)
    return results


def _arithmetic(left: float, right: float, operator: str) -> int | float:
    if operator == "+":
        return normal(left + right)
    if operator == "-":
        return normal(left - right)
    if operator == "*":
        return normal(left * right)
    if operator == "/":
        return normal(left / right) if right else _by_zero(left, right)
    return normal(math.fmod(left, right)) if right and math.isfinite(left) else math.nan


def _by_zero(left: float, right: float) -> float:
    return math.nan if left == 0 or math.isnan(left) else math.copysign(math.inf, left) * math.copysign(1.0, right)


_COPYING = frozenset({"append", "count", "exists", "reverse"})
_ATOMS = frozenset({bool, int, float, str, dict})
_ARITHMETIC = frozenset("+-*/%")
_BUILDERS = frozenset({"path", "unary", "descendant", "wildcard"})
_HANDLERS: dict[str, Any] = {
    "path": Evaluation.evaluate_path,
    "binary": Evaluation.evaluate_binary,
    "unary": Evaluation.evaluate_unary,
    "name": Evaluation.evaluate_name,
    "string": lambda self, expr, input, env: expr.value,
    "number": lambda self, expr, input, env: expr.value,
    "value": lambda self, expr, input, env: NULL if expr.value is None else expr.value,
    "wildcard": lambda self, expr, input, env: self.evaluate_wildcard(expr, input),
    "descendant": lambda self, expr, input, env: self.evaluate_descendants(expr, input),
    "parent": lambda self, expr, input, env: env.lookup(expr.slot.label),
    "condition": Evaluation.evaluate_condition,
    "block": Evaluation.evaluate_block,
    "bind": Evaluation.evaluate_bind_expression,
    "regex": lambda self, expr, input, env: expr.value,
    "function": lambda self, expr, input, env: self.evaluate_function(expr, input, env, _NONE),
    "variable": Evaluation.evaluate_variable,
    "lambda": Evaluation.evaluate_lambda,
    "partial": Evaluation.evaluate_partial_application,
    "apply": Evaluation.evaluate_apply_expression,
    "transform": Evaluation.evaluate_transform_expression,
}
