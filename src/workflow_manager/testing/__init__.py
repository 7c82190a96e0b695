"""
For tests: definitions run in virtual time, and the contracts that stores, runners and managers obey.

The contracts need pytest and are imported from :mod:`workflow_manager.testing.contracts`.
"""

from workflow_manager.exceptions import TaskError
from workflow_manager.testing.kitchen_sink import kitchen_sink
from workflow_manager.testing.simulation import NEVER, Simulation, Submitted, TaskCall, simulate

__all__ = ["NEVER", "Simulation", "Submitted", "TaskCall", "TaskError", "kitchen_sink", "simulate"]
