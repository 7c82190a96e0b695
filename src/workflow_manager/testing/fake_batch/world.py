"""The account: everything that is registered and submitted, and the one place where a job's status changes."""

from __future__ import annotations

import random
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

import attrs

from workflow_manager.testing.fake_batch.log_streams import LogStreams
from workflow_manager.testing.fake_batch.records import Behaviour, Delays, Job, JobDefinition, JobQueue, Status
from workflow_manager.testing.fake_batch.timeline import Timeline

ACCOUNT = "123456789012"


@attrs.frozen(kw_only=True)
class Doing:
    """What jobs of one definition do: *run*, and how many *seconds* of virtual time a plain function lasts."""

    run: Behaviour
    seconds: float


@attrs.frozen
class _Due:
    """What is planned for *job*: nothing, if its tick has changed meanwhile."""

    world: World
    job: Job
    tick: int
    do: Callable[[World, Job], None]

    def __call__(self) -> None:
        if self.job.tick == self.tick:
            self.do(self.world, self.job)


class World:
    """One account in one region; *retention* and *listing_lag* are seconds (see FakeBatch)."""

    def __init__(
        self, *, start: datetime, region: str, delays: Delays, retention: float, listing_lag: float, seed: int
    ) -> None:
        self.timeline = Timeline(start)
        self.region, self.delays, self.retention, self.listing_lag = region, delays, retention, listing_lag
        self.chance = random.Random(seed)
        self.logs = LogStreams()
        self.queues: dict[str, JobQueue] = {}
        self.compute_environments: dict[str, Mapping[str, Any]] = {}
        self.definitions: dict[str, list[JobDefinition]] = {}
        self.doings: dict[str, Doing] = {}
        self.jobs: dict[str, Job] = {}
        self.by_name: dict[str, dict[str, Job]] = {}
        self.listeners: list[Callable[[Job], None]] = []
        self.newest = 0
        self._ended: deque[Job] = deque()

    def arn(self, kind: str, name: str) -> str:
        return f"arn:aws:batch:{self.region}:{ACCOUNT}:{kind}/{name}"

    def new_id(self) -> str:
        """A UUID of version 4, the same for the same seed."""
        return str(uuid.UUID(int=self.chance.getrandbits(128), version=4))

    def add(self, job: Job) -> None:
        """Makes *job* one that the operations can see."""
        job.visible = True
        self.jobs[job.id] = job
        if job.parent is None:
            job.queue.jobs[job.id] = job
            self.by_name.setdefault(job.name.lower(), {})[job.id] = job
        else:
            assert job.parent.summary is not None
            job.parent.summary[job.status] += 1

    def move(self, job: Job, status: Status, reason: str | None = None) -> None:
        """Gives *job* another status; whatever was planned for it no longer holds."""
        parent = job.parent
        if parent is not None and parent.summary is not None and job.visible:
            parent.summary[job.status] -= 1
            parent.summary[status] += 1
            parent.summary_at = self.timeline.now
        job.status, job.status_reason = status, reason
        job.tick += 1
        if status.final:
            job.stopped_at = self.timeline.now
            if parent is None:
                self._ended.append(job)
        if job.visible:
            self.announce(job)

    def announce(self, job: Job) -> None:
        """Tells the listeners that *job* has got its status."""
        for listener in self.listeners:
            listener(job)

    def later(self, job: Job, seconds: float, do: Callable[[World, Job], None]) -> None:
        """Plans ``do(self, job)``, unless the job has meanwhile gone another way."""
        self.timeline.after(seconds, _Due(self, job, job.tick, do))

    def forget(self) -> None:
        """Drops the jobs that ended longer ago than the retention, an array's children with their parent."""
        oldest = self.timeline.now - self.retention * 1000
        while self._ended and (self._ended[0].stopped_at or 0) < oldest:
            job = self._ended.popleft()
            for each in (job, *job.children):
                self.jobs.pop(each.id, None)
            job.queue.jobs.pop(job.id, None)
            named = self.by_name[job.name.lower()]
            named.pop(job.id, None)
            if not named:
                del self.by_name[job.name.lower()]

    def found(self, ids: Iterable[str]) -> Iterator[Job]:
        """The jobs of these ids that Batch still knows."""
        return (job for job in (self.jobs.get(each) for each in ids) if job is not None)


def fresh_summary() -> Counter[Status]:
    """The counts of an array none of whose children has been spawned."""
    return Counter(dict.fromkeys(Status, 0))
