"""The far side of AWS Batch, and the places where results are: what one side writes the other reads."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("boto3")
from hypothesis import given
from hypothesis import strategies as st

from batch_world import FakeTable, World, task
from workflow_manager import InvalidValueError, TaskError, WorkflowStatus
from workflow_manager.managers.batch import DirectoryResults, DynamoDBResults, JobResults, MemoryResults, S3Results
from workflow_manager.managers.batch.results import ERROR_MEMBER, read_result
from workflow_manager.workers import batch, batch_input, batch_results

SRC = Path(__file__).resolve().parent.parent / "src"
JOB = {"AWS_BATCH_JOB_ID": "j1", "_BATCH_DEPENDENCIES": ""}
JSON_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    max_leaves=8,
)


class FakeBucket:
    """A client of S3."""

    class exceptions:
        """As on the client itself."""

        class NoSuchKey(Exception):
            """The key is not there."""

            response = {"Error": {"Code": "NoSuchKey"}}

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def put_object(self, Bucket: str, Key: str, Body: bytes, **_: Any) -> None:  # noqa: N803
        self.objects[Key] = Body

    def get_object(self, Bucket: str, Key: str) -> Any:  # noqa: N803
        if Key not in self.objects:
            raise self.exceptions.NoSuchKey
        return {"Body": io.BytesIO(self.objects[Key])}


def far(kind: type, **attributes: Any) -> Any:
    """A store of the far side with a client of ours."""
    made = kind.__new__(kind)
    vars(made).update(attributes)
    return made


@pytest.fixture(params=["directory", "dynamodb", "s3"])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[JobResults, Any]:
    """The manager's store and the far side's, over the same place."""
    if request.param == "directory":
        return DirectoryResults(tmp_path), batch_results.at(f"file://{tmp_path}")
    if request.param == "dynamodb":
        table = FakeTable()
        ours = DynamoDBResults(table, table="t", sleep=lambda seconds: None)
        return ours, far(batch_results._Table, _client=table, _table="t")
    bucket = FakeBucket()
    return S3Results(bucket, bucket="b"), far(
        batch_results._Bucket, _client=bucket, _bucket="b", _prefix="workflow-results/"
    )


def test_results_follow_the_protocol(pair: Any):
    """Save, replace, load many; what was never written is absent; 250 keys are no trouble."""
    for store in pair:
        assert isinstance(store, JobResults)
        ids = [f"id/{n}:1" for n in range(250)]
        for n, job_id in enumerate(ids):
            store.save(job_id, n)
        store.save(ids[0], {"ä": [None, "€"]})
        found = store.load([*ids, "missing"])

        assert found == {**{job_id: n for n, job_id in enumerate(ids)}, ids[0]: {"ä": [None, "€"]}}


@given(JSON_VALUES)
def test_both_sides_read_what_either_writes(value: Any):
    """A value written here is read there and the other way round, strings that look like JSON too."""
    table = FakeTable()
    ours, theirs = DynamoDBResults(table, table="t"), far(batch_results._Table, _client=table, _table="t")
    ours.save("a", value)
    theirs.save("b", value)

    assert theirs.load(["a", "b"]) == ours.load(["a", "b"]) == {"a": value, "b": value}


def test_a_result_that_no_item_can_hold_is_refused():
    """DynamoDB holds 400 KB; what is larger is told so, with the way out."""
    with pytest.raises(InvalidValueError, match="S3Results"):
        DynamoDBResults(FakeTable()).save("a", "x" * 400_001)


@pytest.mark.parametrize("text", ["not json", "", "NaN", "[Infinity]", "1e999", "[" * 100_000])
def test_a_text_that_is_no_json_is_itself(text: str):
    """What older writers left is read as it is, and so is what a command prints that only looks like JSON."""
    assert read_result(text) == batch_input.read_text(text) == text


def test_half_a_character_is_kept_by_every_place(pair: Any):
    """JSON can spell half a surrogate pair, UTF-8 cannot: it is stored all the same."""
    for store in pair:
        store.save("a", {"half": "\ud800"})
        assert store.load(["a"]) == {"a": {"half": "\ud800"}}
        store.save("a", "\ud800")
        assert store.load(["a"]) == {"a": "\ud800"}


def test_a_failure_is_written_and_read_as_upstream_does():
    """In the table a failure without a name is a bare text with Success false; an empty Result may be missing."""
    table = FakeTable()
    ours, theirs = DynamoDBResults(table, table="t"), far(batch_results._Table, _client=table, _table="t")
    for store in (ours, theirs):
        store.save("a", {ERROR_MEMBER: {"cause": "no way"}})
        assert (table.items["a"]["Result"], table.items["a"]["Success"]) == ({"S": "no way"}, {"BOOL": False})
        table.items["b"] = {"Key": {"S": "b"}, "Success": {"BOOL": False}}
        table.items["c"] = {"Key": {"S": "c"}, "Success": {"BOOL": True}}
        found = store.load(["a", "b", "c"])
        assert found == {"a": {ERROR_MEMBER: {"cause": "no way"}}, "b": {ERROR_MEMBER: {}}, "c": {}}


# ---------------------------------------------------------------- input
def arguments(results: Any = None, **environment: str) -> list[str]:
    return batch_input.JobInput({**JOB, **environment}, results or MemoryResults()).arguments()


def test_arguments_are_start_and_results_in_order():
    """Arrays are spread, strings are bare, the order is that of the dependencies."""
    results = MemoryResults()
    results.save("b", ["b1", "b2"])
    results.save("a", "a raw text")
    results.save("c", {"n": 1})

    assert arguments(_BATCH_START='["x", "ä"]') == ["x", "ä"]
    assert arguments(results, _BATCH_DEPENDENCIES="b,a,c") == ["b1", "b2", "a raw text", '{"n":1}']
    assert arguments(_BATCH_START="{}") == []


def test_what_a_failed_attempt_left_is_no_input():
    """A job that fails, is tried again and then leaves nothing has no output; its dependents do not get the error."""
    results = MemoryResults()
    results.save("a", {ERROR_MEMBER: {"error": "Busy"}})
    given = batch_input.JobInput({**JOB, "_BATCH_DEPENDENCIES": "a"}, results)

    assert given.value() == {}
    assert given.arguments() == []


def test_a_start_that_is_no_json_is_an_error():
    """The sentence says which variable it is."""
    with pytest.raises(batch_input.JobInputError, match="_BATCH_START is invalid JSON"):
        arguments(_BATCH_START="[")


def test_a_child_takes_its_own_item():
    """AWS_BATCH_JOB_ARRAY_INDEX chooses from the array."""
    assert arguments(_BATCH_START='[["a"],["b"]]', AWS_BATCH_JOB_ARRAY_INDEX="1") == ["b"]


# ---------------------------------------------------------------- functions
def run(function: Any, results: Any, **environment: str) -> int:
    return batch.batch_job(function, results=results, environment={**JOB, **environment})()


def test_a_function_is_a_job(capsys: pytest.CaptureFixture[str]):
    """JSON in, JSON out; TaskError is the named error, another exception is named by its class."""
    results = MemoryResults()

    def fail(value: Any) -> Any:
        raise TaskError("Shelf.Busy", "try again")

    assert run(lambda value: {"got": value}, results, _BATCH_START="[1]") == 0
    assert results.load(["j1"]) == {"j1": {"got": [1]}}
    assert run(fail, results, _BATCH_START="1") == 1
    assert results.load(["j1"]) == {"j1": {ERROR_MEMBER: {"error": "Shelf.Busy", "cause": "try again"}}}
    assert run(lambda value: {}["missing"], results, _BATCH_START="1") == 1
    assert results.load(["j1"])["j1"][ERROR_MEMBER]["error"] == "KeyError"
    assert "Traceback" in capsys.readouterr().err
    assert run(lambda value: {1, 2}, results, _BATCH_START="1") == 1


# ---------------------------------------------------------------- commands
def command(tmp_path: Path, *argv: str, **environment: str) -> tuple[int, Any]:
    """Run the far side as a program; its exit code and what it left."""
    variables = {"PATH": os.environ["PATH"], "PYTHONPATH": str(SRC), **JOB, **environment}
    variables["WORKFLOW_MANAGER_RESULTS"] = f"file://{tmp_path}"
    line = [sys.executable, "-m", "workflow_manager.workers.batch", "--", *argv]
    done = subprocess.run(line, env=variables, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, DirectoryResults(tmp_path).load(["j1"]).get("j1")


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_a_command_is_a_job(tmp_path: Path):
    """Its arguments are its own and then the input; its output is the result, whole and in UTF-8."""
    code = "import sys; print('€' * 20000 + ' '.join(sys.argv[1:]))"
    assert command(tmp_path, *python(code), "own", _BATCH_START='["ä"]') == (0, "€" * 20000 + "own ä")
    assert command(tmp_path, *python("print([1, 2])")) == (0, [1, 2])
    assert command(tmp_path, *python("")) == (0, {})


def test_a_command_that_fails_leaves_why(tmp_path: Path):
    """Standard error, or the error that its last line of output names; the exit code is the job's."""
    assert command(tmp_path, *python("import sys; sys.exit('no way')")) == (1, {ERROR_MEMBER: {"cause": "no way"}})
    named = 'import sys; print(\'so far\'); print(\'{"error": "Bad", "cause": "why"}\'); sys.exit(7)'
    assert command(tmp_path, *python(named)) == (7, {ERROR_MEMBER: {"error": "Bad", "cause": "why"}})
    code, left = command(tmp_path, "no-such-command")
    assert (code, left[ERROR_MEMBER]["error"]) == (127, "CommandNotFound")


@pytest.mark.parametrize(
    ("start", "error"),
    [(json.dumps(["a\0b"]), "CommandInputInvalid"), (None, "CommandInputTooLong"), ("[", "JobInputError")],
)
def test_an_input_that_no_command_can_take_is_a_named_error(tmp_path: Path, start: str | None, error: str):
    """A NUL, more than arguments may hold, what is no JSON: Retry and Catch can name it, and the cause says why."""
    results = DirectoryResults(tmp_path)
    results.save("input/x", {"_BATCH_START": json.dumps(["x" * 3_000_000])})
    given = {"_BATCH_REF": "input/x"} if start is None else {"_BATCH_START": start}
    code = batch.run_command(["true"], {**os.environ, **JOB, **given}, results)
    left = results.load(["j1"])["j1"][ERROR_MEMBER]

    assert code in {64, 127}
    assert left["error"] == error
    assert left["cause"]


def test_a_result_without_room_is_a_named_error(tmp_path: Path):
    """What the results' place cannot hold fails the job by a name of its own, from commands and functions alike."""
    table = FakeTable()
    small = far(batch_results._Table, _client=table, _table="t")
    code = batch.run_command(python("print('x' * 500_000)"), {**os.environ, **JOB}, small)
    assert code == 64
    assert small.load(["j1"])["j1"][ERROR_MEMBER]["error"] == "ResultTooLargeError"

    assert run(lambda value: "x" * 500_000, small, _BATCH_START="1") == 1
    assert small.load(["j1"])["j1"][ERROR_MEMBER]["error"] == "ResultTooLargeError"


def test_a_wrong_command_line_is_64(tmp_path: Path):
    """Usage errors are told apart from the command's own."""
    assert batch.main([]) == 64
    assert batch.main(["--results", "ftp://x", "--", "true"]) == 64


def test_a_signal_reaches_the_command(tmp_path: Path):
    """Batch's SIGTERM is passed on, so that the command may tidy up."""
    code = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print('tidied'), sys.exit(0)))\n"
        "print('ready', file=sys.stderr, flush=True)\n"
        "time.sleep(60)"
    )
    variables = {"PATH": os.environ["PATH"], "PYTHONPATH": str(SRC), **JOB}
    line = [
        sys.executable,
        "-m",
        "workflow_manager.workers.batch",
        "--results",
        f"file://{tmp_path}",
        "--",
        *python(code),
    ]
    with subprocess.Popen(line, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "ready\n"
        process.terminate()
        assert process.wait(timeout=30) == 0
    assert DirectoryResults(tmp_path).load(["j1"]) == {"j1": "tidied"}


def test_commands_run_as_jobs_of_a_workflow(tmp_path: Path):
    """The fake account runs real commands through the far side, from the first job's input to the last one's result."""
    world = World()
    world.results = DirectoryResults(tmp_path)  # type: ignore[assignment]
    world.manager = world.new_manager()
    upper = "import sys, json; print(json.dumps([a.upper() for a in sys.argv[1:]]))"
    line = ["python", "-m", "workflow_manager.workers.batch", "--results", f"file://{tmp_path}", "--", *python(upper)]
    world.fake.register("upper", command=line)
    done = world.run({"StartAt": "A", "States": {"A": task("upper", Next="B"), "B": task("upper")}}, ["grün", "b"])

    assert (done.status, done.output) == (WorkflowStatus.SUCCEEDED, ["GRÜN", "B"])


def imported(code: str) -> set[str]:
    script = f"import sys; sys.path.insert(0, {str(SRC)!r}); {code}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_far_side_loads_little():
    """Before the work begins neither boto3 nor anything of the language or the engine is loaded."""
    loaded = imported("import workflow_manager.workers.batch")

    assert not loaded & {"boto3", "botocore", "attrs", "attr", "workflow_manager.asl", "workflow_manager.engine"}
    assert json.dumps(sorted(loaded))


BENCH = SRC.parent / "benchmarks" / "bench_batch.py"


@pytest.mark.parametrize("what", ["create 30", "refresh 250", "unchanged 20", "workflows 25"])
def test_the_bench_counts_its_calls(what: str):
    """The bench runs, and itself checks that no call is made beyond the promised ones."""
    environment = {**os.environ, "PYTHONPATH": str(SRC)}
    done = subprocess.run([sys.executable, BENCH, *what.split()], env=environment, capture_output=True, check=True)

    assert json.loads(done.stdout)["rate"] > 0


def test_the_far_side_is_quickly_there():
    """Loading it loads neither an AWS SDK nor the library's heavier parts."""
    script = f"import sys; sys.path.insert(0, {str(SRC)!r}); import workflow_manager.workers.batch; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in done.stdout.split()}

    assert set() == loaded & {"boto3", "botocore", "cattrs", "jsonata", "jsonpath", "sqlite3", "yaml"}
