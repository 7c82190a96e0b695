"""
Every class of disagreement between this library and moto 5.2.5, and by what it is recognised.

docs/differences.md shows the same table to readers.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum

import attrs
from comparing import same
from moto_runner import NotJSON
from views import View


class Right(StrEnum):
    """Whose behaviour is AWS's."""

    OURS = "this library"
    MOTO = "moto"
    EITHER = "either"
    UNDECIDED = "not recorded"


@attrs.frozen(kw_only=True)
class Disagreement:
    """A class of disagreement: who is right, one sentence on what differs, and what decides."""

    name: str
    right: Right
    what: str
    decides: str
    applies: Callable[[View], bool]


def _refused(view: View, pattern: str) -> bool:
    return view.theirs.status == "REFUSED" and re.search(pattern, view.theirs.cause or "") is not None


_FUNCTIONS = (
    r"(?m)^(Array\w*|Base64\w+|StringFormat|Format|Hash\w*|Json\w+|MathAdd|MathRandom|String(Split|ToJson)|UUID): "
    r"|function type '<class"
)
_DIALECT = r"length\(\)|\[\d+,\d+\]|\[-\d|\[\?|\.\.|\*|\[\d*:\d*\]"


def _choice_loses_assign(view: View) -> bool:
    """A Choice whose events have the same output, or where moto fails, and not the same variables."""
    ours, theirs = view.field("assigned")
    if view.kind != "Choice" or not same(*view.field("output")):
        return False
    return not same(ours, theirs)


KNOWN: tuple[Disagreement, ...] = (
    # ---------------------------------------------------------------- definitions
    Disagreement(
        name="fraction in a call",
        right=Right.OURS,
        what="moto refuses a definition that gives an intrinsic function a number with a fraction, or null.",
        decides="AWS takes JSON numbers and null as arguments (ASL specification, Appendix B).",
        applies=lambda view: _refused(view, "Func_arg_float|no viable alternative|mismatched input"),
    ),
    Disagreement(
        name="backslash in a call",
        right=Right.OURS,
        what="moto takes a backslash in a string of a call, written double in JSON, for two, so no escape works.",
        decides="ASL specification, Appendix B: a backslash before a quote, a brace or a backslash escapes it.",
        applies=lambda view: (
            _refused(view, "Expected . arguments")
            or (view.says(r"States\.[^\"]*\\\\") and (view.values_differ or view.only_moto_fails(".")))
        ),
    ),
    # ---------------------------------------------------------------- Choice
    Disagreement(
        name="Choice: missing Variable",
        right=Right.OURS,
        what="A rule whose Variable leads nowhere is false in moto; here the execution fails with States.Runtime.",
        decides=(
            "AWS fails: \"Invalid path '$.x': The choice state's condition path references an invalid value\"; "
            "IsPresent exists to guard against it."
        ),
        applies=lambda view: view.kind == "Choice" and view.only_we_fail("condition path references an invalid value"),
    ),
    Disagreement(
        name="Choice: operand of another type",
        right=Right.OURS,
        what="moto fails where the operand that a ...Path operator points to has another type, or is no timestamp.",
        decides='AWS takes a comparison of different types for false (ASL specification, "Data-test expression").',
        applies=lambda view: (
            view.kind == "Choice"
            and (
                view.only_moto_fails("Comparison.*TypeError")
                or (view.says('(Equals|Than)Path": "') and view.goes_elsewhere)
            )
        ),
    ),
    Disagreement(
        name="timestamps",
        right=Right.OURS,
        what="moto reads timestamps only as 2021-03-04T05:06:07Z, without fractions of a second or other zones.",
        decides='Timestamps are those of RFC 3339 (ASL specification, "Timestamps").',
        applies=lambda view: (
            view.says("Timestamp") and (view.only_moto_fails("Timestamp|No branching option") or view.goes_elsewhere)
        ),
    ),
    Disagreement(
        name="StringMatches: escapes",
        right=Right.OURS,
        what="moto does not take a backslash in a pattern for the escape of a star.",
        decides='ASL specification, "StringMatches": \\\\* is a star.',
        applies=lambda view: view.says(r'StringMatches": "[^"]*\\') and view.goes_elsewhere,
    ),
    Disagreement(
        name="context object: RedriveCount",
        right=Right.OURS,
        what="moto's context object has no Execution.RedriveCount.",
        decides="AWS has it (AWS: Context object).",
        applies=lambda view: (
            view.says("RedriveCount") and view.they_fail("ContextPath") and not view.we_fail("RedriveCount")
        ),
    ),
    Disagreement(
        name="Choice: context object as operand",
        right=Right.OURS,
        what="moto cannot read an operand path into the context object.",
        decides="AWS allows $$ wherever a path may stand (AWS: Context object).",
        applies=lambda view: (
            view.kind == "Choice"
            and view.says(r'Path": "\$[\$a-z]')
            and view.only_moto_fails("JsonPathParserError|NoSuch")
        ),
    ),
    Disagreement(
        name="Choice: Assign of a rule",
        right=Right.OURS,
        what="moto evaluates a rule's Assign on what its comparison left behind, or loses it.",
        decides="A rule's Assign sees the state's input; ChoiceStateExited lists it (AWS: Assign in a Choice).",
        applies=lambda view: (
            view.kind == "Choice"
            and any("Assign" in rule for rule in view.difference.state["Choices"])
            and (
                view.only_moto_fails("JsonPath|Assign")
                or view.only_we_fail("for the field")
                or _choice_loses_assign(view)
            )
        ),
    ),
    Disagreement(
        name="Assign: a name from outside",
        right=Right.UNDECIDED,
        what="A branch that assigns a variable of the scope around it fails in moto; here it gets its own.",
        decides="AWS says that a branch cannot change what is outside; whether it then fails is not recorded.",
        applies=lambda view: view.only_moto_fails("IllegalOuterScopeWrite"),
    ),
    Disagreement(
        name="Choice: Assign of the state",
        right=Right.OURS,
        what="moto assigns the variables of the state's own Assign although a rule holds.",
        decides="AWS applies it only where Default is taken: the Assign of the rule that holds stands in its place.",
        applies=lambda view: (
            view.kind == "Choice"
            and "Assign" in view.difference.state
            and (_choice_loses_assign(view) or view.only_moto_fails("JsonPath|Exception"))
        ),
    ),
    # ---------------------------------------------------------------- failures
    Disagreement(
        name="Fail: reserved error name",
        right=Right.UNDECIDED,
        what='moto turns a Fail state\'s Error "States..." into States.Runtime.',
        decides="The ASL specification reserves the prefix; validation at AWS lets such definitions pass.",
        applies=lambda view: view.they_fail("StateFail: .*Custom Error Names MUST NOT"),
    ),
    Disagreement(
        name="Fail: path to another type",
        right=Right.OURS,
        what="moto writes out what ErrorPath or CausePath leads to as text; here anything but a string fails.",
        decides='ASL specification, "Fail State": the path must give a string.',
        applies=lambda view: view.kind == "Fail" and view.we_fail("field '(Error|Cause)Path' could not be found"),
    ),
    Disagreement(
        name="Fail: empty error",
        right=Right.UNDECIDED,
        what="Where ErrorPath gives an empty text moto leaves the error away; here it is the empty text.",
        decides="Not documented.",
        applies=lambda view: view.field("error") == ("", None),
    ),
    Disagreement(
        name="error output: no cause",
        right=Right.OURS,
        what="A catcher's error output has an empty text in moto where a failure had no cause or error; here null.",
        decides="AWS gives null for what a failed task did not tell.",
        applies=lambda view: (
            view.kind in ("Map", "Parallel")
            and view.values_differ
            and re.search("'(Error|Cause|found)': None", str(view.difference.ours)) is not None
            and re.search("'(Error|Cause|found)': ''", str(view.difference.theirs)) is not None
        ),
    ),
    Disagreement(
        name="ResultPath with an index",
        right=Right.OURS,
        what="Where a ResultPath ends in an index moto extends the array that has it not, or fails with IndexError.",
        decides="What is there is replaced; else States.ResultPathMatchFailure (ASL specification, Appendix A).",
        applies=lambda view: (
            view.says(r'"ResultPath": "[^"]*\[')
            and (view.we_fail("Unable to apply ReferencePath") or view.theirs_mention("ResultPath: .*IndexError"))
        ),
    ),
    Disagreement(
        name="fork in a branch: aborted",
        right=Right.UNDECIDED,
        what="After a Map or Parallel that fails in a Parallel's branch, here its ...StateAborted follows.",
        decides="AWS writes TaskStateAborted after a Task's TaskFailed in a branch; no other record is known.",
        applies=lambda view: view.our_type in ("MapStateAborted", "ParallelStateAborted") and not view.our_why,
    ),
    Disagreement(
        name="ResultPath that does not fit",
        right=Right.OURS,
        what="moto fails with States.Runtime, or drops the result; here States.ResultPathMatchFailure.",
        decides="ASL specification, Appendix A: States.ResultPathMatchFailure.",
        applies=lambda view: (
            view.we_fail("Unable to apply ReferencePath")
            and (view.they_fail("ResultPath: .*TypeError") or view.their_type == f"{view.kind}StateExited")
        ),
    ),
    Disagreement(
        name="Map: no array",
        right=Right.OURS,
        what="Where ItemsPath leads to no array moto writes EvaluationFailed with States.QueryEvaluationError.",
        decides="AWS has States.QueryEvaluationError and EvaluationFailed only for JSONata (AWS: Handling errors).",
        applies=lambda view: view.we_fail("must point to array") and view.their_type == "EvaluationFailed",
    ),
    # ---------------------------------------------------------------- text and numbers
    Disagreement(
        name="output of text",
        right=Right.OURS,
        what="moto's DescribeExecution gives an output that is a string without its quotes.",
        decides="AWS gives JSON text.",
        applies=lambda view: view.difference.aspect == "output" and isinstance(view.ours.output, str),
    ),
    Disagreement(
        name="assigned text",
        right=Right.OURS,
        what="moto does not escape quotes, backslashes and line ends of a string among the assigned variables.",
        decides="AWS gives every assigned variable as JSON text.",
        applies=lambda view: any(isinstance(value, NotJSON) for value in (view.field("assigned")[1] or {}).values()),
    ),
    Disagreement(
        name="Wait: 0.0 seconds",
        right=Right.UNDECIDED,
        what="moto refuses SecondsPath to 0.0; here a number that is whole is taken however it is written.",
        decides="AWS refuses 1.5 and -1.5; what it does with 0.0 is not known.",
        applies=lambda view: (
            view.kind == "Wait"
            and view.difference.state.get("SecondsPath") == "$.zero"
            and (not view.our_why and view.theirs_mention("cannot be parsed as a long value"))
        ),
    ),
    # ---------------------------------------------------------------- intrinsic functions
    Disagreement(
        name="MathRandom: the end",
        right=Right.OURS,
        what="moto may draw the end of the range.",
        decides="The end is exclusive (AWS: Intrinsic functions).",
        applies=lambda view: view.says("MathRandom") and (view.values_differ or view.only_we_fail("MathRandom")),
    ),
    Disagreement(
        name="Format: count of arguments",
        right=Right.OURS,
        what="moto ignores arguments of States.Format beyond the places in its template.",
        decides="AWS fails: the number of arguments must match the occurrences of {} (AWS: Intrinsic functions).",
        applies=lambda view: view.only_we_fail("Invalid arguments in States.Format"),
    ),
    Disagreement(
        name="StringSplit: no delimiter",
        right=Right.UNDECIDED,
        what="By an empty delimiter moto splits into characters; here the text stays whole.",
        decides="Not documented.",
        applies=lambda view: view.says("StringSplit") and (view.values_differ or view.only_moto_fails("StringSplit")),
    ),
    Disagreement(
        name="JsonToString: not ASCII",
        right=Right.OURS,
        what=r"moto writes characters beyond ASCII as \u....",
        decides="AWS's JSON text has them as they are.",
        applies=lambda view: (
            view.says("JsonToString|Hash")
            and view.values_differ
            and r"\\u00" in str(view.difference.theirs)
            and r"\\u00" not in str(view.difference.ours)
        ),
    ),
    Disagreement(
        name="Base64Decode: lenient",
        right=Right.OURS,
        what="moto fails on text that is no clean Base64; here foreign characters are skipped.",
        decides="AWS decodes it.",
        applies=lambda view: view.says("Base64Decode") and (view.values_differ or view.only_moto_fails("Base64Decode")),
    ),
    Disagreement(
        name="arrays compared",
        right=Right.OURS,
        what="moto fails or errs where ArrayUnique and ArrayContains compare objects, arrays, or true with 1.",
        decides="Values are equal as JSON values (AWS: Intrinsic functions).",
        applies=lambda view: (
            view.says("Array(Unique|Contains)")
            and (view.values_differ or view.only_moto_fails("Array(Unique|Contains)"))
        ),
    ),
    Disagreement(
        name="intrinsic function fails in moto",
        right=Right.OURS,
        what="moto fails in a call that is sound, as Base64Encode beyond ASCII, or Hash of a number.",
        decides="AWS takes them (AWS: Intrinsic functions).",
        applies=lambda view: (
            view.says("States")
            and (
                view.only_moto_fails(_FUNCTIONS)
                or (view.they_fail(_FUNCTIONS) and not view.we_fail("Invalid arguments|for the field"))
            )
        ),
    ),
    Disagreement(
        name="intrinsic function checks nothing",
        right=Right.OURS,
        what="moto does not refuse an argument that is out of range or of another kind.",
        decides="AWS fails with States.Runtime (AWS: Intrinsic functions).",
        applies=lambda view: view.only_we_fail("Invalid arguments in States"),
    ),
    # ---------------------------------------------------------------- JSONPath
    Disagreement(
        name="JSONPath: dialect",
        right=Right.OURS,
        what="moto's JSONPath library knows no functions, unions or indexes from the end; it has its own filters.",
        decides="AWS uses the dialect of Jayway's JSONPath.",
        applies=lambda view: (
            view.says(_DIALECT)
            and (
                view.values_differ
                or bool(view.our_why) != bool(view.their_why)
                or view.they_fail("JsonPathParserError")
            )
        ),
    ),
    Disagreement(
        name="JSONPath: brackets in a call",
        right=Right.OURS,
        what="Inside a call moto reads $['a']['b'] as $['a'].",
        decides='Both spellings of a reference path lead to the same value (ASL specification, "Reference Paths").',
        applies=lambda view: (
            view.says(r"States\..*\$\['") and (view.values_differ or bool(view.our_why) != bool(view.their_why))
        ),
    ),
    Disagreement(
        name="JSONPath: one value or a list",
        right=Right.OURS,
        what="moto gives a list of one where a path with an index leads to one value.",
        decides='A reference path gives the value itself (ASL specification, "Reference Paths").',
        applies=lambda view: view.says(r"\$(\w|\.|\['[^']*'\])*\[\d+\]") and view.values_differ,
    ),
    # ---------------------------------------------------------------- what follows from a failure
    Disagreement(
        name="Parallel: an evaluation fails inside",
        right=Right.OURS,
        what=(
            "When States.Runtime leaves a branch, moto's Parallel fails itself with a ValueError of Python; it writes "
            "neither ParallelStateFailed nor the abortion of what was under way, and asks no Catch."
        ),
        decides=(
            "AWS writes TaskStateAborted after the TaskFailed of a Task in a branch, then ParallelStateFailed; the "
            "same "
            "is done here for an evaluation."
        ),
        applies=lambda view: (
            view.inside("Parallel") and bool(view.our_failures) and view.theirs_mention("Custom Error Names MUST")
        ),
    ),
    Disagreement(
        name="Map: an evaluation fails",
        right=Right.OURS,
        what=(
            "When States.Runtime ends a Map or one of its iterations, moto writes MapIterationFailed and "
            "MapStateFailed, "
            "and lets Retry and Catch answer it."
        ),
        decides="AWS writes ExecutionFailed after MapStateEntered or MapStateStarted; States.Runtime is never caught.",
        applies=lambda view: (
            view.inside("Map") and view.we_fail(".") and (view.they_fail(".") or view.difference.theirs is not None)
        ),
    ),
    Disagreement(
        name="Parallel: who is first",
        right=Right.EITHER,
        what="When a branch fails, how far the others have come is chance, and so is which of two failures counts.",
        decides="AWS runs branches at the same time.",
        applies=lambda view: (
            any(len(state.get("Branches", ())) > 1 for state in view.forks)
            and bool(view.our_failures or view.theirs.failures)
        ),
    ),
)


def recognise(view: View) -> Disagreement | None:
    """The first class that *view* belongs to."""
    return next((known for known in KNOWN if known.applies(view)), None)
