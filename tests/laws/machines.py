"""
Strategies: state machines that validate, the data that they run on, and the scripts by which the world answers them.

States only ever lead to later ones, so every machine ends; names are unique in the whole definition, as AWS asks.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from itertools import count
from typing import Any

import attrs
import jsonata as _jsonata_library  # noqa: F401  # it raises the recursion limit; better now than within an example
from hypothesis import strategies as st

from workflow_manager.asl.machine import StateMachine

RESOURCES = (
    "bake",
    "arn:aws:lambda:us-east-1:123456789012:function:bake",
    "arn:aws:states:us-east-1:123456789012:activity:bake",
    "arn:aws:states:::sqs:sendMessage",
    "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
    "arn:aws:states:::batch:submitJob.sync",
)
ERRORS = ("Boom", "Bang", "States.TaskFailed", "States.Timeout", "States.Runtime", None)
READERS = ("arn:aws:states:::s3:getObject", "arn:aws:states:::s3:listObjectsV2")
WRITER = "arn:aws:states:::s3:putObject"

_ITEMS = "$$.Execution.Input.items"
_VALUES: tuple[Any, ...] = (None, 7, "text", {"n": 1}, [1, {"n": 2}])
_ALL = ["States.ALL"]
_FAILED, _LATE, _SILENT = ["States.TaskFailed"], ["States.Timeout"], ["States.HeartbeatTimeout"]
_RETRIERS = ([_ALL], [["Boom"], _LATE], [_SILENT, _FAILED], [["Boom", "Bang"], _ALL], [])
_CATCHERS = ([_ALL], [["Boom"]], [["Bang", "Boom"], _LATE], [_SILENT, _ALL], [_FAILED], [])


@attrs.frozen
class _Making:
    """What the parts of one definition share while it is drawn."""

    numbers: Iterator[int]
    chance: bool  # whether control may depend on chance: jitter, conditions on $random()
    jsonata: bool
    distributed: bool
    in_map: bool = False  # whether $$.Map.Item is there

    @property
    def inside(self) -> _Making:
        """The same for what is inside a Map."""
        return attrs.evolve(self, in_map=True)


@st.composite
def documents(
    draw: st.DrawFn, *, depth: int = 3, chance: bool = True, jsonata: bool = True, distributed: bool = True
) -> dict[str, Any]:
    """The JSON object of a whole state machine with Parallels and Maps nested to *depth*."""
    making = _Making(count(), chance, jsonata, distributed)
    document = draw(_machines(making, depth, top=True))
    timeout = draw(st.sampled_from((None, None, None, 4, 30)))
    return document if timeout is None else {**document, "TimeoutSeconds": timeout}


def machines(**options: Any) -> st.SearchStrategy[StateMachine]:
    """As :func:`documents`, read."""
    return documents(**options).map(StateMachine.from_dict)


@st.composite
def inputs(draw: st.DrawFn) -> dict[str, Any]:
    """Inputs for these machines: a number, some items, a text, and perhaps a variable part."""
    value = {"n": draw(st.integers(0, 9)), "items": list(range(draw(st.sampled_from((3, 2, 4, 1, 0))))), "text": "ä"}
    if draw(st.booleans()):
        value["more"] = {"n": draw(st.sampled_from(_VALUES))}
    return value


# ---------------------------------------------------------------- machines and states
@st.composite
def _machines(draw: st.DrawFn, making: _Making, depth: int, *, top: bool = False) -> dict[str, Any]:
    sizes = (4, 2, 3, 5, 6) if top else (2, 1, 3)
    names = [f"S{next(making.numbers)}" for _ in range(draw(st.sampled_from(sizes)))]
    states = {}
    for index, name in enumerate(names):
        states[name] = draw(_states(making, names[index + 1 :], depth))
    return {"StartAt": names[0], "States": _connected(names, states)}


def _connected(names: list[str], states: dict[str, Any]) -> dict[str, Any]:
    """Only the states that the first one leads to: AWS refuses others."""
    reached, waiting = set(), [names[0]]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting.extend(_targets(states[name]))
    return {name: states[name] for name in names if name in reached}


def _targets(state: dict[str, Any]) -> list[str]:
    found = [state.get("Next"), state.get("Default")]
    found += [entry["Next"] for member in ("Choices", "Catch") for entry in state.get(member, ())]
    return [name for name in found if name is not None]


@st.composite
def _states(draw: st.DrawFn, making: _Making, later: list[str], depth: int) -> dict[str, Any]:
    kinds = ["pass", "task", "task", "wait"]
    kinds += ["parallel", "map", "map"] * (depth > 0)
    kinds += ["jsonata", "jsonata-task"] * making.jsonata
    kinds += ["jsonata-map"] * (making.jsonata and depth > 0)
    kinds += ["run"] * (making.distributed and depth > 0)
    kinds += ["choice", "choice"] * bool(later) + ["succeed", "fail"] * (not later)
    return draw(_BY_KIND[draw(st.sampled_from(kinds))](making, later, depth))


def _some(**optional: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=optional)


@st.composite
def _next(draw: st.DrawFn, later: list[str]) -> dict[str, Any]:
    if not later:
        return {"End": True}
    name = draw(st.sampled_from([later[0], later[0], *later, None]))
    return {"End": True} if name is None else {"Next": name}


_PATHS = _some(
    InputPath=st.sampled_from(("$", "$$.Execution.Input", None, "$$.State", "$$.Execution", "$.more")),
    OutputPath=st.sampled_from(("$", None, "$$.Execution.Input")),
)
_ITEM = {"item.$": "$$.Map.Item.Value", "index.$": "$$.Map.Item.Index"}
_ASSIGN = st.sampled_from(({"v.$": "$"}, {"a": 1, "b.$": "$$.State.Name"}, {"id.$": "States.UUID()"}))


@st.composite
def _pass(draw: st.DrawFn, making: _Making, later: list[str], depth: int) -> dict[str, Any]:
    parameters = [{"x.$": "$", "id.$": "States.UUID()"}, {"r.$": "States.MathRandom(1, 100)"}]
    some = _some(
        Result=st.sampled_from(_VALUES),
        Parameters=st.sampled_from([_ITEM, *parameters] if making.in_map else parameters),
        ResultPath=st.sampled_from(("$", None, "$.more")),
        Assign=_ASSIGN,
    )
    return {"Type": "Pass", **draw(some), **draw(_PATHS), **draw(_next(later))}


@st.composite
def _task(draw: st.DrawFn, making: _Making, later: list[str], depth: int) -> dict[str, Any]:
    parameters = [{"p.$": "$"}, {"name.$": "$$.State.Name", "k": [1]}, {"r.$": "States.UUID()"}]
    some = _some(
        Parameters=st.sampled_from([_ITEM, *parameters] if making.in_map else parameters),
        ResultSelector=st.sampled_from(({"got.$": "$"}, {"n.$": "$.n"})),
        ResultPath=st.sampled_from((None, "$.more")),
        Assign=_ASSIGN,
        TimeoutSeconds=st.sampled_from((6, 9)),
        HeartbeatSeconds=st.sampled_from((2, 5)),
    )
    head = {"Type": "Task", "Resource": draw(st.sampled_from(RESOURCES))}
    return {**head, **draw(some), **draw(_PATHS), **draw(_answers(making, later)), **draw(_next(later))}


@st.composite
def _choice(draw: st.DrawFn, making: _Making, later: list[str], depth: int) -> dict[str, Any]:
    tests = (
        {"Variable": "$.n", "IsPresent": True},
        {"Variable": "$$.Execution.Input.n", "NumericGreaterThan": 4},
        {"Not": {"Variable": "$.more", "IsPresent": True}},
        {"And": [{"Variable": "$.more.n", "IsNumeric": True}, {"Variable": "$.more.n", "NumericEquals": 1}]},
        {"Variable": "$.n", "NumericLessThan": 7},
    )
    rules = draw(st.lists(st.sampled_from(tests), min_size=1, max_size=2))
    choices = [{**rule, "Next": draw(st.sampled_from(later))} for rule in rules]
    default = draw(st.sampled_from([*later, *later, None]))
    return {"Type": "Choice", "Choices": choices, **({} if default is None else {"Default": default})}


@st.composite
def _wait(draw: st.DrawFn, making: _Making, later: list[str], depth: int) -> dict[str, Any]:
    how = (
        {"Seconds": 0},
        {"Seconds": 3},
        {"Seconds": 900},
        {"SecondsPath": "$$.Execution.Input.n"},
        {"Timestamp": "2026-01-01T00:00:05.5Z"},
    )
    return {"Type": "Wait", **draw(st.sampled_from(how)), **draw(_next(later))}


def _succeed(making: _Making, later: list[str], depth: int) -> st.SearchStrategy[dict[str, Any]]:
    return st.just({"Type": "Succeed"})


def _fail(making: _Making, later: list[str], depth: int) -> st.SearchStrategy[dict[str, Any]]:
    return st.sampled_from(
        ({"Type": "Fail", "Error": "Boom", "Cause": "for a test"}, {"Type": "Fail"}, {"Type": "Fail", "Error": "Bang"})
    )


@st.composite
def _parallel(draw: st.DrawFn, making: _Making, later: list[str], depth: int) -> dict[str, Any]:
    branches = [draw(_machines(making, depth - 1)) for _ in range(draw(st.integers(1, 3)))]
    some = _some(
        Parameters=st.just({"x.$": "$"}), ResultPath=st.sampled_from((None, "$.more")), ResultSelector=_SELECTED
    )
    head = {"Type": "Parallel", "Branches": branches}
    return {**head, **draw(some), **draw(_answers(making, later)), **draw(_next(later))}


_SELECTED = st.just({"all.$": "$"})


@st.composite
def _map(draw: st.DrawFn, making: _Making, later: list[str], depth: int) -> dict[str, Any]:
    some = _some(
        MaxConcurrency=st.integers(0, 3),
        ItemSelector=st.just({"i.$": "$$.Map.Item.Index", "v.$": "$$.Map.Item.Value", "n": 1}),
        ResultPath=st.sampled_from((None, "$.more")),
        ResultSelector=_SELECTED,
    )
    head = {"Type": "Map", "ItemsPath": _ITEMS, "ItemProcessor": draw(_machines(making.inside, depth - 1))}
    return {**head, **draw(some), **draw(_answers(making, later)), **draw(_next(later))}


@st.composite
def _map_run(draw: st.DrawFn, making: _Making, later: list[str], depth: int) -> dict[str, Any]:
    config = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    processor = {"ProcessorConfig": config, **draw(_machines(making.inside, 0))}
    source: dict[str, Any] = {"ItemsPath": _ITEMS}
    if draw(st.booleans()):
        where = {"Bucket": "pantry", "Key.$": "$$.State.Name"}
        source = {"ItemReader": {"Resource": draw(st.sampled_from(READERS)), "Parameters": where}}
        if source["ItemReader"]["Resource"] == READERS[0]:
            source["ItemReader"]["ReaderConfig"] = {"InputType": "JSON", "MaxItems": 3}
    some = _some(
        MaxConcurrency=st.integers(0, 2),
        ItemBatcher=st.sampled_from(({"MaxItemsPerBatch": 2}, {"MaxInputBytesPerBatch": 4, "BatchInput": {"b": 1}})),
        ToleratedFailureCount=st.integers(0, 2),
        ToleratedFailurePercentage=st.sampled_from((0, 50, 100)),
        ResultWriter=st.just({"Resource": WRITER, "Parameters": {"Bucket": "pantry", "Prefix": "out"}}),
        ResultPath=st.just("$.more"),
    )
    head = {"Type": "Map", "ItemProcessor": processor, **source}
    return {**head, **draw(some), **draw(_answers(making, later)), **draw(_next(later))}


@st.composite
def _answers(draw: st.DrawFn, making: _Making, later: list[str]) -> dict[str, Any]:
    """Retry and Catch."""
    out: dict[str, Any] = {}
    retriers = draw(st.sampled_from(_RETRIERS))
    if retriers:
        out["Retry"] = [{"ErrorEquals": names, **draw(_retrier(making))} for names in retriers]
    catchers = draw(st.sampled_from(_CATCHERS)) if later else []
    if catchers:
        out["Catch"] = [
            {"ErrorEquals": names, "Next": draw(st.sampled_from(later)), **draw(_CATCHER)} for names in catchers
        ]
    return out


_CATCHER = _some(ResultPath=st.sampled_from((None, "$.more", "$.n")), Assign=_ASSIGN)


def _retrier(making: _Making) -> st.SearchStrategy[dict[str, Any]]:
    jitter = {"JitterStrategy": st.just("FULL")} if making.chance else {}
    return _some(
        IntervalSeconds=st.integers(1, 3),
        MaxAttempts=st.sampled_from((2, 1, 3, 0)),
        BackoffRate=st.sampled_from((1.0, 1.5, 2)),
        MaxDelaySeconds=st.just(4),
        **jitter,
    )


# ---------------------------------------------------------------- JSONata
_OUTPUT = st.sampled_from(
    ("{% $states.input %}", {"n": "{% $random() %}", "s": "{% $states.context.State.Name %}"}, "{% $missing.path %}", 5)
)
_JSONATA_ASSIGN = st.sampled_from(({"v": "{% $states.input %}"}, {"r": "{% $random() %}"}))


@st.composite
def _jsonata(draw: st.DrawFn, making: _Making, later: list[str], depth: int) -> dict[str, Any]:
    """A Pass, or where states follow a Choice."""
    if not later or draw(st.booleans()):
        some = draw(_some(Output=_OUTPUT, Assign=_JSONATA_ASSIGN))
        return {"Type": "Pass", "QueryLanguage": "JSONata", **some, **draw(_next(later))}
    conditions = ["{% $states.context.Execution.Input.n > 4 %}", "{% $exists($states.input.more) %}"]
    conditions += ["{% $random() > 0.5 %}"] * making.chance
    rule = {"Condition": draw(st.sampled_from(conditions)), "Next": draw(st.sampled_from(later))}
    rule |= draw(_some(Output=_OUTPUT, Assign=_JSONATA_ASSIGN))
    return {"Type": "Choice", "QueryLanguage": "JSONata", "Choices": [rule], "Default": later[-1]}


_JSONATA_CATCHER = _some(Output=st.just({"error": "{% $states.errorOutput %}"}))


@st.composite
def _jsonata_task(draw: st.DrawFn, making: _Making, later: list[str], depth: int) -> dict[str, Any]:
    some = _some(
        Arguments=st.sampled_from(({"x": "{% $states.input %}"}, {"r": "{% $random() %}"})),
        Output=st.sampled_from(({"got": "{% $states.result %}"}, "{% $states.result.n %}")),
        Assign=st.just({"v": "{% $states.result %}"}),
        TimeoutSeconds=st.sampled_from((7, "{% 3 + 4 %}")),
    )
    head = {"Type": "Task", "QueryLanguage": "JSONata", "Resource": draw(st.sampled_from(RESOURCES))}
    answers = draw(_answers(making, later))
    if "Catch" in answers:
        answers["Catch"] = [
            {"ErrorEquals": catcher["ErrorEquals"], "Next": catcher["Next"], **draw(_JSONATA_CATCHER)}
            for catcher in answers["Catch"]
        ]
    return {**head, **draw(some), **answers, **draw(_next(later))}


_JSONATA_ITEMS = ([1, "two", None], "{% $states.context.Execution.Input.items %}", "{% [$random(), $random()] %}")


@st.composite
def _jsonata_map(draw: st.DrawFn, making: _Making, later: list[str], depth: int) -> dict[str, Any]:
    some = _some(
        ItemSelector=st.just({"i": "{% $states.context.Map.Item.Index %}", "r": "{% $random() %}"}),
        MaxConcurrency=st.sampled_from((1, "{% 1 + 1 %}")),
        Output=st.just({"all": "{% $states.result %}"}),
    )
    head = {
        "Type": "Map",
        "QueryLanguage": "JSONata",
        "Items": draw(st.sampled_from(_JSONATA_ITEMS)),
        "ItemProcessor": draw(_machines(making.inside, depth - 1)),
    }
    return {**head, **draw(some), **draw(_next(later))}


_BY_KIND = {
    "pass": _pass,
    "task": _task,
    "choice": _choice,
    "wait": _wait,
    "succeed": _succeed,
    "fail": _fail,
    "parallel": _parallel,
    "map": _map,
    "run": _map_run,
    "jsonata": _jsonata,
    "jsonata-task": _jsonata_task,
    "jsonata-map": _jsonata_map,
}


# ---------------------------------------------------------------- scripts
class Act(StrEnum):
    """What the world does next with one pending task, or with the whole execution."""

    START = "start"
    SUBMIT = "submit"
    HEARTBEAT = "heartbeat"
    SUCCEED = "succeed"
    FAIL = "fail"
    NEVER = "never"
    FIRE = "fire"
    ABORT = "abort"


@attrs.frozen
class Step:
    """One act on the pending task number *which* (modulo how many there are), *seconds* after the one before."""

    act: Act
    which: int = 0
    seconds: float = 0
    error: str | None = None
    value: Any = None


_ACTS = (
    *(Act.START, Act.SUBMIT, Act.HEARTBEAT) * 2,
    *(Act.SUCCEED,) * 6,
    *(Act.FAIL,) * 5,
    Act.NEVER,
    *(Act.FIRE,) * 3,
)
_SECONDS = st.sampled_from((0, 0, 0, 0.25, 1, 3))


def scripts() -> st.SearchStrategy[list[Step]]:
    """Scripts, a few of which end with an abort; where a script ends, every task succeeds at once."""
    step = st.builds(
        Step, st.sampled_from(_ACTS), st.integers(0, 5), _SECONDS, st.sampled_from(ERRORS), st.sampled_from(_VALUES)
    )
    steps = st.lists(step, min_size=6, max_size=30)
    return st.one_of(steps, steps, steps, steps.map(lambda some: [*some, Step(Act.ABORT, error="Enough")]))
