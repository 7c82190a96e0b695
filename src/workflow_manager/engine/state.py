"""
What an execution is between two events.

Branches, each with the state it is in; the forks that join them; pending work.

Rule 1: folding an event (:mod:`workflow_manager.engine.fold`) is the only thing that changes these objects.
Rule 2: they know no clock, no thread, no store and no client.  Time arrives with each event.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Mapping
from datetime import datetime
from enum import IntEnum
from typing import Any

import attrs

from workflow_manager.asl.program import CompiledState, Program
from workflow_manager.asl.retries import Failure
from workflow_manager.asl.values import JSON
from workflow_manager.engine.identity import Identity
from workflow_manager.engine.pending import Outcome, PendingTask, PendingTimer


class Phase(IntEnum):
    """How far a branch is with its current state."""

    START = 0  # is to enter the state `next`
    ENTERED = 1  # is in the state; its work has not begun
    WORKING = 2  # waits for a report: a task, a Wait, children
    DONE = 3  # the work has a result; the state is to be left
    FAILED = 4  # the state has failed and nobody has answered yet
    BACKOFF = 5  # a retrier waits
    RETRY = 6  # the wait is over: the work begins again
    LEFT = 7  # the branch has come to its end
    ABORTED = 8  # ended from outside


DECIDABLE = frozenset({Phase.START, Phase.ENTERED, Phase.DONE, Phase.FAILED, Phase.RETRY, Phase.LEFT})
"""Phases from which something follows without any report."""


class Branch:
    """One line of control: the root, a Parallel's branch, a Map's iteration."""

    __slots__ = (
        "aborted",
        "before",
        "entered_at",
        "entered_id",
        "failure",
        "final",
        "fork",
        "index",
        "input",
        "next",
        "output",
        "parent",
        "path",
        "phase",
        "previous",
        "program",
        "reported",
        "result",
        "retries",
        "state",
        "timers",
        "token",
        "variables",
    )

    def __init__(self, path: str, program: Program, parent: Branch | None, index: int = 0) -> None:
        self.path = path
        self.program = program
        self.parent = parent
        self.index = index  # which of the parent's children this is
        self.phase = Phase.START
        self.state: CompiledState | None = None
        self.next: str | None = program.machine.start_at
        self.input: JSON = None  # raw input of the current state; of the next one while in START
        self.result: JSON = None  # what the work gave, while DONE
        self.output: JSON = None  # what the branch gave, once LEFT
        self.variables: Mapping[str, JSON] = {} if parent is None else parent.variables
        self.before = 0  # the event that the current state's Entered hangs on
        self.previous = 0  # the event that the next one hangs on
        self.entered_id = 0
        self.entered_at: datetime | None = None
        self.retries: dict[int, int] = {}  # retrier index -> how often it has answered in this visit
        self.failure: Failure | None = None
        self.reported = False  # whether no retrier is asked any more: MapStateFailed, ParallelStateFailed stand written
        self.final = False  # whether no catcher is asked either: the failure is a catcher's own
        self.aborted = False  # whether the end is told: a failed branch's state, an iteration, written as aborted
        self.token: str | None = None  # of the pending task
        self.timers: tuple[str, ...] = ()  # ids of the pending timers
        self.fork: Fork | None = None

    @property
    def attempt(self) -> int:
        """How often the current state has been retried in this visit."""
        return sum(self.retries.values()) if self.retries else 0

    @property
    def current(self) -> CompiledState:
        """The state that the branch is in."""
        assert self.state is not None
        return self.state


class Fork:
    """The children of a Parallel or of a Map: what each gave, and which may begin."""

    __slots__ = (
        "active",
        "batches",
        "children",
        "concurrency",
        "done",
        "effective",
        "freed",
        "items",
        "length",
        "results",
        "run",
        "started",
        "started_id",
        "written",
    )

    def __init__(self, length: int, started_id: int, concurrency: int = 0) -> None:
        self.length = length
        self.concurrency = concurrency  # 0 sets no limit
        self.children: dict[int, Branch] = {}  # index -> branch that has not been joined
        self.results: list[JSON] = [None] * length
        self.started = 0
        self.active = 0
        self.done = 0
        self.started_id = started_id
        self.freed: deque[int] = deque()  # last events of joined iterations, which the next ones hang on
        self.effective: JSON = None  # effective input of a Map; evaluated when first needed, no part of the state
        self.items: list[JSON] | None = None  # items of a Map; likewise
        self.batches: list[Any] | None = None  # what each child of a Map Run gets; likewise
        self.run: MapRun | None = None
        self.written: JSON = None  # what a ResultWriter made of the results

    @property
    def may_start(self) -> bool:
        """Whether another iteration may begin."""
        return self.started < self.length and (self.concurrency <= 0 or self.active < self.concurrency)


class MapRun:
    """What the children of a distributed Map have come to."""

    __slots__ = (
        "asking",
        "ended",
        "failed",
        "failed_children",
        "pages",
        "reading",
        "ready",
        "schema",
        "succeeded",
        "tolerated",
        "tolerated_percentage",
        "total",
        "writing",
        "written",
    )

    def __init__(self, tolerated: int | None, tolerated_percentage: float | None) -> None:
        self.tolerated = tolerated
        self.tolerated_percentage = tolerated_percentage
        self.reading = 0  # how often the reader has been asked
        self.asking = False  # whether its answer is awaited
        self.schema: list[str] | None = None  # the columns that an inventory's manifest names
        self.pages: list[JSON] = []  # what the reader has still to be asked
        self.ready = False  # whether the items are known
        self.total = 0  # items
        self.succeeded = 0  # children
        self.failed = 0  # items whose child failed
        self.failed_children: list[int] = []
        self.writing = False
        self.written = False
        self.ended = False

    @property
    def is_over_threshold(self) -> bool:
        """
        Whether more items have failed than are tolerated.

        Source: AWS, "Setting failure thresholds for Distributed Map states".
        """
        if not self.failed:
            return False
        if self.tolerated is None and self.tolerated_percentage is None:
            return True
        if self.tolerated is not None and self.failed > self.tolerated:
            return True
        share = self.tolerated_percentage
        return share is not None and self.failed * 100 > share * self.total


@attrs.define(eq=False)
class Changes:
    """
    What has become pending, or is no longer, since they were last taken.

    *timers* holds those that were started again, too; *withdrawn_timers* may name some that came and went in between.
    """

    tasks: dict[str, PendingTask] = attrs.field(factory=dict)
    withdrawn: list[str] = attrs.field(factory=list)
    timers: dict[str, PendingTimer] = attrs.field(factory=dict)
    withdrawn_timers: list[str] = attrs.field(factory=list)


class ExecutionState:
    """All of one execution."""

    __slots__ = (
        "branches",
        "changes",
        "identity",
        "input",
        "last_id",
        "outcome",
        "program",
        "ready",
        "sequence",
        "started_at",
        "tasks",
        "timers",
        "token_branches",
    )

    def __init__(self, program: Program, identity: Identity) -> None:
        self.program = program
        self.identity = identity
        self.branches: dict[str, Branch] = {}
        self.ready: OrderedDict[str, Branch] = OrderedDict()  # branches of which something follows, in order
        self.tasks: dict[str, PendingTask] = {}
        self.timers: dict[str, PendingTimer] = {}
        self.token_branches: dict[str, str] = {}
        self.outcome = Outcome()
        self.input: JSON = None
        self.started_at: datetime | None = None
        self.last_id = 0
        self.sequence = 0  # events so far, unlisted ones too
        self.changes = Changes()

    @property
    def root(self) -> Branch:
        """The branch that the execution began with."""
        return self.branches[""]

    def add_task(self, branch: Branch, task: PendingTask) -> None:
        """*task* should be under way from now on."""
        self.tasks[task.token] = task
        self.token_branches[task.token] = branch.path
        self.changes.tasks[task.token] = task

    def drop_task(self, token: str) -> None:
        """The task *token* is met or withdrawn."""
        if self.tasks.pop(token, None) is not None:
            del self.token_branches[token]
            if self.changes.tasks.pop(token, None) is None:
                self.changes.withdrawn.append(token)

    def add_timer(self, branch: Branch, timer: PendingTimer) -> None:
        """*timer* runs from now on; one of the same id starts again."""
        if timer.id not in self.timers:
            branch.timers = (*branch.timers, timer.id)
        self.timers[timer.id] = timer
        self.changes.timers[timer.id] = timer

    def drop_timers(self, branch: Branch) -> None:
        """No timer of *branch* runs any more."""
        for timer_id in branch.timers:
            if self.timers.pop(timer_id, None) is not None:
                self.changes.timers.pop(timer_id, None)  # it may have run before and only have been started again
                self.changes.withdrawn_timers.append(timer_id)
        branch.timers = ()
