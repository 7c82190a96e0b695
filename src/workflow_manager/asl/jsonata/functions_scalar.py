"""Functions over texts and numbers whose answer in the library is another than the reference's, or has no bound."""

from __future__ import annotations

import decimal
import math
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from workflow_manager.asl.jsonata.library import Functions, JException, Utils
from workflow_manager.asl.jsonata.numbers import normal
from workflow_manager.asl.jsonata.values import is_function, own_deep, text_of

if TYPE_CHECKING:
    from workflow_manager.asl.jsonata.evaluator import Evaluation

_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([Ee][-+]?[0-9]+)?")
_INTEGER = re.compile(r"0[xX][0-9A-Fa-f]+|0[oO][0-7]+|0[bB][01]+")
_EXACT = decimal.Context(prec=1000, rounding=decimal.ROUND_HALF_EVEN)


def string(evaluation: Evaluation, value: Any, prettify: Any) -> Any:
    """*value* as text."""
    if isinstance(value, Utils.JList) and value.outer_wrapper:
        value = value[0]
    if value is None or isinstance(value, str):
        return value
    if is_function(value):
        return ""
    if isinstance(value, float) and not math.isfinite(value):
        raise JException("D3001", -1, value)
    return evaluation.built(text_of(own_deep(value, lambda size: evaluation.read(3 * size)), bool(prettify)))


def number(evaluation: Evaluation, value: Any) -> Any:
    """*value* as a number."""
    if value is None or isinstance(value, float):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, str):
        if _INTEGER.fullmatch(value):
            return normal(float(int(value, 0)))
        if _NUMBER.fullmatch(value) and math.isfinite(float(value)):
            return normal(float(value))
    raise JException("D3030", -1, value)


def lowercase(evaluation: Evaluation, text: Any) -> Any:
    """*text* in small letters."""
    return None if text is None else text.lower()


def pad(evaluation: Evaluation, text: Any, width: Any, char: Any) -> Any:
    """*text*, filled up to *width* characters on the right, or on the left where *width* is negative."""
    if text is None or width is None:
        return text
    size, filler = math.trunc(width), char or " "
    evaluation.will_build(abs(size), 1 if filler.isascii() else 4)
    missing = max(0, abs(size) - len(text))
    padding = (filler * (missing // len(filler) + 1))[:missing]
    return padding + text if size < 0 else text + padding


def join(evaluation: Evaluation, texts: Any, separator: Any) -> Any:
    """*texts* as one, *separator* between."""
    if texts is None:
        return None
    between = separator or ""
    size = sum(map(len, texts)) + len(between) * max(0, len(texts) - 1)
    evaluation.will_build(size)
    return between.join(texts)


def replace(evaluation: Evaluation, text: Any, pattern: Any, replacement: Any, limit: Any) -> Any:
    """*text* with what *pattern* matches replaced."""
    if text is None:
        return None
    if pattern == "":
        raise JException("D3010", -1)
    if limit is not None and limit < 0:
        raise JException("D3011", -1)
    most = math.inf if limit is None else math.ceil(limit)
    if isinstance(pattern, str):
        return _replace_text(evaluation, text, pattern, replacement, most)
    return _replace_matches(evaluation, text, pattern, replacement, most)


def _replace_text(evaluation: Evaluation, text: str, pattern: str, replacement: Any, most: float) -> str:
    count = int(min(text.count(pattern), most))
    if isinstance(replacement, str):
        evaluation.will_build(len(text) + count * len(replacement))
        return text.replace(pattern, replacement, count)
    parts = text.split(pattern, count)
    return _assemble(evaluation, parts, [_answer(replacement, {"match": pattern}) for _ in parts[1:]])


def _replace_matches(evaluation: Evaluation, text: str, pattern: Any, replacement: Any, most: float) -> str:
    kept, fillers, position = [], [], 0
    for index, match in enumerate(pattern.finditer(text)):
        if index >= most:
            break
        if match.end() == match.start():
            raise JException("D1004", -1)
        kept.append(text[position : match.start()])
        groups = [group if group is not None else "" for group in match.groups()]
        if isinstance(replacement, str):
            fillers.append(evaluation.built(_expand(replacement, match.group(), groups)))
        else:
            value = {"match": match.group(), "start": match.start(), "end": match.end(), "groups": groups}
            fillers.append(_answer(replacement, value))
        position = match.end()
    return _assemble(evaluation, [*kept, text[position:]], fillers)


def _assemble(evaluation: Evaluation, kept: list[str], fillers: list[str]) -> str:
    evaluation.will_build(sum(map(len, kept)) + sum(map(len, fillers)))
    return "".join(part for pair in zip(kept, [*fillers, ""], strict=True) for part in pair)


def _answer(function: Any, match: dict[str, Any]) -> str:
    result = Functions.func_apply(function, [match])
    if not isinstance(result, str):
        raise JException("D3012", -1)
    return result


def _expand(replacement: str, whole: str, groups: list[str]) -> str:
    """*replacement* with ``$0`` for the match, ``$1`` ... for its groups and ``$$`` for a dollar."""
    digits = len(str(len(groups)))

    def value(match: re.Match[str]) -> str:
        found = match[1]
        if found == "$" or not found:
            return "$"
        for length in range(min(digits, len(found)), 0, -1):
            index = int(found[:length])
            if index <= len(groups):
                return (whole if index == 0 else groups[index - 1]) + found[length:]
        return found[1:]

    return re.sub(r"\$(\$|[0-9]*)", value, replacement)


def match(evaluation: Evaluation, text: Any, pattern: Any, limit: Any) -> Any:
    """The matches of *pattern* in *text*, as objects."""
    if text is None:
        return None
    if limit is not None and limit < 0:
        raise JException("D3040", -1, limit)
    results = Utils.create_sequence()
    if not hasattr(pattern, "finditer"):
        return Functions.match_(text, pattern, limit)
    for found in pattern.finditer(text):
        if limit is not None and len(results) >= limit:
            break
        if found.end() == found.start():
            raise JException("D1004", -1)
        results.append({"match": found.group(), "index": found.start(), "groups": [g or "" for g in found.groups()]})
        evaluation.steps(1)
    return results


def power(evaluation: Evaluation, base: Any, exponent: Any) -> Any:
    """*base* to the power *exponent*."""
    if base is None:
        return None
    try:
        result = math.pow(base, exponent)
    except (ValueError, OverflowError):
        raise JException("D3061", -1, base, exponent) from None
    return normal(result)


def round_(evaluation: Evaluation, number: Any, precision: Any) -> Any:
    """*number* with *precision* decimal places, halves to the even neighbour; a negative one counts to the left."""
    if number is None:
        return None
    places = 0 if precision is None else math.trunc(precision)
    if not -400 < places < 400:
        return number if places > 0 else 0
    value = decimal.Decimal(repr(number)).quantize(decimal.Decimal(1).scaleb(-places), context=_EXACT)
    return normal(float(value))


def format_base(evaluation: Evaluation, number: Any, radix: Any) -> Any:
    """*number*, rounded, in the base *radix*."""
    if number is None:
        return None
    base = 10 if radix is None else math.trunc(radix)
    if not 2 <= base <= 36:
        raise JException("D3100", base)
    return Functions.base_repr(int(round_(evaluation, number, 0)), base).lower()


SCALARS: Mapping[str, tuple[str, Callable[..., Any]]] = {
    "string": ("<x-b?:s>", string),
    "number": ("<(nsb)-:n>", number),
    "lowercase": ("<s-:s>", lowercase),
    "pad": ("<s-ns?:s>", pad),
    "join": ("<a<s>s?:s>", join),
    "replace": ("<s-(sf)(sf)n?:s>", replace),
    "match": ("<s-f<s:o>n?:a<o>>", match),
    "power": ("<n-n:n>", power),
    "round": ("<n-n?:n>", round_),
    "formatBase": ("<n-n?:s>", format_base),
}
