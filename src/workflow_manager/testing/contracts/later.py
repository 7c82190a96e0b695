"""What a manager must do whose workflows can be kept in the store before they start, as tests beyond its contract."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from workflow_manager.exceptions import ConflictError, DefinitionError, InvalidValueError, WorkflowStatusError
from workflow_manager.managers.later import StartsLater, held, is_held, let_go
from workflow_manager.models import Workflow, WorkflowQuery, WorkflowStatus
from workflow_manager.protocols import Store, WorkflowManager
from workflow_manager.testing.contracts.managers import ManagerContract


class StartsLaterContract(ManagerContract):
    """The law of managers, and that of :class:`workflow_manager.managers.later.StartsLater`."""

    def starter(self, manager: WorkflowManager) -> StartsLater:
        """The manager under test, as one that starts later."""
        assert isinstance(manager, StartsLater)
        return manager

    def kept(self, manager: WorkflowManager, store: Store) -> Workflow:
        """A workflow that is made, and kept in the store."""
        return store.save_workflow(held(self.starter(manager).new_workflow(self.good(), {"n": 1}, tags={"team": "a"})))

    def test_what_is_made_is_not_started(self, manager: WorkflowManager, store: Store) -> None:
        """It is what ``create_workflow`` would have stored, at revision 0, and there is nothing of it in the store."""
        made = self.starter(manager).new_workflow(self.good(), {"n": 1}, queue="default", idempotency_key="k")

        assert (made.revision, made.status, made.idempotency_key) == (0, WorkflowStatus.QUEUED, "k")
        assert made.workflow_definition.manager == self.definition_manager
        assert len(store.list_workflows(WorkflowQuery())) == 0
        assert manager.create_workflow(self.good(), {"n": 1}, idempotency_key="k").id == made.id

    def test_what_cannot_run_is_not_made(self, manager: WorkflowManager) -> None:
        """A definition with an error is refused as by ``create_workflow``, and so is an input that is no JSON."""
        starter = self.starter(manager)
        with pytest.raises(DefinitionError):
            starter.new_workflow(self.define({"First": self.task(self.echo, "Nowhere")}), {})
        with pytest.raises(InvalidValueError):
            starter.new_workflow(self.good(), float("nan"))

    def test_what_was_kept_begins_once(self, manager: WorkflowManager, store: Store) -> None:
        """It runs as if it had been created then, under its own name; to begin it again changes nothing."""
        kept = self.kept(manager, store)
        starter = self.starter(manager)
        begun = starter.begin_workflow(let_go(kept))
        ended = self.finish(manager, begun)

        assert (begun.id, begun.status, begun.created_at) == (kept.id, WorkflowStatus.RUNNING, kept.created_at)
        assert (ended.status, self.plain(ended.output)) == (WorkflowStatus.SUCCEEDED, {"n": 1})
        assert (ended.workflow_definition.manager, ended.tags["team"]) == (self.definition_manager, "a")
        assert not is_held(ended)
        assert [job.state for job in ended.jobs if job.state_type == "Task"] == ["First", "Second"]

    def test_of_many_that_begin_it_one_does(self, manager: WorkflowManager, store: Store) -> None:
        """However many call at once, it runs once, and who comes too late is told of a conflict, if of anything."""
        kept = self.kept(manager, store)

        def begin(_: int) -> None:
            with suppress(ConflictError):
                self.starter(manager).begin_workflow(let_go(kept))

        with ThreadPoolExecutor(self.threads) as pool:
            list(pool.map(begin, range(2 * self.threads)))
        ended = self.finish(manager, store.get_workflow(kept.id))
        assert [job.state for job in ended.jobs if job.state_type == "Task"] == ["First", "Second"]

    def test_what_is_held_is_left_alone(self, manager: WorkflowManager, store: Store) -> None:
        """Nobody starts it by looking, and nobody retries it; whoever cancels it ends it."""
        kept = self.kept(manager, store)
        self.pass_time(manager)

        assert manager.update_workflow_summary(kept).status is WorkflowStatus.QUEUED
        assert manager.update_workflow_history(kept).status is WorkflowStatus.QUEUED
        with pytest.raises(WorkflowStatusError):
            manager.retry_workflow(kept)
        assert store.get_workflow(kept.id) == kept
        cancelled = manager.cancel_workflow(kept, reason="not needed")
        assert (cancelled.status, cancelled.status_reason) == (WorkflowStatus.CANCELLED, "not needed")
        with suppress(ConflictError, WorkflowStatusError):
            self.starter(manager).begin_workflow(let_go(kept))
        assert store.get_workflow(kept.id).status is WorkflowStatus.CANCELLED

    def test_a_retry_can_be_kept_too(self, manager: WorkflowManager, store: Store) -> None:
        """It is what ``retry_workflow`` would start from a state, under the same rules."""
        failed = self.run(manager, self.bad(), {"n": 3})
        starter = self.starter(manager)
        kept = store.save_workflow(held(starter.new_retry(failed)))

        assert (kept.retry_for, kept.start_at, self.plain(kept.input)) == (failed.id, "Second", {"n": 3})
        assert store.get_workflow(failed.id).retries == ()
        assert self.finish(manager, starter.begin_workflow(let_go(kept))).error == "Boom"
        with pytest.raises(InvalidValueError):
            starter.new_retry(failed, start_at="Nowhere")
