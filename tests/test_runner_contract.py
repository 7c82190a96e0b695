"""The law of runners, over the local one."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime

import pytest

from workflow_manager.engine.pending import PendingTask
from workflow_manager.engine.reports import Report, TaskFailed
from workflow_manager.exceptions import TaskError
from workflow_manager.managers.local_runner import LocalRunner
from workflow_manager.managers.resources import Resources
from workflow_manager.managers.timers import Timers
from workflow_manager.models import Workflow
from workflow_manager.stores.memory import MemoryStore
from workflow_manager.testing.contracts import RunnerContract


def now() -> datetime:
    return datetime.now(UTC)


class Listening:
    """The local runner tells by itself; this one keeps what it tells until somebody asks."""

    def __init__(self, **tasks: object) -> None:
        self.timers, self.news = Timers(now), dict[str, list[Report]]()
        resources = Resources(tasks, MemoryStore(), [])  # type: ignore[arg-type]
        self.runner = LocalRunner(
            resources,
            self.hear,
            timers=self.timers,
            clock=now,
            context_of=lambda workflow_id, token: None,
            max_workers=8,
            concurrency={},
        )

    def hear(self, workflow_id: str, reports: Sequence[Report], here: bool) -> None:
        self.news.setdefault(workflow_id, []).extend(reports)

    def start(self, workflow: Workflow, task: PendingTask) -> TaskFailed | None:
        return self.runner.start(workflow, task)

    def poll(self, workflow: Workflow, tasks: Sequence[PendingTask]) -> Sequence[Report]:
        return tuple(self.news.get(workflow.id, ()))

    def stop(self, workflow: Workflow, keep: Collection[str]) -> None:
        self.runner.stop(workflow, keep)


class TestLocalRunner(RunnerContract):
    """Functions on threads."""

    @pytest.fixture
    def runner(self) -> Iterator[Listening]:  # type: ignore[override]
        gate = threading.Event()

        def boom(input: object) -> None:
            raise TaskError("Boom", "it always does")

        made = Listening(echo=lambda input: input, boom=boom, rest=lambda input: gate.wait(20))
        yield made
        gate.set()
        made.runner.close(wait=False)
        made.timers.close()
