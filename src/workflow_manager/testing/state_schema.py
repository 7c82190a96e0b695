"""
Whether a mocked result looks like what the service would answer.

The service's own API model says what its answer looks like; it comes with botocore.  Step Functions writes member names
with a capital first letter, timestamps and blobs as strings, and adds members of its own, so unknown members pass.
Source: AWS API, MockInput (``fieldValidationMode``); AWS: "Learning to use AWS service SDK integrations".
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from workflow_manager.asl.resources import IntegrationPattern, TaskKind, TaskResource
from workflow_manager.asl.values import JSON, type_name
from workflow_manager.testing.state_errors import StateTestError, refuse


class FieldValidationMode(StrEnum):
    """
    How a mocked result is held against the API's model (AWS API: MockInput).

    STRICT: what is required is there, and what is there has the right type.  PRESENT: what is there has the right type.
    NONE: it is JSON.
    """

    STRICT = "STRICT"
    PRESENT = "PRESENT"
    NONE = "NONE"


# Step Functions names services as the AWS SDK for Java does.  Where botocore's name is not that one with hyphens in it:
_SERVICES: Mapping[str, str] = {
    "applicationdiscovery": "discovery",
    "cloudwatchlogs": "logs",
    "cognitoidentityprovider": "cognito-idp",
    "costandusagereport": "cur",
    "costexplorer": "ce",
    "databasemigration": "dms",
    "directory": "ds",
    "elasticloadbalancing": "elb",
    "elasticloadbalancingv2": "elbv2",
    "elasticmapreduce": "emr",
    "elasticsearch": "es",
    "eventbridge": "events",
    "iotdataplane": "iot-data",
    "iotjobsdataplane": "iot-jobs-data",
    "lexmodelbuilding": "lex-models",
    "lexmodelsv2": "lexv2-models",
    "lexruntime": "lex-runtime",
    "lexruntimev2": "lexv2-runtime",
    "marketplacemetering": "meteringmarketplace",
    "migrationhub": "mgh",
    "pinpointsmsvoice": "sms-voice",
    "serverlessapplicationrepository": "serverlessrepo",
    "sfn": "stepfunctions",
    "states": "stepfunctions",
}
_TYPES: Mapping[str, str] = {
    "string": "string",
    "timestamp": "string",
    "blob": "string",
    "boolean": "boolean",
    "integer": "number",
    "long": "number",
    "float": "number",
    "double": "number",
    "bigdecimal": "number",
    "list": "array",
    "map": "object",
    "structure": "object",
}


def check_result(resource: TaskResource, result: JSON, mode: FieldValidationMode) -> None:
    """
    Refuse a mocked *result* of a request-response service integration that its API could not have answered.

    Nothing is known, and nothing refused, of functions, activities, jobs (``.sync``), callbacks, and integrations that
    are no API of botocore's (``http:invoke``).  Types, lengths and ranges are looked at; patterns and enumerations are
    not, for services extend them.

    Raises:
        StateTestError: the first thing that is wrong.
    """
    if (
        mode is FieldValidationMode.NONE
        or resource.kind is not TaskKind.SERVICE
        or resource.pattern is not IntegrationPattern.REQUEST_RESPONSE
    ):
        return
    model = _model(resource.resource_type.removeprefix("aws-sdk:"))
    action = resource.resource.lower()
    operation = next((it for name, it in model.get("operations", {}).items() if name.lower() == action), None)
    if operation is None or "output" not in operation:
        return
    shapes = model["shapes"]
    shape = shapes[operation["output"]["shape"]]
    if not isinstance(result, Mapping):
        raise refuse("Mocked result must be a JSON object.")
    _Checker(shapes, strict=mode is FieldValidationMode.STRICT).members(result, shape)


@functools.lru_cache(maxsize=8)
def _model(service: str) -> Mapping[str, Any]:
    """The API model that botocore has of *service*, as Step Functions names it; empty where there is none."""
    from botocore.loaders import Loader

    loader = Loader()
    known = {name.replace("-", ""): name for name in loader.list_available_services("service-2")}
    name = _SERVICES.get(service) or known.get(service)
    model: Mapping[str, Any] = loader.load_service_model(name, "service-2") if name is not None else {}
    return model


class _Checker:
    """Holds values against the *shapes* of one API model."""

    def __init__(self, shapes: Mapping[str, Any], *, strict: bool) -> None:
        self._shapes = shapes
        self._strict = strict

    def members(self, value: Mapping[str, JSON], shape: Mapping[str, Any]) -> None:
        """The members of a structure."""
        members: Mapping[str, Any] = shape.get("members", {})
        given = {name.lower(): name for name in value if name[:1].isupper()}
        for name in shape.get("required", ()) if self._strict else ():
            if name.lower() not in given:
                raise _bad(f"Required field '{name[:1].upper()}{name[1:]}' is missing")
        for name, member in members.items():
            spelled = given.get(name.lower())
            if spelled is not None and not self._is_body(shape, name):
                self.value(value[spelled], self._shapes[member["shape"]], spelled)

    def _is_body(self, shape: Mapping[str, Any], name: str) -> bool:
        """Whether the member is the raw body of the answer, of which Step Functions makes JSON (Lambda's Payload)."""
        return shape.get("payload") == name and self._shapes[shape["members"][name]["shape"]]["type"] == "blob"

    def value(self, value: JSON, shape: Mapping[str, Any], field: str) -> None:
        """A *value* anywhere within *field*."""
        expected = _TYPES.get(shape["type"])
        if expected is None or shape.get("document"):
            return
        if type_name(value) != expected:
            raise _bad(f"Field '{field}' must be {'an' if expected[0] in 'ao' else 'a'} {expected}")
        self._bounds(value, shape, field)
        if isinstance(value, Mapping):
            if shape["type"] == "structure":
                self.members(value, shape)
                return
            for key, item in value.items():
                self.value(item, self._shapes[shape["value"]["shape"]], key)
        elif isinstance(value, list):
            for item in value:
                self.value(item, self._shapes[shape["member"]["shape"]], field)

    def _bounds(self, value: JSON, shape: Mapping[str, Any], field: str) -> None:
        if isinstance(value, bool) or value is None:
            return
        kind, size = ("value", value) if isinstance(value, int | float) else ("length", len(value))
        if "min" in shape and size < shape["min"]:
            raise _bad(f"Field '{field}' is smaller than the minimum {kind}")
        if "max" in shape and size > shape["max"]:
            raise _bad(f"Field '{field}' is larger than the maximum {kind}")


def _bad(reason: str) -> StateTestError:
    return refuse(f"Mock result schema validation error: {reason}")
