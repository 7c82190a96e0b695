"""
Distributed Map: a Map Run reads its items, runs a child execution for each item or batch, and hands the results over.

AWS shows little of it in the parent's history: MapRunStarted, then MapRunSucceeded or MapRunFailed.  The rest are
unlisted events.  Reading, writing and the children themselves are pending tasks like any other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from workflow_manager.asl.errors import ErrorName, StatesError
from workflow_manager.asl.item_reader import inventory_items, listed_objects, manifest_files, read_items
from workflow_manager.asl.machine import ItemBatcher, ItemReader, MapState, ReaderConfig
from workflow_manager.asl.numbers import compile_number
from workflow_manager.asl.program import CompiledState, compile_payload
from workflow_manager.asl.scope import Scope
from workflow_manager.asl.values import JSON, dumps, json_size
from workflow_manager.engine.decide_fork import select_item
from workflow_manager.engine.decide_task import failure_details
from workflow_manager.engine.folding.forks import run_results
from workflow_manager.engine.folding.pending_work import token_of
from workflow_manager.engine.nesting import check_nesting
from workflow_manager.engine.pending import PendingTask
from workflow_manager.engine.reports import TaskFailed, TaskSucceeded
from workflow_manager.engine.state import Branch, Fork, MapRun
from workflow_manager.engine.writer import Writer, prepare_fork
from workflow_manager.history import HistoryEventType as E
from workflow_manager.history import UnlistedEventType as U

THRESHOLD_EXCEEDED = "The specified tolerated failure threshold was exceeded"
_LIST = "listObjectsV2"


def begin(w: Writer, branch: Branch, state: CompiledState) -> None:
    """The Map Run starts; then its reader, if it has one, is asked."""
    fork = branch.fork
    assert fork is not None
    if fork.run is None:
        _start(w, branch, state, fork)
    else:
        _read(w, branch, state)


def _start(w: Writer, branch: Branch, state: CompiledState, fork: Fork) -> None:
    scope = w.scope(branch)
    count = threshold(state, "ToleratedFailureCount", scope)
    percentage = threshold(state, "ToleratedFailurePercentage", scope)
    beside: dict[str, JSON] = {"reads": state.reads_items}
    if count is not None:
        beside["toleratedFailureCount"] = int(count)
    if percentage is not None:
        beside["toleratedFailurePercentage"] = percentage
    if not state.reads_items:
        beside["children"] = count_children(w, branch, state)
    w.write(E.MAP_RUN_STARTED, branch, {"mapRunArn": _arn(w, branch, state)}, beside=beside)


def threshold(state: CompiledState, field: str, scope: Scope) -> int | float | None:
    """ToleratedFailureCount or ToleratedFailurePercentage, whichever *field* names; ``None`` where it is absent."""
    number = state.tolerated_failure_count if field.endswith("Count") else state.tolerated_failure_percentage
    value = None if number is None else number(scope)
    if value is not None and value < 0:
        raise StatesError(ErrorName.RUNTIME, f"{field} cannot be negative.")
    return value


def _arn(w: Writer, branch: Branch, state: CompiledState) -> str:
    identity = w.x.identity
    assert isinstance(state.state, MapState)
    head, _, name = identity.state_machine_arn.rpartition(":stateMachine:")
    run = _uuid(f"{identity.execution_arn}/{branch.path}/{branch.entered_id}/{branch.attempt}")
    label = state.state.label or _uuid(f"{identity.state_machine_arn}/{state.name}")
    return f"{head}:mapRun:{name}/{label}:{run}"


def _uuid(text: str) -> str:
    digits = hashlib.sha256(text.encode()).hexdigest()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:32]}"


# ---------------------------------------------------------------- reading
def _read(w: Writer, branch: Branch, state: CompiledState) -> None:
    reader = _reader(state)
    template = reader.arguments if state.is_jsonata else reader.parameters
    field = "ItemReader/Arguments"
    scope = w.scope(branch)
    if not state.is_jsonata:
        scope = scope.on(state.data.effective_input(scope))
    parameters = {} if not isinstance(template, Mapping) else compile_payload(template, field, state.language)(scope)
    check_nesting(parameters)
    w.note(U.READ_SCHEDULED, branch, resource=reader.resource, parameters=parameters)


def _reader(state: CompiledState) -> ItemReader:
    assert isinstance(state.state, MapState) and state.state.item_reader is not None
    return state.state.item_reader


def read_done(w: Writer, branch: Branch, task: PendingTask, report: TaskSucceeded | TaskFailed) -> None:
    """The reader has answered."""
    state = branch.current
    if isinstance(report, TaskFailed):
        fail_run(w, branch, ErrorName.ITEM_READER_FAILED, report.cause or report.error or "")
        return
    try:
        _take_items(w, branch, state, task, report.output)
    except StatesError as error:
        fail_run(w, branch, error.error, error.cause)


def _take_items(w: Writer, branch: Branch, state: CompiledState, task: PendingTask, answer: JSON) -> None:
    fork = branch.fork
    assert fork is not None and fork.run is not None
    reader = _reader(state)
    config = reader.reader_config or ReaderConfig()
    asked: Mapping[str, Any] = task.input if isinstance(task.input, Mapping) else {}
    items, more, schema = _items(config, reader.resource, asked, answer, fork.run)
    before = fork.items or []
    limit = _max_items(w, branch, state, config)
    if limit and len(before) + len(items) >= limit:
        items, more = items[: limit - len(before)], []
    details: dict[str, Any] = {"items": items}
    if schema is not None:
        details["schema"] = schema
    if more:
        details["more"] = more
    else:
        details["children"] = _count_read(w, branch, state, [*before, *items])
    w.note(U.ITEMS_READ, branch, **details)


def _count_read(w: Writer, branch: Branch, state: CompiledState, items: list[JSON]) -> int:
    """How many children there will be over *items*, which the state has not yet heard of."""
    fork = branch.fork
    assert fork is not None
    before = fork.items
    try:
        return len(_batches(w, branch, state, items))
    finally:
        fork.items, fork.batches = before, None


def _items(
    config: ReaderConfig, resource: str, asked: Mapping[str, Any], answer: JSON, run: MapRun
) -> tuple[list[JSON], list[JSON], list[str] | None]:
    """The items in one answer of the reader, what has still to be asked, and the columns that a manifest names."""
    if resource.endswith(_LIST):
        items, token = listed_objects(answer)
        return items, [{**asked, "ContinuationToken": token}] if token else [], None
    body = answer.get("Body", "") if isinstance(answer, Mapping) else ""
    key = str(asked.get("Key", ""))
    if config.input_type != "MANIFEST" or config.manifest_type == "ATHENA_DATA":
        return read_items(config, body, key), [], None  # type: ignore[arg-type]
    if run.schema is None:
        files, schema = manifest_files(body)  # type: ignore[arg-type]
        return [], [{"Bucket": bucket, "Key": name} for bucket, name in files], schema
    return inventory_items(body, key, run.schema), run.pages, None  # type: ignore[arg-type]


def _max_items(w: Writer, branch: Branch, state: CompiledState, config: ReaderConfig) -> int:
    number = compile_number(
        state.language,
        "ReaderConfig/MaxItems" if state.is_jsonata else "MaxItems",
        config.max_items,
        config.max_items_path,
    )
    value = None if number is None else number(w.scope(branch))
    if value is not None and value < 0:
        raise StatesError(ErrorName.ITEM_READER_FAILED, "MaxItems cannot be negative.")
    return int(value or 0)


# ---------------------------------------------------------------- children
def go_on(w: Writer, branch: Branch) -> None:
    """What a Map Run does next: read on, fail, start another child, write, or end."""
    fork = branch.fork
    assert fork is not None and fork.run is not None
    run = fork.run
    if run.ended:
        w.write(E.MAP_STATE_SUCCEEDED, branch)
    elif run.pages and not run.ready:
        w.note(U.READ_SCHEDULED, branch, resource=_reader(branch.current).resource, parameters=run.pages[0])
    elif run.is_over_threshold:
        fail_run(w, branch, ErrorName.EXCEED_TOLERATED_FAILURE_THRESHOLD, THRESHOLD_EXCEEDED)
    elif fork.may_start:
        _start_child(w, branch, fork)
    elif _writer_resource(branch.current) and not run.written:
        _write(w, branch, fork)
    else:
        w.write(E.MAP_RUN_SUCCEEDED, branch)


def fail_run(w: Writer, branch: Branch, error: str, cause: str) -> None:
    """The Map Run fails; MapStateFailed and its answer follow."""
    w.write(E.MAP_RUN_FAILED, branch, failure_details(str(error), cause))


def _start_child(w: Writer, branch: Branch, fork: Fork) -> None:
    batches = _batches(w, branch, branch.current)
    w.note(
        U.CHILD_SCHEDULED,
        branch,
        index=fork.started,
        input=_child_input(w, branch, batches[fork.started], fork.started),
    )


def _child_input(w: Writer, branch: Branch, batch: Any, index: int) -> JSON:
    state = branch.current
    fork = prepare_fork(w.x, branch)
    batcher = _batcher(state)
    if batcher is None:
        return select_item(w, branch, fork, index, batch)
    items = [item for _, item in batch]
    scope = w.scope(branch)
    if not state.is_jsonata:
        scope = scope.on(state.data.effective_input(scope))
    out: dict[str, JSON] = {}
    if isinstance(batcher.batch_input, Mapping):
        out["BatchInput"] = compile_payload(batcher.batch_input, "ItemBatcher/BatchInput", state.language)(scope)
    out["Items"] = items
    check_nesting(out)
    return out


def _batcher(state: CompiledState) -> ItemBatcher | None:
    assert isinstance(state.state, MapState)
    return state.state.item_batcher


def _batches(w: Writer, branch: Branch, state: CompiledState, items: list[JSON] | None = None) -> list[Any]:
    """What each child gets: one item, or with an ItemBatcher a list of (index, selected item)."""
    fork = branch.fork
    assert fork is not None
    if fork.batches is not None and items is None:
        return fork.batches
    if items is not None:
        fork.items = items
    prepare_fork(w.x, branch)
    assert fork.items is not None
    batcher = _batcher(state)
    fork.batches = list(fork.items) if batcher is None else _group(w, branch, state, batcher, fork)
    return fork.batches


def count_children(w: Writer, branch: Branch, state: CompiledState) -> int:
    """How many children the Map Run of *branch* has, its items being known."""
    return len(_batches(w, branch, state))


def _group(w: Writer, branch: Branch, state: CompiledState, batcher: ItemBatcher, fork: Fork) -> list[Any]:
    selected = (select_item(w, branch, fork, index, item) for index, item in enumerate(fork.items or []))
    return group(state, batcher, w.scope(branch), selected)


def group(
    state: CompiledState, batcher: ItemBatcher, scope: Scope, selected: Iterable[JSON]
) -> list[list[tuple[int, JSON]]]:
    """The *selected* items in batches as *batcher* limits them, each with its index."""
    most = _size(state, "MaxItemsPerBatch", batcher.max_items_per_batch, batcher.max_items_per_batch_path, scope)
    most_bytes = _size(
        state, "MaxInputBytesPerBatch", batcher.max_input_bytes_per_batch, batcher.max_input_bytes_per_batch_path, scope
    )
    batches: list[list[tuple[int, JSON]]] = []
    size = 0
    for index, item in enumerate(selected):
        bytes_here = json_size(item) + 1 if most_bytes else 0
        full = batches and ((most and len(batches[-1]) >= most) or (most_bytes and size + bytes_here > most_bytes))
        if full or not batches:
            batches.append([])
            size = 0
        batches[-1].append((index, item))
        size += bytes_here
    return batches


def _size(state: CompiledState, field: str, literal: object, path: str | None, scope: Scope) -> int:
    number = compile_number(state.language, field, literal, path)
    value = None if number is None else number(scope)
    return int(value) if value else 0


def child_done(w: Writer, branch: Branch, task: PendingTask, report: TaskSucceeded | TaskFailed) -> None:
    """A child execution has ended."""
    fork = branch.fork
    assert fork is not None
    index = int(task.token.rpartition("c")[2])
    if isinstance(report, TaskSucceeded):
        w.note(U.CHILD_SUCCEEDED, branch, index=index, output=report.output)
        return
    batches = _batches(w, branch, branch.current)
    items = len(batches[index]) if _batcher(branch.current) is not None else 1
    w.note(U.CHILD_FAILED, branch, index=index, items=items, error=report.error, cause=report.cause)


# ---------------------------------------------------------------- results
def _writer_resource(state: CompiledState) -> str | None:
    assert isinstance(state.state, MapState)
    writer = state.state.result_writer
    return None if writer is None else writer.resource


def _write(w: Writer, branch: Branch, fork: Fork) -> None:
    state = branch.current
    assert isinstance(state.state, MapState) and state.state.result_writer is not None
    writer = state.state.result_writer
    template = writer.arguments if state.is_jsonata else writer.parameters
    scope = w.scope(branch)
    if not state.is_jsonata:
        scope = scope.on(state.data.effective_input(scope))
    where = (
        {}
        if not isinstance(template, Mapping)
        else compile_payload(template, "ResultWriter/Arguments", state.language)(scope)
    )
    assert isinstance(where, Mapping)
    prefix = str(where.get("Prefix", "")).rstrip("/")
    run = _uuid(f"{w.x.identity.execution_arn}/{branch.path}/{branch.entered_id}/{branch.attempt}")
    key = f"{prefix}/{run}/SUCCEEDED_0.json".lstrip("/")
    body = dumps(run_results(fork))
    w.note(
        U.WRITE_SCHEDULED,
        branch,
        resource=writer.resource,
        parameters={"Bucket": where.get("Bucket"), "Key": key, "Body": body},
    )


def write_done(w: Writer, branch: Branch, task: PendingTask, report: TaskSucceeded | TaskFailed) -> None:
    """The writer has answered; the Map's result tells where the results are."""
    if isinstance(report, TaskFailed):
        fail_run(w, branch, ErrorName.RESULT_WRITER_FAILED, report.cause or report.error or "")
        return
    asked = task.input
    assert isinstance(asked, Mapping)
    key = str(asked["Key"]).rpartition("/")[0] + "/manifest.json"
    output = {
        "MapRunArn": _arn(w, branch, branch.current),
        "ResultWriterDetails": {"Bucket": asked["Bucket"], "Key": key},
    }
    w.note(U.RESULTS_WRITTEN, branch, output=output)


def run_report(w: Writer, branch: Branch, task: PendingTask, report: TaskSucceeded | TaskFailed) -> None:
    """A report about a task of a Map Run: its reader, its writer or one of its children."""
    suffix = task.token[len(token_of(w.x, branch)) :]
    if suffix.startswith("r"):
        read_done(w, branch, task, report)
    elif suffix == "w":
        write_done(w, branch, task, report)
    else:
        child_done(w, branch, task, report)
