"""What the classes of disagreement look at."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from comparing import Difference
from moto_runner import Run


class View:
    """What a predicate may look at: the first difference of two runs, and why states failed in each."""

    def __init__(self, ours: Run, theirs: Run, difference: Difference) -> None:
        self.ours, self.theirs, self.difference = ours, theirs, difference
        self.kind = difference.state.get("Type")
        self.own = difference.own
        self.our_type = (difference.ours or {}).get("type")
        self.their_type = (difference.theirs or {}).get("type")
        own = [difference.name] if difference.name else []
        self.our_why, self.their_why = _reasons(ours, own), _reasons(theirs, own)
        self._their_own_why = self.their_why
        if self.kind in ("Map", "Parallel"):  # moto does not say which state it was whose Catch answered
            self.their_why = _reasons(theirs, list(theirs.failures))
        self._whole = [*own, *_names_inside(difference.state)]

    def we_fail(self, pattern: str) -> bool:
        """Whether we failed in that state, or inside it, with a reason like *pattern*."""
        return re.search(pattern, _reasons(self.ours, self._whole)) is not None

    def they_fail(self, pattern: str) -> bool:
        """Whether moto did."""
        return re.search(pattern, _reasons(self.theirs, self._whole)) is not None

    def only_we_fail(self, pattern: str) -> bool:
        """Whether we, not moto, failed in that very state, with a reason like *pattern*."""
        return not self._their_own_why and re.search(pattern, self.our_why) is not None

    def only_moto_fails(self, pattern: str) -> bool:
        """Whether moto, not we, failed in that very state."""
        return not self.our_why and re.search(pattern, self.their_why) is not None

    def says(self, pattern: str) -> bool:
        """Whether a field of the state has *pattern*."""
        return re.search(pattern, self.own) is not None

    @property
    def forks(self) -> list[Mapping[str, Any]]:
        """The Parallels and Maps around that point, the state itself included."""
        around = [*self.difference.enclosing, self.difference.state]
        return [state for state in around if state.get("Type") in ("Parallel", "Map")]

    def inside(self, type: str) -> bool:
        """Whether a state of *type* is there or around."""
        return any(state["Type"] == type for state in self.forks)

    @property
    def our_failures(self) -> str:
        """Why states of our run failed, anywhere."""
        return "\n".join(why for reasons in self.ours.failures.values() for why in reasons)

    def theirs_mention(self, pattern: str) -> bool:
        """Whether moto gives a reason like *pattern*, anywhere in its run."""
        reasons = [self.theirs.cause or "", *(why for known in self.theirs.failures.values() for why in known)]
        return re.search(pattern, "\n".join(reasons)) is not None

    @property
    def goes_elsewhere(self) -> bool:
        """Whether a Choice, the state under way, led to different states, or only one of the two found a way."""
        entered = [str(type).endswith("StateEntered") for type in (self.our_type, self.their_type)]
        return self.kind == "Choice" and (all(entered) or bool(self.our_why) is not bool(self.their_why))

    @property
    def values_differ(self) -> bool:
        """Whether both wrote the same event, and only values in it differ."""
        return self.our_type is not None and self.our_type == self.their_type

    def field(self, name: str) -> tuple[Any, Any]:
        """What the two events have under *name*."""
        return (self.difference.ours or {}).get(name), (self.difference.theirs or {}).get(name)


def _reasons(run: Run, names: list[str]) -> str:
    """Why the states of these *names* failed, a reason a line."""
    return "\n".join(why for name in names for why in run.failures.get(name, ()))


def _names_inside(state: Mapping[str, Any]) -> list[str]:
    """The names of all states of the machines inside *state*."""
    machines = [
        *state.get("Branches", ()),
        *(state[field] for field in ("ItemProcessor", "Iterator") if field in state),
    ]
    found: list[str] = []
    for machine in machines:
        for name, inner in machine["States"].items():
            found += [name, *_names_inside(inner)]
    return found
