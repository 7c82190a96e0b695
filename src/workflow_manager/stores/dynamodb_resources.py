"""
State resources.

Each is one item, changed by conditional writes.  Deleting leaves the item without its record, so that a request that is
repeated because its answer was lost neither brings a resource back nor undoes what others did meanwhile.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterator

import attrs

from workflow_manager.codec.records import state_resource_from_record, state_resource_to_record
from workflow_manager.exceptions import InvalidValueError, NotFoundError, StoreError
from workflow_manager.models import Page, StateResource
from workflow_manager.stores.dynamodb_client import ConditionFailedError, Item, is_key, number, number_in, text
from workflow_manager.stores.dynamodb_database import Database, check_key
from workflow_manager.stores.dynamodb_documents import PART_BYTES
from workflow_manager.stores.dynamodb_trace import TOKEN_BYTES, has_token, with_token
from workflow_manager.stores.paging import asked_of, check_limit

_PART = "resources"


class ResourcePart:
    """The part of the store that keeps state resources."""

    _database: Database

    def save_state_resource(self, resource: StateResource) -> StateResource:
        """See :meth:`workflow_manager.protocols.StateResourceStore.save_state_resource`."""
        key = _key(resource.namespace, resource.name)
        check_key("state resource", "/name", key, 1024)
        stored = attrs.evolve(resource, last_updated=self._database.clock())
        record = state_resource_to_record(stored)
        if len(record) * 4 > PART_BYTES:
            raise InvalidValueError("state resource", "/uri", f"it is too long ({len(record)} characters)")
        while not self._write(key, self._resource_item(key), {"record": text(record)}):
            pass  # somebody else has written: ours comes after
        return stored

    def get_state_resource(self, name: str, namespace: str = "") -> StateResource:
        """See :meth:`workflow_manager.protocols.StateResourceStore.get_state_resource`."""
        item = self._resource_item(_key(namespace, name))
        if item is None or "record" not in item:
            raise NotFoundError("state resource", f"{namespace}/{name}")
        return _resource_in(item)

    def delete_state_resource(self, name: str, namespace: str = "") -> None:
        """See :meth:`workflow_manager.protocols.StateResourceStore.delete_state_resource`."""
        key = _key(namespace, name)
        while True:
            item = self._resource_item(key)
            if item is None or "record" not in item:
                raise NotFoundError("state resource", f"{namespace}/{name}")
            if self._write(key, item, {}):
                return

    def _resource_item(self, key: str) -> Item | None:
        if not is_key(key, 1024):
            return None
        return self._database.calls.get(self._database.tables.catalog, {"part": text(_PART), "key": text(key)})

    def _write(self, key: str, seen: Item | None, content: Item) -> bool:
        """Put *content* in the place of what was *seen*; ``False`` if somebody else has changed it."""
        token = secrets.token_bytes(TOKEN_BYTES)
        before = {} if seen is None else seen
        revision = number_in(before, "revision") + 1
        item: Item = {
            "part": text(_PART),
            "key": text(key),
            "revision": number(revision),
            "writes": {"B": with_token(before["writes"]["B"] if before else b"", token)},
            **content,
        }
        values = {} if seen is None else {"ExpressionAttributeValues": {":seen": number(revision - 1)}}
        try:
            self._database.calls.make(
                self._database.calls.client.put_item,
                TableName=self._database.tables.catalog,
                Item=item,
                ConditionExpression="attribute_not_exists(#revision)" if seen is None else "#revision = :seen",
                ExpressionAttributeNames={"#revision": "revision"},
                **values,
            )
        except (ConditionFailedError, StoreError) as error:
            stored = self._resource_item(key)
            age = -1 if stored is None else number_in(stored, "revision") - revision
            if stored is not None and has_token(stored["writes"]["B"], token, age):
                return True  # it was done, and only the answer was lost
            if isinstance(error, StoreError):
                raise
            return False
        return True

    def list_state_resources(
        self, namespace: str | None = None, *, limit: int = 100, page_token: str | None = None
    ) -> Page[StateResource]:
        """See :meth:`workflow_manager.protocols.StateResourceStore.list_state_resources`; it does not lag."""
        asked, limit = asked_of("resources", namespace), check_limit(limit)
        place = None if page_token is None else str(self._database.tokens.read(asked, page_token))
        found = list(itertools.islice(self._listed(namespace, place, limit), limit + 1))
        token = self._database.tokens.make(asked, found[limit - 1]["key"]["S"]) if len(found) > limit else None
        return Page(items=tuple(map(_resource_in, found[:limit])), next=token)

    def _listed(self, namespace: str | None, behind: str | None, limit: int) -> Iterator[Item]:
        prefix = "" if namespace is None else _key(namespace, "")
        if prefix and not is_key(prefix, 1024):
            return iter(())
        condition, values = "#part = :part", {":part": text(_PART)}
        if prefix:
            condition, values[":prefix"] = f"{condition} AND begins_with(#key, :prefix)", text(prefix)
        start = {} if behind is None else {"ExclusiveStartKey": {"part": text(_PART), "key": text(behind)}}
        return self._database.calls.query(
            TableName=self._database.tables.catalog,
            ConsistentRead=True,
            KeyConditionExpression=condition,
            FilterExpression="attribute_exists(#record)",
            ExpressionAttributeNames={"#part": "part", "#record": "record", **({"#key": "key"} if prefix else {})},
            ExpressionAttributeValues=values,
            Limit=min(limit + 1, 1000),
            **start,
        )


def _resource_in(item: Item) -> StateResource:
    return state_resource_from_record(item["record"]["S"])


def _key(namespace: str, name: str) -> str:
    """A key whose order is that of namespaces, then names; what begins with it is one namespace's."""
    escaped = namespace.replace("\0", "\0\1")
    return f"{escaped}\0\0{name}"
