r"""
What the value of a ``.$`` field means: a path, or a call of an intrinsic function.

Grammar (ASL specification, "Intrinsic Functions")::

    call     = "States." name "(" [ argument { "," argument } ] ")"
    argument = call | path | number | "true" | "false" | "null" | "'" text "'"

In a text, ``\'``, ``\{``, ``\}`` and ``\\`` are the only escapes; AWS refuses a definition with any other.

A function that cannot take its arguments fails the state with AWS's words, "Invalid arguments in States.X".  The error
is ``States.Runtime``: that is what AWS reports, although its documentation lists ``States.IntrinsicFailure``.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable

import attrs

from workflow_manager.asl.errors import ErrorName, StatesError
from workflow_manager.asl.intrinsics_functions import INTRINSICS, Intrinsic, InvalidArgumentsError, literal_template
from workflow_manager.asl.paths import Path, PathSyntaxError, compile_path
from workflow_manager.asl.scope import Scope
from workflow_manager.asl.values import JSON

_MAX_DEPTH = 10  # AWS: "You can nest up to 10 intrinsic functions within a field"

Evaluate = Callable[[Scope], JSON]


@attrs.frozen(kw_only=True)
class Expression:
    """
    A compiled template string: *text* as written, and the *paths* that occur in it.

    ``evaluate(scope)`` gives the value.  It raises :class:`PathNotFound` where a path leads nowhere, and
    :class:`StatesError` where a function cannot take its arguments or a literal does not suit it.
    """

    text: str
    paths: tuple[Path, ...] = attrs.field(eq=False, repr=False)
    evaluate: Evaluate = attrs.field(eq=False, repr=False)


@functools.lru_cache(maxsize=4096)
def compile_template_string(text: str) -> Expression:
    """
    Compile *text*, the value of a ``.$`` field.

    Raises:
        PathSyntaxError: it is neither a path nor the call of a known function with arguments that can fit.
    """
    if text.startswith("$"):
        path = compile_path(text)
        return Expression(text=text, paths=(path,), evaluate=path.get)
    parser = _Parser(text)
    evaluate = parser.call(1)
    parser.skip_space()
    if parser.position < len(text):
        raise parser.error(f"unexpected {text[parser.position]!r}")
    return Expression(text=text, paths=tuple(parser.paths), evaluate=evaluate)


@attrs.frozen
class _Argument:
    """A compiled argument; a literal has the *raw* text between its quotes, or its *value*, at hand."""

    evaluate: Evaluate
    position: int
    is_literal: bool = False
    value: JSON = None
    raw: str | None = None


_NAME = re.compile(r"(States\.[A-Za-z0-9]+)\s*\(")
_TEXT = re.compile(r"'((?:[^'\\]|\\['{}\\])*)'", re.DOTALL)
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?(?=\s*[,)])", re.ASCII)
_WORD = re.compile(r"(true|false|null)(?=\s*[,)])")
_WORDS: dict[str, JSON] = {"true": True, "false": False, "null": None}
_PATH_TOKEN = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[\[\](),]""", re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


class _Parser:
    """Reads one call from *text*, at *position*; collects the *paths* that it meets."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.paths: list[Path] = []

    def error(self, reason: str, position: int | None = None) -> PathSyntaxError:
        return PathSyntaxError(self.text, self.position if position is None else position, reason)

    def skip_space(self) -> None:
        while self.position < len(self.text) and self.text[self.position].isspace():
            self.position += 1

    def accept(self, char: str) -> bool:
        self.skip_space()
        if not self.text.startswith(char, self.position):
            return False
        self.position += 1
        return True

    def call(self, depth: int) -> Evaluate:
        """Read ``States.Name(…)``."""
        start = self.position
        found = _NAME.match(self.text, start)
        if found is None:
            raise self.error("a path or the call of an intrinsic function was expected")
        intrinsic = INTRINSICS.get(found[1])
        if intrinsic is None:
            raise self.error(f"there is no intrinsic function {found[1]}")
        if depth > _MAX_DEPTH:
            raise self.error(f"calls are nested more than {_MAX_DEPTH} deep")
        self.position = found.end()
        arguments = self._arguments(depth)
        most = intrinsic.max_arguments
        if len(arguments) < intrinsic.required or (most is not None and len(arguments) > most):
            raise self.error(f"{found[1]} does not take {len(arguments)} arguments", start)
        return self._compile(found[1], intrinsic, arguments)

    def _arguments(self, depth: int) -> list[_Argument]:
        arguments: list[_Argument] = []
        if self.accept(")"):
            return arguments
        while True:
            self.skip_space()
            arguments.append(self._argument(depth))
            if self.accept(")"):
                return arguments
            if not self.accept(","):
                raise self.error("',' or ')' was expected")

    def _argument(self, depth: int) -> _Argument:
        start = self.position
        if self.text.startswith("$", start):
            return _Argument(self._path().get, start)
        if found := _TEXT.match(self.text, start):
            self.position = found.end()
            return _literal(_ESCAPE.sub(r"\1", found[1]), start, found[1])
        if self.text.startswith("'", start):
            raise self.error(r"the text is not closed, or has a backslash before something other than ' { } \ ")
        if found := _NUMBER.match(self.text, start):
            self.position = found.end()
            number: int | float = float(found[0]) if found[1] or found[2] else int(found[0])
            return _literal(number, start)
        if found := _WORD.match(self.text, start):
            self.position = found.end()
            return _literal(_WORDS[found[0]], start)
        return _Argument(self.call(depth + 1), start)

    def _path(self) -> Path:
        """Read a path: it ends before the first comma or closing parenthesis that is not its own."""
        start, depth, end = self.position, 0, len(self.text)
        for token in _PATH_TOKEN.finditer(self.text, start):
            if token[0] in "[(":
                depth += 1
            elif token[0] in "])," and depth == 0:
                end = token.start()
                break
            elif token[0] in "])":
                depth -= 1
        text = self.text[start:end].rstrip()
        try:
            path = compile_path(text)
        except PathSyntaxError as error:
            raise self.error(error.reason, start + error.position) from None
        self.position = start + len(text)
        self.paths.append(path)
        return path

    def _compile(self, name: str, intrinsic: Intrinsic, arguments: list[_Argument]) -> Evaluate:
        for number, argument in enumerate(arguments):
            kind = intrinsic.kind(number)
            if argument.is_literal and not kind.accepts(argument.value):
                raise self.error(f"argument {number + 1} of {name} has to be {kind.value}", argument.position)
        if name == "States.Format" and arguments[0].raw is not None:
            arguments[0] = self._template(arguments[0])
        evaluates = [argument.evaluate for argument in arguments]

        def evaluate(scope: Scope) -> JSON:
            values = [evaluate(scope) for evaluate in evaluates]
            try:
                return intrinsic.apply(scope.random, values)
            except (ValueError, OverflowError, RecursionError):
                raise StatesError(ErrorName.RUNTIME, f"Invalid arguments in {name}") from None

        return evaluate

    def _template(self, argument: _Argument) -> _Argument:
        try:
            return _literal(literal_template(argument.raw or ""), argument.position)
        except InvalidArgumentsError:
            raise self.error("a brace in the template stands alone", argument.position) from None


def _literal(value: JSON, position: int, raw: str | None = None) -> _Argument:
    return _Argument(lambda scope: value, position, is_literal=True, value=value, raw=raw)
