"""The activity worker, end to end over loopback."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from sfn_activities import Activities, serving
from workflow_manager.callables import MAX_CAUSE
from workflow_manager.exceptions import InvalidValueError, TaskError
from workflow_manager.workers.activity import ActivityWorker
from workflow_manager.workers.activity_client import Answers
from workflow_manager.workers.activity_command import CommandActivity
from workflow_manager.workers.activity_errors import ActivityError
from workflow_manager.workers.activity_functions import FunctionActivity
from workflow_manager.workers.activity_program import Meter, main, tags, worker_name
from workflow_manager.workers.activity_task import ActiveTask

SRC = Path(__file__).resolve().parent.parent / "src"


@pytest.fixture
def activities() -> Iterator[Activities]:
    with serving(Activities(poll=0.3)) as found:
        yield found


def worker(activities: Activities, function: Any, **settings: Any) -> ActivityWorker:
    given = {"namespace": "prod", "worker_name": "me", "heartbeat": 0.1, "grace": 0.5, **settings}
    return ActivityWorker(activities.client(), {"work": function}, **given)


def answer_of(activities: Activities, function: Any, input: Any, **settings: Any) -> tuple[str, dict[str, Any]]:
    """What AWS hears of one task that *function* does."""
    task = activities.give(input)
    with worker(activities, function, **settings):
        activities.wait_for_answers(1)
    assert len(task.answers) == 1
    return task.answers[0]


def output_of(activities: Activities, function: Any, input: Any) -> Any:
    kind, body = answer_of(activities, function, input)
    assert kind == "success", body
    return json.loads(body["output"])


def failure_of(activities: Activities, function: Any, input: Any) -> tuple[str, str]:
    kind, body = answer_of(activities, function, input)
    assert kind == "failure"
    return body["error"], body.get("cause", "")


# Functions


def test_a_function_answers_with_its_output(activities):
    """The input is handed over as a value, the answer sent as JSON; the activity bears the namespace."""
    assert output_of(activities, lambda order: {"n": order["n"] + 1}, {"n": 1}) == {"n": 2}
    assert activities.names == ["prod--work"]
    assert activities.workers == {"me"}


async def later(input: Any) -> Any:
    return [input, "later"]


def with_context(input: Any, context: Any) -> Any:
    return [context.execution_name, context.token, context.cancel_requested()]


@pytest.mark.parametrize(
    ("function", "input", "output"),
    [
        (lambda: 7, None, 7),
        (later, 1, [1, "later"]),
        (with_context, {"_EXECUTION_NAME": "w-1"}, ["w-1", "token-0", False]),
    ],
)
def test_a_function_may_take_nothing_or_the_context_or_be_async(activities, function, input, output):
    """Functions of no, one or two arguments, and coroutines."""
    assert output_of(activities, function, input) == output


def test_no_answer_is_an_empty_object_and_the_execution_name_goes_on(activities):
    """None is {} (E2), and an object gets _EXECUTION_NAME back for the next state."""
    assert output_of(activities, lambda input: None, {"_EXECUTION_NAME": "w-1"}) == {"_EXECUTION_NAME": "w-1"}


def test_a_named_failure_keeps_its_name_and_cause(activities):
    """A TaskError is SendTaskFailure with its own error and cause."""

    def fail(input: Any) -> Any:
        raise TaskError("NoMoney", "the account is empty")

    assert failure_of(activities, fail, {}) == ("NoMoney", "the account is empty")


def test_any_other_exception_is_named_by_its_class(activities):
    """The error is the class, the cause the message and the traceback."""

    def fail(input: Any) -> Any:
        raise KeyError("colour")

    error, cause = failure_of(activities, fail, {})
    assert (error, cause.startswith("'colour'")) == ("KeyError", True)


def test_flaw_a_panic_is_a_failure_at_once_e3(activities):
    """What the original recovered from without a word (E3) is answered: SystemExit inside a task too."""

    def panic(input: Any) -> Any:
        raise SystemExit("enough")

    assert failure_of(activities, panic, {})[0] == "SystemExit"


@pytest.mark.parametrize(
    ("answer", "error"), [({1, 2}, "sfncli.TaskOutputNotJSON"), ("x" * 300_000, "States.DataLimitExceeded")]
)
def test_an_output_that_aws_would_refuse_is_a_failure(activities, answer, error):
    """What is not JSON, or longer than 256 KiB, is not sent as an output."""
    assert failure_of(activities, lambda input: answer, {})[0] == error


# Heartbeats, trouble, many tasks


def test_heartbeats_keep_a_long_task_alive(activities):
    """A task that runs longer than its HeartbeatSeconds is kept alive, and its answer counts."""
    task = activities.give({}, heartbeat=0.5)
    with worker(activities, lambda input: time.sleep(1.2), grace=5):
        activities.wait_for_answers(1)
    assert (task.answers[0][0], task.beats >= 5) == ("success", True)


def test_a_lost_task_is_stopped_and_not_answered(activities):
    """When AWS says that the task is gone, the function is told so and nobody is answered."""
    cancelled = threading.Event()

    def work(input: Any, context: Any) -> Any:
        if context.cancelled.wait(10):
            cancelled.set()

    task = activities.give({})
    with worker(activities, work):
        wait_until(lambda: task.beats)
        task.gone = True
        assert cancelled.wait(10)
    assert task.answers == []


def test_it_survives_trouble_with_the_network(activities):
    """Errors of the server, at registering, polling and answering alike, only cost time."""
    activities.errors.extend([500] * 3)
    assert output_of(activities, lambda input: input, {"n": 1}) == {"n": 1}


def test_answers_are_repeated_until_they_get_through():
    """An answer that fails in passing is sent again after a pause that grows; what is final is raised."""

    class Throttled(Exception):
        response = {"Error": {"Code": "ThrottlingException"}, "ResponseMetadata": {"HTTPStatusCode": 400}}

    class Client:
        sent = 0

        def send_task_success(self, **_: Any) -> None:
            self.sent += 1
            if self.sent < 4:
                raise Throttled

        def send_task_failure(self, **_: Any) -> None:
            raise ValueError("no such parameter")

    client, pauses = Client(), []
    answers = Answers(client, pauses.append, lambda low, high: high)
    assert answers.success("t", "{}")
    assert pauses == [0.2, 0.4, 0.8]
    with pytest.raises(ValueError, match="no such parameter"):
        answers.failure("t", "E", None)


def test_an_answer_that_aws_does_not_take_is_a_failure():
    """Not silence, after which the task would only time out; one that merely does not get through is none."""

    class Refused(Exception):
        response = {"Error": {"Code": "InvalidOutput"}, "ResponseMetadata": {"HTTPStatusCode": 400}}

    class Down(Exception):
        response = {"Error": {"Code": "InternalServerError"}, "ResponseMetadata": {"HTTPStatusCode": 500}}

    class Client:
        def __init__(self, trouble: type[Exception]) -> None:
            self.trouble, self.errors = trouble, []

        def send_task_heartbeat(self, **_: Any) -> None: ...

        def send_task_success(self, **_: Any) -> None:
            raise self.trouble

        def send_task_failure(self, **arguments: Any) -> None:
            self.errors.append(arguments["error"])

    for trouble, errors in ((Refused, ["sfncli.Unknown"]), (Down, [])):
        client = Client(trouble)
        run = FunctionActivity(lambda: 1).begin("t", "{}", threading.Event())
        ActiveTask("t", run, Answers(client, lambda seconds: None, lambda low, high: high), 20).do()
        assert client.errors == errors


def test_200_tasks_at_concurrency_16_are_answered_once_each(activities):
    """Never more than 16 at once, every task answered, none twice."""
    lock, now, most = threading.Lock(), [0], [0]

    def work(input: Any) -> Any:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.02)
        with lock:
            now[0] -= 1
        return input

    tasks = [activities.give({"n": n}) for n in range(200)]
    with worker(activities, work, concurrency=16, heartbeat=20):
        activities.wait_for_answers(200, 60)
    assert [json.loads(task.answers[0][1]["output"])["n"] for task in tasks] == list(range(200))
    assert {len(task.answers) for task in tasks} == {1}
    assert 1 < most[0] <= 16


def test_concurrency_may_be_given_by_resource():
    """One number for all or one per resource; none below one."""
    with pytest.raises(InvalidValueError):
        ActivityWorker(None, {"a": print}, namespace="x", concurrency={"a": 0})


def test_a_name_that_no_activity_can_have_is_refused():
    """At once, not when AWS is asked."""
    for name in ("no spaces", "x" * 80, ""):
        with pytest.raises(InvalidValueError, match="AWS takes no activity called"):
            ActivityWorker(None, {name: print}, namespace="prod" if name else None)


def test_an_activity_that_cannot_be_registered_keeps_no_other_waiting(activities):
    """The one is tried again and again, the other is served; tags that are refused keep nothing from working."""
    activities.refused = {"CreateActivity": "prod--bad", "TagResource": "prod--work"}
    task = activities.give({"n": 1})
    functions = {"bad": lambda input: input, "work": lambda input: input}
    with ActivityWorker(activities.client(), functions, namespace="prod", tags={"team": "a"}, grace=0.5):
        activities.wait_for_answers(1)
    assert (task.answers[0][0], activities.tags) == ("success", {})


def test_a_client_that_hangs_up_too_early_is_told_of(activities, caplog):
    """A poll takes up to 60 seconds; boto3's own patience is as long."""
    ActivityWorker(activities.client(), {"work": print}, namespace="prod")
    assert caplog.text == ""
    hasty = boto3.client("stepfunctions", region_name="eu-west-1", aws_access_key_id="t", aws_secret_access_key="t")
    ActivityWorker(hasty, {"work": print}, namespace="prod")
    assert "read_timeout of 60" in caplog.text


def wait_until(condition: Any, seconds: float = 15.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.01)


# The end


def test_what_is_not_done_after_the_grace_time_is_answered_for(activities):
    """drain() waits for the grace time, then says sfncli.CommandTerminated, and the late answer is not sent."""
    release = threading.Event()
    task = activities.give({})
    begun = threading.Event()

    def work(input: Any) -> Any:
        begun.set()
        release.wait(10)

    with worker(activities, work, grace=0.2):
        assert begun.wait(10)
    release.set()
    assert [(kind, body["error"]) for kind, body in task.answers] == [("failure", "sfncli.CommandTerminated")]


def test_a_task_that_comes_after_the_stop_is_handed_back(activities):
    """A poll that was under way may still bring a task: it fails at once, so that its retrier can give it to others."""
    activities.poll = 5.0
    working = worker(activities, lambda input: input)
    with working:
        wait_until(lambda: activities.polls)
        working.stop()
        task = activities.give({})
        activities.wait_for_answers(1)
    assert task.answers[0][1]["error"] == "sfncli.CommandTerminated"


PROGRAM = """
import sys, time
sys.path[:0] = [{tests!r}, {src!r}]
from sfn_activities import Activities
from workflow_manager.workers.activity import ActivityWorker
activities = Activities()
activities.address = {address!r}
def work(input):
    print("busy", flush=True)
    time.sleep(input["seconds"])
    return input
ActivityWorker(activities.client(), {{"work": work}}, namespace="prod", heartbeat=1, grace=1.0).run()
print("drained", flush=True)
"""


@pytest.mark.parametrize(("seconds", "kind"), [(0.3, "success"), (30, "failure")])
def test_sigterm_while_busy(activities, seconds, kind):
    """SIGTERM lets a task that ends within the grace time answer, and answers for one that does not."""
    task = activities.give({"seconds": seconds})
    code = PROGRAM.format(tests=str(Path(__file__).parent), src=str(SRC), address=activities.address)
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "busy\n"
    process.send_signal(signal.SIGTERM)
    rest, _ = process.communicate(timeout=20)
    assert (process.returncode, rest) == (0, "drained\n")
    assert [answer[0] for answer in task.answers] == [kind]
    if kind == "failure":
        assert task.answers[0][1]["error"] == "sfncli.CommandTerminated"


# Commands: sfncli's contract

NAMED = {"_EXECUTION_NAME": "w-1", "n": 1}


def shell(script: str, **settings: Any) -> CommandActivity:
    return CommandActivity(("/bin/sh", "-c", script, "sh"), **settings)


def test_a_command_gets_the_input_as_its_last_argument(activities):
    """Fixed arguments, then the whole JSON; _EXECUTION_NAME in the environment and back in the output."""
    command = shell('echo noise; printf \'{"got": %s, "name": "%s"}\' "$1" "$_EXECUTION_NAME"')
    assert output_of(activities, command, NAMED) == {"got": NAMED, "name": "w-1", "_EXECUTION_NAME": "w-1"}


def test_a_command_without_output_answers_an_empty_object(activities):
    """Nothing on standard output is {}, with the execution's name."""
    assert output_of(activities, shell("true"), NAMED) == {"_EXECUTION_NAME": "w-1"}


@pytest.mark.parametrize(
    ("script", "input", "error", "cause"),
    [
        ("true", "[1]", ActivityError.INPUT_NOT_JSON, "not a JSON object"),
        ("true", "{nope", ActivityError.INPUT_NOT_JSON, ""),
        ("true", {"n": 1}, ActivityError.INPUT_MISSING_EXECUTION_NAME, ""),
        ("true", {"_EXECUTION_NAME": 7}, ActivityError.INPUT_MISSING_EXECUTION_NAME, ""),
        ("kill -9 $$", NAMED, ActivityError.COMMAND_KILLED, ""),
        ("kill -15 $$", NAMED, ActivityError.COMMAND_TERMINATED, ""),
        ("kill -12 $$", NAMED, ActivityError.UNKNOWN, ""),
        ("echo sorry >&2; exit 3", NAMED, ActivityError.COMMAND_EXITED_NONZERO, "sorry"),
        ("echo fine; echo '[1]'", NAMED, ActivityError.OUTPUT_NOT_JSON, "not a JSON object"),
        ("echo fine", NAMED, ActivityError.OUTPUT_NOT_JSON, "fine"),
    ],
)
def test_the_error_names_of_sfncli(activities, script, input, error, cause):
    """Every way in which a command fails has the name that the original gave it."""
    found, why = failure_of(activities, shell(script), input)
    assert found == error.value
    assert cause in why


def test_a_command_that_is_not_there_is_not_found(activities):
    """CommandNotFound names the command."""
    error, cause = failure_of(activities, CommandActivity(("/no/such/command",)), NAMED)
    assert (error, "/no/such/command" in cause) == (ActivityError.COMMAND_NOT_FOUND.value, True)


@pytest.mark.parametrize("name", ["nul\u0000", "lone\ud800"])
def test_an_input_that_no_command_can_be_given_is_unknown(activities, name):
    """A name with characters that no environment has, an input that is too long for an argument."""
    assert failure_of(activities, shell("true"), {"_EXECUTION_NAME": name})[0] == "sfncli.Unknown"


def test_an_input_that_is_too_long_for_an_argument_is_unknown(activities):
    """Linux takes arguments of 128 KiB; the cause says so."""
    error, cause = failure_of(activities, shell("true"), {**NAMED, "text": "x" * 200_000})
    assert (error, "too long" in cause) == ("sfncli.Unknown", True)


def test_a_work_directory_that_cannot_be_made_is_unknown(activities, tmp_path):
    """The cause says where."""
    (tmp_path / "file").write_text("")
    error, cause = failure_of(activities, shell("true", work_directory=str(tmp_path / "file" / "in")), NAMED)
    assert (error, str(tmp_path) in cause) == ("sfncli.Unknown", True)


def test_output_that_nobody_listens_to_holds_nothing_up(activities):
    """A log that has gone away: the command still ends, and its last line counts."""

    class Gone(io.BytesIO):
        def write(self, chunk: Any) -> int:
            raise BrokenPipeError

    script = "i=0; while [ $i -lt 20000 ]; do echo some words of output; i=$((i+1)); done; echo '{\"n\": 1}'"
    found = output_of(activities, shell(script, echo=(Gone(), Gone())), NAMED)
    assert found == {"n": 1, "_EXECUTION_NAME": "w-1"}


def test_a_command_may_name_its_own_error(activities):
    """A nonzero exit whose last line is {"error", "cause"} is that error."""
    script = """echo '{"error": "NoMoney", "cause": "empty"}'; exit 1"""
    assert failure_of(activities, shell(script), NAMED) == ("NoMoney", "empty")


def test_the_cause_is_the_end_of_standard_error(activities):
    """Of long standard error the last 32,768 bytes are kept, and the cut is marked."""
    script = "i=0; while [ $i -lt 4000 ]; do echo line $i: some words of an error >&2; i=$((i+1)); done; exit 1"
    _, cause = failure_of(activities, shell(script), NAMED)
    assert len(cause) <= MAX_CAUSE
    assert cause.startswith("[truncated]")
    assert cause.endswith("line 3999: some words of an error")


def test_every_task_has_a_work_directory_of_its_own(activities, tmp_path):
    """WORK_DIR is new, and removed afterwards."""
    script = 'touch "$WORK_DIR/file"; printf \'{"folder": "%s"}\' "$WORK_DIR"'
    found = output_of(activities, shell(script, work_directory=str(tmp_path / "work")), NAMED)
    assert Path(found["folder"]).parent == tmp_path / "work"
    assert list((tmp_path / "work").iterdir()) == []


def test_a_command_whose_task_is_gone_is_killed(activities, tmp_path):
    """The heartbeat that AWS refuses ends the command and its children; nobody is answered."""
    task = activities.give(NAMED)
    pid = tmp_path / "pid"
    with worker(activities, shell(f"sleep 60 & echo $! > {pid}; wait")):
        wait_until(lambda: pid.exists() and pid.read_text().strip() and task.beats)
        task.gone = True
        wait_until(lambda: not is_alive(int(pid.read_text())))
    assert task.answers == []


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def program(activities: Activities, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    """``python -m workflow_manager.workers.activity`` against the server."""
    given = {
        **os.environ,
        "PYTHONPATH": str(SRC),
        "AWS_ENDPOINT_URL_SFN": activities.address,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "eu-west-1",
        **environment,
    }
    command = [sys.executable, "-m", "workflow_manager.workers.activity", *arguments]
    process = subprocess.Popen(command, env=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    BEGUN.append(process)
    return process


BEGUN: list[subprocess.Popen[str]] = []


@pytest.fixture(autouse=True)
def no_process_outlives_its_test():
    """One that a failed test has left is ended."""
    yield
    while BEGUN:
        process = BEGUN.pop()
        if process.poll() is None:
            process.kill()
            process.communicate()


def test_the_program_does_sfnclis_work(activities):
    """It registers and tags the activity, runs the command per task, passes its output on, and ends on SIGTERM."""
    task = activities.give(NAMED)
    arguments = [
        "--activity",
        "$STAGE--work",
        "--workername",
        "host-$STAGE",
        "--",
        "/bin/sh",
        "-c",
        "echo hello; echo '{}'",
    ]
    process = program(activities, *arguments, STAGE="prod", _DEPLOY_ENV="prod", _APP_NAME="shop")
    activities.wait_for_answers(1, 30)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=20)
    assert (process.returncode, out) == (0, "hello\n{}\n")
    assert task.answers == [("success", {"output": '{"_EXECUTION_NAME":"w-1"}'})]
    assert (activities.names, activities.workers) == (["prod--work"], {"host-prod"})
    assert activities.tags == {"environment": "prod", "application": "shop"}


@pytest.mark.parametrize(
    "given",
    [
        ["-activityname", "work", "-cmd", "/bin/echo", "--", "-n", "x"],
        ["--activity=work", "--cmd=/bin/echo", "--", "-n", "x"],
        ["--activity", "work", "/bin/echo", "-n", "x"],
    ],
)
def test_the_flags_of_the_original(activities, given):
    """With one dash or two; the command by --cmd or the first that is no flag; what follows are its arguments."""
    task = activities.give(NAMED)
    process = program(activities, *given)
    activities.wait_for_answers(1, 30)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=20)
    assert (process.returncode, out) == (0, f"x {json.dumps(NAMED)}")
    assert task.answers[0][1]["error"] == "sfncli.TaskOutputNotJSON"


def test_without_a_command_there_is_nothing_to_do():
    """It says so, and does not begin to take tasks."""
    with pytest.raises(SystemExit, match="2"):
        main(["--activity", "work", "--"])


def test_other_signals_are_passed_on(activities, tmp_path):
    """SIGUSR1 and SIGHUP reach the command; the worker goes on, and the task succeeds."""
    mark = tmp_path / "mark"
    task = activities.give(NAMED)
    script = f"""
        trap 'echo one >> {mark}' USR1; trap 'echo hup >> {mark}; exit 0' HUP
        echo begun > {mark}; while true; do sleep 0.05; done
    """
    process = program(activities, "--activity", "work", "--", "/bin/sh", "-c", script)
    wait_until(lambda: mark.exists() and mark.read_text() == "begun\n", 30)
    process.send_signal(signal.SIGUSR1)
    wait_until(lambda: mark.read_text() == "begun\none\n")
    process.send_signal(signal.SIGHUP)
    activities.wait_for_answers(1, 30)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert (process.returncode, task.answers[0][0]) == (0, "success")


def test_sigint_ends_it_as_sigterm_does(activities, tmp_path):
    """Ctrl-C: the command hears of it, and its end is that of a worker that was shut down, which is retried."""
    mark = tmp_path / "mark"
    task = activities.give(NAMED)
    script = f"trap 'exit 130' INT; echo begun > {mark}; while true; do sleep 0.05; done"
    process = program(activities, "--activity", "work", "--", "/bin/sh", "-c", script)
    wait_until(lambda: mark.exists() and mark.read_text() == "begun\n", 30)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert (process.returncode, task.answers[0][1]["error"]) == (0, "sfncli.CommandTerminated")


def test_sigterm_reaches_the_command(activities, tmp_path):
    """The signal is passed on at once; a command that does not end is killed after the grace time."""
    mark = tmp_path / "mark"
    task = activities.give(NAMED)
    script = f"trap 'echo term > {mark}' TERM; echo begun > {mark}; while true; do sleep 0.1; done"
    process = program(activities, "--activity", "work", "--grace", "1", "--", "/bin/sh", "-c", script)
    wait_until(lambda: mark.exists() and mark.read_text() == "begun\n", 30)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert mark.read_text() == "term\n"
    assert [(kind, body["error"]) for kind, body in task.answers] == [("failure", "sfncli.CommandTerminated")]


def test_the_magic_words_are_ecs_task(tmp_path, monkeypatch):
    """MAGIC_ECS_TASK_ARN and MAGIC_ECS_TASK_ID come from the metadata endpoint; other names need none."""
    (tmp_path / "task").write_text('{"TaskARN": "arn:aws:ecs:eu-west-1:123456789012:task/cluster/abc"}')
    environment = {"ECS_CONTAINER_METADATA_URI_V4": f"file://{tmp_path}"}
    assert worker_name("w-MAGIC_ECS_TASK_ID", environment) == "w-abc"
    assert worker_name("MAGIC_ECS_TASK_ARN", environment).endswith(":task/cluster/abc")
    assert worker_name("plain", {}) == "plain"
    assert tags({"_TEAM_OWNER": "x", "_POD_ID": ""}) == {"team": "x"}


def test_the_meter_reports_how_busy_it_is():
    """StatesCustom, ActivityActivePercent, by activity; trouble with CloudWatch is not the worker's."""
    sent: list[Any] = []

    class CloudWatch:
        def put_metric_data(self, **arguments: Any) -> None:
            sent.append(arguments)
            raise OSError

    class Busy:
        active = (1,)

        def arn(self, name: str) -> str:
            return f"arn:{name}"

    Meter(Busy(), CloudWatch(), "work").report(50.0)
    Meter(ActivityWorker(None, {"work": print}, namespace=None), CloudWatch(), "work").report(0.0)  # not registered yet
    assert len(sent) == 1
    metric = sent[0]["MetricData"][0]
    assert (sent[0]["Namespace"], metric["MetricName"], metric["Value"]) == (
        "StatesCustom",
        "ActivityActivePercent",
        50.0,
    )
