"""DynamoDBStore: the law of every store on two servers, and what is its own: sizes, names, expiry, tables."""

from __future__ import annotations

import functools
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import attrs
import pytest

from dynamodb_stores import (
    LARGE,
    Clock,
    chunks,
    new_prefix,
    new_store,
    read_all,
    resource,
    resource_is,
    retrying,
    saved,
    three_turns,
    was_defined,
    was_read,
)
from faults import Crash, Fault, Faults
from servers import Server, client, running
from workflow_manager.exceptions import ConflictError, InvalidValueError, NotFoundError, StoreError
from workflow_manager.models import StateResource, WorkflowQuery, WorkflowStatus
from workflow_manager.protocols import Store
from workflow_manager.stores.dynamodb import DynamoDBStore
from workflow_manager.stores.dynamodb_client import DynamoDBClient
from workflow_manager.stores.dynamodb_documents import laid_out
from workflow_manager.stores.dynamodb_tables import Tables
from workflow_manager.testing.contracts import SnapshotContract, StoreContract
from workflow_manager.testing.contracts.samples import definition, event, items, workflow


@pytest.fixture(params=Server, ids=str)
def address(request: pytest.FixtureRequest) -> str:
    """The address of each server in turn."""
    return running(request.param)


@pytest.fixture
def store(address: str) -> Iterator[DynamoDBStore]:
    """An empty store."""
    with new_store(address) as store:
        yield store


@pytest.fixture
def faults(address: str) -> Faults:
    """What spoils the calls of ``store``."""
    return Faults(client(address))


def _opened(address: str, prefix: str) -> Store:
    return DynamoDBStore(client(address, 3), prefix=prefix)


class TestDynamoDBStore(StoreContract, SnapshotContract):
    """DynamoDBStore keeps the law of stores."""

    model_examples = 8

    @pytest.fixture
    def store(self, address: str) -> Iterator[Store]:
        with new_store(address) as store:
            yield store

    def another(self, store: Store) -> Store:
        assert isinstance(store, DynamoDBStore)
        return DynamoDBStore(store._database.calls.client, prefix=store._database.tables.prefix)

    def opener(self, store: Store) -> Callable[[], Store]:
        assert isinstance(store, DynamoDBStore)
        calls, tables = store._database.calls, store._database.tables
        return functools.partial(_opened, calls.client.meta.endpoint_url, tables.prefix)


def test_sweeping(address: str, faults: Faults) -> None:
    """What dead writers and deletions left behind goes when it is old enough, and nothing else."""
    clock = Clock()
    with new_store(address, clock=clock) as store:
        kept = store.save_workflow(workflow("kept", input=LARGE), [event(1)])
        with faults.armed(Crash, operation="UpdateItem"), pytest.raises(Crash):
            saved(store)
        store.save_workflow(workflow("gone"), [event(1)])
        store.delete_workflow("gone")
        assert store.sweep() == 0
        clock.now += timedelta(days=2)
        assert store.sweep() == 4  # input, body and turn of the first, the trace of the second
        assert store.sweep() == 0
        assert store.get_workflow("kept") == kept
        assert list(store.read_history("kept")) == [event(1)]


# Sizes.


def test_an_event_larger_than_an_item(store: DynamoDBStore) -> None:
    """Events of any size are kept whole, among small ones."""
    turn = [event(1), event(2, text="\U0001f44b" * 250_000), event(3), event(4, text="x" * 360_000)]
    store.save_workflow(store.save_workflow(workflow("w"), turn), [event(5)])
    found = items(lambda token: store.read_history("w", after=1, limit=1, page_token=token))
    assert found == [*turn[1:], event(5)]


def test_a_text_is_cut_between_characters() -> None:
    """Parts are as long as an item allows, whatever their characters weigh, and together the whole."""
    content = "x" + "\U0001f44b" * 200_000 + "é" * 3
    document, parts = laid_out("w/a/b", content)
    assert document.parts == len(parts) == 3
    assert "".join(part["text"]["S"] for part in parts) == content
    assert all(len(part["text"]["S"].encode()) <= 350_000 for part in parts)
    assert laid_out("w/a/b", "x" * 350_000)[1] == []


def test_a_large_definition_is_kept_once(store: DynamoDBStore) -> None:
    """A definition of a megabyte is saved, listed, and stored once for all workflows that run it."""
    large = store.save_workflow_definition(definition(greeting="x" * 1_000_000))
    for number in range(3):
        store.save_workflow(attrs.evolve(workflow(f"w{number}"), workflow_definition=large))
    assert store.list_workflow_definitions().items == (large,)
    assert store.get_workflow("w2").workflow_definition == large
    assert chunks(store) == set()


def test_saving_a_running_workflow_writes_what_is_new(store: DynamoDBStore, faults: Faults) -> None:
    """Input and definition are written once, the old body goes; a save is two requests, three with a large body."""
    current = store.save_workflow(workflow("w", input="x" * 1_000_000), [event(1)])
    with faults.armed(Fault.LOST, 10**9):
        current = store.save_workflow(current, [event(2)])
        assert faults.attempts == 2
        current = store.save_workflow(attrs.evolve(current, output=LARGE), [event(3)])
        assert faults.attempts == 4
        store.save_workflow(attrs.evolve(current, output=None))
        assert faults.attempts == 6  # the head, and the body that is no longer read
    assert sorted(key.split(".")[0] for _, key in chunks(store)) == ["part"] * 3 + ["turn"] * 3


@pytest.mark.parametrize("name", ["", "x" * 1100, "\ud800"])
def test_names_that_cannot_be_keys(store: DynamoDBStore, name: str) -> None:
    """What DynamoDB does not take as a key is never found, and refused by name when saved."""
    for ask in (
        lambda: store.get_workflow(name),
        lambda: store.acquire(name, "me", 60),
        lambda: store.get_workflow_definition(name),
        lambda: store.list_workflow_definition_versions(name),
        lambda: store.get_state_resource("a" + name * 2, name * 2 or "no"),
    ):
        with pytest.raises(NotFoundError):
            ask()
    assert not store.list_workflows(WorkflowQuery(definition_name=name)).items
    assert not store.list_state_resources(name or "no").items
    if name:
        for save in (
            lambda: store.save_workflow(workflow(name)),
            lambda: store.save_workflow(workflow("w", name=name)),
            lambda: store.save_workflow_definition(definition(name)),
            lambda: store.save_state_resource(StateResource(name=name)),
        ):
            with pytest.raises(InvalidValueError):
                save()


def test_what_listings_filter_by_may_be_anything(store: DynamoDBStore) -> None:
    """Namespaces, queues and tags too long or too strange for an index are found all the same."""
    odd = {"namespace": "n" * 5000, "queue": "\ud800", "retry_for": "r" * 2000, "tags": {"": "x", "b": "y" * 9000}}
    store.save_workflow(workflow("odd", **odd))
    store.save_workflow(workflow("even", tags={"b": "z"}))
    for name, value in odd.items():
        assert [one.id for one in store.list_workflows(WorkflowQuery(**{name: value}))] == ["odd"]
    assert [one.id for one in store.list_workflows(WorkflowQuery(tags={"b": "z"}))] == ["even"]


@pytest.mark.parametrize("odd", ["a\0b", "a/b", "ä", "\U0001f44b", "a#b", "~"])
def test_odd_names(store: DynamoDBStore, odd: str) -> None:
    """Names may hold what our keys are made with."""
    store.save_workflow(workflow(odd, name=odd), [event(1)])
    store.save_workflow_definition(definition(odd))
    spaces = ["", odd, odd + "\0", odd + "\1", odd[:1]]
    for namespace in spaces:
        store.save_state_resource(StateResource(name=odd, namespace=namespace))
    assert store.list_workflows(WorkflowQuery(definition_name=odd, status=WorkflowStatus.QUEUED)).items[0].id == odd
    assert [one.name for one in store.list_workflow_definitions()] == [odd]
    assert [one.namespace for one in store.list_state_resources()] == sorted(set(spaces))
    for namespace in spaces:
        assert [one.namespace for one in store.list_state_resources(namespace)] == [namespace]


class Halves:
    """A client whose batches are done by halves: the rest is left unprocessed, as when a table is throttled."""

    def __init__(self, real: Any) -> None:
        self.real, self.left = real, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def batch_write_item(self, *, RequestItems: Any) -> Any:  # noqa: N803  boto3's name
        ((table, requests),) = RequestItems.items()
        half, rest = requests[: -(-len(requests) // 2)], requests[-(-len(requests) // 2) :]
        answer = self.real.batch_write_item(RequestItems={table: half})
        self.left += len(rest)
        return {**answer, "UnprocessedItems": {table: rest}} if rest else answer

    def batch_get_item(self, *, RequestItems: Any) -> Any:  # noqa: N803
        ((table, asked),) = RequestItems.items()
        keys = asked["Keys"]
        half, rest = keys[: -(-len(keys) // 2)], keys[-(-len(keys) // 2) :]
        answer = self.real.batch_get_item(RequestItems={table: {**asked, "Keys": half}})
        self.left += len(rest)
        return {**answer, "UnprocessedKeys": {table: {**asked, "Keys": rest}}} if rest else answer


def test_what_a_batch_leaves_unprocessed_is_asked_for_again(address: str, store: DynamoDBStore) -> None:
    """DynamoDB may do a batch by parts; nothing is left out."""
    halves = Halves(client(address))
    mine = DynamoDBStore(halves, prefix=store._database.tables.prefix, sleep=lambda _: None)
    turn = [event(number, text="x" * 1000) for number in range(1, 2001)]
    mine.save_workflow(workflow("large", input="x" * 900_000), turn)
    for number in range(30):
        mine.save_workflow(workflow(f"w{number:02}", minute=number))
        mine.save_workflow_definition(definition(f"d{number:02}"))
    assert halves.left > 0
    halves.left = 0
    assert len(mine.list_workflows(WorkflowQuery(limit=100))) == 31
    assert len(mine.list_workflow_definitions()) == 30
    assert halves.left > 0
    assert list(mine.read_history("large", limit=10_000)) == turn
    mine.delete_workflow("large")
    assert not {key for key in chunks(store) if "large" in key[0]}


def test_large_snapshots(store: DynamoDBStore) -> None:
    """A snapshot may be of any size; the one before leaves nothing behind, nor does the last one after the end."""
    current = saved(store)
    before = chunks(store)
    for number in range(2):
        store.save_snapshot("w", 1, number, ["x" * 500_000])
        loaded = store.load_snapshot("w")
        assert loaded is not None
        assert (loaded.position, loaded.value) == (number, ["x" * 500_000])
        assert len(chunks(store) - before) == 3
    store.save_workflow(attrs.evolve(current, status=WorkflowStatus.SUCCEEDED))
    assert not [key for _, key in chunks(store) if key.startswith("snapshot")]


def test_what_is_remembered_of_a_workflow_is_no_truth(address: str, store: DynamoDBStore) -> None:
    """Somebody else deletes a workflow and saves another under its id: what counts is the revision that is stored."""
    other = retrying(address, store)
    for status in (WorkflowStatus.RUNNING, WorkflowStatus.FAILED):
        store.save_workflow(workflow("w", status=status, status_reason="old"), [event(1)])
        other.delete_workflow("w")
        fresh = other.save_workflow(workflow("w", status_reason="new"), [event(2)])
        assert store.save_workflow(fresh, [event(3)]).revision == 2
        assert [one.id for one in store.read_history("w")] == [2, 3]
        store.delete_workflow("w")


# Listings, versions, leases.


def test_the_index_lags(address: str, store: DynamoDBStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the index still shows the past, what is gone or no longer matches is left out, and pages are full."""
    for number in range(9):
        store.save_workflow(workflow(f"w{number}", minute=number))
    query = WorkflowQuery(status=WorkflowStatus.QUEUED, limit=3)
    past = list(store._indexed(query, None))
    store.delete_workflow("w8")
    store.save_workflow(attrs.evolve(store.get_workflow("w6"), status=WorkflowStatus.RUNNING))
    monkeypatch.setattr(DynamoDBStore, "_indexed", lambda *_: iter(past))
    page = store.list_workflows(query)
    assert [one.id for one in page] == ["w7", "w5", "w4"]
    assert page.next is not None


def test_a_version_that_nobody_told_of_is_listed(store: DynamoDBStore, faults: Faults) -> None:
    """A writer that died between a version and its name's hint hides nothing from listings."""
    for greeting in range(3):
        with faults.armed(Crash, 1 if greeting == 0 else 0, operation="UpdateItem"), pytest.raises(Crash):
            store.save_workflow_definition(definition(greeting=greeting))
    with faults.armed(Crash, operation="PutItem"), pytest.raises(Crash):
        store.save_workflow_definition(definition("never"))
    assert [(one.name, one.version) for one in store.list_workflow_definitions()] == [("greeting", 2)]
    assert store.save_workflow_definition(definition(greeting=2)).version == 2


def test_leases_end_by_the_clock_that_was_given(address: str) -> None:
    """A lease lasts its seconds to the instant, and a save does not touch it."""
    clock = Clock()
    with new_store(address, clock=clock) as store:
        current = store.save_workflow(workflow("w"))
        mine = store.acquire("w", "me", 30)
        store.save_workflow(current)
        clock.now += timedelta(seconds=29)
        with pytest.raises(ConflictError):
            store.acquire("w", "you", 30)
        mine = store.renew(mine)
        assert mine.expires_at == clock.now + timedelta(seconds=30)
        clock.now += timedelta(seconds=30)
        assert store.list_pending() == ("w",)
        assert store.acquire("w", "you", 30).owner == "you"


def test_ended_workflows_expire() -> None:
    """With ``ttl_days`` the head of an ended workflow expires then, and its parts, old and new, a while after."""
    clock = Clock()
    address = running(Server.MINISTACK)  # the other one knows no expiry
    with new_store(address, clock=clock, ttl_days=30) as store:
        for name in (store._database.tables.workflows, store._database.tables.chunks):
            told = client(address).describe_time_to_live(TableName=name)["TimeToLiveDescription"]
            assert (told["TimeToLiveStatus"], told["AttributeName"]) == ("ENABLED", "expires")
        store.create_tables()
        current = saved(store)
        assert expiries(store) == {0}
        end = attrs.evolve(current, status=WorkflowStatus.FAILED, output=LARGE + "2")
        current = store.save_workflow(end, [event(3)])
        expires = int(clock.now.timestamp()) + 30 * 86_400
        clock.now += timedelta(days=1)
        store.save_workflow(attrs.evolve(current, resolved_by_user=True), [event(4)])
        (head,) = store._database.calls.scan(TableName=store._database.tables.workflows)
        assert head["expires"] == {"N": str(expires)}
        assert expiries(store) == {expires + 14 * 86_400}
        assert [one.id for one in store.read_history("w")] == [1, 2, 3, 4]


def expiries(store: DynamoDBStore) -> set[int]:
    """When the parts of workflows expire, 0 for never."""
    found = store._database.calls.scan(TableName=store._database.tables.chunks)
    return {int(item.get("expires", {"N": "0"})["N"]) for item in found if item["owner"]["S"].startswith("w/")}


# Tables and clients.


def test_tables_of_another_shape_are_refused(address: str, store: DynamoDBStore) -> None:
    """Who uses a prefix that is taken, or tables that lack an index, is told which."""
    prefix = new_prefix()
    client(address).create_table(
        TableName=f"{prefix}-workflows",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )
    with pytest.raises(StoreError, match=rf"{prefix}-workflows.*pending"):
        DynamoDBStore(client(address), prefix=prefix).create_tables()


def test_no_tables(address: str) -> None:
    """Who forgets to make the tables is told how."""
    with pytest.raises(StoreError, match="create_tables"):
        DynamoDBStore(client(address), prefix="nowhere").get_workflow("w")


def test_a_clients_own_mistake_is_not_hidden(address: str) -> None:
    """A request that DynamoDB refuses for good is a StoreError at once, with its words."""
    store = DynamoDBStore(client(address), prefix="not/a/name", sleep=pytest.fail)
    with pytest.raises(StoreError, match=r"(?i)valid"):
        store.create_tables()


@pytest.mark.parametrize("days", [0, -1, float("nan")])
def test_days_to_live(days: float) -> None:
    """Days to live are above 0."""
    with pytest.raises(InvalidValueError):
        DynamoDBStore(Mock(), ttl_days=days)


def test_no_botocore_is_imported() -> None:
    """The store works with whatever client it is given; it imports neither boto3 nor botocore."""
    program = (
        "import sys; from workflow_manager import DynamoDBStore; DynamoDBStore(object());"
        "assert not {'boto3', 'botocore'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_shape_of_requests_on_a_third_server() -> None:
    """In one thread moto understands every request too."""
    moto = pytest.importorskip("moto")
    import boto3

    with moto.mock_aws():
        session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1")
        store = DynamoDBStore(session.client("dynamodb"), ttl_days=1)
        store.create_tables()
        was_read(store, read_all(store, three_turns(store)))
        was_defined(store, store.save_workflow_definition(definition()))
        store.release(store.acquire("w", "me", 60))
        resource_is("a")(store, store.save_state_resource(resource()))
        store.delete_workflow("w")
        assert store.sweep(older_than=timedelta()) == 1


PAGE = (Path(__file__).resolve().parent.parent / "docs" / "how-to" / "dynamodb.md").read_text(encoding="utf-8")


def test_the_page_tells_every_permission() -> None:
    """The permissions in the document are those of the operations that the store uses."""
    used = {"".join(word.title() for word in name.split("_")) for name in vars(DynamoDBClient) if name[0] != "_"}
    assert used == set(re.findall(r"dynamodb:([A-Z][a-z]\w+)", PAGE))


def test_the_page_describes_every_table_and_index() -> None:
    """Whoever makes the tables as the document says makes those that the store makes."""
    rows = [re.findall(r"`([^`]+)`", line) for line in PAGE.splitlines() if line.startswith("| `")]
    for table in Tables("…").descriptions():
        keys = [key["AttributeName"] for key in table["KeySchema"]]
        assert [table["TableName"], *keys] in rows
        for index in table.get("GlobalSecondaryIndexes", ()):
            partition, sort = (key["AttributeName"] for key in index["KeySchema"])
            assert partition == index["IndexName"]
            assert [partition, sort, *index["Projection"]["NonKeyAttributes"]] in rows
