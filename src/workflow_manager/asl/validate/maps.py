"""What only a Map has: item reader, batcher, result writer, label, processor."""

from __future__ import annotations

import re
from collections.abc import Mapping

from workflow_manager.asl.machine import QueryLanguage, StateMachineType
from workflow_manager.asl.validate.expressions import object_template, or_jsonata, path, template
from workflow_manager.asl.validate.judge import (
    Check,
    Field,
    Judge,
    a,
    anything,
    at_most_one,
    check_fields,
    exactly_one,
    number,
    one_of,
    require,
    text,
)
from workflow_manager.asl.values import JSON

INVALID_LABEL = "INVALID_LABEL_NAME"

_JSONPATH, _JSONATA = QueryLanguage.JSONPATH, QueryLanguage.JSONATA
# AWS: Map state in Distributed mode, "Label".
_NOT_IN_A_LABEL = re.compile(r"[\s?*<>{}\[\]:;,\\|^~$#%&`\"/\x00-\x1f\x7f-\x9f]")
_DISTRIBUTED_ONLY = ("ItemReader", "ItemBatcher", "ResultWriter", "Label")


def label(judge: Judge, value: JSON, where: str) -> None:
    """``Label``: 1 to 40 characters, of which none has a meaning in an ARN or a wildcard."""
    if not isinstance(value, str):
        judge.error(where, f"Value must be a string, not {a(value)}", INVALID_LABEL)
    elif not 0 < len(value) <= 40:
        judge.error(where, f"A label has 1 to 40 characters, not {len(value)}", INVALID_LABEL)
    elif found := _NOT_IN_A_LABEL.search(value):
        judge.error(where, f"A label cannot contain {found[0]!r}", INVALID_LABEL)


def items(judge: Judge, value: JSON, where: str) -> None:
    """``Items``: an array, or a JSONata expression for one."""
    if isinstance(value, list) or (isinstance(value, str) and value.startswith("{%")):
        template(judge, value, where)
    else:
        judge.error(where, f"Value must be an array or a JSONata expression, not {a(value)}")


def _texts(judge: Judge, value: JSON, where: str) -> None:
    if not isinstance(value, list):
        judge.error(where, f"Value must be an array, not {a(value)}")
        return
    for index, item in enumerate(value):
        text(judge, item, f"{where}/{index}")


def _object(fields: Mapping[str, Field]) -> Check:
    def check(judge: Judge, value: JSON, where: str) -> None:
        if isinstance(value, Mapping):
            check_fields(judge, value, where, fields)
        else:
            judge.error(where, f"Value must be an object, not {a(value)}")

    return check


def _reader_config(judge: Judge, value: JSON, where: str) -> None:
    _object(_READER_CONFIG)(judge, value, where)
    if isinstance(value, Mapping):
        at_most_one(judge, value, where, "MaxItems", "MaxItemsPath")
        if value.get("CSVHeaderLocation") == "GIVEN":
            require(judge, value, where, "CSVHeaders")


# AWS: ItemReader (Map), "Contents of the ReaderConfig field".
_READER_CONFIG: Mapping[str, Field] = {
    "InputType": Field(one_of("CSV", "JSON", "JSONL", "PARQUET", "MANIFEST")),
    "Transformation": Field(one_of("NONE", "LOAD_AND_FLATTEN")),
    "ManifestType": Field(one_of("ATHENA_DATA", "S3_INVENTORY")),
    "CSVHeaderLocation": Field(one_of("FIRST_ROW", "GIVEN")),
    "CSVHeaders": Field(_texts),
    "CSVDelimiter": Field(one_of("COMMA", "PIPE", "SEMICOLON", "SPACE", "TAB")),
    "ItemsPointer": Field(text),
    "MaxItems": Field(or_jsonata(number(0, 100_000_000))),
    "MaxItemsPath": Field(path, _JSONPATH),
}
_WRITER_CONFIG: Mapping[str, Field] = {
    "OutputType": Field(one_of("JSON", "JSONL")),
    "Transformation": Field(one_of("NONE", "COMPACT", "FLATTEN")),
}
_CALL: Mapping[str, Field] = {
    "Resource": Field(text),
    "Parameters": Field(template, _JSONPATH),
    "Arguments": Field(template, _JSONATA),
}
_READER: Mapping[str, Field] = {**_CALL, "ReaderConfig": Field(_reader_config)}
_WRITER: Mapping[str, Field] = {**_CALL, "WriterConfig": Field(_object(_WRITER_CONFIG))}
_BATCHER: Mapping[str, Field] = {
    "MaxItemsPerBatch": Field(or_jsonata(number(0))),
    "MaxItemsPerBatchPath": Field(path, _JSONPATH),
    "MaxInputBytesPerBatch": Field(or_jsonata(number(0, 262_144))),
    "MaxInputBytesPerBatchPath": Field(path, _JSONPATH),
    "BatchInput": Field(object_template),
}


def item_reader(judge: Judge, value: JSON, where: str) -> None:
    """``ItemReader`` (AWS: ItemReader (Map))."""
    _object(_READER)(judge, value, where)
    if isinstance(value, Mapping):
        require(judge, value, where, "Resource")


def item_batcher(judge: Judge, value: JSON, where: str) -> None:
    """``ItemBatcher`` (AWS: ItemBatcher (Map)): at least one of the two limits, each fixed or by path."""
    _object(_BATCHER)(judge, value, where)
    if isinstance(value, Mapping):
        count = at_most_one(judge, value, where, "MaxItemsPerBatch", "MaxItemsPerBatchPath")
        count += at_most_one(judge, value, where, "MaxInputBytesPerBatch", "MaxInputBytesPerBatchPath")
        if not count:
            judge.error(where, "One of these fields is required: [MaxItemsPerBatch, MaxInputBytesPerBatch]")


def result_writer(judge: Judge, value: JSON, where: str) -> None:
    """``ResultWriter`` (AWS: ResultWriter (Map)): a WriterConfig, or a Resource, or both."""
    _object(_WRITER)(judge, value, where)
    if isinstance(value, Mapping) and not value.keys() & {"Resource", "WriterConfig"}:
        judge.error(where, "One of these fields is required: [Resource, WriterConfig]")


_PROCESSOR_CONFIG: Mapping[str, Field] = {
    "Mode": Field(one_of("INLINE", "DISTRIBUTED")),
    "ExecutionType": Field(one_of("STANDARD", "EXPRESS")),
}


def processor_config(judge: Judge, value: JSON, where: str) -> None:
    """``ProcessorConfig`` of an item processor."""
    _object(_PROCESSOR_CONFIG)(judge, value, where)
    if isinstance(value, Mapping) and value.get("Mode") == "DISTRIBUTED":
        require(judge, value, where, "ExecutionType")


def map_state(judge: Judge, state: Mapping[str, JSON], where: str) -> None:
    """What several fields of a Map say together."""
    exactly_one(judge, state, where, "ItemProcessor", "Iterator")
    at_most_one(judge, state, where, "ItemSelector", "Parameters")
    at_most_one(judge, state, where, "Items", "ItemsPath")
    for name in ("MaxConcurrency", "ToleratedFailureCount", "ToleratedFailurePercentage"):
        at_most_one(judge, state, where, name, f"{name}Path")
    if processor_mode(state) == "DISTRIBUTED":
        if judge.kind is StateMachineType.EXPRESS:
            judge.error(where, "Express state machine does not support a Map state in Distributed mode")
    else:
        for name in state:
            if name in _DISTRIBUTED_ONLY or name.startswith("ToleratedFailure"):
                message = f"{name!r} has an effect only when ProcessorConfig says DISTRIBUTED"
                judge.warn(f"{where}/{name}", message, "DISTRIBUTED_ONLY")


def processor_mode(state: Mapping[str, JSON]) -> JSON:
    """The ``Mode`` of a Map's item processor, whatever it is; INLINE where nothing is said."""
    processor = state.get("ItemProcessor", state.get("Iterator"))
    config = processor.get("ProcessorConfig") if isinstance(processor, Mapping) else None
    return config.get("Mode", "INLINE") if isinstance(config, Mapping) else "INLINE"


FIELDS: Mapping[str, Field] = {
    "ItemProcessor": Field(anything),  # judged as a machine of its own
    "Iterator": Field(anything),
    "Items": Field(items, _JSONATA),
    "ItemsPath": Field(path, _JSONPATH),
    "ItemSelector": Field(template),
    "Parameters": Field(template, _JSONPATH),
    "ItemReader": Field(item_reader),
    "ItemBatcher": Field(item_batcher),
    "ResultWriter": Field(result_writer),
    "Label": Field(label),
    "MaxConcurrency": Field(or_jsonata(number(0))),
    "MaxConcurrencyPath": Field(path, _JSONPATH),
    "ToleratedFailureCount": Field(or_jsonata(number(0))),
    "ToleratedFailureCountPath": Field(path, _JSONPATH),
    "ToleratedFailurePercentage": Field(or_jsonata(number(0, 100, whole=False))),
    "ToleratedFailurePercentagePath": Field(path, _JSONPATH),
}
"""The fields that a Map has beside those of other states."""
