"""
JSON values, as the language speaks of them.

A value is ``None``, a bool, a number, a string, a list or a dict with string keys.  Values are immutable by
convention: nobody changes one that was handed over; unchanged parts are shared.
"""

from __future__ import annotations

import json
import marshal
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from workflow_manager.exceptions import InvalidValueError

JSON: TypeAlias = bool | int | float | str | Sequence["JSON"] | Mapping[str, "JSON"] | None
"""A JSON value; lists and dicts inside the library, any Sequence or Mapping from callers."""

MAX_NESTING = 300
"""How deeply lists and dicts may nest: a bound that does not depend on the room which is left on the stack."""
_MOST_DIGITS = 4300  # of an integer; Python reads and writes no longer ones
_BEYOND = 10**_MOST_DIGITS
_NESTED = (dict, list)
_MOST_PER_MARSHALLED = 6
"""The most bytes of JSON per byte of ``marshal``, version 2: false and a comma for 1; a control character's escape."""
_ATOMS = frozenset({str, bool, type(None)})
LEAVES = _ATOMS | {int, float}
"""The classes of plain values that hold no others."""


def _encoder() -> Callable[[object], str]:
    """
    ``JSONEncoder.encode``, made once: the standard library makes its C encoder anew for every value that it writes.

    That one is no documented name, and other Pythons than CPython have none.
    """
    make = getattr(json.encoder, "c_make_encoder", None)
    escape = getattr(json.encoder, "encode_basestring", None)
    if make is None or escape is None:
        return json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
    encode = make(None, _refuse, escape, None, ":", ",", False, False, False)
    return lambda value: "".join(encode(value, 0))


def _refuse(value: object) -> object:
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def check_json(value: object, what: str = "value") -> JSON:
    """
    Return a private copy of *value* made of plain lists and dicts.

    Tuples become lists and mappings dicts.

    Raises:
        InvalidValueError: NaN, infinities, integers of more than 4,300 digits, sets, bytes, keys that are not strings,
            cycles, nesting deeper than :data:`MAX_NESTING`, and foreign objects, naming the place within *what* as a
            JSON Pointer.
    """
    try:
        copy: JSON = _plain_copy(value, MAX_NESTING)
        return copy
    except (_NotPlainError, RecursionError):
        return _checked_copy(value, what)


def copy_json(value: JSON) -> JSON:
    """A private copy of *value*, which :func:`check_json` or :func:`loads` has made; strings and numbers are shared."""
    copy: JSON = _copy_of_plain(value)
    return copy


def _copy_of_plain(value: Any) -> Any:
    kind = type(value)
    if kind is dict:
        return {key: item if type(item) in LEAVES else _copy_of_plain(item) for key, item in value.items()}
    if kind is list:
        return [item if type(item) in LEAVES else _copy_of_plain(item) for item in value]
    return value if kind in LEAVES else check_json(value)


class _NotPlainError(Exception):
    """A value that needs a closer look: it is no plain JSON, or none at all."""


def _plain_copy(value: Any, levels: int) -> Any:
    """The copy of what is made of plain JSON already, which nearly everything is; this is on every task's way."""
    kind = type(value)
    if kind is dict:
        if levels <= 0:
            raise _NotPlainError
        copy = {}
        for key, item in value.items():
            if type(key) is not str:
                raise _NotPlainError
            copy[key] = item if type(item) in _ATOMS else _plain_copy(item, levels - 1)
        return copy
    if kind is list:
        if levels <= 0:
            raise _NotPlainError
        return [item if type(item) in _ATOMS else _plain_copy(item, levels - 1) for item in value]
    if kind is int:
        if -_BEYOND < value < _BEYOND:
            return value
    elif kind in _ATOMS or (kind is float and math.isfinite(value)):
        return value
    raise _NotPlainError


def _checked_copy(value: object, what: str) -> JSON:
    try:
        return _copy(value, MAX_NESTING)
    except _NotJSONError as error:
        path = "".join(f"/{pointer_token(key)}" for key in reversed(error.keys))
        raise InvalidValueError(what, path, error.reason) from None
    except (RecursionError, _TooDeepError):
        reason = f"it is nested more than {MAX_NESTING} deep, or contains itself"
        raise InvalidValueError(what, "", reason) from None


class _NotJSONError(Exception):
    """What is no JSON, *reason*; on the way out *keys* learns where it was, the innermost key first."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        self.keys: list[str] = []


class _TooDeepError(Exception):
    pass


def _copy(value: object, levels: int) -> JSON:
    if value is None or value is True or value is False:
        return value
    if isinstance(value, dict | Mapping):
        return _copy_object(value, levels - 1)
    if isinstance(value, list | tuple):
        return _copy_array(value, levels - 1)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise _NotJSONError(f"{value!r} is not a JSON number")
        return float(value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        if not -_BEYOND < value < _BEYOND:
            raise _NotJSONError(f"an integer has at most {_MOST_DIGITS:,} digits")
        return int(value)
    raise _NotJSONError(f"a {type(value).__name__} is not a JSON value")


def _copy_object(value: Mapping[object, object], levels: int) -> dict[str, JSON]:
    if levels < 0:
        raise _TooDeepError
    out: dict[str, JSON] = {}
    for key, item in value.items():
        if not isinstance(key, str):
            raise _NotJSONError(f"a key is a {type(key).__name__}, not a string")
        try:
            out[str(key)] = _copy(item, levels)
        except _NotJSONError as error:
            error.keys.append(key)
            raise
    return out


def _copy_array(value: Sequence[object], levels: int) -> list[JSON]:
    if levels < 0:
        raise _TooDeepError
    out: list[JSON] = []
    try:
        for item in value:
            out.append(_copy(item, levels))  # noqa: PERF401 - the length says where
    except _NotJSONError as error:
        error.keys.append(str(len(out)))
        raise
    return out


def pointer_token(key: str) -> str:
    """*key* as one reference token of a JSON Pointer (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")


def dumps(value: JSON) -> str:
    """*value* as compact JSON text, the way AWS writes it inside strings and counts it against its limits."""
    return _encode(value)


def loads(text: str) -> JSON:
    """
    The value of JSON *text*.

    Raises:
        ValueError: the text is not JSON; NaN and Infinity are not, nor is a number beyond what a float holds, nor what
            is nested too deep to be read.
    """
    try:
        value: JSON = _DECODER.decode(text)
    except RecursionError:
        raise ValueError(f"it is nested more than {MAX_NESTING} deep") from None
    return value


def _refuse_constant(name: str) -> JSON:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:40]} is too large for a number")
    return value


_encode = _encoder()
_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)


def json_size(value: JSON) -> int:
    """The length in bytes of *value* as compact JSON in UTF-8, which is what AWS's payload limits count."""
    text = _encode(value)
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def is_larger(value: JSON, most: int) -> bool:
    """Whether :func:`json_size` of *value* is more than *most* bytes; mostly told without writing it."""
    try:
        about = len(marshal.dumps(value, 2))  # type: ignore[arg-type]  # what it cannot write is a ValueError
    except ValueError:  # something that only JSON can be made of
        return json_size(value) > most
    return about * _MOST_PER_MARSHALLED > most and json_size(value) > most


def type_name(value: JSON) -> str:
    """The JSON type of *value*: null, boolean, number, string, array or object."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "object" if isinstance(value, Mapping) else "array"


def is_nested_deeper(value: JSON, most: int) -> bool:
    """Whether more than *most* objects and arrays (dicts and lists) stand within one another; a bare object is one."""
    nested = [] if type(value) in LEAVES else [value]
    for _ in range(most):
        inner: list[JSON] = []
        for item in nested:
            for child in item.values() if isinstance(item, dict) else item if isinstance(item, list) else ():
                if type(child) not in LEAVES:
                    inner.append(child)  # noqa: PERF401  every state's output comes here: this is the fastest
        if not inner:
            return False
        nested = inner
    return any(isinstance(item, _NESTED) for item in nested)
