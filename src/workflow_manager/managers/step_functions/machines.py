"""
State machines: described through a bounded cache, created when absent, never overwritten.

A machine that is there under the plain name but says something else (another definition whose name reads the same
once AWS's forbidden characters are gone, or one that was changed by hand, or whose state resources have moved) is left
alone: ours gets a name of its own, made from what it says.  A machine whose role is another one is used, and that is
told.
"""

from __future__ import annotations

import hashlib
import itertools
import logging
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

import attrs

from workflow_manager.asl.machine import StateMachine
from workflow_manager.aws import code_of
from workflow_manager.exceptions import ConflictError, DefinitionError, InvalidValueError
from workflow_manager.managers.step_functions.client import Calls, Response
from workflow_manager.managers.step_functions.limits import definition_text
from workflow_manager.managers.step_functions.logs import LogSetup
from workflow_manager.managers.step_functions.names import MachineKey, Place
from workflow_manager.managers.step_functions.sameness import is_same

logger = logging.getLogger("workflow_manager")

_REMEMBERED = 1000
_MOST_TAGS, _LONGEST_TAG = 50, 256
_NOT_IN_TAG = re.compile(r"[^\w \t.:/=+@-]")
_ROUNDS = 4  # describe and create may each come just before somebody else's, and what is made is seen late


class DriftKind(StrEnum):
    """In what a state machine at AWS differs from what it should be."""

    DEFINITION = "definition"
    ROLE = "role"


@attrs.frozen
class Drift:
    """A state machine *arn* whose definition or role is not ours; *found* is what it has (a digest of a definition)."""

    arn: str
    kind: DriftKind
    expected: str
    found: str


@attrs.frozen(kw_only=True)
class Wanted:
    """A state machine that should be there."""

    key: MachineKey
    machine: StateMachine
    text: str
    tags: Mapping[str, str]

    @classmethod
    def of(cls, key: MachineKey, machine: StateMachine, tags: Mapping[str, str]) -> Wanted:
        """What is wanted of *machine*, translated already; the definition's own *tags* override ours."""
        return cls(key=key, machine=machine, text=definition_text(machine), tags=machine_tags(key, tags))


def machine_tags(key: MachineKey, default_tags: Mapping[str, str]) -> dict[str, str]:
    """
    The tags of a state machine: what it is, then the definition's own.

    Raises:
        InvalidValueError: there are more than AWS takes.
    """
    ours = {
        "application": key.name,
        "environment": key.namespace,
        "workflow-definition-name": key.name,
        "workflow-definition-version": str(key.version),
        "workflow-definition-start-at": key.start_at,
    }
    tags = {name: _NOT_IN_TAG.sub("-", value)[:_LONGEST_TAG] for name, value in ours.items()}
    tags.update(default_tags)
    if len(tags) > _MOST_TAGS:
        raise InvalidValueError("tags", "", f"there are {len(tags)}; a state machine takes {_MOST_TAGS}")
    return tags


class Machines:
    """The state machines of one account; every method may be called from any thread."""

    def __init__(
        self,
        calls: Calls,
        place: Place,
        *,
        role_arn: str,
        logs: LogSetup | None,
        on_drift: Callable[[Drift], object],
    ) -> None:
        self._calls, self._place, self._role_arn, self._logs = calls, place, role_arn, logs
        self._on_drift = on_drift
        self._lock = threading.Lock()
        self._known: OrderedDict[str, str] = OrderedDict()

    def ensure(self, wanted: Wanted) -> str:
        """
        The name of a state machine that says what is *wanted*, created if there is none.

        One that is known costs no call, one that is there one, a new one two.

        Raises:
            ConflictError: a machine made for exactly this is being deleted just now.
        """
        key = _cache_key(wanted)
        with self._lock:
            name = self._known.get(key)
            if name is not None:
                self._known.move_to_end(key)
                return name
        name = self._find_or_create(wanted)
        with self._lock:
            self._known[key] = name
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return name

    def forget(self, wanted: Wanted) -> None:
        """The machine has turned out not to be there: describe it again when it is next wanted."""
        with self._lock:
            self._known.pop(_cache_key(wanted), None)

    def _find_or_create(self, wanted: Wanted) -> str:
        plain = wanted.key.plain_name()
        if self._is_there(plain, wanted):
            return plain
        other = wanted.key.other_name(wanted.text)
        if self._is_there(other, wanted):
            return other
        raise ConflictError("state machine", other)  # it is being deleted

    def _is_there(self, name: str, wanted: Wanted) -> bool:
        """Whether, in the end, a machine under *name* says what is wanted."""
        for _ in itertools.chain([None], itertools.islice(self._calls.patience.waits(), _ROUNDS - 1)):
            described = self._describe(name)
            if described is not None:
                return self._fits(name, described, wanted)
            try:
                self._create(name, wanted)
            except Exception as error:
                if code_of(error) not in ("StateMachineAlreadyExists", "StateMachineDeleting", "ConflictException"):
                    raise
            else:
                return True
        return False

    def _describe(self, name: str) -> Response | None:
        try:
            return self._calls.make("describe_state_machine", stateMachineArn=self._place.state_machine(name))
        except Exception as error:
            if code_of(error) != "StateMachineDoesNotExist":
                raise
            return None

    def _create(self, name: str, wanted: Wanted) -> None:
        arguments: dict[str, Any] = {}
        if self._logs is not None:
            self._logs.prepare(name, wanted.tags, self._calls.patience)
            arguments["loggingConfiguration"] = self._logs.configuration(name, self._place)
        self._calls.make(
            "create_state_machine",
            name=name,
            definition=wanted.text,
            roleArn=self._role_arn,
            type="STANDARD",
            tags=[{"key": key, "value": value} for key, value in wanted.tags.items()],
            **arguments,
        )
        logger.info("state machine %s: created", name)

    def _fits(self, name: str, described: Response, wanted: Wanted) -> bool:
        arn = self._place.state_machine(name)
        text = str(described.get("definition", ""))
        if described.get("status") == "DELETING":
            logger.warning("state machine %s: it is being deleted", arn)
            return False
        if not _says(text, wanted):
            self._tell(Drift(arn, DriftKind.DEFINITION, _digest(wanted.text), _digest(text)))
            return False
        role = str(described.get("roleArn", ""))
        if role != self._role_arn:
            self._tell(Drift(arn, DriftKind.ROLE, self._role_arn, role))
        self._adapt_logging(name, described, wanted)
        return True

    def _adapt_logging(self, name: str, described: Response, wanted: Wanted) -> None:
        if self._logs is None:
            return
        configuration = self._logs.configuration(name, self._place)
        found = described.get("loggingConfiguration") or {}
        if all(found.get(member) == value for member, value in configuration.items()):
            return
        self._logs.prepare(name, wanted.tags, self._calls.patience)
        self._calls.make(
            "update_state_machine",
            stateMachineArn=self._place.state_machine(name),
            roleArn=described["roleArn"],  # as it is: AWS asks for a role or a definition with every update
            loggingConfiguration=configuration,
        )

    def _tell(self, drift: Drift) -> None:
        logger.warning(
            "state machine %s: its %s is %s, not %s", drift.arn, drift.kind.value, drift.found, drift.expected
        )
        self._on_drift(drift)


def _says(text: str, wanted: Wanted) -> bool:
    """Whether the definition *text* says what is wanted, however it is written."""
    if text == wanted.text:
        return True
    try:
        return is_same(StateMachine.from_json(text).to_dict(), wanted.machine.to_dict())
    except DefinitionError:
        return False


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _cache_key(wanted: Wanted) -> str:
    return f"{wanted.key.plain_name()} {_digest(wanted.text)}"
