"""JSON values: their text, their size, their copies."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from workflow_manager.asl.values import MAX_NESTING, check_json, copy_json, dumps, is_larger, json_size
from workflow_manager.codec.events import text_of
from workflow_manager.exceptions import InvalidValueError

TEXT = st.text(st.characters(codec=None), max_size=6)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_text_is_that_of_the_standard_library(value: Any) -> None:
    """The text of a value is compact, and says what ``json`` says."""
    assert dumps(value) == json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@pytest.mark.parametrize("value", [float("nan"), [float("inf")], {"a": {1}}, b"x"], ids=["nan", "inf", "set", "bytes"])
def test_text_of_what_is_no_json(value: Any) -> None:
    """What JSON cannot say has no text."""
    with pytest.raises((TypeError, ValueError)):
        dumps(value)


def test_text_of_what_contains_itself() -> None:
    """A value without an end is refused, not written until the stack is full."""
    value: list[Any] = []
    value.append(value)
    with pytest.raises(InvalidValueError, match="nested more than"):
        text_of(value)


@given(VALUES, st.integers(0, 400))
@example([False] * 30, 181)
@example("\x00" * 30, 182)
@example([-(2**63), 1.7976931348623157e308] * 9, 400)
def test_a_size_is_compared_without_being_taken(value: Any, most: int) -> None:
    """Whether a value is larger than so many bytes is told as its size tells it."""
    for bound in (most, json_size(value), json_size(value) - 1):
        assert is_larger(value, bound) == (json_size(value) > bound)


def test_the_size_of_what_is_not_plain() -> None:
    """Subclasses of plain values are measured as what they are, though they must be written for it."""

    class Word(str):
        __slots__ = ()

    assert is_larger([Word("abc")], 6)
    assert not is_larger([Word("abc")], 7)


@given(VALUES)
def test_a_copy_is_private(value: Any) -> None:
    """A copy is the same value, and shares no list and no dict with it, nor within itself."""
    copy = copy_json([value, value])
    assert repr(copy) == repr([value, value])
    own: list[int] = []

    def walk(part: Any) -> None:
        if isinstance(part, dict | list):
            own.append(id(part))
            for inner in part.values() if isinstance(part, dict) else part:
                walk(inner)

    walk(copy)
    assert len(own) == len(set(own))
    walk(value)
    assert len(own) == len(set(own))


def test_copies_of_what_is_not_plain() -> None:
    """What is JSON though no plain list or dict is copied as one."""
    assert copy_json(MappingProxyType({"a": (1, 2)})) == {"a": [1, 2]}
    deep: Any = 1
    for _ in range(MAX_NESTING):
        deep = [deep]
    assert copy_json(deep) == check_json(deep) == deep
