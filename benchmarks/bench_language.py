"""
The language by itself: look-ups and templates beside hand-written Python, and a Map that shapes every item by JSONata.

    bench_language.py path|template|parse|map-jsonata [N]

``path`` and ``template`` tell how many times the hand-written Python ours costs; ``parse`` reads, validates and
compiles a definition of N states; ``map-jsonata`` runs a Map over N items with a JSONata ItemSelector and one Pass
each.
"""

from __future__ import annotations

import sys
import timeit
from collections.abc import Callable

from harness import chain, measure, payloads

from workflow_manager.asl import StateMachine, validate
from workflow_manager.asl.paths import compile_path
from workflow_manager.asl.program import compile_machine
from workflow_manager.asl.scope import Scope
from workflow_manager.asl.templates import compile_template
from workflow_manager.engine import NO_LIMITS
from workflow_manager.testing import simulate

VALUE = {"a": {"b": {"c": 1}, "d": "x"}, "n": 5, "name": "z"}
TEMPLATE = {"x.$": "$.n", "y.$": "$.a.d", "z": {"k.$": "$.name", "c": 1}, "w": [1, 2]}


def by_hand(scope: Scope) -> object:
    value = scope.input
    return {"x": value["n"], "y": value["a"]["d"], "z": {"k": value["name"], "c": 1}, "w": [1, 2]}


def times(ours: Callable[[Scope], object], hand: Callable[[Scope], object]) -> float:
    scope = Scope(VALUE)
    assert ours(scope) == hand(scope)
    spent = [min(timeit.repeat(lambda each=each: each(scope), number=100_000, repeat=5)) for each in (ours, hand)]
    return spent[0] / spent[1]


def main(workload: str, n: int = 1000) -> None:
    if workload == "path":
        with measure("workflow-manager", workload, 100_000) as line:
            line["times_by_hand"] = times(compile_path("$.a.b.c").get, lambda scope: scope.input["a"]["b"]["c"])
    elif workload == "template":
        with measure("workflow-manager", workload, 100_000) as line:
            line["times_by_hand"] = times(compile_template(TEMPLATE), by_hand)
    elif workload == "parse":
        text = StateMachine.from_dict(chain(n, {"Type": "Pass", "Parameters": TEMPLATE})).to_json()
        with measure("workflow-manager", workload, n):
            machine = StateMachine.from_json(text)
            assert not [problem for problem in validate(machine) if problem.severity == "ERROR"]
            assert all(state.data for state in compile_machine(machine).states.values())
    else:
        processor = {"StartAt": "One", "States": {"One": {"Type": "Pass", "End": True}}}
        selector = {"order": "{% $states.context.Map.Item.Value.order + 1 %}"}
        items = "{% $states.input.items %}"
        each = {"Type": "Map", "Items": items, "ItemSelector": selector, "ItemProcessor": processor}
        definition = {"QueryLanguage": "JSONata", "StartAt": "Each", "States": {"Each": {**each, "End": True}}}
        simulate(definition, {"items": payloads(3)})
        with measure("workflow-manager", workload, n):
            run = simulate(definition, {"items": payloads(n)}, limits=NO_LIMITS)
        assert run.output[-1] == {"order": n}


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
