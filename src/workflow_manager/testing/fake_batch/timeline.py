"""Virtual time: a clock that moves only when told, and what is planned for later."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Timeline:
    """
    Plans in order of their time, those of one millisecond in the order in which they were made.

    *start* is a datetime with a time zone; *now* is milliseconds since 1970.
    """

    def __init__(self, start: datetime) -> None:
        self.now = (start - EPOCH) // timedelta(milliseconds=1)
        self._order = count()
        self._plans: list[tuple[int, int, Callable[[], None]]] = []

    @property
    def moment(self) -> datetime:
        """Now, in UTC."""
        return EPOCH + timedelta(milliseconds=self.now)

    @property
    def next_at(self) -> int | None:
        """When the next plan is due, in milliseconds since 1970."""
        return self._plans[0][0] if self._plans else None

    def after(self, seconds: float, do: Callable[[], None]) -> None:
        """Plans *do* for so many *seconds* from now; infinity is never."""
        if not math.isinf(seconds):
            heapq.heappush(self._plans, (self.now + max(0, round(seconds * 1000)), next(self._order), do))

    def run_next(self) -> None:
        """Goes to the next plan's time and carries out that one plan."""
        at, _, do = heapq.heappop(self._plans)
        self.now = max(self.now, at)
        do()

    def run_to(self, until: int) -> None:
        """Carries out everything that is due by *until* (milliseconds since 1970) and ends there."""
        while self._plans and self._plans[0][0] <= until:
            self.run_next()
        self.now = max(self.now, until)
