"""simulate: a definition in virtual time, its tasks answered by the caller."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import jsonata  # noqa: F401  # it raises the recursion limit
import pytest

from flows import ALL, LAMBDA, QUEUE, answers, echo, flow, for_each, parallel, step, task, wait
from workflow_manager.asl.machine import StateMachine
from workflow_manager.engine import Limits
from workflow_manager.exceptions import DefinitionError, InvalidValueError
from workflow_manager.models import JobStatus, WorkflowDefinition
from workflow_manager.testing import NEVER, Submitted, TaskCall, TaskError, kitchen_sink, simulate

DOCUMENT = flow(A=task("bake"), B=step())


# ---------------------------------------------------------------- what goes in
@pytest.mark.parametrize(
    "definition",
    [
        DOCUMENT,
        json.dumps(DOCUMENT),
        StateMachine.from_dict(DOCUMENT),
        WorkflowDefinition(name="bakery", state_machine=StateMachine.from_dict(DOCUMENT)),
    ],
)
def test_a_definition_in_any_form(definition: Any) -> None:
    """A mapping, JSON text, a machine or a whole definition."""
    ran = simulate(definition, {"n": 1}, tasks=echo)
    assert (ran.status, ran.output) == ("SUCCEEDED", {"n": 1})
    assert ran.machine.start_at == "A"


def test_a_definition_that_cannot_run_is_refused() -> None:
    """Every problem is told before anything runs; a warning is none."""
    with pytest.raises(DefinitionError) as raised:
        simulate({"StartAt": "X", "States": {"A": {"Type": "Pass", "Next": "Y"}}})
    assert {problem.code for problem in raised.value.problems} >= {"MISSING_TRANSITION_TARGET"}
    assert len(raised.value.problems) > 1
    with pytest.raises(DefinitionError):
        simulate("{")
    distributed = for_each({"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}, **flow(A=step())})
    with pytest.raises(DefinitionError, match="Express"):
        simulate(flow(Each=distributed), [], type="EXPRESS")


def test_inputs_and_answers_must_be_json() -> None:
    """The place is told; tuples become lists, and what was handed over is not touched."""
    with pytest.raises(InvalidValueError, match="/a"):
        simulate(DOCUMENT, {"a": {1, 2}}, tasks=echo)
    with pytest.raises(InvalidValueError, match="state 'A'"):
        simulate(DOCUMENT, 1, tasks=answers(object()))
    given = {"a": (1, 2)}
    assert simulate(DOCUMENT, given, tasks=echo).output == {"a": [1, 2]}
    assert given == {"a": (1, 2)}


def test_what_a_handler_does_to_its_input_stays_there() -> None:
    """Every call gets data of its own."""

    def spoil(call: TaskCall) -> Any:
        call.input["n"].append(2)
        return "done"

    ran = simulate(flow(A=task(ResultPath="$.r")), {"n": [1]}, tasks=spoil)
    assert ran.output == {"n": [1], "r": "done"}


# ---------------------------------------------------------------- who answers
def test_a_handler_is_told_of_every_task() -> None:
    """State, resource, input, token, attempt, limits and context."""
    calls: list[TaskCall] = []

    def handle(call: TaskCall) -> Any:
        calls.append(call)
        if call.attempt == 0:
            raise TaskError("Boom")
        return 5

    state = task(LAMBDA, TimeoutSeconds=60, HeartbeatSeconds=9, Parameters={"v.$": "$.n"}, Retry=[{"ErrorEquals": ALL}])
    simulate(flow(A=state), {"n": 1}, tasks=handle, name="mine")
    assert [(call.state, call.resource, call.input, call.attempt) for call in calls] == [
        ("A", LAMBDA, {"v": 1}, 0),
        ("A", LAMBDA, {"v": 1}, 1),
    ]
    assert (calls[0].timeout_seconds, calls[0].heartbeat_seconds) == (60, 9)
    assert [call.token for call in calls] == ["mine.2.0", "mine.2.1"]
    assert calls[1].context["State"] == {"Name": "A", "EnteredTime": "2026-01-01T00:00:00.000Z", "RetryCount": 1}


def test_a_mapping_answers_by_resource() -> None:
    """As LocalWorkflowManager takes it: functions of the input; any exception is a failure named by its class."""

    def bake(input: Any) -> Any:
        if input["n"] > 1:
            raise ValueError("too much")
        return input["n"]

    assert simulate(DOCUMENT, {"n": 1}, tasks={"bake": bake}).output == 1
    failed = simulate(DOCUMENT, {"n": 2}, tasks={"bake": bake})
    assert (failed.error, failed.cause) == ("ValueError", "too much")

    def refuse(input: Any) -> Any:
        raise TaskError("Burnt", "black")

    failed = simulate(DOCUMENT, {"n": 2}, tasks={"bake": refuse})
    assert (failed.error, failed.cause) == ("Burnt", "black")


@pytest.mark.parametrize("tasks", [None, {}, {"other": echo}])
def test_a_resource_that_nobody_answers(tasks: Any) -> None:
    """A mapping must have every resource that is reached; what is never reached is not missed."""
    with pytest.raises(LookupError, match="state 'A': tasks has nothing for the resource 'bake'"):
        simulate(DOCUMENT, 1, tasks=tasks)
    assert simulate(flow(B=step()), 1, tasks=tasks).output == 1


def test_other_exceptions_of_a_handler_pass_through() -> None:
    """They are the test's own: an assertion inside a handler must not become a failed task."""
    with pytest.raises(AssertionError, match="mine"):
        simulate(DOCUMENT, 1, tasks=answers(AssertionError("mine")))


# ---------------------------------------------------------------- answers of every kind
def test_two_answers() -> None:
    """Submitted gives the first answer as an event and the second as the end: a value, an error or none."""
    document = flow(A=task(QUEUE, TimeoutSeconds=60))
    assert simulate(document, {}, tasks=answers(Submitted({"id": 1}, 5))).output == 5
    failed = simulate(document, {}, tasks=answers(Submitted({"id": 1}, TaskError("Boom"))))
    assert failed.error == "Boom"
    late = simulate(document, {}, tasks=answers(Submitted({"id": 1}, NEVER)))
    assert (late.error, late.elapsed.total_seconds()) == ("States.Timeout", 60)
    assert [event["type"] for event in late.history].count("TaskSubmitted") == 1


def test_a_task_that_never_answers() -> None:
    """Its own time-out decides; without one the simulation ends with the execution still running."""
    running = simulate(flow(Fan=parallel(flow(A=task()), flow(B=wait(60)))), 1, tasks=answers(NEVER))
    assert (running.status, running.output, running.elapsed) == ("RUNNING", None, timedelta(minutes=1))
    assert [job.status for job in running.jobs] == [JobStatus.RUNNING]


# ---------------------------------------------------------------- virtual time
def test_thirty_days_take_no_time() -> None:
    """The clock is moved to the next thing that happens."""
    ran = simulate(flow(A=wait(30 * 86_400), B=task()), 1, tasks=echo)
    assert ran.elapsed == timedelta(days=30)
    assert ran.history[-1]["timestamp"] == datetime(2026, 1, 31, tzinfo=UTC)


def test_waits_end_in_the_order_of_their_times() -> None:
    """Whatever branch they are in."""
    branches = [flow(**{f"W{s}": wait(s), f"P{s}": step(Result=s)}) for s in (30, 10, 20)]
    ran = simulate(flow(Fan=parallel(*branches)), 1)
    left = [event.details["output"] for event in ran.events if event.type == "PassStateExited"]
    assert left == [10, 20, 30]
    assert (ran.output, ran.elapsed.total_seconds()) == ([30, 10, 20], 30)


def test_a_simulation_begins_when_it_is_told() -> None:
    """In UTC, whatever zone it is told in."""
    start = datetime(2026, 6, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    ran = simulate(flow(A=step(Parameters={"at.$": "$$.Execution.StartTime"})), {}, start=start)
    assert ran.output == {"at": "2026-06-01T10:00:00.000Z"}
    assert ran.events[0].timestamp == start


def test_a_simulation_is_the_same_every_time() -> None:
    """Down to its random numbers; another name draws others."""
    document = flow(A=step(Parameters={"id.$": "States.UUID()"}))
    assert simulate(document, {}).events == simulate(document, {}).events
    assert simulate(document, {}).output != simulate(document, {}, name="other").output


# ---------------------------------------------------------------- what comes out
def test_the_history_is_what_boto3_gives() -> None:
    """Data as JSON text, ids from 1, no event that AWS does not write."""
    retried = task("bake", Retry=[{"ErrorEquals": ALL}], Assign={"x": [1]})
    ran = simulate(flow(A=retried), {"n": 1}, tasks=answers(TaskError("Boom", "why"), "ä"))
    assert [event["id"] for event in ran.history] == list(range(1, 11))
    start, _, scheduled, _, failed, *_, left, end = ran.history
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    role = "arn:aws:iam::123456789012:role/workflow-manager"
    assert start == {
        "id": 1,
        "previousEventId": 0,
        "type": "ExecutionStarted",
        "timestamp": begin,
        "executionStartedEventDetails": {"input": '{"n":1}', "inputDetails": {"truncated": False}, "roleArn": role},
    }
    assert scheduled["activityScheduledEventDetails"]["input"] == '{"n":1}'
    assert failed["activityFailedEventDetails"] == {"error": "Boom", "cause": "why"}
    assert left["stateExitedEventDetails"]["assignedVariables"] == {"x": "[1]"}
    assert end["executionSucceededEventDetails"]["output"] == '"ä"'
    assert end["timestamp"] == begin + timedelta(seconds=1)


def test_names_may_come_from_an_arn() -> None:
    """The execution's name is the last part of its ARN."""
    arn = "arn:aws:states:eu-west-1:123456789012:execution:bakery:e-7"
    ran = simulate(
        flow(A=step(Parameters={"n.$": "$$.Execution.Name", "id.$": "$$.Execution.Id"})), {}, execution_arn=arn
    )
    assert ran.output == {"n": "e-7", "id": arn}


def test_limits_are_the_callers() -> None:
    """As AWS has them unless told otherwise."""
    ran = simulate(flow(A=step(Result="x" * 50)), 1, limits=Limits(payload_bytes=40))
    assert ran.error == "States.DataLimitExceeded"


def test_the_kitchen_sink_runs() -> None:
    """The definition that the testing room ships: three tasks, the first of which is retried."""
    ran = simulate(kitchen_sink(), {"n": 1}, tasks=answers(TaskError("Boom"), 1, 2, 3))
    assert ran.output == 3
    assert [(job.state, len(job.attempts)) for job in ran.jobs] == [
        ("start-state", 1),
        ("second-state", 0),
        ("end-state", 0),
    ]
    assert kitchen_sink("mine", "local").manager == "local"


def test_the_assign_of_a_choice_is_that_of_its_default() -> None:
    """Where a rule holds, what is wrong with the state's own Assign does no harm; Default evaluates it."""
    choice = {
        "Type": "Choice",
        "Choices": [{"Variable": "$.n", "NumericEquals": 1, "Next": "B"}],
        "Assign": {"v.$": "$.missing"},
        "OutputPath": "$.n",
        "Default": "B",
    }
    document = flow(A=choice, B=step())
    assert simulate(document, {"n": 1}).output == 1
    failed = simulate(document, {"n": 2})
    assert (failed.status, failed.error) == ("FAILED", "States.Runtime")
