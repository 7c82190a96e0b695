"""The local manager: real threads, a real event loop, real processes, and short waits."""

from __future__ import annotations

import asyncio
import functools
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import attrs
import pytest

from workflow_manager.asl import StateMachine
from workflow_manager.asl.resources import parse_resource
from workflow_manager.callables import MAX_CAUSE
from workflow_manager.engine import NO_LIMITS
from workflow_manager.exceptions import (
    InvalidValueError,
    ManagerClosedError,
    NotFoundError,
    TaskError,
    UnknownResourceError,
    WorkflowStatusError,
)
from workflow_manager.history import HistoryEvent, HistoryEventType
from workflow_manager.managers.context import TaskContext
from workflow_manager.managers.event_loop import EventLoopThread
from workflow_manager.managers.functions import function
from workflow_manager.managers.local import LocalWorkflowManager
from workflow_manager.managers.pool import WorkerPool
from workflow_manager.managers.resources import names
from workflow_manager.managers.timers import Timers
from workflow_manager.managers.wait import wait
from workflow_manager.models import (
    JobStatus,
    ResourceType,
    StateResource,
    Workflow,
    WorkflowDefinition,
    WorkflowStatus,
)
from workflow_manager.protocols import TaskRunner, WorkflowManager
from workflow_manager.stores.memory import MemoryStore

PATIENCE = 20.0  # seconds; nothing here should take a tenth of it


def definition(states: dict[str, Any], **fields: Any) -> WorkflowDefinition:
    machine = StateMachine.from_dict({"StartAt": next(iter(states)), "States": states, **fields})
    return WorkflowDefinition(name="local", state_machine=machine)


def task(resource: str = "work", next: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"Type": "Task", "Resource": resource, **({"Next": next} if next else {"End": True}), **fields}


def mapped(resource: str = "work", **fields: Any) -> WorkflowDefinition:
    each = {"StartAt": "Item", "States": {"Item": task(resource)}}
    return definition({"Each": {"Type": "Map", "ItemProcessor": each, "End": True, **fields}})


ONE = definition({"Only": task()})


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def managed(store: MemoryStore) -> Iterator[Callable[..., LocalWorkflowManager]]:
    """Makes managers over the store, and closes them in the end."""
    made: list[LocalWorkflowManager] = []

    def make(tasks: Any = None, **settings: Any) -> LocalWorkflowManager:
        made.append(LocalWorkflowManager(settings.pop("store", store), tasks, **settings))
        return made[-1]

    yield make
    for manager in made:
        manager.close(wait=False)


def run(manager: LocalWorkflowManager, what: WorkflowDefinition, input: Any = None, **settings: Any) -> Workflow:
    return wait(manager, manager.create_workflow(what, input, **settings), timeout=PATIENCE)


def until(holds: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.002)


def types_of(store: MemoryStore, workflow: Workflow) -> list[str]:
    return [str(event.type) for event in store.read_history(workflow.id, limit=10_000) if event.is_listed]


# Functions


class Adder:
    """A callable object."""

    def __init__(self, amount: int) -> None:
        self.amount = amount

    def __call__(self, input: int) -> int:
        return input + self.amount


class AsyncAdder:
    """A callable object that is async."""

    async def __call__(self, input: int) -> int:
        await asyncio.sleep(0)
        return input + 1


def with_context(input: int, context: Any) -> int:
    return input + (1 if isinstance(context, TaskContext) else 100)


def with_annotation(input: int, about: TaskContext | None = None) -> int:
    return input + 1


def with_default(input: int, amount: int = 1) -> int:
    return input + amount


def with_anything(*values: int) -> int:
    return values[0] + len(values)


async def asynchronous(input: int) -> int:
    await asyncio.sleep(0.001)
    return input + 1


async def asynchronous_with_context(input: int, context: TaskContext) -> int:
    await asyncio.sleep(0.001)
    return input + (1 if context.state == "Only" else 100)


@pytest.mark.parametrize(
    "call",
    [
        lambda input: input + 1,
        lambda: 42,
        Adder(1),
        AsyncAdder(),
        functools.partial(with_default, amount=1),
        with_context,
        with_default,
        with_anything,
        asynchronous,
        asynchronous_with_context,
        (41).__add__,
    ],
)
def test_any_kind_of_callable_is_a_task(managed, call):
    """Functions, coroutines and callable objects are called with what they take."""
    given = 1 if getattr(call, "__self__", None) == 41 else 41

    assert run(managed({"work": call}), ONE, given).output == 42


@pytest.mark.parametrize(
    ("call", "arity"),
    [
        (lambda: 0, 0),
        (lambda input: 0, 1),
        (lambda input, context: 0, 2),
        (lambda input, context=None: 0, 2),
        (lambda input, retries=3: 0, 1),
        (lambda input, *, context: 0, 1),
        (lambda **settings: 0, 0),
        (max, 1),
    ],
)
def test_how_many_arguments_a_function_gets(call, arity):
    """The context is passed to a second parameter that is called so or that has no default."""
    assert function(call).arity == arity


def test_it_is_what_the_protocols_ask_for(managed):
    """The manager is a WorkflowManager and its hands are a TaskRunner."""
    manager = managed()
    assert isinstance(manager, WorkflowManager)
    assert isinstance(manager._runner, TaskRunner)


def test_a_task_gets_its_own_copy_of_its_input(managed):
    """What a task does to its input changes nothing for anybody else."""

    def spoil(input: dict[str, Any]) -> dict[str, Any]:
        input["items"].append("spoilt")
        return {}

    spoiling = definition({"Spoil": task("spoil", "Look", ResultPath=None), "Look": task("look")})
    assert run(managed({"spoil": spoil, "look": lambda input: input}), spoiling, {"items": []}).output == {"items": []}


def test_an_output_is_a_copy(managed):
    """What a task does later to the object that it returned changes nothing."""
    kept: list[list[int]] = []

    def give(input: Any) -> list[int]:
        kept.append([1])
        return kept[-1]

    def change(input: Any) -> Any:
        kept[0].append(2)
        return input

    assert run(
        managed({"give": give, "change": change}), definition({"A": task("give", "B"), "B": task("change")})
    ).output == [1]


class CustomError(Exception):
    """An error of the caller's own."""


@pytest.mark.parametrize(
    ("problem", "error", "cause"),
    [
        (TaskError("Out.OfPaper", "tray 2"), "Out.OfPaper", "tray 2"),
        (TaskError("Out.OfPaper"), "Out.OfPaper", None),
        (ValueError("seven is too many"), "ValueError", "seven is too many"),
        (CustomError(), "CustomError", "Traceback"),
        (SystemExit(3), "SystemExit", "3"),
    ],
)
@pytest.mark.parametrize("is_async", [False, True])
def test_what_a_task_raises_is_its_error(managed, problem, error, cause, is_async):
    """A TaskError names its error and cause; any other exception has its class's name and its traceback."""

    def fail(input: Any) -> None:
        raise problem

    async def fail_later(input: Any) -> None:
        raise problem

    workflow = run(managed({"work": fail_later if is_async else fail}), ONE)
    assert workflow.status is WorkflowStatus.FAILED
    assert workflow.error == error
    if cause is None:
        assert not workflow.cause
    else:
        assert workflow.cause.startswith(cause)
    if not isinstance(problem, TaskError):
        assert "in fail" in workflow.cause


@pytest.mark.parametrize("output", [{1, 2}, {"at": datetime(2026, 1, 1, tzinfo=UTC)}, [float("inf")]])
def test_an_output_that_is_no_json_is_a_failure(managed, output):
    """The error is Local.OutputNotJSON and the cause names the place."""
    workflow = run(managed({"work": lambda: output}), ONE)

    assert workflow.error == "Local.OutputNotJSON"
    assert "the output of Only is invalid at /" in workflow.cause


def test_errors_may_be_retried_and_caught(managed):
    """Retry and Catch of the definition answer what tasks raise."""
    tries: list[int] = []

    def flaky(input: Any) -> int:
        tries.append(1)
        if len(tries) < 3:
            raise ConnectionError("again")
        raise TaskError("Fatal", "for good")

    retry = [{"ErrorEquals": ["ConnectionError"], "IntervalSeconds": 1, "BackoffRate": 1, "MaxDelaySeconds": 2}]
    catch = [{"ErrorEquals": ["Fatal"], "Next": "Mend"}]
    workflow = run(
        managed({"flaky": flaky, "mend": lambda input: input["Cause"]}),
        definition(
            {"Try": task("flaky", "Never", Retry=retry, Catch=catch), "Never": task("mend"), "Mend": task("mend")}
        ),
        {},
    )
    assert workflow.output == "for good"
    assert len(tries) == 3
    assert len(workflow.jobs[0].attempts) == 2


# What a task knows


def test_a_task_may_know_about_its_run(managed):
    """The context tells token, workflow, state, attempt and the context object."""
    seen: list[TaskContext] = []

    def look(input: Any, context: TaskContext) -> str:
        seen.append(context)
        return context.execution["State"]["Name"]

    workflow = run(managed({"work": look}), ONE, {"a": 1})
    context = seen[0]
    assert workflow.output == "Only"
    assert (context.workflow_id, context.state, context.attempt) == (workflow.id, "Only", 0)
    assert context.token.startswith(workflow.id)
    assert context.execution["Execution"]["Input"] == {"a": 1}
    assert not context.cancel_requested()
    assert "Only" in repr(context)


def test_heartbeats_keep_a_task_alive(managed):
    """A task that beats outlives its HeartbeatSeconds; one that does not is timed out."""

    def beat(input: Any, context: TaskContext) -> str:
        for _ in range(8):
            time.sleep(0.2)
            context.heartbeat()
        return "alive"

    beating = definition({"Beat": task("beat", HeartbeatSeconds=1)})
    silent = definition({"Silent": task("sleep", HeartbeatSeconds=1)})
    manager = managed({"beat": beat, "sleep": lambda: time.sleep(1.6)})
    workflows = [manager.create_workflow(what, {}) for what in (beating, silent)]

    assert wait(manager, workflows[0], PATIENCE).output == "alive"
    assert wait(manager, workflows[1], PATIENCE).error in ("States.HeartbeatTimeout", "States.Timeout")


def test_an_async_task_may_beat_too(managed, store):
    """Heartbeats from the event loop's thread are stored."""

    async def beat(input: Any, context: TaskContext) -> str:
        await asyncio.sleep(0.3)
        context.heartbeat()
        await asyncio.sleep(0.01)
        return "alive"

    workflow = run(managed({"work": beat}), definition({"Beat": task(HeartbeatSeconds=1)}))
    assert "TaskHeartbeat" in [str(event.type) for event in store.read_history(workflow.id)]


def test_a_long_task_is_seen_running(managed):
    """A task that runs for a while is told as started while it runs."""
    gate = threading.Event()
    manager = managed({"work": lambda: gate.wait(PATIENCE)})
    workflow = manager.create_workflow(ONE, {})

    until(lambda: manager.update_workflow_history(workflow).jobs[0].status is JobStatus.RUNNING)
    gate.set()
    wait(manager, workflow, PATIENCE)


@pytest.mark.parametrize("seconds", [0, 0.045, 0.05, 0.055, 0.1])
def test_every_task_is_started_before_it_ends(managed, store, seconds):
    """However long a task takes, its history has one start before its one end."""
    workflow = run(managed({"work": lambda: time.sleep(seconds)}), mapped(), list(range(10)))
    types = types_of(store, workflow)

    assert types.count("ActivityStarted") == types.count("ActivitySucceeded") == 10
    started = sum(job.started_at <= job.stopped_at for job in workflow.jobs)
    assert started == 10


# Time-outs and cancelling


def test_a_time_out_beats_a_stuck_thread(managed):
    """A stuck thread cannot be stopped, but its task times out, another takes its place, and its answer is dropped."""
    gate, stuck = threading.Event(), []

    def hang(input: Any, context: TaskContext) -> str:
        stuck.append(context)
        gate.wait(PATIENCE)
        return "late"

    catch = [{"ErrorEquals": ["States.Timeout"], "Next": "After"}]
    hanging = definition(
        {"Hang": task("hang", "Never", TimeoutSeconds=1, Catch=catch), "Never": task(), "After": task()}
    )
    manager = managed({"hang": hang, "work": lambda: "went on"}, max_workers=1)
    workflow = run(manager, hanging)

    assert workflow.output == "went on"
    assert stuck[0].cancel_requested()
    gate.set()
    manager.close()  # does not wait for what nobody wants
    assert manager.update_workflow_summary(workflow).output == "went on"


def test_cancelling_tells_running_tasks_and_forgets_waiting_ones(managed, store):
    """Running functions see `cancelled`, coroutines are cancelled, and what waits for a worker never begins."""
    begun: list[str] = []
    ended = threading.Event()

    def running(input: Any, context: TaskContext) -> None:
        begun.append("running")
        if context.cancelled.wait(PATIENCE):
            ended.set()

    def waiting(input: Any) -> None:
        begun.append("waiting")

    branches = [{"StartAt": name, "States": {name: task(name.lower())}} for name in ("Running", "Waiting")]
    manager = managed({"running": running, "waiting": waiting}, max_workers=1)
    workflow = manager.create_workflow(definition({"Fan": {"Type": "Parallel", "Branches": branches, "End": True}}), {})
    until(lambda: begun)
    cancelled = manager.cancel_workflow(workflow, reason="enough")

    assert cancelled.status is WorkflowStatus.CANCELLED
    assert ended.wait(PATIENCE)
    manager.close()
    assert begun == ["running"]
    assert types_of(store, workflow)[-1] == "ExecutionAborted"


def test_cancelling_cancels_coroutines(managed):
    """A coroutine is cancelled the way asyncio cancels."""
    begun, ended = threading.Event(), threading.Event()

    async def forever(input: Any) -> None:
        begun.set()
        try:
            await asyncio.sleep(PATIENCE)
        except asyncio.CancelledError:
            ended.set()
            raise

    manager = managed({"work": forever})
    workflow = manager.create_workflow(ONE, {})
    assert begun.wait(PATIENCE)
    manager.cancel_workflow(workflow, reason="enough")
    assert ended.wait(PATIENCE)


def test_a_task_may_cancel_its_own_workflow(managed):
    """A task that cancels its workflow is answered at once, and its own result is late news."""
    manager = managed(
        {
            "work": lambda input, context: (
                manager.cancel_workflow(manager.store.get_workflow(context.workflow_id), reason="me").id
            )
        }
    )
    workflow = run(manager, ONE)
    assert (workflow.status, workflow.status_reason) == (WorkflowStatus.CANCELLED, "me")
    assert run(managed({"work": lambda: 1}), ONE).output == 1


def test_what_has_ended_cannot_be_cancelled(managed):
    """Cancelling a workflow that has succeeded is refused."""
    manager = managed({"work": lambda: 1})
    with pytest.raises(WorkflowStatusError):
        manager.cancel_workflow(run(manager, ONE), reason="late")


# How much at once


class Gauge:
    """Counts how many calls are under way at once."""

    def __init__(self, seconds: float = 0.01) -> None:
        self.seconds, self.now, self.most, self.order = seconds, 0, 0, []
        self._lock = threading.Lock()

    def __call__(self, input: Any) -> Any:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
            self.order.append(input)
        time.sleep(self.seconds)
        with self._lock:
            self.now -= 1
        return input


def test_a_resource_has_its_limit(managed):
    """At most so many tasks of a resource run at once; those beyond wait in order and block no worker."""
    limited, free = Gauge(), Gauge()
    manager = managed({"limited": limited, "free": free}, max_workers=4, concurrency={"limited": 2})
    workflows = [manager.create_workflow(mapped(name), list(range(20))) for name in ("limited", "free")]
    ended = [wait(manager, workflow, PATIENCE) for workflow in workflows]

    assert [workflow.output for workflow in ended] == [list(range(20))] * 2
    assert limited.most == 2
    assert sorted(limited.order) == list(range(20))
    assert free.most >= 2


def test_a_limited_resource_works_in_order(managed):
    """With a limit of one, tasks run in the order in which they were scheduled."""
    gauge = Gauge(0.001)
    run(managed({"work": gauge}, concurrency={"work": 1}), mapped(), list(range(30)))
    assert gauge.order == list(range(30))


def test_waiting_for_a_limit_ends_with_the_workflow(managed):
    """A task that was withdrawn while it waited gives its turn to the next."""
    gate = threading.Event()
    manager = managed({"work": lambda: gate.wait(PATIENCE)}, concurrency={"work": 1})
    blocker, victim, last = (manager.create_workflow(ONE, {}) for _ in range(3))
    manager.cancel_workflow(victim, reason="gone")
    gate.set()
    assert [wait(manager, workflow, PATIENCE).status.value for workflow in (blocker, victim, last)] == [
        "succeeded",
        "cancelled",
        "succeeded",
    ]


def test_a_limit_outlives_a_time_out(managed):
    """A stuck task that has timed out no longer counts."""
    gate = threading.Event()
    manager = managed({"work": lambda input: gate.wait(PATIENCE) if input else None}, concurrency={"work": 1})
    stuck = manager.create_workflow(definition({"Only": task(TimeoutSeconds=1)}), True)
    assert run(manager, ONE, False).status is WorkflowStatus.SUCCEEDED
    assert wait(manager, stuck, PATIENCE).error == "States.Timeout"
    gate.set()


def test_coroutines_need_no_workers(managed):
    """However few workers there are, coroutines run side by side."""

    async def nap(input: int) -> int:
        await asyncio.sleep(0.1)
        return input

    begun = time.monotonic()
    workflow = run(managed({"work": nap}, max_workers=1), mapped(), list(range(100)))
    assert workflow.output == list(range(100))
    assert time.monotonic() - begun < 5


def test_max_workers_is_how_many_run_at_once(managed):
    """No more tasks run at once than there may be workers, and no fewer when there is work."""
    gauge = Gauge(0.02)
    run(managed({"work": gauge}, max_workers=3), mapped(), list(range(12)))
    assert gauge.most == 3


@pytest.mark.parametrize("settings", [{"max_workers": 0}, {"max_workers": True}, {"concurrency": {"work": 0}}])
def test_limits_are_whole_numbers_from_one(store, settings):
    """A limit that would let nothing run is refused."""
    with pytest.raises(InvalidValueError):
        LocalWorkflowManager(store, {}, **settings)


def test_ten_thousand_items(managed, store):
    """A Map over 10,000 items runs, in order, and its history is whole."""
    manager = managed({"work": lambda input: input * 2}, limits=NO_LIMITS)
    workflow = manager.create_workflow(mapped(), list(range(10_000)))
    while not manager.store.get_workflow(workflow.id).status.is_final:
        manager.wait_for_end(workflow.id, PATIENCE)

    assert store.get_workflow(workflow.id).output == [2 * item for item in range(10_000)]


def test_a_workflow_of_many_turns_does_not_pile_up(managed):
    """When everything has ended, the manager holds nothing of it."""
    manager = managed({"work": lambda input: input})
    for _ in range(20):
        run(manager, mapped(), [1, 2, 3])
    until(lambda: not manager._runner._runs)
    assert not manager._driver._lives
    until(lambda: not manager._timers._actions)


def test_many_callers_at_once(managed):
    """Workflows may be created from any number of threads."""
    manager = managed({"work": lambda input: input + 1})
    outputs: list[int] = []

    def call(number: int) -> None:
        outputs.extend(run(manager, ONE, number * 100 + index).output for index in range(10))

    threads = [threading.Thread(target=call, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outputs) == sorted(number * 100 + index + 1 for number in range(8) for index in range(10))


# Commands


def script(tmp_path: Path, text: str) -> str:
    file = tmp_path / "command.py"
    file.write_text(text)
    return f"exec:{sys.executable} {file}"


def test_a_command_reads_and_writes_json(managed, tmp_path):
    """A command's input is on standard input, its output on its last line, its workflow's name in its environment."""
    command = script(
        tmp_path,
        "import json, os, sys\n"
        "given = json.load(sys.stdin)\n"
        "print('some talk')\n"
        "print(json.dumps({'doubled': given['n'] * 2, 'name': os.environ['_EXECUTION_NAME']}))\n",
    )
    workflow = run(managed({"work": command}), ONE, {"n": 21})
    assert workflow.output == {"doubled": 42, "name": workflow.id}


def test_a_command_that_says_nothing_has_said_an_empty_object(managed):
    """No output is {}."""
    assert run(managed({"work": "exec:true"}), ONE).output == {}


@pytest.mark.parametrize(
    ("text", "error", "cause"),
    [
        ("import sys; print('no', file=sys.stderr); sys.exit(3)", "CommandExitedNonzero", "no"),
        ("import sys; sys.exit(3)", "CommandExitedNonzero", "exit status 3"),
        ('import sys; print(\'{"error": "Mine", "cause": "why"}\'); sys.exit(1)', "Mine", "why"),
        ("print('not json')", "TaskOutputNotJSON", "not json"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "CommandKilled", "exit status -9"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", "CommandTerminated", "exit status -15"),
    ],
)
def test_how_a_command_fails(managed, tmp_path, text, error, cause):
    """Every way to fail has an error name; the cause is the end of standard error, or what the command says itself."""
    workflow = run(managed({"work": script(tmp_path, text)}), ONE)
    assert workflow.error == error
    assert cause in workflow.cause


def test_a_command_that_is_not_there(managed):
    """A program that cannot be started is CommandNotFound."""
    workflow = run(managed({"work": "exec:/no/such/program --at all"}), ONE)
    assert workflow.error == "CommandNotFound"
    assert "/no/such/program" in workflow.cause


def test_a_command_may_talk_a_lot(managed, tmp_path):
    """Much more output than a pipe holds neither blocks the command nor fills the cause."""
    talk = "import sys\nfor _ in range(20000): print('x' * 99, file=sys.stderr); print('y' * 99)\nsys.exit(1)"
    workflow = run(managed({"work": script(tmp_path, talk)}), ONE)
    assert workflow.error == "CommandExitedNonzero"
    assert len(workflow.cause) <= MAX_CAUSE


@pytest.mark.parametrize("how", ["cancel", "time out"])
def test_a_command_ends_with_its_task(managed, tmp_path, how):
    """When its task is withdrawn, the command and the processes that it started are ended."""
    pids = tmp_path / "pids"
    command = script(
        tmp_path,
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"open({str(pids)!r} + '.new', 'w').write(f'{{os.getpid()}} {{child.pid}}')\n"
        f"os.rename({str(pids)!r} + '.new', {str(pids)!r})\n"
        "time.sleep(60)\n",
    )
    manager = managed({"work": command})
    workflow = manager.create_workflow(
        definition({"Only": task(**({"TimeoutSeconds": 2} if how == "time out" else {}))}), {}
    )
    until(pids.exists)
    if how == "cancel":
        manager.cancel_workflow(workflow, reason="enough")
    assert wait(manager, workflow, PATIENCE).status.is_final
    for pid in map(int, pids.read_text().split()):
        until(lambda pid=pid: not alive(pid))


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return Path("/proc").is_dir() is False and can_signal(pid)
    return state != "Z"


def can_signal(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


# Resources


def greet(input: dict[str, Any]) -> str:
    return f"Hello, {input['name']}"


class Shelf:
    """Something to reach through."""

    @staticmethod
    def greet(input: Any) -> str:
        return "from the shelf"


def resource(name: str, uri: str, namespace: str = "") -> StateResource:
    return StateResource(name=name, namespace=namespace, uri=uri, type=ResourceType.PYTHON)


def test_state_resources_name_functions_and_commands(managed, store):
    """A resource that is not in the mapping is looked up in the store, within the workflow's namespace."""
    module = sys.modules[__name__].__name__
    store.save_state_resource(resource("greet", f"python:{module}:greet"))
    store.save_state_resource(resource("greet", f"python:{module}:Shelf.greet", "shelf"))
    store.save_state_resource(resource("talk", "exec:echo '\"I say\"'"))
    manager = managed()

    greeting, talking = definition({"Greet": task("greet")}), definition({"Talk": task("talk")})
    assert run(manager, greeting, {"name": "Ada"}).output == "Hello, Ada"
    assert run(manager, greeting, {}, namespace="shelf").output == "from the shelf"
    assert run(manager, talking).output == "I say"
    with pytest.raises(UnknownResourceError, match="prod"):
        manager.create_workflow(greeting, {}, namespace="prod")


def test_the_mapping_comes_before_the_store(managed, store):
    """A task of the mapping is preferred to a state resource of the same name."""
    store.save_state_resource(resource("work", "exec:false"))
    assert run(managed({"work": lambda: "mapped"}), ONE).output == "mapped"


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("python:no_such_module_anywhere:f", "No module named"),
        ("python:os:no_such_function", "no_such_function"),
        ("python:os:name", "cannot be called"),
        ("python::f", "attribute"),
        ("exec:", "names no command"),
        ("arn:aws:batch:eu-west-1:123456789012:job-definition/x:1", "only python: and exec:"),
    ],
)
def test_a_resource_that_leads_nowhere_is_told_before_anything_starts(managed, store, uri, why):
    """The error says what is wrong with the uri, and names the state."""
    store.save_state_resource(resource("work", uri))
    with pytest.raises(UnknownResourceError, match=why) as caught:
        managed().create_workflow(ONE, {})
    assert caught.value.state == "Only"


def test_a_resource_that_vanishes_fails_its_task(managed, store):
    """A state resource that was deleted meanwhile is an error that the definition may catch."""
    store.save_state_resource(resource("second", "exec:true"))
    manager = managed({"first": lambda: store.delete_state_resource("second")})
    workflow = run(manager, definition({"First": task("first", "Second"), "Second": task("second")}))
    assert workflow.error == "Local.UnknownResource"


def test_what_is_in_the_mapping_must_be_callable(store):
    """A task that is neither callable nor a text is refused when the manager is made."""
    with pytest.raises(InvalidValueError, match="int"):
        LocalWorkflowManager(store, {"work": 7})
    with pytest.raises(UnknownResourceError):
        LocalWorkflowManager(store, {"work": "not:a uri"})


def test_the_names_of_a_resource():
    """An ARN is known by its full text and by its short names, the most exact first."""
    activity = "arn:aws:states:eu-west-1:123456789012:activity:greet"
    function_arn = "arn:aws:lambda:eu-west-1:123456789012:function:greet:live"
    invoke = "arn:aws:states:::lambda:invoke.waitForTaskToken"

    assert list(names(parse_resource("greet"))) == ["greet"]
    assert list(names(parse_resource(activity))) == [activity, "greet"]
    assert list(names(parse_resource(function_arn))) == [function_arn, "greet"]
    assert list(names(parse_resource(invoke))) == [invoke, "lambda:invoke.waitForTaskToken", "invoke.waitForTaskToken"]


def test_service_integrations_are_functions_here(managed):
    """A function stands in for a service: it gets the Parameters and gives the result."""
    send = definition(
        {"Send": task("arn:aws:states:::sqs:sendMessage", Parameters={"MessageBody.$": "$.text"}, ResultPath="$.sent")}
    )
    workflow = run(
        managed({"sqs:sendMessage": lambda input: {"MessageId": input["MessageBody"][:2]}}), send, {"text": "hello"}
    )
    assert workflow.output == {"text": "hello", "sent": {"MessageId": "he"}}


def test_a_job_may_be_run_and_waited_for(managed, store):
    """A .sync integration is submitted and then succeeds."""
    job = definition({"Run": task("arn:aws:states:::batch:submitJob.sync", Parameters={"JobName": "j"})})
    workflow = run(managed({"batch:submitJob.sync": lambda input: {"Status": "SUCCEEDED"}}), job, {})
    assert workflow.output == {"Status": "SUCCEEDED"}
    assert types_of(store, workflow)[2:6] == ["TaskScheduled", "TaskStarted", "TaskSubmitted", "TaskSucceeded"]


def test_a_task_may_wait_for_its_token(managed, store):
    """A callback task stays pending after its function has returned, until somebody sends its token back."""
    asked: list[str] = []
    ask = definition(
        {"Ask": task("arn:aws:states:::lambda:invoke.waitForTaskToken", Parameters={"Token.$": "$$.Task.Token"})}
    )
    manager = managed({"lambda:invoke.waitForTaskToken": lambda input: asked.append(input["Token"])})
    workflow = manager.create_workflow(ask, {})
    until(lambda: "TaskSubmitted" in types_of(store, workflow))
    manager.send_task_success(asked[0], {"approved": True})
    assert wait(manager, workflow, PATIENCE).output == {"approved": True}


# Recovering


def gone(manager: LocalWorkflowManager) -> None:
    """The process of *manager* has ended."""
    manager.close(wait=False)


def test_work_that_had_begun_is_lost_with_its_process(managed, store):
    """After a restart, a task that was running fails with Local.WorkerLost, and Retry may answer that."""
    gate = threading.Event()
    first = managed({"work": lambda: gate.wait(PATIENCE)})
    retry = [{"ErrorEquals": ["Local.WorkerLost"], "IntervalSeconds": 1}]
    with_retry = first.create_workflow(definition({"Only": task(Retry=retry)}), {})
    without = first.create_workflow(ONE, {})
    until(lambda: all("ActivityStarted" in types_of(store, workflow) for workflow in (with_retry, without)))
    gone(first)

    second = managed({"work": lambda: "again"})
    assert set(second.recover()) == {with_retry.id, without.id}
    assert wait(second, with_retry, PATIENCE).output == "again"
    lost = wait(second, without, PATIENCE)
    assert (lost.status, lost.error) == (WorkflowStatus.FAILED, "Local.WorkerLost")
    assert second.recover() == ()
    gate.set()


def test_work_that_had_not_begun_begins_after_a_restart(managed, store):
    """Tasks that waited for a worker, and timers, go on as if nothing had happened."""
    gate = threading.Event()
    first = managed({"block": lambda: gate.wait(PATIENCE), "work": lambda: 1}, max_workers=1)
    first.create_workflow(definition({"Block": task("block")}), {})
    waiting = first.create_workflow(ONE, {})
    sleeping = first.create_workflow(
        definition({"Sleep": {"Type": "Wait", "Seconds": 1, "Next": "Do"}, "Do": task()}), {}
    )
    gone(first)

    second = managed({"block": lambda: None, "work": lambda: 2})
    second.recover()
    assert wait(second, waiting, PATIENCE).output == 2
    assert wait(second, sleeping, PATIENCE).output == 2
    gate.set()


def test_a_workflow_that_was_only_stored_is_started(managed, store):
    """A queued workflow without any history begins with recover."""
    now = datetime.now(UTC)
    queued = Workflow(id="queued-1", workflow_definition=ONE, created_at=now, last_updated=now, input={"n": 1})
    store.save_workflow(queued)
    manager = managed({"work": lambda input: input["n"]})
    assert manager.recover() == ("queued-1",)
    assert wait(manager, queued, PATIENCE).output == 1


def test_recovering_leaves_other_managers_workflows_alone(managed, store):
    """Workflows of another manager in the same store, and those that are driven here, are not taken over."""
    now = datetime.now(UTC)
    batch = attrs.evolve(ONE, manager="batch")
    store.save_workflow(Workflow(id="other", workflow_definition=batch, created_at=now, last_updated=now))
    gate = threading.Event()
    manager = managed({"work": lambda: gate.wait(PATIENCE)})
    manager.create_workflow(ONE, {})
    assert manager.recover() == ()
    gate.set()


def test_a_callback_that_was_asked_for_still_counts_after_a_restart(managed, store):
    """A task that waits for its token is not lost with the process that asked."""
    asked: list[str] = []
    ask = definition(
        {"Ask": task("arn:aws:states:::lambda:invoke.waitForTaskToken", Parameters={"Token.$": "$$.Task.Token"})}
    )
    tasks = {"lambda:invoke.waitForTaskToken": lambda input: asked.append(input["Token"])}
    first = managed(tasks)
    workflow = first.create_workflow(ask, {})
    until(lambda: "TaskSubmitted" in types_of(store, workflow))
    gone(first)

    second = managed(tasks)
    second.recover()
    second.send_task_success(asked[0], "yes")
    assert wait(second, workflow, PATIENCE).output == "yes"
    assert len(asked) == 1


def test_the_children_of_a_map_run_begin_again_after_a_restart(managed, store):
    """A child execution that had not ended is begun again by whoever takes the workflow over."""
    gate = threading.Event()
    processor = {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "Item",
        "States": {"Item": task()},
    }
    each = definition({"Each": {"Type": "Map", "ItemProcessor": processor, "MaxConcurrency": 2, "End": True}})
    first = managed({"work": lambda input: input if input == 1 else gate.wait(PATIENCE)})
    workflow = first.create_workflow(each, [1, 2, 3])
    until(lambda: "ChildSucceeded" in [str(event.type) for event in store.read_history(workflow.id)])
    gone(first)

    calls: list[int] = []
    second = managed({"work": lambda input: calls.append(input) or input * 10})
    second.recover()
    assert wait(second, workflow, PATIENCE).output == [1, 20, 30]
    assert sorted(calls) == [2, 3]
    gate.set()


def test_owners_leave_each_others_workflows_alone(managed, store):
    """With owners, recover takes only what nobody has a lease on; closing gives the leases back."""
    gate = threading.Event()
    first = managed({"work": lambda: gate.wait(PATIENCE)}, owner="one", lease_seconds=0.3)
    workflow = first.create_workflow(ONE, {})
    second = managed({"work": lambda: "taken over"}, owner="two", lease_seconds=0.3)
    until(lambda: "ActivityStarted" in types_of(store, workflow))
    time.sleep(0.7)  # the lease would have expired, were it not renewed
    assert second.recover() == ()

    first.close(wait=False)
    assert second.recover() == (workflow.id,)
    assert wait(second, workflow, PATIENCE).error == "Local.WorkerLost"
    gate.set()


def test_an_owner_that_is_back_has_its_leases_back(managed, store):
    """A process that died without giving its leases back recovers at once under its old name, nobody else does."""
    now = datetime.now(UTC)
    queued = Workflow(id="queued-1", workflow_definition=ONE, created_at=now, last_updated=now)
    store.save_workflow(queued)
    store.acquire("queued-1", "one", 60)

    assert managed({"work": lambda: 1}, owner="two").recover() == ()
    again = managed({"work": lambda: 1}, owner="one")
    assert again.recover() == ("queued-1",)
    assert wait(again, queued, PATIENCE).output == 1
    with pytest.raises(InvalidValueError):
        managed(owner="one", lease_seconds=0)


def test_a_workflow_that_was_deleted_is_dropped(managed, store):
    """The answer of a task whose workflow is no longer stored goes nowhere, and nothing of it is kept."""
    gate = threading.Event()
    manager = managed({"work": lambda: gate.wait(PATIENCE)})
    workflow = manager.create_workflow(ONE, {})
    store.delete_workflow(workflow.id)
    gate.set()
    until(lambda: not manager._driver.is_live(workflow.id) and not manager._runner._runs)
    with pytest.raises(NotFoundError):
        wait(manager, workflow, PATIENCE)


class Unreliable:
    """A store whose saves fail now and then: half of the failures before the write, half after it."""

    def __init__(self, store: MemoryStore, every: int) -> None:
        self._store, self._every, self._calls, self._lock = store, every, 0, threading.Lock()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def save_workflow(self, workflow: Workflow, events: Sequence[HistoryEvent] = ()) -> Workflow:
        with self._lock:
            self._calls += 1
            number = self._calls
        if number > 1 and number % (2 * self._every) == 0:
            raise OSError("the store cannot be reached")
        saved = self._store.save_workflow(workflow, events)
        if number > 1 and number % (2 * self._every) == self._every:
            raise OSError("the answer of the store was lost")
        return saved


@pytest.mark.parametrize("every", [1, 2, 3, 5])
def test_a_store_that_fails_now_and_then_costs_time_only(managed, store, every, caplog):
    """Commits that raise are made again, whether they had been written or not, and no task is done twice."""
    done: list[Any] = []
    lock = threading.Lock()

    def work(input: Any) -> Any:
        with lock:
            done.append(input)
        return input

    chain = definition(
        {
            "A": task(next="Each"),
            "Each": {"Type": "Map", "ItemProcessor": {"StartAt": "Item", "States": {"Item": task()}}, "Next": "Rest"},
            "Rest": {"Type": "Wait", "Seconds": 1, "Next": "Z"},
            "Z": task(),
        }
    )
    manager = managed({"work": work}, store=Unreliable(store, every))
    workflow = run(manager, chain, [1, 2, 3, 4])

    assert workflow.status is WorkflowStatus.SUCCEEDED
    assert workflow.output == [1, 2, 3, 4]
    assert len(done) == 6
    ids = [event.id for event in store.read_history(workflow.id) if event.is_listed]
    assert ids == list(range(1, len(ids) + 1))
    assert "could not go on" in caplog.text


def test_what_raises_for_its_caller_is_done_all_the_same(managed, store):
    """A cancel that the store refuses raises, and takes effect once the store can be reached again."""
    gate = threading.Event()
    manager = managed({"work": lambda: gate.wait(PATIENCE)})
    workflow = manager.create_workflow(ONE, {})
    until(lambda: "ActivityStarted" in types_of(store, workflow))
    save = store.save_workflow
    store.save_workflow = refuse
    with pytest.raises(OSError, match="reached"):
        manager.cancel_workflow(workflow, reason="enough")
    store.save_workflow = save

    assert wait(manager, workflow, PATIENCE).status is WorkflowStatus.CANCELLED
    gate.set()


def refuse(*args: Any) -> Workflow:
    raise OSError("the store cannot be reached")


def test_one_that_cannot_be_taken_over_keeps_no_other_from_it(managed, store, caplog):
    """A workflow whose history cannot be read is told of in the log, and the others are recovered."""
    now = datetime.now(UTC)
    for name in ("broken", "sound"):
        store.save_workflow(Workflow(id=name, workflow_definition=ONE, created_at=now, last_updated=now))
    read = store.read_history
    store.read_history = lambda id, **settings: refuse() if id == "broken" else read(id, **settings)

    assert managed({"work": lambda: 1}).recover() == ("sound",)
    assert "broken could not be taken over" in caplog.text


# Two managers on one store


def test_a_workflow_that_is_cancelled_elsewhere_ends_here(managed, store):
    """A manager that looks sees what another one has done, and withdraws its own work."""
    seen = threading.Event()
    manager = managed({"work": lambda input, context: context.cancelled.wait(PATIENCE) and seen.set()})
    workflow = manager.create_workflow(ONE, {})
    until(lambda: "ActivityStarted" in types_of(store, workflow))
    managed().cancel_workflow(workflow, reason="from elsewhere")

    assert manager.update_workflow_summary(workflow).status is WorkflowStatus.CANCELLED
    assert seen.wait(PATIENCE)
    assert manager.wait_for_end(workflow.id, PATIENCE) is True


def test_a_late_answer_finds_that_another_was_first(managed, store):
    """The answer of a task whose workflow was ended elsewhere writes nothing, and whoever waits is told."""
    gate = threading.Event()
    manager = managed({"work": lambda: gate.wait(PATIENCE)})
    workflow = manager.create_workflow(ONE, {})
    managed().cancel_workflow(workflow, reason="from elsewhere")
    threading.Timer(0.05, gate.set).start()

    assert wait(manager, workflow, PATIENCE).status_reason == "from elsewhere"
    assert types_of(store, workflow)[-1] == "ExecutionAborted"


def test_a_callback_may_come_through_another_manager(managed, store):
    """Whoever hears the token first goes on with the workflow, and does what follows with its own tasks."""
    asked: list[str] = []
    ask = definition(
        {
            "Ask": task(
                "arn:aws:states:::lambda:invoke.waitForTaskToken", "Then", Parameters={"Token.$": "$$.Task.Token"}
            ),
            "Then": task(),
        }
    )
    first = managed(
        {"lambda:invoke.waitForTaskToken": lambda input: asked.append(input["Token"]), "work": lambda: "first"}
    )
    second = managed({"work": lambda: "second"})
    workflow = first.create_workflow(ask, {})
    until(lambda: "TaskSubmitted" in types_of(store, workflow))
    second.send_task_success(asked[0], {})

    assert wait(second, workflow, PATIENCE).output == "second"
    assert wait(first, workflow, PATIENCE).output == "second"


# Closing


def test_closing_waits_for_what_runs(store):
    """A closed manager has stored the answers of the tasks that were running, begins nothing more and refuses work."""
    begun = threading.Event()

    def slow(input: Any) -> str:
        begun.set()
        time.sleep(0.1)
        return "done"

    never: list[int] = []
    with LocalWorkflowManager(store, {"slow": slow, "work": lambda: never.append(1)}) as manager:
        workflow = manager.create_workflow(definition({"Slow": task("slow", "Next"), "Next": task()}), {})
        begun.wait(PATIENCE)
    assert "ActivitySucceeded" in types_of(store, workflow)
    assert store.get_workflow(workflow.id).status is WorkflowStatus.RUNNING
    assert not never
    for call in (
        lambda: manager.create_workflow(ONE, {}),
        lambda: manager.retry_workflow(workflow),
        lambda: manager.cancel_workflow(workflow, reason="late"),
        lambda: manager.recover(),
        lambda: wait(manager, workflow, 1),
    ):
        with pytest.raises(ManagerClosedError):
            call()


def test_closing_waits_for_coroutines(store):
    """Coroutines that are running end, and their answers are stored."""

    async def slow(input: Any) -> str:
        await asyncio.sleep(0.1)
        return "done"

    with LocalWorkflowManager(store, {"work": slow}) as manager:
        workflow = manager.create_workflow(ONE, {})
    assert store.get_workflow(workflow.id).output == "done"


def test_an_error_in_the_block_does_not_wait(store):
    """When the block raises, running tasks are told that they are cancelled."""
    seen = threading.Event()

    def work(input: Any, context: TaskContext) -> None:
        if context.cancelled.wait(PATIENCE):
            seen.set()

    def body() -> None:
        with LocalWorkflowManager(store, {"work": work}) as manager:
            workflow = manager.create_workflow(ONE, {})
            until(lambda: "ActivityStarted" in types_of(store, workflow))
            raise CustomError

    with pytest.raises(CustomError):
        body()
    assert seen.wait(PATIENCE)


def test_no_thread_before_the_first_task_and_none_after_the_end(store):
    """Threads are started when they are needed, and closing ends them."""
    before = set(threading.enumerate())
    manager = LocalWorkflowManager(store, {"work": lambda: 1, "later": asynchronous})
    only_passes = definition({"Pass": {"Type": "Pass", "End": True}})
    assert manager.create_workflow(only_passes, {}).status is WorkflowStatus.SUCCEEDED
    assert set(threading.enumerate()) <= before

    run(manager, definition({"A": task(next="B"), "B": task("later")}), 1)
    assert set(threading.enumerate()) - before
    manager.close()
    until(lambda: set(threading.enumerate()) <= before)
    manager.close()


# Listeners


def test_listeners_have_heard_everything_when_waiting_ends(managed, store):
    """Events are told in order, each once, before anybody who waits is woken."""
    heard: list[tuple[str, int, str]] = []
    manager = managed(
        {"work": lambda input: input},
        listeners=[lambda workflow, event: heard.append((workflow.id, event.id, str(event.type)))],
    )
    for _ in range(10):
        workflow = run(manager, mapped(), list(range(20)))
        mine = [(id, kind) for workflow_id, id, kind in heard if workflow_id == workflow.id]
        assert mine == [(event.id, str(event.type)) for event in store.read_history(workflow.id)]
        assert mine[-1][1] == HistoryEventType.EXECUTION_SUCCEEDED


# The rooms below


def test_timers_fire_in_order_once_and_not_when_cancelled():
    """A timer fires once its time has come; a cancelled or replaced one does not."""
    timers = Timers(lambda: datetime.now(UTC))
    fired: list[str] = []
    now = datetime.now(UTC)
    for name, delay in (("late", 0.06), ("early", 0.02), ("never", 0.04), ("replaced", 0.01)):
        timers.set(name, now + timedelta(seconds=delay), functools.partial(fired.append, name))
    timers.cancel("never")
    timers.set("replaced", now + timedelta(seconds=0.08), functools.partial(fired.append, "replacing"))
    timers.soon(functools.partial(fired.append, "soon"))
    until(lambda: "replacing" in fired)
    assert fired == ["soon", "early", "late", "replacing"]
    timers.close()


def test_an_action_that_raises_stops_no_other(caplog):
    """What an action raises is logged, and the next timer fires."""
    timers = Timers(lambda: datetime.now(UTC))
    fired = threading.Event()

    def broken() -> None:
        raise CustomError

    timers.soon(broken)
    timers.soon(fired.set)
    assert fired.wait(PATIENCE)
    assert "CustomError" in caplog.text
    timers.close()


def test_cancelled_timers_do_not_pile_up():
    """Timers that were set for a far day and cancelled are forgotten long before that day."""
    timers = Timers(lambda: datetime.now(UTC))
    due = datetime.now(UTC) + timedelta(days=30)
    for number in range(20_000):
        timers.set(number, due, lambda: None)
        timers.cancel(number)
    assert len(timers._heap) < 3_000
    timers.close()


def test_a_pool_uses_all_its_threads_and_no_more():
    """Items that block each run on a thread of their own, up to the limit."""
    gate, running = threading.Barrier(4), []

    def work(item: int) -> bool:
        gate.wait(PATIENCE)
        running.append(item)
        return True

    pool: WorkerPool[int] = WorkerPool(work, 4)
    for item in range(40):
        pool.submit(item)
    until(lambda: len(running) == 40)
    assert len(pool._threads) == 4
    pool.close()
    pool.submit(99)
    assert 99 not in running


def test_an_abandoned_thread_is_replaced():
    """A pool of one whose thread is stuck works on with another."""
    gate, done, stuck = threading.Event(), threading.Event(), []

    def work(item: str) -> bool:
        if item == "stuck":
            stuck.append(threading.current_thread())
            gate.wait(PATIENCE)
            return False
        done.set()
        return True

    pool: WorkerPool[str] = WorkerPool(work, 1)
    pool.submit("stuck")
    pool.submit("next")
    until(lambda: stuck)
    assert not done.is_set()
    pool.abandon(stuck[0])
    assert done.wait(PATIENCE)
    pool.close()
    gate.set()


def test_a_worker_that_is_about_to_be_free_does_what_it_submits_itself():
    """No thread is woken for an item that its own submitter can take at once, and none waits for one that cannot."""
    threads: dict[str, int] = {}
    gate, done = threading.Event(), threading.Event()

    def work(item: str) -> bool:
        threads[item] = threading.get_ident()
        if item == "first":
            pool.leaving()
            pool.submit("second")
        elif item == "second":
            pool.leaving()
            pool.submit("third")
            pool.staying()
            gate.wait(PATIENCE)
        elif item == "third":
            gate.set()
            done.set()
        return True

    pool: WorkerPool[str] = WorkerPool(work, 4)
    pool.submit("first")
    assert done.wait(PATIENCE)
    pool.close()
    assert threads["first"] == threads["second"] != threads["third"]


def test_short_tasks_leave_the_timers_alone(store, managed, monkeypatch):
    """That many tasks begin and end is no reason to wake the thread of the timers for each of them."""
    dues: list[datetime] = []
    set_timer = Timers.set

    def counted(self: Timers, key: Any, due: datetime, action: Callable[[], None]) -> None:
        dues.append(due)
        set_timer(self, key, due, action)

    monkeypatch.setattr(Timers, "set", counted)
    steps = {str(number): task(next=str(number + 1)) for number in range(300)}
    workflow = run(managed({"work": lambda input: input}), definition({**steps, "300": task()}), {})
    assert workflow.status is WorkflowStatus.SUCCEEDED
    assert all(later - earlier >= timedelta(milliseconds=25) for earlier, later in pairwise(dues))


def test_a_coroutine_may_be_cancelled_before_it_has_begun():
    """Cancelling right away still calls back, exactly once."""
    loop = EventLoopThread()
    ended: list[BaseException | None] = []

    async def forever() -> None:
        await asyncio.sleep(PATIENCE)

    for _ in range(50):
        loop.run(forever, lambda result, problem: ended.append(problem))()
    until(lambda: len(ended) == 50)
    assert {type(problem) for problem in ended} == {asyncio.CancelledError}
    loop.close()


def test_an_unknown_token_is_never_an_error(managed, store):
    """The runner shrugs at what it does not know, and starting twice starts once."""
    calls: list[int] = []
    gate = threading.Event()
    manager = managed({"work": lambda: calls.append(1) or gate.wait(PATIENCE)})
    workflow = manager.create_workflow(ONE, {})
    pending = next(iter(manager._driver._lives[workflow.id].execution.pending_tasks.values()))
    manager._runner.start(workflow, pending)
    manager._runner.withdraw(workflow, ["nobody"])
    manager._runner.stop(attrs.evolve(workflow, id="nobody"), ())
    assert manager._runner.poll(workflow, [pending]) == ()
    gate.set()
    wait(manager, workflow, PATIENCE)
    assert calls == [1]
    with pytest.raises(NotFoundError):
        manager.send_task_success("nobody.1.0", None)
