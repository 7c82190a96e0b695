r"""
Regular expressions that cannot hang.

Python's matcher backtracks, and cannot be stopped.  So each pattern is looked at once, for how much work it may take on
a text of n characters at worst, and reads no text that is longer than that allows:

* a repetition within a repetition that can share out the same characters in many ways doubles the work with each
  character (or worse): ``/(a+)+b/`` may read 21;
* otherwise the work is n to some power, the number of repetitions that may fail after they have run, plus one where a
  match may start anywhere: 10,000 characters for the second power (``/\s+$/``), 464 for the third (``/.*a.*b/``);
* a pattern without such choices (``/[0-9]+/``, ``/^arn:[^:]+:.+/``) may read anything.
"""

from __future__ import annotations

import re
from typing import Any

from workflow_manager.asl.jsonata.regex_cost import longest_subject


class RegexError(ValueError):
    """A regular expression is wrong, or would read more than its bound allows."""


class Regex:
    """A compiled pattern with the methods the library uses; *longest* is how many characters it may read."""

    arguments = ("text",)  # as a function of the language it takes one argument

    def __init__(self, pattern: re.Pattern[str], longest: int) -> None:
        self.pattern = pattern.pattern
        self.longest = longest
        self._pattern = pattern

    def _fit(self, text: str) -> str:
        if len(text) > self.longest:
            raise RegexError(
                f"the regular expression /{self.pattern}/ may read at most {self.longest} characters, got {len(text)}"
            )
        return text

    def call(self, input: object, args: list[Any]) -> dict[str, Any] | None:
        """The first match in the one text of *args*, as an object, when it is called as a function."""
        match = self.search(args[0]) if args and isinstance(args[0], str) else None
        if match is None:
            return None
        groups = [group or "" for group in match.groups()]
        return {"match": match.group(), "start": match.start(), "end": match.end(), "groups": groups}

    def search(self, string: str) -> re.Match[str] | None:
        """The first match in *string*."""
        return self._pattern.search(self._fit(string))

    def finditer(self, string: str) -> Any:
        """All matches in *string*, one after the other."""
        return self._pattern.finditer(self._fit(string))

    def sub(self, repl: Any, string: str, count: int = 0) -> str:
        """*string* with its matches replaced."""
        return self._pattern.sub(repl, self._fit(string), count=count)

    def split(self, string: str, maxsplit: int = 0) -> list[Any]:
        """*string*, taken apart at its matches."""
        return self._pattern.split(self._fit(string), maxsplit=maxsplit)


def compile_regex(pattern: str, flags: Any) -> Regex:
    """The pattern of a literal ``/pattern/flags``, for the library's parser."""
    options = (re.IGNORECASE if flags.case_insensitive else 0) | (re.MULTILINE if flags.multiline else 0)
    source = _translated(pattern, multiline=flags.multiline)
    try:
        compiled = re.compile(source, options)
        return Regex(compiled, longest_subject(source, options))
    except (re.error, FutureWarning, RecursionError, OverflowError) as error:
        raise RegexError(f"the regular expression /{pattern}/ is invalid: {error}") from None


_PIECE = re.compile(r"\\.|\(\?<(?=[A-Za-z_])|\[\^?\]?|\]|\$|[&~|-](?=[&~|-])|.", re.DOTALL)


def _translated(pattern: str, *, multiline: bool) -> str:
    """*pattern*, written as ECMAScript has it, as Python has it: named groups, ``$``, and brackets within brackets."""
    parts: list[str] = []
    inside = False
    for piece in _PIECE.findall(pattern):
        if inside and (piece[0] == "[" or (len(piece) == 1 and piece in "&~|")):
            parts.append("".join("\\" + char if char in "[&~|" else char for char in piece.removesuffix("]")))
            inside = not piece.endswith("]")
            parts.append("]" * piece.endswith("]"))
        elif piece == "(?<" and not inside:
            parts.append("(?P<")
        elif piece == "$" and not inside and not multiline:
            parts.append(r"\Z")
        else:
            parts.append(piece)
            inside = piece[0] == "[" or (inside and piece != "]")
    return "".join(parts)
