"""What a state under test came to."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import attrs

from workflow_manager.asl.values import JSON, dumps


class StateTestStatus(StrEnum):
    """How the state ended (AWS API: TestState, ``status``); RETRIABLE: a retrier would try again."""

    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    RETRIABLE = "RETRIABLE"
    CAUGHT_ERROR = "CAUGHT_ERROR"


_NO_TEXT = frozenset({"errorDetails", "maxConcurrency", "toleratedFailureCount", "toleratedFailurePercentage"})


@attrs.frozen(kw_only=True)
class StateTest:
    """
    What a state came to.

    *output* is a JSON value: what leaves the state when it SUCCEEDED or an error was caught, else ``None``.
    *inspection_data* has the members of AWS's InspectionData under AWS's names, as JSON values: what was seen up to the
    end or the failure.  It is empty at the level INFO.
    """

    status: StateTestStatus
    output: JSON = None
    error: str | None = None
    cause: str | None = None
    next_state: str | None = None
    inspection_data: Mapping[str, JSON] = attrs.field(factory=dict)

    def to_aws(self) -> dict[str, Any]:
        """The answer as boto3's ``test_state`` gives it: camelCase, absent members left out, data as JSON text."""
        answer: dict[str, Any] = {"status": self.status.value}
        if self.status in (StateTestStatus.SUCCEEDED, StateTestStatus.CAUGHT_ERROR):
            answer["output"] = dumps(self.output)
        texts = {"error": self.error, "cause": self.cause, "nextState": self.next_state}
        answer.update((name, text) for name, text in texts.items() if text is not None)
        if self.inspection_data:
            answer["inspectionData"] = {
                name: value if name in _NO_TEXT else dumps(value) for name, value in self.inspection_data.items()
            }
        return answer
