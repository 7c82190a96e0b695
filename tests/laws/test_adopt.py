"""Histories that AWS wrote: what they do not say is found again."""

from __future__ import annotations

import pytest
from hypothesis import given
from machines import inputs, machines, scripts
from player import BEGIN, LIMITS, MODEST, NAME, Player

from workflow_manager.asl.machine import StateMachine
from workflow_manager.codec import event_from_aws, history_to_aws
from workflow_manager.engine import Execution, TaskFailed, TaskSucceeded, TimerFired
from workflow_manager.history import HistoryEvent


def as_aws_tells(events: list[HistoryEvent]) -> list[HistoryEvent]:
    """The events after a way through AWS's own shape."""
    return [event for mapping in history_to_aws(events) if (event := event_from_aws(mapping)) is not None]


def place(event: HistoryEvent) -> tuple[object, ...]:
    """What an event says, and where."""
    return event.id, event.previous_event_id, event.type, event.branch, dict(event.details or {})


@MODEST
@given(machines(distributed=False), inputs(), scripts())
def test_a_history_that_has_ended_is_adopted(machine, input, script) -> None:
    """It has the same outcome, and its events are found in the same branches."""
    player = Player(machine, input, script).play()
    if not player.execution.outcome.is_final:
        return
    adopted = Execution.adopt(machine, as_aws_tells(player.events), name=NAME, limits=LIMITS)
    assert adopted.outcome == player.execution.outcome
    assert not adopted.pending_tasks
    listed = [place(event) for event in player.events if event.is_listed]
    assert [place(event) for event in adopted.events if event.is_listed] == listed


@MODEST
@given(machines(distributed=False), inputs(), scripts())
def test_what_was_adopted_replays(machine, input, script) -> None:
    """With what AWS does not tell put in, the events are a history like our own."""
    player = Player(machine, input, script).play()
    adopted = Execution.adopt(machine, as_aws_tells(player.events), name=NAME, limits=LIMITS)
    again = Execution.replay(machine, adopted.events, name=NAME, limits=LIMITS)
    assert again.snapshot() == adopted.snapshot()


RETRIED = {
    "StartAt": "A",
    "States": {
        "A": {"Type": "Task", "Resource": "bake", "Retry": [{"ErrorEquals": ["States.ALL"]}], "Next": "W"},
        "W": {"Type": "Wait", "Seconds": 60, "End": True},
    },
}


def test_an_adopted_history_goes_on() -> None:
    """From where AWS left it: a task that is under way, a retry that is due, a Wait."""
    machine = StateMachine.from_dict(RETRIED)
    live = Execution.start(machine, 1, name=NAME, at=BEGIN)
    (token,) = live.pending_tasks
    live.receive(TaskFailed(token, BEGIN, "Boom"))
    adopted = Execution.adopt(machine, as_aws_tells(live.events), name=NAME)
    assert not adopted.pending_tasks
    adopted.advance(BEGIN)
    (timer,) = adopted.pending_timers.values()
    assert timer == next(iter(live.pending_timers.values()))
    for execution in (live, adopted):
        execution.receive(TimerFired(timer.id, timer.due))
    assert adopted.pending_tasks == live.pending_tasks
    adopted.receive(TaskSucceeded(next(iter(adopted.pending_tasks)), timer.due, 5))
    last = Execution.adopt(machine, as_aws_tells(adopted.events), name=NAME)
    last.advance(timer.due)
    (wait,) = last.pending_timers.values()
    last.receive(TimerFired(wait.id, wait.due))
    assert last.outcome.output == 5


def test_a_history_of_another_machine_is_refused() -> None:
    """The event that does not fit is named."""
    live = Execution.start(StateMachine.from_dict(RETRIED), 1, name=NAME, at=BEGIN)
    other = StateMachine.from_dict({"StartAt": "X", "States": {"X": {"Type": "Pass", "End": True}}})
    with pytest.raises(ValueError, match=r"event 2 \(TaskStateEntered\) does not fit"):
        Execution.adopt(other, as_aws_tells(live.events), name=NAME)
