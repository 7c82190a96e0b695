"""
For tests: definitions run in virtual time, and the contracts that stores, runners and managers obey.

The contracts need pytest and are imported from :mod:`workflow_manager.testing.contracts`.
"""

from workflow_manager.exceptions import TaskError
from workflow_manager.testing.kitchen_sink import kitchen_sink
from workflow_manager.testing.simulation import NEVER, Simulation, Submitted, TaskCall, simulate
from workflow_manager.testing.state_errors import StateTestError
from workflow_manager.testing.state_result import StateTest, StateTestStatus
from workflow_manager.testing.state_test import test_state

__all__ = [
    "NEVER",
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
