"""Workflows whose engine is AWS Step Functions itself: state machines, executions, histories."""

from workflow_manager.managers.step_functions.logs import LogSetup
from workflow_manager.managers.step_functions.manager import StepFunctionsWorkflowManager
from workflow_manager.managers.step_functions.pacing import Pacer

__all__ = ["LogSetup", "Pacer", "StepFunctionsWorkflowManager"]
