"""Stores to test, what is in them, and what each operation must lead to."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest

from servers import client
from workflow_manager.exceptions import ConflictError, NotFoundError
from workflow_manager.models import StateResource, Workflow, WorkflowDefinition, WorkflowQuery
from workflow_manager.protocols import Lease
from workflow_manager.stores.dynamodb import DynamoDBStore
from workflow_manager.testing.contracts.samples import definition, event, items, workflow

_PREFIXES = (f"wm{number}" for number in itertools.count())


def new_prefix() -> str:
    """A prefix that nobody has used."""
    return next(_PREFIXES)


@contextmanager
def new_store(address: str, **options: Any) -> Iterator[DynamoDBStore]:
    """An empty store with tables of its own, over a client that tries once; it never waits long."""
    store = DynamoDBStore(client(address), prefix=new_prefix(), **{"sleep": lambda _: None, **options})
    store.create_tables()
    yield store
    drop(address, store)


def drop(address: str, store: DynamoDBStore) -> None:
    """Delete the tables of *store*."""
    tables = store._database.tables
    for name in (tables.workflows, tables.chunks, tables.catalog):
        client(address).delete_table(TableName=name)


class Clock:
    """A clock that stands still until somebody moves it."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def retrying(address: str, store: DynamoDBStore) -> DynamoDBStore:
    """The same store over a client that itself tries three times."""
    return DynamoDBStore(client(address, 3), prefix=store._database.tables.prefix, sleep=lambda _: None)


def chunks(store: DynamoDBStore) -> set[tuple[str, str]]:
    """The keys of all chunks that there are, visible or not, but those of definitions."""
    items = store._database.calls.scan(TableName=store._database.tables.chunks)
    keys = {(item["owner"]["S"], item["key"]["S"]) for item in items}
    return {key for key in keys if key[0].startswith("w/")}


LARGE = "é" * 5000
"""More than a head holds itself."""


# One operation each, and what then must be so.


@attrs.frozen
class Case:
    """One operation: what was there *before*, what is done, and what then must be so."""

    before: Callable[[DynamoDBStore], Any]
    act: Callable[[DynamoDBStore, Any], Any]
    after: Callable[[DynamoDBStore, Any], None]
    writes: bool = True


def saved(store: DynamoDBStore) -> Workflow:
    return store.save_workflow(workflow("w", input=LARGE, output=LARGE), [event(1), event(2)])


def was_saved_first(store: DynamoDBStore, told: Workflow) -> None:
    assert store.get_workflow("w") == told == workflow("w", input=LARGE, output=LARGE, revision=1)
    assert list(store.read_history("w")) == [event(1), event(2)]
    assert len(chunks(store)) == 3  # input, body, one turn


def save_again(store: DynamoDBStore, before: Workflow) -> Workflow:
    return store.save_workflow(attrs.evolve(before, status_reason="second"), [event(3)])


def was_saved_again(store: DynamoDBStore, told: Workflow) -> None:
    assert store.get_workflow("w") == told
    assert (told.revision, told.status_reason) == (2, "second")
    assert list(store.read_history("w")) == [event(1), event(2), event(3)]
    kinds = sorted(key.split(".")[0] for _, key in chunks(store))
    assert kinds in (["part", "part", "turn", "turn"], ["part", "part", "part", "turn", "turn"])


def save_stale(store: DynamoDBStore, before: Workflow) -> str:
    store.save_workflow(before)
    with pytest.raises(ConflictError):
        store.save_workflow(attrs.evolve(before, status_reason="stale"), [event(9)])
    return "refused"


def was_refused(store: DynamoDBStore, told: str) -> None:
    assert (store.get_workflow("w").revision, store.get_workflow("w").status_reason) == (2, "")
    assert len(store.read_history("w")) == 2


def delete(store: DynamoDBStore, before: Workflow) -> None:
    store.delete_workflow("w")


def was_deleted(store: DynamoDBStore, told: None) -> None:
    with pytest.raises(NotFoundError):
        store.get_workflow("w")
    assert not store.list_workflows(WorkflowQuery()).items
    assert chunks(store) == set()
    assert saved(store).revision == 1


def is_tended(store: DynamoDBStore, told: Lease) -> None:
    with pytest.raises(ConflictError):
        store.acquire("w", "you", 60)
    assert store.renew(told).token == told.token
    assert store.list_pending() == ()


def is_free(store: DynamoDBStore, told: None) -> None:
    assert store.list_pending() == ("w",)
    assert store.acquire("w", "you", 60).owner == "you"


def three_turns(store: DynamoDBStore) -> Workflow:
    return store.save_workflow(save_again(store, saved(store)), [event(4), event(5)])


def read_all(store: DynamoDBStore, before: Workflow) -> list[Any]:
    whole = items(lambda token: store.read_history("w", after=1, limit=2, page_token=token))
    listed = items(lambda token: store.list_workflows(WorkflowQuery(queue="default", limit=1, page_token=token)))
    return [store.get_workflow("w"), listed, whole, store.list_pending()]


def was_read(store: DynamoDBStore, told: list[Any]) -> None:
    (read,) = told[1]
    assert told[0] == read
    assert told[2:] == [[event(number) for number in (2, 3, 4, 5)], ("w",)]


def two_definitions(store: DynamoDBStore) -> WorkflowDefinition:
    store.save_workflow_definition(definition("other"))
    return store.save_workflow_definition(definition(greeting="first"))


def was_defined(store: DynamoDBStore, told: WorkflowDefinition) -> None:
    versions = store.list_workflow_definition_versions("greeting").items
    assert [one.version for one in versions] == list(range(told.version, -1, -1))
    assert versions[0] == told == store.get_workflow_definition("greeting")
    assert store.list_workflow_definitions().items[0] == told


def list_definitions(store: DynamoDBStore, before: WorkflowDefinition) -> list[Any]:
    names = items(lambda token: store.list_workflow_definitions(limit=1, page_token=token))
    versions = items(lambda token: store.list_workflow_definition_versions("greeting", limit=1, page_token=token))
    return [names, versions, store.get_workflow_definition("greeting"), before]


def were_listed(store: DynamoDBStore, told: list[Any]) -> None:
    names, versions, latest, before = told
    assert [one.name for one in names] == ["greeting", "other"]
    assert versions == [latest] == [before]


def resource(uri: str = "a") -> StateResource:
    return StateResource(name="resize", namespace="prod", uri=uri)


def resource_is(uri: str | None) -> Callable[[DynamoDBStore, Any], None]:
    def check(store: DynamoDBStore, told: Any) -> None:
        assert [one.uri for one in store.list_state_resources()] == ([] if uri is None else [uri])
        if uri is None:
            with pytest.raises(NotFoundError):
                store.get_state_resource("resize", "prod")
        else:
            assert store.get_state_resource("resize", "prod") == told

    return check


def nothing(store: DynamoDBStore) -> None:
    """There is nothing before."""


CASES: dict[str, Case] = {
    "first save": Case(nothing, lambda store, _: saved(store), was_saved_first),
    "next save": Case(saved, save_again, was_saved_again),
    "stale save": Case(saved, save_stale, was_refused),
    "delete": Case(saved, delete, was_deleted),
    "acquire": Case(saved, lambda store, _: store.acquire("w", "me", 60), is_tended),
    "renew": Case(
        lambda store: (saved(store), store.acquire("w", "me", 60))[1],
        lambda store, lease: store.renew(lease),
        is_tended,
    ),
    "release": Case(
        lambda store: (saved(store), store.acquire("w", "me", 60))[1],
        lambda store, lease: store.release(lease),
        is_free,
    ),
    "read": Case(three_turns, read_all, was_read, writes=False),
    "first version": Case(nothing, lambda store, _: store.save_workflow_definition(definition()), was_defined),
    "next version": Case(two_definitions, lambda store, _: store.save_workflow_definition(definition()), was_defined),
    "large version": Case(
        nothing, lambda store, _: store.save_workflow_definition(definition(greeting="x" * 360_000)), was_defined
    ),
    "list definitions": Case(two_definitions, list_definitions, were_listed, writes=False),
    "first resource": Case(nothing, lambda store, _: store.save_state_resource(resource()), resource_is("a")),
    "next resource": Case(
        lambda store: store.save_state_resource(resource()),
        lambda store, _: store.save_state_resource(resource("b")),
        resource_is("b"),
    ),
    "delete resource": Case(
        lambda store: store.save_state_resource(resource()),
        lambda store, _: store.delete_state_resource("resize", "prod"),
        resource_is(None),
    ),
}
