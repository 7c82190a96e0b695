"""
Where jobs leave their results: the protocol, and four places that follow it.

The format is upstream's batchcli's: under the job's id a text, JSON where it can be read as such.  A job that fails
leaves an object with the one member ``_BATCH_ERROR``, which has ``error`` and ``cause``, or only one of them.
"""

from __future__ import annotations

import json
import os
import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, runtime_checkable
from urllib.parse import quote

from workflow_manager.asl.values import JSON, check_json, dumps, loads
from workflow_manager.exceptions import InvalidValueError

ERROR_MEMBER = "_BATCH_ERROR"
_MOST_KEYS = 100  # BatchGetItem's limit
_LONGEST_ITEM = 400_000  # bytes; DynamoDB's limit is 409,600 with names and keys
_TRIES = 8


@runtime_checkable
class JobResults(Protocol):
    """What jobs have written, JSON values by job id."""

    def save(self, job_id: str, result: JSON) -> None:
        """
        Keep *result* in place of what is there.

        Raises:
            InvalidValueError: there is no room for one of its size.
        """
        ...

    def load(self, job_ids: Iterable[str]) -> Mapping[str, JSON]:
        """What is there; a job that has written nothing is absent."""
        ...


def read_result(text: str) -> JSON:
    """The value of a stored text: JSON, else the text itself."""
    try:
        return check_json(loads(text))
    except (ValueError, RecursionError, InvalidValueError):  # the last: it is nested beyond all bounds
        return text


def _stored(result: JSON) -> str:
    """The text of *result*; JSON can spell half a surrogate pair, and UTF-8 cannot."""
    text = dumps(result)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(result, separators=(",", ":"))
    return text


def failure_in(result: JSON) -> Mapping[str, JSON] | None:
    """What a job has left that has failed: ``error`` and ``cause``, either of which may be missing."""
    failure = result.get(ERROR_MEMBER) if isinstance(result, Mapping) else None
    return failure if isinstance(failure, Mapping) else None


class MemoryResults:
    """Results in this process, for tests."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._results: dict[str, JSON] = {}

    def save(self, job_id: str, result: JSON) -> None:
        """See :meth:`JobResults.save`."""
        value = check_json(result, "result")
        with self._lock:
            self._results[job_id] = value

    def load(self, job_ids: Iterable[str]) -> Mapping[str, JSON]:
        """See :meth:`JobResults.load`."""
        with self._lock:
            return {job_id: self._results[job_id] for job_id in job_ids if job_id in self._results}


class DirectoryResults:
    """Results as files in *folder*, for jobs that share a file system."""

    def __init__(self, folder: str | Path) -> None:
        self._folder = Path(folder)
        self._folder.mkdir(parents=True, exist_ok=True)

    def save(self, job_id: str, result: JSON) -> None:
        """See :meth:`JobResults.save`; a reader sees the old file or the new one, never half of it."""
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=self._folder, delete=False) as file:
            file.write(_stored(result))
        os.replace(file.name, self._path(job_id))  # noqa: PTH105  both are names here

    def load(self, job_ids: Iterable[str]) -> Mapping[str, JSON]:
        """See :meth:`JobResults.load`."""
        found: dict[str, JSON] = {}
        for job_id in job_ids:
            try:
                found[job_id] = read_result(self._path(job_id).read_text(encoding="utf-8"))
            except FileNotFoundError:
                continue
        return found

    def _path(self, job_id: str) -> Path:
        return self._folder / quote(job_id, safe="")


class DynamoDBClient(Protocol):
    """What is used of ``boto3.client("dynamodb")``."""

    @property
    def put_item(self) -> Callable[..., Any]: ...
    @property
    def batch_get_item(self) -> Callable[..., Any]: ...


class DynamoDBResults:
    """
    Results in upstream's DynamoDB table: items ``Key`` (the table's hash key), ``Result``, ``Success``.

    A result has at most 400,000 bytes as JSON; for larger ones there is :class:`S3Results`.
    """

    def __init__(
        self, client: DynamoDBClient, *, table: str = "workflow-results", sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._client, self._table, self._sleep = client, table, sleep

    def save(self, job_id: str, result: JSON) -> None:
        """See :meth:`JobResults.save`."""
        text = _stored(result)
        if len(text.encode()) > _LONGEST_ITEM:
            raise InvalidValueError(
                "result", "", f"it has more than {_LONGEST_ITEM:,} bytes as JSON; S3Results has room"
            )
        self._client.put_item(TableName=self._table, Item=_item(job_id, result, text))

    def load(self, job_ids: Iterable[str]) -> Mapping[str, JSON]:
        """See :meth:`JobResults.load`; consistent, a hundred at a time, keys left unprocessed asked for again."""
        found: dict[str, JSON] = {}
        for some in _hundreds(job_ids):
            keys: Any = {self._table: {"Keys": [{"Key": {"S": job_id}} for job_id in some], "ConsistentRead": True}}
            for number in range(_TRIES):
                answer = self._client.batch_get_item(RequestItems=keys)
                for item in answer["Responses"].get(self._table, ()):
                    found[item["Key"]["S"]] = _result(item)
                keys = answer.get("UnprocessedKeys")
                if not keys:
                    break
                self._sleep(random.uniform(0, 0.05 * 2**number))
            else:
                raise TimeoutError(f"the table {self._table} has left keys unprocessed {_TRIES} times")
        return found


def _item(job_id: str, result: JSON, text: str) -> Mapping[str, Any]:
    """The item for *result*, whose text it is; a failure without a name is a bare text, as upstream writes it."""
    failure = failure_in(result)
    if failure is not None and set(failure) == {"cause"}:
        text = str(failure["cause"])
    return {
        "Key": {"S": job_id},
        "Result": {"S": text},
        "Success": {"BOOL": failure is None},
        "CompletedTime": {"S": datetime.now(UTC).isoformat()},
    }


def _result(item: Mapping[str, Any]) -> JSON:
    """What :func:`_item` was given; upstream leaves out a Result that is empty."""
    text = item.get("Result", {}).get("S")
    result: JSON = {} if text is None else read_result(text)
    if item.get("Success", {}).get("BOOL", True) or failure_in(result) is not None:
        return result
    return {ERROR_MEMBER: {"cause": text} if text else {}}


class S3Client(Protocol):
    """What is used of ``boto3.client("s3")``."""

    @property
    def put_object(self) -> Callable[..., Any]: ...
    @property
    def get_object(self) -> Callable[..., Any]: ...


class S3Results:
    """Results as objects ``{prefix}{job id}`` in *bucket*, of any size."""

    def __init__(self, client: S3Client, *, bucket: str, prefix: str = "workflow-results/") -> None:
        self._client, self._bucket, self._prefix = client, bucket, prefix

    def save(self, job_id: str, result: JSON) -> None:
        """See :meth:`JobResults.save`."""
        body = _stored(result).encode()
        self._client.put_object(
            Bucket=self._bucket, Key=f"{self._prefix}{job_id}", Body=body, ContentType="application/json"
        )

    def load(self, job_ids: Iterable[str]) -> Mapping[str, JSON]:
        """See :meth:`JobResults.load`."""
        found: dict[str, JSON] = {}
        for job_id in dict.fromkeys(job_ids):
            try:
                answer = self._client.get_object(Bucket=self._bucket, Key=f"{self._prefix}{job_id}")
            except Exception as error:  # told apart by code, so as not to import botocore
                response = getattr(error, "response", None) or {}
                if response.get("Error", {}).get("Code") in {"NoSuchKey", "404"}:
                    continue
                raise
            found[job_id] = read_result(answer["Body"].read().decode("utf-8", "replace"))
        return found


def _hundreds(job_ids: Iterable[str]) -> Iterator[list[str]]:
    ids = list(dict.fromkeys(job_ids))
    for first in range(0, len(ids), _MOST_KEYS):
        yield ids[first : first + _MOST_KEYS]
