"""
What a definition says: a state machine and its states, typed and frozen.

The attributes are the fields of the Amazon States Language in snake_case; a field that is absent has the default that
the language gives it.  Nothing here judges: a document that can be read is kept as it is, unknown fields in ``other``,
and where it has a value that a field cannot mean (``"TimeoutSeconds": "${Limit}"``) the attribute holds that raw value.
:func:`workflow_manager.asl.validate` says what is wrong, :mod:`workflow_manager.asl.document` reads and writes.

Source: Amazon States Language specification; AWS Step Functions Developer Guide for what AWS added to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import attrs

from workflow_manager.asl.parts import (
    NO_FIELDS,
    Catcher,
    ChoiceRule,
    ItemBatcher,
    ItemReader,
    ProcessorConfig,
    ReaderConfig,
    ResultWriter,
    Retrier,
    WriterConfig,
)
from workflow_manager.asl.values import JSON
from workflow_manager.asl.vocabulary import (
    ABSENT,
    COMPARISON_OPERATORS,
    Absent,
    JitterStrategy,
    Number,
    ProcessorMode,
    QueryLanguage,
    StateMachineType,
    StateType,
)

__all__ = [
    "ABSENT",
    "COMPARISON_OPERATORS",
    "Absent",
    "Catcher",
    "ChoiceRule",
    "ChoiceState",
    "FailState",
    "ItemBatcher",
    "ItemReader",
    "JitterStrategy",
    "MapState",
    "Number",
    "ParallelState",
    "PassState",
    "ProcessorConfig",
    "ProcessorMode",
    "QueryLanguage",
    "ReaderConfig",
    "ResultWriter",
    "Retrier",
    "State",
    "StateMachine",
    "StateMachineType",
    "StateType",
    "SucceedState",
    "TaskState",
    "WaitState",
    "WriterConfig",
]


@attrs.frozen(kw_only=True, repr=False)
class State:
    """What every state has."""

    type: ClassVar[StateType]

    name: str
    comment: str | None = None
    query_language: QueryLanguage | None = None
    other: Mapping[str, JSON] = NO_FIELDS
    _given: tuple[str, ...] = attrs.field(default=(), eq=False, repr=False)

    @property
    def targets(self) -> tuple[str, ...]:
        """The names of all states that may follow: Next, then the choices and Default, then the catchers; each once."""
        return ()

    @property
    def is_terminal(self) -> bool:
        """Whether the machine may end here."""
        return False

    def __repr__(self) -> str:
        to = f", targets={list(self.targets)}" if self.targets else ""
        return f"<{type(self).__name__} {self.name!r}{to}>"


def _names(*said: object) -> tuple[str, ...]:
    """The names among *said*, each once; what the document has in their place is no name."""
    return tuple(dict.fromkeys(name for name in said if isinstance(name, str) and name))


@attrs.frozen(kw_only=True, repr=False)
class _DataState(State):
    """A state through which data goes: every one but Fail."""

    input_path: str | None = "$"
    output_path: str | None = "$"
    output: JSON | Absent = ABSENT


@attrs.frozen(kw_only=True, repr=False)
class _NextState(_DataState):
    """A state that goes on to *next*, or ends the machine."""

    assign: Mapping[str, JSON] | None = None
    next: str | None = None
    end: bool = False

    @property
    def targets(self) -> tuple[str, ...]:
        return _names(self.next)

    @property
    def is_terminal(self) -> bool:
        return self.end is True


@attrs.frozen(kw_only=True, repr=False)
class _WorkState(_NextState):
    """A state whose work has a result and may fail."""

    result_selector: JSON | Absent = ABSENT
    result_path: str | None = "$"
    retry: tuple[Retrier, ...] = ()
    catch: tuple[Catcher, ...] = ()

    @property
    def targets(self) -> tuple[str, ...]:
        return _names(self.next, *(catcher.next for catcher in self.catch))


@attrs.frozen(kw_only=True, repr=False)
class PassState(_NextState):
    """Hands its input on, or *result* in its place."""

    type = StateType.PASS

    parameters: JSON | Absent = ABSENT
    result: JSON | Absent = ABSENT
    result_path: str | None = "$"


@attrs.frozen(kw_only=True, repr=False)
class TaskState(_WorkState):
    """One piece of work, done by *resource*; time-outs are in seconds."""

    type = StateType.TASK

    resource: str = ""
    parameters: JSON | Absent = ABSENT
    arguments: JSON | Absent = ABSENT
    credentials: JSON | Absent = ABSENT
    timeout_seconds: Number | None = None
    timeout_seconds_path: str | None = None
    heartbeat_seconds: Number | None = None
    heartbeat_seconds_path: str | None = None


@attrs.frozen(kw_only=True, repr=False)
class ChoiceState(_DataState):
    """Goes where the first rule that holds says, else to *default*."""

    type = StateType.CHOICE

    choices: tuple[ChoiceRule, ...] = ()
    default: str | None = None
    assign: Mapping[str, JSON] | None = None

    @property
    def targets(self) -> tuple[str, ...]:
        return _names(*(rule.next for rule in self.choices), self.default)


@attrs.frozen(kw_only=True, repr=False)
class WaitState(_NextState):
    """Waits a number of seconds, or until an RFC 3339 timestamp."""

    type = StateType.WAIT

    seconds: Number | None = None
    seconds_path: str | None = None
    timestamp: str | None = None
    timestamp_path: str | None = None


@attrs.frozen(kw_only=True, repr=False)
class SucceedState(_DataState):
    """Ends the machine well."""

    type = StateType.SUCCEED

    @property
    def is_terminal(self) -> bool:
        return True


@attrs.frozen(kw_only=True, repr=False)
class FailState(State):
    """Ends the machine with an error."""

    type = StateType.FAIL

    error: str | None = None
    error_path: str | None = None
    cause: str | None = None
    cause_path: str | None = None

    @property
    def is_terminal(self) -> bool:
        return True


@attrs.frozen(kw_only=True, repr=False)
class ParallelState(_WorkState):
    """Runs all *branches* at once over the same input; the result is the list of their outputs."""

    type = StateType.PARALLEL

    branches: tuple[StateMachine, ...] = ()
    parameters: JSON | Absent = ABSENT
    arguments: JSON | Absent = ABSENT


@attrs.frozen(kw_only=True, repr=False)
class MapState(_WorkState):
    """
    Runs *item_processor* once for every item.

    *legacy_iterator* and *legacy_parameters* say that the document spells ``ItemProcessor`` as ``Iterator`` and
    ``ItemSelector`` as ``Parameters``, as it was before 2022.
    """

    type = StateType.MAP

    item_processor: StateMachine
    legacy_iterator: bool = False
    items_path: str | None = "$"
    items: JSON | Absent = ABSENT
    item_selector: JSON | Absent = ABSENT
    legacy_parameters: bool = False
    item_reader: ItemReader | None = None
    item_batcher: ItemBatcher | None = None
    result_writer: ResultWriter | None = None
    max_concurrency: Number | None = None
    max_concurrency_path: str | None = None
    tolerated_failure_count: Number | None = None
    tolerated_failure_count_path: str | None = None
    tolerated_failure_percentage: Number | None = None
    tolerated_failure_percentage_path: str | None = None
    label: str | None = None

    @property
    def is_distributed(self) -> bool:
        """Whether each iteration, or batch of them, is a child execution."""
        config = self.item_processor.processor_config
        return isinstance(config, ProcessorConfig) and config.mode is ProcessorMode.DISTRIBUTED


@attrs.frozen(kw_only=True, repr=False)
class StateMachine:
    """
    A state machine: the whole definition, a Parallel's branch, or a Map's item processor.

    *inherited_language* is what an enclosing machine says about the query language.  Two machines are equal when they
    say the same; where they were nested and the order of fields in their documents do not count.
    """

    start_at: str
    states: Mapping[str, State]
    comment: str | None = None
    version: str | None = None
    timeout_seconds: int | None = None
    query_language: QueryLanguage | None = None
    processor_config: ProcessorConfig | None = None
    other: Mapping[str, JSON] = NO_FIELDS
    inherited_language: QueryLanguage | None = attrs.field(default=None, eq=False)
    _given: tuple[str, ...] = attrs.field(default=(), eq=False)
    _cache: dict[str, object] = attrs.field(init=False, eq=False, factory=dict)

    @classmethod
    def from_dict(cls, document: Mapping[str, JSON]) -> StateMachine:
        """
        The machine that *document*, the JSON object of a definition, describes.

        Raises:
            DefinitionError: the document is no state machine at all; every reason is in ``problems``.
        """
        from workflow_manager.asl import document as documents

        return documents.from_dict(document)

    @classmethod
    def from_json(cls, text: str) -> StateMachine:
        """
        As :meth:`from_dict`, from JSON text.

        Raises:
            DefinitionError: also when *text* is not JSON (with line and column) or repeats a key.
        """
        from workflow_manager.asl import document as documents

        return documents.from_json(text)

    @classmethod
    def from_yaml(cls, text: str) -> StateMachine:
        """
        As :meth:`from_dict`, from YAML text (the types of YAML 1.2's core schema); needs PyYAML.

        Raises:
            DefinitionError: also when *text* is not YAML (with line and column) or repeats a key.
        """
        from workflow_manager.asl import document as documents

        return documents.from_yaml(text)

    def to_dict(self) -> dict[str, JSON]:
        """The JSON object of this machine, as it was read: every field and their order."""
        from workflow_manager.asl import document as documents

        return documents.to_dict(self)

    def to_json(self, indent: int | None = None) -> str:
        """The JSON text of :meth:`to_dict`."""
        from workflow_manager.asl import document as documents

        return documents.to_json(self, indent)

    def language_of(self, state: State) -> QueryLanguage:
        """The query language of *state*: its own, else this machine's, else the enclosing machine's, else JSONPath."""
        return state.query_language or self.query_language or self.inherited_language or QueryLanguage.JSONPATH

    def __repr__(self) -> str:
        return f"<StateMachine start_at={self.start_at!r}, {len(self.states)} states>"
