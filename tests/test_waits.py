"""Until when a Wait waits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import jsonata  # noqa: F401  # it raises the recursion limit
import pytest

from flows import AT, flow, later
from workflow_manager.asl.errors import StatesError
from workflow_manager.asl.machine import StateMachine, WaitState
from workflow_manager.asl.scope import Scope
from workflow_manager.asl.waits import compile_wait
from workflow_manager.testing import simulate


def until(input: Any = None, **fields: Any) -> datetime:
    """Until when a Wait with *fields* waits that began at AT."""
    machine = StateMachine.from_dict({"StartAt": "W", "States": {"W": {"Type": "Wait", "End": True, **fields}}})
    state = machine.states["W"]
    assert isinstance(state, WaitState)
    return compile_wait(state, machine.language_of(state))(Scope(input, {}, {"x": 4}), AT)


NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NO_TIMESTAMP = "cannot be parsed as an ISO-8601 extended offset date-time format string"
SPOKEN = {"QueryLanguage": "JSONata"}


@pytest.mark.parametrize(
    ("fields", "input", "time"),
    [
        ({"Seconds": 0}, None, AT),
        ({"Seconds": 90}, None, later(90)),
        ({"Seconds": 2_592_000}, None, AT + timedelta(days=30)),
        ({"SecondsPath": "$.s"}, {"s": 7}, later(7)),
        ({"SecondsPath": "$.s"}, {"s": "7"}, later(7)),
        ({"SecondsPath": "$.s"}, {"s": 7.0}, later(7)),
        ({"SecondsPath": "$x"}, {}, later(4)),
        ({"SecondsPath": "$.s"}, {"s": 10**15}, later(99_999_999)),
        ({"Timestamp": "2026-03-01T12:00:00Z"}, None, NOON),
        ({"Timestamp": "2026-03-01T13:00:00+01:00"}, None, NOON),
        ({"TimestampPath": "$.t"}, {"t": "2026-03-01T12:00:00Z"}, NOON),
        ({"Seconds": 5, **SPOKEN}, None, later(5)),
        ({"Seconds": "{% $states.input.s + 1 %}", **SPOKEN}, {"s": 6}, later(7)),
        ({"Timestamp": "{% $states.input.d & 'T12:00:00Z' %}", **SPOKEN}, {"d": "2026-03-01"}, NOON),
        ({"Timestamp": "2026-03-01T12:00:00Z", **SPOKEN}, None, NOON),
    ],
)
def test_until_when(fields: dict[str, Any], input: Any, time: datetime) -> None:
    """Seconds count from the state's entry, timestamps are absolute; both come as literals, paths or expressions."""
    assert until(input, **fields) == time


@pytest.mark.parametrize(
    ("fields", "input", "error", "cause"),
    [
        ({"SecondsPath": "$.s"}, {}, "States.Runtime",
         "The SecondsPath parameter does not reference an input value: $.s"),
        ({"SecondsPath": "$.s"}, {"s": "x"}, "States.Runtime",
         "The SecondsPath parameter cannot be parsed as a long value: $.s == x"),
        ({"SecondsPath": "$.s"}, {"s": 1.5}, "States.Runtime",
         "The SecondsPath parameter cannot be parsed as a long value: $.s == 1.5"),
        ({"SecondsPath": "$.s"}, {"s": -1}, "States.Runtime",
         "The SecondsPath parameter references a negative value: $.s == -1"),
        ({"TimestampPath": "$.t"}, {}, "States.Runtime",
         "The TimestampPath parameter does not reference an input value: $.t"),
        ({"TimestampPath": "$.t"}, {"t": "noon"}, "States.Runtime",
         f"The TimestampPath parameter {NO_TIMESTAMP}: $.t == noon"),
        ({"TimestampPath": "$.t"}, {"t": 5}, "States.Runtime", "== 5"),
        ({"Timestamp": "noon"}, None, "States.Runtime",
         f"The Timestamp parameter {NO_TIMESTAMP}: noon"),
        ({"Seconds": "${Later}"}, None, "States.Runtime", "cannot be parsed as a long value"),
        ({"Seconds": "{% -1 %}", **SPOKEN}, None, "States.QueryEvaluationError",
         "The Seconds field must be an integer from 0 to 99999999, but was: -1"),
        ({"Seconds": "{% 'x' %}", **SPOKEN}, None, "States.QueryEvaluationError", "Seconds"),
        ({"Timestamp": "{% 'noon' %}", **SPOKEN}, None, "States.QueryEvaluationError", "noon"),
        ({"Timestamp": "{% 5 %}", **SPOKEN}, None, "States.QueryEvaluationError", "Timestamp"),
    ],
)  # fmt: skip
def test_what_cannot_be_waited_for(fields: dict[str, Any], input: Any, error: str, cause: str) -> None:
    """The errors are AWS's sentences; those of expressions are located at their field."""
    with pytest.raises(StatesError) as raised:
        until(input, **fields)
    assert raised.value.error == error
    assert cause in raised.value.cause
    assert raised.value.location == (next(iter(fields)) if error == "States.QueryEvaluationError" else None)


def test_a_time_that_has_passed_is_no_wait() -> None:
    """The state is left at once, and time does not run backwards."""
    ran = simulate(flow(W={"Type": "Wait", "Timestamp": "2020-01-01T00:00:00Z"}), 1)
    assert (ran.status, ran.elapsed.total_seconds()) == ("SUCCEEDED", 0)


def test_a_wait_hands_its_input_on() -> None:
    """InputPath and OutputPath select; a path of the Wait itself is taken in what InputPath selected."""
    state = {"Type": "Wait", "SecondsPath": "$.s", "InputPath": "$.in", "OutputPath": "$.out"}
    ran = simulate(flow(W=state), {"in": {"s": 5, "out": "this"}})
    assert (ran.output, ran.elapsed.total_seconds()) == ("this", 5)
    spoken = {"Type": "Wait", "QueryLanguage": "JSONata", "Seconds": 5, "Output": "{% $states.input.n %}"}
    assert simulate(flow(W=spoken), {"n": 3}).output == 3


def test_fractions_of_a_second_are_kept() -> None:
    """A Wait until a time between two milliseconds ends then."""
    ran = simulate(flow(W={"Type": "Wait", "Timestamp": "2026-03-01T12:30:15.250123Z"}), 1, start=AT)
    assert ran.elapsed == timedelta(microseconds=123)
