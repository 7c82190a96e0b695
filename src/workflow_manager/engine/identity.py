"""Under which names and limits an execution runs."""

from __future__ import annotations

from typing import Any, Required

import attrs
from typing_extensions import TypedDict

from workflow_manager.asl.machine import StateMachineType
from workflow_manager.asl.values import JSON

DEFAULT_ROLE_ARN = "arn:aws:iam::123456789012:role/workflow-manager"
_DEFAULT_MACHINE_ARN = "arn:aws:states:us-east-1:123456789012:stateMachine:local"


@attrs.frozen(kw_only=True)
class Limits:
    """
    What AWS refuses (AWS: Step Functions service quotas).  ``None`` lifts a limit.

    *payload_bytes*: UTF-8 bytes of an input, an output, a state's payload or what one state assigns; *history_events*:
    listed events of one execution; *variables_bytes*: UTF-8 bytes of all variables that a state can see.
    """

    payload_bytes: int | None = 262_144
    history_events: int | None = 25_000
    variables_bytes: int | None = 10_485_760


AWS_LIMITS = Limits()
NO_LIMITS = Limits(payload_bytes=None, history_events=None, variables_bytes=None)


@attrs.frozen(kw_only=True)
class Identity:
    """Under which names an execution runs; they show in the context object and in its events."""

    name: str
    execution_arn: str
    state_machine_arn: str
    role_arn: str
    type: StateMachineType = StateMachineType.STANDARD
    limits: Limits = AWS_LIMITS
    map_item: JSON = None

    @property
    def region(self) -> str:
        """The region of the execution's ARN."""
        parts = self.execution_arn.split(":")
        return parts[3] if len(parts) > 3 else ""

    @property
    def state_machine_name(self) -> str:
        """The name of the state machine."""
        return self.state_machine_arn.rpartition(":")[2]


class IdentityFields(TypedDict, total=False):
    """
    What the beginnings of an execution take as keyword arguments.

    *name* makes tokens and chance: two executions of the same name, machine, input and reports are the same.  The ARNs
    show in the context object and in events; what is not given is made of *name*.  *map_item* is ``$$.Map.Item`` of a
    Map Run's child.
    """

    name: Required[str]
    execution_arn: str | None
    state_machine_arn: str | None
    role_arn: str | None
    type: StateMachineType
    limits: Limits
    map_item: JSON


def identity_of(fields: IdentityFields) -> Identity:
    """The identity of *fields*, with AWS's form of every name that is not given."""
    given: dict[str, Any] = {name: value for name, value in fields.items() if value not in (None, "")}
    machine = given.setdefault("state_machine_arn", _DEFAULT_MACHINE_ARN)
    given.setdefault("execution_arn", f"{machine.replace(':stateMachine:', ':execution:')}:{given['name']}")
    given.setdefault("role_arn", DEFAULT_ROLE_ARN)
    return Identity(**given)
