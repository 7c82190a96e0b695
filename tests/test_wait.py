"""Waiting for workflows."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest

from workflow_manager.asl import StateMachine
from workflow_manager.exceptions import WaitTimeoutError
from workflow_manager.managers import wait as waiting
from workflow_manager.managers.local import LocalWorkflowManager
from workflow_manager.managers.wait import wait
from workflow_manager.models import Job, JobStatus, Workflow, WorkflowDefinition, WorkflowStatus
from workflow_manager.stores.memory import MemoryStore

NOW = datetime(2026, 3, 1, tzinfo=UTC)
MACHINE = StateMachine.from_dict(
    {"StartAt": "Work", "States": {"Work": {"Type": "Task", "Resource": "work", "End": True}}}
)
DEFINITION = WorkflowDefinition(name="waited", state_machine=MACHINE)


class Polled:
    """A manager that knows nothing of ends: the workflow succeeds when it has been asked often enough."""

    def __init__(self, asks: int) -> None:
        self.asks, self.asked, self.histories = asks, 0, 0
        self.workflow = Workflow(id="w", workflow_definition=DEFINITION, created_at=NOW, last_updated=NOW)

    def update_workflow_summary(self, workflow: Workflow) -> Workflow:
        self.asked += 1
        status = WorkflowStatus.SUCCEEDED if self.asked >= self.asks else WorkflowStatus.RUNNING
        return attrs.evolve(self.workflow, status=status)

    def update_workflow_history(self, workflow: Workflow) -> Workflow:
        self.histories += 1
        job = Job(id="1", state="Work", status=JobStatus.SUCCEEDED)
        return attrs.evolve(self.workflow, status=WorkflowStatus.SUCCEEDED, jobs=(job,))


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were made, without making them."""
    made: list[float] = []
    monkeypatch.setattr(waiting.time, "sleep", made.append)
    return made


def test_a_manager_that_does_not_tell_is_asked_with_growing_pauses(pauses):
    """The summary is asked for again and again, ever less often, and the history once, at the end."""
    manager: Any = Polled(40)
    workflow = wait(manager, manager.workflow)

    assert workflow.status is WorkflowStatus.SUCCEEDED
    assert [job.state for job in workflow.jobs] == ["Work"]
    assert (manager.asked, manager.histories) == (40, 1)
    assert pauses == sorted(pauses)
    assert pauses[0] < 0.1
    assert pauses[-1] == 20


def test_one_that_has_ended_already_is_not_waited_for(pauses):
    """No pause where there is nothing to wait for."""
    manager: Any = Polled(1)
    wait(manager, manager.workflow, timeout=0)
    assert pauses == []


def test_patience_may_end():
    """After the time-out the error names the workflow and the seconds; the workflow goes on."""
    manager: Any = Polled(1_000_000)
    begun = time.monotonic()
    with pytest.raises(WaitTimeoutError, match=r"workflow w is still active after 0\.2 s"):
        wait(manager, manager.workflow, timeout=0.2)
    assert time.monotonic() - begun > 0.15


def test_a_local_manager_tells_and_is_not_asked():
    """While a local workflow runs, nobody looks into the store; its end wakes who waits."""

    class Counting(MemoryStore):
        reads = 0

        def get_workflow(self, workflow_id: str) -> Workflow:
            Counting.reads += 1
            return super().get_workflow(workflow_id)

    with LocalWorkflowManager(Counting(), {"work": lambda: time.sleep(0.3)}) as manager:
        workflow = manager.create_workflow(DEFINITION, {})
        workflow = wait(manager, workflow, timeout=20)
    assert workflow.status is WorkflowStatus.SUCCEEDED
    assert Counting.reads <= 4


def test_a_local_wait_may_time_out():
    """The time-out counts for local workflows, too."""
    gate = threading.Event()
    with LocalWorkflowManager(MemoryStore(), {"work": lambda: gate.wait(20)}) as manager:
        workflow = manager.create_workflow(DEFINITION, {})
        with pytest.raises(WaitTimeoutError):
            wait(manager, workflow, timeout=0.05)
        gate.set()
        assert wait(manager, workflow, timeout=20).status is WorkflowStatus.SUCCEEDED


def test_many_may_wait_for_one():
    """Everybody who waits is woken."""
    gate, ended = threading.Event(), []
    with LocalWorkflowManager(MemoryStore(), {"work": lambda: gate.wait(20)}) as manager:
        workflow = manager.create_workflow(DEFINITION, {})
        threads = [threading.Thread(target=lambda: ended.append(wait(manager, workflow, 20).status)) for _ in range(8)]
        for thread in threads:
            thread.start()
        gate.set()
        for thread in threads:
            thread.join()
    assert ended == [WorkflowStatus.SUCCEEDED] * 8


def test_a_workflow_that_ends_elsewhere_is_noticed(monkeypatch):
    """An end that another manager has brought about is seen after a while, though nobody tells of it."""
    monkeypatch.setattr(waiting, "_FIRST_SLICE", 0.05)
    gate, store = threading.Event(), MemoryStore()
    with LocalWorkflowManager(store, {"work": lambda: gate.wait(20)}) as manager:
        workflow = manager.create_workflow(DEFINITION, {})
        with LocalWorkflowManager(store) as other:
            other.cancel_workflow(workflow, reason="elsewhere")
        assert wait(manager, workflow, timeout=20).status is WorkflowStatus.CANCELLED
        gate.set()
