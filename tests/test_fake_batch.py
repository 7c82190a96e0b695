"""An AWS Batch for tests behaves as AWS documents its own; what we decided where it is silent is tested as well."""

from __future__ import annotations

import math
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

boto3 = pytest.importorskip("boto3")
from botocore.config import Config  # noqa: E402
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError  # noqa: E402

from workflow_manager import testing  # noqa: E402
from workflow_manager.exceptions import InvalidValueError, NotFoundError  # noqa: E402
from workflow_manager.testing import Delays, FakeBatch, Fault, JobEnd, JobRun  # noqa: E402

QUEUE = {"jobQueue": "jobs"}
WORK = QUEUE | {"jobDefinition": "work"}
FLOW = ["SUBMITTED", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED"]
DAY = 24 * 3600


@pytest.fixture(scope="module")
def clients():
    """One client for all tests of this file; each test attaches it anew, as making one takes longer than a test."""
    made = FakeBatch().client()
    yield made
    made.close()


class Bench:
    """A fake with one queue and one definition, and short ways to say what a test does."""

    def __init__(self, client, run=None, *, slots=None, **definition):
        self.fake = FakeBatch()
        self.client = client
        self.fake.attach(client)
        self.fake.add_queue("jobs", slots=slots)
        self.fake.register("work", run, **definition)

    def submit(self, name="a", after=(), **more):
        depends = [{"jobId": each} if isinstance(each, str) else each for each in after]
        return self.client.submit_job(**WORK | {"jobName": name, "dependsOn": depends} | more)["jobId"]

    def status(self, job_id):
        return self.fake.job(job_id)["status"]

    def statuses(self, job_id, steps=10):
        """The statuses that a job passes, one second apart."""
        seen = [self.status(job_id)]
        for _ in range(steps):
            self.fake.advance(1)
            seen += [self.status(job_id)] if self.status(job_id) != seen[-1] else []
        return seen

    def until(self, job_id, status):
        found = lambda: self.client.describe_jobs(jobs=[job_id])["jobs"]  # an array's children come into being late
        self.fake.run_until(lambda: [status] == [each["status"] for each in found()])

    def refused(self, **request):
        with pytest.raises(self.client.exceptions.ClientException) as refusal:
            self.client.submit_job(**WORK | {"jobName": "a"} | request)
        return refusal.value.response["Error"]["Message"]

    def names(self, **query):
        return [each["jobName"] for each in self.client.list_jobs(**query)["jobSummaryList"]]


@pytest.fixture
def bench(clients):
    return lambda *args, **more: Bench(clients, *args, **more)


# -- clients --------------------------------------------------------------------------------------------------------


def test_a_client_of_ones_own_can_be_attached():
    """``attach`` answers a client that somebody else made, and twice attached answers once."""
    fake = FakeBatch()
    fake.add_queue("jobs")
    client = boto3.client("batch", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    fake.attach(client)
    fake.attach(client)

    assert ["jobs"] == [each["jobQueueName"] for each in client.describe_job_queues()["jobQueues"]]
    assert {"DescribeJobQueues": 1} == fake.calls
    assert ["DescribeJobQueues"] == fake.trace


def test_the_session_makes_clients_and_lets_nothing_else_out():
    """A session's batch and logs clients are answered, any other call to AWS is refused before it leaves."""
    fake = FakeBatch(region="eu-west-1")
    session = fake.session()
    batch = session.client("batch")
    fake.attach(batch)

    assert [] == batch.list_jobs(jobQueue=fake.add_queue("jobs"))["jobSummaryList"]
    assert 1 == fake.calls.total()
    assert "eu-west-1" == batch.meta.region_name
    with pytest.raises(NotImplementedError, match="sts GetCallerIdentity"):
        session.client("sts").get_caller_identity()

    def answered(request, **_):
        raise KeyError(request.url)

    elsewhere = fake.session(others=True).client("sts")
    elsewhere.meta.events.register("before-send", answered)
    with pytest.raises(KeyError, match="sts"):
        elsewhere.get_caller_identity()


def test_an_operation_that_is_not_faked_says_so(bench):
    """An unknown operation is a NotImplementedError that names it."""
    client = bench().client

    with pytest.raises(NotImplementedError, match="CreateSchedulingPolicy"):
        client.create_scheduling_policy(name="fair")
    with pytest.raises(NotImplementedError, match="nodeOverrides"):
        client.submit_job(jobName="a", nodeOverrides={"numNodes": 2}, **WORK)
    pod = {"podProperties": {"hostNetwork": True}}
    with pytest.raises(NotImplementedError, match="eksProperties"):
        client.register_job_definition(jobDefinitionName="a", type="container", eksProperties=pod)
    with pytest.raises(NotImplementedError, match="multi-node"):
        client.list_jobs(multiNodeJobId="x")


def test_botocore_validates_and_raises_as_ever(bench):
    """A missing parameter never arrives; a refusal is the modelled exception with its message."""
    made = bench()

    with pytest.raises(Exception, match='Missing required parameter in input: "jobDefinition"'):
        made.client.submit_job(jobName="a", jobQueue="jobs")
    assert "JobQueue nowhere not found." == made.refused(jobQueue="nowhere")
    assert {"SubmitJob": 1} == made.fake.calls


def test_the_same_seed_gives_the_same_ids(bench):
    """Nothing about a fake is left to chance."""
    assert bench().submit() == bench().submit()


def test_any_thread_may_call(clients):
    """Calls from several threads, and a clock that another turns, lose nothing."""
    made = Bench(clients)
    threads = [threading.Thread(target=lambda: [made.submit() for _ in range(20)]) for _ in range(4)]
    for each in threads:
        each.start()
    while any(each.is_alive() for each in threads):
        made.fake.advance(1)
    for each in threads:
        each.join()
    made.fake.run_all()

    assert 80 == len({job["jobId"] for job in made.fake.jobs()})
    assert {"SUCCEEDED"} == {job["status"] for job in made.fake.jobs()}


# -- the way of a job -----------------------------------------------------------------------------------------------


def test_nothing_moves_by_itself(bench):
    """Asking changes nothing; time passes only when it is told to."""
    made = bench()
    job = made.submit()

    assert {"SUBMITTED"} == {made.client.describe_jobs(jobs=[job])["jobs"][0]["status"] for _ in range(5)}
    assert datetime.fromisoformat("2026-01-01T00:00:00+00:00") == made.fake.now == made.fake.clock()


def test_a_job_passes_every_status(bench):
    """Without dependencies: SUBMITTED, RUNNABLE, STARTING, RUNNING, SUCCEEDED; with one it is PENDING in between."""
    made = bench()

    assert FLOW == made.statuses(made.submit())
    job = made.submit("b", after=[made.submit()])
    assert ["SUBMITTED", "PENDING", *FLOW[1:]] == made.statuses(job)


def test_delays_are_what_one_asks_for(clients):
    """Each status lasts as long as ``Delays`` says, and running as long as the definition says."""
    fake = FakeBatch(delays=Delays(submitted=10, runnable=20, starting=30))
    fake.add_queue("jobs")
    fake.register("work", seconds=40)
    job = fake.client().submit_job(jobName="a", **WORK)["jobId"]
    seen = []
    fake.on_event(lambda event: seen.append((event["detail"]["status"], fake.now)))
    fake.run_all()

    start = datetime.fromisoformat("2026-01-01T00:00:00+00:00")
    assert [10, 30, 60, 100] == [(at - start).total_seconds() for _, at in seen]
    detail = fake.job(job)
    assert [60_000, 100_000] == [detail[at] - detail["createdAt"] for at in ("startedAt", "stoppedAt")]


def test_what_a_job_sees(bench):
    """A job gets the definition's environment, SubmitJob's over it, Batch's own, its command and its parameters."""
    seen: list[JobRun] = []
    made = bench(seen.append, environment={"A": "1", "B": "2"})
    job = made.submit(
        containerOverrides={"environment": [{"name": "B", "value": "3"}], "command": ["sort", "Ref::file", "-u"]},
        parameters={"file": "x.txt"},
    )
    made.fake.run_all()

    (run,) = seen
    batch = {
        "AWS_BATCH_JOB_ID": job,
        "AWS_BATCH_JQ_NAME": "jobs",
        "AWS_BATCH_CE_NAME": "fake",
        "AWS_BATCH_JOB_ATTEMPT": "1",
    }
    assert {"A": "1", "B": "3"} | batch == run.environment
    assert (("sort", "x.txt", "-u"), 1, None) == (run.command, run.attempt, run.array_index)
    container = made.fake.job(job)["container"]
    assert [{"name": "A", "value": "1"}, {"name": "B", "value": "3"}] == container["environment"]
    assert ["sort", "Ref::file", "-u"] == container["command"]


@pytest.mark.parametrize(
    ("end", "status", "code", "reason", "status_reason", "started"),
    [
        (None, "SUCCEEDED", 0, None, "Essential container in task exited", True),
        (0, "SUCCEEDED", 0, None, "Essential container in task exited", True),
        (3, "FAILED", 3, None, "Essential container in task exited", True),
        (JobEnd.out_of_memory(), "FAILED", 137, "OutOfMemoryError: ", "Essential container in task exited", True),
        (JobEnd.spot_reclaimed("i-1"), "FAILED", None, None, "Host EC2 (instance i-1) terminated.", True),
        (JobEnd.image_pull_error(), "FAILED", None, "CannotPullContainerError: ", "Task failed to start", False),
        (JobEnd.not_started("Resource: x"), "FAILED", None, "Resource: x", "Task failed to start", False),
    ],
)
def test_how_a_job_may_end(bench, end, status, code, reason, status_reason, started):
    """What a job returns is told by the job's detail, its summary and its attempt alike."""
    made = bench(lambda run: end)
    job = made.submit()
    made.fake.run_all()
    (detail,) = made.client.describe_jobs(jobs=[job])["jobs"]
    (summary,) = made.client.list_jobs(jobStatus=status, **QUEUE)["jobSummaryList"]
    (attempt,) = detail["attempts"]

    assert (status, status_reason) == (detail["status"], detail["statusReason"])
    assert status_reason == attempt["statusReason"] == summary["statusReason"]
    for container in (detail["container"], attempt["container"], summary["container"]):
        assert code == container.get("exitCode")
        assert (reason is None and "reason" not in container) or container["reason"].startswith(reason)
    assert started == ("startedAt" in detail) == ("startedAt" in attempt)
    assert started == ("logStreamName" in detail["container"])


def test_what_a_job_raises_is_its_failure(bench):
    """An exception is exit code 1 with its traceback in the log, SystemExit the exit code it carries."""
    made = bench(lambda run: [][run.attempt])
    job = made.submit()
    made.fake.register("quits", lambda run: sys.exit(7))
    quitter = made.submit("b", jobDefinition="quits")
    made.fake.run_all()

    assert 1 == made.fake.job(job)["container"]["exitCode"]
    assert "IndexError: list index out of range" == made.fake.logs(job)[-1]
    assert 7 == made.fake.job(quitter)["container"]["exitCode"]


def test_a_generator_lasts(bench):
    """A generator waits at each yield, in virtual time, and returns how it ended."""

    def run(job: JobRun):
        job.log("one")
        yield 100
        job.log("two")
        yield 50
        return 4

    made = bench(run)
    job = made.submit()
    made.until(job, "RUNNING")
    made.fake.advance(99)
    early = made.fake.logs(job)
    made.fake.advance(1)

    assert (["one"], ["one", "two"]) == (early, made.fake.logs(job))
    made.fake.run_all()
    detail = made.fake.job(job)
    assert (150_000, 4) == (detail["stoppedAt"] - detail["startedAt"], detail["container"]["exitCode"])


def test_a_queue_runs_as_many_as_it_has_slots(bench):
    """The others wait in RUNNABLE, first come, first served."""
    order = []
    made = bench(lambda run: order.append(run.job_name), slots=2)
    jobs = [made.submit(name) for name in "abcde"]
    most = 0
    for _ in range(20):
        made.fake.advance(1)
        most = max(most, sum(made.status(job) in {"STARTING", "RUNNING"} for job in jobs))

    assert (2, list("abcde")) == (most, order)
    assert ["SUCCEEDED"] * 5 == [made.status(job) for job in jobs]


def test_a_blocked_queue_tells_why(bench):
    """Its jobs stay RUNNABLE with AWS's reason until it is unblocked."""
    made = bench()
    first = made.submit()
    made.until(first, "RUNNABLE")
    made.fake.block("jobs", "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY")
    second = made.submit()
    made.fake.advance(DAY)
    reasons = [made.fake.job(job)["statusReason"] for job in (first, second)]
    made.fake.unblock("jobs")
    made.fake.run_all()

    assert ["CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY"] * 2 == reasons
    assert ["SUCCEEDED"] * 2 == [made.status(job) for job in (first, second)]


# -- dependencies ---------------------------------------------------------------------------------------------------


def test_a_failed_dependency_fails_what_depends_on_it(bench):
    """At once, for any depth, without an attempt and without startedAt, whatever else the job waits for."""
    made = bench(lambda run: 1 if run.job_name == "bad" else 0)
    made.fake.register("slow", seconds=math.inf)
    bad, slow = made.submit("bad"), made.submit("slow", jobDefinition="slow")
    second = made.submit("b", after=[bad, slow])
    third = made.submit("c", after=[second])
    made.fake.run_all()
    late = made.submit("late", after=[bad])
    made.fake.run_all()

    assert "RUNNING" == made.status(slow)
    for job in (second, third, late):
        detail = made.fake.job(job)
        assert ("FAILED", "Dependent Job failed", []) == (
            detail["status"],
            detail["statusReason"],
            detail["attempts"],
        )
        assert "startedAt" not in detail


def test_a_dependency_has_to_be_known(bench):
    """A job that Batch does not know, or knows no more, cannot be depended on."""
    made = bench()
    job = made.submit()
    made.fake.run_all()
    made.submit("b", after=[job])
    made.fake.advance(8 * DAY)

    assert f"Job dependency {job} does not exist" in made.refused(dependsOn=[{"jobId": job}])


def test_a_chain_of_thousands_is_no_recursion(clients):
    """The failure of the first of 3,000 jobs in a row reaches the last."""
    made = Bench(clients, lambda run: 1)
    from workflow_manager.testing.fake_batch import submission

    last = None
    for _ in range(3000):
        depends = [{"jobId": last}] if last else []
        last = submission.submit(made.fake._world, WORK | {"jobName": "a", "dependsOn": depends}, 100)["jobId"]
    made.fake.run_all()

    assert "Dependent Job failed" == made.fake.job(last)["statusReason"]


# -- arrays ---------------------------------------------------------------------------------------------------------


def test_an_array_has_children(bench):
    """Children are ``<id>:<index>`` and know their index; the parent counts them and is PENDING while they run."""
    seen: list[JobRun] = []
    made = bench(seen.append)
    array = made.submit(arrayProperties={"size": 3})
    made.fake.run_until(lambda: len(seen) == 3)
    summary = made.fake.job(array)["arrayProperties"]

    assert [(f"{array}:{n}", n, str(n)) for n in range(3)] == [
        (run.job_id, run.array_index, run.environment["AWS_BATCH_JOB_ARRAY_INDEX"]) for run in seen
    ]
    assert ("PENDING", 3, 3) == (made.status(array), summary["size"], summary["statusSummary"]["RUNNING"])
    made.fake.run_all()
    detail = made.fake.job(array)
    assert ("SUCCEEDED", 3) == (detail["status"], detail["arrayProperties"]["statusSummary"]["SUCCEEDED"])
    assert {"index": 1} == made.fake.job(f"{array}:1")["arrayProperties"]


def test_an_array_fails_when_all_have_ended_and_one_has_failed(bench):
    """The others go on; then the parent is FAILED, "Array Child Job failed"."""
    made = bench(lambda run: 1 if run.array_index == 0 else 0, slots=1)
    array = made.submit(arrayProperties={"size": 3})
    made.until(f"{array}:0", "FAILED")

    assert "PENDING" == made.status(array)
    made.fake.run_all()
    detail = made.fake.job(array)
    assert ("FAILED", "Array Child Job failed") == (detail["status"], detail["statusReason"])
    assert (1, 2) == tuple(detail["arrayProperties"]["statusSummary"][status] for status in ("FAILED", "SUCCEEDED"))


def test_sequential_children_run_one_by_one(bench):
    """SEQUENTIAL: child n+1 waits for child n, and fails with it."""
    order = []

    def run(job: JobRun):
        order.append(job.array_index)
        yield 10
        order.append(-job.array_index)
        return 1 if job.array_index == 2 else 0

    made = bench(run)
    array = made.submit(after=[{"type": "SEQUENTIAL"}], arrayProperties={"size": 4})
    made.fake.run_all()

    assert [0, 0, 1, -1, 2, -2] == order
    assert "Dependent Job failed" == made.fake.job(f"{array}:3")["statusReason"]
    assert "FAILED" == made.status(array)


def test_n_to_n_waits_index_by_index(bench):
    """N_TO_N: each child waits for the child of its own index only, and fails with that one alone."""
    made = bench(lambda run: 1 if run.job_name == "first" and run.array_index == 1 else 0)
    first = made.submit("first", arrayProperties={"size": 3})
    second = made.submit("second", after=[{"jobId": first, "type": "N_TO_N"}], arrayProperties={"size": 3})
    made.fake.run_all()

    assert ["SUCCEEDED", "FAILED", "SUCCEEDED"] == [made.status(f"{second}:{n}") for n in range(3)]
    assert "Dependent Job failed" == made.fake.job(f"{second}:1")["statusReason"]


def test_an_array_that_waits_has_no_children_yet(bench):
    """Children are spawned when the parent's own dependencies have succeeded; else there never are any."""
    made = bench(lambda run: 1 if run.job_name == "bad" else 0)
    good, bad = made.submit("good"), made.submit("bad")
    waits = made.submit("w", after=[good], arrayProperties={"size": 2})
    never = made.submit("n", after=[bad], arrayProperties={"size": 2})
    follows = made.submit("f", after=[{"jobId": never, "type": "N_TO_N"}], arrayProperties={"size": 2})
    made.fake.advance(1)

    assert "PENDING" == made.status(waits)
    assert [] == made.client.describe_jobs(jobs=[f"{waits}:0"])["jobs"]
    made.fake.run_all()
    assert 2 == made.fake.job(waits)["arrayProperties"]["statusSummary"]["SUCCEEDED"]
    assert ["FAILED", "FAILED"] == [made.status(job) for job in (never, follows)]
    assert [] == made.client.list_jobs(arrayJobId=never, jobStatus="FAILED")["jobSummaryList"]


def test_children_of_an_array_are_listed(bench):
    """By arrayJobId: RUNNING ones unless a status is given, in pages."""
    made = bench()
    array = made.submit(arrayProperties={"size": 5})
    made.fake.run_all()
    first = made.client.list_jobs(arrayJobId=array, jobStatus="SUCCEEDED", maxResults=3)
    rest = made.client.list_jobs(arrayJobId=array, jobStatus="SUCCEEDED", nextToken=first["nextToken"])

    assert [] == made.client.list_jobs(arrayJobId=array)["jobSummaryList"]
    both = first["jobSummaryList"] + rest["jobSummaryList"]
    assert list(range(5)) == [each["arrayProperties"]["index"] for each in both]
    assert "nextToken" not in rest


# -- retries and time-outs ------------------------------------------------------------------------------------------


def test_a_failed_attempt_is_followed_by_another(bench):
    """Up to ``attempts``; each leaves its own entry and log, and the job is RUNNABLE in between."""

    def run(job: JobRun):
        job.log(f"attempt {job.environment['AWS_BATCH_JOB_ATTEMPT']}")
        return 0 if job.attempt == 3 else 1

    made = bench(run, retry={"attempts": 5})
    job = made.submit()
    seen = made.statuses(job, 20)

    assert [*FLOW[:-1], *FLOW[1:-1], *FLOW[1:]] == seen
    attempts = made.fake.job(job)["attempts"]
    assert [1, 1, 0] == [each["container"]["exitCode"] for each in attempts]
    assert ["attempt 3"] == made.fake.logs(job)
    assert 3 == len({each["container"]["logStreamName"] for each in attempts})


@pytest.mark.parametrize(
    ("conditions", "end", "attempts"),
    [
        ([], 1, 3),
        ([{"onExitCode": "1", "action": "EXIT"}], 1, 1),
        ([{"onExitCode": "13*", "action": "exit"}], 137, 1),
        ([{"onExitCode": "2", "action": "EXIT"}], 1, 3),  # none of them matches: it is retried
        ([{"onStatusReason": "Host EC2*", "action": "RETRY"}, {"onReason": "*", "action": "EXIT"}], 1, 1),
        (
            [{"onStatusReason": "Host EC2*", "action": "RETRY"}, {"onReason": "*", "action": "EXIT"}],
            JobEnd.spot_reclaimed(),
            3,
        ),
        ([{"onReason": "OutOfMemory*", "onExitCode": "1", "action": "EXIT"}], JobEnd.out_of_memory(), 3),
        ([{"onReason": "OutOfMemory*", "onExitCode": "137", "action": "EXIT"}], JobEnd.out_of_memory(), 1),
        ([{"onReason": "CannotPullContainer*", "action": "EXIT"}], JobEnd.image_pull_error(), 1),
    ],
)
def test_evaluate_on_exit_decides(bench, conditions, end, attempts):
    """The first entry all of whose conditions hold says RETRY or EXIT; without one it is retried."""
    made = bench(lambda run: end)
    job = made.submit(retryStrategy={"attempts": 3, "evaluateOnExit": conditions})
    made.fake.run_all()

    assert ("FAILED", attempts) == (made.status(job), len(made.fake.job(job)["attempts"]))


def test_a_timed_out_job_is_not_retried(bench):
    """After attemptDurationSeconds from startedAt the container is killed, and that is the end."""
    made = bench(seconds=math.inf, retry={"attempts": 3}, timeout=60)
    job = made.submit()
    made.fake.run_all()
    detail = made.fake.job(job)

    assert ("FAILED", "Job attempt duration exceeded timeout") == (detail["status"], detail["statusReason"])
    assert (1, 137) == (len(detail["attempts"]), detail["container"]["exitCode"])
    assert 61_000 == detail["stoppedAt"] - detail["startedAt"]


def test_an_attempt_can_be_ended_from_outside(bench):
    """As a reclaimed spot instance ends it; the retry strategy still decides."""
    made = bench(seconds=math.inf, retry={"attempts": 2})
    job = made.submit()
    for _ in range(2):
        made.until(job, "RUNNING")
        made.fake.end(job, JobEnd.spot_reclaimed())

    assert ("FAILED", 2) == (made.status(job), len(made.fake.job(job)["attempts"]))
    with pytest.raises(InvalidValueError, match="no attempt is under way"):
        made.fake.end(job, JobEnd.spot_reclaimed())
    with pytest.raises(NotFoundError):
        made.fake.end("nobody", JobEnd.spot_reclaimed())


# -- stopping -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", FLOW[:-1])
def test_terminate_ends_a_job_in_any_status(bench, status):
    """FAILED with the caller's reason; cancelled before STARTING, terminated from then on; never retried."""
    made = bench(seconds=math.inf, retry={"attempts": 3})
    job = made.submit()
    made.until(job, status)
    made.client.terminate_job(jobId=job, reason="enough")
    at_once = made.fake.job(job)
    made.fake.run_all()
    detail = made.fake.job(job)

    container = status in {"STARTING", "RUNNING"}
    assert (status, container, not container) == (at_once["status"], at_once["isTerminated"], at_once["isCancelled"])
    assert ("FAILED", "enough", int(container)) == (detail["status"], detail["statusReason"], len(detail["attempts"]))


@pytest.mark.parametrize("status", FLOW[:-1])
def test_cancel_only_ends_what_has_not_started(bench, status):
    """STARTING and RUNNING answer 200 and go on to their end."""
    made = bench()
    job = made.submit()
    made.until(job, status)
    made.client.cancel_job(jobId=job, reason="enough")
    made.fake.run_all()
    detail = made.fake.job(job)

    went_on = status in {"STARTING", "RUNNING"}
    assert ("SUCCEEDED" if went_on else "FAILED", not went_on) == (detail["status"], detail["isCancelled"])
    assert went_on or detail["statusReason"] == "enough"


def test_a_pending_job_is_cancelled_after_its_dependencies(bench):
    """CancelJob on PENDING waits for the dependencies; TerminateJob does not."""
    made = bench(seconds=1000)
    first = made.submit()
    cancelled, terminated = made.submit("c", after=[first]), made.submit("t", after=[first])
    made.until(first, "RUNNING")
    made.client.cancel_job(jobId=cancelled, reason="enough")
    made.client.terminate_job(jobId=terminated, reason="enough")
    made.fake.advance(10)

    assert ["PENDING", "FAILED"] == [made.status(job) for job in (cancelled, terminated)]
    made.fake.run_all()
    assert ("FAILED", "enough") == tuple(made.fake.job(cancelled)[key] for key in ("status", "statusReason"))


@pytest.mark.parametrize("code", [0, 1])
def test_a_terminated_job_never_goes_on(bench, code):
    """A dependency that ends between the request and FAILED, well or not, changes neither end nor reason."""
    made = bench(lambda run: code)
    first = made.submit()
    second = made.submit("b", after=[first])
    made.until(first, "RUNNING")
    made.fake.advance(0.5)
    made.client.terminate_job(jobId=second, reason="enough")

    assert ["PENDING", "FAILED"] == made.statuses(second)
    assert made.fake.job(first)["stoppedAt"] < made.fake.job(second)["stoppedAt"]
    assert "enough" == made.fake.job(second)["statusReason"]


def test_a_job_that_is_to_stop_is_not_tried_again(bench):
    """Not even when its instance is reclaimed before its container has ended."""
    made = bench(seconds=math.inf, retry={"attempts": 3})
    job = made.submit()
    made.until(job, "RUNNING")
    made.client.terminate_job(jobId=job, reason="enough")
    made.fake.end(job, JobEnd.spot_reclaimed())
    made.fake.run_all()

    assert ("FAILED", 1) == (made.status(job), len(made.fake.job(job)["attempts"]))


def test_terminating_an_array_ends_its_children(bench):
    """The parent is FAILED with the reason once the last child is."""
    made = bench(seconds=math.inf, slots=1)
    array = made.submit(arrayProperties={"size": 3})
    made.until(f"{array}:0", "RUNNING")
    made.client.terminate_job(jobId=array, reason="enough")
    made.fake.run_all()

    details = [made.fake.job(job) for job in (array, *(f"{array}:{n}" for n in range(3)))]
    assert {("FAILED", "enough")} == {(each["status"], each["statusReason"]) for each in details}
    assert [True, True, False, False] == [each["isTerminated"] for each in details]


def test_cancelling_an_array_leaves_what_runs(bench):
    """Waiting children are cancelled, a running one ends as it ends; then the parent is FAILED with the reason."""
    made = bench(seconds=100, slots=1)
    array = made.submit(arrayProperties={"size": 3})
    made.until(f"{array}:0", "RUNNING")
    made.client.cancel_job(jobId=array, reason="enough")
    made.fake.advance(10)

    assert "PENDING" == made.status(array)
    made.fake.run_all()
    assert ["SUCCEEDED", "FAILED", "FAILED"] == [made.status(f"{array}:{n}") for n in range(3)]
    assert ("FAILED", "enough") == tuple(made.fake.job(array)[key] for key in ("status", "statusReason"))


def test_stopping_what_has_ended_or_is_unknown_changes_nothing(bench):
    """Both operations answer 200 for ended and unknown jobs, and the first reason stands."""
    made = bench()
    job = made.submit()
    made.fake.run_all()
    before = made.fake.job(job)
    for stop in (made.client.terminate_job, made.client.cancel_job):
        stop(jobId=job, reason="late")
        stop(jobId="00000000-0000-4000-8000-000000000000", reason="who")

    assert before == made.fake.job(job)
    twice = made.submit()
    made.client.terminate_job(jobId=twice, reason="first")
    made.client.terminate_job(jobId=twice, reason="second")
    made.client.cancel_job(jobId=twice, reason="third")
    made.fake.run_all()
    assert "first" == made.fake.job(twice)["statusReason"]


def test_a_terminated_generator_is_closed(bench):
    """What a job does ends at the request, as a SIGTERM would end it."""
    told = []

    def run(job: JobRun) -> Iterator[float]:
        try:
            yield math.inf
        finally:
            told.append(job.job_name)

    made = bench(run)
    job = made.submit()
    made.until(job, "RUNNING")
    made.client.terminate_job(jobId=job, reason="enough")

    assert (["a"], "RUNNING") == (told, made.status(job))


def test_a_job_may_end_itself(bench):
    """A job that calls TerminateJob on its own id is terminated."""
    made = bench(lambda run: made.client.terminate_job(jobId=run.job_id, reason="myself") and None)
    job = made.submit()
    made.fake.run_all()

    assert ("FAILED", "myself") == tuple(made.fake.job(job)[key] for key in ("status", "statusReason"))


@pytest.mark.parametrize("operation", ["cancel_jobs", "terminate_jobs"])
def test_many_are_stopped_at_once(bench, operation):
    """Up to 50 ids; unknown ones count as successful."""
    made = bench()
    if not hasattr(made.client, operation):
        pytest.skip(f"this botocore has no {operation}")
    jobs = [made.submit(), made.submit(), "00000000-0000-4000-8000-000000000000"]
    reply = getattr(made.client, operation)(jobs=jobs, reason="enough")
    made.fake.run_all()

    assert (jobs, []) == (reply["successful"], reply["errors"])
    assert ["FAILED", "FAILED"] == [made.status(job) for job in jobs[:2]]
    with pytest.raises(made.client.exceptions.ClientException):
        getattr(made.client, operation)(jobs=["x"] * 51, reason="enough")
    with pytest.raises(made.client.exceptions.ClientException, match="1024"):
        getattr(made.client, operation)(jobs=["x"], reason="r" * 1025)


# -- reading --------------------------------------------------------------------------------------------------------


def test_describe_jobs_leaves_out_what_it_does_not_know(bench):
    """At most 100 ids; each known one once, in an order that is not the request's."""
    made = bench()
    jobs = [made.submit() for _ in range(3)]
    found = made.client.describe_jobs(jobs=[*reversed(jobs), "unknown", jobs[0]])["jobs"]

    assert jobs == [each["jobId"] for each in found]
    with pytest.raises(made.client.exceptions.ClientException):
        made.client.describe_jobs(jobs=["x"] * 101)


def test_ended_jobs_are_forgotten_after_seven_days(bench):
    """With their array's children; running ones stay."""
    made = bench()
    made.fake.register("endless", seconds=math.inf)
    jobs = [made.submit(), made.submit(arrayProperties={"size": 2}), made.submit(jobDefinition="endless")]
    made.fake.run_all()
    made.fake.advance(7 * DAY - 60)
    before = made.client.describe_jobs(jobs=jobs)["jobs"]
    made.fake.advance(120)

    assert 3 == len(before)
    assert [jobs[2]] == [each["jobId"] for each in made.client.describe_jobs(jobs=[*jobs, f"{jobs[1]}:0"])["jobs"]]
    assert [] == made.names(filters=[{"name": "JOB_NAME", "values": ["b"]}], **QUEUE)


def test_list_jobs_shows_running_ones_unless_told(bench):
    """Newest first, of one queue, of one status."""
    made = bench()
    made.fake.register("endless", seconds=math.inf)
    for name in ("r1", "r2"):
        made.submit(name, jobDefinition="endless")
        made.fake.advance(1)
    made.submit("done")
    made.fake.run_all()
    made.submit("new")

    assert ["r2", "r1"] == made.names(**QUEUE)
    assert ["done"] == made.names(jobStatus="SUCCEEDED", **QUEUE)
    assert ["new"] == made.names(jobStatus="SUBMITTED", **QUEUE)
    assert [] == made.names(jobQueue=made.fake.add_queue("other"))


def test_list_jobs_filters(bench):
    """One at a time, whatever the status; names match regardless of case, and by their beginning with an asterisk."""
    made = bench()
    made.fake.register("other")
    for name in ("test1", "Test1", "Test10", "x"):
        made.submit(name, jobDefinition="other" if name == "x" else "work")
        made.fake.advance(1)
    made.fake.run_all()

    def filtered(name, value, **more):
        return made.names(filters=[{"name": name, "values": [value]}], **QUEUE | more)

    created = {job["jobName"]: str(job["createdAt"]) for job in made.fake.jobs()}
    assert ["Test1", "test1"] == filtered("JOB_NAME", "TEST1")
    assert ["Test10", "Test1", "test1"] == filtered("JOB_NAME", "test1*", jobStatus="RUNNING")
    assert ["x"] == filtered("JOB_DEFINITION", "other") == filtered("JOB_DEFINITION", "oth*")
    assert ["x"] == filtered("JOB_DEFINITION", made.fake.job(made.fake.jobs()[-1]["jobId"])["jobDefinition"])
    assert ["x", "Test10"] == filtered("AFTER_CREATED_AT", created["Test1"])
    assert ["test1"] == filtered("BEFORE_CREATED_AT", created["Test1"])


def test_a_listing_may_lag(clients):
    """With ``listing_lag`` a new job is described at once and listed later, under its name too."""
    fake = FakeBatch(listing_lag=5)
    fake.attach(clients)
    fake.add_queue("jobs")
    fake.register("work", seconds=math.inf)
    job = clients.submit_job(jobName="a", **WORK)["jobId"]
    by_name = {"filters": [{"name": "JOB_NAME", "values": ["a"]}]} | QUEUE
    seen = []
    for _ in range(2):
        fake.advance(4)
        listed = [clients.list_jobs(**query)["jobSummaryList"] for query in (QUEUE, by_name)]
        seen.append((*map(len, listed), len(clients.describe_jobs(jobs=[job])["jobs"])))

    assert [(0, 0, 1), (1, 1, 1)] == seen


def test_share_identifier_is_the_filter_that_respects_the_status(bench):
    """Jobs of a fair-share queue carry one; others must not."""
    made = bench()
    made.fake.add_queue("fair", fair_share=True)
    made.submit("a", jobQueue="fair", shareIdentifier="red")
    made.fake.run_all()
    made.submit("b", jobQueue="fair", shareIdentifier="red")
    filters = [{"name": "SHARE_IDENTIFIER", "values": ["red"]}]

    assert ["b", "a"] == made.names(jobQueue="fair", filters=filters)
    assert ["a"] == made.names(jobQueue="fair", filters=filters, jobStatus="SUCCEEDED")
    assert "required" in made.refused(jobQueue="fair")
    assert "can not be used" in made.refused(shareIdentifier="red")


@given(sizes=st.lists(st.integers(1, 12), min_size=1, max_size=6), page=st.integers(1, 9))
@settings(max_examples=15, deadline=None)
def test_following_pages_shows_every_job_once(clients, sizes, page):
    """In order, whatever is submitted meanwhile."""
    made = Bench(clients)
    jobs = [made.submit(f"n{n}") for n in range(sum(sizes))]
    query = {"filters": [{"name": "JOB_NAME", "values": ["n*"]}], "maxResults": page} | QUEUE
    seen, token = [], {}
    while True:
        reply = made.client.list_jobs(**query, **token)
        seen += [each["jobId"] for each in reply["jobSummaryList"]]
        made.submit("n-late")
        if "nextToken" not in reply:
            break
        token = {"nextToken": reply["nextToken"]}

    assert jobs[::-1] == seen


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"jobQueue": "jobs", "arrayJobId": "x"},
        {"jobQueue": "nowhere"},
        {"jobQueue": "jobs", "jobStatus": "DONE"},
        {"jobQueue": "jobs", "maxResults": 1001},
        {"jobQueue": "jobs", "nextToken": "forged"},
        {"jobQueue": "jobs", "filters": [{"name": "COLOUR", "values": ["red"]}]},
        {"jobQueue": "jobs", "filters": [{"name": "AFTER_CREATED_AT", "values": ["yesterday"]}]},
        {"jobQueue": "jobs", "filters": [{"name": "JOB_NAME", "values": ["a"]}, {"name": "JOB_NAME", "values": ["b"]}]},
    ],
    ids=str,
)
def test_list_jobs_refuses(bench, query):
    """Anything but one place, one filter, a status and a token that exist."""
    made = bench()

    with pytest.raises(made.client.exceptions.ClientException):
        made.client.list_jobs(**query)


def test_a_filtered_page_holds_a_hundred(bench):
    """However many are asked for."""
    made = bench()
    for _ in range(101):
        made.submit("n")
    query = {"filters": [{"name": "JOB_NAME", "values": ["n"]}], "maxResults": 1000} | QUEUE

    assert 100 == len(made.client.list_jobs(**query)["jobSummaryList"])
    pages = made.client.get_paginator("list_jobs").paginate(filters=query["filters"], **QUEUE)
    assert 101 == sum(len(page["jobSummaryList"]) for page in pages)


def test_events_tell_each_change(bench):
    """EventBridge's "Batch Job State Change", with the job's detail of the moment."""
    made = bench()
    events = []
    made.fake.on_event(events.append)
    job = made.submit()
    made.fake.run_all()

    assert FLOW == [event["detail"]["status"] for event in events]
    assert {("aws.batch", "Batch Job State Change")} == {(each["source"], each["detail-type"]) for each in events}
    assert {job} == {event["detail"]["jobId"] for event in events}
    assert made.fake.job(job) == events[-1]["detail"]


# -- limits ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"jobName": "-a"}, "Job name should match valid pattern"),
        ({"jobName": "a b"}, "Job name should match valid pattern"),
        ({"jobName": "a" * 129}, "Job name should match valid pattern"),
        ({"jobDefinition": "nothing"}, "JobDefinition name nothing does not exist or is not in ACTIVE status"),
        ({"jobDefinition": "work:9"}, "JobDefinition name work:9 does not exist or is not in ACTIVE status"),
        ({"jobDefinition": "work:latest"}, "Provided name work:latest is not supported pattern"),
        ({"dependsOn": [{"jobId": "x"}] * 21}, "maximum of 20"),
        ({"dependsOn": [{"type": "SEQUENTIAL"}]}, "only supported for array jobs"),
        ({"dependsOn": [{"type": "N_TO_N"}], "arrayProperties": {"size": 2}}, "Job id"),
        ({"dependsOn": [{"type": "SEQUENTIAL", "jobId": "x"}], "arrayProperties": {"size": 2}}, "SEQUENTIAL"),
        ({"arrayProperties": {"size": 1}}, "Array size"),
        ({"arrayProperties": {"size": 10_001}}, "Array size"),
        ({"retryStrategy": {"attempts": 0}}, "between 1 and 10"),
        ({"retryStrategy": {"attempts": 11}}, "between 1 and 10"),
        ({"retryStrategy": {"evaluateOnExit": [{"action": "EXIT"}]}}, "must be specified"),
        ({"retryStrategy": {"attempts": 2, "evaluateOnExit": [{"action": "EXIT"}] * 6}}, "at most 5"),
        ({"retryStrategy": {"attempts": 2, "evaluateOnExit": [{"action": "STAY"}]}}, "RETRY or EXIT"),
        ({"retryStrategy": {"attempts": 2, "evaluateOnExit": [{"action": "EXIT", "onExitCode": "*1"}]}}, "onExitCode"),
        ({"timeout": {"attemptDurationSeconds": 59}}, "at least 60"),
        ({"containerOverrides": {"environment": [{"name": "AWS_BATCH_X", "value": ""}]}}, "cannot start with"),
        ({"containerOverrides": {"command": ["a", ""]}}, "empty string"),
        ({"tags": {f"t{n}": "" for n in range(51)}}, "at most 50"),
        ({"tags": {"k" * 129: ""}}, "Tag k"),
        ({"parameters": {"x": "y" * 31_000}}, "Job size must be less than 30 KiB, got 31 KiB"),
    ],
    ids=str,
)
def test_submit_job_refuses(bench, request_, message):
    """Each limit with its ClientException, and nothing is submitted."""
    made = bench()

    assert message in made.refused(**request_)
    assert [] == made.fake.jobs()


def test_submit_job_takes_what_is_just_allowed(bench):
    """The last values within the limits."""
    made = bench()
    others = [made.submit() for _ in range(20)]
    made.submit(
        "A" + "b-_9" * 31 + "xyz",
        after=others,
        retryStrategy={"attempts": 10, "evaluateOnExit": [{"action": "EXIT", "onReason": "Host EC2*"}] * 5},
        timeout={"attemptDurationSeconds": 60},
        tags={f"{n:0128}": "v" * 256 for n in range(50)},
    )

    assert 21 == len(made.fake.jobs())


def test_overrides_that_are_too_long_fail_at_dispatch(bench):
    """SubmitJob takes them; the job is FAILED without an attempt, as users of Batch report, and frees its slot."""
    made = bench(slots=1, retry={"attempts": 3})
    variables = [{"name": "X", "value": "y" * 8200}]
    job = made.submit(containerOverrides={"environment": variables})
    next_job = made.submit()
    made.fake.run_all()
    detail = made.fake.job(job)

    assert "Container Overrides length must be at most 8192" == detail["statusReason"]
    assert ("FAILED", []) == (detail["status"], detail["attempts"])
    assert "SUCCEEDED" == made.status(next_job)


def test_propagated_tags_beyond_fifty_fail_the_job(bench):
    """The tags of job and definition together, when they propagate."""
    made = bench(tags={f"d{n}": "" for n in range(30)})
    tags = {f"j{n}": "" for n in range(30)}
    jobs = [made.submit(tags=tags, propagateTags=propagate) for propagate in (True, False)]
    made.fake.run_all()

    assert ["FAILED", "SUCCEEDED"] == [made.status(job) for job in jobs]
    arn = made.fake.job(jobs[0])["jobArn"]
    assert tags == made.client.list_tags_for_resource(resourceArn=arn)["tags"]


def test_submit_job_has_no_idempotency(bench):
    """The same request twice is two jobs of one name."""
    made = bench()

    assert made.submit("same") != made.submit("same")


# -- the registry ---------------------------------------------------------------------------------------------------


def test_definitions_have_revisions(bench):
    """A name means the newest active revision; a deregistered one is INACTIVE and cannot be used."""
    made = bench()
    container = {"image": "busybox", "command": ["true"], "vcpus": 1, "memory": 4}
    second = made.client.register_job_definition(
        jobDefinitionName="work", type="container", containerProperties=container
    )
    newest = made.fake.job(made.submit())["jobDefinition"]
    made.client.deregister_job_definition(jobDefinition=second["jobDefinitionArn"])
    older = made.fake.job(made.submit())["jobDefinition"]
    described = made.client.describe_job_definitions(jobDefinitionName="work")["jobDefinitions"]

    assert (second["jobDefinitionArn"], "work:1") == (newest, older.rpartition("/")[2])
    assert [(1, "ACTIVE"), (2, "INACTIVE")] == [(each["revision"], each["status"]) for each in described]
    assert "not found" in made.refused(jobDefinition=second["jobDefinitionArn"])
    by_name = made.client.describe_job_definitions(jobDefinitions=["work:2", older, "gone:1"])["jobDefinitions"]
    assert [1, 2] == [each["revision"] for each in by_name]


@pytest.mark.parametrize(
    "request_",
    [
        {"jobDefinitionName": "a b", "containerProperties": {}},
        {"jobDefinitionName": "a"},
        {"jobDefinitionName": "a", "containerProperties": {"image": "x" * 25_000}},
        {"jobDefinitionName": "a", "containerProperties": {}, "timeout": {"attemptDurationSeconds": 1}},
        {"jobDefinitionName": "a", "containerProperties": {"environment": [{"name": "AWS_BATCH", "value": "x"}]}},
    ],
    ids=str,
)
def test_register_job_definition_refuses(bench, request_):
    """Its limits are ClientExceptions."""
    made = bench()

    with pytest.raises(made.client.exceptions.ClientException):
        made.client.register_job_definition(type="container", **request_)


def test_queues_and_compute_environments_are_made_and_described(bench):
    """Names are unique; a disabled queue takes no jobs; what is unknown is left out; lists come in pages."""
    made = bench()
    made.client.create_compute_environment(computeEnvironmentName="ec2", type="UNMANAGED")
    order = [{"order": 1, "computeEnvironment": "ec2"}]
    queue = made.client.create_job_queue(jobQueueName="q2", priority=5, computeEnvironmentOrder=order)["jobQueueArn"]
    described = made.client.describe_job_queues(jobQueues=[queue, "nowhere"])["jobQueues"]
    pages = list(made.client.get_paginator("describe_job_queues").paginate(PaginationConfig={"PageSize": 1}))

    assert [("q2", "ENABLED", "VALID", 5)] == [
        (each["jobQueueName"], each["state"], each["status"], each["priority"]) for each in described
    ]
    assert described[0]["computeEnvironmentOrder"][0]["computeEnvironment"].endswith("compute-environment/ec2")
    assert [1, 1] == [len(page["jobQueues"]) for page in pages]
    assert 2 == len(made.client.describe_compute_environments()["computeEnvironments"])
    made.client.update_job_queue(jobQueue="q2", state="DISABLED")
    assert "not in ENABLED state" in made.refused(jobQueue=queue)
    for create, name in (
        (
            lambda **more: made.client.create_job_queue(priority=1, computeEnvironmentOrder=order, **more),
            {"jobQueueName": "q2"},
        ),
        (
            lambda **more: made.client.create_job_queue(priority=1, computeEnvironmentOrder=order, **more),
            {"jobQueueName": "q 2"},
        ),
        (
            lambda **more: made.client.create_compute_environment(type="MANAGED", **more),
            {"computeEnvironmentName": "ec2"},
        ),
        (
            lambda **more: made.client.create_compute_environment(type="MANAGED", **more),
            {"computeEnvironmentName": "-"},
        ),
    ):
        with pytest.raises(made.client.exceptions.ClientException):
            create(**name)


# -- logs -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def logged(bench):
    """A bench whose one job has logged five lines, a second apart, and a logs client."""

    def run(job: JobRun):
        for n in range(5):
            job.log(f"line {n}")
            yield 1

    made = bench(run)
    made.job = made.submit()
    made.fake.run_all()
    made.logs = made.fake.client("logs")
    made.stream = {
        "logGroupName": "/aws/batch/job",
        "logStreamName": made.fake.job(made.job)["container"]["logStreamName"],
    }
    return made


def messages(reply):
    return [event["message"] for event in reply["events"]]


def test_get_log_events_shows_the_newest_first_page(logged):
    """GetLogEvents pages backward from the end, or forward from the head; at an end the token repeats."""
    newest = logged.logs.get_log_events(limit=2, **logged.stream)
    older = logged.logs.get_log_events(limit=2, nextToken=newest["nextBackwardToken"], **logged.stream)
    head = logged.logs.get_log_events(limit=4, startFromHead=True, **logged.stream)
    rest = logged.logs.get_log_events(limit=4, nextToken=head["nextForwardToken"], **logged.stream)
    end = logged.logs.get_log_events(limit=4, nextToken=rest["nextForwardToken"], **logged.stream)

    assert (["line 3", "line 4"], ["line 1", "line 2"]) == (messages(newest), messages(older))
    assert (["line 0", "line 1", "line 2", "line 3"], ["line 4"]) == (messages(head), messages(rest))
    assert ([], rest["nextForwardToken"]) == (messages(end), end["nextForwardToken"])


def test_filter_log_events_finds_lines(logged):
    """FilterLogEvents by streams, terms and times, in pages."""
    group = {"logGroupName": "/aws/batch/job"}
    started = logged.fake.job(logged.job)["startedAt"]
    found = logged.logs.filter_log_events(filterPattern='"line" 3', **group)
    first = logged.logs.filter_log_events(logStreamNames=[logged.stream["logStreamName"]], limit=3, **group)
    rest = logged.logs.filter_log_events(limit=3, nextToken=first["nextToken"], **group)
    times = logged.logs.filter_log_events(startTime=started + 1000, endTime=started + 3000, **group)

    assert ["line 3"] == messages(found)
    assert (3, 2) == (len(first["events"]), len(rest["events"]))
    assert ["line 1", "line 2"] == messages(times)
    assert [logged.stream["logStreamName"]] == [
        each["logStreamName"] for each in logged.logs.describe_log_streams(**group)["logStreams"]
    ]


def test_unknown_logs_are_an_error(logged):
    """ResourceNotFoundException, for the stream as for the group."""
    for missing in ({"logStreamName": "x"}, {"logGroupName": "x"}):
        with pytest.raises(logged.logs.exceptions.ResourceNotFoundException):
            logged.logs.get_log_events(**logged.stream | missing)


# -- real commands --------------------------------------------------------------------------------------------------


def test_a_job_can_be_a_real_command(bench):
    """It has the container's environment and nothing of ours, its output is the log, its exit code the job's."""
    script = "import os, sys; print(os.environ['NAME'], os.environ['AWS_BATCH_JOB_ID'] != ''); sys.exit(3)"
    made = bench(command=["python", "-c", script])
    job = made.submit(containerOverrides={"environment": [{"name": "NAME", "value": "grüße"}]})
    made.fake.run_all()

    assert (["grüße True"], 3) == (made.fake.logs(job), made.fake.job(job)["container"]["exitCode"])


def test_submit_job_can_give_another_command(bench):
    """containerOverrides.command replaces the definition's; one that does not exist never starts."""
    made = bench(command=["python", "-c", "raise SystemExit(1)"])
    fine = made.submit(containerOverrides={"command": ["python", "-c", "print('fine')"]})
    missing = made.submit(containerOverrides={"command": ["no-such-program"]})
    made.fake.run_all()

    assert (["fine"], "SUCCEEDED") == (made.fake.logs(fine), made.status(fine))
    assert "CannotStartContainerError" in made.fake.job(missing)["container"]["reason"]


def test_many_commands_do_not_all_run_at_once(bench):
    """Thirty jobs RUNNING at the same virtual time all end well, a few processes at a time."""
    made = bench(command=["python", "-c", "print(6 * 7)"])
    jobs = [made.submit() for _ in range(30)]
    made.fake.run_all()

    assert [["42"]] * 30 == [made.fake.logs(job) for job in jobs]
    empty = made.submit(jobDefinition=made.fake.register("empty", command=[]))
    made.fake.run_all()
    assert "SUCCEEDED" == made.status(empty)


def test_a_terminated_command_is_ended(bench):
    """A process does not outlive its job."""
    made = bench(command=["python", "-c", "import time; print('up', flush=True); time.sleep(60)"], seconds=math.inf)
    job = made.submit()
    made.until(job, "RUNNING")
    made.client.terminate_job(jobId=job, reason="enough")
    made.fake.run_all()

    assert ("FAILED", "enough") == tuple(made.fake.job(job)[key] for key in ("status", "statusReason"))


def test_definitions_from_the_api_can_run_their_commands():
    """With ``real_commands`` RegisterJobDefinition's commands run; without it such jobs succeed."""
    ends = []
    for real in (True, False):
        fake = FakeBatch(real_commands=real)
        fake.add_queue("jobs")
        client = fake.client()
        client.register_job_definition(
            jobDefinitionName="work",
            type="container",
            containerProperties={"image": "busybox", "command": ["python", "-c", "raise SystemExit(5)"]},
        )
        job = client.submit_job(jobName="a", **WORK)["jobId"]
        fake.run_all()
        ends.append(fake.job(job)["container"]["exitCode"])

    assert [5, 0] == ends


# -- faults ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "code", "done"),
    [
        (Fault.THROTTLE, "TooManyRequestsException", 0),
        (Fault.SERVER_ERROR, "ServerException", 0),
        (Fault.REFUSED, EndpointConnectionError, 0),
        (Fault.LOST_REPLY, ConnectionClosedError, 1),
    ],
)
def test_a_call_can_fail(bench, fault, code, done):
    """By its index from now; only a lost reply leaves work behind."""
    made = bench()
    made.fake.faults.at(1, fault)
    made.client.describe_jobs(jobs=["x"])

    with pytest.raises(ClientError if isinstance(code, str) else code) as error:
        made.submit()
    assert isinstance(code, type) or error.value.response["Error"]["Code"] == code
    assert (done, {"DescribeJobs": 1, "SubmitJob": 1}) == (len(made.fake.jobs()), made.fake.calls)
    assert {str(fault): 1} == made.fake.faults.met
    made.submit()
    assert done + 1 == len(made.fake.jobs())


def test_a_fault_can_wait_for_an_operation(bench):
    """With an operation only its calls count."""
    made = bench()
    made.fake.faults.at(1, Fault.THROTTLE, operation="SubmitJob")
    made.submit()
    made.client.list_jobs(**QUEUE)

    with pytest.raises(ClientError, match="TooManyRequests"):
        made.submit()


def test_botocore_retries_a_lost_submit_into_two_jobs():
    """A client that retries submits twice: SubmitJob has no idempotency token."""
    fake = FakeBatch()
    fake.add_queue("jobs")
    fake.register("work")
    client = fake.client(config=Config(retries={"total_max_attempts": 2, "mode": "standard"}))
    fake.faults.at(0, Fault.LOST_REPLY)
    client.submit_job(jobName="a", **WORK)

    assert (2, {"SubmitJob": 2}) == (len(fake.jobs()), fake.calls)


@pytest.mark.parametrize("after", [False, True])
def test_a_caller_can_crash(bench, after):
    """An exception as fault is raised as it is, before the work or after it."""

    class Crash(BaseException):
        """The process is gone."""

    made = bench()
    made.fake.faults.at(0, Crash(), after=after)

    with pytest.raises(Crash):
        made.submit()
    assert int(after) == len(made.fake.jobs())


def test_reading_logs_can_fail_too(logged):
    """With the errors that CloudWatch Logs has."""
    for fault, code in ((Fault.THROTTLE, "ThrottlingException"), (Fault.SERVER_ERROR, "ServiceUnavailableException")):
        logged.fake.faults.at(0, fault, operation="GetLogEvents")
        with pytest.raises(ClientError, match=code):
            logged.logs.get_log_events(**logged.stream)


def test_faults_at_random_are_the_same_for_the_same_seed(bench):
    """``rate`` decides by seed alone; ``clear`` ends all trouble."""

    def outcomes(seed):
        made = bench()
        made.fake.faults.rate(0.5, Fault.THROTTLE, seed=seed)
        seen = []
        for _ in range(40):
            try:
                seen.append(bool(made.submit()))
            except ClientError:
                seen.append(False)
        made.fake.faults.clear()
        made.submit()
        return seen

    assert outcomes(1) == outcomes(1) != outcomes(2)
    assert 8 < sum(outcomes(1)) < 32


# -- laws -----------------------------------------------------------------------------------------------------------


@st.composite
def graphs(draw):
    """Jobs in a row, each with the earlier ones it depends on, whether it fails, and how long it runs."""
    count = draw(st.integers(1, 8))
    return [
        (
            sorted(draw(st.sets(st.integers(0, n - 1), max_size=3))) if n else [],
            draw(st.sampled_from([0, 0, 0, 1])),
            draw(st.integers(0, 20)),
            draw(st.sampled_from([None, None, 2, 4])),
        )
        for n in range(count)
    ]


@given(graph=graphs(), slots=st.sampled_from([None, 1, 2, 3]))
@settings(max_examples=60, deadline=None)
def test_a_job_runs_exactly_when_its_dependencies_have_succeeded(clients, graph, slots):
    """For any graph: it starts after all of them have ended well, or is FAILED without having started."""
    ends = {f"n{n}": (code, seconds) for n, (_, code, seconds, _) in enumerate(graph)}

    def run(job: JobRun):
        code, seconds = ends[job.job_name]
        yield seconds
        return code

    made = Bench(clients, run, slots=slots)
    ids: list[str] = []
    for n, (after, _, _, size) in enumerate(graph):
        array = {} if size is None else {"arrayProperties": {"size": size}}
        ids.append(made.submit(f"n{n}", after=[ids[each] for each in after], **array))
    made.fake.run_all()
    jobs = [made.fake.job(job) for job in ids]
    children = [job for job in made.fake.jobs(children=True) if ":" in job["jobId"]]

    for (after, code, _, size), job in zip(graph, jobs, strict=True):
        well = all(jobs[each]["status"] == "SUCCEEDED" for each in after)
        assert ("SUCCEEDED" if well and not code else "FAILED") == job["status"]
        mine = [child for child in children if child["jobId"].startswith(job["jobId"])] if size else [job]
        assert ((size or 1) if well else 0) == sum("startedAt" in each for each in mine)
        for each in mine:
            if "startedAt" in each:
                assert all(jobs[other]["stoppedAt"] <= each["startedAt"] for other in after)
    ran = [job for job in (*jobs, *children) if "startedAt" in job]
    for job in ran if slots else ():
        together = [each for each in ran if each["startedAt"] <= job["startedAt"] < each["stoppedAt"]]
        assert len(together) <= slots


ACTIONS = st.lists(
    st.tuples(st.sampled_from(["cancel_job", "terminate_job"]), st.integers(0, 7), st.integers(0, 12)), max_size=6
)


@given(graph=graphs(), actions=ACTIONS, slots=st.sampled_from([None, 1, 2]))
@settings(max_examples=60, deadline=None)
def test_whatever_is_stopped_everything_ends(clients, graph, actions, slots):
    """Statuses only go forward (but for a retry), each job ends, an array's counts add up, and no slot is lost."""
    made = Bench(clients, lambda run: 0, slots=slots, retry={"attempts": 2})
    ids: list[str] = []
    for n, (after, _, _, size) in enumerate(graph):
        array = {} if size is None else {"arrayProperties": {"size": size}}
        ids.append(made.submit(f"n{n}", after=[ids[each] for each in after], **array))
    for action, which, wait in actions:
        made.fake.advance(wait)
        getattr(made.client, action)(jobId=ids[which % len(ids)], reason="enough")
    made.fake.run_all()

    assert [] == made.fake.jobs(live=True, children=True)
    for job in made.fake.jobs():
        array = job.get("arrayProperties")
        counted = sum(array["statusSummary"].values()) if array else 0
        assert counted in ({0, array["size"]} if array else {0})
    assert 0 == made.fake._world.queues["jobs"].used
    last = made.submit()
    made.fake.run_all()
    assert "SUCCEEDED" == made.status(last)


# -- size -----------------------------------------------------------------------------------------------------------


def test_ten_thousand_jobs_are_cheap(clients):
    """An array of 10,000 runs to its end, and one name is found among 10,000 as among ten."""
    from workflow_manager.testing.fake_batch import submission

    made = Bench(clients)
    array = made.submit(arrayProperties={"size": 10_000})
    for n in range(10_000):
        submission.submit(made.fake._world, WORK | {"jobName": f"n{n}"}, 100)
    made.fake.run_all()

    assert 10_000 == made.fake.job(array)["arrayProperties"]["statusSummary"]["SUCCEEDED"]
    assert ["n77"] == made.names(filters=[{"name": "JOB_NAME", "values": ["n77"]}], **QUEUE)
    assert 1000 == len(made.names(jobStatus="SUCCEEDED", **QUEUE))


def test_it_loads_only_when_asked_for():
    """``workflow_manager.testing`` brings the fake in on first use, and botocore only with its first client."""
    script = """
        import sys, workflow_manager.testing as testing
        assert not [name for name in sys.modules if "fake_batch" in name]
        testing.FakeBatch().add_queue("q")
        assert "botocore" not in sys.modules and "boto3" not in sys.modules
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = testing.Nothing


def test_our_own_calls_raise_our_own_errors():
    """What the service would refuse is an InvalidValueError where no request was made."""
    fake = FakeBatch()
    fake.add_queue("jobs")

    for wrong in (
        lambda: fake.add_queue("jobs"),
        lambda: fake.register("a b"),
        lambda: fake.register("work", timeout=5),
        lambda: fake.advance(-1),
        lambda: fake.advance(math.inf),
    ):
        with pytest.raises(InvalidValueError):
            wrong()


def test_it_must_come_about():
    """``run_until`` says when what it waits for cannot happen, or not in time."""
    fake = FakeBatch()

    with pytest.raises(TimeoutError):
        fake.run_until(lambda: False)
    fake.run_until(lambda: True)
    fake.add_queue("jobs")
    fake.register("work", seconds=3600)
    fake.client().submit_job(jobName="a", **WORK)
    with pytest.raises(TimeoutError):
        fake.run_until(lambda: not fake.jobs(live=True), limit=timedelta(minutes=1))
    with pytest.raises(InvalidValueError, match="time zone"):
        FakeBatch(start=datetime(2026, 1, 1))  # noqa: DTZ001
