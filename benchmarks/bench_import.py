"""
CPU time of an import in a fresh interpreter, beyond what an empty one takes.   bench_import.py MODULE[,MODULE…]
"""

from __future__ import annotations

import subprocess
import sys

from harness import cpu_seconds, measure

TIMES = 10


def cpu_of(code: str) -> float:
    """Median CPU seconds of *code* in fresh interpreters."""
    taken = []
    for _ in range(TIMES):
        before = cpu_seconds()
        subprocess.run([sys.executable, "-c", code], check=True)
        taken.append(cpu_seconds() - before)
    return sorted(taken)[TIMES // 2]


def main(modules: str) -> None:
    code = f"import {modules}"
    cpu_of(code)  # once, so that the byte code is there
    who = "workflow-manager, memory" if "workflow_manager" in modules else "plain Python"
    with measure(who, f"import {modules}", 1) as extra:
        extra["import_ms"] = (cpu_of(code) - cpu_of("pass")) * 1000


if __name__ == "__main__":
    main(sys.argv[1])
