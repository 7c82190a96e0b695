"""Step Functions: histories read page by page, and the jobs that follow from them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent / "laws"))
from machines import inputs, machines, scripts
from player import Player

from sfn_fake import T0, FakeStepFunctions, Run, manager_of
from workflow_manager.asl import StateMachine
from workflow_manager.asl.values import dumps
from workflow_manager.codec import history_to_aws
from workflow_manager.history import HistoryEventType
from workflow_manager.jobs import JobFold, jobs_from_history
from workflow_manager.managers.step_functions import pages
from workflow_manager.managers.step_functions.pages import UNKNOWN_EVENTS, Reader
from workflow_manager.managers.step_functions.standing import EXECUTION_TAG, REDRIVE_TAG
from workflow_manager.models import Job, JobStatus, Workflow, WorkflowDefinition
from workflow_manager.stores.memory import MemoryStore
from workflow_manager.testing import TaskError, kitchen_sink, simulate

MODEST = settings(
    max_examples=25,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.generate),
)


class Served:
    """A workflow whose execution has this history."""

    def __init__(self, events: Sequence[dict[str, Any]], machine: StateMachine, page: int = 1000) -> None:
        self.fake, self.store = FakeStepFunctions(), MemoryStore()
        self.fake.page = page
        self.manager = manager_of(self.fake, self.store)
        definition = WorkflowDefinition(name="served", state_machine=machine, manager="step-functions")
        new = Workflow(id="w-1", workflow_definition=definition, created_at=T0, last_updated=T0)
        self.workflow = self.store.save_workflow(new)
        self.arn = self.manager.execution_arn(self.workflow)
        self.fake.runs[self.arn] = Run(self.arn, "w-1", "m", "", "{}", T0, list(events))
        self.fake.now = T0 + timedelta(days=400 * 365)

    def jobs(self) -> tuple[Job, ...]:
        self.workflow = self.manager.update_workflow_history(self.workflow)
        return self.workflow.jobs


# Pages


@MODEST
@given(machines(), inputs(), scripts(), st.integers(1, 60), st.integers(0, 60))
def test_pages_of_any_size_give_the_same_jobs(machine, input, script, size, seen) -> None:
    """What GetExecutionHistory shows in pages, all at once or in two looks, gives the jobs of the whole history."""
    events = Player(machine, input, script).play().events
    told = history_to_aws(events)
    served = Served(told[: max(1, seen)], machine, size)
    first = [event for event in events if event.is_listed][: max(1, seen)]
    assert served.jobs() == jobs_from_history(first, machine=machine)
    served.fake.runs[served.arn].events = told
    served.fake.calls.clear()
    assert served.jobs() == jobs_from_history(events, machine=machine)
    new = max(0, len(told) - max(1, seen))
    assert len(served.fake.calls) <= max(1, -(-new // size))  # pages with something new, and no other


@pytest.mark.parametrize("size", [1, 2, 5, 1000])
def test_the_kitchen_sink_in_pages(size):
    """Attempts and reasons are those of the simulation."""
    failures = iter([TaskError("E", "one\ntwo\nthree\nfour"), TaskError("E", "again")])

    def answer(call: Any) -> Any:
        failure = next(failures, None)
        if failure is not None:
            raise failure
        return call.input

    run = simulate(kitchen_sink(), {}, tasks=answer)
    served = Served(run.history, run.machine, size)
    assert served.jobs() == run.jobs
    first = served.workflow.jobs[0]
    assert [attempt.reason for attempt in first.attempts] == ["two\nthree\nfour\nE", "again\nE"]


def test_a_gap_is_left_for_the_next_look():
    """Events that AWS does not show yet are not skipped for ever."""
    run = simulate(kitchen_sink(), {}, tasks=lambda call: call.input)
    served = Served(run.history[:6] + run.history[8:], run.machine)
    served.jobs()
    assert [event.id for event in served.store.read_history("w-1")] == [1, 2, 3, 4, 5, 6]
    served.fake.runs[served.arn].events = run.history
    assert served.jobs() == run.jobs


def test_a_store_that_somebody_else_writes_to_is_read_again():
    """Two processes that look at once store every event once."""
    run = simulate(kitchen_sink(), {}, tasks=lambda call: call.input)
    served = Served(run.history[:6], run.machine, 2)
    other = manager_of(served.fake, served.store)
    other.update_workflow_history(served.workflow)
    served.fake.runs[served.arn].events = run.history
    other.update_workflow_history(served.workflow)
    assert served.jobs() == run.jobs
    assert [event.id for event in served.store.read_history("w-1")] == list(range(1, len(run.history) + 1))


# Event types


def test_all_62_event_types_are_known():
    """The service model of botocore has no type that the library does not know."""
    import boto3

    model = boto3.Session(region_name="eu-west-1").client("stepfunctions").meta.service_model
    assert {type.value for type in HistoryEventType} >= set(model.shape_for("HistoryEventType").enum)
    assert len(HistoryEventType) == 62


def test_an_unknown_event_is_kept_and_told_once(caplog):
    """Its type is logged once, it stays beside the next known event, and what hangs on it finds its job."""
    run = simulate(kitchen_sink(), {}, tasks=lambda call: call.input)
    events = [dict(event) for event in run.history]
    strange = {"id": 4, "previousEventId": 3, "type": "TaskDreamt", "timestamp": events[3]["timestamp"]}
    later = [
        {**event, "id": event["id"] + 1, "previousEventId": event["previousEventId"] + (event["previousEventId"] > 2)}
        for event in events[3:]
    ]
    later[0]["previousEventId"] = 4
    served = Served([*events[:3], strange, *later], run.machine)
    assert [(job.state, job.status) for job in served.jobs()] == [(job.state, job.status) for job in run.jobs]
    served_again = Served([*events[:3], strange, *later], run.machine)
    served_again.jobs()
    assert caplog.text.count("TaskDreamt") == 1
    stored = list(served.store.read_history("w-1"))
    kept = next(event for event in stored if event.beside)
    assert (kept.id, kept.previous_event_id) == (5, 3)
    assert [each["type"] for each in kept.beside[UNKNOWN_EVENTS]] == ["TaskDreamt"]


def test_a_link_to_an_unknown_event_is_found_by_the_next_process():
    """Whoever goes on with a stored history finds the job behind an unknown event that was read before."""
    run = simulate({"StartAt": "A", "States": {"A": task()}}, {}, tasks=lambda call: call.input)
    strange = {"id": 4, "previousEventId": 3, "type": "TaskDreamtAgain", "timestamp": T0}
    first, rest = run.history[:3], [dict(event) for event in run.history[3:]]
    for event in rest:
        event["id"] += 1
        event["previousEventId"] += 1
    apart = [*first, strange, {**rest[0], "previousEventId": 3}, *({**each, "previousEventId": 4} for each in rest[1:])]
    served = Served(apart[:5], run.machine)
    served.jobs()
    served.fake.runs[served.arn].events = apart
    served.manager = manager_of(served.fake, served.store)
    (job,) = served.jobs()
    assert (job.state, job.status) == ("A", JobStatus.SUCCEEDED)


def test_an_unknown_event_at_the_end_waits_for_the_next():
    """It is read again with what follows it."""
    run = simulate(kitchen_sink(), {}, tasks=lambda call: call.input)
    strange = {"id": 4, "previousEventId": 3, "type": "TaskDreamtOn", "timestamp": T0}
    served = Served([*run.history[:3], strange], run.machine)
    served.jobs()
    assert len(served.store.read_history("w-1")) == 3
    later = [
        {**event, "id": event["id"] + 1, "previousEventId": event["previousEventId"] + 1} for event in run.history[3:]
    ]
    served.fake.runs[served.arn].events = [*run.history[:3], strange, *later]
    assert len(served.jobs()) == 3
    assert len(served.store.read_history("w-1")) == len(run.history)


# The last job


def long_history(passes: int) -> Any:
    """A task that is followed by many Passes."""
    states: dict[str, Any] = {"Work": {"Type": "Task", "Resource": "work", "Next": "P0"}}
    for number in range(passes):
        states[f"P{number}"] = {"Type": "Pass", "Next": f"P{number + 1}"}
    states[f"P{passes}"] = {"Type": "Fail", "Error": "E"}
    return simulate({"StartAt": "Work", "States": states}, {"n": 1}, tasks=lambda call: call.input)


@pytest.mark.parametrize(("passes", "calls"), [(3, 1), (60, 2), (400, 9)])
def test_flaw_the_last_job_is_found_beyond_the_first_hundred_events(passes, calls):
    """It is looked for backward until it is found."""
    run = long_history(passes)
    served = Served(run.history, run.machine)
    found = pages.last_job(served.manager._calls, served.arn, JobFold(machine=run.machine))
    assert (found, served.fake.count("GetExecutionHistory")) == (run.jobs[-1], calls)


def test_where_there_is_no_job_there_is_no_last_one():
    """A history without any Task, Choice or Succeed is read to its beginning, and that is no error."""
    run = simulate({"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}}, {})
    served = Served(run.history, run.machine)
    assert pages.last_job(served.manager._calls, served.arn, JobFold()) is None


# Flaws of the original's fold

LIVES = ("Task", "LambdaFunction", "Activity")


def jobs_of(states: dict[str, Any], tasks: Any, input: Any = None) -> dict[str, Job]:
    run = simulate({"StartAt": next(iter(states)), "States": states}, input or {}, tasks=tasks)
    return {job.state: job for job in Served(run.history, run.machine, 3).jobs()}


def boom(call: Any) -> Any:
    if call.state.startswith("Bad"):
        raise TaskError("Boom", "it broke")
    return call.input


def task(resource: str = "work", **fields: Any) -> dict[str, Any]:
    return {"Type": "Task", "Resource": resource, "End": True, **fields}


GLUE = "arn:aws:states:::glue:startJobRun.sync"


@pytest.mark.parametrize("resource", ["work", GLUE, "arn:aws:lambda:eu-west-1:1:function:f"])
def test_flaw_failures_of_services_fell_through(resource):
    """Whatever fails, the job fails by its own event: error, cause, reason, time."""
    job = jobs_of({"Bad": task(resource, Parameters={"JobName": "x"})}, boom)["Bad"]
    assert (job.status, job.error, job.status_reason) == (JobStatus.FAILED, "Boom", "it broke\nBoom")


FAILED_TYPES = [type for type in HistoryEventType if type.endswith(("Failed", "TimedOut")) and type.startswith(LIVES)]


@pytest.mark.parametrize("type", FAILED_TYPES)
def test_flaw_failures_to_start_or_schedule_fell_through(type):
    """Every event by which a task fails fails its job: error, cause, reason, time; a time-out says so first."""
    run = simulate({"StartAt": "Bad", "States": {"Bad": task()}}, {}, tasks=boom)
    told = ending(type, {"error": "E", "cause": "one\ntwo\nthree\nfour"})
    events = continued(run.history[:3], told)
    (job,) = folded(events, run.machine).jobs()
    title = "Job timed out\n" if type.endswith("TimedOut") else ""
    assert (job.status, job.error, job.cause) == (JobStatus.FAILED, "E", "one\ntwo\nthree\nfour")
    assert (job.status_reason, job.stopped_at) == (f"{title}two\nthree\nfour\nE", events[-1]["timestamp"])


def test_flaw_started_at_was_when_it_was_entered():
    """A task starts when a worker takes it, not when its state is entered."""
    retry = [{"ErrorEquals": ["Boom"], "IntervalSeconds": 30, "MaxAttempts": 1}]
    job = jobs_of({"Bad": task(Retry=retry)}, boom)["Bad"]
    assert job.started_at is not None
    assert job.created_at is not None
    assert job.started_at - job.created_at == timedelta(seconds=30)


def test_flaw_only_the_last_attempt_was_kept():
    """Every try before the present one is there, in order."""
    retry = [{"ErrorEquals": ["Boom"], "MaxAttempts": 3}]
    job = jobs_of({"Bad": task(Retry=retry)}, boom)["Bad"]
    assert [attempt.error for attempt in job.attempts] == ["Boom"] * 3


def test_flaw_nested_states_had_no_resource():
    """The resource of a state within a Parallel or Map is told as well, and where it ran."""
    branch = {"StartAt": "Deep", "States": {"Deep": task("lambda:f")}}
    mapped = {"StartAt": "Item", "States": {"Item": task("glue:g")}}
    states = {
        "P": {"Type": "Parallel", "Branches": [branch], "Next": "M"},
        "M": {"Type": "Map", "ItemProcessor": mapped, "End": True},
    }
    run = simulate({"StartAt": "P", "States": states}, [1], tasks=lambda call: call.input)
    jobs = {job.state: job for job in Served(run.history, run.machine).jobs()}
    assert [jobs[name].state_resource.name for name in ("Deep", "Item")] == ["f", "g"]
    assert [jobs[name].branch_path for name in ("Deep", "Item")] == [("P[0]",), ("M[0]",)]


def test_flaw_an_abort_hit_the_last_job_seen():
    """Under a Parallel every open job ends, and none that had ended; without any job there is nothing to end."""
    good = {"StartAt": "Good", "States": {"Good": task()}}
    slow = {"StartAt": "Rest", "States": {"Rest": {"Type": "Wait", "Seconds": 9, "Next": "Late"}, "Late": task()}}
    states = {"P": {"Type": "Parallel", "Branches": [good, slow, slow_named("2")], "End": True}}
    run = simulate({"StartAt": "P", "States": states}, {}, tasks=lambda call: call.input)
    begun = [event for event in run.history if event["timestamp"] == run.history[0]["timestamp"]]
    end = {"id": len(begun) + 1, "previousEventId": 0, "type": "ExecutionAborted", "timestamp": T0}
    aborted = [*begun, {**end, "executionAbortedEventDetails": {"cause": "enough"}}]
    served = Served(aborted, run.machine)
    assert [(job.state, job.status) for job in served.jobs()] == [("Good", JobStatus.SUCCEEDED)]
    assert served.workflow.status_reason == "enough"
    served = Served([begun[0], {**aborted[-1], "id": 2}], run.machine)
    assert served.jobs() == ()


def slow_named(suffix: str) -> dict[str, Any]:
    states = {
        f"Rest{suffix}": {"Type": "Wait", "Seconds": 9, "Next": f"Late{suffix}"},
        f"Late{suffix}": task(),
    }
    return {"StartAt": f"Rest{suffix}", "States": states}


def test_flaw_map_and_parallel_events_were_unhandled():
    """A job in a failed iteration has failed, those beside it are aborted, and the Map's retry is another visit."""
    item = {"StartAt": "Bad", "States": {"Bad": task()}}
    retry = [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 1, "IntervalSeconds": 1}]
    states = {"M": {"Type": "Map", "ItemProcessor": item, "Retry": retry, "End": True}}
    run = simulate({"StartAt": "M", "States": states}, [1, 2], tasks=boom)
    served = Served(run.history, run.machine, 4)
    assert served.jobs() == run.jobs
    assert {job.status for job in served.workflow.jobs} <= {JobStatus.FAILED, JobStatus.ABORTED_DEPS_FAILED}


def test_flaw_evaluation_and_map_run_events_were_unhandled():
    """A JSONata expression that fails fails its job; a distributed Map's run belongs to the Map."""
    states = {"Bad": task(Arguments="{% $states.input.none.more %}")}
    run = simulate({"QueryLanguage": "JSONata", "StartAt": "Bad", "States": states}, {}, tasks=boom)
    assert "EvaluationFailed" in {event["type"] for event in run.history}
    (job,) = Served(run.history, run.machine, 2).jobs()
    assert (job.status, job.error) == (JobStatus.FAILED, "States.QueryEvaluationError")
    config = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    child = {"ProcessorConfig": config, "StartAt": "T", "States": {"T": task()}}
    states = {"M": {"Type": "Map", "ItemProcessor": child, "Next": "After"}, "After": task()}
    run = simulate({"StartAt": "M", "States": states}, [1], tasks=lambda call: call.input)
    assert "MapRunSucceeded" in {event["type"] for event in run.history}
    assert [job.state for job in Served(run.history, run.machine, 2).jobs()] == ["After"]


# Redrives: AWS goes on with what had failed, without entering it once more


def ending(type: str, details: dict[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
    member = f"{type[0].lower()}{type[1:]}EventDetails"
    return type, {} if details is None else {member: details}


def continued(history: Sequence[dict[str, Any]], *told: tuple[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """*history* and what follows, each event hanging on the one before it, a second apart."""
    events = list(history)
    for type, more in told:
        last = events[-1]
        at = last["timestamp"] + timedelta(seconds=1)
        events.append({"id": last["id"] + 1, "previousEventId": last["id"], "type": type, "timestamp": at, **more})
    return events


AGAIN = (
    ending("ExecutionRedriven", {"redriveCount": 1}),
    ending("ActivityScheduled", {"resource": "arn", "input": "{}"}),
    ending("ActivityStarted", {"workerName": "host-2"}),
)
DONE = (
    ending("ActivitySucceeded", {"output": '{"n": 2}'}),
    ("TaskStateExited", {"stateExitedEventDetails": {"name": "Bad", "output": '{"n": 2}'}}),
)


def folded(events: Sequence[dict[str, Any]], machine: StateMachine) -> JobFold:
    fold = JobFold(machine=machine)
    for event in Reader().read(events):
        fold.add(event)
    return fold


def stopped(history: list[dict[str, Any]], type: str) -> list[dict[str, Any]]:
    """*history* cut after its first start of an activity, and ended from outside."""
    begun = next(number for number, event in enumerate(history) if event["type"] == "ActivityStarted")
    return continued(history[: begun + 1], ending(type, {"cause": "enough"}))


@pytest.mark.parametrize("end", ["ExecutionFailed", "ExecutionAborted", "ExecutionTimedOut"])
def test_flaw_redriven_events_were_unhandled(end):
    """The visit that had failed or was stopped runs again: what has been is an attempt, what is now the job."""
    run = simulate({"StartAt": "Bad", "States": {"Bad": task()}}, {}, tasks=boom)
    history = run.history if end == "ExecutionFailed" else stopped(run.history, end)
    (before,) = folded(history, run.machine).jobs()
    (running,) = folded(continued(history, *AGAIN), run.machine).jobs()
    assert (running.id, running.status, running.container) == (before.id, JobStatus.RUNNING, "host-2")
    assert (running.stopped_at, running.error, running.status_reason) == (None, None, "")
    assert [(each.reason, each.stopped_at) for each in running.attempts] == [(before.status_reason, before.stopped_at)]
    (done,) = folded(continued(history, *AGAIN, *DONE), run.machine).jobs()
    assert (done.status, done.output, len(done.attempts)) == (JobStatus.SUCCEEDED, {"n": 2}, 1)


def test_a_redrive_inside_a_map_opens_the_map_again():
    """The Map around what had failed runs again, and ends well; what had succeeded stays as it was."""
    item = {"StartAt": "Bad", "States": {"Bad": task()}}
    states = {"M": {"Type": "Map", "ItemProcessor": item, "MaxConcurrency": 1, "End": True}}

    def second(call: Any) -> Any:
        if call.input == 2:
            raise TaskError("Boom", "it broke")
        return call.input

    run = simulate({"StartAt": "M", "States": states}, [1, 2], tasks=second)
    ends = (
        ("MapIterationSucceeded", {"mapIterationSucceededEventDetails": {"name": "M", "index": 1}}),
        ("MapStateSucceeded", {}),
        ("MapStateExited", {"stateExitedEventDetails": {"name": "M", "output": "[1, 2]"}}),
    )
    jobs = folded(continued(run.history, *AGAIN), run.machine).jobs(all_states=True)
    assert [(job.state, job.status) for job in jobs] == [
        ("M", JobStatus.RUNNING),
        ("Bad", JobStatus.SUCCEEDED),
        ("Bad", JobStatus.RUNNING),
    ]
    jobs = folded(continued(run.history, *AGAIN, *DONE, *ends), run.machine).jobs(all_states=True)
    assert [job.status for job in jobs] == [JobStatus.SUCCEEDED] * 3
    assert [len(job.attempts) for job in jobs] == [1, 0, 1]


def test_a_redrive_of_a_distributed_map_goes_on_with_its_run():
    """MapRunRedriven belongs to the Map, which runs again, and ends well."""
    config = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    child = {"ProcessorConfig": config, "StartAt": "Bad", "States": {"Bad": task()}}
    states = {"M": {"Type": "Map", "ItemProcessor": child, "End": True}}
    run = simulate({"StartAt": "M", "States": states}, [1], tasks=boom)
    redriven = ending("MapRunRedriven", {"mapRunArn": "arn", "redriveCount": 1})
    ends = (
        ending("MapRunSucceeded"),
        ("MapStateSucceeded", {}),
        ("MapStateExited", {"stateExitedEventDetails": {"name": "M", "output": "[1]"}}),
    )
    events = continued(run.history, AGAIN[0], redriven)
    (job,) = folded(events, run.machine).jobs(all_states=True)
    assert (job.status, len(job.attempts)) == (JobStatus.RUNNING, 1)
    (job,) = folded(continued(events, *ends), run.machine).jobs(all_states=True)
    assert (job.status, job.output) == (JobStatus.SUCCEEDED, [1])


def test_the_redrives_own_workflow_shows_all_and_its_last_job_fails_anew():
    """Served in pages: the jobs of the workflow that the redrive is, and the last job after a second failure."""
    run = simulate({"StartAt": "Bad", "States": {"Bad": task()}}, {}, tasks=boom)
    failed = ending("ActivityFailed", {"error": "Other", "cause": "worse"})
    events = continued(run.history, *AGAIN, failed, ending("ExecutionFailed", {"error": "Other", "cause": "worse"}))
    served = Served(events, run.machine, 3)
    served.workflow = served.store.save_workflow(
        attrs.evolve(served.workflow, id="w-2", revision=0, tags={EXECUTION_TAG: served.arn, REDRIVE_TAG: "1"})
    )
    (job,) = served.jobs()
    assert (job.status, job.error, [each.error for each in job.attempts]) == (JobStatus.FAILED, "Other", ["Boom"])
    assert pages.last_job(served.manager._calls, served.arn, JobFold(machine=run.machine)) == job
    assert served.manager.update_workflow_history(served.store.get_workflow("w-1")).last_job.error == "Boom"


# Histories recorded on AWS

FAILURES = ("Failed", "TimedOut", "ScheduleFailed", "StartFailed", "SubmitFailed")


def recorded() -> Iterator[tuple[str, StateMachine, list[dict[str, Any]]]]:
    """
    The histories in RECORDED_EXECUTIONS, in AWS's shape.

    It names a folder tree of JSON files with ``id``, ``definition`` and ``expected.events``, in which JSON text is its
    value and timestamps are left out; those recorded with damage, told by their ids, are passed over.
    """
    for file in sorted(Path(os.environ["RECORDED_EXECUTIONS"]).rglob("*.json")):
        case = json.loads(file.read_text(encoding="utf-8"))
        events = case.get("expected", {}).get("events")
        if events is not None and [event["id"] for event in events] == list(range(1, len(events) + 1)):
            yield case["id"], StateMachine.from_dict(case["definition"]), [as_aws_sends(event) for event in events]


def as_aws_sends(event: dict[str, Any]) -> dict[str, Any]:
    out = {**event, "timestamp": T0 + timedelta(seconds=event["id"])}
    for member, details in event.items():
        if isinstance(details, dict):
            out[member] = {key: dumps(value) if key in TEXT else value for key, value in details.items()}
            if "assignedVariables" in details:
                texts = {key: dumps(value) for key, value in details["assignedVariables"].items()}
                out[member]["assignedVariables"] = texts
            if "cause" in details and not isinstance(details["cause"], str):
                out[member]["cause"] = dumps(details["cause"])
    return out


TEXT = ("input", "output", "parameters")


def visits_by_links(events: Sequence[dict[str, Any]]) -> dict[int, list[dict[str, Any]]]:
    """The task events of each visit of a Task, found along previousEventId alone."""
    by_id = {event["id"]: event for event in events}
    found: dict[int, list[dict[str, Any]]] = {}
    for event in events:
        if event["type"] == "TaskStateEntered":
            found[event["id"]] = []
        elif any(event["type"] == f"{life}{end}" for life in LIVES for end in (*FAILURES, "Scheduled", "Succeeded")):
            before = by_id[event["previousEventId"]]
            while before["type"] != "TaskStateEntered":
                before = by_id[before["previousEventId"]]
            found[before["id"]].append(event)
    return found


def details_of(event: dict[str, Any]) -> dict[str, Any]:
    return next((value for key, value in event.items() if key.endswith("EventDetails")), {})


@pytest.mark.skipif("RECORDED_EXECUTIONS" not in os.environ, reason="RECORDED_EXECUTIONS names no folder")
def test_every_recorded_task_event_lands_in_the_job_of_its_own_visit():
    """Served in pages of seven: each visit of a Task has its job, with all its attempts, errors and causes."""
    cases = tasks = 0
    for name, machine, events in recorded():
        cases += 1
        jobs = {job.entered_event_id: job for job in Served(events, machine, 7).jobs()}
        for entered, told in visits_by_links(events).items():
            tasks += len(told)
            check_visit(name, jobs[entered], told)
    print(f"{cases} histories, {tasks} task events")
    assert cases


def expected_reason(event: dict[str, Any]) -> str:
    """For people: a title for a time-out, the last three lines of the cause, the error."""
    details = details_of(event)
    lines = (details.get("cause") or "").strip().splitlines()[-3:]
    title = ["Job timed out"] if event["type"].endswith("TimedOut") else []
    return "\n".join(part for part in (*title, *lines, details.get("error") or "") if part or part in lines)


def check_visit(name: str, job: Job, told: Sequence[dict[str, Any]]) -> None:
    failures = [details_of(event) for event in told if event["type"].endswith(FAILURES)]
    scheduled = sum(event["type"].endswith("Scheduled") for event in told)
    succeeded = any(event["type"].endswith("Succeeded") for event in told)
    assert len(job.attempts) == max(0, scheduled - 1), name
    errors = [attempt.error for attempt in job.attempts]
    reasons = [expected_reason(event) for event in told if event["type"].endswith(FAILURES)]
    assert [attempt.reason for attempt in job.attempts] == reasons[: len(job.attempts)], name
    if succeeded and told[-1]["type"].endswith("Succeeded"):
        assert job.status is not JobStatus.RUNNING, name
    if failures and not succeeded and len(failures) == scheduled:
        assert job.status_reason == reasons[-1], name
        assert [*errors, job.error] == [failure.get("error") for failure in failures], name
        assert job.cause == failures[-1].get("cause"), name
        assert job.status is JobStatus.FAILED, name
    else:
        assert errors == [failure.get("error") for failure in failures][: len(errors)], name


def test_a_reader_goes_on_where_it_ended():
    """The unit behind all that: ids without gaps, from the last one known."""
    run = simulate(kitchen_sink(), {}, tasks=lambda call: call.input)
    reader = Reader(5)
    assert [event.id for event in reader.read(run.history)] == []
    assert [event.id for event in reader.read(run.history[5:8])] == [6, 7, 8]
    assert [event.id for event in reader.read(run.history[8:])] == [event["id"] for event in run.history[8:]]
