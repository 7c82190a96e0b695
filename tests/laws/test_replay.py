"""Law 1: an execution is what its events make of it, after every single one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from machines import documents, inputs, machines, scripts
from player import LIMITS, MODEST, NAME, Player, as_text, replay

from workflow_manager.asl.validate import validate
from workflow_manager.codec import event_from_record, event_to_record
from workflow_manager.engine import Execution, execution, writer
from workflow_manager.engine.snapshot import dump
from workflow_manager.exceptions import Severity
from workflow_manager.history import HistoryEventType as E

STARTED = (E.TASK_STARTED, E.LAMBDA_FUNCTION_STARTED, E.ACTIVITY_STARTED)


@settings(MODEST, max_examples=60)
@given(documents())
def test_the_strategy_makes_sound_machines(document: dict[str, Any]) -> None:
    """Every machine that these laws run would be accepted."""
    assert [str(problem) for problem in validate(document) if problem.severity is Severity.ERROR] == []


@contextmanager
def watched() -> Iterator[list[str]]:
    """The snapshot of the live execution after each event that it folds."""
    seen: list[str] = []
    fold = writer.fold

    def watching(x: Any, event: Any) -> None:
        fold(x, event)
        seen.append(as_text(dump(x)))

    writer.fold = execution.fold = watching  # type: ignore[attr-defined]
    try:
        yield seen
    finally:
        writer.fold = execution.fold = fold  # type: ignore[attr-defined]


@MODEST
@given(machines(), inputs(), scripts())
def test_a_replay_is_the_execution_that_wrote_the_events(machine, input, script) -> None:
    """After every single event the replay of what is written so far equals the execution that writes."""
    with watched() as seen:
        player = Player(machine, input, script).play()
    events = player.events
    assert len(seen) == len(events)
    for length, snapshot in enumerate(seen, start=1):
        assert as_text(replay(machine, events[:length]).snapshot()) == snapshot
    assert as_text(player.execution.snapshot()) == seen[-1]


@MODEST
@given(machines(), inputs(), scripts())
def test_a_history_that_was_cut_short_is_written_to_its_end(machine, input, script) -> None:
    """
    Wherever a crash cuts the events of one report, the rest follows: by itself, or when the report comes again
    (where only the start of a task was written that its end implied).
    """
    player = Player(machine, input, script).play()
    before: list[Any] = []
    for turn in player.turns:
        for cut in range(1, len(turn.events) + 1):
            again = replay(machine, [*before, *turn.events[:cut]])
            again.advance(turn.at)
            if turn.report is not None and turn.events[0].type in STARTED and cut == 1:
                assert again.events == []
                again.receive(turn.report)
            assert again.events == turn.events[cut:]
        before += turn.events


@MODEST
@given(machines(), inputs(), scripts(), st.integers(0, 40))
def test_a_snapshot_goes_through_json_and_goes_on(machine, input, script, cut) -> None:
    """An execution restored from JSON in the middle of a run equals the one that was not, and so does what follows."""
    player = Player(machine, input, script[:cut])
    for step in player.script:
        if player.execution.outcome.is_final or not player.step(step):
            break
    snapshot = player.execution.snapshot()
    text = as_text(snapshot)
    restored = Execution.restore(machine, json.loads(json.dumps(snapshot)), name=NAME, limits=LIMITS)
    assert as_text(restored.snapshot()) == text
    assert restored.outcome == player.execution.outcome
    assert restored.pending_tasks == player.execution.pending_tasks
    assert restored.pending_timers == player.execution.pending_timers
    for token in restored.pending_tasks:
        assert restored.context_of(token) == player.execution.context_of(token)
    turns = len(player.turns)
    player.play()
    for turn in player.turns[turns:]:
        assert turn.report is not None
        assert restored.receive(turn.report) == turn.events
    assert as_text(restored.snapshot()) == as_text(player.execution.snapshot())
    assert as_text(snapshot) == text, "a snapshot does not change after it was taken"


@MODEST
@given(machines(), inputs(), scripts())
def test_events_that_were_stored_replay_alike(machine, input, script) -> None:
    """Events that went through a store's text make the same execution, which goes on alike."""
    player = Player(machine, input, script).play()
    stored = [event_from_record(event_to_record(event)) for event in player.events]
    assert stored == player.events
    assert as_text(replay(machine, stored).snapshot()) == as_text(player.execution.snapshot())
