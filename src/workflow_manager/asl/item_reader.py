"""
What a distributed Map's ItemReader makes of the object that it has read.

Source: AWS, "ItemReader (Map)".  Pure: bytes or text in, items out; who fetches them is not known here.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping

from workflow_manager.asl.errors import ErrorName, StatesError
from workflow_manager.asl.machine import ReaderConfig
from workflow_manager.asl.values import JSON, MAX_NESTING, is_nested_deeper, loads

_TOO_DEEP = f"Objects and arrays in the object are nested more than {MAX_NESTING} deep."
_DELIMITERS = {"COMMA": ",", "PIPE": "|", "SEMICOLON": ";", "SPACE": " ", "TAB": "\t"}


def read_items(config: ReaderConfig | None, body: str | bytes, name: str = "") -> list[JSON]:
    """
    The items in *body*, the content of the object *name*.

    JSON: an array, or the array that ItemsPointer names.  JSONL: one item a line.  CSV: one object a row, all values
    strings; empty lines are passed over, missing columns are empty, surplus ones left out.

    Raises:
        StatesError: States.ItemReaderFailed, when the content is not what InputType says.
    """
    kind = (config.input_type if config is not None else None) or "JSON"
    text = _text(body, name)
    if kind == "JSON":
        return _json(text, None if config is None else config.items_pointer)
    if kind == "JSONL":
        return [_parse(line) for line in text.splitlines() if line.strip()]
    if kind in ("CSV", "MANIFEST") and config is not None:
        return list(_csv(config, text))
    raise _failed(f"The InputType {kind} is not supported.")


def listed_objects(answer: JSON) -> tuple[list[JSON], str | None]:
    """The objects of one ``s3:listObjectsV2`` answer, and the token of the next page."""
    if not isinstance(answer, Mapping):
        raise _failed("The answer of listObjectsV2 is not an object.")
    contents = answer.get("Contents") or []
    token = answer.get("NextContinuationToken") if answer.get("IsTruncated") else None
    return list(contents) if isinstance(contents, list) else [], token if isinstance(token, str) else None


def manifest_files(body: str | bytes) -> tuple[list[tuple[str, str]], list[str]]:
    """The files (bucket, key) of an S3 inventory manifest, and the names of their columns."""
    manifest = _parse(_text(body, "manifest.json"))
    if not isinstance(manifest, Mapping) or not isinstance(manifest.get("files"), list):
        raise _failed("The manifest has no list of files.")
    bucket = str(manifest.get("destinationBucket", "")).rpartition(":::")[2]
    schema = [column.strip() for column in str(manifest.get("fileSchema", "")).split(",") if column.strip()]
    listed = manifest["files"]
    assert isinstance(listed, list)
    files = [(bucket, str(file.get("key"))) for file in listed if isinstance(file, Mapping)]
    return files, schema


def inventory_items(body: str | bytes, name: str, schema: list[str]) -> list[JSON]:
    """The rows of one inventory file, as objects."""
    rows = _rows(_text(body, name), ",")
    return [dict(zip(schema, row, strict=False)) for row in rows if row]


def _text(body: str | bytes, name: str) -> str:
    if isinstance(body, str):
        return body.removeprefix("\ufeff")
    if name.endswith(".gz") or body[:2] == b"\x1f\x8b":
        body = _unzipped(body)
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _failed(f"The object is not UTF-8 text: {error}") from None


def _unzipped(body: bytes) -> bytes:
    import gzip
    import zlib

    try:
        return gzip.decompress(body)
    except (OSError, EOFError, zlib.error) as error:
        raise _failed(f"The object is not a gzip file: {error}") from None


def _parse(text: str) -> JSON:
    try:
        value = loads(text)
    except RecursionError:
        raise _failed(_TOO_DEEP) from None
    except ValueError as error:
        raise _failed(f"The object is not JSON: {error}") from None
    if is_nested_deeper(value, MAX_NESTING):
        raise _failed(_TOO_DEEP)
    return value


def _json(text: str, pointer: str | None) -> list[JSON]:
    value = _parse(text)
    for token in (pointer or "").split("/")[1:]:
        key = token.replace("~1", "/").replace("~0", "~")
        if isinstance(value, Mapping) and key in value:
            value = value[key]
        elif isinstance(value, list) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        else:
            raise _failed(f"The ItemsPointer {pointer} does not lead to an array.")
    if isinstance(value, list):
        return value
    if isinstance(value, Mapping) and pointer:
        return [{"Key": key, "Value": item} for key, item in value.items()]
    raise _failed("Attempting to map over non-iterable node.")


def _csv(config: ReaderConfig, text: str) -> Iterator[JSON]:
    rows = _rows(text, _DELIMITERS.get(config.csv_delimiter or "COMMA", ","))
    headers = list(config.csv_headers or ()) if config.csv_header_location == "GIVEN" else next(rows, [])
    for row in rows:
        if row:
            yield {header: row[index] if index < len(row) else "" for index, header in enumerate(headers)}


def _rows(text: str, delimiter: str) -> Iterator[list[str]]:
    try:
        yield from csv.reader(io.StringIO(text), delimiter=delimiter)
    except csv.Error as error:
        raise _failed(f"The object is not CSV: {error}") from None


def _failed(cause: str) -> StatesError:
    return StatesError(ErrorName.ITEM_READER_FAILED, cause)
