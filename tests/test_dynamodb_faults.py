"""DynamoDBStore when things go wrong: throttled, failed, refused or unanswered calls, races, writers that die."""

from __future__ import annotations

import functools
import itertools
import time
from collections.abc import Iterator
from typing import Any
from unittest.mock import Mock

import attrs
import pytest

from dynamodb_stores import (
    CASES,
    chunks,
    drop,
    new_prefix,
    new_store,
    resource,
    resource_is,
    retrying,
    save_again,
    saved,
    was_deleted,
    was_saved_first,
)
from faults import Crash, Fault, Faults
from servers import Server, client, running
from workflow_manager.exceptions import ConflictError, StoreError
from workflow_manager.stores.dynamodb import DynamoDBStore
from workflow_manager.stores.dynamodb_client import patience
from workflow_manager.testing.contracts.samples import at_once, definition, event, items, workflow


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


def wipe(store: DynamoDBStore) -> None:
    """Empty all tables."""
    calls, tables = store._database.calls, store._database.tables
    keys = {tables.workflows: ("id",), tables.chunks: ("owner", "key"), tables.catalog: ("part", "key")}
    for table, names in keys.items():
        found = list(calls.scan(TableName=table))
        calls.batch_write(table, deletes=({name: item[name] for name in names} for item in found))


@pytest.mark.parametrize(
    ("address", "attempts"),
    [(Server.MINISTACK, 1), (Server.DYNALITE, 1), (Server.DYNALITE, 3)],
    indirect=["address"],
    ids=["ministack", "dynalite", "dynalite, botocore repeats"],
)
@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.writes])
def test_whatever_goes_wrong_at_whatever_call(
    address: str, store: DynamoDBStore, name: str, attempts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Throttled, failed, refused or unanswered at any attempt: what is told is true, nothing is lost or done twice."""
    monkeypatch.setattr("botocore.endpoint.time", Mock(spec=time))  # so that botocore does not wait either
    case, faults, prefix, tried = CASES[name], Faults(client(address, attempts)), store._database.tables.prefix, 0
    for fault in Fault:
        for first in itertools.count():
            mine = DynamoDBStore(client(address, attempts), prefix=prefix, sleep=lambda _: None)
            before = case.before(mine)
            with faults.armed(fault, first):
                told = case.act(mine, before)
            case.after(DynamoDBStore(client(address), prefix=prefix), told)
            wipe(store)
            tried += faults.hits
            if not faults.hits:
                break
    assert tried >= len(Fault)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if not case.writes])
def test_reads_are_repeated(address: str, store: DynamoDBStore, faults: Faults, name: str) -> None:
    """A read that fails at any attempt gives what it gives without."""
    case = CASES[name]
    before = case.before(store)
    for fault in (Fault.THROTTLED, Fault.LOST):
        for first in itertools.count():
            mine = DynamoDBStore(client(address), prefix=store._database.tables.prefix, sleep=lambda _: None)
            with faults.armed(fault, first):
                told = case.act(mine, before)
            case.after(store, told)
            if not faults.hits:
                break
        assert first > 3


@pytest.mark.parametrize("fault", Fault)
def test_making_tables_is_repeated(address: str, faults: Faults, fault: Fault) -> None:
    """Tables are made once, whatever goes wrong at whatever call."""
    for first in range(7):
        mine = DynamoDBStore(client(address), prefix=new_prefix(), sleep=lambda _: time.sleep(0.001))
        with faults.armed(fault, first):
            mine.create_tables()
        assert faults.hits == (first < 6)
        mine.save_workflow(workflow("w"))
        drop(address, mine)


def test_two_answers_in_a_row_are_lost(address: str, store: DynamoDBStore, faults: Faults) -> None:
    """A write may arrive three times: it is done once."""
    with faults.armed(Fault.LOST, times=2, operation="UpdateItem"):
        told = saved(store)
    was_saved_first(store, told)


@pytest.mark.parametrize("attempts", [1, 3])
def test_writers_race_while_answers_are_lost(address: str, store: DynamoDBStore, attempts: int) -> None:
    """Threads at once, every sixth answer lost: who is told of a success had one, and no save is lost or doubled."""
    first, prefix = store.save_workflow(workflow("w")), store._database.tables.prefix

    def add(number: int) -> int:
        mine = DynamoDBStore(client(address, attempts), prefix=prefix, sleep=lambda _: time.sleep(0.001))
        for _ in range(500):
            read = mine.get_workflow("w")
            try:
                saved = mine.save_workflow(
                    attrs.evolve(read, retries=(*read.retries, str(number))), [event(number + 1, writer=number)]
                )
            except ConflictError:
                time.sleep(0.001 * number)
            else:
                return saved.revision
        raise AssertionError("never got through")

    with Faults(client(address, attempts)).armed(Fault.LOST, every=6):
        told, errors = at_once(8, add)
    assert errors == []
    assert sorted(told) == list(range(first.revision + 1, first.revision + 9))
    read = store.get_workflow("w")
    assert sorted(read.retries) == [str(number) for number in range(8)]
    assert [one.id for one in store.read_history("w")] == [int(number) + 1 for number in read.retries]


@pytest.mark.parametrize("what", ["definitions", "leases", "resources"])
def test_others_race_while_answers_are_lost(address: str, store: DynamoDBStore, what: str) -> None:
    """Each definition gets one version, one owner gets the lease, and the last resource is one that somebody wrote."""
    prefix = store._database.tables.prefix
    store.save_workflow(workflow("w"))

    def work(number: int) -> Any:
        mine = DynamoDBStore(client(address), prefix=prefix, sleep=lambda _: time.sleep(0.001))
        if what == "definitions":
            return mine.save_workflow_definition(definition(greeting=number // 2)).version
        if what == "resources":
            return mine.save_state_resource(resource(str(number)))
        return mine.acquire("w", f"owner {number}", 60)

    with Faults(client(address)).armed(Fault.LOST, every=6):
        told, errors = at_once(8, work)
    if what == "definitions":
        versions = store.list_workflow_definition_versions("greeting").items
        assert {one.version for one in versions} == set(told)
        assert {str(one.state_machine.states["Greet"].result) for one in versions} == {"0", "1", "2", "3"}
    elif what == "resources":
        assert store.get_state_resource("resize", "prod") in told
    else:
        assert len(told) == 1
        assert {type(error) for error in errors} == {ConflictError}
        assert store.renew(told[0]).owner == told[0].owner


def test_nobody_is_told_that_he_lost_a_save_that_he_won(address: str, store: DynamoDBStore, faults: Faults) -> None:
    """The answer is lost, and others save over it many times before the request is repeated: it still was a success."""
    other = retrying(address, store)
    first = saved(store)

    def go_on() -> None:
        for number in range(20):
            read = other.get_workflow("w")
            other.save_workflow(attrs.evolve(read, status_reason=f"other {number}"), [event(10 + number)])

    with faults.armed(Fault.LOST, operation="UpdateItem", meanwhile=go_on):
        told = save_again(store, first)
    assert told.revision == 2
    assert store.get_workflow("w").revision == 22
    assert [one.id for one in store.read_history("w")] == [1, 2, 3, *range(10, 30)]


def test_a_save_that_lost_says_so(address: str, store: DynamoDBStore, faults: Faults) -> None:
    """If somebody else saved before the first arrival, that is a conflict, whatever was lost, and no parts are left."""
    first, other = saved(store), retrying(address, store)
    other.save_workflow(attrs.evolve(first, status_reason="other"))
    before = chunks(store)
    with faults.armed(Fault.LOST, operation="UpdateItem"), pytest.raises(ConflictError):
        save_again(store, first)
    assert chunks(store) == before
    assert store.get_workflow("w").status_reason == "other"


def test_a_repeated_save_brings_nothing_back(address: str, store: DynamoDBStore, faults: Faults) -> None:
    """What was saved first, with its answer lost, and deleted by others before the repetition stays deleted."""
    with faults.armed(
        Fault.LOST, operation="UpdateItem", meanwhile=lambda: retrying(address, store).delete_workflow("w")
    ):
        assert saved(store).revision == 1
    was_deleted(store, None)


def test_a_repeated_deletion_spares_what_came_after(address: str, store: DynamoDBStore, faults: Faults) -> None:
    """A deletion whose answer was lost does not delete the workflow that somebody has saved under the id since."""
    saved(store)
    with faults.armed(Fault.LOST, operation="UpdateItem", meanwhile=lambda: saved(retrying(address, store))):
        store.delete_workflow("w")
    was_saved_first(store, store.get_workflow("w"))


def test_a_repeated_resource_undoes_nothing(address: str, store: DynamoDBStore, faults: Faults) -> None:
    """A resource whose answer was lost neither replaces what others wrote since, nor comes back if they deleted it."""
    other = retrying(address, store)
    with faults.armed(Fault.LOST, operation="PutItem", meanwhile=lambda: other.save_state_resource(resource("theirs"))):
        store.save_state_resource(resource("mine"))
    assert store.get_state_resource("resize", "prod").uri == "theirs"
    forget = functools.partial(other.delete_state_resource, "resize", "prod")
    with faults.armed(Fault.LOST, operation="PutItem", meanwhile=forget):
        store.save_state_resource(resource("mine"))
    resource_is(None)(store, None)


def test_a_repeated_version_is_one_version(address: str, store: DynamoDBStore, faults: Faults) -> None:
    """A version whose answer was lost is told as it was made, though others have made the next one since."""
    other = retrying(address, store)
    theirs = functools.partial(other.save_workflow_definition, definition(greeting="theirs"))
    with faults.armed(Fault.LOST, operation="PutItem", meanwhile=theirs):
        assert store.save_workflow_definition(definition(greeting="mine")).version == 0
    assert [one.version for one in store.list_workflow_definition_versions("greeting")] == [1, 0]


def test_patience_ends(address: str, store: DynamoDBStore, faults: Faults) -> None:
    """Who is throttled for ever gets a StoreError after some tries, and nothing has been written."""
    first = saved(store)
    with faults.armed(Fault.THROTTLED, times=1000, operation="UpdateItem"), pytest.raises(StoreError, match="tries"):
        save_again(store, first)
    assert faults.hits == 10
    assert store.get_workflow("w") == first
    assert len(store.read_history("w")) == 2


def test_a_save_whose_answers_are_all_lost_is_a_save(address: str, store: DynamoDBStore, faults: Faults) -> None:
    """If no answer ever arrives but the workflow can be read, what is read decides."""
    with faults.armed(Fault.LOST, times=1000, operation="UpdateItem"):
        was_saved_first(DynamoDBStore(client(address, 3), prefix=store._database.tables.prefix), saved(store))


def test_pauses_grow_and_are_random() -> None:
    """The n-th pause is drawn from zero to twice the bound before, and no bound is above five seconds."""
    slept: list[float] = []
    bounds: list[float] = []

    def chance(low: float, high: float) -> float:
        bounds.append(high)
        return high / 2

    assert len(list(patience(slept.append, chance).waits())) == len(slept) == 9
    assert bounds[:4] == [0.05, 0.1, 0.2, 0.4]
    assert max(bounds) == 5.0
    assert slept == [bound / 2 for bound in bounds]


# Writers that die.


def test_a_writer_that_died_leaves_nothing_to_see(address: str, store: DynamoDBStore, faults: Faults) -> None:
    """Turns that were written and never committed are not history, wherever reading starts; others save past them."""
    current = saved(store)
    for turn in range(3):
        for lost in range(turn + 1):
            doomed = attrs.evolve(current, status_reason="doomed")
            with faults.armed(Crash, operation="UpdateItem"), pytest.raises(Crash):
                store.save_workflow(doomed, [event(100 + number) for number in range(lost, 4)])
        current = store.save_workflow(current, [event(10 * turn + number) for number in range(3, 6)])
    wanted = [1, 2, 3, 4, 5, 13, 14, 15, 23, 24, 25]
    assert len([key for _, key in chunks(store) if key.startswith("turn")]) == 4 + 6
    for after, limit in [*((after, 100) for after in range(12)), (0, 1), (1, 2), (3, 3)]:
        ask = functools.partial(store.read_history, "w", after=after, limit=limit)
        assert [one.id for one in items(lambda token, ask=ask: ask(page_token=token))] == wanted[after:]
    store.delete_workflow("w")
    assert chunks(store) == set()


def test_orphans_of_many_chunks(store: DynamoDBStore, faults: Faults) -> None:
    """Orphans whose chunks begin between ours, or just where ours do, are told apart."""
    current = store.save_workflow(workflow("w"), [event(1)])
    text = "x" * 100_000
    with faults.armed(Crash, operation="UpdateItem"), pytest.raises(Crash):
        store.save_workflow(current, [event(900 + number, text=text) for number in range(12)])
    with faults.armed(Crash, operation="UpdateItem"), pytest.raises(Crash):
        store.save_workflow(current, [event(800), *(event(800 + number, text=text) for number in range(1, 9))])
    kept = [event(2, text=text), *(event(number, text=text[:90_000]) for number in range(3, 9))]
    current = store.save_workflow(current, kept)
    store.save_workflow(current, [event(9)])
    for after in range(10):
        found = items(lambda token, after=after: store.read_history("w", after=after, limit=2, page_token=token))
        assert [one.id for one in found] == list(range(after + 1, 10))
