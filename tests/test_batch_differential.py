"""The differential law: in a simulation, by graph and step by step a definition ends the same."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

pytest.importorskip("boto3")
import jsonata as _jsonata_library  # noqa: F401  # it raises the recursion limit; better now than in an example
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batch_world import World, boom, task
from workflow_manager import StateMachine
from workflow_manager.managers.batch import Submission
from workflow_manager.managers.batch.check import plan
from workflow_manager.testing import simulate

LAW = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


def brew(value: Any) -> Any:
    """A small object that depends on all of the input."""
    number = hashlib.sha256(json.dumps(value, sort_keys=True).encode()).digest()[0]
    return {"n": number % 4, "items": [{"n": index, "items": []} for index in range(number % 4)], "ä": "€"}


def weigh(value: Any) -> Any:
    """Another one."""
    return brew(["weigh", value])


TASKS = {"brew": brew, "weigh": weigh, "boom": boom}


class Names:
    """Names for states, each given once."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> str:
        self.count += 1
        return f"S{self.count}"


@st.composite
def graphs(draw: st.DrawFn, names: Names | None = None, depth: int = 2) -> dict[str, Any]:
    """Machines that can be submitted whole."""
    names = names or Names()
    kinds = ["task", "task", "pass", *["parallel"] * (depth > 0)]
    rows: list[tuple[str, dict[str, Any]]] = []
    for kind in draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=3)):
        state: dict[str, Any] = {"Type": "Pass"}
        if kind == "task":
            state = {"Type": "Task", "Resource": draw(st.sampled_from(("brew", "weigh")))}
        elif kind == "parallel":
            branches = [draw(graphs(names, depth - 1)) for _ in range(draw(st.integers(1, 3)))]
            state = {"Type": "Parallel", "Branches": branches}
        rows.append((names(), state))
    if depth == 2:  # at least one Task, and now and then one that fails
        rows.append((names(), {"Type": "Task", "Resource": draw(st.sampled_from(("brew", "weigh", "boom")))}))
        if draw(st.booleans()):
            rows.append((names(), {"Type": "Succeed"}))
    return in_a_row(rows)


def in_a_row(rows: list[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    """These states, each leading to the next one."""
    states = {}
    for index, (name, state) in enumerate(rows):
        way: dict[str, Any] = {"Next": rows[index + 1][0]} if index + 1 < len(rows) else {"End": True}
        states[name] = state if state["Type"] in {"Succeed", "Fail", "Choice"} else {**state, **way}
    return {"StartAt": rows[0][0], "States": states}


@st.composite
def machines(draw: st.DrawFn, names: Names | None = None, depth: int = 2) -> dict[str, Any]:
    """Machines with everything: Choice, Wait, Map, Catch, Retry, data on its way."""
    names = names or Names()
    kinds = ["task", "caught", "retried", "pass", "wait", "choice", "jsonata"] + ["parallel", "map", "map"] * (
        depth > 0
    )
    rows: list[tuple[str, dict[str, Any]]] = []
    for kind in draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=4)):
        rows.extend(draw(parts(kind, names, depth)))
    rows.append((names(), {"Type": "Task", "Resource": "weigh"}))
    return in_a_row(rows)


@st.composite
def parts(draw: st.DrawFn, kind: str, names: Names, depth: int) -> list[tuple[str, dict[str, Any]]]:
    """One state, or a few that belong together."""
    name = names()
    resource = draw(st.sampled_from(("brew", "weigh")))
    if kind == "task":
        return [(name, {"Type": "Task", "Resource": resource, **draw(st.sampled_from(DATA))})]
    if kind == "retried":
        retry = [{"ErrorEquals": ["Boom"], "MaxAttempts": 2, "IntervalSeconds": 1}]
        return caught(name, names(), retry)
    if kind == "caught":
        return caught(name, names(), [])
    if kind == "wait":
        return [(name, {"Type": "Wait", "Seconds": 3})]
    if kind == "choice":
        after = names()
        rule = {"Variable": "$.n", "NumericGreaterThan": 1, "Next": after}
        return [(name, {"Type": "Choice", "Choices": [rule], "Default": after}), (after, {"Type": "Pass"})]
    if kind == "jsonata":
        output = {"n": "{% $states.input.n + 1 %}", "items": "{% $states.input.items %}"}
        return [(name, {"Type": "Pass", "QueryLanguage": "JSONata", "Output": output})]
    if kind == "parallel":
        branches = [draw(machines(names, depth - 1)) for _ in range(draw(st.integers(1, 2)))]
        return [(name, {"Type": "Parallel", "Branches": branches}), (names(), {"Type": "Task", "Resource": "brew"})]
    if kind == "map":
        processor = draw(st.one_of(machines(names, depth - 1), single(names)))
        state = {"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": processor, **draw(st.sampled_from(SPEED))}
        return [(name, state), (names(), {"Type": "Task", "Resource": "brew"})]
    return [(name, {"Type": "Pass", "Parameters": {"n.$": "$.n", "items.$": "$.items", "more": [1]}})]


DATA: tuple[dict[str, Any], ...] = (
    {},
    {"Parameters": {"n.$": "$.n", "who.$": "$$.State.Name"}},
    {"ResultPath": "$.more"},
    {"ResultSelector": {"n.$": "$.n", "items.$": "$.items"}},
)
SPEED: tuple[dict[str, Any], ...] = ({}, {"MaxConcurrency": 1}, {"MaxConcurrency": 2})


def single(names: Names) -> st.SearchStrategy[dict[str, Any]]:
    """An iteration that is one Task, for an array."""
    name = names()
    return st.just({"StartAt": name, "States": {name: task("brew")}})


def caught(name: str, after: str, retry: list[Any]) -> list[tuple[str, dict[str, Any]]]:
    catch = [{"ErrorEquals": ["States.ALL"], "Next": after, "ResultPath": "$.error"}]
    return [(name, task("boom", Retry=retry, Catch=catch, Next=after)), (after, {"Type": "Pass"})]


def end_by_batch(document: dict[str, Any], input: Any, submission: str) -> tuple[Any, ...]:
    world = World()
    for name, function in TASKS.items():
        world.register(name, function)
    world.manager = world.new_manager(submission=submission)
    done = world.run(document, input)
    assert world.live() == []
    return done.status.value, done.output, done.error, done.cause, told(done.jobs)


def end_by_simulation(document: dict[str, Any], input: Any) -> tuple[Any, ...]:
    done = simulate(document, input, tasks=TASKS)
    return done.status.lower(), done.output, done.error, done.cause, told(done.jobs)


def told(jobs: Any) -> list[str]:
    """What all jobs were given and what became of them, in no order."""
    return sorted(json.dumps([job.state, job.status, job.branch, job.input, job.output, job.error]) for job in jobs)


INPUT = {"n": 2, "items": [{"n": 1, "items": []}, {"n": 5, "items": []}]}


@LAW
@given(graphs())
def test_by_graph_as_simulated(document: dict[str, Any]):
    """What is submitted whole ends with the status, output and jobs of the simulation, and so does it in steps."""
    assert plan(StateMachine.from_dict(document)).submission is Submission.GRAPH
    expected = end_by_simulation(document, INPUT)

    assert end_by_batch(document, INPUT, "graph") == expected
    assert end_by_batch(document, INPUT, "stepped") == expected


@LAW
@given(machines())
def test_stepped_as_simulated(document: dict[str, Any]):
    """Everything else ends in steps with the status, output and jobs of the simulation."""
    assert end_by_batch(document, INPUT, "stepped") == end_by_simulation(document, INPUT)
