"""
Workflows in the Amazon States Language, run in this process, on AWS Batch or on AWS Step Functions.

The names below load on first use, so that ``import workflow_manager`` costs little and brings in neither boto3 nor
anything else that was not asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workflow_manager.asl.machine import StateMachine
    from workflow_manager.exceptions import (
        ConflictError,
        DefinitionError,
        InvalidValueError,
        ManagerClosedError,
        NotFoundError,
        PageTokenError,
        Problem,
        Severity,
        StoreError,
        TaskError,
        TaskTokenError,
        UnknownResourceError,
        WaitTimeoutError,
        WorkflowManagerError,
        WorkflowStatusError,
    )
    from workflow_manager.history import HistoryEvent, HistoryEventType
    from workflow_manager.managers.batch import (
        BatchWorkflowManager,
        DynamoDBResults,
        JobResults,
        MemoryResults,
        S3Results,
    )
    from workflow_manager.managers.local import LocalWorkflowManager
    from workflow_manager.managers.multi import MultiWorkflowManager
    from workflow_manager.managers.step_functions import StepFunctionsWorkflowManager
    from workflow_manager.managers.wait import as_completed, wait, wait_any
    from workflow_manager.models import (
        Job,
        JobAttempt,
        JobStatus,
        Page,
        ResourceType,
        StateResource,
        Workflow,
        WorkflowDefinition,
        WorkflowQuery,
        WorkflowStatus,
    )
    from workflow_manager.protocols import Store, TaskRunner, WorkflowManager
    from workflow_manager.service.aio import AsyncWorkflowService
    from workflow_manager.service.core import WorkflowService
    from workflow_manager.stores.dynamodb import DynamoDBStore
    from workflow_manager.stores.memory import MemoryStore
    from workflow_manager.stores.sqlite import SQLiteStore
    from workflow_manager.workers.activity import ActivityWorker

_HOMES = {
    "workflow_manager.asl.machine": ("StateMachine",),
    "workflow_manager.exceptions": (
        "ConflictError",
        "DefinitionError",
        "InvalidValueError",
        "ManagerClosedError",
        "NotFoundError",
        "PageTokenError",
        "Problem",
        "Severity",
        "StoreError",
        "TaskError",
        "TaskTokenError",
        "UnknownResourceError",
        "WaitTimeoutError",
        "WorkflowManagerError",
        "WorkflowStatusError",
    ),
    "workflow_manager.history": ("HistoryEvent", "HistoryEventType"),
    "workflow_manager.managers.batch": (
        "BatchWorkflowManager",
        "DynamoDBResults",
        "JobResults",
        "MemoryResults",
        "S3Results",
    ),
    "workflow_manager.managers.local": ("LocalWorkflowManager",),
    "workflow_manager.managers.multi": ("MultiWorkflowManager",),
    "workflow_manager.managers.step_functions": ("StepFunctionsWorkflowManager",),
    "workflow_manager.managers.wait": ("as_completed", "wait", "wait_any"),
    "workflow_manager.models": (
        "Job",
        "JobAttempt",
        "JobStatus",
        "Page",
        "ResourceType",
        "StateResource",
        "Workflow",
        "WorkflowDefinition",
        "WorkflowQuery",
        "WorkflowStatus",
    ),
    "workflow_manager.protocols": ("Store", "TaskRunner", "WorkflowManager"),
    "workflow_manager.service.aio": ("AsyncWorkflowService",),
    "workflow_manager.service.core": ("WorkflowService",),
    "workflow_manager.stores.dynamodb": ("DynamoDBStore",),
    "workflow_manager.stores.memory": ("MemoryStore",),
    "workflow_manager.stores.sqlite": ("SQLiteStore",),
    "workflow_manager.workers.activity": ("ActivityWorker",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "ActivityWorker",
    "AsyncWorkflowService",
    "BatchWorkflowManager",
    "ConflictError",
    "DefinitionError",
    "DynamoDBResults",
    "DynamoDBStore",
    "HistoryEvent",
    "HistoryEventType",
    "InvalidValueError",
    "Job",
    "JobAttempt",
    "JobResults",
    "JobStatus",
    "LocalWorkflowManager",
    "ManagerClosedError",
    "MemoryResults",
    "MemoryStore",
    "MultiWorkflowManager",
    "NotFoundError",
    "Page",
    "PageTokenError",
    "Problem",
    "ResourceType",
    "S3Results",
    "SQLiteStore",
    "Severity",
    "StateMachine",
    "StateResource",
    "StepFunctionsWorkflowManager",
    "Store",
    "StoreError",
    "TaskError",
    "TaskRunner",
    "TaskTokenError",
    "UnknownResourceError",
    "WaitTimeoutError",
    "Workflow",
    "WorkflowDefinition",
    "WorkflowManager",
    "WorkflowManagerError",
    "WorkflowQuery",
    "WorkflowService",
    "WorkflowStatus",
    "WorkflowStatusError",
    "as_completed",
    "wait",
    "wait_any",
]


def __getattr__(name: str) -> object:
    """Load a public name from the room where it lives (PEP 562)."""
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
