"""Choice rules of JSONPath states."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_manager.asl.choices import OPERATORS, OperandKind, compile_rule, matches_pattern
from workflow_manager.asl.errors import StatesError
from workflow_manager.asl.machine import ChoiceRule
from workflow_manager.asl.paths import PathSyntaxError
from workflow_manager.asl.scope import Scope

NOON = "2024-05-01T12:00:00Z"
NOON_IN_PARIS = "2024-05-01T14:00:00+02:00"
LATER = "2024-05-01T12:00:00.001Z"
EVERYTHING = {
    "null": None,
    "yes": True,
    "no": False,
    "zero": 0,
    "one": 1,
    "half": 0.5,
    "empty": "",
    "text": "one",
    "digits": "1",
    "time": NOON,
    "array": [1],
    "object": {"a": 1},
}
COMPARISONS = [name for name, known in OPERATORS.items() if not name.startswith("Is")]


def compare(value: object, operator: str, operand: object) -> bool:
    """Compare *value* with *operand*; for a ``…Path`` operator the operand is put into the input."""
    path = operator.endswith("Path")
    rule = ChoiceRule(variable="$.v", operator=operator, operand="$.o" if path else operand)  # type: ignore[arg-type]
    return compile_rule(rule)(Scope({"v": value, "o": operand}))  # type: ignore[dict-item]


ORDERS = {
    "Equals": (False, True, False),
    "GreaterThan": (False, False, True),
    "GreaterThanEquals": (False, True, True),
    "LessThan": (True, False, False),
    "LessThanEquals": (True, True, False),
}
SERIES = {"Numeric": (-1, 0.5, 2), "String": ("", "a", "a "), "Timestamp": ("2024-05-01T11:59:59Z", NOON, LATER)}


@pytest.mark.parametrize("suffix", ["", "Path"])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", SERIES)
def test_values_of_one_type_are_ordered(kind: str, order: str, suffix: str):
    """Less, equal and greater for numbers, strings and timestamps, against a literal and against a path."""
    middle = SERIES[kind][1]

    assert ORDERS[order] == tuple(compare(value, f"{kind}{order}{suffix}", middle) for value in SERIES[kind])


@pytest.mark.parametrize("suffix", ["", "Path"])
def test_booleans_are_equal_or_not(suffix: str):
    """BooleanEquals compares booleans."""
    operator = f"BooleanEquals{suffix}"

    assert [True, False, False, True] == [compare(v, operator, o) for v in (True, False) for o in (True, False)]


@pytest.mark.parametrize(
    ("value", "operator", "operand"),
    [
        (1, "NumericEquals", 1.0),
        (10**20, "NumericGreaterThan", 1e19),
        ("Z", "StringLessThan", "a"),
        ("\uffff", "StringGreaterThan", "\U0001f600"),  # by UTF-16 code units, as AWS compares
        ("lamp", "StringLessThan", "é"),
        ("é", "StringGreaterThanEquals", "lamp"),
        (NOON_IN_PARIS, "TimestampEquals", NOON),
        (NOON, "StringLessThan", NOON_IN_PARIS),
        (NOON_IN_PARIS, "TimestampLessThan", LATER),
    ],
)
def test_comparisons_by_value(value: object, operator: str, operand: object):
    """Numbers compare by value, strings by UTF-16 code unit, timestamps by the moment that they name."""
    assert compare(value, operator, operand)


@given(st.text(), st.text())
def test_any_two_strings_have_an_order(left: str, right: str):
    """Exactly one of less, equal and greater holds of any two strings, that of their code units."""
    first, second = left.encode("utf-16-be"), right.encode("utf-16-be")
    held = [compare(left, f"String{name}", right) for name in ("LessThan", "Equals", "GreaterThan")]

    assert held == [first < second, first == second, first > second]


@pytest.mark.parametrize("operator", COMPARISONS)
def test_values_of_different_types_do_not_compare(operator: str):
    """A comparison with a value of another type is false, never an error; true is no number, "1" neither."""
    kind = next(kind for kind in ("Boolean", "Numeric", "String", "Timestamp") if operator.startswith(kind))
    fits = {
        "Boolean": {"yes", "no"},
        "Numeric": {"zero", "one", "half"},
        "String": {"empty", "text", "digits", "time"},
        "Timestamp": {"time"},
    }[kind]
    operand: object = {"Boolean": True, "Numeric": 1, "String": "*", "Timestamp": NOON}[kind]
    strangers = [value for name, value in EVERYTHING.items() if name not in fits]

    assert not any(compare(value, operator, operand) for value in strangers)
    if operator.endswith("Path"):
        assert not any(compare(operand, operator, value) for value in strangers)


@pytest.mark.parametrize(
    "time", ["2024-05-01", "2024-05-01T12:00:00", "2024-05-01 12:00:00Z", "2024-02-30T12:00:00Z", "noon"]
)
def test_what_is_no_timestamp_does_not_compare(time: str):
    """A timestamp has a T and a zone, and names a day that exists."""
    assert not compare(time, "TimestampLessThan", "2999-01-01T00:00:00Z")
    assert not compare(time, "IsTimestamp", True)


@pytest.mark.parametrize(
    ("operator", "names"),
    [
        ("IsBoolean", {"yes", "no"}),
        ("IsNull", {"null"}),
        ("IsNumeric", {"zero", "one", "half"}),
        ("IsString", {"empty", "text", "digits", "time"}),
        ("IsTimestamp", {"time"}),
        ("IsPresent", set(EVERYTHING)),
    ],
)
def test_type_questions(operator: str, names: set[str]):
    """Each question is true for its type alone; asked for false it is true for all others."""
    assert names == {name for name, value in EVERYTHING.items() if compare(value, operator, True)}
    assert set(EVERYTHING) - names == {name for name, value in EVERYTHING.items() if compare(value, operator, False)}


@pytest.mark.parametrize(
    ("text", "pattern", "expected"),
    [
        ("log-2024.txt", "log-*.txt", True),
        ("log-.txt", "log-*.txt", True),
        ("log.txt", "log-*.txt", False),
        ("", "*", True),
        ("", "", True),
        ("a", "", False),
        ("anything", "**", True),
        ("ab", "a*b*", True),
        ("aba", "ab*ba", False),
        ("axbxc", "a*b*c", True),
        ("axcxb", "a*b*c", False),
        ("5 * 3", r"5 \* 3", True),
        ("5 x 3", r"5 \* 3", False),
        (r"a\b", r"a\\b", True),
        (r"a\xb", r"a\\*b", True),
        (r"a\b", r"a\b", True),
        ("LOG", "log", False),
        ("a\nb", "a*b", True),
    ],
)
def test_patterns(text: str, pattern: str, expected: bool):
    """A star is any text, unless a backslash stands before it; the whole text has to match."""
    assert expected is compare(text, "StringMatches", pattern)


def naive(text: str, pattern: str) -> bool:
    """Match the slow way; the pattern has no backslashes."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return naive(text, pattern[1:]) or (bool(text) and naive(text[1:], pattern))
    return text[:1] == pattern[0] and naive(text[1:], pattern[1:])


@given(st.text(alphabet="ab", max_size=8), st.text(alphabet="ab*", max_size=6))
def test_patterns_match_as_the_slow_way_does(text: str, pattern: str):
    """The matcher agrees with the definition of a wildcard."""
    assert naive(text, pattern) is matches_pattern(text, pattern)


@given(st.text(alphabet="a*\\b", max_size=10))
def test_an_escaped_text_matches_itself_alone(text: str):
    """With its stars and backslashes escaped, a text is a pattern for itself."""
    pattern = text.replace("\\", "\\\\").replace("*", "\\*")

    assert matches_pattern(text, pattern)
    assert not matches_pattern(f"{text}a", pattern)


def test_patterns_do_not_explode():
    """Matching takes time by the product of the lengths, however many stars there are."""
    assert not matches_pattern("a" * 50_000, "a*" * 1_000 + "b")


def is_present(path: str, operand: bool = True) -> ChoiceRule:
    return ChoiceRule(variable=path, operator="IsPresent", operand=operand)


def equals(path: str, operand: object) -> ChoiceRule:
    return ChoiceRule(variable=path, operator="NumericEquals", operand=operand)  # type: ignore[arg-type]


def test_and_or_not():
    """Rules combine, and nest."""
    one, two = equals("$.a", 1), equals("$.a", 2)
    rules = [
        ChoiceRule(and_=(one, two)),
        ChoiceRule(or_=(one, two)),
        ChoiceRule(not_=one),
        ChoiceRule(not_=ChoiceRule(or_=(two, ChoiceRule(and_=(one, one))))),
    ]

    assert [[False, True, False, False], [False, True, True, False], [False, False, True, True]] == [
        [compile_rule(rule)(Scope({"a": value})) for rule in rules] for value in (1, 2, 3)
    ]


@pytest.mark.parametrize("name", sorted(set(OPERATORS) - {"IsPresent"}))
def test_a_missing_variable_is_a_runtime_error(name: str):
    """Every operator but IsPresent fails the state when the variable's path leads nowhere, in AWS's words."""
    rule = ChoiceRule(variable="$.absent", operator=name, operand="$.a" if name.endswith("Path") else True)
    with pytest.raises(StatesError) as caught:
        compile_rule(rule)(Scope({"a": 1}))

    assert "States.Runtime" == caught.value.error
    assert (
        "Invalid path '$.absent': The choice state's condition path references an invalid value." == caught.value.cause
    )


def test_a_missing_operand_is_a_runtime_error():
    """The path of an operand has to lead somewhere, too."""
    rule = ChoiceRule(variable="$.a", operator="NumericEqualsPath", operand="$.absent")
    with pytest.raises(StatesError, match=r"Invalid path '\$\.absent'"):
        compile_rule(rule)(Scope({"a": 1}))


def test_presence_guards_what_stands_behind_it():
    """And and Or stop at the first condition that decides."""
    guarded = compile_rule(ChoiceRule(and_=(is_present("$.a.b"), equals("$.a.b", 1))))
    either = compile_rule(ChoiceRule(or_=(is_present("$.a.b", operand=False), equals("$.a.b", 1))))

    assert [True, False, False] == [guarded(Scope(data)) for data in ({"a": {"b": 1}}, {"a": {"b": None}}, {"a": 1})]
    assert [True, False, True] == [either(Scope(data)) for data in ({"a": {"b": 1}}, {"a": {"b": None}}, {"a": 1})]


def test_rules_see_the_context_and_variables():
    """Variable and operand may start at ``$$`` or at a variable."""
    rule = ChoiceRule(variable="$$.State.RetryCount", operator="NumericLessThanPath", operand="$limit")
    scope = Scope({}, {"State": {"RetryCount": 2}}, {"limit": 3})

    assert compile_rule(rule)(scope)
    assert not compile_rule(is_present("$absent"))(scope)


@pytest.mark.parametrize(
    ("rule", "error"),
    [
        (ChoiceRule(), ValueError),
        (ChoiceRule(variable="$.a"), ValueError),
        (ChoiceRule(variable="$.a", operator="IsNull"), ValueError),
        (ChoiceRule(variable="$.a", operator="IsOdd", operand=True), ValueError),
        (ChoiceRule(variable="a", operator="IsNull", operand=True), PathSyntaxError),
        (ChoiceRule(variable="$.a", operator="NumericEqualsPath", operand="b"), PathSyntaxError),
        (ChoiceRule(variable="$.a", operator="NumericEqualsPath", operand=3), PathSyntaxError),
        (ChoiceRule(not_=ChoiceRule(variable="$.", operator="IsNull", operand=True)), PathSyntaxError),
    ],
)
def test_what_is_no_rule_is_refused(rule: ChoiceRule, error: type[Exception]):
    """A rule without a condition, an unknown operator or a bad path cannot be compiled."""
    with pytest.raises(error):
        compile_rule(rule)


def test_the_table_holds_39_operators():
    """ASL lists 39 comparison operators; the table says what each takes."""
    assert len(OPERATORS) == 39
    assert 16 == sum(known.by_path for known in OPERATORS.values())
    assert all(known.by_path is (known.operand is OperandKind.PATH) for known in OPERATORS.values())
    assert OperandKind.TIMESTAMP is OPERATORS["TimestampLessThan"].operand


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4) | st.just(NOON),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(sorted(OPERATORS)), JSON_VALUES, JSON_VALUES)
def test_a_comparison_is_always_an_answer(operator: str, value: object, operand: object):
    """Whatever the values, a comparison is true or false, and Not turns it round."""
    answer = compare(value, operator, operand)
    rule = ChoiceRule(variable="$.v", operator=operator, operand="$.o" if operator.endswith("Path") else operand)  # type: ignore[arg-type]

    assert answer in (True, False)
    assert compile_rule(ChoiceRule(not_=rule))(Scope({"v": value, "o": operand})) is not answer  # type: ignore[dict-item]
