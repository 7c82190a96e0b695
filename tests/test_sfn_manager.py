"""Step Functions: workflows from start to end, over a fake account."""

from __future__ import annotations

import json
import sys
import time
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import attrs
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from faults import Fault
from sfn_fake import T0, FakeStepFunctions, manager_of
from workflow_manager.asl import StateMachine
from workflow_manager.exceptions import (
    ConflictError,
    DefinitionError,
    InvalidValueError,
    NotFoundError,
    WorkflowStatusError,
)
from workflow_manager.managers.step_functions import Pacer
from workflow_manager.managers.step_functions.pacing import Rate
from workflow_manager.managers.step_functions.standing import Standing, advanced
from workflow_manager.models import JobStatus, WorkflowDefinition, WorkflowStatus
from workflow_manager.protocols import WorkflowManager
from workflow_manager.stores.memory import MemoryStore
from workflow_manager.testing import NEVER, TaskError, kitchen_sink


def definition(states: dict[str, Any], **fields: Any) -> WorkflowDefinition:
    machine = StateMachine.from_dict({"StartAt": next(iter(states)), "States": states, **fields})
    return WorkflowDefinition(name="order", state_machine=machine, manager="step-functions")


def task(next: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"Type": "Task", "Resource": "work", **({"Next": next} if next else {"End": True}), **fields}


WAIT = {"Type": "Wait", "Seconds": 60, "Next": "Work"}
SLOW = definition({"Rest": WAIT, "Work": task()})


@pytest.fixture
def fake() -> FakeStepFunctions:
    return FakeStepFunctions()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def manager(fake, store) -> Any:
    return manager_of(fake, store)


def failing(state: str) -> Any:
    """Tasks that echo, but for those of *state*."""

    def answer(call: Any) -> Any:
        if call.state == state:
            raise TaskError("Boom", "it broke")
        return call.input

    return answer


# Create and update


def test_it_is_a_workflow_manager(manager):
    """It has every method of the protocol."""
    assert isinstance(manager, WorkflowManager)


def test_a_workflow_from_start_to_end(fake, store, manager):
    """Queued when made, running when seen to run, succeeded with its output, its jobs on demand."""
    workflow = manager.create_workflow(SLOW, {"n": 1}, namespace="prod", queue="fast", tags={"team": "a"})
    assert (workflow.status, workflow.revision) == (WorkflowStatus.QUEUED, 1)
    assert (workflow.namespace, workflow.queue, workflow.tags, workflow.input) == (
        "prod",
        "fast",
        {"team": "a"},
        {"n": 1},
    )
    workflow = manager.update_workflow_summary(workflow)
    assert workflow.status is WorkflowStatus.RUNNING
    fake.advance(61)
    workflow = manager.update_workflow_summary(workflow)
    assert workflow.status is WorkflowStatus.SUCCEEDED
    assert workflow.output == {"n": 1, "_EXECUTION_NAME": workflow.id}
    assert (workflow.stopped_at, workflow.resolved_by_user) == (T0 + timedelta(seconds=60), True)
    workflow = manager.update_workflow_history(workflow)
    assert [(job.state, job.status) for job in workflow.jobs] == [("Work", JobStatus.SUCCEEDED)]
    assert workflow.is_done


def test_calls_to_update(fake, manager):
    """A running workflow takes one call, one that has ended none, one that is seen to have failed one more."""
    fake.tasks = failing("Work")
    workflow = manager.create_workflow(SLOW, {})
    fake.calls.clear()
    manager.update_workflow_summary(workflow)
    assert fake.calls == ["DescribeExecution"]
    fake.advance(61)
    fake.calls.clear()
    workflow = manager.update_workflow_summary(workflow)
    assert fake.calls == ["DescribeExecution", "GetExecutionHistory"]
    assert (workflow.status_reason, workflow.last_job.state) == ("Boom: it broke", "Work")
    fake.calls.clear()
    assert manager.update_workflow_summary(workflow) == workflow
    assert fake.calls == []


def test_an_update_that_sees_nothing_new_writes_nothing(fake, store, manager):
    """A saved workflow moves to the end of those that wait; it does so only when there is something to say."""
    workflow = manager.update_workflow_summary(manager.create_workflow(SLOW, {}))
    assert manager.update_workflow_summary(workflow).revision == workflow.revision


def test_calls_to_update_the_history(fake, manager):
    """The first look reads it all, the next asks for one page, and after the end for nothing."""
    workflow = manager.create_workflow(SLOW, {})
    fake.calls.clear()
    manager.update_workflow_history(workflow)
    manager.update_workflow_history(workflow)
    fake.advance(61)
    workflow = manager.update_workflow_history(workflow)
    assert fake.calls == ["GetExecutionHistory"] * 3
    assert (workflow.status, workflow.output["_EXECUTION_NAME"]) == (WorkflowStatus.SUCCEEDED, workflow.id)
    manager.update_workflow_history(workflow)
    assert len(fake.calls) == 3


def test_another_process_asks_only_for_what_is_new(fake, store, manager):
    """The store keeps what AWS has told: whoever comes next goes on from there, and after AWS has forgotten."""
    workflow = manager.create_workflow(SLOW, {})
    manager.update_workflow_history(workflow)
    fake.advance(61)
    other = manager_of(fake, store)
    workflow = other.update_workflow_history(workflow)
    reverse = [body.get("reverseOrder", False) for name, body in fake.requests if name == "GetExecutionHistory"]
    assert reverse == [False, True]
    fake.runs.clear()
    assert manager_of(fake, store).update_workflow_history(workflow).jobs == workflow.jobs
    assert [event.id for event in store.read_history(workflow.id)] == list(range(1, 10))


@pytest.mark.parametrize(
    ("end", "status", "error", "cause", "reason"),
    [
        ({"Type": "Fail", "Error": "E", "Cause": "C"}, WorkflowStatus.FAILED, "E", "C", "E: C"),
        ({"Type": "Fail"}, WorkflowStatus.FAILED, None, None, ""),
    ],
)
def test_flaw_error_and_cause_were_lost_s12(fake, manager, end, status, error, cause, reason):
    """What the execution says of its end is kept."""
    workflow = manager.update_workflow_summary(manager.create_workflow(definition({"F": end}), {}))
    assert (workflow.status, workflow.error, workflow.cause, workflow.status_reason) == (status, error, cause, reason)
    assert not workflow.resolved_by_user


def test_a_time_out_is_a_failure_with_a_reason(fake, manager):
    """TIMED_OUT reads "Workflow timed out", and the open job has failed."""
    fake.tasks = lambda call: NEVER
    workflow = manager.create_workflow(definition({"A": task()}, TimeoutSeconds=5), {})
    fake.advance(6)
    workflow = manager.update_workflow_history(workflow)
    assert (workflow.status, workflow.status_reason) == (WorkflowStatus.FAILED, "Workflow timed out")
    assert [job.status for job in workflow.jobs] == [JobStatus.FAILED]


def test_a_resource_that_is_not_there_is_said_in_words(fake, manager):
    """AWS calls it an internal error; the reason tells what it means, then what AWS said."""
    workflow = manager.create_workflow(SLOW, {})
    said = Standing(status="FAILED", error="States.Runtime", cause="Internal Error (x)")
    found = advanced(workflow, said, fake.now)
    assert found.status_reason == "State resource does not exist\nStates.Runtime: Internal Error (x)"


STATUSES = {
    "RUNNING": WorkflowStatus.RUNNING,
    "PENDING_REDRIVE": WorkflowStatus.RUNNING,
    "SUCCEEDED": WorkflowStatus.SUCCEEDED,
    "FAILED": WorkflowStatus.FAILED,
    "TIMED_OUT": WorkflowStatus.FAILED,
    "ABORTED": WorkflowStatus.CANCELLED,
}


def test_flaw_pending_redrive_was_queued_s11(fake, manager, caplog):
    """Every status of AWS's is one of ours; an unknown one changes nothing and is told once."""
    import boto3

    model = boto3.Session(region_name="eu-west-1").client("stepfunctions").meta.service_model
    assert set(model.shape_for("ExecutionStatus").enum) == set(STATUSES)
    workflow = manager.create_workflow(SLOW, {})
    found = {status: advanced(workflow, Standing(status=status), fake.now).status for status in STATUSES}
    assert found == STATUSES
    for _ in range(2):
        assert advanced(workflow, Standing(status="DREAMING"), fake.now) is workflow
    assert caplog.text.count("DREAMING") == 1


@pytest.mark.parametrize("value", [None, [], [1], "text", 7, {}])
def test_flaw_input_null_panics_s8(fake, manager, value):
    """Any JSON may be an input; only objects get the execution's name."""
    workflow = manager.create_workflow(definition({"A": task()}), value)
    expected = {"_EXECUTION_NAME": workflow.id} if value == {} else value
    found = manager.update_workflow_summary(workflow)
    assert (found.input, found.output) == (value, expected)


def test_what_cannot_run_is_refused_before_anything_is_done(fake, store, manager):
    """A broken definition, an input that is no JSON: no call, no record."""
    with pytest.raises(DefinitionError):
        manager.create_workflow(definition({"A": task("Nowhere")}), {})
    with pytest.raises(InvalidValueError):
        manager.create_workflow(SLOW, {"a": {1, 2}})
    assert (fake.calls, store.list_pending()) == ([], ())


# Executions that AWS does not show


def test_what_aws_does_not_show_is_tolerated_for_five_minutes(fake, store, manager):
    """Then it has failed, with a reason that says so; meanwhile nothing is saved, because that would start anew."""
    workflow = manager.create_workflow(SLOW, {})
    fake.runs.clear()
    fake.advance(299)
    assert manager.update_workflow_summary(workflow) == workflow
    assert manager.update_workflow_history(workflow).revision == workflow.revision
    fake.advance(2)
    found = manager.update_workflow_summary(workflow)
    assert (found.status, found.error) == (WorkflowStatus.FAILED, "ExecutionDoesNotExist")
    assert "knows no such execution" in found.status_reason


def test_an_execution_that_is_seen_late_is_seen(fake, manager):
    """AWS shows with a delay what it has started."""
    fake.lag = 100
    workflow = manager.create_workflow(SLOW, {})
    assert manager.update_workflow_summary(workflow).status is WorkflowStatus.QUEUED
    fake.advance(120)
    assert manager.update_workflow_summary(workflow).status is WorkflowStatus.SUCCEEDED


# Idempotency


def test_a_second_create_with_the_same_key_is_the_first(fake, manager):
    """Same key and definition: same workflow, one execution; another key is another."""
    first = manager.create_workflow(SLOW, {"n": 1}, idempotency_key="k")
    again = manager.create_workflow(SLOW, {"n": 1}, idempotency_key="k")
    assert (first.id, fake.starts) == (again.id, 1)
    assert manager.create_workflow(SLOW, {"n": 1}, idempotency_key="other").id != first.id


def test_a_key_whose_first_caller_died_is_started_by_the_second(fake, store, manager):
    """A record without an execution is settled by whoever comes with the same key, on the machine that it names."""
    first = manager.create_workflow(SLOW, {"n": 1}, idempotency_key="k")
    fake.runs.clear()
    again = manager_of(fake, store).create_workflow(SLOW, {"n": 1}, idempotency_key="k")
    assert (again.id, len(fake.runs)) == (first.id, 1)
    assert manager.update_workflow_summary(again).status is WorkflowStatus.RUNNING


def test_an_execution_of_the_same_name_with_another_input_is_a_conflict(fake, store, manager):
    """An id that somebody else has used is not taken for ours, and nothing is left in the store."""
    first = manager.create_workflow(SLOW, {"n": 1}, idempotency_key="k")
    store.delete_workflow(first.id)
    with pytest.raises(ConflictError):
        manager.create_workflow(SLOW, {"n": 2}, idempotency_key="k")
    assert store.list_pending() == ()


# Starts that fail


def test_flaw_a_failed_start_left_a_stray_record_s9(fake, store, manager):
    """What AWS refuses is taken back, and its error goes to the caller."""
    fake.refuse["StartExecution"] = "ExecutionLimitExceeded"
    with pytest.raises(Exception, match="ExecutionLimitExceeded"):
        manager.create_workflow(SLOW, {})
    assert store.list_pending() == ()


def test_flaw_a_failed_start_of_a_retry_left_a_stray_record_s9(fake, store, manager):
    """On retry and redrive too; the original does not name what is not there."""
    fake.tasks = failing("Work")
    workflow = manager.create_workflow(SLOW, {})
    fake.advance(61)
    fake.refuse.update(StartExecution="ExecutionLimitExceeded", RedriveExecution="ExecutionLimitExceeded")
    for arguments in ({}, {"start_at": "Work"}):
        with pytest.raises(Exception, match="ExecutionLimitExceeded"):
            manager.retry_workflow(workflow, **arguments)
    assert store.list_pending() == ()
    assert store.get_workflow(workflow.id).retries == ()


LOST_AND_BLIND = {"StartExecution": Fault.LOST, "DescribeExecution": Fault.FAILED}


def test_a_start_whose_answers_are_all_lost_is_looked_up(fake, store, manager):
    """Nobody was told that it runs, but AWS shows it: the caller gets the workflow, not an error."""
    fake.plan = lambda number, operation: Fault.LOST if operation == "StartExecution" else None
    workflow = manager.create_workflow(SLOW, {})
    assert (fake.starts, store.list_pending()) == (1, (workflow.id,))


@pytest.mark.parametrize("then", [Fault.THROTTLED, Fault.REFUSED])
@pytest.mark.parametrize("lag", [0, 0.1])
def test_what_botocore_repeats_unseen_is_looked_up(fake, store, then, lag, monkeypatch):
    """Its first attempt starts it, its second is refused, and it shows only that: the record is not taken back."""
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda seconds: None, time=time.time))
    fake.lag = lag
    lost = iter([Fault.LOST])
    fake.plan = lambda number, operation: next(lost, then) if operation == "StartExecution" else None
    workflow = manager_of(fake, store, client=fake.client(3)).create_workflow(SLOW, {})
    assert (fake.starts, store.list_pending()) == (1, (workflow.id,))


def test_errors_of_any_shape_are_only_errors(fake, store):
    """What a client of somebody else's making raises is taken apart without stumbling, and nothing is left."""

    class Odd(Exception):
        response = None

    class Client:
        def describe_state_machine(self, **_: Any) -> Any:
            raise NotThere

        def create_state_machine(self, **_: Any) -> Any:
            return {}

        def start_execution(self, **_: Any) -> Any:
            raise Odd("what?")

    class NotThere(Exception):
        response = {"Error": {"Code": "StateMachineDoesNotExist"}}

    with pytest.raises(Odd):
        manager_of(fake, store, client=Client()).create_workflow(SLOW, {})
    assert store.list_pending() == ()


def test_what_botocore_has_not_done_leaves_no_record(fake, store, monkeypatch):
    """It was throttled again and again, and AWS shows no execution: nothing was started, and nothing is left."""
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda seconds: None, time=time.time))
    fake.plan = lambda number, operation: Fault.THROTTLED if operation == "StartExecution" else None
    with pytest.raises(Exception, match="ThrottlingException"):
        manager_of(fake, store, client=fake.client(3)).create_workflow(SLOW, {})
    assert (fake.starts, store.list_pending()) == (0, ())


def test_a_creator_that_is_refused_leaves_what_another_has_started(fake, store, manager):
    """Two come with one key: one is throttled until it gives up, the other gets through; one workflow, recorded."""
    found = []

    def plan(number: int, operation: str) -> Fault | None:
        if operation != "StartExecution" or found:
            return Fault.THROTTLED if found else None
        found.append(None)  # what follows is the other's
        fake.plan = lambda number, operation: None
        found[0] = manager_of(fake, store).create_workflow(SLOW, {"n": 1}, idempotency_key="k")
        fake.plan = plan
        return Fault.THROTTLED

    fake.plan = plan
    first = manager.create_workflow(SLOW, {"n": 1}, idempotency_key="k")
    assert (first.id, fake.starts) == (found[0].id, 1)
    assert store.list_pending() == (first.id,)


@pytest.mark.parametrize("unreachable", [False, True])
def test_what_may_run_on_a_machine_that_goes_is_started_on_no_other(fake, store, manager, unreachable):
    """The answer is lost, then the machine is being deleted, and AWS shows nothing: the record stays, nothing else."""
    manager.create_workflow(SLOW, {})
    (machine,) = fake.machines.values()
    fake.lag = 1000
    starts = iter([Fault.LOST])

    def plan(number: int, operation: str) -> Fault | None:
        if operation == "DescribeStateMachine" and unreachable:
            return Fault.FAILED
        if operation != "StartExecution":
            return None
        fault = next(starts, None)
        machine.update({} if fault else {"status": "DELETING"})
        return fault

    fake.plan = plan
    with pytest.raises(Exception, match="InternalServerError" if unreachable else "not as expected"):
        manager.create_workflow(SLOW, {"n": 1})
    assert (fake.starts, len(store.list_pending())) == (2, 2)


def test_what_its_creator_has_taken_back_meanwhile_is_recorded_by_who_started_it(fake, store, manager):
    """Whoever settles a record and finds it gone afterwards writes it anew."""
    first = manager.create_workflow(SLOW, {"n": 1}, idempotency_key="k")
    fake.runs.clear()

    def plan(number: int, operation: str) -> None:
        store.delete_workflow(first.id)

    fake.plan = plan
    again = manager_of(fake, store).create_workflow(SLOW, {"n": 1}, idempotency_key="k")
    assert (again.id, len(fake.runs), store.list_pending()) == (first.id, 1, (first.id,))


def test_a_key_of_a_workflow_that_ran_starts_nothing(fake, store, manager):
    """Once it was seen to run, and once AWS may have forgotten its name, a second create is only a look."""
    first = manager.update_workflow_summary(manager.create_workflow(SLOW, {}, idempotency_key="k"))
    other = manager.create_workflow(SLOW, {}, idempotency_key="old")
    fake.runs.clear()
    fake.calls.clear()
    assert manager.create_workflow(SLOW, {}, idempotency_key="k") == first
    fake.advance(91 * 86400)
    assert manager.create_workflow(SLOW, {}, idempotency_key="old") == other
    assert (fake.calls, fake.starts) == ([], 2)


def test_a_start_that_nobody_knows_of_keeps_its_record(fake, store, manager):
    """No answer to any try: the record stays, and an update finds out that it runs."""
    fake.plan = lambda number, operation: LOST_AND_BLIND.get(operation)
    with pytest.raises(Exception, match="Connection was closed"):
        manager.create_workflow(SLOW, {})
    fake.plan = lambda number, operation: None
    (left,) = store.list_pending()
    assert fake.starts == 1
    assert manager.update_workflow_summary(store.get_workflow(left)).status.is_final is False


# Cancel


def test_cancel_ends_the_execution_with_its_reason(fake, manager):
    """Stop, then look: cancelled, the reason kept, the open jobs aborted by the user."""
    workflow = manager.update_workflow_summary(manager.create_workflow(SLOW, {}))
    fake.calls.clear()
    workflow = manager.cancel_workflow(workflow, reason="not wanted")
    assert fake.calls == ["StopExecution", "DescribeExecution"]
    assert (workflow.status, workflow.status_reason) == (WorkflowStatus.CANCELLED, "not wanted")
    assert workflow.resolved_by_user
    assert manager.cancel_workflow(workflow, reason="again") == workflow


@pytest.mark.parametrize("state", ["Work", "Nothing"])
def test_cancel_is_refused_once_it_has_ended(fake, manager, state):
    """Succeeded or failed, seen or not yet seen."""
    fake.tasks = failing(state)
    for seen in (True, False):
        workflow = manager.create_workflow(SLOW, {})
        fake.advance(61)
        if seen:
            manager.update_workflow_summary(workflow)
        with pytest.raises(WorkflowStatusError):
            manager.cancel_workflow(workflow, reason="too late")
        found = manager.update_workflow_summary(workflow)
        assert found.resolved_by_user == (found.status is WorkflowStatus.SUCCEEDED)
        assert found.status_reason == ("Boom: it broke" if state == "Work" else "")


def test_a_cancel_that_was_not_carried_out_is_carried_out_by_the_next_update(fake, store, manager):
    """The reason and resolved_by_user are saved before the stop; an update stops what should have ended."""
    workflow = manager.update_workflow_summary(manager.create_workflow(SLOW, {}))
    fake.refuse["StopExecution"] = "AccessDeniedException"
    with pytest.raises(Exception, match="AccessDenied"):
        manager.cancel_workflow(workflow, reason="not wanted")
    found = manager.update_workflow_summary(workflow)
    assert (found.status, found.status_reason, found.resolved_by_user) == (WorkflowStatus.RUNNING, "not wanted", True)
    fake.refuse.clear()
    manager.update_workflow_summary(workflow)
    assert manager.update_workflow_summary(workflow).status is WorkflowStatus.CANCELLED


def test_a_cancel_of_what_aws_does_not_show_waits_for_it(fake, manager):
    """An execution that is seen late is stopped when it is seen; one that never comes is cancelled after a while."""
    fake.lag = 30
    workflow = manager.create_workflow(SLOW, {})
    assert manager.cancel_workflow(workflow, reason="no").status is WorkflowStatus.QUEUED
    fake.advance(31)
    manager.update_workflow_summary(workflow)
    assert manager.update_workflow_summary(workflow).status is WorkflowStatus.CANCELLED
    other = manager.create_workflow(SLOW, {})
    fake.runs.clear()
    manager.cancel_workflow(other, reason="no")
    fake.advance(301)
    assert manager.update_workflow_summary(other).status is WorkflowStatus.CANCELLED


# Retry


def test_a_retry_redrives_where_aws_allows_it(fake, store, manager):
    """Nothing is said, nothing has changed: the execution goes on, and the result says that it is that one."""
    fake.tasks = failing("Work")
    workflow = manager.create_workflow(SLOW, {"n": 1})
    fake.advance(61)
    workflow = manager.update_workflow_history(workflow)
    fake.tasks = lambda call: call.input
    retry = manager.retry_workflow(workflow)
    assert (fake.redriven, fake.starts, manager.is_redrive(retry), manager.is_redrive(workflow)) == (1, 1, True, False)
    assert manager.execution_arn(retry) == manager.execution_arn(workflow)
    assert (retry.retry_for, store.get_workflow(workflow.id).retries) == (workflow.id, (retry.id,))
    retry = manager.update_workflow_history(retry)
    assert retry.status is WorkflowStatus.SUCCEEDED
    assert [job.status for job in retry.jobs] == [JobStatus.FAILED, JobStatus.SUCCEEDED]
    again = manager.update_workflow_history(workflow)
    assert (again.status, again.jobs) == (workflow.status, workflow.jobs)  # what had failed stays so


def test_a_history_that_is_read_after_the_redrive_ends_before_it(fake, store, manager):
    """What the redrive does belongs to the workflow that the redrive is."""
    fake.tasks = failing("Work")
    workflow = manager.create_workflow(SLOW, {"n": 1})
    fake.advance(61)
    workflow = manager.update_workflow_summary(workflow)
    retry = manager.retry_workflow(workflow)
    workflow = manager_of(fake, store).update_workflow_history(workflow)
    assert [job.status for job in workflow.jobs] == [JobStatus.FAILED]
    again = manager.retry_workflow(manager.update_workflow_history(retry))
    assert again.tags["workflow-manager:redrive"] == "2"
    fake.advance(1)
    assert len(manager.update_workflow_history(again).jobs) == 3


def test_a_redrive_that_aws_refuses_is_a_new_execution(fake, store, manager):
    """Refused when asked, refused when looked at: it starts at the state that failed, on a machine of its own."""
    fake.tasks = failing("Work")
    workflow = manager.create_workflow(SLOW, {"n": 1})
    fake.advance(61)
    fake.refuse["RedriveExecution"] = "ExecutionNotRedrivable"
    retry = manager.retry_workflow(workflow)
    assert (retry.start_at, manager.is_redrive(retry), fake.starts) == ("Work", False, 2)
    assert [machine["name"] for machine in fake.machines.values()] == ["--order--0--Rest", "--order--0--Work"]
    assert retry.input == {"n": 1, "_EXECUTION_NAME": workflow.id}
    fake.tasks = lambda call: call.input
    fake.refuse.clear()
    assert store.list_pending() == (retry.id,)


def test_two_retries_at_once_redrive_once(fake, store, manager):
    """Whoever comes second, before or after the first has been linked, hears that a retry is going."""
    fake.tasks = failing("Rest")
    states = {"Work": task("Rest"), "Rest": task()}
    workflow = manager.create_workflow(definition(states), {"n": 1})
    manager.update_workflow_summary(workflow)
    slow = {"Type": "Wait", "Seconds": 60, "End": True}
    machine = fake.machines[next(iter(fake.runs.values())).machine_arn]
    next(iter(fake.runs.values())).definition = json.dumps({**json.loads(machine["definition"])} | slow_end(slow))
    others = []

    def plan(number: int, operation: str) -> None:
        if operation == "RedriveExecution" and not others:
            others.append(None)
            others[0] = manager_of(fake, store).retry_workflow(workflow)

    fake.plan = plan
    with pytest.raises(WorkflowStatusError):
        manager.retry_workflow(workflow)
    store.save_workflow(attrs.evolve(store.get_workflow(workflow.id), retries=()))  # as if it had not been linked yet
    with pytest.raises(WorkflowStatusError):
        manager.retry_workflow(workflow)
    assert (fake.redriven, fake.starts, store.list_pending()) == (1, 1, (others[0].id,))


def slow_end(state: dict[str, Any]) -> dict[str, Any]:
    return {"States": {"Work": task("Rest"), "Rest": state}}


def test_a_redrive_whose_answers_are_all_lost_is_looked_up(fake, store, manager):
    """AWS shows the redrive, so it was made: by this one, once."""
    fake.tasks = failing("Work")
    workflow = manager.create_workflow(SLOW, {})
    fake.advance(61)
    fake.plan = lambda number, operation: Fault.LOST if operation == "RedriveExecution" else None
    retry = manager.retry_workflow(workflow)
    assert (fake.redriven, manager.is_redrive(retry)) == (1, True)


def test_a_retry_that_has_ended_unseen_is_looked_at(fake, manager):
    """Whether one of its retries is still going is what AWS says, not what was last seen."""
    fake.tasks = failing("Work")
    workflow = manager.create_workflow(SLOW, {})
    fake.advance(61)
    manager.retry_workflow(workflow, start_at="Rest", input={})
    fake.advance(61)
    assert manager.retry_workflow(workflow, start_at="Rest", input={}).retry_for == workflow.id


def test_a_retry_from_a_state_with_an_input(fake, store, manager):
    """What is said counts: a trimmed machine, the given input, the tags and the namespace of the original."""
    workflow = manager.create_workflow(SLOW, {"n": 1}, namespace="prod", queue="q", tags={"a": "b"})
    fake.advance(61)
    retry = manager.retry_workflow(workflow, start_at="Work", input={"n": 2})
    assert (retry.namespace, retry.queue, retry.tags) == ("prod", "q", {"a": "b"})
    assert manager.update_workflow_summary(retry).output == {"n": 2, "_EXECUTION_NAME": retry.id}
    assert manager.retry_workflow(retry, start_at="Rest", input={}).start_at == ""


def test_flaw_a_retry_takes_the_latest_input_r2(fake, manager):
    """A state that was visited three times is retried with what it was given last, not first."""
    rule = {"Variable": "$.n", "NumericLessThan": 3, "Next": "Add"}
    machine = definition(
        {
            "Add": {"Type": "Pass", "Parameters": {"n.$": "States.MathAdd($.n, 1)"}, "Next": "Work"},
            "Work": task("More"),
            "More": {"Type": "Choice", "Choices": [rule], "Default": "End"},
            "End": {"Type": "Succeed"},
        }
    )
    workflow = manager.create_workflow(machine, {"n": 0})
    assert manager.retry_workflow(workflow, start_at="Work").input == {"n": 3}


def test_what_was_never_entered_needs_an_input(fake, manager):
    """And what is no state cannot be retried from (R3); one that never got anywhere begins with its own input."""
    fake.tasks = failing("First")
    fake.refuse["RedriveExecution"] = "ExecutionNotRedrivable"
    workflow = manager.create_workflow(definition({"First": task("Second"), "Second": task()}), {"n": 1})
    with pytest.raises(InvalidValueError, match="never entered"):
        manager.retry_workflow(workflow, start_at="Second")
    with pytest.raises(InvalidValueError, match="no state 'Third'"):
        manager.retry_workflow(workflow, start_at="Third", input={})
    assert manager.retry_workflow(workflow).start_at == ""


def test_an_active_workflow_is_not_retried(fake, manager):
    """Nor one whose retry is still going (R1, R4); one that has ended unseen may be."""
    fake.tasks = failing("Work")
    workflow = manager.create_workflow(SLOW, {})
    with pytest.raises(WorkflowStatusError):
        manager.retry_workflow(workflow)
    fake.advance(61)
    retry = manager.retry_workflow(workflow, start_at="Rest", input={})
    with pytest.raises(WorkflowStatusError):
        manager.retry_workflow(workflow)
    fake.advance(61)
    manager.update_workflow_summary(retry)
    manager.retry_workflow(workflow)


def test_a_retry_inside_a_map_starts_at_the_map(fake, manager):
    """The state that failed is the one of the top level that holds it."""
    fake.tasks = failing("Inner")
    fake.refuse["RedriveExecution"] = "ExecutionNotRedrivable"
    inner = {"StartAt": "Inner", "States": {"Inner": task()}}
    machine = definition(
        {"P": {"Type": "Pass", "Next": "M"}, "M": {"Type": "Map", "ItemProcessor": inner, "End": True}}
    )
    workflow = manager.create_workflow(machine, [1, 2])
    retry = manager.retry_workflow(workflow)
    assert (retry.start_at, retry.input) == ("M", [1, 2])


# Many


def test_update_many_is_paced(fake, store):
    """A thousand looks at 15 a second after a burst of 300 take AWS's time, and all are right."""
    seconds = [0.0]
    pauses: list[float] = []

    def sleep(pause: float) -> None:
        pauses.append(pause)
        seconds[0] += pause

    pacer = Pacer({"describe_execution": Rate(300, 15)}, clock=lambda: seconds[0], sleep=sleep)
    manager = manager_of(fake, store, pacer=pacer)
    workflows = [manager.create_workflow(SLOW, {"n": n}) for n in range(330)]
    assert [found.status for found in manager.update_workflows(workflows)] == [WorkflowStatus.RUNNING] * 330
    assert seconds[0] == pytest.approx(30 / 15)
    pacer.slow_down("describe_execution")
    manager.update_workflows(workflows[:15])
    assert seconds[0] == pytest.approx(45 / 15)


def test_throttling_never_changes_a_status(fake, store, manager):
    """Whoever cannot be looked at now is returned as he is; nine refusals out of ten only take time, of the fake's."""
    states = {"Rest": {"Type": "Wait", "Seconds": 86_400, "End": True}}
    day = attrs.evolve(SLOW, state_machine=StateMachine.from_dict({"StartAt": "Rest", "States": states}))
    workflows = [manager.create_workflow(day, {"n": n}) for n in range(3)]
    fake.plan = lambda number, operation: Fault.THROTTLED
    assert manager.update_workflows(workflows) == tuple(workflows)
    fake.plan = lambda number, operation: Fault.THROTTLED if number % 10 else None
    found = manager.update_workflows(workflows, history=True)
    assert {each.status for each in found} <= {WorkflowStatus.RUNNING, WorkflowStatus.QUEUED}
    fake.plan = lambda number, operation: None
    fake.advance(86_401)
    assert {each.status for each in manager.update_workflows(workflows)} == {WorkflowStatus.SUCCEEDED}


def test_a_workflow_that_is_not_there_is_not_found(manager, fake):
    """A workflow of another store is no workflow here."""
    workflow = manager.create_workflow(SLOW, {})
    with pytest.raises(NotFoundError):
        manager_of(fake, MemoryStore()).update_workflow_summary(workflow)


def test_flaw_an_id_was_cut_and_collided_e6(fake, manager):
    """The id is the whole execution name; long names shorten the machine's, never the workflow's."""
    long = attrs.evolve(kitchen_sink(), name="x" * 200)
    first, second = (manager.create_workflow(long, {}, namespace="prod") for _ in range(2))
    assert {run.name for run in fake.runs.values()} == {first.id, second.id}
    assert manager.update_workflow_summary(first).status is WorkflowStatus.SUCCEEDED


# Children


def test_map_runs_and_their_children(fake, manager):
    """Map runs, their child executions and those executions' jobs are looked at on demand."""
    config = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    child = {"StartAt": "Work", "States": {"Work": task()}}
    machine = definition({"M": {"Type": "Map", "ItemProcessor": {"ProcessorConfig": config, **child}, "End": True}})
    workflow = manager.create_workflow(machine, [{"n": 1}], namespace="prod")
    arn = manager.execution_arn(workflow)
    small = manager.create_workflow(definition(child["States"]), {"n": 1})
    listed = {
        "executionArn": manager.execution_arn(small),
        "stateMachineArn": "m",
        "name": small.id,
        "status": "SUCCEEDED",
        "startDate": 0,
        "itemCount": 1,
    }
    numbers = dict.fromkeys(
        "pending running succeeded failed timedOut aborted total resultsWritten failuresNotRedrivable".split(), 1
    )
    fake.map_runs["run"] = {
        "mapRunArn": "run",
        "executionArn": arn,
        "stateMachineArn": "m",
        "startDate": 0,
        "status": "SUCCEEDED",
        "maxConcurrency": 1,
        "toleratedFailurePercentage": 0,
        "toleratedFailureCount": 0,
        "itemCounts": numbers,
        "executionCounts": numbers,
        "children": [listed],
    }
    (run,) = manager.map_runs(workflow)
    assert (run.arn, run.status, run.item_counts["total"]) == ("run", "SUCCEEDED", 1)
    (found,) = manager.child_executions(run)
    assert (found.name, found.status, found.item_count) == (small.id, WorkflowStatus.SUCCEEDED, 1)
    (job,) = manager.child_jobs(workflow, found)
    assert (job.state, job.status, job.state_resource.name) == ("Work", JobStatus.SUCCEEDED, "work")
    express = attrs.evolve(found, arn=found.arn.replace(":execution:", ":express:"))
    fake.calls.clear()
    assert (manager.child_jobs(workflow, express), fake.calls) == ((), [])  # AWS keeps no history of it
