"""
A command as an activity, after the contract of the original's ``sfncli``.

The command gets its own arguments and the task's whole input as the last one, ``_EXECUTION_NAME`` and, if asked for, a
``WORK_DIR`` of its own in its environment.  Its output is the last line of standard output, a JSON object; what it
writes is passed on as well.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

import attrs

from workflow_manager.asl.values import JSON, dumps, loads
from workflow_manager.callables import MAX_CAUSE, TRUNCATED
from workflow_manager.exceptions import TaskError
from workflow_manager.workers.activity_errors import ActivityError
from workflow_manager.workers.activity_functions import EXECUTION_NAME, checked_output, with_execution_name

_KEPT = {"stdout": 1 << 20, "stderr": MAX_CAUSE}  # bytes of each stream, counted from its end
_LATE_OUTPUT = 2.0  # seconds that a stream which somebody else still holds is waited for
_CHUNK = 65_536


@attrs.frozen
class CommandActivity:
    """
    *arguments* are the program and its own arguments.

    With *work_directory* every task gets a new folder in it, which is removed afterwards.  *echo* are the binary
    streams to which standard output and standard error are passed on.
    """

    arguments: tuple[str, ...]
    work_directory: str = ""
    echo: tuple[IO[bytes] | None, IO[bytes] | None] = (None, None)

    def begin(self, token: str, input: str, stopping: threading.Event) -> CommandRun:
        """One task, not yet begun."""
        return CommandRun(self, input)


class CommandRun:
    """One run of the command."""

    def __init__(self, activity: CommandActivity, input: str) -> None:
        self._activity, self._input = activity, input
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._ended_by: ActivityError | None = None  # somebody here has told it to end

    def run(self) -> str:
        """
        Run the command and return its output as JSON text; no output at all is ``{}``.

        Raises:
            TaskError: named after :class:`ActivityError`, with the end of standard error as its cause; or what a
                command that failed says on its last line, ``{"error": ..., "cause": ...}``.
        """
        input = _input(self._input)
        name = str(input[EXECUTION_NAME])
        folder = self._new_folder() if self._activity.work_directory else ""
        try:
            code, stdout, stderr = self._execute({EXECUTION_NAME: name, **({"WORK_DIR": folder} if folder else {})})
        finally:
            if folder:
                shutil.rmtree(folder, ignore_errors=True)
        line = stdout.strip().rpartition("\n")[2].strip()
        if code != 0:
            raise self._failure(code, line, stderr)
        return checked_output(dumps(with_execution_name(_output(line), name)))

    def _new_folder(self) -> str:
        folder = Path(self._activity.work_directory)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            return tempfile.mkdtemp(dir=folder)
        except OSError as error:
            raise ActivityError.UNKNOWN.because(f"no folder for the task: {error}") from None

    def _execute(self, environment: Mapping[str, str]) -> tuple[int, str, str]:
        process = self._spawn([*self._activity.arguments, self._input], environment)
        streams = [
            _Stream(stream, kept, echo)
            for stream, kept, echo in zip(
                (process.stdout, process.stderr), _KEPT.values(), self._activity.echo, strict=True
            )
        ]
        code = process.wait()
        _signal(process, signal.SIGKILL)  # whatever it has left behind holds the streams
        with self._lock:
            self._process = None
        stdout, stderr = (stream.text() for stream in streams)
        return code, stdout, stderr

    def _spawn(self, arguments: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._ended_by is not None:
                raise self._ended_by.because("it was ended before it began")
            try:
                self._process = subprocess.Popen(  # noqa: S603  whoever starts the worker says what is run
                    arguments,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    env={**os.environ, **environment},
                    start_new_session=True,  # a process group of its own, so that it can be ended with all its children
                )
            except FileNotFoundError as error:
                raise ActivityError.COMMAND_NOT_FOUND.because(f"{arguments[0]}: {error.strerror}") from None
            except (OSError, ValueError) as error:  # too long, or with characters that no argument can have
                raise ActivityError.UNKNOWN.because(f"{arguments[0]}: {error}") from None
            return self._process

    def terminate(self, number: int) -> None:
        """Pass the signal *number* on; SIGTERM and SIGINT say that the worker is to shut down."""
        if number in (signal.SIGTERM, signal.SIGINT):
            self._ended_by = self._ended_by or ActivityError.COMMAND_TERMINATED
        self._send(number)

    def kill(self) -> None:
        """End the command and all that it has started."""
        self._ended_by = self._ended_by or ActivityError.COMMAND_KILLED
        self._send(signal.SIGKILL)

    def _send(self, number: int) -> None:
        with self._lock:
            if self._process is not None:  # else it has ended, and its number may be another's by now
                _signal(self._process, number)

    def _failure(self, code: int, line: str, stderr: str) -> TaskError:
        said = _said(line)
        if said is not None:
            return said
        signalled = {-signal.SIGKILL: ActivityError.COMMAND_KILLED, -signal.SIGTERM: ActivityError.COMMAND_TERMINATED}
        error = signalled.get(code)
        if error is None:
            error = ActivityError.COMMAND_EXITED_NONZERO if code > 0 else ActivityError.UNKNOWN
        if self._ended_by is ActivityError.COMMAND_TERMINATED:
            error = ActivityError.COMMAND_TERMINATED
        return error.because(stderr or f"exit status {code}")


class _Stream:
    """The end of what a process writes, and everything passed on."""

    def __init__(self, stream: IO[bytes] | None, kept: int, echo: IO[bytes] | None) -> None:
        self._kept, self._end, self._is_cut = kept, bytearray(), False
        self._reader = threading.Thread(target=self._read, args=(stream, echo), name="output", daemon=True)
        self._reader.start()

    def _read(self, stream: IO[bytes] | None, echo: IO[bytes] | None) -> None:
        if stream is None:
            return
        with stream:
            while chunk := os.read(stream.fileno(), _CHUNK):
                if echo is not None and not _pass_on(chunk, echo):
                    echo = None
                self._end += chunk
                if len(self._end) > self._kept:
                    del self._end[: -self._kept]
                    self._is_cut = True

    def text(self) -> str:
        """What has been written, as far as it is kept."""
        self._reader.join(_LATE_OUTPUT)
        text = bytes(self._end).decode("utf-8", "replace").strip()
        return TRUNCATED + text[len(TRUNCATED) :] if self._is_cut and self._kept == MAX_CAUSE else text


def _pass_on(chunk: bytes, echo: IO[bytes]) -> bool:
    """Whether it could be passed on; if nobody listens any more the command must not wait for that."""
    try:
        echo.write(chunk)
        echo.flush()
    except (OSError, ValueError):
        return False
    return True


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        pass


def _input(text: str) -> Mapping[str, JSON]:
    try:
        input = loads(text)
    except ValueError as error:
        raise ActivityError.INPUT_NOT_JSON.because(str(error)) from None
    if not isinstance(input, Mapping):
        raise ActivityError.INPUT_NOT_JSON.because("the input is not a JSON object")
    if not isinstance(input.get(EXECUTION_NAME), str):
        raise ActivityError.INPUT_MISSING_EXECUTION_NAME.because(f"the input has no string {EXECUTION_NAME}")
    return input


def _output(line: str) -> JSON:
    if not line:
        return {}
    try:
        output = loads(line)
    except ValueError as error:
        cause = f"the last line of standard output: {error}: {line[:1000]}"
        raise ActivityError.OUTPUT_NOT_JSON.because(cause) from None
    if not isinstance(output, Mapping):
        cause = f"the last line of standard output is not a JSON object: {line[:1000]}"
        raise ActivityError.OUTPUT_NOT_JSON.because(cause)
    return output


def _said(line: str) -> TaskError | None:
    """The error that a command names on its last line."""
    try:
        said = loads(line)
    except ValueError:
        return None
    if not isinstance(said, Mapping) or not isinstance(said.get("error"), str):
        return None
    cause = said.get("cause")
    return TaskError(str(said["error"]), cause if isinstance(cause, str) else None)
