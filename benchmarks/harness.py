"""
What every bench shares: one measurement is one fresh process that prints one line of JSON.

The line holds ``who`` was measured on which ``workload``, ``n`` units of work, ``seconds`` of wall time and
``cpu_seconds`` of this process and its children, ``rate`` (units per second), ``peak_mb`` (the largest resident set),
``grown_mb`` (by how much that grew meanwhile), and what the bench adds. This module needs nothing but the standard
library, so that peers can use it from environments of their own.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

PAYLOAD = {
    "order": 0,
    "customer": "c-0001",
    "lines": [{"sku": "A-100", "pieces": 2}, {"sku": "B-200", "pieces": 1}],
    "rush": False,
}
"""The JSON value that goes from step to step: 124 bytes as text."""

PAGE = os.sysconf("SC_PAGE_SIZE")


def bump(order: Mapping[str, Any]) -> dict[str, Any]:
    """The work of a step: almost nothing, but seen in the output."""
    return {**order, "order": order["order"] + 1}


def payloads(n: int) -> list[dict[str, Any]]:
    """*n* payloads, numbered."""
    return [{**PAYLOAD, "order": index} for index in range(n)]


def resident_mb() -> float:
    """The resident set of this process now, in megabytes."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * PAGE / 1e6


def peak_mb() -> float:
    """The largest that the resident set of this process has been, in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def cpu_seconds() -> float:
    """CPU time of this process and its reaped children."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def chain(n: int, state: Mapping[str, Any]) -> dict[str, Any]:
    """A definition of *n* copies of *state* in a row."""
    names = [f"Step{index}" for index in range(n)]
    ways = [{"Next": name} for name in names[1:]] + [{"End": True}]
    return {"StartAt": names[0], "States": {name: {**state, **way} for name, way in zip(names, ways, strict=True)}}


def each(state: Mapping[str, Any], concurrency: int = 0) -> dict[str, Any]:
    """A definition that maps *state* over ``$.items``; 0 means no limit."""
    processor = {"ProcessorConfig": {"Mode": "INLINE"}, "StartAt": "One", "States": {"One": {**state, "End": True}}}
    mapped = {"Type": "Map", "ItemsPath": "$.items", "MaxConcurrency": concurrency, "ItemProcessor": processor}
    return {"StartAt": "Each", "States": {"Each": {**mapped, "End": True}}}


@contextlib.contextmanager
def measure(who: str, workload: str, n: int, **more: float | str) -> Iterator[dict[str, float | str]]:
    """Time the block and print the line; what the block puts into the dict it gets is printed too."""
    extra: dict[str, float | str] = dict(more)
    peak = peak_mb()
    cpu, begun = cpu_seconds(), time.perf_counter()
    yield extra
    seconds, cpu = time.perf_counter() - begun, cpu_seconds() - cpu
    line = {"who": who, "workload": workload, "n": n, "seconds": seconds, "cpu_seconds": cpu, "rate": n / seconds}
    print(json.dumps({**line, "peak_mb": peak_mb(), "grown_mb": peak_mb() - peak, **extra}), flush=True)


def leave() -> None:
    """End the process at once: some peers keep threads that would not let it go."""
    sys.stdout.flush()
    os._exit(0)
