"""The clients through which AWS is called: the caller's own, or made from the caller's session."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from workflow_manager.asl.errors import ErrorName
from workflow_manager.exceptions import TaskError
from workflow_manager.managers.aws_names import client_name, normal


class AwsSession(Protocol):
    """What is used of a ``boto3.Session``."""

    def client(self, service_name: str, /) -> Any:
        """A client of the service."""
        ...

    def get_available_services(self) -> list[str]:
        """The services that there are clients for."""
        ...


AssumeRole = Callable[[str], AwsSession]
"""Gives a session with the permissions of a role, by the role's ARN."""


class AwsClients:
    """
    Finds clients by the names that ASL has for services; safe for use by several threads.

    *clients* come before those made from *session*; their names are boto3's or ASL's.  *assume_role* is asked once for
    every role that a state's Credentials name, and again when what it gave has expired.
    """

    def __init__(
        self,
        session: AwsSession | None = None,
        clients: Mapping[str, Any] | None = None,
        assume_role: AssumeRole | None = None,
    ) -> None:
        self._session, self._given, self._assume_role = session, dict(clients or {}), assume_role
        self._lock = threading.Lock()
        self._made: dict[tuple[str | None, str], Any] = {}
        self._sessions: dict[str, AwsSession] = {}
        self._available: tuple[str, ...] | None = None

    def __bool__(self) -> bool:
        return self._session is not None or bool(self._given)

    def find(self, service: str, role_arn: str | None = None) -> Any | None:
        """
        The client for *service*, as ASL names it, acting as *role_arn* if one is given; ``None`` if there is none.

        Raises:
            TaskError: States.Permissions: a role is named and there is no way to assume it.
        """
        if role_arn is None:
            given = self._given_client(service)
            if given is not None:
                return given
        with self._lock:
            key = (role_arn, service)
            if key not in self._made:
                self._made[key] = self._make(service, role_arn)
            return self._made[key]

    def forget_role(self, role_arn: str) -> None:
        """Assume the role anew when it is next needed: its credentials have expired."""
        with self._lock:
            self._sessions.pop(role_arn, None)
            for key in [key for key in self._made if key[0] == role_arn]:
                del self._made[key]

    def _given_client(self, service: str) -> Any | None:
        name = client_name(service, self._given)
        if name is not None:
            return self._given[name]
        wanted = normal(service)
        for client in self._given.values():
            if normal(client.meta.service_model.service_id) == wanted:
                return client
        return None

    def _make(self, service: str, role_arn: str | None) -> Any | None:
        session = self._session if role_arn is None else self._role_session(role_arn)
        if session is None:
            return None
        if self._available is None:
            self._available = tuple(session.get_available_services())
        name = client_name(service, self._available)
        return None if name is None else session.client(name)

    def _role_session(self, role_arn: str) -> AwsSession:
        if role_arn not in self._sessions:
            if self._assume_role is None:
                cause = f"the manager has no assume_role, so nobody can act as {role_arn}"
                raise TaskError(ErrorName.PERMISSIONS.value, cause)
            self._sessions[role_arn] = self._assume_role(role_arn)
        return self._sessions[role_arn]
