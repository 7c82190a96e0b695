"""MemoryStore: the law of every store, and what is its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest

from workflow_manager.exceptions import ConflictError, InvalidValueError, PageTokenError
from workflow_manager.models import Workflow, WorkflowQuery, WorkflowStatus
from workflow_manager.protocols import Store
from workflow_manager.stores.memory import MemoryStore
from workflow_manager.testing.contracts import SnapshotContract, StoreContract
from workflow_manager.testing.contracts.samples import at_once, definition, event, workflow


class Clock:
    """A clock that stands still until somebody moves it."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class TestMemoryStore(StoreContract, SnapshotContract):
    """MemoryStore keeps the law of stores and of snapshots."""

    @pytest.fixture
    def store(self) -> Store:
        return MemoryStore()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> MemoryStore:
    return MemoryStore(clock=clock)


def test_leases_end_by_the_clock_that_was_given(store: MemoryStore, clock: Clock) -> None:
    """A lease lasts its seconds to the instant, and a renewal counts from now."""
    store.save_workflow(workflow("w"))
    mine = store.acquire("w", "me", 30)
    clock.advance(29)
    with pytest.raises(ConflictError):
        store.acquire("w", "you", 30)
    mine = store.renew(mine)
    assert mine.expires_at == clock.now + timedelta(seconds=30)
    clock.advance(30)
    assert store.acquire("w", "you", 30).owner == "you"


def test_an_expired_lease_may_be_renewed_if_nobody_took_it(store: MemoryStore, clock: Clock) -> None:
    """Who sleeps too long keeps the lease unless somebody else was given one."""
    store.save_workflow(workflow("w"))
    mine = store.acquire("w", "me", 30)
    clock.advance(300)
    assert store.list_pending() == ("w",)
    store.renew(mine)
    assert store.list_pending() == ()


def test_the_store_dates_what_it_is_given(store: MemoryStore, clock: Clock) -> None:
    """Definitions and state resources are dated by the clock, workflows by their callers."""
    assert store.save_workflow_definition(definition()).created_at == clock.now
    given = workflow("w")
    assert store.save_workflow(given).last_updated == given.last_updated


def test_a_running_workflow_is_not_copied_again(store: MemoryStore) -> None:
    """A save of the very same input, jobs and definition copies none of them, however large they are."""

    class Counting(list[int]):
        reads = 0

        def __iter__(self) -> Iterator[int]:
            Counting.reads += 1
            return super().__iter__()

    saved = store.save_workflow(workflow("w", input={"large": Counting([1, 2])}))
    first = Counting.reads
    assert first > 0
    for _ in range(3):
        saved = store.save_workflow(attrs.evolve(saved, status=WorkflowStatus.RUNNING), [event(saved.revision)])
    assert Counting.reads == first
    assert store.get_workflow("w").input == {"large": [1, 2]}


def test_the_input_belongs_to_the_first_save(store: MemoryStore) -> None:
    """Changing the input object between two saves does not change what is stored."""
    given: dict[str, Any] = {"a": [1]}
    saved = store.save_workflow(workflow("w", input=given))
    given["a"].append(2)
    store.save_workflow(saved)
    assert store.get_workflow("w").input == {"a": [1]}


def test_another_input_object_is_taken_as_it_is(store: MemoryStore) -> None:
    """A driver that has read the workflow saves its own copy of the input, and nothing is lost by that."""
    store.save_workflow(workflow("w", input={"a": [1]}))
    read = store.get_workflow("w")
    store.save_workflow(read)
    assert store.get_workflow("w").input == {"a": [1]}


def test_an_ended_workflow_keeps_nothing_of_its_caller(store: MemoryStore) -> None:
    """After its last save the store lets go of the caller's objects, so that an input is not held twice."""
    large = ["x"]
    saved = store.save_workflow(workflow("w", input=large))
    held = sys.getrefcount(large)
    store.save_workflow(attrs.evolve(saved, status=WorkflowStatus.SUCCEEDED, input=large))
    assert sys.getrefcount(large) < held + 1
    del saved
    assert sys.getrefcount(large) == 2


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"definition_name": "rare"},
        {"status": WorkflowStatus.FAILED},
        {"created_before": workflow("w", minute=9).created_at},
    ],
    ids=str,
)
def test_a_page_costs_what_it_shows(store: MemoryStore, monkeypatch: pytest.MonkeyPatch, asked: dict[str, Any]) -> None:
    """With thousands of workflows behind it a page looks at no more of them than it shows, and one."""
    for number in range(3000):
        name = "rare" if number % 300 == 0 else "common"
        status = WorkflowStatus.FAILED if number % 200 == 0 else WorkflowStatus.SUCCEEDED
        store.save_workflow(workflow(f"w{number:04}", name=name, minute=number, status=status))
    looked: list[str] = []
    matches = WorkflowQuery.matches

    def looking(query: WorkflowQuery, one: Workflow) -> bool:
        looked.append(one.id)
        return matches(query, one)

    monkeypatch.setattr(WorkflowQuery, "matches", looking)
    page = store.list_workflows(WorkflowQuery(**asked, limit=4))
    assert len(page) == 4
    assert len(looked) == 5


def test_tokens_of_another_store_are_foreign(store: MemoryStore) -> None:
    """Two stores with the same content refuse each other's tokens."""
    other = MemoryStore()
    for one in (store, other):
        for number in range(3):
            one.save_workflow(workflow(f"w{number}"))
    token = other.list_workflows(WorkflowQuery(limit=1)).next
    with pytest.raises(PageTokenError):
        store.list_workflows(WorkflowQuery(limit=1, page_token=token))


def test_readers_see_whole_saves(store: MemoryStore) -> None:
    """A reader beside a writer sees workflow and history as one save or another left them, never half of one."""
    store.save_workflow(workflow("w"))

    def work(number: int) -> None:
        if number == 0:
            saved = store.get_workflow("w")
            for turn in range(1, 200):
                saved = store.save_workflow(
                    attrs.evolve(saved, status_reason=str(2 * turn)), [event(2 * turn - 1), event(2 * turn)]
                )
        else:
            for _ in range(200):
                told = int(store.get_workflow("w").status_reason or 0)
                kept = len(store.read_history("w", limit=10_000))
                assert kept % 2 == 0
                assert kept >= told

    _, errors = at_once(4, work)
    assert errors == []


def test_a_value_that_is_not_json_is_named(store: MemoryStore) -> None:
    """The error says where in the input the culprit is."""
    with pytest.raises(InvalidValueError) as caught:
        store.save_workflow(workflow("w", input={"a": [1, {"b/c": float("inf")}]}))
    assert caught.value.path == "/a/1/b~1c"


def test_foreign_containers_become_plain(store: MemoryStore) -> None:
    """Tuples are kept as lists, and mappings as dicts, as in any store that writes JSON."""
    store.save_workflow(workflow("w", input={"a": (1, (2,))}))
    assert store.get_workflow("w").input == {"a": [1, [2]]}


def test_its_repr_counts(store: MemoryStore) -> None:
    """The repr says how much the store holds."""
    store.save_workflow_definition(definition())
    store.save_workflow(workflow("w"))
    assert repr(store) == "<MemoryStore: 1 definitions, 1 workflows>"
