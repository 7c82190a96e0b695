"""A slice of the fuzz; ``python tests/fuzz/run.py`` is the whole of it."""

from __future__ import annotations

import sys
import time

import jsonata  # noqa: F401  # it raises the recursion limit
import pytest
from awkward import not_json
from law import Verdict, check
from mutate import make
from seeds import machine

from workflow_manager.asl import validate
from workflow_manager.exceptions import InvalidValueError, Severity
from workflow_manager.testing import simulate

SECONDS = 6.0


def test_the_seeds_are_sound() -> None:
    """What the accidents happen to would run: otherwise the fuzz would only ever see refusals."""
    from random import Random

    for number in range(60):
        document = machine(Random(number))
        errors = [problem for problem in validate(document) if problem.severity is Severity.ERROR]
        assert [error for error in errors if "Express state machine" not in error.message] == []


def test_a_case_is_made_from_its_number() -> None:
    """The same seed and number make the same case, or no failure could be looked at again."""
    for number in range(0, 200, 7):
        assert repr(make(1, number)) == repr(make(1, number))
        assert ascii(make(1, number).definition)[:500] == ascii(make(1, number).definition)[:500]


def test_whatever_comes_in_nothing_strange_comes_out() -> None:
    """Reading, judging and running raise only the library's own errors, and what ran can be replayed."""
    before, end, ends = sys.getrecursionlimit(), time.monotonic() + SECONDS, set[str]()
    try:
        for number in range(400):
            verdict = check(make(2, number))
            assert isinstance(verdict, Verdict)
            ends.add(verdict.end)
            if time.monotonic() > end and number > 100:
                break
    finally:
        sys.setrecursionlimit(before)
    assert {"SUCCEEDED", "FAILED", "refused by validate", "refused while read", "refused: input"} <= ends


@pytest.mark.parametrize("number", range(20))
def test_an_input_that_is_no_json_is_refused_where_it_is_none(number: int) -> None:
    """The error names the place, as a JSON Pointer."""
    from random import Random

    input, pointer = not_json(Random(number))
    with pytest.raises(InvalidValueError) as refused:
        simulate({"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}, input)
    assert (refused.value.what, refused.value.path) == ("input", pointer)
