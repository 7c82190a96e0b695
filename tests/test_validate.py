"""Validation: each rule refuses what breaks it at the place where it is broken, and nothing sound is refused."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflow_manager.asl import Severity, StateMachine, validate
from workflow_manager.asl.jsonata import compile_expression
from workflow_manager.asl.validate import MAX_DEPTH
from workflow_manager.exceptions import DefinitionError, Problem

compile_expression(
    "{% 1 + 1 %}"
)  # loads the library, which raises Python's recursion limit; hypothesis minds that later

INNER = {"StartAt": "In", "States": {"In": {"Type": "Pass", "End": True}}}


def one(state: dict, **machine: object) -> dict:
    """A machine with the single state A; a state that goes on goes to Z."""
    states = {"A": state}
    if "Z" in json.dumps(state):
        states["Z"] = {"Type": "Succeed"}
    return {"StartAt": "A", "States": states, **machine}


def task(**fields: object) -> dict:
    return one({"Type": "Task", "Resource": "work", "End": True, **fields})


def jsonata(**fields: object) -> dict:
    return one({"Type": "Task", "Resource": "work", "End": True, **fields}, QueryLanguage="JSONata")


def map_state(processor: dict | None = None, **fields: object) -> dict:
    return one({"Type": "Map", "ItemProcessor": processor or INNER, "End": True, **fields})


def distributed(**fields: object) -> dict:
    return map_state({**INNER, "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}}, **fields)


def choice(*rules: object, **fields: object) -> dict:
    return one({"Type": "Choice", "Choices": list(rules), "Default": "Z", **fields})


def wait(**fields: object) -> dict:
    return one({"Type": "Wait", "End": True, **fields})


def fail(**fields: object) -> dict:
    return one({"Type": "Fail", **fields})


def retrier(**fields: object) -> dict:
    return task(Retry=[{"ErrorEquals": ["Oops"], **fields}])


def errors(definition: object, **options: object) -> list[Problem]:
    return [problem for problem in validate(definition, **options) if problem.severity is Severity.ERROR]


SOUND = {
    "a task": task(),
    "a task with everything": task(
        Resource="arn:aws:lambda:eu-west-1:123456789012:function:bake:$LATEST",
        Comment="x",
        InputPath="$.order",
        OutputPath=None,
        Parameters={
            "size.$": "$.size",
            "note.$": "States.Format('{} cakes', $.n)",
            "list": [{"deep.$": "$$.Execution.Id"}],
        },
        ResultSelector={"cake.$": "$.cake"},
        ResultPath="$.result",
        TimeoutSeconds=60,
        HeartbeatSeconds=59,
        Credentials={"RoleArn.$": "$.role"},
        Assign={"cake.$": "$.cake"},
        Retry=[
            {
                "ErrorEquals": ["States.Timeout"],
                "IntervalSeconds": 3,
                "MaxAttempts": 0,
                "BackoffRate": 1,
                "Comment": "x",
            },
            {"ErrorEquals": ["States.ALL"], "MaxDelaySeconds": 60, "JitterStrategy": "FULL"},
        ],
        Catch=[{"ErrorEquals": ["States.ALL"], "Next": "Z", "ResultPath": None, "Assign": {"failed": True}}],
    ),
    "a task in JSONata": jsonata(
        Arguments={"n": "{% $states.input.n + 1 %}"},
        Output="{% $states.result %}",
        Assign={"n": "{% $states.result.n %}"},
        TimeoutSeconds="{% $states.input.limit %}",
        Credentials={"RoleArn": "{% $states.input.role %}"},
        Catch=[{"ErrorEquals": ["Oops"], "Next": "Z", "Output": {"why": "{% $states.errorOutput %}"}}],
    ),
    "a choice": choice(
        {"Variable": "$.n", "NumericGreaterThanEquals": 1.5, "Next": "Z", "Comment": "x", "Assign": {"n": 1}},
        {
            "And": [{"Variable": "$.a", "IsNull": False}, {"Not": {"Variable": "$.b", "BooleanEquals": True}}],
            "Next": "Z",
        },
        {"Variable": "$$.Execution.StartTime", "TimestampLessThan": "2031-01-01T00:00:00Z", "Next": "Z"},
        {"Variable": "$.a", "StringEqualsPath": "$.b", "Next": "Z"},
    ),
    "a choice in JSONata": one(
        {
            "Type": "Choice",
            "QueryLanguage": "JSONata",
            "Choices": [
                {"Condition": "{% $states.input.n > 1 %}", "Next": "Z", "Output": 1},
                {"Condition": True, "Next": "Z"},
            ],
        }
    ),
    "waits": wait(Seconds=0),
    "a wait until": wait(Timestamp="2031-04-05T06:07:08+02:00"),
    "a failure": fail(ErrorPath="$.error", CausePath="States.Format('{} failed', $.what)"),
    "a map": map_state(ItemsPath="$.guests", MaxConcurrency=0, ItemSelector={"guest.$": "$$.Map.Item.Value"}),
    "a distributed map": distributed(
        Label="guests-1",
        ToleratedFailurePercentage=12.5,
        ItemBatcher={"MaxItemsPerBatch": 10, "BatchInput": {"day.$": "$.day"}},
        ItemReader={
            "Resource": "arn:aws:states:::s3:getObject",
            "Parameters": {"Bucket": "b", "Key.$": "$.key"},
            "ReaderConfig": {"InputType": "CSV", "CSVHeaderLocation": "GIVEN", "CSVHeaders": ["a"], "MaxItems": 5},
        },
        ResultWriter={"WriterConfig": {"OutputType": "JSONL", "Transformation": "COMPACT"}},
    ),
    "a parallel": one({"Type": "Parallel", "Branches": [INNER], "Parameters": "as it is", "Next": "Z"}),
}


@pytest.mark.parametrize("definition", SOUND.values(), ids=SOUND)
def test_what_is_sound_has_no_problems(definition):
    """A definition that obeys every rule has neither errors nor warnings, given as object, text or machine."""
    assert validate(definition) == ()
    assert validate(json.dumps(definition)) == ()
    assert validate(StateMachine.from_dict(definition)) == ()


SCHEMA = "SCHEMA_VALIDATION_FAILED"
DEEP = {"Type": "Parallel", "Branches": [INNER, {"StartAt": "B", "States": {"B": {"Type": "Pass", "Next": "In"}}}]}
BROKEN = [
    # the document
    ([], SCHEMA, "", "valid JSON object"),
    (None, SCHEMA, "", "valid JSON object"),
    ({1: 2}, SCHEMA, "", "not a string"),
    ("", "MISSING_DESCRIPTION", "", "empty"),
    (" ", SCHEMA, "", "valid JSON object"),
    ("so", "INVALID_JSON_DESCRIPTION", "", "line 1, column 1"),
    ({}, SCHEMA, "", "[States, StartAt]"),
    (task() | {"TimeoutSeconds": 0}, SCHEMA, "/TimeoutSeconds", "at least|from 1"),
    (task() | {"Version": 1.0}, SCHEMA, "/Version", "string"),
    (task() | {"Comments": "x"}, SCHEMA, "/Comments", "did you mean 'Comment'"),
    (task() | {"QueryLanguage": "XPath"}, SCHEMA, "/QueryLanguage", "JSONPath, JSONata"),
    (task() | {"ProcessorConfig": {}}, SCHEMA, "/ProcessorConfig", "not supported"),
    ({"StartAt": "A", "States": {}}, SCHEMA, "/States", "empty"),
    ({"StartAt": "A", "States": {"A": 1}}, SCHEMA, "/States/A", "an object, not a number"),
    ({"StartAt": "A", "States": {"A": {"End": True}}}, SCHEMA, "/States/A", "[Type]"),
    (one({"Type": "Nap", "End": True}), SCHEMA, "/States/A/Type", "should have one of these values"),
    # the flow
    (one({"Type": "Pass", "Next": "B"}), "MISSING_TRANSITION_TARGET", "/States/A/Next", "'Next' target: B"),
    (task() | {"StartAt": "B"}, "MISSING_TRANSITION_TARGET", "/StartAt", "'StartAt' target: B"),
    (
        {"StartAt": "A", "States": {"A": {"Type": "Succeed"}, "B": {"Type": "Pass", "Next": "B"}}},
        "MISSING_TRANSITION_TARGET",
        "/States/B",
        "not reachable",
    ),
    (
        choice({"Variable": "$.n", "IsNull": True, "Next": "Zoo"}),
        "MISSING_TRANSITION_TARGET",
        "/States/A/Choices/0/Next",
        "Zoo",
    ),
    (
        task(Catch=[{"ErrorEquals": ["E"], "Next": "B"}]),
        "MISSING_TRANSITION_TARGET",
        "/States/A/Catch/0/Next",
        "target: B",
    ),
    (one({**DEEP, "End": True}), "MISSING_TRANSITION_TARGET", "/States/A/Branches/1/States/B/Next", "target: In"),
    (one({"Type": "Pass", "Next": "A"}), "MISSING_END_STATE", "/States", "No state ends"),
    (one({"Type": "Pass", "End": False}), "MISSING_END_STATE", "/States", "No state ends"),
    (one({"Type": "Pass", "End": "yes"}), SCHEMA, "/States/A/End", "boolean"),
    (one({"Type": "Pass"}), SCHEMA, "/States/A", "[Next, End]"),
    (one({"Type": "Pass", "Next": "Z", "End": True}), SCHEMA, "/States/A", "Only one of"),
    (one({"Type": "Succeed", "Next": "Z"}), SCHEMA, "/States/A/Next", "not supported"),
    (choice(Next="Z"), SCHEMA, "/States/A/Next", "not supported"),
    (
        {"StartAt": "x" * 81, "States": {"x" * 81: {"Type": "Succeed"}}},
        "INVALID_STATE_NAME",
        "/States/" + "x" * 81,
        "80 characters",
    ),
    (
        one({"Type": "Parallel", "Branches": [INNER, INNER], "End": True}),
        "DUPLICATE_STATE_NAME",
        "/States/A/Branches/1/States/In",
        "taken by /States/A/Branches/0",
    ),
    # fields and languages
    (
        one({"Type": "Wait", "Seconds": 1, "End": True, "Parameters": {}}),
        SCHEMA,
        "/States/A/Parameters",
        "not supported",
    ),
    (one({"Type": "Fail", "Assign": {}}), SCHEMA, "/States/A/Assign", "not supported"),
    (task(Arguments={}), SCHEMA, "/States/A/Arguments", "only for JSONata"),
    (jsonata(ResultPath="$.x"), SCHEMA, "/States/A/ResultPath", "only for JSONPath"),
    (jsonata(QueryLanguage="JSONPath"), SCHEMA, "/States/A/QueryLanguage", "whole state machine"),
    # paths, templates, expressions
    (task(InputPath="States.UUID()"), SCHEMA, "/States/A/InputPath", "JSONPath"),
    (task(OutputPath=3), SCHEMA, "/States/A/OutputPath", "not a number"),
    (task(ResultPath="$.a[*]"), SCHEMA, "/States/A/ResultPath", "Reference Path"),
    (task(ResultPath="$$.a"), SCHEMA, "/States/A/ResultPath", "context object|Reference Path"),
    (task(ResultPath="$a"), SCHEMA, "/States/A/ResultPath", "variable|Reference Path"),
    (task(Parameters={"a.$": 1}), SCHEMA, "/States/A/Parameters/a.$", "'a.$' must be a valid JSONPath"),
    (task(Parameters=[{"a/b.$": "x"}]), SCHEMA, "/States/A/Parameters/0/a~1b.$", "'a/b.$' must be"),
    (task(ResultSelector={"a.$": "States.Nope($.a)"}), SCHEMA, "/States/A/ResultSelector/a.$", "intrinsic"),
    (task(ResultSelector={"a.$": "States.UUID($.a)"}), SCHEMA, "/States/A/ResultSelector/a.$", "intrinsic"),
    (task(Parameters={"a": 1, "a.$": "$.a"}), SCHEMA, "/States/A/Parameters/a.$", "same name"),
    (task(Assign=[]), SCHEMA, "/States/A/Assign", "object"),
    (task(Assign={"states": 1}), SCHEMA, "/States/A/Assign/states", "reserved"),
    (task(Assign={"9lives.$": "$.a"}), SCHEMA, "/States/A/Assign/9lives.$", "variable name"),
    (task(Assign={"x" * 81: 1}), SCHEMA, "/States/A/Assign/" + "x" * 81, "80 characters"),
    (jsonata(Output={"a": ["{% 1 + %}"]}), SCHEMA, "/States/A/Output/a/0", "not a valid JSONata"),
    (jsonata(Arguments="{% 1"), SCHEMA, "/States/A/Arguments", "must end with"),
    (jsonata(TimeoutSeconds="{% ) %}"), SCHEMA, "/States/A/TimeoutSeconds", "not a valid JSONata"),
    # Task
    (one({"Type": "Task", "End": True}), SCHEMA, "/States/A", "[Resource]"),
    (task(Resource=""), "INVALID_RESOURCE", "/States/A/Resource", "empty"),
    (task(Resource={"Ref": "x"}), "INVALID_RESOURCE", "/States/A/Resource", "string"),
    (task(Resource="${Work}"), "INVALID_RESOURCE", "/States/A/Resource", "not been filled in"),
    (task(Resource="${Work"), "INVALID_RESOURCE", "/States/A/Resource", "not closed"),
    (task(Resource="arn:aws:lambda"), "INVALID_RESOURCE", "/States/A/Resource", "not a valid ARN"),
    (task(Resource="arn:aws:lambda:r:1:function:f:"), "INVALID_RESOURCE", "/States/A/Resource", "Lambda"),
    (task(Resource="arn:aws:states:::sns:shout"), "INVALID_RESOURCE", "/States/A/Resource", "not recognized"),
    (task(Resource="arn:aws:states:::sns:publish.sync"), "INVALID_RESOURCE", "/States/A/Resource", "not recognized"),
    (task(Resource="arn:aws:states:::aws-sdk:S3:GetObject"), "INVALID_RESOURCE", "/States/A/Resource", "not recog"),
    (task(TimeoutSeconds=0), SCHEMA, "/States/A/TimeoutSeconds", "from 1"),
    (task(TimeoutSeconds=100_000_000), SCHEMA, "/States/A/TimeoutSeconds", "99999999"),
    (task(TimeoutSeconds=True), SCHEMA, "/States/A/TimeoutSeconds", "not a boolean"),
    (task(TimeoutSeconds=1.5), SCHEMA, "/States/A/TimeoutSeconds", "an integer, not 1.5"),
    (task(TimeoutSeconds=9, TimeoutSecondsPath="$.t"), SCHEMA, "/States/A", "Only one of"),
    (task(HeartbeatSeconds=9, HeartbeatSecondsPath="$.t"), SCHEMA, "/States/A", "Only one of"),
    (task(HeartbeatSeconds=9, TimeoutSeconds=9), SCHEMA, "/States/A/HeartbeatSeconds", "smaller than"),
    (task(Credentials=None), SCHEMA, "/States/A/Credentials", "object"),
    (task(Credentials={"Role": "x"}), SCHEMA, "/States/A/Credentials", "'RoleArn' is required"),
    # Retry and Catch
    (task(Retry={}), SCHEMA, "/States/A/Retry", "array"),
    (task(Retry=[1]), SCHEMA, "/States/A/Retry/0", "object"),
    (task(Retry=[{}]), SCHEMA, "/States/A/Retry/0", "[ErrorEquals]"),
    (task(Catch=[{"ErrorEquals": ["E"]}]), SCHEMA, "/States/A/Catch/0", "[Next]"),
    (retrier(ErrorEquals=[]), SCHEMA, "/States/A/Retry/0/ErrorEquals", "empty"),
    (retrier(ErrorEquals="E"), SCHEMA, "/States/A/Retry/0/ErrorEquals", "array"),
    (retrier(ErrorEquals=[1]), SCHEMA, "/States/A/Retry/0/ErrorEquals/0", "string"),
    (retrier(ErrorEquals=["States.ALL", "E"]), SCHEMA, "/States/A/Retry/0/ErrorEquals", "alone"),
    (
        task(Retry=[{"ErrorEquals": ["States.ALL"]}, {"ErrorEquals": ["E"]}]),
        SCHEMA,
        "/States/A/Retry/0/ErrorEquals",
        "last",
    ),
    (retrier(Interval=1), SCHEMA, "/States/A/Retry/0/Interval", "did you mean 'IntervalSeconds'"),
    (retrier(IntervalSeconds=0), SCHEMA, "/States/A/Retry/0/IntervalSeconds", "from 1"),
    (retrier(MaxAttempts=-1), SCHEMA, "/States/A/Retry/0/MaxAttempts", "from 0"),
    (retrier(BackoffRate=0.5), SCHEMA, "/States/A/Retry/0/BackoffRate", "at least 1"),
    (retrier(MaxDelaySeconds=0), SCHEMA, "/States/A/Retry/0/MaxDelaySeconds", "from 1"),
    (retrier(MaxDelaySeconds=2, IntervalSeconds=3), SCHEMA, "/States/A/Retry/0/MaxDelaySeconds", "below"),
    (retrier(JitterStrategy="SOME"), SCHEMA, "/States/A/Retry/0/JitterStrategy", "[FULL, NONE]"),
    # Choice
    (one({"Type": "Choice", "Default": "Z"}), SCHEMA, "/States/A", "[Choices]"),
    (choice(), SCHEMA, "/States/A/Choices", "empty"),
    (choice("x"), SCHEMA, "/States/A/Choices/0", "object"),
    (choice({"Variable": "$.a", "IsNull": True}), SCHEMA, "/States/A/Choices/0", "[Next]"),
    (choice({"IsNull": True, "Next": "Z"}), SCHEMA, "/States/A/Choices/0", "[Variable]"),
    (choice({"Variable": "$.a", "Next": "Z"}), SCHEMA, "/States/A/Choices/0", "exactly one comparison operator"),
    (
        choice({"Variable": "$.a", "IsNull": True, "IsPresent": True, "Next": "Z"}),
        SCHEMA,
        "/States/A/Choices/0",
        "exactly",
    ),
    (choice({"Variable": "a", "IsNull": True, "Next": "Z"}), SCHEMA, "/States/A/Choices/0/Variable", "JSONPath"),
    (choice({"Variable": "$.a", "Equals": 1, "Next": "Z"}), SCHEMA, "/States/A/Choices/0/Equals", "not supported"),
    (
        choice({"Variable": "$.a", "NumericEquals": "1", "Next": "Z"}),
        SCHEMA,
        "/States/A/Choices/0/NumericEquals",
        "number",
    ),
    (choice({"Variable": "$.a", "StringEquals": 1, "Next": "Z"}), SCHEMA, "/States/A/Choices/0/StringEquals", "string"),
    (choice({"Variable": "$.a", "IsNull": "yes", "Next": "Z"}), SCHEMA, "/States/A/Choices/0/IsNull", "boolean"),
    (
        choice({"Variable": "$.a", "TimestampEquals": "today", "Next": "Z"}),
        SCHEMA,
        "/States/A/Choices/0/TimestampEquals",
        "RFC3339",
    ),
    (choice({"And": [], "Next": "Z"}), SCHEMA, "/States/A/Choices/0/And", "empty"),
    (choice({"Or": {}, "Next": "Z"}), SCHEMA, "/States/A/Choices/0/Or", "array"),
    (
        choice({"Not": {"Variable": "$.a", "IsNull": True, "Next": "Z"}, "Next": "Z"}),
        SCHEMA,
        "/States/A/Choices/0/Not/Next",
        "not supported",
    ),
    (
        choice({"Variable": "$.a", "IsNull": True, "Or": [{"Variable": "$.a", "IsNull": True}], "Next": "Z"}),
        SCHEMA,
        "/States/A/Choices/0",
        "beside a comparison",
    ),
    (choice({"Condition": True, "Next": "Z"}), SCHEMA, "/States/A/Choices/0/Condition", "only for JSONata"),
    (choice({"Next": "Z"}, QueryLanguage="JSONata"), SCHEMA, "/States/A/Choices/0", "[Condition]"),
    (
        choice({"Condition": "yes", "Next": "Z"}, QueryLanguage="JSONata"),
        SCHEMA,
        "/States/A/Choices/0/Condition",
        "boolean",
    ),
    # Wait and Fail
    (wait(), SCHEMA, "/States/A", "One of these fields is required"),
    (wait(Seconds=1, SecondsPath="$.s"), SCHEMA, "/States/A", "Only one of"),
    (wait(Seconds=-1), SCHEMA, "/States/A/Seconds", "from 0"),
    (wait(Timestamp="2031-04-05 06:07:08Z"), SCHEMA, "/States/A/Timestamp", "RFC3339"),
    (fail(Error="E", ErrorPath="$.e"), SCHEMA, "/States/A", "Only one of"),
    (fail(Cause="E", CausePath="$.e"), SCHEMA, "/States/A", "Only one of"),
    (fail(CausePath="States.MathAdd(1, 2)"), SCHEMA, "/States/A/CausePath", "Only these intrinsic functions"),
    # Parallel and Map
    (one({"Type": "Parallel", "End": True}), SCHEMA, "/States/A", "[Branches]"),
    (one({"Type": "Parallel", "Branches": [], "End": True}), SCHEMA, "/States/A/Branches", "empty"),
    (one({"Type": "Parallel", "Branches": ["x"], "End": True}), SCHEMA, "/States/A/Branches/0", "object"),
    (
        one({"Type": "Parallel", "Branches": [{**INNER, "Name": "x"}], "End": True}),
        SCHEMA,
        "/States/A/Branches/0/Name",
        "not supported",
    ),
    (one({"Type": "Map", "End": True}), SCHEMA, "/States/A", "[ItemProcessor, Iterator]"),
    (map_state(Iterator=INNER), SCHEMA, "/States/A", "Only one of"),
    (map_state(ItemSelector={}, Parameters={}), SCHEMA, "/States/A", "Only one of"),
    (map_state(ItemsPath=None), SCHEMA, "/States/A/ItemsPath", "JSONPath"),
    (map_state(Items=[1]), SCHEMA, "/States/A/Items", "only for JSONata"),
    (map_state(QueryLanguage="JSONata", Items="all"), SCHEMA, "/States/A/Items", "an array or a JSONata expression"),
    (map_state(MaxConcurrency=-1), SCHEMA, "/States/A/MaxConcurrency", "at least 0"),
    (map_state(MaxConcurrency=1, MaxConcurrencyPath="$.m"), SCHEMA, "/States/A", "Only one of"),
    (distributed(ToleratedFailureCount=-1), SCHEMA, "/States/A/ToleratedFailureCount", "at least 0"),
    (distributed(ToleratedFailurePercentage=101), SCHEMA, "/States/A/ToleratedFailurePercentage", "to 100"),
    (
        map_state({**INNER, "ProcessorConfig": {"Mode": "FAR"}}),
        SCHEMA,
        "/States/A/ItemProcessor/ProcessorConfig/Mode",
        "INLINE",
    ),
    (
        map_state({**INNER, "ProcessorConfig": {"Mode": "DISTRIBUTED"}}),
        SCHEMA,
        "/States/A/ItemProcessor/ProcessorConfig",
        "[ExecutionType]",
    ),
    (distributed(Label=""), "INVALID_LABEL_NAME", "/States/A/Label", "1 to 40"),
    (distributed(Label="x" * 41), "INVALID_LABEL_NAME", "/States/A/Label", "1 to 40"),
    (distributed(Label="a b"), "INVALID_LABEL_NAME", "/States/A/Label", "' '"),
    (distributed(ItemReader={}), SCHEMA, "/States/A/ItemReader", "[Resource]"),
    (
        distributed(ItemReader={"Resource": "r", "ReaderConfig": {"MaxItems": -1}}),
        SCHEMA,
        "/States/A/ItemReader/ReaderConfig/MaxItems",
        "from 0",
    ),
    (
        distributed(ItemReader={"Resource": "r", "ReaderConfig": {"CSVHeaderLocation": "GIVEN"}}),
        SCHEMA,
        "/States/A/ItemReader/ReaderConfig",
        "[CSVHeaders]",
    ),
    (distributed(ItemBatcher={}), SCHEMA, "/States/A/ItemBatcher", "required"),
    (
        distributed(ItemBatcher={"MaxInputBytesPerBatch": 262_145}),
        SCHEMA,
        "/States/A/ItemBatcher/MaxInputBytesPerBatch",
        "262144",
    ),
    (
        distributed(ItemBatcher={"MaxItemsPerBatch": 1, "BatchInput": 1}),
        SCHEMA,
        "/States/A/ItemBatcher/BatchInput",
        "object",
    ),
    (distributed(ResultWriter={}), SCHEMA, "/States/A/ResultWriter", "[Resource, WriterConfig]"),
]


@pytest.mark.parametrize(("definition", "code", "path", "words"), BROKEN)
def test_each_rule_refuses_what_breaks_it(definition, code, path, words):
    """An error with AWS's code stands at the JSON Pointer of the broken place, and its sentence says what is wrong."""
    found = errors(definition)

    assert (code, path) in [(problem.code, problem.path) for problem in found]
    said = " | ".join(problem.message for problem in found if problem.path == path)
    assert any(word in said for word in words.split("|"))


@pytest.mark.parametrize(
    ("definition", "code", "path"),
    [
        (task(Parameters={"a": "$.a"}), "NO_DOLLAR", "/States/A/Parameters/a"),
        (task(Parameters=["States.UUID()"]), "NO_DOLLAR", "/States/A/Parameters/0"),
        (fail(Cause="$.why"), "NO_PATH", "/States/A/Cause"),
        (one({"Type": "Pass", "Result": {"a.$": "$.a"}, "End": True}), "PASS_RESULT_IS_STATIC", "/States/A/Result/a.$"),
        (retrier(ErrorEquals=["States.Nope"]), "RESERVED_NAME", "/States/A/Retry/0/ErrorEquals/0"),
        (map_state(Label="here"), "DISTRIBUTED_ONLY", "/States/A/Label"),
        (jsonata(Arguments={"a.$": "$.a"}), "JSONPATH_IN_JSONATA", "/States/A/Arguments/a.$"),
        (task(InputPath="$nobody"), "UNDEFINED_VARIABLE", "/States/A/InputPath"),
        (task(Parameters={"a.$": "States.Array('$b', $c)"}), "UNDEFINED_VARIABLE", "/States/A/Parameters/a.$"),
    ],
)
def test_what_hardly_means_what_it_says_is_a_warning(definition, code, path):
    """A warning does not refuse the definition."""
    assert [(code, path, Severity.WARNING)] == [(p.code, p.path, p.severity) for p in validate(definition)]


def test_variables_are_seen_from_inside_but_not_by_child_executions():
    """A nested machine sees what an enclosing one assigns; a distributed Map's children do not."""
    inner = {"StartAt": "In", "States": {"In": {"Type": "Pass", "InputPath": "$order", "End": True}}}
    near = map_state(inner, Assign={"order": 1})
    far = map_state(
        {**inner, "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}}, Assign={"order": 1}
    )

    assert validate(near) == ()
    assert ["UNDEFINED_VARIABLE"] == [problem.code for problem in validate(far)]


@pytest.mark.parametrize(
    "resource",
    [
        "greet",
        "lambda:greet",
        "job-definition:3",
        "foo:bar",
        "arn:aws:states:eu-west-1:123456789012:activity:greet",
        "arn:aws-cn:states:::batch:submitJob.sync",
        "arn:aws:states:::states:startExecution.sync:2",
        "arn:aws:states:::ecs:runTask.waitForTaskToken",
        "arn:aws:states:::aws-sdk:s3:listObjectsV2",
        "arn:aws:swf:eu-west-1:123456789012:task:old",
    ],
)
def test_short_names_and_known_arns_are_resources(resource):
    """A Resource that is no ARN is a name of our own; ARNs of functions, activities and integrations are known."""
    assert validate(task(Resource=resource)) == ()


@pytest.mark.parametrize(
    ("definition", "path", "words"),
    [
        (task(Resource="arn:aws:states:::batch:submitJob.sync"), "/States/A/Resource", "'.sync'"),
        (
            task(Resource="arn:aws:states:::sqs:sendMessage.waitForTaskToken"),
            "/States/A/Resource",
            "'.waitForTaskToken'",
        ),
        (task(Resource="arn:aws:states:eu-west-1:1:activity:a"), "/States/A/Resource", "Activity"),
        (distributed(), "/States/A", "Distributed"),
    ],
)
def test_express_machines_cannot_wait_for_others(definition, path, words):
    """EXPRESS refuses .sync, .waitForTaskToken, activities and distributed Maps; STANDARD has them all."""
    assert validate(definition, type="STANDARD") == ()
    (problem,) = validate(definition, type="EXPRESS")
    assert path == problem.path
    assert words in problem.message


def test_express_children_obey_the_rules_of_express():
    """The machine inside a distributed Map is of its own ExecutionType."""
    inner = task(Resource="arn:aws:states:::batch:submitJob.sync")
    inner = {"StartAt": "B", "States": {"B": inner["States"]["A"]}}
    express = map_state({**inner, "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"}})
    standard = map_state({**inner, "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}})

    assert ["/States/A/ItemProcessor/States/B/Resource"] == [problem.path for problem in validate(express)]
    assert validate(standard) == ()


def test_only_the_outermost_language_forbids_jsonpath():
    """A JSONPath state may stand inside a JSONata Map of a JSONPath machine, but nowhere in a JSONata machine."""
    inner = {"StartAt": "In", "States": {"In": {"Type": "Pass", "QueryLanguage": "JSONPath", "End": True}}}

    assert validate(map_state(inner, QueryLanguage="JSONata")) == ()
    assert len(errors(map_state(inner) | {"QueryLanguage": "JSONata"})) == 1


def test_substitutions_pass_where_they_are_allowed():
    """${Name}, Ref and Fn:: stand for any value that a template fills in later, but never for the structure."""
    definition = task(
        Resource={"Fn::GetAtt": ["Work", "Arn"]},
        TimeoutSeconds="${Limit}",
        Parameters={"a.$": "$.${Key}", "b": {"Ref": "Bucket"}},
        Retry=[{"ErrorEquals": ["E"], "MaxAttempts": "${Tries}"}],
    )

    assert validate(definition, allow_substitutions=True) == ()
    assert len(errors(definition)) >= 3
    assert errors(task(Resource="${Work"), allow_substitutions=True)
    assert errors(task(Retry="${All}"), allow_substitutions=True)


def test_every_problem_comes_at_once():
    """Problems in different places of different machines are all reported, each with its own pointer."""
    inner = {"StartAt": "Gone", "States": {"In": {"Type": "Wait", "End": True}}}
    found = errors(
        {
            "StartAt": "A",
            "Speed": 1,
            "States": {
                "A": {"Type": "Task", "Resource": "", "TimeoutSeconds": 0, "Next": "B"},
                "B": {"Type": "Map", "ItemProcessor": inner, "End": True},
            },
        }
    )

    assert [problem.path for problem in found] == [
        "/Speed",
        "/States/A/Resource",
        "/States/A/TimeoutSeconds",
        "/States/B/ItemProcessor/StartAt",
        "/States/B/ItemProcessor/States/In",
    ]


def test_a_repeated_key_in_the_text_is_reported_beside_the_rest():
    """JSON text is judged by its last values, and the repetition is a problem of its own."""
    text = '{"StartAt": "A", "StartAt": "B", "States": {"A": {"Type": "Succeed"}}}'

    assert [("DUPLICATE_KEY", "/StartAt"), ("MISSING_TRANSITION_TARGET", "/StartAt")] == [
        (problem.code, problem.path) for problem in validate(text)
    ]


def test_labels_are_unique_in_the_whole_definition():
    """Two distributed Maps, nested or not, cannot have the same label."""
    config = {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}}
    inner = {"Type": "Map", "Label": "same", "ItemProcessor": {**INNER, **config}, "End": True}
    outer = map_state({"StartAt": "B", "States": {"B": inner}, **config}, Label="same")

    assert [("DUPLICATE_LABEL_NAME", "/States/A/ItemProcessor/States/B/Label")] == [
        (problem.code, problem.path) for problem in validate(outer)
    ]


def test_payload_that_looks_like_a_machine_is_payload():
    """A key called States inside a payload is data, not a machine."""
    assert validate(one({"Type": "Pass", "Result": {"States": {"x": 1}, "StartAt": 7}, "End": True})) == ()


@pytest.mark.parametrize("make", [lambda deep: deep, json.dumps], ids=["object", "text"])
@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 100_000])
def test_too_deep_is_a_problem_and_no_crash(make, depth):
    """However deep the nesting, validation answers; deep is what no payload has by intention."""
    if depth > MAX_DEPTH + 1:
        text = '{"a":' * depth + "1" + "}" * depth
        assert ["TOO_DEEPLY_NESTED"] == [problem.code for problem in validate(text)]
        return
    deep: object = 1
    for _ in range(depth):
        deep = {"a": deep}

    assert ["TOO_DEEPLY_NESTED"] == [problem.code for problem in validate(make(deep))]


def test_a_thousand_states_are_judged_in_about_a_tenth_of_a_second():
    """Validation is linear; the bound is wide enough for a slow machine."""
    states = {
        f"S{n}": {
            "Type": "Task",
            "Resource": "r",
            "Parameters": {"a.$": f"$.x{n}", "b.$": f"States.Format('{{}}', $.y{n})"},
            "Retry": [{"ErrorEquals": ["States.ALL"]}],
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "End"}],
            "Next": f"S{n + 1}" if n < 999 else "End",
        }
        for n in range(1000)
    }

    assert validate({"StartAt": "S0", "States": {**states, "End": {"Type": "Succeed"}}}) == ()


scalars = st.sampled_from(
    [None, True, 0, -1, 2.5, "", "A", "Z", "$", "$.a", "$v", "{% 1 %}", "{% 1 +", "${X}", "States.UUID()"]
)
junk = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
)


def places(value: object, path: tuple = ()) -> list[tuple]:
    """The way to every value inside *value*."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [way for key, child in children for way in [(*path, key), *places(child, (*path, key))]]


@settings(deadline=None)
@given(st.sampled_from(list(SOUND.values())), st.data())
def test_what_validation_accepts_can_be_read(definition, data):
    """Whatever stands in a place of a sound definition, validation answers; what it accepts, from_dict can read."""
    broken = json.loads(json.dumps(definition))
    *path, last = data.draw(st.sampled_from(places(broken)))
    spot = broken
    for key in path:
        spot = spot[key]
    spot[last] = data.draw(junk)
    for allowed in (False, True):
        if not errors(broken, allow_substitutions=allowed):
            assert StateMachine.from_dict(broken).to_dict() == broken
    try:
        machine = StateMachine.from_dict(broken)
    except DefinitionError:
        assert errors(broken)
    else:
        assert validate(machine) == validate(broken)


@settings(deadline=None)
@given(junk)
def test_anything_at_all_can_be_judged(value):
    """What is no definition is a problem, not an exception."""
    assert errors(value)
    assert errors(json.dumps(value))
