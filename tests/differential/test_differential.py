"""The differential law: two interpreters that share no code make the same of a machine, but for what is known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("moto.stepfunctions.parser", reason="moto[stepfunctions] is not installed")

from disagreements import KNOWN
from interpreters import Comparison, Verdict, compare, run_here
from moto_runner import Moto, running_moto
from random_machines import make_case

from workflow_manager.asl.validate import validate
from workflow_manager.exceptions import Severity

SEEDS = range(60)
DIFFERENCES = Path(__file__).parents[2] / "docs" / "differences.md"
NAMES = {
    "execution_arn": "arn:aws:states:us-east-1:123456789012:execution:machine:run",
    "state_machine_arn": "arn:aws:states:us-east-1:123456789012:stateMachine:machine",
    "role_arn": "arn:aws:iam::123456789012:role/differential",
}


@pytest.fixture(scope="module")
def moto() -> Iterator[Moto]:
    with running_moto() as running:
        yield running


@pytest.fixture(scope="module")
def comparisons(moto: Moto) -> list[Comparison]:
    return [compare(make_case(seed), moto) for seed in SEEDS]


def test_both_agree_but_for_what_is_known(comparisons: list[Comparison]) -> None:
    """Status, output, error and every event agree, or the first difference is of a documented class."""
    assert [str(comparison) for comparison in comparisons if comparison.verdict is Verdict.UNKNOWN] == []


def test_most_cases_compare_something(comparisons: list[Comparison]) -> None:
    """The law is no empty one: enough cases agree whole, and those have enough events."""
    agreed = [comparison for comparison in comparisons if comparison.verdict is Verdict.AGREED]
    assert len(agreed) >= len(comparisons) / 3
    assert sum(len(comparison.ours.events) for comparison in agreed) >= 5 * len(agreed)
    assert {comparison.ours.status for comparison in agreed} == {"SUCCEEDED", "FAILED"}


@pytest.mark.parametrize("seed", range(0, 2_000, 40))
def test_the_machines_are_sound(seed: int) -> None:
    """Every machine would be accepted, ends, and comes out the same whenever it is made."""
    case = make_case(seed)
    assert [str(problem) for problem in validate(case.definition) if problem.severity is Severity.ERROR] == []
    assert make_case(seed) == case
    assert run_here(case, NAMES).status in ("SUCCEEDED", "FAILED")


def test_every_class_is_documented() -> None:
    """docs/differences.md has a row for each class, and no other."""
    rows = [line for line in DIFFERENCES.read_text("utf-8").splitlines() if line.startswith("| ")][1:]
    assert [row.split("|")[1].strip() for row in rows] == [known.name for known in KNOWN]
    assert [row.split("|")[2].strip() for row in rows] == [known.right.value for known in KNOWN]
