"""
Random state machines in JSONPath that validate, each with an input; the same seed always makes the same case.

They are made of Pass, Choice, Wait, Succeed, Fail, Parallel and inline Map.  States only ever lead to later ones, so
every machine ends; nothing in them depends on the clock or on chance, so two interpreters have to agree on every value.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import attrs
from random_expressions import Expressions

_INPUTS: tuple[dict[str, Any], ...] = (
    {
        "n": 3, "m": 2.5, "neg": -7, "zero": 0, "s": "lamp", "u": "Zoë ☂", "t": "2021-03-04T05:06:07Z",
        "t2": "2021-03-04T07:06:07.5+02:00", "b": True, "z": None, "a": [4, 1, 4, 2], "words": ["ash", "oak", "ash"],
        "o": {"k": "v", "l": {"d": 1}}, "items": [{"id": 1, "tag": "x"}, {"id": 2, "tag": "y"}, {"id": 3}],
        "empty": [], "eo": {}, "json": '{"x": [1, 2.5, null]}', "csv": "red,green;blue", "path": "k",
    },
    {
        "n": 10, "m": 10.0, "neg": -0.5, "zero": 0.0, "s": "*star*", "u": "naïve\\'{}'",
        "t": "2021-03-04T05:06:07.000Z",
        "t2": "not a time", "b": False, "z": None, "a": [], "words": ["a", "b", "c", "d", "e"],
        "o": {"k": [1, {"deep": True}], "l": {}}, "items": [{"id": 7, "tag": None}],
        "empty": [[]], "eo": {"": 1}, "json": "[true, {}]", "csv": "one", "path": "l",
    },
    {
        "n": 1e3, "m": -1, "neg": -1500, "zero": 0, "s": "", "u": "line\nbreak\ttab", "t": "2021-12-31T23:59:60Z",
        "t2": "2021-03-04T05:06:07+00:00", "b": True, "z": None, "a": [1.5, True, None, "1", 1], "words": [],
        "o": {"k": None, "l": {"d": [0]}}, "items": [1, "two", [3], {"id": 4, "tag": 4.0}],
        "empty": [], "eo": {}, "json": "not json", "csv": ",,a,,", "path": "nowhere",
    },
)  # fmt: skip

_JSON: tuple[Any, ...] = (
    None, True, False, 0, 1, -3, 2.5, 1.0, 1e20, "", "plain", "$.n", "{}", "ünï", [], {}, [1, [2, None]],
    {"a": {"b": 0}},
    [{"id": 8, "tag": "z"}], {"Error": "no error", "Cause": "none"},
)  # fmt: skip
_PLACES = (
    *("$.r",) * 12, "$", "$.o", "$.o.k", "$.new.deep", "$.new.deep", "$.items", "$['two words']", "$['two words']",
    "$.s", "$.n.x", "$.a[0]",
)  # fmt: skip
_ERRORS = ("Custom", "Worn.Out", "States.TaskFailed", "States.Runtime", "States.Timeout", "States.ParameterPathFailure")
_NAMES = ("v", "w", "found")


@attrs.frozen(kw_only=True)
class Case:
    """One machine with its input; *seed* makes it again."""

    seed: int
    definition: dict[str, Any]
    input: Any


def make_case(seed: int) -> Case:
    """The case of *seed*."""
    chance = random.Random(seed)
    maker = _Maker(chance)
    definition = maker.machine(size=chance.randint(1, 6), depth=2)
    return Case(seed=seed, definition=definition, input=chance.choice(_INPUTS))


class _Maker:
    """Makes the states of one machine, whose names are unique in the whole definition."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.count = 0
        self.expressions = Expressions(chance)

    def likely(self, percent: int) -> bool:
        return self.chance.randrange(100) < percent

    # ------------------------------------------------------------ machines
    def machine(self, size: int, depth: int) -> dict[str, Any]:
        names = [self.name() for _ in range(size)]
        states = {name: self.state(names[index + 1 :], depth) for index, name in enumerate(names)}
        return {"StartAt": names[0], "States": _reached(names[0], states)}

    def name(self) -> str:
        self.count += 1
        return f"S{self.count}"

    def state(self, later: list[str], depth: int) -> dict[str, Any]:
        kinds: list[Callable[[list[str], int], dict[str, Any]]] = [self.pass_, self.pass_, self.pass_, self.wait]
        if later:
            kinds += [self.choice, self.choice, self.choice]
        else:
            kinds += [self.succeed, self.fail]
        if depth:
            kinds += [self.parallel, self.map]
        return self.chance.choice(kinds)(later, depth)

    def next(self, later: list[str]) -> dict[str, Any]:
        if later and self.likely(92):
            return {"Next": later[0] if self.likely(75) else self.chance.choice(later)}
        return {"End": True}

    # ------------------------------------------------------------ states
    def pass_(self, later: list[str], depth: int) -> dict[str, Any]:
        state: dict[str, Any] = {"Type": "Pass", **self.selection()}
        if self.likely(45):
            state["Parameters"] = self.expressions.template()
        elif self.likely(40):
            state["Result"] = self.chance.choice(_JSON)
        if "Result" not in state and "Parameters" not in state and self.likely(70):
            return {**state, **self.assign(often=60), **self.next(later)}
        return {**state, **self.placement(), **self.assign(), **self.next(later)}

    def wait(self, later: list[str], depth: int) -> dict[str, Any]:
        until = self.chance.choice(
            (
                {"Seconds": 0},
                {"Seconds": 0},
                {"SecondsPath": "$.zero"},
                {"SecondsPath": self.chance.choice(("$.zero", "$.zero", "$.neg", "$.nowhere", "$.s"))},
                {"Timestamp": "2020-02-29T12:00:00Z"},
                {"TimestampPath": "$.t"},
                {"TimestampPath": self.chance.choice(("$.t", "$.t", "$.t2", "$.nowhere", "$.n"))},
            )
        )
        return {"Type": "Wait", **until, **self.selection(often=3), **self.assign(), **self.next(later)}

    def succeed(self, later: list[str], depth: int) -> dict[str, Any]:
        return {"Type": "Succeed", **self.selection()}

    def fail(self, later: list[str], depth: int) -> dict[str, Any]:
        state: dict[str, Any] = {"Type": "Fail"}
        for field in ("Error", "Cause"):
            if self.likely(40):
                state[field] = self.chance.choice(_ERRORS)
            elif self.likely(50):
                state[f"{field}Path"] = self.expressions.text()
        return state

    def choice(self, later: list[str], depth: int) -> dict[str, Any]:
        rules = []
        for _ in range(self.chance.randint(1, 3)):
            rule = {**self.expressions.rule(depth=2), "Next": self.chance.choice(later)}
            rules.append({**rule, **self.assign(often=15)})
        state: dict[str, Any] = {"Type": "Choice", "Choices": rules, **self.selection(often=3), **self.assign(often=10)}
        return {**state, "Default": self.chance.choice(later)} if self.likely(85) else state

    def parallel(self, later: list[str], depth: int) -> dict[str, Any]:
        count = self.chance.choice((1, 1, 2, 3))
        branches = [self.machine(self.chance.randint(1, 3), depth - 1) for _ in range(count)]
        state: dict[str, Any] = {"Type": "Parallel", "Branches": branches, **self.selection(often=3)}
        if self.likely(15):
            state["Parameters"] = self.expressions.template()
        return {**state, **self.afterwards(later)}

    def map(self, later: list[str], depth: int) -> dict[str, Any]:
        state: dict[str, Any] = {"Type": "Map", "MaxConcurrency": 1, **self.selection(often=3)}
        if self.likely(97):
            state["ItemsPath"] = self.chance.choice(
                (
                    "$.items",
                    "$.items",
                    "$.items",
                    "$.a",
                    "$.a",
                    "$.words",
                    "$.words",
                    "$.empty",
                    "$.items[1:]",
                    "$.o",
                    "$.items[*].tag",
                )
            )
        old = self.likely(15)
        processor = self.machine(self.chance.randint(1, 3), depth - 1)
        state["Iterator" if old else "ItemProcessor"] = (
            processor if old else {"ProcessorConfig": {"Mode": "INLINE"}, **processor}
        )
        if self.likely(80):
            state["Parameters" if old else "ItemSelector"] = self.expressions.template(item=True)
        return {**state, **self.afterwards(later)}

    # ------------------------------------------------------------ parts of states
    def afterwards(self, later: list[str]) -> dict[str, Any]:
        """What a Parallel and a Map do with their result or their failure."""
        state: dict[str, Any] = {}
        if self.likely(25):
            state["ResultSelector"] = self.expressions.template(result=True)
        if self.likely(3):
            state["Retry"] = [
                {"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": self.chance.randint(0, 1)}
            ]
        if later and self.likely(55):
            state["Catch"] = [self.catcher(later)]
            if state["Catch"][0]["ErrorEquals"] != ["States.ALL"] and self.likely(50):
                state["Catch"].append({"ErrorEquals": ["States.ALL"], "Next": self.chance.choice(later)})
        return {**state, **self.placement(), **self.assign(), **self.next(later)}

    def catcher(self, later: list[str]) -> dict[str, Any]:
        names = [["States.ALL"], ["States.ALL"], ["Custom", "Worn.Out"], ["States.TaskFailed"], ["States.Runtime"]]
        caught: dict[str, Any] = {"ErrorEquals": self.chance.choice(names), "Next": self.chance.choice(later)}
        if self.likely(60):
            caught["ResultPath"] = self.chance.choice(("$.error", "$.error", None, "$", "$.s.x"))
        if self.likely(25):
            caught["Assign"] = {"found.$": self.chance.choice(("$.Error", "$", "$.Cause", "$.nowhere"))}
        return caught

    def selection(self, often: int = 5) -> dict[str, Any]:
        """InputPath and OutputPath."""
        state: dict[str, Any] = {}
        if self.likely(often):
            state["InputPath"] = None if self.likely(10) else self.expressions.path()
        if self.likely(often):
            state["OutputPath"] = None if self.likely(10) else self.expressions.path()
        return state

    def placement(self) -> dict[str, Any]:
        if self.likely(10):
            return {}
        return {"ResultPath": None if self.likely(12) else self.chance.choice(_PLACES)}

    def assign(self, often: int = 15) -> dict[str, Any]:
        if not self.likely(often):
            return {}
        names = self.chance.sample(_NAMES, self.chance.randint(1, 2))
        return {"Assign": dict(self.expressions.entry(name, depth=1) for name in names)}


def _reached(start: str, states: dict[str, Any]) -> dict[str, Any]:
    """Only the states that *start* leads to: AWS refuses others."""
    reached, waiting = set[str](), [start]
    while waiting:
        name = waiting.pop()
        if name in reached:
            continue
        reached.add(name)
        state = states[name]
        waiting += [state[field] for field in ("Next", "Default") if field in state]
        waiting += [entry["Next"] for field in ("Choices", "Catch") for entry in state.get(field, ())]
    return {name: state for name, state in states.items() if name in reached}
