"""What errors of AWS mean for the call that raised them."""

from __future__ import annotations

from typing import Any

import pytest
from botocore import exceptions as boto

from workflow_manager.aws import (
    Patience,
    code_of,
    is_throttle,
    leaves_a_doubt,
    message_of,
    pages_of,
    passes,
    status_of,
)


def answer(code: str, status: int, message: str = "no") -> boto.ClientError:
    return boto.ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}, "AnyOperation"
    )


URL: dict[str, Any] = {"endpoint_url": "https://example.test", "error": "cut"}


@pytest.mark.parametrize(
    ("error", "throttle", "passing", "doubt"),
    [
        (answer("ThrottlingException", 400), True, True, False),
        (answer("TooManyRequestsException", 429), True, True, False),
        (answer("Whatever", 429), True, True, False),
        (answer("ProvisionedThroughputExceededException", 400), True, True, False),
        (answer("InternalFailure", 500), False, True, True),
        (answer("Whatever", 503), False, True, True),
        (answer("TransactionConflictException", 400), False, True, True),
        (answer("ValidationException", 400), False, False, False),
        (answer("AccessDeniedException", 403), False, False, False),
        (boto.EndpointConnectionError(**URL), False, True, False),
        (boto.ConnectTimeoutError(**URL), False, True, False),
        (boto.ReadTimeoutError(**URL), False, True, True),
        (boto.ConnectionClosedError(**URL), False, True, True),
        (boto.ResponseStreamingError(error="cut"), False, True, True),
        (boto.IncompleteReadError(actual_bytes=1, expected_bytes=2), False, True, True),
        (boto.ParamValidationError(report="no"), False, False, False),
        (boto.NoCredentialsError(), False, False, False),
        (ConnectionError("not botocore's"), False, False, False),
        (ValueError("no"), False, False, False),
    ],
    ids=repr,
)
def test_what_an_error_means(error: Exception, throttle: bool, passing: bool, doubt: bool) -> None:
    """A throttle was refused, what was never sent was not done; of what else passes nobody knows whether it was."""
    assert (is_throttle(error), passes(error), leaves_a_doubt(error)) == (throttle, passing, doubt)


def test_what_an_answer_says() -> None:
    """Code, words and status, whatever shape the answer has; other errors have only their words."""
    refused = answer("com.amazonaws#NoSuchThing", 404, "there is none")
    assert (code_of(refused), message_of(refused), status_of(refused)) == ("NoSuchThing", "there is none", 404)
    bare = ValueError("odd")
    assert (code_of(bare), message_of(bare), status_of(bare)) == ("", "odd", 0)
    odd = ValueError("odd")
    for response in (None, [], {"Error": None, "ResponseMetadata": []}, {"Error": {"Code": 7, "Message": ""}}):
        odd.response = response  # type: ignore[attr-defined]
        assert (code_of(odd), message_of(odd), status_of(odd)) == ("", "odd", 0)


def test_pauses_grow_up_to_the_longest() -> None:
    """Each is a random part of twice the one before, at most the longest; after them patience ends."""
    slept: list[float] = []
    waits = Patience(slept.append, lambda low, high: high, pauses=5, first=0.5, longest=3.0).waits()
    assert len(list(waits)) == 5
    assert slept == [0.5, 1.0, 2.0, 3.0, 3.0]


def test_pages_are_asked_for_when_they_are_needed() -> None:
    """Each page is one call, made when somebody wants it, with the arguments and the token of the page before."""
    asked: list[dict[str, Any]] = []

    def ask(**arguments: Any) -> dict[str, Any]:
        asked.append(arguments)
        return {"page": len(asked), **({"nextToken": str(len(asked))} if len(asked) < 3 else {})}

    pages = pages_of(ask, {"size": 5, "nextToken": "begin"})
    assert next(iter(pages))["page"] == 1
    assert asked == [{"size": 5, "nextToken": "begin"}]
    assert [page["page"] for page in pages] == [2, 3]
    assert [each["nextToken"] for each in asked] == ["begin", "1", "2"]
