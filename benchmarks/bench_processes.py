"""
Many processes that tend to one SQLite file.   bench_processes.py [PROCESSES] [WORKFLOWS]

WORKFLOWS of three remote tasks each are started; then PROCESSES call ``WorkflowService.update_pending`` over and over,
until nothing is left to do.  Every look at a workflow leaves a mark that a second look at the same time would trip
over.  The bench fails unless no two processes ever looked at one workflow at once, every workflow has succeeded, and
every task has been told once.  The rate is workflows per second, from the start of the processes to the last end.
"""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from harness import PAYLOAD, measure

import workflow_manager as wm
from workflow_manager.engine.reports import TaskSubmitted, TaskSucceeded
from workflow_manager.managers.base import EngineWorkflowManager

NAMES = ("A", "B", "C")
STATES = {
    name: {"Type": "Task", "Resource": "far", **({"Next": after} if after else {"End": True})}
    for name, after in zip(NAMES, (*NAMES[1:], ""), strict=True)
}


class Far:
    """A runner whose tasks have gone well when they are asked about; who asks leaves a mark in *folder* meanwhile."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def start(self, workflow, task):
        return TaskSubmitted(task.token, datetime.now(UTC), {"id": task.token})

    def poll(self, workflow, tasks):
        mark = self.folder / f"{workflow.id}.busy"
        try:
            mark.touch(exist_ok=False)
        except FileExistsError:
            (self.folder / f"{workflow.id}.clash").touch()
            raise
        time.sleep(0.001)  # what a call to elsewhere takes at least
        mark.unlink()
        return [TaskSucceeded(task.token, datetime.now(UTC), {"done": task.state}) for task in tasks]

    def stop(self, workflow, keep):
        return None


def service_over(folder: Path) -> wm.WorkflowService:
    """What each process has: its own store and manager over the one file."""
    store = wm.SQLiteStore(folder / "processes.db")
    return wm.WorkflowService(store, EngineWorkflowManager(store, Far(folder), name="far"))


def tend(folder: str) -> None:
    """What each process does; it ends with an error if a workflow could not be looked at."""
    service = service_over(Path(folder))
    while service.store.list_pending(1) or service.update_pending(1).workflows:
        update = service.update_pending(8)
        if update.failed:
            raise SystemExit(f"{update.failed}")
        if not update.workflows:
            time.sleep(0.01)


def faults(folder: Path, service: wm.WorkflowService, workflows: int) -> list[str]:
    """What is not as it must be in the end."""
    found = [f"{mark.stem} was looked at by two at once" for mark in folder.glob("*.clash")]
    ended = list(service.iterate_workflows())
    if len(ended) != workflows:
        found.append(f"there are {len(ended)} workflows, not {workflows}")
    for workflow in ended:
        types = Counter(event.type for event in service.read_history(workflow.id))
        done = [types[kind] for kind in ("ActivityScheduled", "ActivitySucceeded", "ExecutionSucceeded")]
        if workflow.status is not wm.WorkflowStatus.SUCCEEDED or done != [len(NAMES), len(NAMES), 1]:
            found.append(f"{workflow}: {done}")
    return found


def main(processes: int, workflows: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        service = service_over(folder)
        machine = wm.StateMachine.from_dict({"StartAt": NAMES[0], "States": STATES})
        service.create_workflow_definition(wm.WorkflowDefinition(name="chain", state_machine=machine, manager="far"))
        for _ in range(workflows):
            service.start_workflow("chain", PAYLOAD)
        spawn = multiprocessing.get_context("spawn")
        pollers = [spawn.Process(target=tend, args=(name,)) for _ in range(processes)]
        with measure("workflow_manager", f"update_pending, {processes} processes", workflows) as line:
            for poller in pollers:
                poller.start()
            for poller in pollers:
                poller.join()
            line["processes"] = processes
        wrong = [f"a process ended with {poller.exitcode}" for poller in pollers if poller.exitcode]
        wrong += faults(folder, service, workflows)
        if wrong:
            raise SystemExit("\n".join(wrong))


if __name__ == "__main__":
    given = sys.argv[1:]
    main(int(given[0]) if given else 32, int(given[1]) if given[1:] else 500)
