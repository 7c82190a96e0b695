"""
What went wrong with Batch workflows before this library: each test is named after one such flaw, and shows it gone.

The first half is about running them, the second about beginning again in the middle.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import Any

import pytest

pytest.importorskip("boto3")
from batch_world import FakeTable, World, bump, chain, each, fork, task
from workflow_manager import (
    InvalidValueError,
    JobStatus,
    StateResource,
    WorkflowQuery,
    WorkflowStatus,
    WorkflowStatusError,
)
from workflow_manager.managers.batch import DynamoDBResults
from workflow_manager.managers.batch.reasons import is_stopped_by_hand
from workflow_manager.testing import Fault, JobEnd
from workflow_manager.workers.batch import run_command


def environment(job: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["value"] for each in job["container"]["environment"]}


# ---------------------------------------------------------------- running
def test_flaw_a_failing_third_submission_left_two_jobs_running_and_unrecorded():
    """The third SubmitJob is refused for good: what was submitted is ended, and the workflow says why."""
    world = World()
    document = {"StartAt": "A", "States": {"A": task(Next="B"), "B": task(Next="C"), "C": task("no-such-thing")}}
    workflow = world.store.get_workflow(world.create(document, {"n": 0}).id)

    assert world.live() == []
    assert (workflow.status, workflow.error) == (WorkflowStatus.FAILED, "Batch.Refused")
    assert "no-such-thing" in workflow.status_reason


def test_flaw_a_store_that_fails_left_jobs_running():
    """The workflow is stored before its first job is submitted: where it cannot be, nothing is submitted."""
    world = World()

    def fail(*_: Any) -> Any:
        raise OSError("the disk is full")

    world.store.save_workflow = fail  # type: ignore[method-assign]
    with pytest.raises(OSError, match="full"):
        world.create(chain(3), {"n": 0})

    assert world.fake.jobs() == []


def test_flaw_job_names_were_neither_cut_nor_made_legal():
    """A name has at most 128 characters, none that AWS refuses, and is unique although two are cut alike."""
    world = World()
    long = "Käse & Brot " * 6
    document = {"StartAt": f"{long}1", "States": {f"{long}1": task(Next=f"{long}2"), f"{long}2": task()}}
    done = world.run(document, {"n": 0})
    names = [job["jobName"] for job in world.fake.jobs()]

    assert done.status is WorkflowStatus.SUCCEEDED
    assert len(set(names)) == 2
    assert all(len(name) <= 128 and name.startswith("default--K-se---Brot") for name in names)


@pytest.mark.parametrize("retries", [0, 1, 9])
def test_flaw_attempts_were_retries_off_by_one(retries: int):
    """MaxAttempts counts retries, attempts counts tries."""
    world = World()
    retry = [{"ErrorEquals": ["States.ALL"], "MaxAttempts": retries}]
    world.create({"StartAt": "A", "States": {"A": task(Retry=retry)}}, {"n": 0})

    assert world.fake.jobs()[0]["retryStrategy"]["attempts"] == retries + 1


def test_flaw_error_names_of_retriers_were_ignored():
    """A retrier for out of memory retries that and nothing else."""
    world = World()
    retry = [{"ErrorEquals": ["Batch.OutOfMemory"], "MaxAttempts": 2}]
    document = {"StartAt": "A", "States": {"A": task("tight", Retry=retry)}}
    world.fake.register("tight", lambda job: JobEnd.out_of_memory() if job.attempt == 1 else 3)
    done = world.run(document, {"n": 0})

    assert world.manager.plan(done.workflow_definition).submission == "graph"
    assert (done.error, len(world.fake.jobs()[0]["attempts"])) == ("Batch.ExitCode.3", 2)


def test_retries_that_batch_does_are_not_done_again():
    """In a graph Batch retries; when it gives up the workflow has failed, at once and with every attempt to be seen."""
    world = World()
    retry = [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 1, "IntervalSeconds": 100}]
    workflow = world.create({"StartAt": "A", "States": {"A": task("boom", Retry=retry)}}, {"n": 0})
    world.fake.run_all()
    done = world.manager.update_workflow_history(workflow)

    assert (done.status, done.error) == (WorkflowStatus.FAILED, "Boom")
    assert [attempt.exit_code for attempt in done.jobs[0].attempts] == [1, 1]


@pytest.mark.parametrize(
    "retry",
    [
        [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 12, "BackoffRate": 1}],
        [{"ErrorEquals": ["Boom"], "MaxAttempts": 12, "BackoffRate": 1}, {"ErrorEquals": ["States.ALL"]}],
    ],
)
def test_flaw_several_retriers_or_many_attempts_broke_it(retry: list[Any]):
    """What Batch cannot do by itself is done step by step, with as many jobs as it takes."""
    world = World()
    tries = []

    def at_last(value: Any) -> Any:
        tries.append(value)
        if len(tries) < 12:
            raise_boom()
        return bump(value)

    def raise_boom() -> None:
        from workflow_manager import TaskError

        raise TaskError("Boom")

    world.register("at-last", at_last)
    done = world.run({"StartAt": "A", "States": {"A": task("at-last", Retry=retry)}}, {"n": 0})

    assert (done.output, len(world.fake.jobs())) == ({"n": 1}, 12)


def test_flaw_over_a_hundred_jobs_broke_it():
    """A workflow of 250 jobs is looked at by three calls of at most a hundred ids."""
    world = World()
    workflow = world.create(chain(250), {"n": 0})
    world.look(workflow)

    assert world.fake.calls["DescribeJobs"] == 3


def test_flaw_jobs_that_batch_had_forgotten_stayed_as_they_were_for_ever():
    """A job that Batch does not know and that has left no result is lost."""
    world = World(retention=timedelta(hours=1))
    workflow = world.create(chain(2), {"n": 0})
    world.manager.results = world.results
    world.fake.run_all()
    world.results._results.clear()
    world.fake.advance(2 * 3600)
    done = world.look(workflow)

    assert (done.status, done.error) == (WorkflowStatus.FAILED, "Batch.Lost")


def test_a_job_that_is_not_shown_once_is_not_lost():
    """Batch showed a job and then does not: that counts as lost only when the grace period has passed."""
    world = World()
    world.fake.register("slow", lambda job: 0, seconds=100_000)
    workflow = world.create(chain(1, "slow"), {"n": 0})
    world.fake.advance(3_000)
    world.look(workflow)
    (job,) = world.fake._world.jobs.values()
    del world.fake._world.jobs[job.id]
    assert world.look(workflow).status is WorkflowStatus.RUNNING
    world.fake._world.jobs[job.id] = job
    world.fake.advance(3_000)
    assert world.look(workflow).status is WorkflowStatus.RUNNING

    del world.fake._world.jobs[job.id]
    for expected in (WorkflowStatus.RUNNING, WorkflowStatus.RUNNING, WorkflowStatus.FAILED):
        assert world.look(workflow).status is expected
        world.fake.advance(300)


def test_flaw_a_forgotten_job_that_has_left_its_result_counts():
    """Nobody looked for weeks: the results tell that all went well."""
    world = World(retention=timedelta(hours=1))
    workflow = world.create(chain(2), {"n": 0})
    world.fake.run_all()
    world.fake.advance(2 * 3600)

    assert world.look(workflow).output == {"n": 2}


def test_a_forgotten_job_that_has_left_its_standard_error_has_failed():
    """What a failed command leaves is no output, however late somebody looks."""
    world = World(retention=timedelta(hours=1))

    def fail(job: Any) -> int:
        return run_command([sys.executable, "-c", "import sys; sys.exit('no way')"], job.environment, world.results)

    world.fake.register("fail", fail)
    looked_at, late = (world.create(chain(1, "fail"), {"n": 0}) for _ in range(2))
    world.fake.run_all()
    seen = world.look(looked_at)
    world.fake.advance(2 * 3600)
    done = world.look(late)

    assert (seen.status, seen.error) == (WorkflowStatus.FAILED, "Batch.ExitCode.1")
    assert (done.status, done.error) == (WorkflowStatus.FAILED, "Batch.Failed")
    assert "no way" in seen.cause and "no way" in done.cause


@pytest.mark.parametrize("fault", [Fault.THROTTLE, Fault.SERVER_ERROR, Fault.REFUSED, Fault.LOST_REPLY])
def test_flaw_any_throttle_marked_the_workflow_failed(fault: Fault):
    """Trouble on the way to AWS changes no status."""
    world = World()
    workflow = world.create(chain(2), {"n": 0})
    world.fake.faults.rate(1.0, fault, seed=1)
    before = world.look(workflow)
    world.fake.faults.clear()

    assert before.status is WorkflowStatus.RUNNING
    assert world.finish(workflow).status is WorkflowStatus.SUCCEEDED


def test_flaw_missing_permissions_marked_the_workflow_failed():
    """What does not pass by itself is the caller's to see, and changes no status either."""
    world = World()
    workflow = world.create(chain(2), {"n": 0})

    class AccessDenied(Exception):
        response = {"Error": {"Code": "AccessDeniedException", "Message": "not you"}}

    world.fake.faults.at(0, AccessDenied())
    with pytest.raises(AccessDenied):
        world.look(workflow)
    assert world.finish(workflow).status is WorkflowStatus.SUCCEEDED


def test_flaw_cancelled_jobs_read_back_as_failed():
    """A running job and one that never started are both aborted by the user, and AWS is told so as readers expect."""
    world = World(slots=1)
    document = {"StartAt": "P", "States": {"P": {"Type": "Parallel", "End": True, "Branches": [chain(1)]}}}
    document["States"]["P"]["Branches"].append({"StartAt": "X", "States": {"X": task()}})
    workflow = world.create(document, {"n": 0})
    world.fake.advance(3.5)
    assert sorted(job["status"] for job in world.fake.jobs()) == ["RUNNABLE", "RUNNING"]
    world.manager.cancel_workflow(workflow, reason="changed my mind")
    world.fake.run_all()
    done = world.manager.update_workflow_history(workflow)

    assert (done.status, done.status_reason) == (WorkflowStatus.CANCELLED, "changed my mind")
    assert {job.status for job in done.jobs} == {JobStatus.ABORTED_BY_USER}
    assert {job["statusReason"] for job in world.fake.jobs()} == {"ABORTED_BY_USER: changed my mind"}


@pytest.mark.parametrize("reason", ["aborted_by_user: x", "ABORTED_BY_USER: x"])
def test_flaw_the_reason_was_written_in_one_case_and_read_in_another(reason: str):
    """Both spellings are read."""
    assert is_stopped_by_hand({"statusReason": reason})


def test_flaw_a_job_that_could_not_start_was_reported_as_a_failed_dependency():
    """A bad image is a bad image."""
    world = World()
    world.fake.register("bad-image", lambda job: JobEnd.image_pull_error())
    done = world.run(chain(1, "bad-image"), {"n": 0})

    assert (done.error, done.jobs[0].status) == ("Batch.ImagePull", JobStatus.FAILED)


def test_flaw_an_absent_exit_code_became_zero_and_the_log_stream_was_lost():
    """An attempt without an exit code has none; every attempt that ran names its log."""
    world = World()
    world.fake.register("reclaimed", lambda job: JobEnd.spot_reclaimed())
    (job,) = world.run(chain(1, "reclaimed"), {"n": 0}).jobs

    assert job.error == "Batch.SpotReclaimed"
    assert job.attempts[-1].exit_code is None
    assert job.attempts[-1].log_stream.startswith("reclaimed/default/")


def test_flaw_outputs_of_many_jobs_were_cut_at_a_hundred():
    """Results of 250 jobs come back, all of them."""
    world = World()
    done = world.run(each(), {"items": [{"n": n} for n in range(250)]})

    assert done.output == [{"n": n + 1} for n in range(250)]


def test_flaw_the_results_table_was_chosen_by_a_queue_that_reads_back_as_an_arn():
    """Results are where the manager was told, whichever queue the jobs were in."""
    world = World()
    world.fake.add_queue("workflows-production")
    table = FakeTable()
    world.results = DynamoDBResults(table, table="mine")  # type: ignore[assignment]
    world.manager = world.new_manager(queues={"production": "workflows-production"})
    done = world.run(chain(2), {"n": 0}, queue="production")

    assert done.output == {"n": 2}
    assert table.names == {"mine"}


def test_flaw_more_than_a_hundred_keys_and_unprocessed_ones_were_left_unread():
    """The table answers at most a hundred keys at once, and here only forty of them: all are read in the end."""
    world = World()
    table = FakeTable()
    world.results = DynamoDBResults(table, table="mine", sleep=lambda seconds: None)  # type: ignore[assignment]
    world.manager = world.new_manager()
    done = world.run(each(), {"items": [{"n": n} for n in range(130)]})

    assert done.output == [{"n": n + 1} for n in range(130)]


def test_flaw_errors_about_single_jobs_were_thrown_away():
    """What is wrong with one job's result is the caller's to see, and changes no status."""
    world = World()
    workflow = world.create(chain(1), {"n": 0})
    world.fake.run_all()
    load = world.results.load

    def broken(job_ids: Any) -> Any:
        raise OSError("no such table")

    world.results.load = broken  # type: ignore[method-assign]
    with pytest.raises(OSError, match="no such table"):
        world.look(workflow)
    world.results.load = load  # type: ignore[method-assign]
    assert world.look(workflow).status is WorkflowStatus.SUCCEEDED


def test_flaw_a_job_that_the_workflow_does_not_know_was_a_crash():
    """DescribeJobs and events may tell of jobs that are in no book, which then mean nothing."""
    world = World()
    workflow = world.create(chain(2), {"n": 0})
    first = world.fake.jobs()[0]
    stray = world.client().submit_job(jobName=first["jobName"], jobQueue="jobs", jobDefinition="boom")["jobId"]
    world.fake.run_all()
    told = world.manager.apply_event({"detail": {**world.fake.job(stray), "dependsOn": [{"jobId": "unknown"}]}})

    assert told is not None
    assert told.id == workflow.id
    assert world.look(workflow).output == {"n": 2}


def test_flaw_between_two_jobs_a_workflow_read_queued():
    """From its first job on a workflow is running, whatever its jobs wait for."""
    world = World()
    world.fake.block("jobs")
    workflow = world.create(chain(2), {"n": 0})

    assert world.look(workflow).status is WorkflowStatus.RUNNING


def test_flaw_cancel_assumed_a_chain():
    """All branches end, also what was never submitted."""
    world = World()
    workflow = world.create(fork(5), {"n": 0})
    world.fake.advance(6)
    world.manager.cancel_workflow(workflow, reason="enough")

    assert world.live() == []
    world.fake.run_all()
    assert {job["status"] for job in world.fake.jobs()} <= {"FAILED", "SUCCEEDED"}


def test_flaw_cancel_without_jobs_changed_nothing():
    """A workflow that waits has no job, and is cancelled all the same."""
    world = World()
    wait = {"Type": "Wait", "Seconds": 1000, "Next": "A"}
    workflow = world.create({"StartAt": "W", "States": {"W": wait, "A": task()}}, {"n": 0})

    assert world.manager.cancel_workflow(workflow, reason="no").status is WorkflowStatus.CANCELLED
    assert world.fake.jobs() == []


def test_flaw_cancel_ignored_errors_of_the_store():
    """A workflow that cannot be saved as cancelled is not: the caller is told, and nothing was ended in secret."""
    world = World()
    workflow = world.create(chain(2), {"n": 0})
    save = world.store.save_workflow

    def fail(*_: Any) -> Any:
        raise OSError("the disk is full")

    world.store.save_workflow = fail  # type: ignore[method-assign]
    with pytest.raises(OSError, match="full"):
        world.manager.cancel_workflow(workflow, reason="enough")
    world.store.save_workflow = save  # type: ignore[method-assign]
    assert len(world.live()) == 2

    assert world.manager.cancel_workflow(workflow, reason="enough").status is WorkflowStatus.CANCELLED
    assert world.live() == []


def test_flaw_the_time_limit_of_the_workflow_was_never_kept():
    """The machine's TimeoutSeconds ends the workflow and its jobs, in both ways of submission."""
    for submission in ("graph", "stepped"):
        world = World()
        world.register("slow", bump, seconds=10_000)
        world.manager = world.new_manager(submission=submission)
        done = world.run({**chain(2, "slow"), "TimeoutSeconds": 30}, {"n": 0})

        assert (done.status, done.status_reason) == (WorkflowStatus.FAILED, "Workflow timed out")
        assert world.live() == []


def test_flaw_tags_and_timeouts_never_reached_the_jobs():
    """Tags are the jobs' tags, TimeoutSeconds the attempts' duration."""
    world = World()
    document = {"StartAt": "A", "States": {"A": task(TimeoutSeconds=90)}}
    workflow = world.create(document, {"n": 0}, tags={"team": "data"})
    (job,) = world.fake.jobs()

    assert job["tags"]["team"] == "data"
    assert job["tags"]["workflow-manager:workflow"] == workflow.id
    assert job["timeout"] == {"attemptDurationSeconds": 90}


def test_flaw_only_straight_chains_worked():
    """Fan-out, fan-in, choices and catches: here they run."""
    world = World()
    assert world.run(fork(3), {"n": 0}).output == {"n": 7}


def test_flaw_an_empty_queue_was_not_the_default_queue():
    """No queue is the default queue; an unknown one is refused before anything is stored."""
    world = World()
    assert world.create(chain(1), {"n": 0}, queue="").status is WorkflowStatus.RUNNING
    with pytest.raises(InvalidValueError, match="no queue 'gpu'"):
        world.create(chain(1), {"n": 0}, queue="gpu")


def test_the_wire_protocol_is_upstreams():
    """Names, _BATCH_DEPENDENCIES always, _BATCH_START for first jobs only, state resources within a namespace."""
    world = World()
    world.store.save_state_resource(StateResource(name="work", namespace="prod", uri="bump"))
    workflow = world.create(chain(2, "work"), {"n": 0}, namespace="prod")
    first, second = world.fake.jobs()

    assert first["jobName"].startswith("prod--work--")
    assert environment(first) == {"_BATCH_DEPENDENCIES": "", "_BATCH_START": '{"n":0}'}
    assert environment(second) == {"_BATCH_DEPENDENCIES": first["jobId"]}
    assert second["dependsOn"] == [{"jobId": first["jobId"]}]
    assert world.finish(workflow).jobs[0].state_resource.name == "work"


# ---------------------------------------------------------------- beginning again
LOOP = {
    "StartAt": "A",
    "States": {
        "A": task(Next="C"),
        "C": {"Type": "Choice", "Choices": [{"Variable": "$.n", "NumericLessThan": 3, "Next": "A"}], "Default": "B"},
        "B": task("boom"),
    },
}


def test_flaw_a_retry_took_the_input_of_the_first_visit():
    """After a loop a retry takes the input of the latest visit."""
    world = World()
    failed = world.run(LOOP, {"n": 0})
    retry = world.manager.retry_workflow(failed, start_at="A")

    assert retry.input == {"n": 2}


def test_flaw_a_state_that_was_never_entered_was_resumed_with_no_input():
    """Where no input is known one must be given; then it may be any."""
    world = World()
    document = {"StartAt": "A", "States": {"A": task("boom", Next="B"), "B": task()}}
    failed = world.run(document, {"n": 0})
    with pytest.raises(InvalidValueError, match="never entered"):
        world.manager.retry_workflow(failed, start_at="B")

    done = world.finish(world.manager.retry_workflow(failed, start_at="B", input={"n": 40}))
    assert done.output == {"n": 41}


def test_flaw_retries_lost_their_jobs_and_with_them_the_input():
    """The input comes from the history, which is stored whole, also in another process."""
    world = World()
    failed = world.run({"StartAt": "A", "States": {"A": task(Next="B"), "B": task("boom")}}, {"n": 0})
    world.manager = world.new_manager()
    world.register("boom", bump)
    retry = world.manager.retry_workflow(failed)

    assert (retry.start_at, retry.input) == ("B", {"n": 1})
    assert world.finish(retry).output == {"n": 2}


def test_flaw_a_retry_could_leave_jobs_running_when_the_original_could_not_be_linked():
    """The original cannot be saved: the retry raises, nothing of it has run and nothing is stored."""
    world = World()
    failed = world.run(chain(1, "boom"), {"n": 0})
    save = world.store.save_workflow

    def fail(workflow: Any, *more: Any) -> Any:
        if workflow.id == failed.id:
            raise OSError("the disk is full")
        return save(workflow, *more)

    world.store.save_workflow = fail  # type: ignore[method-assign]
    with pytest.raises(OSError, match="full"):
        world.manager.retry_workflow(failed)
    world.store.save_workflow = save  # type: ignore[method-assign]

    assert len(world.fake.jobs()) == 1
    assert len(world.store.list_workflows(WorkflowQuery()).items) == 1
    assert world.manager.retry_workflow(failed).retry_for == failed.id


def test_a_retry_is_linked_both_ways():
    """Both name each other, and a retry that is still going is in the way of another."""
    world = World()
    failed = world.run(chain(1, "boom"), {"n": 0})
    retry = world.manager.retry_workflow(failed)

    assert world.store.get_workflow(failed.id).retries == (retry.id,)
    assert retry.retry_for == failed.id
    with pytest.raises(WorkflowStatusError):
        world.manager.retry_workflow(failed)


def test_flaw_a_retry_could_change_neither_definition_nor_input_nor_namespace():
    """A mended definition, another input, another namespace: the retry takes any of them, and is linked as ever."""
    world = World()
    for namespace, uri in (("test", "boom"), ("prod", "bump")):
        world.store.save_state_resource(StateResource(name="work", namespace=namespace, uri=uri))
    failed = world.run(chain(2, "work"), {"n": 0}, namespace="test")
    assert failed.status is WorkflowStatus.FAILED
    mended = {"StartAt": "S0", "States": {"S0": task("work", Next="New"), "New": task("work", ResultPath="$.new")}}

    elsewhere = world.finish(world.manager.retry_workflow(failed, namespace="prod"))
    assert (elsewhere.output, elsewhere.namespace) == ({"n": 2}, "prod")
    changed = world.manager.retry_workflow(
        failed, start_at="New", input={"n": 40}, definition=world.definition(mended), namespace="prod"
    )
    done = world.finish(changed)

    assert done.output == {"n": 40, "new": {"n": 41}}
    assert (done.retry_for, done.tags["workflow-manager:submission"]) == (failed.id, "stepped")
    assert world.store.get_workflow(failed.id).retries == (elsewhere.id, done.id)
    with pytest.raises(InvalidValueError, match="no state 'S1'"):
        world.manager.retry_workflow(failed, start_at="S1", definition=world.definition(mended))
