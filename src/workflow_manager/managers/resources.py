"""What a Task's Resource means here: a function or a command, from a mapping or from a state resource."""

from __future__ import annotations

import importlib
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol, TypeAlias

from workflow_manager.asl.resources import TaskKind, TaskResource
from workflow_manager.exceptions import InvalidValueError, NotFoundError, UnknownResourceError
from workflow_manager.managers.aws_calls import AwsTask
from workflow_manager.managers.commands import Command
from workflow_manager.managers.functions import Function, function
from workflow_manager.protocols import StateResourceStore

Hands: TypeAlias = Function | Command | AwsTask
"""What can do a task in this process."""


class Finder(Protocol):
    """A place where hands may be found that nobody has registered."""

    def find(self, resource: TaskResource, *, state: str, namespace: str) -> Hands | None:
        """The hands for *resource*, if it has any; UnknownResourceError, if it knows why there cannot be any."""
        ...


PYTHON, EXEC = "python:", "exec:"
_NOTHING = "nothing is registered under that name"


class Resources:
    """
    Finds the hands for a resource.

    *tasks* maps names to callables or to texts ``python:package.module:function`` and ``exec:command arguments``;
    *store* is asked for the state resources that *tasks* does not have, and *finders*, in order, for what is in
    neither.
    """

    def __init__(
        self,
        tasks: Mapping[str, Callable[..., object] | str],
        store: StateResourceStore,
        finders: Sequence[Finder] = (),
    ) -> None:
        self._store, self._finders = store, tuple(finders)
        self._by_uri: dict[str, Hands] = {}
        self._tasks: dict[str, Hands] = {}
        for name, task in tasks.items():
            self._tasks[name] = self._named(name, task)

    def _named(self, name: str, task: Callable[..., object] | str) -> Hands:
        if callable(task):
            return function(task)
        if not isinstance(task, str):
            raise InvalidValueError("tasks", f"/{name}", f"a {type(task).__name__} cannot be called")
        return self._at(task, name, name, "")

    def find(self, resource: TaskResource, *, state: str, namespace: str) -> Hands:
        """
        The hands for *resource*: a task under its full text or a shorter name, a state resource, or what a finder has.

        Raises:
            UnknownResourceError: there is none, naming *state*.
        """
        for name in names(resource):
            hands = self._tasks.get(name)
            if hands is not None:
                return hands
        try:
            found = self._store.get_state_resource(resource.text, namespace)
        except NotFoundError:
            found_elsewhere = self._elsewhere(resource, state, namespace)
            if found_elsewhere is None:
                raise UnknownResourceError(state, resource.text, namespace, _NOTHING) from None
            return found_elsewhere
        return self._at(found.uri, state, resource.text, namespace)

    def _elsewhere(self, resource: TaskResource, state: str, namespace: str) -> Hands | None:
        for finder in self._finders:
            hands = finder.find(resource, state=state, namespace=namespace)
            if hands is not None:
                return hands
        return None

    def _at(self, uri: str, state: str, resource: str, namespace: str) -> Hands:
        hands = self._by_uri.get(uri)
        if hands is None:
            try:
                hands = self._by_uri[uri] = _load(uri)
            except Exception as exc:  # importing somebody's module may raise anything
                raise UnknownResourceError(state, resource, namespace, f"{uri!r}: {exc}") from exc
        return hands


def names(resource: TaskResource) -> Iterator[str]:
    """
    The names under which *resource* may be registered, the most exact first.

    ``arn:aws:lambda:…:function:greet`` is also ``greet``, ``arn:aws:states:…:activity:greet`` too, and
    ``arn:aws:states:::lambda:invoke`` is also ``lambda:invoke`` and ``invoke``.
    """
    yield resource.text
    parts = resource.text.split(":")
    if resource.kind is TaskKind.SERVICE:
        yield f"{resource.resource_type}:{resource.resource}"
        yield resource.resource
    elif len(parts) >= 7 and parts[0] == "arn":
        yield parts[6]  # a Lambda function (a version or alias may follow), or an activity


def _load(uri: str) -> Hands:
    if uri.startswith(EXEC):
        arguments = tuple(shlex.split(uri.removeprefix(EXEC)))
        if not arguments:
            raise ValueError("it names no command")
        return Command(arguments)
    if uri.startswith(PYTHON):
        module, _, path = uri.removeprefix(PYTHON).partition(":")
        target: object = importlib.import_module(module) if module else None
        for name in path.split("."):
            target = getattr(target, name)
        if not callable(target):
            raise ValueError("it cannot be called")
        return function(target)
    raise ValueError(f"only {PYTHON} and {EXEC} run here")
