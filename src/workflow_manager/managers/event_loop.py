"""One thread with an asyncio event loop, for tasks that are ``async def``; it starts with the first of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio

Done = Callable[[object, BaseException | None], None]


class EventLoopThread:
    """Runs coroutines; every method may be called from any thread."""

    def __init__(self, name: str = "workflow-manager-async") -> None:
        self._name = name
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._cancelled: set[asyncio.Task[None]] = set()  # asyncio itself holds tasks only weakly

    def run(self, work: Callable[[], Coroutine[Any, Any, object]], done: Done) -> Callable[[], None]:
        """
        Run the coroutine that *work* makes, then call *done* with its result and what it raised, on the loop's thread.

        Returns a function that cancels it (asyncio's cancellation); *done* is called then, too.
        """
        loop = self._running_loop()
        tasks: list[asyncio.Task[None]] = []

        async def body() -> None:
            result: object = None
            problem: BaseException | None = None
            try:
                result = await work()
            except BaseException as exc:  # noqa: BLE001  whatever a task raises is its failure
                problem = exc
            done(result, problem)

        def begin() -> None:
            task = loop.create_task(body())
            tasks.append(task)
            self._tasks.add(task)
            task.add_done_callback(self._forget)

        def cancel() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(lambda: self._cancel(tasks[0]))  # after `begin`

        loop.call_soon_threadsafe(begin)
        return cancel

    def _cancel(self, task: asyncio.Task[None]) -> None:
        if task in self._tasks:  # nobody waits any longer for one that ignores its cancellation
            self._tasks.discard(task)
            self._cancelled.add(task)
            task.get_loop().call_soon(task.cancel)  # after its first step: one that has not begun would never call back

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._cancelled.discard(task)

    def close(self, *, wait: bool = True) -> None:
        """Stop the loop; with *wait*, after the coroutines that are running have ended, else they are cancelled."""
        import asyncio

        with self._lock:
            loop, thread = self._loop, self._thread
        if loop is None or thread is None or not thread.is_alive():
            return

        async def drain() -> None:
            if not wait:
                for task in tuple(self._tasks):
                    self._cancel(task)
            while self._tasks:
                await asyncio.wait(self._tasks, timeout=0.5)  # in slices: a task may be cancelled while we wait
            await asyncio.sleep(0)
            loop.call_soon(loop.stop)

        asyncio.run_coroutine_threadsafe(drain(), loop)
        if wait and thread is not threading.current_thread():
            thread.join()

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        import asyncio

        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._serve, args=(self._loop,), name=self._name, daemon=True)
                self._thread.start()
            return self._loop

    @staticmethod
    def _serve(loop: asyncio.AbstractEventLoop) -> None:
        try:
            loop.run_forever()
        finally:
            loop.close()
