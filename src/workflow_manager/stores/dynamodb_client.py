"""
Calls to DynamoDB: what is used of a client, and how long to wait for trouble to pass.

Every call may be made more than once, by botocore or by this module: whoever writes must see to it that a second
arrival of the same request changes nothing (a condition on what is there, or immutable content under a fresh key).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol, TypeAlias, TypedDict, cast

import attrs

from workflow_manager.aws import Patience, code_of, passes
from workflow_manager.exceptions import StoreError


class AttributeValue(TypedDict, total=False):
    """A value as DynamoDB's API has it (DynamoDB API: AttributeValue); of its kinds those that are used here."""

    S: str
    N: str
    B: bytes
    BOOL: bool
    M: dict[str, AttributeValue]


Item: TypeAlias = dict[str, AttributeValue]
Response: TypeAlias = Mapping[str, object]
Operation: TypeAlias = Callable[..., Response]


class DynamoDBClient(Protocol):
    """What is used of ``boto3.client("dynamodb")``."""

    @property
    def get_item(self) -> Operation: ...
    @property
    def put_item(self) -> Operation: ...
    @property
    def update_item(self) -> Operation: ...
    @property
    def query(self) -> Operation: ...
    @property
    def scan(self) -> Operation: ...
    @property
    def batch_get_item(self) -> Operation: ...
    @property
    def batch_write_item(self) -> Operation: ...
    @property
    def create_table(self) -> Operation: ...
    @property
    def describe_table(self) -> Operation: ...
    @property
    def describe_time_to_live(self) -> Operation: ...
    @property
    def update_time_to_live(self) -> Operation: ...


class ConditionFailedError(Exception):
    """The condition of a write did not hold when it arrived: somebody else was first, or it had arrived before."""


def patience(sleep: Callable[[float], object], chance: Callable[[float, float], float]) -> Patience:
    """DynamoDB answers within milliseconds: early to try again, and long."""
    return Patience(sleep, chance, pauses=9, first=0.05, longest=5.0)


_BATCH_WRITES = 25  # BatchWriteItem's limits: 25 items, 16 MB
_BATCH_BYTES = 8_000_000
_BATCH_GETS = 100  # BatchGetItem's limit


@attrs.frozen
class Calls:
    """
    *client*'s operations, each repeated with *patience* while it fails in passing.

    Every method raises :class:`ConditionFailedError` where a condition did not hold, else ``StoreError``.
    """

    client: DynamoDBClient
    patience: Patience
    place: str

    def make(self, operation: Operation, **arguments: object) -> Response:
        """The answer to *operation*."""
        waits = self.patience.waits()
        while True:
            try:
                return operation(**arguments)
            except Exception as error:
                if code_of(error) == "ConditionalCheckFailedException":
                    raise ConditionFailedError from error
                if not passes(error):
                    raise self._unexpected(error) from error
                if next(waits, waits) is waits:
                    raise StoreError(self.place, f"no success in {self.patience.pauses + 1} tries: {error}") from error

    def _unexpected(self, error: Exception) -> Exception:
        if code_of(error) == "ResourceNotFoundException":
            return StoreError(self.place, "the tables do not exist; create_tables() makes them")
        if code_of(error) or type(error).__module__.startswith("botocore"):
            return StoreError(self.place, str(error))
        return error

    def get(self, table: str, key: Item) -> Item | None:
        """The item under *key*, every completed write included."""
        answer = self.make(self.client.get_item, TableName=table, Key=key, ConsistentRead=True)
        return cast("Item | None", answer.get("Item"))

    def query(self, **arguments: object) -> Iterator[Item]:
        """The items that Query finds, page after page, each page when its first item is asked for."""
        return self._paged(self.client.query, arguments)

    def scan(self, **arguments: object) -> Iterator[Item]:
        """The items that Scan finds, page after page."""
        return self._paged(self.client.scan, arguments)

    def _paged(self, operation: Operation, arguments: Mapping[str, object]) -> Iterator[Item]:
        start: object = arguments.get("ExclusiveStartKey")
        while True:
            place = {} if start is None else {"ExclusiveStartKey": start}
            answer = self.make(operation, **{**arguments, **place})
            yield from cast("Sequence[Item]", answer.get("Items", ()))
            start = answer.get("LastEvaluatedKey")
            if not start:
                return

    def batch_get(self, table: str, keys: Iterable[Item]) -> list[Item]:
        """The items under *keys* that there are, in any order, every completed write included."""
        found: list[Item] = []
        for some in _groups(keys, _BATCH_GETS):
            left: object = {table: {"Keys": some, "ConsistentRead": True}}
            waits = self.patience.waits()
            while left:
                answer = self.make(self.client.batch_get_item, RequestItems=left)
                got = cast("Mapping[str, Sequence[Item]]", answer.get("Responses", {})).get(table, ())
                found += got
                left = answer.get("UnprocessedKeys")
                waits = self._go_on(waits, left, progress=bool(got))
        return found

    def batch_write(self, table: str, puts: Iterable[Item] = (), deletes: Iterable[Item] = ()) -> None:
        """Put and delete items, in any order; if it fails, some of it may have been done."""
        requests: list[dict[str, object]] = [{"PutRequest": {"Item": item}} for item in puts]
        requests += [{"DeleteRequest": {"Key": key}} for key in deletes]
        for some in _groups(requests, _BATCH_WRITES, _BATCH_BYTES):
            left: object = {table: some}
            waits, count = self.patience.waits(), len(some)
            while left:
                answer = self.make(self.client.batch_write_item, RequestItems=left)
                left = answer.get("UnprocessedItems")
                before, count = count, len(cast("Mapping[str, Sequence[object]]", left or {}).get(table, ()))
                waits = self._go_on(waits, left, progress=count < before)

    def _go_on(self, waits: Iterator[None], left: object, *, progress: bool) -> Iterator[None]:
        """Wait before what is *left* is asked for again; patience begins anew while there is *progress*."""
        if not left:
            return waits
        if progress:
            waits = self.patience.waits()
        if next(waits, waits) is waits:
            raise StoreError(self.place, "DynamoDB goes on leaving items of a batch unprocessed (too many requests)")
        return waits


def _groups(items: Iterable[dict[str, object]] | Iterable[Item], most: int, size: int = 0) -> Iterator[list[object]]:
    """*items* in groups of at most *most* and, where *size* is given, of about so many bytes."""
    group: list[object] = []
    weight = 0
    for item in items:
        weight += _weight(item) if size else 0
        if group and (len(group) == most or (size and weight > size)):
            yield group
            group, weight = [], _weight(item) if size else 0
        group.append(item)
    if group:
        yield group


def _weight(value: object) -> int:
    if isinstance(value, Mapping):
        return sum(len(key) + _weight(item) for key, item in value.items())
    return len(value.encode("utf-8", "surrogatepass")) if isinstance(value, str) else 8


# values


def text(value: str) -> AttributeValue:
    """A string."""
    return {"S": value}


def number(value: int) -> AttributeValue:
    """A whole number."""
    return {"N": str(value)}


def text_in(item: Item, name: str) -> str | None:
    """The string under *name*, ``None`` where there is none."""
    value = item.get(name)
    return None if value is None else value["S"]


def number_in(item: Item, name: str) -> int:
    """The whole number under *name*, 0 where there is none."""
    value = item.get(name)
    return 0 if value is None else int(value["N"])


def is_key(value: str, most: int) -> bool:
    """Whether DynamoDB takes *value* as a key: not empty, at most so many bytes of UTF-8."""
    try:
        return 0 < len(value.encode()) <= most
    except UnicodeEncodeError:
        return False
