"""
Calls to Step Functions: what is used of a client, which errors pass, and which leave a doubt.

No botocore here: errors are told by their codes and, where no answer came, by the names of their classes.  An error
that does not pass goes to the caller as botocore raised it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Protocol, TypeAlias

import attrs

from workflow_manager.managers.step_functions.pacing import Pacer

Response: TypeAlias = Mapping[str, Any]
Operation: TypeAlias = Callable[..., Response]


class StepFunctionsClient(Protocol):
    """What is used of ``boto3.client("stepfunctions")``."""

    @property
    def create_state_machine(self) -> Operation: ...
    @property
    def describe_state_machine(self) -> Operation: ...
    @property
    def update_state_machine(self) -> Operation: ...
    @property
    def start_execution(self) -> Operation: ...
    @property
    def describe_execution(self) -> Operation: ...
    @property
    def stop_execution(self) -> Operation: ...
    @property
    def redrive_execution(self) -> Operation: ...
    @property
    def get_execution_history(self) -> Operation: ...
    @property
    def list_map_runs(self) -> Operation: ...
    @property
    def describe_map_run(self) -> Operation: ...
    @property
    def list_executions(self) -> Operation: ...


_THROTTLED = frozenset(
    {
        *("ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded"),
        *("KmsThrottlingException", "RequestThrottled", "SlowDown"),
    }
)
_NEVER_SENT = frozenset({"EndpointConnectionError", "ConnectTimeoutError", "ProxyConnectionError"})
_NO_ANSWER = frozenset({"HTTPClientError", "ConnectionError", "IncompleteReadError", "ResponseParserError"})
"""Classes of ``botocore``: the request may or may not have arrived."""


def code_of(error: BaseException) -> str:
    """The error code in the service's answer, ``""`` if *error* is no answer."""
    response = getattr(error, "response", None)
    answer = response.get("Error") if isinstance(response, Mapping) else None
    code = answer.get("Code") if isinstance(answer, Mapping) else None
    return code.rpartition("#")[2] if isinstance(code, str) else ""


def is_throttle(error: BaseException) -> bool:
    """Whether the service has refused because there were too many requests; nothing was done."""
    return code_of(error) in _THROTTLED


def leaves_a_doubt(error: BaseException) -> bool:
    """Whether the last attempt at the request may have been carried out although it has failed."""
    return passes(error) and not is_throttle(error) and type(error).__name__ not in _NEVER_SENT


def hides_attempts(error: BaseException, client: object) -> bool:
    """
    Whether botocore may have made other attempts before the one that *error* tells of.

    It repeats by itself unless told not to, and shows only what became of the last attempt; of an answer it says how
    often it was repeated.
    """
    metadata = _metadata(error)
    if "RetryAttempts" in metadata:
        return int(metadata["RetryAttempts"]) > 0
    config = getattr(getattr(client, "meta", None), "config", None)
    retries = getattr(config, "retries", None) or {}
    return config is not None and retries.get("total_max_attempts") != 1


def passes(error: BaseException) -> bool:
    """Whether the same call may go well in a while: too many requests, a fault of the service, or no answer."""
    if is_throttle(error) or _status(error) >= 500:
        return True
    kinds = [kind for kind in type(error).__mro__ if kind.__module__.startswith("botocore")]
    return any(kind.__name__ in _NO_ANSWER or kind.__name__ in _NEVER_SENT for kind in kinds)


def _status(error: BaseException) -> int:
    status = _metadata(error).get("HTTPStatusCode")
    return status if isinstance(status, int) else 0


def _metadata(error: BaseException) -> Mapping[str, Any]:
    """What botocore says of the exchange whose answer *error* is, nothing if it is no answer."""
    response = getattr(error, "response", None)
    found = response.get("ResponseMetadata") if isinstance(response, Mapping) else None
    return found if isinstance(found, Mapping) else {}


@attrs.frozen
class Patience:
    """
    How often and how long to wait: the n-th pause is a random part of ``first * 2**n`` seconds, at most *longest*.

    *sleep* waits for some seconds, *chance* gives a random number between its two arguments.
    """

    sleep: Callable[[float], None]
    chance: Callable[[float, float], float]
    pauses: int = 7
    first: float = 0.2
    longest: float = 10.0

    def waits(self) -> Iterator[None]:
        """Come back after each pause, until patience ends."""
        for number in range(self.pauses):
            self.sleep(self.chance(0.0, min(self.longest, self.first * 2**number)))
            yield


def patiently(patience: Patience, call: Callable[[], object], also: Collection[str] = ()) -> None:
    """Make *call*, which may be made twice, until it goes well; *also* are further error codes that pass."""
    waits = patience.waits()
    while True:
        try:
            call()
        except Exception as error:  # told apart by code, so as not to import botocore
            if not (passes(error) or code_of(error) in also) or next(waits, waits) is waits:
                raise
        else:
            return


@attrs.define
class Doubt:
    """
    Whether any attempt of a call may have been carried out although it has failed.

    *exists* when one was seen to get no answer, *is_possible* also when there may have been one that nobody saw.
    """

    exists: bool = False
    is_possible: bool = False

    def learn(self, error: BaseException, client: object) -> None:
        """An attempt has failed like that."""
        self.exists = self.exists or leaves_a_doubt(error)
        self.is_possible = self.is_possible or self.exists or hides_attempts(error, client)


@attrs.frozen
class Calls:
    """Operations of *client*, paced by *pacer* and repeated with *patience* while they fail in passing."""

    client: StepFunctionsClient
    pacer: Pacer
    patience: Patience

    def make(self, operation: str, /, *, doubt: Doubt | None = None, **arguments: Any) -> Response:
        """
        The answer to *operation*, in the client's spelling.

        Every operation that comes here may arrive twice: it reads, or a second arrival changes nothing.  *doubt* is
        told when one may have arrived although it failed.  What does not pass, and what still fails when patience
        ends, is raised as botocore raised it.
        """
        call: Operation = getattr(self.client, operation)
        waits = self.patience.waits()
        while True:
            self.pacer.wait(operation)
            try:
                return call(**arguments)
            except Exception as error:  # told apart by code, so as not to import botocore
                if doubt is not None:
                    doubt.learn(error, self.client)
                if is_throttle(error):
                    self.pacer.slow_down(operation)
                if not passes(error) or next(waits, waits) is waits:
                    raise

    def pages(self, operation: str, /, **arguments: Any) -> Iterator[Response]:
        """The answers of a paged operation, each asked for when it is needed."""
        while True:
            answer = self.make(operation, **arguments)
            yield answer
            if not answer.get("nextToken"):
                return
            arguments["nextToken"] = answer["nextToken"]
