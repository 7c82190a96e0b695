"""Law 2: time arrives with each report, and chance is a matter of the execution's name."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from machines import documents, inputs, machines, scripts
from player import BEGIN, MODEST, Player

from workflow_manager.asl.machine import StateMachine
from workflow_manager.engine import Execution


@MODEST
@given(documents(), inputs(), scripts())
def test_the_same_name_and_news_make_the_same_events(document, input, script) -> None:
    """Two executions of one name that hear the same write the same, down to jitter and random numbers."""
    one, two = (Player(StateMachine.from_dict(document), input, script).play() for _ in range(2))
    assert one.events == two.events


@MODEST
@given(machines(chance=False), inputs(), scripts())
def test_another_name_goes_the_same_way(machine, input, script) -> None:
    """Where nothing turns on chance, the name changes tokens and random values, never what happens."""
    one, two = (Player(machine, input, script, name=name).play() for name in ("one", "another"))
    assert [(event.type, event.id, event.previous_event_id, event.branch, event.timestamp) for event in one.events] == [
        (event.type, event.id, event.previous_event_id, event.branch, event.timestamp) for event in two.events
    ]


LOTTERY = {
    "StartAt": "Draw",
    "States": {
        "Draw": {"Type": "Pass", "Parameters": {"a.$": "States.UUID()", "b.$": "States.UUID()"}, "Next": "Again"},
        "Again": {
            "Type": "Pass",
            "QueryLanguage": "JSONata",
            "Output": "{% [$states.input.a, $states.input.b, $random(), $random(), $uuid()] %}",
            "End": True,
        },
    },
}


@pytest.mark.parametrize("name", ["a", "b"])
def test_chance_is_drawn_by_name(name: str) -> None:
    """Each evaluation draws anew, a second run of the name draws the same, another name draws otherwise."""

    def drawn(name: str) -> list[Any]:
        machine = StateMachine.from_dict(LOTTERY)
        output = Execution.start(machine, {}, name=name, at=BEGIN).outcome.output
        assert isinstance(output, list)
        return output

    mine = drawn(name)
    assert len(set(mine)) == 5
    assert drawn(name) == mine
    assert not set(drawn(f"{name}'s sister")) & set(mine)
