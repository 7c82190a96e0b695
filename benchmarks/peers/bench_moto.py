"""
moto's Step Functions, the way its users run it: boto3 under ``mock_aws``, polled until done.

    bench_moto.py chain-pass|chain-task|map-N|map-pass-N|fan-out|workflows [N]

Tasks are Lambda invocations that moto answers itself (``use_docker: False``), which is its quickest kind of task.
Needs an environment with ``moto[stepfunctions]``.
"""

from __future__ import annotations

import io
import json
import os
import sys
import time
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.update(AWS_ACCESS_KEY_ID="none", AWS_SECRET_ACCESS_KEY="none", AWS_DEFAULT_REGION="us-east-1")
sys.setrecursionlimit(50_000)  # moto's interpreter calls itself once per state

import boto3  # noqa: E402
from harness import PAYLOAD, chain, each, leave, measure, payloads  # noqa: E402
from moto import mock_aws  # noqa: E402

ROLE = "arn:aws:iam::123456789012:role/bench"
PASS = {"Type": "Pass"}
TASK = {
    "Type": "Task",
    "Resource": "arn:aws:states:::lambda:invoke",
    "Parameters": {"FunctionName": "bench", "Payload.$": "$"},
    "ResultPath": None,
}


class Moto:
    """A mocked account with one Lambda function in it."""

    def __init__(self) -> None:
        mock_aws(config={"stepfunctions": {"execute_state_machine": True}, "lambda": {"use_docker": False}}).start()
        self.client = boto3.client("stepfunctions")
        boto3.client("iam").create_role(RoleName="bench", AssumeRolePolicyDocument="{}")
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("bench.py", "def handler(event, context): return event")
        boto3.client("lambda").create_function(
            FunctionName="bench",
            Runtime="python3.11",
            Role=ROLE,
            Handler="bench.handler",
            Code={"ZipFile": archive.getvalue()},
        )
        self.count = 0

    def machine(self, definition: dict) -> str:
        self.count += 1
        made = self.client.create_state_machine(name=f"m{self.count}", definition=json.dumps(definition), roleArn=ROLE)
        return made["stateMachineArn"]

    @staticmethod
    def _is_over(seen: dict) -> bool:
        """For a moment moto says that an execution has succeeded, and does not yet have its output."""
        return seen["status"] != "RUNNING" and (seen["status"] != "SUCCEEDED" or "output" in seen)

    def run(self, machine: str, input: object, poll: float) -> object:
        """Run one execution; look every *poll* seconds whether it is done."""
        self.count += 1
        started = self.client.start_execution(stateMachineArn=machine, name=f"e{self.count}", input=json.dumps(input))
        while not self._is_over(seen := self.client.describe_execution(executionArn=started["executionArn"])):
            time.sleep(poll)
        assert seen["status"] == "SUCCEEDED", seen
        return json.loads(seen["output"])


def main(workload: str, n: int | None = None) -> None:
    moto = Moto()
    moto.run(moto.machine(chain(3, TASK)), PAYLOAD, 0.002)
    if workload.startswith("chain-"):
        n = n or 1000
        machine = moto.machine(chain(n, PASS if workload == "chain-pass" else TASK))
        with measure("moto", workload, n):
            assert moto.run(machine, PAYLOAD, 0.02) == PAYLOAD
    elif workload.startswith("map-"):
        state = PASS if "pass" in workload else TASK
        n = int(workload.rpartition("-")[2])
        machine = moto.machine(each(state))
        with measure("moto", workload, n):
            assert len(moto.run(machine, {"items": payloads(n)}, 0.02)) == n
    elif workload == "fan-out":  # a Wait counts whole seconds: 1 s instead of 50 ms
        machine = moto.machine(each({"Type": "Wait", "Seconds": 1}, 32))
        with measure("moto", workload, 64, ideal=2.0):
            assert len(moto.run(machine, {"items": payloads(64)}, 0.002)) == 64
    elif workload == "workflows":
        n = n or 200
        machine = moto.machine(chain(3, TASK))
        with measure("moto", workload, n):
            for _ in range(n):
                moto.run(machine, PAYLOAD, 0.002)
    leave()


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
