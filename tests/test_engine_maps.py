"""Maps: inline iterations, and Map Runs with their readers, batches, tolerated failures and writers."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from typing import Any

import jsonata  # noqa: F401  # it raises the recursion limit
import pytest

from flows import ALL, answers, begin, chain, echo, fail, flow, for_each, later, only, parallel, step, task
from workflow_manager.asl.errors import StatesError
from workflow_manager.asl.item_reader import inventory_items, listed_objects, manifest_files, read_items
from workflow_manager.asl.machine import ReaderConfig
from workflow_manager.asl.resources import TaskKind
from workflow_manager.engine import Execution, TaskFailed, TaskSucceeded
from workflow_manager.testing import NEVER, Simulation, TaskCall, TaskError, simulate

GET = "arn:aws:states:::s3:getObject"
LIST = "arn:aws:states:::s3:listObjectsV2"
PUT = "arn:aws:states:::s3:putObject"
SHOW = step(Parameters={"i.$": "$$.Map.Item.Index", "v.$": "$"})


def distributed(processor: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A distributed Map."""
    config = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    return for_each({"ProcessorConfig": config, **processor}, **fields)


def reader(resource: str = GET, config: dict[str, Any] | None = None, **parameters: Any) -> dict[str, Any]:
    """An ItemReader of the object ``items`` in ``pantry``."""
    where = parameters or {"Bucket": "pantry", "Key": "items"}
    return {"Resource": resource, "Parameters": where, **({} if config is None else {"ReaderConfig": config})}


def s3(**objects: Any) -> Callable[[TaskCall], Any]:
    """A handler that gives S3 objects by their keys and echoes every other task."""

    def handle(call: TaskCall) -> Any:
        if ":s3:" not in call.resource:
            return call.input
        if call.resource == PUT:
            return {}
        return {"Body": objects[call.input["Key"]]}

    return handle


def read(body: Any, config: dict[str, Any] | None = None, *, input: Any = None, **fields: Any) -> Simulation:
    """Run a Map Run over what is read from *body*, every item being its own result."""
    document = flow(Each=distributed(flow(A=step()), ItemReader=reader(config=config), **fields))
    return simulate(document, {} if input is None else input, tasks=s3(items=body))


# ---------------------------------------------------------------- inline
def test_an_iteration_gets_its_item() -> None:
    """Without ItemSelector the item is the input; results stand in the order of the items."""
    ran = simulate(flow(Each=for_each(flow(A=SHOW), ItemsPath="$.items")), {"items": ["x", "y"]})
    assert ran.output == [{"i": 0, "v": "x"}, {"i": 1, "v": "y"}]


def test_an_item_selector_sees_the_effective_input_and_the_item() -> None:
    """``$`` is the Map's input after InputPath, ``$$.Map.Item`` index and value."""
    selector = {"of.$": "$.of", "i.$": "$$.Map.Item.Index", "v.$": "$$.Map.Item.Value", "k": 1}
    state = for_each(flow(A=step()), InputPath="$.in", ItemsPath="$.items", ItemSelector=selector)
    ran = simulate(flow(Each=state), {"in": {"items": [7], "of": "inner"}, "of": "outer"})
    assert ran.output == [{"of": "inner", "i": 0, "v": 7, "k": 1}]


def test_the_older_spelling() -> None:
    """Iterator and Parameters mean ItemProcessor and ItemSelector."""
    state = {"Type": "Map", "Iterator": flow(A=step()), "Parameters": {"v.$": "$$.Map.Item.Value"}}
    assert simulate(flow(Each=state), [1, 2]).output == [{"v": 1}, {"v": 2}]


def test_the_result_of_a_map_is_placed_as_any_result() -> None:
    """ResultSelector and ResultPath apply to the array of results."""
    state = for_each(flow(A=step()), ItemsPath="$.a", ResultSelector={"all.$": "$"}, ResultPath="$.b")
    assert simulate(flow(Each=state), {"a": [1]}).output == {"a": [1], "b": {"all": [1]}}


@pytest.mark.parametrize("limit", [{"MaxConcurrency": 2}, {"MaxConcurrencyPath": "$.n"}])
def test_no_more_iterations_run_than_allowed(limit: dict[str, Any]) -> None:
    """Another begins when one has ended; 0 sets no limit."""
    execution = begin(
        flow(Each=for_each(flow(A=task()), ItemsPath="$.items", **limit)), {"items": [0, 1, 2, 3], "n": 2}
    )
    seen = []
    while execution.pending_tasks:
        seen.append([pending.input for pending in execution.pending_tasks.values()])
        execution.receive(TaskSucceeded(list(execution.pending_tasks)[-1], later(1), len(seen)))
    assert seen == [[0, 1], [0, 2], [0, 3], [0]]
    assert execution.outcome.output == [4, 1, 2, 3]
    free = begin(flow(Each=for_each(flow(A=task()), MaxConcurrency=0)), [1, 2, 3])
    assert len(free.pending_tasks) == 3


def test_items_must_be_an_array() -> None:
    """Else the Map fails: States.Runtime for a path, States.QueryEvaluationError for an expression."""
    ran = simulate(flow(Each=for_each(flow(A=step()), ItemsPath="$.a")), {"a": {"b": 1}})
    assert ran.error == "States.Runtime"
    assert ran.cause is not None
    assert ran.cause.endswith('Reference path "$.a" must point to array.')
    spoken = for_each(flow(A=step()), QueryLanguage="JSONata")
    assert (
        simulate(flow(Each={**spoken, "Items": "{% $states.input.a %}"}), {"a": 1}).error
        == "States.QueryEvaluationError"
    )
    assert simulate(flow(Each=spoken), {"a": 1}).error == "States.QueryEvaluationError"


def test_a_jsonata_map() -> None:
    """Items, ItemSelector and Output are expressions; MaxConcurrency may be one."""
    state = {
        **for_each(flow(A=step()), QueryLanguage="JSONata", MaxConcurrency="{% 1 %}"),
        "Items": "{% $states.input.a %}",
        "ItemSelector": {"v": "{% $states.context.Map.Item.Value * 2 %}", "i": "{% $states.context.Map.Item.Index %}"},
        "Output": {"sum": "{% $sum($states.result.v) %}"},
    }
    ran = simulate(flow(Each=state), {"a": [1, 2, 3]})
    assert ran.output == {"sum": 12}
    assert simulate(flow(Each={**state, "Items": [5]}), {}).output == {"sum": 10}


def test_an_item_selector_that_fails_is_the_maps_failure() -> None:
    """The Map's own catcher answers, and what had begun is aborted."""
    selector = {"v": "{% $states.context.Map.Item.Value.x %}"}
    catch = [{"ErrorEquals": ["States.QueryEvaluationError"], "Next": "Caught"}]
    state = for_each(flow(A=task(), B=step()), QueryLanguage="JSONata", Items=[{"x": 1}, {}], Catch=catch, End=True)
    ran = simulate(flow(Each={**state, "ItemSelector": selector}, Caught=step(Result="ok")), {}, tasks=answers(NEVER))
    assert ran.output == "ok"
    assert only(ran, "EvaluationFailed")[0]["location"] == "ItemSelector/v"


def test_maps_in_maps() -> None:
    """Each inner Map runs over its own item."""
    ran = simulate(
        flow(Outer=for_each(flow(Inner=for_each(flow(A=task()), MaxConcurrency=1)))), [[1], [2, 3], []], tasks=echo
    )
    assert ran.output == [[1], [2, 3], []]


# ---------------------------------------------------------------- Map Runs
def test_what_a_map_run_shows_in_its_parents_history() -> None:
    """MapRunStarted and MapRunSucceeded; its children's events are in histories of their own."""
    ran = simulate(flow(Each=distributed(flow(A=task()), Label="crumbs")), [1, 2], tasks=echo)
    assert chain(ran) == [
        "1<0 ExecutionStarted",
        "2<0 MapStateEntered Each",
        "3<2 MapStateStarted",
        "4<3 MapRunStarted",
        "5<4 MapRunSucceeded",
        "6<5 MapStateSucceeded",
        "7<5 MapStateExited Each",
        "8<7 ExecutionSucceeded",
    ]
    assert only(ran, "MapStateStarted") == [{"length": 2}]
    (started,) = only(ran, "MapRunStarted")
    arn = r"arn:aws:states:us-east-1:123456789012:mapRun:local/crumbs:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    assert re.fullmatch(arn, started["mapRunArn"])
    assert ran.output == [1, 2]


def test_children_are_executions_of_their_own() -> None:
    """They have their own names and inputs, and know their item."""
    contexts = []

    def look(call: TaskCall) -> Any:
        contexts.append(call.context)
        return call.input

    selector = {"v.$": "$$.Map.Item.Value"}
    simulate(flow(Each=distributed(flow(A=task()), ItemSelector=selector)), ["x", "y"], tasks=look)
    assert [context["Map"]["Item"] for context in contexts] == [{"Index": 0, "Value": "x"}, {"Index": 1, "Value": "y"}]
    assert [context["Execution"]["Input"] for context in contexts] == [{"v": "x"}, {"v": "y"}]
    assert len({context["Execution"]["Name"] for context in contexts} | {"simulation"}) == 3


def test_a_child_is_a_pending_task() -> None:
    """The driver runs the item processor for it and reports its end."""
    execution = begin(flow(Each=distributed(flow(A=task("mix")), MaxConcurrency=1)), [["x"], "y"])
    (token,) = execution.pending_tasks
    pending = execution.pending_tasks[token]
    assert (pending.resource.kind, pending.state, pending.input) == (TaskKind.CHILD, "Each", ["x"])
    assert execution.child_machine(token).start_at == "A"
    assert execution.child_item(token) == {"Index": 0, "Value": ["x"]}
    execution.receive(TaskSucceeded(token, later(1), "done"))
    (second,) = execution.pending_tasks
    assert execution.child_item(second) == {"Index": 1, "Value": "y"}
    execution.receive(TaskSucceeded(second, later(2), "too"))
    assert execution.outcome.output == ["done", "too"]


def test_a_child_that_times_out_has_failed() -> None:
    """Whatever ends a child other than success counts as a failure."""
    ran = simulate(flow(Each=distributed(flow(A=task(TimeoutSeconds=5)))), [1], tasks=lambda call: NEVER)
    assert (ran.error, ran.elapsed.total_seconds()) == ("States.ExceedToleratedFailureThreshold", 5)


def test_a_map_run_over_nothing() -> None:
    """No items, no children, an empty result."""
    ran = simulate(flow(Each=distributed(flow(A=task()))), [])
    assert (ran.status, ran.output) == ("SUCCEEDED", [])


def test_a_retried_map_is_another_run() -> None:
    """Each attempt has its own Map Run ARN."""
    state = distributed(flow(A=task()), Retry=[{"ErrorEquals": ALL, "MaxAttempts": 1}])
    ran = simulate(flow(Each=state), [1], tasks=answers(TaskError("Boom"), "ok"))
    assert ran.output == ["ok"]
    arns = [details["mapRunArn"] for details in only(ran, "MapRunStarted")]
    assert len(set(arns)) == len(arns) == 2


# ---------------------------------------------------------------- tolerated failures
def burns(*bad: Any) -> Callable[[TaskCall], Any]:
    """A handler that fails for the inputs *bad*."""

    def handle(call: TaskCall) -> Any:
        if call.input in bad:
            raise TaskError("Boom", "it went")
        return call.input

    return handle


@pytest.mark.parametrize(
    ("fields", "bad", "output"),
    [
        ({}, [2], None),
        ({"ToleratedFailureCount": 1}, [2], [1, 3, 4]),
        ({"ToleratedFailureCount": 1}, [2, 3], None),
        ({"ToleratedFailurePercentage": 50}, [2, 3], [1, 4]),
        ({"ToleratedFailurePercentage": 49}, [2, 3], None),
        ({"ToleratedFailurePercentage": 100}, [1, 2, 3, 4], []),
        ({"ToleratedFailureCount": 3, "ToleratedFailurePercentage": 20}, [2], None),
        ({"ToleratedFailureCountPath": "$.n"}, [2], [1, 3, 4]),
        ({"ToleratedFailurePercentagePath": "$.p"}, [2], [1, 3, 4]),
    ],
)
def test_how_many_items_may_fail(fields: dict[str, Any], bad: list[int], output: Any) -> None:
    """Up to the threshold failures only thin the results out; beyond it the run fails."""
    state = distributed(flow(A=task()), ItemsPath="$.items", **fields)
    ran = simulate(flow(Each=state), {"items": [1, 2, 3, 4], "n": 1, "p": 25.5}, tasks=burns(*bad))
    assert ran.output == output
    if output is None:
        assert ran.error == "States.ExceedToleratedFailureThreshold"
        assert ran.cause == "The specified tolerated failure threshold was exceeded"
        assert [line.split(" ", 1)[1] for line in chain(ran)][-3:] == [
            "MapRunFailed",
            "MapStateFailed",
            "ExecutionFailed",
        ]


def test_a_threshold_cannot_be_negative() -> None:
    """It is checked when the run starts."""
    state = distributed(flow(A=task()), ItemsPath="$.items", ToleratedFailureCountPath="$.n")
    ran = simulate(flow(Each=state), {"items": [1], "n": -1})
    assert ran.cause is not None
    assert ran.cause.endswith("ToleratedFailureCount cannot be negative.")


def test_a_run_that_fails_withdraws_its_children() -> None:
    """Children that still run are withdrawn at once."""
    execution = begin(flow(Each=distributed(flow(A=task()))), [1, 2, 3])
    first, *others = execution.pending_tasks
    execution.take_changes()
    execution.receive(TaskFailed(first, later(1), "Boom"))
    assert execution.status == "FAILED"
    assert sorted(execution.take_changes().withdrawn) == sorted([first, *others])


# ---------------------------------------------------------------- batches
def test_batches_of_items() -> None:
    """Each child gets up to MaxItemsPerBatch items, selected one by one, and the BatchInput."""
    batcher = {"MaxItemsPerBatch": 2, "BatchInput": {"of.$": "$.of", "k": 1}}
    state = distributed(
        flow(A=step()), ItemsPath="$.items", ItemBatcher=batcher, ItemSelector={"v.$": "$$.Map.Item.Value"}
    )
    ran = simulate(flow(Each=state), {"items": [1, 2, 3], "of": "x"})
    assert ran.output == [
        {"BatchInput": {"of": "x", "k": 1}, "Items": [{"v": 1}, {"v": 2}]},
        {"BatchInput": {"of": "x", "k": 1}, "Items": [{"v": 3}]},
    ]


def test_batches_by_size() -> None:
    """MaxInputBytesPerBatch bounds the bytes of a batch's items; one that is larger alone stands alone."""
    state = distributed(flow(A=step()), ItemBatcher={"MaxInputBytesPerBatch": 12})
    ran = simulate(flow(Each=state), ["aaa", "bbb", "c", "d" * 20, "e"])
    assert [batch["Items"] for batch in ran.output] == [["aaa", "bbb"], ["c"], ["d" * 20], ["e"]]


@pytest.mark.parametrize("path", [{"MaxItemsPerBatchPath": "$.n"}, {"MaxItemsPerBatch": 3}])
def test_the_size_of_a_batch_may_be_a_path(path: dict[str, Any]) -> None:
    """It is read from the Map's input."""
    ran = simulate(
        flow(Each=distributed(flow(A=step()), ItemsPath="$.items", ItemBatcher=path)), {"items": [1] * 7, "n": 3}
    )
    assert [len(batch["Items"]) for batch in ran.output] == [3, 3, 1]


def test_a_failed_batch_counts_all_its_items() -> None:
    """Thresholds are about items."""
    state = distributed(
        flow(A=fail("Boom")), ItemBatcher={"MaxItemsPerBatch": 2}, ToleratedFailureCount=3, MaxConcurrency=1
    )
    assert simulate(flow(Each=state), [1, 2, 3]).output == []
    assert simulate(flow(Each=state), [1, 2, 3, 4]).error == "States.ExceedToleratedFailureThreshold"


# ---------------------------------------------------------------- readers
def test_the_reader_is_asked_as_a_task() -> None:
    """The driver gets the reader's resource with its parameters, evaluated; AWS shows nothing of it."""
    where = {"Bucket.$": "$.b", "Key": "k"}
    state = distributed(flow(A=step()), ItemReader=reader(**where))
    execution = begin(flow(Each=state), {"b": "pantry"})
    (token,) = execution.pending_tasks
    pending = execution.pending_tasks[token]
    assert (pending.resource.text, pending.input) == (GET, {"Bucket": "pantry", "Key": "k"})
    assert only(execution.events, "MapStateStarted") == [{"length": 0}]
    execution.receive(TaskSucceeded(token, later(1), {"Body": "[5, 6]"}))
    assert [pending.input for pending in execution.pending_tasks.values()] == [5, 6]


@pytest.mark.parametrize(
    ("config", "body", "items"),
    [
        (None, "[1, 2]", [1, 2]),
        ({"InputType": "JSON"}, '[{"a": 1}]', [{"a": 1}]),
        ({"InputType": "JSON"}, b"[1]", [1]),
        ({"InputType": "JSON"}, gzip.compress(b"[1]", mtime=0), [1]),
        ({"InputType": "JSON"}, b"\xef\xbb\xbf[1]", [1]),
        ({"InputType": "JSON", "ItemsPointer": "/a/0/b~1c"}, '{"a": [{"b/c": [3]}]}', [3]),
        ({"InputType": "JSON", "ItemsPointer": "/a"}, '{"a": {"x": 1}}', [{"Key": "x", "Value": 1}]),
        ({"InputType": "JSONL"}, '{"a": 1}\n\n2\n', [{"a": 1}, 2]),
        ({"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"}, "a,b\n1,2\n\n3\n4,5,6\n",
         [{"a": "1", "b": "2"}, {"a": "3", "b": ""}, {"a": "4", "b": "5"}]),
        ({"InputType": "CSV", "CSVHeaderLocation": "GIVEN", "CSVHeaders": ["x", "y"]}, '1,"2,3"\n',
         [{"x": "1", "y": "2,3"}]),
        ({"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW", "CSVDelimiter": "PIPE"}, "a|b\n1|2",
         [{"a": "1", "b": "2"}]),
        ({"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"}, "a\n", []),
        ({"InputType": "JSON", "MaxItems": 2}, "[1, 2, 3]", [1, 2]),
        ({"InputType": "JSON", "MaxItemsPath": "$.n"}, "[1, 2, 3]", [1]),
        ({"InputType": "JSON", "MaxItems": 9}, "[1]", [1]),
    ],
)  # fmt: skip
def test_what_a_reader_makes_of_an_object(config: dict[str, Any] | None, body: Any, items: list[Any]) -> None:
    """JSON arrays, JSON lines and CSV rows become items; MaxItems takes the first ones."""
    ran = read(body, config, input={"n": 1})
    assert ran.output == items, ran.cause


@pytest.mark.parametrize(
    ("config", "body", "cause"),
    [
        ({"InputType": "JSON"}, "{]", "The object is not JSON"),
        ({"InputType": "JSON"}, '{"a": 1}', "Attempting to map over non-iterable node."),
        ({"InputType": "JSON", "ItemsPointer": "/b"}, '{"a": []}', "The ItemsPointer /b does not lead to an array."),
        ({"InputType": "JSONL"}, "1\n{", "The object is not JSON"),
        ({"InputType": "JSON"}, b"[\xff]", "The object is not UTF-8 text"),
        ({"InputType": "JSON", "MaxItemsPath": "$.n"}, "[1]", "MaxItems cannot be negative."),
    ],
)
def test_what_cannot_be_read(config: dict[str, Any], body: Any, cause: str) -> None:
    """It fails the run with States.ItemReaderFailed, which a catcher may answer."""
    ran = read(body, config, input={"n": -1})
    assert ran.error == "States.ItemReaderFailed"
    assert ran.cause is not None
    assert cause in ran.cause
    catch = [{"ErrorEquals": ["States.ItemReaderFailed"], "Next": "Caught"}]
    state = distributed(flow(A=step()), ItemReader=reader(config=config), Catch=catch, End=True)
    assert simulate(flow(Each=state, Caught=step(Result="ok")), {"n": -1}, tasks=s3(items=body)).output == "ok"


def test_a_reader_that_fails_may_be_retried() -> None:
    """The error of the reader's task becomes States.ItemReaderFailed with its cause."""
    state = distributed(flow(A=step()), ItemReader=reader(), Retry=[{"ErrorEquals": ["States.ItemReaderFailed"]}])
    gone = TaskError("S3.NoSuchKeyException", "The specified key does not exist.")
    assert simulate(flow(Each=state), {}, tasks=answers(gone, {"Body": "[1]"})).output == [1]
    ran = simulate(flow(Each=distributed(flow(A=step()), ItemReader=reader())), {}, tasks=answers(gone))
    assert (ran.error, ran.cause) == ("States.ItemReaderFailed", "The specified key does not exist.")
    assert [line.split(" ", 1)[1] for line in chain(ran)][-3:] == ["MapRunFailed", "MapStateFailed", "ExecutionFailed"]


def test_an_item_selector_over_what_was_read() -> None:
    """``$`` is still the Map's own input, and ``$$.Map.Item`` the item that was read."""
    selector = {"of.$": "$.of", "v.$": "$$.Map.Item.Value"}
    ran = read("[5]", input={"in": {"of": "x"}}, ItemSelector=selector, InputPath="$.in")
    assert ran.output == [{"of": "x", "v": 5}], ran.cause


def test_a_listing_is_read_page_by_page() -> None:
    """listObjectsV2 is asked again with the continuation token until it is complete or MaxItems is reached."""
    asked = []
    pages = [
        {"Contents": [{"Key": "a"}, {"Key": "b"}], "IsTruncated": True, "NextContinuationToken": "2"},
        {"Contents": [{"Key": "c"}], "IsTruncated": False},
    ]

    def listing(call: TaskCall) -> Any:
        asked.append(call.input)
        return pages[len(asked) - 1]

    state = distributed(flow(A=step(OutputPath="$.Key")), ItemReader=reader(LIST, Bucket="pantry"))
    assert simulate(flow(Each=state), {}, tasks=listing).output == ["a", "b", "c"]
    assert asked == [{"Bucket": "pantry"}, {"Bucket": "pantry", "ContinuationToken": "2"}]
    asked.clear()
    state["ItemReader"] = reader(LIST, {"MaxItems": 2}, Bucket="pantry")
    assert simulate(flow(Each=state), {}, tasks=listing).output == ["a", "b"]
    assert len(asked) == 1


def test_an_inventory_is_read_file_by_file() -> None:
    """The manifest names the files and their columns; every file is asked for in turn."""
    manifest = json.dumps(
        {
            "destinationBucket": "arn:aws:s3:::stock",
            "fileSchema": "Bucket, Key",
            "files": [{"key": "one.csv.gz"}, {"key": "two.csv"}],
        }
    )
    objects = {
        "items": manifest,
        "one.csv.gz": gzip.compress(b'"pantry","flour"\n"pantry","salt"\n', mtime=0),
        "two.csv": "x,y\n",
    }
    state = distributed(flow(A=step()), ItemReader=reader(config={"InputType": "MANIFEST"}))
    ran = simulate(flow(Each=state), {}, tasks=s3(**objects))
    assert ran.output == [
        {"Bucket": "pantry", "Key": "flour"},
        {"Bucket": "pantry", "Key": "salt"},
        {"Bucket": "x", "Key": "y"},
    ]


def test_the_parts_of_a_reader() -> None:
    """What is no listing, manifest or known type is States.ItemReaderFailed."""
    assert listed_objects({"Contents": [1], "NextContinuationToken": "x"}) == ([1], None)
    assert listed_objects({}) == ([], None)
    assert inventory_items("a,b,c\n\nd\n", "x.csv", ["K", "V"]) == [{"K": "a", "V": "b"}, {"K": "d"}]
    for wrong in (lambda: listed_objects([]), lambda: manifest_files("[]"), lambda: manifest_files('{"files": 1}')):
        with pytest.raises(StatesError, match=r"States\.ItemReaderFailed"):
            wrong()
    with pytest.raises(StatesError, match="PARQUET is not supported"):
        read_items(ReaderConfig(input_type="PARQUET"), "")
    assert read_items(None, "[1]") == [1]


# ---------------------------------------------------------------- writers
def test_results_are_written_where_the_writer_says() -> None:
    """The driver gets one put with all results; the Map's result tells where they are."""
    puts = []

    def handle(call: TaskCall) -> Any:
        if call.resource == PUT:
            puts.append(call.input)
            return {}
        return call.input

    writer = {"Resource": PUT, "Parameters": {"Bucket.$": "$.b", "Prefix": "out/"}}
    state = distributed(flow(A=task()), ItemsPath="$.items", ResultWriter=writer)
    ran = simulate(flow(Each=state), {"items": [1, 2], "b": "pantry"}, tasks=handle)
    (put,) = puts
    run_id = only(ran, "MapRunStarted")[0]["mapRunArn"].rpartition(":")[2]
    assert put == {"Bucket": "pantry", "Key": f"out/{run_id}/SUCCEEDED_0.json", "Body": "[1,2]"}
    assert ran.output == {
        "MapRunArn": only(ran, "MapRunStarted")[0]["mapRunArn"],
        "ResultWriterDetails": {"Bucket": "pantry", "Key": f"out/{run_id}/manifest.json"},
    }


def test_a_writer_that_fails() -> None:
    """It fails the run with States.ResultWriterFailed."""
    writer = {"Resource": PUT, "Parameters": {"Bucket": "pantry"}}
    state = distributed(flow(A=step()), ResultWriter=writer)
    ran = simulate(flow(Each=state), [1], tasks=answers(TaskError("S3.AccessDenied", "no")))
    assert (ran.error, ran.cause) == ("States.ResultWriterFailed", "no")


def test_a_null_result_is_a_result() -> None:
    """What a child gave is written, whatever it is; only failed children are left out."""
    puts = []

    def handle(call: TaskCall) -> Any:
        if call.resource == PUT:
            puts.append(json.loads(call.input["Body"]))
            return {}
        if call.input == 2:
            raise TaskError("Boom")
        return None if call.input == 1 else call.input

    writer = {"Resource": PUT, "Parameters": {"Bucket": "pantry"}}
    state = distributed(flow(A=task()), ResultWriter=writer, ToleratedFailureCount=1)
    simulate(flow(Each=state), [1, 2, 3], tasks=handle)
    assert puts == [[None, 3]]


# ---------------------------------------------------------------- inside others
def test_a_map_run_beside_a_branch_that_fails_is_withdrawn() -> None:
    """A Map Run under way is aborted as any state is: its reader and children go."""
    run = distributed(flow(A=task()), ItemsPath="$.items")
    execution: Execution = begin(flow(Fan=parallel(flow(Each=run), flow(B=task("mix")))), {"items": [1, 2]})
    mix = next(token for token, pending in execution.pending_tasks.items() if pending.state == "B")
    events = execution.receive(TaskFailed(mix, later(1), "Boom"))
    assert "MapStateAborted" in [event.type for event in events]
    assert not execution.pending_tasks


def test_a_map_run_by_expressions() -> None:
    """JSONata: reader, batches, thresholds and writer take Arguments and expressions."""
    state = distributed(
        flow(language="JSONata", A={"Type": "Pass", "Output": "{% $sum($states.input.Items) %}"}),
        QueryLanguage="JSONata",
        ItemReader={"Resource": GET, "Arguments": {"Bucket": "{% $states.input.b %}", "Key": "items"}},
        ItemBatcher={"MaxItemsPerBatch": "{% $states.input.n %}", "BatchInput": {"b": "{% $states.input.b %}"}},
        ToleratedFailurePercentage="{% 50 %}",
        MaxConcurrency="{% 1 %}",
        Output="{% $sum($states.result) %}",
    )
    ran = simulate(flow(Each=state), {"b": "pantry", "n": 2}, tasks=s3(items="[1, 2, 3]"))
    assert ran.output == 6, ran.cause


@pytest.mark.parametrize(
    ("config", "body", "cause"),
    [
        (
            {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"},
            gzip.compress(b"n\n1", mtime=0)[:-4],
            "not a gzip file",
        ),
        ({"InputType": "JSON"}, b"\x1f\x8b and so on", "not a gzip file"),
        ({"InputType": "JSON"}, gzip.compress(b"[1, 2]", mtime=0)[:12] + b"\xff" * 12, "not a gzip file"),
        ({"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"}, 'n\n"' + "x" * 140_000 + '"', "not CSV"),
        ({"InputType": "JSON"}, "[" * 301 + "]" * 301, "nested more than 300 deep"),
        ({"InputType": "JSON"}, "[" * 100_000, "nested more than 300 deep"),
        ({"InputType": "JSON"}, "[" + "9" * 5000 + "]", "not JSON"),
    ],
)
def test_a_damaged_object_fails_the_run(config: dict[str, Any], body: Any, cause: str) -> None:
    """Whatever is wrong with the object that was read, it is the States.ItemReaderFailed of its Map."""
    ran = read(body, config)
    assert ran.error == "States.ItemReaderFailed"
    assert cause in str(ran.cause)


def test_a_number_beyond_what_a_float_holds_is_no_json() -> None:
    """It would be an infinity, which no later event could be written with."""
    ran = read("[1, 1e999]")
    assert ran.error == "States.ItemReaderFailed"
    assert "too large for a number" in str(ran.cause)
    ran = simulate(flow(A=step(Parameters={"n.$": "States.StringToJson('[-1e999]')"})))
    assert (ran.status, ran.error) == ("FAILED", "States.Runtime")
