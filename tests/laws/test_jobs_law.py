"""The law of jobs: they follow from what AWS itself tells, event by event."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st
from machines import inputs, machines, scripts
from player import MODEST, Player

from workflow_manager.codec import event_from_aws, history_to_aws
from workflow_manager.history import HistoryEvent
from workflow_manager.jobs import SHOWN, JobFold, jobs_from_history
from workflow_manager.models import Job, JobStatus

TASK_LIVES = ("Task", "LambdaFunction", "Activity")
ENDS = ("Scheduled", "Started", "Submitted", "Succeeded", "Failed", "TimedOut")


def as_aws_tells(events: Iterable[HistoryEvent]) -> list[HistoryEvent]:
    """The events after a way through AWS's own shape, where nothing of ours is left."""
    told = [event_from_aws(mapping) for mapping in history_to_aws(events)]
    assert all(event is not None for event in told)
    return [event for event in told if event is not None]


def is_task_event(event: HistoryEvent) -> bool:
    """Whether *event* tells of the life of one task."""
    return any(event.type == f"{life}{end}" for life in TASK_LIVES for end in ENDS)


@MODEST
@given(machines(), inputs(), scripts())
def test_jobs_need_nothing_that_aws_does_not_tell(machine, input, script) -> None:
    """Jobs from AWS's own events equal those from the library's, at the end and in the middle."""
    events = Player(machine, input, script).play().events
    for history in (events, events[: len(events) // 2]):
        ours = jobs_from_history(history, machine=machine, all_states=True)
        assert jobs_from_history(as_aws_tells(history), machine=machine, all_states=True) == ours
        assert jobs_from_history(history, machine=machine) == tuple(job for job in ours if job.state_type in SHOWN)


@MODEST
@given(machines(), inputs(), scripts())
def test_every_task_event_lands_in_the_job_of_its_own_visit(machine, input, script) -> None:
    """The chain of previousEventIds leads each event of a task to the visit that its branch is in."""
    events = Player(machine, input, script).play().events
    fold = JobFold(machine=machine)
    visits: dict[str, int] = {}
    for event in events:
        fold.add(event)
        if event.type.endswith("StateEntered"):
            visits[event.branch] = event.id
        elif event.is_listed and is_task_event(event):
            assert fold._by_event[event.id].id == visits[event.branch]
    for job in fold.jobs(all_states=True):
        entered = next(event for event in events if event.is_listed and event.id == job.entered_event_id)
        assert (job.branch, job.state, job.input) == (entered.branch, entered.details["name"], entered.details["input"])


@MODEST
@given(machines(), inputs(), scripts(), st.lists(st.integers(0, 60), max_size=4))
def test_page_by_page_is_at_once(machine, input, script, cuts) -> None:
    """Pages of any sizes, looked at in between, give what the whole history gives."""
    events = as_aws_tells(Player(machine, input, script).play().events)
    fold = JobFold(machine=machine)
    shown: tuple[Job, ...] = ()
    for begin, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(events)], strict=True):
        for event in events[begin:end]:
            fold.add(event)
        shown = fold.jobs()
        assert shown == jobs_from_history(events[:end], machine=machine)
        assert fold.last_job == (shown[-1] if shown else None)
    assert shown == jobs_from_history(events, machine=machine)


@MODEST
@given(machines(), inputs(), scripts())
def test_after_an_end_no_job_is_open(machine, input, script) -> None:
    """Once the execution has ended every job has ended, in a status that says how."""
    player = Player(machine, input, script).play()
    if not player.execution.outcome.is_final:
        return
    end = player.events[-1].timestamp
    for job in jobs_from_history(player.events, machine=machine, all_states=True):
        assert job.status.is_final, job
        assert job.stopped_at is not None
        assert job.created_at is not None
        assert job.created_at <= job.stopped_at <= end
        assert (job.error is None and job.cause is None) or job.status is JobStatus.FAILED
