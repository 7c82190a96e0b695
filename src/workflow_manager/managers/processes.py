"""Which process is that: names for processes that another process of the same machine can look up."""

from __future__ import annotations

import os
import secrets
import socket
from functools import cache
from pathlib import Path

import attrs

_PROC = Path("/proc")
_STATE, _THREADS, _STARTED = 0, 17, 19  # the fields behind the command's name (Linux manual: proc_pid_stat)
_ENDED = ("Z", "X")  # a zombie, or dead


@attrs.frozen(kw_only=True)
class Process:
    """
    A process: where it runs, its pid there, and when it was started, for pids are used again.

    *host* is the same for those processes, and only those, that see each other under these pids.  *started* is in the
    kernel's own unit; ``""`` where that cannot be told.
    """

    host: str
    pid: int
    started: str

    @classmethod
    def here(cls) -> Process:
        """The process that asks."""
        return cls(host=_host(), pid=os.getpid(), started=_started(os.getpid()) or "")

    @property
    def is_gone(self) -> bool:
        """Whether it has certainly ended; ``False`` also if nobody can tell from here."""
        if self.host != _host() or self.pid <= 0:
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except OSError:
            pass  # it is there, and another user's
        started = _started(self.pid)
        return started is not None and bool(self.started) and started != self.started


def new_owner() -> str:
    """A name for a holder of leases in this process, unlike any other: ``host/pid/start/chance``."""
    process = Process.here()
    return f"{process.host}/{process.pid}/{process.started}/{secrets.token_hex(4)}"


def is_gone(owner: str) -> bool:
    """Whether *owner* is a name that :func:`new_owner` made in a process that has certainly ended."""
    parts = owner.rsplit("/", 3)
    if len(parts) != 4 or not parts[1].isdecimal():
        return False
    return Process(host=parts[0], pid=int(parts[1]), started=parts[2]).is_gone


@cache
def _host() -> str:
    """The machine, since when it is up, and the container: only within these does a pid mean the same process."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        pids = str((_PROC / "self/ns/pid").readlink())
    except OSError:
        return socket.gethostname()  # no Linux
    return f"{socket.gethostname()}/{boot}/{pids}"


def _started(pid: int) -> str | None:
    """When the process was started; another text where it has ended but is not buried; ``None`` if nobody can tell."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    if fields[_STATE] in _ENDED and int(fields[_THREADS]) <= 1:
        return "ended"
    return fields[_STARTED]
