"""
Runs ``hello_workflow.asl.json`` over a folder of text files, in this process.

    python examples/hello_workflow.py [DEFINITION] [FOLDER]

It prints the definition as a graph, every job as it finishes, and the workflow's output.  One file is busy when it is
first opened, so the definition's Retry is needed; one is no text, so its Catch is.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import workflow_manager as wm
from workflow_manager.display import graph_text

HERE = Path(__file__).resolve().parent


def list_files(input: Mapping[str, Any]) -> dict[str, Any]:
    """``{"folder": path}`` in, ``{"files": [{"path", "name"}, …]}`` out."""
    files = sorted(Path(input["folder"]).glob("*.txt"))
    return {"files": [{"path": str(file), "name": file.name} for file in files]}


class Shelf:
    """A place to read files from where the first reader of all is sent away once."""

    def __init__(self) -> None:
        self._busy_with: str | None = None

    def read_file(self, input: Mapping[str, Any]) -> dict[str, Any]:
        """``{"path", "name"}`` in, what there is to say about that file out."""
        if self._busy_with is None:
            self._busy_with = input["path"]
            raise wm.TaskError("Shelf.Busy", f"somebody else has {input['name']}; try again")
        lines = Path(input["path"]).read_text(encoding="utf-8").splitlines()
        longest = max(lines, key=len, default="")
        return {
            "name": input["name"],
            "lines": len(lines),
            "words": sum(len(line.split()) for line in lines),
            "longest": longest,
        }


def find_longest(files: list[dict[str, Any]]) -> dict[str, Any]:
    """The longest line of all readable files, and where it stands."""
    best = max(files, key=lambda file: len(file.get("longest", "")))
    return {"file": best["name"], "line": best.get("longest", "")}


class JobPrinter:
    """Prints a line for every task that ends; the manager calls it with each new event of the history."""

    def __init__(self) -> None:
        self._states: dict[int, str] = {}

    def __call__(self, workflow: wm.Workflow, event: wm.HistoryEvent) -> None:
        """Follow the events of one workflow: what has no state's name of its own belongs to the event before it."""
        if not event.is_listed:
            return
        details = event.details or {}
        state = str(details.get("name", self._states.get(event.previous_event_id, "")))
        self._states[event.id] = state
        if event.type is wm.HistoryEventType.ACTIVITY_SUCCEEDED:
            print(f"  {state:<14} succeeded")
        elif event.type is wm.HistoryEventType.ACTIVITY_FAILED:
            print(f"  {state:<14} failed     {details['error']}")


def main(definition_file: Path, folder: Path) -> int:
    """Run the workflow; 0 if it succeeded."""
    machine = wm.StateMachine.from_json(definition_file.read_text(encoding="utf-8"))
    print(graph_text(machine))

    store = wm.MemoryStore()
    definition = store.save_workflow_definition(wm.WorkflowDefinition(name="hello", state_machine=machine))
    tasks: dict[str, Callable[..., object]] = {
        "list-files": list_files,
        "read-file": Shelf().read_file,
        "find-longest": find_longest,
    }
    with wm.LocalWorkflowManager(store, tasks=tasks, listeners=[JobPrinter()]) as manager:
        print(f"\nWorkflow {definition.name} on {folder}")
        workflow = manager.create_workflow(definition, {"folder": str(folder)})
        workflow = wm.wait(manager, workflow, timeout=60)

    failed = sum(job.status is wm.JobStatus.FAILED for job in workflow.jobs)
    print(f"\n{workflow.status}: {len(workflow.jobs)} jobs, {failed} of them failed")
    if workflow.status is not wm.WorkflowStatus.SUCCEEDED:
        print(workflow.status_reason)
        return 1
    print(json.dumps(workflow.output, indent=2, ensure_ascii=False))
    return 0


if __name__ == "__main__":
    given = [Path(argument) for argument in sys.argv[1:]]
    defaults = [HERE / "hello_workflow.asl.json", HERE / "data"]
    sys.exit(main(*given, *defaults[len(given) :]))
