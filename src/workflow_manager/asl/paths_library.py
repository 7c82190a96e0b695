"""
The ``jsonpath`` library, taught what AWS's JSONPath does differently, and bounded.

Importing this module loads the library; see :mod:`workflow_manager.asl.paths_query` for who does that, and when.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from jsonpath import JSONPath, JSONPathEnvironment, JSONPathMatch, NodeList
from jsonpath.filter import (
    BaseExpression,
    FilterExpression,
    InfixExpression,
    RegexLiteral,
    RelativeFilterQuery,
    RootFilterQuery,
    StringLiteral,
)
from jsonpath.lex import Lexer
from jsonpath.parse import Parser
from jsonpath.selectors import Filter, FilterContext, KeysFilter, SliceSelector
from jsonpath.stream import TokenStream
from jsonpath.token import TOKEN_DDOT, TOKEN_NAME

from workflow_manager.asl.paths_operators import EXTRA_OPERATORS, MISSING, OPERATORS, cost
from workflow_manager.asl.paths_regex import BoundedPattern

_MAX_STEPS = 500_000  # a few seconds
_MAX_DEPTH = 250  # levels that ``..`` goes down; the library recurses
_BUDGET = "budget"  # the key in the library's filter context, which reaches every place that does work


class TooManyStepsError(ValueError):
    """A path takes too many steps in a document."""

    def __init__(self) -> None:
        super().__init__(f"It takes more than {_MAX_STEPS} steps")


class _Budget:
    """The steps that one look-up may still take."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = _MAX_STEPS

    def spend(self, steps: int) -> None:
        self.left -= steps
        if self.left < 0:
            raise TooManyStepsError


class _Match(JSONPathMatch):
    """A match that counts its children and does not keep where it was found, which nobody asks."""

    def new_child(self, obj: object, key: int | str) -> JSONPathMatch:
        context = self._filter_context
        context[_BUDGET].spend(1)
        return _Match(filter_context=context, obj=obj, parent=None, path="", parts=(), root=self.root)

    def add_child(self, *children: JSONPathMatch) -> None:
        pass


class BoundedPath(JSONPath):
    """A path that stops with :class:`TooManyStepsError` after half a million steps."""

    def finditer(self, data: Any, *, filter_context: Mapping[str, Any] | None = None) -> Iterable[JSONPathMatch]:
        context = filter_context or {_BUDGET: _Budget()}
        matches: Iterable[JSONPathMatch] = [
            _Match(filter_context=context, obj=data, parent=None, path="", parts=(), root=data)
        ]
        for segment in self.segments:
            matches = segment.resolve(matches)
        return matches


class _Comparison(InfixExpression):
    """A comparison by AWS's rules, or ``&&`` and ``||``."""

    def evaluate(self, context: FilterContext) -> bool:
        if self.logical:
            truthy = context.env.is_truthy
            if truthy(self.left.evaluate(context)) is (self.operator == "||"):
                return self.operator == "||"
            return truthy(self.right.evaluate(context))
        left, right = _plain(self.left.evaluate(context)), _plain(self.right.evaluate(context))
        context.extra_context[_BUDGET].spend(cost(left, right))
        compare = OPERATORS.get(self.operator) or EXTRA_OPERATORS[self.operator]
        return compare(left, right)


def _plain(value: object) -> object:
    """The value of a path inside a filter."""
    if isinstance(value, NodeList):
        return MISSING if value.empty() else value.values_or_singular()
    return value


class _SelfFilter(Filter):
    """A filter that, applied to an object, tests the object itself; applied to an array, its items."""

    def resolve(self, node: JSONPathMatch) -> Iterable[JSONPathMatch]:
        if not isinstance(node.obj, Mapping):
            yield from super().resolve(node)
            return
        context = FilterContext(
            env=self.env, current=node.obj, root=node.root, extra_context=node.filter_context(), current_key=None
        )
        if self.expression.evaluate(context):
            yield node


class _ArraySlice(SliceSelector):
    """A slice of arrays only; the library would also cut strings."""

    def resolve(self, node: JSONPathMatch) -> Iterable[JSONPathMatch]:
        return () if isinstance(node.obj, str) else super().resolve(node)


class _Lexer(Lexer):
    def compile_rules(self) -> re.Pattern[str]:
        extra = "|".join(rf"(?P<{_token(name)}>{name}(?![\w-]))" for name in EXTRA_OPERATORS)
        return re.compile(f"{extra}|{super().compile_rules().pattern}", re.DOTALL)


def _token(operator: str) -> str:
    return f"OPERATOR_{operator.upper()}"


class _Parser(Parser):
    PRECEDENCES = Parser.PRECEDENCES | {_token(name): Parser.PRECEDENCE_MEMBERSHIP for name in EXTRA_OPERATORS}
    BINARY_OPERATORS = Parser.BINARY_OPERATORS | {_token(name): name for name in EXTRA_OPERATORS}
    INFIX_LITERAL_OPERATORS = Parser.INFIX_LITERAL_OPERATORS | EXTRA_OPERATORS.keys()

    def __init__(self, *, env: JSONPathEnvironment) -> None:
        super().__init__(env=env)
        self.token_map[TOKEN_NAME] = self._parse_bare_word

    def _parse_bare_word(self, stream: TokenStream) -> BaseExpression:
        """A word without quotes is text: definitions that run on AWS have ``@.language == de``."""
        return StringLiteral(value=stream.next().value)

    def parse_infix_expression(self, stream: TokenStream, left: BaseExpression) -> BaseExpression:
        infix = super().parse_infix_expression(stream, left)
        assert isinstance(infix, InfixExpression)
        return _Comparison(infix.left, infix.operator, infix.right)

    def parse_relative_query(self, stream: TokenStream) -> BaseExpression:
        stream.next()
        return RelativeFilterQuery(BoundedPath(env=self.env, segments=self.parse_query(stream)))

    def parse_absolute_query(self, stream: TokenStream) -> BaseExpression:
        stream.next()
        return RootFilterQuery(BoundedPath(env=self.env, segments=self.parse_query(stream)))

    def parse_filter_selector(self, stream: TokenStream, *, keys: bool = False) -> Filter | KeysFilter:
        # After ".." every object is met as somebody's child, so there the library's own rule is the right one.
        follows_descent = stream.pos >= 2 and stream.tokens[stream.pos - 2].kind == TOKEN_DDOT
        selector = super().parse_filter_selector(stream, keys=keys)
        if follows_descent or not isinstance(selector, Filter):
            return selector
        return _SelfFilter(
            env=self.env, token=selector.token, expression=FilterExpression(selector.expression.expression)
        )

    def parse_slice(self, stream: TokenStream) -> SliceSelector:
        found = super().parse_slice(stream)
        part = found.slice
        return _ArraySlice(env=self.env, token=found.token, start=part.start, stop=part.stop, step=part.step)

    def parse_regex(self, stream: TokenStream) -> BaseExpression:
        literal = super().parse_regex(stream)
        assert isinstance(literal, RegexLiteral)
        literal.value = BoundedPattern(literal.value)  # type: ignore[assignment]
        return literal


class _Environment(JSONPathEnvironment):
    lexer_class = _Lexer
    parser_class = _Parser
    max_recursion_depth = _MAX_DEPTH
    # The library's inventions, which AWS does not have, are switched off.
    pseudo_root_token = ""
    filter_context_token = ""
    intersection_token = ""
    union_token = ""
    key_token = ""


_ENVIRONMENT = _Environment(well_typed=False)


def compile_library_path(text: str) -> BoundedPath:
    """
    Compile *text*, a path in the library's spelling.

    Raises:
        jsonpath.JSONPathError, ValueError, re.error, RecursionError, OverflowError: it is not one.
    """
    compiled = _ENVIRONMENT.compile(text)
    assert isinstance(compiled, JSONPath)
    return BoundedPath(env=_ENVIRONMENT, segments=compiled.segments)
