"""
Page tokens: where a listing goes on.

A token names the place behind the last item shown, never a count, so that items written or deleted meanwhile move
nothing.  It is signed together with the store's secret and what was asked: whoever changes it, or uses it for
something else, is found out.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from datetime import datetime

import attrs

from workflow_manager.asl.values import JSON, dumps, loads
from workflow_manager.exceptions import InvalidValueError, PageTokenError
from workflow_manager.models import MAX_PAGE_LIMIT, WorkflowQuery

_SIGNATURE_BYTES = 16


@attrs.frozen
class PageTokens:
    """Makes and reads the page tokens of one store; processes that share a store share its *secret*."""

    _secret: bytes = attrs.field(repr=False)

    def make(self, asked: str, place: JSON) -> str:
        """The token for *place* in the listing that *asked* describes."""
        payload = dumps(place).encode("utf-8", "surrogatepass")
        return _encode(self._sign(asked, payload) + payload)

    def read(self, asked: str, token: str) -> JSON:
        """
        The place that *token* names.

        Raises:
            PageTokenError: this store did not make it for *asked*.
        """
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError, TypeError):
            raise PageTokenError("it is damaged") from None
        if _encode(raw) != token:  # several texts stand for the same bytes; only one is ours
            raise PageTokenError("it is damaged")
        signature, payload = raw[:_SIGNATURE_BYTES], raw[_SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, self._sign(asked, payload)):
            raise PageTokenError("it is damaged, or belongs to another query or store")
        return loads(payload.decode("utf-8", "surrogatepass"))

    def _sign(self, asked: str, payload: bytes) -> bytes:
        message = asked.encode("utf-8", "surrogatepass") + b"\0" + payload
        return hmac.new(self._secret, message, hashlib.sha256).digest()[:_SIGNATURE_BYTES]


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def asked_of(listing: str, *arguments: JSON) -> str:
    """What is asked of a *listing*, as text that a token can be bound to."""
    return dumps([listing, *arguments])


def asked_of_query(query: WorkflowQuery) -> str:
    """What *query* asks, as text that a token can be bound to; its limit and token do not count."""
    fields = attrs.asdict(query, filter=attrs.filters.exclude("limit", "page_token"))
    fields["tags"] = dict(sorted(query.tags.items()))
    return asked_of(
        "workflows", {name: str(value) if isinstance(value, datetime) else value for name, value in fields.items()}
    )


def check_limit(limit: int) -> int:
    """
    *limit*, if a page may have it.

    Raises:
        InvalidValueError: it is not a whole number from 1 to 10,000.
    """
    if type(limit) is not int or not 1 <= limit <= MAX_PAGE_LIMIT:
        raise InvalidValueError("listing", "/limit", f"{limit!r} is not a whole number from 1 to {MAX_PAGE_LIMIT}")
    return limit
