"""From history to jobs, for every backend: :class:`JobFold`, event by event, and :func:`jobs_from_history`."""

from workflow_manager.jobs.fold import SHOWN, JobFold, jobs_from_history
from workflow_manager.jobs.visits import reason

__all__ = ["SHOWN", "JobFold", "jobs_from_history", "reason"]
