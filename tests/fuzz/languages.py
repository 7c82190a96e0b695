"""Texts for every little language of a definition: paths, intrinsic functions, JSONata, patterns, timestamps."""

from __future__ import annotations

from random import Random
from typing import Any

NUMBERS: tuple[Any, ...] = (
    *(0, -0.0, 1, -1, 2, 3, 0.5, -2.5, 1.0, 99_999_999, 100_000_000, 2**31 - 1, 2**31, -(2**31) - 1, 2**53 + 1),
    *(2**63, -(2**63) - 1, 10**19, 10**400, -(10**5000), 1e-320, 1e15, 1e21, 1.7e308, -1.7e308, 5e-324, 0.1 + 0.2),
)
ODD_TEXTS = (
    *("", " ", "\0", "\n", "\ud800", "\udfff x", "a\ud83d", "😀", "é", "\u202e", "\ufeff", "ß" * 90, "x" * 300, "'"),
    *('"', "\\", "\\\\", "null", "NaN", "Infinity", "-0", "1e999", "true", "[]", "{}", "$", "$$", "{%", "%}", "{% %}"),
    *("${Name}", "__proto__", "constructor", "States.ALL", "States.Runtime", "States.TaskFailed", "States.Timeout"),
    *("Broken", "../..", "a/b~c", "~0~1", "%s%n", "{0}", "{}", "JSONata", "JSONPath", "DISTRIBUTED", "CSV", "MANIFEST"),
)
TIMES = (
    *("2026-01-01T00:00:00Z", "2026-01-01T00:00:30.123456789Z", "2016-12-31T23:59:60Z", "2026-02-30T00:00:00Z"),
    *("0000-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-23:59"),
    *("2026-01-01T24:00:00Z", "2026-1-1T0:0:0Z", "2026-01-01t00:00:00z", "2026-01-01", "now", "٢٠٢٦-01-01T00:00:00Z"),
    *(
        "0001-01-01T00:00:00Z",
        "0987-06-05T04:03:02.001Z",
        "2026-01-01T00:00:00+99:99",
        "1900-01-01T00:00:00Z",
        "2026-01-01T00:00:00.Z",
        "20260101T000000Z",
        "-1-1",
    ),
)
REGEXES = (
    *("a", ".*", "^a.*z$", "(a+)+$", "(a|a)*b", "(a|aa)+$", "(.*)*x", "([a-z]+)*\\d", "(x+x+)+y", "a{1,9999}", "("),
    *("[", "[]", "[^]", "[z-a]", "(?=a)", "(?<n>a)\\k<n>", "\\1", "(a)\\1", "(?i)a", "\\p{L}", "\\u00e4", "a{2}{3}"),
    *("(?:a?){40}a{40}", "(((((a*)*)*)*)*)*b", "\\b", "^*", "$^", "a**", "(?P<x>a)", "(?#c)a", "\\", "[\\s\\S]*?,?"),
)


def text(rng: Random, pieces: tuple[str, ...]) -> str:
    """One of *pieces*, or it with a few characters changed."""
    chosen = rng.choice(pieces)
    return chosen if rng.random() < 0.7 else scramble(rng, chosen)


_SPLICES = "$.@[]()?*,:'\"\\{}%&|=<>!~^/+-_ 019aeTZ\n\0ä😀\ud800"


def scramble(rng: Random, chosen: str) -> str:
    """*chosen* with one to three small accidents."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        at = rng.randint(0, len(chosen))
        to = min(len(chosen), at + rng.choice((1, 1, 2, 5)))
        match rng.randrange(7):
            case 0:
                chosen = chosen[:at] + chosen[to:]
            case 1:
                chosen = chosen[:at] + rng.choice(_SPLICES) + chosen[at:]
            case 2:
                chosen = chosen[:at] + rng.choice(_SPLICES) + chosen[to:]
            case 3:
                chosen = chosen[:to] + chosen[at:]
            case 4:
                chosen = chosen[:at]
            case 5:
                chosen = chosen[:at] + rng.choice(ODD_TEXTS) + chosen[at:]
            case _:
                part = chosen[at:to] or "["
                chosen = chosen[:at] + part * rng.choice((3, 30, 300)) + chosen[to:]
    return chosen


# ---------------------------------------------------------------- JSONPath
_STEPS = (
    *(".n", ".list", ".text", ".a.b", "['n']", '["text"]', "[0]", "[1]", "[-1]", "[*]", ".*", "..n", "..*", "..[0]"),
    *("[0:2]", "[::2]", "[::-1]", "[-2:]", "[0,1]", "['n','text']", "[?(@ > 1)]", "[?(@.n == 1)]", "[?(@.a =~ /a+/)]"),
    *("[?(@.n in [1,2])]", "[?(@.x || !@.y)]", "[?(@.length() > 2)]", ".length()", ".min()", ".sum()", ".keys()"),
    *(
        "[99999999999999999999]",
        "[0:99999999999]",
        "[::0]",
        "[?(@.a =~ /(a+)+$/)]",
        "[?(@..*)]",
        "[?($..*)]",
        "[?(1==1)]",
    ),
    *(
        "[?(@.text == 'a')]",
        "['']",
        ".ä",
        "[?(@.a nin ['x'])]",
        "[?(@.a size 2)]",
        "[?(@.a empty true)]",
        "[?(@.a subsetof [1])]",
    ),
)
_ROOTS = (
    "$",
    "$",
    "$",
    "$$",
    "$v",
    "$why",
    "$nobody",
    "$$.Execution.Input",
    "$$.Map.Item.Value",
    "$$.Execution",
    "$$.State",
)


def path(rng: Random) -> str:
    """A JSONPath, often a sound one."""
    made = rng.choice(_ROOTS) + "".join(rng.choice(_STEPS) for _ in range(rng.choice((0, 1, 1, 2, 3))))
    if rng.random() < 0.03:
        made = rng.choice(_ROOTS) + rng.choice(_STEPS) * rng.choice((10, 100, 3000))
    return made if rng.random() < 0.75 else scramble(rng, made)


# ---------------------------------------------------------------- intrinsic functions
_FUNCTIONS = """
    Array ArrayContains ArrayGetItem ArrayLength ArrayPartition ArrayRange ArrayUnique Base64Decode Base64Encode Format
    Hash JsonMerge JsonToString MathAdd MathRandom StringSplit StringToJson UUID Nothing
""".split()


def intrinsic(rng: Random, depth: int = 2) -> str:
    """A call of an intrinsic function with all sorts of arguments."""
    arguments = ", ".join(_argument(rng, depth) for _ in range(rng.choice((0, 1, 1, 2, 2, 3))))
    made = f"States.{rng.choice(_FUNCTIONS)}({arguments})"
    return made if rng.random() < 0.85 else scramble(rng, made)


def _argument(rng: Random, depth: int) -> str:
    match rng.randrange(6):
        case 0 if depth > 0:
            return intrinsic(rng, rng.choice((depth - 1, depth - 1, depth - 1, 9 if depth > 1 else 0)))
        case 1:
            return _number(rng)
        case 2:
            return rng.choice(
                ("true", "false", "null", "'SHA-1'", "'MD5'", "'[1,{}]'", "'{}-{}'", "'{\\'a\\':1}'", _DEEP)
            )
        case 3:
            quoted = rng.choice(ODD_TEXTS).replace("\\", "\\\\").replace("'", "\\'")
            return f"'{quoted}'"
        case _:
            return path(rng)


def _number(rng: Random) -> str:
    chosen = rng.choice(NUMBERS)
    return repr(chosen) if isinstance(chosen, float) or abs(chosen) < 10**4000 else "9" * 5000


_DEEP = f"'{'[' * 290}{']' * 290}'"


# ---------------------------------------------------------------- JSONata
_ATOMS = (
    *(
        "$states.input",
        "$states.input.n",
        "$states.input.list",
        "$states.input.text",
        "$states.result",
        "$states.context",
    ),
    *(
        "$states.errorOutput",
        "$v",
        "$nobody",
        "$",
        "n",
        "*",
        "**",
        "%",
        "'text'",
        '"\\ud800"',
        "true",
        "null",
        "[]",
        "{}",
    ),
    *(
        "[1,2,3]",
        "[1..5]",
        "[1..10000000]",
        "{'a': 1}",
        "[[1],[2,[3]]]",
        "[{'a':2},{'a':1}]",
        "$string",
        "$sum",
        "(1;2)",
    ),
    *("function($x){$x}", "function($x, $y){$x + $y}", "λ($x)<n:n>{$x}", "/a+/i", "/(a+)+$/", "-1", "1e400", "0/0"),
    *("'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab'", "$$", "`a b`", "''", "'2026-01-01T00:00:00Z'", "1.5e300"),
)
_BINARY = (
    "+",
    "-",
    "*",
    "/",
    "%",
    "&",
    "=",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "and",
    "or",
    "in",
    ".",
    "~>",
    ":=",
    "..",
    "?",
    "^",
    "|",
    "@",
    "#",
)
_CALLS = """
    abs append assert average base64decode base64encode boolean ceil clone contains count decodeUrl decodeUrlComponent
    distinct each encodeUrl encodeUrlComponent error eval exists filter floor formatBase formatInteger formatNumber
    fromMillis hash join keys length lookup lowercase map match max merge millis min not now number pad parse
    parseInteger partition power random range reduce replace reverse round shuffle sift single sort split spread sqrt
    string substring substringAfter substringBefore sum toMillis trim type unpackOptional uppercase uuid zip
""".split()
_WHOLE = (
    "($f := function($x){$f($x + 1)}; $f(1))",
    "($f := function($x){$x <= 1 ? 1 : $x * $f($x - 1)}; $f(170))",
    "($f := function($n){$n = 0 ? 0 : $f($n - 1) + $f($n - 1)}; $f(30))",
    "[1..100000].($ * 2)",
    "$sum([1..1000].(function($x){$x}($)))",
    "$reduce([1..50], function($a, $b){$a & $a & 'x'})",
    "$map([1..100], function($v, $i, $a){$count($a)})",
    "$pad('x', 10000000)",
    "$join($map([1..3000], $string), ',')",
    "$states.input ~> |list|{'x': 1}, 'n'|",
    "$states.input.list^(>$)",
    "$states.input{text: $sum(n)}",
    "$replace($states.input.text, /(a+)+$/, function($m){$m.match & $m.match})",
    "$formatNumber(123.456, '#,##0.00;(#)')",
    "$fromMillis(1e18, '[Y0001]-[M01]-[D01] [H01]:[m01] [P]', '+0100')",
    "$toMillis('2026-13-45', '[Y]-[M]-[D]')",
    "$formatInteger(123456789012345678901234567890, 'w')",
    "$parseInteger('one hundred', 'w')",
    "$eval('1 + (')",
    "$zip([1..3], ['a','b'], [true])",
    "$sift($states.input, function($v, $k){$k ~> /a|n/})",
    "$each($states, function($v, $k){$k})",
    "$sort([3,1,2], function($a, $b){$random() > 0.5})",
    "$hash('x', 'SHA-256') & $uuid() & $parse('{\"a\":[1,2]}').a[1]",
    "$partition([1..10], 3)",
    "$range(1, 1000000000, 1)",
    "$reduce([1..2000], function($a, $b){{'x': $a}})",
    "$parse('[[[[[[[[[[[[[[[[' & $pad('', 400, '[') & ']')",
)


def jsonata(rng: Random, depth: int = 3) -> str:
    """A whole field of JSONata, ``{% … %}``."""
    made = rng.choice(_WHOLE) if rng.random() < 0.2 else _expression(rng, depth)
    if rng.random() < 0.2:
        made = scramble(rng, made)
    return f"{{% {made} %}}" if rng.random() < 0.95 else f"{{%{made}"


def _expression(rng: Random, depth: int) -> str:
    if depth <= 0 or rng.random() < 0.2:
        return rng.choice(_ATOMS)

    def part() -> str:
        return _expression(rng, depth - 1)

    match rng.randrange(9):
        case 0 | 1:
            return f"{part()} {rng.choice(_BINARY)} {part()}"
        case 2 | 3 | 4:
            return f"${rng.choice(_CALLS)}({', '.join(part() for _ in range(rng.choice((0, 1, 1, 2, 2, 3, 4))))})"
        case 5:
            return rng.choice((f"({part()})", f"[{part()}, {part()}]", f"{part()}[{part()}]", f"({part()}; {part()})"))
        case 6:
            return f"{part()} ? {part()} : {part()}"
        case 7:
            return f"$match({part()}, /{text(rng, REGEXES)}/)"
        case _:
            return rng.choice(
                (f"{{{part()}: {part()}}}", f"{part()}^({part()})", f"({part()}).({part()})", f"-{part()}")
            )
