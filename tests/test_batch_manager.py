"""The manager of AWS Batch: plans, both ways of submission, updates, events, reasons, logs."""

from __future__ import annotations

import cProfile
import json
import random
from typing import Any

import attrs
import pytest

pytest.importorskip("boto3")
from hypothesis import given
from hypothesis import strategies as st

from batch_world import World, boom, bump, chain, each, fork, task
from workflow_manager import (
    DefinitionError,
    InvalidValueError,
    JobStatus,
    StateResource,
    UnknownResourceError,
    WorkflowManager,
    WorkflowStatus,
)
from workflow_manager.managers.batch import Submission
from workflow_manager.managers.batch.names import job_name, origin_of
from workflow_manager.managers.batch.plan import joins_for
from workflow_manager.managers.batch.reasons import classify, exit_conditions
from workflow_manager.testing import Fault, JobEnd
from workflow_manager.testing.fake_batch.world import Doing

WORKFLOW_ID = "6f1d2c2e-9a53-4c0e-8b8e-0f6a3b1f7d42"


def environment(job: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["value"] for each in job["container"]["environment"]}


def test_a_rate_that_is_none_is_refused():
    """No calls a second would mean to wait for ever."""
    with pytest.raises(InvalidValueError, match="calls_per_second"):
        World().new_manager(calls_per_second=0)


def test_it_is_a_workflow_manager():
    """It has every method of the protocol."""
    assert isinstance(World().manager, WorkflowManager)


# ---------------------------------------------------------------- names
@given(st.text(), st.text(min_size=1), st.text(min_size=1), st.text())
def test_a_name_is_legal_and_leads_back(namespace: str, resource: str, state: str, key: str):
    """Whatever namespace, resource and state are called, the name is AWS's to take, and tells the workflow."""
    name = job_name(WORKFLOW_ID, key, namespace=namespace, resource=resource, state=state)

    assert len(name) <= 128
    assert name[0].isascii() and name[0].isalnum()
    assert all(letter.isascii() and (letter.isalnum() or letter in "-_") for letter in name)
    origin = origin_of(name)
    assert origin is not None and origin.workflow_id == WORKFLOW_ID


def test_names_of_others_lead_nowhere():
    """A job that was named elsewhere is not taken for ours."""
    assert origin_of("prod--work") is None


# ---------------------------------------------------------------- plans
def test_a_plan_says_which_jobs_wait_for_which():
    """A machine whose flow depends on no data is submitted whole."""
    world = World()
    plan = world.manager.plan(world.definition(fork(2)))

    assert plan.submission is Submission.GRAPH
    assert [(job.state, job.depends_on) for job in plan.jobs] == [
        ("A", ()),
        ("B0", ("A",)),
        ("B1", ("A",)),
        ("Z", ("B0", "B1")),
    ]


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"ResultPath": "$.x"}, "has ResultPath"),
        ({"Parameters": {"a": 1}}, "has Parameters"),
        ({"HeartbeatSeconds": 5}, "has HeartbeatSeconds"),
        ({"TimeoutSeconds": 59}, "below 60"),
        ({"TimeoutSecondsPath": "$.t"}, "depends on data"),
        ({"Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Z"}]}, "has Catch"),
        ({"Retry": [{"ErrorEquals": ["Boom"]}]}, "cannot tell apart"),
        ({"Retry": [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 10}]}, "more than 9 times"),
    ],
)
def test_a_plan_says_why_a_machine_cannot_be_submitted_whole(more: dict[str, Any], why: str):
    """Each reason names its state; asked to submit whole all the same, the manager refuses with that reason."""
    world = World()
    document = {"StartAt": "A", "States": {"A": task(Next="Z", **more), "Z": task()}}
    plan = world.manager.plan(world.definition(document))
    assert plan.submission is Submission.STEPPED
    assert [why in reason.message and "'A'" in reason.message for reason in plan.reasons] == [True]
    assert [reason.path for reason in plan.reasons] == ["/States/A"]

    world.manager = world.new_manager(submission="graph")
    assert [why in problem.message for problem in world.manager.check(world.definition(document))] == [True]
    with pytest.raises(DefinitionError, match=why):
        world.create(document, {"n": 0})


def test_a_plan_says_what_batch_does_otherwise():
    """Back-off and time-outs differ, and that is told."""
    world = World()
    retry = [{"ErrorEquals": ["States.ALL"]}]
    document = {"StartAt": "A", "States": {"A": task(Retry=retry, TimeoutSeconds=60)}, "TimeoutSeconds": 900}

    assert len(world.manager.plan(world.definition(document)).differences) == 4


def test_a_plan_in_steps_says_so_too():
    """Array jobs, heartbeats, and that somebody has to look."""
    world = World()
    document = each(Next="B")
    del document["States"]["M"]["End"]
    document["States"]["B"] = task(HeartbeatSeconds=60)
    told = " ".join(world.manager.plan(world.definition(document)).differences)

    assert all(word in told for word in ("'M'", "array jobs", "heartbeat", "somebody must update"))


def test_retries_by_exit_code_are_told():
    """Batch cannot see the name that a job gives its error, only its exit code."""
    world = World()
    retry = [{"ErrorEquals": ["Batch.ExitCode.3"]}]
    document = {"StartAt": "A", "States": {"A": task(Retry=retry)}}

    assert any("exit code" in told for told in world.manager.plan(world.definition(document)).differences)


def test_check_looks_at_tags_and_at_the_resources_of_a_namespace():
    """Each problem has its place: default tags that no job can bear, names that no job definition can have."""
    world = World()
    definition = attrs.evolve(world.definition(chain(2, "no/name")), default_tags={"a/b": "aws:mine"})
    assert [problem.path for problem in world.manager.check(definition)] == ["/defaultTags/a~1b"]

    found = [problem.path for problem in world.manager.check(definition, namespace="")]
    assert found == ["/defaultTags/a~1b", "/States/S0/Resource", "/States/S1/Resource"]
    world.store.save_state_resource(StateResource(name="no/name", namespace="prod", uri="bump"))
    assert [problem.path for problem in world.manager.check(definition, namespace="prod")] == ["/defaultTags/a~1b"]


def test_what_no_job_can_do_is_refused():
    """Services of Step Functions and readers of S3 are problems, with their places."""
    world = World()
    document = {"StartAt": "A", "States": {"A": task("arn:aws:states:::sqs:sendMessage")}}

    assert [problem.path for problem in world.manager.check(world.definition(document))] == ["/States/A/Resource"]
    with pytest.raises(DefinitionError, match="not a job definition"):
        world.create(document, {"n": 0})


def test_resources_are_found_before_anything_is_stored():
    """An unknown state resource, or one that no job definition can be called, is an error of create."""
    world = World()
    world.store.save_state_resource(StateResource(name="bad", namespace="n", uri="exec:true"))
    for resource in ("missing", "bad"):
        with pytest.raises(UnknownResourceError):
            world.create(chain(1, resource), {"n": 0}, namespace="n")
    assert world.store.list_pending() == ()


@pytest.mark.parametrize(("count", "joins"), [(20, 0), (21, 2), (400, 20), (401, 23)])
def test_joins_are_counted(count: int, joins: int):
    """One job waits for at most twenty."""
    assert joins_for(count) == joins


def test_a_wide_fan_in_is_split():
    """What waits for 45 jobs waits for three that do nothing, each of which waits for at most twenty."""
    world = World()
    done = world.run(fork(45), {"n": 0})
    jobs = world.fake.jobs()

    assert done.output == {"n": 91}
    assert len(jobs) == 1 + 45 + 3 + 1
    assert max(len(job["dependsOn"]) for job in jobs) == 20
    assert len(jobs[-1]["dependsOn"]) == 3


def test_nested_parallels_give_nested_inputs():
    """A job after Parallels within Parallels gets what the language says, lists within lists."""
    world = World()
    inner = {"Type": "Parallel", "Branches": [chain(1), {"StartAt": "X", "States": {"X": task()}}], "End": True}
    only = {"StartAt": "Y", "States": {"Y": {"Type": "Pass", "End": True}}}
    outer = {"Type": "Parallel", "Branches": [{"StartAt": "I", "States": {"I": inner}}, only], "Next": "Z"}
    world.register("show", lambda value: {"got": value})
    done = world.run({"StartAt": "O", "States": {"O": outer, "Z": task("show")}}, {"n": 0})

    assert world.manager.plan(done.workflow_definition).submission is Submission.GRAPH
    assert done.output == {"got": [[{"n": 1}, {"n": 1}], {"n": 0}]}


def test_a_graph_runs_though_nobody_watches():
    """One look at the end finds everything done."""
    world = World()
    workflow = world.create(chain(6), {"n": 0})
    world.fake.run_all()
    done = world.look(workflow)

    assert (done.status, done.output) == (WorkflowStatus.SUCCEEDED, {"n": 6})
    assert world.fake.calls == {"SubmitJob": 6, "DescribeJobs": 1}


# ---------------------------------------------------------------- counting calls
def test_create_makes_one_call_for_each_job():
    """Nothing but SubmitJob, in both ways of submission."""
    world = World()
    world.create(fork(5), {"n": 0})
    world.create({"StartAt": "A", "States": {"A": task(ResultPath="$.x")}}, {"n": 0})

    assert world.fake.calls == {"SubmitJob": 8}


def test_many_workflows_are_looked_at_together():
    """A hundred live jobs take one DescribeJobs, whichever workflows they are of."""
    world = World()
    workflows = [world.create(chain(10), {"n": n}) for n in range(30)]
    world.fake.calls.clear()
    world.manager.update_workflows(workflows)
    assert world.fake.calls == {"DescribeJobs": 3}

    world.fake.run_all()
    done = world.manager.update_workflows(workflows)
    assert [each.output for each in done] == [{"n": n + 10} for n in range(30)]
    assert world.fake.calls == {"DescribeJobs": 6}


def test_one_workflow_that_cannot_be_looked_at_is_not_in_the_way_of_others():
    """What is wrong with one is logged; it comes back as it is stored."""
    world = World()
    workflows = [world.create(chain(1), {"n": n}) for n in range(2)]
    world.fake.run_all()
    refresh = world.manager._batch_driver.refresh

    def fail(stored: Any) -> None:
        if stored.id == workflows[0].id:
            raise RuntimeError("no")
        refresh(stored)

    world.manager._batch_driver.refresh = fail  # type: ignore[method-assign]
    first, second = world.manager.update_workflows(workflows)

    assert (first.status, second.status) == (WorkflowStatus.RUNNING, WorkflowStatus.SUCCEEDED)


def test_a_workflow_that_another_manager_must_drive_is_not_in_the_way():
    """A manager lacks the queue of one of the workflows: that one is left as it is, by updates and by reconcile."""
    world = World()
    world.fake.add_queue("big")
    world.manager = world.new_manager(queues={"big": "big"})
    document = {"StartAt": "A", "States": {"A": task(ResultPath="$.x", Next="B"), "B": task()}}
    strange = world.create(document, {"n": 0}, queue="big")
    world.fake.run_all()
    world.fake.faults.rate(1.0, Fault.THROTTLE, seed=1, operation="SubmitJob")
    world.look(strange)
    world.fake.faults.clear()
    job = world.client().submit_job(
        jobName=job_name(strange.id, "x", namespace="", resource="", state="B"), jobQueue="jobs", jobDefinition="bump"
    )
    gone = world.create(chain(1), {"n": 0})
    world.store.delete_workflow(gone.id)
    ours = world.create(chain(1), {"n": 0})
    other = world.new_manager()
    found = other.reconcile()
    assert (found.left, len(found.ended)) == ((job["jobId"],), 1)

    world.fake.run_all()
    first, second = other.update_workflows([strange, ours])
    assert (first.status, second.status) == (WorkflowStatus.RUNNING, WorkflowStatus.SUCCEEDED)


def test_a_final_workflow_costs_no_call():
    """Once its jobs are kept nobody asks Batch any more, in other processes neither."""
    world = World()
    done = world.run(chain(2), {"n": 0})
    world.fake.calls.clear()
    other = world.new_manager()

    assert other.update_workflow_history(done).jobs == done.jobs
    assert other.update_workflow_summary(done).last_job == done.last_job
    assert other.update_workflows([done])[0].output == {"n": 2}
    assert world.fake.calls == {}


def test_another_process_goes_on_without_asking_for_names():
    """The history is the map from tasks to jobs."""
    world = World()
    workflow = world.create({"StartAt": "A", "States": {"A": task(ResultPath="$.x", Next="B"), "B": task()}}, {"n": 0})
    world.fake.advance(10)
    world.manager = world.new_manager()
    done = world.finish(workflow)

    assert done.status is WorkflowStatus.SUCCEEDED
    assert "ListJobs" not in world.fake.calls


# ---------------------------------------------------------------- stepped
def test_a_map_is_an_array_job():
    """Three items are one array, and so one SubmitJob; its children are read only when it tells of ends."""
    world = World()
    workflow = world.create(each(), {"items": [{"n": n} for n in range(3)]})
    world.look(workflow)
    assert world.fake.calls == {"SubmitJob": 1, "DescribeJobs": 1}
    (job,) = world.fake.jobs()
    assert job["arrayProperties"]["size"] == 3
    done = world.finish(workflow)

    assert done.output == [{"n": 1}, {"n": 2}, {"n": 3}]
    assert [shown.id for shown in done.jobs] == [f"{job['jobId']}:{index}" for index in range(3)]


def test_a_failed_item_ends_the_rest_of_its_array():
    """One child fails, nobody catches it: the workflow fails and no child lives on."""
    world = World()

    def pick(value: Any) -> Any:
        return boom(value) if value["n"] == 0 else bump(value)

    world.register("bump", pick, seconds=5)
    workflow = world.create(each(MaxConcurrency=0), {"items": [{"n": n} for n in range(4)]})
    done = world.finish(workflow)

    assert (done.status, done.error) == (WorkflowStatus.FAILED, "Boom")
    assert world.live() == []


def test_items_that_are_retried_are_jobs_of_their_own():
    """A child that fails is tried again alone."""
    world = World()
    tries: list[Any] = []

    def pick(value: Any) -> Any:
        tries.append(value["n"])
        return boom(value) if value["n"] == 1 and tries.count(1) == 1 else bump(value)

    world.register("bump", pick)
    document = each()
    document["States"]["M"]["ItemProcessor"]["States"]["One"]["Retry"] = [{"ErrorEquals": ["Boom"]}]
    done = world.run(document, {"items": [{"n": n} for n in range(3)]})

    assert done.output == [{"n": 1}, {"n": 2}, {"n": 3}]
    assert len(world.fake.jobs()) == 2


def test_more_than_ten_thousand_items_are_several_arrays(monkeypatch: pytest.MonkeyPatch):
    """Arrays have at most so many children; what is left over as one item is a plain job."""
    monkeypatch.setattr("workflow_manager.managers.batch.arrays.LARGEST_ARRAY", 4)
    world = World()
    done = world.run(each(), {"items": [{"n": n} for n in range(9)]})

    assert done.output == [{"n": n + 1} for n in range(9)]
    assert [job.get("arrayProperties", {}).get("size") for job in world.fake.jobs()] == [4, 4, None]


def test_items_with_other_time_limits_are_no_array():
    """The children of an array share their time-out; items that differ in it are jobs of their own."""
    world = World()
    document = each()
    document["States"]["M"]["ItemProcessor"]["States"]["One"]["TimeoutSecondsPath"] = "$.limit"
    done = world.run(document, {"items": [{"n": 0, "limit": 60}, {"n": 0, "limit": 90}]})

    assert done.status is WorkflowStatus.SUCCEEDED
    assert [job["timeout"]["attemptDurationSeconds"] for job in world.fake.jobs()] == [60, 90]


def test_large_inputs_go_through_the_results_store():
    """What is too large for a job's environment is kept beside it and found by the far side."""
    world = World()
    world.register("length", lambda value: {"length": len(value["text"])})
    text = "ä" * 9000
    done = world.run(
        {"StartAt": "A", "States": {"A": task("length", ResultSelector={"l.$": "$.length"})}}, {"text": text}
    )

    assert done.output == {"l": 9000}
    assert set(environment(world.fake.jobs()[0])) == {"_BATCH_DEPENDENCIES", "_BATCH_REF"}


def test_a_heartbeat_is_a_look_at_a_running_job():
    """A job that is seen running is alive; one that does not start in time has missed its heartbeat."""
    world = World()
    world.register("slow", bump, seconds=60)
    alive = world.create({"StartAt": "A", "States": {"A": task("slow", HeartbeatSeconds=10)}}, {"n": 0})
    done = world.finish(alive, step=3)
    assert done.status is WorkflowStatus.SUCCEEDED

    world.fake.block("jobs")
    silent = world.create({"StartAt": "A", "States": {"A": task("slow", HeartbeatSeconds=10)}}, {"n": 0})
    assert world.finish(silent, step=3).error == "States.Timeout"
    assert world.live() == []


@pytest.mark.parametrize("more", [{"TimeoutSeconds": 5}, {"TimeoutSeconds": 90}])
def test_a_time_out_ends_the_job(more: dict[str, Any]):
    """The error is the language's own, whoever notices first, and the job does not live on."""
    world = World()
    world.register("slow", bump, seconds=10_000)
    document = {"StartAt": "A", "States": {"A": task("slow", **more)}}
    done = world.run(document, {"n": 0})

    assert (done.status, done.error) == (WorkflowStatus.FAILED, "States.Timeout")
    assert world.live() == []


def test_children_of_a_map_run_are_taken_over_without_a_second_job():
    """Another driver begins a Map Run's children anew, and finds their jobs by name."""
    world = World()
    config = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    processor = {"ProcessorConfig": config, "StartAt": "One", "States": {"One": task()}}
    document = each()
    document["States"]["M"]["ItemProcessor"] = processor
    workflow = world.create(document, {"items": [{"n": 1}, {"n": 2}]})
    world.fake.advance(2)
    world.manager = world.new_manager()
    done = world.finish(workflow)

    assert done.output == [{"n": 2}, {"n": 3}]
    assert len(world.fake.jobs()) == 2


def test_children_of_a_map_run_are_looked_at_together_too():
    """Thirty children take one DescribeJobs, not thirty."""
    world = World()
    config = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    document = each()
    document["States"]["M"]["ItemProcessor"] = {"ProcessorConfig": config, "StartAt": "O", "States": {"O": task()}}
    workflow = world.create(document, {"items": [{"n": n} for n in range(30)]})
    world.fake.calls.clear()
    world.look(workflow)

    assert world.fake.calls == {"DescribeJobs": 1}


def test_a_long_chain_is_caught_up_with_in_linear_time():
    """Four times the jobs take at most eight times the work (function calls), when all have ended unseen."""
    work = []
    for count in (150, 600):
        world = World()
        workflow = world.create(chain(count), {"n": 0})
        world.fake.run_all()
        with cProfile.Profile() as profile:
            done = world.look(workflow)
        assert done.output == {"n": count}
        work.append(sum(entry.callcount for entry in profile.getstats()))

    assert work[1] <= 8 * work[0]


def test_a_look_in_which_nothing_changed_costs_what_is_live():
    """Ten times the jobs take at most twelve times the work (function calls)."""
    work = []
    for count in (60, 600):
        world = World()
        workflow = world.create(chain(count), {"n": 0})
        world.look(workflow)
        with cProfile.Profile() as profile:
            world.look(workflow)
        work.append(sum(entry.callcount for entry in profile.getstats()))

    assert work[1] <= 12 * work[0]


# ---------------------------------------------------------------- what jobs look like
def test_a_job_shows_how_it_stands_at_batch():
    """Created, waiting, queued, running: as Batch has it, with times, queue, container and log stream."""
    world = World()
    workflow = world.create(chain(2), {"n": 0})
    seen = []
    for _ in range(8):
        seen.append(world.manager.update_workflow_history(workflow).jobs[0].status)
        world.fake.advance(1)
    job = world.finish(workflow).jobs[0]

    assert list(dict.fromkeys(seen)) == [
        JobStatus.CREATED,
        JobStatus.QUEUED,
        JobStatus.RUNNING,
        JobStatus.SUCCEEDED,
    ]
    assert (job.input, job.output) == ({"n": 0}, {"n": 1})
    assert job.id == world.fake.jobs()[0]["jobId"]
    assert job.started_at is not None and job.stopped_at is not None and job.started_at < job.stopped_at
    assert job.queue.endswith("job-queue/jobs")
    assert job.attempts[-1].exit_code == 0


def test_a_stuck_job_says_why():
    """AWS's reason for a job that stays in RUNNABLE stands in its status reason."""
    world = World()
    world.fake.block("jobs", "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - too large")
    workflow = world.create(chain(1), {"n": 0})
    world.fake.advance(60)
    (job,) = world.manager.update_workflow_history(workflow).jobs

    assert job.status is JobStatus.QUEUED
    assert "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT" in job.status_reason


@pytest.mark.parametrize(
    ("end", "error"),
    [
        (JobEnd.out_of_memory(), "Batch.OutOfMemory"),
        (JobEnd.spot_reclaimed(), "Batch.SpotReclaimed"),
        (JobEnd.image_pull_error(), "Batch.ImagePull"),
        (JobEnd.not_started("ResourceInitializationError: unable to pull secrets"), "Batch.NeverStarted"),
        (JobEnd(exit_code=17), "Batch.ExitCode.17"),
        (JobEnd(exit_code=None), "Batch.Failed"),
    ],
)
def test_a_failure_has_a_stable_name_and_a_next_step(end: JobEnd, error: str):
    """The name can be caught, the cause says what happened and what to do."""
    world = World()
    world.fake.register("bad", lambda job: end)
    done = world.run(chain(1, "bad"), {"n": 0})

    assert done.error == error
    assert done.cause is not None and done.cause.endswith(".") and done.cause.count(". ") >= 1


def test_a_job_that_somebody_else_ended_is_told_apart():
    """Terminated in the console: the workflow fails by that name."""
    world = World()
    workflow = world.create(chain(1), {"n": 0})
    (job,) = world.fake.jobs()
    world.client().terminate_job(jobId=job["jobId"], reason="too expensive")
    done = world.finish(workflow)

    assert done.error == "Batch.AbortedByUser"
    assert "too expensive" in (done.cause or "")
    assert done.jobs[0].status is JobStatus.ABORTED_BY_USER


@given(st.text(), st.text(), st.one_of(st.none(), st.integers(0, 255)))
def test_any_failure_can_be_classified(status_reason: str, reason: str, code: int | None):
    """Whatever AWS says, there is a name and a cause."""
    container: dict[str, Any] = {"reason": reason} if code is None else {"reason": reason, "exitCode": code}
    failure = classify({"status": "FAILED", "statusReason": status_reason, "container": container})

    assert failure.error.startswith("Batch.")
    assert failure.cause


def test_batchs_own_reasons_count_for_more_than_flags():
    """A job that Batch itself ended may be flagged as terminated; what it says of the end is the error."""
    reason = "Job attempt duration exceeded timeout"

    assert classify({"statusReason": reason, "isTerminated": True, "startedAt": 1}).error == "Batch.TimedOut"
    assert classify({"statusReason": "enough", "isTerminated": True}).error == "Batch.AbortedByUser"


def test_conditions_are_those_of_the_classifier():
    """What evaluateOnExit matches is classified by the name it stands for."""
    assert exit_conditions("Batch.ExitCode.3") == ({"onExitCode": "3"},)
    assert exit_conditions("Boom") == ()


def test_logs_never_hide_the_jobs_own_error():
    """The last lines of the log, then why the job failed; without a log the reason all the same."""
    world = World()

    def noisy(job: Any) -> int:
        job.log("\n".join(f"line {n}" for n in range(100)))
        return 3

    world.fake.register("noisy", noisy)
    (job,) = world.run(chain(1, "noisy"), {"n": 0}).jobs
    with_logs = world.new_manager(logs=world.client("logs"))

    lines = with_logs.logs(job, tail=2)
    assert lines[:2] == ("line 98", "line 99")
    assert "exited with code 3" in lines[2]
    world.fake.faults.at(0, Fault.THROTTLE)
    assert any("code 3" in line for line in with_logs.logs(job))
    assert any("code 3" in line for line in world.manager.logs(job))


def test_logs_are_there_while_the_job_runs_and_for_array_children():
    """Batch tells where the log is: of a running job, of an array's child, in a log group of the definition's own."""
    world = World()
    world.manager = world.new_manager(logs=world.client("logs"))
    log = {"logDriver": "awslogs", "options": {"awslogs-group": "/mine"}}
    world.client().register_job_definition(
        jobDefinitionName="chatty", type="container", containerProperties={"image": "i", "logConfiguration": log}
    )

    def talk(job: Any) -> Any:
        job.log("hello")
        yield 20
        job.log("goodbye")
        return 3

    world.fake._world.doings["chatty"] = Doing(run=talk, seconds=1)
    workflow = world.create(each_of("chatty"), {"items": [1, 2]})
    world.fake.advance(10)
    running = world.manager.update_workflow_history(workflow).jobs[0]
    assert world.manager.logs(running) == ("hello",)

    done = world.finish(workflow).jobs[0]
    assert world.manager.logs(done, tail=1)[0] == "goodbye"
    assert world.manager.logs(done, tail=20_000)[:2] == ("hello", "goodbye")
    assert world.manager.logs(done, tail=0) == tuple(done.status_reason.splitlines())
    assert [attempt.exit_code for attempt in done.attempts] == [3]


def each_of(resource: str) -> dict[str, Any]:
    document = each()
    document["States"]["M"]["ItemProcessor"]["States"]["One"]["Resource"] = resource
    return document


def test_tries_that_were_jobs_of_their_own_are_attempts():
    """Each try of the engine is an attempt, with its exit code, error and log."""
    world = World()
    done = world.run({"StartAt": "A", "States": {"A": task("boom", Retry=RETRY, Catch=CATCH), "Z": task()}}, {"n": 0})
    attempts = done.jobs[0].attempts

    assert [attempt.exit_code for attempt in attempts] == [1, 1]
    assert attempts[0].error == "Boom"
    assert len({attempt.log_stream for attempt in attempts}) == 2


RETRY = [{"ErrorEquals": ["Boom"], "MaxAttempts": 1}]
CATCH = [{"ErrorEquals": ["States.ALL"], "Next": "Z", "ResultPath": None}]


def test_results_that_cannot_be_read_now_change_nothing():
    """A job has ended, but its result cannot be read: the workflow waits for it."""
    world = World()
    workflow = world.create(chain(1), {"n": 0})
    world.fake.run_all()
    load = world.results.load

    def late(job_ids: Any) -> Any:
        raise TimeoutError

    world.results.load = late  # type: ignore[method-assign]
    assert world.look(workflow).status is WorkflowStatus.RUNNING
    world.results.load = load  # type: ignore[method-assign]
    assert world.look(workflow).output == {"n": 1}


def test_children_are_listed_only_when_one_has_ended():
    """A look at an array in which nothing ended is one DescribeJobs."""
    world = World(slots=2)
    world.register("bump", bump, seconds=10)
    workflow = world.create(each(), {"items": [{"n": n} for n in range(4)]})
    seen = []
    for _ in range(30):
        world.fake.advance(1)
        world.fake.calls.clear()
        workflow = world.look(workflow)
        seen.append(dict(world.fake.calls))
        if workflow.status.is_final:
            break

    assert workflow.status is WorkflowStatus.SUCCEEDED
    assert seen.count({"DescribeJobs": 1, "ListJobs": 1}) == 2
    assert seen.count({"DescribeJobs": 1}) == len(seen) - 2


# ---------------------------------------------------------------- events
STEPS = {"StartAt": "A", "States": {"A": task(ResultPath="$.x", Next="B"), "B": task(ResultPath="$.y")}}


def test_an_event_is_enough():
    """In steps an event needs no look at Batch."""
    world = World()
    events: list[dict[str, Any]] = []
    world.fake.on_event(events.append)
    workflow = world.create(STEPS, {"n": 0})
    while events:
        world.manager.apply_event(events.pop(0))
        world.fake.run_all()

    assert world.store.get_workflow(workflow.id).status is WorkflowStatus.SUCCEEDED
    assert world.fake.calls == {"SubmitJob": 2}


def test_an_event_of_a_graph_costs_one_look_at_most():
    """Only when a job ends are those looked at that come next, not the whole graph for each event."""
    world = World()
    events: list[dict[str, Any]] = []
    world.fake.on_event(events.append)
    workflow = world.create(chain(250), {"n": 0})
    while not world.store.get_workflow(workflow.id).status.is_final:
        world.fake.advance(1)
        while events:
            world.manager.apply_event(events.pop(0))

    assert world.store.get_workflow(workflow.id).output == {"n": 250}
    assert world.fake.calls["DescribeJobs"] <= 250


@pytest.mark.parametrize("status", ["RUNNING", "SUCCEEDED"])
def test_lost_events_are_made_up_for(status: str):
    """In a graph the last job's event tells that all others have ended, to any process."""
    world = World()
    events: list[dict[str, Any]] = []
    world.fake.on_event(events.append)
    workflow = world.create(chain(4), {"n": 0})
    world.fake.run_all()
    last = [event for event in events if event["detail"]["status"] == status][-1]
    done = world.new_manager().apply_event(last)

    assert done is not None and done.id == workflow.id
    assert done.output == {"n": 4}


def test_a_late_event_takes_nothing_back():
    """A job that is known to have ended does not run again because of an old event."""
    world = World()
    events: list[dict[str, Any]] = []
    world.fake.on_event(events.append)
    workflow = world.create(fork(2), {"n": 0})
    world.fake.advance(4.5)
    running = next(event for event in events if event["detail"]["status"] == "RUNNING")
    world.look(workflow)
    world.manager.apply_event(running)

    assert world.manager._books.open(workflow.id).details[running["detail"]["jobId"]]["status"] == "SUCCEEDED"


@pytest.mark.parametrize("document", [chain(3), fork(3), each(), each(ResultPath="$.m"), STEPS], ids=str)
@pytest.mark.parametrize("seed", range(4))
def test_events_lead_to_the_same_end_as_looking(document: dict[str, Any], seed: int):
    """Duplicated, late and out of order: the end is the same."""
    chance = random.Random(seed)
    input = {"n": 0, "items": [{"n": 1}, {"n": 2}]}
    expected = World().run(document, input)
    world = World()
    events: list[dict[str, Any]] = []
    world.fake.on_event(lambda event: events.append(json.loads(json.dumps(event))))
    workflow = world.create(document, input)
    for _ in range(30):
        world.fake.run_all()
        told, events[:] = [*events, *chance.sample(events, len(events) // 3)], []
        chance.shuffle(told)
        for event in told:
            found = world.manager.apply_event(event)
            assert found is not None and found.id == workflow.id
        if not events:
            break
    done = world.store.get_workflow(workflow.id)

    assert (done.status, done.output) == (expected.status, expected.output)


def test_events_of_others_are_passed_over():
    """A job with another name, or of a workflow that is gone, is nobody's here; what is no event is an error."""
    world = World()
    detail = {"jobId": "1", "jobName": "nightly", "status": "FAILED"}
    assert world.manager.apply_event({"detail": detail}) is None
    gone = job_name(WORKFLOW_ID, "k", namespace="", resource="r", state="s")
    assert world.manager.apply_event({"detail": {**detail, "jobName": gone}}) is None
    with pytest.raises(InvalidValueError):
        world.manager.apply_event({"detail": "what?"})


def test_any_state_name_becomes_a_legal_tag():
    """Batch's own rules for tags are narrower than those for names of states."""
    world = World()
    for name in ("Käse & Brot?", "AWS:x", "\t"):
        world.create({"StartAt": name, "States": {name: task()}}, {"n": 0})
    values = [job["tags"]["workflow-manager:state"] for job in world.fake.jobs()]

    assert values == ["Käse - Brot-", "-AWS:x", "-"]


def test_tags_that_leave_no_room_in_the_request_are_refused():
    """SubmitJob takes 30 KiB; the job's input and names need their part of it."""
    world = World()
    tags = {f"{n:0128}": "ä" * 256 for n in range(40)}
    with pytest.raises(InvalidValueError, match="bytes as JSON"):
        world.create(chain(1), {"n": 0}, tags=tags)
    assert world.fake.jobs() == []


def test_tags_that_no_job_can_bear_are_refused():
    """Too many or too long tags are an error of create, and nothing is stored."""
    world = World()
    for tags in ({f"t{n}": "" for n in range(60)}, {"k": "v" * 300}, {"aws:k": "v"}):
        with pytest.raises(InvalidValueError):
            world.create(chain(1), {"n": 0}, tags=tags)
    assert world.fake.jobs() == []
