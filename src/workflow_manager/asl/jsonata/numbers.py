"""Numbers as JSONata knows them: one kind, IEEE 754 double, written as ECMAScript writes them."""

from __future__ import annotations

import math
from decimal import Decimal

_EXPONENT_FROM = 10**21  # ECMAScript, Number::toString: whole numbers from here on have an exponent
_LARGEST_EXACT = 2**63


def normal(number: float) -> int | float:
    """*number* as JSON shows it: an int where it is whole (and below 1e21, where an exponent begins), else a float."""
    if math.isfinite(number) and abs(number) < _EXPONENT_FROM and number == int(number):
        return int(number)
    return number


def number_text(number: int | float) -> str:
    """
    *number* as ``$string`` writes it: whole numbers in full below 1e21, others with at most fifteen significant digits.

    Source: JSONata, ``$string``; ECMAScript, Number::toString.
    """
    if isinstance(number, int):
        if -_LARGEST_EXACT <= number < _LARGEST_EXACT:
            return str(number)
        number = float(number)
    if number != int(number):
        number = float(f"{number:.15g}")
    if number == 0:
        return "0"
    sign, digits, exponent = Decimal(repr(number)).normalize().as_tuple()
    return ("-" if sign else "") + _layout("".join(map(str, digits)), int(exponent))


def _layout(digits: str, exponent: int) -> str:
    point = len(digits) + exponent  # where the decimal point stands, counted from the first digit
    if -6 < point <= 21:
        if exponent >= 0:
            return digits + "0" * exponent
        return f"{digits[:point]}.{digits[point:]}" if point > 0 else "0." + "0" * -point + digits
    mantissa = digits if len(digits) == 1 else f"{digits[0]}.{digits[1:]}"
    return f"{mantissa}e{point - 1:+d}"


class JavaRandom:
    """
    The first draw of ``java.util.Random``, which is what ``$random(seed)`` returns.

    Source: the algorithm given in the documentation of java.util.Random.
    """

    _MULTIPLIER, _MASK = 0x5DEECE66D, (1 << 48) - 1

    def __init__(self, seed: int) -> None:
        self._state = (seed ^ self._MULTIPLIER) & self._MASK

    def _next(self, bits: int) -> int:
        self._state = (self._state * self._MULTIPLIER + 0xB) & self._MASK
        return self._state >> (48 - bits)

    def double(self) -> float:
        """A number from 0 up to, not including, 1."""
        return ((self._next(26) << 27) + self._next(27)) / (1 << 53)
