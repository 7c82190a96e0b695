"""
Hooks for schemathesis: half of what it makes up is led to things that are there, so that it gets past the 404s.

``HTTP_KNOWN_IDS`` has the ids of some workflows, with commas; those started meanwhile are added.
"""

from __future__ import annotations

import os
import random
from typing import Any

import schemathesis

_ids = os.environ.get("HTTP_KNOWN_IDS", "").split(",")
_NAMES = ["hello-workflow", "fails", "waits"]
_END = {"Type": "Pass", "End": True}
_BOOM = {"Type": "Fail", "Error": "Boom"}
_TASK = {"Type": "Task", "Resource": "hello-greet:1", "Next": "End"}
_ITEMS = {"Type": "Map", "ItemProcessor": {"StartAt": "End", "States": {"End": _END}}, "End": True}
_MACHINES = [
    {"StartAt": "End", "States": {"End": _END}},
    {"StartAt": "Greet", "States": {"Greet": _TASK, "End": _END}},
    {"StartAt": "Boom", "States": {"Boom": _BOOM}},
    {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 1, "Next": "Boom"}, "Boom": _BOOM}},
    {"StartAt": "Each", "States": {"Each": _ITEMS}},
]


def _chance(seed: Any) -> random.Random:
    """Chance that depends on the data only: what is found can be found again."""
    return random.Random(repr(seed))


@schemathesis.hook
def map_path_parameters(context: Any, path_parameters: Any) -> Any:
    """An id or a name that is there."""
    chance = _chance(path_parameters)
    if not isinstance(path_parameters, dict) or chance.random() < 0.3:
        return path_parameters
    path = context.operation.path
    known: dict[str, Any] = {}
    if "{id}" in path:
        known = {"id": chance.choice(_ids)}
    elif path.startswith("/workflow-definitions"):
        known = {"name": chance.choice(_NAMES)}
        if "{version}" in path:
            known["version"] = chance.choice([-1, 0, 0, 1])
    elif path.startswith("/state-resources"):
        known = {"namespace": chance.choice(["n", "m"]), "name": chance.choice("ab")}
    return {**path_parameters, **known}


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    """A definition that can run, a start of one that is there, a resume from a state that is there."""
    chance = _chance(body)
    if not isinstance(body, dict) or chance.random() < 0.3:
        return body
    path, method = context.operation.path, context.operation.method
    if path.startswith("/workflow-definitions"):
        name = chance.choice(_NAMES) if method == "put" else f"fuzz-{chance.randrange(10**6)}"
        return {"name": name, "stateMachine": chance.choice(_MACHINES)}
    if path in ("/workflows", "/jobs/"):
        return {**body, "workflowDefinition": {"name": chance.choice(_NAMES), "version": chance.choice([0, -1])}}
    if path == "/workflows/{id}":
        return {**body, "StartAt": chance.choice(["", "", "greet", "shout", "Boom", "End"])}
    if path == "/state-resources/{namespace}/{name}":
        return {**body, "namespace": chance.choice(["n", "m"]), "name": chance.choice("ab")}
    return body


@schemathesis.hook
def map_query(context: Any, query: Any) -> Any:
    """A definition that has workflows."""
    chance = _chance(query)
    if isinstance(query, dict) and context.operation.path == "/workflows" and chance.random() < 0.7:
        return {**query, "workflowDefinitionName": chance.choice(_NAMES)}
    return query


@schemathesis.hook
def after_call(context: Any, case: Any, response: Any) -> None:
    """Remember what was started."""
    if case.method.upper() == "POST" and case.path in ("/workflows", "/jobs/") and response.status_code == 200:
        _ids.append(response.json()["id"])
