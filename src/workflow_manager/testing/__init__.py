"""
For tests: definitions in virtual time, an AWS Batch without AWS, and the contracts of stores, runners and managers.

The contracts need pytest and are imported from :mod:`workflow_manager.testing.contracts`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workflow_manager.exceptions import TaskError
from workflow_manager.testing.kitchen_sink import kitchen_sink
from workflow_manager.testing.simulation import NEVER, Simulation, Submitted, TaskCall, simulate
from workflow_manager.testing.state_errors import StateTestError
from workflow_manager.testing.state_result import StateTest, StateTestStatus
from workflow_manager.testing.state_test import test_state

if TYPE_CHECKING:
    from workflow_manager.testing.fake_batch import Delays, FakeBatch, Fault, JobEnd, JobRun

_FAKE_BATCH = ("Delays", "FakeBatch", "Fault", "JobEnd", "JobRun")

__all__ = [
    "NEVER",
    "Delays",
    "FakeBatch",
    "Fault",
    "JobEnd",
    "JobRun",
    "Simulation",
    "StateTest",
    "StateTestError",
    "StateTestStatus",
    "Submitted",
    "TaskCall",
    "TaskError",
    "kitchen_sink",
    "simulate",
    "test_state",
]


def __getattr__(name: str) -> object:
    """The fake AWS Batch loads when it is asked for: whoever simulates a definition has no use for it."""
    if name not in _FAKE_BATCH:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from workflow_manager.testing import fake_batch

    return getattr(fake_batch, name)
