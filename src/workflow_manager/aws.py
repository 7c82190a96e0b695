"""
What calls to AWS have in common: what an error means for the call that raised it, and how long to be patient.

No botocore here: errors are told by the codes of AWS's answers and, where no answer came, by the names of botocore's
classes.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs

_THROTTLED = frozenset(
    {
        *("ThrottlingException", "Throttling", "ThrottledException", "TooManyRequestsException", "SlowDown"),
        *("RequestLimitExceeded", "RequestThrottled", "RequestThrottledException", "KmsThrottlingException"),
        "ProvisionedThroughputExceededException",
    }
)
_PASSING = frozenset(
    {
        *("InternalServerError", "InternalFailure", "ServiceUnavailable", "RequestTimeout", "RequestTimeoutException"),
        *("TransactionConflictException", "ReplicatedWriteConflictException"),
    }
)
_NEVER_SENT = frozenset({"EndpointConnectionError", "ConnectTimeoutError", "ProxyConnectionError"})
_NO_ANSWER = frozenset(
    {"HTTPClientError", "ConnectionError", "IncompleteReadError", "ResponseParserError", "ChecksumError"}
)
"""Classes of botocore: the request may or may not have arrived."""


def code_of(error: BaseException) -> str:
    """The error code in the service's answer, ``""`` if *error* is no answer."""
    code = _part(error, "Error").get("Code")
    return code.rpartition("#")[2] if isinstance(code, str) else ""


def message_of(error: BaseException) -> str:
    """What the service says about *error*, or the error's own words."""
    message = _part(error, "Error").get("Message")
    return message if isinstance(message, str) and message else str(error)


def status_of(error: BaseException) -> int:
    """The HTTP status of the service's answer, 0 if *error* is no answer."""
    status = metadata_of(error).get("HTTPStatusCode")
    return status if isinstance(status, int) else 0


def metadata_of(error: BaseException) -> Mapping[str, Any]:
    """What botocore says of the exchange whose answer *error* is, nothing if it is no answer."""
    return _part(error, "ResponseMetadata")


def _part(error: BaseException, name: str) -> Mapping[str, Any]:
    response = getattr(error, "response", None)
    found = response.get(name) if isinstance(response, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def kinds_of(error: BaseException) -> frozenset[str]:
    """The names of *error*'s classes that are botocore's own."""
    return frozenset(kind.__name__ for kind in type(error).__mro__ if kind.__module__.startswith("botocore"))


def is_throttle(error: BaseException) -> bool:
    """Whether the service has refused because there were too many requests; nothing was done."""
    return code_of(error) in _THROTTLED or status_of(error) == 429


def passes(error: BaseException) -> bool:
    """Whether the same call may go well in a while: too many requests, a fault of the service, or no answer."""
    if is_throttle(error) or status_of(error) >= 500 or code_of(error) in _PASSING:
        return True
    return not kinds_of(error).isdisjoint(_NO_ANSWER | _NEVER_SENT)


def leaves_a_doubt(error: BaseException) -> bool:
    """Whether the last attempt at the request may have been carried out although it has failed."""
    return passes(error) and not is_throttle(error) and kinds_of(error).isdisjoint(_NEVER_SENT)


def pages_of(ask: Callable[..., Mapping[str, Any]], arguments: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The answers of a paged operation (``nextToken``) that *ask* calls with *arguments*, each when it is needed."""
    token: Mapping[str, Any] = {}
    while True:
        answer = ask(**{**arguments, **token})
        yield answer
        if not answer.get("nextToken"):
            return
        token = {"nextToken": answer["nextToken"]}


@attrs.frozen
class Patience:
    """
    How often and how long to wait: the n-th pause is a random part of ``first * 2**n`` seconds, at most *longest*.

    *sleep* waits for some seconds, *chance* gives a random number between its two arguments.
    """

    sleep: Callable[[float], object] = time.sleep
    chance: Callable[[float, float], float] = random.uniform
    pauses: int = 7
    first: float = 0.2
    longest: float = 10.0

    def waits(self) -> Iterator[None]:
        """Come back after each pause, until patience ends."""
        for number in range(self.pauses):
            self.sleep(self.chance(0.0, min(self.longest, self.first * 2**number)))
            yield
