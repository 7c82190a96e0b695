"""
A loopback server that speaks as much of Step Functions as activities need, with heartbeats that count.

It hands out what is put into it, keeps what workers answer, and says that a task is gone when its heartbeat is late.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import attrs
import boto3
from botocore.config import Config


@attrs.define
class Given:
    """One task: until when a heartbeat is due, and how it was answered, if it was."""

    token: str
    input: str
    heartbeat: float | None
    due: float = float("inf")
    beats: int = 0
    answers: list[tuple[str, dict[str, Any]]] = attrs.field(factory=list)
    gone: bool = False


class Activities:
    """The state of the server; *poll* is how long a poll waits, *errors* are answered first, one after another."""

    def __init__(self, poll: float = 0.5) -> None:
        self.poll = poll
        self.lock = threading.Condition()
        self.waiting: deque[Given] = deque()
        self.tasks: dict[str, Given] = {}
        self.names: list[str] = []
        self.tags: dict[str, str] = {}
        self.workers: set[str] = set()
        self.errors: deque[int] = deque()
        self.polls = 0
        self.refused: dict[str, str] = {}  # by operation: what is not allowed, by the activity's name
        self.address = ""

    def give(self, input: Any, heartbeat: float | None = None) -> Given:
        with self.lock:
            text = input if isinstance(input, str) else json.dumps(input)
            task = Given(f"token-{len(self.tasks)}", text, heartbeat)
            self.tasks[task.token] = task
            self.waiting.append(task)
            self.lock.notify()
        return task

    def wait_for_answers(self, count: int, seconds: float = 20.0) -> None:
        with self.lock:
            assert self.lock.wait_for(lambda: sum(len(t.answers) for t in self.tasks.values()) >= count, seconds)

    def client(self) -> Any:
        session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="eu-west-1")
        config = Config(retries={"total_max_attempts": 1}, max_pool_connections=60, read_timeout=65)
        return session.client("stepfunctions", endpoint_url=self.address, config=config)

    # operations

    def _check(self, operation: str, name: str) -> None:
        if self.refused.get(operation) == name.rpartition(":")[2]:
            raise PermissionError

    def CreateActivity(self, body: dict[str, Any]) -> dict[str, Any]:
        self._check("CreateActivity", body["name"])
        self.names.append(body["name"])
        return {"activityArn": f"arn:aws:states:eu-west-1:123456789012:activity:{body['name']}", "creationDate": 0}

    def TagResource(self, body: dict[str, Any]) -> dict[str, Any]:
        self._check("TagResource", body["resourceArn"])
        self.tags.update({tag["key"]: tag["value"] for tag in body["tags"]})
        return {}

    def GetActivityTask(self, body: dict[str, Any]) -> dict[str, Any]:
        with self.lock:
            self.polls += 1
            self.workers.add(body.get("workerName", ""))
            self.lock.wait_for(lambda: self.waiting, self.poll)
            if not self.waiting:
                return {}
            task = self.waiting.popleft()
            task.due = time.monotonic() + task.heartbeat if task.heartbeat else float("inf")
            return {"taskToken": task.token, "input": task.input}

    def _task(self, token: str) -> Given:
        task = self.tasks[token]
        if task.gone or task.answers or time.monotonic() > task.due:
            raise TimeoutError
        return task

    def SendTaskHeartbeat(self, body: dict[str, Any]) -> dict[str, Any]:
        with self.lock:
            task = self._task(body["taskToken"])
            task.beats += 1
            task.due = time.monotonic() + task.heartbeat if task.heartbeat else float("inf")
        return {}

    def SendTaskSuccess(self, body: dict[str, Any]) -> dict[str, Any]:
        return self._end("success", body)

    def SendTaskFailure(self, body: dict[str, Any]) -> dict[str, Any]:
        return self._end("failure", body)

    def _end(self, kind: str, body: dict[str, Any]) -> dict[str, Any]:
        with self.lock:
            self._task(body.pop("taskToken")).answers.append((kind, body))
            self.lock.notify_all()
        return {}


@contextmanager
def serving(activities: Activities) -> Iterator[Activities]:
    """The server on a free loopback port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            operation = self.headers["X-Amz-Target"].rpartition(".")[2]
            status, answer = 200, None
            if activities.errors:
                status, answer = activities.errors.popleft(), {"__type": "InternalServerError"}
            else:
                try:
                    answer = getattr(activities, operation)(body)
                except PermissionError:
                    status, answer = 400, {"__type": "AccessDeniedException", "message": "no"}
                except TimeoutError:
                    status, answer = 400, {"__type": "TaskTimedOut", "message": "Task Timed Out"}
            data = json.dumps(answer).encode()
            try:
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.0")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
            except OSError:
                pass  # the worker is gone

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # a worker that is gone

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    activities.address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield activities
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
