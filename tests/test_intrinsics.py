"""Template strings: paths, literals and the eighteen intrinsic functions."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import uuid
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_manager.asl.errors import StatesError
from workflow_manager.asl.intrinsics import compile_template_string
from workflow_manager.asl.intrinsics_functions import INTRINSICS, Kind
from workflow_manager.asl.paths import PathNotFound, PathSyntaxError
from workflow_manager.asl.scope import Scope

DATA = {
    "name": "Ada",
    "template": "{} of {}",
    "braces": "a { b",
    "numbers": [4, 8, 15, 16, 23, 42],
    "mixed": [1, "1", 1.0, True, None, {"a": 1}, {"a": 1.0}, [1]],
    "text": "one, two;three",
    "left": {"a": 1, "deep": {"x": 1}},
    "right": {"b": 2, "deep": {"y": 2}},
    "json": '{"a": [1, 2.5, null]}',
    "huge": 10**400,
    "nothing": None,
}
CONTEXT = {"Execution": {"Name": "run-1"}}
VARIABLES = {"count": 3}


def evaluate(text: str, data: object = DATA, seed: str = "s") -> object:
    return compile_template_string(text).evaluate(Scope(data, CONTEXT, VARIABLES, seed))  # type: ignore[arg-type]


RESULTS = {
    "$.name": "Ada",
    "$$.Execution.Name": "run-1",
    "$count": 3,
    "States.Array()": [],
    "States.Array($.name, $$.Execution.Name, $count, 'x', -1, 2.5, 1e3, true, false, null)": [
        "Ada",
        "run-1",
        3,
        "x",
        -1,
        2.5,
        1000.0,
        True,
        False,
        None,
    ],
    "States.Array( 1 ,2 )": [1, 2],
    "States.Array($.numbers[?(@ > 20)], $.numbers.length(), $['name'])": [[23, 42], 6, "Ada"],
    "States.Array('a,b)', $.left['a'])": ["a,b)", 1],
    "States.ArrayContains($.numbers, 15)": True,
    "States.ArrayContains($.numbers, '15')": False,
    "States.ArrayContains($.mixed, true)": True,
    "States.ArrayContains($.numbers, true)": False,
    "States.ArrayContains($.mixed, $.left)": False,
    "States.ArrayGetItem($.numbers, 0)": 4,
    "States.ArrayGetItem($.numbers, 1.9)": 8,
    "States.ArrayGetItem(States.StringSplit('a-b', '-'), 1)": "b",
    "States.ArrayLength($.numbers)": 6,
    "States.ArrayPartition($.numbers, 4)": [[4, 8, 15, 16], [23, 42]],
    "States.ArrayPartition($.numbers, 2.9)": [[4, 8], [15, 16], [23, 42]],
    "States.ArrayPartition($.numbers, 100)": [[4, 8, 15, 16, 23, 42]],
    "States.ArrayRange(0, 10, 5)": [0, 5, 10],
    "States.ArrayRange(3, -3, -2)": [3, 1, -1, -3],
    "States.ArrayRange(1, 0, 1)": [],
    "States.ArrayRange(2.9, 4.9, 1)": [2, 3, 4],
    "States.ArrayUnique($.mixed)": [1, "1", True, None, {"a": 1}, [1]],
    "States.Base64Encode('häuser')": base64.b64encode("häuser".encode()).decode(),
    "States.Base64Decode('aMOkdXNlcg==')": "häuser",
    "States.Base64Decode(' aM Ok\tdXNlcg')": "häuser",
    "States.Format('Hello {}', $.name)": "Hello Ada",
    "States.Format('{}{}{}{}', 1, 1.5, true, null)": "11.5truenull",
    "States.Format($.template, $count, 'x')": "3 of x",
    "States.Format('no place')": "no place",
    r"States.Format('{} \{\} it\'s \\ {}', 1, 2)": "1 {} it's \\ 2",
    "States.Hash('x', 'SHA-1')": hashlib.sha1(b"x").hexdigest(),
    "States.Hash($.left, 'SHA-512')": hashlib.sha512(b'{"a":1,"deep":{"x":1}}').hexdigest(),
    "States.JsonMerge($.left, $.right, false)": {"a": 1, "deep": {"y": 2}, "b": 2},
    "States.JsonToString($.left)": '{"a":1,"deep":{"x":1}}',
    "States.JsonToString('a')": '"a"',
    "States.MathAdd($count, -5)": -2,
    "States.MathAdd(0.5, 1.4)": 2,
    "States.MathAdd(-0.5, -2.5)": -2,
    "States.MathAdd(2147483647, -1)": 2147483646,
    "States.MathRandom(5, 6)": 5,
    "States.MathRandom(-1.9, 0)": -1,
    "States.StringSplit($.text, ', ;')": ["one", "two", "three"],
    "States.StringSplit(',,', ',')": [],
    "States.StringSplit('a]b^c-d', '^]-')": ["a", "b", "c", "d"],
    "States.StringSplit('abc', '')": ["abc"],
    "States.StringToJson($.json)": {"a": [1, 2.5, None]},
    "States.StringToJson('  ')": None,
    "States.StringToJson('{\"it\\'s\": 1}')": {"it's": 1},
}


@pytest.mark.parametrize(("text", "expected"), RESULTS.items())
def test_a_template_string_gives_a_value(text: str, expected: object):
    """Every function, with arguments of every kind."""
    actual = evaluate(text)

    assert expected == actual
    assert json.dumps(expected) == json.dumps(actual)  # tells 1, 1.0 and true apart


@pytest.mark.parametrize(
    "call",
    [
        "ArrayContains($.name, 1)",
        "ArrayGetItem($.numbers, 6)",
        "ArrayGetItem($.numbers, -1)",
        "ArrayGetItem($.numbers, $.name)",
        "ArrayLength($.left)",
        "ArrayPartition($.numbers, 0)",
        "ArrayPartition($.numbers, 0.9)",
        "ArrayPartition($.numbers, -2)",
        "ArrayPartition($.name, 2)",
        "ArrayRange(1, 5, 0)",
        "ArrayRange(1, 5, 0.5)",
        "ArrayRange(0, 1000, 1)",
        "ArrayRange(0, $.huge, 1)",
        "ArrayUnique($.name)",
        "Base64Decode($count)",
        "Base64Encode($.nothing)",
        "Format('{}')",
        "Format('{}', 1, 2)",
        "Format('{}', $.left)",
        "Format($count)",
        "Format($.braces)",
        "Hash('x', 'SHA256')",
        "Hash('x', 'md5')",
        "JsonMerge($.left, $.numbers, false)",
        "JsonMerge($.nothing, $.right, false)",
        "JsonMerge($.left, $.right, true)",
        "MathAdd($.name, 1)",
        "MathAdd(2147483647, 1)",
        "MathAdd(3000000000, -3000000000)",
        "MathAdd($.huge, 1)",
        "MathRandom(3, 3)",
        "MathRandom(3.2, 3.9)",
        "MathRandom(4, 3)",
        "StringSplit($count, ',')",
        "StringSplit($.name, $count)",
        "StringToJson($.name)",
        "StringToJson('[1, NaN]')",
        "StringToJson($.left)",
    ],
)
def test_arguments_that_do_not_fit_are_a_runtime_error(call: str):
    """The state fails with States.Runtime and AWS's words; no Python error comes out."""
    with pytest.raises(StatesError) as caught:
        evaluate(f"States.{call}")

    name = call.partition("(")[0]
    assert ("States.Runtime", f"Invalid arguments in States.{name}") == (caught.value.error, caught.value.cause)


@pytest.mark.parametrize("call", ["Base64Encode($)", "Base64Decode($)", "Hash($, 'MD5')"])
def test_texts_are_bounded(call: str):
    """Base64 and Hash take at most 10,000 characters."""
    assert isinstance(evaluate(f"States.{call}", "a" * 10_000), str)
    with pytest.raises(StatesError):
        evaluate(f"States.{call}", "a" * 10_001)


def test_arrays_are_bounded():
    """An array of more than 256 KiB is too large."""
    assert 1 == evaluate("States.ArrayLength($.a)", {"a": ["x" * 262_140]})
    with pytest.raises(StatesError):
        evaluate("States.ArrayLength($.a)", {"a": ["x" * 262_141]})


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("", 0),
        ("Ada", 0),
        (" $.name", 0),
        (" States.UUID()", 0),
        ("States.UUID", 0),
        ("States.Uuid()", 0),
        ("states.UUID()", 0),
        ("States.UUID() x", 14),
        ("States.UUID(1)", 0),
        ("States.MathAdd(1)", 0),
        ("States.MathAdd(1, 2, 3)", 0),
        ("States.MathRandom(1, 2, 3, 4)", 0),
        ("States.Array(1,)", 15),
        ("States.Array(,1)", 13),
        ("States.Array(1 2)", 13),
        ("States.Array(1", 13),
        ("States.Array('a)", 13),
        ('States.Array("a")', 13),
        (r"States.Array('\n')", 13),
        (r"States.Array('\"')", 13),
        ("States.Array(name)", 13),
        ("States.Array(01.)", 13),
        ("States.Array($.a[)", 16),
        ("States.Array($.a b)", 16),
        ("States.MathAdd(1, '2')", 18),
        ("States.MathAdd(true, 2)", 15),
        ("States.MathAdd(1e999, 2)", 15),
        ("States.ArrayLength('abc')", 19),
        ("States.StringSplit(1, ',')", 19),
        ("States.Format('{')", 14),
        ("States.Format('{{}}', 1)", 14),
        ("States.Array(States.Nope())", 13),
    ],
)
def test_what_is_no_template_string_is_refused_with_its_place(text: str, position: int):
    """Unknown names, wrong counts, literals of the wrong kind and foreign escapes are errors of the definition."""
    with pytest.raises(PathSyntaxError) as caught:
        compile_template_string(text)

    assert (text, position) == (caught.value.text, caught.value.position)


def test_calls_nest_ten_deep():
    """Ten calls may be nested, eleven may not."""
    assert [[[[[[[[[[]]]]]]]]]] == evaluate("States.Array(" * 10 + ")" * 10)
    with pytest.raises(PathSyntaxError, match="nested more than 10 deep"):
        compile_template_string("States.Array(" * 11 + ")" * 11)


def test_a_path_that_leads_nowhere_is_the_callers_error():
    """A missing argument is PathNotFound: whoever asked knows the field to name."""
    with pytest.raises(PathNotFound) as caught:
        evaluate("States.Array($.name, $.absent)")

    assert "$.absent" == caught.value.path


def test_an_expression_knows_its_paths():
    """The paths of an expression can be asked for, nested ones too."""
    expression = compile_template_string("States.Format('{} {}', $.a, States.Array($$.b, $c))")

    assert ["$.a", "$$.b", "$c"] == [path.text for path in expression.paths]
    assert ["c"] == [path.variable for path in expression.paths if path.variable]


def test_chance_is_repeated_by_its_seed():
    """Two calls under one scope differ, two evaluations with one seed do not, another seed draws otherwise."""
    two = "States.Array(States.UUID(), States.UUID(), States.MathRandom(0, 1000000000))"
    first, second, number = evaluate(two)  # type: ignore[misc]

    assert [first, second, number] == evaluate(two)
    assert first != second
    assert [first, second, number] != evaluate(two, seed="other")
    assert 4 == uuid.UUID(first).version


def test_a_seeded_number_depends_on_its_seed_alone():
    """``MathRandom`` with a seed gives the same number in every scope."""
    call = "States.MathRandom(0, 1000000, 42)"

    assert evaluate(call) == evaluate(call, seed="other")
    assert evaluate(call) != evaluate("States.MathRandom(0, 1000000, -42)")


def test_the_table_holds_eighteen_functions():
    """ASL lists eighteen intrinsic functions."""
    assert len(INTRINSICS) == 18
    assert (2, 3) == (INTRINSICS["States.MathRandom"].required, INTRINSICS["States.MathRandom"].max_arguments)
    assert INTRINSICS["States.Array"].max_arguments is None


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=15,
)


@given(st.lists(st.integers()), st.integers(1, 20))
def test_partitions_reassemble(array: list[int], size: int):
    """The parts of ArrayPartition joined are the array; all but the last are full."""
    parts = evaluate("States.ArrayPartition($.a, $.n)", {"a": array, "n": size})
    assert isinstance(parts, list)

    assert array == [item for part in parts for item in part]
    assert all(len(part) == size for part in parts[:-1])
    assert all(parts)


@given(VALUES)
def test_json_text_survives(value: object):
    """StringToJson undoes JsonToString."""
    assert value == evaluate("States.StringToJson(States.JsonToString($))", value)


@given(st.text(max_size=500).filter(lambda text: text.isprintable()))
def test_base64_survives(text: str):
    """Base64Decode undoes Base64Encode."""
    assert text == evaluate("States.Base64Decode(States.Base64Encode($))", text)


@given(st.text(alphabet="ab,; "), st.text(alphabet=",; ", max_size=3))
def test_no_piece_holds_a_delimiter(text: str, delimiters: str):
    """The pieces of StringSplit are the text without its delimiters."""
    pieces = evaluate("States.StringSplit($.t, $.d)", {"t": text, "d": delimiters})
    assert isinstance(pieces, list)

    assert "".join(char for char in text if char not in delimiters) == "".join(pieces)
    assert not any(char in piece for piece in pieces for char in delimiters)
    assert all(pieces)


@given(st.lists(VALUES, max_size=8))
def test_unique_items_are_contained(array: list[object]):
    """ArrayUnique keeps one of each: every item is contained, and doing it again changes nothing."""
    unique = evaluate("States.ArrayUnique($)", array)
    assert isinstance(unique, list)

    assert unique == evaluate("States.ArrayUnique($)", unique)
    assert all(evaluate("States.ArrayContains($.u, $.i)", {"u": unique, "i": item}) for item in array)


@given(st.sampled_from(sorted(INTRINSICS)), st.lists(VALUES, min_size=3, max_size=3))
def test_functions_raise_nothing_but_states_errors(name: str, values: list[object]):
    """Whatever the values, a function gives JSON or fails with StatesError."""
    known = INTRINSICS[name]
    count = 3 if known.max_arguments is None else known.max_arguments
    try:
        result = evaluate(f"{name}({', '.join(f'$[{index}]' for index in range(count))})", values)
    except StatesError:
        return

    json.dumps(result, allow_nan=False)


@given(st.text(alphabet="States.ArayFormt(){},'\\ $1.5-etrunl", max_size=30))
def test_any_text_compiles_or_is_refused(text: str):
    """Compiling raises nothing but PathSyntaxError."""
    for candidate in (text, f"States.Array({text})", f"States.Format('{text}')"):
        with contextlib.suppress(PathSyntaxError):
            assert candidate == compile_template_string(candidate).text


def test_kinds_tell_json_types_apart():
    """A boolean is no number, a string is no array."""
    samples: Mapping[Kind, object] = {Kind.NUMBER: 1.5, Kind.STRING: "1", Kind.ARRAY: [1], Kind.OBJECT: {"a": 1}}
    for kind in samples:
        assert [sample for sample in (*samples.values(), True, None) if kind.accepts(sample)] == [samples[kind]]  # type: ignore[arg-type]
    assert all(Kind.ANY.accepts(sample) for sample in (*samples.values(), True, None))  # type: ignore[arg-type]
