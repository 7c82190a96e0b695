"""
One state tested by itself: AWS's TestState API, here.

Nothing is waited for and nothing is called: a Wait state ends at once, a Task has the result that a mock gives or that
the caller's own *tasks* answer.  Source: AWS API, TestState; AWS: "Testing state machines with TestState API".
"""

# ruff: noqa: PT028  (ruff takes test_state for a test too, and its parameters for fixtures)

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import attrs

from workflow_manager.asl.machine import ABSENT, Absent
from workflow_manager.asl.scope import Scope
from workflow_manager.asl.values import JSON
from workflow_manager.engine import DEFAULT_ROLE_ARN
from workflow_manager.testing.simulation import START, Tasks, _handler
from workflow_manager.testing.state_context import make_context
from workflow_manager.testing.state_errors import refuse
from workflow_manager.testing.state_mock import read_enum, read_mock
from workflow_manager.testing.state_request import (
    Definition,
    InspectionLevel,
    check_length,
    check_request,
    check_unmocked,
    find_state,
    read_configuration,
    read_context,
    read_input,
    read_object,
)
from workflow_manager.testing.state_result import StateTest
from workflow_manager.testing.state_run import StateRun
from workflow_manager.testing.state_schema import FieldValidationMode


def test_state(
    definition: Definition,
    input: JSON | Absent = ABSENT,
    *,
    state_name: str | None = None,
    mock: Mapping[str, Any] | None = None,
    variables: Mapping[str, JSON] | str | None = None,
    context: Mapping[str, JSON] | str | None = None,
    inspection_level: InspectionLevel | str = InspectionLevel.INFO,
    state_configuration: Mapping[str, Any] | None = None,
    field_validation_mode: FieldValidationMode | str | None = None,
    role_arn: str | None = None,
    reveal_secrets: bool = False,
    tasks: Tasks | None = None,
    start: datetime | None = None,
) -> StateTest:
    """
    Run one state and tell what leaves it, where it leads, and what its data was on the way.

    *definition* is one state, or with *state_name* a whole machine; *input* is an empty object unless it is given.
    Wherever a JSON value is taken, a string is JSON text, as boto3 takes it.

    *mock* is ``{"result": ...}`` or ``{"errorOutput": {"error": ..., "cause": ...}}``, with ``fieldValidationMode``
    (or *field_validation_mode*) saying how a result is held against the service's API model: STRICT, PRESENT or NONE.
    Map and Parallel need a mock.  A Task without one is answered by *tasks*, as in :func:`simulate`.

    *context* gives sections of the context object, the others are made up for it; ``EnteredTime`` is *start* (UTC).
    *state_configuration* has ``retrierRetryCount``, ``errorCausedByState``, ``mapIterationFailureCount`` and
    ``mapItemReaderData``; these and *context* need a mock.

    Raises:
        StateTestError: the request is one that AWS refuses, with AWS's code and message.
        LookupError: *tasks* is a mapping, or absent, and has nothing for the Task's resource.
    """
    check_length("roleArn", role_arn)
    check_length("stateName", state_name)
    configuration = read_configuration(state_configuration)
    level = read_enum(InspectionLevel, inspection_level, "inspectionLevel")
    mocked = read_mock(mock, field_validation_mode)
    if reveal_secrets and mocked is not None:
        raise refuse("TestState does not support RevealSecrets when a mock is specified.")
    state = find_state(definition, state_name)
    check_request(state, mocked, configuration, state_configuration)
    if mocked is None and tasks is None:
        check_unmocked(state, role_arn)
    value = {} if isinstance(input, Absent) else read_input(input)
    at = (start or START).astimezone(UTC)
    scope = Scope(
        value,
        make_context(
            state,
            value,
            read_context(context, mocked),
            role_arn=role_arn or DEFAULT_ROLE_ARN,
            retries=configuration.retrier_retry_count,
            at=at,
        ),
        read_object(variables, "Variables"),
        f"{state.name}/{configuration.retrier_retry_count}",
    )
    test = StateRun(state, scope, mocked, configuration, _handler(tasks)).run()
    return attrs.evolve(test, inspection_data={}) if level is InspectionLevel.INFO else test


test_state.__test__ = False  # type: ignore[attr-defined]  # pytest takes it for a test where it is imported
