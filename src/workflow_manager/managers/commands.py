"""
Commands as tasks.

A command reads its input on standard input and leaves its output on the last line of standard output.  Its streams are
files, so nothing it writes can block it and no process that it leaves behind can keep us waiting.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import threading
from enum import StrEnum
from typing import IO

import attrs

from workflow_manager.asl.values import JSON, dumps, loads
from workflow_manager.callables import MAX_CAUSE, MAX_ERROR
from workflow_manager.exceptions import TaskError

_LONGEST_LINE = 4 * 1024 * 1024  # bytes of standard output that are looked at for its last line
_GRACE = 5.0  # seconds between SIGTERM and SIGKILL


class CommandError(StrEnum):
    """Error names of a command that failed."""

    NOT_FOUND = "CommandNotFound"
    KILLED = "CommandKilled"
    TERMINATED = "CommandTerminated"
    EXITED_NONZERO = "CommandExitedNonzero"
    OUTPUT_NOT_JSON = "TaskOutputNotJSON"


_SIGNALLED = {-signal.SIGKILL: CommandError.KILLED, -signal.SIGTERM: CommandError.TERMINATED}


@attrs.frozen
class Command:
    """The program and its arguments."""

    arguments: tuple[str, ...]


class CommandRun:
    """One run of a command, which :meth:`cancel` may end from another thread."""

    def __init__(self, command: Command, execution_name: str, *, grace: float = _GRACE) -> None:
        self._command, self._execution_name, self._grace = command, execution_name, grace
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._cancelled = False

    def run(self, input: JSON) -> JSON:
        """
        Run the command with *input* as JSON on its standard input and ``_EXECUTION_NAME`` in its environment.

        Returns the last line of its standard output as JSON; no output at all is ``{}``.

        Raises:
            TaskError: named after :class:`CommandError`, with the end of standard error as its cause; or, where a
            command that
                failed left ``{"error": ..., "cause": ...}`` on its last line, what that says.
        """
        with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
            stdin.write(dumps(input).encode())
            stdin.seek(0)
            code = self._wait(self._spawn(stdin, stdout, stderr))
            line = _last_line(stdout)
            if code != 0:
                raise _failure(code, line, _tail(stderr, MAX_CAUSE))
        return _output(line)

    def cancel(self) -> None:
        """End the process and all that it started: SIGTERM now, SIGKILL a little later."""
        with self._lock:
            self._cancelled = True
            process = self._process
        if process is not None:
            _signal(process, signal.SIGTERM)
            killer = threading.Timer(self._grace, self._kill, (process,))
            killer.daemon = True
            killer.start()

    def _wait(self, process: subprocess.Popen[bytes]) -> int:
        code = process.wait()
        with self._lock:
            self._process = None
            cancelled = self._cancelled
        if cancelled:
            _signal(process, signal.SIGKILL)  # whatever the command has left behind
        return code

    def _kill(self, process: subprocess.Popen[bytes]) -> None:
        with self._lock:
            if self._process is not None:  # else it has ended, and its number may be another's by now
                _signal(process, signal.SIGKILL)

    def _spawn(self, stdin: IO[bytes], stdout: IO[bytes], stderr: IO[bytes]) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "_EXECUTION_NAME": self._execution_name}
        with self._lock:
            if self._cancelled:
                raise TaskError(CommandError.TERMINATED.value, "cancelled before it began")
            try:
                self._process = subprocess.Popen(  # noqa: S603  the definition's owner says what is run
                    self._command.arguments,
                    stdin=stdin,
                    stdout=stdout,
                    stderr=stderr,
                    env=environment,
                    start_new_session=True,  # a process group of its own, so that it can be ended with all its children
                )
            except OSError as exc:
                raise TaskError(CommandError.NOT_FOUND.value, f"{self._command.arguments[0]}: {exc}") from exc
            return self._process


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        pass


def _tail(file: IO[bytes], length: int) -> str:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - length))
    return file.read().decode("utf-8", "replace").strip()


def _last_line(stdout: IO[bytes]) -> str:
    return _tail(stdout, _LONGEST_LINE).rpartition("\n")[2].strip()


def _output(line: str) -> JSON:
    if not line:
        return {}
    try:
        return loads(line)
    except ValueError as exc:
        cause = f"the last line of standard output: {exc}: {line[:1000]}"
        raise TaskError(CommandError.OUTPUT_NOT_JSON.value, cause) from None


def _failure(code: int, line: str, stderr: str) -> TaskError:
    try:
        said = loads(line)
    except ValueError:
        said = None
    if isinstance(said, dict) and isinstance(said.get("error"), str):
        cause = said.get("cause")
        return TaskError(said["error"][:MAX_ERROR], cause[:MAX_CAUSE] if isinstance(cause, str) else None)
    error = _SIGNALLED.get(code, CommandError.EXITED_NONZERO)
    return TaskError(error.value, stderr or f"exit status {code}")
