"""What the tests of AWS Batch share: a fake account, jobs that are functions, a manager, and ways to the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from workflow_manager import MemoryStore, StateMachine, TaskError, Workflow, WorkflowDefinition
from workflow_manager.aws import Patience
from workflow_manager.managers.batch import BatchWorkflowManager, MemoryResults
from workflow_manager.testing import FakeBatch
from workflow_manager.workers.batch import batch_job

PATIENCE = Patience(sleep=lambda seconds: None, pauses=5)
LIVE = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING")
_CLIENTS: dict[str, Any] = {}


class Crash(BaseException):
    """The process of the driver dies at this call."""


def bump(value: Any) -> Any:
    """One more: of a number in an object, or of the sum over a list."""
    if isinstance(value, list):
        return {"n": 1 + sum(each["n"] for each in value)}
    return {**value, "n": value["n"] + 1}


def boom(value: Any) -> Any:
    """Never goes well."""
    raise TaskError("Boom", "for a test")


class FakeTable:
    """A client of DynamoDB with one table that answers some keys later."""

    def __init__(self) -> None:
        self.items: dict[str, Any] = {}
        self.names: set[str] = set()
        self.calls = 0

    def put_item(self, TableName: str, Item: Any) -> None:  # noqa: N803
        self.names.add(TableName)
        self.items[Item["Key"]["S"]] = Item

    def batch_get_item(self, RequestItems: Any) -> Any:  # noqa: N803
        self.calls += 1
        ((table, asked),) = RequestItems.items()
        self.names.add(table)
        assert len(asked["Keys"]) <= 100
        assert asked["ConsistentRead"]
        now, later = asked["Keys"][:40], asked["Keys"][40:]
        found = [self.items[key["Key"]["S"]] for key in now if key["Key"]["S"] in self.items]
        left = {table: {**asked, "Keys": later}} if later else {}
        return {"Responses": {table: found}, "UnprocessedKeys": left}


class World:
    """A fake account with the queue ``jobs`` and the job definitions ``bump`` and ``boom``, and a store."""

    def __init__(self, *, slots: int | None = None, **fake: Any) -> None:
        self.fake = FakeBatch(**fake)
        self.fake.add_queue("jobs", slots=slots)
        self.store, self.results = MemoryStore(clock=self.fake.clock), MemoryResults()
        self.register("bump", bump)
        self.register("boom", boom)
        self.manager = self.new_manager()

    def client(self, service: str = "batch") -> Any:
        """A client of this account; making one takes longer than a test, so they are shared."""
        if service not in _CLIENTS:
            _CLIENTS[service] = self.fake.client(service)
        self.fake.attach(_CLIENTS[service])
        return _CLIENTS[service]

    def register(self, name: str, function: Callable[[Any], Any], **more: Any) -> None:
        """Let jobs of the definition *name* do *function*, through the far side."""

        def run(job: Any) -> int:
            return batch_job(function, results=self.results, environment=job.environment)()

        self.fake.register(name, run, **more)

    def new_manager(self, **more: Any) -> BatchWorkflowManager:
        """Another process's manager over the same account and store."""
        options = {
            "default_queue": "jobs",
            "results": self.results,
            "clock": self.fake.clock,
            "patience": PATIENCE,
            "calls_per_second": 1e9,
        }
        return BatchWorkflowManager(self.client(), self.store, **{**options, **more})

    def definition(self, document: Mapping[str, Any]) -> WorkflowDefinition:
        machine = StateMachine.from_dict(document)
        return WorkflowDefinition(name="test", state_machine=machine, manager="batch")

    def create(self, document: Mapping[str, Any], input: Any, **more: Any) -> Workflow:
        return self.manager.create_workflow(self.definition(document), input, **more)

    def look(self, workflow: Workflow) -> Workflow:
        return self.manager.update_workflow_summary(workflow)

    def finish(self, workflow: Workflow, *, step: float = 2, most: int = 200) -> Workflow:
        """Let time pass and look again until the workflow has ended; then with its jobs."""
        for _ in range(most):
            if workflow.status.is_final:
                return self.manager.update_workflow_history(workflow)
            self.fake.advance(step)
            workflow = self.look(workflow)
        raise AssertionError(f"{workflow} does not end")

    def run(self, document: Mapping[str, Any], input: Any, **more: Any) -> Workflow:
        return self.finish(self.create(document, input, **more))

    def live(self) -> list[str]:
        """Ids of the jobs that have not ended and that nobody has told to."""
        return [job["jobId"] for job in self.fake.jobs(live=True) if not (job["isTerminated"] or job["isCancelled"])]

    def step(self, seconds: float = timedelta(minutes=2).total_seconds()) -> None:
        self.fake.advance(seconds)


def task(resource: str = "bump", **more: Any) -> dict[str, Any]:
    """A Task state."""
    return {"Type": "Task", "Resource": resource, **({} if "Next" in more else {"End": True}), **more}


def chain(count: int, resource: str = "bump") -> dict[str, Any]:
    """Tasks S0, S1 … in a row."""
    states = {f"S{n}": task(resource, Next=f"S{n + 1}") for n in range(count - 1)}
    return {"StartAt": "S0", "States": {**states, f"S{count - 1}": task(resource)}}


def fork(count: int) -> dict[str, Any]:
    """A, then *count* Tasks side by side, then Z."""
    branches = [{"StartAt": f"B{n}", "States": {f"B{n}": task()}} for n in range(count)]
    parallel = {"Type": "Parallel", "Branches": branches, "Next": "Z"}
    return {"StartAt": "A", "States": {"A": task(Next="P"), "P": parallel, "Z": task()}}


def each(**more: Any) -> dict[str, Any]:
    """A Map with one Task for each of ``$.items``."""
    processor = {"StartAt": "One", "States": {"One": task()}}
    return {
        "StartAt": "M",
        "States": {"M": {"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": processor, "End": True, **more}},
    }
