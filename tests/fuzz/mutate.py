"""Cases: sound definitions with accidents, the inputs that they get and the answers that their tasks give."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import attrs
import awkward
import jsonata  # noqa: F401  # it raises the recursion limit, which decides what can be copied
import languages
from seeds import machine

from workflow_manager.asl.machine import StateMachineType

FIELDS = """
    Arguments Assign BackoffRate BatchInput Branches Catch Cause CausePath Choices Comment Condition Credentials Default
    End Error ErrorEquals ErrorPath ExecutionType HeartbeatSeconds HeartbeatSecondsPath InputPath IntervalSeconds
    ItemBatcher ItemProcessor ItemReader ItemSelector Items ItemsPath Iterator JitterStrategy Label MaxAttempts
    MaxConcurrency MaxConcurrencyPath MaxDelaySeconds MaxItems MaxItemsPerBatch Mode Next Output OutputPath Parameters
    ProcessorConfig QueryLanguage ReaderConfig Resource Result ResultPath ResultSelector ResultWriter Retry Seconds
    SecondsPath StartAt States TimeoutSeconds TimeoutSecondsPath Timestamp TimestampPath ToleratedFailureCount
    ToleratedFailurePercentage ToleratedFailurePercentagePath Type Variable Version And Or Not
    IsPresent IsTimestamp NumericEquals NumericLessThanPath StringMatches StringEqualsPath TimestampEquals BooleanEquals
""".split()
TYPES = ("Pass", "Task", "Choice", "Wait", "Succeed", "Fail", "Parallel", "Map", "Nothing")
RESOURCES = (
    *("mill", "", "$.text", "arn:", "arn:aws:states:::", "arn:aws:states:::batch:submitJob", "${Resource}"),
    *(
        "arn:aws:states:::ecs:runTask.sync:2",
        "arn:aws:states:::aws-sdk:s3:getObject",
        "arn:aws:states:::dynamodb:putItem",
    ),
    *("arn:aws:states:::states:startExecution.sync:2", "arn:aws:states:eu-west-1:123456789012:activity:mill"),
    *("arn:aws:lambda:eu-west-1:123456789012:function:mill:3", "arn:aws-cn:lambda:x", "arn:aws:states:::http:invoke"),
)


@attrs.frozen(kw_only=True)
class Case:
    """
    One trial, made from *seed* and *number* alone.

    *definition* is an object, or JSON text; *wrong_at* is the JSON Pointer of what is no JSON in *input*, ``None``
    where the input is JSON.  *answers* is the chance of the tasks; *history_events* the limit of the run; *short_stack*
    says that it runs as if no JSONata had been used before.
    """

    seed: int
    number: int
    definition: Any = attrs.field(repr=False)
    input: Any = attrs.field(repr=False)
    wrong_at: str | None
    type: StateMachineType
    answers: str
    history_events: int
    short_stack: bool


def make(seed: int, number: int) -> Case:
    """The case *number* of *seed*; the same ones make the same case for ever."""
    rng = Random(f"{seed}/{number}")
    document: Any = machine(rng)
    accidents = rng.choice((mutate, deviate, deviate, deviate))
    for _ in range(rng.choice((0, 1, 1, 1, 1, 2, 2, 5))):
        document = accidents(rng, document)
    wrong_at = None
    match rng.randrange(10):
        case 0:
            input, wrong_at = awkward.not_json(rng)
        case 1 | 2:
            input = awkward.awkward_input(rng)
        case _:
            input = awkward.expected_input(rng)
    distributed = any(where[key] == "DISTRIBUTED" for where, key in places(document))
    return Case(
        seed=seed,
        number=number,
        definition=document if rng.random() < 0.7 else as_text(rng, document),
        input=input,
        wrong_at=wrong_at,
        type=rng.choice((StateMachineType.STANDARD,) * 19 + (StateMachineType.EXPRESS,)),
        answers=f"{seed}/{number}/answers",
        history_events=rng.choice((60, 400)) if distributed else rng.choice((400,) * 14 + (3000, 25_000)),
        short_stack=number % 2 == 0 and not any(_speaks_jsonata(where[key]) for where, key in places(document)),
    )


def _speaks_jsonata(value: Any) -> bool:
    return isinstance(value, str) and (value == "JSONata" or "{%" in value)


def as_text(rng: Random, document: Any) -> str:
    """*document* as JSON text, now and then not quite."""
    try:
        text = json.dumps(document, ensure_ascii=rng.random() < 0.5)
    except (TypeError, ValueError, RecursionError):  # something in it is no JSON
        return languages.text(rng, languages.ODD_TEXTS)
    match rng.randrange(12):
        case 0:
            return languages.scramble(rng, text)
        case 1:
            key = rng.choice(FIELDS)
            return text.replace("{", f'{{"{key}": 1, ', 1)
        case 2:
            return text.replace("1", rng.choice(("1e999", "NaN", "-Infinity", "9" * 5000, "01", "1.")), 1)
        case 3 if rng.random() < 0.3:
            return rng.choice(('{"a":' * 30_000, "[" * 200_000, text + " " * 100_000, "\ufeff" + text))
    return text


# ---------------------------------------------------------------- accidents
Place = tuple[Any, Any]
"""A dict or a list, and a key or an index of it."""


def places(document: Any) -> Iterator[Place]:
    """Every place in *document*, once, even if it contains itself."""
    waiting, seen = [document], set[int]()
    while waiting:
        here = waiting.pop()
        if id(here) in seen:
            continue
        seen.add(id(here))
        if isinstance(here, dict):
            keys: list[Any] = list(here)
        elif isinstance(here, list):
            keys = list(range(len(here)))
        else:
            continue
        for key in keys:
            yield here, key
            waiting.append(here[key])


def mutate(rng: Random, document: Any) -> Any:
    """*document*, of which nothing else is kept, with one accident: most leave a definition that is none."""
    everywhere = list(places(document))
    if not everywhere or rng.random() < 0.005:
        return awkward.value(rng)
    if rng.random() < 0.3:
        return deviate(rng, document)
    rng.choice(_ACCIDENTS)(rng, rng.choice(everywhere), everywhere)
    return document


def deviate(rng: Random, document: Any) -> Any:
    """*document*, of which nothing else is kept, with another value of the same kind in one place: most still run."""
    everywhere = list(places(document))
    kind = rng.choice(("texts", "numbers", "targets", *("expressions",) * 5))
    wanted = [place for place in everywhere if _KINDS[kind](place)]
    if wanted:
        where = rng.choice(wanted)
        where[0][where[1]] = _in_kind(rng, where, everywhere)
    return document


_TARGETS = frozenset({"Next", "Default", "StartAt"})
_KINDS: dict[str, Callable[[Place], bool]] = {
    "texts": lambda place: isinstance(place[0][place[1]], str),
    "numbers": lambda place: type(place[0][place[1]]) in (int, float),
    "targets": lambda place: place[1] in _TARGETS,
    "expressions": lambda place: _is_expression(place[1], place[0][place[1]]),
}


def _is_expression(key: Any, here: Any) -> bool:
    if not isinstance(here, str):
        return False
    return here.startswith("{%") or (isinstance(key, str) and (key.endswith((".$", "Path")) or key == "Variable"))


def _in_kind(rng: Random, place: Place, everywhere: list[Place]) -> Any:
    """Another value for *place*, of the kind that belongs there."""
    key, here = place[1], place[0][place[1]]
    if type(here) in (int, float):
        return rng.choice(languages.NUMBERS)
    if key in _TARGETS:
        names = [name for where, _ in everywhere if isinstance(where, dict) for name in _names(where)]
        return rng.choice(names or ["nowhere"]) if rng.random() < 0.9 else languages.text(rng, languages.ODD_TEXTS)
    if isinstance(here, str) and here.startswith("{%"):
        return languages.jsonata(rng) if rng.random() < 0.75 else languages.scramble(rng, here)
    if isinstance(key, str) and key.endswith(".$"):
        return languages.intrinsic(rng) if rng.random() < 0.5 else languages.path(rng)
    if isinstance(key, str) and (key.endswith("Path") or key == "Variable"):
        return languages.path(rng)
    if isinstance(key, str) and key.startswith("Timestamp"):
        return languages.text(rng, languages.TIMES)
    if key in ("Type", "Resource"):
        return rng.choice(TYPES if key == "Type" else RESOURCES)
    if rng.random() < 0.5:
        return languages.text(rng, languages.ODD_TEXTS)
    return languages.scramble(rng, here if isinstance(here, str) else "x")


def _names(where: dict[Any, Any]) -> list[Any]:
    states = where.get("States")
    return list(states) if isinstance(states, dict) else []


def _twin(value: Any) -> Any:
    try:
        return copy.deepcopy(value)
    except RecursionError:  # too deep to be copied; it is shared then
        return value


def _remove(rng: Random, place: Place, everywhere: list[Place]) -> None:
    del place[0][place[1]]


def _swap(rng: Random, place: Place, everywhere: list[Place]) -> None:
    """Two values change places; neither is put into itself."""
    (here, key), (there, other) = place, rng.choice(everywhere)
    first, second = _twin(here[key]), _twin(there[other])
    here[key] = second
    if other in there if isinstance(there, dict) else other < len(there):
        there[other] = first


def _repeat(rng: Random, place: Place, everywhere: list[Place]) -> None:
    """A value stands somewhere else too, or under another name."""
    here, key = place
    there, other = rng.choice(everywhere)
    twin = _twin(here[key])
    if isinstance(there, list):
        there.insert(other, twin)
    else:
        there[rng.choice((key if isinstance(key, str) else other, f"{other} 2", other))] = twin


def _replace(rng: Random, place: Place, everywhere: list[Place]) -> None:
    place[0][place[1]] = awkward.value(rng)


def _foreign(rng: Random, place: Place, everywhere: list[Place]) -> None:
    """What is no JSON at all."""
    if rng.random() < 0.2:
        place[0][place[1]] = awkward.not_json(rng)[0]
    elif rng.random() < 0.05:
        place[0][place[1]] = place[0]  # contains itself
    else:
        _rename(rng, place, everywhere)


def _rename(rng: Random, place: Place, everywhere: list[Place]) -> None:
    here, key = place
    if not isinstance(here, dict):
        here.append(here[key])
        return
    suffixed = (f"{key}.$", f"{key}Path", f"{key}\ud800")
    here[rng.choice((str(key).lower(), *suffixed, str(key).removesuffix(".$"), *rng.sample(FIELDS, 2)))] = here.pop(key)


def _wrap(rng: Random, place: Place, everywhere: list[Place]) -> None:
    wrapped = place[0][place[1]]
    in_list = rng.random() < 0.5
    for _ in range(rng.choice((1, 1, 2, 150, 205, 900, 5000))):
        wrapped = [wrapped] if in_list else {"n": wrapped}
    place[0][place[1]] = wrapped


def _add(rng: Random, place: Place, everywhere: list[Place]) -> None:
    """A field of the language where it may or may not belong."""
    name = rng.choice(FIELDS)
    here = place[0]
    if isinstance(here, dict):
        here[name] = awkward.value(rng)
        here[name] = _in_kind(rng, (here, name), everywhere) if rng.random() < 0.6 else here[name]


def _many(rng: Random, place: Place, everywhere: list[Place]) -> None:
    """A list grows long."""
    here, key = place
    if isinstance(here[key], list) and here[key]:
        here[key] = here[key] * rng.choice((2, 30, 300))
    else:
        here[key] = [here[key]] * rng.choice((2, 300))


_OFTEN = (_remove, _repeat, _replace, _add)
_ACCIDENTS = (*_OFTEN, *_OFTEN, _swap, _foreign, _rename, _wrap, _many)
