"""Functions at the end of a path, as AWS's JSONPath library (Jayway) has them: ``$.numbers.sum()``."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from workflow_manager.asl.values import JSON


class NoNumbersError(ValueError):
    """An aggregate was asked of a value that holds no numbers."""

    def __init__(self) -> None:
        super().__init__("Aggregation function attempted to calculate value using empty array")


def _items(value: JSON) -> Sequence[JSON]:
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()


def _numbers(value: JSON) -> list[int | float]:
    numbers = [item for item in _items(value) if isinstance(item, int | float) and not isinstance(item, bool)]
    if not numbers:
        raise NoNumbersError
    return numbers


def _length(value: JSON) -> JSON:
    return len(value) if isinstance(value, Mapping | Sequence) else None


def _keys(value: JSON) -> JSON:
    return list(value) if isinstance(value, Mapping) else None


def _average(value: JSON) -> JSON:
    numbers = _numbers(value)
    return sum(numbers) / len(numbers)


def _deviation(value: JSON) -> JSON:
    numbers = _numbers(value)
    average = sum(numbers) / len(numbers)
    return math.sqrt(sum((number - average) ** 2 for number in numbers) / len(numbers))


FUNCTIONS: Mapping[str, Callable[[JSON], JSON]] = {
    "length": _length,
    "size": _length,
    "keys": _keys,
    "min": lambda value: min(_numbers(value)),
    "max": lambda value: max(_numbers(value)),
    "sum": lambda value: sum(_numbers(value)),
    "avg": _average,
    "stddev": _deviation,
    "first": lambda value: next(iter(_items(value)), None),
    "last": lambda value: next(reversed(_items(value)), None),
}
"""Function name -> what it makes of the value (or of the list of matches) before it."""
