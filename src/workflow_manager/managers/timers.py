"""
Call me at that time: one thread for all timers of a manager.

The thread starts with the first timer, sleeps until the next one is due and is woken only when an earlier one arrives.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import queue
import threading
from collections.abc import Callable, Hashable
from datetime import datetime

logger = logging.getLogger("workflow_manager")

_LONGEST_SLEEP = 30.0  # seconds; the wall clock may be set while we sleep, so look again now and then
_STALE_ALLOWED = 1000

Action = Callable[[], None]


class Timers:
    """
    Timers under keys; a timer that is set again under its key replaces the older one.

    *clock* tells the time (aware, UTC) that due times are compared with.  Every method may be called from any thread;
    actions run one after another on the timers' own thread, and what they raise is logged.
    """

    def __init__(self, clock: Callable[[], datetime], name: str = "workflow-manager-timers") -> None:
        self._clock, self._name = clock, name
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._actions: dict[Hashable, tuple[int, Action]] = {}
        self._heap: list[tuple[datetime, int, Hashable]] = []
        self._soon: list[Action] = []
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._asleep_until: datetime | None = None
        self._asleep = False
        self._thread: threading.Thread | None = None
        self._closed = False

    def set(self, key: Hashable, due: datetime, action: Action) -> None:
        """Call *action* once the clock has reached *due*, unless *key* is cancelled before."""
        with self._lock:
            number = next(self._numbers)
            self._actions[key] = (number, action)
            heapq.heappush(self._heap, (due, number, key))
            self._tidy()
            earlier = self._asleep_until is None or due < self._asleep_until
            self._rouse(earlier)

    def soon(self, action: Action) -> None:
        """Call *action* on the timers' thread as soon as that is free."""
        with self._lock:
            self._soon.append(action)
            self._rouse(earlier=True)

    def cancel(self, key: Hashable) -> None:
        """Forget the timer under *key*, if there is one."""
        with self._lock:
            self._actions.pop(key, None)

    def close(self, *, wait: bool = True) -> None:
        """Fire no more timers; with *wait*, return only when an action that is running has ended."""
        with self._lock:
            self._closed = True
            self._actions.clear()
            self._heap.clear()
            self._rouse(earlier=True)
            thread = self._thread
        if wait and thread is not None and thread is not threading.current_thread():
            thread.join()

    def _rouse(self, earlier: bool) -> None:
        if self._thread is None:
            if self._closed:
                return
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        elif self._asleep and earlier:
            self._asleep = False
            self._wake.put(None)

    def _tidy(self) -> None:
        # Cancelled timers stay in the heap until they are due; when they are most of it, it is built anew.
        if len(self._heap) > 2 * len(self._actions) + _STALE_ALLOWED:
            self._heap = [entry for entry in self._heap if self._is_live(entry)]
            heapq.heapify(self._heap)

    def _is_live(self, entry: tuple[datetime, int, Hashable]) -> bool:
        known = self._actions.get(entry[2])
        return known is not None and known[0] == entry[1]

    def _run(self) -> None:
        while True:
            with self._lock:
                if self._closed and not self._soon:
                    return
                actions = self._take_due()
                pause = None if actions else self._pause()
                self._asleep = not actions
            for action in actions:
                self._call(action)
            if not actions:
                self._sleep(pause)

    def _take_due(self) -> list[Action]:
        actions, self._soon = self._soon, []
        now = self._clock()
        while self._heap and self._heap[0][0] <= now:
            entry = heapq.heappop(self._heap)
            if self._is_live(entry):
                actions.append(self._actions.pop(entry[2])[1])
        return actions

    def _pause(self) -> float | None:
        while self._heap and not self._is_live(self._heap[0]):
            heapq.heappop(self._heap)
        self._asleep_until = self._heap[0][0] if self._heap else None
        if self._asleep_until is None:
            return None
        return min((self._asleep_until - self._clock()).total_seconds(), _LONGEST_SLEEP)

    def _sleep(self, pause: float | None) -> None:
        try:
            self._wake.get(timeout=None if pause is None else max(pause, 0.0))
        except queue.Empty:
            pass

    def _call(self, action: Action) -> None:
        try:
            action()
        except Exception:
            logger.exception("a timer's action failed")
