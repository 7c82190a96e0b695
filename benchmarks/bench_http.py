"""
What the HTTP example serves.   bench_http.py WHAT [N] [CLIENTS]

The example of ``examples/http_api`` runs in a process of its own, over the local manager and an SQLite file; CLIENTS
threads of this process send N requests, each over one connection that it keeps.  ``start``: ``POST /workflows``, a
workflow that then waits for a day; ``get``: ``GET /workflows/{id}`` of such workflows, which looks at each anew.  The
line has the median and the 99th percentile in milliseconds, and the number of answers that were no success; if there
is one, the bench fails.  It needs ``examples/http_api/requirements.txt``.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from bench_service import run
from harness import PAYLOAD

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
REST = {"StartAt": "Rest", "States": {"Rest": {"Type": "Wait", "Seconds": 86400, "End": True}}}
START = json.dumps({"workflowDefinition": {"name": "rest"}, "input": PAYLOAD}).encode()
MOST_KNOWN = 500  # workflows that "get" asks for, one after another


class Client:
    """A connection for each thread, kept open."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._own = threading.local()
        self._open: list[http.client.HTTPConnection] = []

    def ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        """The body of the answer, which must be a good one."""
        connection = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._own.connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
            self._open.append(connection)
            connection.connect()
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
        answer = connection.getresponse()
        text = answer.read()
        if answer.status not in (200, 201):
            raise RuntimeError(f"{method} {path}: {answer.status} {text[:200]!r}")
        return text

    def close(self) -> None:
        for connection in self._open:
            connection.close()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def serving(folder: str) -> Iterator[Client]:
    """A client of the example, which serves from *folder* until the block ends."""
    port = free_port()
    environment = {**os.environ, "WORKFLOW_STORE": f"{folder}/workflows.sqlite"}
    command = [sys.executable, "-m", "uvicorn", "http_api.app:create_app", "--factory", "--log-level", "warning"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    with subprocess.Popen(command, cwd=EXAMPLES, env=environment) as server:
        try:
            while not answers(port):
                if server.poll() is not None:
                    raise SystemExit("the example does not serve: are its requirements installed?")
                time.sleep(0.05)
            with contextlib.closing(Client(port)) as client:
                yield client
        finally:
            server.terminate()


def answers(port: int) -> bool:
    """Whether the example serves by now."""
    try:
        with contextlib.closing(Client(port)) as client:
            client.ask("GET", "/_health")
    except OSError:
        return False
    return True


def main(what: str, n: int, clients: int) -> None:
    with tempfile.TemporaryDirectory() as folder, serving(folder) as client:
        definition = {"name": "rest", "manager": "local", "stateMachine": REST}
        client.ask("POST", "/workflow-definitions", json.dumps(definition).encode())

        def start(number: int) -> str:
            return str(json.loads(client.ask("POST", "/workflows", START))["id"])

        if what == "start":
            run(f"http {what}", n, clients, start)
            return
        if what != "get":
            raise SystemExit(__doc__)
        ids = [start(number) for number in range(min(n, MOST_KNOWN))]
        run(f"http {what}", n, clients, lambda number: client.ask("GET", f"/workflows/{ids[number % len(ids)]}"))


if __name__ == "__main__":
    given = sys.argv[1:]
    main(given[0] if given else "start", int(given[1]) if given[1:] else 3000, int(given[2]) if given[2:] else 32)
