"""What a job of AWS Batch is given: its environment, read the way the manager and upstream write it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

ERROR_MEMBER = "_BATCH_ERROR"
"""The one member of what a failed job leaves: an object with ``error`` and ``cause``."""


class Results(Protocol):
    """Where results are: JSON values by job id."""

    def save(self, job_id: str, result: Any, /) -> None: ...

    def load(self, job_ids: Iterable[str], /) -> Mapping[str, Any]: ...


class JobInputError(Exception):
    """The job's environment is not as the manager makes it, or a dependency has left no result."""


class ResultTooLargeError(JobInputError):
    """A result that has no room where results are kept."""


class JobInput:
    """
    What stands in *environment* and in *results*.

    *start* is the item of an array's child, else the value of ``_BATCH_START``; *dependencies* are the results of the
    jobs that this one waited for, in their order.
    """

    def __init__(self, environment: Mapping[str, str], results: Results) -> None:
        variables = {**environment, **_by_reference(environment, results)}
        self.job_id = job_id(environment)
        self.does_nothing = bool(variables.get("_BATCH_JOIN"))
        self.has_start = bool(variables.get("_BATCH_START"))
        self.start = _json(variables, "_BATCH_START") if self.has_start else None
        index = environment.get("AWS_BATCH_JOB_ARRAY_INDEX", "")
        if index and isinstance(self.start, list):
            self.start = self.start[int(index)]
        self.template = _json(variables, "_BATCH_INPUT") if variables.get("_BATCH_INPUT") else None
        ids = [each for each in variables.get("_BATCH_DEPENDENCIES", "").split(",") if each]
        found = results.load(ids) if ids else {}
        self._found = {each: _output(found.get(each, {})) for each in ids}

    @property
    def dependencies(self) -> list[Any]:
        """The results of the jobs that this one waited for; one that has left none counts as an empty object."""
        return list(self._found.values())

    def value(self) -> Any:
        """The input as one JSON value: the start, the only result, or the list of results."""
        if self.template is not None:
            return self._filled(self.template)
        if not self._found:
            return self.start
        return self.dependencies[0] if len(self._found) == 1 else self.dependencies

    def _filled(self, template: Any) -> Any:
        if template is None:
            return self.start
        return [self._filled(part) for part in template] if isinstance(template, list) else self._found[template]

    def arguments(self) -> list[str]:
        """The input as arguments of a command: arrays are spread, strings bare, all else is JSON text."""
        values = [self.start] if self.has_start else []
        return [text for value in (*values, *self.dependencies) for text in _arguments(value)]


def _output(result: Any) -> Any:
    """The output of a job that has succeeded; what an earlier attempt of it left when it failed is none."""
    return {} if isinstance(result, dict) and ERROR_MEMBER in result else result


def _by_reference(environment: Mapping[str, str], results: Results) -> Mapping[str, str]:
    """The variables that were too large to be sent."""
    key = environment.get("_BATCH_REF")
    if not key:
        return {}
    found = results.load([key]).get(key)
    if not isinstance(found, Mapping):
        raise JobInputError(f"the results store has nothing under {key}")
    return found


def _json(variables: Mapping[str, str], name: str) -> Any:
    try:
        return json.loads(variables[name])
    except ValueError as error:
        raise JobInputError(f"{name} is invalid JSON: {error}") from None


def _arguments(value: Any) -> list[str]:
    if isinstance(value, list):
        return [part if isinstance(part, str) else json_text(part) for part in value]
    if value is None or value == {}:
        return []
    return [value if isinstance(value, str) else json_text(value)]


def json_text(value: Any) -> str:
    """*value* as compact JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def job_id(environment: Mapping[str, str]) -> str:
    """
    The job's id, that of a child with its index.

    Raises:
        JobInputError: this is no job of AWS Batch.
    """
    found, index = environment.get("AWS_BATCH_JOB_ID", ""), environment.get("AWS_BATCH_JOB_ARRAY_INDEX", "")
    if not found:
        raise JobInputError("AWS_BATCH_JOB_ID is not set: this does not run in a job of AWS Batch")
    return found if not index or ":" in found else f"{found}:{index}"


def read_text(text: str) -> Any:
    """The JSON value of *text*, else the text itself; NaN, Infinity and what is nested beyond reason are no JSON."""
    try:
        return json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError):
        return text


def _refuse(name: str) -> Any:
    raise ValueError(name)


def _finite(digits: str) -> float:
    number = float(digits)
    return _refuse(digits) if number in {float("inf"), float("-inf")} else number
