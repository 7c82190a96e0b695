"""Whether two JSON values say the same, which Python's ``==`` does not tell: there ``True`` is 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from workflow_manager.asl.values import JSON


def is_same(one: JSON, other: JSON) -> bool:
    """Whether the values are equal: numbers by value (1 is 1.0), objects in any order of their members."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(is_same(value, other[key]) for key, value in one.items())
    if _is_array(one) and _is_array(other):
        return len(one) == len(other) and all(map(is_same, one, other))  # type: ignore[arg-type]
    return one == other


def _is_array(value: JSON) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)
