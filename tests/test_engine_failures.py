"""Failures: who answers, after how long, and what becomes of what was under way beside them."""

from __future__ import annotations

from typing import Any

import jsonata  # noqa: F401  # it raises the recursion limit
import pytest

from flows import (
    ALL,
    LAMBDA,
    QUEUE,
    answers,
    begin,
    chain,
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
from workflow_manager.engine import TaskFailed, TaskHeartbeat, TaskSucceeded, TimerFired, TimerKind
from workflow_manager.history import UnlistedEventType
from workflow_manager.testing import NEVER, Simulation, Submitted, TaskCall, TaskError, simulate

BOOM = TaskError("Boom", "it went")


def retry(*errors: str, **fields: Any) -> list[dict[str, Any]]:
    """One retrier."""
    return [{"ErrorEquals": list(errors), **fields}]


def catch(*errors: str, to: str = "Caught", **fields: Any) -> list[dict[str, Any]]:
    """One catcher."""
    return [{"ErrorEquals": list(errors), "Next": to, **fields}]


def caught(state: dict[str, Any], *said: Any, input: Any = None, caught_by: dict[str, Any] | None = None) -> Simulation:
    """Run a state that has a catcher to ``Caught``."""
    document = flow(A={**state, "End": True}, Caught=caught_by or step())
    return simulate(document, {} if input is None else input, tasks=answers(*said))


def delays(ran: Simulation) -> list[float]:
    """How long each retrier waited, in seconds."""
    return [details["delaySeconds"] for details in only(ran, UnlistedEventType.RETRY_SCHEDULED)]


# ---------------------------------------------------------------- Retry
def test_a_retried_task_is_scheduled_again_after_its_delay() -> None:
    """The new Scheduled event hangs on the failure; AWS writes nothing of the wait between."""
    ran = simulate(flow(A=task(LAMBDA, Retry=retry("Boom", IntervalSeconds=4))), 1, tasks=answers(BOOM, 2))
    assert chain(ran)[2:] == [
        "3<2 LambdaFunctionScheduled",
        "4<3 LambdaFunctionStarted",
        "5<4 LambdaFunctionFailed",
        "6<5 LambdaFunctionScheduled",
        "7<6 LambdaFunctionStarted",
        "8<7 LambdaFunctionSucceeded",
        "9<8 TaskStateExited A",
        "10<9 ExecutionSucceeded",
    ]
    assert (ran.output, ran.elapsed.total_seconds()) == (2, 4)
    assert only(ran, "LambdaFunctionFailed") == [{"error": "Boom", "cause": "it went"}]


def test_the_defaults_of_a_retrier() -> None:
    """Three retries after 1, 2 and 4 seconds, then the failure stands."""
    ran = simulate(flow(A=task(Retry=retry("Boom"))), 1, tasks=answers(BOOM, BOOM, BOOM, BOOM))
    assert delays(ran) == [1, 2, 4]
    assert (ran.status, ran.error, ran.cause, ran.elapsed.total_seconds()) == ("FAILED", "Boom", "it went", 7)


def test_a_delay_has_an_upper_limit() -> None:
    """MaxDelaySeconds cuts the growth."""
    rule = retry("Boom", IntervalSeconds=3, BackoffRate=3, MaxDelaySeconds=10, MaxAttempts=4)
    ran = simulate(flow(A=task(Retry=rule)), 1, tasks=answers(*[BOOM] * 4, "ok"))
    assert delays(ran) == [3, 9, 10, 10]
    assert ran.elapsed.total_seconds() == 32


def test_no_attempts_are_none() -> None:
    """MaxAttempts 0 forbids a retry, and no later retrier is asked."""
    rules = [*retry("Boom", MaxAttempts=0), *retry(*ALL)]
    assert simulate(flow(A=task(Retry=rules)), 1, tasks=answers(BOOM)).error == "Boom"
    assert simulate(flow(A=task(Retry=rules)), 1, tasks=answers(TaskError("Bang"), 5)).output == 5


def test_every_retrier_counts_for_itself() -> None:
    """Its delays grow with its own attempts, not with those of others."""
    rules = [*retry("Boom", IntervalSeconds=1, MaxAttempts=2), *retry("Bang", IntervalSeconds=10, MaxAttempts=2)]
    bang = TaskError("Bang")
    ran = simulate(flow(A=task(Retry=rules)), 1, tasks=answers(BOOM, bang, BOOM, bang, "ok"))
    assert delays(ran) == [1, 10, 2, 20]


def test_jitter_is_drawn_within_bounds_and_by_name() -> None:
    """Full jitter draws between 0 and the delay: the same again for the same name, otherwise for another."""
    rule = retry("Boom", IntervalSeconds=10, BackoffRate=1, MaxAttempts=30, JitterStrategy="FULL")

    def drawn(name: str) -> list[float]:
        return delays(simulate(flow(A=task(Retry=rule)), 1, tasks=answers(*[BOOM] * 31), name=name))

    mine = drawn("mine")
    assert len(set(mine)) == 30
    assert all(0 <= delay <= 10 for delay in mine)
    assert max(mine) - min(mine) > 5
    assert drawn("mine") == mine
    assert drawn("other") != mine


def test_a_retrier_is_asked_before_a_catcher() -> None:
    """Only when no retrier answers any more does the catcher."""
    state = task(Retry=retry("Boom", MaxAttempts=1), Catch=catch("Boom"))
    ran = caught(state, BOOM, BOOM)
    assert delays(ran) == [1]
    assert ran.output == {"Error": "Boom", "Cause": "it went"}


def test_a_later_visit_retries_afresh() -> None:
    """Attempts are counted in one visit of a state."""
    document = flow(A=task(Retry=retry("Boom", MaxAttempts=1)), B=task(Catch=catch("Boom", to="A")))
    ran = simulate(document, 1, tasks=answers(BOOM, "a", BOOM, BOOM, "a", "done"))
    assert delays(ran) == [1, 1]
    assert ran.output == "done"


# ---------------------------------------------------------------- which names answer
@pytest.mark.parametrize(
    ("names", "error", "answered"),
    [
        (["Boom"], "Boom", True),
        (["Boom"], "Bang", False),
        (["Bang", "Boom"], "Boom", True),
        (["States.ALL"], "Boom", True),
        (["States.ALL"], None, True),
        (["States.TaskFailed"], "Boom", True),
        (["States.TaskFailed"], None, True),
        (["States.TaskFailed"], "States.Permissions", True),
        (["States.TaskFailed"], "States.Timeout", False),
        (["States.Timeout"], "States.Timeout", True),
        (["States.HeartbeatTimeout"], "States.Timeout", False),
        (["States.ALL"], "States.Runtime", False),
        (["States.Runtime"], "States.Runtime", False),
        (["States.TaskFailed"], "States.Runtime", False),
    ],
)
def test_which_name_answers_which_error(names: list[str], error: str | None, answered: bool) -> None:
    """States.ALL answers all but States.Runtime; States.TaskFailed all but time-outs and that; for both, Retry too."""
    ran = caught(task(Catch=catch(*names)), TaskError(error, "why"))
    assert (ran.status == "SUCCEEDED") is answered
    if not answered:
        assert ran.error == error
    again = simulate(flow(A=task(Retry=retry(*names))), 1, tasks=answers(TaskError(error), 5))
    assert (again.status == "SUCCEEDED") is answered


def test_a_time_out() -> None:
    """A task that is silent too long has failed with States.Timeout and an empty cause."""
    ran = caught(task(TimeoutSeconds=20, Catch=catch("States.Timeout")), NEVER)
    assert ran.elapsed.total_seconds() == 20
    assert only(ran, "ActivityTimedOut") == [{"error": "States.Timeout"}]
    assert ran.output == {"Error": "States.Timeout", "Cause": ""}
    bare = simulate(flow(A=task(LAMBDA, TimeoutSeconds=20)), 1, tasks=answers(NEVER))
    assert (bare.status, bare.error, bare.cause) == ("FAILED", "States.Timeout", None)
    assert chain(bare)[4:] == ["5<4 LambdaFunctionTimedOut", "6<5 ExecutionFailed"]


def test_every_try_has_its_own_time() -> None:
    """TimeoutSeconds counts for each attempt, after the back-off."""
    rule = retry("States.Timeout", IntervalSeconds=3, MaxAttempts=2)
    ran = simulate(flow(A=task(TimeoutSeconds=10, Retry=rule)), 1, tasks=answers(NEVER, NEVER, NEVER))
    assert ran.elapsed.total_seconds() == 10 + 3 + 10 + 6 + 10


@pytest.mark.parametrize("name", ["States.HeartbeatTimeout", "States.Timeout", "States.ALL"])
def test_a_missed_heartbeat(name: str) -> None:
    """It is told as States.Timeout, and answers to States.HeartbeatTimeout too."""
    ran = caught(task(QUEUE, TimeoutSeconds=20, HeartbeatSeconds=7, Catch=catch(name)), Submitted(1, NEVER))
    assert ran.elapsed.total_seconds() == 7
    assert only(ran, "TaskTimedOut")[0]["error"] == "States.Timeout"
    assert ran.output == {"Error": "States.Timeout", "Cause": ""}


def test_a_time_out_is_no_missed_heartbeat() -> None:
    """States.HeartbeatTimeout does not answer the task's own time-out."""
    state = task(TimeoutSeconds=20, HeartbeatSeconds=15, Catch=catch("States.HeartbeatTimeout"), End=True)
    execution = begin(flow(A=state, Caught=step()), 1)
    (timer,) = [timer for timer in execution.pending_timers.values() if timer.kind is TimerKind.TASK_TIMEOUT]
    (token,) = execution.pending_tasks
    execution.receive(TaskHeartbeat(token, later(10)))
    execution.receive(TimerFired(timer.id, later(20)))
    assert execution.outcome.error == "States.Timeout"


@pytest.mark.parametrize(
    "state",
    [
        step(InputPath="$.missing"),
        task(Parameters={"x.$": "$.missing"}, Retry=retry(*ALL), Catch=catch(*ALL)),
        task(TimeoutSecondsPath="$.missing", Catch=catch(*ALL)),
        for_each(flow(I=step()), ItemsPath="$.missing", Catch=catch(*ALL)),
        for_each(flow(I=step()), Catch=catch(*ALL)),
        {"Type": "Wait", "SecondsPath": "$.missing"},
    ],
)
def test_a_runtime_error_is_never_answered(state: dict[str, Any]) -> None:
    """A path that leads nowhere is States.Runtime: no retrier, no catcher; the cause names state and entry."""
    ran = caught(state) if "Catch" in state else simulate(flow(A=state), {})
    assert (ran.status, ran.error) == ("FAILED", "States.Runtime")
    assert ran.cause is not None
    assert ran.cause.startswith("An error occurred while executing the state 'A' (entered at the event id #2). ")
    assert not delays(ran)
    assert "Caught" not in "".join(chain(ran))


def test_an_intrinsic_function_that_fails_is_a_runtime_error() -> None:
    """AWS reports States.Runtime, although its documentation lists States.IntrinsicFailure; so nobody answers."""
    state = task(Parameters={"x.$": "States.ArrayGetItem(States.Array(1), 5)"}, Catch=catch(*ALL))
    ran = caught(state)
    assert (ran.status, ran.error) == ("FAILED", "States.Runtime")


# ---------------------------------------------------------------- Catch
def test_what_a_catcher_hands_on() -> None:
    """The error output is the new data, or goes where ResultPath says, beside or instead of the raw input."""
    output = {"Error": "Boom", "Cause": "it went"}
    assert caught(task(Catch=catch("Boom")), BOOM, input={"n": 1}).output == output
    assert caught(task(Catch=catch("Boom", ResultPath="$.why")), BOOM, input={"n": 1}).output == {"n": 1, "why": output}
    assert caught(task(Catch=catch("Boom", ResultPath=None)), BOOM, input={"n": 1}).output == {"n": 1}
    state = task(Catch=catch("Boom", ResultPath="$.why"), InputPath="$.in", OutputPath="$.why", ResultPath="$.res")
    assert caught(state, BOOM, input={"in": 1}).output == {"in": 1, "why": output}, "the state's own paths do not count"


def test_an_error_without_a_name_or_a_cause() -> None:
    """What a failure does not tell is null in the error output and absent from the events."""
    ran = caught(task(Catch=catch(*ALL)), TaskError())
    assert ran.output == {"Error": None, "Cause": None}
    assert only(ran, "ActivityFailed") == [{}]
    assert only(simulate(flow(A=task()), 1, tasks=answers(TaskError())), "ExecutionFailed") == [{}]


def test_a_catcher_assigns() -> None:
    """Assign of a catcher speaks of the error output; the event that leaves the state tells the variables."""
    state = task(Catch=catch("Boom", Assign={"why.$": "$.Error", "n": 1}), Assign={"why": "not this"})
    ran = caught(state, BOOM, caught_by=step(Parameters={"why.$": "$why", "n.$": "$n"}))
    assert ran.output == {"why": "Boom", "n": 1}
    assert only(ran, "TaskStateExited")[0]["assignedVariables"] == {"n": 1, "why": "Boom"}


def test_a_jsonata_catcher() -> None:
    """It sees the error output as $states.errorOutput; without Output that is what leaves the state."""
    rules = catch("Boom", Output={"was": "{% $states.errorOutput.Error %}", "in": "{% $states.input.n %}"})
    state = task(QueryLanguage="JSONata", Catch=rules)
    assert caught(state, BOOM, input={"n": 3}).output == {"was": "Boom", "in": 3}
    bare = task(QueryLanguage="JSONata", Catch=catch("Boom"))
    assert caught(bare, BOOM).output == {"Error": "Boom", "Cause": "it went"}


def test_the_first_catcher_that_names_the_error_counts() -> None:
    """Catchers are asked in order."""
    rules = [*catch("Bang", to="Other"), *catch("Boom"), *catch(*ALL, to="Other")]
    document = flow(A=task(Catch=rules, End=True), Other=step(Result="other", End=True), Caught=step(Result="caught"))
    assert simulate(document, 1, tasks=answers(BOOM)).output == "caught"
    assert simulate(document, 1, tasks=answers(TaskError("Fizz"))).output == "other"


def test_a_catcher_that_fails_itself_is_the_end() -> None:
    """An error in a catcher's own paths is not answered by that state again, not even by its other catchers."""
    rules = [*catch("Boom", ResultPath="$.a.b"), *catch(*ALL)]
    ran = caught(task(Catch=rules), BOOM, input={"a": 1})
    assert (ran.status, ran.error) == ("FAILED", "States.ResultPathMatchFailure")
    rules = [*catch("Boom", Output="{% $nothing %}"), *catch(*ALL)]
    ran = caught(task(QueryLanguage="JSONata", Catch=rules), BOOM)
    assert (ran.status, ran.error) == ("FAILED", "States.QueryEvaluationError")


def test_a_result_path_that_does_not_fit_is_caught() -> None:
    """States.ResultPathMatchFailure after the task has succeeded is a failure of the state like any other."""
    ran = caught(task(ResultPath="$.a.b", Catch=catch("States.ResultPathMatchFailure")), 5, input={"a": 1})
    assert ran.status == "SUCCEEDED"
    assert [event for event in chain(ran) if "Failed" in event] == []


# ---------------------------------------------------------------- Fail states and expressions
def test_a_fail_state_takes_its_words_from_paths() -> None:
    """ErrorPath and CausePath may be paths or intrinsic functions; what they give must be text."""
    state = {"Type": "Fail", "ErrorPath": "$.e", "CausePath": "States.Format('was {}', $.n)"}
    ran = simulate(flow(F=state), {"e": "Burnt", "n": 3})
    assert (ran.error, ran.cause) == ("Burnt", "was 3")
    assert simulate(flow(F=state), {"e": 5, "n": 3}).error == "States.Runtime"
    spoken = {"Type": "Fail", "QueryLanguage": "JSONata", "Error": "{% 'Bu' & 'rnt' %}", "Cause": "{% $string(3) %}"}
    ran = simulate(flow(F=spoken), {})
    assert (ran.error, ran.cause) == ("Burnt", "3")
    spoken["Error"] = "{% 3 %}"
    assert simulate(flow(F=spoken), {}).error == "States.QueryEvaluationError"


def test_an_expression_that_fails_is_an_event() -> None:
    """EvaluationFailed names state and field; on entry it hangs on the event before the state's, later on the last."""
    on_entry = simulate(flow(S=step(), A=task(QueryLanguage="JSONata", Arguments="{% $nothing %}")), {})
    assert chain(on_entry)[3:] == ["4<3 TaskStateEntered A", "5<3 EvaluationFailed", "6<5 ExecutionFailed"]
    details = only(on_entry, "EvaluationFailed")[0]
    assert (details["state"], details["location"], details["error"]) == (
        "A",
        "Arguments",
        "States.QueryEvaluationError",
    )
    after = simulate(flow(A=task(QueryLanguage="JSONata", Output="{% $nothing %}")), {}, tasks=answers(1))
    assert chain(after)[4:] == ["5<4 ActivitySucceeded", "6<5 EvaluationFailed", "7<6 ExecutionFailed"]


def test_an_expression_that_fails_is_answered() -> None:
    """States.QueryEvaluationError has retriers and catchers as any error."""
    state = task(
        QueryLanguage="JSONata", Output="{% $nothing %}", Retry=retry("States.QueryEvaluationError", MaxAttempts=1)
    )
    ran = caught({**state, "Catch": catch("States.QueryEvaluationError")}, 1, 2)
    assert ran.status == "SUCCEEDED"
    assert [line.split(" ")[1] for line in chain(ran)].count("EvaluationFailed") == 2


# ---------------------------------------------------------------- inside Parallel and Map
def aborted_parallel(**fields: Any) -> dict[str, Any]:
    """One branch that fails among others that work and wait."""
    others = (flow(B=task()), flow(C=wait(60)), flow(D=step()))
    return parallel(flow(A=task("mix")), *others, **fields)


def kneading(call: TaskCall) -> Any:
    """The task ``mix`` fails, every other one never answers."""
    if call.resource == "mix":
        raise BOOM
    return NEVER


def test_a_failed_branch_ends_its_siblings() -> None:
    """Each sibling under way is aborted, hanging on its own last event; the failed state itself is aborted first."""
    ran = simulate(flow(Fan=aborted_parallel()), {}, tasks=kneading)
    assert chain(ran)[6:] == [
        "7<3 PassStateEntered D",
        "8<4 ActivityScheduled",
        "9<5 ActivityScheduled",
        "10<7 PassStateExited D",
        "11<8 ActivityStarted",
        "12<11 ActivityFailed",
        "13<12 TaskStateAborted",
        "14<9 TaskStateAborted",
        "15<6 WaitStateAborted",
        "16<12 ParallelStateFailed",
        "17<16 ExecutionFailed",
    ]
    assert (ran.status, ran.error, ran.cause) == ("FAILED", "Boom", "it went")


def test_a_parallel_is_retried_as_a_whole() -> None:
    """No ParallelStateFailed comes before a retry; all branches begin again, hanging on a new ParallelStateStarted."""
    state = parallel(flow(A=task("mix")), flow(B=step()), Retry=retry("Boom", IntervalSeconds=5))
    ran = simulate(flow(Fan=state), {}, tasks=answers(BOOM, 1))
    types = [line.split(" ", 1)[1] for line in chain(ran)]
    assert "ParallelStateFailed" not in types
    assert types.count("ParallelStateStarted") == 2
    assert types.count("PassStateEntered B") == 2
    assert ran.elapsed.total_seconds() == 5


def test_the_catcher_of_a_parallel() -> None:
    """It hands the error of the branch on; the state's exit hangs on ParallelStateFailed."""
    state = aborted_parallel(Catch=catch("Boom", ResultPath="$.why"), End=True)
    ran = simulate(flow(Fan=state, Caught=step()), {"n": 1}, tasks=kneading)
    assert ran.output == {"n": 1, "why": {"Error": "Boom", "Cause": "it went"}}
    failed, left = [line for line in chain(ran) if "ParallelState" in line][-2:]
    assert left.split("<")[1].split(" ")[0] == failed.split("<")[0]


def test_a_failed_iteration_ends_the_others() -> None:
    """MapIterationFailed comes at once, then what is aborted, then MapStateFailed if no retrier answers."""

    def second_burns(call: TaskCall) -> Any:
        if call.input == 2:
            raise BOOM
        return NEVER

    ran = simulate(flow(Each=for_each(flow(A=task()))), [1, 2, 3], tasks=second_burns)
    assert [line.split(" ", 1)[1] for line in chain(ran)][-7:] == [
        "MapIterationFailed Each[1]",
        "TaskStateAborted",
        "MapIterationAborted Each[0]",
        "TaskStateAborted",
        "MapIterationAborted Each[2]",
        "MapStateFailed",
        "ExecutionFailed",
    ]


def test_a_map_is_retried_as_a_whole() -> None:
    """All iterations begin anew; no MapStateFailed is written for a failure that is retried."""
    state = for_each(flow(A=task()), Retry=retry("Boom", IntervalSeconds=5), MaxConcurrency=1)
    ran = simulate(flow(Each=state), [1, 2], tasks=answers("a", BOOM, "b", "c"))
    types = [line.split(" ", 1)[1] for line in chain(ran)]
    assert types.count("MapStateStarted") == 2
    assert "MapStateFailed" not in types
    assert ran.output == ["b", "c"]


def test_nested_retries_multiply() -> None:
    """An inner retrier is used up in every attempt of the outer one, and begins afresh in the next."""
    inner = task(Retry=retry("Boom", MaxAttempts=1, IntervalSeconds=1))
    state = parallel(flow(A=inner), Retry=retry("Boom", MaxAttempts=2, IntervalSeconds=10))
    ran = simulate(flow(Fan=state), {}, tasks=answers(*[BOOM] * 6))
    assert delays(ran) == [1, 10, 1, 20, 1]
    assert ran.error == "Boom"


def test_a_failure_climbs_until_it_is_answered() -> None:
    """What neither the iteration's state nor the Map answers is the Parallel's failure."""
    inner = for_each(flow(A=task("mix")), ItemsPath="$.items", Catch=catch("Bang", to="Never"))
    state = parallel(flow(Each={**inner, "End": True}, Never=step()), flow(W=wait(99)), Catch=catch("Boom"), End=True)
    ran = simulate(flow(Fan=state, Caught=step()), {"items": [1]}, tasks=kneading)
    assert ran.output == {"Error": "Boom", "Cause": "it went"}
    types = [line.split(" ", 1)[1] for line in chain(ran)]
    order = [
        "MapIterationFailed Each[0]",
        "MapStateFailed",
        "MapStateAborted",
        "WaitStateAborted",
        "ParallelStateFailed",
    ]
    assert [type for type in types if type in order] == order


def test_a_fail_state_in_a_branch() -> None:
    """It fails its Parallel as any failing state does, with its own words."""
    ran = simulate(flow(Fan=parallel(flow(F=fail("Burnt", "black")), flow(B=task()))), {}, tasks=answers(NEVER))
    assert (ran.status, ran.error, ran.cause) == ("FAILED", "Burnt", "black")


def test_a_runtime_error_in_a_branch_is_not_answered_outside() -> None:
    """States.Runtime climbs past every retrier and catcher."""
    state = parallel(flow(A=step(InputPath="$.missing")), Retry=retry(*ALL), Catch=catch(*ALL), End=True)
    ran = simulate(flow(Fan=state, Caught=step()), {})
    assert (ran.status, ran.error) == ("FAILED", "States.Runtime")
    state = for_each(flow(A=step(InputPath="$.missing")), Catch=catch(*ALL), End=True)
    ran = simulate(flow(Each=state, Caught=step()), [{}])
    assert (ran.status, ran.error) == ("FAILED", "States.Runtime")


def test_an_iteration_may_catch_for_itself() -> None:
    """Then the Map goes on, and the caught output is that item's result."""
    inner = flow(A=task(Catch=catch("Boom"), End=True), Caught=step(Parameters={"e.$": "$.Error"}))
    ran = simulate(flow(Each=for_each(inner)), [1, 2], tasks=answers(BOOM, "fine"))
    assert ran.output == [{"e": "Boom"}, "fine"]


def test_a_branch_that_has_ended_is_not_aborted() -> None:
    """Only what is still under way is."""
    execution = begin(flow(Fan=parallel(flow(A=task("a")), flow(B=task("b")), flow(C=task("c")))), {})
    tokens = {pending.state: token for token, pending in execution.pending_tasks.items()}
    execution.receive(TaskSucceeded(tokens["B"], later(1)))
    events = execution.receive(TaskFailed(tokens["A"], later(2), "Boom"))
    assert [event.branch for event in events if event.type == "TaskStateAborted"] == ["0", "2"]
    assert sorted(execution.take_changes().withdrawn) == []
    assert not execution.pending_tasks
