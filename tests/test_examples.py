"""Every file in examples/ runs, and says what it promises; every bench runs too."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from workflow_manager.asl import validate

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
PROGRAMS = sorted(EXAMPLES.glob("*.py"))
DEFINITIONS = sorted(EXAMPLES.glob("*.asl.json"))


def run(*arguments: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run Python on *arguments* in *folder*, with the package of this checkout."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-W", "error", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda file: file.stem)
def test_every_example_runs_from_anywhere(program: Path, tmp_path: Path):
    """An example needs no argument and no particular working directory, and leaves nothing behind where it ran."""
    done = run(program, folder=tmp_path)

    assert (0, "") == (done.returncode, done.stderr)
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "bench",
    [
        "bench_chain.py pass memory 5",
        "bench_chain.py task sqlite 5",
        "bench_map.py memory 5",
        "bench_fan_out.py",
        "bench_workflows.py memory 5",
        "bench_floor.py fan-out",
        "bench_language.py map-jsonata 5",
        "bench_step_functions.py jobs 50",
        "bench_service.py start 20 4",
        "bench_service.py get 20 4",
        "bench_http.py start 20 4",
        "bench_http.py get 20 4",
        "bench_processes.py 2 5",
    ],
)
def test_every_bench_measures(bench: str, tmp_path: Path):
    """A bench prints one line of JSON with a rate."""
    script, *arguments = bench.split()
    done = run(ROOT / "benchmarks" / script, *arguments, folder=tmp_path)

    assert (0, "") == (done.returncode, done.stderr)
    assert json.loads(done.stdout)["rate"] > 0


@pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda file: file.name)
def test_every_definition_is_faultless(definition: Path):
    """The definitions shown to newcomers have no problem, not even a warning."""
    assert () == tuple(validate(definition.read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def hello() -> str:
    """What the first example prints."""
    done = run("examples/hello_workflow.py", "examples/hello_workflow.asl.json", folder=ROOT)

    assert (0, "") == (done.returncode, done.stderr)
    return done.stdout


def output_of(text: str) -> object:
    """The JSON value at the end of what the first example prints."""
    return json.loads(text[text.index("\n{\n") :])


def test_the_first_example_shows_its_graph(hello: str):
    """Every state of the definition is in the graph that is printed first."""
    graph = hello[: hello.index("\nWorkflow ")]

    assert [] == [name for name in ("ListFiles", "AnythingToDo", "CountEach", "ReadFile", "AddUp") if name not in graph]


def test_the_first_example_needs_its_retry_and_its_catch(hello: str):
    """One reading fails at first and is repeated; one file cannot be read at all and is set aside."""
    assert re.search(r"ReadFile +failed +Shelf\.Busy", hello)
    assert re.search(r"ReadFile +failed +UnicodeDecodeError", hello)
    assert output_of(hello)["unreadable"] == ["old-printer.txt"]


def test_the_first_example_counts_right(hello: str):
    """The totals are those that a plain loop over the files finds."""
    texts = [file.read_text() for file in sorted((EXAMPLES / "data").glob("*.txt")) if file.name != "old-printer.txt"]
    lines = [line for text in texts for line in text.splitlines()]
    expected = {"files": len(texts), "lines": len(lines), "words": sum(len(line.split()) for line in lines)}

    assert expected == output_of(hello)["totals"]
    assert max(lines, key=len) == output_of(hello)["longest"]["line"]


def test_the_first_example_has_nothing_to_do_in_an_empty_folder(tmp_path: Path):
    """The Choice ends the workflow well where there is no text file."""
    done = run(EXAMPLES / "hello_workflow.py", EXAMPLES / "hello_workflow.asl.json", tmp_path, folder=ROOT)

    assert (0, "") == (done.returncode, done.stderr)
    assert {"files": []} == output_of(done.stdout)
