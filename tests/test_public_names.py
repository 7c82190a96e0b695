"""The public names: removing one is a decision, never an accident."""

from __future__ import annotations

import workflow_manager

NAMES = """
ActivityWorker AsyncWorkflowService BatchWorkflowManager ConflictError DefinitionError DynamoDBResults DynamoDBStore
HistoryEvent HistoryEventType InvalidValueError Job JobAttempt JobResults JobStatus LocalWorkflowManager
ManagerClosedError MemoryResults MemoryStore MultiWorkflowManager NotFoundError Page PageTokenError Problem
ResourceType S3Results SQLiteStore Severity StateMachine StateResource StepFunctionsWorkflowManager Store StoreError
TaskError TaskRunner TaskTokenError UnknownResourceError WaitTimeoutError Workflow WorkflowDefinition WorkflowManager
WorkflowManagerError WorkflowQuery WorkflowService WorkflowStatus WorkflowStatusError as_completed wait wait_any
""".split()


def test_the_package_shows_exactly_these_names():
    """``workflow_manager.__all__`` is this list and nothing else."""
    assert NAMES == sorted(workflow_manager.__all__)


def test_every_public_name_is_there():
    """``from workflow_manager import *`` brings in every name of ``__all__`` and nothing else."""
    namespace: dict[str, object] = {}
    exec("from workflow_manager import *", namespace)

    assert NAMES == sorted(set(namespace) - {"__builtins__"})


def test_public_names_are_listed_by_dir():
    """``dir(workflow_manager)`` offers every public name, loaded or not, so that a prompt completes it."""
    assert set(NAMES) <= set(dir(workflow_manager))


def test_an_unknown_name_is_an_attribute_error():
    """Names that are loaded on first use still fail as attributes do."""
    assert not hasattr(workflow_manager, "NoSuchName")


def test_every_public_error_has_the_one_root():
    """Whatever the library raises on purpose is a WorkflowManagerError."""
    errors = [getattr(workflow_manager, name) for name in NAMES if name.endswith("Error")]

    assert all(issubclass(error, workflow_manager.WorkflowManagerError) for error in errors)


def test_every_public_name_is_explained():
    """Every public class and function has a docstring of its own."""
    objects = {name: getattr(workflow_manager, name) for name in NAMES}

    assert [] == [name for name, value in objects.items() if callable(value) and not (value.__doc__ or "").strip()]
