"""One machine run by moto: what it answers for its status, output, error and history."""

from __future__ import annotations

import io
import itertools
import json
import logging
import re
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from typing import Any

import attrs
import boto3
from botocore.exceptions import ClientError
from moto import mock_aws

ROLE = "arn:aws:iam::123456789012:role/differential"
_REGION = "us-east-1"
_CONFIG = {"stepfunctions": {"execute_state_machine": True}}
_NO_CREDENTIALS = {"aws_access_key_id": "none", "aws_secret_access_key": "none"}


@attrs.frozen
class NotJSON:
    """An output that is no JSON text."""

    text: str


@attrs.frozen(kw_only=True)
class Run:
    """
    What one interpreter made of a case.

    *status* is AWS's, or ``REFUSED`` where the definition was not taken, or ``RUNNING`` where no end came in time;
    *events* are as boto3's ``get_execution_history`` gives them; *failures* says under the names of states why they
    failed, in the interpreter's own words, whether its history tells it or not.
    """

    status: str
    output: Any = None
    error: str | None = None
    cause: str | None = None
    events: tuple[dict[str, Any], ...] = ()
    failures: Mapping[str, Sequence[str]] = {}


class _Failures(logging.Handler):
    """Hears why states fail; moto's history does not tell it inside a Parallel or a Map."""

    def __init__(self) -> None:
        super().__init__()
        self.by_state: dict[str, list[str]] = defaultdict(list)
        self._heard: dict[int | None, list[str]] = defaultdict(list)  # by thread, since a state failed there

    def forget(self) -> None:
        """Begin anew."""
        self.by_state = defaultdict(list)
        self._heard = defaultdict(list)

    def told(self) -> Mapping[str, Sequence[str]]:
        """Why states failed, by name; under "" what was heard of failures that a Retry or a Catch answered."""
        return {**self.by_state, "": [reason for heard in list(self._heard.values()) for reason in heard]}

    def emit(self, record: logging.LogRecord) -> None:
        if not isinstance(record.args, tuple) or len(record.args) != 2:
            return
        what, component = map(str, record.args)
        kind = component[1:].partition("|")[0]
        self._heard[record.thread].append(f"{kind}: {what}")
        name = _STATE_NAME.search(component) if _STATE.fullmatch(kind) else None
        if name is not None:
            self.by_state[name[1]] += self._heard.pop(record.thread)


_STATE = re.compile("State(Pass|Choice|Wait|Succeed|Fail|Parallel|Map)")
_STATE_NAME = re.compile(r"'name': '(\w+)', 'query_language'")


class Moto:
    """moto's Step Functions; to be used inside :func:`running_moto`."""

    def __init__(self, client: Any, failures: _Failures) -> None:
        self._client = client
        self._failures = failures
        self._count = itertools.count(1)

    def names(self) -> dict[str, str]:
        """Names and ARNs for the next run, as ``simulate`` takes them."""
        machine, name = f"machine{next(self._count)}", "run"
        prefix = f"arn:aws:states:{_REGION}:123456789012"
        return {
            "execution_arn": f"{prefix}:execution:{machine}:{name}",
            "state_machine_arn": f"{prefix}:stateMachine:{machine}",
            "role_arn": ROLE,
        }

    def run(self, definition: dict[str, Any], input: Any, names: dict[str, str], patience: float = 10.0) -> Run:
        """Run *definition*; give up after *patience* seconds."""
        self._failures.forget()
        machine_name = names["state_machine_arn"].rpartition(":")[2]
        try:
            machine = self._client.create_state_machine(
                name=machine_name, definition=json.dumps(definition, ensure_ascii=False), roleArn=ROLE
            )
        except ClientError as refusal:
            return Run(status="REFUSED", cause=str(refusal))
        arn = self._client.start_execution(
            stateMachineArn=machine["stateMachineArn"], name="run", input=json.dumps(input)
        )["executionArn"]
        assert arn == names["execution_arn"]
        deadline, pause = time.monotonic() + patience, 0.001
        while (found := self._client.describe_execution(executionArn=arn))["status"] == "RUNNING":
            if time.monotonic() > deadline:
                break
            time.sleep(pause)
            pause = min(pause * 1.5, 0.05)
        events = self._client.get_execution_history(executionArn=arn)["events"]
        self._client.delete_state_machine(stateMachineArn=machine["stateMachineArn"])
        return Run(
            status=found["status"],
            output=_value(found.get("output", "null")),
            error=found.get("error"),
            cause=found.get("cause"),
            events=tuple(events),
            failures=self._failures.told(),
        )


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return NotJSON(text)


@contextmanager
def running_moto() -> Iterator[Moto]:
    """
    Moto in this process, with nothing in it yet.

    Threads that moto leaves to die of an exception are not reported, nor is what its parser prints.
    """
    failures = _Failures()
    logger = logging.getLogger("moto.stepfunctions.parser.asl.component.eval_component")
    hook, propagate = threading.excepthook, logger.propagate
    logger.addHandler(failures)
    logger.propagate = False
    threading.excepthook = lambda arguments: None
    try:
        with redirect_stderr(io.StringIO()), mock_aws(config=_CONFIG):
            yield Moto(boto3.client("stepfunctions", region_name=_REGION, **_NO_CREDENTIALS), failures)
    finally:
        threading.excepthook, logger.propagate = hook, propagate
        logger.removeHandler(failures)
