"""
Where botocore meets the fake: a ``before-send`` handler that answers instead of the network.

botocore has by then validated, serialised and signed the request, and will parse what comes back and raise as ever.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from workflow_manager.testing.fake_batch.errors import Refusal
from workflow_manager.testing.fake_batch.faults import Fault

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest, AWSResponse

TAGS = "/v1/tags/"

# Batch's throttling is not in its service model: botocore has no exception class of that name.
_REFUSALS: dict[str, dict[Fault, Refusal]] = {
    "batch": {
        Fault.THROTTLE: Refusal("TooManyRequestsException", "Too Many Requests", 429),
        Fault.SERVER_ERROR: Refusal("ServerException", "Internal server error", 500),
    },
    "cloudwatch-logs": {
        Fault.THROTTLE: Refusal("ThrottlingException", "Rate exceeded"),
        Fault.SERVER_ERROR: Refusal("ServiceUnavailableException", "Service unavailable", 500),
    },
}


class _Raw(io.BytesIO):
    """What botocore reads a response from."""

    def stream(self, **_: object) -> Iterator[bytes]:
        yield self.read()


def body_of(request: AWSPreparedRequest) -> tuple[dict[str, Any], int]:
    """The request's JSON and its length in bytes; an ARN in the path counts as the member it stands for."""
    raw = request.body or b""
    if isinstance(raw, str):
        raw = raw.encode()
    body: dict[str, Any] = json.loads(raw) if raw else {}
    path = urlsplit(request.url).path
    if path.startswith(TAGS):
        body["resourceArn"] = unquote(path.removeprefix(TAGS))
    return body, len(raw)


def answer(request: AWSPreparedRequest, body: Mapping[str, Any]) -> AWSResponse:
    """HTTP 200 with this JSON."""
    return _response(request, 200, body, {})


def refuse(request: AWSPreparedRequest, refusal: Refusal) -> AWSResponse:
    """The error as both protocols have it: its name in a header and in the body."""
    body = {"__type": refusal.code, "message": refusal.message}
    return _response(request, refusal.status, body, {"x-amzn-errortype": refusal.code})


def trouble(request: AWSPreparedRequest, service: str, fault: Fault) -> AWSResponse:
    """What a faulty call gets: an answer, or botocore's own error of the network, raised."""
    from botocore.exceptions import ConnectionClosedError, EndpointConnectionError

    refusal = _REFUSALS[service].get(fault)
    if refusal is not None:
        return refuse(request, refusal)
    if fault is Fault.REFUSED:
        raise EndpointConnectionError(endpoint_url=request.url, error="connection refused")
    raise ConnectionClosedError(endpoint_url=request.url, request=request)


def _response(
    request: AWSPreparedRequest, status: int, body: Mapping[str, Any], headers: Mapping[str, str]
) -> AWSResponse:
    from botocore.awsrequest import AWSResponse

    head = {"content-type": "application/json", "x-amzn-requestid": "00000000-0000-0000-0000-000000000000", **headers}
    return AWSResponse(request.url, status, head, _Raw(json.dumps(body).encode()))
