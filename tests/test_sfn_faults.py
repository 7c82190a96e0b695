"""
The fault law of Step Functions: whatever goes wrong with whichever call, nothing is started twice, nothing is started
without a record, and no record is left of what was never started.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import attrs
import pytest
from botocore.exceptions import BotoCoreError, ClientError

sys.path.insert(0, str(Path(__file__).parent))
from faults import Crash, Fault
from sfn_fake import FakeStepFunctions, manager_of
from workflow_manager.asl import StateMachine
from workflow_manager.models import Workflow, WorkflowDefinition, WorkflowQuery, WorkflowStatus
from workflow_manager.stores.memory import MemoryStore
from workflow_manager.testing import TaskError

STATES = {
    "Rest": {"Type": "Wait", "Seconds": 60, "Next": "Work"},
    "Work": {"Type": "Task", "Resource": "work", "End": True},
}
DEFINITION = WorkflowDefinition(
    name="order", state_machine=StateMachine.from_dict({"StartAt": "Rest", "States": STATES}), manager="step-functions"
)
FAULTS = [*Fault, Crash]
MOST_CALLS = 8


@attrs.define
class World:
    """A fake account, a store, and a manager whose client has botocore try so many times."""

    attempts: int
    is_broken: bool = False
    fake: FakeStepFunctions = attrs.field(init=False)
    store: MemoryStore = attrs.field(factory=MemoryStore)

    def __attrs_post_init__(self) -> None:
        self.fake = FakeStepFunctions(self._answer)

    def _answer(self, call: Any) -> Any:
        if self.is_broken:
            raise TaskError("Boom", "it broke")
        return call.input

    def manager(self) -> Any:
        return manager_of(self.fake, self.store, client=self.fake.client(self.attempts))

    def spoil(self, fault: Any, first: int, times: int = 1, then: Any = None) -> None:
        begin = len(self.fake.calls) + first
        end = begin + times
        self.fake.plan = lambda number, operation: fault if begin <= number < end else then if number >= end else None

    def mend(self) -> None:
        self.fake.plan = lambda number, operation: None

    def records(self) -> list[Workflow]:
        return list(self.store.list_workflows(WorkflowQuery(limit=100)))

    def unrecorded(self) -> set[str]:
        manager = self.manager()
        return set(self.fake.runs) - {manager.execution_arn(record) for record in self.records()}

    def stray(self) -> list[Workflow]:
        manager = self.manager()
        return [record for record in self.records() if manager.execution_arn(record) not in self.fake.runs]


@pytest.fixture(autouse=True)
def botocore_does_not_wait(monkeypatch):
    """Its own repetitions come at once."""
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda seconds: None, time=time.time))


def _create(world: World, manager: Any) -> Workflow:
    return manager.create_workflow(DEFINITION, {"n": 1}, namespace="prod", idempotency_key="the one")


def _prepared(world: World, *, broken: bool = False, seconds: float = 0) -> Workflow:
    world.is_broken = broken
    workflow = _create(world, world.manager())
    world.fake.advance(seconds)
    return workflow


# Each with what is prepared, what is done, and how many executions there are in the end.
def _created(world: World) -> Callable[[Any], Workflow]:
    return lambda manager: _create(world, manager)


def _created_again(world: World) -> Callable[[Any], Workflow]:
    _prepared(world)
    return lambda manager: manager.create_workflow(DEFINITION, {"n": 2}, namespace="prod", idempotency_key="another")


def _created_where_the_machine_is_gone(world: World) -> Callable[[Any], Workflow]:
    manager = world.manager()
    _create(world, manager)
    world.fake.machines.clear()
    return lambda _: manager.create_workflow(DEFINITION, {"n": 2}, namespace="prod", idempotency_key="another")


def _updated(world: World) -> Callable[[Any], Workflow]:
    workflow = _prepared(world)
    return lambda manager: manager.update_workflow_summary(workflow)


def _updated_at_the_end(world: World) -> Callable[[Any], Workflow]:
    workflow = _prepared(world, broken=True, seconds=61)
    return lambda manager: manager.update_workflow_summary(workflow)


def _history(world: World) -> Callable[[Any], Workflow]:
    world.fake.page = 3
    workflow = _prepared(world, seconds=61)
    return lambda manager: manager.update_workflow_history(workflow)


def _cancelled(world: World) -> Callable[[Any], Workflow]:
    workflow = _prepared(world)
    return lambda manager: manager.cancel_workflow(workflow, reason="not wanted")


def _redriven(world: World) -> Callable[[Any], Workflow]:
    workflow = _prepared(world, broken=True, seconds=61)
    world.is_broken = False
    return lambda manager: manager.retry_workflow(workflow)


def _retried(world: World) -> Callable[[Any], Workflow]:
    workflow = _prepared(world, broken=True, seconds=61)
    world.is_broken = False
    return lambda manager: manager.retry_workflow(workflow, start_at="Work")


CASES = {
    "create": (_created, 1),
    "create once more": (_created_again, 2),
    "create where the machine is gone": (_created_where_the_machine_is_gone, 2),
    "update": (_updated, 1),
    "update at the end": (_updated_at_the_end, 1),
    "history": (_history, 1),
    "cancel": (_cancelled, 1),
    "redrive": (_redriven, 1),
    "retry": (_retried, 2),
}


def undisturbed(prepare: Any) -> tuple[WorkflowStatus, int]:
    world = World(1)
    act = prepare(world)
    before = len(world.fake.calls)
    found = act(world.manager())
    return found.status, len(world.fake.calls) - before


@pytest.mark.parametrize("attempts", [1, 3])
@pytest.mark.parametrize("name", CASES)
def test_one_fault_at_any_call(name, attempts):
    """With one call spoilt in any way, the end is as if nothing had been, or, after a crash, it is when done again."""
    prepare, executions = CASES[name]
    status, count = undisturbed(prepare)
    assert 0 < count < MOST_CALLS
    for index in range(count):
        for fault in FAULTS:
            world = World(attempts)
            act = prepare(world)
            world.spoil(fault, index)
            try:
                found = act(world.manager())
            except Crash:
                assert world.unrecorded() == set()
                world.mend()
                found = after_a_crash(world, name, act)
            if found is None:
                continue
            place = (name, index, fault)
            settled = "create" in name and found.status is WorkflowStatus.RUNNING  # whoever came next was told so
            assert found.status is status or settled, place
            assert (world.fake.starts, world.unrecorded(), world.stray()) == (executions, set(), []), place
            assert world.fake.redriven == (name == "redrive"), place


def after_a_crash(world: World, name: str, act: Any) -> Workflow | None:
    """What the next process does: the same again, or a look where that would be a second retry or cannot be."""
    if name not in ("redrive", "retry", "create where the machine is gone"):
        return act(world.manager())
    for record in world.records():  # one that was saved and never started is found out in time
        world.manager().update_workflow_summary(record)
    assert world.fake.starts <= 2
    assert world.fake.redriven <= 1
    return None


@pytest.mark.parametrize("name", CASES)
def test_one_fault_and_then_another_for_ever(name):
    """A lost answer that is followed by refusals, by a crash, by anything: nothing twice, nothing unrecorded."""
    prepare, executions = CASES[name]
    _, count = undisturbed(prepare)
    for index, first, then in itertools.product(range(count), Fault, FAULTS):
        world = World(3)
        act = prepare(world)
        world.spoil(first, index, then=then)
        with suppress(BotoCoreError, ClientError, Crash):
            act(world.manager())
        place = (name, index, first, then)
        assert world.unrecorded() == set(), place
        assert (world.fake.starts <= executions, world.fake.redriven <= 1) == (True, True), place
        world.mend()
        world.fake.advance(301)
        for record in world.records():
            world.manager().update_workflow_summary(record)
        assert all(record.status.is_final for record in world.records()), place


@pytest.mark.parametrize("fault", list(Fault))
@pytest.mark.parametrize("name", CASES)
def test_trouble_that_does_not_end(name, fault):
    """From any call on everything fails: the caller is told, and afterwards the records are true."""
    prepare, executions = CASES[name]
    _, count = undisturbed(prepare)
    for index in range(count):
        world = World(1)
        act = prepare(world)
        statuses = {record.id: record.status for record in world.records()}
        world.spoil(fault, index, times=1000)
        with suppress(BotoCoreError, ClientError):
            act(world.manager())
        assert world.fake.starts <= executions
        assert world.unrecorded() == set()
        if fault in (Fault.THROTTLED, Fault.REFUSED):
            assert world.stray() == []
        for record in world.records():
            before = statuses.get(record.id)
            assert before is None or record.status is before or index > 0, "trouble has changed a status"
        world.mend()
        world.fake.advance(301)
        for record in world.records():  # what nobody knew is known in the end
            world.manager().update_workflow_summary(record)
        assert all(record.status.is_final for record in world.records())
