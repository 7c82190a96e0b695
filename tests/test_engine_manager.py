"""The engine-driven manager, in a hand-cranked world: nothing moves unless the test moves it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest

from workflow_manager.asl import StateMachine
from workflow_manager.engine import (
    Execution,
    PendingTask,
    Report,
    TaskFailed,
    TaskStarted,
    TaskSubmitted,
    TaskSucceeded,
)
from workflow_manager.exceptions import (
    DefinitionError,
    InvalidValueError,
    NotFoundError,
    TaskTokenError,
    UnknownResourceError,
    WorkflowStatusError,
)
from workflow_manager.history import HistoryEvent, HistoryEventType
from workflow_manager.managers import job_cache
from workflow_manager.managers.admission import Need
from workflow_manager.managers.base import EngineWorkflowManager
from workflow_manager.managers.job_cache import JobCache
from workflow_manager.models import JobStatus, Workflow, WorkflowDefinition, WorkflowQuery, WorkflowStatus
from workflow_manager.protocols import TaskRunner, WorkflowManager
from workflow_manager.stores.memory import MemoryStore

T0 = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class Crank:
    """A clock and a pair of hands; a token is done at most once, however often it is started."""

    def __init__(self) -> None:
        self.now = T0
        self.tasks: dict[str, PendingTask] = {}
        self.starts: list[str] = []
        self.stopped: list[str] = []
        self.answers: dict[str, TaskSucceeded | TaskFailed] = {}

    def clock(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def start(self, workflow: Workflow, task: PendingTask) -> TaskSubmitted | TaskStarted | TaskFailed | None:
        self.starts.append(task.token)
        self.tasks.setdefault(task.token, task)
        return TaskStarted(task.token, self.now)

    def poll(self, workflow: Workflow, tasks: Sequence[PendingTask]) -> Sequence[Report]:
        return [self.answers[task.token] for task in tasks if task.token in self.answers]

    def stop(self, workflow: Workflow, keep: Collection[str]) -> None:
        mine = [token for token in self.tasks if token.startswith(f"{workflow.id}.") and token not in keep]
        for token in mine:
            del self.tasks[token]
            if token not in self.answers:
                self.stopped.append(token)

    def open(self, state: str) -> list[PendingTask]:
        return [task for task in self.tasks.values() if task.state == state and task.token not in self.answers]

    def succeed(self, state: str, output: Any = None) -> None:
        for task in self.open(state):
            self.answers[task.token] = TaskSucceeded(task.token, self.now, output)

    def fail(self, state: str, error: str = "Broken", cause: str = "it broke") -> None:
        for task in self.open(state):
            self.answers[task.token] = TaskFailed(task.token, self.now, error, cause)

    def answer_all(self) -> None:
        for token, task in self.tasks.items():
            self.answers.setdefault(token, TaskSucceeded(token, self.now, task.input))


def definition(states: dict[str, Any], start_at: str | None = None, **fields: Any) -> WorkflowDefinition:
    machine = StateMachine.from_dict({"StartAt": start_at or next(iter(states)), "States": states, **fields})
    return WorkflowDefinition(name="cranked", state_machine=machine, manager="cranked")


def task(next: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"Type": "Task", "Resource": "work", **({"Next": next} if next else {"End": True}), **fields}


TWO = definition({"First": task("Second"), "Second": task()})


@pytest.fixture
def world() -> Crank:
    return Crank()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def manager(store: MemoryStore, world: Crank) -> EngineWorkflowManager:
    return manager_of(store, world)


def manager_of(store: Any, hands: Any, **settings: Any) -> EngineWorkflowManager:
    return EngineWorkflowManager(store, hands, name="cranked", clock=hands.clock, **settings)


def types_of(store: MemoryStore, workflow: Workflow) -> list[str]:
    return [str(event.type) for event in store.read_history(workflow.id) if event.is_listed]


# What it is


def test_it_is_what_the_protocols_ask_for(manager, world):
    """The manager is a WorkflowManager, and the fake hands are a TaskRunner."""
    assert isinstance(manager, WorkflowManager)
    assert isinstance(world, TaskRunner)


# Creating and going on


def test_a_workflow_runs_from_start_to_end(manager, store, world):
    """Each update hears the runner, commits, and starts what follows; the end carries the output."""
    workflow = manager.create_workflow(TWO, {"n": 1}, namespace="prod", queue="fast", tags={"team": "a"})

    assert workflow.status is WorkflowStatus.RUNNING
    assert (workflow.namespace, workflow.queue, workflow.tags) == ("prod", "fast", {"team": "a"})
    assert [open.state for open in world.tasks.values()] == ["First"]

    world.advance(5)
    world.succeed("First", {"n": 2})
    workflow = manager.update_workflow_summary(workflow)
    assert workflow.status is WorkflowStatus.RUNNING
    assert world.open("Second")[0].input == {"n": 2}

    world.advance(5)
    world.succeed("Second", {"n": 3})
    workflow = manager.update_workflow_history(workflow)

    assert workflow.status is WorkflowStatus.SUCCEEDED
    assert workflow.output == {"n": 3}
    assert workflow.is_done
    assert workflow.resolved_by_user
    assert workflow.stopped_at == T0 + timedelta(seconds=10)
    assert [(job.state, job.status) for job in workflow.jobs] == [
        ("First", JobStatus.SUCCEEDED),
        ("Second", JobStatus.SUCCEEDED),
    ]
    assert workflow.last_job == workflow.jobs[-1]


def test_a_running_workflow_is_stored_without_jobs(manager, store, world):
    """What a report costs is what it changes: jobs are told from the history when somebody asks."""
    workflow = manager.create_workflow(TWO, {})
    world.succeed("First")
    manager.update_workflow_summary(workflow)

    assert store.get_workflow(workflow.id).jobs == ()
    assert manager.update_workflow_summary(workflow).last_job.state == "Second"
    assert [job.state for job in manager.update_workflow_history(workflow).jobs] == ["First", "Second"]


CHAIN = {"A": task("B"), "B": task("C"), "C": task()}
INSIDE = {"StartAt": "B", "States": {"B": task("C"), "C": task()}}


@pytest.mark.parametrize(
    ("what", "reads_all"),
    [
        (definition(CHAIN), False),
        (definition({"A": task("P"), "P": {"Type": "Parallel", "Branches": [INSIDE], "End": True}}), True),
    ],
)
def test_the_last_job_of_a_long_history_is_found_near_its_end(store, world, monkeypatch, what, reads_all):
    """What stands before the snapshot is read only where the last job is inside of what had begun before that."""
    monkeypatch.setattr(job_cache, "_FEW_SAVES", 0)
    manager = manager_of(store, world)
    workflow = manager.create_workflow(what, {})
    for state in ("A", "B"):
        world.succeed(state)
        manager.update_workflow_summary(workflow)
    stored = store.get_workflow(workflow.id)
    position = len(store.read_history(workflow.id).items) - 3
    store.save_snapshot(workflow.id, stored.revision, position, {"of": "what was"})
    expected = manager.update_workflow_history(workflow).jobs[-1]

    begun: list[int] = []
    read = store.read_history
    monkeypatch.setattr(store, "read_history", lambda id, **how: begun.append(how["after"]) or read(id, **how))
    jobs = JobCache(manager._driver.history, store)
    assert jobs.last_job(stored) == expected
    assert begun == ([position, 0] if reads_all else [position])
    assert jobs.jobs(stored)[1] == expected


def test_the_end_of_a_workflow_is_read_once(manager, store, world, monkeypatch):
    """Whoever looks at a finished workflow again and again does not read its history again and again."""
    workflow = manager.create_workflow(TWO, {})
    world.fail("First")
    first = manager.update_workflow_summary(workflow)
    monkeypatch.setattr(store, "read_history", lambda *arguments, **how: 1 / 0)
    assert manager.update_workflow_summary(workflow) == first


def test_a_failure_says_why(manager, world):
    """A failed workflow has the error, the cause, and both in one readable reason."""
    workflow = manager.create_workflow(TWO, {})
    world.fail("First", "NoSpace", "the disk is full")
    workflow = manager.update_workflow_summary(workflow)

    assert workflow.status is WorkflowStatus.FAILED
    assert (workflow.error, workflow.cause) == ("NoSpace", "the disk is full")
    assert workflow.status_reason == "NoSpace: the disk is full"
    assert not workflow.resolved_by_user
    assert workflow.last_job.status is JobStatus.FAILED


def test_an_update_of_a_workflow_that_has_ended_asks_nobody(manager, world):
    """What is over is only read."""
    workflow = manager.create_workflow(definition({"Only": {"Type": "Pass", "Result": 7, "End": True}}), {})
    world.poll = None  # would raise if it were called

    assert workflow.status is WorkflowStatus.SUCCEEDED
    assert manager.update_workflow_summary(workflow).output == 7


def test_default_tags_give_way_to_given_ones(manager):
    """A workflow has its definition's default tags, overridden by its own."""
    tagged = attrs.evolve(TWO, default_tags={"team": "a", "cost": "x"})

    assert manager.create_workflow(tagged, {}, tags={"team": "b"}).tags == {"team": "b", "cost": "x"}


def test_the_workflow_names_the_manager_that_runs_it(manager, store):
    """A definition made for another manager runs here under this one's name, and says so."""
    workflow = manager.create_workflow(attrs.evolve(TWO, manager="batch"), {})

    assert store.get_workflow(workflow.id).workflow_definition.manager == "cranked"


def test_what_the_caller_does_to_the_input_changes_nothing(manager, world):
    """Neither the object that was given nor the one that was returned is the execution's own."""
    given = {"items": [1]}
    workflow = manager.create_workflow(TWO, given)
    given["items"].append(2)
    workflow.input["items"].append(3)

    world.answer_all()
    manager.update_workflow_summary(workflow)
    assert world.open("Second")[0].input == {"items": [1]}


# Refusals


def nothing_was_started(store: MemoryStore, world: Crank) -> bool:
    return not world.starts and not store.list_workflows(WorkflowQuery()).items


def test_an_invalid_definition_is_refused_with_every_problem(manager, store, world):
    """All problems come at once, and nothing is stored."""
    broken = definition({"A": task("Nowhere"), "B": {"Type": "Choice", "Choices": []}})
    with pytest.raises(DefinitionError) as caught:
        manager.create_workflow(broken, {})

    assert len(caught.value.problems) >= 2
    assert nothing_was_started(store, world)


@pytest.mark.parametrize("value", [{1, 2}, float("nan"), {1: 2}, object()])
def test_an_input_that_is_no_json_is_refused(manager, store, world, value):
    """The input must be a JSON value."""
    with pytest.raises(InvalidValueError):
        manager.create_workflow(TWO, value)
    assert nothing_was_started(store, world)


def test_an_unknown_resource_is_refused_wherever_it_is_nested(store, world):
    """Every Task's resource is looked at, those within a Parallel and a Map too, and the error names the state."""

    class Picky(EngineWorkflowManager):
        def check_resource(self, need: Need, namespace: str) -> None:
            if need.resource.text == "unknown":
                raise UnknownResourceError(need.state, need.resource.text, namespace)

    deep = {"StartAt": "Deep", "States": {"Deep": task(Resource="unknown")}}
    each = {"StartAt": "Each", "States": {"Each": {"Type": "Map", "End": True, "ItemProcessor": deep}}}
    nested = definition({"Fan": {"Type": "Parallel", "End": True, "Branches": [each]}})
    with pytest.raises(UnknownResourceError, match="Deep"):
        Picky(store, world, name="cranked", clock=world.clock).create_workflow(nested, [])
    assert nothing_was_started(store, world)


# Time


def test_a_wait_ends_when_the_clock_says_so(manager, world):
    """A due timer is heard at the next update."""
    workflow = manager.create_workflow(
        definition({"Pause": {"Type": "Wait", "Seconds": 30, "Next": "Do"}, "Do": task()}), {}
    )
    world.advance(29)
    manager.update_workflow_summary(workflow)
    assert not world.starts

    world.advance(1)
    manager.update_workflow_summary(workflow)
    assert [open.state for open in world.tasks.values()] == ["Do"]


def test_a_retry_waits_and_then_has_another_token(manager, world):
    """Back-off is a timer; every try of a task has a token of its own."""
    retry = [{"ErrorEquals": ["Flaky"], "IntervalSeconds": 10, "MaxAttempts": 1}]
    workflow = manager.create_workflow(definition({"Try": task(Retry=retry)}), {})
    world.fail("Try", "Flaky")
    manager.update_workflow_summary(workflow)
    assert len(world.starts) == 1

    world.advance(10)
    manager.update_workflow_summary(workflow)
    assert len(set(world.starts)) == 2

    world.succeed("Try", "ok")
    assert manager.update_workflow_history(workflow).output == "ok"
    assert len(manager.update_workflow_history(workflow).jobs[0].attempts) == 1


def test_a_time_out_withdraws_its_task(manager, world):
    """The work of a task that has timed out is stopped, and its late answer is refused."""
    workflow = manager.create_workflow(definition({"Slow": task(TimeoutSeconds=60)}), {})
    late = world.open("Slow")[0].token
    world.advance(60)
    workflow = manager.update_workflow_summary(workflow)

    assert workflow.status is WorkflowStatus.FAILED
    assert workflow.error == "States.Timeout"
    assert world.stopped == [late]
    with pytest.raises(TaskTokenError):
        manager.send_task_success(late, "too late")
    assert manager.update_workflow_summary(workflow) == workflow


def test_the_whole_workflow_may_time_out(manager, world):
    """TimeoutSeconds of the machine fails the workflow and says so."""
    workflow = manager.create_workflow(definition({"Slow": task()}, TimeoutSeconds=100), {})
    world.advance(100)
    workflow = manager.update_workflow_summary(workflow)

    assert workflow.status is WorkflowStatus.FAILED
    assert workflow.status_reason.startswith("Workflow timed out")
    assert len(world.stopped) == 1


def test_siblings_of_a_failed_branch_are_withdrawn(manager, world):
    """When one branch fails its Parallel, the other branches' tasks are stopped."""
    branches = [{"StartAt": name, "States": {name: task()}} for name in ("Left", "Right")]
    workflow = manager.create_workflow(definition({"Fan": {"Type": "Parallel", "End": True, "Branches": branches}}), {})
    right = world.open("Right")[0].token
    world.fail("Left")

    assert manager.update_workflow_summary(workflow).status is WorkflowStatus.FAILED
    assert right in world.stopped


# Idempotency


def test_the_same_key_is_the_same_workflow(manager, store, world):
    """A second create with the key of the first returns the first call's workflow and starts nothing."""
    first = manager.create_workflow(TWO, {"n": 1}, idempotency_key="order-17")
    again = manager.create_workflow(TWO, {"n": 2}, idempotency_key="order-17")
    other = manager.create_workflow(TWO, {"n": 2}, idempotency_key="order-18")

    assert again.id == first.id
    assert again.input == {"n": 1}
    assert other.id != first.id
    assert len(world.starts) == 2


def test_of_many_callers_with_one_key_one_starts_it(store, world):
    """A race of creates with one key makes one workflow, which everyone gets."""
    managers = [manager_of(store, world) for _ in range(8)]
    gate, ids = threading.Barrier(8), []

    def create(manager: EngineWorkflowManager) -> None:
        gate.wait()
        ids.append(manager.create_workflow(TWO, {}, idempotency_key="once").id)

    run_together([lambda manager=manager: create(manager) for manager in managers])
    assert len(ids) == 8
    assert len(set(ids)) == 1
    assert len(set(world.starts)) == 1


# Cancelling


def test_cancelling_stops_the_work(manager, store, world):
    """A cancelled workflow is final, says why, and its tasks are withdrawn."""
    workflow = manager.create_workflow(TWO, {})
    cancelled = manager.cancel_workflow(workflow, reason="not needed")

    assert cancelled.status is WorkflowStatus.CANCELLED
    assert cancelled.status_reason == "not needed"
    assert cancelled.resolved_by_user
    assert len(world.stopped) == 1
    assert types_of(store, workflow)[-1] == "ExecutionAborted"
    assert manager.update_workflow_history(workflow).jobs[0].status is JobStatus.ABORTED_BY_USER


def test_cancelling_twice_is_cancelling_once(manager):
    """A workflow that is cancelled already is returned as it is."""
    workflow = manager.create_workflow(TWO, {})
    once = manager.cancel_workflow(workflow, reason="first")

    assert manager.cancel_workflow(workflow, reason="second") == once


@pytest.mark.parametrize("ending", ["succeed", "fail"])
def test_what_has_ended_cannot_be_cancelled(manager, world, ending):
    """Cancelling a workflow that has succeeded or failed is refused."""
    workflow = manager.create_workflow(definition({"Only": task()}), {})
    getattr(world, ending)("Only")
    manager.update_workflow_summary(workflow)

    with pytest.raises(WorkflowStatusError):
        manager.cancel_workflow(workflow, reason="too late")


def test_any_manager_over_the_store_may_cancel(manager, store, world):
    """Cancelling needs no manager that has seen the workflow before."""
    workflow = manager.create_workflow(TWO, {})
    manager_of(store, world).cancel_workflow(workflow, reason="from elsewhere")

    assert manager.update_workflow_summary(workflow).status is WorkflowStatus.CANCELLED
    assert len(world.stopped) == 1


# Retrying


def failed_at(manager: EngineWorkflowManager, world: Crank, state: str, workflow: Workflow) -> Workflow:
    while not world.open(state):
        world.answer_all()
        manager.update_workflow_summary(workflow)
    world.fail(state)
    return manager.update_workflow_summary(workflow)


def test_a_retry_starts_where_the_work_failed_with_what_it_had(manager, store, world):
    """By default a retry starts at the state that failed, over the input of its latest visit, and both sides know."""
    workflow = manager.create_workflow(TWO, {"n": 1}, namespace="prod", queue="fast", tags={"t": "u"})
    world.succeed("First", {"n": 2})
    manager.update_workflow_summary(workflow)
    world.fail("Second")
    workflow = manager.update_workflow_summary(workflow)

    retry = manager.retry_workflow(workflow)
    assert retry.retry_for == workflow.id
    assert retry.start_at == "Second"
    assert retry.input == {"n": 2}
    assert (retry.namespace, retry.queue, retry.tags) == ("prod", "fast", {"t": "u"})
    assert store.get_workflow(workflow.id).retries == (retry.id,)
    assert [open.input for open in world.open("Second")] == [{"n": 2}]

    world.succeed("Second", "done")
    assert manager.update_workflow_summary(retry).output == "done"


def test_a_retry_may_start_elsewhere_with_something_else(manager, world):
    """The caller may name the state and the input."""
    workflow = failed_at(manager, world, "Second", manager.create_workflow(TWO, {}))
    retry = manager.retry_workflow(workflow, start_at="First", input=[1])

    assert retry.start_at == ""  # the definition's own StartAt
    assert world.open("First")[0].input == [1]


def test_a_retry_of_nested_work_starts_at_the_state_around_it(manager, world):
    """A task that failed within a Map is retried from the Map."""
    each = {"StartAt": "Item", "States": {"Item": task()}}
    mapped = definition({"Before": task("Each"), "Each": {"Type": "Map", "End": True, "ItemProcessor": each}})
    workflow = manager.create_workflow(mapped, [1, 2])
    world.answer_all()
    manager.update_workflow_summary(workflow)
    world.fail("Item")
    workflow = manager.update_workflow_summary(workflow)

    retry = manager.retry_workflow(workflow)
    assert (retry.start_at, retry.input) == ("Each", [1, 2])


def test_a_retry_goes_to_the_work_that_failed_not_to_the_fail_state(manager, world):
    """Where a Catch led on to a Fail state, the work whose failure was caught is what has to be done again."""
    caught = definition(
        {
            "Work": task("Done", Catch=[{"ErrorEquals": ["States.ALL"], "Next": "Sorry"}]),
            "Done": {"Type": "Succeed"},
            "Sorry": {"Type": "Fail", "Error": "Sorry"},
        }
    )
    workflow = failed_at(manager, world, "Work", manager.create_workflow(caught, {"n": 1}))
    assert workflow.error == "Sorry"

    retry = manager.retry_workflow(workflow)
    assert (retry.start_at, retry.input) == ("", {"n": 1})
    assert len(world.open("Work")) == 1


def test_a_state_that_was_visited_twice_is_retried_with_its_latest_input(manager, world):
    """In a loop the latest visit counts."""
    again = {"Variable": "$.n", "NumericLessThan": 3, "Next": "Work"}
    loop = definition(
        {"Work": task("More"), "More": {"Type": "Choice", "Choices": [again], "Default": "End"}, "End": task()}
    )
    workflow = manager.create_workflow(loop, {"n": 1})
    world.succeed("Work", {"n": 2})
    manager.update_workflow_summary(workflow)
    world.fail("Work")
    workflow = manager.update_workflow_summary(workflow)

    assert manager.retry_workflow(workflow).input == {"n": 2}


def test_a_state_that_was_never_entered_needs_an_input(manager, world):
    """No input can be made up for a state that the workflow never came to."""
    workflow = failed_at(manager, world, "First", manager.create_workflow(TWO, {}))

    with pytest.raises(InvalidValueError, match="never entered"):
        manager.retry_workflow(workflow, start_at="Second")
    assert manager.retry_workflow(workflow, start_at="Second", input={}).start_at == "Second"


def test_a_retry_needs_a_state_that_exists(manager, world):
    """A start at no state is refused, and nothing is stored."""
    workflow = failed_at(manager, world, "First", manager.create_workflow(TWO, {}))

    with pytest.raises(InvalidValueError, match="Third"):
        manager.retry_workflow(workflow, start_at="Third")
    assert manager.store.get_workflow(workflow.id).retries == ()


def test_what_still_goes_on_cannot_be_retried(manager, world):
    """A workflow that is not done, or one of whose retries is not, is not retried."""
    workflow = manager.create_workflow(TWO, {})
    with pytest.raises(WorkflowStatusError):
        manager.retry_workflow(workflow)

    workflow = failed_at(manager, world, "First", workflow)
    retry = manager.retry_workflow(workflow)
    with pytest.raises(WorkflowStatusError, match=retry.id):
        manager.retry_workflow(workflow)

    failed_at(manager, world, "First", retry)
    second = manager.retry_workflow(workflow)
    assert manager.store.get_workflow(workflow.id).retries == (retry.id, second.id)


def test_a_workflow_that_has_succeeded_is_retried_from_its_start(manager, world):
    """Doing good work again begins at the beginning, with the first input."""
    workflow = manager.create_workflow(TWO, {"n": 1})
    while manager.update_workflow_summary(workflow).status is WorkflowStatus.RUNNING:
        world.answer_all()

    retry = manager.retry_workflow(workflow)
    assert (retry.start_at, retry.input) == ("", {"n": 1})


def test_linking_a_retry_survives_a_race(manager, store, world):
    """The original is linked in a compare-and-set loop: a write in between costs another turn, not the link."""
    workflow = failed_at(manager, world, "First", manager.create_workflow(TWO, {}))
    save, raced = store.save_workflow, []

    def save_in_between(given: Workflow, events: Sequence[HistoryEvent] = ()) -> Workflow:
        if given.id == workflow.id and not raced:
            raced.append(True)
            current = store.get_workflow(workflow.id)
            save(attrs.evolve(current, tags={"seen": "yes"}))
        return save(given, events)

    store.save_workflow = save_in_between
    retry = manager.retry_workflow(workflow)

    linked = store.get_workflow(workflow.id)
    assert linked.retries == (retry.id,)
    assert linked.tags == {"seen": "yes"}


# Listeners


def test_listeners_hear_every_committed_event_in_order(store, world):
    """A listener gets each event with the workflow as of its commit, and one that fails disturbs nobody."""
    heard: list[int] = []
    manager = manager_of(store, world, listeners=[lambda workflow, event: heard.append(event.id)])

    @manager.on_event
    def broken(workflow: Workflow, event: HistoryEvent) -> None:
        assert store.get_workflow(workflow.id).revision >= workflow.revision
        raise RuntimeError("listener")

    workflow = manager.create_workflow(TWO, {})
    while manager.update_workflow_summary(workflow).status is WorkflowStatus.RUNNING:
        world.answer_all()
    assert heard == [event.id for event in store.read_history(workflow.id)]


def test_a_listener_may_cancel(store, world):
    """A listener may call the manager: it is called outside the workflow's lock, and hears the rest in order."""
    manager = manager_of(store, world)
    heard: list[str] = []

    @manager.on_event
    def stop(workflow: Workflow, event: HistoryEvent) -> None:
        heard.append(str(event.type))
        if event.type is HistoryEventType.ACTIVITY_SCHEDULED:
            manager.cancel_workflow(workflow, reason="heard enough")

    workflow = manager.create_workflow(TWO, {})
    assert manager.update_workflow_summary(workflow).status is WorkflowStatus.CANCELLED
    assert heard == [str(event.type) for event in store.read_history(workflow.id)]


# Tokens from outside

CALLBACK = definition(
    {
        "Ask": {
            "Type": "Task",
            "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
            "Parameters": {"QueueUrl": "https://queue.example/approvals", "MessageBody.$": "$$.Task.Token"},
            "HeartbeatSeconds": 60,
            "End": True,
        }
    }
)


def test_a_task_may_be_answered_by_its_token(manager, world):
    """Whoever has the token may report success, and heartbeats start the heartbeat timer anew."""
    workflow = manager.create_workflow(CALLBACK, {})
    token = world.open("Ask")[0].input["MessageBody"]
    world.advance(50)
    manager.send_task_heartbeat(token)
    world.advance(50)
    manager.update_workflow_summary(workflow)
    manager.send_task_success(token, {"approved": True})

    assert manager.update_workflow_summary(workflow).output == {"approved": True}


def test_a_task_may_be_failed_by_its_token(manager, world):
    """A failure by token has its error and cause."""
    workflow = manager.create_workflow(CALLBACK, {})
    manager.send_task_failure(world.open("Ask")[0].token, "Refused", "no budget")

    assert manager.update_workflow_summary(workflow).status_reason == "Refused: no budget"


def test_a_token_of_nobody_is_told(manager):
    """A token that belongs to no workflow here is an error."""
    with pytest.raises(NotFoundError):
        manager.send_task_success("nobody.1.0", {})


# Distributed Map


def test_a_distributed_map_runs_its_children(manager, world):
    """Children of a Map Run are executions whose tasks run on the same hands, under tokens of their own."""
    processor = {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "Item",
        "States": {"Item": task("Rest"), "Rest": {"Type": "Wait", "Seconds": 5, "End": True}},
    }
    workflow = manager.create_workflow(
        definition({"Each": {"Type": "Map", "End": True, "ItemProcessor": processor, "MaxConcurrency": 2}}), [1, 2, 3]
    )
    assert [open.input for open in world.open("Item")] == [1, 2]
    for _ in range(6):
        world.answer_all()
        manager.update_workflow_summary(workflow)
        world.advance(5)
    workflow = manager.update_workflow_summary(workflow)

    assert workflow.status is WorkflowStatus.SUCCEEDED
    assert workflow.output == [1, 2, 3]
    assert len(set(world.starts)) == len(world.starts) == 3


def test_cancelling_withdraws_the_children_of_a_map_run(manager, world):
    """What a child has under way is stopped with its parent."""
    processor = {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "Item",
        "States": {"Item": task()},
    }
    workflow = manager.create_workflow(
        definition({"Each": {"Type": "Map", "End": True, "ItemProcessor": processor}}), [1, 2]
    )
    manager.cancel_workflow(workflow, reason="enough")
    assert sorted(world.stopped) == sorted(world.starts)


def test_a_failed_child_fails_its_map_run(manager, world):
    """A child's failure counts against the tolerated failures of the Map."""
    processor = {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "Item",
        "States": {"Item": task()},
    }
    workflow = manager.create_workflow(
        definition({"Each": {"Type": "Map", "End": True, "ItemProcessor": processor}}), [1, 2]
    )
    world.fail("Item")
    assert manager.update_workflow_summary(workflow).error == "States.ExceedToleratedFailureThreshold"


# Two drivers, and drivers that die


def run_together(calls: Sequence[Callable[[], object]]) -> None:
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


BUSY = definition(
    {
        "Begin": task("Fan", Retry=[{"ErrorEquals": ["States.ALL"]}]),
        "Fan": {
            "Type": "Parallel",
            "Next": "Each",
            "ResultPath": "$.fan",
            "Branches": [
                {"StartAt": "Left", "States": {"Left": task()}},
                {
                    "StartAt": "Nap",
                    "States": {"Nap": {"Type": "Wait", "Seconds": 3, "Next": "Right"}, "Right": task()},
                },
            ],
        },
        "Each": {
            "Type": "Map",
            "ItemsPath": "$.items",
            "ItemProcessor": {"StartAt": "Item", "States": {"Item": task()}},
            "ResultPath": "$.each",
            "Next": "End",
        },
        "End": task(),
    }
)
BUSY_INPUT = {"items": [1, 2, 3]}
BUSY_TASKS = ["Begin", "Left", "Right", "Item", "Item", "Item", "End"]


def finish(manager: EngineWorkflowManager, world: Crank, workflow: Workflow) -> Workflow:
    for _ in range(50):
        workflow = manager.update_workflow_summary(workflow)
        if workflow.status.is_final:
            return workflow
        world.answer_all()
        world.advance(1)
    raise AssertionError(f"{workflow} does not end")


def assert_done_once(store: MemoryStore, world: Crank, workflow: Workflow) -> None:
    """Every task was done once, and the stored history is one that the engine could have written in one go."""
    assert workflow.status is WorkflowStatus.SUCCEEDED
    events = list(store.read_history(workflow.id, limit=10_000))
    assert [event.id for event in events if event.is_listed] == list(range(1, events[-1].id + 1))
    states = [event.type for event in events].count(HistoryEventType.ACTIVITY_SUCCEEDED)
    assert states == len(BUSY_TASKS)
    assert len(set(world.starts)) == len(BUSY_TASKS)
    replayed = Execution.replay(BUSY.state_machine, events, name=workflow.id)
    assert replayed.outcome.output == workflow.output


def test_two_drivers_take_turns(store, world):
    """Two managers over one store may both be asked: the revision tells who was first, and nothing is done twice."""
    managers = [manager_of(store, world), manager_of(store, world)]
    workflow = managers[0].create_workflow(BUSY, BUSY_INPUT)
    for turn in range(50):
        world.answer_all()
        world.advance(1)
        workflow = managers[turn % 2].update_workflow_summary(workflow)
    assert_done_once(store, world, workflow)


def test_many_drivers_at_once(store, world):
    """The same with threads: conflicts are settled by loading again, and no caller sees one."""
    managers = [manager_of(store, world) for _ in range(4)]
    workflow = managers[0].create_workflow(BUSY, BUSY_INPUT)
    problems: list[BaseException] = []

    def update(manager: EngineWorkflowManager) -> None:
        try:
            manager.update_workflow_summary(workflow)
        except Exception as exc:  # noqa: BLE001  whatever it is, it should not be
            problems.append(exc)

    for _ in range(20):
        world.answer_all()
        world.advance(1)
        run_together([lambda manager=manager: update(manager) for manager in managers for _ in range(2)])
    assert problems == []
    assert_done_once(store, world, managers[0].update_workflow_summary(workflow))


def test_two_drivers_share_the_children_of_a_map_run(store, world):
    """Both hold the children in memory, under the same tokens, so nothing is done twice and both see the end."""
    inner = {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "Item",
        "States": {"Item": task("Rest"), "Rest": {"Type": "Wait", "Seconds": 2, "Next": "Again"}, "Again": task()},
    }
    outer = {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "Inner",
        "States": {"Inner": {"Type": "Map", "End": True, "ItemProcessor": inner}},
    }
    nested = definition({"Outer": {"Type": "Map", "End": True, "ItemProcessor": outer, "MaxConcurrency": 1}})
    managers = [manager_of(store, world), manager_of(store, world)]
    workflow = managers[0].create_workflow(nested, [[1, 2], [3]])
    for turn in range(60):
        world.answer_all()
        world.advance(1)
        workflow = managers[turn % 2].update_workflow_summary(workflow)

    assert workflow.output == [[1, 2], [3]]
    assert len(set(world.starts)) == 6
    managers[0].update_workflow_summary(workflow)
    managers[1].update_workflow_summary(workflow)
    assert not any(manager._driver._lives for manager in managers)


def test_a_driver_that_is_asked_about_many_workflows_keeps_few(store, world, monkeypatch):
    """What was looked at the longest time ago is forgotten, and loaded again when it is asked for."""
    monkeypatch.setattr("workflow_manager.managers.driver._MOST_KEPT", 3)
    manager = manager_of(store, world)
    workflows = [manager.create_workflow(TWO, number) for number in range(10)]
    for _ in range(3):
        world.answer_all()
        workflows = [manager.update_workflow_summary(workflow) for workflow in workflows]
        assert len(manager._driver._lives) <= 3
    assert [workflow.output for workflow in workflows] == list(range(10))
    assert len(world.starts) == len(set(world.starts)) == 20


class Crash(BaseException):
    """The process has died."""


class Fuse:
    """Lets so many calls through to *target*, then dies: before that call has had its effect, or right after."""

    def __init__(self, steps: int, *, after: bool) -> None:
        self.steps, self.after, self.dead = steps, after, False

    def wrap(self, target: object, names: Collection[str]) -> Any:
        fuse = self

        class Fused:
            def __getattr__(self, name: str) -> Any:
                value = getattr(target, name)
                return fuse.guard(value) if name in names else value

        return Fused()

    def guard(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(*args: Any, **kwargs: Any) -> Any:
            self.steps -= 1
            if self.dead or (self.steps == 0 and not self.after):
                self.dead = True
                raise Crash
            result = call(*args, **kwargs)
            if self.steps == 0:
                self.dead = True
                raise Crash
            return result

        return guarded


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", range(1, 60))
def test_a_driver_may_die_at_any_step(store, world, step, after):
    """Whatever call to store or runner is its last, the next manager over the same store finishes the work."""
    fuse = Fuse(step, after=after)
    doomed = manager_of(
        fuse.wrap(store, {"save_workflow", "get_workflow", "read_history"}), fuse.wrap(world, {"start", "poll", "stop"})
    )
    try:
        finish(doomed, world, doomed.create_workflow(BUSY, BUSY_INPUT))
    except Crash:
        pass
    stored = store.list_workflows(WorkflowQuery()).items
    if not stored:
        assert not world.starts  # nothing is performed that is not committed
        return
    assert_done_once(store, world, finish(manager_of(store, world), world, stored[0]))


def test_the_crash_test_covers_a_whole_run(store, world):
    """The steps of the test above reach beyond the last call of an undisturbed run."""
    fuse = Fuse(1_000_000, after=False)
    manager = manager_of(
        fuse.wrap(store, {"save_workflow", "get_workflow", "read_history"}), fuse.wrap(world, {"start", "poll", "stop"})
    )
    finish(manager, world, manager.create_workflow(BUSY, BUSY_INPUT))
    assert 20 < 1_000_000 - fuse.steps < 60


class Down(Exception):
    """The far side does not answer."""


def test_a_runner_that_cannot_be_reached_does_not_fail_the_workflow(store, world):
    """An exception from the runner means "nobody knows": the workflow is stored, and the next update asks again."""
    manager = manager_of(store, world)
    start, world.start = world.start, lambda workflow, task: (_ for _ in ()).throw(Down())
    workflow = manager.create_workflow(TWO, {})
    assert workflow.status is WorkflowStatus.RUNNING
    with pytest.raises(Down):
        manager.update_workflow_summary(workflow)

    world.start = start
    manager.update_workflow_summary(workflow)
    assert [open.state for open in world.tasks.values()] == ["First"]


def test_a_store_that_fails_once_loses_no_answer(store, world):
    """A commit that raises leaves the answer to be heard again."""
    manager = manager_of(store, world)
    workflow = manager.create_workflow(CALLBACK, {})
    token = world.open("Ask")[0].token
    save, store.save_workflow = store.save_workflow, lambda *args: (_ for _ in ()).throw(Down())
    with pytest.raises(Down):
        manager.send_task_success(token, "yes")

    store.save_workflow = save
    assert manager.update_workflow_summary(workflow).output == "yes"


def test_a_workflow_that_was_deleted_is_gone(manager, store, world):
    """News of a workflow that the store no longer has is dropped; asking for it says that it is not there."""
    workflow = manager.create_workflow(TWO, {})
    store.delete_workflow(workflow.id)
    with pytest.raises(NotFoundError):
        manager.update_workflow_summary(workflow)
    with pytest.raises(NotFoundError):
        manager.cancel_workflow(workflow, reason="?")
