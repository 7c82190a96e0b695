"""The events of one turn as one text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from types import MappingProxyType
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_manager.codec.events import event_to_record
from workflow_manager.codec.turns import events_from_text, events_to_text
from workflow_manager.exceptions import InvalidValueError
from workflow_manager.history import HistoryEvent, HistoryEventType, UnlistedEventType

AT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
TEXT = st.text(st.characters(codec=None), max_size=6)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
TIMES = st.integers(0, 2**53).map(lambda micros: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros))


@st.composite
def turns(draw: st.DrawFn) -> list[HistoryEvent]:
    """Events that share some of their values and timestamps."""
    values = draw(st.lists(VALUES, min_size=1, max_size=3))
    times = draw(st.lists(TIMES, min_size=1, max_size=3))
    members = st.dictionaries(TEXT, st.sampled_from(values) | VALUES, max_size=3)
    event = st.builds(
        HistoryEvent,
        st.integers(1, 10**6),
        st.integers(0, 10**6),
        st.sampled_from([*HistoryEventType, *UnlistedEventType]),
        st.sampled_from(times),
        st.none() | members,
        st.sampled_from(["", "2/0"]),
        st.none() | TEXT,
        st.none() | members,
    )
    return draw(st.lists(event, min_size=1, max_size=6))


def text_of(events: list[HistoryEvent]) -> str:
    return events_to_text(events, lambda value: None)


def event(at: datetime, details: Mapping[str, Any] | None, **more: Any) -> HistoryEvent:
    return HistoryEvent(2, 1, HistoryEventType.TASK_STATE_EXITED, at, details, **more)


class Word(str):
    """A text of a class of its own, as an enum's member is."""

    __slots__ = ()


class Fresh(Mapping[str, Any]):
    """Makes its value anew whenever it is asked."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __getitem__(self, key: str) -> Any:
        return [self.number]

    def __iter__(self) -> Any:
        return iter("b")

    def __len__(self) -> int:
        return 1


@given(turns())
def test_a_turn_survives(events: list[HistoryEvent]) -> None:
    """Whatever events share, they are read back exactly, and the text can be written as UTF-8."""
    text = text_of(events)
    text.encode()
    assert repr(events_from_text(text)) == repr(events)


@given(turns())
def test_records_by_themselves_are_read_too(events: list[HistoryEvent]) -> None:
    """What an older release wrote, a record in each line, is read as well."""
    assert repr(events_from_text("\n".join(map(event_to_record, events)))) == repr(events)


def test_what_events_share_is_written_once() -> None:
    """A value stands where it comes first, a timestamp too; what is said afterwards is which it was."""
    value, later = {"cups": [1, 2]}, AT + timedelta(microseconds=7)
    events = [
        event(AT, {"name": "A", "output": value}),
        event(AT, {"input": value, "name": "B"}, next="C"),
        event(later, {"input": [3], "output": value}),
        event(later, None),
    ]
    assert json.loads(text_of(events)) == [
        [2, 1, "TaskStateExited", "2026-01-02T03:04:05.678901+00:00", "", {"name": "A", "output": value}],
        [2, 1, "TaskStateExited", None, "", {"input": None, "name": "B"}, {"input": 0}, "C"],
        [2, 1, "TaskStateExited", 7, "", {"input": [3], "output": None}, {"output": 0}],
        [2, 1, "TaskStateExited", None, ""],
    ]
    first, second, *_ = events_from_text(text_of(events))
    assert list(second.details or ()) == ["input", "name"]
    assert first.details == {"name": "A", "output": value}


def test_what_follows_from_the_event_before_is_not_written() -> None:
    """The next id, on the event before, at its time, in its branch: such a record begins with its type."""
    first = HistoryEvent(7, 3, HistoryEventType.TASK_STATE_EXITED, AT, {"a": 1}, "2")
    entered = HistoryEventType.TASK_STATE_ENTERED
    changes: list[dict[str, Any]] = [{}, {"id": 9}, {"previous_event_id": 6}, {"branch": "1"}]
    for change in (*changes, {"timestamp": AT + timedelta(microseconds=1)}):
        second = attrs.evolve(first, **{"id": 8, "previous_event_id": 7, "type": entered, **change})
        text = text_of([first, second])
        assert json.loads(text)[1][0] == (second.id if change else entered.value)
        assert events_from_text(text) == [first, second]


def test_every_value_is_looked_at_once() -> None:
    """Who checks what is written sees all that holds other values, once each."""
    value, seen = {"cups": 1}, []
    events = [event(AT, {"output": value, "name": "A"}), event(AT, {"input": value}, beside={"error": "E"})]
    events_to_text(events, seen.append)
    assert seen == [value, {"error": "E"}]


def test_another_zone_and_none() -> None:
    """The instant counts; a naive time has none."""
    there = AT.astimezone(timezone(timedelta(hours=9)))
    for first, second in ((AT, there), (there, AT), (there, there + timedelta(seconds=1))):
        read = events_from_text(text_of([event(first, None), event(second, None)]))
        assert [one.timestamp for one in read] == [first, second]
        assert all(one.timestamp.tzinfo is UTC for one in read)
    for times in ((AT, AT.replace(tzinfo=None)), (AT.replace(tzinfo=None), AT)):
        with pytest.raises(InvalidValueError, match="time zone"):
            text_of([event(at, None) for at in times])


def test_foreign_mappings_become_objects() -> None:
    """Mappings that are no dicts are JSON too."""
    foreign = MappingProxyType({"a": MappingProxyType({"b": 1})})
    events = [event(AT, foreign), event(AT, {"input": foreign["a"]})]
    assert [one.details for one in events_from_text(text_of(events))] == [{"a": {"b": 1}}, {"input": {"b": 1}}]


def test_only_objects_and_arrays_are_counted() -> None:
    """A text of a foreign class is a text, and no value that others may point at."""
    value = [2]
    details: list[Any] = [{"c": Word("x"), "b": Word("x")}, {"d": value}, {"e": value, "f": (3,)}, {"g": value}]
    read = events_from_text(text_of([event(AT, each) for each in details]))
    assert [one.details for one in read] == [{"c": "x", "b": "x"}, {"d": [2]}, {"e": [2], "f": [3]}, {"g": [2]}]


def test_values_that_are_made_when_asked_for() -> None:
    """Two values that never lived together are not one, though Python may put them in one place."""
    events = [event(AT, Fresh(number)) for number in range(20)]
    assert [one.details for one in events_from_text(text_of(events))] == [{"b": [number]} for number in range(20)]


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, [b"x"], 10**5000], ids=["nan", "set", "bytes", "digits"])
def test_what_is_no_json_is_refused(value: Any) -> None:
    """A turn is JSON or nothing."""
    with pytest.raises(InvalidValueError):
        text_of([event(AT, {"name": "A"}), event(AT, {"output": {"here": value}})])


@pytest.mark.parametrize(
    "text",
    [
        '[[2,1,"TaskStateExited",null,""]]',
        '[[2,1,"Unheard","2026-01-02T03:04:05+00:00",""]]',
        '[[2,1,"TaskStateExited","2026-01-02T03:04:05+00:00","",{"a":null},{"a":0}]]',
        '[[2,1,"TaskStateExited","2026-01-02T03:04:05+00:00",""],[2,1,"TaskStateExited",1e30,""]]',
        '[[2,1,"TaskStateExited","2026-01-02T03:04:05+00:00",""],7]',
        '[["TaskStateExited"]]',
        '[["a"',
        "[[]]",
    ],
)
def test_a_damaged_turn(text: str) -> None:
    """What is no text of events is an InvalidValueError."""
    with pytest.raises(InvalidValueError, match="cannot be read"):
        events_from_text(text)


def test_no_field_is_lost() -> None:
    """A turn has every field that a history event has."""
    full = HistoryEvent(2, 1, HistoryEventType.PASS_STATE_EXITED, AT, {"a": []}, "1", "Steep", {"b": 1})
    absent: list[dict[str, Any]] = [{}, {"details": None}, {"details": {}}, {"next": None}, {"beside": None}]
    for changes in (*absent, {"next": None, "beside": None}):
        one = attrs.evolve(full, **changes)
        assert events_from_text(text_of([one, one])) == [one, one]
