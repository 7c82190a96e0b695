"""What the parts of the store share: calls, names, the clock, and the secret of page tokens."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import UTC, datetime

import attrs

from workflow_manager.exceptions import InvalidValueError
from workflow_manager.stores.dynamodb_client import Calls, ConditionFailedError, Item, is_key, text
from workflow_manager.stores.dynamodb_tables import Tables
from workflow_manager.stores.paging import PageTokens


@attrs.define(eq=False)
class Database:
    """One set of tables, and the means to use it."""

    calls: Calls
    tables: Tables
    clock: Callable[[], datetime]
    ttl_days: float | None
    _tokens: PageTokens | None = None

    @property
    def tokens(self) -> PageTokens:
        """The maker of page tokens; its secret is in the catalog, the same for every client of the tables."""
        if self._tokens is None:
            key: Item = {"part": text("secret"), "key": text("page tokens")}
            item = self.calls.get(self.tables.catalog, key)
            if item is None:
                item = self._make_secret(key)
            self._tokens = PageTokens(item["value"]["B"])
        return self._tokens

    def _make_secret(self, key: Item) -> Item:
        made: Item = {**key, "value": {"B": secrets.token_bytes(32)}}
        try:
            self.calls.make(
                self.calls.client.put_item,
                TableName=self.tables.catalog,
                Item=made,
                ConditionExpression="attribute_not_exists(#part)",
                ExpressionAttributeNames={"#part": "part"},
            )
        except ConditionFailedError:
            return self.calls.get(self.tables.catalog, key) or made
        return made


def instant(moment: datetime) -> str:
    """*moment* as text of one length, whose order is that of time."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def check_key(what: str, path: str, value: str, most: int = 900) -> None:
    """
    See to it that DynamoDB can have *value* as a key or within one.

    Raises:
        InvalidValueError: it has more than *most* bytes, or cannot be written as UTF-8.
    """
    if not is_key(value, most):
        raise InvalidValueError(what, path, f"DynamoDB takes keys of 1 to {most} bytes of UTF-8, not {value[:80]!r}")
