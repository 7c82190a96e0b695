"""Array jobs: which items go together, who takes them over, and what has no room."""

from __future__ import annotations

import random
from collections.abc import Generator
from datetime import timedelta
from typing import Any

import pytest

pytest.importorskip("boto3")
from batch_world import Crash, World, bump, each, task
from workflow_manager import InvalidValueError, WorkflowStatus
from workflow_manager.asl.values import dumps
from workflow_manager.managers.batch import MemoryResults
from workflow_manager.testing import Fault
from workflow_manager.workers.batch import batch_job


def items(count: int) -> dict[str, Any]:
    return {"items": [{"n": n} for n in range(count)]}


def sizes(world: World) -> list[int | None]:
    """The sizes of all jobs, ``None`` for one that is no array."""
    return [job.get("arrayProperties", {}).get("size") for job in world.fake.jobs()]


@pytest.mark.parametrize("seed", range(30))
def test_no_item_is_done_twice(seed: int):
    """Drivers that die and faults at random, a listing that lags: each item is one job's, in arrays or alone."""
    chance = random.Random(seed)
    world = World(listing_lag=chance.choice([0, 0, 4]))
    done: list[int] = []

    def note(value: Any) -> Any:
        done.append(value["n"])
        return bump(value)

    def run(job: Any) -> Generator[float, None, int]:
        code = batch_job(note, results=world.results, environment=job.environment)()
        yield chance.choice([1, 2, 3, 5])
        return code

    world.fake.register("bump", run)
    for number, fault in enumerate(Fault):
        world.fake.faults.rate(chance.choice([0, 0.1, 0.3]), fault, seed=10 * seed + number)
    workflow = world.create(each(MaxConcurrency=3), items(8))
    for _ in range(300):
        world.fake.advance(chance.choice([1, 2, 5, 30]))
        if chance.random() < 0.5:
            world.fake.faults.at(chance.randrange(12), Crash(), after=chance.random() < 0.7)
        try:
            world.look(workflow)
        except Crash:
            world.manager = world.new_manager()
        workflow = world.store.get_workflow(workflow.id)

    assert workflow.status is WorkflowStatus.SUCCEEDED
    assert sorted(done) == list(range(8))


def test_items_that_begin_together_are_an_array_though_time_passes():
    """What follows from one look begins at one time, also by a clock that never stands still."""
    world = World()
    ticks = iter(range(10**9))
    world.manager = world.new_manager(clock=lambda: world.fake.now + timedelta(microseconds=next(ticks)))
    done = world.run(each(MaxConcurrency=4), items(12))

    assert done.output == [{"n": n + 1} for n in range(12)]
    assert sizes(world) == [4, 4, 4]


def test_every_item_of_an_array_that_was_found_has_its_receipt():
    """The answer of SubmitJob was lost: once the array is found the history names the job of each item."""
    world = World()
    world.fake.faults.at(0, Fault.LOST_REPLY, operation="SubmitJob")
    world.fake.faults.rate(1.0, Fault.THROTTLE, seed=1, operation="ListJobs")
    workflow = world.create(each(), items(3))
    world.fake.faults.clear()
    world.look(workflow)
    world.manager = world.new_manager()
    world.fake.run_all()
    world.fake.calls.clear()

    assert world.look(workflow).status is WorkflowStatus.SUCCEEDED
    assert world.fake.calls["SubmitJob"] == 0
    assert sizes(world) == [3]


def test_items_with_heartbeats_are_jobs_of_their_own():
    """Nobody looks at an array's children while they run, so their heartbeats would be missed."""
    world = World()
    world.register("bump", bump, seconds=60)
    document = each()
    document["States"]["M"]["ItemProcessor"]["States"]["One"]["HeartbeatSeconds"] = 10
    done = world.finish(world.create(document, items(2)), step=3)

    assert done.status is WorkflowStatus.SUCCEEDED
    assert sizes(world) == [None, None]


class SmallResults(MemoryResults):
    """Has room for 400,000 characters."""

    def save(self, job_id: str, result: Any) -> None:
        if len(dumps(result)) > 400_000:
            raise InvalidValueError("result", "", "it has more than 400,000 bytes")
        super().save(job_id, result)


def test_items_that_have_no_room_together_are_smaller_arrays():
    """ItemSelector gives each of twenty items 50 kB: together they are more than an item of DynamoDB holds."""
    world = World()
    world.results = SmallResults()
    world.manager = world.new_manager()
    world.register("bump", lambda value: {"n": value["n"] + 1})
    document = each(ItemSelector={"n.$": "$$.Map.Item.Value.n", "much.$": "$.much"})
    done = world.run(document, {**items(20), "much": "x" * 50_000})

    assert done.output == [{"n": n + 1} for n in range(20)]
    assert sizes(world) == [5, 5, 5, 5]


def test_an_input_without_room_fails_its_task():
    """What no results store of this manager can hold is an error of the language's, with its place and the way out."""
    world = World()
    world.results = SmallResults()
    world.manager = world.new_manager()
    document = {"StartAt": "A", "States": {"A": task(ResultPath="$.x")}}
    workflow = world.create(document, {"much": '"' * 120_000})
    done = world.store.get_workflow(workflow.id)

    assert (done.status, done.error) == (WorkflowStatus.FAILED, "States.DataLimitExceeded")
    assert "state 'A'" in str(done.cause) and "400,000" in str(done.cause)
