"""
64 items that each sleep 50 ms, 32 at a time, to the end: 100 ms would be ideal.   bench_fan_out.py
"""

from __future__ import annotations

import time

from harness import bump, each, measure, payloads
from stores import WHO

import workflow_manager as wm

ITEMS, AT_ONCE, SECONDS = 64, 32, 0.05


def slow(order):
    time.sleep(SECONDS)
    return bump(order)


def main() -> None:
    store = wm.MemoryStore()
    machine = wm.StateMachine.from_dict(each({"Type": "Task", "Resource": "slow"}, AT_ONCE))
    definition = store.save_workflow_definition(wm.WorkflowDefinition(name="fan-out", state_machine=machine))
    with wm.LocalWorkflowManager(store, tasks={"slow": slow}, max_workers=AT_ONCE) as manager:
        wm.wait(manager, manager.create_workflow(definition, {"items": payloads(ITEMS)}), timeout=60)
        with measure(WHO["memory"], "fan-out", ITEMS, ideal=ITEMS / AT_ONCE * SECONDS):
            workflow = manager.create_workflow(definition, {"items": payloads(ITEMS)})
            assert manager.wait_for_end(workflow.id, 60)
        workflow = wm.wait(manager, workflow, timeout=60)
    assert len(workflow.output) == ITEMS, workflow


if __name__ == "__main__":
    main()
