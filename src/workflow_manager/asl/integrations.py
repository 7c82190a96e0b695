"""
What Step Functions itself checks of the Parameters of its optimised integrations, before it calls anything.

Source: AWS, "Create an API Gateway REST API with Step Functions" (Headers and QueryParameters are lists of strings by
name).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from workflow_manager.asl.errors import ErrorName, StatesError
from workflow_manager.asl.resources import TaskResource
from workflow_manager.asl.values import JSON, dumps


def _lists_by_name(value: JSON) -> bool:
    return isinstance(value, Mapping) and all(isinstance(item, list) for item in value.values())


_FORMATS: Mapping[tuple[str, str], Mapping[str, Callable[[JSON], bool]]] = {
    ("apigateway", "invoke"): {"Headers": _lists_by_name, "QueryParameters": _lists_by_name},
}


def check_parameters(resource: TaskResource, parameters: JSON) -> None:
    """
    Refuse parameters whose format Step Functions refuses.

    Raises:
        StatesError: States.Runtime, naming the fields.
    """
    action = resource.resource.partition(".")[0]
    formats = _FORMATS.get((resource.resource_type, action))
    if formats is None or not isinstance(parameters, Mapping):
        return
    wrong = [name for name, holds in formats.items() if name in parameters and not holds(parameters[name])]
    if wrong:
        reasons = ", ".join(f"The value of the field '{name}' has an invalid format" for name in wrong)
        cause = f"The Parameters '{dumps(parameters)}' could not be used to start the Task: [{reasons}]"
        raise StatesError(ErrorName.RUNTIME, cause)
