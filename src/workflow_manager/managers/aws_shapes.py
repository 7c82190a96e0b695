"""
Between a state's JSON and the values that a boto3 client takes and gives, led by the service's own model.

A shape is botocore's description of a value: its ``type_name``, and ``members``, ``member``, ``key`` and ``value``.
Source: AWS, "Learning to use AWS service SDK integrations" (parameters and results are PascalCase whatever the API).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from workflow_manager.asl.errors import ErrorName
from workflow_manager.asl.timestamps import format_timestamp
from workflow_manager.asl.values import JSON, dumps, loads
from workflow_manager.exceptions import TaskError
from workflow_manager.managers.aws_names import first_upper

_WHOLE = ("integer", "long")


def to_request(shape: Any, value: JSON, *, where: str = "", json_blobs: bool = False) -> Any:
    """
    *value* as a client wants it for *shape*.

    Members may begin with either case and those that are null are left out; a string member given anything else gets
    its JSON text; a blob given text gets its UTF-8, or with *json_blobs* its JSON text.

    Raises:
        TaskError: States.Runtime: there is no such member, or it holds something else; the cause names it.
    """
    kind = shape.type_name
    if kind == "structure":
        return _structure(shape, value, where, json_blobs)
    if kind == "list":
        if not isinstance(value, list):
            raise _wrong(where, "an array")
        return [
            to_request(shape.member, item, where=f"{where}[{index}]", json_blobs=json_blobs)
            for index, item in enumerate(value)
        ]
    if kind == "map":
        return {
            key: to_request(shape.value, item, where=f"{where}.{key}", json_blobs=json_blobs)
            for key, item in _object(value, where).items()
        }
    if kind == "blob":
        return value.encode() if isinstance(value, str) and not json_blobs else dumps(value).encode()
    if kind == "string":
        return value if isinstance(value, str) else dumps(value)
    if kind in _WHOLE and isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _structure(shape: Any, value: JSON, where: str, json_blobs: bool) -> Any:
    if getattr(shape, "is_document_type", False):
        return value
    names = {first_upper(name): name for name in shape.members}
    out = {}
    for key, item in _object(value, where).items():
        name = names.get(first_upper(key))
        path = f"{where}.{key}" if where else key
        if name is None:
            raise TaskError(ErrorName.RUNTIME.value, f"The field '{path}' is not supported by {shape.name}.")
        member = shape.members[name]
        if item is not None or (json_blobs and member.type_name == "blob"):  # JSON's null is a payload too
            out[name] = to_request(member, item, where=path, json_blobs=json_blobs)
    return out


def _object(value: JSON, where: str) -> Mapping[str, JSON]:
    if not isinstance(value, Mapping):
        raise _wrong(where, "an object")
    return value


def _wrong(where: str, wanted: str) -> TaskError:
    return TaskError(ErrorName.RUNTIME.value, f"The field '{where or 'Parameters'}' must be {wanted}.")


def from_response(shape: Any, value: Any, *, json_blobs: bool = False, raw: bool = False) -> Any:
    """
    A client's answer as JSON: members in PascalCase, times in ISO 8601 with milliseconds, blobs and streams as text.

    Bytes that are not UTF-8 become base64.  With *json_blobs* a blob that is JSON text becomes its value; with *raw*
    blobs stay bytes, for a reader that knows what to make of them.
    """
    kind = shape.type_name
    if kind == "structure" and isinstance(value, Mapping) and not getattr(shape, "is_document_type", False):
        return {
            first_upper(name): from_response(shape.members[name], item, json_blobs=json_blobs, raw=raw)
            for name, item in value.items()
            if name in shape.members and item is not None
        }
    if kind == "list":
        return [from_response(shape.member, item, json_blobs=json_blobs, raw=raw) for item in value]
    if kind == "map":
        return {key: from_response(shape.value, item, json_blobs=json_blobs, raw=raw) for key, item in value.items()}
    if isinstance(value, datetime):
        return format_timestamp(value if value.tzinfo is not None else value.replace(tzinfo=UTC))
    if kind == "blob":
        content = value.read() if hasattr(value, "read") else value
        return content if raw else blob_text(content, as_json=json_blobs)
    return value


def blob_text(content: bytes | str, *, as_json: bool = False) -> JSON:
    """The text of *content*, or its base64 where it is not UTF-8; with *as_json* the value that the text stands for."""
    try:
        text = content if isinstance(content, str) else content.decode()
    except UnicodeDecodeError:
        return base64.b64encode(content).decode()  # type: ignore[arg-type]
    if as_json:
        try:
            return loads(text)
        except ValueError:
            return text
    return text
