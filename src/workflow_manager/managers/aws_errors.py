"""
What a boto3 client raises, as an error of the States Language.

Source: AWS, "Handling errors in Step Functions workflows" and the error names that AWS's histories show.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workflow_manager.asl.errors import ErrorName
from workflow_manager.asl.values import JSON, dumps
from workflow_manager.exceptions import TaskError
from workflow_manager.managers.aws_names import exception_name, full_title, sdk_name, short_title

_V1_NAMES = {"Amazon DynamoDB": "AmazonDynamoDBv2"}  # the others' are their titles without the spaces
_THROTTLES = ("Throttl", "TooManyRequests", "RequestLimitExceeded", "SlowDown", "LimitExceeded")
_UNKNOWN_LAMBDA = "Lambda.Unknown"


def response_of(problem: BaseException) -> Mapping[str, Any] | None:
    """The service's answer that *problem* was made of; ``None`` if no service has answered."""
    response = getattr(problem, "response", None)
    return response if isinstance(response, Mapping) and "Error" in response else None


def is_passing(problem: BaseException) -> bool:
    """Whether the same call may well succeed later: a throttle, trouble of the service's own or of the network."""
    response = response_of(problem)
    if response is None:
        return _is_sdk(problem) and type(problem).__name__ != "ParamValidationError"
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    code = str(response["Error"].get("Code", ""))
    return status >= 500 or status == 429 or any(word in code for word in _THROTTLES)


def task_error(problem: Exception, model: Any, *, optimised: bool) -> TaskError:
    """
    *problem*, raised by a client of the service *model*, as a task's failure.

    An aws-sdk call fails as ``S3.NoSuchBucketException``, with the service's own name where it has no class for the
    error (``SecretsManager.SecretsManagerException``); an *optimised* one as ``SNS.NotFoundException`` or
    ``DynamoDB.AmazonDynamoDBException``.  Where no service has answered it is ``….SdkClientException``; parameters
    that the SDK refuses are States.Runtime.

    Raises:
        Exception: *problem* itself, when it does not come from the SDK.
    """
    title = full_title(model.metadata)
    prefix = short_title(title) if optimised else sdk_name(model.service_id)
    response = response_of(problem)
    if response is not None:
        return _service_error(response, model, title, prefix, optimised=optimised)
    if not _is_sdk(problem):
        raise problem
    if type(problem).__name__ == "ParamValidationError":
        return TaskError(ErrorName.RUNTIME.value, str(problem))
    return TaskError(f"{prefix}.SdkClientException", str(problem))


def _is_sdk(problem: BaseException) -> bool:
    return type(problem).__module__.partition(".")[0] in ("boto3", "botocore", "urllib3")


def _service_error(response: Mapping[str, Any], model: Any, title: str, prefix: str, *, optimised: bool) -> TaskError:
    said, about = response["Error"], response.get("ResponseMetadata", {})
    code, message = str(said.get("Code", "")), str(said.get("Message", ""))
    status, request_id = about.get("HTTPStatusCode"), about.get("RequestId")
    shape = model.shape_for_error_code(code)
    service = title.replace(" ", "") if optimised else prefix
    name = service if shape is None else shape.name if optimised else sdk_name(shape.name)
    if optimised:
        service = _V1_NAMES.get(title, service)
        about_it = (
            f"Service: {service}; Status Code: {status}; Error Code: {code}; Request ID: {request_id}; Proxy: null"
        )
    else:
        about_it = f"Service: {service}, Status Code: {status}, Request ID: {request_id}"
        if about.get("HostId"):
            about_it += f", Extended Request ID: {about['HostId']}"
    return TaskError(f"{prefix}.{exception_name(name)}", f"{message} ({about_it})")


def function_error(payload: JSON, text: str | None = None) -> TaskError:
    """The failure of a Lambda function whose answer is *payload*; *text* is that as it came, if the cause shows it."""
    error = payload.get("errorType") if isinstance(payload, Mapping) else None
    cause = dumps(payload) if text is None else text
    return TaskError(error if isinstance(error, str) else _UNKNOWN_LAMBDA, cause)
