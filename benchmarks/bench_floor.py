"""
The least that any Python program could take.   bench_floor.py loop|json|hand-over|fan-out

``loop``: the step as a function call.  ``json``: the step, and its payload to JSON text and back.  ``hand-over``: the
step in another thread, its result handed back, one at a time.  ``fan-out``: 64 sleeps of 50 ms in a thread pool of 32.
"""

from __future__ import annotations

import json
import queue
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from harness import PAYLOAD, bump, measure, payloads


def loop(n: int = 1_000_000) -> None:
    order = PAYLOAD
    with measure("plain Python", "loop", n):
        for _ in range(n):
            order = bump(order)


def through_json(n: int = 100_000) -> None:
    order = PAYLOAD
    with measure("plain Python", "json", n):
        for _ in range(n):
            order = json.loads(json.dumps(bump(order)))


def hand_over(n: int = 20_000) -> None:
    there: queue.SimpleQueue = queue.SimpleQueue()
    back: queue.SimpleQueue = queue.SimpleQueue()

    def work() -> None:
        while (order := there.get()) is not None:
            back.put(bump(order))

    threading.Thread(target=work, daemon=True).start()
    order = PAYLOAD
    with measure("plain Python", "hand-over", n):
        for _ in range(n):
            there.put(order)
            order = back.get()
    there.put(None)


def fan_out() -> None:
    with ThreadPoolExecutor(32) as pool:
        list(pool.map(bump, payloads(64)))
        with measure("plain Python", "fan-out", 64, ideal=0.1):
            list(pool.map(lambda order: (time.sleep(0.05), bump(order)), payloads(64)))


if __name__ == "__main__":
    {"loop": loop, "json": through_json, "hand-over": hand_over, "fan-out": fan_out}[sys.argv[1]]()
