"""
What a distributed Map's reader brings and its writer leaves behind, beyond what is done for any other task.

Source: AWS, "ItemReader (Map)", "ResultWriter (Map)".
"""

from __future__ import annotations

from collections.abc import Mapping

from workflow_manager.asl.values import JSON, check_json, dumps
from workflow_manager.engine.pending import PendingTask
from workflow_manager.managers.aws_shapes import blob_text

_MANIFEST = "manifest.json"


def task_output(task: PendingTask, output: object) -> JSON:
    """
    What *task*, having returned *output*, tells the engine.

    The ``Body`` of an object may be bytes, or anything that reads as bytes: a Map's reader hands it on as it is, any
    other task as text, or as base64 where it is not UTF-8.

    Raises:
        InvalidValueError: the rest of it is not JSON.
    """
    what = f"the output of {task.state}"
    if not (type(output) is dict or isinstance(output, Mapping)) or "Body" not in output:
        return check_json(output, what)
    body = output["Body"]
    content = body.read() if hasattr(body, "read") else body
    if not isinstance(content, bytes) and content is body:
        return check_json(output, what)
    if _suffix(task).startswith("r"):
        return {"Body": content}
    rest = check_json({key: item for key, item in output.items() if key != "Body"}, what)
    assert isinstance(rest, dict) and isinstance(content, bytes | str)
    return {**rest, "Body": blob_text(content)}


def manifest(task: PendingTask) -> JSON:
    """
    The parameters that put the manifest beside the results that *task* writes; ``None`` if it is no Map's writer.

    The Map's own output says that it is there.
    """
    asked = task.input
    if _suffix(task) != "w" or not isinstance(asked, Mapping):
        return None
    bucket, key, body = asked.get("Bucket"), str(asked.get("Key")), str(asked.get("Body"))
    written: JSON = [{"Key": key, "Size": len(body.encode())}]
    content: JSON = {
        "DestinationBucket": bucket,
        "ResultFiles": {"FAILED": [], "PENDING": [], "SUCCEEDED": written},
    }
    return {"Bucket": bucket, "Key": f"{key.rpartition('/')[0]}/{_MANIFEST}".lstrip("/"), "Body": dumps(content)}


def _suffix(task: PendingTask) -> str:
    """What a Map Run's own work has behind the number of the attempt in its token: r… reads, w writes, c… a child."""
    return task.token.rpartition(".")[2].lstrip("0123456789")
