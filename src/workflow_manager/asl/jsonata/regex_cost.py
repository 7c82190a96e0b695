"""
How much work a backtracking matcher may have with a pattern, told from the pattern alone.

A repetition is ambiguous where the character that may follow it may also begin one more turn of it: then the matcher
has a choice to come back to.  An ambiguous part inside a repetition doubles the work with each character; outside,
each ambiguous repetition multiplies it by the length of the text.
"""

from __future__ import annotations

import math
import re
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any

from workflow_manager.asl.jsonata.limits import REGEX_PATHS, REGEX_WORK

_WORD, _SPACE, _REST = 128, 129, 130  # stand for every character beyond ASCII that is of a word, is space, is neither
_OTHERS = frozenset({_WORD, _SPACE, _REST})
_ALL = frozenset(range(_REST + 1))
_SAMPLES = [*map(chr, range(_WORD)), "\u00e9", "\u2003", "\u2192"]
_LARGE = 16  # a repetition that may vary by more turns than this counts as one without end
_MANY = 10_000  # as good as without end
_NO_LIMIT = 1 << 62
_CATEGORIES = {
    op.CATEGORY_DIGIT: r"\d",
    op.CATEGORY_NOT_DIGIT: r"\D",
    op.CATEGORY_SPACE: r"\s",
    op.CATEGORY_NOT_SPACE: r"\S",
    op.CATEGORY_WORD: r"\w",
    op.CATEGORY_NOT_WORD: r"\W",
}
_REPEATS = (op.MAX_REPEAT, op.MIN_REPEAT)


def longest_subject(pattern: str, options: int = 0) -> int:
    """
    How many characters a text may have for *pattern* (in Python's syntax) with the flags *options* to finish.

    Raises:
        re.error: the pattern is wrong.
    """
    tree = _parser.parse(pattern, options)
    cost = _Cost(bool(options & re.IGNORECASE))
    cost.sequence(list(tree), frozenset(), repeated=False)
    if cost.choices:
        return max(0, int(math.log(REGEX_PATHS / cost.factor, cost.choices + 1)))
    anchored = _starts_at_beginning(list(tree)) and not options & re.MULTILINE
    degree = (max(1, cost.ambiguous) if cost.scans else 0) + (0 if anchored or not cost.varies else 1)
    if degree == 0:
        return _NO_LIMIT if cost.factor <= REGEX_WORK else 0
    return int((REGEX_WORK / cost.factor) ** (1 / degree))


def _starts_at_beginning(items: list[Any]) -> bool:
    return bool(items) and items[0][0] is op.AT and items[0][1] in (op.AT_BEGINNING, op.AT_BEGINNING_STRING)


class _Cost:
    """Walks a pattern from its end to its beginning, since what follows decides."""

    def __init__(self, ignore_case: bool, begins: dict[int, tuple[frozenset[int], bool]] | None = None) -> None:
        self.ignore_case = ignore_case
        self._begins: dict[int, tuple[frozenset[int], bool]] = {} if begins is None else begins
        self.choices = 0  # ambiguous parts within a repetition
        self.ambiguous = 0  # ambiguous repetitions without end outside
        self.scans = False  # may it run over a text and fail after that?
        self.factor = 1  # ways through the rest, whatever the text

    @property
    def varies(self) -> bool:
        """Whether there is more than one way through the pattern that may have to be tried from one place."""
        return self.scans or self.factor > 1

    def sequence(self, items: list[Any], follow: frozenset[int], repeated: bool) -> tuple[frozenset[int], bool]:
        """
        What may begin *items* and whether they may be empty, given what may *follow* them.

        An empty *follow* means that nothing follows which could fail; *repeated* that they are part of a repetition.
        """
        first: frozenset[int] = frozenset()
        empty = True
        for code, value in reversed(items):
            begins, may_be_empty = self._item(code, value, follow, repeated)
            follow = begins | follow if may_be_empty else begins
            first = begins | first if may_be_empty else begins
            empty = empty and may_be_empty
        return first, empty

    def _item(self, code: Any, value: Any, follow: frozenset[int], repeated: bool) -> tuple[frozenset[int], bool]:
        if code in _REPEATS:
            return self._repeat(value, follow, repeated)
        if code is op.BRANCH:
            return self._branch(value[1], follow, repeated)
        if code is op.SUBPATTERN:
            return self.sequence(list(value[3]), follow, repeated)
        if code in (op.ASSERT, op.ASSERT_NOT):
            self.sequence(list(value[1]), _ALL, repeated)
            return _ALL, True
        if code is op.LITERAL or code is op.NOT_LITERAL or code is op.IN or code is op.ANY:
            return self._characters(code, value), False
        if code is op.AT:
            return _ALL, True  # may fail whatever comes
        if code is op.GROUPREF_EXISTS:
            for part in value[1:]:
                self.sequence(list(part or ()), _ALL, repeated)
            return _ALL, True
        if code is getattr(op, "ATOMIC_GROUP", None):
            return self.sequence(list(value), _ALL, repeated)
        if code is getattr(op, "POSSESSIVE_REPEAT", None):
            return self._repeat(value, _ALL, repeated)
        self.ambiguous += 1  # a reference to a group (or something new) reads as much as the group did
        return _ALL, True

    def _repeat(self, value: Any, follow: frozenset[int], repeated: bool) -> tuple[frozenset[int], bool]:
        least, most, body = value
        again = most > 1
        first, empty = self._beginning(body)
        self.sequence(list(body), first | follow if again else follow, repeated or again)
        if again and empty and most < _MANY:
            # turns may be empty, so the text does not bound them
            self.factor = min(self.factor << min(most, 64), _NO_LIMIT)
        if most > least:
            self._vary(most - least, first, follow, repeated)
        return first, empty or least == 0

    def _beginning(self, body: Any) -> tuple[frozenset[int], bool]:
        """What may begin *body*, and whether it may be empty; learned once, or nested repetitions take for ever."""
        if id(body) not in self._begins:
            learner = _Cost(self.ignore_case, self._begins)
            self._begins[id(body)] = learner.sequence(list(body), frozenset(), repeated=False)
        return self._begins[id(body)]

    def _vary(self, turns: int, first: frozenset[int], follow: frozenset[int], repeated: bool) -> None:
        """Count a repetition that may take more or fewer *turns*."""
        endless = turns > _LARGE
        self.scans = self.scans or (endless and bool(follow))
        if first.isdisjoint(follow):
            return
        if repeated:
            self.choices += 1
        elif endless:
            self.ambiguous += 1
        else:
            self.factor = min(self.factor * (turns + 1), _NO_LIMIT)

    def _branch(self, branches: list[Any], follow: frozenset[int], repeated: bool) -> tuple[frozenset[int], bool]:
        first: frozenset[int] = frozenset()
        taken: frozenset[int] = frozenset()
        empty = False
        for branch in branches:
            begins, may_be_empty = self.sequence(list(branch), follow, repeated)
            reached = begins | follow if may_be_empty else begins
            if not taken.isdisjoint(reached):
                self.choices += repeated
                self.factor = min(self.factor * (1 if repeated else 2), _NO_LIMIT)
            first, taken, empty = first | begins, taken | reached, empty or may_be_empty
        return first, empty

    def _characters(self, code: Any, value: Any) -> frozenset[int]:
        if code is op.ANY:
            return _ALL
        if code is op.LITERAL:
            return self._both_cases(frozenset({_symbol(value)}))
        if code is op.NOT_LITERAL:
            return _ALL - {value} | _OTHERS
        members: frozenset[int] = frozenset()
        for kind, what in value:
            members |= _members(kind, what)
        members = self._both_cases(members)
        if value[0][0] is not op.NEGATE:
            return members
        return (_ALL - members) | (_OTHERS - members if _exact(value) else _OTHERS)

    def _both_cases(self, members: frozenset[int]) -> frozenset[int]:
        if not self.ignore_case:
            return members
        letters = [chr(code) for code in members if code < _WORD and chr(code).isalpha()]
        return members | {ord(letter.swapcase()) for letter in letters} | ({_WORD} if letters else set())


def _symbol(code: int) -> int:
    if code < _WORD:
        return code
    return _SPACE if chr(code).isspace() else _WORD if chr(code).isalnum() else _REST


def _members(kind: Any, what: Any) -> frozenset[int]:
    if kind is op.LITERAL:
        return frozenset({_symbol(what)})
    if kind is op.RANGE:
        return frozenset(range(what[0], min(what[1] + 1, _WORD))) | (_OTHERS if what[1] >= _WORD else frozenset())
    if kind is op.CATEGORY:
        pattern = re.compile(_CATEGORIES.get(what, r"[\s\S]"))
        found = frozenset(code for code, sample in enumerate(_SAMPLES) if pattern.match(sample))
        return found | {_WORD} if what in (op.CATEGORY_DIGIT, op.CATEGORY_NOT_DIGIT) else found
    return frozenset()


def _exact(members: Any) -> bool:
    """Whether the characters beyond ASCII in a class are known group by group: true of spaces and words."""
    exact = (op.CATEGORY_SPACE, op.CATEGORY_NOT_SPACE, op.CATEGORY_WORD, op.CATEGORY_NOT_WORD)
    return all(
        (kind is op.LITERAL and what < _WORD)
        or (kind is op.RANGE and what[1] < _WORD)
        or (kind is op.CATEGORY and what in exact)
        for kind, what in members
        if kind is not op.NEGATE
    )
