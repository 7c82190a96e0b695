"""
The far side of AWS Batch: what runs in a job's container.

    python -m workflow_manager.workers.batch [--results URL] -- COMMAND ARG…

runs a command: its arguments are ARG… and then the job's input, its standard output is the job's result.  In Python
:func:`batch_job` does the same for a function.  The input comes as the manager sends it (``_BATCH_START``,
``_BATCH_DEPENDENCIES`` and what stands beside them), results go where URL, or else the environment variable
``WORKFLOW_MANAGER_RESULTS``, says: ``dynamodb://TABLE``, ``s3://BUCKET/PREFIX`` or ``file:///FOLDER``.

Only the standard library is loaded before the work begins, and then no more than the results' place needs.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any

from workflow_manager.workers.batch_input import (
    ERROR_MEMBER,
    JobInput,
    JobInputError,
    Results,
    job_id,
    json_text,
    read_text,
)

DEFAULT_RESULTS = "dynamodb://workflow-results"
RESULTS_VARIABLE = "WORKFLOW_MANAGER_RESULTS"
_USAGE = "usage: python -m workflow_manager.workers.batch [--results URL] -- COMMAND ARG...\n"
_LONGEST_ERROR, _LONGEST_CAUSE = 256, 32_768


# ---------------------------------------------------------------- a Python function
def batch_job(
    function: Callable[[Any], Any],
    *,
    results: Results | None = None,
    environment: Mapping[str, str] | None = None,
) -> Callable[[], int]:
    """
    Wrap *function*, JSON value in, JSON value out, as the program of a job; what is returned gives the exit code.

    A ``TaskError`` that it raises becomes the job's named error, any other exception an error named by its class; its
    traceback goes to the log.  *results* and *environment* are those of the process unless they are given.
    """

    def run() -> int:
        variables = os.environ if environment is None else environment
        store = results_at(variables.get(RESULTS_VARIABLE, DEFAULT_RESULTS)) if results is None else results
        try:
            given = JobInput(variables, store)
            if given.does_nothing:
                return 0
            store.save(given.job_id, json.loads(json_text(function(given.value()))))
        except Exception as error:  # noqa: BLE001  whatever the function raises is the job's failure
            return _failed(store, variables, error)
        return 0

    return run


def _failed(store: Results, variables: Mapping[str, str], error: Exception) -> int:
    import traceback

    from workflow_manager.exceptions import TaskError

    traceback.print_exception(error)
    name, cause = type(error).__name__, str(error)
    if isinstance(error, TaskError):
        name, cause = error.error or "", error.cause or ""
    if variables.get("AWS_BATCH_JOB_ID"):
        store.save(job_id(variables), _error(name, cause))
    return 1


def _error(name: str, cause: str) -> dict[str, Any]:
    told = {"error": name[:_LONGEST_ERROR], "cause": cause[:_LONGEST_CAUSE]}
    return {ERROR_MEMBER: {key: text for key, text in told.items() if text}}


# ---------------------------------------------------------------- a command
def run_command(command: Sequence[str], environment: Mapping[str, str], results: Results) -> int:
    """
    Run *command* with the job's input as further arguments, and return its exit code.

    Standard output is the result, standard error what a failed job leaves; both go to the log as well.  A command that
    fails with ``{"error": …, "cause": …}`` as its last line of output fails with that error.  An input that cannot be
    read, or a result that has no room where results are, is an error named by its class, and the exit code 64.
    """
    try:
        return _run_command(command, environment, results)
    except JobInputError as error:
        if environment.get("AWS_BATCH_JOB_ID"):
            results.save(job_id(environment), _error(type(error).__name__, str(error)))
        sys.stderr.write(f"{error}\n")
        return 64


def _run_command(command: Sequence[str], environment: Mapping[str, str], results: Results) -> int:
    given = JobInput(environment, results)
    if given.does_nothing:
        return 0
    try:
        process = subprocess.Popen(  # noqa: S603  the job definition says what is run
            [*command, *given.arguments()], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(environment)
        )
    except (OSError, ValueError) as error:  # a ValueError is a NUL among the arguments
        name, cause = _not_started(error)
        results.save(given.job_id, _error(name, f"{command[0]}: {cause}"))
        sys.stderr.write(f"{cause}\n")
        return 127
    _pass_on_signals(process)
    stdout, stderr = _Copy(process.stdout, sys.stdout), _Copy(process.stderr, sys.stderr)
    code = _wait(process)
    output, errors = stdout.text(), stderr.text()
    if code == 0:
        results.save(given.job_id, read_text(output) if output else {})
        return 0
    results.save(given.job_id, _named(output) or _error("", errors[-_LONGEST_CAUSE:] or f"exit code {code}"))
    return code if code > 0 else 128 - code


def _not_started(error: Exception) -> tuple[str, str]:
    """Error name and cause of a command that the system would not start."""
    if isinstance(error, OSError) and error.errno == errno.E2BIG:
        return "CommandInputTooLong", f"{error}: the input is longer than arguments of a command may be"
    if isinstance(error, ValueError):
        return "CommandInputInvalid", str(error)
    return "CommandNotFound", str(error)


def _wait(process: subprocess.Popen[bytes]) -> int:
    """The exit code; looks up now and then, as a signal that comes just before a blocking wait is not seen in it."""
    while True:
        try:
            return process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            continue


def _pass_on_signals(process: subprocess.Popen[bytes]) -> None:
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda received, _: process.send_signal(received))


class _Copy:
    """What *source* gives, copied to *log* while it comes, on a thread of its own."""

    def __init__(self, source: IO[bytes] | None, log: IO[str]) -> None:
        assert source is not None
        self._source, self._log = source, log
        self._read: list[bytes] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        target = getattr(self._log, "buffer", None)
        with self._source:
            while some := self._source.read1(65_536):  # type: ignore[attr-defined]
                self._read.append(some)
                if target is not None:
                    target.write(some)
                    target.flush()

    def text(self) -> str:
        """All of it, once the source has ended, without the white space around."""
        self._thread.join()
        return b"".join(self._read).decode("utf-8", "replace").strip()


def _named(output: str) -> dict[str, Any] | None:
    said = read_text(output.rpartition("\n")[2])
    if isinstance(said, dict) and isinstance(said.get("error"), str):
        return _error(said["error"], str(said.get("cause") or ""))
    return None


def results_at(url: str) -> Results:
    """
    The results store at *url*; loads boto3 only where it is needed.

    Raises:
        JobInputError: *url* names none.
    """
    from workflow_manager.workers import batch_results

    return batch_results.at(url)


def main(arguments: Sequence[str]) -> int:
    """The command line; 64 if it is wrong."""
    given = list(arguments)
    url = os.environ.get(RESULTS_VARIABLE, DEFAULT_RESULTS)
    if given[:1] == ["--results"] and len(given) > 1:
        url, given = given[1], given[2:]
    if given[:1] != ["--"] or len(given) < 2:
        sys.stderr.write(_USAGE)
        return 64
    try:
        return run_command(given[1:], os.environ, results_at(url))
    except JobInputError as error:
        sys.stderr.write(f"{error}\n")
        return 64


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
