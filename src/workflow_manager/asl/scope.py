"""What an expression may see while it is evaluated."""

from __future__ import annotations

import random
from collections.abc import Mapping

from workflow_manager.asl.values import JSON


class Scope:
    """
    The surroundings of one evaluation.

    *input* is what ``$`` means, *context* what ``$$`` means, *variables* what ``$name`` means.  Chance is an argument:
    *seed* names the place (execution and event), so that a replay draws the same numbers.
    """

    __slots__ = ("_generator", "context", "input", "seed", "variables")

    def __init__(
        self, input: JSON, context: JSON = None, variables: Mapping[str, JSON] | None = None, seed: str = ""
    ) -> None:
        self.input = input
        self.context = context
        self.variables: Mapping[str, JSON] = {} if variables is None else variables
        self.seed = seed
        self._generator: list[random.Random] = []  # made on first use, shared by every scope of one evaluation

    def random(self) -> random.Random:
        """One generator per evaluation, seeded by *seed*: two calls of ``States.UUID`` differ, two replays do not."""
        if not self._generator:
            self._generator.append(random.Random(self.seed))
        return self._generator[0]

    def on(self, input: JSON) -> Scope:
        """The same surroundings over another ``$``, with the same generator."""
        other = Scope(input, self.context, self.variables, self.seed)
        other._generator = self._generator
        return other
