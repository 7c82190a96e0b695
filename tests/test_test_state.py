"""TestState, here: one state by itself, as AWS would answer."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import workflow_manager.testing as testing
from workflow_manager.asl.machine import StateMachine
from workflow_manager.asl.validate import validate
from workflow_manager.exceptions import WorkflowManagerError
from workflow_manager.models import WorkflowDefinition
from workflow_manager.testing import NEVER, StateTestError, StateTestStatus, Submitted, TaskError, simulate, test_state

sys.path.insert(0, str(Path(__file__).parent))
import recorded_test_state as recorded

ROLE = "arn:aws:iam::210987654321:role/tester"
INNER = {"StartAt": "Inner", "States": {"Inner": {"Type": "Pass", "End": True}}}
DISTRIBUTED = {**INNER, "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}}


def task(resource: str = "arn:aws:states:::sqs:sendMessage", **fields: Any) -> dict[str, Any]:
    return {"Type": "Task", "Resource": resource, "End": True, **fields}


def inspect(definition: Any, *arguments: Any, **more: Any) -> dict[str, Any]:
    """What is seen on the way, as JSON values."""
    return dict(test_state(definition, *arguments, inspection_level="DEBUG", **more).inspection_data)


def refusal(*arguments: Any, **more: Any) -> tuple[str, str]:
    """The code and the message with which a request is refused."""
    with pytest.raises(StateTestError) as caught:
        test_state(*arguments, **more)
    return str(caught.value.code), caught.value.message


class TestTheAnswer:
    def test_a_state_hands_on_its_output_and_says_where_to(self):
        """A state that succeeds has an output and the name of its next state."""
        test = test_state({"Type": "Pass", "Result": 7, "ResultPath": "$.seven", "Next": "Then"}, {"a": 1})

        assert (test.status, test.output, test.next_state) == (StateTestStatus.SUCCEEDED, {"a": 1, "seven": 7}, "Then")

    def test_it_reads_as_boto3_gives_it(self):
        """Data is JSON text, counts are numbers, absent members are left out."""
        definition = {"Type": "Map", "MaxConcurrency": 3, "ItemProcessor": INNER, "OutputPath": "$[0]", "End": True}
        answer = test_state(definition, ["x"], mock={"result": ["é"]}, inspection_level="DEBUG").to_aws()

        assert answer == {
            "status": "SUCCEEDED",
            "output": '"é"',
            "inspectionData": {
                "input": '["x"]',
                "afterInputPath": '["x"]',
                "afterItemsPath": '["x"]',
                "maxConcurrency": 3,
                "afterResultSelector": '["é"]',
                "afterResultPath": '["é"]',
            },
        }

    def test_a_null_output_is_an_output(self):
        """Whether there is an output follows from the status, never from its value."""
        assert test_state({"Type": "Pass", "Result": None, "End": True}).to_aws()["output"] == "null"
        assert "output" not in test_state({"Type": "Fail", "Error": "E"}).to_aws()

    def test_the_input_is_an_empty_object_unless_it_is_given(self):
        """An absent input and a null input are two inputs."""
        assert test_state({"Type": "Succeed"}).output == {}
        assert test_state({"Type": "Succeed"}, None).output is None

    def test_a_string_is_json_text(self):
        """Input, variables, context, mock and definition may be JSON text, as boto3 takes them."""
        definition = json.dumps(task(Parameters={"a.$": "$.a", "v.$": "$v", "n.$": "$$.Execution.Name"}))
        more = {"variables": '{"v": 2}', "context": '{"Execution": {"Name": "run"}}', "mock": {"result": '{"x": 3}'}}
        seen = inspect(definition, '{"a": 1}', **more)

        assert (seen["afterParameters"], seen["result"]) == ({"a": 1, "v": 2, "n": "run"}, {"x": 3})

    def test_info_shows_nothing_and_trace_shows_what_debug_shows(self):
        """The inspection level decides about the inspection data and nothing else."""
        tests = [
            test_state({"Type": "Pass", "End": True}, 1, inspection_level=level) for level in ("INFO", "DEBUG", "TRACE")
        ]

        assert [bool(test.inspection_data) for test in tests] == [False, True, True]
        assert tests[1] == tests[2]

    def test_it_is_no_test_itself(self):
        """Pytest, which collects what is named ``test_*``, leaves the function alone."""
        assert test_state.__test__ is False


class TestWhichState:
    MACHINE = {
        "QueryLanguage": "JSONata",
        "StartAt": "Fork",
        "States": {
            "Fork": {
                "Type": "Parallel",
                "Branches": [
                    {"StartAt": "In", "States": {"In": {"Type": "Pass", "Output": "{% 6 * 7 %}", "End": True}}}
                ],
                "End": True,
            }
        },
    }

    @pytest.mark.parametrize("make", [dict, json.dumps, StateMachine.from_dict], ids=["object", "text", "machine"])
    def test_a_name_picks_a_state_of_a_whole_machine(self, make: Any):
        """A state of a machine is tested under the machine's query language, and may be nested."""
        assert test_state(make(self.MACHINE), state_name="In").output == 42

    def test_a_definition_of_ours_is_a_machine(self):
        """A WorkflowDefinition will do."""
        definition = WorkflowDefinition(name="fork", state_machine=StateMachine.from_dict(self.MACHINE))

        assert test_state(definition, state_name="In").output == 42

    def test_an_unknown_name_is_refused(self):
        """There has to be a state of that name."""
        code, message = refusal(self.MACHINE, state_name="Out")

        assert (code, message) == ("ValidationException", "State not found in definition")

    def test_a_state_alone_has_no_neighbours(self):
        """Where a state alone leads to is not judged; within it, it is."""
        outward = {"Type": "Choice", "Choices": [{"Variable": "$.a", "IsPresent": True, "Next": "A"}], "Default": "B"}
        inward = {"StartAt": "X", "States": {"X": {"Type": "Pass", "Next": "Nowhere"}}}

        assert test_state(outward).next_state == "B"
        assert refusal({"Type": "Parallel", "Branches": [inward], "End": True}, mock={"result": [1]})[0] == (
            "InvalidDefinition"
        )

    @pytest.mark.parametrize(
        "definition",
        [
            "{",
            "[]",
            '{"Type": "Pass", "Type": "Fail"}',
            {"Type": "Pass"},
            {"Type": "Leap", "End": True},
            {"Type": "Pass", "Next": 1},
        ],
    )
    def test_a_definition_that_cannot_run_is_refused_with_every_problem(self, definition: Any):
        """InvalidDefinition lists each problem by its code and its place in AWS's machine around the state."""
        code, message = refusal(definition)

        assert code == "InvalidDefinition"
        assert message.startswith("Invalid State Machine Definition: '")
        if isinstance(definition, dict):
            problems = validate({"StartAt": "StateName", "States": {"StateName": definition}})
            stays = [problem for problem in problems if problem.code == "SCHEMA_VALIDATION_FAILED"]
            assert all(f"{problem.message} at {problem.path}" in message for problem in stays)


class TestTheWayOfTheData:
    def test_a_task_shows_every_station(self):
        """InputPath, Parameters, the result, ResultSelector and ResultPath each leave a trace."""
        definition = task(
            InputPath="$.in",
            Parameters={"MessageBody.$": "$.text"},
            ResultSelector={"id.$": "$.MessageId"},
            ResultPath="$.sent",
            OutputPath="$.sent",
        )
        input = {"in": {"text": "hello"}}
        test = test_state(definition, input, mock={"result": {"MessageId": "m"}}, inspection_level="TRACE")

        assert test.output == {"id": "m"}
        assert test.inspection_data == {
            "input": input,
            "afterInputPath": {"text": "hello"},
            "afterParameters": {"MessageBody": "hello"},
            "result": {"MessageId": "m"},
            "afterResultSelector": {"id": "m"},
            "afterResultPath": {**input, "sent": {"id": "m"}},
        }

    def test_a_jsonata_task_shows_its_arguments(self):
        """With JSONata there are Arguments in place of paths, and no stations of JSONPath."""
        definition = task(QueryLanguage="JSONata", Arguments={"MessageBody": "{% $states.input.a %}"}, Output=1)

        assert inspect(definition, {"a": "b"}, mock={"result": {}}) == {
            "input": {"a": "b"},
            "afterArguments": {"MessageBody": "b"},
            "result": {},
        }

    @pytest.mark.parametrize(
        "definition",
        [
            {"Type": "Succeed", "InputPath": "$.a"},
            {"Type": "Wait", "Seconds": 99999999, "InputPath": "$.a", "End": True},
            {"Type": "Choice", "InputPath": "$.a", "Choices": [], "Default": "D"}
            | {"Choices": [{"Variable": "$", "IsNull": True, "Next": "N"}]},
        ],
        ids=lambda definition: definition["Type"],
    )
    def test_a_state_without_work_shows_its_input(self, definition: dict[str, Any]):
        """Succeed, Wait and Choice show the raw input and what InputPath selects."""
        assert inspect(definition, {"a": 5}) == {"input": {"a": 5}, "afterInputPath": 5}

    def test_a_pass_with_a_result_shows_the_result(self):
        """A Result makes a Pass's effective input beside the point."""
        seen = inspect({"Type": "Pass", "InputPath": "$.a", "Result": 2, "End": True}, {"a": 1})

        assert seen == {"input": {"a": 1}, "result": 2, "afterResultSelector": 2, "afterResultPath": 2}

    def test_a_parallel_shows_its_parameters_where_it_has_some(self):
        """A Parallel shows how its result goes, and its input as far as the definition shapes it."""
        plain = {"Type": "Parallel", "Branches": [INNER], "End": True}
        shaped = {**plain, "Parameters": {"b.$": "$.a"}}

        assert set(inspect(plain, {"a": 1}, mock={"result": [0]})) == {
            "input",
            "afterResultSelector",
            "afterResultPath",
        }
        assert inspect(shaped, {"a": 1}, mock={"result": [0]})["afterParameters"] == {"b": 1}

    def test_a_failure_shows_how_far_the_data_came(self):
        """What comes after the field that failed is not shown."""
        seen = inspect(task(Parameters={"a.$": "$.missing"}), {"b": 1}, mock={"result": {}})

        assert seen == {"input": {"b": 1}, "afterInputPath": {"b": 1}}

    def test_variables_are_shown_as_the_state_leaves_them(self):
        """Variables that were given and variables that the state assigns, together."""
        definition = {"Type": "Pass", "Assign": {"b.$": "$.x", "a": 9}, "End": True}

        assert inspect(definition, {"x": 1}, variables={"a": 0, "c": 3})["variables"] == {"a": 9, "b": 1, "c": 3}
        assert "variables" not in inspect({"Type": "Pass", "End": True})

    @given(
        fields=st.fixed_dictionaries(
            {},
            optional={
                "InputPath": st.sampled_from(["$", "$.a", "$.b", "$.missing", None]),
                "Parameters": st.sampled_from([{"p.$": "$"}, {"p.$": "$.a"}, {"p": 1}]),
                "ResultPath": st.sampled_from(["$", "$.c", "$.a.d", None]),
                "OutputPath": st.sampled_from(["$", "$.a", "$.c", None]),
            },
        ),
        selector=st.sampled_from([{}, {"ResultSelector": {"r.$": "$.x"}}, {"ResultSelector": {"r.$": "$.missing"}}]),
        kind=st.sampled_from(["Pass", "Task"]),
        input=st.dictionaries(st.sampled_from("ab"), st.one_of(st.integers(0, 9), st.just({"a": 1}))),
    )
    def test_a_state_by_itself_does_what_it_does_in_an_execution(
        self, fields: dict[str, Any], selector: dict[str, Any], kind: str, input: dict[str, Any]
    ):
        """The outcome is that of an execution of the state alone, whose causes say in which state it was."""
        definition = {"Type": kind, "End": True, **fields}
        if kind == "Task":
            definition |= {"Resource": "work", **selector}
        alone = test_state(definition, input, tasks=lambda call: {"x": call.input})
        whole = simulate({"StartAt": "S", "States": {"S": definition}}, input, tasks=lambda call: {"x": call.input})

        assert (alone.status.value, alone.output, alone.error) == (whole.status, whole.output, whole.error)
        assert (whole.cause or "").endswith(alone.cause or "")


class TestFailures:
    RETRY = [
        {"ErrorEquals": ["Other"]},
        {"ErrorEquals": ["Busy"], "IntervalSeconds": 3, "MaxAttempts": 2, "BackoffRate": 2.0},
    ]
    CATCH = [{"ErrorEquals": ["Other"], "Next": "A"}, {"ErrorEquals": ["States.ALL"], "ResultPath": "$.e", "Next": "B"}]
    BUSY = {"errorOutput": {"error": "Busy", "cause": "come back"}}

    @pytest.mark.parametrize(("count", "seconds"), [(0, 3), (1, 6)])
    def test_a_retrier_with_attempts_left_answers_first(self, count: int, seconds: int):
        """RETRIABLE names the retrier and the seconds until its next attempt."""
        test = test_state(
            task(Retry=self.RETRY, Catch=self.CATCH),
            mock=self.BUSY,
            state_configuration={"retrierRetryCount": count},
            inspection_level="DEBUG",
        )

        assert (test.status, test.error, test.cause) == (StateTestStatus.RETRIABLE, "Busy", "come back")
        assert (test.output, test.next_state) == (None, None)
        assert test.inspection_data["errorDetails"] == {"retryIndex": 1, "retryBackoffIntervalSeconds": seconds}

    def test_then_a_catcher_answers(self):
        """CAUGHT_ERROR has the catcher's output and target, and still names the error."""
        test = test_state(
            task(Retry=self.RETRY, Catch=self.CATCH),
            {"a": 1},
            mock=self.BUSY,
            state_configuration={"retrierRetryCount": 2},
            inspection_level="DEBUG",
        )

        assert (test.status, test.next_state, test.error) == (StateTestStatus.CAUGHT_ERROR, "B", "Busy")
        assert test.output == {"a": 1, "e": {"Error": "Busy", "Cause": "come back"}}
        assert test.inspection_data["errorDetails"] == {"retryIndex": 1, "catchIndex": 1}

    def test_then_nobody(self):
        """A failure that nobody answers is the state's."""
        test = test_state(task(Retry=self.RETRY[:1], Catch=self.CATCH[:1]), mock=self.BUSY)

        assert test.to_aws() == {"status": "FAILED", "error": "Busy", "cause": "come back"}

    def test_a_catcher_that_fails_is_final(self):
        """A catcher's own evaluation is not caught again."""
        failing = {"ErrorEquals": ["Busy"], "Output": "{% $missing %}", "Next": "N"}
        catch = [failing, {"ErrorEquals": ["States.ALL"], "Next": "M"}]
        test = test_state(task(QueryLanguage="JSONata", Catch=catch), mock=self.BUSY)

        assert (test.status, test.error) == (StateTestStatus.FAILED, "States.QueryEvaluationError")

    def test_an_evaluation_that_fails_can_be_caught(self):
        """What a state itself gets wrong goes the same way as what its work does."""
        catch = [{"ErrorEquals": ["States.QueryEvaluationError"], "Next": "N"}]
        definition = task(QueryLanguage="JSONata", Arguments="{% $missing %}", Catch=catch)

        assert test_state(definition, mock={"result": {}}).status is StateTestStatus.CAUGHT_ERROR

    def test_a_fail_state_says_why(self):
        """Error and Cause are evaluated."""
        test = test_state({"Type": "Fail", "ErrorPath": "$.e", "Cause": "because"}, {"e": "Broken"})

        assert test.to_aws() == {"status": "FAILED", "error": "Broken", "cause": "because"}

    def test_a_choice_without_a_match_fails(self):
        """A Choice that no rule and no Default leaves has nowhere to go."""
        rule = {"Variable": "$.a", "IsPresent": True, "Next": "A"}

        assert test_state({"Type": "Choice", "Choices": [rule]}).error == "States.Runtime"

    def test_a_result_beyond_aws_limit_fails(self):
        """A result has at most 262,144 bytes."""
        assert test_state(task("work"), tasks=lambda call: "x" * 262_143).error == "States.DataLimitExceeded"
        assert test_state(task("work"), tasks=lambda call: "x" * 262_142).error is None


class TestMaps:
    def test_the_inputs_of_iterations_are_shown(self):
        """ItemsPath and ItemSelector are evaluated for real, with the item in the context object."""
        selector = {"item.$": "$$.Map.Item.Value", "place.$": "$$.Map.Item.Index", "all.$": "$.n"}
        definition = {"Type": "Map", "ItemsPath": "$.xs", "ItemSelector": selector, "ItemProcessor": INNER, "End": True}
        seen = inspect(definition, {"xs": ["a", "b"], "n": 2}, mock={"result": [0, 0]})

        assert seen["afterItemsPath"] == ["a", "b"]
        assert seen["afterItemSelector"] == [
            {"item": "a", "place": 0, "all": 2},
            {"item": "b", "place": 1, "all": 2},
        ]

    def test_a_jsonata_map_selects_too(self):
        """With JSONata the item is in ``$states.context``; no ItemsPath is shown."""
        selector = {"item": "{% $states.context.Map.Item.Value %}"}
        definition = {
            "Type": "Map",
            "QueryLanguage": "JSONata",
            "Items": "{% $states.input.xs %}",
            "ItemSelector": selector,
            "ItemProcessor": INNER,
            "End": True,
        }
        seen = inspect(definition, {"xs": [7]}, mock={"result": [0]})

        assert seen == {"input": {"xs": [7]}, "maxConcurrency": 0, "afterItemSelector": [{"item": 7}]}

    def test_what_a_reader_has_read_is_given_as_text(self):
        """ItemReader's data is read as its ReaderConfig says; ItemBatcher makes batches of it."""
        config = {"InputType": "JSON", "ItemsPointer": "/rows", "MaxItems": 3}
        definition = {
            "Type": "Map",
            "ItemReader": {"Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": config, "Parameters": {}},
            "ItemBatcher": {"MaxItemsPerBatch": 2, "BatchInput": {"k": 1}},
            "ItemProcessor": DISTRIBUTED,
            "End": True,
        }
        data = json.dumps({"rows": [1, 2, 3, 4]})
        seen = inspect(definition, mock={"result": [0, 0]}, state_configuration={"mapItemReaderData": data})

        assert seen["afterItemsPointer"] == [1, 2, 3, 4]
        assert seen["afterItemBatcher"] == [
            {"BatchInput": {"k": 1}, "Items": [1, 2]},
            {"BatchInput": {"k": 1}, "Items": [3]},
        ]

    def test_without_the_readers_data_no_items_are_known(self):
        """Only the mock says then what came of the iterations, and no failure count is too high."""
        definition = {
            "Type": "Map",
            "ItemReader": {"Resource": "arn:aws:states:::s3:getObject", "Parameters": {}},
            "ItemSelector": {"v.$": "$$.Map.Item.Value"},
            "ItemProcessor": DISTRIBUTED,
            "End": True,
        }
        more = {"mock": {"result": [1]}, "state_configuration": {"mapIterationFailureCount": 1000}}

        assert test_state(definition, **more).output == [1]
        assert "afterItemSelector" not in inspect(definition, **more)

    def test_a_listing_is_read_as_the_service_gives_it(self):
        """For listObjectsV2 the items are the objects."""
        definition = {
            "Type": "Map",
            "ItemReader": {"Resource": "arn:aws:states:::s3:listObjectsV2", "Parameters": {}},
            "ItemSelector": {"key.$": "$$.Map.Item.Value.Key"},
            "ItemProcessor": DISTRIBUTED,
            "End": True,
        }
        configuration = {"mapItemReaderData": '{"Contents": [{"Key": "k"}]}'}

        assert inspect(definition, mock={"result": [0]}, state_configuration=configuration)["afterItemSelector"] == [
            {"key": "k"}
        ]
        bad = test_state(definition, mock={"result": []}, state_configuration={"mapItemReaderData": "no"})
        assert bad.error == "States.ItemReaderFailed"

    @pytest.mark.parametrize(
        ("fields", "failed", "fails"),
        [
            ({}, 4, False),
            ({"ToleratedFailureCount": 1}, 1, False),
            ({"ToleratedFailureCount": 1}, 2, True),
            ({"ToleratedFailurePercentage": 50}, 2, False),
            ({"ToleratedFailurePercentage": 50}, 3, True),
        ],
    )
    def test_too_many_failed_iterations_fail_a_map_that_says_how_many_are_too_many(
        self, fields: dict[str, Any], failed: int, fails: bool
    ):
        """Without a threshold the mocked result stands however many have failed."""
        definition = {"Type": "Map", "ItemProcessor": DISTRIBUTED, "End": True, **fields}
        configuration = {"mapIterationFailureCount": failed}
        test = test_state(definition, [1, 2, 3, 4], mock={"result": []}, state_configuration=configuration)

        assert (test.error == "States.ExceedToleratedFailureThreshold") is fails

    def test_no_more_iterations_can_fail_than_there_are(self):
        """The failure count is held against the number of iterations, which is that of batches."""
        definition = {
            "Type": "Map",
            "ItemBatcher": {"MaxItemsPerBatch": 2},
            "ItemProcessor": DISTRIBUTED,
            "End": True,
        }
        more = {"mock": {"result": [0, 0]}, "state_configuration": {"mapIterationFailureCount": 3}}

        assert refusal(definition, [1, 2, 3], **more) == (
            "ValidationException",
            "Map iteration failure count must be less than or equal to the number of Map iterations",
        )

    def test_a_path_of_the_context_object_is_named_within_it(self):
        """AWS's sentence about an ItemsPath that finds no array leaves out the second dollar."""
        definition = {"Type": "Map", "ItemsPath": "$$.State", "ItemProcessor": INNER, "End": True}

        assert test_state(definition, mock={"result": []}).cause == 'Reference path "$.State" must point to array.'


class TestTasks:
    def test_a_task_without_a_mock_is_answered_by_the_caller(self):
        """*tasks* sees what the task gets, and its result goes the way of a mocked one."""
        calls = []
        test = test_state(
            task("work", TimeoutSeconds=9, ResultPath="$.r"),
            {"a": 1},
            tasks=lambda call: calls.append(call) or len(calls),
        )

        assert test.output == {"a": 1, "r": 1}
        assert [(call.state, call.resource, call.input, call.timeout_seconds) for call in calls] == [
            ("StateName", "work", {"a": 1}, 9)
        ]

    def test_credentials_are_evaluated(self):
        """A role that cannot be found fails the task."""
        definition = task("work", Credentials={"RoleArn.$": "$.role"})

        assert test_state(definition, {"role": ROLE}, tasks=lambda call: 1).output == 1
        assert test_state(definition, {}, tasks=lambda call: 1).error == "States.Runtime"

    def test_the_caller_may_fail_it(self):
        """TaskError, silence, and the end of a job are answers too."""

        def fail(call: Any) -> Any:
            raise TaskError("Broken", "in two")

        assert test_state(task("work"), tasks=fail).to_aws() == {
            "status": "FAILED",
            "error": "Broken",
            "cause": "in two",
        }
        assert test_state(task("work"), tasks=lambda call: NEVER).error == "States.Timeout"
        assert test_state(task("work"), tasks=lambda call: Submitted({}, TaskError("Late"))).error == "Late"
        assert test_state(task("work"), tasks=lambda call: Submitted({}, 5)).output == 5

    def test_nobody_answering_is_the_callers_mistake(self):
        """A mapping without the resource raises, as in simulate."""
        with pytest.raises(LookupError, match="'work'"):
            test_state(task("work"), tasks={})

    def test_a_task_that_aws_would_call_needs_a_role(self):
        """Without mock and tasks the request is AWS's, and AWS assumes a role."""
        assert refusal(task()) == ("ValidationException", "RoleArn must be specified when testing a Task state")

    @pytest.mark.parametrize(
        "resource",
        [
            "arn:aws:states:us-east-1:123456789012:activity:wait",
            "arn:aws:states:::batch:submitJob.sync",
            "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
        ],
    )
    def test_a_task_whose_result_comes_from_elsewhere_needs_a_mock(self, resource: str):
        """AWS tests activities, jobs and callbacks with a mock only."""
        assert refusal(task(resource), role_arn=ROLE)[0] == "ValidationException"
        assert test_state(task(resource), mock={"result": {"done": True}}).output == {"done": True}

    def test_parameters_that_step_functions_refuses_fail_the_task(self):
        """The checks of optimised integrations come before the result."""
        definition = task("arn:aws:states:::apigateway:invoke", Parameters={"Headers": {"a": "b"}})

        assert test_state(definition, mock={"result": {}}).error == "States.Runtime"


class TestTheContextObject:
    def test_it_names_the_test(self):
        """Role, account, state, input and time are those of the request."""
        definition = task(Parameters={"c.$": "$$"}, Next="N")
        del definition["End"]
        at = datetime(2030, 5, 6, 7, 8, 9, tzinfo=UTC)
        more = {"mock": {"result": {}}, "role_arn": ROLE, "state_configuration": {"retrierRetryCount": 2}, "start": at}
        context = inspect(definition, [1], **more)["afterParameters"]["c"]

        assert context["State"] == {"Name": "StateName", "EnteredTime": "2030-05-06T07:08:09.000Z", "RetryCount": 2}
        assert (context["Execution"]["Input"], context["Execution"]["RoleArn"]) == ([1], ROLE)
        assert ":210987654321:" in context["Execution"]["Id"]
        assert ":210987654321:" in context["StateMachine"]["Id"]
        assert "Task" not in context

    def test_a_callback_has_a_token(self):
        """A task that waits for its token has one in the context object."""
        definition = task("arn:aws:states:::sqs:sendMessage.waitForTaskToken", Parameters={"t.$": "$$.Task.Token"})

        assert inspect(definition, mock={"result": 1})["afterParameters"]["t"]

    def test_sections_that_are_given_replace_ours(self):
        """A context of the request counts section by section."""
        definition = task(Parameters={"t.$": "$$.Task.Token", "n.$": "$$.State.Name"})
        seen = inspect(definition, context={"Task": {"Token": "tok"}}, mock={"result": {}})

        assert seen["afterParameters"] == {"t": "tok", "n": "StateName"}

    @pytest.mark.parametrize(
        ("context", "reason"),
        [
            ({"Car": {}}, "Field 'Car' is not allowed"),
            ({"State": {"Colour": "red"}}, "Field 'Colour' is not allowed"),
            ({"State": {"RetryCount": "1"}}, "State.RetryCount must be a number"),
            ({"Task": {"Token": 1}}, "Task.Token must be a string"),
            ({"Task": 1}, "Task must be an object"),
            ({"Map": {"Item": {}}}, "'Map' field is not supported when mocking a Context object"),
            ([], "Context must be an object"),
        ],
    )
    def test_what_is_no_context_object_is_refused(self, context: Any, reason: str):
        """Only the members of a context object, with their types; never Map."""
        assert refusal(task(), context=context, mock={"result": {}}) == (
            "ValidationException",
            f"Invalid Context object provided: {reason}",
        )


class TestMocksAndApis:
    """A mocked result is held against the API model of the service."""

    @pytest.mark.parametrize(
        ("resource", "result", "reason"),
        [
            ("aws-sdk:s3:listObjectsV2", {"Contents": [{"Key": 3}]}, "Field 'Key' must be a string"),
            ("aws-sdk:s3:listObjectsV2", {"Contents": {}}, "Field 'Contents' must be an array"),
            ("aws-sdk:s3:listObjectsV2", {"IsTruncated": "no"}, "Field 'IsTruncated' must be a boolean"),
            ("aws-sdk:cloudwatchlogs:describeLogGroups", {"LogGroups": 1}, "Field 'LogGroups' must be an array"),
            ("aws-sdk:cognitoidentityprovider:listUsers", {"Users": 1}, "Field 'Users' must be an array"),
            ("aws-sdk:rds:describeDBInstances", {"DbInstances": 1}, "Field 'DbInstances' must be an array"),
            ("dynamodb:getItem", {"Item": {"id": {"S": 5}}}, "Field 'S' must be a string"),
            ("dynamodb:getItem", {"Item": {"id": 5}}, "Field 'id' must be an object"),
            ("aws-sdk:sqs:getQueueAttributes", {"Attributes": []}, "Field 'Attributes' must be an object"),
            (
                "aws-sdk:secretsmanager:getRandomPassword",
                {"RandomPassword": 1},
                "Field 'RandomPassword' must be a string",
            ),
            ("aws-sdk:sfn:sendTaskHeartbeat", [], None),
            ("sns:publish", 7, None),
        ],
    )
    def test_types(self, resource: str, result: Any, reason: str | None):
        """Every member that is there has the type that the API gives it, at any depth; the result is an object."""
        message = "Mocked result must be a JSON object."
        if reason is not None:
            message = f"Mock result schema validation error: {reason}"
        for mode in ("STRICT", "PRESENT"):
            mock = {"result": result, "fieldValidationMode": mode}
            assert refusal(task(f"arn:aws:states:::{resource}"), mock=mock) == ("ValidationException", message)

    def test_lengths(self):
        """Strings and numbers keep within the API's bounds."""
        definition = task("arn:aws:states:::batch:submitJob")
        result = {"JobName": "n", "JobId": "i", "JobArn": 1}

        assert "JobArn" in refusal(definition, mock={"result": result})[1]
        definition = task("arn:aws:states:::aws-sdk:kms:generateDataKey")
        for blob, word in (("", "smaller than the minimum"), ("x" * 6145, "larger than the maximum")):
            assert word in refusal(definition, mock={"result": {"CiphertextBlob": blob}})[1]

    def test_strict_wants_what_is_required(self):
        """STRICT is the default; PRESENT does not ask for what is not there."""
        definition = task("arn:aws:states:::batch:submitJob")
        expected = "Mock result schema validation error: Required field 'JobName' is missing"

        assert refusal(definition, mock={"result": {"JobId": "i"}})[1] == expected
        assert test_state(definition, mock={"result": {"JobId": "i"}}, field_validation_mode="PRESENT").error is None

    def test_none_wants_json(self):
        """NONE lets everything pass that is JSON."""
        definition = task("arn:aws:states:::batch:submitJob")

        assert test_state(definition, mock={"result": 1, "fieldValidationMode": "NONE"}).output == 1
        assert refusal(definition, mock={"result": "{", "fieldValidationMode": "NONE"})[1] == (
            "Mocked result must be valid JSON"
        )

    @pytest.mark.parametrize("result", [{"MessageId": "m"}, {"messageId": 5}, {"SdkHttpMetadata": {}}, {"Other": 1}])
    def test_members_that_the_api_does_not_have_pass(self, result: Any):
        """Step Functions writes a capital first letter, and adds members of its own."""
        assert test_state(task("arn:aws:states:::sqs:sendMessage"), mock={"result": result}).output == result

    @pytest.mark.parametrize(
        "resource",
        [
            "arn:aws:lambda:us-east-1:123456789012:function:f",
            "work",
            "arn:aws:states:::http:invoke",
            "arn:aws:states:::batch:submitJob.sync",
            "arn:aws:states:::aws-sdk:nosuchservice:get",
            "arn:aws:states:::aws-sdk:s3:noSuchAction",
        ],
    )
    def test_where_no_api_is_known_everything_passes(self, resource: str):
        """Functions, activities, jobs and what botocore does not know have no model."""
        assert test_state(task(resource), mock={"result": 5}).output == 5

    def test_what_the_api_answers_passes(self):
        """Structures, lists, maps, numbers, booleans and free documents at any depth."""
        listing = {"Contents": [{"Key": "k", "Size": 3, "Owner": {"ID": "me"}}], "IsTruncated": False, "KeyCount": 1}
        tool = {"ToolUse": {"ToolUseId": "t", "Name": "add", "Input": [1, {"any": "thing"}]}}
        message = {"Output": {"Message": {"Role": "assistant", "Content": [tool]}}}
        item = {"Item": {"id": {"M": {"deep": {"L": [{"N": "1"}, {"BOOL": True}]}}}}}

        for resource, result, mode in (
            ("aws-sdk:s3:listObjectsV2", listing, "STRICT"),
            ("dynamodb:getItem", item, "STRICT"),
            ("aws-sdk:bedrockruntime:converse", message, "PRESENT"),
        ):
            mock = {"result": result, "fieldValidationMode": mode}
            assert test_state(task(f"arn:aws:states:::{resource}"), mock=mock).output == result

    def test_a_functions_payload_is_json(self):
        """The body of Lambda's answer is a blob in the API, and JSON in a state machine."""
        result = {"Payload": {"any": ["json"]}, "StatusCode": 200}

        assert test_state(task("arn:aws:states:::lambda:invoke"), mock={"result": result}).output == result

    def test_a_parallel_gives_an_array_of_its_branches(self):
        """One result for each branch."""
        definition = {"Type": "Parallel", "Branches": [INNER], "End": True}

        assert refusal(definition, mock={"result": {}})[1] == "Mocked result must be an array."
        assert refusal(definition, mock={"result": [1, 2]})[1] == (
            "Mocked result must contain the same number of items as number of Parallel branches."
        )

    def test_a_map_gives_an_array_or_where_its_writer_wrote(self):
        """With a ResultWriter that has a Resource the result is an object."""
        definition = {"Type": "Map", "ItemProcessor": DISTRIBUTED, "End": True}
        writer = {"Resource": "arn:aws:states:::s3:putObject", "Parameters": {"Bucket": "b"}}

        assert refusal(definition, [], mock={"result": {}})[1] == "Mocked result must be an array."
        assert refusal({**definition, "ResultWriter": writer}, [], mock={"result": []})[1] == (
            "Mocked result must be a JSON object."
        )


class TestRequests:
    PASS = {"Type": "Pass", "End": True}

    @pytest.mark.parametrize("type", ["Pass", "Succeed", "Fail"])
    def test_only_work_can_be_mocked(self, type: str):
        """A state without work takes no mock."""
        definition = {"Type": type} | ({"End": True} if type == "Pass" else {})

        assert refusal(definition, mock={"result": 1}) == (
            "ValidationException",
            f"State type '{type}' is not supported when a mock is specified",
        )

    def test_forks_need_a_mock(self):
        """Map and Parallel are tested with a mock only."""
        for definition in ({"Type": "Map", "ItemProcessor": INNER}, {"Type": "Parallel", "Branches": [INNER]}):
            code, message = refusal({**definition, "End": True}, [])
            assert code == "InvalidDefinition"
            assert "does not support Map or Parallel" in message

    @pytest.mark.parametrize(
        ("more", "what"),
        [
            ({"context": {}}, "Context"),
            ({"state_configuration": {"mapIterationFailureCount": 1}}, "MapIterationFailureCount"),
            ({"state_configuration": {"retrierRetryCount": 1}}, "RetrierRetryCount"),
        ],
    )
    def test_what_only_makes_sense_with_a_mock_needs_one(self, more: dict[str, Any], what: str):
        """The context and the configuration go with a mock."""
        assert refusal(self.PASS, **more)[1] == f"TestState does not support {what} when a mock is not specified."

    def test_the_cause_of_a_forks_error_is_a_state_in_it(self):
        """The configuration's errorCausedByState is a state beneath the tested one."""
        definition = {"Type": "Parallel", "Branches": [INNER], "End": True}
        mock = {"errorOutput": {"error": "E"}}

        assert test_state(definition, mock=mock, state_configuration={"errorCausedByState": "Inner"}).error == "E"
        assert refusal(definition, mock=mock, state_configuration={"errorCausedByState": "Outer"})[1] == (
            "State not found in definition"
        )

    @pytest.mark.parametrize("mock", [{}, {"result": 1, "errorOutput": {"error": "E"}}], ids=["neither", "both"])
    def test_a_mock_has_a_result_or_an_error(self, mock: dict[str, Any]):
        """Exactly one of the two."""
        assert refusal(task(), mock=mock)[1] == (
            "A test mock should have only one of the following fields: [result, errorOutput]."
        )

    def test_secrets_are_not_revealed_of_a_mock(self):
        """There are none."""
        assert refusal(task(), mock={"result": {}}, reveal_secrets=True)[1] == (
            "TestState does not support RevealSecrets when a mock is specified."
        )

    @pytest.mark.parametrize(
        ("more", "report"),
        [
            ({"state_name": ""}, "Invalid length for parameter stateName, value: 0, valid min length: 1"),
            ({"role_arn": ""}, "Invalid length for parameter roleArn, value: 0, valid min length: 1"),
            ({"mock": {"answer": 1, "result": 1}}, 'Unknown parameter in mock: "answer", must be one of: result'),
            ({"mock": {"errorOutput": 3}}, "Invalid type for parameter mock.errorOutput, value: 3"),
            ({"mock": {"errorOutput": {"error": 3}}}, "Invalid type for parameter mock.errorOutput.error, value: 3"),
            ({"state_configuration": {"tries": 1}}, 'Unknown parameter in stateConfiguration: "tries"'),
            (
                {"state_configuration": {"retrierRetryCount": -1}},
                "Invalid range for parameter stateConfiguration.retrierRetryCount, value: -1, valid min value: 0",
            ),
            (
                {"state_configuration": {"retrierRetryCount": "1"}},
                "Invalid type for parameter stateConfiguration.retrierRetryCount, value: 1",
            ),
        ],
    )
    def test_parameters_that_boto3_would_not_send(self, more: dict[str, Any], report: str):
        """A malformed parameter is reported as boto3 reports it, before anything else."""
        code, message = refusal(self.PASS, **more)

        assert code == "ParamValidationError"
        assert message.startswith(f"Parameter validation failed:\n{report}")

    @pytest.mark.parametrize(
        ("more", "code"),
        [
            ({"input": "{"}, "InvalidExecutionInput"),
            ({"input": {1: 2}}, "InvalidExecutionInput"),
            ({"variables": "[]"}, "ValidationException"),
            ({"variables": "{"}, "ValidationException"),
            ({"inspection_level": "ALL"}, "ValidationException"),
        ],
    )
    def test_what_is_not_what_it_must_be(self, more: dict[str, Any], code: str):
        """Text that is not JSON, variables that are no object, a level that does not exist."""
        assert refusal(self.PASS, **more)[0] == code

    def test_a_refusal_reads_as_boto3_raises_it(self):
        """The error belongs to the library's tree, and its text is a ClientError's."""
        with pytest.raises(WorkflowManagerError, match=r"^An error occurred \(ValidationException\) when calling the "):
            test_state(self.PASS, mock={"result": 1})


def test_the_names_are_public():
    """What a caller needs is in ``workflow_manager.testing``."""
    assert {"StateTest", "StateTestError", "StateTestStatus", "test_state"} <= set(testing.__all__)


@pytest.mark.skipif("RECORDED_TEST_STATE" not in os.environ, reason="RECORDED_TEST_STATE names no folder")
def test_recorded_answers():
    """Nine of ten answers that AWS gave are given here, too."""
    cases = [case for _, case in recorded.cases(Path(os.environ["RECORDED_TEST_STATE"]))]
    passed = sum(recorded.fits(case, recorded.answer(case)) for case in cases)

    assert passed >= 0.9 * len(cases)


class TestTheRunner:
    CASE = {
        "definition": task("arn:aws:states:::lambda:invoke"),
        "input_text": '{"a": 1}',
        "request": {"roleArn": ROLE, "inspectionLevel": "INFO"},
        "expected": {"status": "SUCCEEDED", "output": {"when": "date", "id": "run-<id>"}},
        "wildcards": [
            {"token": "date", "match": "value"},
            {"token": "<id>", "match": "text", "regex": "\\d+"},
        ],
    }

    def test_a_case_is_judged_with_its_wildcards(self):
        """A value wildcard takes anything, a text wildcard what its regex says, all else is as it is."""
        answered = {"status": "SUCCEEDED", "output": {"when": 5, "id": "run-17"}}

        assert recorded.fits(self.CASE, answered)
        assert not recorded.fits(self.CASE, {**answered, "output": {"when": 5, "id": "run-x"}})
        assert not recorded.fits(self.CASE, {**answered, "nextState": "N"})
        assert not recorded.fits(self.CASE, {"exception": "ValidationException", "message": ""})

    def test_a_folder_of_cases_is_counted(self, tmp_path: Path, monkeypatch: Any, capsys: Any):
        """The last line is how many of how many."""
        refused = {**self.CASE, "request": {}, "expected": {"exception": "ValidationException", "message": "other"}}
        for name, case in (("a", self.CASE), ("b", refused)):
            (tmp_path / f"{name}.json").write_text(json.dumps(case), encoding="utf-8")
        monkeypatch.setattr(sys, "argv", ["recorded_test_state.py", str(tmp_path), "--show"])
        recorded.main()
        shown = capsys.readouterr().out

        assert shown.endswith("1/2\n")
        assert shown.startswith("b.json\n")
