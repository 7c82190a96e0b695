"""
Tasks that are calls of AWS's own services, for every service by one mechanism: the service's model in botocore.

Sources: AWS, "Learning to use AWS service SDK integrations", "Integrating optimized services with Step Functions".
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from typing import Any

import attrs

from workflow_manager.asl.errors import ErrorName
from workflow_manager.asl.resources import IntegrationPattern, TaskKind, TaskResource
from workflow_manager.asl.values import JSON, dumps, loads
from workflow_manager.engine.pending import PendingTask
from workflow_manager.exceptions import TaskError, UnknownResourceError
from workflow_manager.managers.aws_clients import AwsClients
from workflow_manager.managers.aws_errors import function_error, is_passing, response_of, task_error
from workflow_manager.managers.aws_jobs import JOBS, JobKind, at, ended
from workflow_manager.managers.aws_names import first_upper
from workflow_manager.managers.aws_shapes import blob_text, from_response, to_request

_SDK = "aws-sdk:"
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})


class Style(Enum):
    """How a call is written in the definition, which decides how its answer and its errors look."""

    SDK = auto()  # arn:aws:states:::aws-sdk:s3:getObject
    OPTIMISED = auto()  # arn:aws:states:::sqs:sendMessage
    FUNCTION = auto()  # arn:aws:lambda:…:function:name


@attrs.frozen(kw_only=True)
class AwsTask:
    """
    One operation of one service, which can do every task of its resource.

    *job* tells how what it starts is followed, for a ``.sync`` resource, and *reads_texts* whether JSON text in the job
    is read, for its second version.  *raw* leaves blobs as they are: S3's objects, for a distributed Map.
    """

    clients: AwsClients
    service: str
    operation: str
    style: Style
    job: JobKind | None = None
    reads_texts: bool = False
    raw: bool = False

    def call(self, task: PendingTask) -> JSON:
        """
        Do *task*, and return what its state gets: the answer as JSON, for a ``.sync`` resource the receipt.

        Raises:
            TaskError: the service refuses or cannot be reached, or the parameters do not fit.
        """
        if self.style is Style.FUNCTION:
            parameters: JSON = {"FunctionName": task.resource.text, "Payload": task.input}
        else:
            parameters = task.input if task.input is not None else {}
        return self._call(self.operation, parameters, task.credentials)

    def look(self, task: PendingTask, receipt: JSON) -> JSON | None:
        """
        The job that *task* has started, once it has ended well; ``None`` while it goes on.

        Raises:
            TaskError: States.TaskFailed with the job as its cause: it has ended badly; or the service does not tell.
        """
        assert self.job is not None
        try:
            answer = self._about(self.job.describe, self.job.by, task, receipt)
        except TaskError as exc:
            if exc.__cause__ is not None and is_passing(exc.__cause__):
                return None  # the job goes on, whether or not we can see it
            raise
        job = at(answer, self.job.found)
        well = ended(self.job, job)
        if well is None:
            return None
        if not well:
            raise TaskError(ErrorName.TASK_FAILED.value, dumps(job))
        return self._read(job)

    def stop(self, task: PendingTask, receipt: JSON) -> None:
        """
        End the job that *task* has started.

        Raises:
            TaskError: the service refuses.
        """
        if self.job is not None and self.job.stop is not None:
            self._about(self.job.stop, self.job.stop_by, task, receipt)

    def _about(self, operation: str, by: Mapping[str, str], task: PendingTask, receipt: JSON) -> JSON:
        known: JSON = {"Input": task.input, "Receipt": receipt}
        if any(path.startswith("Receipt") and at(known, path) is None for path in by.values()):
            raise TaskError(ErrorName.TASK_FAILED.value, dumps(receipt))  # nothing was started
        members = self._client(task.credentials).meta.service_model.operation_model(operation).input_shape.members
        lists = {first_upper(name) for name, shape in members.items() if shape.type_name == "list"}
        parameters = {name: [at(known, path)] if name in lists else at(known, path) for name, path in by.items()}
        answer = self._call(operation, parameters, task.credentials)
        assert isinstance(answer, Mapping)
        return {key: item for key, item in answer.items() if key not in _METADATA}

    def _read(self, job: JSON) -> JSON:
        if self.job is None or not self.reads_texts or not isinstance(job, Mapping):
            return job
        texts = self.job.texts
        return {key: loads(item) if key in texts and isinstance(item, str) else item for key, item in job.items()}

    # The call itself

    @property
    def _has_json_blobs(self) -> bool:
        return self.style is not Style.SDK and not self.raw

    def _client(self, credentials: JSON) -> Any:
        client = self.clients.find(self.service, _role(credentials))
        if client is None:
            raise TaskError(ErrorName.RUNTIME.value, f"there is no client for {self.service}")
        return client

    def _call(self, operation: str, parameters: JSON, credentials: JSON) -> JSON:
        try:
            return self._call_once(operation, parameters, credentials)
        except TaskError as exc:
            role = _role(credentials)
            if role is None or exc.__cause__ is None or not _has_expired(exc.__cause__):
                raise
            self.clients.forget_role(role)
        return self._call_once(operation, parameters, credentials)

    def _call_once(self, operation: str, parameters: JSON, credentials: JSON) -> JSON:
        client = self._client(credentials)
        shapes = client.meta.service_model.operation_model(operation)
        request = _request(shapes, parameters, json_blobs=self._has_json_blobs)
        try:
            return self._answer(shapes, _method(client, operation)(**request))
        except TaskError:
            raise
        except Exception as exc:
            raise task_error(exc, client.meta.service_model, optimised=self.style is not Style.SDK) from exc

    def _answer(self, shapes: Any, answer: Mapping[str, Any]) -> JSON:
        if "FunctionError" in answer and self.style is not Style.SDK:
            text = blob_text(answer["Payload"].read())
            payload = blob_text(str(text), as_json=True)
            raise function_error(payload, str(text) if self.style is Style.FUNCTION else None)
        optimised = self.style is not Style.SDK
        shape = shapes.output_shape
        out = {} if shape is None else from_response(shape, answer, json_blobs=self._has_json_blobs, raw=self.raw)
        if self.style is Style.FUNCTION:
            payload = out.get("Payload")
            return None if payload == "" else payload
        if optimised and out.get("FailedEntryCount"):
            raise TaskError("EventBridge.FailedEntry", dumps(out))
        if optimised and not self.raw:
            out = {**out, **_metadata(answer.get("ResponseMetadata") or {})}
        return out


def _role(credentials: JSON) -> str | None:
    role = credentials.get("roleArn") if isinstance(credentials, Mapping) else None
    return role if isinstance(role, str) else None


def _has_expired(problem: BaseException) -> bool:
    response = response_of(problem)
    return response is not None and response["Error"].get("Code") in _EXPIRED


def _request(shapes: Any, parameters: JSON, *, json_blobs: bool) -> Any:
    if shapes.input_shape is not None:
        return to_request(shapes.input_shape, parameters, json_blobs=json_blobs)
    if parameters:
        raise TaskError(ErrorName.RUNTIME.value, f"{shapes.name} takes no parameters.")
    return {}


def _method(client: Any, operation: str) -> Any:
    names = client.meta.method_to_api_mapping
    return getattr(client, next(name for name, api in names.items() if api == operation))


_METADATA = ("SdkHttpMetadata", "SdkResponseMetadata")


def _metadata(about: Mapping[str, Any]) -> dict[str, JSON]:
    """What optimised integrations add to an answer, from botocore's ResponseMetadata."""
    headers: dict[str, str] = {str(name): str(value) for name, value in (about.get("HTTPHeaders") or {}).items()}
    http: dict[str, JSON] = {
        "AllHttpHeaders": {name: [value] for name, value in headers.items()},
        "HttpHeaders": headers,
        "HttpStatusCode": about.get("HTTPStatusCode"),
    }
    return {"SdkHttpMetadata": http, "SdkResponseMetadata": {"RequestId": about.get("RequestId")}}


class AwsCalls:
    """Finds, for a resource, the call that it means."""

    def __init__(self, clients: AwsClients) -> None:
        self._clients = clients
        self._found: dict[str, AwsTask] = {}

    def find(self, resource: TaskResource, *, state: str, namespace: str) -> AwsTask | None:
        """
        The call that *resource* means; ``None`` if it is none, or there is no client for it.

        Raises:
            UnknownResourceError: it is a call that cannot be made, for the reason given.
        """
        if not self._clients or resource.kind not in (TaskKind.SERVICE, TaskKind.LAMBDA):
            return None
        if resource.text not in self._found:
            try:
                self._found[resource.text] = self._make(resource)
            except Exception as exc:  # a client may be refused for want of a region, and for much else
                raise UnknownResourceError(state, resource.text, namespace, str(exc)) from exc
        return self._found[resource.text]

    def _make(self, resource: TaskResource) -> AwsTask:
        if resource.kind is TaskKind.LAMBDA:
            function = AwsTask(clients=self._clients, service="lambda", operation="Invoke", style=Style.FUNCTION)
            return self._checked(function)
        style = Style.SDK if resource.resource_type.startswith(_SDK) else Style.OPTIMISED
        service = resource.resource_type.removeprefix(_SDK)
        action = resource.resource.partition(".")[0]
        if service == "bedrock" and action == "invokeModel" and style is Style.OPTIMISED:
            service = "bedrock-runtime"
        job = JOBS.get((service, action)) if style is Style.OPTIMISED else None
        follows = resource.pattern is IntegrationPattern.SYNC
        if follows and job is None:
            raise LookupError(f"there is no way here to follow what {service}:{action} starts")
        return self._checked(
            AwsTask(
                clients=self._clients,
                service=service,
                operation=first_upper(action),
                style=style,
                job=job if follows else None,
                reads_texts=resource.resource.endswith(":2"),
                raw=style is Style.OPTIMISED and service == "s3",
            )
        )

    def _checked(self, call: AwsTask) -> AwsTask:
        client = self._clients.find(call.service)
        if client is None:
            raise LookupError(f"there is no client for the service {call.service!r}")
        model = client.meta.service_model
        if call.operation not in model.operation_names:
            raise LookupError(f"{model.service_id} has no operation {call.operation!r}")
        return call
