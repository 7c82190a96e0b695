"""Real commands as jobs: each in a process of its own, a few at a time."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from typing import IO

from workflow_manager.testing.fake_batch.ends import JobEnd, JobRun
from workflow_manager.testing.fake_batch.records import Steps

PASSED_ON = ("PATH", "PYTHONPATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TEMP", "SYSTEMROOT", "VIRTUAL_ENV")
"""What a command's process has of ours: what it takes to find Python and our packages, nothing else."""

PATIENCE = 60.0
"""How many real seconds a command may take."""

AT_ONCE = 8
"""How many processes run at the same time, however many jobs are RUNNING, unless they take long."""

ROOM_PATIENCE = 2.0
"""How many real seconds a new process waits for the oldest of too many."""


class Commands:
    """Runs containers' commands on this machine."""

    def __init__(self) -> None:
        self._live: list[subprocess.Popen[bytes]] = []

    def run(self, run: JobRun, *, seconds: float) -> Steps:
        """The container's command: its output is the log; it lasts *seconds* of virtual time, real ones as it needs."""
        if not run.command:
            return 0
        argv = [sys.executable if run.command[0] in {"python", "python3"} else run.command[0], *run.command[1:]]
        environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ} | dict(run.environment)
        self._make_room()
        with tempfile.TemporaryFile() as output:
            try:
                process = subprocess.Popen(argv, env=environment, stdout=output, stderr=subprocess.STDOUT)  # noqa: S603
            except OSError as error:
                return JobEnd.not_started(f"CannotStartContainerError: {error}")
            self._live.append(process)
            try:
                yield seconds
                code = process.wait(timeout=PATIENCE)
            finally:
                _end(process)
                run.log(_text(output))
        # A process that a signal ended has a negative code in Python and 128 + signal in a container.
        return code if code >= 0 else 128 - code

    def _make_room(self) -> None:
        self._live = [process for process in self._live if process.poll() is None]
        if len(self._live) >= AT_ONCE:
            try:
                self._live[0].wait(timeout=ROOM_PATIENCE)
            except subprocess.TimeoutExpired:
                self._live.pop(0)  # one that is meant never to end: the others need not wait for it


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _text(output: IO[bytes]) -> str:
    output.seek(0)
    return output.read().decode("utf-8", "replace")
