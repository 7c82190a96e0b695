"""
What every workflow manager must do, as tests.

Make a class of your own and give it your manager and the store it is over.  The manager must find the task ``echo``,
which returns its input, and the task ``boom``, which fails with the error ``Boom``::

    class TestMyManager(ManagerContract):
        @pytest.fixture
        def store(self):
            return MemoryStore()

        @pytest.fixture
        def manager(self, store):
            return MyManager(store, ...)
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import attrs
import pytest

from workflow_manager.asl.machine import ABSENT, StateMachine
from workflow_manager.asl.values import JSON
from workflow_manager.exceptions import (
    DefinitionError,
    InvalidValueError,
    NotFoundError,
    UnknownResourceError,
    WorkflowStatusError,
)
from workflow_manager.models import JobStatus, Workflow, WorkflowDefinition, WorkflowQuery, WorkflowStatus
from workflow_manager.protocols import Store, WorkflowManager

_LOOKS = 500
_LONG = 3600  # seconds; no test lasts that long, in whatever time


class _Bench:
    """What the parts of the contract share; namespaces are ``""`` and ``prod``, and tasks are found in both."""

    definition_manager: ClassVar[str] = "local"
    """What definitions call the manager under test."""

    echo: ClassVar[str] = "echo"
    """The resource of a task that returns its input."""

    boom: ClassVar[str] = "boom"
    """The resource of a task that fails with the error ``Boom``."""

    knows_resources: ClassVar[bool] = True
    """Whether the manager can tell before it starts that nothing is registered under a resource's name."""

    threads: ClassVar[int] = 8
    """How many threads may ask the manager at once."""

    @pytest.fixture
    def store(self) -> Store:
        """The store that the manager is over, empty.  Yours to give."""
        raise NotImplementedError("give the contract a store: override the fixture `store`")

    @pytest.fixture
    def manager(self, store: Store) -> WorkflowManager:
        """The manager under test, over *store*.  Yours to give."""
        raise NotImplementedError("give the contract a manager: override the fixture `manager`")

    def plain(self, value: JSON) -> JSON:
        """An input or output without what the manager adds by itself."""
        return value

    def pass_time(self, manager: WorkflowManager) -> None:
        """Let tasks get on a little, less than a minute; one whose time is virtual overrides this."""
        time.sleep(0.01)

    # what tests are made of

    def define(self, states: Mapping[str, Any], name: str = "contract", **more: Any) -> WorkflowDefinition:
        """A definition of these *states*, which begins with the first."""
        machine = StateMachine.from_dict({"StartAt": next(iter(states)), "States": states})
        return WorkflowDefinition(name=name, state_machine=machine, manager=self.definition_manager, **more)

    def task(self, resource: str, next: str | None = None) -> dict[str, Any]:
        """A Task state that ends its workflow, or goes on to *next*."""
        return {"Type": "Task", "Resource": resource, **({"Next": next} if next else {"End": True})}

    def good(self, **more: Any) -> WorkflowDefinition:
        """Two tasks that go well."""
        return self.define({"First": self.task(self.echo, "Second"), "Second": self.task(self.echo)}, **more)

    def bad(self) -> WorkflowDefinition:
        """A task that goes well, and one that fails."""
        return self.define({"First": self.task(self.echo, "Second"), "Second": self.task(self.boom)})

    def slow(self) -> WorkflowDefinition:
        """A workflow that does not end by itself for a long time."""
        return self.define({"Rest": {"Type": "Wait", "Seconds": _LONG, "Next": "Last"}, "Last": self.task(self.echo)})

    def finish(self, manager: WorkflowManager, workflow: Workflow) -> Workflow:
        """Let time pass until *workflow* has ended; then with its jobs."""
        for _ in range(_LOOKS):
            workflow = manager.update_workflow_summary(workflow)
            if workflow.status.is_final:
                return manager.update_workflow_history(workflow)
            self.pass_time(manager)
        raise AssertionError(f"{workflow} does not end")

    def run(self, manager: WorkflowManager, definition: WorkflowDefinition, input: JSON = None) -> Workflow:
        """Start a workflow and see it to its end."""
        return self.finish(manager, manager.create_workflow(definition, {"n": 1} if input is None else input))


class _Starting(_Bench):
    def test_it_is_a_workflow_manager(self, manager: WorkflowManager) -> None:
        """It has every method of the protocol."""
        assert isinstance(manager, WorkflowManager)

    def test_a_workflow_is_what_was_asked_for(self, manager: WorkflowManager, store: Store) -> None:
        """Definition, input, namespace, queue and tags are the caller's; the record is in the store, with times."""
        definition = self.slow()
        workflow = manager.create_workflow(
            definition, {"n": [1, None, "x"]}, namespace="prod", queue="default", tags={"team": "a"}
        )
        stored = store.get_workflow(workflow.id)

        assert (self.plain(stored.input), stored.namespace, stored.queue, stored.tags["team"]) == (
            {"n": [1, None, "x"]},
            "prod",
            "default",
            "a",
        )
        assert stored.workflow_definition.state_machine == definition.state_machine
        assert stored.workflow_definition.manager == self.definition_manager
        assert stored.revision >= workflow.revision > 0
        assert not workflow.status.is_final
        assert workflow.last_updated >= workflow.created_at
        assert (workflow.retry_for, workflow.retries, workflow.output) == ("", (), None)

    def test_default_tags_count_where_nothing_else_is_said(self, manager: WorkflowManager) -> None:
        """The definition's default tags are on every workflow, under those of the call."""
        definition = self.define({"A": self.task(self.echo)}, default_tags={"team": "a", "cost": "low"})
        workflow = manager.create_workflow(definition, {}, tags={"cost": "high"})

        assert (workflow.tags["team"], workflow.tags["cost"]) == ("a", "high")

    def test_the_input_is_a_copy(self, manager: WorkflowManager, store: Store) -> None:
        """Whoever changes an input after the call changes no workflow."""
        given = {"items": [1]}
        workflow = manager.create_workflow(self.slow(), given)
        given["items"].append(2)

        assert self.plain(store.get_workflow(workflow.id).input) == {"items": [1]}

    def test_each_start_is_another_workflow(self, manager: WorkflowManager) -> None:
        """Without an idempotency key nothing is taken for a repetition."""
        definition = self.slow()
        assert manager.create_workflow(definition, {}).id != manager.create_workflow(definition, {}).id

    def test_a_key_makes_a_start_repeatable(self, manager: WorkflowManager, store: Store) -> None:
        """The same key under the same name gives the same workflow, also when it has ended; another name another."""
        first = manager.create_workflow(self.good(), {"n": 1}, idempotency_key="k")
        again = manager.create_workflow(self.good(), {"n": 1}, idempotency_key="k")
        other = manager.create_workflow(self.good(name="other"), {"n": 1}, idempotency_key="k")
        self.finish(manager, first)
        late = manager.create_workflow(self.good(), {"n": 1}, idempotency_key="k")

        assert first.id == again.id == late.id != other.id
        assert first.idempotency_key == "k"
        assert len(store.list_workflows(WorkflowQuery(definition_name="contract"))) == 1

    def test_many_at_once_with_one_key_get_one_workflow(self, manager: WorkflowManager, store: Store) -> None:
        """Of several threads that start under one key, all get the same workflow, and it runs once."""
        definition = self.good()

        def start(_: int) -> str:
            return manager.create_workflow(definition, {"n": 1}, idempotency_key="k").id

        with ThreadPoolExecutor(self.threads) as pool:
            ids = set(pool.map(start, range(4 * self.threads)))
        assert len(ids) == 1
        workflow = self.finish(manager, store.get_workflow(ids.pop()))
        assert [job.state for job in workflow.jobs if job.state_type == "Task"] == ["First", "Second"]

    def test_what_cannot_run_is_not_started(self, manager: WorkflowManager, store: Store) -> None:
        """A definition with an error is refused with all its problems, and nothing is stored."""
        broken = self.define({"First": self.task(self.echo, "Nowhere")})
        with pytest.raises(DefinitionError) as raised:
            manager.create_workflow(broken, {})

        assert raised.value.problems
        assert len(store.list_workflows(WorkflowQuery())) == 0

    def test_an_input_must_be_json(self, manager: WorkflowManager, store: Store) -> None:
        """What JSON cannot say is refused, and nothing is stored."""
        not_json: Any = {"n": object()}
        with pytest.raises(InvalidValueError):
            manager.create_workflow(self.good(), not_json)

        assert len(store.list_workflows(WorkflowQuery())) == 0

    def test_a_resource_must_be_known(self, manager: WorkflowManager, store: Store) -> None:
        """A resource that nobody can run is refused by its state's name, and nothing is stored."""
        if not self.knows_resources:
            pytest.skip("this manager cannot tell")
        with pytest.raises(UnknownResourceError) as raised:
            manager.create_workflow(self.define({"Lost": self.task("no-such-resource")}), {}, namespace="prod")

        assert (raised.value.state, raised.value.resource) == ("Lost", "no-such-resource")
        assert len(store.list_workflows(WorkflowQuery())) == 0


class _Looking(_Bench):
    def test_a_workflow_succeeds(self, manager: WorkflowManager, store: Store) -> None:
        """It ends with its output, as one that nobody need look into; every Task is a job with input and output."""
        workflow = self.run(manager, self.good(), {"n": 7})
        jobs = [job for job in workflow.jobs if job.state_type == "Task"]

        assert (workflow.status, self.plain(workflow.output), workflow.resolved_by_user) == (
            WorkflowStatus.SUCCEEDED,
            {"n": 7},
            True,
        )
        assert workflow.is_done
        assert workflow.stopped_at is not None and workflow.stopped_at >= workflow.created_at
        assert [(job.state, job.status, self.plain(job.input), self.plain(job.output)) for job in jobs] == [
            ("First", JobStatus.SUCCEEDED, {"n": 7}, {"n": 7}),
            ("Second", JobStatus.SUCCEEDED, {"n": 7}, {"n": 7}),
        ]
        assert len({job.id for job in workflow.jobs}) == len(workflow.jobs)
        assert workflow.last_job is not None and workflow.last_job.state == "Second"

    def test_a_workflow_fails(self, manager: WorkflowManager) -> None:
        """It ends with error and reason, not resolved; the job that failed says so."""
        workflow = self.run(manager, self.bad())

        assert (workflow.status, workflow.output, workflow.resolved_by_user) == (WorkflowStatus.FAILED, None, False)
        assert workflow.error == "Boom"
        assert "Boom" in workflow.status_reason
        assert [job.status for job in workflow.jobs] == [JobStatus.SUCCEEDED, JobStatus.FAILED]
        assert workflow.last_job is not None and workflow.last_job.state == "Second"

    def test_what_is_returned_is_as_stored(self, manager: WorkflowManager, store: Store) -> None:
        """Status, output and revision of an answer are those that the store has."""
        for definition in (self.good(), self.bad(), self.slow()):
            shown = manager.update_workflow_summary(manager.create_workflow(definition, {"n": 1}))
            stored = store.get_workflow(shown.id)
            assert shown.revision <= stored.revision
        ended = self.run(manager, self.good())
        stored = store.get_workflow(ended.id)
        assert attrs.evolve(ended, jobs=(), last_job=None) == attrs.evolve(stored, jobs=(), last_job=None)

    def test_looking_again_changes_nothing(self, manager: WorkflowManager, store: Store) -> None:
        """An ended workflow may be looked at as often as one likes: it says the same, and nothing is written."""
        ended = self.run(manager, self.good())
        revision = store.get_workflow(ended.id).revision
        assert manager.update_workflow_history(ended) == ended
        assert manager.update_workflow_summary(ended).status is ended.status
        assert store.get_workflow(ended.id).revision == revision

    def test_an_old_copy_is_as_good_as_a_new_one(self, manager: WorkflowManager) -> None:
        """A manager goes by the store, not by what is in the caller's hands."""
        old = manager.create_workflow(self.good(), {"n": 1})
        self.finish(manager, old)

        assert manager.update_workflow_summary(old).status is WorkflowStatus.SUCCEEDED
        with pytest.raises(WorkflowStatusError):
            manager.cancel_workflow(old, reason="too late")

    def test_a_workflow_that_was_deleted_is_not_found(self, manager: WorkflowManager, store: Store) -> None:
        """Nothing can be done with a workflow that is not in the store."""
        ended = self.run(manager, self.good())
        store.delete_workflow(ended.id)
        with pytest.raises(NotFoundError):
            manager.update_workflow_summary(ended)
        with pytest.raises(NotFoundError):
            manager.update_workflow_history(ended)
        with pytest.raises(NotFoundError):
            manager.cancel_workflow(ended, reason="gone")
        with pytest.raises(NotFoundError):
            manager.retry_workflow(ended)


class _Ending(_Bench):
    def test_a_workflow_is_cancelled(self, manager: WorkflowManager, store: Store) -> None:
        """It ends as cancelled, resolved, with the reason, and stays so; once more is no error and no news."""
        workflow = manager.create_workflow(self.slow(), {})
        manager.cancel_workflow(workflow, reason="not needed")
        ended = self.finish(manager, workflow)
        again = manager.cancel_workflow(workflow, reason="another reason")

        assert (ended.status, ended.status_reason, ended.resolved_by_user) == (
            WorkflowStatus.CANCELLED,
            "not needed",
            True,
        )
        assert (again.status, again.status_reason) == (WorkflowStatus.CANCELLED, "not needed")
        assert all(job.status.is_final for job in ended.jobs)
        self.pass_time(manager)
        assert manager.update_workflow_summary(workflow).status is WorkflowStatus.CANCELLED

    def test_what_has_ended_cannot_be_cancelled(self, manager: WorkflowManager, store: Store) -> None:
        """A workflow that has succeeded or failed refuses, and stays as it is."""
        for definition in (self.good(), self.bad()):
            ended = self.run(manager, definition)
            with pytest.raises(WorkflowStatusError) as raised:
                manager.cancel_workflow(ended, reason="too late")
            assert raised.value.status == ended.status.value
            assert store.get_workflow(ended.id).status is ended.status


class _Retrying(_Bench):
    def test_a_retry_starts_where_it_failed(self, manager: WorkflowManager, store: Store) -> None:
        """By default that is the state that failed, with what it was given; the two workflows name each other."""
        failed = self.run(manager, self.bad(), {"n": 3})
        retry = manager.retry_workflow(failed)
        ended = self.finish(manager, retry)

        assert retry.id != failed.id
        assert retry.retry_for == failed.id
        assert store.get_workflow(failed.id).retries == (retry.id,)
        assert store.get_workflow(failed.id).status is WorkflowStatus.FAILED
        assert (ended.status, ended.error) == (WorkflowStatus.FAILED, "Boom")
        assert ended.last_job is not None
        assert (ended.last_job.state, self.plain(ended.last_job.input)) == ("Second", {"n": 3})

    def test_a_retry_starts_where_it_is_told_to(self, manager: WorkflowManager) -> None:
        """From the state *start_at* on, over *input*; namespace, queue and tags are those of the first."""
        first = manager.create_workflow(self.good(), {"n": 1}, namespace="prod", tags={"team": "a"})
        self.finish(manager, first)
        retry = manager.retry_workflow(first, start_at="Second", input={"n": 2})
        ended = self.finish(manager, retry)

        assert (ended.status, self.plain(ended.output)) == (WorkflowStatus.SUCCEEDED, {"n": 2})
        assert [job.state for job in ended.jobs if job.state_type == "Task"] == ["Second"]
        assert (retry.start_at, retry.namespace, retry.queue, retry.tags["team"]) == ("Second", "prod", "default", "a")

    def test_a_retry_may_run_what_has_been_mended(self, manager: WorkflowManager, store: Store) -> None:
        """With a *definition* it runs that one, with a *namespace* there; the first stays as it was."""
        failed = self.run(manager, self.bad(), {"n": 7})
        mended = self.good()
        retry = manager.retry_workflow(failed, definition=mended, namespace="prod")
        ended = self.finish(manager, retry)

        assert (ended.status, self.plain(ended.output)) == (WorkflowStatus.SUCCEEDED, {"n": 7})
        assert [job.state for job in ended.jobs if job.state_type == "Task"] == ["Second"]
        assert (retry.namespace, retry.retry_for, retry.start_at) == ("prod", failed.id, "Second")
        ran, first = store.get_workflow(retry.id).workflow_definition, store.get_workflow(failed.id).workflow_definition
        assert ran.state_machine.to_dict() == mended.state_machine.to_dict()
        assert first.state_machine.to_dict() == failed.workflow_definition.state_machine.to_dict()
        with pytest.raises(InvalidValueError):
            manager.retry_workflow(failed, definition=self.define({"Only": self.task(self.echo)}))

    def test_a_retry_takes_the_latest_input(self, manager: WorkflowManager) -> None:
        """Without *input* the state gets what it was given when it was entered last."""
        first = self.run(manager, self.good(), {"n": 5})
        ended = self.finish(manager, manager.retry_workflow(first, start_at="Second"))

        assert (self.plain(ended.input), self.plain(ended.output)) == ({"n": 5}, {"n": 5})

    def test_an_empty_input_is_an_input(self, manager: WorkflowManager) -> None:
        """What is given counts, however little it is."""
        first = self.run(manager, self.good(), {"n": 1})
        ended = self.finish(manager, manager.retry_workflow(first, start_at="First", input={}))

        assert (self.plain(ended.input), self.plain(ended.output)) == ({}, {})

    def test_an_active_workflow_is_not_retried(self, manager: WorkflowManager) -> None:
        """Neither is one with a retry that is active: there would be two at the same work."""
        active = manager.create_workflow(self.slow(), {})
        with pytest.raises(WorkflowStatusError):
            manager.retry_workflow(active)
        manager.cancel_workflow(active, reason="for the test")
        ended = self.finish(manager, active)
        retry = manager.retry_workflow(ended, start_at="Rest", input={})
        for start_at, input in ((None, ABSENT), ("Rest", {})):
            with pytest.raises(WorkflowStatusError):
                manager.retry_workflow(ended, start_at=start_at, input=input)
        manager.cancel_workflow(retry, reason="for the test")

    def test_a_retry_needs_a_state_and_an_input(self, manager: WorkflowManager, store: Store) -> None:
        """There is no start at a state that is not there, nor without input at one that was never entered."""
        unreached = self.define({"First": self.task(self.boom, "Second"), "Second": self.task(self.echo)})
        failed = self.run(manager, unreached)
        with pytest.raises(InvalidValueError):
            manager.retry_workflow(failed, start_at="Nowhere", input={})
        with pytest.raises(InvalidValueError):
            manager.retry_workflow(failed, start_at="Second")

        assert store.get_workflow(failed.id).retries == ()
        ended = self.finish(manager, manager.retry_workflow(failed, start_at="Second", input={"n": 1}))
        assert self.plain(ended.output) == {"n": 1}


class ManagerContract(_Starting, _Looking, _Ending, _Retrying):
    """
    The whole law of :class:`workflow_manager.protocols.WorkflowManager`.

    Override the fixtures ``store`` and ``manager``; ``definition_manager``, ``echo`` and ``boom`` where they are called
    otherwise; :meth:`pass_time` if time is virtual.
    """
