"""
Fuzz: ``python tests/fuzz/run.py --count 50000 --seed 1`` runs so many cases and says what came of them.

``--case N`` runs one of them again and shows it.  Nothing that a case does may raise what is not the library's own,
hang for ``--seconds`` of processor time, or take more memory than ``--megabytes``.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import multiprocessing
import pprint
import resource
import signal
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from types import FrameType
from typing import Any

import attrs

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent.parent / "src")]

from law import PROGRESS, Verdict, check  # noqa: E402 - these are not installed
from mutate import make  # noqa: E402

_CHUNK = 100
_HARD_FACTOR = 60  # wall time after which a case that no signal reaches takes its process down with it


@attrs.frozen
class Outcome:
    """What one case came to: a *verdict*, or the text of what went wrong and the line where it did."""

    number: int
    seconds: float
    verdict: Verdict | None
    place: str = ""
    report: str = ""


def run_case(seed: int, number: int, seconds: float) -> Outcome:
    """Run one case within *seconds* of processor time, which, unlike wall time, other processes do not use up."""
    begun = time.process_time()
    faulthandler.dump_traceback_later(seconds * _HARD_FACTOR, exit=True)
    signal.setitimer(signal.ITIMER_PROF, seconds / 2, seconds / 2)
    try:
        try:
            verdict = check(make(seed, number))
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            faulthandler.cancel_dump_traceback_later()
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        report = "".join(traceback.format_exception(error, limit=-25))
        return Outcome(number, time.process_time() - begun, None, _place(error), report)
    return Outcome(number, time.process_time() - begun, verdict)


def _place(error: BaseException) -> str:
    """The exception's class and the last line of the library that it passed through."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "workflow_manager" in frame.filename] or frames
    said = f": {error}" if type(error).__name__ == "Broken" else ""
    return f"{type(error).__name__}{said} at {ours[-1].filename.rpartition('workflow_manager/')[2]}:{ours[-1].lineno}"


def _prepare(megabytes: int) -> None:
    """Bounds for this process."""
    resource.setrlimit(resource.RLIMIT_AS, (megabytes * 2**20,) * 2)
    warnings.simplefilter("error")
    signal.signal(signal.SIGPROF, _over_time)


def _over_time(signal_number: int, frame: FrameType | None) -> None:
    PROGRESS.tick()


def _chunk(job: tuple[int, range, float]) -> list[Outcome]:
    seed, numbers, seconds = job
    return [run_case(seed, number, seconds) for number in numbers]


def outcomes(options: argparse.Namespace) -> Iterator[Outcome]:
    """Every case, in any order, from several processes."""
    last = options.first + options.count
    jobs = [
        (options.seed, range(start, min(start + _CHUNK, last)), options.seconds)
        for start in range(options.first, last, _CHUNK)
    ]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.processes, context, _prepare, (options.megabytes,)) as pool:
        for future in as_completed([pool.submit(_chunk, job) for job in jobs]):
            yield from future.result()


def summarise(options: argparse.Namespace) -> int:
    """Run all and print what came of it; returns how many cases went wrong."""
    ends: Counter[str] = Counter()
    errors: Counter[str] = Counter()
    wrong: dict[str, list[Outcome]] = {}
    slowest: list[Outcome] = []
    begun, done, events = time.monotonic(), 0, 0
    for outcome in outcomes(options):
        done += 1
        slowest = sorted([*slowest, outcome], key=lambda one: -one.seconds)[:5]
        if outcome.verdict is None:
            known = wrong.setdefault(outcome.place, [])
            known.append(outcome)
            if len(known) == 1:
                print(f"case {outcome.number}: {outcome.report if options.show else outcome.place}", flush=True)
            continue
        ends[outcome.verdict.end] += 1
        events += outcome.verdict.events
        if outcome.verdict.error is not None:
            errors[ascii(outcome.verdict.error[:40])] += 1
        if done % 5000 == 0:
            print(f"{done:,} cases in {time.monotonic() - begun:.0f} s", flush=True)
    print(f"\n{done:,} cases of seed {options.seed} in {time.monotonic() - begun:.0f} s; {events:,} events")
    for title, counter in (("how they ended", ends), ("error names of runs that failed", errors)):
        print(f"\n{title}:")
        for name, count in counter.most_common(15):
            print(f"  {count:7,}  {name}")
    print("\nslowest (seconds of processor time):")
    for outcome in slowest:
        print(f"  {outcome.seconds:7.2f}  case {outcome.number}")
    print(f"\nwrong: {sum(map(len, wrong.values())):,}")
    for place, found in sorted(wrong.items(), key=lambda item: -len(item[1])):
        print(f"  {len(found):7,}  {place}  (cases {', '.join(str(one.number) for one in found[:4])})")
    return sum(map(len, wrong.values()))


def show(seed: int, number: int, seconds: float) -> int:
    """Run one case and print all there is to say about it."""
    case = make(seed, number)
    print(case)
    try:
        print(json.dumps(case.definition, indent=1)[:20_000])
    except (TypeError, ValueError, RecursionError):
        print(ascii(case.definition)[:20_000])
    print("input:", ascii(case.input)[:2000])
    outcome = run_case(seed, number, seconds)
    pprint.pp(outcome.verdict)
    print(outcome.report, f"{outcome.seconds:.2f} s")
    return int(outcome.verdict is None)


def main(arguments: list[str] | None = None) -> int:
    """The command; the exit status is 1 when a case went wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=50_000, help="how many cases")
    parser.add_argument("--seed", type=int, default=1, help="which cases: the same seed makes the same ones")
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--processes", type=int, default=2, help="in how many processes")
    parser.add_argument("--seconds", type=float, default=5.0, help="processor time that a case may take without news")
    parser.add_argument("--megabytes", type=int, default=1536, help="address space that a process may have")
    parser.add_argument("--case", type=int, help="run this one alone and show it")
    parser.add_argument("--show", action="store_true", help="print a traceback of every kind of failure")
    options: Any = parser.parse_args(arguments)
    if options.case is not None:
        _prepare(options.megabytes)
        return show(options.seed, options.case, options.seconds)
    return int(bool(summarise(options)))


if __name__ == "__main__":
    sys.exit(main())
