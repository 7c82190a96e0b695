"""What the service asks of definitions and inputs, and what it says in the log."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from workflow_manager.asl.validate import validate
from workflow_manager.asl.values import JSON
from workflow_manager.exceptions import DefinitionError, Severity
from workflow_manager.models import Workflow, WorkflowDefinition

logger = logging.getLogger("workflow_manager")


def logged(what: str, workflow: Workflow) -> Workflow:
    """*workflow*, after a line in the log that says by its fields which one it is, and nothing of what it carries."""
    definition = workflow.workflow_definition
    fields = {
        "operation": what,
        "workflow_id": workflow.id,
        "definition": definition.name,
        "definition_version": definition.version,
        "manager": definition.manager,
        "workflow_status": workflow.status.value,
        "retry_for": workflow.retry_for,
    }
    logger.info("workflow %s: %s", workflow.id, what, extra=fields)
    return workflow


def check(definition: WorkflowDefinition) -> None:
    """
    Make sure that *definition* can run.

    Raises:
        DefinitionError: it cannot; every problem that is an error is in it.
    """
    errors = [problem for problem in validate(definition.state_machine) if problem.severity is Severity.ERROR]
    if errors:
        raise DefinitionError(errors)


def says_the_same(one: WorkflowDefinition, other: WorkflowDefinition) -> bool:
    """Whether a store would take the two for one version."""
    return (one.state_machine, one.manager, dict(one.default_tags)) == (
        other.state_machine,
        other.manager,
        dict(other.default_tags),
    )


def is_same(one: JSON, other: JSON) -> bool:
    """Whether two JSON values are the same, the order of an object's names aside; ``true`` is not 1, but 1 is 1.0."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(is_same(item, other[name]) for name, item in one.items())
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(is_same, one, other))
    return one == other and isinstance(one, bool) is isinstance(other, bool)
