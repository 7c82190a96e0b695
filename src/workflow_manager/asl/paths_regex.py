"""
Regular expressions that cannot hang.

A filter's pattern comes from a definition and its text from an execution's data, so the worst case is refused before it
is tried: the steps that backtracking may take are estimated from the shape of the pattern and the length of the text.
"""

from __future__ import annotations

import re

_MAX_STEPS = 10_000_000
_SHAPE = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|(\()|(\))|(\|)|([*+]|\{\d+,\d*\})|\?", re.DOTALL)


class PatternTooCostlyError(ValueError):
    """Matching could take too long for a text of this length."""


class BoundedPattern:
    """A compiled pattern whose matching is refused where it could take more than some ten million steps."""

    __slots__ = ("_degree", "_explosive", "_pattern")

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self._pattern = pattern
        self._degree, self._explosive = _shape(pattern.pattern)

    def steps(self, text: str) -> int:
        """How many steps matching *text* may take at worst (all that is beyond the bound is one number beyond it)."""
        steps = 1
        for _ in range(len(text) if self._explosive else self._degree):
            steps *= 2 if self._explosive else max(len(text), 1)
            if steps > _MAX_STEPS:
                return _MAX_STEPS + 1
        return steps

    def fullmatch(self, text: str) -> bool:
        """
        Whether the whole of *text* matches.

        Raises:
            PatternTooCostlyError: it could take too long to find out.
        """
        if self.steps(text) > _MAX_STEPS:
            raise PatternTooCostlyError(
                f"The pattern /{self._pattern.pattern}/ is too costly for a text of {len(text)} characters"
            )
        return self._pattern.fullmatch(text) is not None


def _shape(pattern: str) -> tuple[int, bool]:
    """
    How matching time grows with the text: its power, and whether it doubles with every character.

    The power is the number of repeats, at least 1.  A repeated group that itself holds a repeat or a choice may be
    tried in exponentially many ways.
    """
    degree, explosive = 0, False
    groups: list[bool] = [False]  # does the open group hold a repeat or a choice?
    closed = False  # did the group that was just closed?
    for found in _SHAPE.finditer(pattern):
        opens, closes, choice, repeat = found.groups()
        if repeat:
            degree += 1
            explosive = explosive or (closed and pattern[found.start() - 1] == ")")
            groups[-1] = True
        closed = False
        if opens:
            groups.append(False)
        elif closes and len(groups) > 1:
            closed = groups.pop()
            groups[-1] = groups[-1] or closed
        elif choice:
            groups[-1] = True
    return max(degree, 1), explosive
