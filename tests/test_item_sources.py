"""Where a distributed Map reads its items and leaves its results: a folder, S3, functions; and its children."""

from __future__ import annotations

import gzip
import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from aws_world import call, definition
from workflow_manager.exceptions import TaskError
from workflow_manager.managers import children
from workflow_manager.managers.aws_files import FileBuckets
from workflow_manager.managers.local import LocalWorkflowManager
from workflow_manager.managers.wait import wait
from workflow_manager.models import Workflow, WorkflowDefinition, WorkflowQuery, WorkflowStatus
from workflow_manager.stores.memory import MemoryStore
from workflow_manager.stores.sqlite import SQLiteStore

PATIENCE = 30.0
GET, LIST, PUT = (f"arn:aws:states:::s3:{action}" for action in ("getObject", "listObjectsV2", "putObject"))


def reader(resource: str, config: dict[str, Any] | None = None, **parameters: Any) -> dict[str, Any]:
    return {"Resource": resource, "Parameters": parameters, **({"ReaderConfig": config} if config else {})}


def mapped(item_reader: Any = None, state: Any = None, **fields: Any) -> WorkflowDefinition:
    """A distributed Map whose children each do *state*, by default nothing."""
    each = {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "Item",
        "States": {"Item": {**(state or {"Type": "Pass"}), "End": True}},
    }
    read = {"ItemReader": item_reader} if item_reader else {}
    return definition(Each={"Type": "Map", "ItemProcessor": each, **read, **fields})


@pytest.fixture
def managed() -> Iterator[Callable[..., LocalWorkflowManager]]:
    made: list[LocalWorkflowManager] = []

    def make(tasks: Any = None, store: Any = None, **settings: Any) -> LocalWorkflowManager:
        made.append(LocalWorkflowManager(store or MemoryStore(), tasks, **settings))
        return made[-1]

    yield make
    for manager in made:
        manager.close(wait=False)


def run(manager: LocalWorkflowManager, what: WorkflowDefinition, input: Any = None) -> Workflow:
    return wait(manager, manager.create_workflow(what, {} if input is None else input), PATIENCE)


def put(folder: Path, name: str, content: str | bytes) -> None:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content if isinstance(content, bytes) else content.encode())


# Reading


@pytest.mark.parametrize(
    ("name", "content", "config", "items"),
    [
        ("a.json", "[1,2,3]", {"InputType": "JSON"}, [1, 2, 3]),
        ("a.jsonl", '{"n":1}\n{"n":2}\n', {"InputType": "JSONL"}, [{"n": 1}, {"n": 2}]),
        (
            "a.csv",
            "id,name\n1,rye\n2,spelt\n",
            {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"},
            [{"id": "1", "name": "rye"}, {"id": "2", "name": "spelt"}],
        ),
        ("a.json.gz", gzip.compress(b'["zipped"]', mtime=0), {"InputType": "JSON"}, ["zipped"]),
    ],
)
def test_items_are_read_from_a_file(managed, tmp_path, name, content, config, items):
    """``files/<bucket>/<key>`` is the object; what InputType says is read, gzip too."""
    put(tmp_path, f"bakery/{name}", content)
    workflow = run(managed(files=tmp_path), mapped(reader(GET, config, Bucket="bakery", Key=name)))
    assert workflow.output == items


def test_objects_are_listed_from_a_folder(managed, tmp_path):
    """listObjectsV2 gives the keys under a prefix in order, page by page."""
    for number in range(1005):
        put(tmp_path, f"bakery/orders/{number:04}.json", "{}")
    put(tmp_path, "bakery/other/x", "")
    workflow = run(managed(files=tmp_path), mapped(reader(LIST, Bucket="bakery", Prefix="orders/")))
    assert [item["Key"] for item in workflow.output] == [f"orders/{number:04}.json" for number in range(1005)]
    assert workflow.output[0]["Size"] == 2


@pytest.mark.parametrize("answer", [b"[1,2]", "[1,2]", io.BytesIO(b"[1,2]")])
def test_a_function_may_stand_for_the_reader(managed, answer):
    """A task under the reader's resource is called with its parameters; its Body may be bytes, text or a stream."""
    asked: list[Any] = []
    manager = managed({GET: lambda given: asked.append(given) or {"Body": answer, "Anything": object()}})
    if isinstance(answer, str):
        manager = managed({GET: lambda given: asked.append(given) or {"Body": answer}})
    workflow = run(manager, mapped(reader(GET, {"InputType": "JSON"}, Bucket="b", Key="k")))
    assert workflow.output == [1, 2]
    assert asked == [{"Bucket": "b", "Key": "k"}]


def test_what_cannot_be_read_fails_the_map(managed, tmp_path):
    """A missing object, and one that is not what InputType says, are States.ItemReaderFailed."""
    put(tmp_path, "bakery/bad.json", "{")
    for key in ("none.json", "bad.json"):
        what = mapped(reader(GET, {"InputType": "JSON"}, Bucket="bakery", Key=key))
        assert run(managed(files=tmp_path), what).error == "States.ItemReaderFailed"


def test_a_task_may_read_files_too(managed, tmp_path):
    """Outside a Map an object's body is its text, or base64 where it is not UTF-8."""
    put(tmp_path, "bakery/note", "warm")
    put(tmp_path, "bakery/photo", b"\xff\xd8\xff")
    manager = managed(files=tmp_path)
    for key, body in (("note", "warm"), ("photo", "/9j/")):
        read = definition(Read=call("aws-sdk:s3:getObject", {"Bucket": "bakery", "Key": key}))
        assert run(manager, read).output["Body"] == body


@pytest.mark.parametrize("key", ["../outside", "a/../../outside", "/etc/passwd", "", ".", "a/.."])
def test_no_key_leads_out_of_its_bucket(tmp_path, key):
    """Neither reading nor writing leaves the bucket's folder."""
    put(tmp_path, "outside", "secret")
    put(tmp_path, "bakery/a/x", "")
    for call_it in (FileBuckets(tmp_path).get_object, FileBuckets(tmp_path).put_object):
        with pytest.raises(TaskError, match="not the key"):
            call_it({"Bucket": "bakery", "Key": key, "Body": "x"})
    assert (tmp_path / "outside").read_text() == "secret"


def test_a_link_does_not_lead_out_of_its_bucket(tmp_path):
    put(tmp_path, "bakery/x", "")
    (tmp_path / "bakery" / "link").symlink_to(tmp_path)
    put(tmp_path, "outside", "secret")
    with pytest.raises(TaskError, match="not the key"):
        FileBuckets(tmp_path).get_object({"Bucket": "bakery", "Key": "link/outside"})


@pytest.mark.parametrize("bucket", ["", ".", "..", "a/b", "a\\b", None])
def test_a_bucket_is_one_folder(tmp_path, bucket):
    with pytest.raises(TaskError, match="not the name of a bucket"):
        FileBuckets(tmp_path).list_objects({"Bucket": bucket})


def test_what_is_not_there_has_s3s_error(tmp_path):
    put(tmp_path, "bakery/folder/x", "")
    buckets = FileBuckets(tmp_path)
    with pytest.raises(TaskError) as refusal:
        buckets.list_objects({"Bucket": "none"})
    assert refusal.value.error == "S3.NoSuchBucketException"
    for key in ("none", "folder", "folder/x/y"):
        with pytest.raises(TaskError) as refusal:
            buckets.get_object({"Bucket": "bakery", "Key": key})
        assert refusal.value.error == "S3.NoSuchKeyException"


def test_pages_of_a_listing(tmp_path):
    """MaxKeys and StartAfter are heard, and a ContinuationToken goes on where the page ended."""
    for key in ("a", "b/1", "b/2", "c"):
        put(tmp_path, f"bakery/{key}", "x")
    list_objects = FileBuckets(tmp_path).list_objects
    first = list_objects({"Bucket": "bakery", "MaxKeys": 2, "StartAfter": "a"})
    assert [item["Key"] for item in first["Contents"]] == ["b/1", "b/2"]
    assert first["IsTruncated"] is True
    rest = list_objects({"Bucket": "bakery", "ContinuationToken": first["NextContinuationToken"]})
    assert [item["Key"] for item in rest["Contents"]] == ["c"]
    assert rest["IsTruncated"] is False


# Writing


def written(read: Callable[[str], bytes], workflow: Workflow) -> Any:
    """The results that the manifest of *workflow*'s Map names."""
    manifest = json.loads(read(workflow.output["ResultWriterDetails"]["Key"]))
    (file,) = manifest["ResultFiles"]["SUCCEEDED"]
    content = read(file["Key"])
    assert file["Size"] == len(content)
    assert manifest["DestinationBucket"] == workflow.output["ResultWriterDetails"]["Bucket"]
    return json.loads(content)


WRITER = {"Resource": PUT, "Parameters": {"Bucket": "results", "Prefix": "today"}}


def test_results_are_written_to_a_folder(managed, tmp_path):
    """The Map's output names a manifest, which is there and names the results."""
    workflow = run(managed(files=tmp_path), mapped(ResultWriter=WRITER), [1, {"a": "ü"}])
    assert written(lambda key: (tmp_path / "results" / key).read_bytes(), workflow) == [1, {"a": "ü"}]
    assert not [file.name for file in tmp_path.rglob(".writing-*")]


def test_a_map_reads_and_writes_s3(managed):
    """With a session, the same three go to S3."""
    with mock_aws():
        session = boto3.Session(region_name="us-east-1")
        s3 = session.client("s3")
        for bucket in ("bakery", "results"):
            s3.create_bucket(Bucket=bucket)
        s3.put_object(Bucket="bakery", Key="in/a.json.gz", Body=gzip.compress(b"[1,2,3]", mtime=0))
        s3.put_object(Bucket="bakery", Key="in/b.json", Body=b"[]")
        manager = managed(session=session)
        config = {"InputType": "JSON"}
        workflow = run(manager, mapped(reader(GET, config, Bucket="bakery", Key="in/a.json.gz"), ResultWriter=WRITER))
        assert written(lambda key: s3.get_object(Bucket="results", Key=key)["Body"].read(), workflow) == [1, 2, 3]
        listed = run(manager, mapped(reader(LIST, Bucket="bakery", Prefix="in/"))).output
        assert [item["Key"] for item in listed] == ["in/a.json.gz", "in/b.json"]
        assert listed[1]["Size"] == 2
        failed = run(manager, mapped(reader(GET, config, Bucket="bakery", Key="none")))
        assert failed.error == "States.ItemReaderFailed"
        assert "does not exist" in failed.cause


def test_a_writer_that_fails_fails_the_map(managed, tmp_path):
    """Results that cannot be written are States.ResultWriterFailed."""
    put(tmp_path, "results", "a file where the bucket's folder should be")
    failed = run(managed(files=tmp_path), mapped(ResultWriter=WRITER), [1])
    assert failed.error == "States.ResultWriterFailed"


# Children


class Crowd:
    """A task that counts how many of it run at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.now = self.most = self.all = 0

    def __call__(self, given: Any) -> Any:
        with self._lock:
            self.now, self.all = self.now + 1, self.all + 1
            self.most = max(self.most, self.now)
        time.sleep(0.001)
        with self._lock:
            self.now -= 1
        return given


WORK = {"Type": "Task", "Resource": "work"}


def test_children_are_begun_a_few_at_a_time(managed, monkeypatch):
    """However many items a Map has, so many children are in memory and no more; MaxConcurrency may ask for fewer."""
    monkeypatch.setattr(children, "MOST_AT_ONCE", 20)
    held: list[int] = []
    take = children.Children.take_touched

    def watched(self: Any, at: Any) -> Any:
        touched = take(self, at)
        held.append(len(tuple(self)))
        return touched

    monkeypatch.setattr(children.Children, "take_touched", watched)
    crowd = Crowd()
    manager = managed({"work": crowd})
    items = list(range(200))
    assert run(manager, mapped(state=WORK), items).output == items
    assert max(held) == 20
    held.clear()
    assert run(manager, mapped(state=WORK, MaxConcurrency=3), items).output == items
    assert max(held) == 3
    assert crowd.all == 400
    assert run(manager, mapped(), items).output == items


def test_a_map_within_a_map_is_not_kept_waiting(managed, monkeypatch):
    """The bound is each Map Run's own, so that inner children begin while all outer places are taken."""
    monkeypatch.setattr(children, "MOST_AT_ONCE", 2)
    inner = {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "Inner",
        "States": {"Inner": {**WORK, "End": True}},
    }
    outer = mapped(state={"Type": "Map", "ItemProcessor": inner})
    items = [[1, 2, 3], [4], [5, 6, 7, 8], []]
    assert run(managed({"work": lambda given: given}), outer, items).output == items


def test_a_cancelled_map_begins_no_more_children(managed, monkeypatch):
    """Children that wait for a place are withdrawn with the others."""
    monkeypatch.setattr(children, "MOST_AT_ONCE", 2)
    gate, begun = threading.Event(), []
    manager = managed({"work": lambda given: begun.append(given) or gate.wait(PATIENCE)})
    workflow = manager.create_workflow(mapped(state=WORK), list(range(9)))
    end = time.monotonic() + PATIENCE
    while len(begun) < 2 and time.monotonic() < end:
        time.sleep(0.005)
    assert manager.cancel_workflow(workflow, reason="enough").status is WorkflowStatus.CANCELLED
    gate.set()
    time.sleep(0.05)
    assert sorted(begun) == [0, 1]


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_children_may_be_kept(managed, tmp_path, kind):
    """Each child that has ended is a workflow of its own, with parent and index in its tags and its own history."""
    store = MemoryStore() if kind == "memory" else SQLiteStore(tmp_path / "db")

    def work(given: int) -> int:
        if given == 2:
            raise TaskError("Burnt", "black")
        return given * 10

    manager = managed({"work": work}, store, keep_children=True)
    what = mapped(state=WORK, ToleratedFailureCount=1)
    workflow = wait(manager, manager.create_workflow(what, [1, 2, 3], tags={"shift": "night"}), PATIENCE)
    assert workflow.output == [10, 30]
    kept = sorted(store.list_workflows(WorkflowQuery(tags={"parent": workflow.id})), key=lambda each: each.id)
    assert [(each.tags["index"], each.input, each.output) for each in kept] == [
        ("0", 1, 10),
        ("1", 2, None),
        ("2", 3, 30),
    ]
    assert [each.status is WorkflowStatus.SUCCEEDED for each in kept] == [True, False, True]
    assert kept[1].status_reason == "Burnt: black"
    assert kept[0].tags["shift"] == "night"
    assert kept[0].workflow_definition.name == "calls/Each"
    assert [job.name for job in manager.update_workflow_history(kept[1]).jobs] == ["Item"]
    assert manager.recover() == ()


def test_children_are_not_kept_unless_they_are_asked_for(managed):
    store = MemoryStore()
    run(managed({"work": lambda given: given}, store), mapped(state=WORK), [1, 2])
    assert len(store.list_workflows(WorkflowQuery())) == 1


def test_a_store_that_cannot_keep_a_child_does_not_stop_its_parent(managed, monkeypatch):
    store = MemoryStore()
    save = store.save_workflow

    def spoiled(workflow: Workflow, events: Any = ()) -> Workflow:
        if "parent" in workflow.tags:
            raise OSError("full")
        return save(workflow, events)

    monkeypatch.setattr(store, "save_workflow", spoiled)
    assert run(managed(store=store, keep_children=True), mapped(), [1, 2]).output == [1, 2]
