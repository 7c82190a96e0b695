"""Nothing is orphaned: whatever fails at whichever call, the live jobs are those recorded, and the end is the same."""

from __future__ import annotations

import random
import threading
from typing import Any

import pytest

pytest.importorskip("boto3")
from batch_world import PATIENCE, Crash, World, boom, bump, chain, each, fork, task
from workflow_manager import (
    InvalidValueError,
    MemoryStore,
    NotFoundError,
    WorkflowQuery,
    WorkflowService,
    WorkflowStatus,
)
from workflow_manager.managers.batch import JobsStillRunningError
from workflow_manager.managers.batch.reconcile import Reconciliation
from workflow_manager.testing import Fault

ITEMS = {"n": 0, "items": [{"n": 1}, {"n": 2}, {"n": 3}]}
STEPPED = {
    "StartAt": "A",
    "States": {
        "A": task(ResultPath="$.a", Next="C"),
        "C": {"Type": "Choice", "Choices": [{"Variable": "$.a.n", "NumericEquals": 1, "Next": "B"}]},
        "B": task(
            "boom",
            Retry=[{"ErrorEquals": ["Boom"], "MaxAttempts": 1}],
            Catch=[{"ErrorEquals": ["Boom"], "Next": "M", "ResultPath": None}],
        ),
        "M": {**each()["States"]["M"]},
    },
}
FLOWS: dict[str, tuple[dict[str, Any], Any]] = {
    "chain": (chain(3), {"n": 0}),
    "fork": (fork(3), {"n": 0}),
    "stepped": (STEPPED, ITEMS),
    "bounded": (each(MaxConcurrency=2), {"items": [{"n": n} for n in range(5)]}),
}
FAULTS = [*Fault, "crash", "crash after"]


def arm(world: World, index: int, fault: Any) -> None:
    if isinstance(fault, Fault):
        world.fake.faults.at(index, fault)
    else:
        world.fake.faults.at(index, Crash(), after=fault == "crash after")


def survive(world: World, do: Any) -> bool:
    """Do it; if the driver dies, another process takes its place.  Whether it has died."""
    try:
        do()
    except Crash:
        world.fake.faults.clear()
        world.manager = world.new_manager()
        return True
    return False


def recorded(world: World) -> set[str]:
    """The live jobs that stored workflows know."""
    ids: set[str] = set()
    for workflow_id in world.store.list_pending():
        ids.update(job_id.partition(":")[0] for job_id in world.manager._books.open(workflow_id).ids)
    return ids


def check_no_orphans(world: World) -> None:
    while survive(world, lambda: world.manager.reconcile()):
        pass
    assert set(world.live()) <= recorded(world)


def work_of(world: World) -> int:
    """How many tasks all jobs do together."""
    return sum(job.get("arrayProperties", {}).get("size", 1) for job in world.fake.jobs())


def end_of(workflow: Any) -> tuple[Any, ...]:
    jobs = sorted((job.state, job.status.value, job.branch) for job in workflow.jobs)
    return workflow.status, workflow.output, workflow.error, jobs


def undisturbed(flow: tuple[dict[str, Any], Any]) -> tuple[tuple[Any, ...], int]:
    world = World()
    return end_of(world.run(*flow)), work_of(world)


EXPECTED = {name: undisturbed(flow) for name, flow in FLOWS.items()}


@pytest.mark.parametrize("lag", [0, 3])
@pytest.mark.parametrize("fault", FAULTS, ids=str)
@pytest.mark.parametrize("name", FLOWS)
def test_a_fault_at_any_call_of_create_and_update(name: str, fault: Any, lag: int):
    """
    For every call index: after reconcile the live jobs are those recorded, and the workflow ends as undisturbed.

    Nor is any task done twice, also where ListJobs is *lag* seconds behind.
    """
    index, struck = 0, True
    while struck:
        world = World(listing_lag=lag)
        arm(world, index, fault)
        died = survive(world, lambda world=world: world.create(*FLOWS[name]))
        (workflow_id,) = world.store.list_pending()
        workflow = world.store.get_workflow(workflow_id)
        for _ in range(100):
            if died and not lag:  # else nobody can see yet what was just submitted
                check_no_orphans(world)
            if workflow.status.is_final:
                break
            world.fake.advance(2)
            died = survive(world, lambda world=world, workflow=workflow: world.look(workflow))
            workflow = world.store.get_workflow(workflow_id)
        struck = bool(world.fake.faults.met)
        world.fake.advance(lag)
        check_no_orphans(world)
        done = world.manager.update_workflow_history(workflow)
        assert (end_of(done), work_of(world)) == EXPECTED[name], index
        index += 1
    assert index >= 5


@pytest.mark.parametrize("fault", FAULTS, ids=str)
@pytest.mark.parametrize("name", FLOWS)
def test_a_fault_at_any_call_of_cancel(name: str, fault: Any):
    """For every call index: the workflow is cancelled, and after reconcile none of its jobs lives."""
    index, struck = 0, True
    while struck:
        world = World()
        workflow = world.create(*FLOWS[name])
        world.fake.advance(4.5 if name == "stepped" else 6)
        world.look(workflow)
        assert world.live()
        arm(world, index, fault)

        def cancel(world: World = world, workflow: Any = workflow) -> None:
            try:
                world.manager.cancel_workflow(workflow, reason="enough")
            except JobsStillRunningError:
                pass

        if survive(world, cancel):
            cancel()
        struck = bool(world.fake.faults.met)
        world.fake.faults.clear()
        world.manager.reconcile()
        assert world.live() == [], index
        assert world.store.get_workflow(workflow.id).status is WorkflowStatus.CANCELLED
        world.fake.run_all()
        assert world.manager.update_workflow_history(workflow).status_reason == "enough"
        index += 1
    assert index >= 2


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_fault_at_any_call_of_retry(fault: Any):
    """For every call index: a retry ends as an undisturbed one does, and leaves no job that nobody knows."""
    index, struck = 0, True
    while struck:
        world = World()
        world.register("fragile", boom)
        document = {"StartAt": "A", "States": {"A": task(Next="F"), "F": task("fragile", Next="Z"), "Z": task()}}
        failed = world.run(document, {"n": 0})
        assert failed.status is WorkflowStatus.FAILED
        world.register("fragile", bump)
        arm(world, index, fault)
        survive(world, lambda world=world, failed=failed: world.manager.retry_workflow(failed))
        found = [each for each in world.store.list_pending() if each != failed.id]
        assert len(found) == 1
        assert world.store.get_workflow(failed.id).retries == (found[0],)
        check_no_orphans(world)
        done = world.store.get_workflow(found[0])
        for _ in range(60):
            world.fake.advance(2)
            survive(world, lambda world=world, done=done: world.look(done))
            done = world.store.get_workflow(done.id)
        struck = bool(world.fake.faults.met)
        check_no_orphans(world)
        assert (done.status, done.output) == (WorkflowStatus.SUCCEEDED, {"n": 3}), index
        index += 1
    assert index >= 4


@pytest.mark.parametrize("seed", [7, 8, 9])
@pytest.mark.parametrize("name", FLOWS)
def test_ninety_percent_throttles_end_in_the_true_status(name: str, seed: int):
    """However often AWS says no, no status is wrong and the workflow ends as it should."""
    world = World()
    world.fake.faults.rate(0.9, Fault.THROTTLE, seed=seed)
    workflow = world.create(*FLOWS[name])
    done = world.finish(workflow, most=2000)
    world.fake.faults.clear()

    assert (end_of(world.manager.update_workflow_history(done)), work_of(world)) == EXPECTED[name]


def test_cancel_ends_what_the_first_call_missed():
    """A job that AWS was not told to end is told again before cancel returns."""
    world = World()
    workflow = world.create(chain(1), {"n": 0})
    for index in range(PATIENCE.pauses + 1):
        world.fake.faults.at(index, Fault.THROTTLE, operation="TerminateJob")
    world.manager.cancel_workflow(workflow, reason="enough")

    assert world.live() == []


def test_a_cancel_that_cannot_be_proved_says_so():
    """The workflow is cancelled, the caller knows which jobs may run, and cancelling again ends them."""
    world = World()
    workflow = world.create(chain(2), {"n": 0})
    world.fake.faults.rate(1.0, Fault.THROTTLE, seed=1)
    with pytest.raises(JobsStillRunningError) as raised:
        world.manager.cancel_workflow(workflow, reason="enough")
    assert sorted(raised.value.job_ids) == sorted(world.live())

    world.fake.faults.clear()
    assert world.manager.cancel_workflow(workflow, reason="enough").status is WorkflowStatus.CANCELLED
    assert world.live() == []


@pytest.mark.parametrize("hidden", ["listed later", "not to be listed now"])
def test_a_cancel_proves_nothing_about_a_job_that_it_cannot_see(hidden: str):
    """A lost answer, and the job cannot be found yet: cancel says so, and ends the job when it is asked again."""
    world = World(listing_lag=3 if hidden == "listed later" else 0)
    world.fake.faults.at(0, Fault.LOST_REPLY, operation="SubmitJob")
    if hidden != "listed later":
        world.fake.faults.rate(1.0, Fault.THROTTLE, seed=1, operation="ListJobs")
    workflow = world.create(chain(1), {"n": 0})
    (job,) = world.fake.jobs()
    with pytest.raises(JobsStillRunningError) as raised:
        world.manager.cancel_workflow(workflow, reason="enough")
    assert raised.value.job_ids == (job["jobName"],)

    world.fake.faults.clear()
    world.fake.advance(3)
    assert world.manager.cancel_workflow(workflow, reason="enough").status is WorkflowStatus.CANCELLED
    assert world.live() == []


def test_a_lost_reply_is_settled_by_looking():
    """The answer of SubmitJob is lost: the job is found by its name, at once, and not submitted again."""
    world = World()
    world.fake.faults.at(0, Fault.LOST_REPLY, operation="SubmitJob")
    world.create(chain(1), {"n": 0})

    assert world.fake.calls["SubmitJob"] == 1
    assert world.fake.calls["ListJobs"] == 1


def test_a_job_that_is_not_listed_yet_is_waited_for():
    """ListJobs lags behind: a lost reply does not lead to a second job."""
    world = World(listing_lag=3)
    world.fake.faults.at(0, Fault.LOST_REPLY, operation="SubmitJob")
    done = world.finish(world.create(chain(1), {"n": 0}))

    assert done.status is WorkflowStatus.SUCCEEDED
    assert world.fake.calls["SubmitJob"] == 1


@pytest.mark.parametrize("mode", ["legacy", "standard", "adaptive"])
def test_botocore_never_repeats_submit_job(mode: str):
    """Whatever the caller configured, one SubmitJob is one request; other operations keep their retries."""
    from botocore.config import Config

    world = World()
    client = world.fake.client(config=Config(retries={"mode": mode, "total_max_attempts": 4}))
    world.client = lambda service="batch": client  # type: ignore[method-assign]
    world.manager = world.new_manager()
    world.fake.faults.at(0, Fault.LOST_REPLY, operation="SubmitJob")
    workflow = world.create(chain(1), {"n": 0})
    assert world.fake.calls["SubmitJob"] == 1

    world.fake.faults.at(0, Fault.SERVER_ERROR, operation="DescribeJobs")
    world.look(workflow)
    assert world.fake.calls["DescribeJobs"] == 2


def test_what_submit_job_raises_stays_botocores():
    """Whoever shares the client with a manager catches the errors that botocore documents."""
    world = World()
    with pytest.raises(world.client().exceptions.ClientException, match="not found"):
        world.client().submit_job(jobName="mine", jobQueue="nowhere", jobDefinition="bump")


class NotAllowed(Exception):
    """What AWS answers to a caller, as botocore tells it."""

    def __init__(self, code: str) -> None:
        self.response = {"Error": {"Code": code, "Message": "not you"}, "ResponseMetadata": {"HTTPStatusCode": 403}}


@pytest.mark.parametrize("code", ["ExpiredTokenException", "UnrecognizedClientException"])
def test_credentials_that_have_expired_fail_no_workflow(code: str):
    """They are the caller's trouble: they are told, and with others, or later, the workflow goes on."""
    world = World()
    workflow = world.create({"StartAt": "A", "States": {"A": task(ResultPath="$.x", Next="B"), "B": task()}}, {"n": 0})
    world.fake.run_all()
    world.fake.faults.at(0, NotAllowed(code), operation="SubmitJob")
    with pytest.raises(NotAllowed):
        world.look(workflow)
    assert world.store.get_workflow(workflow.id).status is WorkflowStatus.RUNNING

    done = world.finish(workflow)
    assert done.status is WorkflowStatus.SUCCEEDED
    assert len(world.fake.jobs()) == 2


def test_a_job_that_may_not_be_submitted_is_refused():
    """A missing permission is AWS's answer: the workflow fails with it, and what was submitted is taken back."""
    world = World()
    world.fake.faults.at(2, NotAllowed("AccessDeniedException"), operation="SubmitJob")
    workflow = world.store.get_workflow(world.create(chain(3), {"n": 0}).id)

    assert (workflow.status, workflow.error) == (WorkflowStatus.FAILED, "Batch.Refused")
    assert "not you" in str(workflow.cause)
    assert world.live() == []


def test_reconcile_ends_jobs_of_workflows_that_are_gone():
    """A job of this library's whose workflow was deleted is ended; jobs of others are left alone."""
    world = World()
    workflow = world.create(chain(2), {"n": 0})
    strange = world.client().submit_job(jobName="default--S0", jobQueue="jobs", jobDefinition="bump")["jobId"]
    world.store.delete_workflow(workflow.id)
    with pytest.raises(NotFoundError):
        world.store.get_workflow(workflow.id)

    found = world.new_manager().reconcile()

    assert len(found.ended) == 2
    assert world.live() == [strange]


def test_a_create_that_is_refused_takes_back_what_it_submitted():
    """AWS refuses the third job of a graph: the workflow fails with AWS's words, and the first two jobs are ended."""
    world = World()
    document = {"StartAt": "A", "States": {"A": task(Next="B"), "B": task(Next="C"), "C": task("unknown")}}
    workflow = world.create(document, {"n": 0})
    workflow = world.store.get_workflow(workflow.id)

    assert (workflow.status, workflow.error) == (WorkflowStatus.FAILED, "Batch.Refused")
    assert str(workflow.cause).startswith("state 'C': ")
    assert world.live() == []


def test_deployments_leave_each_others_jobs_alone():
    """Two stores that share a queue do not end each other's jobs."""
    world = World()
    world.create(chain(1), {"n": 0})
    theirs = world.live()
    world.store = MemoryStore()
    other = world.new_manager(deployment="other")

    assert other.reconcile() == Reconciliation()
    assert world.live() == theirs


def test_two_managers_at_once_submit_nothing_twice():
    """Threads of two processes look at the same workflows: each job is submitted once and all end well."""
    world = World()
    managers = [world.manager, world.new_manager()]
    documents = [FLOWS["stepped"], FLOWS["chain"], (each(MaxConcurrency=1), ITEMS)]
    workflows = [world.create(*document) for document in documents]
    for _ in range(60):
        world.fake.advance(1)
        threads = [threading.Thread(target=manager.update_workflows, args=(workflows,)) for manager in managers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    done = [world.store.get_workflow(workflow.id) for workflow in workflows]
    names = [job["jobName"] for job in world.fake.jobs()]

    assert {workflow.status for workflow in done} == {WorkflowStatus.SUCCEEDED}
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", ["stepped", "wide"])
def test_a_poller_that_has_the_lease_submits_what_a_dead_driver_left(name: str):
    """WorkflowService looks under a lease of its own: the manager relies on it and goes on, with each job once."""
    world = World()
    flow = FLOWS["stepped"] if name == "stepped" else (fork(24), {"n": 0})
    world.fake.faults.at(0, Crash(), operation="SubmitJob")
    with pytest.raises(Crash):
        world.create(*flow)
    world.manager = world.new_manager()
    service = WorkflowService(world.store, world.manager)
    for _ in range(100):
        world.fake.advance(5)
        service.update_pending(10)
    (done,) = world.store.list_workflows(WorkflowQuery()).items

    assert done.status is WorkflowStatus.SUCCEEDED
    assert work_of(world) == undisturbed(flow)[1]


@pytest.mark.parametrize("seed", range(12))
def test_three_managers_amid_faults(seed: int):
    """Processes, threads and faults at random: no job is submitted twice or ended by mistake, and all end well."""
    chance = random.Random(seed)
    world = World(slots=chance.choice([None, 2]))
    managers = [world.manager, world.new_manager(), world.new_manager()]
    for number, fault in enumerate(Fault):
        world.fake.faults.rate(chance.choice([0, 0.05, 0.2]), fault, seed=10 * seed + number)
    workflows = [world.create(*flow) for flow in FLOWS.values()]
    for turn in range(150):
        world.fake.advance(chance.choice([1, 2, 5, 20]))
        at_once = chance.sample(managers, 2)
        threads = [threading.Thread(target=manager.update_workflows, args=(workflows,)) for manager in at_once]
        if turn == 60:
            world.fake.faults.clear()
            managers[2].reconcile()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    done = [world.store.get_workflow(workflow.id) for workflow in workflows]
    names = [job["jobName"] for job in world.fake.jobs()]

    assert [workflow.status for workflow in done] == [WorkflowStatus.SUCCEEDED] * len(done)
    assert len(names) == len(set(names))
    assert world.live() == []


def test_a_book_that_is_forgotten_leads_to_no_second_job():
    """What a manager no longer remembers it looks for before it submits."""
    world = World()
    world.fake.faults.at(1, Fault.LOST_REPLY, operation="SubmitJob")
    world.fake.faults.at(0, Fault.SERVER_ERROR, operation="ListJobs")
    for index in range(1, 6):
        world.fake.faults.at(index, Fault.SERVER_ERROR, operation="ListJobs")
    workflow = world.create(chain(3), {"n": 0})
    world.manager._books._books.clear()
    done = world.finish(workflow)

    assert done.output == {"n": 3}
    assert len(world.fake.jobs()) == 3


def test_a_manager_that_lacks_a_queue_fails_no_workflow():
    """Whoever is set up wrongly is told; the workflow goes on with the others."""
    world = World()
    world.fake.add_queue("big")
    world.manager = world.new_manager(queues={"big": "big"})
    document = {"StartAt": "A", "States": {"A": task(ResultPath="$.x", Next="B"), "B": task()}}
    workflow = world.create(document, {"n": 0}, queue="big")
    world.fake.run_all()
    with pytest.raises(InvalidValueError, match="no queue 'big'"):
        world.new_manager().update_workflow_summary(workflow)

    assert world.finish(workflow).status is WorkflowStatus.SUCCEEDED
