"""
Runs all benches beside one another and prints the table of README.md.

    python benchmarks/run.py [--moto PYTHON] [--dbos PYTHON] [--rounds N] [--only TEXT] [--json FILE] [--write]

``--moto`` and ``--dbos`` name interpreters of environments in which these peers are installed (or the environment
variables BENCH_MOTO and BENCH_DBOS do); without them their columns stay empty, as do the rows of the HTTP example where
FastAPI is not installed.  Every figure is the median of ``--rounds`` fresh processes; a round runs every measurement
once, so that whatever else the machine does meets all alike.  ``--write`` puts the table into README.md, ``--json``
keeps every single line.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import attrs

HERE = Path(__file__).resolve().parent
README = HERE / "README.md"
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"
OURS, OURS_SQLITE = "workflow-manager, memory", "workflow-manager, SQLite"
MOTO, DBOS, PYTHON = "moto", "DBOS", "plain Python"
COLUMNS = (OURS, OURS_SQLITE, MOTO, DBOS, PYTHON)

Line = dict[str, Any]


@attrs.frozen
class Figure:
    """A row of the table: its name, how one line of a bench becomes a number, and how that number is written."""

    name: str
    number: Callable[[Line], float]
    text: Callable[[float], str]


@attrs.frozen
class Measurement:
    """Which column is measured by which command; one command can give several figures."""

    who: str
    command: tuple[str, ...]
    figures: tuple[Figure, ...]


def _rate(value: float) -> str:
    return f"{value:,.0f}"


def _one(value: float) -> str:
    return f"{value:,.1f}"


def _percent(value: float) -> str:
    return f"{value:.0%}"


def rate(name: str) -> Figure:
    return Figure(name, lambda line: line["rate"], _rate)


def served(name: str, what: str) -> tuple[Figure, Figure]:
    """What 32 clients get at once: how many in a second, and how long one in a hundred waits at least."""
    return rate(f"{name}, 32 at once: per second"), Figure(
        f"… {what}: ms at the 99th percentile", lambda line: line["p99_ms"], _one
    )


CHAIN_PASS = rate("chain of 1,000 Pass states: states/s")
CHAIN_TASK = rate("chain of 1,000 Tasks: tasks/s")
MAP_1K = rate("inline Map, 1,000 items of one Task: items/s")
MAP_1K_KB = Figure("… memory at its peak: KB per item", lambda line: line["grown_mb"] * 1000 / line["n"], _one)
MAP_10K = rate("inline Map, 10,000 items of one Task: items/s")
MAP_10K_KB = Figure("… memory at its peak: KB per item (10,000)", MAP_1K_KB.number, _one)
FAN_OUT = Figure(
    "64 items of 50 ms, 32 at a time: share of ideal", lambda line: line["rate"] * line["ideal"] / 64, _percent
)
MAP_PASS = rate("inline Map, 1,000 items of one Pass: items/s")
MAP_JSONATA = rate("… each shaped by JSONata, 1,000 items: items/s")
MAP_JSONATA_10K = rate("… each shaped by JSONata, 10,000 items: items/s")
PATH = Figure("look-up of `$.a.b.c`: times the hand-written Python", lambda line: line["times_by_hand"], _one)
TEMPLATE = Figure("template of plain paths: times the hand-written Python", PATH.number, _one)
PARSE = rate("reading, validating and compiling a definition: states/s")
WORKFLOWS = rate("workflows of three Tasks: workflows/s")
WORKFLOW_KB = Figure("… memory kept: KB per finished workflow", lambda line: line["kb_each"], _one)
CHAIN_FULL = rate("… to the last commit, the jobs not read back: tasks/s")
CHAIN_NORMAL = rate("… and commits do not wait for the disk: tasks/s")
COMMIT, COMMIT_NORMAL = (
    rate("one row per commit, as sqlite3 has it: commits/s"),
    rate("… not waiting for the disk: commits/s"),
)
LOAD = Figure("taking over a workflow of 20,190 events: ms", lambda line: line["snapshot_ms"], _one)
LOAD_200 = Figure("… of 190 events, which has no snapshot yet: ms", LOAD.number, _one)
LOAD_WHOLE = Figure("… of 20,190 events, from its whole history: ms", lambda line: line["history_ms"], _one)
TAKE_OVER = rate("workflows of a dead process, taken over and ended: workflows/s")
KEPT_KB = Figure("… memory kept: KB per finished workflow, after the first 3,000", lambda line: line["kb_each"], _one)
START_FLOOR = served("saving a new workflow, by the store alone", "saving")
START = served("starting a workflow through the service", "starting")
START_HTTP = served("starting a workflow by HTTP", "starting by HTTP")
STATUS_FLOOR = served("reading a workflow, by the store alone", "reading")
STATUS = served("a workflow's present status through the service", "status")
STATUS_HTTP = served("a workflow's present status by HTTP", "status by HTTP")
PROCESSES = rate("workflows of three remote tasks, 32 processes over one file: workflows/s")
IMPORT = Figure("import: CPU ms", lambda line: line["import_ms"], _one)
JSON_STEP = rate("the step, and its payload to JSON text and back: steps/s")
HAND_OVER = rate("the step in another thread, one at a time: steps/s")
FIGURES = (
    CHAIN_PASS,
    CHAIN_TASK,
    CHAIN_FULL,
    CHAIN_NORMAL,
    COMMIT,
    COMMIT_NORMAL,
    MAP_1K,
    MAP_1K_KB,
    MAP_10K,
    MAP_10K_KB,
    MAP_PASS,
    MAP_JSONATA,
    MAP_JSONATA_10K,
    PATH,
    TEMPLATE,
    PARSE,
    FAN_OUT,
    WORKFLOWS,
    WORKFLOW_KB,
    KEPT_KB,
    TAKE_OVER,
    LOAD,
    LOAD_200,
    LOAD_WHOLE,
    *START_FLOOR,
    *START,
    *START_HTTP,
    *STATUS_FLOOR,
    *STATUS,
    *STATUS_HTTP,
    PROCESSES,
    IMPORT,
    JSON_STEP,
    HAND_OVER,
)


def plan(moto: str | None, dbos: str | None) -> list[Measurement]:
    """All measurements that can be made with the interpreters given."""

    def ours(script: str, *figures: Figure) -> Measurement:
        on_disk = any(word in script for word in ("sqlite", "durable", "service", "http", "processes"))
        return Measurement(OURS_SQLITE if on_disk else OURS, (sys.executable, *script.split()), figures)

    def floor(workload: str, *figures: Figure) -> Measurement:
        return Measurement(PYTHON, (sys.executable, "bench_floor.py", workload), figures)

    def peer(who: str, python: str, workload: str, *figures: Figure) -> Measurement:
        return Measurement(who, (python, f"peers/bench_{who.lower()}.py", *workload.split()), figures)

    made = [
        ours("bench_chain.py pass", CHAIN_PASS),
        ours("bench_chain.py task", CHAIN_TASK),
        ours("bench_chain.py task sqlite", CHAIN_TASK),
        ours("bench_map.py memory 1000", MAP_1K, MAP_1K_KB),
        ours("bench_map.py sqlite 1000", MAP_1K, MAP_1K_KB),
        ours("bench_map.py memory 10000", MAP_10K, MAP_10K_KB),
        ours("bench_map.py sqlite 10000", MAP_10K, MAP_10K_KB),
        ours("bench_language.py map-jsonata 1000", MAP_JSONATA),
        ours("bench_language.py map-jsonata 10000", MAP_JSONATA_10K),
        ours("bench_language.py path", PATH),
        ours("bench_language.py template", TEMPLATE),
        ours("bench_language.py parse 1000", PARSE),
        ours("bench_fan_out.py", FAN_OUT),
        ours("bench_workflows.py memory 1000", WORKFLOWS, WORKFLOW_KB),
        ours("bench_workflows.py sqlite 1000", WORKFLOWS, WORKFLOW_KB),
        ours("bench_sqlite.py chain FULL", CHAIN_FULL),
        ours("bench_sqlite.py chain NORMAL", CHAIN_NORMAL),
        ours("bench_durable.py load 20190", LOAD, LOAD_WHOLE),
        ours("bench_durable.py load 190", LOAD_200),
        ours("bench_durable.py take-over 500", TAKE_OVER),
        ours("bench_durable.py memory 3000", KEPT_KB),
        ours("bench_service.py floor-start 3000 32", *START_FLOOR),
        ours("bench_service.py start 3000 32", *START),
        ours("bench_service.py floor-get 10000 32", *STATUS_FLOOR),
        ours("bench_service.py get 10000 32", *STATUS),
        ours("bench_processes.py 32 500", PROCESSES),
        Measurement(PYTHON, (sys.executable, "bench_sqlite.py", "floor", "FULL", "3000"), (COMMIT,)),
        Measurement(PYTHON, (sys.executable, "bench_sqlite.py", "floor", "NORMAL", "20000"), (COMMIT_NORMAL,)),
        ours("bench_import.py workflow_manager", IMPORT),
        Measurement(PYTHON, (sys.executable, "bench_import.py", "attrs,cattrs"), (IMPORT,)),
        floor("loop", CHAIN_TASK),
        floor("json", JSON_STEP),
        floor("hand-over", HAND_OVER),
        floor("fan-out", FAN_OUT),
    ]
    if all(map(importlib.util.find_spec, ("fastapi", "uvicorn"))):
        made += [
            ours("bench_http.py start 3000 32", *START_HTTP),
            ours("bench_http.py get 3000 32", *STATUS_HTTP),
        ]
    if moto:
        made += [
            peer(MOTO, moto, "chain-pass", CHAIN_PASS),
            peer(MOTO, moto, "chain-task", CHAIN_TASK),
            peer(MOTO, moto, "map-1000", MAP_1K, MAP_1K_KB),
            peer(MOTO, moto, "map-pass-1000", MAP_PASS),
            peer(MOTO, moto, "fan-out", FAN_OUT),
            peer(MOTO, moto, "workflows 200", WORKFLOWS),
        ]
    if dbos:
        made += [
            peer(DBOS, dbos, "chain-task", CHAIN_TASK),
            peer(DBOS, dbos, "map-1000", MAP_1K, MAP_1K_KB),
            peer(DBOS, dbos, "fan-out", FAN_OUT),
            peer(DBOS, dbos, "workflows 1000", WORKFLOWS, WORKFLOW_KB),
        ]
    return made


def run_once(measurement: Measurement) -> Line:
    """One fresh process; its last line that is JSON."""
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent / "src"), "PYTHONDONTWRITEBYTECODE": ""}
    done = subprocess.run(
        measurement.command, cwd=HERE, env=environment, capture_output=True, text=True, timeout=900, check=False
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        raise SystemExit(f"{' '.join(measurement.command)} failed:\n{done.stdout}{done.stderr}")
    line: Line = json.loads(lines[-1])
    return line


def collect(measurements: list[Measurement], rounds: int) -> dict[int, list[Line]]:
    """The lines of every measurement, by its place in the list; the rounds are interleaved."""
    lines: dict[int, list[Line]] = {index: [] for index in range(len(measurements))}
    for turn in range(rounds):
        for index, measurement in enumerate(measurements):
            print(f"round {turn + 1}/{rounds}: {' '.join(measurement.command[1:])}", file=sys.stderr)
            lines[index].append(run_once(measurement))
    return lines


def table(measurements: list[Measurement], lines: dict[int, list[Line]]) -> str:
    """The medians as a table in Markdown."""
    cells: dict[tuple[str, str], str] = {}
    for index, measurement in enumerate(measurements):
        for figure in measurement.figures:
            median = statistics.median(map(figure.number, lines[index]))
            cells[figure.name, measurement.who] = figure.text(median)
    rows = [[figure.name, *(cells.get((figure.name, who), "") for who in COLUMNS)] for figure in FIGURES]
    return "\n".join(_rows([["", *COLUMNS], ["---", *["---:"] * len(COLUMNS)], *(row for row in rows if any(row[1:]))]))


def _rows(cells: Iterable[list[str]]) -> Iterable[str]:
    return (f"| {' | '.join(row)} |" for row in cells)


def machine(measured: dict[str, str | None], rounds: int) -> str:
    """One sentence on what was measured where."""
    cpus = os.cpu_count()
    names = (line.split(":")[1].strip() for line in _cpuinfo() if line.startswith("model name"))
    model = next(names, platform.machine())
    versions = [f"{who} {_version(python, who.lower())}" for who, python in measured.items() if python]
    today = datetime.datetime.now(datetime.UTC).date()
    where = f"Python {platform.python_version()}, {cpus} cores of {model}"
    return f"Medians of {rounds} on {today}: {'; '.join([where, *versions])}."


def _cpuinfo() -> list[str]:
    file = Path("/proc/cpuinfo")
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


def _version(python: str, package: str) -> str:
    code = f"from importlib.metadata import version; print(version({package!r}))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def write(text: str) -> None:
    """Put *text* between the marks of README.md."""
    before, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    README.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description="Run all benches and print the table of README.md.")
    parser.add_argument("--moto", default=os.environ.get("BENCH_MOTO"), help="interpreter with moto[stepfunctions]")
    parser.add_argument("--dbos", default=os.environ.get("BENCH_DBOS"), help="interpreter with dbos")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="only commands that contain this")
    parser.add_argument("--json", type=Path, help="write every measured line to this file")
    parser.add_argument("--write", action="store_true", help="put the table into README.md")
    args = parser.parse_args()
    measurements = [each for each in plan(args.moto, args.dbos) if args.only in " ".join(each.command[1:])]
    lines = collect(measurements, args.rounds)
    if args.json:
        args.json.write_text("\n".join(json.dumps(line) for every in lines.values() for line in every) + "\n")
    text = f"{machine({MOTO: args.moto, DBOS: args.dbos}, args.rounds)}\n\n{table(measurements, lines)}"
    print(text)
    if args.write:
        write(text)


if __name__ == "__main__":
    main()
