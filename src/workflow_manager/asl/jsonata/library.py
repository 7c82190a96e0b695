"""
The library itself, and what is mended in it without changing it for others.

Importing the library raises Python's recursion limit to 10,000 for the whole process; here a higher limit stays as
it was.
"""

from __future__ import annotations

import copy
import functools
import re
import sys
from typing import Any, NoReturn

_limit = sys.getrecursionlimit()
from jsonata.functions import Functions  # noqa: E402
from jsonata.jexception import JException  # noqa: E402
from jsonata.jsonata import Jsonata  # noqa: E402
from jsonata.parser import Parser  # noqa: E402
from jsonata.regex_engine import RegexFlags  # noqa: E402
from jsonata.signature import Signature as LibrarySignature  # noqa: E402
from jsonata.utils import Utils  # noqa: E402

sys.setrecursionlimit(max(_limit, sys.getrecursionlimit()))

__all__ = [
    "Frame",
    "Functions",
    "JException",
    "Jsonata",
    "Native",
    "Parser",
    "RegexFlags",
    "Signature",
    "Utils",
    "functions_frame",
    "signature_error",
]

_MISSING = object()


class Frame(Jsonata.Frame):  # type: ignore[misc]
    """Names and their values; binding a built-in function, which everybody shares, leaves the function as it is."""

    def bind(self, name: str, val: Any) -> None:
        """Give *name* the value *val*; a lambda with a signature takes the name, for its errors."""
        self.bindings[name] = val
        if isinstance(val, Parser.Symbol) and val.signature is not None:
            val.signature.set_function_name(name)

    def lookup(self, name: str) -> Any:
        """The value of *name* here or in an enclosing frame; None where it has none."""
        frame: Any = self
        while frame is not None:
            value = frame.bindings.get(name, _MISSING)
            if value is not _MISSING:
                return value
            frame = frame.parent
        return None


class Signature(LibrarySignature):  # type: ignore[misc]
    """A signature that tells null from a missing argument, and names the function in its errors."""

    def get_symbol(self, value: Any) -> str:
        """The letter of the type of *value*."""
        if value is Utils.NULL_VALUE:
            return "l"
        letter: str = super().get_symbol(value)
        return letter

    def validate(self, args: Any, context: Any) -> Any:
        """The arguments as the function takes them; raises the library's T0410, T0411 or T0412."""
        try:
            return super().validate(args, context)
        except JException as error:
            if error.error == "T0411":
                raise JException("T0411", -1, error.expected, self.function_name) from None
            raise

    def throw_validation_error(self, bad_args: Any, bad_sig: Any, function_name: Any) -> NoReturn:
        """Raise T0410 for the first argument that does not fit."""
        fitting, pattern = 0, "^"
        for param in self._params:
            pattern += param.regex
            match = re.match(pattern, bad_sig)
            if match is None:
                break
            fitting = match.end()
        raise JException("T0410", -1, fitting + 1, function_name)

    @classmethod
    def of(cls, other: Any) -> Signature:
        """The same signature as *other*, a signature of the library."""
        mine = cls.__new__(cls)
        mine.__dict__.update(other.__dict__)
        return mine


class Native(Jsonata.JFunction):  # type: ignore[misc]
    """A built-in function of ours: *call* takes the evaluation and as many arguments as the signature has."""

    def __init__(self, name: str, signature: str, implementation: Any) -> None:
        super().__init__(None, None)
        self.function_name = name
        self.signature = Signature(signature, name)
        self.implementation = implementation
        self.nargs: int = self.signature.get_number_of_args()

    def get_number_of_args(self) -> int:
        """How many arguments it takes."""
        return self.nargs

    def call(self, input: Any, args: Any) -> Any:
        """The function's value for *args*."""
        given = list(args[: self.nargs])
        given.extend([None] * (self.nargs - len(given)))
        return self.implementation(Jsonata.CURRENT.jsonata, *given)


def signature_error(name: str, index: int) -> Exception:
    """The error for the argument *index* (from 1) of *name* being of a wrong type."""
    error: Exception = JException("T0410", -1, index, name)
    return error


@functools.lru_cache(maxsize=1)
def functions_frame() -> Frame:
    """The frame of all built-in functions: the library's with our signatures, then Step Functions' own."""
    from workflow_manager.asl.jsonata.functions import FUNCTIONS

    frame = Frame(None)
    for name, function in Jsonata.static_frame.bindings.items():
        mended = copy.copy(function)
        mended.signature = Signature.of(function.signature)
        frame.bindings[name] = mended
    for name, (signature, implementation) in FUNCTIONS.items():
        frame.bindings[name] = Native(name, signature, implementation)
    del frame.bindings["eval"]  # Step Functions has no $eval
    return frame
