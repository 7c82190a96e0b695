"""Tasks that are calls of AWS: real boto3 clients, moto's services, and replies made by hand where moto has none."""

from __future__ import annotations

import gzip
import io
import json
import re
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import botocore
import pytest
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError
from moto import mock_aws

from aws_world import QUICK, Replies, call, definition, json_reply, refused
from workflow_manager.asl.resources import parse_resource
from workflow_manager.exceptions import InvalidValueError, TaskError, UnknownResourceError
from workflow_manager.managers.aws_clients import AwsClients
from workflow_manager.managers.aws_errors import is_passing
from workflow_manager.managers.aws_jobs import JOBS, at, ended
from workflow_manager.managers.aws_names import client_name, exception_name, full_title, sdk_name, short_title
from workflow_manager.managers.aws_shapes import blob_text, from_response, to_request
from workflow_manager.managers.local import LocalWorkflowManager
from workflow_manager.managers.wait import wait
from workflow_manager.models import ResourceType, StateResource, Workflow, WorkflowStatus
from workflow_manager.stores.memory import MemoryStore

PATIENCE = 30.0
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:bake"
ROLE = "arn:aws:iam::123456789012:role/baker"


@pytest.fixture(scope="module")
def session() -> Iterator[Any]:
    with mock_aws(config={"lambda": {"use_docker": False}}):
        yield boto3.Session(region_name="us-east-1")


@pytest.fixture(scope="module")
def clients(session: Any) -> Callable[[str], Any]:
    """Makes clients, with few attempts, each service's own once."""
    made: dict[str, Any] = {}

    def client(service: str) -> Any:
        if service not in made:
            made[service] = session.client(service, config=QUICK)
        return made[service]

    return client


@pytest.fixture
def managed() -> Iterator[Callable[..., LocalWorkflowManager]]:
    made: list[LocalWorkflowManager] = []

    def make(tasks: Any = None, **settings: Any) -> LocalWorkflowManager:
        settings.setdefault("poll_seconds", 0.02)
        made.append(LocalWorkflowManager(settings.pop("store", None) or MemoryStore(), tasks, **settings))
        return made[-1]

    yield make
    for manager in made:
        manager.close(wait=False)


@pytest.fixture
def run(session: Any, managed: Any) -> Callable[..., Workflow]:
    """Runs one task to its end, with a manager over the session."""

    def run(action: str, parameters: Any = None, **fields: Any) -> Workflow:
        manager = managed(session=session)
        workflow = manager.create_workflow(definition(Call=call(action, parameters, **fields)), {})
        return wait(manager, workflow, PATIENCE)

    return run


def until(holds: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.005)


# Names


def service_ids() -> dict[str, str]:
    """boto3's name of every service, and the id in its model."""
    found = {}
    for folder in sorted((Path(botocore.__file__).parent / "data").iterdir()):
        files = sorted(folder.glob("*/service-2.json*"))
        if files:
            content = files[-1].read_bytes()
            head = gzip.decompress(content) if files[-1].suffix == ".gz" else content
            found[folder.name] = re.search(rb'"serviceId"\s*:\s*"([^"]+)"', head)[1].decode()
    return found


def test_every_service_is_found_by_the_name_that_the_sdk_for_java_gives_it():
    """The id of a service's model, in lower case without spaces, with or without "service", leads to its client."""
    ids = service_ids()
    assert len(ids) > 300
    lost = []
    for name, service_id in ids.items():
        spoken = re.sub("[^a-z0-9]", "", service_id.lower())
        found = {ids.get(client_name(each, ids)) for each in (spoken, spoken.removesuffix("service"))}
        lost += [name for each in found if each != service_id]  # two clients of one id are the same service
    assert lost == []


@pytest.mark.parametrize(
    ("service_id", "name"),
    [
        ("SFN", "Sfn"),
        ("DynamoDB", "DynamoDb"),
        ("Secrets Manager", "SecretsManager"),
        ("S3", "S3"),
        ("EC2", "Ec2"),
        ("SESv2", "SesV2"),
        ("IoT", "Iot"),
        ("FSx", "FSx"),
        ("CloudWatch Logs", "CloudWatchLogs"),
        ("ACM PCA", "AcmPca"),
        ("ApiGatewayV2", "ApiGatewayV2"),
    ],
)
def test_a_service_has_the_name_of_its_java_client(service_id, name):
    assert sdk_name(service_id) == name


def test_an_error_shape_has_the_name_of_its_java_class():
    """What does not end in Exception does so in Java."""
    names = [exception_name(shape) for shape in ("NoSuchBucket", "NotFoundException", "ClusterNotFoundFault")]
    assert names == ["NoSuchBucketException", "NotFoundException", "ClusterNotFoundException"]


@pytest.mark.parametrize(
    ("service", "title"),
    [
        ("dynamodb", "Amazon DynamoDB"),
        ("sns", "Amazon SNS"),
        ("lambda", "AWS Lambda"),
        ("stepfunctions", "AWS Step Functions"),
        ("events", "Amazon EventBridge"),
        ("batch", "AWS Batch"),
    ],
)
def test_a_service_has_a_title(clients, service, title):
    """Optimised integrations name their errors after it."""
    assert full_title(clients(service).meta.service_model.metadata) == title
    assert short_title(title) in title.replace(" ", "")


def test_an_unknown_service_has_no_client():
    assert client_name("soup", ["s3", "sqs"]) is None
    assert AwsClients().find("s3") is None


# Shapes


def test_members_are_matched_by_their_model(clients):
    """Batch's members are camelCase; the state's are PascalCase, all the way down; null members are left out."""
    shape = clients("batch").meta.service_model.operation_model("SubmitJob").input_shape
    given = {
        "JobName": "bake",
        "ContainerOverrides": {"Environment": [{"Name": "LOAVES", "Value": 3}], "Command": None},
        "Parameters": {"Flour": "rye", "Count": 2},
        "Timeout": {"AttemptDurationSeconds": 60.0},
    }
    request = to_request(shape, given)
    assert request == {
        "jobName": "bake",
        "containerOverrides": {"environment": [{"name": "LOAVES", "value": "3"}]},
        "parameters": {"Flour": "rye", "Count": "2"},
        "timeout": {"attemptDurationSeconds": 60},
    }
    assert isinstance(request["timeout"]["attemptDurationSeconds"], int)


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ({"Jobname": "bake"}, "Jobname"),
        ({"ContainerOverrides": {"Environment": [{"Nmae": "x"}]}}, "ContainerOverrides.Environment[0].Nmae"),
        ({"ContainerOverrides": {"Environment": {"Name": "x"}}}, "ContainerOverrides.Environment"),
        ({"Parameters": "rye"}, "Parameters"),
        ([1], "Parameters"),
    ],
)
def test_what_does_not_fit_the_model_is_named(clients, given, place):
    """A member that the operation does not have is States.Runtime, and the cause says where it is."""
    shape = clients("batch").meta.service_model.operation_model("SubmitJob").input_shape
    with pytest.raises(TaskError, match=re.escape(f"'{place}'")) as refusal:
        to_request(shape, given)
    assert refusal.value.error == "States.Runtime"


def test_blobs_are_text(clients):
    """A blob is its UTF-8 text on both sides; what is not UTF-8 becomes base64; as a payload it is a JSON value."""
    put = clients("s3").meta.service_model.operation_model("PutObject").input_shape
    assert to_request(put, {"Body": "Grüße"}) == {"Body": "Grüße".encode()}
    assert to_request(put, {"Body": {"a": 1}}) == {"Body": b'{"a":1}'}
    invoke = clients("lambda").meta.service_model.operation_model("Invoke").input_shape
    assert to_request(invoke, {"Payload": None}, json_blobs=True) == {"Payload": b"null"}
    assert to_request(invoke, {"Payload": "text"}, json_blobs=True) == {"Payload": b'"text"'}
    assert blob_text(b"\xff\x00") == "/wA="
    assert blob_text(b"plain", as_json=True) == "plain"
    assert blob_text("[1]", as_json=True) == [1]


def test_an_answer_is_json_in_pascal_case(clients):
    """Keys begin with a capital, times are ISO 8601, and ResponseMetadata is no part of it."""
    model = clients("stepfunctions").meta.service_model.operation_model("ListStateMachines").output_shape
    naive = datetime(2026, 5, 6, 7, 8, 9, 123456, tzinfo=UTC).replace(tzinfo=None)
    answer = {"stateMachines": [{"name": "m", "creationDate": naive}], "ResponseMetadata": {"RequestId": "x"}}
    assert from_response(model, answer) == {
        "StateMachines": [{"Name": "m", "CreationDate": "2026-05-06T07:08:09.123Z"}]
    }


# Calls


def test_objects_of_s3(run, clients):
    """aws-sdk:s3 puts a JSON value as its text and reads a streamed body; binary is base64."""
    clients("s3").create_bucket(Bucket="loaves")
    run("aws-sdk:s3:putObject", {"Bucket": "loaves", "Key": "rye", "Body": {"grams": 500}})
    got = run("aws-sdk:s3:getObject", {"Bucket": "loaves", "Key": "rye"}).output
    assert got["Body"] == '{"grams":500}'
    assert got["ContentLength"] == 13
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", got["LastModified"])
    assert "ResponseMetadata" not in got
    clients("s3").put_object(Bucket="loaves", Key="photo", Body=b"\xff\xd8\xff")
    assert run("aws-sdk:s3:getObject", {"Bucket": "loaves", "Key": "photo"}).output["Body"] == "/9j/"


def test_a_message_of_sqs(run, clients):
    """sqs:sendMessage sends an object as compact JSON text, and its answer has AWS's metadata."""
    sqs = clients("sqs")
    url = sqs.create_queue(QueueName="orders")["QueueUrl"]
    attributes = {"kind": {"DataType": "String", "StringValue": "order"}}
    sent = run(
        "sqs:sendMessage", {"QueueUrl": url, "MessageBody": {"loaves": [1, 2]}, "MessageAttributes": attributes}
    ).output
    message = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"])["Messages"][0]
    assert message["Body"] == '{"loaves":[1,2]}'
    assert message["MessageAttributes"]["kind"]["StringValue"] == "order"
    assert sent["MessageId"] == message["MessageId"]
    assert sent["SdkHttpMetadata"]["HttpStatusCode"] == 200
    assert sent["SdkResponseMetadata"]["RequestId"]
    headers = sent["SdkHttpMetadata"]
    assert headers["AllHttpHeaders"] == {name: [value] for name, value in headers["HttpHeaders"].items()}


def test_dynamodb_sns_events_and_secrets(run, clients):
    """Every service goes the same way."""
    clients("dynamodb").create_table(
        TableName="stock",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    item = {"id": {"S": "rye"}, "grams": {"N": 500}, "tags": {"L": [{"S": "dark"}]}, "fresh": {"BOOL": True}}
    assert run("dynamodb:putItem", {"TableName": "stock", "Item": item}).status is WorkflowStatus.SUCCEEDED
    got = run("aws-sdk:dynamodb:getItem", {"TableName": "stock", "Key": {"id": {"S": "rye"}}}).output
    assert got["Item"] == {**item, "grams": {"N": "500"}}
    topic = clients("sns").create_topic(Name="news")["TopicArn"]
    assert run("sns:publish", {"TopicArn": topic, "Message": {"fresh": True}}).output["MessageId"]
    entries = [{"Source": "bakery", "DetailType": "baked", "Detail": {"loaves": 3}}]
    assert run("events:putEvents", {"Entries": entries}).output["FailedEntryCount"] == 0
    run("aws-sdk:secretsmanager:createSecret", {"Name": "yeast", "SecretString": "old"})
    assert run("aws-sdk:secretsmanager:getSecretValue", {"SecretId": "yeast"}).output["SecretString"] == "old"
    assert run("aws-sdk:sfn:listStateMachines").output == {"StateMachines": []}
    assert run("aws-sdk:cloudwatchlogs:describeLogGroups").output == {"LogGroups": []}


def test_events_that_are_not_taken_fail_the_task(session, managed):
    """events:putEvents fails as a whole when any entry has failed."""
    events = session.client("events")
    Replies(events, "PutEvents", json_reply({"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InternalFailure"}]}))
    manager = managed(clients={"events": events})
    workflow = manager.create_workflow(definition(Call=call("events:putEvents", {"Entries": [{"Source": "x"}]})), {})
    assert wait(manager, workflow, PATIENCE).error == "EventBridge.FailedEntry"


@pytest.mark.parametrize(
    ("action", "parameters", "error", "cause"),
    [
        (
            "aws-sdk:s3:listObjects",
            {"Bucket": "nobodys-bucket"},
            "S3.NoSuchBucketException",
            r"The specified bucket does not exist \(Service: S3, Status Code: 404, Request ID: \S+\)",
        ),
        (
            "aws-sdk:dynamodb:getItem",
            {"TableName": "nowhere", "Key": {"id": {"S": "x"}}},
            "DynamoDb.ResourceNotFoundException",
            r".* \(Service: DynamoDb, Status Code: 400, Request ID: \S+\)",
        ),
        (
            "dynamodb:getItem",
            {"TableName": "nowhere", "Key": {"id": {"S": "x"}}},
            "DynamoDB.ResourceNotFoundException",
            r".* \(Service: AmazonDynamoDBv2; Status Code: 400; Error Code: ResourceNotFoundException; .*\)",
        ),
        (
            "sns:publish",
            {"TopicArn": "arn:aws:sns:us-east-1:123456789012:silence", "Message": "x"},
            "SNS.NotFoundException",
            r".* \(Service: AmazonSNS; Status Code: 404; Error Code: NotFound; Request ID: .*; Proxy: null\)",
        ),
        (
            "states:startExecution",
            {"StateMachineArn": "arn:aws:states:us-east-1:123456789012:stateMachine:none"},
            "StepFunctions.StateMachineDoesNotExistException",
            r".*",
        ),
        ("aws-sdk:s3:getObject", {"Bukket": "x"}, "States.Runtime", r"The field 'Bukket' is not supported .*"),
        ("aws-sdk:s3:getObject", {"Bucket": "loaves"}, "States.Runtime", r"(?s).*Missing required parameter.*Key.*"),
    ],
)
def test_refusals_have_the_names_that_aws_gives_them(run, action, parameters, error, cause):
    failed = run(action, parameters)
    assert failed.error == error
    assert re.fullmatch(cause, failed.cause), failed.cause


@pytest.mark.parametrize(
    ("service", "action", "operation", "error"),
    [
        (
            "secretsmanager",
            "aws-sdk:secretsmanager:listSecrets",
            "ListSecrets",
            "SecretsManager.SecretsManagerException",
        ),
        ("dynamodb", "dynamodb:getItem", "GetItem", "DynamoDB.AmazonDynamoDBException"),
        ("sqs", "sqs:sendMessage", "SendMessage", "SQS.AmazonSQSException"),
    ],
)
def test_an_error_without_a_class_has_its_services(session, managed, service, action, operation, error):
    """A code that the service's model does not know has the name of the service's own exception."""
    client = session.client(service, config=QUICK)
    Replies(client, operation, refused(400, "SomethingNew", "what?"))
    manager = managed(clients={service: client})
    parameters = {"dynamodb": {"TableName": "t", "Key": {}}, "sqs": {"QueueUrl": "https://q", "MessageBody": "x"}}
    asks = definition(Call=call(action, parameters.get(service)))
    failed = wait(manager, manager.create_workflow(asks, {}), PATIENCE)
    assert failed.error == error
    assert failed.cause.startswith("what? (Service: ")
    assert "r-1" in failed.cause


def test_trouble_on_the_way_is_botocores_to_mend(session, managed):
    """A throttle, a 500 and a lost connection are tried again by the client, and nobody hears of them."""
    client = session.client("secretsmanager", config=QUICK)
    trouble = refused(400, "ThrottlingException"), ConnectionClosedError(endpoint_url="x")
    asked = Replies(client, "ListSecrets", *trouble)
    manager = managed(clients={"secretsmanager": client})
    workflow = manager.create_workflow(definition(Call=call("aws-sdk:secretsmanager:listSecrets")), {})
    assert wait(manager, workflow, PATIENCE).status is WorkflowStatus.SUCCEEDED
    assert len(asked.requests) == 3


def test_trouble_that_stays_is_a_failure_that_retry_may_answer(session, managed):
    """What the client gives up on fails the task by name; the definition's Retry tries again."""
    client = session.client("secretsmanager", config=QUICK)
    down = EndpointConnectionError(endpoint_url="https://secrets.example")
    asked = Replies(client, "ListSecrets", down, down, down, *[refused(503, "ServiceUnavailable")] * 3)
    manager = managed(clients={"secretsmanager": client})
    retry = [{"ErrorEquals": ["SecretsManager.SdkClientException"], "IntervalSeconds": 1, "MaxAttempts": 1}]
    workflow = manager.create_workflow(definition(Call=call("aws-sdk:secretsmanager:listSecrets", Retry=retry)), {})
    failed = wait(manager, workflow, PATIENCE)
    assert failed.error == "SecretsManager.SecretsManagerException"
    assert "Status Code: 503" in failed.cause
    assert len(asked.requests) == 6


# Lambda


def lambda_with(session: Any, *replies: Any) -> tuple[Any, Replies]:
    client = session.client("lambda", config=QUICK)
    return client, Replies(client, "Invoke", *replies)


def test_a_function_is_called_by_its_arn(session, managed):
    """A Lambda function's ARN gets the state's input as its event, and its answer is the state's result."""
    client, asked = lambda_with(session, json_reply({"loaves": 3}))
    manager = managed(clients={"lambda": client})
    workflow = manager.create_workflow(definition(Bake={"Type": "Task", "Resource": FUNCTION}), {"flour": 1})
    assert wait(manager, workflow, PATIENCE).output == {"loaves": 3}
    assert asked.requests[0].body == b'{"flour":1}'
    assert "function%3Abake" in asked.requests[0].url


def test_a_function_is_invoked(session, managed):
    """lambda:invoke gives the payload as a value, beside the version, the status and the metadata."""
    client, asked = lambda_with(session, json_reply({"loaves": 3}, **{"X-Amz-Executed-Version": "$LATEST"}))
    manager = managed(clients={"lambda": client})
    bake = call("lambda:invoke", {"FunctionName": "bake", "Payload": {"flour": 1}})
    out = wait(manager, manager.create_workflow(definition(Bake=bake), {}), PATIENCE).output
    assert out["Payload"] == {"loaves": 3}
    assert (out["ExecutedVersion"], out["StatusCode"]) == ("$LATEST", 200)
    assert out["SdkHttpMetadata"]["HttpStatusCode"] == 200
    assert asked.requests[0].body == b'{"flour":1}'


@pytest.mark.parametrize(
    ("task", "cause"),
    [
        ({"Type": "Task", "Resource": FUNCTION}, '{"errorType": "Burnt", "errorMessage": "black"}'),
        (call("lambda:invoke", {"FunctionName": "bake"}), '{"errorType":"Burnt","errorMessage":"black"}'),
    ],
)
def test_a_function_that_raises_fails_with_its_own_error(session, managed, task, cause):
    """The error is the payload's errorType, the cause the payload's text."""
    client, _ = lambda_with(
        session, json_reply({"errorType": "Burnt", "errorMessage": "black"}, **{"X-Amz-Function-Error": "Unhandled"})
    )
    manager = managed(clients={"lambda": client})
    failed = wait(manager, manager.create_workflow(definition(Bake=task), {}), PATIENCE)
    assert (failed.error, failed.cause) == ("Burnt", cause)


def test_a_function_at_moto(run, clients):
    """The same with a function that was made there and gives its event back."""
    clients("iam").create_role(RoleName="baker", AssumeRolePolicyDocument="{}")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("handler.py", "def bake(event, context): return event")
    clients("lambda").create_function(
        FunctionName="bake",
        Runtime="python3.13",
        Role=ROLE,
        Handler="handler.bake",
        Code={"ZipFile": packed.getvalue()},
    )
    out = run("lambda:invoke", {"FunctionName": "bake", "Payload": {"flour": 1}}).output
    assert out["StatusCode"] == 200
    assert out["Payload"] == {"flour": 1}
    assert run("aws-sdk:lambda:getFunctionConfiguration", {"FunctionName": "bake"}).output["Handler"] == "handler.bake"


def test_a_function_that_is_not_there(session, managed):
    client, _ = lambda_with(session, refused(404, "ResourceNotFoundException"))
    manager = managed(clients={"lambda": client})
    bake = definition(Bake=call("lambda:invoke", {"FunctionName": "bake"}))
    assert wait(manager, manager.create_workflow(bake, {}), PATIENCE).error == "Lambda.ResourceNotFoundException"


def test_a_function_that_says_nothing_of_its_failure(session, managed):
    client, _ = lambda_with(session, (200, {"X-Amz-Function-Error": "Unhandled"}, "gone"))
    manager = managed(clients={"lambda": client})
    failed = wait(
        manager, manager.create_workflow(definition(Bake={"Type": "Task", "Resource": FUNCTION}), {}), PATIENCE
    )
    assert (failed.error, failed.cause) == ("Lambda.Unknown", "gone")


# Which hands


def test_what_the_caller_registers_comes_first(session, managed):
    """Tasks win over the session, and so do state resources; only the rest is called for real."""
    store = MemoryStore()
    name = "arn:aws:states:::aws-sdk:sqs:getQueueUrl"
    store.save_state_resource(StateResource(name=name, type=ResourceType.PYTHON, uri="python:copy:copy"))
    manager = managed({"sns:publish": lambda given: {"MessageId": given["Message"]}}, session=session, store=store)
    both = definition(
        A=call("sns:publish", {"Message": "mine"}, ResultPath="$.a"),
        B=call("aws-sdk:sqs:getQueueUrl", {"QueueName": "x"}, ResultPath="$.b"),
        C=call("aws-sdk:sqs:listQueues", {"QueueNamePrefix": "zzz"}, ResultPath="$.c"),
    )
    out = wait(manager, manager.create_workflow(both, {}), PATIENCE).output
    assert out == {"a": {"MessageId": "mine"}, "b": {"QueueName": "x"}, "c": {}}


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        ("aws-sdk:soup:ladle", "no client for the service 'soup'"),
        ("aws-sdk:s3:eatObject", "S3 has no operation 'EatObject'"),
        ("elasticmapreduce:createCluster.sync", "no way here to follow what elasticmapreduce:createCluster starts"),
        ("apigateway:invoke", "no operation 'Invoke'"),
    ],
)
def test_a_call_that_cannot_be_made_is_refused_before_anything_starts(session, managed, action, reason):
    with pytest.raises(UnknownResourceError, match=reason):
        managed(session=session).create_workflow(definition(Call=call(action)), {})


def test_without_a_session_nothing_is_called(managed):
    for resource in ("arn:aws:states:::sqs:sendMessage", FUNCTION):
        with pytest.raises(UnknownResourceError, match="nothing is registered"):
            managed().create_workflow(definition(Call=call(resource)), {})


def test_clients_are_found_by_either_name(session):
    """A client that is handed over is found by boto3's name, by ASL's, and by its model's, whatever it is under."""
    client = session.client("logs")
    for key in ("logs", "cloudwatchlogs", "mine"):
        assert AwsClients(clients={key: client}).find("cloudwatchlogs") is client
    assert AwsClients(clients={"mine": client}).find("sqs") is None


# Roles


class Roles:
    """Sessions by role, and how often each was asked for."""

    def __init__(self, session: Any) -> None:
        self.session, self.asked, self.clients = session, [], []

    def __call__(self, role_arn: str) -> Any:
        self.asked.append(role_arn)
        return self

    def get_available_services(self) -> list[str]:
        return self.session.get_available_services()

    def client(self, name: str) -> Any:
        self.clients.append(self.session.client(name, config=QUICK))
        if len(self.clients) == 1:
            Replies(self.clients[0], "ListSecrets", None, refused(400, "ExpiredTokenException"))
        return self.clients[-1]


def test_credentials_are_a_role_to_act_as(session, managed):
    """A state's role is assumed through the caller's hook: once, and again when what it gave has expired."""
    roles = Roles(session)
    manager = managed(session=session, assume_role=roles)
    asks = definition(Call=call("aws-sdk:secretsmanager:listSecrets", Credentials={"RoleArn": ROLE}))
    for _ in range(2):
        assert wait(manager, manager.create_workflow(asks, {}), PATIENCE).status is WorkflowStatus.SUCCEEDED
    assert roles.asked == [ROLE, ROLE]
    assert len(roles.clients) == 2


def test_a_role_that_nobody_can_assume_is_a_failure(session, managed):
    manager = managed(session=session)
    asks = definition(Call=call("aws-sdk:secretsmanager:listSecrets", Credentials={"RoleArn": ROLE}))
    failed = wait(manager, manager.create_workflow(asks, {}), PATIENCE)
    assert failed.error == "States.Permissions"
    assert ROLE in failed.cause


# Jobs


class Bakery:
    """AWS Batch with one answer for every look at a job."""

    def __init__(self, session: Any, *looks: Any) -> None:
        self.client = session.client("batch", config=QUICK)
        submitted = [
            json_reply({"jobName": "bake", "jobId": f"job-{number}", "jobArn": "arn:x"}) for number in range(9)
        ]
        self.submits = Replies(self.client, "SubmitJob", *submitted)
        self.looks = Replies(self.client, "DescribeJobs", *looks)
        self.stops = Replies(self.client, "TerminateJob", *[json_reply({})] * 9)


def job(status: str, **more: Any) -> Any:
    return json_reply({"jobs": [{"jobId": "job-0", "status": status, **more}]})


BAKE = call("batch:submitJob.sync", {"JobName": "bake", "JobQueue": "oven", "JobDefinition": "bread"})


def types_of(manager: LocalWorkflowManager, workflow: Workflow) -> list[str]:
    return [str(event.type) for event in manager.store.read_history(workflow.id, limit=1000) if event.is_listed]


def test_a_job_is_followed_until_it_ends(session, managed):
    """The first answer is TaskSubmitted, the job as it ended is the result; trouble with a look is looked over."""
    down = [refused(500, "ServerException")] * 3
    bakery = Bakery(session, job("RUNNABLE"), *down, job("RUNNING"), job("SUCCEEDED", container={"exitCode": 0}))
    manager = managed(clients={"batch": bakery.client})
    workflow = wait(manager, manager.create_workflow(definition(Bake=BAKE), {}), PATIENCE)
    assert workflow.output == {"JobId": "job-0", "Status": "SUCCEEDED", "Container": {"ExitCode": 0}}
    assert types_of(manager, workflow)[2:6] == ["TaskScheduled", "TaskStarted", "TaskSubmitted", "TaskSucceeded"]
    assert json.loads(bakery.looks.requests[0].body) == {"jobs": ["job-0"]}
    assert len(bakery.submits.requests) == 1


def test_a_job_that_ends_badly_fails_its_task(session, managed):
    """The error is States.TaskFailed, the cause the job."""
    bakery = Bakery(session, job("FAILED", statusReason="burnt"))
    manager = managed(clients={"batch": bakery.client})
    failed = wait(manager, manager.create_workflow(definition(Bake=BAKE), {}), PATIENCE)
    assert failed.error == "States.TaskFailed"
    assert json.loads(failed.cause) == {"JobId": "job-0", "Status": "FAILED", "StatusReason": "burnt"}


def test_a_job_that_may_not_be_looked_at_fails_its_task(session, managed):
    bakery = Bakery(session, refused(403, "AccessDeniedException"))
    manager = managed(clients={"batch": bakery.client})
    failed = wait(manager, manager.create_workflow(definition(Bake=BAKE), {}), PATIENCE)
    assert failed.error == "Batch.AWSBatchException"


def test_a_job_holds_no_thread(session, managed):
    """Many jobs and a function go on with a single worker."""
    gate = threading.Event()
    bakery = Bakery(session)
    bakery.looks._replies = _Endless(lambda: job("SUCCEEDED") if gate.is_set() else job("RUNNING"))
    manager = managed({"work": lambda: "done"}, clients={"batch": bakery.client}, max_workers=1)
    jobs = [manager.create_workflow(definition(Bake=BAKE), {}) for _ in range(4)]
    work = manager.create_workflow(definition(Work={"Type": "Task", "Resource": "work"}), {})
    assert wait(manager, work, PATIENCE).output == "done"
    until(lambda: all("TaskSubmitted" in types_of(manager, each) for each in jobs))
    gate.set()
    assert all(wait(manager, each, PATIENCE).status is WorkflowStatus.SUCCEEDED for each in jobs)


class _Endless(list):
    """Replies that are made when they are asked for."""

    def __init__(self, make: Callable[[], Any]) -> None:
        super().__init__([None])
        self._make = make

    def pop(self, _: Any = 0) -> Any:
        return self._make()


def test_a_job_that_nobody_wants_is_stopped(session, managed):
    """Cancelling the workflow, or its time-out, ends the job at AWS; closing the manager does not."""
    bakery = Bakery(session)
    bakery.looks._replies = _Endless(lambda: job("RUNNING"))
    manager = managed(clients={"batch": bakery.client})
    cancelled = manager.create_workflow(definition(Bake=BAKE), {})
    until(lambda: "TaskSubmitted" in types_of(manager, cancelled))
    manager.cancel_workflow(cancelled, reason="no flour")
    until(lambda: bakery.stops.requests)
    assert json.loads(bakery.stops.requests[0].body)["jobId"] == "job-0"
    late = manager.create_workflow(definition(Bake={**BAKE, "TimeoutSeconds": 1}), {})
    assert wait(manager, late, PATIENCE).error == "States.Timeout"
    until(lambda: len(bakery.stops.requests) == 2)
    left = manager.create_workflow(definition(Bake=BAKE), {})
    until(lambda: "TaskSubmitted" in types_of(manager, left))
    manager.close(wait=True)
    assert len(bakery.stops.requests) == 2


def test_a_job_that_is_cancelled_while_it_is_submitted_is_stopped(session, managed):
    """The answer to SubmitJob may come when nobody wants the job any more; then it is ended at once."""
    bakery = Bakery(session)
    asked, gate = threading.Event(), threading.Event()

    def slow() -> Any:
        asked.set()
        gate.wait(PATIENCE)
        return json_reply({"jobName": "bake", "jobId": "job-7", "jobArn": "arn:x"})

    bakery.submits._replies = _Endless(slow)
    manager = managed(clients={"batch": bakery.client})
    workflow = manager.create_workflow(definition(Bake=BAKE), {})
    assert asked.wait(PATIENCE)
    manager.cancel_workflow(workflow, reason="no flour")
    gate.set()
    until(lambda: bakery.stops.requests)
    assert json.loads(bakery.stops.requests[0].body)["jobId"] == "job-7"
    assert bakery.looks.requests == []


def test_nobody_looks_at_a_job_that_nobody_wants(session, managed):
    """After a cancellation the job is stopped and not looked at again."""
    bakery = Bakery(session)
    bakery.looks._replies = _Endless(lambda: job("RUNNING"))
    manager = managed(clients={"batch": bakery.client}, poll_seconds=0.005)
    workflow = manager.create_workflow(definition(Bake=BAKE), {})
    until(lambda: bakery.looks.requests)
    manager.cancel_workflow(workflow, reason="no flour")
    until(lambda: bakery.stops.requests)
    time.sleep(0.1)
    looks = len(bakery.looks.requests)
    time.sleep(0.5)
    assert len(bakery.looks.requests) == looks


def test_a_manager_that_is_closed_in_haste_leaves_its_jobs_alone(session, managed):
    """close(wait=False) cancels what runs here, not what runs at AWS, which can be taken over."""
    bakery = Bakery(session)
    bakery.looks._replies = _Endless(lambda: job("RUNNING"))
    manager = managed(clients={"batch": bakery.client})
    workflows = [manager.create_workflow(definition(Bake=BAKE), {}) for _ in range(8)]
    until(lambda: all("TaskSubmitted" in types_of(manager, each) for each in workflows))
    manager.close(wait=False)
    time.sleep(0.2)
    assert bakery.stops.requests == []


def test_a_job_outlives_the_process_that_started_it(session, managed):
    """Whoever takes the workflow over looks at the same job, and submits none again."""
    store = MemoryStore()
    bakery = Bakery(session)
    bakery.looks._replies = _Endless(lambda: job("RUNNING"))
    first = managed(clients={"batch": bakery.client}, store=store)
    workflow = first.create_workflow(definition(Bake=BAKE), {})
    until(lambda: "TaskSubmitted" in types_of(first, workflow))
    first.close(wait=False)
    bakery.looks._replies = _Endless(lambda: job("SUCCEEDED"))
    second = managed(clients={"batch": bakery.client}, store=store)
    assert second.recover() == (workflow.id,)
    assert wait(second, workflow, PATIENCE).status is WorkflowStatus.SUCCEEDED
    assert len(bakery.submits.requests) == 1


def test_an_execution_of_another_state_machine(session, managed, clients):
    """states:startExecution.sync fails with the execution as its cause; .sync:2 gives its output as a value."""
    sfn = session.client("stepfunctions", config=QUICK)
    document = json.dumps({"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}})
    arn = sfn.create_state_machine(name="oven", definition=document, roleArn=ROLE)["stateMachineArn"]
    ended_well = {"executionArn": "e", "status": "SUCCEEDED", "input": "{}", "output": '{"loaves":3}'}
    Replies(sfn, "DescribeExecution", json_reply(ended_well), json_reply(ended_well), None)
    manager = managed(clients={"stepfunctions": sfn})

    def run(action: str, name: str) -> Workflow:
        start = call(action, {"StateMachineArn": arn, "Input": {"flour": 1}, "Name": name})
        return manager.create_workflow(definition(Start=start), {})

    assert wait(manager, run("states:startExecution.sync", "a"), PATIENCE).output["Output"] == '{"loaves":3}'
    assert wait(manager, run("states:startExecution.sync:2", "b"), PATIENCE).output["Output"] == {"loaves": 3}
    third = run("states:startExecution.sync", "c")
    until(lambda: len(sfn.list_executions(stateMachineArn=arn)["executions"]) == 3)
    execution = next(each for each in sfn.list_executions(stateMachineArn=arn)["executions"] if each["name"] == "c")
    sfn.stop_execution(executionArn=execution["executionArn"], error="Cold")
    failed = wait(manager, third, PATIENCE)
    assert failed.error == "States.TaskFailed"
    assert json.loads(failed.cause)["Status"] == "ABORTED"
    assert json.loads(failed.cause)["Input"] == '{"flour":1}'


def test_the_table_of_jobs_speaks_of_real_operations(session):
    """Every operation, parameter and path in the table is in the service's own model."""
    for (service, action), kind in JOBS.items():
        model = AwsClients(session).find(service).meta.service_model
        assert action[:1].upper() + action[1:] in model.operation_names
        for operation, by in ((kind.describe, kind.by), (kind.stop, kind.stop_by)):
            shape = model.operation_model(operation).input_shape
            members = {name[:1].upper() + name[1:] for name in shape.members}
            assert set(by) <= members, (service, operation)
        shape = model.operation_model(kind.describe).output_shape
        for step in f"{kind.found}/{kind.status}".strip("/").split("/"):
            shape = (
                shape.member if step.isdecimal() else {k[:1].upper() + k[1:]: v for k, v in shape.members.items()}[step]
            )
        known = set(shape.enum) if hasattr(shape, "enum") else set()
        assert not known or kind.good | kind.bad <= known, (service, action, kind.good | kind.bad, known)


def test_a_container_that_fails_makes_its_task_fail():
    """ECS stops every task in the end; it has done well if all containers exit with 0."""
    kind = JOBS["ecs", "runTask"]
    assert ended(kind, {"LastStatus": "RUNNING"}) is None
    assert ended(kind, {"LastStatus": "STOPPED", "Containers": [{"ExitCode": 0}, {"ExitCode": 0}]}) is True
    assert ended(kind, {"LastStatus": "STOPPED", "Containers": [{"ExitCode": 0}, {"ExitCode": 137}]}) is False
    assert ended(kind, {"LastStatus": "STOPPED", "Containers": [{}]}) is False


def test_paths_that_lead_nowhere_lead_to_nothing():
    assert at({"a": [{"b": 1}]}, "a/0/b") == 1
    assert at({"a": [{"b": 1}]}, "a/1/b") is None
    assert at("x", "a") is None
    assert at({}, "=why") == "why"


def test_only_the_far_sides_trouble_passes():
    """A bug of one's own is never tried again for ever."""
    assert not is_passing(ValueError("x"))
    assert is_passing(EndpointConnectionError(endpoint_url="x"))


@pytest.mark.parametrize("seconds", [0, -1.0])
def test_a_pause_is_above_zero(seconds):
    with pytest.raises(InvalidValueError, match="poll_seconds"):
        LocalWorkflowManager(MemoryStore(), poll_seconds=seconds)


def test_resources_of_the_second_version_are_the_same_jobs():
    assert parse_resource("arn:aws:states:::states:startExecution.sync:2").resource == "startExecution.sync:2"
