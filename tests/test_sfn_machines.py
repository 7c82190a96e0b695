"""Step Functions: names, resources, and the state machines that are made of them."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from sfn_fake import ACCOUNT, REGION, ROLE, FakeStepFunctions, manager_of
from workflow_manager.asl import StateMachine, validate
from workflow_manager.exceptions import DefinitionError, InvalidValueError, UnknownResourceError
from workflow_manager.managers.step_functions import LogSetup
from workflow_manager.managers.step_functions.machines import DriftKind, machine_tags
from workflow_manager.managers.step_functions.names import MAX_NAME, MachineKey, Place, is_valid
from workflow_manager.managers.step_functions.resources import DEFAULT_RETRIER, Translator, uris
from workflow_manager.models import ResourceType, StateResource, WorkflowDefinition
from workflow_manager.stores.memory import MemoryStore
from workflow_manager.testing import kitchen_sink, simulate

PLACE = Place("aws", REGION, ACCOUNT)
ACTIVITY = f"arn:aws:states:{REGION}:{ACCOUNT}:activity:"
FORBIDDEN = ' <>{}[]?*"#%\\^|~`$&,;:/'


def definition(states: dict[str, Any], name: str = "order", **fields: Any) -> WorkflowDefinition:
    machine = StateMachine.from_dict({"StartAt": next(iter(states)), "States": states, **fields})
    return WorkflowDefinition(name=name, state_machine=machine, manager="step-functions")


def task(resource: str = "work", **fields: Any) -> dict[str, Any]:
    return {"Type": "Task", "Resource": resource, "End": True, **fields}


def then(next: str, resource: str) -> dict[str, Any]:
    return {"Type": "Task", "Resource": resource, "Next": next}


def translated(states: dict[str, Any], namespace: str = "prod", store: Any = None, place: Place = PLACE, **fields: Any):
    """The JSON object that Step Functions gets."""
    made = definition(states, **fields)
    from workflow_manager.managers.admission import Admission

    needs = [(need.state, need.resource.text) for need in Admission().needs(made.state_machine)]
    found = uris(needs, namespace, place, store or MemoryStore())
    machine = Translator(namespace, place, found).machine(made.state_machine)
    assert [p for p in validate(machine) if p.severity == "ERROR"] == []
    return machine.to_dict()


@pytest.fixture
def fake() -> FakeStepFunctions:
    return FakeStepFunctions()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


# Names


def test_a_machine_is_named_as_the_original_named_it():
    """{namespace}--{name}--{version}--{startAt}, every forbidden character a dash."""
    assert MachineKey("prod", "a b/c", 3, "Start: here").plain_name() == "prod--a-b-c--3--Start--here"
    assert MachineKey("", "n", 0, "s").plain_name() == "--n--0--s"


@given(st.text(max_size=40), st.text(min_size=1, max_size=60), st.integers(0, 99), st.text(min_size=1, max_size=80))
def test_every_name_is_one_that_aws_takes(namespace, name, version, start_at):
    """Whatever the parts are, the name is legal, stable, and the original's wherever that is legal."""
    key = MachineKey(namespace, name, version, start_at)
    plain = f"{namespace}--{name}--{version}--{start_at}"
    for character in FORBIDDEN:
        plain = plain.replace(character, "-")
    assert is_valid(key.plain_name())
    assert is_valid(key.other_name("{}"))
    assert key.plain_name() == MachineKey(namespace, name, version, start_at).plain_name()
    if is_valid(plain):
        assert key.plain_name() == plain


def test_flaw_names_longer_than_80_characters_s3():
    """Beyond 80 characters the name keeps its beginning, and a digest tells it from every other."""
    names = {MachineKey("production", "x" * 90, version, "start").plain_name() for version in range(20)}
    assert len(names) == 20
    assert {len(name) for name in names} == {MAX_NAME}
    assert all(name.startswith("production--xxxx") for name in names)


# Resources


def test_a_short_name_is_an_activity():
    """A Task's short Resource is the activity {namespace}--{resource}."""
    assert translated({"A": task("bake")})["States"]["A"]["Resource"] == f"{ACTIVITY}prod--bake"


def test_lambda_and_glue_have_prefixes():
    """lambda: is a function, glue: a run of a job whose name is a parameter; what was given stays."""
    glue = task("glue:etl", Parameters={"Arguments": {"--x": "1"}})
    states = translated({"L": then("G", "lambda:bake"), "G": glue})["States"]
    assert states["L"]["Resource"] == f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:prod--bake"
    assert states["G"]["Resource"] == "arn:aws:states:::glue:startJobRun.sync"
    assert states["G"]["Parameters"] == {"Arguments": {"--x": "1"}, "JobName": "prod--etl"}


def test_a_glue_jobs_name_is_what_the_resource_says():
    """A JobName that was given, as a value or as a path, gives way: two of one name would be refused by AWS."""
    for named in ({"JobName": "other"}, {"JobName.$": "$.other"}):
        made = translated({"G": task("glue:etl", Parameters={**named, "Timeout": 5})})["States"]["G"]
        assert made["Parameters"] == {"Timeout": 5, "JobName": "prod--etl"}


def test_glue_in_jsonata_gets_arguments():
    """In JSONata the job's name goes into Arguments, into an expression too."""
    made = translated({"G": {**task("glue:etl"), "Arguments": {"Arguments": {"--x": "1"}}}}, QueryLanguage="JSONata")[
        "States"
    ]["G"]
    assert made["Arguments"] == {"Arguments": {"--x": "1"}, "JobName": "prod--etl"}
    made = translated({"G": task("glue:etl", Arguments="{% $states.input.job %}")}, QueryLanguage="JSONata")
    said = []
    simulate(made, {"job": {"Timeout": 5}}, tasks=lambda call: said.append(call.input))
    assert said == [{"Timeout": 5, "JobName": "prod--etl"}]
    made = translated({"G": task("glue:etl")}, QueryLanguage="JSONata")["States"]["G"]
    assert made["Arguments"] == {"JobName": "prod--etl"}


def test_a_state_resource_says_where(store):
    """A state resource of the namespace comes first, if it is for Step Functions."""
    uri = "arn:aws:lambda:eu-west-1:1:function:mine"
    store.save_state_resource(
        StateResource(name="bake", namespace="prod", uri=uri, type=ResourceType.LAMBDA_FUNCTION_ARN)
    )
    store.save_state_resource(
        StateResource(name="eat", namespace="prod", uri="arn:aws:batch:eu-west-1:1:job-definition/x")
    )
    states = {"A": then("B", "bake"), "B": task("eat")}
    made = translated(states, store=store)["States"]
    assert [made["A"]["Resource"], made["B"]["Resource"]] == [uri, f"{ACTIVITY}prod--eat"]
    assert translated({"A": task("bake")}, namespace="dev", store=store)["States"]["A"]["Resource"].endswith(
        "dev--bake"
    )


ARNS = [
    "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
    "arn:aws:states:::aws-sdk:s3:listObjects",
    "arn:aws:lambda:us-east-1:1:function:f:live",
    "arn:aws:states:us-east-1:1:activity:a",
]


@pytest.mark.parametrize("arn", ARNS)
def test_flaw_a_complete_arn_was_mangled_s1(arn):
    """What is an ARN already is left alone."""
    fields = {"Parameters": {"MessageBody.$": "$$.Task.Token", "QueueUrl": "q"}} if "Token" in arn else {}
    assert translated({"A": task(arn, **fields)})["States"]["A"]["Resource"] == arn


def test_flaw_the_partition_was_aws_s1(fake, store):
    """In China and GovCloud every ARN has the partition of its account."""
    place = Place("aws-cn", "cn-north-1", "1")
    states = {"A": then("G", "a"), "G": task("glue:g")}
    made = translated(states, place=place)["States"]
    assert made["A"]["Resource"] == "arn:aws-cn:states:cn-north-1:1:activity:prod--a"
    assert made["G"]["Resource"] == "arn:aws-cn:states:::glue:startJobRun.sync"
    assert place.function("f").startswith("arn:aws-cn:lambda:")
    assert place.log_group("m").startswith("arn:aws-cn:logs:")


def test_a_state_resource_is_looked_up_once():
    """However many states have it."""
    asked: list[str] = []
    uris([("A", "work"), ("B", "work"), ("C", "glue:g"), ("D", "glue:g")], "prod", PLACE, MissingStore(asked))
    assert asked == ["work", "glue:g"]


class MissingStore(MemoryStore):
    """Counts what it is asked for, and has nothing."""

    def __init__(self, asked: list[str]) -> None:
        super().__init__()
        self.asked = asked

    def get_state_resource(self, name: str, namespace: str) -> StateResource:
        self.asked.append(name)
        return super().get_state_resource(name, namespace)


def test_a_function_may_have_a_version_or_an_alias():
    """What follows the colon is a qualifier, not a part of the name."""
    made = translated({"A": then("B", "lambda:bake:live"), "B": task("lambda:bake:$LATEST")})["States"]
    assert [made[name]["Resource"].partition(":function:")[2] for name in "AB"] == [
        "prod--bake:live",
        "prod--bake:$LATEST",
    ]


@pytest.mark.parametrize("resource", ["no spaces", "x" * 80, "lone\ud800", "lambda:no/slash", "lambda:" + "x" * 59])
def test_a_name_that_aws_would_refuse_is_refused_first(fake, store, resource):
    """Before anything is stored or called."""
    with pytest.raises(UnknownResourceError):
        manager_of(fake, store).create_workflow(definition({"A": task(resource)}), {}, namespace="prod")
    assert fake.calls == []


RETRIER = {"ErrorEquals": ["sfncli.CommandTerminated"], "IntervalSeconds": 10, "MaxAttempts": 10, "BackoffRate": 1.0}
ALL = {"ErrorEquals": ["States.ALL"], "MaxAttempts": 1}


def test_flaw_the_default_retrier_stood_behind_states_all_s2():
    """It comes first; a definition that names the error itself is left alone."""
    assert translated({"A": task(Retry=[ALL])})["States"]["A"]["Retry"] == [RETRIER, ALL]
    own = {"ErrorEquals": ["Other", "sfncli.CommandTerminated"], "MaxAttempts": 0}
    assert translated({"A": task(Retry=[own, ALL])})["States"]["A"]["Retry"] == [own, ALL]
    assert DEFAULT_RETRIER.backoff_rate == 1.0


NESTED = {
    "P": {
        "Type": "Parallel",
        "Branches": [{"StartAt": "B", "States": {"B": task("lambda:b")}}],
        "Next": "M",
    },
    "M": {
        "Type": "Map",
        "ItemProcessor": {
            "StartAt": "I",
            "States": {
                "I": {
                    "Type": "Map",
                    "ItemProcessor": {"StartAt": "T", "States": {"T": task("t")}},
                    "End": True,
                }
            },
        },
        "End": True,
    },
}


@pytest.mark.parametrize("language", ["JSONPath", "JSONata"])
def test_flaw_nested_states_were_left_alone_s2(language):
    """Resources and retriers reach every nested machine, in JSONata too."""
    made = translated(NESTED, QueryLanguage=language)["States"]
    inner = made["P"]["Branches"][0]["States"]["B"]
    deepest = made["M"]["ItemProcessor"]["States"]["I"]["ItemProcessor"]["States"]["T"]
    assert inner["Resource"].endswith(":function:prod--b")
    assert deepest["Resource"] == f"{ACTIVITY}prod--t"
    assert inner["Retry"] == deepest["Retry"] == [RETRIER]


# _EXECUTION_NAME


def items_seen(map_fields: dict[str, Any], input: Any, **fields: Any) -> list[Any]:
    """What the tasks of a Map are given."""
    processor = {"StartAt": "T", "States": {"T": task("t")}, **map_fields.pop("processor", {})}
    made = translated({"M": {"Type": "Map", "ItemProcessor": processor, "End": True, **map_fields}}, **fields)
    said: list[Any] = []
    simulate(made, input, tasks=lambda call: said.append(call.input), name="w-1")
    return said


def test_the_execution_name_goes_through_an_item_selector():
    """An ItemSelector that builds objects carries it, in either spelling and language."""
    selector = {"ItemSelector": {"n.$": "$$.Map.Item.Value"}, "ItemsPath": "$.items"}
    assert items_seen(selector, {"items": [1]}) == [{"n": 1, "_EXECUTION_NAME": "w-1"}]
    selector = {"Parameters": {"n.$": "$$.Map.Item.Value"}, "ItemsPath": "$.items"}
    assert items_seen(selector, {"items": [1]}) == [{"n": 1, "_EXECUTION_NAME": "w-1"}]
    selector = {"ItemSelector": {"n": "{% $states.context.Map.Item.Value %}"}, "Items": "{% $states.input.items %}"}
    assert items_seen(selector, {"items": [1]}, QueryLanguage="JSONata") == [{"n": 1, "_EXECUTION_NAME": "w-1"}]


def test_in_jsonata_items_that_are_objects_carry_it():
    """Without an ItemSelector objects get it, other items stay what they are; an expression's object too."""
    fields = {"Items": "{% $states.input.items %}"}
    seen = items_seen(dict(fields), {"items": [{"n": 1}, 2, [3]]}, QueryLanguage="JSONata")
    assert seen == [{"n": 1, "_EXECUTION_NAME": "w-1"}, 2, [3]]
    fields["ItemSelector"] = "{% {'n': $states.context.Map.Item.Value} %}"
    assert items_seen(fields, {"items": [1]}, QueryLanguage="JSONata") == [{"n": 1, "_EXECUTION_NAME": "w-1"}]


def test_in_jsonpath_items_without_a_selector_stay_what_they_are():
    """There is no way to add to an item whose kind is not known."""
    assert items_seen({"ItemsPath": "$.items"}, {"items": [{"n": 1}, 2]}) == [{"n": 1}, 2]


def test_a_selector_that_names_it_is_left_alone():
    """Whoever sets the field has said what it is to be."""
    selector = {"ItemSelector": {"_EXECUTION_NAME.$": "$.mine"}, "ItemsPath": "$.items"}
    assert items_seen(selector, {"items": [1], "mine": "other"}) == [{"_EXECUTION_NAME": "other"}]


def test_inside_a_distributed_map_it_is_still_the_workflows():
    """A child execution has a name of its own; what it carries on is the one that it was given."""
    inner = {
        "Type": "Map",
        "ItemProcessor": {"StartAt": "T", "States": {"T": task("t")}},
        "ItemsPath": "$.inner",
        "ItemSelector": {"x.$": "$$.Map.Item.Value"},
        "End": True,
    }
    config = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    states = {
        "M": {
            "Type": "Map",
            "ItemProcessor": {"ProcessorConfig": config, "StartAt": "I", "States": {"I": inner}},
            "ItemSelector": {"inner.$": "$$.Map.Item.Value"},
            "End": True,
        }
    }
    said: list[Any] = []
    simulate(translated(states), [[1]], tasks=lambda call: said.append(call.input), name="w-1")
    assert said == [{"x": 1, "_EXECUTION_NAME": "w-1"}]


DISTRIBUTED = {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}}


@pytest.mark.parametrize(
    ("fields", "items", "seen"),
    [
        ({"ItemSelector": {"x": "{% $states.context.Map.Item.Value %}"}}, [[1]], [{"x": 1}]),
        ({}, [[1], {"n": 2}], [1, {"n": 2}]),
        ({}, [{"n": 2}], [{"n": 2}]),
    ],
)
def test_inside_a_distributed_map_over_anything_nothing_fails(fields, items, seen):
    """Where items may be no objects, a child has no name to carry on; a selector that asked for it would fail."""
    inner = {
        "Type": "Map",
        "ItemProcessor": {"StartAt": "T", "States": {"T": task("t")}},
        "Items": "{% $type($states.input) = 'array' ? $states.input : [$states.input] %}",
        "End": True,
        **fields,
    }
    states = {
        "M": {"Type": "Map", "ItemProcessor": {**DISTRIBUTED, "StartAt": "I", "States": {"I": inner}}, "End": True}
    }
    said: list[Any] = []
    made = translated(states, QueryLanguage="JSONata")
    run = simulate(made, items, tasks=lambda call: said.append(call.input), name="w-1")
    assert run.status == "SUCCEEDED", run
    carried = [{**each, "_EXECUTION_NAME": "w-1"} if "n" in str(each) else each for each in seen]
    assert said == carried


# State machines


def test_calls_to_create(fake, store):
    """A new machine takes three calls, a known one one, one that is there two."""
    manager = manager_of(fake, store)
    manager.create_workflow(kitchen_sink(), {}, namespace="prod")
    assert fake.calls == ["DescribeStateMachine", "CreateStateMachine", "StartExecution"]
    fake.calls.clear()
    manager.create_workflow(kitchen_sink(), {}, namespace="prod")
    manager_of(fake, store).create_workflow(kitchen_sink(), {}, namespace="prod")
    assert fake.calls == ["StartExecution", "DescribeStateMachine", "StartExecution"]


def test_flaw_start_at_tag_was_the_definitions_name_s7(fake, store):
    """The tags say what the machine is; the definition's own override them."""
    machine = kitchen_sink().state_machine
    made = WorkflowDefinition(name="order", version=0, state_machine=machine, default_tags={"application": "shop"})
    manager_of(fake, store).create_workflow(made, {}, namespace="prod")
    tags = {tag["key"]: tag["value"] for tag in next(iter(fake.machines.values()))["tags"]}
    assert tags == {
        "application": "shop",
        "environment": "prod",
        "workflow-definition-name": "order",
        "workflow-definition-version": "0",
        "workflow-definition-start-at": "start-state",
    }
    odd = machine_tags(MachineKey("n(1)", "ü" * 300, 0, "s"), {})
    assert (odd["environment"], len(odd["application"])) == ("n-1-", 256)


def test_flaw_distinct_names_collide_after_replacement_s3(fake, store):
    """Two definitions whose names read the same at AWS have two machines, and each workflow runs its own."""
    manager = manager_of(fake, store)
    first = definition({"A": {"Type": "Pass", "Result": 1, "End": True}}, name="a b")
    second = definition({"A": {"Type": "Pass", "Result": 2, "End": True}}, name="a-b")
    workflows = [manager.create_workflow(each, {}, namespace="n") for each in (first, second, first, second)]
    found = [manager.update_workflow_summary(each).output for each in workflows]
    assert found == [1, 2, 1, 2]
    assert len(fake.machines) == 2
    assert next(iter(fake.machines.values()))["name"] == "n--a-b--0--A"


def test_flaw_names_with_two_dashes_cannot_be_parsed_back_s3(fake, store):
    """Nothing parses them: namespaces and names that run together stay apart."""
    manager = manager_of(fake, store)
    one = manager.create_workflow(definition({"A": task("x")}, name="b--c"), {"n": 1}, namespace="a")
    two = manager.create_workflow(definition({"A": task("x")}, name="c"), {"n": 2}, namespace="a--b")
    assert len(fake.machines) == 2
    found = [manager.update_workflow_summary(each) for each in (one, two)]
    assert [(each.namespace, each.output["n"]) for each in found] == [("a", 1), ("a--b", 2)]
    assert len({manager.execution_arn(each).split(":")[6] for each in found}) == 2


def test_a_machine_changed_by_hand_is_told_and_not_touched(fake, store, caplog):
    """Ours gets another name, made from what it says; the other stays as it is."""
    drifts: list[Any] = []
    manager_of(fake, store).create_workflow(kitchen_sink(), {}, namespace="prod")
    changed = next(iter(fake.machines.values()))
    changed["definition"] = '{"StartAt": "X", "States": {"X": {"Type": "Succeed"}}}'
    manager = manager_of(fake, store, on_drift=drifts.append)
    workflow = manager.create_workflow(kitchen_sink(), {"n": 1}, namespace="prod")
    assert manager.update_workflow_summary(workflow).output["n"] == 1
    assert [drift.kind for drift in drifts] == [DriftKind.DEFINITION]
    assert "its definition is" in caplog.text
    assert "Succeed" in changed["definition"]
    assert manager.execution_arn(store.get_workflow(workflow.id)) in fake.runs


def test_a_machine_with_another_role_is_told_and_used(fake, store):
    """A role is not exchanged behind anybody's back."""
    drifts: list[Any] = []
    manager_of(fake, store).create_workflow(kitchen_sink(), {}, namespace="prod")
    next(iter(fake.machines.values()))["roleArn"] = "arn:aws:iam::1:role/other"
    manager_of(fake, store, on_drift=drifts.append).create_workflow(kitchen_sink(), {}, namespace="prod")
    assert [(drift.kind, drift.expected) for drift in drifts] == [(DriftKind.ROLE, ROLE)]
    assert len(fake.machines) == 1


def test_a_machine_of_the_original_is_found_however_it_is_written(fake, store):
    """Another order of fields and other white space are the same definition."""
    manager_of(fake, store).create_workflow(kitchen_sink(), {}, namespace="prod")
    made = next(iter(fake.machines.values()))
    made["definition"] = json.dumps(json.loads(made["definition"]), sort_keys=True)
    manager_of(fake, store).create_workflow(kitchen_sink(), {}, namespace="prod")
    assert len(fake.machines) == 1


def test_versions_never_overwrite_each_other(fake, store):
    """Each version has a machine of its own; workflows of the first go on with the first."""
    manager = manager_of(fake, store)
    versions = [
        store.save_workflow_definition(definition({"A": {"Type": "Pass", "Result": n, "End": True}})) for n in (1, 2)
    ]
    made = [manager.create_workflow(version, {}, namespace="n") for version in versions]
    assert [machine["name"] for machine in fake.machines.values()] == ["n--order--0--A", "n--order--1--A"]
    assert [manager.update_workflow_summary(each).output for each in made] == [1, 2]


def test_flaw_creators_that_race_s5(fake, store):
    """Twenty managers at once, and a describe that comes too early: one machine, no error, no endless recursion."""
    errors: list[BaseException] = []

    def create() -> None:
        try:
            manager_of(fake, store).create_workflow(kitchen_sink(), {}, namespace="prod")
        except BaseException as error:  # noqa: BLE001  in a thread of its own
            errors.append(error)

    threads = [threading.Thread(target=create) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert (len(fake.machines), fake.starts) == (1, 20)
    fake.refuse["CreateStateMachine"] = "StateMachineAlreadyExists"  # and yet never to be seen
    fake.machines.clear()
    with pytest.raises(Exception, match="not as expected"):
        manager_of(fake, store).create_workflow(kitchen_sink(), {}, namespace="prod")


def test_a_machine_deleted_meanwhile_is_made_again(fake, store):
    """What the cache believes in is looked at again when AWS does not know it."""
    manager = manager_of(fake, store)
    manager.create_workflow(kitchen_sink(), {}, namespace="prod")
    fake.machines.clear()
    fake.calls.clear()
    manager.create_workflow(kitchen_sink(), {}, namespace="prod")
    assert fake.calls == ["StartExecution", "DescribeStateMachine", "CreateStateMachine", "StartExecution"]


@pytest.mark.parametrize("is_seen", [True, False])
def test_a_machine_that_is_being_deleted_is_not_used(fake, store, is_seen):
    """Whether describe says so or only the start: ours gets another name, and the workflow runs."""
    manager = manager_of(fake, store)
    manager.create_workflow(kitchen_sink(), {}, namespace="prod")
    (machine,) = fake.machines.values()
    machine["status"] = "DELETING"
    if is_seen:
        manager = manager_of(fake, store)
    workflow = manager.create_workflow(kitchen_sink(), {"n": 1}, namespace="prod")
    assert manager.update_workflow_summary(workflow).output["n"] == 1
    assert len(fake.machines) == 2


def test_true_is_not_one(fake, store):
    """A machine that says true is not the one that says 1, and 1.0 is 1: Python's == would mix them up."""
    manager = manager_of(fake, store)
    results = [True, 1, 1.0, False, 0]
    names = ["a b", "a-b", "a+b".replace("+", "?"), "a&b", "a~b"]
    made = [
        manager.create_workflow(definition({"A": {"Type": "Pass", "Result": result, "End": True}}, name=name), {})
        for name, result in zip(names, results, strict=True)
    ]
    found = [manager.update_workflow_summary(each).output for each in made]
    assert [(type(each), each) for each in found[:2]] == [(bool, True), (int, 1)]
    assert (found[2], found[3] is False, found[4] is False) == (1, True, False)


def test_too_many_tags_are_refused_first(fake, store):
    """AWS takes fifty: none is dropped without a word."""
    tags = {f"t{number}": "v" for number in range(46)}
    made = WorkflowDefinition(name="order", state_machine=kitchen_sink().state_machine, default_tags=tags)
    with pytest.raises(InvalidValueError, match="a state machine takes 50"):
        manager_of(fake, store).create_workflow(made, {})
    assert (fake.calls, store.list_pending()) == ([], ())


def test_a_definition_that_is_too_long_is_refused_first(fake, store):
    """1 MB, counted in bytes, indentation left out if need be."""
    states = {"A": {"Type": "Pass", "Result": "ü" * 530_000, "End": True}}
    with pytest.raises(DefinitionError, match="DEFINITION_TOO_LONG"):
        manager_of(fake, store).create_workflow(definition(states), {})
    assert fake.calls == []


def test_a_long_definition_travels_without_its_indentation(fake, store):
    """What is too long for a request with it, escaped as it travels, is sent without."""
    states = {f"S{n}": {"Type": "Pass", "Result": {"a": n}, "Next": f"S{n + 1}"} for n in range(9000)}
    made = definition({**states, "S9000": {"Type": "Pass", "End": True}})
    manager_of(fake, store).create_workflow(made, {})
    (machine,) = fake.machines.values()
    assert (len(json.dumps(machine["definition"])) < 1_000_000, "\n" in machine["definition"]) == (True, False)


def test_an_input_that_is_too_long_is_refused_first(fake, store):
    """262,144 bytes with the execution's name in them."""
    with pytest.raises(InvalidValueError, match="an execution takes 262,144"):
        manager_of(fake, store).create_workflow(kitchen_sink(), {"text": "ü" * 131_060})
    assert (fake.calls, store.list_pending()) == ([], ())


# Logging


class Logs:
    """CloudWatch Logs, as far as it is used."""

    def __init__(self) -> None:
        self.said: list[tuple[str, dict[str, Any]]] = []
        self.groups: set[str] = set()
        self.troubles: list[str] = []

    def create_log_group(self, **arguments: Any) -> None:
        if self.troubles:
            trouble = Exception(self.troubles[0])
            trouble.response = {"Error": {"Code": self.troubles.pop(0)}}  # type: ignore[attr-defined]
            raise trouble
        self.said.append(("create", arguments))
        if arguments["logGroupName"] in self.groups:
            error = Exception("there")
            error.response = {"Error": {"Code": "ResourceAlreadyExistsException"}}  # type: ignore[attr-defined]
            raise error
        self.groups.add(arguments["logGroupName"])

    def put_retention_policy(self, **arguments: Any) -> None:
        self.said.append(("retain", arguments))

    def put_subscription_filter(self, **arguments: Any) -> None:
        self.said.append(("subscribe", arguments))


def test_logging_is_set_up_with_the_machine(fake, store):
    """A log group, how long it is kept, where it is sent, and the machine's configuration."""
    logs = Logs()
    setup = LogSetup(client=logs, destination_arn="arn:stream", destination_role_arn="arn:role")
    manager_of(fake, store, logging=setup).create_workflow(kitchen_sink(), {}, namespace="prod")
    group = "/aws/vendedlogs/states/prod--kitchensink--0--start-state"
    assert [name for name, _ in logs.said] == ["create", "retain", "subscribe"]
    assert logs.said[1][1] == {"logGroupName": group, "retentionInDays": 7}
    assert logs.said[2][1] == {
        "logGroupName": group,
        "filterName": "to-kinesis",
        "filterPattern": "",
        "destinationArn": "arn:stream",
        "roleArn": "arn:role",
        "distribution": "ByLogStream",
    }
    made = next(iter(fake.machines.values()))["loggingConfiguration"]
    assert made["level"] == "ALL"
    assert made["destinations"][0]["cloudWatchLogsLogGroup"]["logGroupArn"] == PLACE.log_group(
        "prod--kitchensink--0--start-state"
    )


def test_an_existing_machine_gets_its_logging_once(fake, store):
    """One update for a machine that logs otherwise, none for one that is as it should be."""
    manager_of(fake, store).create_workflow(kitchen_sink(), {}, namespace="prod")
    logs = Logs()
    for _ in range(2):
        manager_of(fake, store, logging=LogSetup(client=logs)).create_workflow(kitchen_sink(), {}, namespace="prod")
    assert fake.count("UpdateStateMachine") == 1
    assert next(iter(fake.machines.values()))["roleArn"] == ROLE  # AWS wants one with every update: its own
    assert [name for name, _ in logs.said] == ["create", "retain"]


def test_log_groups_that_others_are_making_just_now_are_harmless(fake, store):
    """A conflict of two that make the same group passes, and so does a throttle; what does not pass is raised."""
    logs = Logs()
    logs.troubles = ["OperationAbortedException", "ThrottlingException"]
    manager_of(fake, store, logging=LogSetup(client=logs)).create_workflow(kitchen_sink(), {}, namespace="prod")
    assert [name for name, _ in logs.said] == ["create", "retain"]
    logs.troubles = ["AccessDeniedException"]
    with pytest.raises(Exception, match="AccessDenied"):
        manager_of(fake, store, logging=LogSetup(client=logs)).create_workflow(kitchen_sink(), {}, namespace="dev")
    assert len(store.list_pending()) == 1
