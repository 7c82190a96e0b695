"""The law of workflows and their histories."""

from __future__ import annotations

import time
from typing import Any

import attrs
import pytest

from workflow_manager.asl.values import JSON
from workflow_manager.exceptions import ConflictError, InvalidValueError, NotFoundError, WorkflowStatusError
from workflow_manager.history import HistoryEvent, HistoryEventType, UnlistedEventType
from workflow_manager.models import Job, JobAttempt, JobStatus, StateResource, Workflow, WorkflowQuery, WorkflowStatus
from workflow_manager.protocols import Store
from workflow_manager.testing.contracts.samples import (
    NOON,
    WRITERS,
    Contract,
    at_once,
    event,
    items,
    pages,
    spoil,
    spoil_workflow,
    workflow,
)


class WorkflowContract(Contract):
    """The law of :class:`workflow_manager.protocols.WorkflowStore`: saving and reading."""

    def test_revisions(self, store: Store) -> None:
        """A save gives the next revision, and what was saved is read at once, through every client."""
        first = store.save_workflow(workflow("w"))
        second = store.save_workflow(attrs.evolve(first, status=WorkflowStatus.RUNNING))
        assert (first.revision, second.revision) == (1, 2)
        assert store.get_workflow("w") == self.another(store).get_workflow("w") == second

    @pytest.mark.parametrize("believed", [0, 1, 3])
    def test_a_wrong_revision_writes_nothing(self, store: Store, believed: int) -> None:
        """A save that believes in another revision is a ConflictError, and neither workflow nor events are written."""
        saved = store.save_workflow(store.save_workflow(workflow("w"), [event(1)]))
        with pytest.raises(ConflictError):
            store.save_workflow(attrs.evolve(saved, revision=believed, queue="other"), [event(2)])
        assert store.get_workflow("w") == saved
        assert list(store.read_history("w")) == [event(1)]

    def test_a_revision_of_something_absent(self, store: Store) -> None:
        """A workflow that is not stored can only be saved at revision 0."""
        with pytest.raises(ConflictError):
            store.save_workflow(workflow("w", revision=1), [event(1)])
        with pytest.raises(NotFoundError):
            store.get_workflow("w")

    def test_one_of_many_writers_wins(self, store: Store) -> None:
        """Of many who save over one revision at once exactly one succeeds, with its own events; all others conflict."""
        saved = store.save_workflow(workflow("w"))
        output = [{"number": number} for number in range(300)]  # copying it takes a while, for others to cut in

        def write(number: int) -> Workflow:
            mine = attrs.evolve(saved, status_reason=str(number), output=output)
            return self.another(store).save_workflow(mine, [event(number + 1, writer=number)])

        won, errors = at_once(WRITERS, write)
        assert len(won) == 1
        assert {type(error) for error in errors} == {ConflictError}
        assert store.get_workflow("w") == won[0]
        assert [one.details for one in store.read_history("w")] == [{"writer": int(won[0].status_reason)}]

    def test_no_save_is_lost(self, store: Store) -> None:
        """Writers that read again after a conflict all get through, and the history has every event once."""
        store.save_workflow(workflow("w"))

        def add(number: int) -> int:
            mine = self.another(store)
            for attempt in range(1, 1000):
                read = mine.get_workflow("w")
                try:
                    mine.save_workflow(attrs.evolve(read, retries=(*read.retries, str(number))), [event(number + 1)])
                except ConflictError:
                    time.sleep(0.0005 * (number + 1))
                else:
                    return attempt
            raise AssertionError("never got through")

        _, errors = at_once(8, add)
        assert not errors
        read = store.get_workflow("w")
        assert (read.revision, sorted(read.retries)) == (9, [str(number) for number in range(8)])
        assert [one.id for one in store.read_history("w")] == [int(number) + 1 for number in read.retries]

    def test_everything_is_kept(self, store: Store) -> None:
        """Every field of a workflow, its jobs and their attempts comes back as it was."""
        resource = StateResource(name="r", namespace="n", uri="u", last_updated=NOON)
        attempt = JobAttempt(started_at=NOON, reason="spot", exit_code=137, error="E", log_stream="l", task_arn="t")
        job = Job(
            id="3", state="Greet", status=JobStatus.FAILED, created_at=NOON, input=[1, "é"], output={"a": None},
            state_resource=resource, attempts=(attempt,), error="E", cause="c", branch="1/2", branch_path=("F[1]",),
        )  # fmt: skip
        whole = workflow(
            "w", status=WorkflowStatus.FAILED, stopped_at=NOON, namespace="n", queue="q",
            input={"a": [1.5, -0.25, 10**20]}, output="\U0001f44b", status_reason="r", error="E", cause="c",
            resolved_by_user=True, retry_for="v",
            retries=("x", "y"), tags={"a/b": "c~d"}, jobs=(job, attrs.evolve(job, id="4")), last_job=job,
            start_at="Greet", idempotency_key="k",
        )  # fmt: skip
        saved = store.save_workflow(whole)
        assert saved == attrs.evolve(whole, revision=1)
        assert self.another(store).get_workflow("w") == saved

    @pytest.mark.parametrize("value", [None, False, 0, "", [], {}, [[]], {"": {}}, "null", "\ud800", 1e-7, -1])
    def test_every_json_value_is_kept(self, store: Store, value: JSON) -> None:
        """Input, output and details may be any JSON value; none is taken for absence."""
        store.save_workflow(workflow("w", input=value, output=value), [event(1, input=value)])
        read = store.get_workflow("w")
        assert [repr(read.input), repr(read.output)] == [repr(value)] * 2
        assert [one.details for one in store.read_history("w")] == [{"input": value}]

    @pytest.mark.parametrize("value", [float("nan"), {1: 2}, {"a": {object()}}, b"bytes"])
    def test_what_is_not_json_is_refused(self, store: Store, value: Any) -> None:
        """A value that is not JSON is an InvalidValueError, and nothing is written."""
        with pytest.raises(InvalidValueError):
            store.save_workflow(workflow("w", input=value))
        with pytest.raises(InvalidValueError):
            store.save_workflow(workflow("w"), [event(1, input=value)])
        with pytest.raises(NotFoundError):
            store.get_workflow("w")

    def test_what_callers_change_later_never_shows(self, store: Store) -> None:
        """Nothing that was handed in or out is what is stored."""

        def fresh() -> Workflow:
            job = Job(id="1", state="Greet", input={"a": [1]}, output=[{}])
            return workflow("w", input={"a": [1]}, output=[{"b": 2}], tags={"t": "1"}, jobs=(job,), last_job=job)

        given, details = fresh(), {"input": {"a": [1]}}
        saved = store.save_workflow(given, [event(1, **details)])
        wanted = attrs.evolve(fresh(), revision=1)
        spoil_workflow(given)
        spoil(details)
        spoil_workflow(saved)
        self.settle(store)
        for read in (store.get_workflow("w"), store.list_workflows(WorkflowQuery()).items[0]):
            assert read == wanted
            spoil_workflow(read)
        for _ in range(2):
            (read_event,) = store.read_history("w")
            assert read_event.details == {"input": {"a": [1]}}
            spoil(read_event.details)
        assert store.get_workflow("w") == wanted

    def test_an_end_is_an_end(self, store: Store) -> None:
        """A final status is never left; other fields may still change."""
        ended = store.save_workflow(workflow("w", status=WorkflowStatus.FAILED))
        for status in (WorkflowStatus.RUNNING, WorkflowStatus.QUEUED, WorkflowStatus.CANCELLED):
            with pytest.raises(WorkflowStatusError):
                store.save_workflow(attrs.evolve(ended, status=status), [event(1)])
        assert store.get_workflow("w") == ended
        assert not store.read_history("w").items
        assert store.save_workflow(attrs.evolve(ended, resolved_by_user=True)).revision == 2

    def test_deleting(self, store: Store) -> None:
        """A deleted workflow is gone with its history, from listings too; its id may be used again."""
        store.save_workflow(workflow("w"), [event(1)])
        store.acquire("w", "me", 60)
        store.delete_workflow("w")
        self.settle(store)
        for ask in (store.get_workflow, store.delete_workflow, store.read_history):
            with pytest.raises(NotFoundError):
                ask("w")
        assert not store.list_workflows(WorkflowQuery()).items
        assert store.list_pending() == ()
        assert store.save_workflow(workflow("w")).revision == 1
        assert not store.read_history("w").items
        assert store.acquire("w", "you", 60).owner == "you"

    def test_history(self, store: Store) -> None:
        """Events come in the order of their saving, unlisted ones among them, with every field."""
        kept = [
            event(1),
            event(2, input={"a": 1}, name="Greet"),
            HistoryEvent(2, 0, UnlistedEventType.RETRY_SCHEDULED, NOON, {"retrier": 0, "delaySeconds": 2}, "1/0"),
            HistoryEvent(3, 2, HistoryEventType.EXECUTION_FAILED, NOON, {}, next="Greet"),
        ]
        saved = store.save_workflow(workflow("w"), kept[:1])
        saved = store.save_workflow(saved, kept[1:3])
        store.save_workflow(saved, kept[3:])
        assert list(self.another(store).read_history("w")) == kept
        assert list(store.read_history("w", after=2)) == kept[2:]
        assert list(store.read_history("w", after=9)) == []
        found = list(pages(lambda token: store.read_history("w", after=1, limit=2, page_token=token)))
        assert [list(page) for page in found] == [kept[1:3], kept[3:]]

    def test_no_field_of_an_event_is_lost(self, store: Store) -> None:
        """Every field that a history event has comes back, those that AWS does not know too, and as a copy."""
        values: dict[str, Any] = {"details": {"a": [1]}, "branch": "2/0", "next": "Greet", "beside": {"b": [None]}}
        full = attrs.evolve(event(7), **values)
        unset = [field.name for field in attrs.fields(HistoryEvent) if getattr(full, field.name) == field.default]
        assert not unset, "this test must set every field"
        store.save_workflow(workflow("w"), [full])
        wanted = attrs.evolve(full, details={"a": [1]}, beside={"b": [None]})
        spoil(full.details)
        spoil(full.beside)
        for _ in range(2):
            (read,) = self.another(store).read_history("w")
            assert read == wanted
            spoil(read.details)
            spoil(read.beside)

    def test_large_things(self, store: Store) -> None:
        """A workflow of 2 MB and a turn of 10,000 events are saved and read whole."""
        large: JSON = [{"number": number, "text": "x" * 180} for number in range(10_000)]
        turn = [event(number, input={"item": number}) for number in range(1, 10_001)]
        saved = store.save_workflow(workflow("w", input=large), turn)
        saved = store.save_workflow(attrs.evolve(saved, status=WorkflowStatus.SUCCEEDED, output=large))
        read = self.another(store).get_workflow("w")
        assert read.input == read.output == large
        assert items(lambda token: store.read_history("w", limit=3000, page_token=token)) == turn
