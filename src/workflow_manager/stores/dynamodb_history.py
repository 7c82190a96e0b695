"""
Histories: a chain of immutable chunks.

The events of one save are a *turn*: one or more chunks, each with the position of its first event in its key, written
before the head moves.  A turn names the turn before it, and the head names the last one.  Turns of writers that lost or
died stay invisible: where several turns begin at one position, the one that counts is the one that a later turn, or the
head, names.  So the head does not grow with the history, and a page is one query.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import attrs

from workflow_manager.exceptions import StoreError
from workflow_manager.stores.dynamodb_client import Item, number, number_in, text, text_in
from workflow_manager.stores.dynamodb_database import Database
from workflow_manager.stores.dynamodb_documents import PART_BYTES, Document, content_of, document_in, laid_out
from workflow_manager.stores.dynamodb_heads import Head

_LAST = "~"  # behind every character of a token


def _key(position: int, token: str = "") -> str:
    return f"turn.{position:012}.{token}"


@attrs.frozen
class Chunk:
    """*count* events from position *start* on, of the turn *token* that ends before *end* and follows *previous*."""

    start: int
    count: int
    token: str
    previous: str
    end: int
    records: Document


def _chunk_in(item: Item) -> Chunk:
    _, start, token = item["key"]["S"].split(".")
    return Chunk(
        int(start),
        number_in(item, "count"),
        token,
        text_in(item, "previous") or "",
        number_in(item, "end"),
        document_in(item, "records"),
    )


def turn_items(head: Head, token: str, records: Sequence[str]) -> list[Item]:
    """The items that append *records* as the turn *token* to the history of *head*."""
    items: list[Item] = []
    position, end = head.events, head.events + len(records)
    for group in _groups(records):
        document, parts = laid_out(head.owner, "\n".join(group))
        items += parts
        items.append(
            {
                "owner": text(head.owner),
                "key": text(_key(position, token)),
                "count": number(len(group)),
                "previous": text(head.turn),
                "end": number(end),
                **document.attributes("records"),
            }
        )
        position += len(group)
    return items


def _groups(records: Sequence[str]) -> Iterator[list[str]]:
    """*records* in groups that fit into an item; a larger record is alone."""
    group: list[str] = []
    size = 0
    for record in records:
        length = 1 + (len(record) if record.isascii() else len(record.encode()))
        if group and size + length > PART_BYTES:
            yield group
            group, size = [], 0
        group.append(record)
        size += length
    if group:
        yield group


@attrs.frozen
class History:
    """The stored history of the workflow at *head*."""

    database: Database
    head: Head

    def start_of(self, position: int) -> int:
        """Where the chunk begins that holds *position*, which is below the number of events."""
        if position == 0:
            return 0
        for item in self._between(_key(0), _key(position, _LAST), forward=False, limit=2):
            chunk = _chunk_in(item)
            if self._counts(chunk):
                return chunk.start
        raise self._hole(position)

    def records(self, start: int, position: int, stop: int) -> tuple[list[str], int]:
        """
        The events from *position* to before *stop*, and where the chunk begins that holds *stop*, if it is begun.

        *start* is where the chunk begins that holds *position*; *stop* is at most the number of events.
        """
        found: list[str] = []
        at = last = start
        items = map(_chunk_in, self._between(_key(start), f"turn.{_LAST}", limit=min(stop - position + 1, 1000)))
        groups = itertools.groupby(items, key=lambda chunk: chunk.start)
        while at < stop:
            begins, group = next(groups, (stop, iter(())))
            if begins < at:
                continue  # of a turn that does not count
            chunk = self._counting(list(group)) if begins == at else None
            content = None if chunk is None else content_of(self.database, self.head.owner, chunk.records)
            if chunk is None or content is None:
                raise self._hole(at)
            found += content.split("\n")[max(0, position - at) : stop - at]
            last, at = at, at + chunk.count
        return found, at if at == stop else last

    def _counting(self, chunks: Sequence[Chunk]) -> Chunk | None:
        """The one of *chunks*, all of one position, that belongs to the history; below its end there always is one."""
        if len(chunks) == 1:
            return chunks[0]
        return next((chunk for chunk in chunks if self._counts(chunk)), None)

    def _counts(self, chunk: Chunk) -> bool:
        """Whether the turn of *chunk* was committed: the head or any turn written after it says so."""
        if chunk.end >= self.head.events:
            return chunk.end == self.head.events and chunk.token == self.head.turn
        later = self._between(_key(chunk.end), _key(chunk.end, _LAST))
        return any(_chunk_in(item).previous == chunk.token for item in later)

    def _between(self, low: str, high: str, *, forward: bool = True, limit: int | None = None) -> Iterator[Item]:
        return self.database.calls.query(
            TableName=self.database.tables.chunks,
            ConsistentRead=True,
            KeyConditionExpression="#owner = :owner AND #key BETWEEN :low AND :high",
            ExpressionAttributeNames={"#owner": "owner", "#key": "key"},
            ExpressionAttributeValues={":owner": text(self.head.owner), ":low": text(low), ":high": text(high)},
            ScanIndexForward=forward,
            **({} if limit is None else {"Limit": limit}),
        )

    def _hole(self, position: int) -> StoreError:
        return StoreError(self.database.calls.place, f"the history of {self.head.id} has nothing at {position}")
