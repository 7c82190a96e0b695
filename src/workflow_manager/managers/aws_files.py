"""
A folder that stands for S3, so that a distributed Map reads and writes without AWS: ``<folder>/<bucket>/<key>``.

Source: AWS API: GetObject, ListObjectsV2, PutObject, as far as a Map's ItemReader and ResultWriter use them.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from workflow_manager.asl.errors import ErrorName
from workflow_manager.asl.resources import TaskKind, TaskResource
from workflow_manager.asl.timestamps import format_timestamp
from workflow_manager.asl.values import JSON, dumps
from workflow_manager.exceptions import TaskError
from workflow_manager.managers.functions import Function, function

_PAGE = 1000  # objects in one answer of ListObjectsV2


class FileBuckets:
    """
    Objects as files under *folder*; finds the hands for ``s3:getObject``, ``s3:listObjectsV2`` and ``s3:putObject``.

    The ``aws-sdk:s3:…`` spellings are the same.  A key never leads out of its bucket's folder.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._folder = Path(folder)
        self._actions = {
            "getObject": function(self.get_object),
            "listObjectsV2": function(self.list_objects),
            "putObject": function(self.put_object),
        }

    def find(self, resource: TaskResource, *, state: str, namespace: str) -> Function | None:
        """The function that does *resource*; ``None`` if it is none of S3's three."""
        if resource.kind is not TaskKind.SERVICE or resource.resource_type not in ("s3", "aws-sdk:s3"):
            return None
        return self._actions.get(resource.resource)

    def get_object(self, parameters: JSON) -> Mapping[str, object]:
        """``{"Bucket", "Key"}`` to ``{"Body": bytes, "ContentLength", "LastModified"}``."""
        file = self._file(parameters)
        try:
            body = file.read_bytes()
            modified = _modified(file)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise TaskError("S3.NoSuchKeyException", f"The specified key does not exist: {file}") from None
        return {"Body": body, "ContentLength": len(body), "LastModified": modified}

    def list_objects(self, parameters: JSON) -> Mapping[str, object]:
        """``{"Bucket", "Prefix"?, "MaxKeys"?, "StartAfter"?, "ContinuationToken"?}`` to a page, by key in UTF-8."""
        bucket = self._bucket(parameters)
        prefix, after = _text(parameters, "Prefix"), _text(parameters, "ContinuationToken")
        after = after or _text(parameters, "StartAfter")
        most = parameters.get("MaxKeys") if isinstance(parameters, Mapping) else None
        limit = min(most, _PAGE) if isinstance(most, int) else _PAGE
        keys = sorted((key for key in _keys(bucket) if key.startswith(prefix)), key=str.encode)
        keys = [key for key in keys if key.encode() > after.encode()]
        page = [_listed(bucket / key, key) for key in keys[:limit]]
        answer: dict[str, object] = {"Contents": page, "KeyCount": len(page), "IsTruncated": len(keys) > limit}
        if len(keys) > limit > 0:
            answer["NextContinuationToken"] = keys[limit - 1]
        return answer

    def put_object(self, parameters: JSON) -> Mapping[str, object]:
        """``{"Bucket", "Key", "Body"}`` to ``{}``; the file appears whole or not at all."""
        file = self._file(parameters)
        body = parameters.get("Body", "") if isinstance(parameters, Mapping) else ""
        content = body.encode() if isinstance(body, str) else dumps(body).encode()
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=file.parent, prefix=".writing-")
        try:
            with os.fdopen(handle, "wb") as out:
                out.write(content)
            Path(name).replace(file)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        return {}

    def _bucket(self, parameters: JSON) -> Path:
        name = _text(parameters, "Bucket")
        if not name or name in (".", "..") or "/" in name or "\\" in name:
            raise TaskError("S3.NoSuchBucketException", f"{name!r} is not the name of a bucket")
        return self._folder / name

    def _file(self, parameters: JSON) -> Path:
        bucket, key = self._bucket(parameters), _text(parameters, "Key")
        file = bucket / key
        if not key or not file.resolve().is_relative_to(bucket.resolve()) or file.resolve() == bucket.resolve():
            raise TaskError(ErrorName.RUNTIME.value, f"{key!r} is not the key of an object in {bucket}")
        return file


def _keys(bucket: Path) -> Iterator[str]:
    if not bucket.is_dir():
        raise TaskError("S3.NoSuchBucketException", f"The specified bucket does not exist: {bucket}")
    for folder, _, names in os.walk(bucket):
        inside = Path(folder).relative_to(bucket)
        yield from ((inside / name).as_posix() for name in names if not name.startswith(".writing-"))


def _listed(file: Path, key: str) -> Mapping[str, object]:
    size = file.stat().st_size
    return {"Key": key, "LastModified": _modified(file), "Size": size, "StorageClass": "STANDARD"}


def _modified(file: Path) -> str:
    return format_timestamp(datetime.fromtimestamp(file.stat().st_mtime, UTC))


def _text(parameters: JSON, name: str) -> str:
    value = parameters.get(name) if isinstance(parameters, Mapping) else None
    return value if isinstance(value, str) else ""
