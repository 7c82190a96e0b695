"""
What the local manager runs when nothing else is said: the three resources of ``hello-workflow.post.json``.

Each takes a list of strings and gives one, as jobs of the original do by convention, and needs ``HELLO_SECONDS`` (5)
for it, so that there is something to watch and to cancel.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable

Job = Callable[[list[str]], Awaitable[list[str]]]


async def _pause() -> None:
    await asyncio.sleep(float(os.environ.get("HELLO_SECONDS", "5")))


async def greet(arguments: list[str]) -> list[str]:
    """One greeting for each argument."""
    await _pause()
    return [f"hello, {argument}" for argument in arguments]


async def shout(arguments: list[str]) -> list[str]:
    """The same, louder."""
    await _pause()
    return [argument.upper() for argument in arguments]


async def sign(arguments: list[str]) -> list[str]:
    """The same, and who says it."""
    await _pause()
    return [*arguments, "workflow_manager"]


TASKS: dict[str, Job] = {"hello-greet:1": greet, "hello-shout:1": shout, "hello-sign:1": sign}
