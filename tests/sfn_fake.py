"""
A Step Functions for tests: real boto3 clients whose requests are answered here, in virtual time.

botocore serialises, parses and raises as ever; what an execution does is what ``simulate`` says, shown as far as the
clock has come.  ``plan`` spoils chosen calls: throttled, failed, refused, lost, or the caller crashes.
"""

from __future__ import annotations

import functools
import io
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import boto3
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError

from faults import Crash, Fault
from workflow_manager.asl import StateMachine, graph
from workflow_manager.testing import TaskCall, simulate

REGION, ACCOUNT = "eu-west-1", "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/workflows"
T0 = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ENDS = {
    "ExecutionSucceeded": "SUCCEEDED",
    "ExecutionFailed": "FAILED",
    "ExecutionAborted": "ABORTED",
    "ExecutionTimedOut": "TIMED_OUT",
}


class _Body(io.BytesIO):
    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


class Refusal(Exception):
    """An error answer."""

    def __init__(self, code: str, status: int = 400) -> None:
        super().__init__(code)
        self.code, self.status = code, status


@attrs.define
class Run:
    """One execution: all that it will do, *events* in AWS's shape."""

    arn: str
    name: str
    machine_arn: str
    definition: str
    input: str
    started: datetime
    events: list[dict[str, Any]]
    redrives: int = 0
    tokens: set[str] = attrs.field(factory=set)


class FakeStepFunctions:
    """
    One account.

    *tasks* answers the tasks of all executions, as ``simulate`` asks.  *page* is the longest page, *lag* the seconds
    after which an execution is to be seen.  *calls* lists the operations that have been asked for.
    """

    def __init__(self, tasks: Callable[[TaskCall], Any] = lambda call: call.input) -> None:
        self.now, self.tasks = T0, tasks
        self.page, self.lag = 1000, 0.0
        self.machines: dict[str, dict[str, Any]] = {}
        self.runs: dict[str, Run] = {}
        self.map_runs: dict[str, Any] = {}
        self.calls: list[str] = []
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.plan: Callable[[int, str], Fault | type[Crash] | None] = lambda number, operation: None
        self.starts = 0
        self.redriven = 0
        self.refuse: dict[str, str] = {}

    # the client and its way here

    def client(self, attempts: int = 1) -> Any:
        """A client whose requests are answered here, until another account asks for one: making one takes long."""
        client, accounts = _client(attempts)
        accounts[:] = [self]
        return client

    def clock(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def answer(self, request: Any) -> AWSResponse:
        target = request.headers["X-Amz-Target"]
        operation = (target if isinstance(target, str) else target.decode()).rpartition(".")[2]
        number = len(self.calls)
        self.calls.append(operation)
        fault = self.plan(number, operation)
        if fault is Crash:
            raise Crash
        if fault is Fault.THROTTLED:
            return _reply(request.url, 400, {"__type": "ThrottlingException", "message": "Rate exceeded"})
        if fault is Fault.FAILED:
            return _reply(request.url, 500, {"__type": "InternalServerError", "message": "oops"})
        if fault is Fault.REFUSED:
            raise EndpointConnectionError(endpoint_url=request.url)
        body = json.loads(request.body)
        self.requests.append((operation, body))
        try:
            if operation in self.refuse:
                raise Refusal(self.refuse[operation])
            answer, status = getattr(self, operation)(**body), 200
        except Refusal as refusal:
            answer, status = {"__type": refusal.code, "message": refusal.code}, refusal.status
        if fault is Fault.LOST:
            raise ConnectionClosedError(endpoint_url=request.url)
        return _reply(request.url, status, answer)

    def count(self, operation: str) -> int:
        return self.calls.count(operation)

    # state machines

    def DescribeStateMachine(self, stateMachineArn: str) -> dict[str, Any]:  # noqa: N803
        found = self.machines.get(stateMachineArn)
        if found is None:
            raise Refusal("StateMachineDoesNotExist")
        return {"type": "STANDARD", "creationDate": 0, "status": "ACTIVE", **found}

    def CreateStateMachine(self, name: str, definition: str, roleArn: str, **more: Any) -> dict[str, Any]:  # noqa: N803
        if not 1 <= len(name) <= 80 or any(character in name for character in ' <>{}[]?*"#%\\^|~`$&,;:/'):
            raise Refusal("InvalidName")
        arn = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:{name}"
        found = self.machines.get(arn)
        if found is not None and found["definition"] != definition:
            raise Refusal("StateMachineAlreadyExists")
        made = {"stateMachineArn": arn, "name": name, "definition": definition, "roleArn": roleArn, **more}
        self.machines.setdefault(arn, made)
        return {"stateMachineArn": arn, "creationDate": 0}

    def UpdateStateMachine(self, stateMachineArn: str, **more: Any) -> dict[str, Any]:  # noqa: N803
        if not {"roleArn", "definition"} & set(more):
            raise Refusal("MissingRequiredParameter")
        self.machines[stateMachineArn].update(more)
        return {"updateDate": 0}

    # executions

    def StartExecution(self, stateMachineArn: str, name: str, input: str) -> dict[str, Any]:  # noqa: N803
        machine = self.machines.get(stateMachineArn)
        if machine is None:
            raise Refusal("StateMachineDoesNotExist")
        if machine.get("status") == "DELETING":
            raise Refusal("StateMachineDeleting")
        arn = f"{stateMachineArn.replace(':stateMachine:', ':execution:')}:{name}"
        run = self.runs.get(arn)
        if run is not None:
            if run.input != input or self.status(arn) != "RUNNING":
                raise Refusal("ExecutionAlreadyExists")
            return {"executionArn": arn, "startDate": run.started.timestamp()}
        self.starts += 1
        events = self._simulated(machine["definition"], json.loads(input), arn)
        self.runs[arn] = Run(arn, name, stateMachineArn, machine["definition"], input, self.now, events)
        return {"executionArn": arn, "startDate": self.now.timestamp()}

    def _simulated(self, definition: Any, input: Any, arn: str) -> list[dict[str, Any]]:
        machine = arn.rpartition(":")[0].replace(":execution:", ":stateMachine:")
        run = simulate(
            definition, input, tasks=self.tasks, start=self.now, execution_arn=arn, state_machine_arn=machine
        )
        return run.history

    def _run(self, arn: str) -> Run:
        run = self.runs.get(arn)
        if run is None or (self.now - run.started).total_seconds() < self.lag:
            raise Refusal("ExecutionDoesNotExist")
        return run

    def visible(self, arn: str) -> list[dict[str, Any]]:
        return [event for event in self.runs[arn].events if event["timestamp"] <= self.now]

    def status(self, arn: str) -> str:
        return ENDS.get(self.visible(arn)[-1]["type"], "RUNNING")

    def DescribeExecution(self, executionArn: str) -> dict[str, Any]:  # noqa: N803
        run = self._run(executionArn)
        status, last = self.status(executionArn), self.visible(executionArn)[-1]
        answer = {
            "executionArn": run.arn,
            "stateMachineArn": run.machine_arn,
            "name": run.name,
            "status": status,
            "startDate": run.started.timestamp(),
            "input": run.input,
            "redriveCount": run.redrives,
            "redriveStatus": "REDRIVABLE" if status in ("FAILED", "ABORTED", "TIMED_OUT") else "NOT_REDRIVABLE",
        }
        if status == "RUNNING":
            return answer
        details = next((value for key, value in last.items() if key.endswith("EventDetails")), {})
        found = {key: details[key] for key in ("output", "error", "cause") if details.get(key) is not None}
        return {**answer, **found, "stopDate": last["timestamp"].timestamp()}

    def StopExecution(self, executionArn: str, cause: str = "", error: str | None = None) -> dict[str, Any]:  # noqa: N803
        run = self._run(executionArn)
        if self.status(executionArn) == "RUNNING":
            events = self.visible(executionArn)
            said = {"cause": cause, **({} if error is None else {"error": error})}
            end = {"timestamp": self.now, "type": "ExecutionAborted", "id": len(events) + 1, "previousEventId": 0}
            run.events = [*events, {**end, "executionAbortedEventDetails": said}]
        return {"stopDate": self.now.timestamp()}

    def RedriveExecution(self, executionArn: str, clientToken: str) -> dict[str, Any]:  # noqa: N803
        run = self._run(executionArn)
        if clientToken in run.tokens:
            return {"redriveDate": self.now.timestamp()}
        if self.status(executionArn) not in ("FAILED", "ABORTED", "TIMED_OUT"):
            raise Refusal("ExecutionNotRedrivable")
        self.redriven += 1
        run.tokens.add(clientToken)
        run.redrives += 1
        count = len(run.events)
        event = {"timestamp": self.now, "type": "ExecutionRedriven", "id": count + 1, "previousEventId": count}
        run.events.append({**event, "executionRedrivenEventDetails": {"redriveCount": run.redrives}})
        run.events += self._again(run)
        return {"redriveDate": self.now.timestamp()}

    def _again(self, run: Run) -> list[dict[str, Any]]:
        """What follows a redrive: the last top-level visit once more, and on."""
        entered = [event for event in run.events if event["type"].endswith("StateEntered")]
        names = StateMachine.from_json(run.definition).states
        last = [e["stateEnteredEventDetails"] for e in entered if e["stateEnteredEventDetails"]["name"] in names][-1]
        machine = graph.trim(StateMachine.from_json(run.definition), last["name"])
        events = self._simulated(machine, json.loads(last["input"]), run.arn)[1:]
        offset = len(run.events) - 1
        return [
            {**event, "id": event["id"] + offset, "previousEventId": max(event["previousEventId"], 1) + offset}
            for event in events
        ]

    def GetExecutionHistory(
        self,
        executionArn: str,  # noqa: N803
        maxResults: int = 100,  # noqa: N803
        reverseOrder: bool = False,  # noqa: N803
        nextToken: str = "0",  # noqa: N803
    ) -> dict[str, Any]:
        self._run(executionArn)
        events = self.visible(executionArn)[:: -1 if reverseOrder else 1]
        begin = int(nextToken)
        end = begin + min(maxResults, self.page)
        more = {"nextToken": str(end)} if end < len(events) else {}
        shown = [{**event, "timestamp": event["timestamp"].timestamp()} for event in events[begin:end]]
        return {"events": shown, **more}

    def ListMapRuns(self, executionArn: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        runs = [run for run in self.map_runs.values() if run["executionArn"] == executionArn]
        names = ("executionArn", "mapRunArn", "stateMachineArn", "startDate")
        return {"mapRuns": [{name: run[name] for name in names} for run in runs]}

    def DescribeMapRun(self, mapRunArn: str) -> dict[str, Any]:  # noqa: N803
        return {key: value for key, value in self.map_runs[mapRunArn].items() if key != "children"}

    def ListExecutions(self, mapRunArn: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        return {"executions": self.map_runs[mapRunArn]["children"]}


@functools.cache
def _client(attempts: int) -> tuple[Any, list[FakeStepFunctions]]:
    session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)
    config = Config(retries={"mode": "standard", "total_max_attempts": attempts})
    client, accounts = session.client("stepfunctions", config=config), []
    client.meta.events.register_first("before-send.sfn", lambda request, **_: accounts[0].answer(request))
    return client, accounts


def _reply(url: str, status: int, body: Any) -> AWSResponse:
    return AWSResponse(url, status, {"content-type": "application/x-amz-json-1.0"}, _Body(json.dumps(body).encode()))


def manager_of(fake: FakeStepFunctions, store: Any, **settings: Any) -> Any:
    """A manager of the fake account, whose pauses move its clock."""
    from workflow_manager.managers.step_functions import Pacer, StepFunctionsWorkflowManager

    given = {"client": fake.client(), "clock": fake.clock, "sleep": fake.advance, "pacer": Pacer({}), **settings}
    client = given.pop("client")
    return StepFunctionsWorkflowManager(client, store, role_arn=ROLE, region=REGION, account_id=ACCOUNT, **given)
