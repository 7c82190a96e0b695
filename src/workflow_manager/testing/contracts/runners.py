"""
What every task runner must do, as tests.

Make a class of your own and give it your runner.  It must find the task ``echo``, which returns its input, and the task
``boom``, which fails with the error ``Boom``; ``rest`` is a task that nobody ever answers::

    class TestMyRunner(RunnerContract):
        @pytest.fixture
        def runner(self):
            return MyRunner(...)
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import ClassVar

import attrs
import pytest

from workflow_manager.asl.machine import StateMachine
from workflow_manager.asl.resources import parse_resource
from workflow_manager.asl.values import JSON
from workflow_manager.engine.pending import PendingTask
from workflow_manager.engine.reports import Report, TaskFailed, TaskSucceeded
from workflow_manager.models import Workflow, WorkflowDefinition
from workflow_manager.protocols import TaskRunner

_LOOKS = 500
_NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)


class RunnerContract:
    """The law of :class:`workflow_manager.protocols.TaskRunner`."""

    echo: ClassVar[str] = "echo"
    """The resource of a task that returns its input."""

    boom: ClassVar[str] = "boom"
    """The resource of a task that fails with the error ``Boom``."""

    rest: ClassVar[str] = "rest"
    """The resource of a task that is never done."""

    @pytest.fixture
    def runner(self) -> TaskRunner:
        """The runner under test.  Yours to give."""
        raise NotImplementedError("give the contract a runner: override the fixture `runner`")

    def again(self, runner: TaskRunner) -> TaskRunner:
        """A runner over the same work as another process would have it; *runner* itself where there is none."""
        return runner

    def pass_time(self, runner: TaskRunner) -> None:
        """Let tasks get on a little; one whose time is virtual overrides this."""
        time.sleep(0.01)

    # what tests are made of

    def workflow(self, id: str = "w") -> Workflow:
        """A workflow of which tasks are pending."""
        machine = StateMachine.from_dict({"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}})
        definition = WorkflowDefinition(name="contract", state_machine=machine)
        return Workflow(id=id, workflow_definition=definition, created_at=_NOON, last_updated=_NOON, revision=1)

    def task(self, number: int, resource: str, input: JSON = None, workflow: str = "w") -> PendingTask:
        """A task as the engine makes them; *number* makes its token."""
        return PendingTask(
            token=f"{workflow}.{number}.0",
            branch="",
            state=f"State {number}",
            resource=parse_resource(resource),
            input=input,
            attempt=0,
            scheduled_event_id=number,
            scheduled_at=_NOON,
        )

    def started(self, runner: TaskRunner, workflow: Workflow, task: PendingTask) -> list[Report]:
        """Start *task*; the news that there is at once."""
        news = runner.start(workflow, task)
        return [] if news is None else [news]

    def end_of(
        self, runner: TaskRunner, workflow: Workflow, task: PendingTask, others: Iterable[PendingTask] = ()
    ) -> TaskSucceeded | TaskFailed:
        """Start *task* and see it to its end, *others* being pending as well."""
        news = self.started(runner, workflow, task)
        for _ in range(_LOOKS):
            for report in news:
                if isinstance(report, TaskSucceeded | TaskFailed) and report.token == task.token:
                    return report
            self.pass_time(runner)
            news = list(runner.poll(workflow, [task, *others]))
        raise AssertionError(f"{task} does not end")

    # the law

    def test_it_is_a_task_runner(self, runner: TaskRunner) -> None:
        """It has every method of the protocol."""
        assert isinstance(runner, TaskRunner)

    @pytest.mark.parametrize("input", [None, {"n": [1, None, "ä\n"]}, [], "text", 0, False])
    def test_a_task_gets_its_input_and_gives_its_output(self, runner: TaskRunner, input: JSON) -> None:
        """Any JSON value, unchanged, under the task's own token."""
        report = self.end_of(runner, self.workflow(), self.task(1, self.echo, input))
        assert isinstance(report, TaskSucceeded)
        assert (report.token, report.output) == ("w.1.0", input)
        assert report.at.tzinfo is not None

    def test_a_failure_has_its_name(self, runner: TaskRunner) -> None:
        """What the task calls its error is the report's."""
        report = self.end_of(runner, self.workflow(), self.task(1, self.boom, {}))
        assert isinstance(report, TaskFailed)
        assert (report.token, report.error) == ("w.1.0", "Boom")

    def test_a_task_that_cannot_be_started_is_a_failure(self, runner: TaskRunner) -> None:
        """Not an exception, which would mean that nobody knows; sooner or later it is told."""
        report = self.end_of(runner, self.workflow(), self.task(1, "nobody-has-this", {}))
        assert isinstance(report, TaskFailed)

    def test_starting_again_changes_nothing(self, runner: TaskRunner) -> None:
        """A token is one task, whoever starts it, and its end may be told again."""
        workflow, task = self.workflow(), self.task(1, self.echo, {"n": 1})
        self.started(runner, workflow, task)
        first = self.end_of(runner, workflow, task)
        other = self.again(runner)
        self.started(other, workflow, task)
        for report in other.poll(workflow, [task]):
            if isinstance(report, TaskSucceeded | TaskFailed) and report.token == task.token:
                assert attrs.evolve(report, at=first.at) == first

    def test_each_task_hears_of_itself(self, runner: TaskRunner) -> None:
        """Several tasks, of several workflows, side by side: every token has its own output."""
        for id in ("w", "v"):
            workflow = self.workflow(id)
            tasks = [self.task(number, self.echo, {"n": number, "of": id}, workflow=id) for number in range(1, 6)]
            for task in tasks:
                self.started(runner, workflow, task)
            for number, task in enumerate(tasks, 1):
                report = self.end_of(runner, workflow, task, tasks)
                assert isinstance(report, TaskSucceeded)
                assert report.output == {"n": number, "of": id}

    def test_what_is_not_done_has_no_end(self, runner: TaskRunner) -> None:
        """However often one asks; other tasks end meanwhile."""
        workflow, resting = self.workflow(), self.task(1, self.rest, {})
        news = self.started(runner, workflow, resting)
        self.end_of(runner, workflow, self.task(2, self.echo, {}), [resting])
        for _ in range(5):
            self.pass_time(runner)
            news += runner.poll(workflow, [resting])
        ends = [report for report in news if isinstance(report, TaskSucceeded | TaskFailed)]
        assert resting.token not in {report.token for report in ends}

    def test_what_is_kept_goes_on(self, runner: TaskRunner) -> None:
        """Stopping withdraws all but what is to be kept; withdrawing again is no error."""
        workflow, resting, task = self.workflow(), self.task(1, self.rest, {}), self.task(2, self.echo, {"n": 2})
        for each in (resting, task):
            self.started(runner, workflow, each)
        runner.stop(workflow, [task.token])
        runner.stop(workflow, [task.token])
        assert isinstance(self.end_of(runner, workflow, task), TaskSucceeded)
        runner.stop(workflow, ())

    def test_tokens_that_it_does_not_know_are_no_error(self, runner: TaskRunner) -> None:
        """Neither among what is asked about nor among what is kept, nor is a workflow without any task."""
        workflow, stranger = self.workflow(), self.task(99, self.echo, {})
        assert not [report for report in runner.poll(workflow, [stranger]) if isinstance(report, TaskSucceeded)]
        assert not runner.poll(workflow, [])
        runner.stop(workflow, [stranger.token])
        runner.stop(self.workflow("another"), ())
