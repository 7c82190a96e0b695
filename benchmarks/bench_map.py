"""
An inline Map over N items with one Task each, which does next to nothing: time and memory per item, to the end.

    bench_map.py [memory|sqlite] [N]

10,000 items are more than the 256 KiB that AWS lets a state have, hence ``NO_LIMITS``.
"""

from __future__ import annotations

import sys

from harness import bump, each, measure, payloads
from stores import WHO, open_store

import workflow_manager as wm
from workflow_manager.engine import NO_LIMITS


def main(store_kind: str = "memory", n: int = 1000) -> None:
    machine = wm.StateMachine.from_dict(each({"Type": "Task", "Resource": "bump"}))
    items = payloads(n)
    with open_store(store_kind) as store:
        definition = store.save_workflow_definition(wm.WorkflowDefinition(name="map", state_machine=machine))
        with wm.LocalWorkflowManager(store, tasks={"bump": bump}, limits=NO_LIMITS) as manager:
            wm.wait(manager, manager.create_workflow(definition, {"items": items[:3]}), timeout=60)
            with measure(WHO[store_kind], f"map-{n}", n):
                workflow = manager.create_workflow(definition, {"items": items})
                assert manager.wait_for_end(workflow.id, 600)
            workflow = wm.wait(manager, workflow, timeout=600)
    assert [item["order"] for item in workflow.output] == list(range(1, n + 1)), workflow


if __name__ == "__main__":
    main(*sys.argv[1:2], *map(int, sys.argv[2:]))
