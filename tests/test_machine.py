"""The typed machine: defaults of the language, what a state leads to, and what equality means."""

import attrs
import pytest

from workflow_manager.asl import (
    ABSENT,
    Catcher,
    ChoiceRule,
    ChoiceState,
    FailState,
    MapState,
    ParallelState,
    PassState,
    ProcessorConfig,
    ProcessorMode,
    QueryLanguage,
    Retrier,
    State,
    StateMachine,
    StateType,
    SucceedState,
    TaskState,
    WaitState,
)
from workflow_manager.asl.vocabulary import COMPARISON_OPERATORS

ONE = StateMachine(start_at="Rest", states={"Rest": SucceedState(name="Rest")})


def test_a_retrier_has_the_defaults_of_the_language():
    """Where Retry says only ErrorEquals: one second, three attempts, doubled each time, no limit, no jitter."""
    retrier = Retrier(error_equals=("States.ALL",))

    assert (1, 3, 2.0, None, "NONE") == (
        retrier.interval_seconds,
        retrier.max_attempts,
        retrier.backoff_rate,
        retrier.max_delay_seconds,
        retrier.jitter_strategy,
    )


def test_paths_default_to_the_whole_and_payloads_to_absent():
    """InputPath, ResultPath and OutputPath are "$" where nothing is said; an absent template is ABSENT, not null."""
    state = TaskState(name="Bake", resource="oven")

    assert ("$", "$", "$") == (state.input_path, state.result_path, state.output_path)
    assert state.parameters is ABSENT
    assert not ABSENT
    assert repr(ABSENT) == "ABSENT"


@pytest.mark.parametrize(
    ("state", "targets", "is_terminal"),
    [
        (PassState(name="A", next="B"), ("B",), False),
        (PassState(name="A", end=True), (), True),
        (WaitState(name="A", seconds=1, next="B"), ("B",), False),
        (SucceedState(name="A"), (), True),
        (FailState(name="A", error="Burnt"), (), True),
        (
            TaskState(
                name="A", resource="r", next="B", catch=(Catcher(next="C"), Catcher(next="B"), Catcher(next="D"))
            ),
            ("B", "C", "D"),
            False,
        ),
        (
            ChoiceState(name="A", choices=(ChoiceRule(next="C"), ChoiceRule(next="B")), default="D"),
            ("C", "B", "D"),
            False,
        ),
        (ChoiceState(name="A", choices=(ChoiceRule(next="C"), ChoiceRule(next="C"))), ("C",), False),
        (ParallelState(name="A", branches=(ONE,), end=True, catch=(Catcher(next="B"),)), ("B",), True),
        (MapState(name="A", item_processor=ONE, next="B"), ("B",), False),
    ],
)
def test_targets_are_next_then_choices_and_default_then_catchers_each_once(state, targets, is_terminal):
    """A state knows every state that may follow it, in order, and whether the machine may end with it."""
    assert targets == state.targets
    assert is_terminal is state.is_terminal


def test_every_state_class_knows_its_type():
    """The eight classes stand for the eight values of Type."""
    classes = [PassState, TaskState, ChoiceState, WaitState, SucceedState, FailState, ParallelState, MapState]

    assert set(StateType) == {cls.type for cls in classes}
    assert all(issubclass(cls, State) for cls in classes)


def test_a_map_is_distributed_where_its_processor_says_so():
    """Only ProcessorConfig's Mode DISTRIBUTED makes child executions."""
    distributed = attrs.evolve(ONE, processor_config=ProcessorConfig(mode=ProcessorMode.DISTRIBUTED))

    assert MapState(name="A", item_processor=distributed).is_distributed
    assert not MapState(name="A", item_processor=attrs.evolve(ONE, processor_config=ProcessorConfig())).is_distributed
    assert not MapState(name="A", item_processor=ONE).is_distributed


@pytest.mark.parametrize(
    ("state", "machine", "inherited", "expected"),
    [
        (None, None, None, QueryLanguage.JSONPATH),
        (None, None, QueryLanguage.JSONATA, QueryLanguage.JSONATA),
        (None, QueryLanguage.JSONATA, None, QueryLanguage.JSONATA),
        (QueryLanguage.JSONATA, None, None, QueryLanguage.JSONATA),
        (QueryLanguage.JSONPATH, QueryLanguage.JSONATA, None, QueryLanguage.JSONPATH),
    ],
)
def test_the_nearest_query_language_counts(state, machine, inherited, expected):
    """A state's own QueryLanguage, else its machine's, else the enclosing machine's, else JSONPath."""
    body = SucceedState(name="A", query_language=state)
    whole = StateMachine(start_at="A", states={"A": body}, query_language=machine, inherited_language=inherited)

    assert expected is whole.language_of(body)


def test_a_map_state_s_own_language_is_not_its_processor_s():
    """Nested machines take the language of the machine around them, not of the state that holds them."""
    inner = {"StartAt": "In", "States": {"In": {"Type": "Succeed"}}}
    machine = StateMachine.from_dict(
        {
            "StartAt": "Each",
            "States": {"Each": {"Type": "Map", "QueryLanguage": "JSONata", "ItemProcessor": inner, "End": True}},
        }
    )
    each = machine.states["Each"]

    assert isinstance(each, MapState)
    assert machine.language_of(each) is QueryLanguage.JSONATA
    assert each.item_processor.language_of(each.item_processor.states["In"]) is QueryLanguage.JSONPATH


def test_machines_are_equal_when_they_say_the_same():
    """The order of fields in the document, caches and the place of nesting do not count."""
    one = StateMachine.from_dict({"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}})
    other = StateMachine.from_dict({"States": {"A": {"End": True, "Type": "Pass"}}, "StartAt": "A"})
    one._cache["something"] = object()

    assert one == other
    assert one != attrs.evolve(one, comment="said")
    assert attrs.evolve(one)._cache == {}


def test_nothing_can_be_changed():
    """Machines and states are frozen."""
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        ONE.start_at = "Elsewhere"
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        ONE.states["Rest"].name = "Unrest"


def test_a_repr_is_short_and_says_who_and_where_to():
    """A state shows its class, name and targets; a machine its start and size."""
    assert repr(PassState(name="A", next="B", comment="x" * 500)) == "<PassState 'A', targets=['B']>"
    assert repr(ONE) == "<StateMachine start_at='Rest', 1 states>"


def test_there_are_thirty_nine_comparison_operators():
    """The specification's table of data-test expressions has 39 rows."""
    assert len(COMPARISON_OPERATORS) == 39
    assert {"TimestampGreaterThanEqualsPath", "IsPresent", "StringMatches", "BooleanEqualsPath"} <= COMPARISON_OPERATORS
