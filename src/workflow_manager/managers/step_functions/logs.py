"""The optional CloudWatch set-up of a state machine: its log group, how long that is kept, and where it is sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import attrs

from workflow_manager.aws import Patience, code_of
from workflow_manager.managers.step_functions.client import patiently
from workflow_manager.managers.step_functions.names import Place, log_group

_EXISTS = "ResourceAlreadyExistsException"
_AT_ONCE = ("OperationAbortedException",)  # somebody else is making the same group just now


class LogsClient(Protocol):
    """What is used of ``boto3.client("logs")``."""

    @property
    def create_log_group(self) -> Callable[..., Any]: ...
    @property
    def put_retention_policy(self) -> Callable[..., Any]: ...
    @property
    def put_subscription_filter(self) -> Callable[..., Any]: ...


@attrs.frozen(kw_only=True)
class LogSetup:
    """
    How state machines log to CloudWatch Logs, each to ``/aws/vendedlogs/states/{name}``.

    *client* is ``boto3.client("logs")``.  Groups are kept for *retention_days*.  *level* is ``ALL``, ``ERROR``,
    ``FATAL`` or ``OFF``.  With *destination_arn* (a Kinesis stream, which needs *destination_role_arn*, or a Lambda
    function) every record is sent on through the subscription filter *filter_name*.
    """

    client: LogsClient
    retention_days: int = 7
    level: str = "ALL"
    include_execution_data: bool = True
    destination_arn: str = ""
    destination_role_arn: str = ""
    filter_name: str = "to-kinesis"

    def configuration(self, machine_name: str, place: Place) -> dict[str, Any]:
        """The ``loggingConfiguration`` of the state machine (AWS API: CreateStateMachine)."""
        destination = {"cloudWatchLogsLogGroup": {"logGroupArn": place.log_group(machine_name)}}
        return {
            "level": self.level,
            "includeExecutionData": self.include_execution_data,
            "destinations": [destination],
        }

    def prepare(self, machine_name: str, tags: Mapping[str, str], patience: Patience) -> None:
        """Make the state machine's log group as it should be; one that is there already is adapted."""
        group = log_group(machine_name)
        for call in (
            lambda: self._create(group, tags),
            lambda: self.client.put_retention_policy(logGroupName=group, retentionInDays=self.retention_days),
            lambda: self._subscribe(group),
        ):
            patiently(patience, call, also=_AT_ONCE)

    def _create(self, group: str, tags: Mapping[str, str]) -> None:
        try:
            self.client.create_log_group(logGroupName=group, tags=dict(tags))
        except Exception as error:  # told apart by code, so as not to import botocore
            if code_of(error) != _EXISTS:
                raise

    def _subscribe(self, group: str) -> None:
        if not self.destination_arn:
            return
        role = {"roleArn": self.destination_role_arn} if self.destination_role_arn else {}
        self.client.put_subscription_filter(
            logGroupName=group,
            filterName=self.filter_name,
            filterPattern="",
            destinationArn=self.destination_arn,
            distribution="ByLogStream",
            **role,
        )
