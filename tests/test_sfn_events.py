"""Step Functions: what AWS tells by itself, in any order, twice, and with parts left out."""

from __future__ import annotations

import base64
import gzip
import itertools
import json
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from sfn_fake import FakeStepFunctions, manager_of
from workflow_manager.asl import StateMachine
from workflow_manager.exceptions import InvalidValueError
from workflow_manager.models import Workflow, WorkflowDefinition, WorkflowStatus
from workflow_manager.stores.memory import MemoryStore
from workflow_manager.testing import TaskError

STATES = {
    "Rest": {"Type": "Wait", "Seconds": 60, "Next": "Work"},
    "Work": {"Type": "Task", "Resource": "work", "End": True},
}
DEFINITION = WorkflowDefinition(
    name="order", state_machine=StateMachine.from_dict({"StartAt": "Rest", "States": STATES}), manager="step-functions"
)


class World:
    """A fake account with one workflow that runs."""

    def __init__(self) -> None:
        self.fake, self.store = FakeStepFunctions(self._answer), MemoryStore()
        self.fails = False
        self.manager = manager_of(self.fake, self.store)
        self.workflow = self.create()

    def _answer(self, call: Any) -> Any:
        if self.fails:
            raise TaskError("Boom", "it broke")
        return call.input

    def create(self) -> Workflow:
        found: Workflow = self.manager.create_workflow(DEFINITION, {"n": 1}, namespace="prod")
        return found

    @property
    def stored(self) -> Workflow:
        return self.store.get_workflow(self.workflow.id)

    @property
    def arn(self) -> str:
        return str(self.manager.execution_arn(self.workflow))

    def change(self, status: str, **more: Any) -> dict[str, Any]:
        """EventBridge's event."""
        detail = {
            "executionArn": self.arn,
            "stateMachineArn": "m",
            "name": self.workflow.id,
            "status": status,
            "startDate": int(self.fake.now.timestamp() * 1000),
            "stopDate": None if status == "RUNNING" else int(self.fake.now.timestamp() * 1000),
            "output": '{"n": 2}' if status == "SUCCEEDED" else None,
            "outputDetails": {"included": True},
            **more,
        }
        kind = "Step Functions Execution Status Change"
        return {"version": "0", "source": "aws.states", "detail-type": kind, "detail": detail}

    def record(self, type: str, **details: Any) -> dict[str, Any]:
        """A history record, as Step Functions logs it."""
        return {
            "id": "9",
            "type": type,
            "details": details,
            "previous_event_id": "8",
            "event_timestamp": str(int(self.fake.now.timestamp() * 1000)),
            "execution_arn": self.arn,
            "redrive_count": "0",
        }


@pytest.fixture
def world() -> World:
    return World()


def payload(*records: dict[str, Any], stream: str = "states/order/2026-03-01") -> dict[str, Any]:
    events = [{"id": str(n), "timestamp": 0, "message": json.dumps(record)} for n, record in enumerate(records)]
    return {"messageType": "DATA_MESSAGE", "logGroup": "g", "logStream": stream, "logEvents": events}


def packed(content: dict[str, Any]) -> str:
    return base64.b64encode(gzip.compress(json.dumps(content).encode(), mtime=0)).decode()


# Shapes


def test_a_status_change_of_event_bridge(world):
    """Running, then succeeded with the output that it carries; no call."""
    world.fake.calls.clear()
    (found,) = world.manager.apply_event(world.change("RUNNING"))
    assert (found.id, found.status) == (world.workflow.id, WorkflowStatus.RUNNING)
    (found,) = world.manager.apply_event(world.change("SUCCEEDED"))
    assert (found.status, found.output, found.stopped_at) == (WorkflowStatus.SUCCEEDED, {"n": 2}, world.fake.now)
    assert world.fake.calls == []


ENDS = {
    "ExecutionSucceeded": (WorkflowStatus.SUCCEEDED, {"output": '{"n": 2}', "outputDetails": {"truncated": False}}),
    "ExecutionFailed": (WorkflowStatus.FAILED, {"error": "E", "cause": "C"}),
    "ExecutionTimedOut": (WorkflowStatus.FAILED, {}),
    "ExecutionAborted": (WorkflowStatus.CANCELLED, {"cause": "enough"}),
}
REASONS = {"ExecutionFailed": "E: C", "ExecutionTimedOut": "Workflow timed out", "ExecutionAborted": "enough"}


@pytest.mark.parametrize("type", ENDS)
@pytest.mark.parametrize("shape", ["record", "payload", "awslogs", "kinesis"])
def test_history_records_from_cloud_watch_logs(world, type, shape):
    """The same record by itself, in a payload, and as Lambda gets it from a subscription or from Kinesis."""
    status, details = ENDS[type]
    record = world.record(type, **details)
    event = {
        "record": record,
        "payload": payload(record),
        "awslogs": {"awslogs": {"data": packed(payload(record))}},
        "kinesis": {"Records": [{"kinesis": {"data": packed(payload(record))}}]},
    }[shape]
    (found,) = world.manager.apply_event(event)
    assert (found.status, found.status_reason) == (status, REASONS.get(type, ""))
    assert found.resolved_by_user == (status is not WorkflowStatus.FAILED)


def test_any_other_record_says_that_it_runs(world):
    """Whatever is no end is a sign of life."""
    (found,) = world.manager.apply_event(world.record("TaskStateEntered", name="Work"))
    assert found.status is WorkflowStatus.RUNNING
    assert world.manager.apply_event(world.record("TaskSucceeded"))[0].revision == found.revision


@pytest.mark.parametrize(
    "event",
    [
        {"source": "aws.batch", "detail-type": "Batch Job State Change", "detail": {}},
        {"messageType": "CONTROL_MESSAGE"},
        payload({"anything": 1}, stream="other/stream"),
        {"Records": []},
    ],
)
def test_what_is_about_other_things_is_passed_over(world, event):
    """Other services, control messages, other log streams."""
    assert world.manager.apply_event(event) == ()


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"awslogs": {"data": "no base64!"}},
        {"awslogs": {"data": base64.b64encode(b"not gzipped").decode()}},
        {"awslogs": {"data": packed([])}},
        {"awslogs": {}},
        payload() | {"logEvents": [{"message": "{nope"}]},
        payload() | {"logEvents": [{"message": "[]"}]},
        {"source": "aws.states", "detail-type": "Step Functions Execution Status Change"},
        {
            "source": "aws.states",
            "detail-type": "Step Functions Execution Status Change",
            "detail": {"status": "RUNNING"},
        },
    ],
)
def test_what_is_damaged_is_refused(world, event):
    """It is not swallowed: whoever hands it in decides what becomes of it."""
    with pytest.raises(InvalidValueError):
        world.manager.apply_event(event)


def test_one_damaged_record_keeps_nothing_from_the_others(world):
    """What comes before and after it is taken in, then the place of the damage is told."""
    batch = payload(world.record("TaskSucceeded"), world.record("ExecutionAborted", cause="enough"))
    batch["logEvents"].insert(1, {"message": '{"cut off'})
    damaged = {"kinesis": {"data": "no base64!"}}
    records = [damaged, {"kinesis": {"data": packed(batch)}}]
    with pytest.raises(InvalidValueError, match="invalid at /Records/0/data"):
        world.manager.apply_event({"Records": records})
    assert (world.stored.status, world.stored.status_reason) == (WorkflowStatus.CANCELLED, "enough")
    with pytest.raises(InvalidValueError, match="invalid at /Records/0/logEvents/1/message"):
        world.manager.apply_event({"Records": records[1:]})


JUNK = [None, True, -1, 10**30, 1.5, "", "²", "{", [], ["x"], {}, {"a": None}]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in items:
        yield from places(member, (*path, key))


def put(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copied = dict(value) if isinstance(value, dict) else list(value)
    copied[path[0]] = put(copied[path[0]], path[1:], new)
    return copied


@pytest.mark.parametrize("shape", ["bridge", "record", "payload", "kinesis"])
def test_whatever_stands_in_the_place_of_whatever_is_no_crash(shape):
    """Every member of every shape replaced by junk: taken in, passed over, or refused as invalid."""
    world = World()
    record = world.record("ExecutionSucceeded", output='{"n": 2}', outputDetails={"truncated": False})
    event = {
        "bridge": world.change("SUCCEEDED", redriveCount=0),
        "record": record,
        "payload": payload(record),
        "kinesis": {"Records": [{"kinesis": {"data": packed(payload(record))}}]},
    }[shape]
    for path in places(event):
        for junk in JUNK:
            spoilt = put(event, path, junk)
            if isinstance(spoilt, dict):
                with suppress(InvalidValueError):
                    world.manager.apply_event(spoilt)


def test_a_batch_of_one_execution_looks_once_whether_it_runs(world, monkeypatch):
    """Three hundred signs of life read the store once; the end among them counts."""
    reads = []
    read = world.store.get_workflow
    monkeypatch.setattr(world.store, "get_workflow", lambda id: (reads.append(id), read(id))[1])
    records = [world.record("PassStateEntered", name=str(number)) for number in range(300)]
    world.manager.apply_event(payload(*records))
    assert len(reads) == 1
    world.manager.apply_event(payload(*records, world.record("ExecutionFailed", error="E"), *records))
    assert world.stored.status is WorkflowStatus.FAILED


def test_executions_of_others_are_passed_over(world):
    """An execution that is not in the store, or bears the name of one on another state machine."""
    other = world.change("FAILED", executionArn=world.arn + "-other")
    assert world.manager.apply_event(other) == ()
    elsewhere = world.change("FAILED", executionArn=f"arn:aws:states:eu-west-1:1:execution:m:{world.workflow.id}")
    assert world.manager.apply_event(elsewhere) == ()
    assert world.stored == world.workflow


# Order, duplicates, truncation


def test_any_order_and_any_number_end_in_the_same_status(world):
    """All orders of a running and an end that are told twice each: a status that is final is never left."""
    for order in sorted(set(itertools.permutations(["RUNNING", "RUNNING", "SUCCEEDED", "SUCCEEDED"]))):
        case = World()
        for status in order:
            case.manager.apply_event(case.change(status))
        assert (case.stored.status, case.stored.output) == (WorkflowStatus.SUCCEEDED, {"n": 2})


def test_an_update_after_the_end_changes_nothing(world):
    """What was told counts; nobody is asked any more."""
    world.manager.apply_event(world.change("SUCCEEDED"))
    world.fake.calls.clear()
    assert world.manager.update_workflow_summary(world.stored) == world.stored
    assert world.fake.calls == []


@pytest.mark.parametrize(
    "left_out",
    [
        lambda world: world.change("SUCCEEDED", output=None, outputDetails={"included": False}),
        lambda world: world.change("SUCCEEDED", output=None, outputDetails=None),
        lambda world: world.record("ExecutionSucceeded", outputDetails={"truncated": True}, output=""),
        lambda world: world.record("ExecutionSucceeded"),
    ],
)
def test_an_output_that_was_left_out_is_asked_for(world, left_out):
    """AWS leaves out what is too long for an event: one call brings it."""
    world.fake.advance(61)
    world.fake.calls.clear()
    (found,) = world.manager.apply_event(left_out(world))
    assert (found.status, found.output["n"]) == (WorkflowStatus.SUCCEEDED, 1)
    assert world.fake.calls == ["DescribeExecution"]


def test_an_error_that_was_left_out_is_asked_for(world):
    """A failure without error and cause: one more call brings what DescribeExecution knows."""
    world.fails = True
    world.workflow = world.create()
    world.fake.advance(61)
    world.fake.calls.clear()
    (found,) = world.manager.apply_event(world.change("FAILED"))
    assert (found.status, found.status_reason) == (WorkflowStatus.FAILED, "Boom: it broke")
    assert world.fake.calls == ["DescribeExecution", "GetExecutionHistory"]


def test_an_end_that_aws_tells_before_it_shows_it(world):
    """DescribeExecution may still say RUNNING: it is asked again until it knows the output."""
    world.fake.advance(59.9)
    (found,) = world.manager.apply_event(world.change("SUCCEEDED", output=None))
    assert (found.status, found.output["n"]) == (WorkflowStatus.SUCCEEDED, 1)
    assert world.fake.count("DescribeExecution") > 1


def test_an_end_of_what_aws_shows_no_longer(world):
    """An event that is played again after AWS has forgotten the execution: what was told counts, without the rest."""
    world.fake.runs.clear()
    world.fake.advance(100 * 86400)
    (found,) = world.manager.apply_event(world.change("SUCCEEDED", output=None))
    assert (found.status, found.output, found.error) == (WorkflowStatus.SUCCEEDED, None, None)


def test_a_failure_brings_its_last_job(world):
    """What failed is looked for at once, because somebody will ask."""
    world.fails = True
    world.workflow = world.create()
    world.fake.advance(61)
    (found,) = world.manager.apply_event(world.change("FAILED", error="Boom", cause="it broke"))
    assert (found.last_job.state, found.last_job.error) == ("Work", "Boom")


def test_a_redrives_events_are_the_redrives(world):
    """By the number of the redrive where it is told, else by the time of the end."""
    world.fails = True
    world.workflow = world.create()
    world.fake.advance(61)
    old = world.change("FAILED", error="Boom")
    world.manager.update_workflow_summary(world.workflow)
    world.fails = False
    world.fake.advance(10)
    retry = world.manager.retry_workflow(world.workflow)
    (found,) = world.manager.apply_event(old)
    assert (found.id, world.store.get_workflow(retry.id).status) == (world.workflow.id, WorkflowStatus.QUEUED)
    (found,) = world.manager.apply_event(world.change("FAILED", redriveCount=0))
    assert found.id == world.workflow.id
    world.fake.advance(1)
    (found,) = world.manager.apply_event(world.change("SUCCEEDED"))
    assert (found.id, found.status) == (retry.id, WorkflowStatus.SUCCEEDED)
    assert world.stored.status is WorkflowStatus.FAILED
