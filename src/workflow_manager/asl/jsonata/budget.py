"""What is left of the bounds of one evaluation."""

from __future__ import annotations

from typing import Any

from workflow_manager.asl.jsonata.limits import (
    MAX_BUILT_BYTES,
    MAX_DEPTH,
    MAX_STEPS,
    MAX_VALUE_BYTES,
    READ_PER_STEP,
    TOO_DEEP,
    TOO_LARGE,
    TOO_LONG,
    EvaluationLimitError,
)


class Budget:
    """Steps, depth and bytes; each method raises EvaluationLimitError where a bound is passed."""

    def __init__(self) -> None:
        self.depth = 0
        self._steps = MAX_STEPS
        self._built = MAX_BUILT_BYTES

    def enter(self) -> None:
        """Count one node, one level deeper than the last; whoever leaves it takes the level back."""
        self.steps(1)
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise EvaluationLimitError(TOO_DEEP)

    def steps(self, count: int) -> None:
        """Count work as that of *count* nodes."""
        self._steps -= count
        if self._steps < 0:
            raise EvaluationLimitError(TOO_LONG)

    def read(self, size: int, per_step: int = READ_PER_STEP) -> None:
        """Count that *size* items are read at once."""
        self.steps(size // per_step)

    def built(self, value: Any) -> Any:
        """*value*, just built, after counting its size."""
        if isinstance(value, str):
            self.will_build(len(value), 1 if value.isascii() else 4)
        elif isinstance(value, list):
            self.will_build(len(value), 8, 8)
        return value

    def will_build(self, count: int, stored: int = 1, counted: int = 1) -> None:
        """Count *count* parts about to be built, each of which takes *stored* bytes here and *counted* bytes on AWS."""
        self._built -= count * stored
        if count * counted > MAX_VALUE_BYTES or self._built < 0:
            raise EvaluationLimitError(TOO_LARGE)
