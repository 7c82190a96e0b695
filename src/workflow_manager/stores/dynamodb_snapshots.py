"""Snapshots: a cache beside the history, in the partition of a workflow's parts."""

from __future__ import annotations

from workflow_manager.asl.values import JSON, check_json, loads
from workflow_manager.codec.events import text_of
from workflow_manager.exceptions import StoreError
from workflow_manager.protocols import Snapshot
from workflow_manager.stores.dynamodb_client import ConditionFailedError, Item, is_key, number, number_in, text
from workflow_manager.stores.dynamodb_database import Database, instant
from workflow_manager.stores.dynamodb_documents import (
    content_of,
    delete_owned,
    discard,
    document_in,
    laid_out,
    part_keys,
)
from workflow_manager.stores.dynamodb_heads import Head, read_head

_KIND = "snapshot"


class SnapshotPart:
    """The part of the store that keeps snapshots."""

    _database: Database

    def save_snapshot(self, workflow_id: str, revision: int, position: int, snapshot: JSON) -> None:
        """See :meth:`workflow_manager.protocols.SnapshotStore.save_snapshot`."""
        record = text_of(check_json(snapshot, "snapshot"))
        head = _going(self._database, workflow_id)
        if head is None or head.revision != revision:
            return
        calls, table = self._database.calls, self._database.tables.chunks
        before = calls.get(table, _key(head))
        document, parts = laid_out(head.owner, record, kind=_KIND)
        written: Item = {"written": text(instant(self._database.clock()))}
        calls.batch_write(table, [{**part, **written} for part in parts])
        item: Item = {
            **_key(head),
            **written,
            "revision": number(revision),
            "position": number(position),
            **document.attributes("value"),
        }
        try:
            calls.make(
                calls.client.put_item,
                TableName=table,
                Item=item,
                ConditionExpression="attribute_not_exists(#revision) OR #revision <= :revision",
                ExpressionAttributeNames={"#revision": "revision"},
                ExpressionAttributeValues={":revision": number(revision)},
            )
        except ConditionFailedError:
            discard(self._database, parts)  # there is a later one already
            return
        if before is not None:
            discard(self._database, part_keys(head.owner, document_in(before, "value")))

    def load_snapshot(self, workflow_id: str) -> Snapshot | None:
        """See :meth:`workflow_manager.protocols.SnapshotStore.load_snapshot`."""
        head = _going(self._database, workflow_id)
        item = None if head is None else self._database.calls.get(self._database.tables.chunks, _key(head))
        if head is None or item is None:
            return None
        record = content_of(self._database, head.owner, document_in(item, "value"))
        if record is None:
            return None  # replaced between two reads; it is a cache
        return Snapshot(revision=number_in(item, "revision"), position=number_in(item, "position"), value=loads(record))


def _going(database: Database, workflow_id: str) -> Head | None:
    """The head of a workflow that has not ended."""
    head = read_head(database, workflow_id) if is_key(workflow_id, 2048) else None
    return None if head is None or head.status.is_final else head


def _key(head: Head) -> Item:
    return {"owner": text(head.owner), "key": text(_KIND)}


def drop_snapshot(database: Database, head: Head) -> None:
    """Delete the snapshots of a workflow that has ended; if that fails they only take up room."""
    try:
        delete_owned(database, head.owner, _KIND)
    except StoreError:
        pass
