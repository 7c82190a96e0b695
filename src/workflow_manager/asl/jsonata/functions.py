"""
Functions that Step Functions adds to JSONata, and those of the library that need another answer or a bound.

Source: AWS Step Functions, "Transforming data with JSONata" ($partition, $range, $hash, $random, $uuid, $parse; no
$eval); JSONata, "Function Library" for the rest.  Each takes the evaluation first; an argument that is missing is
None.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import math
import re
import uuid
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from workflow_manager.asl.jsonata.functions_scalar import SCALARS
from workflow_manager.asl.jsonata.library import Functions, JException, Utils, signature_error
from workflow_manager.asl.jsonata.numbers import JavaRandom, normal
from workflow_manager.asl.jsonata.values import NULL, is_function, own, own_deep, text_of
from workflow_manager.asl.values import JSON

if TYPE_CHECKING:
    from workflow_manager.asl.jsonata.evaluator import Evaluation

_HASHES = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512"}
_WIDE = re.compile(r"[0-9]{5}")  # a width in a picture that no date needs
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MILLISECOND = datetime.timedelta(milliseconds=1)


# ---- Step Functions' own


def partition(evaluation: Evaluation, array: Any, size: Any) -> Any:
    """*array* in lists of *size* items, the last perhaps shorter."""
    if array is None:
        return None
    if array is NULL:
        raise JException("T0412", -1, 1, "partition", "x")
    items = array if isinstance(array, list) else [array]
    if size is None:
        return [list(items)] if items else None
    count = math.trunc(size)
    if count < 0:
        raise JException("D3137", -1, "Second argument must be zero or greater")
    if count == 0 or not items:
        return None
    return [items[start : start + count] for start in range(0, len(items), count)]


def range_(evaluation: Evaluation, start: Any, end: Any, step: Any) -> Any:
    """Whole numbers from *start* by *step* up to and including *end*; fractions of the arguments are cut off."""
    if start is None or end is None or step is None:
        return None
    first, last, by = math.trunc(start), math.trunc(end), math.trunc(step)
    if by == 0:
        return None
    numbers = range(first, last + (1 if by > 0 else -1), by)
    size = max(0, (numbers.stop - numbers.start + by - (1 if by > 0 else -1)) // by)  # len() has a limit
    evaluation.will_build(size, 40, 8)
    return Utils.create_sequence_from_iter(numbers) if size else None


def hash_(evaluation: Evaluation, text: Any, algorithm: Any) -> Any:
    """The hash of *text* in UTF-8, in hexadecimal."""
    if text is None or algorithm is None:
        return None
    name = _HASHES.get(algorithm)
    if name is None:
        raise JException("D3137", -1, f"Unsupported hash algorithm: {algorithm}")
    return hashlib.new(name, text.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()


def random(evaluation: Evaluation, seed: Any) -> float:
    """A number from 0 up to 1: of *seed* alone, or else the next of this evaluation."""
    if seed is not None:
        return JavaRandom(math.trunc(seed)).double()
    return evaluation.scope.random().random()


def uuid_(evaluation: Evaluation) -> str:
    """A version 4 UUID drawn from the chance of this evaluation."""
    return str(uuid.UUID(int=evaluation.scope.random().getrandbits(128), version=4))


def parse(evaluation: Evaluation, text: Any) -> Any:
    """The value of JSON *text*; repeated keys and numbers beyond a double are errors."""
    if text is None:
        return None
    evaluation.read(len(text) // 8)
    try:
        value = json.loads(
            text, object_pairs_hook=_unique, parse_float=_double, parse_int=_integer, parse_constant=_refuse
        )
    except (ValueError, RecursionError):
        raise JException("D3137", -1, "Invalid JSON") from None
    return own(value)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    items = dict(pairs)
    if len(items) != len(pairs):
        raise ValueError("a key is repeated")
    return items


def _double(text: str) -> int | float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("the number is too large")
    return normal(value)


def _integer(text: str) -> int | float:
    if len(text) > 400:
        raise ValueError("the number is too large")
    value = int(text)
    return value if -(2**63) <= value < 2**63 else _double(text)


def _refuse(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")


# ---- time: an evaluation sees one moment, the one in which its state was entered


def now(evaluation: Evaluation, picture: Any, timezone: Any) -> Any:
    """The time as ``$fromMillis`` writes it."""
    return from_millis(evaluation, millis(evaluation), picture, timezone)


def millis(evaluation: Evaluation) -> int:
    """The time in milliseconds since 1970, UTC."""
    context = evaluation.scope.context
    for part, key in (("State", "EnteredTime"), ("Execution", "StartTime")):
        moment = _moment(context, part, key)
        if moment is not None:
            return moment
    return 0


def _moment(context: JSON, part: str, key: str) -> int | None:
    holder = context.get(part) if isinstance(context, Mapping) else None
    text = holder.get(key) if isinstance(holder, Mapping) else None
    if not isinstance(text, str):
        return None
    try:
        return _instant(text)
    except ValueError:
        return None


def _instant(text: str) -> int:
    moment = datetime.datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return (moment - _EPOCH) // _MILLISECOND


def from_millis(evaluation: Evaluation, value: Any, picture: Any, timezone: Any) -> Any:
    """*value* milliseconds since 1970 as text."""
    _narrow(picture)
    return None if value is None else Functions.datetime_from_millis(value, picture, timezone)


def to_millis(evaluation: Evaluation, text: Any, picture: Any) -> Any:
    """The time in *text* as milliseconds since 1970."""
    if text is None:
        return None
    _narrow(picture)
    if picture is not None:
        return Functions.datetime_to_millis(text, picture)
    try:
        if re.fullmatch(r"[0-9]{4}(-[0-9]{2})?", text):
            text += "-01-01"[: 6 if len(text) == 4 else 3]
        return _instant(text)
    except ValueError:
        raise JException("D3110", -1, text) from None


def _narrow(picture: Any) -> None:
    if isinstance(picture, str) and (len(picture) > 1000 or _WIDE.search(picture)):
        raise JException("D3137", -1, "The picture string is too wide")


# ---- the library's, mended


def distinct(evaluation: Evaluation, values: Any) -> Any:
    """*values* without repetitions."""
    if not isinstance(values, list) or len(values) <= 1:
        return values
    evaluation.read(2 * len(values))
    seen: dict[Any, Any] = {}
    for value in values:
        seen.setdefault(_key(evaluation, value), value)
    return Utils.create_sequence_from_iter(seen.values()) if isinstance(values, Utils.JList) else list(seen.values())


def _key(evaluation: Evaluation, value: Any) -> Any:
    """Something hashable that is equal for equal values only."""
    if isinstance(value, list | dict):
        return json.dumps(_comparable(own_deep(value, evaluation.read)), sort_keys=True), list
    return value, "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value)


def _comparable(value: Any) -> Any:
    if value is NULL:
        return None
    if isinstance(value, float):
        return normal(value)
    if isinstance(value, list):
        return [_comparable(item) for item in value]
    if isinstance(value, dict):
        return {key: _comparable(item) for key, item in value.items()}
    return f"function {id(value)}" if is_function(value) else value


def lookup(evaluation: Evaluation, value: Any, key: Any) -> Any:
    """What *value*, or each object in it, has under *key*."""
    return evaluation.look_up(value, key)


def each(evaluation: Evaluation, value: Any, function: Any) -> Any:
    """What *function* makes of each value of an object."""
    return None if value is None else Functions.each(_owned(value), function)


def sift(evaluation: Evaluation, value: Any, function: Any) -> Any:
    """The part of an object for whose values *function* holds."""
    return None if value is None else Functions.sift(_owned(value), function)


def _owned(value: dict[str, Any]) -> dict[str, Any]:
    return {key: own(item) for key, item in value.items()}


def spread(evaluation: Evaluation, value: Any) -> Any:
    """An object as objects of one key each."""
    if not isinstance(value, list | dict):
        return "" if is_function(value) else value
    if isinstance(value, dict):
        return Utils.create_sequence_from_iter({key: inner} for key, inner in value.items())
    results = Utils.JList() if value else Utils.create_sequence()
    for item in value:
        part = spread(evaluation, item) if isinstance(item, list) else item
        if isinstance(part, dict):
            results.extend({key: inner} for key, inner in part.items())
        elif isinstance(part, list):
            results.extend(part)
        elif part is not None:
            results.append(part)
    return results


def shuffle(evaluation: Evaluation, values: Any) -> Any:
    """*values* in an order drawn from the chance of this evaluation."""
    if values is None or len(values) <= 1:
        return values
    mixed = list(values)
    evaluation.scope.random().shuffle(mixed)
    return mixed


def clone(evaluation: Evaluation, value: Any) -> Any:
    """A copy of *value*."""
    if value is None:
        return None
    if value is NULL:
        raise signature_error("clone", 1)
    return json.loads(evaluation.built(text_of(own_deep(value, evaluation.read))))


FUNCTIONS: Mapping[str, tuple[str, Callable[..., Any]]] = {
    **SCALARS,
    "partition": ("<an?:a>", partition),
    "range": ("<nnn?:a>", range_),
    "hash": ("<ss?:s>", hash_),
    "random": ("<n?:n>", random),
    "uuid": ("<:s>", uuid_),
    "parse": ("<s?:x>", parse),
    "now": ("<s?s?:s>", now),
    "millis": ("<:n>", millis),
    "fromMillis": ("<n-s?s?:s>", from_millis),
    "toMillis": ("<s-s?:n>", to_millis),
    "distinct": ("<x:x>", distinct),
    "lookup": ("<x-s:x>", lookup),
    "each": ("<o-f:a>", each),
    "sift": ("<o-f?:o>", sift),
    "spread": ("<x-:a<o>>", spread),
    "shuffle": ("<a:a>", shuffle),
    "clone": ("<(oa)-:o>", clone),
}
