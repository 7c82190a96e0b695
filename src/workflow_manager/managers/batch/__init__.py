"""Workflows whose tasks are jobs of AWS Batch."""

from workflow_manager.aws import Patience
from workflow_manager.managers.batch.manager import BatchWorkflowManager, JobsStillRunningError
from workflow_manager.managers.batch.plan import Plan, PlannedJob, Submission
from workflow_manager.managers.batch.results import (
    DirectoryResults,
    DynamoDBResults,
    JobResults,
    MemoryResults,
    S3Results,
)

__all__ = [
    "BatchWorkflowManager",
    "DirectoryResults",
    "DynamoDBResults",
    "JobResults",
    "JobsStillRunningError",
    "MemoryResults",
    "Patience",
    "Plan",
    "PlannedJob",
    "S3Results",
    "Submission",
]
