"""
The three tables, and how they are made.

``<prefix>-workflows`` has one item per workflow, its *head*: what is searched, and where the rest is.
``<prefix>-chunks`` has all that may be large, in immutable items.  ``<prefix>-catalog`` has definitions, resources
and the secret of page tokens.  Every index holds keys and the few attributes that listings filter by, so that saving a
workflow whose status does not change writes to one index only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import cast

import attrs

from workflow_manager.aws import code_of
from workflow_manager.exceptions import StoreError
from workflow_manager.stores.dynamodb_client import Calls

FILTERED = ("namespace", "queue", "tags", "resolved", "retry_for")
"""Attributes of a head that listings filter by."""


class Index(StrEnum):
    """The indexes of the table of workflows; the value is both the index's name and its partition key."""

    ALL = "listing"
    DEFINITION = "definition"
    STATUS = "status"
    BOTH = "definition_status"
    PENDING = "pending"

    @property
    def sort_key(self) -> str:
        """By creation, but what is pending by the last time that somebody cared for it."""
        return "touched" if self is Index.PENDING else "place"

    @property
    def projected(self) -> tuple[str, ...]:
        """What it holds beside keys."""
        return ("lease_expires",) if self is Index.PENDING else FILTERED


@attrs.frozen
class Tables:
    """The names of the tables under one *prefix*."""

    prefix: str

    @property
    def workflows(self) -> str:
        """Heads of workflows, by ``id``."""
        return f"{self.prefix}-workflows"

    @property
    def chunks(self) -> str:
        """Immutable parts, by ``owner`` and ``key``."""
        return f"{self.prefix}-chunks"

    @property
    def catalog(self) -> str:
        """Definitions and state resources, by ``part`` and ``key``."""
        return f"{self.prefix}-catalog"

    def descriptions(self) -> tuple[dict[str, object], ...]:
        """What CreateTable is to be told of each."""
        indexes = [_index(index) for index in Index]
        keys = ["id", "place", "touched", *(index.value for index in Index)]
        return (
            {
                **_table(self.workflows, "id"),
                "AttributeDefinitions": [_attribute(key) for key in keys],
                "GlobalSecondaryIndexes": indexes,
            },
            {**_table(self.chunks, "owner", "key"), "AttributeDefinitions": [_attribute("owner"), _attribute("key")]},
            {**_table(self.catalog, "part", "key"), "AttributeDefinitions": [_attribute("part"), _attribute("key")]},
        )


def _table(name: str, partition: str, sort: str = "") -> dict[str, object]:
    return {"TableName": name, "BillingMode": "PAY_PER_REQUEST", "KeySchema": _keys(partition, sort)}


def _keys(partition: str, sort: str) -> list[dict[str, str]]:
    keys = [{"AttributeName": partition, "KeyType": "HASH"}]
    return [*keys, {"AttributeName": sort, "KeyType": "RANGE"}] if sort else keys


def _attribute(name: str) -> dict[str, str]:
    return {"AttributeName": name, "AttributeType": "S"}


def _index(index: Index) -> dict[str, object]:
    return {
        "IndexName": index.value,
        "KeySchema": _keys(index.value, index.sort_key),
        "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": list(index.projected)},
    }


TTL_ATTRIBUTE = "expires"


def create_tables(calls: Calls, tables: Tables, *, with_ttl: bool) -> None:
    """
    Make the tables that are not there, and wait until all can be used; with *with_ttl* let items expire.

    Raises:
        StoreError: a table of that name has other keys or lacks an index, or DynamoDB refuses.
    """
    for description in tables.descriptions():
        try:
            calls.make(calls.client.create_table, **description)
        except StoreError as error:
            if not isinstance(error.__cause__, Exception) or code_of(error.__cause__) != "ResourceInUseException":
                raise
    for description in tables.descriptions():
        _await(calls, description)
    if with_ttl:
        for name in (tables.workflows, tables.chunks):
            _let_expire(calls, name)


def _await(calls: Calls, description: Mapping[str, object]) -> None:
    name = description["TableName"]
    for number in range(120):
        answer = calls.make(calls.client.describe_table, TableName=name)
        table = cast("Mapping[str, object]", answer["Table"])
        indexes = cast("Sequence[Mapping[str, object]]", table.get("GlobalSecondaryIndexes", ()))
        if all(one.get("TableStatus", one.get("IndexStatus")) in {"ACTIVE", "UPDATING"} for one in (table, *indexes)):
            _check(calls, table, description)
            return
        calls.patience.sleep(min(2.0, 0.02 * 2**number))
    raise StoreError(calls.place, f"table {name} does not become active")


def _check(calls: Calls, table: Mapping[str, object], description: Mapping[str, object]) -> None:
    wanted = cast("Sequence[Mapping[str, object]]", description.get("GlobalSecondaryIndexes", ()))
    there = cast("Sequence[Mapping[str, object]]", table.get("GlobalSecondaryIndexes", ()))
    keys = {one["IndexName"]: one["KeySchema"] for one in there}
    wrong = [str(one["IndexName"]) for one in wanted if keys.get(one["IndexName"]) != one["KeySchema"]]
    if table["KeySchema"] != description["KeySchema"] or wrong:
        what = f"its indexes {', '.join(wrong)} are missing or other" if wrong else "it has other keys"
        raise StoreError(calls.place, f"table {description['TableName']} is not one of this store: {what}")


def _let_expire(calls: Calls, table: str) -> None:
    answer = calls.make(calls.client.describe_time_to_live, TableName=table)
    told = cast("Mapping[str, object]", answer.get("TimeToLiveDescription", {}))
    if told.get("TimeToLiveStatus") not in {"ENABLED", "ENABLING"}:
        wanted = {"Enabled": True, "AttributeName": TTL_ATTRIBUTE}
        calls.make(calls.client.update_time_to_live, TableName=table, TimeToLiveSpecification=wanted)
