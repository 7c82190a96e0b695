"""What a store remembers of its tables: a bounded cache."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Recent(Generic[K, V]):
    """The *most* values that were put last, by key; safe for threads, and whoever looks one up never waits."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._values: dict[K, V] = {}

    def get(self, key: K) -> V | None:
        """The value under *key*, if it is still remembered."""
        return self._values.get(key)

    def put(self, key: K, value: V) -> None:
        """Remember *value*, and forget the one that was put the longest time ago if there are too many."""
        with self._lock:
            self._values.pop(key, None)
            self._values[key] = value
            if len(self._values) > self._most:
                del self._values[next(iter(self._values))]

    def forget(self, key: K) -> None:
        """Remember nothing under *key*."""
        with self._lock:
            self._values.pop(key, None)
