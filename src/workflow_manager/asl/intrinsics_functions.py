"""
The intrinsic functions of JSONPath states, and what each takes.

Sources: ASL specification, "Appendix B: List of Intrinsic Functions"; AWS, "Intrinsic functions for JSONPath states in
Step Functions".  Where the two are silent, AWS's behaviour: fractions are cut off, only MathAdd rounds; delimiters next
to each other leave no empty text; Hash takes any value and Base64Decode any text.
"""

from __future__ import annotations

import base64
import hashlib
import math
import random
import re
import uuid
from collections.abc import Callable, Hashable, Mapping, Sequence
from enum import Enum

import attrs

from workflow_manager.asl.values import JSON, dumps, is_larger, loads

_MAX_ARRAY_BYTES = 262_144
_MAX_TEXT = 10_000
_MAX_RANGE = 1_000
_INT_32 = range(-(2**31), 2**31)
_ALGORITHMS = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512"}


class InvalidArgumentsError(ValueError):
    """A function cannot take these arguments."""


class Kind(Enum):
    """What an argument must be."""

    ANY = "any value"
    ARRAY = "an array"
    NUMBER = "a number"
    OBJECT = "an object"
    STRING = "a string"

    def accepts(self, value: JSON) -> bool:
        """Whether *value* is of this kind."""
        if self is Kind.STRING:
            return isinstance(value, str)
        if self is Kind.NUMBER:
            return math.isfinite(value) if isinstance(value, float) else type(value) is int
        if self is Kind.ARRAY:
            return isinstance(value, Sequence) and not isinstance(value, str)
        return self is Kind.ANY or isinstance(value, Mapping)


@attrs.frozen(kw_only=True)
class Intrinsic:
    """
    One function: the kinds of its arguments, how many are *required* (all, unless said), and what comes of them.

    After the *arguments* a *variadic* function takes any number of any values.  A function that draws *chance* gets a
    random generator before its arguments.
    """

    arguments: tuple[Kind, ...]
    call: Callable[..., JSON]
    required: int = attrs.field()
    variadic: bool = False
    chance: bool = False

    @required.default
    def _all(self) -> int:
        return len(self.arguments)

    @property
    def max_arguments(self) -> int | None:
        """The most arguments it takes; ``None`` is any number."""
        return None if self.variadic else len(self.arguments)

    def kind(self, position: int) -> Kind:
        """What the argument at *position* must be."""
        return self.arguments[position] if position < len(self.arguments) else Kind.ANY

    def apply(self, generator: Callable[[], random.Random], values: Sequence[JSON]) -> JSON:
        """
        What comes of *values*; *generator* gives the chance, if any is drawn.

        Raises:
            InvalidArgumentsError: they do not fit.
        """
        for position, value in enumerate(values):
            kind = self.kind(position)
            if not kind.accepts(value) or (kind is Kind.ARRAY and is_larger(value, _MAX_ARRAY_BYTES)):
                raise InvalidArgumentsError
        return self.call(generator(), *values) if self.chance else self.call(*values)


class Template(str):
    """The first argument of ``States.Format`` where it is a literal: *parts* knows which braces were escaped."""

    __slots__ = ("parts",)
    parts: tuple[str, ...]


_TEMPLATE_TOKEN = re.compile(r"\\(.)|\{\}|[{}]", re.DOTALL)


def literal_template(raw: str) -> Template:
    r"""
    The template literal *raw*, whose escapes still stand: ``\{`` and ``\}`` are plain braces, ``{}`` takes an argument.

    Raises:
        InvalidArgumentsError: a brace stands alone.
    """
    parts, current, position = list[str](), "", 0
    for found in _TEMPLATE_TOKEN.finditer(raw):
        current += raw[position : found.start()] + (found[1] or "")
        position = found.end()
        if found[0] == "{}":
            parts.append(current)
            current = ""
        elif found[1] is None:
            raise InvalidArgumentsError
    template = Template(raw)
    template.parts = (*parts, current + raw[position:])
    return template


def _format(template: str, *values: JSON) -> JSON:
    if isinstance(template, Template):
        parts: Sequence[str] = template.parts
    else:
        parts = template.split("{}")
        if any("{" in part or "}" in part for part in parts):
            raise InvalidArgumentsError
    if len(values) != len(parts) - 1:
        raise InvalidArgumentsError
    texts = [value if isinstance(value, str) else _scalar_text(value) for value in values]
    return parts[0] + "".join(text + part for text, part in zip(texts, parts[1:], strict=True))


def _scalar_text(value: JSON) -> str:
    if isinstance(value, Mapping | Sequence):
        raise InvalidArgumentsError
    return dumps(value)


def _string_to_json(text: str) -> JSON:
    try:
        return loads(text) if text.strip() else None  # AWS reads blank text as null
    except RecursionError:
        raise InvalidArgumentsError from None


def _array_partition(array: Sequence[JSON], size: float) -> JSON:
    step = int(size)
    if step < 1:
        raise InvalidArgumentsError
    return [list(array[start : start + step]) for start in range(0, len(array), step)]


def _identity(value: JSON) -> Hashable:
    """Equal for values that are equal as JSON: 1 is 1.0, but neither is true."""
    if isinstance(value, bool):
        return ("boolean", value)
    if isinstance(value, Mapping):
        return frozenset((key, _identity(item)) for key, item in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(_identity(item) for item in value)
    return value


def _array_contains(array: Sequence[JSON], value: JSON) -> JSON:
    wanted = _identity(value)
    return any(_identity(item) == wanted for item in array)


def _array_unique(array: Sequence[JSON]) -> JSON:
    first: dict[Hashable, JSON] = {}
    for item in array:
        first.setdefault(_identity(item), item)
    return list(first.values())


def _array_range(first: float, last: float, step: float) -> JSON:
    stride = int(step)
    if stride == 0:
        raise InvalidArgumentsError
    numbers = range(int(first), int(last) + (1 if stride > 0 else -1), stride)
    if len(numbers) > _MAX_RANGE:
        raise InvalidArgumentsError
    return list(numbers)


def _array_get_item(array: Sequence[JSON], index: float) -> JSON:
    position = int(index)
    if not 0 <= position < len(array):
        raise InvalidArgumentsError
    return array[position]


def _bounded(text: str) -> bytes:
    if len(text) > _MAX_TEXT:
        raise InvalidArgumentsError
    return text.encode("utf-8", "replace")


def _base64_decode(text: str) -> JSON:
    """Decode as leniently as AWS does: foreign characters are skipped, and the first ``=`` ends the data."""
    data = re.sub(rb"[^A-Za-z0-9+/]", b"", _bounded(text).split(b"=", 1)[0])
    whole = data[: len(data) - 1] if len(data) % 4 == 1 else data
    return base64.b64decode(whole + b"=" * (-len(whole) % 4)).decode("utf-8", "replace")


def _hash(data: JSON, algorithm: str) -> JSON:
    if algorithm not in _ALGORITHMS:
        raise InvalidArgumentsError
    text = data if isinstance(data, str) else dumps(data)
    return hashlib.new(_ALGORITHMS[algorithm], _bounded(text), usedforsecurity=False).hexdigest()


def _json_merge(left: Mapping[str, JSON], right: Mapping[str, JSON], deep: JSON) -> JSON:
    if deep is True:  # AWS merges shallowly only
        raise InvalidArgumentsError
    return {**left, **right}


def _math_add(left: float, right: float) -> JSON:
    """Add after rounding each to the nearest integer, halves up; everything has to fit into 32 bits."""
    first, second = math.floor(left + 0.5), math.floor(right + 0.5)
    if first not in _INT_32 or second not in _INT_32 or first + second not in _INT_32:
        raise InvalidArgumentsError
    return first + second


def _math_random(generator: random.Random, start: float, end: float, seed: float | None = None) -> JSON:
    """An integer from *start* up to but not *end*; with a *seed* it depends on nothing else."""
    first, last = int(start), int(end)
    if first >= last:
        raise InvalidArgumentsError
    return (generator if seed is None else random.Random(str(int(seed)))).randrange(first, last)


def _string_split(text: str, delimiters: str) -> JSON:
    """Every character of *delimiters* is one delimiter; empty pieces are dropped."""
    pieces = re.split(f"[{re.escape(delimiters)}]", text) if delimiters else [text]
    return [piece for piece in pieces if piece]


def _uuid(generator: random.Random) -> JSON:
    return str(uuid.UUID(int=generator.getrandbits(128), version=4))


_ANY, _ARRAY, _NUMBER, _OBJECT, _STRING = Kind.ANY, Kind.ARRAY, Kind.NUMBER, Kind.OBJECT, Kind.STRING

INTRINSICS: Mapping[str, Intrinsic] = {
    "States.Array": Intrinsic(arguments=(), variadic=True, call=lambda *values: list(values)),
    "States.ArrayContains": Intrinsic(arguments=(_ARRAY, _ANY), call=_array_contains),
    "States.ArrayGetItem": Intrinsic(arguments=(_ARRAY, _NUMBER), call=_array_get_item),
    "States.ArrayLength": Intrinsic(arguments=(_ARRAY,), call=len),
    "States.ArrayPartition": Intrinsic(arguments=(_ARRAY, _NUMBER), call=_array_partition),
    "States.ArrayRange": Intrinsic(arguments=(_NUMBER, _NUMBER, _NUMBER), call=_array_range),
    "States.ArrayUnique": Intrinsic(arguments=(_ARRAY,), call=_array_unique),
    "States.Base64Decode": Intrinsic(arguments=(_STRING,), call=_base64_decode),
    "States.Base64Encode": Intrinsic(
        arguments=(_STRING,), call=lambda text: base64.b64encode(_bounded(text)).decode("ascii")
    ),
    "States.Format": Intrinsic(arguments=(_STRING,), variadic=True, call=_format),
    "States.Hash": Intrinsic(arguments=(_ANY, _STRING), call=_hash),
    "States.JsonMerge": Intrinsic(arguments=(_OBJECT, _OBJECT, _ANY), call=_json_merge),
    "States.JsonToString": Intrinsic(arguments=(_ANY,), call=dumps),
    "States.MathAdd": Intrinsic(arguments=(_NUMBER, _NUMBER), call=_math_add),
    "States.MathRandom": Intrinsic(arguments=(_NUMBER, _NUMBER, _NUMBER), required=2, chance=True, call=_math_random),
    "States.StringSplit": Intrinsic(arguments=(_STRING, _STRING), call=_string_split),
    "States.StringToJson": Intrinsic(arguments=(_STRING,), call=_string_to_json),
    "States.UUID": Intrinsic(arguments=(), chance=True, call=_uuid),
}
"""Every intrinsic function under its name."""
