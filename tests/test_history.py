"""History events: AWS's names, and which details member each type has."""

from __future__ import annotations

from datetime import UTC, datetime

import attrs
import pytest

from workflow_manager.history import (
    DETAILS_MEMBERS,
    JSON_TEXT_MEMBERS,
    HistoryEvent,
    HistoryEventType,
    UnlistedEventType,
    details_member,
)

AT = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("type", "member"),
    [
        ("PassStateEntered", "stateEnteredEventDetails"),
        ("MapStateExited", "stateExitedEventDetails"),
        ("ExecutionStarted", "executionStartedEventDetails"),
        ("LambdaFunctionTimedOut", "lambdaFunctionTimedOutEventDetails"),
        ("TaskSubmitted", "taskSubmittedEventDetails"),
        ("MapIterationAborted", "mapIterationAbortedEventDetails"),
        ("MapRunStarted", "mapRunStartedEventDetails"),
        ("EvaluationFailed", "evaluationFailedEventDetails"),
        ("MapStateStarted", "mapStateStartedEventDetails"),
        ("MapRunFailed", "mapRunFailedEventDetails"),
        ("ParallelStateStarted", None),
        ("ParallelStateFailed", None),
        ("MapStateFailed", None),
        ("MapRunSucceeded", None),
        ("LambdaFunctionStarted", None),
        ("TaskStateAborted", None),
    ],
)
def test_where_the_details_of_an_event_are(type: str, member: str | None) -> None:
    """AWS gives each type a member of its own; all states share two, and some types have none."""
    assert details_member(HistoryEventType(type)) == member
    assert DETAILS_MEMBERS[HistoryEventType(type)] == member


def test_every_type_has_its_place() -> None:
    """The table is whole, and members are named alike."""
    assert DETAILS_MEMBERS.keys() == set(HistoryEventType)
    members = [member for member in DETAILS_MEMBERS.values() if member is not None]
    assert all(member.endswith("EventDetails") and member[0].islower() for member in members)
    shared = {"stateEnteredEventDetails", "stateExitedEventDetails"}
    others = [member for member in members if member not in shared]
    assert len(set(others)) == len(others)
    assert JSON_TEXT_MEMBERS == {"input", "output", "parameters"}


def test_which_events_aws_lists() -> None:
    """No name is both AWS's and ours."""
    assert HistoryEvent(1, 0, HistoryEventType.EXECUTION_STARTED, AT).is_listed
    assert not HistoryEvent(1, 0, UnlistedEventType.RETRY_SCHEDULED, AT).is_listed
    assert not {type.value for type in HistoryEventType} & {type.value for type in UnlistedEventType}


def test_an_event_is_a_value() -> None:
    """Equal when it says the same, and frozen."""
    event = HistoryEvent(2, 0, HistoryEventType.PASS_STATE_ENTERED, AT, {"name": "A", "input": 1})
    assert event == HistoryEvent(2, 0, HistoryEventType.PASS_STATE_ENTERED, AT, {"name": "A", "input": 1})
    assert event != attrs.evolve(event, branch="0")
    assert (event.branch, event.next, event.beside) == ("", None, None)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        event.id = 3  # type: ignore[misc]
