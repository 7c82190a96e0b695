"""
Which store and which managers: told by environment variables.

==========================  ===========================================================================================
``WORKFLOW_MANAGERS``       ``local`` (default), ``batch``, ``step-functions``, or several with commas; the first runs
                            the definitions that name none
``WORKFLOW_STORE``          path of an SQLite file (default ``workflows.sqlite``), or ``dynamodb:PREFIX``
``TASKS``                   local: ``module:mapping`` of resource names to functions (default: the hello tasks)
``START_LIMITS``            how many workflows may be active at once, a JSON object such as
                            ``{"definitions": {"hello-workflow": 10}, "queues": {"night": 2}}``
``DEFAULT_BATCH_QUEUE``     Batch: queue of workflows whose queue is ``default``
``CUSTOM_BATCH_QUEUES``     Batch: other names and their queues, a JSON object
``BATCH_RESULTS_TABLE``     Batch: DynamoDB table where jobs leave results (default ``workflow-results``)
``SFN_ROLE_ARN``            Step Functions: what state machines run as
``SFN_ACCOUNT_ID``          Step Functions: the account
``AWS_REGION``              where all of it is at AWS; keys are found by boto3 as usual
==========================  ===========================================================================================
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import attrs

import workflow_manager as wm
from http_api.tasks import TASKS
from workflow_manager.service import StartLimits


@attrs.frozen(kw_only=True)
class Backend:
    """A *service*, and the name of the manager that runs the definitions that name none."""

    service: wm.WorkflowService
    default_manager: str


@contextmanager
def backend(environment: Mapping[str, str]) -> Iterator[Backend]:
    """
    The backend that *environment* describes; what it holds is closed in the end.

    Raises:
        InvalidValueError: a manager is unknown, or a limit is no number from 1.
        KeyError: a variable is missing that one of the managers needs.
    """
    names = [name.strip() for name in environment.get("WORKFLOW_MANAGERS", "local").split(",")]
    with ExitStack() as stack:
        store = _store(environment, stack)
        managers = {name: _manager(name)(environment, store, stack) for name in names}
        yield Backend(
            service=wm.WorkflowService(store, wm.MultiWorkflowManager(managers), limits=_limits(environment)),
            default_manager=names[0],
        )


def _limits(environment: Mapping[str, str]) -> StartLimits | None:
    said = environment.get("START_LIMITS")
    return None if said is None else StartLimits(**json.loads(said))


def _store(environment: Mapping[str, str], stack: ExitStack) -> wm.Store:
    where = environment.get("WORKFLOW_STORE", "workflows.sqlite")
    kind, _, prefix = where.partition(":")
    if kind == "dynamodb":
        return wm.DynamoDBStore(_client(environment, "dynamodb"), prefix=prefix or "workflow-manager")
    return stack.enter_context(wm.SQLiteStore(where))


def _manager(name: str) -> Callable[[Mapping[str, str], wm.Store, ExitStack], wm.WorkflowManager]:
    known = {"local": _local, "batch": _batch, "step-functions": _step_functions}
    if name not in known:
        raise wm.InvalidValueError("WORKFLOW_MANAGERS", "", f"{name!r} is not one of {', '.join(known)}")
    return known[name]


def _local(environment: Mapping[str, str], store: wm.Store, stack: ExitStack) -> wm.WorkflowManager:
    tasks: Mapping[str, Any] = TASKS
    if "TASKS" in environment:
        module, _, attribute = environment["TASKS"].partition(":")
        tasks = getattr(importlib.import_module(module), attribute)
    return stack.enter_context(wm.LocalWorkflowManager(store, tasks=tasks))


def _batch(environment: Mapping[str, str], store: wm.Store, stack: ExitStack) -> wm.WorkflowManager:
    table = environment.get("BATCH_RESULTS_TABLE", "workflow-results")
    return wm.BatchWorkflowManager(
        _client(environment, "batch"),
        store,
        default_queue=environment.get("DEFAULT_BATCH_QUEUE", "default"),
        queues=json.loads(environment.get("CUSTOM_BATCH_QUEUES", "{}")),
        results=wm.DynamoDBResults(_client(environment, "dynamodb"), table=table),
        logs=_client(environment, "logs"),
    )


def _step_functions(environment: Mapping[str, str], store: wm.Store, stack: ExitStack) -> wm.WorkflowManager:
    return wm.StepFunctionsWorkflowManager(
        _client(environment, "stepfunctions"),
        store,
        role_arn=environment["SFN_ROLE_ARN"],
        region=environment["AWS_REGION"],
        account_id=environment["SFN_ACCOUNT_ID"],
    )


def _client(environment: Mapping[str, str], service: str) -> Any:
    import boto3

    return boto3.client(service, region_name=environment["AWS_REGION"])
