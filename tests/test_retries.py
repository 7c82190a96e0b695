"""Which retrier answers and when; which catcher."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_manager.asl.machine import Catcher, JitterStrategy, Retrier
from workflow_manager.asl.retries import Failure, delay_seconds, find_catcher, find_retrier, matches

YEAR = 31_536_000.0
RETRIERS = st.builds(
    Retrier,
    interval_seconds=st.integers(1, 10_000),
    backoff_rate=st.floats(1, 100),
    max_delay_seconds=st.none() | st.integers(1, 1_000_000),
    jitter_strategy=st.sampled_from(JitterStrategy),
)


@pytest.mark.parametrize(
    ("names", "failure", "answered"),
    [
        (["A"], Failure("A"), True),
        (["A"], Failure("a"), False),
        (["A", "B"], Failure("B"), True),
        ([], Failure("A"), False),
        (["States.ALL"], Failure("A"), True),
        (["States.ALL"], Failure(None), True),
        (["States.ALL"], Failure("States.Timeout"), True),
        (["States.ALL"], Failure("States.Runtime"), False),
        (["States.Runtime"], Failure("States.Runtime"), False),
        (["States.TaskFailed"], Failure("A"), True),
        (["States.TaskFailed"], Failure("States.TaskFailed"), True),
        (["States.TaskFailed"], Failure(None), True),
        (["States.TaskFailed"], Failure("States.Timeout"), False),
        (["States.TaskFailed"], Failure("States.HeartbeatTimeout"), False),
        (["States.Timeout"], Failure("States.Timeout"), True),
        (["States.Timeout"], Failure("States.Timeout", heartbeat=True), True),
        (["States.HeartbeatTimeout"], Failure("States.Timeout", heartbeat=True), True),
        (["States.HeartbeatTimeout"], Failure("States.Timeout"), False),
    ],
)
def test_which_names_answer(names: list[str], failure: Failure, answered: bool) -> None:
    """Names are compared whole and by case; three of them mean more than themselves."""
    assert matches(names, failure) is answered


def test_the_first_retrier_that_names_the_error_decides() -> None:
    """When it is used up, a later one that would name it too is not asked."""
    rules = [
        Retrier(error_equals=("A",), max_attempts=2),
        Retrier(error_equals=("B",), max_attempts=0),
        Retrier(error_equals=("States.ALL",), max_attempts=9),
    ]
    assert find_retrier(rules, Failure("A"), {}) == 0
    assert find_retrier(rules, Failure("A"), {0: 1}) == 0
    assert find_retrier(rules, Failure("A"), {0: 2}) is None
    assert find_retrier(rules, Failure("B"), {}) is None
    assert find_retrier(rules, Failure("C"), {0: 2}) == 2
    assert find_retrier((), Failure("A"), {}) is None


def test_the_first_catcher_that_names_the_error() -> None:
    """Or none."""
    rules = [Catcher(error_equals=("A",), next="X"), Catcher(error_equals=("States.TaskFailed",), next="Y")]
    assert [find_catcher(rules, Failure(error)) for error in ("A", "B", "States.Timeout")] == [0, 1, None]


@pytest.mark.parametrize(
    ("interval", "rate", "most", "delays"),
    [
        (1, 2.0, None, [1, 2, 4, 8, 16]),
        (3, 1.5, None, [3, 4.5, 6.75, 10.125]),
        (10, 1, None, [10, 10, 10]),
        (5, 3, 20, [5, 15, 20, 20]),
        (30, 2, 7, [7, 7]),
    ],
)
def test_how_long_a_retrier_waits(interval: int, rate: float, most: int | None, delays: list[float]) -> None:
    """IntervalSeconds × BackoffRate ^ count, at most MaxDelaySeconds."""
    rule = Retrier(interval_seconds=interval, backoff_rate=rate, max_delay_seconds=most)
    assert [delay_seconds(rule, count, "seed") for count in range(len(delays))] == delays


def test_the_defaults() -> None:
    """One second, doubled each time, three times, without jitter."""
    rule = Retrier()
    assert (rule.interval_seconds, rule.backoff_rate, rule.max_attempts, rule.max_delay_seconds) == (1, 2.0, 3, None)
    assert rule.jitter_strategy is JitterStrategy.NONE


def test_a_delay_never_exceeds_a_year() -> None:
    """No execution lives longer; a number beyond all floats is no error."""
    assert delay_seconds(Retrier(interval_seconds=99_999_999), 3, "") == YEAR
    assert delay_seconds(Retrier(backoff_rate=10.0), 5_000, "") == YEAR


@given(RETRIERS, st.integers(0, 10_000), st.text(max_size=8))
def test_a_delay_is_finite_bounded_and_repeatable(rule: Retrier, count: int, seed: str) -> None:
    """Whatever the rule, a delay is between 0 and its limits and the same for the same seed."""
    delay = delay_seconds(rule, count, seed)
    assert math.isfinite(delay)
    assert 0 <= delay <= min(YEAR, rule.max_delay_seconds or YEAR)
    assert delay_seconds(rule, count, seed) == delay


@given(st.integers(1, 1000), st.integers(0, 8))
def test_full_jitter_draws_below_the_delay(interval: int, count: int) -> None:
    """Between 0 and what it would be without; different seeds draw differently."""
    plain = Retrier(interval_seconds=interval)
    jittered = Retrier(interval_seconds=interval, jitter_strategy=JitterStrategy.FULL)
    draws = [delay_seconds(jittered, count, f"seed {number}") for number in range(20)]
    assert all(0 <= draw <= delay_seconds(plain, count, "") for draw in draws)
    assert len(set(draws)) == 20
