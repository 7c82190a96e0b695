"""
Starting: saved first, then started, and the record taken back if nothing was started.

So there is no execution without a record, and no record without an execution but where nobody knows whether AWS has
done what it did not answer; such a record stays, and an update finds out.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import attrs

from workflow_manager.aws import Patience, code_of
from workflow_manager.exceptions import ConflictError, NotFoundError, WorkflowStatusError
from workflow_manager.managers.step_functions.blueprints import Blueprints
from workflow_manager.managers.step_functions.executions import NO_MACHINE, Executions, StartFailedError
from workflow_manager.managers.step_functions.limits import execution_input
from workflow_manager.managers.step_functions.machines import Machines, Wanted
from workflow_manager.managers.step_functions.names import machine_of_execution
from workflow_manager.managers.step_functions.redrives import execution_arn
from workflow_manager.managers.step_functions.standing import EXECUTION_TAG
from workflow_manager.models import Workflow, WorkflowDefinition, WorkflowStatus
from workflow_manager.protocols import Store

_TRIES = 10
_NAME_TAKEN = timedelta(days=90)  # so long after its end AWS starts no other execution of the same name


@attrs.frozen
class Starter:
    """Starts the executions of workflows; *clock* gives the present time (aware, UTC)."""

    store: Store
    blueprints: Blueprints
    machines: Machines
    executions: Executions
    patience: Patience
    clock: Callable[[], datetime]

    def start(self, workflow: Workflow, definition: WorkflowDefinition) -> Workflow:
        """
        Save *workflow*, which is new, and start its execution; *definition* is its own, or what that was made from.

        Raises:
            DefinitionError, UnknownResourceError, InvalidValueError: AWS would refuse it; nothing has been done.
            ConflictError: a workflow of that id is there already.
            Exception: the client's own error, if AWS refuses or does not answer.
        """
        wanted = self.blueprints.wanted(definition, workflow.namespace, workflow.start_at)
        text = execution_input(workflow.input, workflow.id)
        name = self.machines.ensure(wanted)
        stored = self.store.save_workflow(self._on(workflow, name))
        try:
            return self._run(stored, wanted, name, text)
        except StartFailedError as failure:
            running = None if failure.maybe_started else self._take_back(stored)
            if running is None:
                raise _cause(failure) from None
        except ConflictError:
            running = self._take_back(stored)
            if running is None:
                raise
        return running

    def check(self, workflow: Workflow) -> None:
        """
        Make sure that *workflow*, which is new, could be started.

        Raises:
            DefinitionError, UnknownResourceError, InvalidValueError: AWS would refuse it.
        """
        self.blueprints.wanted(workflow.workflow_definition, workflow.namespace, workflow.start_at)
        execution_input(workflow.input, workflow.id)

    def begin(self, workflow: Workflow, *, is_placed: bool) -> Workflow:
        """
        Start the execution of *workflow*, which is stored; its record names the state machine first.

        Where it does already (*is_placed*), it is started there and nowhere else, so that there can be no second one.

        Raises:
            ConflictError: the stored revision is another.
            Exception: the client's own error, if AWS refuses or does not answer; this may be called again.
        """
        wanted = self.blueprints.wanted(workflow.workflow_definition, workflow.namespace, workflow.start_at)
        text = execution_input(workflow.input, workflow.id)
        if is_placed:
            name = machine_of_execution(execution_arn(workflow, self.executions.place))
        else:
            name = self.machines.ensure(wanted)
            workflow = self.store.save_workflow(self._on(workflow, name))
        try:
            return self._run(workflow, wanted, name, text)
        except StartFailedError as failure:
            raise _cause(failure) from None

    def _run(self, workflow: Workflow, wanted: Wanted, name: str, text: str) -> Workflow:
        waits = self.patience.waits()
        while True:
            try:
                self.executions.start(name, workflow.id, text)
            except StartFailedError as failure:
                if code_of(_cause(failure)) not in NO_MACHINE or next(waits, waits) is waits:
                    raise
                name, workflow = self._on_another(workflow, wanted, name, failure.maybe_started)
            else:
                return workflow

    def _on_another(self, workflow: Workflow, wanted: Wanted, name: str, in_doubt: bool) -> tuple[str, Workflow]:
        """
        The machine was deleted since we looked, or made so lately that it is not yet seen: look again.

        If it may have been started all the same it is only on a machine of the same *name* that it cannot be twice.
        """
        try:
            self.machines.forget(wanted)
            found = self.machines.ensure(wanted)
            if in_doubt and found != name:
                raise ConflictError("state machine", name)
            return found, self._move(workflow, found)
        except Exception as error:
            raise StartFailedError(in_doubt) from error

    def _on(self, workflow: Workflow, machine_name: str) -> Workflow:
        """*workflow* on that state machine; where its name is not the plain one, a tag says so."""
        arn = self.executions.place.execution(machine_name, workflow.id)
        tags = {name: value for name, value in workflow.tags.items() if name != EXECUTION_TAG}
        plain = attrs.evolve(workflow, tags=tags)
        if execution_arn(plain, self.executions.place) == arn:
            return plain
        return attrs.evolve(workflow, tags={**tags, EXECUTION_TAG: arn})

    def _move(self, workflow: Workflow, machine_name: str) -> Workflow:
        moved = self._on(workflow, machine_name)
        return workflow if moved == workflow else self.store.save_workflow(moved)

    def settle(self, workflow: Workflow) -> None:
        """
        See to it that the execution of *workflow*, which is saved and not yet seen to run, has been started.

        It is started on the state machine that its record names, so that there can be no second one; not if AWS may
        have forgotten one of that name.  The record then says that it runs, so that nobody takes it back.
        """
        if workflow.status is not WorkflowStatus.QUEUED or self.clock() - workflow.created_at >= _NAME_TAKEN:
            return
        name = machine_of_execution(execution_arn(workflow, self.executions.place))
        text, waits = execution_input(workflow.input, workflow.id), self.patience.waits()
        while True:
            try:
                self.executions.start(name, workflow.id, text)
            except StartFailedError as failure:  # a machine that was made lately may not be seen yet
                if code_of(_cause(failure)) not in NO_MACHINE or next(waits, waits) is waits:
                    raise _cause(failure) from None
            else:
                break
        self._mark(workflow)

    def _mark(self, workflow: Workflow) -> None:
        for _ in range(_TRIES):
            try:
                self.store.save_workflow(attrs.evolve(workflow, status=WorkflowStatus.RUNNING))
            except (ConflictError, WorkflowStatusError):  # it was seen to run, or moved, or taken back by its creator
                try:
                    workflow = self.store.get_workflow(workflow.id)
                except NotFoundError:
                    workflow = attrs.evolve(workflow, revision=0)
                if workflow.status is not WorkflowStatus.QUEUED:
                    return
            else:
                return

    def redrive(self, workflow: Workflow, arn: str, number: int) -> Workflow | None:
        """
        Save *workflow*, which is new, and redrive the execution *arn* as it, for the *number*-th time.

        ``None`` if AWS does not do that.
        """
        stored = self.store.save_workflow(workflow)
        try:
            if self.executions.redrive(arn, workflow.id, number):
                return stored
        except StartFailedError as failure:
            if not failure.maybe_started:
                self._take_back(stored)
            raise _cause(failure) from None
        self._take_back(stored)
        return None

    def _take_back(self, workflow: Workflow) -> Workflow | None:
        """Forget *workflow*, unless somebody who came with the same key has started it; then it is returned."""
        try:
            if workflow.idempotency_key:
                current = self.store.get_workflow(workflow.id)
                if current.status is not WorkflowStatus.QUEUED:
                    return current
            self.store.delete_workflow(workflow.id)
        except NotFoundError:
            pass
        return None


def _cause(failure: StartFailedError) -> BaseException:
    return failure.__cause__ or failure
