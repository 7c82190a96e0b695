"""
Texts of any length in items of at most 400 KB.

A short text is an attribute of the item that it belongs to.  A long one is cut into parts, written before under a fresh
id and never changed; the item says how many there are.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator

import attrs

from workflow_manager.exceptions import StoreError
from workflow_manager.stores.dynamodb_client import Item, number, number_in, text, text_in
from workflow_manager.stores.dynamodb_database import Database

PART_BYTES = 350_000
"""DynamoDB's limit is 409,600 bytes per item, names and keys included."""


@attrs.frozen
class Document:
    """A text: either here (*content*), or elsewhere in so many *parts* under an *id*."""

    content: str | None = None
    id: str = ""
    parts: int = 0

    def attributes(self, name: str) -> Item:
        """The attributes that stand for it in an item."""
        if self.content is not None:
            return {name: text(self.content)}
        return {f"{name}_id": text(self.id), f"{name}_parts": number(self.parts)}


def document_in(item: Item, name: str) -> Document:
    """The document that ``attributes(name)`` put into *item*."""
    content = text_in(item, name)
    if content is not None:
        return Document(content)
    return Document(None, text_in(item, f"{name}_id") or "", number_in(item, f"{name}_parts"))


def attribute_names(name: str) -> tuple[str, ...]:
    """Every attribute that a document may have in an item."""
    return name, f"{name}_id", f"{name}_parts"


def laid_out(owner: str, content: str, inline: int = PART_BYTES, kind: str = "part") -> tuple[Document, list[Item]]:
    """*content* as a document of *owner*, with the parts to write first; up to *inline* bytes there are none."""
    if len(content) * 4 <= inline:
        return Document(content), []
    encoded = content.encode()
    if len(encoded) <= inline:
        return Document(content), []
    document_id = f"{kind}.{secrets.token_hex(8)}"
    parts: list[Item] = [
        {**part_key(owner, document_id, index), "text": text(piece)} for index, piece in enumerate(_cut(encoded))
    ]
    return Document(None, document_id, len(parts)), parts


def _cut(encoded: bytes) -> Iterator[str]:
    start = 0
    while start < len(encoded):
        end = min(start + PART_BYTES, len(encoded))
        while end < len(encoded) and encoded[end] & 0xC0 == 0x80:  # within a character
            end -= 1
        yield encoded[start:end].decode()
        start = end


def part_key(owner: str, document_id: str, index: int) -> Item:
    """The key of one part."""
    return {"owner": text(owner), "key": text(f"{document_id}.{index:05}")}


def part_keys(owner: str, document: Document) -> list[Item]:
    """The keys of all parts."""
    return [part_key(owner, document.id, index) for index in range(document.parts)]


def content_of(database: Database, owner: str, document: Document) -> str | None:
    """The text of *document*; ``None`` if parts of it are gone."""
    if document.content is not None or not document.parts:
        return document.content
    found = list(
        database.calls.query(
            TableName=database.tables.chunks,
            ConsistentRead=True,
            KeyConditionExpression="#owner = :owner AND begins_with(#key, :key)",
            ExpressionAttributeNames={"#owner": "owner", "#key": "key"},
            ExpressionAttributeValues={":owner": text(owner), ":key": text(f"{document.id}.")},
        )
    )
    return "".join(item["text"]["S"] for item in found) if len(found) == document.parts else None


def delete_owned(database: Database, owner: str, kind: str = "") -> None:
    """Delete everything that *owner* has, orphans of writers that died among it, or what is of some *kind*."""
    keys = database.calls.query(
        TableName=database.tables.chunks,
        ConsistentRead=True,
        KeyConditionExpression="#owner = :owner" + (" AND begins_with(#key, :kind)" if kind else ""),
        ProjectionExpression="#owner, #key",
        ExpressionAttributeNames={"#owner": "owner", "#key": "key"},
        ExpressionAttributeValues={":owner": text(owner), **({":kind": text(kind)} if kind else {})},
    )
    database.calls.batch_write(database.tables.chunks, deletes=keys)


def discard(database: Database, items: Iterable[Item]) -> None:
    """
    Delete *items*, which nobody reads any more.

    If that fails they only take up room: what was to be done is done or refused, and this must not say otherwise.
    """
    keys = [{"owner": item["owner"], "key": item["key"]} for item in items]
    try:
        database.calls.batch_write(database.tables.chunks, deletes=keys)
    except StoreError:
        pass
