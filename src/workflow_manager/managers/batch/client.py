"""Calls to AWS Batch: what is used of a client, how often it is called, and what it refuses."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Protocol, TypeAlias

import attrs

from workflow_manager.aws import Patience, code_of, is_throttle, kinds_of, leaves_a_doubt, pages_of, passes, status_of

Response: TypeAlias = Mapping[str, Any]
Operation: TypeAlias = Callable[..., Response]

_NO_RETRY = "workflow-manager-submit-once"


class BatchClient(Protocol):
    """What is used of ``boto3.client("batch")``."""

    @property
    def submit_job(self) -> Operation: ...
    @property
    def describe_jobs(self) -> Operation: ...
    @property
    def list_jobs(self) -> Operation: ...
    @property
    def terminate_job(self) -> Operation: ...


class LogsClient(Protocol):
    """What is used of ``boto3.client("logs")``."""

    @property
    def get_log_events(self) -> Operation: ...


_FORBIDDEN = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
_CREDENTIALS = frozenset(
    {
        *("ExpiredToken", "ExpiredTokenException", "RequestExpired", "InvalidClientTokenId"),
        *("UnrecognizedClientException", "InvalidSignatureException", "SignatureDoesNotMatch"),
        *("IncompleteSignature", "IncompleteSignatureException", "MissingAuthenticationToken"),
        *("MissingAuthenticationTokenException", "RequestTimeTooSkewed"),
    }
)
"""Codes of what is wrong with the caller's credentials or clock, and not with the request."""
_NEVER_VALID = frozenset({"ParamValidationError"})


def is_refusal(error: BaseException) -> bool:
    """Whether the service will not have this request from this caller; trouble with credentials is no refusal."""
    if kinds_of(error) & _NEVER_VALID or code_of(error) in _FORBIDDEN:
        return True
    status = status_of(error)
    return 400 <= status < 500 and status not in {401, 403, 429} and code_of(error) not in _CREDENTIALS


def submit_once(client: Any) -> None:
    """
    Switch botocore's retries off for SubmitJob of *client*, whatever its configuration says.

    SubmitJob has no idempotency token (Batch API): a request whose answer is lost and that is sent again makes two
    jobs.  Other operations of the client are not touched, and what SubmitJob raises are botocore's own errors.
    """
    events = getattr(getattr(client, "meta", None), "events", None)
    if events is None:
        return

    def raise_instead(response: Any = None, caught_exception: BaseException | None = None, **_: Any) -> None:
        if caught_exception is not None:
            raise caught_exception
        http, parsed = response
        if http.status_code >= 300:
            code = (parsed.get("Error") or {}).get("Code", "")
            raise client.exceptions.from_code(code)(parsed, "SubmitJob")

    events.unregister("needs-retry.batch.SubmitJob", unique_id=_NO_RETRY)
    events.register_first("needs-retry.batch.SubmitJob", raise_instead, unique_id=_NO_RETRY)


class Pacer:
    """
    A bucket of *burst* calls that refills by *per_second*, shared by all who call; any thread may ask.

    *clock* gives seconds, *sleep* waits for some.
    """

    def __init__(
        self,
        per_second: float,
        burst: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._per_second, self._burst, self._clock, self._sleep = per_second, burst, clock, sleep
        self._lock = threading.Lock()
        self._tokens, self._at = burst, clock()

    def wait(self) -> None:
        """Return when a call may be made; whoever asks first goes first."""
        with self._lock:
            self._refill()
            self._tokens -= 1
            pause = max(0.0, -self._tokens / self._per_second)
        if pause > 0:
            self._sleep(pause)

    def slow_down(self) -> None:
        """AWS has refused a call as one too many: what was saved up is gone."""
        with self._lock:
            self._refill()
            self._tokens = min(self._tokens, 0.0)

    def _refill(self) -> None:
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._per_second)
        self._at = now


@attrs.frozen
class Calls:
    """Operations of *client*, paced, and repeated with *patience* while that is safe."""

    client: BatchClient
    pacer: Pacer
    patience: Patience

    def make(self, operation: str, /, **arguments: Any) -> Response:
        """The answer to an *operation* that may arrive twice: it reads, or a second arrival changes nothing."""
        return self._make(operation, passes, arguments)

    def submit(self, **arguments: Any) -> Response:
        """SubmitJob, repeated only while it is certain that nothing was done."""
        return self._make("submit_job", lambda error: passes(error) and not leaves_a_doubt(error), arguments)

    def _make(self, operation: str, again: Callable[[BaseException], bool], arguments: Mapping[str, Any]) -> Response:
        call: Operation = getattr(self.client, operation)
        waits = self.patience.waits()
        while True:
            self.pacer.wait()
            try:
                return call(**arguments)
            except Exception as error:  # told apart by code, so as not to import botocore
                if is_throttle(error):
                    self.pacer.slow_down()
                if not again(error) or next(waits, waits) is waits:
                    raise

    def pages(self, operation: str, /, **arguments: Any) -> Iterator[Response]:
        """The answers of a paged operation, each asked for when it is needed."""
        return pages_of(partial(self.make, operation), arguments)
