"""Limits on active workflows: those beyond are queued and start in order, on every manager, whoever starts them."""

from __future__ import annotations

import asyncio
import multiprocessing
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from workflow_manager import (
    AsyncWorkflowService,
    ConflictError,
    InvalidValueError,
    LocalWorkflowManager,
    MemoryStore,
    MultiWorkflowManager,
    NotFoundError,
    SQLiteStore,
    StateMachine,
    UnknownResourceError,
    WaitTimeoutError,
    WorkflowDefinition,
    WorkflowQuery,
    WorkflowService,
    WorkflowStatus,
    WorkflowStatusError,
)
from workflow_manager.engine.reports import TaskSucceeded
from workflow_manager.managers.base import EngineWorkflowManager
from workflow_manager.service import StartLimits


def machine(states: dict[str, Any]) -> StateMachine:
    return StateMachine.from_dict({"StartAt": next(iter(states)), "States": states})


def task(resource: str = "echo", **more: Any) -> dict[str, Any]:
    return {"Type": "Task", "Resource": resource, **({} if "Next" in more else {"End": True}), **more}


SLOW = WorkflowDefinition(name="slow", state_machine=machine({"Rest": {"Type": "Wait", "Seconds": 3600, "End": True}}))


@pytest.fixture(params=[False, True], ids=["memory", "file"])
def limited(request, tmp_path: Path):
    """A service that lets two of ``gated`` and three of the queue ``narrow`` be active; tasks wait at a gate."""
    store = SQLiteStore(tmp_path / "w.db") if request.param else MemoryStore()
    gates: dict[int, threading.Event] = {n: threading.Event() for n in range(12)}
    begun: list[int] = []

    def gated(value: Any) -> Any:
        begun.append(value["n"])
        gates[value["n"]].wait(30)
        return value

    with LocalWorkflowManager(store, {"gated": gated, "echo": lambda value: value}) as manager:
        limits = StartLimits(definitions={"gated": 2}, queues={"narrow": 3})
        service = WorkflowService(store, manager, limits=limits)
        service.create_workflow_definition(
            WorkflowDefinition(name="gated", state_machine=machine({"A": task("gated")}))
        )
        service.create_workflow_definition(SLOW)
        yield service, gates, begun
        for gate in gates.values():
            gate.set()


def test_those_beyond_a_limit_start_in_order(limited):
    """Two begin, the others are queued and begin one by one, the oldest first, as those before them end."""
    service, gates, begun = limited
    turns: list[int] = []

    @service.manager.on_event
    def hear(workflow: Any, event: Any) -> None:
        if event.type == "ExecutionStarted":
            turns.append(workflow.input["n"])

    started = [service.start_workflow("gated", {"n": n}, tags={"x": "y"}) for n in range(6)]
    assert [workflow.status.value for workflow in started] == ["running"] * 2 + ["queued"] * 4
    for n in range(6):
        gates[n].set()
        ended = service.wait(started[n].id, 20)
        assert (ended.status, ended.output, ended.id) == (WorkflowStatus.SUCCEEDED, {"n": n}, started[n].id)
        assert (dict(ended.tags), ended.workflow_definition.manager) == ({"x": "y"}, "local")
        service.update_pending()
    assert turns == sorted(begun) == list(range(6))


def test_a_queue_has_a_limit_of_its_own(limited):
    """A workflow needs room in both; one that is held keeps none of another definition waiting."""
    service, _, _ = limited
    gated = [service.start_workflow("gated", {"n": n}, queue="narrow") for n in range(3)]
    slow = [service.start_workflow("slow", queue="narrow") for _ in range(2)]
    free = service.start_workflow("slow")
    shown = [service.get_workflow(workflow.id).status.value for workflow in [*gated, *slow, free]]
    assert shown == ["running", "running", "queued", "running", "queued", "running"]
    service.cancel_workflow(slow[0].id, reason="make room")
    shown = [service.get_workflow(workflow.id).status.value for workflow in [*gated, *slow]]
    assert shown == ["running", "running", "queued", "cancelled", "running"]


def test_who_is_held_can_be_cancelled_and_nothing_else(limited):
    """It never starts then; until then it is active, and neither resumed, resolved nor deleted; its key is taken."""
    service, gates, begun = limited
    for n in range(2):
        service.start_workflow("gated", {"n": n})
    held = service.start_workflow("gated", {"n": 2}, idempotency_key="k")
    assert service.start_workflow("gated", {"n": 2}, idempotency_key="k").id == held.id
    with pytest.raises(ConflictError):
        service.start_workflow("gated", {"n": 3}, idempotency_key="k")
    for refused in (service.resume_workflow, service.resolve_workflow, service.delete_workflow):
        with pytest.raises(WorkflowStatusError):
            refused(held.id)
    with pytest.raises(WaitTimeoutError):
        service.wait(held.id, 0.2)
    assert held.id not in {workflow.id for workflow in service.update_pending().workflows}
    cancelled = service.cancel_workflow(held.id, reason="too long")
    assert (cancelled.status, cancelled.status_reason) == (WorkflowStatus.CANCELLED, "too long")
    gates[0].set()
    gates[1].set()
    while any(not found.status.is_final for found in service.iterate_workflows()):
        service.update_pending()
    assert sorted(begun) == [0, 1]


def test_a_key_means_the_same_with_and_without_limits(limited):
    """Whether a start passes the gate or goes straight to the manager, one key is one workflow."""
    service, _, _ = limited
    straight = WorkflowService(service.store, service.manager)
    first = straight.start_workflow("gated", {"n": 0}, idempotency_key="k")
    assert service.start_workflow("gated", {"n": 0}, idempotency_key="k").id == first.id
    second = service.start_workflow("gated", {"n": 1}, idempotency_key="l")
    assert straight.start_workflow("gated", {"n": 1}, idempotency_key="l").id == second.id


def test_a_limit_holds_for_many_at_once(limited):
    """However many threads start and look, no more than two are at work, and all end."""
    service, gates, begun = limited
    most: list[int] = []
    for gate in gates.values():
        gate.set()

    def start(n: int) -> Any:
        workflow = service.start_workflow("gated", {"n": n})
        most.append(sum(1 for _ in service.iterate_workflows(WorkflowQuery(status=WorkflowStatus.RUNNING))))
        return service.wait(workflow.id, 30).status

    with ThreadPoolExecutor(12) as pool:
        assert set(pool.map(start, range(12))) == {WorkflowStatus.SUCCEEDED}
    assert max(most) <= 2
    assert sorted(begun) == list(range(12))


def test_what_cannot_run_is_not_held(limited):
    """A resource that is not there is refused at once, as is a limit that is none."""
    service, _, _ = limited
    lost = WorkflowDefinition(name="lost", state_machine=machine({"A": task("nowhere")}))
    service.create_workflow_definition(lost)
    with pytest.raises(UnknownResourceError):
        service.start_workflow("lost", queue="narrow")
    assert len(service.list_workflows()) == 0
    for limits in ({"d": 0}, {"d": True}, {"d": 1.5}):
        with pytest.raises(InvalidValueError):
            StartLimits(definitions=limits)


def test_who_cannot_start_later_cannot_hold():
    """A workflow of a manager that has no more than a manager must have is refused, where there is a limit."""
    store, manager = MemoryStore(), LocalWorkflowManager(MemoryStore())

    class Other:
        name = "local"
        create_workflow = manager.create_workflow
        retry_workflow = manager.retry_workflow
        cancel_workflow = manager.cancel_workflow
        update_workflow_summary = manager.update_workflow_summary
        update_workflow_history = manager.update_workflow_history

    for several in (Other(), MultiWorkflowManager({"local": Other()})):
        service = WorkflowService(store, several, limits=StartLimits(definitions={"slow": 1}))
        service.create_workflow_definition(SLOW)
        with pytest.raises(InvalidValueError, match="cannot start a workflow later"):
            service.start_workflow("slow")


def test_who_awaits_may_be_held(limited):
    """The async face waits for a held workflow's turn and end."""
    service, gates, _ = limited
    for gate in gates.values():
        gate.set()

    async def use() -> None:
        async with AsyncWorkflowService(service, threads=4) as desk:
            started = [await desk.start_workflow("gated", {"n": n}) for n in range(6)]
            ended = await asyncio.gather(*(desk.wait(workflow.id, 30) for workflow in started))
            assert [workflow.output for workflow in ended] == [{"n": n} for n in range(6)]

    asyncio.run(use())


# ---------------------------------------------------------------- any manager, any number of processes


class Idle:
    """A runner whose tasks end when the test says so: all that are pending, at the next look."""

    def __init__(self) -> None:
        self.done: set[str] = set()

    def start(self, workflow: Any, task: Any) -> Any:
        return None

    def poll(self, workflow: Any, tasks: Any) -> Any:
        ended = [task for task in tasks if workflow.id in self.done]
        return [TaskSucceeded(task.token, datetime.now(UTC), {}) for task in ended]

    def stop(self, workflow: Any, keep: Any) -> None:
        return None


LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
GATED = WorkflowDefinition(name="gated", state_machine=machine({"A": task("far")}), manager="far")
TWO = StartLimits(definitions={"gated": 2})


def far(store: Any, runner: Any, limits: StartLimits | None = TWO) -> WorkflowService:
    """A service as another process has it, over a manager that hears nothing by itself."""
    service = WorkflowService(store, EngineWorkflowManager(store, runner, name="far"), limits=limits)
    service.create_workflow_definition(GATED)
    return service


def shown(service: WorkflowService, started: list[Any]) -> list[str]:
    return [service.store.get_workflow(workflow.id).status.value for workflow in started]


class Between(MemoryStore):
    """A store that calls *then*, once, just before what is written into the ledger of limits."""

    then: Callable[[], object] | None = None

    def save_workflow(self, workflow: Any, events: Any = ()) -> Any:
        then, self.then = self.then, None
        if workflow.id != "workflow-manager:limits":
            self.then = then
        elif then is not None:
            then()
        return super().save_workflow(workflow, events)


def test_two_that_see_one_place_do_not_both_take_it():
    """What another process has admitted since one has looked, be it an older one, is seen before anything starts."""
    store, runner = Between(), Idle()
    one, slow_clock = far(store, runner), EngineWorkflowManager(store, runner, name="far", clock=lambda: LONG_AGO)
    other = WorkflowService(store, slow_clock, limits=TWO)
    first = one.start_workflow("gated")
    older: list[Any] = []
    store.then = lambda: older.append(other.start_workflow("gated"))
    late = one.start_workflow("gated")

    assert shown(one, [first, *older, late]) == ["running", "running", "queued"]


class Late(MemoryStore):
    """A store in which whoever holds a workflow leases it only when another process has let go of it."""

    def release(self, lease: Any) -> None:
        super().release(lease)
        if lease.owner == "workflow-manager:held" and self.get_workflow(lease.workflow_id).status == "queued":
            super().acquire(lease.workflow_id, lease.owner, 3600)


def test_nobody_holds_for_ever_what_has_begun():
    """A workflow that begins while somebody is about to hold it is looked at by those who poll."""
    service = far(Late(), Idle())
    started = service.start_workflow("gated")
    assert [found.id for found in service.update_pending().workflows] == [started.id]


def test_nobody_is_counted_twice_or_for_ever():
    """Each that ends makes room for one; one that was deleted, and one that another process saw end, too."""
    store, runner = MemoryStore(), Idle()
    one, other = far(store, runner), far(store, runner)
    started = [one.start_workflow("gated", {"n": n}) for n in range(6)]
    runner.done.add(started[0].id)
    other.get_workflow(started[0].id)
    other.delete_workflow(started[0].id)
    EngineWorkflowManager(store, runner, name="far").cancel_workflow(started[1], reason="straight to a manager")
    assert shown(one, started[1:]) == ["cancelled", "running", "queued", "queued", "queued"]
    one.update_pending()
    assert shown(one, started[1:]) == ["cancelled", "running", "running", "queued", "queued"]
    runner.done.update(workflow.id for workflow in started)
    while store.list_pending() or any(not found.status.is_final for found in one.iterate_workflows()):
        other.update_pending()
    with pytest.raises(NotFoundError):
        store.get_workflow(started[0].id)


def test_what_runs_without_a_limit_counts():
    """Workflows that were started by a manager itself, or by a service without limits, take up room."""
    store, runner = MemoryStore(), Idle()
    free, limited = far(store, runner, limits=None), far(store, runner)
    started = [free.start_workflow("gated") for _ in range(3)] + [limited.start_workflow("gated")]
    assert shown(free, started) == ["running"] * 3 + ["queued"]
    for workflow in started[:2]:
        limited.cancel_workflow(workflow.id, reason="make room")
    assert shown(free, started) == ["cancelled", "cancelled", "running", "running"]


def test_limits_can_be_lifted_and_lowered():
    """Without limits what is held is left alone; with none to keep all is let go; lower ones end nothing."""
    store, runner = MemoryStore(), Idle()
    limited = far(store, runner)
    started = [limited.start_workflow("gated") for _ in range(4)]
    far(store, runner, limits=None).update_pending()
    assert shown(limited, started) == ["running"] * 2 + ["queued"] * 2
    lower = far(store, runner, limits=StartLimits(definitions={"gated": 1}))
    limited.cancel_workflow(started[0].id, reason="make room for nobody")
    assert shown(limited, started) == ["cancelled", "running", "running", "queued"]
    limited.cancel_workflow(started[1].id, reason="make room")
    lower.update_pending()
    assert shown(limited, started) == ["cancelled", "cancelled", "running", "running"]
    started += [limited.start_workflow("gated") for _ in range(3)]
    far(store, runner, limits=StartLimits()).update_pending()
    assert shown(limited, started[2:]) == ["running"] * 5


def test_a_resume_waits_for_its_turn_too():
    """It is linked to what it retries at once, and that is not resumed again before it has ended."""
    store, runner = MemoryStore(), Idle()
    service = far(store, runner)
    first = service.start_workflow("gated", {"n": 1})
    service.cancel_workflow(first.id, reason="to be resumed")
    busy = [service.start_workflow("gated") for _ in range(2)]
    resumed = service.resume_workflow(first.id)
    assert (resumed.status, resumed.retry_for, resumed.input) == (WorkflowStatus.QUEUED, first.id, {"n": 1})
    assert service.get_workflow(first.id).retries == (resumed.id,)
    for again in (first, resumed):
        with pytest.raises(WorkflowStatusError):
            service.resume_workflow(again.id)
    service.cancel_workflow(busy[0].id, reason="make room")
    assert service.get_workflow(resumed.id).status is WorkflowStatus.RUNNING


def test_the_ledger_is_no_workflow():
    """What the limits write down is in no listing of a service, in no round of updates, and no bulk operation."""
    store, runner = MemoryStore(), Idle()
    service = far(store, runner)
    started = [service.start_workflow("gated") for _ in range(3)]
    ids = {workflow.id for workflow in started}
    assert {found.id for found in service.list_workflows()} == ids
    assert {found.id for found in service.iterate_workflows(WorkflowQuery(limit=1))} == ids
    assert {found.id for found in service.update_pending().workflows} < ids
    assert service.cancel_workflows(WorkflowQuery(), reason="all", per_second=1e6).total == 3


def test_who_waits_takes_no_time_from_those_that_run():
    """However many are held, a round of updates of two looks at the two that run."""
    service = far(MemoryStore(), Idle())
    started = [service.start_workflow("gated") for _ in range(50)]
    for _ in range(3):
        assert {found.id for found in service.update_pending(2).workflows} == {found.id for found in started[:2]}


def test_limits_hold_on_dynamodb():
    """The ledger is a record like any other: those beyond a limit start in order, by whichever process sees room."""
    pytest.importorskip("boto3")
    from dynamodb_stores import new_store
    from servers import Server, running

    runner = Idle()
    with new_store(running(Server.MINISTACK), ttl_days=1) as store:
        one, other = far(store, runner), far(store, runner)
        started = [(one, other)[n % 2].start_workflow("gated", {"n": n}) for n in range(5)]
        for turns in (2, 3, 4):
            assert shown(one, started[turns - 2 :]) == ["running"] * 2 + ["queued"] * (5 - turns)
            other.cancel_workflow(started[turns - 2].id, reason="make room")
        assert shown(one, started) == ["cancelled"] * 3 + ["running"] * 2
        assert {found.id for found in one.iterate_workflows()} == {workflow.id for workflow in started}


@pytest.mark.parametrize("is_default", [False, True])
def test_managers_leave_alone_what_is_held(is_default: bool):
    """Whoever asks a manager itself, or one of several, starts nothing before its turn; it can be cancelled there."""
    store, runner = MemoryStore(), Idle()
    service = far(store, runner)
    started = [service.start_workflow("gated") for _ in range(4)]
    manager = EngineWorkflowManager(store, runner, name="far")
    others = MultiWorkflowManager({"far": manager}, default="far" if is_default else None)
    for each in (manager, others):
        assert each.update_workflow_summary(started[3]).status is WorkflowStatus.QUEUED
        assert each.update_workflow_history(started[3]).jobs == ()
        with pytest.raises(WorkflowStatusError):
            each.retry_workflow(started[3])
    assert others.update_workflows(started)[3].status is WorkflowStatus.QUEUED
    for each, workflow in zip((manager, others), started[2:], strict=True):
        cancelled = each.cancel_workflow(workflow, reason="not needed")
        assert (cancelled.status, cancelled.status_reason) == (WorkflowStatus.CANCELLED, "not needed")
        assert (cancelled.workflow_definition.manager, dict(cancelled.tags)) == ("far", {})
    assert shown(service, started) == ["running", "running", "cancelled", "cancelled"]


def test_ends_are_heard_without_anybody_asking(tmp_path: Path):
    """Over a manager that runs by itself all that are held begin and end, though nobody polls, waits or starts more."""
    store, ended = SQLiteStore(tmp_path / "w.db"), threading.Semaphore(0)
    quick = WorkflowDefinition(name="quick", state_machine=machine({"A": task(), "B": task()} | {"A": task(Next="B")}))
    with LocalWorkflowManager(store, {"echo": lambda value: value}) as manager:
        managers = MultiWorkflowManager({"local": manager})
        service = WorkflowService(store, managers, limits=StartLimits(definitions={"quick": 1}))
        service.create_workflow_definition(quick)

        @manager.on_event
        def hear(workflow: Any, event: Any) -> None:
            if event.type == "ExecutionSucceeded":
                ended.release()

        started = [service.start_workflow("quick", {"n": n}) for n in range(8)]
        for _ in started:
            assert ended.acquire(timeout=20)
        assert shown(service, started) == ["succeeded"] * 8


class Lives(MemoryStore):
    """A store that lets a process die at its call number *fuse*."""

    fuse = -1

    def _burn(self) -> None:
        self.fuse -= 1
        if self.fuse == 0:
            raise Crash

    def __getattribute__(self, name: str) -> Any:
        if name in ("save_workflow", "save_and_acquire", "get_workflow", "list_workflows", "acquire", "release"):
            object.__getattribute__(self, "_burn")()
        return object.__getattribute__(self, name)


class Crash(BaseException):
    """The process dies here."""


@pytest.mark.parametrize("step", range(1, 45))
@pytest.mark.parametrize("what", ["start", "room"])
def test_a_process_may_die_at_any_step(what: str, step: int):
    """Whoever comes next starts what was left, in order; at no time are more than two active, and all end."""
    store, runner = Lives(), Idle()
    service = far(store, runner)
    started = [service.start_workflow("gated", idempotency_key=str(n)) for n in range(1 if what == "start" else 4)]
    if what == "room":
        EngineWorkflowManager(store, runner, name="far").cancel_workflow(started[0], reason="make room")
    store.fuse = step
    try:
        service.start_workflow("gated", idempotency_key="last") if what == "start" else service.update_pending()
    except Crash:
        pass
    store.fuse = -1
    service = far(store, runner)
    service.start_workflow("gated", idempotency_key="last")
    service.update_pending()
    found = list(service.iterate_workflows(WorkflowQuery(oldest_first=True)))
    active = [workflow.status.value for workflow in found if not workflow.status.is_final]
    assert active == ["running"] * 2 + ["queued"] * (len(active) - 2)
    runner.done.update(workflow.id for workflow in found)
    for _ in found:
        service.update_pending()
    ends = [workflow.status.value for workflow in service.iterate_workflows(WorkflowQuery(oldest_first=True))]
    assert ends == ["succeeded"] * 2 if what == "start" else ["cancelled", *["succeeded"] * 4]


# ---------------------------------------------------------------- AWS


def step_functions(**settings: Any) -> tuple[Any, Any, WorkflowService]:
    pytest.importorskip("boto3")
    from sfn_fake import FakeStepFunctions, manager_of

    fake, store = FakeStepFunctions(), MemoryStore()
    service = WorkflowService(store, manager_of(fake, store, **settings), limits=StartLimits(queues={"default": 2}))
    rest = machine({"Rest": {"Type": "Wait", "Seconds": 60, "End": True}})
    service.create_workflow_definition(
        WorkflowDefinition(name="rest", state_machine=rest, manager="step-functions", default_tags={"a": "b"})
    )
    return fake, store, service


def test_step_functions_start_in_order():
    """No more executions are at AWS than may be; each starts once, under its own id, as those before it end."""
    fake, _, service = step_functions()
    started = [service.start_workflow("rest", {"n": n}) for n in range(5)]
    assert shown(service, started) == ["running"] * 2 + ["queued"] * 3
    for turns in (2, 4, 5):
        assert [run.name for run in fake.runs.values()] == [workflow.id for workflow in started[:turns]]
        fake.advance(61)
        service.update_pending()
    assert shown(service, started) == ["succeeded"] * 5
    assert fake.starts == 5
    last = service.get_workflow(started[-1].id, history=True)
    assert (last.output["n"], dict(last.tags), last.workflow_definition.manager) == (4, {"a": "b"}, "step-functions")


def test_step_functions_hold_what_could_run_only():
    """What AWS would refuse is refused at once; what is held can be cancelled, and AWS never hears of it."""
    fake, store, service = step_functions()
    started = [service.start_workflow("rest") for _ in range(3)]
    with pytest.raises(InvalidValueError):
        service.start_workflow("rest", {"long": "x" * 300_000})
    held = service.start_workflow("rest", {"n": 1}, idempotency_key="k")
    straight = WorkflowService(store, service.manager)
    assert straight.start_workflow("rest", {"n": 1}, idempotency_key="k").id == held.id
    service.cancel_workflow(started[2].id, reason="not needed")
    fake.advance(3600)  # longer than AWS may fail to show an execution
    for look in (service.manager.update_workflow_summary, service.manager.update_workflow_history):
        assert look(held).status is WorkflowStatus.QUEUED
    service.update_pending()
    assert shown(service, started) == ["succeeded", "succeeded", "cancelled"]
    assert service.get_workflow(held.id).status is WorkflowStatus.RUNNING
    assert fake.starts == 3


def test_step_functions_resume_in_their_turn():
    """A resume under a limit begins at its state, on a machine of its own."""
    fake, _, service = step_functions()
    first = service.start_workflow("rest", {"n": 1})
    service.cancel_workflow(first.id, reason="to be resumed")
    busy = [service.start_workflow("rest") for _ in range(2)]
    resumed = service.resume_workflow(first.id)
    assert (resumed.status, fake.starts) == (WorkflowStatus.QUEUED, 3)
    service.cancel_workflow(busy[0].id, reason="make room")
    assert (service.get_workflow(resumed.id).status, fake.starts) == (WorkflowStatus.RUNNING, 4)
    fake.advance(61)
    assert service.get_workflow(resumed.id).output["n"] == 1


@pytest.mark.parametrize("step", range(8))
@pytest.mark.parametrize("fault", ["crash", "lost", "refused"])
def test_step_functions_may_fail_at_any_call(fault: str, step: int):
    """A start that crashed, was refused or not answered happens all the same, once, at the next round."""
    from faults import Crash as Died
    from faults import Fault

    fake, _, service = step_functions()
    kind = {"crash": Died, "lost": Fault.LOST, "refused": Fault.REFUSED}[fault]
    fake.plan = lambda number, operation: kind if number == step else None
    started = []
    for n in range(3):
        try:
            service.start_workflow("rest", {"n": n}, idempotency_key=str(n))
        except Died:
            pass
    fake.plan = lambda number, operation: None
    started = [service.start_workflow("rest", {"n": n}, idempotency_key=str(n)) for n in range(3)]
    service.update_pending()
    assert sorted(shown(service, started)) == ["queued", "running", "running"]
    for _ in range(3):
        fake.advance(61)
        service.update_pending()
    assert shown(service, started) == ["succeeded"] * 3
    assert fake.starts == 3


def test_a_start_that_did_not_reach_aws_is_made_up_for():
    """A process that dies before StartExecution leaves a workflow that the next round of updates anywhere starts."""
    from faults import Crash as Died

    fake, _, service = step_functions()
    fake.plan = lambda number, operation: Died if operation == "StartExecution" else None
    with pytest.raises(Died):
        service.start_workflow("rest")
    fake.plan = lambda number, operation: None
    (left,) = service.list_workflows()
    assert (left.status, fake.starts) == (WorkflowStatus.QUEUED, 0)
    service.update_pending()
    assert (service.get_workflow(left.id).status, fake.starts) == (WorkflowStatus.RUNNING, 1)


def test_batch_jobs_wait_with_their_workflow():
    """A held workflow has no job at AWS; when its turn comes it is submitted as it would have been at once."""
    pytest.importorskip("boto3")
    from batch_world import World, chain

    world = World()
    service = WorkflowService(world.store, world.manager, limits=StartLimits(definitions={"test": 1}))
    service.create_workflow_definition(world.definition(chain(2)))
    started = [service.start_workflow("test", {"n": 0}) for _ in range(3)]
    assert (shown(service, started), len(world.fake.jobs())) == (["running", "queued", "queued"], 2)
    world.manager.update_workflows(started)
    assert (shown(service, started), len(world.fake.jobs())) == (["running", "queued", "queued"], 2)
    with pytest.raises(InvalidValueError, match="nowhere"):
        service.start_workflow("test", {"n": 0}, queue="nowhere")
    for _ in range(60):
        world.fake.advance(5)
        service.update_pending()
    assert shown(service, started) == ["succeeded"] * 3
    ended = [service.get_workflow(workflow.id) for workflow in started]
    assert [workflow.output for workflow in ended] == [{"n": 2}] * 3
    assert len({tuple(workflow.tags.items()) for workflow in ended}) == 1


# ---------------------------------------------------------------- many processes


def mark(value: Any) -> Any:
    """A task that tells how many of its kind it finds at work, itself among them."""
    folder = Path(value["folder"])
    mine = folder / f"{value['n']}.busy"
    mine.touch()
    found = len(list(folder.glob("*.busy")))
    time.sleep(0.02)
    mine.unlink()
    return found


def start_some(folder: str, process: int, count: int) -> None:
    with SQLiteStore(Path(folder) / "w.db") as store, LocalWorkflowManager(store, {"mark": mark}) as manager:
        service = WorkflowService(store, manager, limits=StartLimits(definitions={"marked": 3}))
        started = [service.start_workflow("marked", {"folder": folder, "n": f"{process}-{n}"}).id for n in range(count)]
        for workflow_id in started:
            while not service.get_workflow(workflow_id).status.is_final:
                service.update_pending()
                time.sleep(0.01)


def test_a_limit_holds_for_many_processes(tmp_path: Path):
    """Four processes start ten each on one file: no task ever finds more than three at work, and all end."""
    with SQLiteStore(tmp_path / "w.db") as store:
        marked = WorkflowDefinition(name="marked", state_machine=machine({"A": task("mark")}))
        store.save_workflow_definition(marked)
    spawn = multiprocessing.get_context("spawn")
    starters = [spawn.Process(target=start_some, args=(str(tmp_path), n, 10)) for n in range(4)]
    for starter in starters:
        starter.start()
    for starter in starters:
        starter.join(120)
    assert [starter.exitcode for starter in starters] == [0] * 4
    with SQLiteStore(tmp_path / "w.db") as store:
        ended = list(store.list_workflows(WorkflowQuery(definition_name="marked", limit=100)))
    assert [workflow.status for workflow in ended] == [WorkflowStatus.SUCCEEDED] * 40
    assert max(workflow.output for workflow in ended) <= 3
