"""
What things are called at AWS: state machines, executions, activities, log groups.

A state machine is ``{namespace}--{name}--{version}--{startAt}``, as the original named it, so that machines which it
made are found.  Names are never taken apart again.  Source: AWS API, CreateStateMachine (name), CreateActivity.
"""

from __future__ import annotations

import hashlib
import re

import attrs

from workflow_manager.asl.values import dumps

MAX_NAME = 80
"""The longest name of a state machine, an execution or an activity, in characters."""

_FORBIDDEN = re.compile('[\\s<>{}\\[\\]?*"#%\\\\^|~`$&,;:/\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\U0010ffff]')
_FUNCTION = re.compile(r"[A-Za-z0-9_-]{1,64}(:(\$LATEST|[A-Za-z0-9_-]{1,128}))?")
_NOT_IN_LOG_GROUP = re.compile(r"[^A-Za-z0-9_./#-]")
_DIGITS = 16


@attrs.frozen
class MachineKey:
    """What tells one state machine from another: whose it is, which version of what, and where it begins."""

    namespace: str
    name: str
    version: int
    start_at: str

    def plain_name(self) -> str:
        """
        The original's name, or where that is too long its beginning and a digest of all of it.

        Characters that AWS forbids are ``-``.
        """
        name = _FORBIDDEN.sub("-", f"{self.namespace}--{self.name}--{self.version}--{self.start_at}")
        return name if len(name) <= MAX_NAME else self._shortened(name, "")

    def other_name(self, definition: str) -> str:
        """A name for this *definition*, where the plain name is taken by a machine that says something else."""
        return self._shortened(_FORBIDDEN.sub("-", self.plain_name()), definition)

    def _shortened(self, name: str, definition: str) -> str:
        identity = dumps([self.namespace, self.name, self.version, self.start_at, definition])
        digest = hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
        return f"{name[: MAX_NAME - _DIGITS - 2]}--{digest}"


def is_valid(name: str) -> bool:
    """Whether *name* may be that of an execution or an activity."""
    return 0 < len(name) <= MAX_NAME and _FORBIDDEN.search(name) is None


def is_valid_function(name: str) -> bool:
    """Whether *name* may be that of a Lambda function, with or without a version or alias (AWS API: Invoke)."""
    return _FUNCTION.fullmatch(name) is not None


@attrs.frozen
class Place:
    """An account in a region of a partition (``aws``, ``aws-cn``, ``aws-us-gov``)."""

    partition: str
    region: str
    account_id: str

    def state_machine(self, name: str) -> str:
        """The ARN of the state machine *name*."""
        return self._arn("states", f"stateMachine:{name}")

    def execution(self, machine_name: str, name: str) -> str:
        """The ARN of an execution of the state machine *machine_name*."""
        return self._arn("states", f"execution:{machine_name}:{name}")

    def activity(self, name: str) -> str:
        """The ARN of the activity *name*."""
        return self._arn("states", f"activity:{name}")

    def function(self, name: str) -> str:
        """The ARN of the Lambda function *name*."""
        return self._arn("lambda", f"function:{name}")

    def log_group(self, machine_name: str) -> str:
        """The ARN of the log group of a state machine, as a log destination."""
        return self._arn("logs", f"log-group:{log_group(machine_name)}:*")

    def integration(self, action: str) -> str:
        """The Resource of a service integration, such as ``glue:startJobRun.sync``."""
        return f"arn:{self.partition}:states:::{action}"

    def _arn(self, service: str, rest: str) -> str:
        return f"arn:{self.partition}:{service}:{self.region}:{self.account_id}:{rest}"


def log_group(machine_name: str) -> str:
    """The name of the log group of a state machine."""
    return f"/aws/vendedlogs/states/{_NOT_IN_LOG_GROUP.sub('-', machine_name)}"


def machine_of_execution(execution_arn: str) -> str:
    """The name of the state machine in an execution's ARN, ``""`` if it is no such ARN."""
    parts = execution_arn.split(":")
    return parts[6] if len(parts) >= 8 else ""


def name_of_execution(execution_arn: str) -> str:
    """The name of an execution, the last part of its ARN."""
    return execution_arn.rpartition(":")[2]


def is_express(execution_arn: str) -> bool:
    """Whether it is the ARN of an execution of type EXPRESS."""
    return execution_arn.split(":")[5:6] == ["express"]
