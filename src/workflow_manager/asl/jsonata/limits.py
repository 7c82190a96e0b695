"""
What one evaluation may cost.

Depth and size are the bounds that Step Functions itself keeps, as far as they can be told from outside; the number of
steps stands in for its time limit, so that the same expression over the same data stops at the same place on every
machine.
"""

from __future__ import annotations

MAX_DEPTH = 100
"""How deep evaluation may nest: one level per operator, call, bracket or block."""

MAX_STEPS = 1_000_000
"""How many nodes of an expression one evaluation may visit; functions count by the length of what they read."""

MAX_VALUE_BYTES = 6_990_256
"""How large a value built by an expression may be: eight bytes for an item of a list, one for a character."""

MAX_BUILT_BYTES = 512 * 1024 * 1024
"""How many bytes an evaluation may build in all, whether it keeps them or not."""

MAX_SOURCE = 256 * 1024
"""How many characters an expression may have."""

REGEX_PATHS = 1 << 21
"""How many ways a regular expression may try whose ways multiply with every character of the text."""

REGEX_WORK = 100_000_000
"""How many positions any other regular expression may try in its worst case."""

READ_PER_STEP = 16
"""How many items of a list or an object are read at once for one step."""

COPIED_PER_STEP = 256
"""How many of them are copied or only counted for one step."""

TOO_DEEP = "Stack overflow error: Check for non-terminating recursive function. Consider rewriting as tail-recursive"
TOO_LONG = "Expression evaluation timeout: Check for infinite loop"
TOO_LARGE = "Expression evaluation memory limit exceeded: Check for excessive memory usage"


class EvaluationLimitError(Exception):
    """An evaluation went over a bound; the text is Step Functions' own where it has one."""
