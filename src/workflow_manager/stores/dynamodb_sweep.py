"""Finding what no head leads to any more."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from workflow_manager.stores.dynamodb_client import Item, text
from workflow_manager.stores.dynamodb_database import Database, instant


def sweep(database: Database, older_than: timedelta) -> int:
    """
    Delete the parts of workflows that are gone or were never saved, and what deleted workflows left behind.

    It reads both tables whole and is for a job at night, not for a request.  What is younger than *older_than* stays:
    its writer may be about to commit.  Returns how many items were deleted.
    """
    before = instant(database.clock() - older_than)
    deleted = 0

    def counted(keys: Iterator[Item]) -> Iterator[Item]:
        nonlocal deleted
        for key in keys:
            deleted += 1
            yield key

    database.calls.batch_write(database.tables.chunks, deletes=counted(_orphans(database, before)))
    database.calls.batch_write(database.tables.workflows, deletes=counted(_stones(database, before)))
    return deleted


def _orphans(database: Database, before: str) -> Iterator[Item]:
    parts = database.calls.scan(
        TableName=database.tables.chunks,
        ConsistentRead=True,
        FilterExpression="#written < :before",
        ProjectionExpression="#owner, #key",
        ExpressionAttributeNames={"#written": "written", "#owner": "owner", "#key": "key"},
        ExpressionAttributeValues={":before": text(before)},
    )
    owner, alive = "", False
    for part in parts:
        if part["owner"]["S"] != owner:  # a scan shows the parts of one owner one after the other
            owner = part["owner"]["S"]
            alive = _is_alive(database, owner)
        if not alive:
            yield part


def _is_alive(database: Database, owner: str) -> bool:
    if not owner.startswith("w/"):
        return True  # definitions are never deleted
    workflow_id, _, incarnation = owner.removeprefix("w/").rpartition("/")
    head = database.calls.get(database.tables.workflows, {"id": text(workflow_id)})
    return head is not None and "deleted" not in head and head["incarnation"] == text(incarnation)


def _stones(database: Database, before: str) -> Iterator[Item]:
    return database.calls.scan(
        TableName=database.tables.workflows,
        ConsistentRead=True,
        FilterExpression="#deleted < :before",
        ProjectionExpression="#id",
        ExpressionAttributeNames={"#deleted": "deleted", "#id": "id"},
        ExpressionAttributeValues={":before": text(before)},
    )
