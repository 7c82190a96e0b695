"""Paths: what they find, what they say when they find nothing, and where a result is put."""

from __future__ import annotations

import copy
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_manager.asl.paths import (
    PathNotFound,
    PathRoot,
    PathSyntaxError,
    ResultPathMismatch,
    compile_path,
    compile_reference_path,
)
from workflow_manager.asl.scope import Scope

ORDER = {
    "id": 7,
    "note": None,
    "customer": {"first-name": "Ada", "größe": 3, "e.mail": "a@b", "tags": ["x", "y"]},
    "lines": [
        {"sku": "pen", "price": 2, "colours": ["red", "blue"]},
        {"sku": "ink", "price": 9.5},
        {"sku": "pad", "price": 4, "colours": []},
    ],
    "limit": 4,
    "prices": [2, 9.5, 4],
    "words": "some text",
}


def find(path: str, document: object = ORDER) -> object:
    return compile_path(path).find(document)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("$", ORDER),
        ("$.id", 7),
        ("$.note", None),
        ("$.customer.first-name", "Ada"),
        ("$.customer.größe", 3),
        ("$['customer']['e.mail']", "a@b"),
        ("$.customer.e\\.mail", "a@b"),
        ('$.customer["tags"][1]', "y"),
        ("$.['id']", 7),
        ("$.lines[0].sku", "pen"),
        ("$.lines.[0].sku", "pen"),
        ("$.lines[ 2 ].price", 4),
        ("$.lines[-1].sku", "pad"),
    ],
)
def test_a_definite_path_gives_the_value(path: str, expected: object):
    """Names, quoted names and indexes lead to one value, which may be null."""
    assert expected == find(path)
    assert compile_path(path).is_definite


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("$.lines[*].sku", ["pen", "ink", "pad"]),
        ("$.lines[0:2].sku", ["pen", "ink"]),
        ("$.lines[1:].sku", ["ink", "pad"]),
        ("$.lines[:-1].sku", ["pen", "ink"]),
        ("$.lines[0,2].sku", ["pen", "pad"]),
        ("$.lines[-1,0].sku", ["pad", "pen"]),
        ("$..sku", ["pen", "ink", "pad"]),
        ("$.lines..colours[0]", ["red"]),
        ("$.customer.*", ["Ada", 3, "a@b", ["x", "y"]]),
        ("$.customer[*][0]", ["x"]),
        ("$.lines[*].colours[*]", ["red", "blue"]),
        (
            "$.lines[*]['sku','price']",
            [{"sku": "pen", "price": 2}, {"sku": "ink", "price": 9.5}, {"sku": "pad", "price": 4}],
        ),
    ],
)
def test_an_indefinite_path_gives_a_list(path: str, expected: object):
    """Wildcards, slices, unions and ``..`` give the list of matches."""
    assert expected == find(path)
    assert not compile_path(path).is_definite


@pytest.mark.parametrize(
    "path", ["$.none[*]", "$.none.deep[*].x", "$.none[1:]", "$.id[*]", "$.words[*]", "$.prices[5:]", "$..none"]
)
def test_an_indefinite_path_that_matches_nothing_gives_an_empty_list(path: str):
    """No match is an empty list, even where the way to it is missing."""
    assert [] == find(path)


@pytest.mark.parametrize("document", ["text", '{"a": 1}', 3, None, True])
def test_scalars_hold_nothing(document: object):
    """A scalar has no members; text that looks like JSON is text."""
    assert [] == find("$.*", document)
    assert [] == find("$..a", document)


def test_several_names_give_one_object():
    """Several names at the end pick those members that are there."""
    assert {"id": 7, "note": None} == find("$['id', 'note', 'absent']")


FILTERS = {
    "(@.price > 3)": ["ink", "pad"],
    "(@.price >= 4 && @.price < 9)": ["pad"],
    "(@.price == 2 || @.sku == 'pad')": ["pen", "pad"],
    "(!(@.price > 3))": ["pen"],
    "(@.colours)": ["pen", "pad"],
    "(!@.colours)": ["ink"],
    "(@['sku'] == \"ink\")": ["ink"],
    "(@.sku == ink)": ["ink"],
    "(@.price == '4')": ["pad"],
    "(@.price != 4)": ["pen", "ink"],
    "(@.price < $.limit)": ["pen"],
    "(@.price in [2, 4])": ["pen", "pad"],
    "(@.price nin [2, 4])": ["ink"],
    "(@.price in $.prices)": ["pen", "ink", "pad"],
    "(@.sku =~ /P[ea]./i)": ["pen", "pad"],
    "(@.sku =~ /e/)": [],
    "(@.sku contains 'n')": ["pen", "ink"],
    "(@.colours contains 'red')": ["pen"],
    "(@.colours size 2)": ["pen"],
    "(@.colours empty true)": ["pad"],
    "(@.colours empty false)": ["pen"],
    "(@.colours subsetof ['red', 'blue', 'green'])": ["pen", "pad"],
    "(@.colours anyof ['blue'])": ["pen"],
    "(@.colours noneof ['blue'])": ["pad"],
    "(@.colours[0] == 'red')": ["pen"],
    "(@.absent == null)": [],
    "(@.absent > 0)": [],
    "(@.price == true)": [],
    "(@.sku == ']' || @.sku == 'ink')": ["ink"],
}


@pytest.mark.parametrize(("condition", "expected"), FILTERS.items())
def test_a_filter_keeps_what_its_condition_holds_for(condition: str, expected: object):
    """A filter compares numbers, text and arrays; a missing member equals nothing and is less than nothing."""
    assert expected == find(f"$.lines[?{condition}].sku")


def test_a_filter_on_an_object_tests_the_object():
    """Applied to an object, a filter keeps or drops the object itself."""
    assert ["Ada"] == find("$.customer[?(@.tags)].first-name")
    assert [] == find("$.customer[?(@.absent)].first-name")


def test_a_filter_after_descent_meets_every_object_once():
    """``..[?()]`` finds objects at any depth."""
    assert ["ink", "pad"] == find("$..[?(@.price > 3)].sku")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("$.lines.length()", 3),
        ("$.customer.size()", 4),
        ("$.id.length()", None),
        ("$.prices.sum()", 15.5),
        ("$.prices.min()", 2),
        ("$.prices.max()", 9.5),
        ("$.prices.first()", 2),
        ("$.prices.last()", 4),
        ("$.lines[*].price.sum()", 15.5),
        ("$.lines[?(@.price > 3)].length()", 2),
        ("$.customer.keys()", ["first-name", "größe", "e.mail", "tags"]),
    ],
)
def test_a_function_takes_the_whole_result(path: str, expected: object):
    """A function at the end makes one value of the value or of the list of matches."""
    assert expected == find(path)


def test_mean_and_deviation():
    """``avg`` and ``stddev`` are those of the whole population."""
    assert find("$.n.avg()", {"n": [2, 4, 4, 4, 5, 5, 7, 9]}) == pytest.approx(5)
    assert find("$.n.stddev()", {"n": [2, 4, 4, 4, 5, 5, 7, 9]}) == pytest.approx(2)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("$.absent", "No results for path: $['absent']"),
        ("$.customer.absent", "No results for path: $['customer']['absent']"),
        ("$.absent.deep.er", "Missing property in path $['absent']"),
        ("$.id.deep", "Property ['deep'] not found in path $['id']"),
        ("$.note.deep", "Property ['deep'] not found in path $['note']"),
        ("$.lines[3]", "No results for path: $['lines'][3]"),
        ("$.lines[-4]", "No results for path: $['lines'][-4]"),
        ("$.note[0]", "The path $['note'] is null"),
        ("$.words[0]", 'Filter: [0] can only be applied to arrays. Current context is: "some text"'),
        ("$.customer.tags.sum()", "Aggregation function attempted to calculate value using empty array"),
        ("$.absent.length()", "No results for path: $.absent.length()"),
    ],
)
def test_a_definite_path_that_leads_nowhere_says_why(path: str, reason: str):
    """The reason is the sentence that AWS puts behind the path."""
    with pytest.raises(PathNotFound) as caught:
        find(path)

    assert (path, reason) == (caught.value.path, caught.value.reason)
    assert f"Invalid path '{path}' : {reason}" == str(caught.value)


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("", 0),
        ("id", 0),
        (" $.id", 0),
        ("$.", 2),
        ("$..", 3),
        ("$.id ", 4),
        ("$.a b", 3),
        ("$.a..", 5),
        ("$$id", 2),
        ("$[]", 1),
        ("$['a]", 1),
        ("$.a[b]", 3),
        ("$.a[1", 3),
        ("$.a[(@.length-1)]", 3),
        ("$.a[?(@.b]", 0),
        ("$.a]", 3),
        ("$.a.length().b", 12),
        ("$.a.nothing()", 4),
        ("$['a','b'].c", 0),
        ("$..['a','b']", 0),
        ("$.a[?(@.b ~ 1)]", 0),
        ("$.a[?(@.b =~ /(/)]", 0),
        ("$.a[?()]", 0),
    ],
)
def test_what_is_no_path_is_refused_with_its_place(text: str, position: int):
    """A syntax error names the text, the place and the reason."""
    with pytest.raises(PathSyntaxError) as caught:
        compile_path(text)

    assert (text, position) == (caught.value.text, caught.value.position)
    assert isinstance(caught.value, ValueError)


def test_a_path_starts_at_the_input_the_context_or_a_variable():
    """``$`` is the input, ``$$`` the context object, ``$name`` a variable."""
    scope = Scope({"a": 1}, {"a": 2}, {"total_ü": {"a": 3}})

    assert [1, 2, 3] == [compile_path(path).get(scope) for path in ("$.a", "$$.a", "$total_ü.a")]
    assert {"a": 3} == compile_path("$total_ü").get(scope)
    assert [3] == compile_path("$total_ü.*").get(scope)
    assert [PathRoot.INPUT, PathRoot.CONTEXT, PathRoot.VARIABLE] == [
        compile_path(path).root for path in ("$.a", "$$.a", "$total_ü.a")
    ]
    assert "total_ü" == compile_path("$total_ü.a").variable
    with pytest.raises(PathNotFound, match="The variable 'absent' is not defined"):
        compile_path("$absent.a").get(scope)


def test_exists_asks_for_a_value_not_for_truth():
    """Null and false exist; a path that may match many exists with its first match."""
    scope = Scope({"null": None, "no": False, "empty": []})

    assert [True, True, False, True, False] == [
        compile_path(path).exists(scope) for path in ("$.null", "$.no", "$.absent", "$.*", "$.empty[*]")
    ]
    assert not compile_path("$absent").exists(scope)


def test_only_names_and_indexes_make_a_reference_path():
    """A reference path names one place without looking at the data."""
    assert all(compile_path(path).is_reference for path in ("$", "$.a", "$['a b'][0].c", "$$.a", "$v[1]"))
    assert not any(compile_path(path).is_reference for path in ("$[-1]", "$.*", "$['a','b']", "$.a.length()", "$[0:1]"))


def test_a_backslash_in_quotes_is_a_backslash():
    """In quoted names only the quote itself is escaped; in dotted names the backslash hides the next character."""
    assert 1 == find(r"$['a\\b']", {r"a\\b": 1})
    assert 2 == find(r"$['it\'s']", {"it's": 2})
    assert 3 == find(r"$.a\[0\]", {"a[0]": 3})
    assert 4 == find("$.\\ud834\\udd1e", {"\N{MUSICAL SYMBOL G CLEF}": 4})


@pytest.mark.parametrize(
    "path",
    [
        "$.items[?(@.text =~ /(x+)+y/)]",
        "$.items[?(@.text =~ /(x|xx)*y/)]",
        "$.items[?(@.text =~ /x*x*x*x*x*x*y/)]",
        "$..[?($..absent)]",
        "$.items[?(@.id in $.items[*].id)]",
    ],
)
def test_no_filter_hangs(path: str):
    """A pattern or condition whose cost explodes is refused instead of tried."""
    document = {"items": [{"id": number, "text": "x" * 60} for number in range(4_000)]}
    start = time.monotonic()
    with pytest.raises(PathNotFound, match=r"too costly|steps"):
        find(path, document)

    assert time.monotonic() - start < 20


def test_a_document_too_deep_for_descent_is_an_error_of_the_path():
    """``..`` goes down 250 levels; below that the path is not found."""
    deep: object = 1
    for _ in range(300):
        deep = {"a": deep}
    with pytest.raises(PathNotFound, match="nested too deeply"):
        find("$..b", deep)


def test_reference_paths_do_not_load_the_library():
    """The JSONPath library is loaded by the first path that needs it."""
    program = (
        "import sys; from workflow_manager.asl.paths import compile_path; compile_path('$.a[0]');"
        "before = 'jsonpath' in sys.modules; compile_path('$.a[*]'); print(before, 'jsonpath' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert "False True" == done.stdout.strip()


PUTS = [
    ("$", {"a": 1}, 9, 9),
    ("$.b", {"a": 1}, 9, {"a": 1, "b": 9}),
    ("$.a", {"a": 1}, 9, {"a": 9}),
    ("$.b.c.d", {"a": 1}, None, {"a": 1, "b": {"c": {"d": None}}}),
    ("$['b c']", {}, 9, {"b c": 9}),
    ("$.list[1].x", {"list": [1, {"y": 2}]}, 9, {"list": [1, {"y": 2, "x": 9}]}),
    ("$[0]", [1, 2], 9, [9, 2]),
]


@pytest.mark.parametrize(("path", "document", "value", "expected"), PUTS)
def test_put_makes_a_new_document(path: str, document: object, value: object, expected: object):
    """Missing objects are made; the document that was given stays as it was."""
    before = copy.deepcopy(document)

    assert expected == compile_reference_path(path).put(document, value)
    assert before == document


def test_put_shares_what_is_not_on_the_path():
    """Only the path is copied."""
    document = {"a": {"b": 1}, "big": [1, 2, 3]}

    assert compile_reference_path("$.a.c").put(document, 2)["big"] is document["big"]  # type: ignore[call-overload,index]


@pytest.mark.parametrize(
    ("path", "document"),
    [
        ("$.a", "text"),
        ("$.a", [1]),
        ("$.a", None),
        ("$.a.b", {"a": 1}),
        ("$.a.b", {"a": None}),
        ("$.a[1]", {"a": [1]}),
        ("$.a[0]", {}),
        ("$.a[0]", {"a": "x"}),
    ],
)
def test_put_cannot_go_through_a_scalar_or_past_an_array(path: str, document: object):
    """A path that fits neither an object nor an item that is there is a mismatch, in AWS's words."""
    with pytest.raises(ResultPathMismatch, match="Unable to apply ReferencePath"):
        compile_reference_path(path).put(document, 9)


@pytest.mark.parametrize(
    "text", ["a", "$.a[*]", "$..a", "$.a[-1]", "$.a[1:2]", "$$.a", "$name", "$name.a", "$.a.length()"]
)
def test_a_result_goes_to_one_place_of_the_input(text: str):
    """ResultPath is a reference path into the input."""
    with pytest.raises(PathSyntaxError):
        compile_reference_path(text)


KEYS = st.text(min_size=1, max_size=6).filter(lambda key: "\\" not in key)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)


def quoted(key: object) -> str:
    return f"[{key}]" if isinstance(key, int) else "['" + str(key).replace("'", "\\'") + "']"


def places(value: object, at: tuple[object, ...] = ()) -> list[tuple[tuple[object, ...], object]]:
    found = [(at, value)]
    if isinstance(value, dict):
        for key, item in value.items():
            found += places(item, (*at, key))
    if isinstance(value, list):
        for index, item in enumerate(value):
            found += places(item, (*at, index))
    return found


@given(JSON_VALUES)
def test_every_place_is_found_by_its_path(document: object):
    """Whatever the names, the quoted path of a place finds what is there."""
    for keys, value in places(document):
        assert value == compile_path("$" + "".join(quoted(key) for key in keys)).find(document)


@given(st.dictionaries(KEYS, JSON_VALUES, max_size=4), st.lists(KEYS, min_size=1, max_size=3), JSON_VALUES)
def test_what_was_put_is_got(document: object, keys: list[str], value: object):
    """``get`` after ``put`` gives the value; putting again what is there changes nothing."""
    text = "$" + "".join(quoted(key) for key in keys)
    try:
        put = compile_reference_path(text).put(document, value)
    except ResultPathMismatch:
        return

    assert value == compile_path(text).find(put)
    assert put == compile_reference_path(text).put(put, value)


@given(JSON_VALUES)
def test_descent_meets_every_place_below_the_root(document: object):
    """``$..*`` matches each place once, and ``[*]`` the items and members."""
    if not isinstance(document, str):
        assert len(places(document)) - 1 == len(find("$..*", document))  # type: ignore[arg-type]
    expected = list(document.values()) if isinstance(document, dict) else document if isinstance(document, list) else []
    assert expected == find("$[*]", document)


@given(st.text(alphabet="$.@[]()*?'\"\\:,0123456789ab =~/&|!<>-", max_size=20), JSON_VALUES)
def test_any_text_compiles_or_is_refused(text: str, document: object):
    """Compiling raises nothing but PathSyntaxError, finding nothing but PathNotFound."""
    try:
        path = compile_path("$" + text)
    except PathSyntaxError:
        return
    try:
        path.find(document)
    except PathNotFound:
        return
