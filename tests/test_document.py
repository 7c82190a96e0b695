"""Documents: nothing is lost between a definition and its machine, and what is unusable is named with its place."""

import json
import math
import time

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflow_manager.asl import (
    ABSENT,
    Catcher,
    ChoiceState,
    ItemReader,
    MapState,
    ParallelState,
    PassState,
    QueryLanguage,
    Retrier,
    StateMachine,
    TaskState,
)
from workflow_manager.asl.document import STATE_CLASSES, from_dict, to_dict
from workflow_manager.asl.vocabulary import COMPARISON_OPERATORS
from workflow_manager.exceptions import DefinitionError

KITCHEN = {
    "Comment": "Every kind of state",
    "StartAt": "Peel",
    "TimeoutSeconds": 600,
    "States": {
        "Peel": {"Type": "Pass", "Result": None, "ResultPath": None, "Next": "Boil", "Colour": "green"},
        "Boil": {
            "Type": "Task",
            "Resource": "stove",
            "Parameters": {"water.$": "$.litres"},
            "TimeoutSeconds": 60,
            "Retry": [{"ErrorEquals": ["Spilled"], "BackoffRate": 1.5, "Mood": "calm"}],
            "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": None, "Next": "Order"}],
            "Next": "Taste",
        },
        "Taste": {
            "Type": "Choice",
            "Choices": [
                {"Not": {"Variable": "$.salt", "IsPresent": True}, "Next": "Rest"},
                {"And": [{"Variable": "$.salt", "NumericLessThan": 3}], "Comment": "bland", "Next": "Boil"},
                {"Variable": "$.colour", "StringMatches": "gr*n", "Next": "Serve"},
            ],
            "Default": "Serve",
        },
        "Rest": {"Type": "Wait", "Seconds": 5, "Next": "Serve"},
        "Serve": {
            "Type": "Parallel",
            "Branches": [{"StartAt": "Plate", "States": {"Plate": {"Type": "Succeed"}}}],
            "Next": "Each",
        },
        "Each": {
            "Type": "Map",
            "ItemsPath": "$.guests",
            "ItemSelector": {"guest.$": "$$.Map.Item.Value"},
            "ItemReader": {"Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": {"InputType": "CSV"}},
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"},
                "StartAt": "Greet",
                "States": {"Greet": {"Type": "Pass", "End": True}},
            },
            "Label": "guests",
            "End": True,
        },
        "Order": {"Type": "Fail", "Error": "Burnt", "CausePath": "$.why"},
    },
}


def test_a_definition_becomes_typed_attributes():
    """Fields are attributes in snake_case; lists of parts are tuples; null in ResultPath is None."""
    machine = StateMachine.from_dict(KITCHEN)
    peel, boil, taste = (machine.states[name] for name in ("Peel", "Boil", "Taste"))

    assert isinstance(peel, PassState)
    assert peel.result is None
    assert peel.result_path is None
    assert peel.other == {"Colour": "green"}
    assert isinstance(boil, TaskState)
    assert boil.retry == (Retrier(error_equals=("Spilled",), backoff_rate=1.5, other={"Mood": "calm"}),)
    assert boil.catch == (Catcher(error_equals=("States.ALL",), next="Order", result_path=None),)
    assert boil.arguments is ABSENT
    assert isinstance(taste, ChoiceState)
    assert taste.choices[0].not_ is not None
    assert taste.choices[0].not_.operator == "IsPresent"
    assert taste.choices[1].and_ is not None
    assert taste.choices[1].and_[0].operand == 3
    assert (taste.choices[2].variable, taste.choices[2].operator) == ("$.colour", "StringMatches")


def test_nested_machines_are_machines():
    """Branches and item processors are state machines of their own, with what they configure."""
    machine = StateMachine.from_dict(KITCHEN)
    serve, each = machine.states["Serve"], machine.states["Each"]

    assert isinstance(serve, ParallelState)
    assert serve.branches[0].start_at == "Plate"
    assert isinstance(each, MapState)
    assert each.is_distributed
    assert isinstance(each.item_reader, ItemReader)
    assert each.item_reader.reader_config is not None
    assert each.item_reader.reader_config.input_type == "CSV"


def test_what_was_read_is_written_exactly():
    """The same fields, the same values, the same order."""
    assert json.dumps(KITCHEN) == json.dumps(StateMachine.from_dict(KITCHEN).to_dict())
    assert StateMachine.from_dict(KITCHEN) == StateMachine.from_json(StateMachine.from_dict(KITCHEN).to_json(indent=2))


def test_a_change_shows_and_nothing_else_does():
    """After attrs.evolve the changed field is written, a field that became absent is not, and the rest stands."""
    machine = StateMachine.from_dict(KITCHEN)
    rest = attrs.evolve(machine.states["Rest"], next=None, end=True, comment="Shh")
    changed = attrs.evolve(machine, states={**machine.states, "Rest": rest})
    expected = json.loads(json.dumps(KITCHEN))
    expected["States"]["Rest"] = {"Type": "Wait", "Seconds": 5, "Comment": "Shh", "End": True}

    assert expected == changed.to_dict()


def test_a_machine_made_by_hand_is_written_without_defaults():
    """What is said nowhere and equals the default is not written."""
    machine = StateMachine(
        start_at="A",
        states={"A": TaskState(name="A", resource="r", retry=(Retrier(error_equals=("E",)),), end=True)},
        query_language=QueryLanguage.JSONATA,
    )

    assert machine.to_dict() == {
        "StartAt": "A",
        "States": {"A": {"Type": "Task", "End": True, "Retry": [{"ErrorEquals": ["E"]}], "Resource": "r"}},
        "QueryLanguage": "JSONata",
    }


@pytest.mark.parametrize("name", ["Iterator", "ItemProcessor"])
@pytest.mark.parametrize("selector", ["Parameters", "ItemSelector"])
def test_the_older_names_of_a_map_are_kept(name, selector):
    """Iterator and Parameters, as before 2022, are read as the newer fields and written as they were."""
    inner = {"StartAt": "In", "States": {"In": {"Type": "Succeed"}}}
    document = {"StartAt": "M", "States": {"M": {"Type": "Map", selector: {"a": 1}, name: inner, "End": True}}}
    state = StateMachine.from_dict(document).states["M"]

    assert isinstance(state, MapState)
    assert state.item_selector == {"a": 1}
    assert (state.legacy_iterator, state.legacy_parameters) == (name == "Iterator", selector == "Parameters")
    assert document == StateMachine.from_dict(document).to_dict()
    if name == "Iterator":
        modern = attrs.evolve(state, legacy_iterator=False)
        assert "ItemProcessor" in StateMachine(start_at="M", states={"M": modern}).to_dict()["States"]["M"]


def test_values_that_a_field_cannot_mean_are_kept():
    """Substitutions, expressions and plain mistakes are read and come back; judging them is not reading."""
    odd = {
        "StartAt": "A",
        "TimeoutSeconds": "${Limit}",
        "States": {
            "A": {
                "Type": "Task",
                "Resource": {"Fn::GetAtt": ["Worker", "Arn"]},
                "TimeoutSeconds": "{% $limit %}",
                "QueryLanguage": ["?"],
                "Retry": [{"ErrorEquals": "Oops", "MaxAttempts": "${N}", "JitterStrategy": 7}],
                "Next": None,
                "End": 0,
            },
            "B": {"Type": "Map", "ItemReader": "s3", "ItemsPath": None, "Iterator": KITCHEN, "ItemProcessor": None},
            "C": {"Type": "Choice", "Choices": [{"Variable": 3, "IsNull": None, "StringEquals": "x", "Or": []}]},
        },
    }

    assert odd == StateMachine.from_dict(odd).to_dict()


def test_documents_and_machines_do_not_share_what_can_change():
    """Changing the document afterwards, or what to_dict returned, leaves the machine as it was."""
    document = {"StartAt": "A", "States": {"A": {"Type": "Pass", "Result": {"n": [1]}, "End": True}}}
    machine = StateMachine.from_dict(document)
    document["States"]["A"]["Result"]["n"].append(2)
    machine.to_dict()["States"]["A"]["Result"]["n"].append(3)

    assert machine.to_dict()["States"]["A"]["Result"] == {"n": [1]}


@pytest.mark.parametrize(
    ("document", "path", "words"),
    [
        ([], "", "must be an object, not an array"),
        ({}, "", "required: [States, StartAt]"),
        ({"StartAt": 1, "States": {}}, "/StartAt", "must be a string"),
        ({"StartAt": "A", "States": []}, "/States", "must be an object"),
        ({"StartAt": "A", "States": {"A/B": "x"}}, "/States/A~1B", "must be an object, not a string"),
        ({"StartAt": "A", "States": {"A": {}}}, "/States/A", "required: [Type]"),
        ({"StartAt": "A", "States": {"A": {"Type": "Nap"}}}, "/States/A/Type", "'Nap'"),
        ({"StartAt": "A", "States": {"A": {"Type": "Parallel"}}}, "/States/A", "[Branches]"),
        ({"StartAt": "A", "States": {"A": {"Type": "Choice", "Choices": None}}}, "/States/A", "[Choices]"),
        ({"StartAt": "A", "States": {"A": {"Type": "Map"}}}, "/States/A", "[ItemProcessor]"),
        ({"StartAt": "A", "States": {"A": {"Type": "Parallel", "Branches": [1]}}}, "/States/A/Branches/0", "a number"),
        ({"StartAt": "A", "States": {"A": {"Type": "Task", "Retry": {}}}}, "/States/A/Retry", "must be an array"),
        ({"StartAt": "A", "States": {"A": {"Type": "Task", "Catch": ["x"]}}}, "/States/A/Catch/0", "an object"),
        (
            {"StartAt": "A", "States": {"A": {"Type": "Choice", "Choices": [{"Not": 1}]}}},
            "/States/A/Choices/0/Not",
            "rule",
        ),
        ({"StartAt": "A", "States": {"A": {"Type": "Pass", "Result": math.nan}}}, "/States/A/Result", "nan"),
    ],
)
def test_what_makes_a_document_unusable_is_named_with_its_place(document, path, words):
    """Reading refuses what has no states, no start, no type, or no list where a list must be."""
    with pytest.raises(DefinitionError) as caught:
        from_dict(document)

    assert path in [problem.path for problem in caught.value.problems]
    assert words in str(caught.value)


def test_all_reasons_come_at_once():
    """One error holds every problem of the document."""
    document = {"States": {"A": {"Type": "Nap"}, "B": 1, "C": {"Type": "Parallel", "Branches": [{"StartAt": "X"}]}}}
    with pytest.raises(DefinitionError) as caught:
        from_dict(document)

    assert [problem.path for problem in caught.value.problems] == [
        "",
        "/States/A/Type",
        "/States/B",
        "/States/C/Branches/0",
    ]


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("", "MISSING_DESCRIPTION", "empty"),
        (" \n", "SCHEMA_VALIDATION_FAILED", "valid JSON object"),
        ('{"StartAt": "A",\n  "States": {,}}', "INVALID_JSON_DESCRIPTION", "line 2, column 14"),
        ('{"StartAt": NaN}', "INVALID_JSON_DESCRIPTION", "NaN"),
        ('{"StartAt": 1e999}', "INVALID_JSON_DESCRIPTION", "1e999"),
        ("[" * 100_000, "TOO_DEEPLY_NESTED", "deeply"),
    ],
)
def test_text_that_is_not_json_is_refused_with_its_place(text, code, words):
    """Line and column say where JSON ends being JSON."""
    with pytest.raises(DefinitionError, match=words) as caught:
        StateMachine.from_json(text)

    assert [code] == [problem.code for problem in caught.value.problems]


def test_a_repeated_key_is_refused_with_its_pointer():
    """JSON text in which an object says a key twice hides one of the two."""
    text = '{"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B", "Next": "C"}, "A": {"Type": "Succeed"}}}'
    with pytest.raises(DefinitionError) as caught:
        StateMachine.from_json(text)

    assert [("DUPLICATE_KEY", "/States/A")] == [(p.code, p.path) for p in caught.value.problems]


def test_yaml_says_the_same_as_json():
    """YAML text reads by the types of YAML 1.2: dates, yes and octal-looking numbers are no traps."""
    machine = StateMachine.from_yaml(
        """
StartAt: Until
States:
  Until:
    Type: Wait
    Timestamp: 2031-04-05T06:07:08Z
    Next: Say
  Say:
    Type: Pass
    Result: {yes: no, count: 010, rate: 1.5, big: 1e3, none: null, ok: true}
    End: true
"""
    )

    assert machine.to_dict() == {
        "StartAt": "Until",
        "States": {
            "Until": {"Type": "Wait", "Timestamp": "2031-04-05T06:07:08Z", "Next": "Say"},
            "Say": {
                "Type": "Pass",
                "Result": {"yes": "no", "count": 10, "rate": 1.5, "big": 1000.0, "none": None, "ok": True},
                "End": True,
            },
        },
    }


def test_yaml_anchors_and_cloudformation_tags_work():
    """Retriers are shared by anchors, and the short tags of templates become their long form."""
    text = """
StartAt: A
States:
  A:
    Type: Task
    Resource: !GetAtt Worker.Arn
    Retry: &usual
      - {ErrorEquals: [States.Timeout], MaxAttempts: 2}
    Next: B
  B: {Type: Task, Resource: !Ref Other, Retry: *usual, End: true}
"""
    states = StateMachine.from_yaml(text).to_dict()["States"]

    assert states["A"]["Resource"] == {"Fn::GetAtt": ["Worker", "Arn"]}
    assert states["B"]["Resource"] == {"Ref": "Other"}
    assert states["A"]["Retry"] == states["B"]["Retry"] == [{"ErrorEquals": ["States.Timeout"], "MaxAttempts": 2}]


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("", "MISSING_DESCRIPTION", "empty"),
        ("a: [1, 2", "INVALID_JSON_DESCRIPTION", "line 1"),
        ("StartAt: A\nStartAt: B", "DUPLICATE_KEY", "'StartAt' is repeated at line 2"),
        ("{1: 2}", "INVALID_JSON_DESCRIPTION", "not a string"),
        ("[a, {b: c}]: d", "INVALID_JSON_DESCRIPTION", "unhashable"),
        ("&a [*a]", "INVALID_JSON_DESCRIPTION", "endless"),
        ("!!python/name:os.system x", "INVALID_JSON_DESCRIPTION", "constructor"),
        (
            "\n".join([f"a0: &a0 [{'x, ' * 9}]", *(f"a{n}: &a{n} [{f'*a{n - 1}, ' * 9}]" for n in range(1, 9))]),
            "INVALID_JSON_DESCRIPTION",
            "million nodes",
        ),
    ],
)
def test_yaml_that_is_no_definition_is_refused(text, code, words):
    """Syntax, repeated keys, foreign keys, endless or exploding aliases and foreign tags are problems, never more."""
    with pytest.raises(DefinitionError, match=words) as caught:
        StateMachine.from_yaml(text)

    assert [code] == [problem.code for problem in caught.value.problems]


def test_a_thousand_states_are_read():
    """A definition may be long."""
    states = {
        f"S{n}": {
            "Type": "Task",
            "Resource": "r",
            "Retry": [{"ErrorEquals": ["States.ALL"]}],
            "Parameters": {"n": n, "more": [{"x.$": "$.x"}]},
            "Next": f"S{(n + 1) % 1000}",
        }
        for n in range(1000)
    }
    machine = StateMachine.from_dict({"StartAt": "S0", "States": states})

    assert len(machine.states) == 1000


numbers = st.integers(-5, 5) | st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | numbers | st.text(max_size=4)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=4,
)
FIELD_NAMES = (
    "Comment QueryLanguage InputPath OutputPath Output Assign Next End ResultPath Parameters Result ResultSelector"
    " Resource Arguments Credentials TimeoutSeconds TimeoutSecondsPath Default Seconds Timestamp Error CausePath"
    " Items ItemsPath ItemSelector ItemReader ItemBatcher ResultWriter MaxConcurrency Label Version"
    " ProcessorConfig Unknown"
).split()
fields = st.dictionaries(st.sampled_from(FIELD_NAMES), values, max_size=4)
retriers = st.dictionaries(st.sampled_from(["ErrorEquals", "MaxAttempts", "JitterStrategy", "Comment", "Else"]), values)
catchers = st.dictionaries(st.sampled_from(["ErrorEquals", "Next", "ResultPath", "Output", "Else"]), values)
rule_fields = st.dictionaries(
    st.sampled_from(["Next", "Variable", "Condition", "Output", "Else", *sorted(COMPARISON_OPERATORS)[:5]]), values
)
rules = st.recursive(
    rule_fields,
    lambda inner: st.builds(
        lambda own, connective: {**own, **connective},
        rule_fields,
        st.fixed_dictionaries({}, optional={"And": st.lists(inner, max_size=2), "Not": inner | st.none()}),
    ),
    max_leaves=4,
)


def shuffled(strategy):
    return strategy.flatmap(lambda body: st.permutations(list(body.items())).map(dict))


def states(machines):
    more = {
        "Parallel": st.fixed_dictionaries({"Branches": st.lists(machines, max_size=2)}),
        "Map": st.fixed_dictionaries({"ItemProcessor": machines}, optional={"Iterator": machines | st.none()}),
        "Choice": st.fixed_dictionaries({"Choices": st.lists(rules, max_size=3)}),
    }
    work = st.fixed_dictionaries(
        {}, optional={"Retry": st.lists(retriers, max_size=2), "Catch": st.lists(catchers, max_size=2)}
    )
    return st.one_of(
        [
            shuffled(
                st.builds(
                    lambda kind, own, extra, errors: {**own, **errors, **extra, "Type": kind},
                    st.just(kind),
                    fields,
                    more.get(kind, st.just({})),
                    work if kind in ("Task", "Parallel", "Map") else st.just({}),
                )
            )
            for kind in STATE_CLASSES
        ]
    )


def machine_of(machines):
    return shuffled(
        st.builds(
            lambda own, start, inner: {**own, "StartAt": start, "States": inner},
            fields,
            st.text(max_size=3),
            st.dictionaries(st.text(max_size=3), states(machines), max_size=3),
        )
    )


documents = st.recursive(st.just({"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}), machine_of, max_leaves=4)


@settings(deadline=None)
@given(documents)
def test_reading_and_writing_loses_nothing(document):
    """For every object that can be read, to_dict(from_dict(x)) is x, through JSON text and attrs.evolve as well."""
    machine = from_dict(document)

    assert document == to_dict(machine)
    assert document == to_dict(attrs.evolve(machine))
    assert machine == StateMachine.from_json(machine.to_json())


@pytest.mark.parametrize("depth", [197, 198, 5_000])
@pytest.mark.parametrize("wrap", [lambda inner: [inner], lambda inner: {"a": inner}])
def test_what_can_be_read_can_be_written(depth, wrap):
    """A document that nests too deeply to be handled is refused when it is read, not met as a crash later."""
    inner = 1
    for _ in range(depth):
        inner = wrap(inner)
    document = {"StartAt": "A", "States": {"A": {"Type": "Pass", "Result": inner, "End": True}}}
    if depth == 197:
        assert from_dict(document).to_dict() == document
        return
    with pytest.raises(DefinitionError) as refused:
        from_dict(document)
    assert len(refused.value.problems) == 1


@pytest.mark.parametrize("value", [10**4300, -(10**5000)], ids=["just too long", "much too long"])
def test_an_integer_that_has_no_text_is_no_json(value):
    """Python writes integers of at most 4,300 digits; a longer one is refused, with the place where it stands."""
    with pytest.raises(DefinitionError) as refused:
        from_dict({"StartAt": "A", "States": {"A": {"Type": "Pass", "Result": [value], "End": True}}})
    (problem,) = refused.value.problems
    assert (problem.path, problem.message) == ("/States/A/Result/0", "an integer has at most 4,300 digits")


def test_what_contains_itself_is_refused_without_delay():
    """The bound on nesting stands for itself; it is no matter of how much stack is left."""
    document = {"StartAt": "A", "States": {"A": {"Type": "Succeed"}}, "Comment": ["x"] * 3_000}
    document["States"]["Again"] = document
    begun = time.process_time()
    with pytest.raises(DefinitionError):
        from_dict(document)
    assert time.process_time() - begun < 60  # it would take for ever
