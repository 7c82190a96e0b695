"""The law of listings and page tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import attrs
import pytest

from workflow_manager.exceptions import ConflictError, InvalidValueError, PageTokenError
from workflow_manager.models import Job, WorkflowQuery, WorkflowStatus
from workflow_manager.protocols import Store
from workflow_manager.testing.contracts.samples import NOON, Contract, definition, event, items, pages, workflow


class ListingContract(Contract):
    """The law of listings and page tokens."""

    @pytest.fixture
    def full(self, store: Store) -> Store:
        """The store with 24 workflows of two definitions; three share every creation time."""
        for number in range(24):
            store.save_workflow(
                workflow(
                    f"w{number:02}",
                    name="ab"[number % 2],
                    minute=number // 3,
                    status=list(WorkflowStatus)[number % 5],
                    namespace="ns"[number % 2],
                    queue=f"q{number % 3}",
                    tags={"parity": str(number % 2), "third": str(number % 3)},
                    resolved_by_user=number % 4 == 0,
                    retry_for="w00" if number in (7, 9) else "",
                )
            )
        self.settle(store)
        return store

    @pytest.mark.parametrize("oldest_first", [False, True])
    @pytest.mark.parametrize("limit", [1, 5, 24, 100])
    @pytest.mark.parametrize("name", [None, "a"])
    def test_every_workflow_once_in_order(self, full: Store, name: str | None, limit: int, oldest_first: bool) -> None:
        """Pages have every workflow once, by creation and id, in the order asked; no page but the last is short."""
        query = WorkflowQuery(definition_name=name, limit=limit, oldest_first=oldest_first)
        found = list(pages(lambda token: full.list_workflows(attrs.evolve(query, page_token=token))))
        wanted = [f"w{number:02}" for number in range(0, 24, 1 if name is None else 2)]
        assert [one.id for page in found for one in page] == (wanted if oldest_first else wanted[::-1])
        assert {len(page) for page in found[:-1]} <= {limit}
        assert len(found[-1]) > 0

    @pytest.mark.parametrize(
        "asked",
        [
            {"status": WorkflowStatus.FAILED},
            {"definition_name": "b", "status": WorkflowStatus.RUNNING},
            {"namespace": "n"},
            {"queue": "q1"},
            {"tags": {"parity": "1", "third": "2"}},
            {"resolved_by_user": True},
            {"resolved_by_user": False, "definition_name": "a"},
            {"retry_for": "w00"},
            {"created_after": NOON + timedelta(minutes=3)},
            {"created_before": NOON + timedelta(minutes=3)},
            {"created_after": NOON + timedelta(minutes=2), "created_before": NOON + timedelta(minutes=4)},
            {"definition_name": "nobody"},
        ],
        ids=str,
    )
    def test_queries(self, full: Store, asked: dict[str, Any]) -> None:
        """A query gives exactly those that match it, whatever the size of its pages."""
        everything = items(lambda token: full.list_workflows(WorkflowQuery(limit=7, page_token=token)))
        query = WorkflowQuery(**asked, limit=2)
        listed = items(lambda token: full.list_workflows(attrs.evolve(query, page_token=token)))
        assert listed == [one for one in everything if query.matches(one)]

    def test_summaries(self, store: Store) -> None:
        """A summary leaves out input, output and jobs, and cannot be saved over the whole."""
        job = Job(id="1", state="Greet", input=[1], output=[2])
        store.save_workflow(workflow("w", input={"large": 1}, output=[3], jobs=(job,), last_job=job))
        self.settle(store)
        (summary,) = store.list_workflows(WorkflowQuery(summary_only=True))
        assert summary == store.get_workflow("w").summary()
        with pytest.raises(ConflictError):
            store.save_workflow(summary)

    def test_a_status_moves_a_workflow_between_listings(self, store: Store) -> None:
        """A workflow is listed under its present status alone, in its old place, of one definition and of all."""
        saved = [store.save_workflow(workflow(f"w{number}", minute=number)) for number in range(5)]
        for status in (WorkflowStatus.RUNNING, WorkflowStatus.FAILED):
            for number in (3, 1):
                saved[number] = store.save_workflow(attrs.evolve(saved[number], status=status))
        self.settle(store)
        wanted = {WorkflowStatus.QUEUED: ["w4", "w2", "w0"], WorkflowStatus.FAILED: ["w3", "w1"]}
        for status in WorkflowStatus:
            for name in (None, "greeting"):
                query = WorkflowQuery(status=status, definition_name=name)
                assert [one.id for one in store.list_workflows(query)] == wanted.get(status, [])

    @pytest.mark.parametrize(
        "changes",
        [
            {"namespace": "other"},
            {"queue": "other"},
            {"tags": {"a": "2", "b": "1"}},
            {"resolved_by_user": True},
            {"retry_for": "other"},
        ],
        ids=str,
    )
    def test_what_a_save_changes_is_listed_so(self, store: Store, changes: dict[str, Any]) -> None:
        """A workflow is listed under what its latest save says, and no longer under what it said before."""
        saved = store.save_workflow(workflow("w", namespace="n", queue="q", tags={"a": "1"}, retry_for="v"))
        (field,) = changes
        was, now = WorkflowQuery(**{field: getattr(saved, field)}), WorkflowQuery(**changes)
        saved = store.save_workflow(saved)
        self.settle(store)
        assert [list(store.list_workflows(query)) for query in (was, now)] == [[saved], []]
        saved = store.save_workflow(attrs.evolve(saved, **changes))
        self.settle(store)
        assert [list(store.list_workflows(query)) for query in (was, now)] == [[], [saved]]

    @pytest.mark.parametrize("oldest_first", [False, True])
    def test_writes_between_pages(self, full: Store, oldest_first: bool) -> None:
        """Whatever is created, changed or deleted between pages, every unchanged workflow comes once and in order."""
        query = WorkflowQuery(limit=3, oldest_first=oldest_first)
        seen: list[str] = []
        for number, page in enumerate(pages(lambda token: full.list_workflows(attrs.evolve(query, page_token=token)))):
            seen += [one.id for one in page]
            full.save_workflow(workflow(f"new{number}a", minute=-number))
            full.save_workflow(workflow(f"new{number}b", minute=number + 2))
            if number < 3:
                full.delete_workflow(f"w{number * 5:02}")  # 00, 05, 10
                full.delete_workflow(f"w{23 - number * 5}")  # 23, 18, 13
            last = full.get_workflow(page.items[-1].id) if page.items[-1].id.startswith("w2") else None
            if last is not None:
                full.save_workflow(attrs.evolve(last, status_reason="touched"))
            self.settle(full)
        deleted = {"w00", "w05", "w10", "w13", "w18", "w23"}
        unchanged = [f"w{number:02}" for number in range(24) if f"w{number:02}" not in deleted]
        shown = [one for one in seen if one in unchanged]
        assert shown == (unchanged if oldest_first else unchanged[::-1])
        assert len(seen) == len(set(seen))

    def test_tokens_are_bound_to_what_was_asked(self, full: Store) -> None:
        """A token of one query, listing or workflow is refused by every other."""
        full.save_workflow(attrs.evolve(full.get_workflow("w00")), [event(number) for number in range(1, 9)])
        full.save_workflow(attrs.evolve(full.get_workflow("w01")), [event(number) for number in range(1, 9)])
        for name in "xyz":
            full.save_workflow_definition(definition(name))
        token = full.list_workflows(WorkflowQuery(limit=2)).next
        history = full.read_history("w00", limit=2).next
        names = full.list_workflow_definitions(limit=1).next
        assert token
        assert history
        assert names
        refused: Sequence[Callable[[], object]] = (
            lambda: full.list_workflows(WorkflowQuery(page_token=token, oldest_first=True)),
            lambda: full.list_workflows(WorkflowQuery(page_token=token, definition_name="a")),
            lambda: full.list_workflows(WorkflowQuery(page_token=token, tags={"third": "1"})),
            lambda: full.list_workflows(WorkflowQuery(page_token=history)),
            lambda: full.read_history("w01", page_token=history),
            lambda: full.read_history("w00", after=1, page_token=history),
            lambda: full.list_workflow_definitions(page_token=token),
            lambda: full.list_state_resources(page_token=names),
        )
        for ask in refused:
            with pytest.raises(PageTokenError):
                ask()

    def test_a_token_allows_another_limit_and_another_client(self, full: Store) -> None:
        """The size of the next page is free, and any client of the same data goes on where one stopped."""
        token = full.list_workflows(WorkflowQuery(limit=2, oldest_first=True)).next
        page = self.another(full).list_workflows(WorkflowQuery(limit=3, oldest_first=True, page_token=token))
        assert [one.id for one in page] == ["w02", "w03", "w04"]

    def test_forged_tokens(self, full: Store) -> None:
        """Any string that the store did not make is a PageTokenError, one letter changed, cut or added included."""
        token = full.list_workflows(WorkflowQuery(limit=2)).next
        assert token
        forged = ["", "x", "w00", "0", "é", "a" * 500, token[:-1], token[1:], token + "A", token + "=", token * 2]
        forged += [
            token[:place] + ("B" if token[place] != "B" else "C") + token[place + 1 :]
            for place in range(0, len(token), 7)
        ]
        forged += [token[:-1] + letter for letter in "ABCDEFGHIJ" if token[-1] != letter]
        for one in forged:
            with pytest.raises(PageTokenError):
                full.list_workflows(WorkflowQuery(limit=2, page_token=one))
            with pytest.raises(PageTokenError):
                full.read_history("w00", page_token=one)

    @pytest.mark.parametrize("limit", [0, -1, 10_001, True, 1.5, "10"])
    def test_limits(self, full: Store, limit: Any) -> None:
        """A limit is a whole number from 1 to 10,000."""
        full.save_workflow_definition(definition())
        for ask in (
            lambda: full.list_workflow_definitions(limit=limit),
            lambda: full.list_workflow_definition_versions("greeting", limit=limit),
            lambda: full.list_state_resources(limit=limit),
            lambda: full.read_history("w00", limit=limit),
            lambda: full.list_pending(limit),
        ):
            with pytest.raises(InvalidValueError):
                ask()
