"""The HTTP example: the original's walk-through and routes, by real HTTP on loopback."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

import workflow_manager as wm
from sfn_fake import ACCOUNT, REGION, ROLE, FakeStepFunctions
from workflow_manager.testing import FakeBatch

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "examples" / "http_api"
HELLO = json.loads((EXAMPLE / "data" / "hello-workflow.post.json").read_text())
LINES = re.findall(r"^```sh\n(.*?)^```$", (EXAMPLE / "README.md").read_text(), re.MULTILINE | re.DOTALL)
QUICK = {"StartAt": "End", "States": {"End": {"Type": "Pass", "End": True}}}
SLOW = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 600, "End": True}}}
BROKEN = {
    "StartAt": "First",
    "States": {
        "First": {"Type": "Pass", "Result": {"n": 1}, "Next": "Second"},
        "Second": {"Type": "Pass", "Parameters": {"m.$": "$.missing"}, "End": True},
    },
}
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance,unsupported_method"
)


@contextmanager
def serving(environment: dict[str, str]) -> Iterator[str]:
    """The address of the example, served in a thread over what *environment* says."""
    from http_api.app import create_app

    listener = socket.socket(
        socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP
    )  # named, else asyncio delays packets
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(create_app(environment), log_level="error"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


@pytest.fixture(scope="module", autouse=True)
def on_path() -> Iterator[None]:
    """The example can be imported."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(EXAMPLE.parent)
        yield


@pytest.fixture(scope="module")
def address(on_path: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An example over an SQLite file, with the local manager; each hello task takes 0.3 seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HELLO_SECONDS", "0.3")
        with serving({"WORKFLOW_STORE": str(tmp_path_factory.mktemp("store") / "workflows.sqlite")}) as where:
            yield where


@pytest.fixture(scope="module")
def api(address: str) -> Iterator[httpx.Client]:
    """A client of it, which has posted three definitions."""
    with httpx.Client(base_url=address, timeout=30) as client:
        for name, machine in {"quick": QUICK, "slow": SLOW, "broken": BROKEN}.items():
            assert client.post("/workflow-definitions", json={"name": name, "stateMachine": machine}).status_code == 201
        yield client


def start(api: httpx.Client, name: str, **more: Any) -> dict[str, Any]:
    """Start a workflow."""
    answer = api.post("/workflows", json={"workflowDefinition": {"name": name}, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


def ended(api: httpx.Client, workflow_id: str, **parameters: Any) -> dict[str, Any]:
    """The workflow, once it has ended."""
    for _ in range(500):
        found = api.get(f"/workflows/{workflow_id}", params=parameters).json()
        if found["status"] not in ("queued", "running"):
            return found
        time.sleep(0.02)
    raise AssertionError(f"{found} does not end")


def refused(answer: httpx.Response, status: int, *words: str) -> None:
    """The answer is an error of that *status* whose message has those *words*."""
    assert answer.status_code == status, answer.text
    assert list(answer.json()) == ["message"]
    assert [] == [word for word in words if word not in answer.json()["message"]]


# The walk-through


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_walk_through_of_the_readme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The README's lines, verbatim but for the port and the id, post, show, start, watch, list and cancel."""
    monkeypatch.setenv("HELLO_SECONDS", "60")
    with serving({"WORKFLOW_STORE": str(tmp_path / "workflows.sqlite")}) as where:

        def curl(line: str, workflow_id: str = "") -> Any:
            command = line.replace("http://localhost:8080", where).replace("<workflow-id>", workflow_id).strip()
            if command.startswith("watch "):
                command = shlex.split(command)[1]
            done = subprocess.run(
                ["bash", "-c", f"{command} -sS"], cwd=EXAMPLE, capture_output=True, text=True, check=True, timeout=60
            )
            return json.loads(done.stdout)

        post, get, begin, watch, listing, cancel = LINES
        posted = curl(post)
        assert (posted["name"], posted["version"]) == ("hello-workflow", 0)
        assert [posted] == curl(get)
        started = curl(begin)
        assert json.loads(started["input"]) == ["arg1", "arg2", "arg3"]
        assert curl(watch, started["id"])["status"] == "running"
        assert [started["id"]] == [workflow["id"] for workflow in curl(listing)]
        assert curl(cancel, started["id"])["status"] == "cancelled"
        seen = curl(watch, started["id"])
        assert ("cancelled", "try out cancelling a workflow") == (seen["status"], seen["statusReason"])


def test_the_hello_workflow_says_hello(api: httpx.Client):
    """The flat form becomes a chain of Tasks, each of which is given what the one before it gave."""
    api.post("/workflow-definitions", json=HELLO)
    done = ended(api, start(api, "hello-workflow", input=["ada"])["id"], fetchHistory=True)

    assert json.loads(done["output"]) == ["HELLO, ADA", "workflow_manager"]
    assert [("greet", "succeeded"), ("shout", "succeeded"), ("sign", "succeeded")] == [
        (job["state"], job["status"]) for job in done["jobs"]
    ]


def test_it_says_where_it_is_described(api: httpx.Client):
    """The OpenAPI document has the original's sixteen operations and /jobs/, and no status that is never sent."""
    paths = api.get("/openapi.json").json()["paths"]
    operations = {
        (method, path): details["responses"] for path, found in paths.items() for method, details in found.items()
    }

    assert len(operations) == 17
    assert {status for responses in operations.values() for status in responses} == {
        *("200", "201"),
        *("400", "404", "409", "503"),
    }


# Definitions


def test_definitions_have_versions(api: httpx.Client):
    """PUT makes the next version; versions are told by number, a negative one is the latest."""
    api.post("/workflow-definitions", json={"name": "grows", "stateMachine": QUICK})
    changed = api.put("/workflow-definitions/grows", json={"name": "grows", "stateMachine": SLOW})

    assert (changed.status_code, changed.json()["version"]) == (201, 1)
    assert [1] == [each["version"] for each in api.get("/workflow-definitions/grows").json()]
    assert [1, 0] == [each["version"] for each in api.get("/workflow-definitions/grows?latest=false").json()]
    assert api.get("/workflow-definitions/grows/-1").json() == changed.json()
    assert api.get("/workflow-definitions/grows/0").json()["stateMachine"] == QUICK
    assert [1] == [each["version"] for each in api.get("/workflow-definitions").json() if each["name"] == "grows"]


def test_what_was_read_can_be_put(api: httpx.Client):
    """A definition goes back as it came, with id, version and date."""
    found = api.get("/workflow-definitions/quick").json()[0]

    assert api.put("/workflow-definitions/quick", json=found).json() == found


def test_a_name_is_taken_once(api: httpx.Client):
    """Another definition under the same name is a conflict; the same one is not."""
    refused(api.post("/workflow-definitions", json={"name": "quick", "stateMachine": SLOW}), 409, "quick")
    assert api.post("/workflow-definitions", json={"name": "quick", "stateMachine": QUICK}).status_code == 201


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("{", ["JSON"]),
        ("[]", ["dictionary"]),
        ({"stateMachine": QUICK}, ["name", "required"]),
        ({"name": "", "stateMachine": QUICK}, ["name"]),
        ({"name": "a/b", "stateMachine": QUICK}, ["name"]),
        ({"name": "..", "stateMachine": QUICK}, ["name"]),
        ({"name": "bad"}, ["/stateMachine"]),
        ({"name": "bad", "stateMachine": {}}, ["StartAt"]),
        ({"name": "bad", "stateMachine": QUICK, "states": HELLO["states"]}, ["/states"]),
        ({"name": "bad", "stateMachine": {**QUICK, "StartAt": "Nowhere"}}, ["Nowhere"]),
        ({**HELLO, "name": "bad", "startAt": ""}, ["StartAt"]),
        ({**HELLO, "name": "bad", "states": HELLO["states"] * 2}, ["/states/3/name", "twice"]),
        ({"name": "bad", "stateMachine": QUICK, "colour": "red"}, ["colour"]),
        ({"name": "bad", "stateMachine": QUICK, "defaultTags": {"n": 1}}, ["defaultTags.n"]),
        ('{"name": "bad", "stateMachine": ' + "[" * 100_000, []),
        ('{"name": "\\ud800", "stateMachine": {}}', ["name"]),
    ],
)
def test_what_is_no_definition_is_refused(api: httpx.Client, body: Any, words: list[str]):
    """It is a 400, which says what is wrong and where."""
    text = body if isinstance(body, str) else json.dumps(body)

    refused(api.post("/workflow-definitions", content=text), 400, *words)
    refused(api.get("/workflow-definitions/bad"), 404, "bad")


def test_a_definition_goes_by_its_own_name(api: httpx.Client):
    """PUT refuses a body of another name, and a name that was never posted."""
    refused(api.put("/workflow-definitions/quick", json={"name": "slow", "stateMachine": QUICK}), 400, "quick", "slow")
    refused(api.put("/workflow-definitions/none", json={"name": "none", "stateMachine": QUICK}), 404, "none")


def test_an_unknown_manager_is_refused_at_the_start(api: httpx.Client):
    """The message names the managers that are known."""
    api.post("/workflow-definitions", json={"name": "foreign", "manager": "abacus", "stateMachine": QUICK})

    refused(api.post("/workflows", json={"workflowDefinition": {"name": "foreign"}}), 400, "abacus", "local")


# Workflows


@pytest.mark.parametrize(
    ("given", "kept"),
    [("", {}), (None, {}), ('{"n": 1}', {"n": 1}), (["a"], ["a"]), ({"n": 1}, {"n": 1}), ("[1]", [1])],
)
def test_an_input_is_text_or_a_value(api: httpx.Client, given: Any, kept: Any):
    """JSON text as in the original's last version, an array as in its first; nothing is an empty object."""
    assert json.loads(start(api, "quick", input=given)["input"]) == kept


def test_a_start_says_where_and_for_whom(api: httpx.Client):
    """Namespace, queue and tags are kept."""
    started = start(api, "quick", namespace="prod", queue="slow-lane", tags={"team": "ops"})

    assert ("prod", "slow-lane", {"team": "ops"}) == tuple(started[name] for name in ("namespace", "queue", "tags"))


@pytest.mark.parametrize(
    ("more", "status", "words"),
    [
        ({"workflowDefinition": {"name": "none"}}, 404, ["none"]),
        ({"workflowDefinition": {"name": "quick", "version": 7}}, 404, ["quick"]),
        ({"workflowDefinition": {"name": "quick", "version": 10**30}}, 400, ["version"]),
        ({"input": "{"}, 400, ["JSON text"]),
        ({"input": "[" * 5000 + "]" * 5000}, 400, ["nested"]),
        ({"input": "[" * 400 + "]" * 400}, 400, ["nested"]),
        ({"input": "[1e999]"}, 400, ["too large"]),
        ({"tags": {"n": 1}}, 400, ["tags.n"]),
        ({"queue": ""}, 400, ["queue"]),
    ],
)
def test_a_start_that_cannot_be(api: httpx.Client, more: dict[str, Any], status: int, words: list[str]):
    """Unknown definitions are a 404, all else a 400."""
    refused(api.post("/workflows", json={"workflowDefinition": {"name": "quick"}, **more}), status, *words)


def test_a_start_can_be_repeated(api: httpx.Client):
    """The same Idempotency-Key and input give the same workflow; with another input it is a conflict."""
    body = {"workflowDefinition": {"name": "quick"}, "input": {"n": 1}}
    first, second = (api.post("/workflows", json=body, headers={"Idempotency-Key": "k1"}).json() for _ in "12")

    assert first["id"] == second["id"]
    other = api.post("/workflows", json={**body, "input": {"n": 2}}, headers={"Idempotency-Key": "k1"})
    refused(other, 409, "k1")


def test_pages_lead_on(api: httpx.Client):
    """X-Next-Page-Path leads through all workflows, once each, and is missing on the last page."""
    api.post("/workflow-definitions", json={"name": "many", "stateMachine": QUICK})
    ids = [start(api, "many")["id"] for _ in range(5)]
    found, path = [], "/workflows?workflowDefinitionName=many&limit=2&oldestFirst=true&summaryOnly=true"
    pages = 0
    while path:
        answer = api.get(path)
        found += [workflow["id"] for workflow in answer.json()]
        path = answer.headers.get("X-Next-Page-Path")
        pages += 1

    assert (ids, 3) == (found, pages)
    assert [] == api.get("/workflows?workflowDefinitionName=many&status=failed").json()


@pytest.mark.parametrize(
    "query",
    [
        "",
        "limit=5",
        *(f"workflowDefinitionName=quick&{bad}" for bad in ("limit=0", "limit=10001", "pageToken=x", "status=well")),
        "workflowDefinitionName=quick&color=red",
    ],
)
def test_a_listing_that_cannot_be(api: httpx.Client, query: str):
    """It needs the name of a definition, and takes no token that was not given out."""
    refused(api.get(f"/workflows?{query}"), 400)


def test_what_has_ended_cannot_be_cancelled(api: httpx.Client):
    """It is a 400; cancelling twice is not."""
    done = ended(api, start(api, "quick")["id"])
    refused(api.request("DELETE", f"/workflows/{done['id']}", json={"reason": "late"}), 400, "succeeded")
    slow = start(api, "slow")["id"]
    for _ in "12":
        answer = api.request("DELETE", f"/workflows/{slow}", json={"reason": "enough"})
        assert (200, "cancelled", "enough") == (
            answer.status_code,
            answer.json()["status"],
            answer.json()["statusReason"],
        )


def test_a_failed_workflow_is_resumed_and_resolved(api: httpx.Client):
    """Resume starts at the failed state or where one says; resolve works once, and only after the end."""
    failed = ended(api, start(api, "broken")["id"])
    assert ("failed", "States.Runtime") == (failed["status"], failed["error"])

    again = api.post(f"/workflows/{failed['id']}", json={}).json()
    assert (failed["id"], "Second", {"n": 1}) == (again["retryFor"], again["startAt"], json.loads(again["input"]))
    ended(api, again["id"])
    whole = api.post(f"/workflows/{failed['id']}", json={"StartAt": "First", "input": {"n": 2}}).json()
    assert {"n": 2} == json.loads(whole["input"])
    refused(api.post(f"/workflows/{failed['id']}", json={"StartAt": "Nowhere"}), 400, "Nowhere")

    assert api.post(f"/workflows/{failed['id']}/resolved").status_code == 201
    refused(api.post(f"/workflows/{failed['id']}/resolved"), 409)
    assert api.get(f"/workflows/{failed['id']}").json()["resolvedByUser"] is True


def test_a_body_may_be_missing(api: httpx.Client):
    """Many clients send none with DELETE: no reason is given then; a resume begins at the state that failed."""
    slow = api.post("/jobs", json={"workflowDefinition": {"name": "slow"}}).json()["id"]

    assert api.delete(f"/workflows/{slow}").json()["status"] == "cancelled"
    resumed = api.post(f"/workflows/{slow}").json()
    assert resumed["retryFor"] == slow
    assert api.delete(f"/workflows/{resumed['id']}").status_code == 200


def test_what_is_active_is_neither_resumed_nor_resolved(api: httpx.Client):
    """It is a 409."""
    slow = start(api, "slow")["id"]

    refused(api.post(f"/workflows/{slow}", json={"StartAt": "Wait"}), 409, slow)
    refused(api.post(f"/workflows/{slow}/resolved"), 409, slow)
    api.request("DELETE", f"/workflows/{slow}", json={})


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("DELETE", ""), ("POST", ""), ("POST", "/resolved")])
def test_an_unknown_workflow_is_a_404(api: httpx.Client, method: str, path: str):
    """Whatever is asked of it."""
    refused(api.request(method, f"/workflows/nobody{path}", json={}), 404, "nobody")


# State resources


def test_state_resources_come_and_go(api: httpx.Client):
    """Kept and replaced, read and deleted, in a namespace or in none."""
    for namespace, place in (("prod", "prod/resize"), ("", "/resize"), ("", "resize")):
        path = f"/state-resources/{place}"
        resource = {"name": "resize", "namespace": namespace, "uri": "arn:one", "type": "ActivityARN"}
        assert api.post("/state-resources", json=resource).status_code == 201
        assert api.put(path, json={**resource, "uri": "arn:two"}).status_code == 201
        found = api.get(path).json()
        assert {**resource, "uri": "arn:two"} == {name: found[name] for name in resource}
        assert api.put(path, json=found).status_code == 201
        assert api.delete(path).status_code == 200
        refused(api.delete(path), 404, "resize")
        refused(api.get(path), 404, "resize")


@pytest.mark.parametrize(
    "more",
    [
        {"name": "other"},
        {"namespace": "other"},
        {"type": "Magic"},
        {"type": "Command", "uri": "exec:true"},
        {"type": "PythonFunction", "uri": "python:os:getcwd"},
        {"uri": "exec:true"},
    ],
)
def test_a_state_resource_that_cannot_be(api: httpx.Client, more: dict[str, Any]):
    """Its names are those of the path, its type is known, and it names no code of this machine."""
    refused(api.put("/state-resources/n/a", json={"namespace": "n", "name": "a", **more}), 400)


# The rest


def test_health_and_wrong_ways(api: httpx.Client):
    """The health has no body; what is not there is a 404, what cannot be done there a 405 that says what can."""
    assert (200, b"") == ((answer := api.get("/_health")).status_code, answer.content)
    refused(api.get("/nowhere"), 404)
    wrong = api.patch("/workflows/x")
    refused(wrong, 405)
    assert wrong.headers["Allow"] == "DELETE, GET, POST"


def test_a_foreign_page_cannot_post(api: httpx.Client):
    """A form that a browser sends from elsewhere is not taken for JSON; what curl sends is."""
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    body = json.dumps({"workflowDefinition": {"name": "quick"}})

    assert api.post("/workflows", content=body, headers=form).status_code == 200
    refused(api.post("/workflows", content=body, headers={**form, "Origin": "http://elsewhere"}), 400)


@pytest.mark.parametrize("manager", ["batch", "step-functions"])
def test_it_runs_at_aws(manager: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Environment variables choose Batch or Step Functions; definitions that name no manager run there."""
    from http_api import backends

    batch, functions = FakeBatch(), FakeStepFunctions()
    batch.add_queue("jobs")
    for name in ("greet", "shout", "sign"):
        batch.register(f"hello-{name}")
    clients = {"stepfunctions": functions.client, "batch": batch.client, "dynamodb": lambda: batch.client("logs")}
    monkeypatch.setattr(backends, "_client", lambda environment, service: clients.get(service, clients["dynamodb"])())
    environment = {"DEFAULT_BATCH_QUEUE": "jobs", "SFN_ROLE_ARN": ROLE, "SFN_ACCOUNT_ID": ACCOUNT, "AWS_REGION": REGION}
    place = {"WORKFLOW_MANAGERS": f"{manager},local", "WORKFLOW_STORE": str(tmp_path / "workflows.sqlite")}
    with serving({**environment, **place}) as where, httpx.Client(base_url=where, timeout=30) as api:
        there = HELLO if manager == "batch" else {"name": "hello-workflow", "stateMachine": SLOW}
        assert api.post("/workflow-definitions", json=there).json()["manager"] == manager
        api.post("/workflow-definitions", json={"name": "here", "manager": "local", "stateMachine": QUICK})
        far, here = start(api, "hello-workflow", input={"n": 1}), start(api, "here")
        assert 1 == (len(functions.runs) if manager == "step-functions" else len(batch.jobs()[:1]))
        assert "succeeded" == ended(api, here["id"])["status"]
        gone = api.request("DELETE", f"/workflows/{far['id']}", json={"reason": "enough"}).json()
        assert "enough" == gone["statusReason"]


def test_starts_may_be_limited(tmp_path: Path):
    """By an environment variable; those beyond are queued, under the status that the original has for it."""
    limits = {"START_LIMITS": '{"definitions": {"slow": 1}}', "WORKFLOW_STORE": str(tmp_path / "workflows.sqlite")}
    with serving(limits) as where, httpx.Client(base_url=where, timeout=30) as api:
        api.post("/workflow-definitions", json={"name": "slow", "stateMachine": SLOW})
        first, second = start(api, "slow"), start(api, "slow")
        assert ("running", "queued") == (first["status"], second["status"])
        refused(api.post(f"/workflows/{second['id']}"), 409, second["id"])
        api.delete(f"/workflows/{first['id']}")
        assert "running" == api.get(f"/workflows/{second['id']}").json()["status"]
        listed = api.get("/workflows?workflowDefinitionName=slow&oldestFirst=true").json()
        assert [first["id"], second["id"]] == [workflow["id"] for workflow in listed]


def test_an_unknown_manager_is_no_backend(tmp_path: Path):
    """The error says which variable is wrong and what it may be."""
    from http_api.backends import backend

    with (
        pytest.raises(wm.InvalidValueError, match=r"WORKFLOW_MANAGERS.*'abacus' is not one of local"),
        backend({"WORKFLOW_MANAGERS": "abacus", "WORKFLOW_STORE": str(tmp_path / "file")}),
    ):
        pass


def test_nobody_is_surprised(address: str, api: httpx.Client, tmp_path: Path):
    """Whatever schemathesis makes up is answered by a status, headers and a body that the OpenAPI document has."""
    api.post("/workflow-definitions", json=HELLO)
    bodies = {"fails": BROKEN, "waits": SLOW}
    for name, machine in bodies.items():
        api.post("/workflow-definitions", json={"name": name, "stateMachine": machine})
    ids = [start(api, name)["id"] for name in ("hello-workflow", "fails", "waits")]
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{address}/openapi.json"]
    options = ["--checks", CHECKS, "--max-examples", "4", "--seed", "1", "--no-color", "--generation-database", "none"]
    tools = {"SCHEMATHESIS_HOOKS": "http_hooks", "PYTHONPATH": str(ROOT / "tests"), "HTTP_KNOWN_IDS": ",".join(ids)}
    done = subprocess.run(
        [*command, *options],
        cwd=tmp_path,
        env={**os.environ, **tools},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert int(re.search(r"(\d+) generated", done.stdout)[1]) > 200
