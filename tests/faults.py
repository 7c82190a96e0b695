"""Faults on the way to AWS and back, at chosen HTTP attempts of one boto3 client."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError


class Fault(StrEnum):
    """What goes wrong with one attempt."""

    THROTTLED = "throttled"  # refused by the service, nothing done
    FAILED = "failed"  # HTTP 500, nothing done
    REFUSED = "refused"  # no connection, nothing done
    LOST = "lost"  # done, but the answer never arrives


class Crash(BaseException):
    """The caller dies at this attempt; nothing is sent."""


class _Body(io.BytesIO):
    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


def _answer(url: str, status: int, code: str) -> AWSResponse:
    body = json.dumps({"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": code}).encode()
    return AWSResponse(url, status, {"x-amzn-errortype": code}, _Body(body))


class Faults:
    """
    Counts the HTTP attempts of *client* and spoils some.

    These are the attempts numbered *first* to ``first + times - 1``, from 0, or, with *every*, one of that many.

    *operation* (``"UpdateItem"``) says which attempts count, ``""`` all.  *meanwhile* is called after an attempt whose
    answer is lost, for what others do before it is repeated.  botocore's own repetitions are attempts as well.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._plan: tuple[Fault | type[Crash], Callable[[int], bool], str, Callable[[], object]] | None = None
        self.attempts = 0
        self.hits = 0

    @contextmanager
    def armed(
        self,
        fault: Fault | type[Crash],
        first: int = 0,
        *,
        times: int = 1,
        every: int = 0,
        operation: str = "",
        meanwhile: Callable[[], object] = lambda: None,
    ) -> Iterator[Faults]:
        """While this lasts, the chosen attempts fail."""
        self.attempts = self.hits = 0
        chosen = (lambda number: number % every == 0) if every else (lambda number: first <= number < first + times)
        self._plan = fault, chosen, operation, meanwhile
        events = self._client.meta.events
        events.register_first("before-send.dynamodb", self._spoil)
        try:
            yield self
        finally:
            events.unregister("before-send.dynamodb", self._spoil)
            self._plan = None

    def _spoil(self, request: Any, **_: Any) -> AWSResponse | None:
        if self._plan is None:
            return None
        fault, chosen, operation, meanwhile = self._plan
        target = request.headers["X-Amz-Target"]
        if not (target if isinstance(target, str) else target.decode()).endswith(operation):
            return None
        with self._lock:
            number, self.attempts = self.attempts, self.attempts + 1
            if not chosen(number):
                return None
            self.hits += 1
        if fault is Crash:
            raise Crash
        if fault is Fault.THROTTLED:
            return _answer(request.url, 400, "ProvisionedThroughputExceededException")
        if fault is Fault.FAILED:
            return _answer(request.url, 500, "WhateverWentWrong")
        if fault is Fault.REFUSED:
            raise EndpointConnectionError(endpoint_url=request.url)
        self._client._endpoint.http_session.send(request)
        meanwhile()
        raise ConnectionClosedError(endpoint_url=request.url)
