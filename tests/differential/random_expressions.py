"""Random paths, intrinsic function calls, payload templates and choice rules over the inputs of the random machines."""

from __future__ import annotations

import random
from typing import Any

from workflow_manager.asl.choices import OPERATORS, OperandKind

_HERE = (
    "$", "$.n", "$.n", "$.m", "$.neg", "$.s", "$.s", "$.u", "$.t", "$.b", "$.z", "$.a", "$.a", "$.words", "$.o",
    "$.o", "$.o.k",
    "$.o.l", "$.items", "$.items[0]", "$['o']['l']", "$.eo", "$.empty", "$.json", "$.csv",
)  # fmt: skip
_ODD = (
    "$.nowhere", "$.o.nowhere", "$.items[0].id", "$.r", "$.error.Error", "$.o.l.d", "$.items[9]", "$.items[-1]",
    "$.items[*].id", "$.items[0:2]", "$.items[*]", "$..id", "$.a[0,2]",
    "$.items[?(@.id > 1)]", "$.items[?(@.tag)].id", "$.n.x", "$.words[1]", "$.a[1:]", "$.o.*", "$.items.length()",
    "$..nowhere",
)  # fmt: skip
_CONTEXT = (
    "$$.Execution.Name", "$$.Execution.Input.s", "$$.State.Name", "$$.StateMachine.Name", "$$.Execution.Id",
    "$$.Execution.Input.items",
    "$$.Execution.RedriveCount", "$$.State.RetryCount", "$$.Nowhere",
)  # fmt: skip
_ITEM = ("$$.Map.Item.Index", "$$.Map.Item.Value", "$$.Map.Item.Value.id", "$$.Map.Item")
_RESULT = ("$", "$[0]", "$[0].n", "$[0].s", "$[*]", "$[1:]", "$.length()", "$[0].nowhere", "$[5]")
_VARIABLES = ("$v", "$w", "$found", "$v.k", "$v[0]")
_TEXTS = ("lamp", "", "a*b", "it\\'s", "\\{\\}", "x,y", "ü")
_PATTERNS = ("*", "la*", "*m*", "lamp", "\\*star\\*", "*\\*", "", "l*m*p", "\\\\")
_TIMES = ("2021-03-04T05:06:07Z", "2021-03-04T05:06:07.5Z", "2020-01-01T00:00:00+01:00", "2030-01-01T00:00:00Z")
_KEPT = (
    "n",
    "m",
    "neg",
    "zero",
    "s",
    "u",
    "t",
    "t2",
    "b",
    "z",
    "a",
    "words",
    "o",
    "items",
    "empty",
    "eo",
    "json",
    "csv",
)
_KEYS = ("p", "q", "two words", "ü")


class Expressions:
    """Draws expressions with *chance*; what they name is mostly there."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance

    def likely(self, percent: int) -> bool:
        return self.chance.randrange(100) < percent

    # ------------------------------------------------------------ paths
    def path(self) -> str:
        """A path into the input, the context object or a variable."""
        kind = self.chance.randrange(100)
        pool = _HERE if kind < 85 else _ODD if kind < 92 else _CONTEXT if kind < 98 else _VARIABLES
        return self.chance.choice(pool)

    def text(self) -> str:
        """What ErrorPath and CausePath take: a reference path, or a call that gives text."""
        if self.likely(60):
            return self.chance.choice(
                ("$.s", "$.s", "$.u", "$.json", "$.o.k", "$.n", "$.nowhere", "$$.State.Name", "$v")
            )
        return self.chance.choice(
            (
                "States.Format('{} of {}', $.s, $.n)",
                "States.JsonToString($.o)",
                "States.ArrayGetItem($.words, 0)",
                "States.Base64Encode($.s)",
                "States.Format('{}', $.nowhere)",
            )
        )

    # ------------------------------------------------------------ templates
    def template(self, *, item: bool = False, result: bool = False, depth: int = 2) -> dict[str, Any]:
        """The object of Parameters, ItemSelector (*item*) or ResultSelector (*result*)."""
        keys = self.chance.sample(_KEYS, self.chance.randint(0 if depth < 2 else 1, 2))
        entries = dict(self.entry(key, depth - 1, item=item, result=result) for key in keys)
        if not result and depth == 2 and self.likely(85):  # what later states look for
            entries |= {f"{name}.$": f"$.{name}" for name in _KEPT}
        return entries

    def entry(self, key: str, depth: int, *, item: bool = False, result: bool = False) -> tuple[str, Any]:
        """One field of a template."""
        kind = self.chance.randrange(100)
        if item and kind < 40:
            return f"{key}.$", self.chance.choice(_ITEM)
        if result and kind < 60:
            return f"{key}.$", self.chance.choice(_RESULT)
        if kind < 60:
            return f"{key}.$", self.path()
        if kind < 82:
            return f"{key}.$", self.call(2)
        if kind < 92 or depth <= 0:
            return key, self.chance.choice((1, "text", None, [1, "$.n"], {"x": 1.0}, True))
        inner = self.template(item=item, result=result, depth=depth)
        return key, inner if self.likely(70) else [inner, 1]

    # ------------------------------------------------------------ intrinsic functions
    def call(self, depth: int) -> str:
        """The call of an intrinsic function, arguments mostly of the right kinds."""
        name, kinds = self.chance.choice(_CALLS)
        arguments = [kind if kind not in _ARGUMENTS else self.argument(kind, depth) for kind in kinds]
        return f"{name}({', '.join(arguments)})"

    def argument(self, kind: str, depth: int) -> str:
        if depth and self.likely(15):
            name, kinds = self.chance.choice([call for call in _CALLS if _GIVES.get(call[0]) == kind] or list(_CALLS))
            return f"{name}({', '.join(k if k not in _ARGUMENTS else self.argument(k, depth - 1) for k in kinds)})"
        if self.likely(4):
            return self.path()
        return self.chance.choice(_ARGUMENTS[kind])

    # ------------------------------------------------------------ choice rules
    def rule(self, depth: int) -> dict[str, Any]:
        """A rule without its Next."""
        kind = self.chance.randrange(100)
        if depth and kind < 12:
            return {"Not": self.rule(depth - 1)}
        if depth and kind < 30:
            return {"And" if kind < 21 else "Or": [self.rule(depth - 1) for _ in range(self.chance.randint(1, 3))]}
        name = self.chance.choice(_OPERATORS)
        known = OPERATORS[name]
        variable = (
            self.path() if self.likely(40) else self.chance.choice(_VARIABLE_OF.get(name.rstrip("Path")[:4], _HERE))
        )
        if name.startswith("Is"):
            return {"Variable": variable, name: self.likely(65)}
        return {"Variable": variable, name: self.operand(name, known.operand)}

    def operand(self, name: str, kind: OperandKind) -> Any:
        if kind is OperandKind.PATH:
            pool = _VARIABLE_OF[name[:4]]
            return self.chance.choice(pool) if self.likely(75) else self.path()
        if kind is OperandKind.NUMBER:
            return self.chance.choice((3, 3.0, 2.5, -7, 0, 10, 1000, 1e3))
        if kind is OperandKind.BOOLEAN:
            return self.likely(50)
        if kind is OperandKind.TIMESTAMP:
            return self.chance.choice(_TIMES)
        return self.chance.choice(_PATTERNS if name == "StringMatches" else ("lamp", "", "Zoë ☂", "lam", "z", "*star*"))


_OPERATORS = sorted(OPERATORS)
_VARIABLE_OF = {
    "Nume": ("$.n", "$.m", "$.neg", "$.zero", "$.a[0]"),
    "Stri": ("$.s", "$.u", "$.words[0]", "$.csv", "$.o.k"),
    "Bool": ("$.b", "$.b", "$.n", "$.z"),
    "Time": ("$.t", "$.t2", "$.t", "$.s"),
}
_ARGUMENTS: dict[str, tuple[str, ...]] = {
    "any": (
        "$.n",
        "$.s",
        "$.o",
        "$.a",
        "$.b",
        "$.z",
        "$.m",
        "1",
        "-2",
        "'text'",
        "true",
        "$$.State.Name",
        "$.items[*].id",
    ),
    "array": ("$.a", "$.words", "$.items", "$.empty", "$.a[1:]", "$.items[*]", "$$.Execution.Input.a"),
    "number": ("$.n", "$.m", "$.neg", "1", "2", "0", "-1", "$.zero"),
    "object": ("$.o", "$.eo", "$.items[0]", "$.o.l", "$"),
    "string": ("$.s", "$.u", "$.csv", "$.json", *(f"'{text}'" for text in _TEXTS)),
    "scalar": ("$.n", "$.m", "$.s", "$.b", "$.z", "$.u", "7", "'t'", "$.neg"),
}
_CALLS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("States.Array", ()),
    ("States.Array", ("any", "any")),
    ("States.ArrayContains", ("array", "any")),
    ("States.ArrayContains", ("array", "scalar")),
    ("States.ArrayGetItem", ("array", "number")),
    ("States.ArrayGetItem", ("array", "0")),
    ("States.ArrayLength", ("array",)),
    ("States.ArrayPartition", ("array", "number")),
    ("States.ArrayPartition", ("array", "2")),
    ("States.ArrayRange", ("0", "number", "1")),
    ("States.ArrayRange", ("number", "number", "number")),
    ("States.ArrayUnique", ("array",)),
    ("States.Base64Decode", ("string",)),
    ("States.Base64Decode", ("'bGFtcA=='",)),
    ("States.Base64Encode", ("string",)),
    ("States.Format", ("'plain'",)),
    ("States.Format", ("'{} and {}'", "scalar", "scalar")),
    ("States.Format", ("'{}'", "any")),
    ("States.Format", ("'\\{{}\\}'", "scalar")),
    ("States.Format", ("'{}'", "scalar", "scalar")),
    ("States.Hash", ("string", "'MD5'")),
    ("States.Hash", ("any", "'SHA-1'")),
    ("States.Hash", ("string", "'SHA-256'")),
    ("States.Hash", ("string", "string")),
    ("States.JsonMerge", ("object", "object", "false")),
    ("States.JsonMerge", ("object", "object", "true")),
    ("States.JsonToString", ("any",)),
    ("States.JsonToString", ("object",)),
    ("States.MathAdd", ("number", "number")),
    ("States.MathAdd", ("$.n", "1")),
    ("States.MathRandom", ("3", "4")),
    ("States.MathRandom", ("number", "number")),
    ("States.StringSplit", ("string", "','")),
    ("States.StringSplit", ("string", "',;'")),
    ("States.StringSplit", ("string", "string")),
    ("States.StringToJson", ("$.json",)),
    ("States.StringToJson", ("string",)),
    ("States.ArrayLength", ("States.StringSplit(States.UUID(), '-')",)),
    ("States.Array", ("any", "1.50", "null")),
)
_GIVES = {
    "States.Array": "array",
    "States.ArrayPartition": "array",
    "States.ArrayUnique": "array",
    "States.ArrayRange": "array",
    "States.StringSplit": "array",
    "States.ArrayLength": "number",
    "States.MathAdd": "number",
    "States.Format": "string",
    "States.JsonToString": "string",
    "States.Base64Encode": "string",
    "States.JsonMerge": "object",
}
