"""What a SQLiteStore remembers of its file: a bounded cache."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Generic, TypeVar

_MOST_REMEMBERED = 256

K = TypeVar("K")
V = TypeVar("V")


class Recent(Generic[K, V]):
    """The values used last, by key; safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        """The value under *key*, if it is still remembered."""
        with self._lock:
            if key not in self._values:
                return None
            self._values.move_to_end(key)
            return self._values[key]

    def put(self, key: K, value: V) -> None:
        """Remember *value*, and forget the one that was not used for the longest time if there are many."""
        with self._lock:
            self._values[key] = value
            self._values.move_to_end(key)
            if len(self._values) > _MOST_REMEMBERED:
                self._values.popitem(last=False)
