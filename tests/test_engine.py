"""The engine: which events AWS writes, in which order, hanging on which; what tasks see; where it stops."""

from __future__ import annotations

import time
from typing import Any

import jsonata  # noqa: F401  # it raises the recursion limit
import pytest

from flows import (
    ACTIVITY,
    AT,
    LAMBDA,
    QUEUE,
    answers,
    begin,
    chain,
    echo,
    fail,
    flow,
    for_each,
    later,
    only,
    parallel,
    step,
    task,
    wait,
)
from workflow_manager.asl.machine import StateMachine
from workflow_manager.engine import (
    DEFAULT_ROLE_ARN,
    NO_LIMITS,
    Aborted,
    Execution,
    ExecutionStatus,
    Limits,
    Outcome,
    TaskFailed,
    TaskHeartbeat,
    TaskStarted,
    TaskSubmitted,
    TaskSucceeded,
    TimerFired,
    TimerKind,
)
from workflow_manager.testing import NEVER, Simulation, Submitted, TaskCall, TaskError, simulate


def token_of(execution: Execution) -> str:
    """The token of the one pending task."""
    (token,) = execution.pending_tasks
    return token


# ---------------------------------------------------------------- the order of events
@pytest.mark.parametrize(
    ("resource", "life"),
    [
        (LAMBDA, ["LambdaFunctionScheduled", "LambdaFunctionStarted", "LambdaFunctionSucceeded"]),
        (ACTIVITY, ["ActivityScheduled", "ActivityStarted", "ActivitySucceeded"]),
        ("bake", ["ActivityScheduled", "ActivityStarted", "ActivitySucceeded"]),
        ("arn:aws:states:::sqs:sendMessage", ["TaskScheduled", "TaskStarted", "TaskSucceeded"]),
    ],
)
def test_a_task_lives_by_the_events_of_its_kind(resource: str, life: list[str]) -> None:
    """Lambda functions, activities (and short names) and service integrations have events of their own."""
    ran = simulate(flow(Bake=task(resource)), {"n": 1}, tasks=echo)
    assert chain(ran) == [
        "1<0 ExecutionStarted",
        "2<0 TaskStateEntered Bake",
        f"3<2 {life[0]}",
        f"4<3 {life[1]}",
        f"5<4 {life[2]}",
        "6<5 TaskStateExited Bake",
        "7<6 ExecutionSucceeded",
    ]
    assert ran.output == {"n": 1}


def test_the_details_of_a_lambda_task() -> None:
    """Its input and its function are told when it is scheduled; its start tells nothing."""
    ran = simulate(flow(Bake=task(LAMBDA, TimeoutSeconds=9, HeartbeatSeconds=3)), {"n": 1}, tasks=answers(2))
    scheduled, started, succeeded = ran.events[2:5]
    assert scheduled.details == {
        "input": {"n": 1},
        "resource": LAMBDA,
        "timeoutInSeconds": 9,
        "heartbeatInSeconds": 3,
    }
    assert started.details is None
    assert succeeded.details == {"output": 2}


def test_the_details_of_a_service_task() -> None:
    """A service integration's events name action and service apart, the region and the role it assumes."""
    resource = "arn:aws:states:::aws-sdk:dynamodb:getItem"
    state = task(resource, Parameters={"Key.$": "$.n"}, Credentials={"RoleArn": "arn:aws:iam::1:role/x"})
    arn = "arn:aws:states:eu-north-1:123456789012:execution:bakery:e1"
    ran = simulate(flow(Get=state), {"n": 1}, tasks=answers({"Item": 3}), execution_arn=arn)
    about = {"resource": "getItem", "resourceType": "aws-sdk:dynamodb"}
    assert [event.details for event in ran.events[2:5]] == [
        {"parameters": {"Key": 1}, "region": "eu-north-1", "taskCredentials": {"roleArn": "arn:aws:iam::1:role/x"}}
        | about,
        about,
        {"output": {"Item": 3}, **about},
    ]


@pytest.mark.parametrize("pattern", ["sqs:sendMessage.waitForTaskToken", "batch:submitJob.sync"])
def test_the_first_answer_of_an_asynchronous_task_is_an_event(pattern: str) -> None:
    """A .sync or callback task is submitted before it succeeds; its result replaces the first answer."""
    ran = simulate(flow(Ask=task(f"arn:aws:states:::{pattern}")), {}, tasks=answers(Submitted({"id": 7}, "yes")))
    assert chain(ran)[2:6] == ["3<2 TaskScheduled", "4<3 TaskStarted", "5<4 TaskSubmitted", "6<5 TaskSucceeded"]
    assert only(ran, "TaskSubmitted")[0]["output"] == {"id": 7}
    assert ran.output == "yes"


def test_states_without_work_are_entered_and_left() -> None:
    """Pass, Choice, Wait and Succeed write two events each, one hanging on the other."""
    choice = {"Type": "Choice", "Choices": [{"Variable": "$.n", "NumericEquals": 1, "Next": "C"}]}
    ran = simulate(flow(A=step(), B=choice, C=wait(5), D={"Type": "Succeed"}), {"n": 1})
    assert chain(ran) == [
        "1<0 ExecutionStarted",
        "2<0 PassStateEntered A",
        "3<2 PassStateExited A",
        "4<3 ChoiceStateEntered B",
        "5<4 ChoiceStateExited B",
        "6<5 WaitStateEntered C",
        "7<6 WaitStateExited C",
        "8<7 SucceedStateEntered D",
        "9<8 SucceedStateExited D",
        "10<9 ExecutionSucceeded",
    ]
    assert ran.elapsed.total_seconds() == 5


def test_a_fail_state_is_entered_and_never_left() -> None:
    """A Fail state ends the execution with its error and cause; either may be absent."""
    ran = simulate(flow(F=fail("Burnt", "too hot")))
    assert chain(ran) == ["1<0 ExecutionStarted", "2<0 FailStateEntered F", "3<2 ExecutionFailed"]
    assert (ran.status, ran.error, ran.cause, ran.output) == ("FAILED", "Burnt", "too hot", None)
    bare = simulate(flow(F=fail()))
    assert (bare.status, bare.error, bare.cause) == ("FAILED", None, None)
    assert only(bare, "ExecutionFailed") == [{}]


def test_the_branches_of_a_parallel_take_turns() -> None:
    """Every branch hangs on ParallelStateStarted; both ends of the Parallel hang on what ended last."""
    ran = simulate(flow(Fan=parallel(flow(A=step(Result=1), B=step()), flow(C=step(Result=3)))), {})
    assert chain(ran)[2:] == [
        "3<2 ParallelStateStarted",
        "4<3 PassStateEntered A",
        "5<3 PassStateEntered C",
        "6<4 PassStateExited A",
        "7<5 PassStateExited C",
        "8<6 PassStateEntered B",
        "9<8 PassStateExited B",
        "10<9 ParallelStateSucceeded",
        "11<9 ParallelStateExited Fan",
        "12<11 ExecutionSucceeded",
    ]
    assert ran.output == [1, 3], "in the order of the branches, whichever ends first"
    assert [event.branch for event in ran.events[3:9]] == ["0", "1", "0", "1", "0", "0"]


def test_a_map_begins_its_iterations_at_once() -> None:
    """Without MaxConcurrency every iteration hangs on MapStateStarted; both ends of the Map hang on the last one's."""
    ran = simulate(flow(Each=for_each(flow(A=task()))), ["x", "y"], tasks=echo)
    assert chain(ran)[2:] == [
        "3<2 MapStateStarted",
        "4<3 MapIterationStarted Each[0]",
        "5<4 TaskStateEntered A",
        "6<3 MapIterationStarted Each[1]",
        "7<5 ActivityScheduled",
        "8<6 TaskStateEntered A",
        "9<8 ActivityScheduled",
        "10<7 ActivityStarted",
        "11<10 ActivitySucceeded",
        "12<11 TaskStateExited A",
        "13<12 MapIterationSucceeded Each[0]",
        "14<9 ActivityStarted",
        "15<14 ActivitySucceeded",
        "16<15 TaskStateExited A",
        "17<16 MapIterationSucceeded Each[1]",
        "18<17 MapStateSucceeded",
        "19<17 MapStateExited Each",
        "20<19 ExecutionSucceeded",
    ]
    assert only(ran, "MapStateStarted") == [{"length": 2}]


def test_with_a_limit_an_iteration_hangs_on_the_end_of_another() -> None:
    """Under MaxConcurrency the next iteration hangs on the last event of the one whose place it takes."""
    ran = simulate(flow(Each=for_each(flow(A=task()), MaxConcurrency=1)), [1, 2], tasks=echo)
    assert chain(ran)[8:11] == [
        "9<8 TaskStateExited A",
        "10<9 MapIterationSucceeded Each[0]",
        "11<9 MapIterationStarted Each[1]",
    ]


def test_a_map_over_nothing_succeeds_at_once() -> None:
    """An empty array of items gives an empty array of results."""
    ran = simulate(flow(Each=for_each(flow(A=task()))), [])
    assert chain(ran)[2:5] == ["3<2 MapStateStarted", "4<3 MapStateSucceeded", "5<3 MapStateExited Each"]
    assert ran.output == []


def test_nested_forks_name_their_branches() -> None:
    """A branch's path counts branches and iterations from the outside in."""
    inner = for_each(flow(A=step()), ItemsPath="$.items")
    ran = simulate(flow(Fan=parallel(flow(B=step()), flow(Each=inner))), {"items": [1, 2]})
    assert {event.branch for event in ran.events} == {"", "0", "1", "1/0", "1/1"}
    assert ran.output == [{"items": [1, 2]}, [1, 2]]


# ---------------------------------------------------------------- the context object
def test_the_context_object() -> None:
    """``$$`` tells of the execution, the state and the machine; of a task token only where one may be sent away."""
    seen: dict[str, Any] = {}

    def look(call: TaskCall) -> Any:
        seen[call.state] = call.context
        return Submitted(1, 2) if call.resource == QUEUE else None

    arn = "arn:aws:states:eu-west-1:123456789012:execution:bakery:e1"
    machine_arn = "arn:aws:states:eu-west-1:123456789012:stateMachine:bakery"
    options: dict[str, Any] = {"execution_arn": arn, "state_machine_arn": machine_arn, "role_arn": "arn:aws:iam::1:r"}
    document = flow(W=wait(3), A=task(), B=task(QUEUE))
    simulate(document, {"n": 1}, tasks=look, start=AT, **options)
    execution = {
        "Id": arn,
        "Input": {"n": 1},
        "Name": "e1",
        "RoleArn": "arn:aws:iam::1:r",
        "StartTime": "2026-03-01T12:30:15.250Z",
        "RedriveCount": 0,
    }
    state = {"EnteredTime": "2026-03-01T12:30:18.250Z", "Name": "A", "RetryCount": 0}
    machine = {"Id": machine_arn, "Name": "bakery"}
    assert seen["A"] == {"Execution": execution, "State": state, "StateMachine": machine}
    assert seen["B"]["Task"] == {"Token": "e1.9.0"}
    assert seen["B"]["State"]["Name"] == "B"


def test_names_and_arns_have_defaults() -> None:
    """Without ARNs the name makes them."""
    execution = begin(flow(A=task()), {}, name="mine")
    context = execution.context_of(token_of(execution))
    assert context["Execution"]["Id"] == "arn:aws:states:us-east-1:123456789012:execution:local:mine"
    assert context["Execution"]["RoleArn"] == DEFAULT_ROLE_ARN
    assert context["StateMachine"]["Name"] == "local"
    assert execution.name == "mine"
    with pytest.raises(KeyError):
        execution.context_of("mine.9.9")


def test_the_retry_count_counts_the_retries_of_this_visit() -> None:
    """``$$.State.RetryCount`` is 0 at the first try and counts up; a later visit begins at 0."""
    counts: list[Any] = []

    def look(call: TaskCall) -> Any:
        counts.append((call.state, call.attempt, call.context["State"]["RetryCount"]))
        if call.attempt < 2:
            raise TaskError("Boom")
        return {"again": len(counts) < 5}

    choice = {"Type": "Choice", "Choices": [{"Variable": "$.again", "BooleanEquals": True, "Next": "A"}]}
    retry = [{"ErrorEquals": ["Boom"]}]
    simulate(flow(A=task(Retry=retry), C={**choice, "Default": "D"}, D={"Type": "Succeed"}), {}, tasks=look)
    assert counts == [("A", 0, 0), ("A", 1, 1), ("A", 2, 2), ("A", 0, 0), ("A", 1, 1), ("A", 2, 2)]


def test_the_map_item_is_that_of_the_innermost_iteration() -> None:
    """``$$.Map.Item`` in a nested Map is the inner item; in a Parallel inside it is still the Map's."""
    picked = step(Parameters={"i.$": "$$.Map.Item.Index", "v.$": "$$.Map.Item.Value"})
    inner = for_each(flow(A=picked))
    ran = simulate(flow(Outer=for_each(flow(Inner=inner))), [["a"], ["b", "c"]])
    assert ran.output == [[{"i": 0, "v": "a"}], [{"i": 0, "v": "b"}, {"i": 1, "v": "c"}]]
    ran = simulate(flow(Outer=for_each(flow(Fan=parallel(flow(A=picked))))), [["a"], 5])
    assert ran.output == [[{"i": 0, "v": ["a"]}], [{"i": 1, "v": 5}]]


# ---------------------------------------------------------------- variables
def shown(name: str) -> dict[str, Any]:
    """A Pass whose output is a variable."""
    return step(Parameters={"v.$": f"${name}"}, OutputPath="$.v")


def test_variables_are_there_from_the_next_state_on() -> None:
    """All of Assign is evaluated before anything is assigned; the event that leaves the state tells it."""
    document = flow(
        A=step(Assign={"x": 1, "y.$": "$.n"}),
        B=step(Assign={"x.$": "$y", "y.$": "$x"}),
        C=step(Parameters={"x.$": "$x", "y.$": "$y"}),
    )
    ran = simulate(document, {"n": 2})
    assert ran.output == {"x": 2, "y": 1}
    left = only(ran, "PassStateExited")
    assert [details.get("assignedVariables") for details in left] == [{"x": 1, "y": 2}, {"x": 2, "y": 1}, None]


def test_inner_variables_stay_inside() -> None:
    """Branches and iterations see what was assigned around them; what they assign is theirs alone."""
    inside = flow(In=step(Assign={"seen.$": "$x", "x": "mine"}), Show=shown("seen"))
    before = step(Assign={"x": "outer"}, Result=[1, 2])
    by_map = simulate(flow(Before=before, Each=for_each(inside), After=step(Parameters={"x.$": "$x", "all.$": "$"})))
    assert by_map.output == {"x": "outer", "all": ["outer", "outer"]}
    inside = flow(P=step(Assign={"seen.$": "$x", "x": "mine"}), Q=shown("seen"))
    by_parallel = simulate(flow(Before=before, Fan=parallel(inside), After=shown("x")))
    assert by_parallel.output == "outer"


def test_what_a_fork_assigns_is_the_whole_machines() -> None:
    """Assign of a Map or Parallel speaks of its result, outside."""
    ran = simulate(flow(Each=for_each(flow(A=step())), Assigned=shown("all")), [4, 5])
    assert ran.status == "FAILED"
    ran = simulate(flow(Each=for_each(flow(A=step()), Assign={"all.$": "$"}), Assigned=shown("all")), [4, 5])
    assert ran.output == [4, 5]


# ---------------------------------------------------------------- reports
def test_a_start_is_told_once() -> None:
    """A second TaskStarted is no news; a success without one implies it."""
    execution = begin(flow(A=task()), 1)
    token = token_of(execution)
    first = execution.receive(TaskStarted(token, later(1), "oven 3"))
    assert [(event.type, event.details) for event in first] == [("ActivityStarted", {"workerName": "oven 3"})]
    assert execution.receive(TaskStarted(token, later(2), "oven 4")) == []
    assert execution.pending_tasks[token].started
    other = begin(flow(A=task()), 1)
    events = other.receive(TaskSucceeded(token_of(other), later(1), 5))
    assert [event.type for event in events][:2] == ["ActivityStarted", "ActivitySucceeded"]
    assert {event.timestamp for event in events} == {later(1)}
    failed = begin(flow(A=task(LAMBDA)), 1)
    events = failed.receive(TaskFailed(token_of(failed), later(1), "Boom"))
    assert [event.type for event in events] == ["LambdaFunctionStarted", "LambdaFunctionFailed", "ExecutionFailed"]


@pytest.mark.parametrize("answer", [TaskSucceeded, TaskFailed])
def test_an_answer_may_tell_when_its_task_began(answer: Any) -> None:
    """A start that comes with the answer is an event of its own time; one that was told before stays as it was."""
    execution = begin(flow(A=task(LAMBDA)), 1)
    events = execution.receive(answer(token_of(execution), later(3), started_at=later(2)))
    assert [event.timestamp for event in events] == [later(2)] + [later(3)] * (len(events) - 1)
    told = begin(flow(A=task(LAMBDA)), 1)
    separately = told.receive(TaskStarted(token_of(told), later(2)))
    separately += told.receive(answer(token_of(told), later(3), started_at=later(1)))
    assert separately == events


def test_a_first_answer_is_told_once() -> None:
    """TaskSubmitted is an event of service tasks, implies the start and is kept beside the pending task."""
    execution = begin(flow(A=task(QUEUE)), 1)
    token = token_of(execution)
    events = execution.receive(TaskSubmitted(token, later(1), {"id": 7}))
    assert [event.type for event in events] == ["TaskStarted", "TaskSubmitted"]
    pending = execution.pending_tasks[token]
    assert (pending.started, pending.submitted, pending.receipt) == (True, True, {"id": 7})
    assert execution.receive(TaskSubmitted(token, later(2), {"id": 8})) == []
    other = begin(flow(A=task()), 1)
    assert other.receive(TaskSubmitted(token_of(other), later(1), 1)) == [], "an activity has no such event"


def test_a_pending_task_tells_what_to_do() -> None:
    """It has the token, the place, the resource, the input, the limits and when it was scheduled."""
    state = task(QUEUE, Parameters={"n.$": "$.n"}, TimeoutSeconds=60, HeartbeatSeconds=20)
    execution = begin(flow(Fan=parallel(flow(A=state))), {"n": 1})
    pending = execution.pending_tasks[token_of(execution)]
    assert pending.token == f"run.{pending.scheduled_event_id - 1}.0"
    assert (pending.branch, pending.state, pending.input, pending.attempt) == ("0", "A", {"n": 1}, 0)
    assert (pending.resource.text, pending.scheduled_at) == (QUEUE, AT)
    assert (pending.timeout_seconds, pending.heartbeat_seconds) == (60, 20)
    timers = {timer.kind: timer for timer in execution.pending_timers.values()}
    assert timers[TimerKind.TASK_TIMEOUT].due == later(60)
    assert timers[TimerKind.HEARTBEAT].due == later(20)


def test_limits_of_a_task_come_from_its_input() -> None:
    """TimeoutSecondsPath and HeartbeatSecondsPath are read when it is scheduled; only whole numbers above 0 do."""
    state = task(TimeoutSecondsPath="$.t", HeartbeatSecondsPath="$.h")
    ran = simulate(flow(A=state), {"t": 50, "h": 5}, tasks=answers(NEVER))
    assert ran.elapsed.total_seconds() == 5
    assert only(ran, "ActivityScheduled")[0]["timeoutInSeconds"] == 50
    bad = simulate(flow(A=state), {"t": 0, "h": 5})
    assert bad.error == "States.Runtime"
    assert bad.cause is not None
    assert bad.cause.endswith('The TimeoutSeconds field refers to value "0" which is not a positive integer.')


@pytest.mark.parametrize("report", [TaskHeartbeat("run.2.0", later(4)), TaskStarted("run.2.0", later(4))])
def test_a_sign_of_life_starts_the_heartbeat_clock_again(report: Any) -> None:
    """A heartbeat, and any other word of the task, puts off its heartbeat time-out, never the task's own."""
    execution = begin(flow(A=task(TimeoutSeconds=60, HeartbeatSeconds=10)), 1)
    execution.receive(report)
    due = {timer.kind: timer.due for timer in execution.pending_timers.values()}
    assert due == {TimerKind.TASK_TIMEOUT: later(60), TimerKind.HEARTBEAT: later(14)}


def test_a_heartbeat_of_a_task_without_a_limit_is_no_news() -> None:
    """It would fill the history for nothing."""
    execution = begin(flow(A=task()), 1)
    assert execution.receive(TaskHeartbeat(token_of(execution), later(1))) == []


# ---------------------------------------------------------------- ends from outside
def test_an_abort_ends_everything() -> None:
    """ExecutionAborted carries error and cause, cut to AWS's lengths; nothing is pending afterwards."""
    execution = begin(flow(Fan=parallel(flow(A=task(TimeoutSeconds=9)), flow(B=wait(5)))), 1)
    (event,) = execution.receive(Aborted(later(1), "e" * 300, "c" * 40_000))
    assert (event.type, event.previous_event_id) == ("ExecutionAborted", 0)
    assert event.details == {"error": "e" * 256, "cause": "c" * 32_768}
    assert execution.status is ExecutionStatus.ABORTED
    assert (execution.outcome.error, execution.outcome.is_final) == ("e" * 256, True)
    assert (dict(execution.pending_tasks), dict(execution.pending_timers)) == ({}, {})
    bare = begin(flow(A=task()), 1)
    assert bare.receive(Aborted(later(1)))[0].details == {}


def test_the_machine_times_out() -> None:
    """TimeoutSeconds of the machine ends the execution, whatever it does; it counts from its start."""
    ran = simulate(flow(timeout=30, A=wait(20), B=task()), {}, tasks=answers(NEVER))
    assert (ran.status, ran.elapsed.total_seconds(), ran.error, ran.cause) == ("TIMED_OUT", 30, None, None)
    assert chain(ran)[-1] == "7<6 ExecutionTimedOut"
    assert simulate(flow(timeout=30, A=wait(20))).status == "SUCCEEDED"


def test_the_machines_clock_goes_on_through_failures() -> None:
    """Retries do not start it again."""
    retry = [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 99, "BackoffRate": 1}]
    ran = simulate(flow(timeout=30, A=task(Retry=retry, TimeoutSeconds=4)), {}, tasks=lambda call: NEVER)
    assert (ran.status, ran.elapsed.total_seconds()) == ("TIMED_OUT", 30)


# ---------------------------------------------------------------- limits
def text_of_size(size: int) -> str:
    """A text whose JSON is *size* bytes long in UTF-8: each ä counts twice."""
    return "ä" + "x" * (size - 4)


def test_an_output_beyond_the_payload_limit_fails() -> None:
    """262,144 bytes of compact JSON in UTF-8 pass; one more is States.DataLimitExceeded, a catchable error."""
    assert simulate(flow(A=step(Result=text_of_size(262_144)))).status == "SUCCEEDED"
    ran = simulate(flow(Big=step(Result=text_of_size(262_145))))
    assert ran.error == "States.DataLimitExceeded"
    assert ran.cause == (
        "The state/task 'Big' returned a result with a size exceeding the maximum number of bytes service limit."
    )
    assert simulate(flow(A=step(Result=text_of_size(262_145))), limits=NO_LIMITS).status == "SUCCEEDED"


def test_a_result_beyond_the_payload_limit_is_a_failed_task() -> None:
    """The task that gave it has failed; a catcher may answer."""
    catch = [{"ErrorEquals": ["States.DataLimitExceeded"], "Next": "Small"}]
    document = flow(A=task(LAMBDA, Catch=catch), Small=step(Result="ok"))
    ran = simulate(document, {}, tasks=answers(text_of_size(262_145)))
    assert only(ran, "LambdaFunctionFailed")[0]["error"] == "States.DataLimitExceeded"
    assert LAMBDA in only(ran, "LambdaFunctionFailed")[0]["cause"]
    assert ran.output == "ok"
    assert simulate(document, {}, tasks=answers(text_of_size(262_144))).status == "SUCCEEDED"


ROUND = {"Type": "Choice", "Choices": [{"Variable": "$.stop", "IsPresent": True, "Next": "C"}], "Default": "A"}
LOOP = flow(A=step(), B=ROUND, C={"Type": "Succeed"})


@pytest.mark.parametrize("limit", [25_000, 100, 101])
def test_a_history_has_an_end(limit: int) -> None:
    """The last event that fits is the execution's failure."""
    limits = Limits() if limit == 25_000 else Limits(history_events=limit)
    ran = simulate(LOOP, {}, limits=limits)
    assert (ran.status, ran.error) == ("FAILED", "States.Runtime")
    assert ran.cause == f"The execution reached the maximum number of history events ({limit})."
    assert ran.events[-1].id == limit


def test_without_limits_a_history_has_none() -> None:
    """NO_LIMITS lifts AWS's 25,000 events."""
    number = 13_000
    states = {str(index): step() for index in range(number)}
    ran = simulate(flow(**states), 1, limits=NO_LIMITS)
    assert (ran.status, ran.events[-1].id) == ("SUCCEEDED", 2 * number + 2)


# ---------------------------------------------------------------- what is and what is replayed
def test_an_execution_tells_how_it_stands() -> None:
    """Outcome, status, counts and events follow the reports; taking events empties them."""
    execution = begin(flow(A=task(HeartbeatSeconds=9)), 1)
    assert (execution.status, execution.outcome) == ("RUNNING", Outcome())
    assert not execution.outcome.is_final
    assert [event.type for event in execution.take_events()] == [
        "ExecutionStarted",
        "TaskStateEntered",
        "ActivityScheduled",
    ]
    assert execution.take_events() == []
    execution.receive(TaskHeartbeat(token_of(execution), later(1)))
    assert (execution.last_event_id, execution.event_count) == (3, 4), "a heartbeat takes no id of AWS's"
    execution.receive(TaskSucceeded(token_of(execution), later(2), [7]))
    assert execution.outcome == Outcome(status=ExecutionStatus.SUCCEEDED, output=[7])
    assert execution.machine.start_at == "A"


def test_tokens_are_the_same_after_a_replay() -> None:
    """A driver that starts anew finds the same work under the same names."""
    document = flow(Each=for_each(flow(A=task(TimeoutSeconds=9))))
    execution = begin(document, [1, 2])
    again = Execution.replay(StateMachine.from_dict(document), execution.events, name="run")
    assert again.pending_tasks == execution.pending_tasks
    assert again.pending_timers == execution.pending_timers
    token = list(execution.pending_tasks)[1]
    report = TaskSucceeded(token, later(3), 9)
    assert again.receive(report) == execution.receive(report)


def test_a_timer_that_is_due_ends_a_wait() -> None:
    """The driver fires pending timers; the engine knows no clock of its own."""
    execution = begin(flow(A=wait(60), B=step(Result=2)), 1)
    (timer,) = execution.pending_timers.values()
    assert (timer.kind, timer.branch, timer.due) == (TimerKind.WAIT, "", later(60))
    events = execution.receive(TimerFired(timer.id, later(61.5)))
    assert [event.type for event in events][:2] == ["WaitEnded", "WaitStateExited"]
    assert events[-1].timestamp == later(61.5)
    assert execution.outcome.output == 2


def test_a_replay_needs_no_decision_of_its_own() -> None:
    """Where a Choice went stands in its event: another definition of the rule does not rewrite a run."""
    rule = {"Variable": "$.n", "NumericEquals": 1, "Next": "B"}
    document = flow(A={"Type": "Choice", "Choices": [rule], "Default": "C"}, B=task(End=True), C=task())
    execution = begin(document, {"n": 1})
    document["States"]["A"]["Choices"][0]["NumericEquals"] = 2
    again = Execution.replay(StateMachine.from_dict(document), execution.events, name="run")
    assert [pending.state for pending in again.pending_tasks.values()] == ["B"]


def test_the_types_of_a_simulation() -> None:
    """``Simulation`` is what simulate gives, with AWS's own history beside our events."""
    ran = simulate(flow(A=step()), {"n": 1}, type="EXPRESS")
    assert isinstance(ran, Simulation)
    assert [event["type"] for event in ran.history] == [event.type for event in ran.events if event.is_listed]


# ---------------------------------------------------------------- bounds
@pytest.mark.parametrize("most", range(12, 34))
def test_a_history_never_grows_beyond_its_limit(most: int) -> None:
    """Even where one failure would abort many children at once, the last event that fits is the execution's end."""
    items = for_each(flow(A=task(TimeoutSeconds=9)), ItemsPath="$.items")
    document = flow(Both=parallel(flow(Each=items), flow(Late=wait(5), Bad=fail("Burnt"))))
    limits = Limits(history_events=most)
    ran = simulate(document, {"items": [1, 2, 3]}, tasks=lambda call: NEVER, limits=limits)
    listed = [event for event in ran.events if event.is_listed]
    assert ran.status == "FAILED"
    assert len(listed) <= most
    assert listed[-1].type == "ExecutionFailed"
    machine = StateMachine.from_dict(document)
    again = Execution.replay(machine, ran.events, name="simulation", limits=limits)
    assert again.outcome.is_final
    assert not again.pending_tasks and not again.pending_timers


def test_the_limits_are_those_of_a_map_runs_children_too() -> None:
    """A child execution that goes in a circle ends where its parent would."""
    processor = flow(A=step(Next="B"), B=step(Next="A"))
    processor["ProcessorConfig"] = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    processor["States"]["B"] = {
        "Type": "Choice",
        "Choices": [{"Variable": "$", "IsString": True, "Next": "C"}],
        "Default": "A",
    }
    processor["States"]["C"] = {"Type": "Succeed"}
    caught = [{"ErrorEquals": ["States.ExceedToleratedFailureThreshold"], "Next": "Z"}]
    document = flow(Each=for_each(processor, Catch=caught), Z=step())
    before = time.process_time()
    ran = simulate(document, list(range(30)), limits=Limits(history_events=40))
    assert ran.status == "SUCCEEDED"
    assert time.process_time() - before < 60, "the children went on to AWS's own limit of 25,000 events each"


def turn(**fields: Any) -> dict[str, Any]:
    """A machine that does the same Pass for ever."""
    rule = {"Variable": "$$.Execution.Input", "IsString": True, "Next": "C"}
    again = {"Type": "Choice", "Choices": [rule], "Default": "A"}
    return flow(Begin=step(Assign={"v": []}), A=step(**fields), Again=again, C=step())


def nested(levels: int) -> str:
    """An intrinsic call that gives arrays *levels* deep."""
    return f"States.StringToJson('{'[' * levels}{']' * levels}')"


@pytest.mark.parametrize(
    "document",
    [
        turn(Parameters={"x.$": "$"}),
        turn(Assign={"v.$": "States.Array($v)"}),
        flow(A=step(Parameters={"t.$": nested(299)}), B=task(Parameters={"a.$": "States.Array($)"})),
        flow(A=for_each(flow(B=step()), ItemSelector={"x.$": nested(300)})),
        flow(A=parallel(flow(B=step()), Parameters={"x.$": nested(300)})),
        flow(A=step(Output="{% $reduce([1..2000], function($a, $b) {{'x': $a}}) %}"), language="JSONata"),
        flow(A=step(Assign={"v": "{% $reduce([1..2000], function($a, $b) {{'x': $a}}) %}"}), language="JSONata"),
    ],
)
def test_data_that_nests_ever_deeper_fails_the_execution(document: dict[str, Any]) -> None:
    """What a state makes may nest as deep as an input may, or a loop that wraps it would end in a crash."""
    ran = simulate(document, [1], tasks=echo)
    assert (ran.status, ran.error) == ("FAILED", "States.Runtime")
    assert "nested more than 300 deep" in str(ran.cause)


def test_a_timer_beyond_the_end_of_time_is_due_at_its_end() -> None:
    """A time-out that begins in the last second of the year 9999 is no crash."""
    last = {"Type": "Wait", "Timestamp": "9999-12-31T23:59:59Z"}
    ran = simulate(flow(A=last, B=task(TimeoutSeconds=9, HeartbeatSeconds=5), C=wait(7)), 1, tasks=echo)
    assert (ran.status, ran.events[-1].timestamp.year) == ("SUCCEEDED", 9999)


def test_what_one_state_assigns_is_limited():
    """Variables that one state assigns together hold at most 262,144 bytes (AWS: variables, Limits)."""
    big = {"Type": "Pass", "Assign": {"a.$": "$", "b.$": "$"}, "End": True}
    machine = {"StartAt": "Big", "States": {"Big": big}}

    assert simulate(machine, "x" * 131_000).status == "SUCCEEDED"
    assert simulate(machine, "x" * 131_100).error == "States.DataLimitExceeded"
    assert simulate(machine, "x" * 131_100, limits=NO_LIMITS).status == "SUCCEEDED"


def test_all_variables_together_are_limited():
    """The variables that a state can see hold at most 10 MiB (AWS: variables, Limits)."""

    def machine(count):
        names = [f"S{index}" for index in range(count)]
        states = {
            name: {"Type": "Pass", "Assign": {f"v{index}.$": "$"}, "Next": following}
            for index, (name, following) in enumerate(zip(names, [*names[1:], "End"], strict=True))
        }
        return {"StartAt": "S0", "States": {**states, "End": {"Type": "Succeed"}}}

    assert simulate(machine(40), "x" * 262_000).status == "SUCCEEDED"
    assert simulate(machine(41), "x" * 262_000).error == "States.DataLimitExceeded"
