"""Tasks that wait for their token to come back: who may send it, from where, and what is refused."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from aws_world import call, definition
from workflow_manager.exceptions import InvalidValueError, TaskTokenError, TaskTokenReason
from workflow_manager.managers.local import LocalWorkflowManager
from workflow_manager.managers.wait import wait
from workflow_manager.models import Workflow, WorkflowStatus
from workflow_manager.stores.memory import MemoryStore
from workflow_manager.stores.sqlite import SQLiteStore

PATIENCE = 30.0
INVOKE = "lambda:invoke.waitForTaskToken"
ASK = call(INVOKE, {"Token.$": "$$.Task.Token"})


@pytest.fixture
def managed() -> Iterator[Callable[..., LocalWorkflowManager]]:
    made: list[LocalWorkflowManager] = []

    def make(tasks: Any = None, store: Any = None, **settings: Any) -> LocalWorkflowManager:
        made.append(LocalWorkflowManager(store or MemoryStore(), tasks, **settings))
        return made[-1]

    yield make
    for manager in made:
        manager.close(wait=False)


class Mail:
    """A task that asks somebody, and the tokens that it has sent out."""

    def __init__(self) -> None:
        self.tokens: list[str] = []

    @property
    def tasks(self) -> dict[str, Any]:
        return {INVOKE: lambda given: self.tokens.append(given["Token"])}

    def token(self, number: int = 0) -> str:
        until(lambda: len(self.tokens) > number)
        return self.tokens[number]


@pytest.fixture
def mail() -> Mail:
    return Mail()


def until(holds: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.005)


def submitted(manager: LocalWorkflowManager, workflow: Workflow) -> Callable[[], bool]:
    return lambda: any(event.type == "TaskSubmitted" for event in manager.store.read_history(workflow.id))


def reason(manager: LocalWorkflowManager, token: str) -> TaskTokenReason:
    with pytest.raises(TaskTokenError) as refusal:
        manager.send_task_success(token, {})
    return refusal.value.reason


# One process


def test_an_answer_is_the_tasks_result(managed, mail):
    """The task's result is what is sent with its token, any JSON value."""
    manager = managed(mail.tasks)
    workflow = manager.create_workflow(definition(Ask=ASK), {})
    until(submitted(manager, workflow))
    manager.send_task_success(mail.token(), ["yes", 3])
    assert wait(manager, workflow, PATIENCE).output == ["yes", 3]


def test_an_answer_may_come_before_the_question_is_out(managed):
    """A token that comes back while the call is still going out counts."""
    heard = threading.Event()

    def ask(given: Any) -> None:
        manager.send_task_success(given["Token"], "quick")
        heard.set()

    manager = managed({INVOKE: ask})
    workflow = wait(manager, manager.create_workflow(definition(Ask=ASK), {}), PATIENCE)
    assert heard.is_set()
    assert workflow.output == "quick"


def test_a_failure_has_its_error_and_cause(managed, mail):
    """What is sent as a failure may be caught by its name."""
    manager = managed(mail.tasks)
    caught = {**ASK, "Catch": [{"ErrorEquals": ["Refused"], "Next": "No"}], "Next": "No"}
    workflow = manager.create_workflow(definition(Ask=caught, No={"Type": "Succeed"}), {})
    manager.send_task_failure(mail.token(), "Refused", "no budget")
    assert wait(manager, workflow, PATIENCE).output == {"Error": "Refused", "Cause": "no budget"}


def test_heartbeats_keep_a_task_alive(managed, mail):
    """HeartbeatSeconds are counted from the latest heartbeat; without one the task times out."""
    manager = managed(mail.tasks)
    workflow = manager.create_workflow(definition(Ask={**ASK, "HeartbeatSeconds": 1}), {})
    token = mail.token()
    for _ in range(3):
        time.sleep(0.5)
        manager.send_task_heartbeat(token)
    assert manager.store.get_workflow(workflow.id).status is WorkflowStatus.RUNNING
    assert wait(manager, workflow, PATIENCE).error == "States.Timeout"
    with pytest.raises(TaskTokenError) as refusal:
        manager.send_task_heartbeat(token)
    assert refusal.value.reason is TaskTokenReason.TASK_TIMED_OUT


def test_a_heartbeat_without_heartbeat_seconds_changes_nothing(managed, mail):
    manager = managed(mail.tasks)
    workflow = manager.create_workflow(definition(Ask=ASK), {})
    manager.send_task_heartbeat(mail.token())
    manager.send_task_success(mail.token(), 1)
    assert wait(manager, workflow, PATIENCE).output == 1


def test_tokens_that_nobody_waits_for_are_refused(managed, mail):
    """Each as AWS does: no token at all, one of nobody, one whose task has ended."""
    manager = managed({**mail.tasks, "work": lambda: time.sleep(0.3)})
    rest = {"Type": "Task", "Resource": "work"}
    workflow = manager.create_workflow(definition(Ask=ASK, Rest=rest), {})
    token = mail.token()
    assert reason(manager, "whatever") is TaskTokenReason.INVALID_TOKEN
    assert reason(manager, "nobody.2.0") is TaskTokenReason.TASK_DOES_NOT_EXIST
    assert reason(manager, f"{workflow.id}.99.0") is TaskTokenReason.TASK_TIMED_OUT
    manager.send_task_success(token, {})
    assert reason(manager, token) is TaskTokenReason.TASK_TIMED_OUT
    wait(manager, workflow, PATIENCE)
    assert reason(manager, token) is TaskTokenReason.TASK_TIMED_OUT
    with pytest.raises(InvalidValueError):
        manager.send_task_success(token, {1, 2})


def test_of_many_answers_one_counts(managed, mail):
    """Whoever is first is heard; all others are told that they came too late."""
    manager = managed(mail.tasks)
    workflow = manager.create_workflow(definition(Ask=ASK), {})
    token, heard, refused = mail.token(), [], []

    def answer(number: int) -> None:
        try:
            manager.send_task_success(token, number)
            heard.append(number)
        except TaskTokenError as exc:
            refused.append(exc.reason)

    threads = [threading.Thread(target=answer, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [wait(manager, workflow, PATIENCE).output] == heard
    assert refused == [TaskTokenReason.TASK_TIMED_OUT] * 7


def test_the_children_of_a_distributed_map_have_tokens_too(managed, mail):
    """A child's token leads through its parent's to the workflow."""
    each = {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}, "StartAt": "Ask"}
    each["States"] = {"Ask": {**ASK, "End": True}}
    manager = managed(mail.tasks)
    workflow = manager.create_workflow(definition(Each={"Type": "Map", "ItemProcessor": each}), [1, 2, 3])
    mail.token(2)
    for number, token in enumerate(sorted(mail.tokens)):
        assert token.startswith(workflow.id)
        manager.send_task_success(token, number)
    assert wait(manager, workflow, PATIENCE).output == [0, 1, 2]
    assert reason(manager, mail.token()) is TaskTokenReason.TASK_TIMED_OUT


@given(token=st.text(max_size=30) | st.from_regex(r"[a-z.]{1,8}\.[0-9]{1,3}\.[0-9]{1,2}c?[0-9]?", fullmatch=True))
def test_no_text_is_taken_for_somebodys_token(token):
    """Whatever is sent, the answer is a TaskTokenError, never a crash."""
    manager = LocalWorkflowManager(MemoryStore())
    assert reason(manager, token) in (TaskTokenReason.INVALID_TOKEN, TaskTokenReason.TASK_DOES_NOT_EXIST)


def test_a_message_carries_the_token(managed):
    """sqs:sendMessage.waitForTaskToken sends the token through SQS; its answer is TaskSubmitted."""
    with mock_aws():
        session = boto3.Session(region_name="us-east-1")
        sqs = session.client("sqs")
        url = sqs.create_queue(QueueName="questions")["QueueUrl"]
        manager = managed(session=session)
        body = {"Token.$": "$$.Task.Token"}
        ask = call("sqs:sendMessage.waitForTaskToken", {"QueueUrl": url, "MessageBody": body})
        workflow = manager.create_workflow(definition(Ask=ask), {})
        until(submitted(manager, workflow))
        message = json.loads(sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"])
        manager.send_task_success(message["Token"], "read")
        assert wait(manager, workflow, PATIENCE).output == "read"
        events = manager.store.read_history(workflow.id)
        receipt = next(event.details["output"] for event in events if event.type == "TaskSubmitted")
        assert receipt["MessageId"]


# Several processes, each with a manager over one store


def test_another_process_may_answer_and_the_owner_goes_on(managed, mail, tmp_path: Path):
    """The answer is stored by whoever is told; what follows is done by the process that has the workflow."""
    first_store, second_store = SQLiteStore(tmp_path / "db"), SQLiteStore(tmp_path / "db")
    owner = managed({**mail.tasks, "work": lambda given: f"{given} by the owner"}, first_store, owner="a")
    teller = managed(None, second_store, owner="b")
    states = definition(Ask=ASK, Work={"Type": "Task", "Resource": "work"})
    workflow = owner.create_workflow(states, {})
    token = mail.token()
    until(submitted(owner, workflow))
    teller.send_task_success(token, "done")
    assert reason(teller, token) is TaskTokenReason.TASK_TIMED_OUT
    assert wait(owner, workflow, PATIENCE).output == "done by the owner"


def test_a_process_without_tasks_or_owner_may_answer(managed, mail):
    """Somebody else's lease is respected: the one that is told stores the answer and does nothing else."""
    store = MemoryStore()
    owner = managed({**mail.tasks, "work": lambda given: f"{given} by the owner"}, store, owner="a")
    workflow = owner.create_workflow(definition(Ask=ASK, Work={"Type": "Task", "Resource": "work"}), {})
    token = mail.token()
    until(submitted(owner, workflow))
    managed(None, store).send_task_success(token, "done")
    assert wait(owner, workflow, PATIENCE).output == "done by the owner"


def test_another_managers_workflow_is_only_told(managed, mail):
    """A workflow that belongs to a manager of another name hears the answer, and nothing of it is begun here."""
    store = MemoryStore()
    states = definition(Ask=ASK, Work={"Type": "Task", "Resource": "work"})
    first = managed({**mail.tasks, "work": lambda given: "first"}, store)
    first.name = "elsewhere"
    workflow = first.create_workflow(states, {})
    token = mail.token()
    until(submitted(first, workflow))
    second = managed({"work": lambda given: "second"}, store)
    second.send_task_success(token, "done")
    assert store.read_history(workflow.id, limit=100).items[-1].type == "ActivityScheduled"
    assert not second._driver.is_live(workflow.id)


def test_the_owner_hears_of_an_answer_when_it_has_a_turn(managed, mail):
    """A process that is busy with the workflow meets the answer as a conflict, loads it and goes on."""
    store = MemoryStore()
    gate = threading.Event()
    branches = [
        {
            "StartAt": "Ask",
            "States": {"Ask": {**ASK, "Next": "Then"}, "Then": {"Type": "Task", "Resource": "then", "End": True}},
        },
        {"StartAt": "Long", "States": {"Long": {"Type": "Task", "Resource": "long", "End": True}}},
    ]
    tasks = {**mail.tasks, "long": lambda: gate.wait(PATIENCE), "then": lambda given: [given, "then"]}
    owner = managed(tasks, store, owner="a")
    teller = managed(None, store, owner="b")
    workflow = owner.create_workflow(definition(Both={"Type": "Parallel", "Branches": branches}), {})
    token = mail.token()
    until(submitted(owner, workflow))
    teller.send_task_success(token, "answer")
    gate.set()
    assert wait(owner, workflow, PATIENCE).output == [["answer", "then"], True]


def test_a_process_that_answers_for_a_workflow_of_nobody_goes_on_with_it(managed, mail):
    """Where no process has the workflow, the one that is told takes it over."""
    store = MemoryStore()
    first = managed({**mail.tasks, "work": lambda given: "by nobody"}, store, owner="a")
    beside = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 1, "End": True}}}
    asks = {"StartAt": "Ask", "States": {"Ask": {**ASK, "Next": "Work"}, "Work": {"Type": "Task", "Resource": "work"}}}
    asks["States"]["Work"]["End"] = True
    workflow = first.create_workflow(definition(Both={"Type": "Parallel", "Branches": [asks, beside]}), {})
    token = mail.token()
    until(submitted(first, workflow))
    first.close()
    second = managed({**mail.tasks, "work": lambda given: f"{given} by the second"}, store, owner="b")
    second.send_task_success(token, "done")
    assert wait(second, workflow, PATIENCE).output == ["done by the second", {}]


def test_a_refused_answer_makes_nobody_its_driver(managed, mail):
    """After a token that is no longer wanted the workflow can still be taken over."""
    store = MemoryStore()
    first = managed(mail.tasks, store)
    workflow = first.create_workflow(definition(Ask=ASK), {})
    until(submitted(first, workflow))
    first.close()
    second = managed(mail.tasks, store)
    assert reason(second, f"{workflow.id}.77.0") is TaskTokenReason.TASK_TIMED_OUT
    assert second.recover() == (workflow.id,)
    second.send_task_success(mail.token(), "late")
    assert wait(second, workflow, PATIENCE).output == "late"


def test_of_two_processes_that_answer_at_once_one_is_refused(managed, mail):
    """The one whose save comes second learns of it, though the task was still pending when it looked."""
    store = MemoryStore()
    owner = managed(mail.tasks, store, owner="a")
    workflow = owner.create_workflow(definition(Ask=ASK), {})
    token = mail.token()
    until(submitted(owner, workflow))
    quick, slow = managed(None, store), managed(None, store)
    save, raced = store.save_workflow, []

    def overtaken(workflow: Workflow, events: Any = ()) -> Workflow:
        if not raced:
            raced.append(True)
            quick.send_task_success(token, "first")
        return save(workflow, events)

    store.save_workflow = overtaken
    assert reason(slow, token) is TaskTokenReason.TASK_TIMED_OUT
    assert wait(owner, workflow, PATIENCE).output == "first"
