"""
Servers that speak DynamoDB's protocol.

Each is started when it is first asked for, on a free loopback port, and stopped when the test session ends.  ministack
comes with the extra ``test``; dynalite is installed by npm into a cache folder, once, and where that cannot be done its
tests are skipped.
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

import pytest

DYNALITE = "dynalite@4.0.0"
_START_SECONDS = 60.0


class Server(StrEnum):
    """Who plays DynamoDB."""

    MINISTACK = "ministack"  # with everything but its latencies
    DYNALITE = "dynalite"  # the strictest about what a request may say


def running(server: Server) -> str:
    """The address of *server*; the test that asks is skipped where it is not to be had."""
    missing = _missing(server)
    if missing:
        pytest.skip(missing)
    return _started(server)


@cache
def _missing(server: Server) -> str:
    if server is Server.DYNALITE:
        return _install_dynalite()
    return "" if importlib.util.find_spec("ministack") else "ministack is not installed"


def _dynalite_folder() -> Path:
    cached = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cached) / "workflow-manager-tests" / DYNALITE


def _install_dynalite() -> str:
    """Install it if it is not; return what stands against it."""
    npm, folder = shutil.which("npm"), _dynalite_folder()
    if npm is None or shutil.which("node") is None:
        return "dynalite needs node and npm, which are not installed"
    if (folder / "node_modules" / "dynalite" / "cli.js").exists():
        return ""
    folder.mkdir(parents=True, exist_ok=True)
    command = [npm, "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--silent", DYNALITE]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    return f"npm could not install {DYNALITE}: {done.stderr.strip()[-200:]}" if done.returncode else ""


def _command(server: Server, port: int) -> Sequence[str]:
    if server is Server.MINISTACK:
        return [sys.executable, "-c", "from ministack.app import main; main()"]
    program = str(_dynalite_folder() / "node_modules" / "dynalite" / "cli.js")
    instantly = ["--createTableMs", "0", "--deleteTableMs", "0", "--updateTableMs", "0"]
    return ["node", program, "--host", "127.0.0.1", "--port", str(port), *instantly]


def _environment(port: int, folder: str) -> Mapping[str, str]:
    quiet = {"SERVICES": "dynamodb", "IOT_MTLS_ENABLED": "0", "LOG_LEVEL": "WARNING"}
    return {**os.environ, **quiet, "GATEWAY_PORT": str(port), "BIND_HOST": "127.0.0.1", "TMPDIR": folder}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@cache
def _started(server: Server) -> str:
    folder, port = tempfile.mkdtemp(prefix=f"{server}-"), _free_port()
    log = Path(folder) / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            _command(server, port), cwd=folder, env=_environment(port, folder), stdout=out, stderr=subprocess.STDOUT
        )
    atexit.register(_stop, process, folder)
    _await(f"http://127.0.0.1:{port}", process, log)
    return f"http://127.0.0.1:{port}"


def _stop(process: subprocess.Popen[bytes], folder: str) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    shutil.rmtree(folder, ignore_errors=True)


def _await(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < end:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except urllib.error.HTTPError:
            return  # it answers
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"{process.args!r} does not answer at {address}: {log.read_text(errors='replace')[-1000:]}")


@cache
def client(address: str, attempts: int = 1) -> Any:
    """A DynamoDB client of that server, in which botocore itself tries so many times."""
    import boto3
    from botocore.config import Config

    session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1")
    retries = {"mode": "legacy", "total_max_attempts": attempts}
    config = Config(retries=retries, max_pool_connections=60, connect_timeout=10, read_timeout=60)
    return session.client("dynamodb", endpoint_url=address, config=config)
