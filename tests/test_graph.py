"""The graph of a machine: reachability, order, trimming, and the walk through nested machines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_manager.asl import StateMachine, graph
from workflow_manager.asl.values import JSON
from workflow_manager.exceptions import DefinitionError


def machine(edges: dict[str, list[str]], start: str = "A") -> StateMachine:
    """A machine whose Choice states lead where *edges* says; a state that leads nowhere succeeds."""
    states: dict[str, JSON] = {}
    for name, targets in edges.items():
        rules = [{"Variable": "$.n", "NumericEquals": n, "Next": target} for n, target in enumerate(targets)]
        states[name] = {"Type": "Choice", "Choices": rules} if targets else {"Type": "Succeed"}
    return StateMachine.from_dict({"StartAt": start, "States": states})


NESTED = StateMachine.from_dict(
    {
        "StartAt": "Split",
        "States": {
            "Split": {
                "Type": "Parallel",
                "Branches": [
                    {"StartAt": "Left", "States": {"Left": {"Type": "Succeed"}}},
                    {
                        "StartAt": "Each",
                        "States": {
                            "Each": {
                                "Type": "Map",
                                "Iterator": {"StartAt": "Deep/est", "States": {"Deep/est": {"Type": "Fail"}}},
                                "End": True,
                            }
                        },
                    },
                ],
                "Next": "Join",
            },
            "Join": {"Type": "Succeed"},
        },
    }
)


def test_targets_name_even_what_does_not_exist():
    """The targets are what the document says, whether they exist or not."""
    assert graph.targets(machine({"A": ["B", "Gone"], "B": []})) == {"A": ("B", "Gone"), "B": ()}


def test_an_island_that_points_at_itself_is_not_reached():
    """Reachability is a walk from StartAt, not the presence of an incoming edge."""
    island = machine({"A": ["B"], "B": [], "C": ["D"], "D": ["C", "A"]})

    assert graph.reachable(island) == {"A", "B"}
    assert graph.reachable(island, "C") == {"A", "B", "C", "D"}
    assert graph.reachable(island, "Gone") == frozenset()


def test_order_is_nearest_first_even_with_loops():
    """States come by their distance from the start, each once."""
    loops = machine({"A": ["C", "B"], "B": ["D"], "C": ["A", "D"], "D": ["B", "E"], "E": []})

    assert graph.order(loops) == ("A", "C", "B", "D", "E")
    assert graph.order(loops, "D") == ("D", "B", "E")


def test_trim_drops_what_can_no_longer_happen():
    """A later start leaves out the states before it, and keeps everything else as it was."""
    whole = StateMachine.from_dict(
        {
            "StartAt": "A",
            "Comment": "kept",
            "States": {
                "A": {"Type": "Pass", "Next": "B"},
                "C": {"Type": "Succeed", "Colour": "red"},
                "B": {"Type": "Pass", "Next": "C"},
            },
        }
    )

    assert graph.trim(whole, "B").to_dict() == {
        "StartAt": "B",
        "Comment": "kept",
        "States": {"C": {"Type": "Succeed", "Colour": "red"}, "B": {"Type": "Pass", "Next": "C"}},
    }
    assert graph.trim(whole, "A") == whole


def test_trim_names_a_start_that_is_not_there():
    """A state of another machine, nested or not, is no start."""
    with pytest.raises(DefinitionError, match="Left") as caught:
        graph.trim(NESTED, "Left")

    assert [("MISSING_TRANSITION_TARGET", "/StartAt")] == [(p.code, p.path) for p in caught.value.problems]


def test_walk_visits_nested_states_after_their_holder():
    """Every state once, with the JSON Pointer that leads to it in the document."""
    assert [place for place, _, _ in graph.walk(NESTED)] == [
        "/States/Split",
        "/States/Split/Branches/0/States/Left",
        "/States/Split/Branches/1/States/Each",
        "/States/Split/Branches/1/States/Each/Iterator/States/Deep~1est",
        "/States/Join",
    ]


def test_walk_gives_each_state_with_its_own_machine():
    """The machine that comes with a state is the one that holds it."""
    assert all(inner.states[state.name] is state for _, inner, state in graph.walk(NESTED))


def test_find_looks_into_nested_machines():
    """A state is found by name wherever it is."""
    found = graph.find(NESTED, "Each")

    assert found is not None
    assert found[0] == "/States/Split/Branches/1/States/Each"
    assert graph.find(NESTED, "Nowhere") is None


names = st.sampled_from("ABCDEFG")


@given(st.dictionaries(names, st.lists(names, max_size=3)).map(lambda edges: {"A": [], **edges}))
def test_trimming_to_any_reachable_state_keeps_exactly_what_it_reaches(edges):
    """trim(m, s) holds reachable(m, s), all of it still reachable; trimming twice is trimming once."""
    whole = machine(edges)
    for start in graph.reachable(whole):
        part = graph.trim(whole, start)
        assert set(part.states) == graph.reachable(whole, start) == graph.reachable(part)
        assert graph.trim(part, start) == part
        assert graph.order(part)[0] == start


@given(st.dictionaries(names, st.lists(names, max_size=3)).map(lambda edges: {"A": [], **edges}))
def test_what_is_reached_is_closed(edges):
    """No target of a reachable state is unreachable, unless it does not exist."""
    whole = machine(edges)
    reached = graph.reachable(whole)
    assert all(target in reached for name in reached for target in edges[name] if target in edges)
