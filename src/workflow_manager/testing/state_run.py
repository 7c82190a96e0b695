"""
A state under test on its way: the data before its work, the work, the data after it, and who answers a failure.

The stations are those that AWS shows for each type of state, and only as far as the state came.  Source: AWS API,
InspectionData.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from workflow_manager.asl.errors import ErrorName, StatesError
from workflow_manager.asl.integrations import check_parameters
from workflow_manager.asl.machine import Absent, ParallelState, PassState, StateType
from workflow_manager.asl.payload import Flow, Stage, error_output
from workflow_manager.asl.program import CompiledState
from workflow_manager.asl.resources import TaskKind
from workflow_manager.asl.retries import Failure, delay_seconds, find_catcher, find_retrier, matches
from workflow_manager.asl.scope import Scope
from workflow_manager.asl.values import JSON, check_json, is_larger
from workflow_manager.engine import AWS_LIMITS
from workflow_manager.engine.decide_task import time_limits, too_large
from workflow_manager.exceptions import TaskError
from workflow_manager.testing.simulation import NEVER, START, Handler, Submitted, TaskCall
from workflow_manager.testing.state_context import token_of
from workflow_manager.testing.state_map import prepare_map
from workflow_manager.testing.state_mock import Mock
from workflow_manager.testing.state_request import StateConfiguration
from workflow_manager.testing.state_result import StateTest, StateTestStatus


class _WorkFailed(Exception):
    """The state's work failed; evaluating the state did not."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure)
        self.failure = failure


class StateRun:
    """One state on its way."""

    def __init__(
        self, state: CompiledState, scope: Scope, mock: Mock | None, configuration: StateConfiguration, handler: Handler
    ) -> None:
        self.state = state
        self.scope = scope
        self.seen: dict[str, JSON] = {"input": scope.input}
        self._mock = mock
        self._configuration = configuration
        self._handler = handler
        self._shown = _shown(state)

    def run(self) -> StateTest:
        """The state from its input to its end."""
        try:
            if self.state.type is StateType.FAIL:
                return self._fail()
            flow, target = _BY_TYPE[self.state.type](self)
            return self._leave(StateTestStatus.SUCCEEDED, flow, target)
        except StatesError as error:
            return self._answer(Failure(error.error, error.cause))
        except _WorkFailed as error:
            return self._answer(error.failure)

    # ------------------------------------------------------------ the way of the data
    def watch(self, stage: Stage, value: JSON) -> None:
        """Note what the data is at a station that AWS shows for this type of state."""
        if stage in self._shown:
            self.seen[stage.value] = value

    def effective_input(self) -> JSON:
        """What the state's work gets."""
        return self.state.data.effective_input(self.scope, self.watch)

    def finish(self, result: JSON) -> tuple[Flow, str | None]:
        """What leaves the state when its work gave *result*, and where to."""
        return self.state.data.finish(self.scope, result, self.watch), self.state.next

    # ------------------------------------------------------------ work
    def mocked(self) -> JSON:
        """The mocked result; a mocked error fails the work."""
        mock = self._mock
        assert mock is not None
        if mock.failure is not None:
            raise _WorkFailed(mock.failure)
        assert not isinstance(mock.result, Absent)
        return mock.result

    def task(self) -> tuple[Flow, str | None]:
        """A Task: its mock, or the caller's answer."""
        state, scope = self.state, self.scope
        asked = self.effective_input()
        limits = time_limits(state, scope)
        if state.credentials is not None:
            state.credentials(scope)
        if state.resource.kind is TaskKind.SERVICE:
            check_parameters(state.resource, asked)
        result = self._called(asked, limits) if self._mock is None else self.mocked()
        self.seen["result"] = result
        _check_size(result, state.resource.resource_type or state.resource.text)
        return self.finish(result)

    def _called(self, asked: JSON, limits: Mapping[str, int]) -> JSON:
        call = TaskCall(
            state=self.state.name,
            resource=self.state.resource.text,
            input=asked,
            token=token_of(self.state),
            attempt=self._configuration.retrier_retry_count,
            timeout_seconds=limits.get("timeoutInSeconds"),
            heartbeat_seconds=limits.get("heartbeatInSeconds"),
            context=self.scope.context,
        )
        try:
            answer = self._handler(call)
        except TaskError as error:
            answer = error
        if isinstance(answer, Submitted):
            answer = answer.result
        if isinstance(answer, TaskError):
            raise _WorkFailed(Failure(answer.error, answer.cause))
        if answer is NEVER:
            raise _WorkFailed(Failure(ErrorName.TIMEOUT.value))
        return check_json(answer, f"the answer of state {self.state.name!r}")

    def parallel(self) -> tuple[Flow, str | None]:
        """A Parallel: its branches are mocked as a whole."""
        self.effective_input()
        return self.finish(self.mocked())

    def map(self) -> tuple[Flow, str | None]:
        """A Map: its items are real, its iterations are mocked as a whole."""
        configuration = self._configuration
        effective = self.effective_input()
        iterations = prepare_map(self.state, self.scope, effective, configuration.map_item_reader_data, self.seen)
        if configuration.map_iteration_failure_count is not None:
            iterations.check_failures(configuration.map_iteration_failure_count)
        return self.finish(self.mocked())

    def pass_on(self) -> tuple[Flow, str | None]:
        """Pass and Succeed."""
        effective = self.effective_input()
        state = self.state.state
        if isinstance(state, PassState) and not isinstance(state.result, Absent) and not self.state.is_jsonata:
            self.seen["result"] = state.result
        return self.finish(effective)

    def choice(self) -> tuple[Flow, str | None]:
        """A Choice goes where its rules say."""
        target, flow = self.state.choose(self.scope, self.effective_input())
        return flow, target

    def wait(self) -> tuple[Flow, str | None]:
        """A Wait only evaluates until when."""
        effective = self.effective_input()
        self.state.until(self.scope if self.state.is_jsonata else self.scope.on(effective), START)
        return self.finish(effective)

    # ------------------------------------------------------------ ends
    def _fail(self) -> StateTest:
        self.effective_input()
        error, cause = self.state.failure
        return self._end(StateTestStatus.FAILED, error=error(self.scope), cause=cause(self.scope))

    def _leave(
        self, status: StateTestStatus, flow: Flow, target: str | None, failure: Failure | None = None
    ) -> StateTest:
        if flow.output is not self.scope.input:
            _check_size(flow.output, self.state.name)
        if flow.assigned:
            self.scope.variables = {**self.scope.variables, **flow.assigned}
        about = failure or Failure()
        return self._end(status, output=flow.output, next_state=target, error=about.error, cause=about.cause)

    def _end(self, status: StateTestStatus, **more: Any) -> StateTest:
        if self.scope.variables:
            self.seen["variables"] = dict(self.scope.variables)
        return StateTest(status=status, inspection_data=self.seen, **more)

    def _answer(self, failure: Failure) -> StateTest:
        """Who answers *failure*: a retrier with attempts left, else a catcher, else nobody."""
        state, count = self.state, self._configuration.retrier_retry_count
        details: dict[str, JSON] = {}
        naming = (index for index, retrier in enumerate(state.retry) if matches(retrier.error_equals, failure))
        index = next(naming, None)
        if index is not None:
            self.seen["errorDetails"] = details
            details["retryIndex"] = index
            if find_retrier(state.retry, failure, {index: count}) is not None:
                delay = delay_seconds(state.retry[index], count, self.scope.seed)
                details["retryBackoffIntervalSeconds"] = int(delay)
                return self._end(StateTestStatus.RETRIABLE, error=failure.error, cause=failure.cause)
        return self._catch(failure, details)

    def _catch(self, failure: Failure, details: dict[str, JSON]) -> StateTest:
        state = self.state
        catcher = find_catcher(state.catch, failure)
        if catcher is not None:
            self.seen["errorDetails"] = details
            details["catchIndex"] = catcher
            try:
                flow = state.data.catch(catcher, self.scope, error_output(failure.error, failure.cause))
                return self._leave(StateTestStatus.CAUGHT_ERROR, flow, state.catch[catcher].next, failure)
            except StatesError as error:  # a catcher's own failure is final
                failure = Failure(error.error, error.cause)
        return self._end(StateTestStatus.FAILED, error=failure.error, cause=failure.cause)


_BY_TYPE: Mapping[StateType, Callable[[StateRun], tuple[Flow, str | None]]] = {
    StateType.PASS: StateRun.pass_on,
    StateType.SUCCEED: StateRun.pass_on,
    StateType.CHOICE: StateRun.choice,
    StateType.WAIT: StateRun.wait,
    StateType.TASK: StateRun.task,
    StateType.PARALLEL: StateRun.parallel,
    StateType.MAP: StateRun.map,
}

_BEFORE = frozenset({Stage.AFTER_INPUT_PATH, Stage.AFTER_PARAMETERS, Stage.AFTER_ARGUMENTS})
_AFTER = frozenset({Stage.AFTER_RESULT_SELECTOR, Stage.AFTER_RESULT_PATH})


def _shown(state: CompiledState) -> frozenset[Stage]:
    """
    The stations that AWS shows for a state of this kind.

    A Pass with a Result, and a Parallel, show their input's way only as far as the definition itself shapes it.
    """
    definition = state.state
    if isinstance(definition, PassState) and not isinstance(definition.result, Absent):
        return _AFTER
    if isinstance(definition, ParallelState):
        shaped = {
            Stage.AFTER_INPUT_PATH: definition.input_path != "$",
            Stage.AFTER_PARAMETERS: not isinstance(definition.parameters, Absent),
            Stage.AFTER_ARGUMENTS: not isinstance(definition.arguments, Absent),
        }
        return _AFTER | {stage for stage, said in shaped.items() if said}
    if state.type in (StateType.PASS, StateType.TASK):
        return _BEFORE | _AFTER
    if state.type is StateType.MAP:
        return _AFTER | {Stage.AFTER_INPUT_PATH}
    return frozenset({Stage.AFTER_INPUT_PATH})


def _check_size(value: JSON, name: str) -> None:
    limit = AWS_LIMITS.payload_bytes
    if limit is not None and is_larger(value, limit):
        raise StatesError(ErrorName.DATA_LIMIT_EXCEEDED, too_large(name))
