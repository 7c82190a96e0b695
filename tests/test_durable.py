"""
Workflows in a SQLite file outlive the processes that run them.

``python tests/test_durable.py --workflows 200 --kills 200`` is the long run of the kill test.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest

import durable_worker
from workflow_manager.asl import StateMachine
from workflow_manager.engine import Execution
from workflow_manager.history import HistoryEvent, HistoryEventType
from workflow_manager.managers import snapshots
from workflow_manager.managers.local import LocalWorkflowManager
from workflow_manager.managers.processes import Process, is_gone, new_owner
from workflow_manager.managers.standing import STATUS, machine_of
from workflow_manager.managers.wait import wait
from workflow_manager.models import Workflow, WorkflowDefinition, WorkflowQuery, WorkflowStatus
from workflow_manager.stores.memory import MemoryStore
from workflow_manager.stores.sqlite import SQLiteStore
from workflow_manager.testing.contracts import SharedContract

WORKER = Path(durable_worker.__file__)
PATIENCE = 30.0  # seconds; nothing here should take a tenth of it
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
KILLS, WORKFLOWS = 20, 30


def worker(path: Path, log: Path, count: int, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(WORKER), str(path), str(log), str(count), *more]
    return subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True)


# The kill test


def kill_again_and_again(path: Path, log: Path, workflows: int, kills: int, chance: random.Random) -> list[float]:
    """
    Start the worker, kill it at a random moment, *kills* times; then let one end all.

    Each is asked for a few more workflows than the one before.  Returns how long each lived, in seconds.
    """
    lives = []
    for kill in range(kills):
        begun = time.monotonic()
        process = worker(path, log, workflows * (kill + 1) // kills)
        assert process.stdout is not None
        if chance.random() < 0.8:  # else it may not even have opened the file
            assert process.stdout.readline() == "ready\n"
        time.sleep(chance.uniform(0, 0.6))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        lives.append(time.monotonic() - begun)
    last = worker(path, log, workflows)
    output, _ = last.communicate(timeout=300)
    assert (last.returncode, output) == (0, "ready\ndone\n")
    return lives


def undisturbed(workflows: int) -> dict[str, Workflow]:
    """The same workflows as one process runs them that nobody kills, by idempotency key."""
    with LocalWorkflowManager(MemoryStore(), durable_worker.tasks(lambda token: None)) as manager:
        begun = [manager.create_workflow(durable_worker.definition(number), number) for number in range(workflows)]
        return {str(number): wait(manager, workflow, PATIENCE) for number, workflow in enumerate(begun)}


def history(store: SQLiteStore, workflow: Workflow) -> list[HistoryEvent]:
    return list(store.read_history(workflow.id, limit=10_000))


def check_history(workflow: Workflow, events: list[HistoryEvent]) -> None:
    """No event is missing or doubled, and together they say what is stored."""
    listed = [event.id for event in events if event.is_listed]
    assert listed == list(range(1, len(listed) + 1))
    execution = Execution.replay(machine_of(workflow), events, name=workflow.id)
    assert STATUS[execution.status] is workflow.status
    assert execution.outcome.output == workflow.output


def answers(workflow: Workflow, events: list[HistoryEvent]) -> dict[str, datetime]:
    """When the answer of each task was recorded, by token."""
    machine, ended = machine_of(workflow), {}
    for count, event in enumerate(events):
        if event.type in (HistoryEventType.ACTIVITY_SUCCEEDED, HistoryEventType.ACTIVITY_FAILED):
            before, after = (
                set(Execution.replay(machine, events[:n], name=workflow.id).pending_tasks) for n in (count, count + 1)
            )
            (token,) = before - after
            ended[token] = event.timestamp
    return ended


def check(path: Path, log: Path, workflows: int) -> dict[str, int]:
    """Hold what is stored, and what the tasks have told, against what must be true; returns some figures."""
    wanted = undisturbed(workflows)
    runs = [json.loads(line) for line in log.read_text().splitlines()]
    figures = {"tasks": 0, "runs": len(runs), "lost": 0, "events": 0, "processes": len({run[2] for run in runs})}
    ended: dict[str, datetime] = {}
    with SQLiteStore(path) as store:
        stored = list(store.list_workflows(WorkflowQuery(limit=10_000)))
        assert {workflow.idempotency_key for workflow in stored} == set(wanted)
        assert len(stored) == workflows
        for workflow in stored:
            events, end = history(store, workflow), wanted[workflow.idempotency_key]
            assert (workflow.status, workflow.output, workflow.error, workflow.cause) == (
                *(end.status, end.output, end.error, end.cause),
            )
            check_history(workflow, events)
            ended |= answers(workflow, events)
            figures["events"] += len(events)
            figures["lost"] += sum((event.details or {}).get("error") == "Local.WorkerLost" for event in events)
    figures["tasks"] = len(ended)
    late = [token for token, at, _ in runs if token in ended and at > ended[token].timestamp()]
    assert late == [], "tasks that ran again after their answer had been recorded"
    return figures


def kill_test(folder: Path, workflows: int, kills: int, seed: int) -> dict[str, Any]:
    path, log = folder / "flows.db", folder / "tasks.log"
    lives = kill_again_and_again(path, log, workflows, kills, random.Random(seed))
    return {"kills": len(lives), "seconds": round(sum(lives), 1), **check(path, log, workflows)}


def test_workflows_end_however_often_their_process_is_killed(tmp_path: Path):
    """Whenever the process is killed, every workflow ends as an undisturbed run, and nothing recorded is done again."""
    figures = kill_test(tmp_path, WORKFLOWS, KILLS, seed=1)
    assert figures["kills"] == KILLS
    assert figures["processes"] > KILLS // 2  # tasks ran in most of them, so they were killed at work


# Several processes


def test_processes_share_a_file_and_split_the_work(tmp_path: Path):
    """Three processes over 200 workflows: each workflow is advanced by one at a time, and all end."""
    path, log = tmp_path / "flows.db", tmp_path / "tasks.log"
    count = 200  # one process alone needs a third of a second to take them all, time enough for the others to come
    now = datetime.now(UTC)
    with SQLiteStore(path) as store:
        for number in range(count):
            what = attrs.evolve(durable_worker.definition(number), manager="local")
            times = {"created_at": now, "last_updated": now}
            store.save_workflow(
                Workflow(id=f"w{number}", workflow_definition=what, idempotency_key=str(number), input=number, **times)
            )
    gate = tmp_path / "gate"
    processes = [worker(path, log, 0, "NORMAL", str(gate)) for _ in range(3)]
    until(lambda: len(list(tmp_path.glob("gate.*"))) == len(processes))
    gate.touch()
    assert [process.communicate(timeout=120)[0] for process in processes] == ["ready\ndone\n"] * 3
    figures = check(path, log, count)
    assert figures["lost"] == 0
    assert figures["runs"] == figures["tasks"]  # none ran twice
    at_work: dict[str, set[int]] = {}
    for token, _, pid in map(json.loads, log.read_text().splitlines()):
        at_work.setdefault(token.split(".")[0], set()).add(pid)
    assert len(at_work) == count
    assert {len(pids) for pids in at_work.values()} == {1}
    assert len(set.union(*at_work.values())) > 1


# Taking over


def definition(**states: Any) -> WorkflowDefinition:
    machine = StateMachine.from_dict({"StartAt": next(iter(states)), "States": states})
    return WorkflowDefinition(name="durable", state_machine=machine)


def one(**fields: Any) -> WorkflowDefinition:
    return definition(Only={"Type": "Task", "Resource": "work", "End": True, **fields})


def until(done: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.005)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "flows.db"


@pytest.fixture
def managed(path: Path) -> Iterator[Callable[..., LocalWorkflowManager]]:
    """Makes managers over the file, each with a store of its own, and closes them in the end."""
    made: list[LocalWorkflowManager] = []

    def make(tasks: Any = None, **settings: Any) -> LocalWorkflowManager:
        made.append(LocalWorkflowManager(settings.pop("store", None) or SQLiteStore(path), tasks, **settings))
        return made[-1]

    yield make
    for manager in made:
        manager.close(wait=False)
        manager.store.close()  # type: ignore[attr-defined]


def dead_owner() -> str:
    """The owner that a process would have had which has ended."""
    process = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    return "/".join([Process.here().host, process.stdout.decode().strip(), "1", "abcd"])


def queued(store: SQLiteStore, what: WorkflowDefinition, id: str = "w") -> Workflow:
    """A workflow that is stored and that nobody has begun."""
    now = datetime.now(UTC)
    what = attrs.evolve(what, manager="local")
    return store.save_workflow(Workflow(id=id, workflow_definition=what, created_at=now, last_updated=now))


def test_a_manager_takes_over_at_once_what_a_dead_process_held(path, managed):
    """The lease of a process of this host that is gone hinders nobody, however long it lasts."""
    with SQLiteStore(path) as store:
        workflow = queued(store, one())
        store.acquire("w", dead_owner(), 3600)
    manager = managed({"work": lambda: "done"})
    assert wait(manager, workflow, PATIENCE).output == "done"


def test_the_lease_of_a_living_process_or_another_host_is_respected(path, managed):
    """Only a process that can be seen to be gone loses its leases before they expire."""
    with SQLiteStore(path) as store:
        for number, owner in enumerate((new_owner(), "elsewhere/boot/pid:[1]/1/1/abcd", "a name of somebody's own")):
            queued(store, one(), f"w{number}")
            store.acquire(f"w{number}", owner, 3600)
    assert managed({"work": lambda: "done"}).recover() == ()


def test_a_lease_that_has_expired_is_taken_over(path, managed):
    """Whoever held it, a lease that was not renewed in time is free for all."""
    with SQLiteStore(path) as store:
        workflow = queued(store, one())
        store.acquire("w", "elsewhere/boot/pid:[1]/1/1/abcd", 0.05)
    manager = managed({"work": lambda: "done"}, recover_on_start=False)
    time.sleep(0.1)
    assert manager.recover() == (workflow.id,)
    assert wait(manager, workflow, PATIENCE).output == "done"


def test_taking_over_on_start_can_be_left_out(path, managed):
    """With recover_on_start=False a manager begins nothing that it was not asked for."""
    with SQLiteStore(path) as store:
        queued(store, one())
    manager = managed({"work": lambda: "done"}, recover_on_start=False)
    assert manager.store.get_workflow("w").status is WorkflowStatus.QUEUED
    assert manager.recover() == ("w",)


def test_a_workflow_with_tasks_of_somebody_else_is_left_alone(path, managed):
    """A manager that lacks one of a workflow's tasks does not take it over, and so cannot make it fail."""
    with SQLiteStore(path) as store:
        workflow = queued(store, one())
    assert managed({"other": lambda: 1}).recover() == ()
    assert managed().recover() == ()
    assert wait(managed({"work": lambda: "done"}), workflow, PATIENCE).output == "done"


def test_a_second_manager_leaves_the_firsts_workflows_alone(managed):
    """Two managers over one file need no names to keep out of each other's way; closing gives the work away."""
    gate, calls = threading.Event(), []
    retry = [{"ErrorEquals": ["Local.WorkerLost"], "IntervalSeconds": 1}]
    first = managed({"work": lambda: calls.append("first") or gate.wait(PATIENCE)})
    workflow = first.create_workflow(one(Retry=retry), {})
    until(lambda: "ActivityStarted" in [event.type for event in first.store.read_history(workflow.id)])
    second = managed({"work": lambda: calls.append("second") or "second"})
    assert second.recover() == ()
    first.close(wait=False)
    assert second.recover() == (workflow.id,)
    assert wait(second, workflow, PATIENCE).output == "second"
    assert calls == ["first", "second"]
    gate.set()


def test_an_answer_that_comes_after_a_takeover_is_no_news(managed, caplog):
    """A process that was thought dead and is not hears of it, lets go, and changes nothing."""
    gate, cancelled = threading.Event(), threading.Event()

    def work(input: Any, context: Any) -> str:
        gate.wait(PATIENCE)
        if context.cancelled.wait(PATIENCE):
            cancelled.set()
        return "late"

    slept = [timedelta()]  # the first process's clock stands still while it is thought dead
    first = managed({"work": work}, lease_seconds=0.4)
    first._timers._clock = lambda: datetime.now(UTC) - slept[0]
    workflow = first.create_workflow(one(Retry=[{"ErrorEquals": ["Local.WorkerLost"], "IntervalSeconds": 1}]), {})
    until(lambda: "ActivityStarted" in [event.type for event in first.store.read_history(workflow.id)])
    slept[0] = timedelta(seconds=1)
    second = managed({"work": lambda: "second"}, recover_on_start=False)
    until(lambda: second.recover() == (workflow.id,))
    slept[0] = timedelta()
    gate.set()
    assert cancelled.wait(PATIENCE)
    assert wait(second, workflow, PATIENCE).output == "second"
    assert not first._driver.is_live(workflow.id)
    assert wait(first, workflow, PATIENCE).output == "second"


def test_who_meets_a_conflict_after_losing_the_lease_begins_nothing(managed):
    """Of what the new owner has written, the old one, whose save was refused, carries out none."""
    gate, calls = threading.Event(), []
    states = definition(
        First={"Type": "Task", "Resource": "first", "Next": "Second", "Retry": [durable_worker.LOST]},
        Second={"Type": "Task", "Resource": "second", "End": True},
    )
    first = managed({"first": lambda: gate.wait(PATIENCE), "second": lambda: calls.append("first")})
    workflow = first.create_workflow(states, {})
    until(lambda: "ActivityStarted" in [event.type for event in first.store.read_history(workflow.id)])
    owner = first.store.lease_owner(workflow.id)
    second = managed({"first": lambda: 1, "second": lambda: calls.append("second") or "second"}, recover_on_start=False)
    second.store.acquire_from(workflow.id, owner, second._leases._owner, 3600)
    assert second.recover() == (workflow.id,)
    gate.set()
    assert wait(second, workflow, PATIENCE).output == "second"
    until(lambda: not first._driver.is_live(workflow.id))
    assert calls == ["second"]


def test_leases_cost_no_commit(path):
    """A workflow is leased in the transaction of its first save, and a lease is not given back when it has ended."""
    commits = []

    class Counting(SQLiteStore):
        def acquire(self, *arguments: Any) -> Any:
            commits.append("acquire")
            return super().acquire(*arguments)

        def release(self, *arguments: Any) -> None:
            commits.append("release")
            super().release(*arguments)

    with Counting(path) as store, LocalWorkflowManager(store, {"work": lambda: 1}) as manager:
        workflow = manager.create_workflow(one(), {})
        assert store.lease_owner(workflow.id) is not None
        wait(manager, workflow, PATIENCE)
    assert commits == []


# The store's part, and names of processes


class TestSQLiteStoreIsShared(SharedContract):
    """SQLiteStore keeps the law of stores that lease as they save."""

    @pytest.fixture
    def store(self, path: Path) -> Iterator[SQLiteStore]:
        with SQLiteStore(path) as store:
            yield store

    def another(self, store: SQLiteStore) -> SQLiteStore:
        return SQLiteStore(store.path)


def test_a_process_is_gone_when_it_has_ended():
    """Its own process lives, one that has ended is gone, also unburied or when its pid is another's now."""
    here = Process.here()
    assert not here.is_gone
    assert not is_gone(new_owner())
    assert is_gone(dead_owner())
    assert not attrs.evolve(here, host="elsewhere", pid=2**22 + 1).is_gone
    assert not is_gone("a name of somebody's own")
    if here.started:  # Linux
        assert attrs.evolve(here, started="1").is_gone
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        stat = Path(f"/proc/{child.pid}/stat")
        process = Process(host=here.host, pid=child.pid, started=stat.read_text().rpartition(")")[2].split()[19])
        assert not process.is_gone
        child.kill()
        until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "Z")
        assert process.is_gone
        child.wait()
        assert process.is_gone


# Snapshots


def long_chain(length: int) -> WorkflowDefinition:
    """A chain of tasks, each of which writes five events or so, behind a Map over some items."""
    states: dict[str, Any] = {
        "Each": {"Type": "Map", "ItemProcessor": durable_worker.chain("work"), "Next": "Step0"},
        **{f"Step{n}": {"Type": "Task", "Resource": "work", "Next": f"Step{n + 1}"} for n in range(length)},
        f"Step{length}": {"Type": "Task", "Resource": "hold", "End": True},
    }
    return definition(**states)


@pytest.fixture
def held(path, managed, monkeypatch) -> Iterator[Workflow]:
    """A workflow of some hundred events, stored with snapshots, whose process is gone before its last task began."""
    monkeypatch.setattr(snapshots, "EVERY", 50)
    monkeypatch.setattr(snapshots.Snapshots.__init__, "__defaults__", (50,))
    gate = threading.Event()
    manager = managed({"work": lambda: 1, "hold": lambda: gate.wait(PATIENCE)})
    workflow = manager.create_workflow(long_chain(60), [1, 2, 3])
    until(lambda: manager.store.read_history(workflow.id, limit=1000).items[-1].type == "ActivityStarted")
    time.sleep(0.1)
    until(lambda: manager.store.read_history(workflow.id, limit=1000).items[-1].type == "ActivityStarted")
    manager.close(wait=False)
    yield workflow
    gate.set()


def read_from(store: SQLiteStore) -> list[int]:
    """After how many events each reading of a history begins from now on."""
    places: list[int] = []
    read = store.read_history

    def watched(workflow_id: str, *, after: int = 0, **rest: Any) -> Any:
        places.append(after)
        return read(workflow_id, after=after, **rest)

    store.read_history = watched  # type: ignore[method-assign]
    return places


def test_a_workflow_is_loaded_from_its_snapshot(held, path, managed):
    """Whoever takes over a long workflow reads its latest snapshot and the events after it, and goes on the same."""
    store = SQLiteStore(path)
    events, kept = history(store, held), store.load_snapshot(held.id)
    assert kept is not None
    assert len(events) - 100 < kept.position <= len(events)
    machine = machine_of(held)
    replayed = Execution.replay(machine, events, name=held.id)
    restored = Execution.restore(machine, kept.value, events[kept.position :], name=held.id)
    assert restored.snapshot() == replayed.snapshot()

    places = read_from(store)
    manager = managed({"work": lambda: 1, "hold": lambda: "held"}, store=store)
    assert places == [kept.position]
    lost = wait(manager, held, PATIENCE)
    assert lost.error == "Local.WorkerLost"
    check_history(store.get_workflow(held.id), history(store, held))


@pytest.mark.parametrize("damage", ["version", "position", "text", "shape", "machine"])
def test_a_snapshot_that_cannot_be_used_is_thrown_away(held, path, managed, damage):
    """A snapshot that is damaged or another version's is as good as none: the history is read whole."""
    store = SQLiteStore(path)
    kept = store.load_snapshot(held.id)
    assert kept is not None
    value: Any = dict(kept.value)
    position = kept.position
    match damage:
        case "version":
            value["version"] = 0
        case "position":
            position += 1
        case "shape":
            value = ["no", "snapshot"]
        case "machine":
            value["branches"] = [{**branch, "state": "Nowhere"} for branch in value["branches"]]
    store.save_snapshot(held.id, store.get_workflow(held.id).revision, position, value)
    if damage == "text":
        with store._file.write() as connection:
            connection.execute("UPDATE snapshots SET value = substr(value, 1, 100)")
    places = read_from(store)
    manager = managed({"work": lambda: 1, "hold": lambda: "held"}, store=store)
    assert 0 in places
    assert wait(manager, held, PATIENCE).error == "Local.WorkerLost"


def test_a_snapshot_that_cannot_be_kept_stops_nothing(path, managed, monkeypatch):
    """A store that refuses a snapshot is told of in the log, and the workflow goes on."""
    monkeypatch.setattr(snapshots.Snapshots.__init__, "__defaults__", (5,))
    store = SQLiteStore(path)
    monkeypatch.setattr(store, "save_snapshot", lambda *arguments: 1 / 0)
    manager = managed({"work": lambda: 1, "hold": lambda: 2}, store=store)
    assert wait(manager, manager.create_workflow(long_chain(5), [1]), PATIENCE).output == 2


def main() -> None:
    parser = argparse.ArgumentParser(description="The long run of the kill test.")
    parser.add_argument("--workflows", type=int, default=200)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(kill_test(Path(folder), arguments.workflows, arguments.kills, arguments.seed)))


if __name__ == "__main__":
    main()
