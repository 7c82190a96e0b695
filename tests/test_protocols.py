"""The protocols: who keeps them, and that they stand for themselves."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime

import attrs
import pytest
from typing_extensions import Unpack

from workflow_manager.asl.values import JSON
from workflow_manager.engine.pending import PendingTask
from workflow_manager.engine.reports import Report, TaskSubmitted
from workflow_manager.models import Workflow, WorkflowDefinition
from workflow_manager.protocols import (
    DefinitionStore,
    Lease,
    RetryChanges,
    StateResourceStore,
    Store,
    TaskRunner,
    WorkflowManager,
    WorkflowStore,
)
from workflow_manager.stores.memory import MemoryStore

PROTOCOLS = [DefinitionStore, StateResourceStore, WorkflowStore, Store, TaskRunner, WorkflowManager]


def methods(protocol: type) -> dict[str, inspect.Signature]:
    """The public methods of a protocol and what each takes."""
    return {
        name: inspect.signature(method)
        for name, method in inspect.getmembers(protocol, inspect.isfunction)
        if not name.startswith("_")
    }


class Runner:
    """A runner that has nothing to say."""

    def start(self, workflow: Workflow, task: PendingTask) -> TaskSubmitted | None:
        return None

    def poll(self, workflow: Workflow, tasks: Sequence[PendingTask]) -> Sequence[Report]:
        return ()

    def stop(self, workflow: Workflow, keep: Collection[str]) -> None:
        return None


class Manager:
    """A manager that runs nothing."""

    def create_workflow(
        self,
        definition: WorkflowDefinition,
        input: JSON,
        *,
        namespace: str = "",
        queue: str = "default",
        tags: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> Workflow:
        raise NotImplementedError

    def retry_workflow(self, workflow: Workflow, **changes: Unpack[RetryChanges]) -> Workflow:
        return workflow

    def cancel_workflow(self, workflow: Workflow, *, reason: str) -> Workflow:
        return workflow

    def update_workflow_summary(self, workflow: Workflow) -> Workflow:
        return workflow

    def update_workflow_history(self, workflow: Workflow) -> Workflow:
        return workflow


def test_a_store_is_its_three_parts() -> None:
    """Store has the methods of its parts and none besides."""
    parts = {**methods(DefinitionStore), **methods(StateResourceStore), **methods(WorkflowStore)}
    assert methods(Store) == parts
    assert len(parts) == 17


def test_the_memory_store_takes_what_the_protocol_says() -> None:
    """MemoryStore has every method of Store with the very same parameters."""
    store: Store = MemoryStore()
    assert isinstance(store, Store)
    mine = methods(MemoryStore)
    for name, signature in methods(Store).items():
        assert mine[name].parameters == signature.parameters, name


def test_anything_of_the_right_shape_will_do() -> None:
    """Runners and managers need no base class, and an object without the methods is none."""
    runner: TaskRunner = Runner()
    manager: WorkflowManager = Manager()
    assert isinstance(runner, TaskRunner)
    assert isinstance(manager, WorkflowManager)
    assert not isinstance(runner, WorkflowManager)
    assert not isinstance(object(), Store)


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda protocol: protocol.__name__)
def test_every_promise_is_written_down(protocol: type) -> None:
    """Every protocol and every method of it has a docstring: it is the contract."""
    assert protocol.__doc__
    for name in methods(protocol):
        assert inspect.getdoc(getattr(protocol, name)), name


def test_a_lease_is_frozen() -> None:
    """A lease cannot be changed, only renewed by the store."""
    lease = Lease(workflow_id="w", owner="me", token="t", ttl_seconds=1, expires_at=datetime(2026, 1, 1, tzinfo=UTC))
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        lease.token = "other"  # type: ignore[misc]
