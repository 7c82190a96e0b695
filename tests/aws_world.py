"""AWS in this process, for tests of tasks that are calls of it: moto's services, and replies made by hand."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.config import Config

from workflow_manager.asl import StateMachine
from workflow_manager.models import WorkflowDefinition

QUICK = Config(retries={"mode": "standard", "total_max_attempts": 3})


class _Body(io.BytesIO):
    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


class Replies:
    """
    Answers *operation* of *client* with these replies, one per HTTP attempt, then lets moto answer.

    A reply is (status, headers, body), an exception to be raised, or ``None``, which passes the attempt on.
    """

    def __init__(self, client: Any, operation: str, *replies: Any) -> None:
        self.requests: list[Any] = []
        self._replies = list(replies)
        service = client.meta.service_model.service_id.hyphenize()
        client.meta.events.register_first(f"before-send.{service}.{operation}", self._answer)

    def _answer(self, request: Any, **_: Any) -> AWSResponse | None:
        self.requests.append(request)
        reply = self._replies.pop(0) if self._replies else None
        if isinstance(reply, Exception):
            raise reply
        if reply is None:
            return None
        status, headers, body = reply
        return AWSResponse(request.url, status, headers, _Body(body.encode()))


def refused(status: int, code: str, message: str = "no") -> tuple[int, dict[str, str], str]:
    """The reply of a JSON service that refuses."""
    headers = {"x-amzn-errortype": code, "x-amzn-requestid": "r-1"}
    return status, headers, json.dumps({"__type": code, "message": message})


def json_reply(value: Any, **headers: str) -> tuple[int, dict[str, str], str]:
    """The reply of a JSON service that has done what was asked."""
    return 200, {"content-type": "application/json", "x-amzn-requestid": "r-1", **headers}, json.dumps(value)


def definition(**states: dict[str, Any]) -> WorkflowDefinition:
    """A definition of *states*, which begins with the first; each goes on to the next unless it says otherwise."""
    names = list(states)
    for name, follower in zip(names, [*names[1:], None], strict=True):
        if states[name]["Type"] not in ("Fail", "Succeed"):
            states[name] = {**({"End": True} if follower is None else {"Next": follower}), **states[name]}
    document = {"StartAt": names[0], "States": states}
    return WorkflowDefinition(name="calls", state_machine=StateMachine.from_dict(document))


def call(action: str, parameters: Any = None, **fields: Any) -> dict[str, Any]:
    """A Task that is the integration *action*: ``sqs:sendMessage``, or a whole ARN."""
    resource = action if action.startswith("arn:") else f"arn:aws:states:::{action}"
    return {"Type": "Task", "Resource": resource, "Parameters": parameters or {}, **fields}
