"""Laws 3 and 6: late news is no news, and what is no longer wanted is withdrawn."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from machines import inputs, machines, scripts
from player import BEGIN, MODEST, NAME, Player, as_text

from workflow_manager.asl.machine import StateMachine
from workflow_manager.engine import (
    Aborted,
    Execution,
    TaskFailed,
    TaskHeartbeat,
    TaskStarted,
    TaskSubmitted,
    TaskSucceeded,
    TimerFired,
)


def late(player: Player) -> list[object]:
    """Every report on what is met or withdrawn by now, and on what never was."""
    at = player.now
    reports: list[object] = []
    for token in [*player.gone, f"{NAME}.999.0", ""]:
        reports += [TaskSucceeded(token, at, 1), TaskFailed(token, at, "Boom"), TaskStarted(token, at)]
        reports += [TaskSubmitted(token, at), TaskHeartbeat(token, at)]
    return [*reports, *(TimerFired(timer_id, at) for timer_id in [*player.gone_timers, "wait:9:9", ""])]


@MODEST
@given(machines(), inputs(), scripts(), st.integers(0, 30))
def test_late_news_is_no_news(machine, input, script, cut) -> None:
    """A report on what is no longer pending writes nothing, changes nothing and raises nothing, at any time."""
    player = Player(machine, input, script)
    for step in [*script[:cut], *[None] * (30 - cut)]:
        if player.execution.outcome.is_final or not player.step(step):
            break
        before = as_text(player.execution.snapshot())
        for report in late(player):
            assert player.execution.receive(report) == []
        assert as_text(player.execution.snapshot()) == before
        changes = player.execution.take_changes()
        assert not (changes.tasks or changes.timers or changes.withdrawn or changes.withdrawn_timers)


@MODEST
@given(machines(), inputs(), scripts())
def test_an_end_is_an_end(machine, input, script) -> None:
    """Once the execution has ended nothing is pending, and no report, not even an abort, means anything."""
    player = Player(machine, input, script).play()
    execution = player.execution
    if not execution.outcome.is_final:
        return
    assert not execution.pending_tasks
    assert not execution.pending_timers
    before = as_text(execution.snapshot())
    for report in [*late(player), Aborted(player.now)]:
        assert execution.receive(report) == []
    assert execution.advance(player.now) == []
    assert as_text(execution.snapshot()) == before


@MODEST
@given(machines(), inputs(), scripts())
def test_changes_tell_everything(machine, input, script) -> None:
    """A driver that listens to changes alone knows what is pending, after every report."""
    player = Player(machine, input, script)
    for step in [*script, *[None] * 30]:
        assert player.tasks.keys() == player.execution.pending_tasks.keys()
        assert player.timers == player.execution.pending_timers
        assert len({timer.id for timer in player.timers.values()}) == len(player.timers)
        if player.execution.outcome.is_final or not player.step(step):
            break


def race(at_second: float) -> Execution:
    """A Parallel of a Task with a time-out of 10 s, a Task without one, a Wait and a Map over two Tasks."""
    task = {"Type": "Task", "Resource": "bake", "End": True}
    items = {"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": {"StartAt": "C", "States": {"C": task}}}
    branches = [
        {"StartAt": "A", "States": {"A": {**task, "TimeoutSeconds": 10, "HeartbeatSeconds": 6}}},
        {"StartAt": "B", "States": {"B": task}},
        {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 99, "End": True}}},
        {"StartAt": "M", "States": {"M": {**items, "End": True}}},
    ]
    fan = {"Type": "Parallel", "Branches": branches, "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "After"}]}
    states = {"Fan": {**fan, "Next": "After"}, "After": {**task, "Resource": "clean"}}
    machine = StateMachine.from_dict({"StartAt": "Fan", "States": states})
    execution = Execution.start(machine, {"items": [1, 2]}, name=NAME, at=BEGIN)
    assert [task.state for task in execution.pending_tasks.values()] == ["A", "B", "C", "C"]
    assert execution.take_changes().withdrawn == []
    return execution


def test_a_time_out_withdraws_its_task_and_all_beside_it() -> None:
    """When a time-out wins, its task is withdrawn; so is what the siblings of the failed branch had under way."""
    execution = race(10)
    tokens = list(execution.pending_tasks)
    timers = set(execution.pending_timers)
    beat = BEGIN + timedelta(seconds=5)
    execution.receive(TaskHeartbeat(tokens[0], beat))
    execution.take_changes()
    execution.receive(TimerFired(f"task-timeout:{tokens[0]}", BEGIN + timedelta(seconds=10)))
    changes = execution.take_changes()
    assert sorted(changes.withdrawn) == sorted(tokens)
    assert set(changes.withdrawn_timers) == timers
    assert [task.state for task in changes.tasks.values()] == ["After"]
    assert list(execution.pending_tasks) == list(changes.tasks)
    assert not execution.pending_timers


def test_a_timer_that_was_started_again_is_not_due_at_its_old_time() -> None:
    """A heartbeat timer fired in the very moment in which a heartbeat came is late news."""
    execution = race(6)
    token = next(iter(execution.pending_tasks))
    timer_id = f"heartbeat:{token}"
    execution.receive(TaskHeartbeat(token, BEGIN + timedelta(seconds=5.9)))
    assert execution.receive(TimerFired(timer_id, BEGIN + timedelta(seconds=6))) == []
    assert token in execution.pending_tasks
    assert execution.receive(TimerFired(timer_id, BEGIN + timedelta(seconds=11.9)))
    assert token not in execution.pending_tasks


def test_a_heartbeat_timer_is_withdrawn_by_the_report_that_started_it_again() -> None:
    """A success that implies its start touches the heartbeat timer and ends it in one turn: it is withdrawn."""
    execution = race(0)
    token = next(iter(execution.pending_tasks))
    execution.receive(TaskSucceeded(token, BEGIN, 1))
    assert set(execution.take_changes().withdrawn_timers) == {f"heartbeat:{token}", f"task-timeout:{token}"}
