"""The service: every operation by name or id, over any store and manager."""

from __future__ import annotations

import asyncio
import multiprocessing
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs
import pytest

from workflow_manager import (
    AsyncWorkflowService,
    ConflictError,
    DefinitionError,
    InvalidValueError,
    LocalWorkflowManager,
    ManagerClosedError,
    MemoryStore,
    MultiWorkflowManager,
    NotFoundError,
    PageTokenError,
    SQLiteStore,
    StateMachine,
    StateResource,
    TaskError,
    WaitTimeoutError,
    WorkflowDefinition,
    WorkflowQuery,
    WorkflowService,
    WorkflowStatus,
    WorkflowStatusError,
    as_completed,
    wait_any,
)
from workflow_manager.engine.reports import TaskSubmitted, TaskSucceeded
from workflow_manager.managers.base import EngineWorkflowManager
from workflow_manager.service.bulk import run


def boom(value: Any) -> Any:
    raise TaskError("Boom", "it always does")


def machine(states: dict[str, Any]) -> StateMachine:
    return StateMachine.from_dict({"StartAt": next(iter(states)), "States": states})


def task(resource: str = "echo", **more: Any) -> dict[str, Any]:
    return {"Type": "Task", "Resource": resource, **({} if "Next" in more else {"End": True}), **more}


REST = {"Type": "Wait", "Seconds": 3600, "End": True}
SLOW = WorkflowDefinition(name="slow", state_machine=machine({"Rest": REST}))
QUICK = WorkflowDefinition(name="quick", state_machine=machine({"Work": task()}))


@pytest.fixture
def service():
    store = MemoryStore()
    with LocalWorkflowManager(store, {"echo": lambda value: value, "boom": boom}) as manager:
        yield WorkflowService(store, manager)


# ---------------------------------------------------------------- definitions and resources


def test_a_definition_is_created_once(service):
    """A new name gets version 0; the same again is no news; something else under that name is a conflict."""
    made = service.create_workflow_definition(QUICK)
    assert (made.version, service.create_workflow_definition(QUICK)) == (0, made)
    with pytest.raises(ConflictError):
        service.create_workflow_definition(attrs.evolve(QUICK, default_tags={"team": "a"}))
    assert [each.version for each in service.list_workflow_definition_versions("quick")] == [0]


def test_a_definition_is_updated_to_its_next_version(service):
    """Versions count on; old ones stay; a negative version is the latest; a name that is not there is not found."""
    with pytest.raises(NotFoundError):
        service.update_workflow_definition(QUICK)
    service.create_workflow_definition(QUICK)
    other = attrs.evolve(QUICK, state_machine=SLOW.state_machine)
    assert service.update_workflow_definition(other).version == 1
    assert service.update_workflow_definition(other).version == 1
    assert service.get_workflow_definition("quick", 0).state_machine == QUICK.state_machine
    assert service.get_workflow_definition("quick", -1) == service.get_workflow_definition("quick")
    assert service.get_workflow_definition("quick").version == 1
    with pytest.raises(NotFoundError):
        service.get_workflow_definition("quick", 2)
    assert [each.version for each in service.list_workflow_definition_versions("quick")] == [1, 0]
    assert [(each.name, each.version) for each in service.list_workflow_definitions()] == [("quick", 1)]


def test_a_definition_that_cannot_run_is_not_kept(service):
    """It is refused with every error, before anything is stored."""
    broken = WorkflowDefinition(name="broken", state_machine=machine({"A": task(Next="Nowhere")}))
    for keep in (service.create_workflow_definition, service.update_workflow_definition):
        with pytest.raises(DefinitionError, match="Nowhere"):
            keep(broken)
    assert len(service.list_workflow_definitions()) == 0


def test_state_resources_are_put_got_and_deleted(service):
    """A resource is kept under namespace and name; the second put replaces the first."""
    service.put_state_resource(StateResource(name="r", namespace="prod", uri="one"))
    service.put_state_resource(StateResource(name="r", namespace="prod", uri="two"))
    assert service.get_state_resource("r", "prod").uri == "two"
    assert [each.uri for each in service.list_state_resources("prod")] == ["two"]
    service.delete_state_resource("r", "prod")
    for ask in (service.get_state_resource, service.delete_state_resource):
        with pytest.raises(NotFoundError):
            ask("r", "prod")


# ---------------------------------------------------------------- starting


def test_a_workflow_is_started_by_name_and_version(service):
    """The latest version unless another is named; whatever else is said is on the workflow."""
    service.create_workflow_definition(QUICK)
    service.update_workflow_definition(attrs.evolve(QUICK, default_tags={"team": "a"}))
    latest = service.start_workflow("quick", {"n": 1}, namespace="prod", queue="fast", tags={"x": "y"})
    first = service.start_workflow("quick", version=0)
    assert (latest.workflow_definition.version, first.workflow_definition.version) == (1, 0)
    assert service.start_workflow("quick", version=-1).workflow_definition.version == 1
    assert (latest.namespace, latest.queue, dict(latest.tags)) == ("prod", "fast", {"team": "a", "x": "y"})
    assert (service.wait(latest.id, 20).output, service.wait(first.id, 20).output) == ({"n": 1}, {})
    with pytest.raises(NotFoundError):
        service.start_workflow("quick", version=2)
    with pytest.raises(InvalidValueError):
        service.start_workflow("quick", {"n": object()})


@pytest.mark.parametrize("on_disk", [False, True])
def test_fifty_threads_with_one_key_start_one_workflow(tmp_path: Path, on_disk: bool):
    """All get the same workflow, whose work is done once."""
    store = SQLiteStore(tmp_path / "w.db") if on_disk else MemoryStore()
    calls: list[int] = []
    with LocalWorkflowManager(store, {"echo": lambda value: calls.append(1) or value}) as manager:
        service = WorkflowService(store, manager)
        service.create_workflow_definition(QUICK)
        gate = threading.Barrier(50)

        def start(_: int) -> str:
            gate.wait(30)
            return service.start_workflow("quick", {"n": 1}, idempotency_key="k").id

        with ThreadPoolExecutor(50) as pool:
            ids = set(pool.map(start, range(50)))
        assert len(ids) == 1
        assert service.wait(ids.pop(), 30).status is WorkflowStatus.SUCCEEDED
        assert (len(service.list_workflows()), len(calls)) == (1, 1)


def test_a_key_belongs_to_its_input(service):
    """The same input in another order is the same; another input is a conflict, be it only a true for a 1."""
    service.create_workflow_definition(QUICK)
    first = service.start_workflow("quick", {"a": 1, "b": [{"c": 2.0}]}, idempotency_key="k")
    assert service.start_workflow("quick", {"b": [{"c": 2}], "a": 1}, idempotency_key="k").id == first.id
    for other in ({"a": True, "b": [{"c": 2}]}, {"a": 1}, {"a": 1, "b": []}, {}, None):
        with pytest.raises(ConflictError, match="idempotency key 'k'"):
            service.start_workflow("quick", other, idempotency_key="k")
    assert len(service.list_workflows()) == 1


def test_a_key_belongs_to_its_definition(service):
    """Two definitions whose names and keys read the same when put together do not get each other's workflows."""
    for name in ("a", "a\nb"):
        service.create_workflow_definition(attrs.evolve(QUICK, name=name))
    service.start_workflow("a\nb", idempotency_key="c")
    with pytest.raises(ConflictError):
        service.start_workflow("a", idempotency_key="b\nc")


# ---------------------------------------------------------------- one workflow


def test_a_workflow_is_shown_as_asked(service):
    """As stored, refreshed, or with all its jobs; an id that is not there is not found."""
    service.create_workflow_definition(QUICK)
    workflow = service.wait(service.start_workflow("quick", {"n": 1}).id, 20)
    assert service.get_workflow(workflow.id).last_job.state == "Work"
    assert [job.state for job in service.get_workflow(workflow.id, history=True).jobs] == ["Work"]
    assert service.get_workflow(workflow.id, refresh=False) == service.store.get_workflow(workflow.id)
    assert service.read_history(workflow.id).items[0].type == "ExecutionStarted"
    for ask in (service.get_workflow, service.read_history, service.resolve_workflow, service.resume_workflow):
        with pytest.raises(NotFoundError):
            ask("no-such-id")
    with pytest.raises(NotFoundError):
        service.cancel_workflow("no-such-id", reason="none")


def test_a_workflow_is_cancelled_by_id(service):
    """With a reason; one that has succeeded refuses."""
    service.create_workflow_definition(SLOW)
    service.create_workflow_definition(QUICK)
    workflow = service.start_workflow("slow")
    cancelled = service.cancel_workflow(workflow.id, reason="not needed")
    assert (cancelled.status, cancelled.status_reason) == (WorkflowStatus.CANCELLED, "not needed")
    done = service.wait(service.start_workflow("quick").id, 20)
    with pytest.raises(WorkflowStatusError):
        service.cancel_workflow(done.id, reason="too late")


def test_a_failure_is_resolved_once(service):
    """An active workflow cannot be resolved, a failed one once; what has succeeded is resolved by itself."""
    service.create_workflow_definition(SLOW)
    service.create_workflow_definition(WorkflowDefinition(name="bad", state_machine=machine({"A": task("boom")})))
    active = service.start_workflow("slow")
    with pytest.raises(WorkflowStatusError):
        service.resolve_workflow(active.id)
    failed = service.wait(service.start_workflow("bad").id, 20)
    assert service.resolve_workflow(failed.id).resolved_by_user
    with pytest.raises(ConflictError):
        service.resolve_workflow(failed.id)


def test_of_many_who_resolve_one_does(service):
    """The store's revision decides: one succeeds, all others are told of the conflict."""
    service.create_workflow_definition(WorkflowDefinition(name="bad", state_machine=machine({"A": task("boom")})))
    failed = service.wait(service.start_workflow("bad").id, 20)

    def resolve(_: int) -> bool:
        try:
            return service.resolve_workflow(failed.id).resolved_by_user
        except ConflictError:
            return False

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(resolve, range(16))) == 1


def test_only_what_has_ended_is_deleted(service):
    """An active workflow stays; an ended one is gone with its history."""
    service.create_workflow_definition(SLOW)
    workflow = service.start_workflow("slow")
    with pytest.raises(WorkflowStatusError):
        service.delete_workflow(workflow.id)
    service.cancel_workflow(workflow.id, reason="no")
    service.delete_workflow(workflow.id)
    with pytest.raises(NotFoundError):
        service.get_workflow(workflow.id)


def test_the_log_tells_what_was_done_by_fields(service, caplog):
    """Each operation is a record with the ids and names as fields; what a workflow carries is in none."""
    caplog.set_level("INFO", "workflow_manager")
    service.create_workflow_definition(SLOW)
    workflow = service.start_workflow("slow", {"password": "hunter2"})
    service.cancel_workflow(workflow.id, reason="done")
    retry = service.resume_workflow(workflow.id)
    records = [record for record in caplog.records if hasattr(record, "operation")]
    assert [(record.operation, record.workflow_id, record.workflow_status) for record in records] == [
        ("started", workflow.id, "running"),
        ("cancelled", workflow.id, "cancelled"),
        ("resumed", retry.id, "running"),
    ]
    assert {(record.definition, record.definition_version, record.manager) for record in records} == {
        ("slow", 0, "local")
    }
    assert {record.workflow_id for record in caplog.records} == {workflow.id, retry.id}
    assert "hunter2" not in "".join(str(vars(record)) for record in caplog.records)


# ---------------------------------------------------------------- resuming

LOOP = machine(
    {
        "Count": task("count", Next="More"),
        "More": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.n", "NumericLessThan": 3, "Next": "Count"}],
            "Default": "Fork",
        },
        "Fork": {
            "Type": "Parallel",
            "Next": "Each",
            "ResultSelector": {"items.$": "$"},
            "Branches": [{"StartAt": "Left", "States": {"Left": task()}}],
        },
        "Each": {
            "Type": "Map",
            "ItemsPath": "$.items",
            "ItemProcessor": {"StartAt": "One", "States": {"One": task("sometimes")}},
            "End": True,
        },
    }
)


@pytest.fixture
def loop():
    """A workflow that counts to three, forks, and fails within a Map; ``mend`` lets it go well."""
    store, mended = MemoryStore(), threading.Event()

    def sometimes(value: Any) -> Any:
        return value if mended.is_set() else boom(value)

    tasks = {"count": lambda value: {"n": value["n"] + 1}, "echo": lambda value: value, "sometimes": sometimes}
    with LocalWorkflowManager(store, tasks) as manager:
        service = WorkflowService(store, manager)
        service.create_workflow_definition(WorkflowDefinition(name="loop", state_machine=LOOP))
        failed = service.wait(service.start_workflow("loop", {"n": 0}).id, 20)
        assert failed.status is WorkflowStatus.FAILED
        mended.set()
        yield service, failed


@pytest.mark.parametrize(
    ("start_at", "begins", "input"),
    [
        (None, "Each", {"items": [{"n": 3}]}),
        ("One", "Each", {"items": [{"n": 3}]}),
        ("Each", "Each", {"items": [{"n": 3}]}),
        ("Left", "Fork", {"n": 3}),
        ("Count", "Count", {"n": 2}),
    ],
)
def test_a_resume_finds_its_input(loop, start_at, begins, input):
    """In a loop it is that of the latest visit; a state in a Map or Parallel means the one around it."""
    service, failed = loop
    resumed = service.wait(service.resume_workflow(failed.id, start_at=start_at).id, 20)
    assert (resumed.start_at or LOOP.start_at, resumed.input, resumed.retry_for) == (begins, input, failed.id)
    assert (resumed.status, resumed.output) == (WorkflowStatus.SUCCEEDED, [{"n": 3}])
    assert service.get_workflow(failed.id).retries == (resumed.id,)


def test_a_resume_takes_another_input(loop):
    """What is given counts, null too; a state that is not there is refused."""
    service, failed = loop
    resumed = service.wait(service.resume_workflow(failed.id, start_at="Count", input={"n": 9}).id, 20)
    assert resumed.output == [{"n": 10}]
    with pytest.raises(InvalidValueError, match="no state 'Nowhere'"):
        service.resume_workflow(failed.id, start_at="Nowhere")
    assert service.resume_workflow(failed.id, start_at="Each", input=None).input is None


def test_a_resume_may_run_the_next_version(loop):
    """A definition that was mended takes over where the old one failed; a state that it has not is refused."""
    service, failed = loop
    each = {"Each": {"Type": "Pass", "Result": "mended", "End": True}}
    states = {name: state for name, state in LOOP.to_dict()["States"].items() if name != "Each"} | each
    machine = StateMachine.from_dict({**LOOP.to_dict(), "States": states})
    mended = service.update_workflow_definition(WorkflowDefinition(name="loop", state_machine=machine))
    resumed = service.wait(service.resume_workflow(failed.id, definition=mended, namespace="prod").id, 20)
    assert (resumed.output, resumed.start_at, resumed.namespace) == ("mended", "Each", "prod")
    assert resumed.workflow_definition.version == 1
    with pytest.raises(InvalidValueError, match="no state 'One'"):
        service.resume_workflow(failed.id, start_at="One", definition=mended)


def test_nobody_resumes_what_goes_on(service):
    """Neither an active workflow, nor one whose retry's retry is active; once that has ended it may be."""
    states = {"Rest": {"Type": "Wait", "SecondsPath": "$.s", "Next": "A"}, "A": task("boom")}
    service.create_workflow_definition(WorkflowDefinition(name="d", state_machine=machine(states)))
    first = service.wait(service.start_workflow("d", {"s": 0}).id, 20)
    second = service.wait(service.resume_workflow(first.id).id, 20)
    third = service.resume_workflow(second.id, start_at="Rest", input={"s": 600})
    for workflow in (first, second, third):
        with pytest.raises(WorkflowStatusError) as raised:
            service.resume_workflow(workflow.id)
        assert raised.value.workflow_id == third.id
    service.cancel_workflow(third.id, reason="enough")
    assert service.resume_workflow(first.id).retry_for == first.id


# ---------------------------------------------------------------- many workflows


def test_listings_come_in_pages(service):
    """Pages follow each other without gaps; iterating follows them all; a forged token is refused."""
    service.create_workflow_definition(SLOW)
    ids = [service.start_workflow("slow", tags={"odd": str(n % 2)}).id for n in range(7)]
    page = service.list_workflows(WorkflowQuery(definition_name="slow", limit=3))
    assert [len(page), page.next is None] == [3, False]
    query = WorkflowQuery(definition_name="slow", limit=2)
    assert sorted(found.id for found in service.iterate_workflows(query)) == sorted(ids)
    odd = service.iterate_workflows(WorkflowQuery(tags={"odd": "1"}, limit=2))
    assert {found.id for found in odd} == set(ids[1::2])
    with pytest.raises(PageTokenError):
        service.list_workflows(attrs.evolve(query, page_token="forged"))


def test_bulk_cancellation_tells_how_far_it_has_come(service):
    """Every active workflow that matches is cancelled, and progress is told after each."""
    service.create_workflow_definition(SLOW)
    service.create_workflow_definition(QUICK)
    for workflow in [service.start_workflow("slow") for _ in range(5)][:1]:
        service.cancel_workflow(workflow.id, reason="before")
    other = service.start_workflow("slow", queue="other")
    seen: list[tuple[int, int]] = []
    query = WorkflowQuery(definition_name="slow", queue="default")
    progress = service.cancel_workflows(
        query, reason="all", per_second=1e6, on_progress=lambda now: seen.append((now.done, now.total))
    )
    assert (progress.done, progress.total, progress.failed) == (4, 4, ())
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert service.get_workflow(other.id).status is WorkflowStatus.RUNNING
    assert service.refresh_workflows(WorkflowQuery(), per_second=1e6).total == 1


def test_bulk_operations_keep_to_their_rate():
    """Calls are spread evenly, what was late is not made up for by a burst, and one's trouble stops no other."""
    now, made = [0.0], []

    def operation(workflow_id: str) -> Any:
        made.append(now[0])
        if workflow_id == "1":
            now[0] += 5.0
        if workflow_id == "2":
            raise ConnectionError("the wire is cut")

    def sleep(seconds: float) -> None:
        now[0] += seconds

    progress = run("01234", operation, per_second=2, sleep=sleep, clock=lambda: now[0])
    assert made == [0.0, 0.5, 5.5, 6.0, 6.5]
    assert (progress.done, progress.failed) == (5, (("2", "the wire is cut"),))
    for rate in (0, -1, float("nan")):
        with pytest.raises(InvalidValueError):
            run("0", operation, per_second=rate)


class Remote:
    """A runner whose tasks go well when they are polled; every poll is written into a folder, and no two at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def start(self, workflow: Any, task: Any) -> Any:
        return TaskSubmitted(task.token, datetime.now(UTC), {"id": task.token})

    def poll(self, workflow: Any, tasks: Any) -> Any:
        mark = self.folder / f"{workflow.id}.busy"
        try:
            mark.touch(exist_ok=False)
        except FileExistsError:
            (self.folder / f"{workflow.id}.clash").touch()
            raise
        time.sleep(0.001)
        mark.unlink()
        return [TaskSucceeded(task.token, datetime.now(UTC), {"done": task.state}) for task in tasks]

    def stop(self, workflow: Any, keep: Any) -> None:
        return None


CHAIN = machine({"A": task(Next="B"), "B": task(Next="C"), "C": task()})


def remote_service(folder: Path) -> WorkflowService:
    store = SQLiteStore(folder / "w.db")
    return WorkflowService(store, EngineWorkflowManager(store, Remote(folder), name="remote"))


def poll_until_nothing_is_left(folder: str) -> None:
    service = remote_service(Path(folder))
    while service.store.list_pending(1) or service.update_pending(1).workflows:
        update = service.update_pending(8)
        assert update.failed == (), update.failed
        if not update.workflows:
            time.sleep(0.01)


@pytest.mark.parametrize(("processes", "workflows"), [(4, 60)])
def test_many_processes_poll_one_file(tmp_path: Path, processes: int, workflows: int):
    """Each workflow is advanced by one process at a time, and all end."""
    poll_with(tmp_path, processes, workflows)


def poll_with(folder: Path, processes: int, workflows: int) -> None:
    service = remote_service(folder)
    service.create_workflow_definition(WorkflowDefinition(name="chain", state_machine=CHAIN, manager="remote"))
    for n in range(workflows):
        service.start_workflow("chain", {"n": n})
    spawn = multiprocessing.get_context("spawn")
    pollers = [spawn.Process(target=poll_until_nothing_is_left, args=(str(folder),)) for _ in range(processes)]
    for poller in pollers:
        poller.start()
    for poller in pollers:
        poller.join(300)
    assert [poller.exitcode for poller in pollers] == [0] * processes
    ended = list(service.iterate_workflows())
    assert [found.status for found in ended] == [WorkflowStatus.SUCCEEDED] * workflows
    assert all(found.output == {"done": "C"} for found in ended)
    assert sorted(folder.glob("*.clash")) == []
    for found in ended:
        types = [event.type for event in service.read_history(found.id)]
        assert types.count("ActivitySucceeded") == 3


def test_one_that_cannot_be_updated_stops_no_other(tmp_path: Path):
    """Its trouble is told; a workflow that somebody else tends to is passed over."""
    service = remote_service(tmp_path)
    service.create_workflow_definition(WorkflowDefinition(name="chain", state_machine=CHAIN, manager="remote"))
    first, second, third = [service.start_workflow("chain") for _ in range(3)]
    (tmp_path / f"{first.id}.busy").touch()
    lease = service.store.acquire(second.id, "somebody", 60)
    update = service.update_pending()
    assert [workflow.id for workflow in update.workflows] == [third.id]
    assert [workflow_id for workflow_id, _ in update.failed] == [first.id]
    service.store.release(lease)
    (tmp_path / f"{first.id}.busy").unlink()
    while service.update_pending().workflows:
        pass
    assert {found.status for found in service.iterate_workflows()} == {WorkflowStatus.SUCCEEDED}


def test_polling_takes_over_what_a_lost_process_has_left(tmp_path: Path):
    """A local workflow whose manager is gone goes on in the process that polls."""
    store = SQLiteStore(tmp_path / "w.db")
    states = {"Rest": {"Type": "Wait", "Seconds": 1, "End": True}}
    with LocalWorkflowManager(store) as gone:
        service = WorkflowService(store, gone)
        service.create_workflow_definition(WorkflowDefinition(name="rest", state_machine=machine(states)))
        left = service.start_workflow("rest")
        assert service.update_pending().workflows == ()  # it is leased
    with LocalWorkflowManager(store, recover_on_start=False) as manager:
        service = WorkflowService(store, manager)
        assert [workflow.id for workflow in service.update_pending().workflows] == [left.id]
        assert service.wait(left.id, 20).status is WorkflowStatus.SUCCEEDED


def test_nobody_is_asked_to_take_over_what_is_not_his(tmp_path: Path):
    """A round that finds only workflows of a manager without a process of its own asks no other to recover."""
    store = SQLiteStore(tmp_path / "w.db")
    far, asked = EngineWorkflowManager(store, Remote(tmp_path), name="remote"), []
    with LocalWorkflowManager(store) as local:
        local.recover = lambda: asked.append(1) or ()  # type: ignore[method-assign]
        service = WorkflowService(store, MultiWorkflowManager({"remote": far, "local": local}))
        service.create_workflow_definition(attrs.evolve(SLOW, manager="remote"))
        service.start_workflow("slow")
        assert len(service.update_pending().workflows) == 1
    assert asked == []


def test_a_lease_lasts():
    """A service whose leases are void from the start is none."""
    with pytest.raises(InvalidValueError):
        WorkflowService(MemoryStore(), LocalWorkflowManager(MemoryStore()), lease_seconds=0)


# ---------------------------------------------------------------- waiting for several


def test_whoever_ends_first_comes_first(service):
    """``as_completed`` gives workflows in the order of their ends, ``wait_any`` the first, both with jobs."""
    states = {"Rest": {"Type": "Wait", "SecondsPath": "$.s", "Next": "A"}, "A": task()}
    service.create_workflow_definition(WorkflowDefinition(name="d", state_machine=machine(states)))
    slow, quick = service.start_workflow("d", {"s": 2}), service.start_workflow("d", {"s": 1})
    assert wait_any(service.manager, [slow, quick], timeout=20).id == quick.id
    ended = list(as_completed(service.manager, [slow, quick], timeout=20))
    assert [workflow.id for workflow in ended] == [quick.id, slow.id]
    assert [job.state for job in ended[0].jobs] == ["A"]


def test_patience_with_several_may_end(service):
    """After the time-out those that have ended have been told, and one that has not is named."""
    service.create_workflow_definition(SLOW)
    service.create_workflow_definition(QUICK)
    slow, quick = service.start_workflow("slow"), service.start_workflow("quick")
    ended = as_completed(service.manager, [slow, quick], timeout=0.3)
    assert next(ended).id == quick.id
    with pytest.raises(WaitTimeoutError, match=slow.id):
        next(ended)
    assert list(as_completed(service.manager, [])) == []
    with pytest.raises(InvalidValueError, match="no workflow to wait for"):
        wait_any(service.manager, [])


def test_several_are_asked_for_where_nobody_tells(tmp_path: Path):
    """A manager that does not tell of ends is asked again after a pause."""
    service = remote_service(tmp_path)
    service.create_workflow_definition(WorkflowDefinition(name="chain", state_machine=CHAIN, manager="remote"))
    started = [service.start_workflow("chain") for _ in range(3)]
    assert {workflow.id for workflow in as_completed(service.manager, started, timeout=20)} == {
        workflow.id for workflow in started
    }


# ---------------------------------------------------------------- asyncio


def test_the_async_face_does_the_same(service):
    """Every operation can be awaited, with the same results and errors."""

    async def use() -> None:
        async with AsyncWorkflowService(service, threads=4) as desk:
            await desk.create_workflow_definition(QUICK)
            assert (await desk.update_workflow_definition(QUICK)).version == 0
            assert (await desk.get_workflow_definition("quick")).name == "quick"
            assert len(await desk.list_workflow_definitions()) == 1
            assert len(await desk.list_workflow_definition_versions("quick")) == 1
            await desk.put_state_resource(StateResource(name="r"))
            assert (await desk.get_state_resource("r")).name == "r"
            assert len(await desk.list_state_resources()) == 1
            await desk.delete_state_resource("r")
            started = [await desk.start_workflow("quick", {"n": n}) for n in range(20)]
            outputs = await asyncio.gather(*(desk.wait(workflow.id, 20) for workflow in started))
            assert [workflow.output["n"] for workflow in outputs] == list(range(20))
            assert (await desk.wait_any([started[3].id])).id == started[3].id
            assert len([found async for found in desk.iterate_workflows(WorkflowQuery(limit=3))]) == 20
            assert (await desk.get_workflow(started[0].id, history=True)).jobs
            assert len(await desk.read_history(started[0].id)) > 3
            assert (await desk.update_pending()).failed == ()
            again = await desk.resume_workflow(started[0].id)
            assert (await desk.wait(again.id, 20)).output == {"n": 0}
            with pytest.raises(ConflictError):
                await desk.resolve_workflow(started[0].id)
            with pytest.raises(WorkflowStatusError):
                await desk.cancel_workflow(started[0].id, reason="late")
            assert (await desk.cancel_workflows(WorkflowQuery(), reason="all")).total == 0
            assert (await desk.refresh_workflows(WorkflowQuery())).total == 0
            await desk.delete_workflow(started[0].id)
            with pytest.raises(NotFoundError):
                await desk.wait(started[0].id)

    asyncio.run(use())


def test_who_awaits_holds_no_thread(service):
    """A hundred waits and other operations go together on two threads; a time-out ends a wait."""
    service.create_workflow_definition(SLOW)
    service.create_workflow_definition(QUICK)

    async def use() -> None:
        async with AsyncWorkflowService(service, threads=2) as desk:
            slow = await desk.start_workflow("slow")
            waits = [asyncio.ensure_future(desk.wait(slow.id)) for _ in range(100)]
            await asyncio.sleep(0)
            quick = await desk.start_workflow("quick", {"n": 1})
            assert (await desk.wait(quick.id, 20)).output == {"n": 1}
            with pytest.raises(WaitTimeoutError):
                await desk.wait(slow.id, 0.1)
            await desk.cancel_workflow(slow.id, reason="enough")
            assert {workflow.status for workflow in await asyncio.gather(*waits)} == {WorkflowStatus.CANCELLED}
            with pytest.raises(InvalidValueError, match="no workflow"):
                await desk.wait_any([])

    asyncio.run(use())


def test_a_closed_async_face_takes_no_more(service):
    """Whatever is asked of it then is an error of the tree; so is a number of threads that is none."""

    async def use() -> None:
        async with AsyncWorkflowService(service) as desk:
            assert len(await desk.list_workflows()) == 0
        await desk.aclose()
        with pytest.raises(ManagerClosedError):
            await desk.list_workflows()

    asyncio.run(use())
    for threads in (0, -1, True, 1.5):
        with pytest.raises(InvalidValueError):
            AsyncWorkflowService(service, threads=threads)


def test_awaiting_what_does_not_go_on_is_an_error():
    """A closed manager's workflow is not waited for."""
    store = MemoryStore()
    with LocalWorkflowManager(store) as manager:
        service = WorkflowService(store, manager)
        service.create_workflow_definition(SLOW)
        slow = service.start_workflow("slow")

    async def use() -> None:
        async with AsyncWorkflowService(service) as desk:
            await desk.wait(slow.id, 20)

    with pytest.raises(ManagerClosedError):
        asyncio.run(use())
