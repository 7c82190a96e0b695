"""
Executions at AWS: started once, looked at, stopped, redriven.

A start is settled after an unanswered call: StartExecution with the same name and input is idempotent while the
execution runs, and once it has ended AWS answers that it exists, which is then looked at (AWS API: StartExecution).
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import attrs

from workflow_manager.asl.values import JSON, loads
from workflow_manager.aws import code_of
from workflow_manager.callables import MAX_CAUSE, cut
from workflow_manager.exceptions import ConflictError
from workflow_manager.managers.step_functions.client import Calls, Doubt, Response
from workflow_manager.managers.step_functions.names import Place
from workflow_manager.managers.step_functions.sameness import is_same
from workflow_manager.managers.step_functions.standing import STATUS

logger = logging.getLogger("workflow_manager")

NO_EXECUTION = "ExecutionDoesNotExist"
NO_MACHINE = ("StateMachineDoesNotExist", "StateMachineDeleting")
"""The machine is gone, or going: nothing can be started on it."""
_EXISTS = "ExecutionAlreadyExists"
_NOT_REDRIVABLE = ("ExecutionNotRedrivable", "ValidationException", NO_EXECUTION)
_LOOKS = 4  # at what may have been started: AWS shows it with a short delay


class RedriveStatus(StrEnum):
    """Whether AWS would redrive an execution (AWS API: DescribeExecution, ``redriveStatus``)."""

    REDRIVABLE = "REDRIVABLE"
    NOT_REDRIVABLE = "NOT_REDRIVABLE"
    REDRIVABLE_BY_MAP_RUN = "REDRIVABLE_BY_MAP_RUN"


class StartFailedError(Exception):
    """A start that has failed; *maybe_started* when nobody knows whether AWS did it all the same."""

    def __init__(self, maybe_started: bool) -> None:
        super().__init__()
        self.maybe_started = maybe_started


@attrs.frozen
class Executions:
    """The executions of one account."""

    calls: Calls
    place: Place

    def start(self, machine_name: str, name: str, input: str) -> None:
        """
        Start the execution *name* over *input*, JSON text, unless it has been started.

        Raises:
            ConflictError: there is another execution of that name, with another input.
            StartFailedError: it failed, or nobody knows; from the error of the client.
        """
        doubt = Doubt()
        arn = self.place.state_machine(machine_name)
        try:
            self.calls.make("start_execution", doubt=doubt, stateMachineArn=arn, name=name, input=input)
        except Exception as error:
            execution = self.place.execution(machine_name, name)
            if code_of(error) == _EXISTS:
                self._check_input(execution, name, input)
            elif not self._has_come_true(doubt, execution):
                raise StartFailedError(doubt.exists) from error

    def _has_come_true(self, doubt: Doubt, arn: str, redrive: int = 0) -> bool:
        """
        Whether what has failed, to all appearances, is there all the same: the execution, or its *redrive*.

        Where only botocore's own repetitions might have done it, and AWS shows nothing, they have not.
        """
        if not doubt.is_possible:
            return False
        try:
            for _ in itertools.chain([None], itertools.islice(self.calls.patience.waits(), _LOOKS - 1)):
                found = self.describe(arn)
                if found is not None and int(found.get("redriveCount", 0)) >= redrive:
                    return True
        except Exception:  # then nobody knows
            logger.warning("execution %s: whether it was started cannot be looked up", arn, exc_info=True)
            doubt.exists = True
        return False

    def _check_input(self, arn: str, name: str, input: str) -> None:
        found = self.describe(arn)  # None: it is there, and not yet to be seen
        if found is not None and "input" in found and not _says_the_same(str(found["input"]), input):
            raise ConflictError("execution", name)

    def describe(self, arn: str) -> Response | None:
        """What AWS says of an execution (DescribeExecution), ``None`` if it knows none."""
        try:
            return self.calls.make("describe_execution", executionArn=arn)
        except Exception as error:
            if code_of(error) != NO_EXECUTION:
                raise
            return None

    def stop(self, arn: str, reason: str) -> bool:
        """Stop an execution; ``False`` if AWS knows none.  One that has ended stays as it is."""
        try:
            self.calls.make("stop_execution", executionArn=arn, cause=cut(reason, MAX_CAUSE))
        except Exception as error:
            if code_of(error) == NO_EXECUTION:
                return False
            if code_of(error) != "ValidationException":  # it has ended
                raise
        return True

    def redrive(self, arn: str, token: str, number: int) -> bool:
        """
        Let a failed execution go on where it failed; *token* makes a second arrival harmless.

        *number* is that of the redrive, counted from 1.

        ``False`` if AWS does not do that.

        Raises:
            StartFailedError: it failed, or nobody knows; from the error of the client.
        """
        doubt = Doubt()
        try:
            self.calls.make("redrive_execution", doubt=doubt, executionArn=arn, clientToken=token)
        except Exception as error:
            if self._has_come_true(doubt, arn, number):
                return True
            if code_of(error) in _NOT_REDRIVABLE and not doubt.exists:
                return False
            raise StartFailedError(doubt.exists) from error
        return True


def is_redrivable(described: Response) -> bool:
    """Whether AWS would redrive the execution (at most 14 days after its end, history not too long, …)."""
    return described.get("redriveStatus") == RedriveStatus.REDRIVABLE


def is_going(described: Response) -> bool:
    """Whether an execution has not ended, by DescribeExecution."""
    status = STATUS.get(str(described["status"]))
    return status is not None and not status.is_final


def output_of(described: Mapping[str, Any]) -> JSON:
    """The output that AWS gives as JSON text, ``None`` where there is none."""
    text = described.get("output")
    return loads(text) if isinstance(text, str) else None


def _says_the_same(text: str, other: str) -> bool:
    return text == other or is_same(loads(text), loads(other))
