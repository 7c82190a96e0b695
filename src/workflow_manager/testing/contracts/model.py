"""
A store and a plain dictionary side by side: whatever is done to both, both say the same.

This module alone needs hypothesis.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from workflow_manager.exceptions import ConflictError, NotFoundError, WorkflowStatusError
from workflow_manager.history import HistoryEvent
from workflow_manager.models import Workflow, WorkflowQuery, WorkflowStatus
from workflow_manager.protocols import Lease, Store
from workflow_manager.testing.contracts.samples import NOON, definition, event, items, workflow

_RUNS = itertools.count()
_IDS = st.sampled_from("abcde")
_STATUSES = st.sampled_from(WorkflowStatus)
_MOST = 10_000


@attrs.define
class _Kept:
    """What the dictionary knows of a workflow."""

    workflow: Workflow
    events: list[HistoryEvent]
    lease: Lease | None = None


class StoreMachine(RuleBasedStateMachine):
    """
    The steps.  All that one run makes has a prefix of its own, so that runs can share a store.

    ``store`` and ``settle`` are set by whoever makes a subclass.
    """

    store: Store
    settle: Callable[[], None]

    def __init__(self) -> None:
        super().__init__()
        self.prefix = f"run{next(_RUNS)}-"
        self.kept: dict[str, _Kept] = {}
        self.pending: list[str] = []  # the longest untouched first
        self.said: dict[str, list[int]] = {}  # the greetings of every version of a definition

    def _id(self, letter: str) -> str:
        return self.prefix + letter

    def _touch(self, workflow_id: str) -> None:
        if workflow_id in self.pending:
            self.pending.remove(workflow_id)
        if workflow_id in self.kept and not self.kept[workflow_id].workflow.status.is_final:
            self.pending.append(workflow_id)

    @rule(letter=_IDS, minute=st.integers(0, 3), name=st.sampled_from("xy"), status=_STATUSES, count=st.integers(0, 3))
    def create(self, letter: str, minute: int, name: str, status: WorkflowStatus, count: int) -> None:
        made = workflow(self._id(letter), name=self.prefix + name, minute=minute, status=status, tags={"minute": name})
        news = [event(number) for number in range(1, count + 1)]
        if made.id in self.kept:
            with pytest.raises(ConflictError):
                self.store.save_workflow(made, news)
            return
        self.kept[made.id] = _Kept(self.store.save_workflow(made, news), news)
        self._touch(made.id)

    @precondition(lambda self: self.kept)
    @rule(data=st.data(), status=_STATUSES, behind=st.integers(-1, 1), count=st.integers(0, 3))
    def save(self, data: st.DataObject, status: WorkflowStatus, behind: int, count: int) -> None:
        kept = self.kept[data.draw(st.sampled_from(sorted(self.kept)))]
        changes: dict[str, Any] = data.draw(
            st.fixed_dictionaries(
                {},
                optional={
                    "queue": st.sampled_from("pq"),
                    "tags": st.dictionaries(st.sampled_from("kl"), st.sampled_from("12"), max_size=2),
                    "output": st.sampled_from([None, 1, [2]]),
                    "resolved_by_user": st.booleans(),
                    "last_updated": st.integers(0, 9).map(lambda seconds: NOON + timedelta(seconds=seconds)),
                },
            )
        )
        before = kept.workflow
        changed = attrs.evolve(before, status=status, revision=max(0, before.revision + behind), **changes)
        news = [event(len(kept.events) + number) for number in range(1, count + 1)]
        refused: type[Exception] | None = None
        if changed.revision != before.revision:
            refused = ConflictError
        elif before.status.is_final and status != before.status:
            refused = WorkflowStatusError
        if refused is not None:
            with pytest.raises(refused):
                self.store.save_workflow(changed, news)
            return
        kept.workflow = self.store.save_workflow(changed, news)
        kept.events += news
        assert kept.workflow == attrs.evolve(changed, revision=before.revision + 1)
        self._touch(changed.id)

    @rule(letter=_IDS)
    def delete(self, letter: str) -> None:
        if self.kept.pop(self._id(letter), None) is None:
            with pytest.raises(NotFoundError):
                self.store.delete_workflow(self._id(letter))
        else:
            self.store.delete_workflow(self._id(letter))
            self._touch(self._id(letter))

    @rule(letter=_IDS, after=st.integers(0, 4), limit=st.integers(1, 3))
    def read(self, letter: str, after: int, limit: int) -> None:
        kept = self.kept.get(self._id(letter))
        if kept is None:
            for ask in (self.store.get_workflow, self.store.read_history):
                with pytest.raises(NotFoundError):
                    ask(self._id(letter))
            return
        assert self.store.get_workflow(kept.workflow.id) == kept.workflow
        read = items(
            lambda token: self.store.read_history(kept.workflow.id, after=after, limit=limit, page_token=token)
        )
        assert read == kept.events[after:]

    @rule(
        name=st.sampled_from("xy"),
        asked=st.fixed_dictionaries(
            {"oldest_first": st.booleans(), "limit": st.integers(1, 3)},
            optional={
                "status": _STATUSES,
                "queue": st.sampled_from(["default", "p", "q"]),
                "tags": st.dictionaries(st.sampled_from("kl"), st.sampled_from("12"), max_size=2),
                "resolved_by_user": st.booleans(),
                "retry_for": st.just(""),
                "created_after": st.integers(0, 3).map(lambda minute: NOON + timedelta(minutes=minute)),
                "created_before": st.integers(0, 3).map(lambda minute: NOON + timedelta(minutes=minute)),
            },
        ),
    )
    def list(self, name: str, asked: dict[str, Any]) -> None:
        query = WorkflowQuery(definition_name=self.prefix + name, **asked)
        matching = [kept.workflow for kept in self.kept.values() if query.matches(kept.workflow)]
        matching.sort(key=lambda one: (one.created_at, one.id), reverse=not query.oldest_first)
        self.settle()
        assert items(lambda token: self.store.list_workflows(attrs.evolve(query, page_token=token))) == matching

    @rule()
    def list_pending(self) -> None:
        self.settle()
        listed = [one for one in self.store.list_pending(_MOST) if one.startswith(self.prefix)]
        assert listed == [one for one in self.pending if self.kept[one].lease is None]

    @precondition(lambda self: self.kept)
    @rule(data=st.data(), owner=st.sampled_from(["me", "you"]))
    def acquire(self, data: st.DataObject, owner: str) -> None:
        kept = self.kept[data.draw(st.sampled_from(sorted(self.kept)))]
        if kept.lease is not None and kept.lease.owner != owner:
            with pytest.raises(ConflictError):
                self.store.acquire(kept.workflow.id, owner, 3600)
            return
        kept.lease = self.store.acquire(kept.workflow.id, owner, 3600)
        self._touch(kept.workflow.id)

    @precondition(lambda self: any(kept.lease for kept in self.kept.values()))
    @rule(data=st.data(), ends=st.booleans())
    def tend(self, data: st.DataObject, ends: bool) -> None:
        held = [kept for _, kept in sorted(self.kept.items()) if kept.lease is not None]
        kept = data.draw(st.sampled_from(held))
        assert kept.lease is not None
        assert self.store.renew(kept.lease).token == kept.lease.token
        if ends:
            self.store.release(kept.lease)
            with pytest.raises(ConflictError):
                self.store.renew(kept.lease)
            kept.lease = None

    @rule(name=st.sampled_from("xy"), greeting=st.integers(0, 2))
    def define(self, name: str, greeting: int) -> None:
        said = self.said.setdefault(self.prefix + name, [])
        if not said or said[-1] != greeting:
            said.append(greeting)
        saved = self.store.save_workflow_definition(definition(self.prefix + name, greeting))
        assert saved.version == len(said) - 1
        assert self.store.get_workflow_definition(self.prefix + name) == saved
        listed = self.store.list_workflow_definition_versions(self.prefix + name, limit=_MOST)
        assert [one.state_machine for one in listed] == [definition(name, one).state_machine for one in said[::-1]]


def run(store: Store, settle: Callable[[], None], examples: int) -> None:
    """Try so many *examples*, each of up to 30 steps, on *store*."""
    machine = type("Machine", (StoreMachine,), {"store": store, "settle": staticmethod(settle)})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )
