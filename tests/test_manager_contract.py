"""Every manager that comes with the library keeps the contract of managers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from workflow_manager import (
    LocalWorkflowManager,
    MemoryStore,
    MultiWorkflowManager,
    SQLiteStore,
    StateResource,
    TaskError,
)
from workflow_manager.testing.contracts.later import StartsLaterContract


def echo(value: Any) -> Any:
    return value


def boom(value: Any) -> Any:
    raise TaskError("Boom", "it always does")


TASKS = {"echo": echo, "boom": boom}


class TestLocal(StartsLaterContract):
    """In this process, over memory."""

    @pytest.fixture
    def store(self):
        return MemoryStore()

    @pytest.fixture
    def manager(self, store):
        with LocalWorkflowManager(store, TASKS) as manager:
            yield manager


class TestLocalOverAFile(TestLocal):
    """In this process, over a file, with leases."""

    @pytest.fixture
    def store(self, tmp_path):
        return SQLiteStore(tmp_path / "workflows.db")


def batch_world() -> Any:
    pytest.importorskip("boto3")
    from batch_world import World

    world = World()
    world.register("echo", echo)
    world.register("boom", boom)
    world.store.save_state_resource(StateResource(name="echo", namespace="prod", uri="echo"))
    return world


class TestBatch(StartsLaterContract):
    """On AWS Batch."""

    definition_manager = "batch"
    threads = 4

    @pytest.fixture
    def world(self):
        return batch_world()

    @pytest.fixture
    def store(self, world):
        return world.store

    @pytest.fixture
    def manager(self, world):
        self.fake = world.fake
        return world.manager

    def pass_time(self, manager):
        self.fake.advance(5)


def step_functions_world() -> Any:
    pytest.importorskip("boto3")
    from sfn_fake import FakeStepFunctions

    def tasks(call: Any) -> Any:
        return TASKS["boom" if call.resource.endswith("boom") else "echo"](call.input)

    return FakeStepFunctions(tasks)


class TestStepFunctions(StartsLaterContract):
    """On AWS Step Functions."""

    definition_manager = "step-functions"
    knows_resources = False  # a plain name is an activity's, which need not be there yet
    threads = 4

    @pytest.fixture
    def fake(self):
        return step_functions_world()

    @pytest.fixture
    def store(self):
        return MemoryStore()

    @pytest.fixture
    def manager(self, fake, store):
        from sfn_fake import manager_of

        self.fake = fake
        return manager_of(fake, store)

    def plain(self, value):
        return {name: item for name, item in value.items() if name != "_EXECUTION_NAME"}

    def pass_time(self, manager):
        self.fake.advance(5)


class TestMultiForBatch(TestBatch):
    """On AWS Batch, by a manager that leaves workflows to others."""

    @pytest.fixture
    def manager(self, world):
        self.fake = world.fake
        return MultiWorkflowManager({"batch": world.manager, "local": LocalWorkflowManager(world.store, TASKS)})


class TestMultiForStepFunctions(TestStepFunctions):
    """On AWS Step Functions, by a manager that leaves workflows to others."""

    @pytest.fixture
    def manager(self, fake, store):
        from sfn_fake import manager_of

        self.fake = fake
        others = {"local": LocalWorkflowManager(store, TASKS)}
        return MultiWorkflowManager({"step-functions": manager_of(fake, store), **others})


class TestMultiForLocal(TestLocal):
    """In this process, by a manager that leaves workflows to others."""

    @pytest.fixture
    def manager(self, store):
        with MultiWorkflowManager({"local": LocalWorkflowManager(store, TASKS)}) as manager:
            yield manager
