"""The results stores of the far side, by URL; what they write is what the manager's own read, and the reverse."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from workflow_manager.workers.batch_input import ERROR_MEMBER, JobInputError, Results, ResultTooLargeError, read_text

_MOST_KEYS = 100  # BatchGetItem's limit
_TRIES = 8
_LONGEST_ITEM = 400_000


def at(url: str) -> Results:
    """
    The store at *url*: ``dynamodb://TABLE``, ``s3://BUCKET/PREFIX``, either with ``?region=…``, or ``file:///FOLDER``.

    Raises:
        JobInputError: there is no such kind of store.
    """
    parts = urlsplit(url)
    region = parse_qs(parts.query).get("region", [None])[0]
    if parts.scheme == "dynamodb":
        return _Table(parts.netloc, region)
    if parts.scheme == "s3":
        return _Bucket(parts.netloc, parts.path.lstrip("/"), region)
    if parts.scheme == "file":
        return _Folder(parts.path)
    raise JobInputError(f"{url!r} names no results store: dynamodb://TABLE, s3://BUCKET/PREFIX, file:///FOLDER")


def _text(value: Any) -> str:
    """What is stored for *value*: a text that nobody would take for JSON stays as it is, as upstream writes it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if isinstance(value, str) and read_text(value) is value:
        text = value
    return text if _is_unicode(text) else json.dumps(value, separators=(",", ":"))


def _is_unicode(text: str) -> bool:
    """Whether *text* has no half of a surrogate pair, which JSON can spell and UTF-8 cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _item(job_id: str, result: Any, text: str) -> dict[str, Any]:
    """The item of a DynamoDB table for *result*, whose *text* it is; a failure without a name is upstream's: a text."""
    from datetime import UTC, datetime

    failure = result.get(ERROR_MEMBER) if isinstance(result, Mapping) else None
    if isinstance(failure, Mapping) and set(failure) == {"cause"}:
        text = failure["cause"]
    return {
        "Key": {"S": job_id},
        "Result": {"S": text},
        "Success": {"BOOL": failure is None},
        "CompletedTime": {"S": datetime.now(UTC).isoformat()},
    }


def _result(item: Mapping[str, Any]) -> Any:
    """What :func:`_item` was given; upstream leaves out an empty Result."""
    text = item.get("Result", {}).get("S")
    result = {} if text is None else read_text(text)
    if item.get("Success", {}).get("BOOL", True) or (isinstance(result, dict) and ERROR_MEMBER in result):
        return result
    return {ERROR_MEMBER: {"cause": text} if text else {}}


class _Folder:
    def __init__(self, path: str) -> None:
        self._path = path

    def save(self, job_id: str, result: Any, /) -> None:
        os.makedirs(self._path, exist_ok=True)  # noqa: PTH103  pathlib takes long to load
        name = self._name(job_id)
        with open(f"{name}.{os.getpid()}", "w", encoding="utf-8") as file:  # noqa: PTH123
            file.write(_text(result))
        os.replace(file.name, name)  # noqa: PTH105

    def load(self, job_ids: Iterable[str], /) -> Mapping[str, Any]:
        found = {}
        for job_id in job_ids:
            try:
                with open(self._name(job_id), encoding="utf-8") as file:  # noqa: PTH123
                    found[job_id] = read_text(file.read())
            except FileNotFoundError:
                continue
        return found

    def _name(self, job_id: str) -> str:
        return os.path.join(self._path, quote(job_id, safe=""))  # noqa: PTH118


class _Table:
    def __init__(self, table: str, region: str | None) -> None:
        import boto3

        self._client, self._table = boto3.client("dynamodb", region_name=region), table

    def save(self, job_id: str, result: Any, /) -> None:
        text = _text(result)
        if len(text.encode()) > _LONGEST_ITEM:
            why = f"the result has more than {_LONGEST_ITEM:,} bytes; s3://BUCKET/PREFIX has room for it"
            raise ResultTooLargeError(why)
        self._client.put_item(TableName=self._table, Item=_item(job_id, result, text))

    def load(self, job_ids: Iterable[str], /) -> Mapping[str, Any]:
        import time

        ids, found = list(dict.fromkeys(job_ids)), {}
        for first in range(0, len(ids), _MOST_KEYS):
            some = [{"Key": {"S": job_id}} for job_id in ids[first : first + _MOST_KEYS]]
            keys: Any = {self._table: {"Keys": some, "ConsistentRead": True}}
            for number in range(_TRIES):
                answer = self._client.batch_get_item(RequestItems=keys)
                for item in answer["Responses"].get(self._table, ()):
                    found[item["Key"]["S"]] = _result(item)
                keys = answer.get("UnprocessedKeys")
                if not keys:
                    break
                time.sleep(0.05 * 2**number)
            else:
                raise JobInputError(f"the table {self._table} has left keys unprocessed {_TRIES} times")
        return found


class _Bucket:
    def __init__(self, bucket: str, prefix: str, region: str | None) -> None:
        import boto3

        self._client, self._bucket, self._prefix = boto3.client("s3", region_name=region), bucket, prefix

    def save(self, job_id: str, result: Any, /) -> None:
        self._client.put_object(Bucket=self._bucket, Key=f"{self._prefix}{job_id}", Body=_text(result).encode())

    def load(self, job_ids: Iterable[str], /) -> Mapping[str, Any]:
        found = {}
        for job_id in job_ids:
            try:
                answer = self._client.get_object(Bucket=self._bucket, Key=f"{self._prefix}{job_id}")
            except self._client.exceptions.NoSuchKey:
                continue
            found[job_id] = read_text(answer["Body"].read().decode("utf-8", "replace"))
        return found
