"""Awkward values: inputs of every bad shape, things that are no JSON, files that cannot be read."""

from __future__ import annotations

import datetime
import decimal
import json
from collections.abc import Callable
from random import Random
from typing import Any

from languages import NUMBERS, ODD_TEXTS, TIMES, intrinsic, jsonata, path, text


def deep(rng: Random, levels: int) -> Any:
    """Something nested *levels* deep."""
    value: Any = rng.choice((1, "x", None))
    in_list = rng.random() < 0.5
    for level in range(levels):
        value = [value] if in_list or level % 3 == 0 else {"n": value}
    return value


def value(rng: Random) -> Any:
    """Any JSON value, mostly a small one."""
    match rng.randrange(12):
        case 0 | 1:
            return rng.choice(NUMBERS)
        case 2 | 3:
            return text(rng, ODD_TEXTS)
        case 4:
            return rng.choice((None, True, False, [], {}, [[]], {"": {}}))
        case 5:
            return text(rng, TIMES)
        case 6:
            return [value(rng) for _ in range(rng.randrange(4))]
        case 7:
            return {rng.choice((*ODD_TEXTS, "n", "list", "text")): value(rng) for _ in range(rng.randrange(4))}
        case 8:
            return deep(rng, rng.choice((1, 5, 50, 150)))
        case 9:
            return path(rng)
        case 10:
            return jsonata(rng)
        case _:
            return intrinsic(rng)


def expected_input(rng: Random) -> dict[str, Any]:
    """What the sound definitions take."""
    items = list(range(rng.randrange(5)))
    return {"n": rng.randrange(6), "list": items, "text": rng.choice(("az", "äpfel")), "at": "2026-01-01T00:01:00Z"}


def awkward_input(rng: Random) -> Any:
    """An input that is JSON, but no pleasant one: deep, large, empty, odd."""
    match rng.randrange(8):
        case 0:
            return deep(rng, rng.choice((100, 300, 900, 3000, 100_000)))
        case 1:
            return {**expected_input(rng), "list": list(range(rng.choice((100, 1000, 30_000))))}
        case 2:
            return {**expected_input(rng), "text": rng.choice("aä\ud800") * rng.choice((1000, 87_000, 300_000))}
        case 3:
            return {str(number): number for number in range(rng.choice((10, 3000)))}
        case 4:
            return {**expected_input(rng), rng.choice(("n", "list", "text", "at")): value(rng)}
        case 5:
            return {**expected_input(rng), "list": [value(rng) for _ in range(rng.randrange(6))]}
        case 6:
            return {**expected_input(rng), "text": "a" * rng.choice((25, 60, 3000)) + "!"}
        case _:
            return value(rng)


NOT_JSON: tuple[Callable[[], Any], ...] = (
    lambda: float("nan"),
    lambda: float("inf"),
    lambda: {1, 2},
    lambda: b"bytes",
    lambda: object(),
    lambda: decimal.Decimal(1),
    lambda: datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
    lambda: 1j,
    lambda: iter(()),
    lambda: range(3),
)


def not_json(rng: Random) -> tuple[Any, str]:
    """A value with one thing in it that is no JSON, and the JSON Pointer to that."""
    made, pointer = rng.choice(NOT_JSON)(), ""
    if rng.random() < 0.15:
        made = {rng.choice((1, None, ("a",), b"k")): 1}
    for _ in range(rng.randrange(4)):
        if rng.random() < 0.5:
            before = [text(rng, ODD_TEXTS) for _ in range(rng.randrange(3))]
            pointer = f"/{len(before)}{pointer}"
            made = rng.choice((list, tuple))([*before, made])
        else:
            key = rng.choice(("n", "a/b", "~", "", "ä", "\ud800"))
            pointer = f"/{key.replace('~', '~0').replace('/', '~1')}{pointer}"
            made = {"first": text(rng, ODD_TEXTS), key: made}
    return made, pointer


def file_content(rng: Random) -> Any:
    """What an ItemReader may find in its bucket."""
    import gzip

    rows = [{"n": number, "text": "a"} for number in range(rng.randrange(7))]
    contents: tuple[Any, ...] = (
        json.dumps(rows),
        json.dumps(rows).encode(),
        "n,text\n1,a\n2,b\n3\n\n4,d,e",
        b"\xef\xbb\xbfn;text\n1;a",
        gzip.compress(b"n,text\n1,a", mtime=0),
        gzip.compress(b"n,text\n1,a", mtime=0)[:-4],
        b"\x1f\x8b not gzip at all",
        b"\xff\xfe\xfa",
        '{"n": 1}\n{"n": 2}\n\n[3]',
        json.dumps(
            {
                "files": [{"key": "a.csv.gz"}, {"key": None}, 7],
                "destinationBucket": "arn:aws:s3:::b",
                "fileSchema": "B, K",
            }
        ),
        "a,b\n" + '"' + "x" * 140_000 + '"',
        'a,b\n"open\0\n',
        "[" * 5000,
        "[NaN]",
        "[1e999]",
        "[" + "9" * 5000 + "]",
        "",
        "\0",
    )
    return {"Body": rng.choice(contents)}
