"""What people see of a definition."""

from __future__ import annotations

from flows import ALL, fail, flow, for_each, parallel, step, task, wait
from workflow_manager.asl.machine import StateMachine
from workflow_manager.display import graph_text


def test_a_definition_as_text() -> None:
    """One state a line, nearest first, the start marked, each with all the ways that lead on from it."""
    choice = {
        "Type": "Choice",
        "Choices": [
            {"Variable": "$.n", "IsNull": True, "Next": "Rest"},
            {"Variable": "$.n", "IsPresent": True, "Next": "Bake"},
        ],
        "Default": "Burnt",
    }
    catch = [{"ErrorEquals": ["Boom", "Bang"], "Next": "Burnt"}, {"ErrorEquals": ALL, "Next": "Rest"}]
    document = flow(
        Look=choice,
        Bake=task("oven", Catch=catch, Next="Fan"),
        Rest=wait(5, Next="Bake"),
        Fan=parallel(flow(A=step(), B={"Type": "Succeed"}), flow(C=for_each(flow(D=task("knead"))))),
        Burnt=fail("Burnt"),
    )
    document["States"]["Fan"] = {**document["States"]["Fan"], "End": True}
    document["States"]["Fan"].pop("Next", None)
    assert graph_text(StateMachine.from_dict(document)).splitlines() == [
        "▶ Look (Choice)  → Rest, → Bake, else → Burnt",
        "  Rest (Wait)  → Bake",
        "  Bake (Task oven)  → Fan, on Boom, Bang → Burnt, on States.ALL → Rest",
        "  Burnt (Fail)  ■",
        "  Fan (Parallel)  ■",
        "    branch 0",
        "    ▶ A (Pass)  → B",
        "      B (Succeed)  ■",
        "    branch 1",
        "    ▶ C (Map)  ■",
        "        for each item",
        "        ▶ D (Task knead)  ■",
    ]


def test_what_cannot_be_reached_is_not_shown() -> None:
    """The text follows the ways that a run can take."""
    document = flow(A=step(End=True), B=step())
    assert graph_text(StateMachine.from_dict(document)) == "▶ A (Pass)  ■"
