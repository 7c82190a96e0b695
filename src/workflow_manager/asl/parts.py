"""
The parts of states: retriers, catchers, choice rules, and what a Map reads, batches and writes.

As in :mod:`workflow_manager.asl.machine`, attributes are the language's fields in snake_case, what is absent has the
language's default, and unknown fields are kept in ``other``.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from workflow_manager.asl.values import JSON
from workflow_manager.asl.vocabulary import ABSENT, Absent, JitterStrategy, ProcessorMode, StateMachineType

NO_FIELDS: Mapping[str, JSON] = {}


@attrs.frozen(kw_only=True)
class Retrier:
    """One entry of ``Retry``: which errors to retry, how often, and after how many seconds."""

    error_equals: tuple[str, ...] = ()
    interval_seconds: int = 1
    max_attempts: int = 3
    backoff_rate: float = 2.0
    max_delay_seconds: int | None = None
    jitter_strategy: JitterStrategy = JitterStrategy.NONE
    comment: str | None = None
    other: Mapping[str, JSON] = NO_FIELDS
    _given: tuple[str, ...] = attrs.field(default=(), eq=False, repr=False)


@attrs.frozen(kw_only=True)
class Catcher:
    """One entry of ``Catch``: which errors lead to *next*, and what becomes of the error output."""

    error_equals: tuple[str, ...] = ()
    next: str = ""
    result_path: str | None = "$"
    assign: Mapping[str, JSON] | None = None
    output: JSON | Absent = ABSENT
    comment: str | None = None
    other: Mapping[str, JSON] = NO_FIELDS
    _given: tuple[str, ...] = attrs.field(default=(), eq=False, repr=False)


@attrs.frozen(kw_only=True)
class ChoiceRule:
    """
    One choice rule, or one condition inside ``And``, ``Or``, ``Not``.

    JSONPath: *variable* and *operator* with its *operand*, or one of *and_*, *or_*, *not_*.  JSONata: *condition*.
    Only a rule of the top level has *next*.
    """

    next: str | None = None
    variable: str | None = None
    operator: str | None = None
    operand: JSON | Absent = ABSENT
    and_: tuple[ChoiceRule, ...] | None = None
    or_: tuple[ChoiceRule, ...] | None = None
    not_: ChoiceRule | None = None
    condition: JSON | Absent = ABSENT
    assign: Mapping[str, JSON] | None = None
    output: JSON | Absent = ABSENT
    comment: str | None = None
    other: Mapping[str, JSON] = NO_FIELDS
    _given: tuple[str, ...] = attrs.field(default=(), eq=False, repr=False)


@attrs.frozen(kw_only=True)
class ProcessorConfig:
    """``ProcessorConfig`` of a Map's item processor."""

    mode: ProcessorMode = ProcessorMode.INLINE
    execution_type: StateMachineType | None = None
    other: Mapping[str, JSON] = NO_FIELDS
    _given: tuple[str, ...] = attrs.field(default=(), eq=False, repr=False)


@attrs.frozen(kw_only=True)
class ReaderConfig:
    """``ReaderConfig`` of an item reader: how the file that it reads is made."""

    input_type: str | None = None
    transformation: str | None = None
    csv_header_location: str | None = None
    csv_headers: tuple[str, ...] | None = None
    csv_delimiter: str | None = None
    items_pointer: str | None = None
    manifest_type: str | None = None
    max_items: int | str | None = None
    max_items_path: str | None = None
    other: Mapping[str, JSON] = NO_FIELDS
    _given: tuple[str, ...] = attrs.field(default=(), eq=False, repr=False)


@attrs.frozen(kw_only=True)
class ItemReader:
    """``ItemReader`` of a distributed Map: where its items come from."""

    resource: str = ""
    parameters: JSON | Absent = ABSENT
    arguments: JSON | Absent = ABSENT
    reader_config: ReaderConfig | None = None
    other: Mapping[str, JSON] = NO_FIELDS
    _given: tuple[str, ...] = attrs.field(default=(), eq=False, repr=False)


@attrs.frozen(kw_only=True)
class WriterConfig:
    """``WriterConfig`` of a result writer: how results are formatted."""

    output_type: str | None = None
    transformation: str | None = None
    other: Mapping[str, JSON] = NO_FIELDS
    _given: tuple[str, ...] = attrs.field(default=(), eq=False, repr=False)


@attrs.frozen(kw_only=True)
class ResultWriter:
    """``ResultWriter`` of a distributed Map: where its results go."""

    resource: str | None = None
    parameters: JSON | Absent = ABSENT
    arguments: JSON | Absent = ABSENT
    writer_config: WriterConfig | None = None
    other: Mapping[str, JSON] = NO_FIELDS
    _given: tuple[str, ...] = attrs.field(default=(), eq=False, repr=False)


@attrs.frozen(kw_only=True)
class ItemBatcher:
    """``ItemBatcher`` of a distributed Map: how many items one child execution gets."""

    max_items_per_batch: int | str | None = None
    max_items_per_batch_path: str | None = None
    max_input_bytes_per_batch: int | str | None = None
    max_input_bytes_per_batch_path: str | None = None
    batch_input: JSON | Absent = ABSENT
    other: Mapping[str, JSON] = NO_FIELDS
    _given: tuple[str, ...] = attrs.field(default=(), eq=False, repr=False)
