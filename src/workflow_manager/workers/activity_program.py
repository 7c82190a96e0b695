"""``python -m workflow_manager.workers.activity``: the original's ``sfncli``, flag by flag."""

from __future__ import annotations

import argparse
import json
import logging
import os
import shutil
import signal
import sys
import threading
import time
import urllib.request
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from types import FrameType
from typing import Any

from workflow_manager.workers.activity_command import CommandActivity
from workflow_manager.workers.activity_worker import ActivityWorker

logger = logging.getLogger("workflow_manager")

TAGS = {
    "environment": "_DEPLOY_ENV",
    "application": "_APP_NAME",
    "pod": "_POD_ID",
    "pod-shortname": "_POD_SHORTNAME",
    "pod-region": "_POD_REGION",
    "pod-account": "_POD_ACCOUNT",
    "team": "_TEAM_OWNER",
}
"""The tags of an activity, and the environment variables that they come from."""

_TASK_ARN, _TASK_ID = "MAGIC_ECS_TASK_ARN", "MAGIC_ECS_TASK_ID"
_METADATA = "ECS_CONTAINER_METADATA_URI_V4"
_FORWARDED = ("SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGWINCH")  # as far as the system has them
_METRIC_SECONDS = 60.0
_READ_TIMEOUT = 75  # seconds; a poll is answered after 60


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the worker; returns the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    command = [*([options.cmd] if options.cmd else []), *options.command[options.command[:1] == ["--"] :]]
    if not command:
        parser.error("there is no command: give it after --, or by --cmd")
    if shutil.which(command[0]) is None:
        logger.warning("%s is not found; every task will fail", command[0])
    import boto3
    from botocore.config import Config

    config = Config(read_timeout=_READ_TIMEOUT, retries={"mode": "standard"})
    session = boto3.Session(region_name=options.region)
    name = os.path.expandvars(options.activity)
    activity = CommandActivity(tuple(command), options.workdirectory, (sys.stdout.buffer, sys.stderr.buffer))
    worker = ActivityWorker(
        session.client("stepfunctions", config=config),
        {name: activity},
        namespace=None,
        worker_name=worker_name(options.workername, os.environ),
        heartbeat=options.heartbeat,
        grace=options.grace,
        poll_interval=1.0,
        tags=tags(os.environ),
    )
    if options.cloudwatchregion:
        Meter(worker, session.client("cloudwatch", region_name=options.cloudwatchregion), name).start()
    _forward_signals(worker)
    worker.run()
    return 0


def _forward_signals(worker: ActivityWorker) -> None:
    """All that may be sent to a command from outside reaches it; SIGTERM and SIGINT end the worker as well."""

    def forward(number: int, frame: FrameType | None) -> None:
        # A handler may interrupt whoever holds the lock, so another thread passes the signal on.
        threading.Thread(target=worker.forward, args=(number,), name="forward", daemon=True).start()

    for name in _FORWARDED:
        number = getattr(signal, name, None)
        if number is not None:
            signal.signal(number, forward)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m workflow_manager.workers.activity",
        usage="%(prog)s --activity NAME [option ...] -- COMMAND [ARGUMENT ...]",
        description="Run a command for every task of a Step Functions activity.",
        allow_abbrev=False,
    )

    def add(*names: str, **settings: Any) -> None:
        spelt = [dashes + name for name in names for dashes in ("--", "-")]  # the original takes either
        parser.add_argument(*spelt, **settings)

    add("activity", "activityname", required=True, metavar="NAME", help="the activity; $VARIABLES are expanded")
    add("workername", "worker-name", default="", metavar="NAME", help=f"may have {_TASK_ARN} or {_TASK_ID} in it")
    add("cmd", default="", metavar="COMMAND", help="the command, if what follows is only its arguments")
    add("region", default=os.environ.get("AWS_REGION"))
    add("cloudwatchregion", "cloudwatch-region", default="", metavar="REGION", help="where to report how busy it is")
    add("workdirectory", "work-directory", default="", metavar="FOLDER", help="where tasks get folders of their own")
    add("heartbeat", type=float, default=20.0, metavar="SECONDS", help="between heartbeats (default: 20)")
    add("grace", type=float, default=25.0, metavar="SECONDS", help="between SIGTERM and SIGKILL (default: 25)")
    add("version", action="version", version=_version())
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND", help="the command and its arguments")
    return parser


def _version() -> str:
    try:
        return version("workflow-manager")
    except PackageNotFoundError:
        return "unknown"


def worker_name(text: str, environment: Mapping[str, str]) -> str:
    """*text* with environment variables expanded, and ECS's task in the place of the magic words."""
    if _TASK_ARN in text or _TASK_ID in text:
        arn = _ecs_task_arn(environment)
        text = text.replace(_TASK_ARN, arn).replace(_TASK_ID, arn.rpartition("/")[2])
    return os.path.expandvars(text)


def _ecs_task_arn(environment: Mapping[str, str]) -> str:
    """AWS: Amazon ECS task metadata endpoint version 4."""
    with urllib.request.urlopen(f"{environment[_METADATA]}/task", timeout=10) as answer:  # noqa: S310  ECS's address
        return str(json.load(answer)["TaskARN"])


def tags(environment: Mapping[str, str]) -> dict[str, str]:
    """The tags for which *environment* has a value."""
    return {tag: environment[name] for tag, name in TAGS.items() if environment.get(name)}


class Meter:
    """Reports every minute in which part of it the worker had a task (StatesCustom, ActivityActivePercent)."""

    def __init__(self, worker: ActivityWorker, cloudwatch: Any, activity: str) -> None:
        self._worker, self._cloudwatch, self._activity = worker, cloudwatch, activity

    def start(self) -> None:
        """Report from now on, in a thread of its own."""
        threading.Thread(target=self._measure, name="meter", daemon=True).start()

    def _measure(self, looks: int = 240) -> None:
        while True:
            busy = 0
            for _ in range(looks):
                time.sleep(_METRIC_SECONDS / looks)
                busy += bool(self._worker.active)
            self.report(100.0 * busy / looks)

    def report(self, percent: float) -> None:
        """Send one figure; trouble with that is only logged."""
        metric: dict[str, Any] = {"MetricName": "ActivityActivePercent", "Unit": "Percent", "Value": percent}
        try:
            metric["Dimensions"] = [{"Name": "ActivityArn", "Value": self._worker.arn(self._activity)}]
            self._cloudwatch.put_metric_data(Namespace="StatesCustom", MetricData=[metric])
        except Exception:
            logger.warning("how busy the worker is could not be reported", exc_info=True)
