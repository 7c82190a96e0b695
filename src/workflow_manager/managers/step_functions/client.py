"""
Calls to Step Functions: what is used of a client, and which calls leave a doubt.

An error that does not pass goes to the caller as botocore raised it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from typing import Any, Protocol, TypeAlias

import attrs

from workflow_manager.aws import Patience, code_of, is_throttle, leaves_a_doubt, metadata_of, pages_of, passes
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


def hides_attempts(error: BaseException, client: object) -> bool:
    """
    Whether botocore may have made other attempts before the one that *error* tells of.

    It repeats by itself unless told not to, and shows only what became of the last attempt; of an answer it says how
    often it was repeated.
    """
    metadata = metadata_of(error)
    if "RetryAttempts" in metadata:
        return int(metadata["RetryAttempts"]) > 0
    config = getattr(getattr(client, "meta", None), "config", None)
    retries = getattr(config, "retries", None) or {}
    return config is not None and retries.get("total_max_attempts") != 1


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
        return pages_of(partial(self.make, operation), arguments)
