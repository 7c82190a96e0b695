"""Several managers behind one: who runs what, and that one's trouble is nobody else's."""

from __future__ import annotations

import threading
from typing import Any

import attrs
import pytest

from workflow_manager import (
    InvalidValueError,
    LocalWorkflowManager,
    ManagerClosedError,
    MemoryStore,
    MultiWorkflowManager,
    StateMachine,
    Workflow,
    WorkflowDefinition,
    WorkflowManager,
    WorkflowStatus,
    as_completed,
    wait,
)
from workflow_manager.managers.base import EngineWorkflowManager
from workflow_manager.managers.wait import directed

MACHINE = StateMachine.from_dict({"StartAt": "Rest", "States": {"Rest": {"Type": "Wait", "Seconds": 600, "End": True}}})
DONE = StateMachine.from_dict({"StartAt": "Go", "States": {"Go": {"Type": "Pass", "End": True}}})


class Idle:
    """A runner with nothing to do."""

    def start(self, workflow: Any, task: Any) -> None:
        return None

    def poll(self, workflow: Any, tasks: Any) -> list[Any]:
        return []

    def stop(self, workflow: Any, keep: Any) -> None:
        return None


class Manager(EngineWorkflowManager):
    """A manager that counts how often it is asked, and may be in trouble."""

    def __init__(self, store: MemoryStore, name: str) -> None:
        super().__init__(store, Idle(), name=name)
        self.asked: list[str] = []
        self.trouble: Exception | None = None

    def update_workflow_summary(self, workflow: Workflow) -> Workflow:
        self.asked.append(workflow.id)
        if self.trouble is not None:
            raise self.trouble
        return super().update_workflow_summary(workflow)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def two(store) -> tuple[Manager, Manager]:
    return Manager(store, "a"), Manager(store, "b")


def definition(manager: str, machine: StateMachine = MACHINE) -> WorkflowDefinition:
    return WorkflowDefinition(name="multi", state_machine=machine, manager=manager)


def test_the_definition_says_who_runs_it(store, two):
    """Each workflow is started, updated, cancelled and retried by the manager that its definition names."""
    a, b = two
    multi = MultiWorkflowManager({"a": a, "b": b})
    workflow = multi.create_workflow(definition("b"), {})
    multi.update_workflow_summary(workflow)
    multi.update_workflow_history(workflow)
    ended = multi.cancel_workflow(workflow, reason="no more")
    retry = multi.retry_workflow(ended, start_at="Rest", input={})

    assert isinstance(multi, WorkflowManager)
    assert (a.asked, b.asked) == ([], [workflow.id])
    assert multi.manager_of(retry) is b
    assert ended.status is WorkflowStatus.CANCELLED


def test_an_unknown_manager_is_an_error_that_names_those_known(two):
    """Nothing is run by whoever happens to be there."""
    multi = MultiWorkflowManager({"b": two[1], "a": two[0]})
    with pytest.raises(InvalidValueError, match=r"no manager 'c'; known: 'a', 'b'"):
        multi.create_workflow(definition("c"), {})


def test_a_default_takes_what_names_nobody(store, two):
    """With a default the workflow is that manager's, and says so, wherever it is looked for later."""
    a, b = two
    workflow = MultiWorkflowManager({"a": a, "b": b}, default="b").create_workflow(definition("c"), {})

    assert store.get_workflow(workflow.id).workflow_definition.manager == "b"
    assert MultiWorkflowManager({"a": a, "b": b}).manager_of(workflow) is b


def test_keys_are_the_managers_own_names(two):
    """A manager under another key could not find again what it has started; an unknown default is no default."""
    with pytest.raises(InvalidValueError, match="it calls itself 'a'"):
        MultiWorkflowManager({"x": two[0]})
    with pytest.raises(InvalidValueError, match="no manager 'c'"):
        MultiWorkflowManager({"a": two[0]}, default="c")


def test_trouble_stays_where_it_is(store, two, caplog):
    """If one manager cannot look, the others' workflows are up to date all the same, and the order is the caller's."""
    a, b = two
    multi = MultiWorkflowManager({"a": a, "b": b})
    started = [multi.create_workflow(definition("ab"[n % 2]), {"n": n}) for n in range(6)]
    for workflow in started[1::2]:
        b.cancel_workflow(workflow, reason="elsewhere")
    a.trouble = ConnectionError("the wire is cut")
    stranger = attrs.evolve(started[0], workflow_definition=definition("c"))
    updated = multi.update_workflows([*started, stranger])

    assert [workflow.id for workflow in updated] == [workflow.id for workflow in [*started, stranger]]
    assert [workflow.status.value for workflow in updated[1:6:2]] == ["cancelled"] * 3
    assert updated[0:6:2] == tuple(started[0::2])
    assert updated[-1] is stranger
    assert len(caplog.records) == 4


def test_a_manager_that_updates_many_is_asked_once(store, two):
    """A backend's own ``update_workflows`` gets its whole share; if one was deleted, each is looked at by itself."""
    a, _ = two
    shares: list[int] = []

    def update_workflows(workflows: Any) -> Any:
        shares.append(len(workflows))
        return tuple(store.get_workflow(workflow.id) for workflow in workflows)

    a.update_workflows = update_workflows  # type: ignore[attr-defined]
    multi = MultiWorkflowManager({"a": a})
    started = [multi.create_workflow(definition("a"), {}) for _ in range(3)]
    multi.update_workflows(started)
    assert (shares, a.asked) == ([3], [])

    store.delete_workflow(started[0].id)
    assert multi.update_workflows(started)[0] == started[0]
    assert a.asked == [workflow.id for workflow in started]


def test_nothing_to_update_is_no_work(two):
    """An empty list is fine."""
    assert MultiWorkflowManager({"a": two[0]}).update_workflows([]) == ()


def test_managers_look_side_by_side(store, two):
    """A backend that takes its time does not delay another."""
    a, b = two
    meeting = threading.Barrier(2, timeout=20)
    for manager in two:
        manager.update_workflows = lambda workflows: (meeting.wait(), tuple(workflows))[1]  # type: ignore[attr-defined]
    multi = MultiWorkflowManager({"a": a, "b": b})
    multi.update_workflows([multi.create_workflow(definition(name), {}) for name in "ab"])
    assert not meeting.broken


def test_waiting_goes_to_the_manager_that_knows(store):
    """A local workflow behind a multi manager wakes who waits, and a closed manager is seen to be closed."""
    with MultiWorkflowManager({"local": LocalWorkflowManager(store)}) as multi:
        workflow = multi.create_workflow(definition("local", DONE), {"n": 1})
        assert wait(multi, workflow, timeout=20).output == {"n": 1}
        going = multi.create_workflow(definition("local"), {})
        assert directed(multi, going) is multi.managers["local"]
    with pytest.raises(ManagerClosedError):
        wait(multi, going, timeout=20)
    with pytest.raises(ManagerClosedError):
        list(as_completed(multi, [going], timeout=20))


def test_one_listener_hears_of_all(store, two):
    """A listener is told by every manager that tells."""
    heard: list[tuple[str, str]] = []
    multi = MultiWorkflowManager({"a": two[0], "b": two[1]})
    multi.on_event(lambda workflow, event: heard.append((workflow.workflow_definition.manager, event.type)))
    for name in "ab":
        multi.create_workflow(definition(name, DONE), {})
    assert [of for of, kind in heard if kind == "ExecutionSucceeded"] == ["a", "b"]


def test_closing_closes_all(two):
    """Every manager is closed, whatever goes wrong with one."""
    closed = []

    def fail() -> None:
        closed.append("a")
        raise OSError("stuck")

    two[0].close, two[1].close = fail, lambda: closed.append("b")  # type: ignore[attr-defined]
    with pytest.raises(OSError, match="stuck"):
        MultiWorkflowManager({"a": two[0], "b": two[1]}).close()
    assert sorted(closed) == ["a", "b"]


def test_recovery_is_for_those_that_can(store, two, caplog):
    """Managers that can take over are asked, and one's trouble does not keep another from it."""
    two[0].recover, two[1].recover = lambda: ("w",), lambda: 1 / 0  # type: ignore[attr-defined]
    multi = MultiWorkflowManager({"b": two[1], "a": two[0]})
    assert multi.recover() == ("w",)
    assert "manager 'b' could not take over workflows" in caplog.text
