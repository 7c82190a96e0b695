"""Jobs: what people see of a history."""

from __future__ import annotations

from typing import Any

import jsonata  # noqa: F401  # it raises the recursion limit
import pytest

from flows import ALL, AT, LAMBDA, QUEUE, answers, begin, echo, fail, flow, for_each, later, parallel, step, task, wait
from workflow_manager.asl.machine import StateMachine, StateType
from workflow_manager.codec import event_from_aws
from workflow_manager.engine import Aborted, Execution, TaskFailed, TaskStarted, TaskSucceeded
from workflow_manager.history import HistoryEvent
from workflow_manager.history import HistoryEventType as E
from workflow_manager.jobs import JobFold, jobs_from_history, reason
from workflow_manager.models import Job, JobAttempt, JobStatus, ResourceType, StateResource
from workflow_manager.testing import NEVER, Simulation, TaskCall, TaskError, simulate

BOOM = TaskError("Boom", "it went")


def jobs(ran: Simulation | Execution, *, all_states: bool = True) -> dict[str, Job]:
    """The jobs by their place, such as ``Fan[1]/A``; a later visit of a place replaces an earlier one."""
    found = jobs_from_history(ran.events, machine=ran.machine, all_states=all_states)
    return {"/".join((*job.branch_path, job.state)): job for job in found}


def statuses(ran: Simulation | Execution) -> dict[str, str]:
    """The status of every job by its place."""
    return {place: job.status.value for place, job in jobs(ran).items()}


# ---------------------------------------------------------------- one job
def test_the_life_of_a_task() -> None:
    """Created when entered, queued when scheduled, running when started, done with the result of the whole state."""
    execution = begin(flow(A=task(ResultSelector={"got.$": "$"})), {"n": 1})
    (token,) = execution.pending_tasks
    (job,) = jobs(execution).values()
    assert (job.status, job.created_at, job.started_at, job.stopped_at) == (JobStatus.QUEUED, AT, None, None)
    execution.receive(TaskStarted(token, later(1), "oven 3"))
    (job,) = jobs(execution).values()
    assert (job.status, job.started_at, job.container) == (JobStatus.RUNNING, later(1), "oven 3")
    execution.receive(TaskSucceeded(token, later(5), 7))
    (job,) = jobs(execution).values()
    assert job == Job(
        id="2",
        state="A",
        name="A",
        status=JobStatus.SUCCEEDED,
        created_at=AT,
        started_at=later(1),
        stopped_at=later(5),
        input={"n": 1},
        output={"got": 7},
        container="oven 3",
        state_resource=StateResource(name="bake", uri="bake", type=ResourceType.ACTIVITY_ARN),
        entered_event_id=2,
    )
    assert job.duration is not None
    assert job.duration.total_seconds() == 4


def test_which_states_are_jobs() -> None:
    """Task, Choice and Succeed; any state if all are asked for; in the order in which they were entered."""
    choice = {"Type": "Choice", "Choices": [{"Variable": "$", "IsPresent": True, "Next": "D"}]}
    ran = simulate(flow(A=step(), B=task(), C=choice, D=wait(1), E={"Type": "Succeed"}), 1, tasks=echo)
    assert [job.state for job in ran.jobs] == ["B", "C", "E"]
    everything = jobs_from_history(ran.events, all_states=True)
    assert [(job.state, job.state_type) for job in everything] == [
        ("A", StateType.PASS),
        ("B", StateType.TASK),
        ("C", StateType.CHOICE),
        ("D", StateType.WAIT),
        ("E", StateType.SUCCEED),
    ]
    assert {job.status for job in everything} == {JobStatus.SUCCEEDED}


def test_every_try_but_the_last_is_an_attempt() -> None:
    """An attempt keeps its times, its error and its reason; the job itself is the present try."""
    ran = simulate(
        flow(A=task(LAMBDA, Retry=[{"ErrorEquals": ALL, "IntervalSeconds": 5}])), 1, tasks=answers(BOOM, 2), start=AT
    )
    (job,) = ran.jobs
    assert job.attempts == (
        JobAttempt(created_at=AT, started_at=AT, stopped_at=AT, error="Boom", reason="it went\nBoom"),
    )
    assert (job.status, job.started_at, job.stopped_at, job.error, job.status_reason) == (
        JobStatus.SUCCEEDED,
        later(5),
        later(5),
        None,
        "",
    )


def test_a_failed_job_tells_why() -> None:
    """Error and cause are the task's; the reason is the end of the cause and the error."""
    ran = simulate(flow(A=task()), 1, tasks=answers(TaskError("Boom", "one\ntwo\nthree\nfour\n")))
    (job,) = ran.jobs
    assert (job.status, job.error, job.cause) == (JobStatus.FAILED, "Boom", "one\ntwo\nthree\nfour\n")
    assert job.status_reason == "two\nthree\nfour\nBoom"
    assert reason(None, None) == ""
    assert reason("E", None, "Title") == "Title\nE"


def test_a_job_that_timed_out_says_so() -> None:
    """The reason begins with it."""
    ran = simulate(flow(A=task(TimeoutSeconds=5)), 1, tasks=answers(NEVER))
    (job,) = ran.jobs
    assert (job.status, job.error, job.status_reason) == (
        JobStatus.FAILED,
        "States.Timeout",
        "Job timed out\nStates.Timeout",
    )


def test_a_caught_job_has_failed() -> None:
    """The state was left all the same: with the catcher's output, and without a later change of status."""
    catch = [{"ErrorEquals": ALL, "Next": "B"}]
    ran = simulate(flow(A=task(Catch=catch, End=True), B=step()), 1, tasks=answers(BOOM))
    first = jobs(ran)["A"]
    assert (first.status, first.output) == (JobStatus.FAILED, {"Error": "Boom", "Cause": "it went"})
    assert first.stopped_at is not None


@pytest.mark.parametrize(
    "state",
    [
        task(Parameters={"x.$": "$.missing"}),
        {"Type": "Choice", "Choices": [{"Variable": "$.n", "IsNull": True, "Next": "B"}]},
        step(InputPath="$.missing"),
        fail("Boom"),
        task(QueryLanguage="JSONata", Output="{% $nothing %}"),
        task(ResultPath="$.n.x"),
    ],
)
def test_a_state_that_fails_without_a_task_has_failed(state: dict[str, Any]) -> None:
    """At the top, in an iteration and in a branch: the job of the state that failed is FAILED and closed."""
    inner = flow(A=state, B=step()) if state["Type"] == "Choice" else flow(A=state)
    item = {"n": 1}
    for document, input, place in (
        (inner, item, "A"),
        (flow(Each=for_each(inner)), [item], "Each[0]/A"),
        (flow(Fan=parallel(inner)), item, "Fan[0]/A"),
    ):
        ran = simulate(document, input, tasks=echo)
        assert ran.status == "FAILED"
        job = jobs(ran)[place]
        assert (job.status, job.stopped_at is not None) == (JobStatus.FAILED, True)


# ---------------------------------------------------------------- resources
@pytest.mark.parametrize(
    ("resource", "name", "type"),
    [
        ("bake", "bake", ResourceType.ACTIVITY_ARN),
        (LAMBDA, LAMBDA, ResourceType.LAMBDA_FUNCTION_ARN),
        (QUEUE, QUEUE, ResourceType.TASK_ARN),
        ("lambda:bake", "bake", ResourceType.LAMBDA_FUNCTION_ARN),
        ("glue:bake", "bake", ResourceType.TASK_ARN),
    ],
)
def test_the_resource_of_a_job(resource: str, name: str, type: ResourceType) -> None:
    """The machine names it; the namespace is the caller's; without a machine there is none."""
    machine = StateMachine.from_dict(flow(A=task(resource)))
    events = [
        HistoryEvent(1, 0, E.EXECUTION_STARTED, AT, {}),
        HistoryEvent(2, 0, E.TASK_STATE_ENTERED, AT, {"name": "A", "input": 1}),
    ]
    (job,) = jobs_from_history(events, machine=machine, namespace="kitchen")
    assert job.state_resource == StateResource(name=name, namespace="kitchen", uri=resource, type=type)
    (bare,) = jobs_from_history(events)
    assert bare.state_resource is None


# ---------------------------------------------------------------- branches
def test_the_place_of_a_job() -> None:
    """Branches and iterations are named by their Parallel or Map and their number, from the outside in."""
    inner = for_each(flow(A=task()), ItemsPath="$.items")
    ran = simulate(flow(Fan=parallel(flow(B=task()), flow(Each=inner)), C=task()), {"items": [1, 2]}, tasks=echo)
    assert [(job.branch_path, job.branch, job.state) for job in ran.jobs] == [
        (("Fan[0]",), "0", "B"),
        (("Fan[1]", "Each[0]"), "1/0", "A"),
        (("Fan[1]", "Each[1]"), "1/1", "A"),
        ((), "", "C"),
    ]


def test_without_the_machine_branches_are_counted() -> None:
    """Their first states tell them apart, in the order in which they were entered."""
    ran = simulate(flow(Fan=parallel(flow(A=task()), flow(B=task()))), 1, tasks=echo)
    assert [job.branch_path for job in jobs_from_history(ran.events)] == [("Fan[0]",), ("Fan[1]",)]


def kneading(call: TaskCall) -> Any:
    """The task ``mix`` fails, every other one never answers."""
    if call.resource == "mix":
        raise BOOM
    return NEVER


def test_what_another_failure_ended_is_aborted() -> None:
    """Siblings of a failed branch or iteration are ABORTED_DEPS_FAILED; what had ended keeps its end."""
    branches = (flow(A=task("mix")), flow(B=task()), flow(C=wait(60)), flow(D=step(), E=task()))
    ran = simulate(flow(Fan=parallel(*branches)), [1], tasks=kneading)
    assert statuses(ran) == {
        "Fan": "failed",
        "Fan[0]/A": "failed",
        "Fan[1]/B": "aborted_deps_failed",
        "Fan[2]/C": "aborted_deps_failed",
        "Fan[3]/D": "succeeded",
        "Fan[3]/E": "aborted_deps_failed",
    }
    fan = jobs(ran)["Fan"]
    assert (fan.error, fan.cause, fan.status_reason) == ("Boom", "it went", "it went\nBoom")


def test_the_failure_of_an_iteration_is_the_maps() -> None:
    """The Map's job tells the error of the iteration that failed it."""

    def second_burns(call: TaskCall) -> Any:
        if call.input == 2:
            raise BOOM
        return NEVER

    ran = simulate(flow(Each=for_each(flow(A=task()))), [1, 2], tasks=second_burns)
    assert statuses(ran) == {"Each": "failed", "Each[0]/A": "aborted_deps_failed", "Each[1]/A": "failed"}
    assert jobs(ran)["Each"].error == "Boom"


@pytest.mark.parametrize("kind", ["parallel", "map"])
def test_a_retried_fork_has_attempts_too(kind: str) -> None:
    """The children of the attempt that failed are closed; those of the next are jobs of their own."""
    retry = [{"ErrorEquals": ALL, "IntervalSeconds": 5}]
    inside = flow(A=task())
    state = parallel(inside, Retry=retry) if kind == "parallel" else for_each(inside, Retry=retry)
    ran = simulate(flow(Fork=state), [1], tasks=answers(BOOM, 2), start=AT)
    found = jobs_from_history(ran.events, machine=ran.machine, all_states=True)
    assert [(job.state, job.status, job.stopped_at) for job in found] == [
        ("Fork", JobStatus.SUCCEEDED, later(5)),
        ("A", JobStatus.FAILED, AT),
        ("A", JobStatus.SUCCEEDED, later(5)),
    ]
    (attempt,) = found[0].attempts
    assert (attempt.error, attempt.stopped_at, attempt.reason) == ("Boom", AT, "it went\nBoom")


def test_an_outer_fork_is_retried_after_an_inner_one_has_given_up() -> None:
    """What AWS writes without a name is about the fork that can still go on, not about the one that failed."""
    retry = [{"ErrorEquals": ALL, "MaxAttempts": 1}]
    inner = for_each(flow(A=task()), ItemsPath="$")
    ran = simulate(flow(Outer=for_each(flow(Inner=inner), Retry=retry)), [[1]], tasks=answers(BOOM, 2))
    found = jobs_from_history(ran.events, machine=ran.machine, all_states=True)
    assert [(job.state, job.status.value, len(job.attempts)) for job in found] == [
        ("Outer", "succeeded", 1),
        ("Inner", "failed", 0),
        ("A", "failed", 0),
        ("Inner", "succeeded", 0),
        ("A", "succeeded", 0),
    ]


def test_an_expression_that_fails_on_entry_finds_its_visit() -> None:
    """EvaluationFailed hangs on the event before the entry: among concurrent iterations it is still the right one."""
    state = task(QueryLanguage="JSONata", Arguments="{% $states.input.x %}")
    ran = simulate(flow(Each=for_each(flow(A=state))), [{}, {"x": 1}, {"x": 2}], tasks=echo)
    assert jobs(ran)["Each[0]/A"].status is JobStatus.FAILED
    assert jobs(ran)["Each[0]/A"].error == "States.QueryEvaluationError"
    assert "Each[1]/A" not in jobs(ran) or jobs(ran)["Each[1]/A"].status is not JobStatus.FAILED


# ---------------------------------------------------------------- ends
def test_an_abort_by_the_user() -> None:
    """Whatever is open is ABORTED_BY_USER, for the reason that was given."""
    execution = begin(flow(Fan=parallel(flow(A=task()), flow(B=step()))), 1)
    execution.receive(Aborted(later(3), None, "enough"))
    found = jobs(execution)
    assert (found["Fan[0]/A"].status, found["Fan[0]/A"].status_reason) == (JobStatus.ABORTED_BY_USER, "enough")
    assert found["Fan[0]/A"].stopped_at == later(3)
    assert found["Fan[1]/B"].status is JobStatus.SUCCEEDED


def test_a_time_out_of_the_whole_execution() -> None:
    """Whatever is open has failed by it."""
    ran = simulate(flow(timeout=5, A=task()), 1, tasks=answers(NEVER))
    (job,) = ran.jobs
    assert (job.status, job.status_reason) == (JobStatus.FAILED, "Workflow timed out")


def test_a_retry_that_never_came() -> None:
    """A job that failed and waited for its retry when the execution was aborted has failed."""
    execution = begin(flow(A=task(Retry=[{"ErrorEquals": ALL}])), 1)
    (token,) = execution.pending_tasks
    execution.receive(TaskFailed(token, later(1), "Boom"))
    execution.receive(Aborted(later(1.5)))
    (job,) = jobs(execution).values()
    assert (job.status, job.stopped_at, job.error) == (JobStatus.FAILED, later(1), "Boom")


# ---------------------------------------------------------------- the fold
def test_the_last_job_is_the_one_opened_last() -> None:
    """Only states that are shown count."""
    fold = JobFold()
    assert fold.last_job is None
    ran = simulate(flow(A=task(), B=step()), 1, tasks=echo)
    for event in ran.events:
        fold.add(event)
    assert fold.last_job is not None
    assert fold.last_job.state == "A"


def test_what_does_not_fit_is_passed_over() -> None:
    """Events that hang on nothing known, of a page without its beginning, change nothing and raise nothing."""
    events = [
        HistoryEvent(50 + index, 40 + index, type, AT, {}) for index, type in enumerate(E) if "Entered" not in type
    ]
    assert jobs_from_history(events, all_states=True) == ()


def test_aws_pages_make_the_same_jobs() -> None:
    """Nothing but what GetExecutionHistory sends is needed."""
    ran = simulate(flow(Each=for_each(flow(A=task(), B=step()))), [1, 2], tasks=echo)
    told = [event_from_aws(mapping) for mapping in ran.history]
    assert jobs_from_history((event for event in told if event), machine=ran.machine) == ran.jobs
