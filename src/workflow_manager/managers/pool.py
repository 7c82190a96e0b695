"""Worker threads, started as they are needed, and replaced when one is stuck in work that nobody wants any more."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class _Worker(Generic[T]):
    """A thread and the place where an idle one gets its next item."""

    __slots__ = ("item", "ready", "thread")

    def __init__(self) -> None:
        self.item: T | None = None
        self.ready = threading.Lock()
        self.ready.acquire()
        self.thread: threading.Thread | None = None


class WorkerPool(Generic[T]):
    """
    Runs items, in the order they come, on at most *max_workers* threads.

    *run* does one item and returns whether its thread may go on: after :meth:`abandon` it must return ``False`` for the
    item concerned, because another thread has taken that place.  *run* must not raise.  Threads are daemons: a stuck
    one never keeps the interpreter from ending.

    Waking a thread costs more than a small item does.  So a worker that calls :meth:`leaving` promises to be free in a
    moment, and what it submits until then may wait for it, if nobody else is free before.
    """

    def __init__(self, run: Callable[[T], bool], max_workers: int, name: str = "workflow-manager-worker") -> None:
        self._run, self._max_workers, self._name = run, max_workers, name
        self._lock = threading.Lock()
        self._items: deque[T] = deque()
        self._idle: list[_Worker[T]] = []  # the last to become idle is the first to work again: its caches are warm
        self._threads: set[threading.Thread] = set()
        self._leaving: set[int] = set()  # identifiers of threads that will be free in a moment
        self._started = 0
        self._closed = False

    def submit(self, item: T) -> None:
        """Run *item* when a worker is free; nothing after :meth:`close`."""
        with self._lock:
            if self._closed:
                return
            self._items.append(item)
            if len(self._items) > 1 or threading.get_ident() not in self._leaving:
                self._set_to_work()

    def leaving(self) -> None:
        """The calling thread, if it is a worker, is about to be done with its item, and can do the next one itself."""
        if threading.current_thread() in self._threads:
            self._leaving.add(threading.get_ident())

    def staying(self) -> None:
        """The calling thread is busy longer than it thought: what waits for it is others' to do."""
        if self._items and threading.get_ident() in self._leaving:
            with self._lock:
                self._set_to_work()

    def _set_to_work(self) -> None:
        while self._items and self._idle:
            worker = self._idle.pop()
            worker.item = self._items.popleft()
            worker.ready.release()
        self._spawn_if_needed()

    def abandon(self, thread: threading.Thread) -> None:
        """Give the place of *thread*, which may never return from its item, to a new one."""
        with self._lock:
            self._threads.discard(thread)
            self._spawn_if_needed()

    def close(self, *, wait: bool = True) -> None:
        """Begin no more items; with *wait*, return only when those that have begun are done, or abandoned."""
        with self._lock:
            self._closed = True
            self._items.clear()
            idle, self._idle = self._idle, []
            threads = tuple(self._threads)
        for worker in idle:
            worker.ready.release()
        if wait:
            for thread in threads:
                self._join(thread)

    def _join(self, thread: threading.Thread) -> None:
        while thread.is_alive() and thread is not threading.current_thread() and thread in self._threads:
            thread.join(0.2)  # in slices: the thread may be abandoned while we wait

    def _spawn_if_needed(self) -> None:
        if self._items and not self._idle and len(self._threads) < self._max_workers:
            self._started += 1
            worker: _Worker[T] = _Worker()
            name = f"{self._name}-{self._started}"
            worker.thread = threading.Thread(target=self._work, args=(worker,), name=name, daemon=True)
            self._threads.add(worker.thread)
            worker.thread.start()

    def _work(self, worker: _Worker[T]) -> None:
        while (item := self._next(worker)) is not None and self._run(item):
            pass
        with self._lock:
            self._leaving.discard(threading.get_ident())
            if worker.thread is not None:
                self._threads.discard(worker.thread)
            self._set_to_work()

    def _next(self, worker: _Worker[T]) -> T | None:
        with self._lock:
            self._leaving.discard(threading.get_ident())
            if self._items:
                return self._items.popleft()
            if self._closed:
                return None
            worker.item = None
            self._idle.append(worker)
        worker.ready.acquire()
        item, worker.item = worker.item, None
        return item
