"""The operations that an HTTP API, a command line, a notebook or a cron job wraps, over any store and any manager."""

from workflow_manager.service.aio import AsyncWorkflowService
from workflow_manager.service.bulk import Progress
from workflow_manager.service.core import WorkflowService
from workflow_manager.service.limits import StartLimits
from workflow_manager.service.pending import PendingUpdate

__all__ = ["AsyncWorkflowService", "PendingUpdate", "Progress", "StartLimits", "WorkflowService"]
