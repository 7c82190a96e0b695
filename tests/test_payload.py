"""The data flow of one state: what its work gets, what leaves it, what it assigns."""

from __future__ import annotations

import copy
from typing import Any

import jsonata  # noqa: F401  # it raises the recursion limit
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_manager.asl.errors import StatesError
from workflow_manager.asl.integrations import check_parameters
from workflow_manager.asl.machine import QueryLanguage, StateMachine
from workflow_manager.asl.numbers import as_number, compile_number
from workflow_manager.asl.payload import Flow, StateData, compile_data, error_output
from workflow_manager.asl.resources import IntegrationPattern, TaskKind, parse_resource
from workflow_manager.asl.scope import Scope
from workflow_manager.asl.templates import compile_field, compile_template

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


def data(**fields: Any) -> StateData:
    """The compiled data flow of a Task, or of the Type that *fields* names."""
    state = {"Type": "Task", **fields}
    if state["Type"] == "Task":
        state.setdefault("Resource", "bake")
    machine = StateMachine.from_dict({"StartAt": "A", "States": {"A": {**state, "End": True}}})
    found = machine.states["A"]
    return compile_data(found, machine.language_of(found))


def spoken(**fields: Any) -> StateData:
    """The same in JSONata."""
    return data(QueryLanguage="JSONata", **fields)


def scope(input: Any, **variables: Any) -> Scope:
    """A scope over *input*."""
    return Scope(input, {"State": {"Name": "A"}}, variables, "seed")


# ---------------------------------------------------------------- JSONPath, step by step
def test_a_state_that_says_nothing_hands_on_what_it_has() -> None:
    """The input is the work's, the result is the output; nothing is copied."""
    plain = data()
    value = {"n": [1]}
    assert plain.is_identity
    assert plain.effective_input(scope(value)) is value
    assert plain.finish(scope(1), value) == Flow(value)
    assert plain.finish(scope(1), value).output is value


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"InputPath": "$"}, {"a": {"b": 1}, "c": [2, 3]}),
        ({"InputPath": "$.a"}, {"b": 1}),
        ({"InputPath": None}, {}),
        ({"InputPath": "$.c[1]"}, 3),
        ({"InputPath": "$$.State.Name"}, "A"),
        ({"InputPath": "$var.x"}, 9),
        ({"Parameters": {"k": 1, "v.$": "$.a.b"}}, {"k": 1, "v": 1}),
        ({"InputPath": "$.a", "Parameters": {"v.$": "$.b"}}, {"v": 1}),
        ({"Parameters": {"all.$": "$", "name.$": "$$.State.Name", "x.$": "$var"}},
         {"all": {"a": {"b": 1}, "c": [2, 3]}, "name": "A", "x": {"x": 9}}),
        ({"Parameters": {"deep": [{"v.$": "$.a.b"}, 5], "text.$": "States.Format('{}!', $.a.b)"}},
         {"deep": [{"v": 1}, 5], "text": "1!"}),
        ({"Parameters": [1, {"v.$": "$.c"}]}, [1, {"v": [2, 3]}]),
        ({"Parameters": "$.a"}, "$.a"),
        ({"Parameters": {}}, {}),
    ],
)  # fmt: skip
def test_what_the_work_gets(fields: dict[str, Any], expected: Any) -> None:
    """InputPath selects from the raw input; Parameters builds anew from what was selected."""
    assert data(**fields).effective_input(scope({"a": {"b": 1}, "c": [2, 3]}, var={"x": 9})) == expected


@pytest.mark.parametrize(
    ("fields", "output"),
    [
        ({"ResultPath": None}, {"n": 1}),
        ({"ResultPath": "$"}, {"r": [5]}),
        ({"ResultPath": "$.n"}, {"n": {"r": [5]}}),
        ({"ResultPath": "$.new.deep"}, {"n": 1, "new": {"deep": {"r": [5]}}}),
        ({"ResultSelector": {"first.$": "$.r[0]"}}, {"first": 5}),
        ({"ResultSelector": {"first.$": "$.r[0]"}, "ResultPath": "$.res"}, {"n": 1, "res": {"first": 5}}),
        ({"OutputPath": "$.r"}, [5]),
        ({"OutputPath": None}, {}),
        ({"ResultPath": "$.res", "OutputPath": "$.res.r"}, [5]),
        ({"InputPath": "$.n", "ResultPath": "$.res"}, {"n": 1, "res": {"r": [5]}}),
        ({"Parameters": {"x": 1}, "ResultPath": None}, {"n": 1}),
    ],
)
def test_what_leaves_the_state(fields: dict[str, Any], output: Any) -> None:
    """ResultSelector, then ResultPath into the *raw* input, then OutputPath."""
    raw = {"n": 1}
    assert data(**fields).finish(scope(raw), {"r": [5]}) == Flow(output)
    assert raw == {"n": 1}, "the input is never changed"


def test_a_pass_may_have_its_result() -> None:
    """Result stands in for the work's, null too; without it the effective input is the result."""
    assert data(Type="Pass", Result=None).finish(scope(1), 1) == Flow(None)
    assert data(Type="Pass", Result={"x.$": "$"}).finish(scope(1), 1) == Flow({"x.$": "$"}), "no template"
    assert data(Type="Pass", Result=2, ResultPath="$.r").finish(scope({"a": 1}), {}) == Flow({"a": 1, "r": 2})


def test_what_a_state_assigns() -> None:
    """Assign speaks of the result after ResultSelector; names come sorted; ``$x`` is the value from before."""
    compiled = data(Assign={"b.$": "$.r", "a": 1, "old.$": "$x"}, ResultSelector={"r.$": "$.deep"}, ResultPath=None)
    flow = compiled.finish(scope({"in": 1}, x=7), {"deep": 5})
    assert flow == Flow({"in": 1}, {"a": 1, "b": 5, "old": 7})
    assert flow.assigned is not None
    assert list(flow.assigned) == ["a", "b", "old"]


@pytest.mark.parametrize(
    ("fields", "error", "cause"),
    [
        ({"InputPath": "$.x"}, "States.Runtime", "Invalid path '$.x' : No results for path: $['x']"),
        ({"Parameters": {"v.$": "$.x"}}, "States.Runtime",
         "The JSONPath '$.x' specified for the field 'v.$' could not be found in the input '{\"n\":1}'"),
        ({"Parameters": {"v.$": "$gone"}}, "States.Runtime", "$gone"),
    ],
)  # fmt: skip
def test_what_cannot_be_selected(fields: dict[str, Any], error: str, cause: str) -> None:
    """A path that leads nowhere is an error in AWS's words."""
    with pytest.raises(StatesError) as raised:
        data(**fields).effective_input(scope({"n": 1}))
    assert raised.value.error == error
    assert cause in raised.value.cause


def test_what_cannot_be_placed() -> None:
    """A ResultPath through something that is no object is States.ResultPathMatchFailure."""
    with pytest.raises(StatesError) as raised:
        data(ResultPath="$.n.x").finish(scope({"n": 1}), 5)
    assert (raised.value.error, raised.value.cause) == (
        "States.ResultPathMatchFailure",
        'Unable to apply ReferencePath $.n.x to input {"n":1}',
    )


def test_what_a_catcher_makes_of_an_error() -> None:
    """ResultPath and Assign of the catcher alone count."""
    catchers = [
        {"ErrorEquals": ["A"], "Next": "A"},
        {"ErrorEquals": ["B"], "Next": "A", "ResultPath": "$.why", "Assign": {"e.$": "$.Error"}},
        {"ErrorEquals": ["C"], "Next": "A", "ResultPath": None},
    ]
    compiled = data(Catch=catchers, OutputPath="$.never", Assign={"never": 1})
    output = error_output("Boom", None)
    assert output == {"Error": "Boom", "Cause": None}
    flows = [compiled.catch(index, scope({"n": 1}), output) for index in range(3)]
    assert flows == [Flow(output), Flow({"n": 1, "why": output}, {"e": "Boom"}), Flow({"n": 1})]


# ---------------------------------------------------------------- templates
def test_a_template_without_paths_is_itself() -> None:
    """Fixed parts are shared between evaluations."""
    value = {"a": [1, {"b": 2}], "c.d": "$.x", "e$": "$.x"}
    assert compile_template(value)(scope({})) is value
    mixed = compile_template({"fixed": value, "v.$": "$.n"})
    one, two = mixed(scope({"n": 1})), mixed(scope({"n": 2}))
    assert (one["v"], two["v"]) == (1, 2)
    assert one["fixed"] is two["fixed"] is value


def test_an_error_names_the_field() -> None:
    """AWS says which path for which field was not found in what."""
    with pytest.raises(StatesError, match=r"'\$\.x' specified for the field 'ErrorPath' could not be found"):
        compile_field("ErrorPath", "$.x")(scope({}))
    with pytest.raises(ValueError, match=r"States\.Nothing"):
        compile_template({"v.$": "States.Nothing(1)"})


@given(JSON_VALUES, JSON_VALUES)
def test_nothing_that_was_handed_over_is_changed(raw: Any, result: Any) -> None:
    """Values are immutable by convention, whatever the paths do."""
    compiled = data(ResultSelector={"got.$": "$"}, ResultPath="$.a.b", Assign={"v.$": "$"})
    before = copy.deepcopy((raw, result))
    if not isinstance(raw, dict) or not isinstance(raw.get("a", {}), dict):
        with pytest.raises(StatesError, match=r"States\.ResultPathMatchFailure"):
            compiled.finish(scope(raw), result)
    else:
        flow = compiled.finish(scope(raw), result)
        assert flow.output["a"]["b"] == {"got": result}
        assert {key: value for key, value in flow.output.items() if key != "a"} == {
            key: value for key, value in raw.items() if key != "a"
        }
    assert (raw, result) == before


# ---------------------------------------------------------------- JSONata
def test_arguments_and_output() -> None:
    """Arguments sees $states.input and the context, Output also $states.result; variables are ``$name``."""
    compiled = spoken(
        Arguments={"n": "{% $states.input.n + $x %}", "s": "{% $states.context.State.Name %}", "k": [1]},
        Output={"in": "{% $states.input.n %}", "got": "{% $states.result %}"},
        Assign={"x": "{% $x + 1 %}", "k": 5},
    )
    assert not compiled.is_identity
    assert compiled.effective_input(scope({"n": 1}, x=10)) == {"n": 11, "s": "A", "k": [1]}
    assert compiled.finish(scope({"n": 1}, x=10), "r") == Flow({"in": 1, "got": "r"}, {"k": 5, "x": 11})


def test_without_output_the_result_leaves() -> None:
    """And without Arguments the raw input is what the work gets; Output null is null."""
    assert spoken().is_identity
    assert spoken().effective_input(scope({"n": 1})) == {"n": 1}
    assert spoken().finish(scope({"n": 1}), 5) == Flow(5)
    assert spoken(Output=None).finish(scope(1), 5) == Flow(None)


def test_an_expression_that_gives_nothing_is_an_error() -> None:
    """It names the field within its template."""
    with pytest.raises(StatesError) as raised:
        spoken(Arguments={"a": [{"b": "{% $states.input.x %}"}]}).effective_input(scope({}))
    assert raised.value.error == "States.QueryEvaluationError"
    assert raised.value.location == "Arguments/a[0]/b"
    assert "$states.input.x" in raised.value.cause


def test_a_catcher_in_jsonata() -> None:
    """$states.errorOutput, and the error output itself where no Output says otherwise."""
    catchers = [
        {
            "ErrorEquals": ["A"],
            "Next": "A",
            "Output": "{% $states.errorOutput.Error %}",
            "Assign": {"v": "{% 1 + 1 %}"},
        },
        {"ErrorEquals": ["B"], "Next": "A"},
    ]
    compiled = spoken(Catch=catchers)
    assert compiled.catch(0, scope({}), error_output("Boom", "c")) == Flow("Boom", {"v": 2})
    assert compiled.catch(1, scope({}), error_output("Boom", "c")) == Flow({"Error": "Boom", "Cause": "c"})


# ---------------------------------------------------------------- numbers
@pytest.mark.parametrize(
    ("value", "whole", "fractional"),
    [
        (5, 5, 5),
        (5.0, 5, 5),
        (5.5, None, 5.5),
        ("5", 5, 5),
        ("-3", -3, -3),
        ("5.5", None, None),
        ("x", None, None),
        (True, None, None),
        (None, None, None),
        ([5], None, None),
        (-1, -1, -1),
    ],
)
def test_what_counts_as_a_number(value: Any, whole: Any, fractional: Any) -> None:
    """Numbers and text that spells a whole one; fractions only where a percentage is asked for."""
    assert as_number(value, fractional=False) == whole
    assert as_number(value, fractional=True) == fractional
    assert type(as_number(value, fractional=False)) is type(whole)


def test_where_a_number_comes_from() -> None:
    """A literal, a path beside it, an expression; ``None`` where the field is absent."""
    jsonpath, language = QueryLanguage.JSONPATH, QueryLanguage.JSONATA
    assert compile_number(jsonpath, "TimeoutSeconds", None) is None
    literal = compile_number(jsonpath, "TimeoutSeconds", 5)
    by_path = compile_number(jsonpath, "TimeoutSeconds", None, "$.t")
    spoken_number = compile_number(language, "TimeoutSeconds", "{% $states.input.t * 2 %}")
    assert literal is not None
    assert by_path is not None
    assert spoken_number is not None
    assert [get(scope({"t": 4})) for get in (literal, by_path, spoken_number)] == [5, 4, 8]
    for wrong, cause in (
        ({"t": "x"}, 'The TimeoutSecondsPath field refers to value "x" which is not a valid integer: $.t'),
        ({"t": [1]}, 'The TimeoutSecondsPath field refers to value "[1]" which is not a valid integer: $.t'),
        ({}, "The JSONPath '$.t' specified for the field 'TimeoutSecondsPath' could not be found in the input '{}'"),
    ):
        with pytest.raises(StatesError) as raised:
            by_path(scope(wrong))
        assert (raised.value.error, raised.value.cause) == ("States.Runtime", cause)
    with pytest.raises(StatesError) as raised:
        spoken_number(scope({"t": "x"}))
    assert raised.value.error == "States.QueryEvaluationError"
    unusable = compile_number(jsonpath, "TimeoutSeconds", "${Limit}")
    assert unusable is not None
    with pytest.raises(StatesError, match="is not a number"):
        unusable(scope({}))


# ---------------------------------------------------------------- resources
@pytest.mark.parametrize(
    ("text", "kind", "type", "action", "pattern"),
    [
        ("bake", TaskKind.ACTIVITY, "", "", ""),
        ("arn:aws:states:eu-west-1:1:activity:bake", TaskKind.ACTIVITY, "", "", ""),
        ("arn:aws:lambda:eu-west-1:1:function:bake:PROD", TaskKind.LAMBDA, "", "", ""),
        ("arn:aws-cn:lambda:cn-north-1:1:function:bake", TaskKind.LAMBDA, "", "", ""),
        ("arn:aws:states:::lambda:invoke", TaskKind.SERVICE, "lambda", "invoke", ""),
        ("arn:aws:states:::sqs:sendMessage.waitForTaskToken", TaskKind.SERVICE, "sqs", "sendMessage.waitForTaskToken",
         ".waitForTaskToken"),
        ("arn:aws:states:::batch:submitJob.sync", TaskKind.SERVICE, "batch", "submitJob.sync", ".sync"),
        ("arn:aws:states:::states:startExecution.sync:2", TaskKind.SERVICE, "states", "startExecution.sync:2", ".sync"),
        ("arn:aws:states:::aws-sdk:s3:listBuckets", TaskKind.SERVICE, "aws-sdk:s3", "listBuckets", ""),
        ("lambda:bake", TaskKind.ACTIVITY, "", "", ""),
        ("arn:aws:batch:eu-west-1:1:job-definition/x", TaskKind.ACTIVITY, "", "", ""),
    ],
)  # fmt: skip
def test_what_a_resource_means(text: str, kind: TaskKind, type: str, action: str, pattern: str) -> None:
    """Every text is something; what is no ARN of Lambda or Step Functions is an activity under a name of our own."""
    resource = parse_resource(text)
    assert (resource.text, resource.kind, resource.resource_type, resource.resource) == (text, kind, type, action)
    assert resource.pattern is IntegrationPattern(pattern)
    assert resource.is_asynchronous is bool(pattern)


def test_parameters_that_step_functions_itself_refuses() -> None:
    """The headers of an API Gateway call are lists of strings by name; other integrations are not looked at."""
    resource = parse_resource("arn:aws:states:::apigateway:invoke.waitForTaskToken")
    check_parameters(resource, {"Headers": {"A": ["b"]}, "QueryParameters": {}})
    check_parameters(parse_resource("arn:aws:states:::lambda:invoke"), {"Headers": 5})
    with pytest.raises(StatesError) as raised:
        check_parameters(resource, {"Headers": {"A": "b"}, "QueryParameters": 5})
    assert raised.value.error == "States.Runtime"
    assert "'Headers' has an invalid format, The value of the field 'QueryParameters'" in raised.value.cause
