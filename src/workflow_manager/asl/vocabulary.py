"""The words of the language: its enumerations, its operators, and the sign for what is absent."""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import Literal, TypeAlias


class StateType(StrEnum):
    """The eight values of a state's ``Type``."""

    PASS = "Pass"
    TASK = "Task"
    CHOICE = "Choice"
    WAIT = "Wait"
    SUCCEED = "Succeed"
    FAIL = "Fail"
    PARALLEL = "Parallel"
    MAP = "Map"


class QueryLanguage(StrEnum):
    """How a state selects and transforms data."""

    JSONPATH = "JSONPath"
    JSONATA = "JSONata"


class JitterStrategy(StrEnum):
    """Whether a retrier's delay is drawn at random between 0 and itself."""

    NONE = "NONE"
    FULL = "FULL"


class ProcessorMode(StrEnum):
    """Where a Map's iterations run: inside the execution, or each as a child execution."""

    INLINE = "INLINE"
    DISTRIBUTED = "DISTRIBUTED"


class StateMachineType(StrEnum):
    """AWS's two kinds of state machine."""

    STANDARD = "STANDARD"
    EXPRESS = "EXPRESS"


class Absent(Enum):
    """The type of :data:`ABSENT`, which is false in a condition."""

    ABSENT = "absent"

    def __bool__(self) -> Literal[False]:
        return False

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT = Absent.ABSENT
"""What a field holds that is not in the document, where null would mean something else."""

Number: TypeAlias = int | float | str
"""A number, or a string ``{% … %}`` that JSONata turns into one."""

_KINDS = ("String", "Numeric", "Timestamp")
_TESTS = ("Equals", "LessThan", "GreaterThan", "LessThanEquals", "GreaterThanEquals")
COMPARISON_OPERATORS: frozenset[str] = frozenset(
    [f"{kind}{test}{path}" for kind in _KINDS for test in _TESTS for path in ("", "Path")]
    + ["BooleanEquals", "BooleanEqualsPath", "StringMatches"]
    + ["IsNull", "IsPresent", "IsNumeric", "IsString", "IsBoolean", "IsTimestamp"]
)
"""The 39 operators of a JSONPath choice rule (ASL specification, "Data-test expression")."""
