"""``python -m workflow_manager.workers.activity``: the original's ``sfncli``, flag by flag."""

from __future__ import annotations

import argparse
import json
import logging
import os
import shutil
import sys
import threading
import time
import urllib.request
from collections.abc import Mapping, Sequence
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
_METRIC_SECONDS = 60.0
_READ_TIMEOUT = 75  # seconds; a poll is answered after 60


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the worker; returns the exit status."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    command = [*([options.cmd] if options.cmd else []), *options.command]
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
    worker.run()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m workflow_manager.workers.activity",
        description="Run a command for every task of a Step Functions activity.",
    )
    parser.add_argument(
        "--activity", "--activityname", required=True, help="the activity's name; $VARIABLES are expanded"
    )
    parser.add_argument("--workername", "--worker-name", default="", help=f"may have {_TASK_ARN} or {_TASK_ID} in it")
    parser.add_argument("--cmd", default="", help="the command, if it is not given after --")
    parser.add_argument("--region", default=os.environ.get("AWS_REGION"))
    parser.add_argument("--cloudwatchregion", "--cloudwatch-region", default="", help="where to report how busy it is")
    parser.add_argument("--workdirectory", "--work-directory", default="", help="where tasks get folders of their own")
    parser.add_argument("--heartbeat", type=float, default=20.0, help="seconds between heartbeats")
    parser.add_argument("--grace", type=float, default=25.0, help="seconds between SIGTERM and SIGKILL")
    parser.add_argument("command", nargs="+", metavar="COMMAND", help="the command and its arguments, after --")
    return parser


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
        dimensions = [{"Name": "ActivityArn", "Value": self._worker.arn(self._activity)}]
        metric = {"MetricName": "ActivityActivePercent", "Unit": "Percent", "Value": percent, "Dimensions": dimensions}
        try:
            self._cloudwatch.put_metric_data(Namespace="StatesCustom", MetricData=[metric])
        except Exception:
            logger.warning("how busy the worker is could not be reported", exc_info=True)
