"""The law of leases and of what is pending."""

from __future__ import annotations

import time

import attrs
import pytest

from workflow_manager.exceptions import ConflictError, InvalidValueError, NotFoundError
from workflow_manager.models import WorkflowStatus
from workflow_manager.protocols import Store
from workflow_manager.testing.contracts.samples import Contract, at_once, workflow


class LeaseContract(Contract):
    """The law of :class:`workflow_manager.protocols.WorkflowStore`: who tends to what."""

    def test_leases(self, store: Store) -> None:
        """While a lease lasts nobody else gets one; after its release or its end anybody does."""
        store.save_workflow(workflow("w"))
        mine = store.acquire("w", "me", 60)
        assert (mine.owner, mine.workflow_id) == ("me", "w")
        with pytest.raises(ConflictError):
            self.another(store).acquire("w", "you", 60)
        assert store.renew(mine).expires_at >= mine.expires_at
        store.release(mine)
        yours = store.acquire("w", "you", 1)
        store.release(mine)
        with pytest.raises(ConflictError):
            store.renew(mine)
        with pytest.raises(ConflictError):
            store.acquire("w", "me", 60)
        time.sleep(1.05)
        again = store.acquire("w", "me", 60)
        with pytest.raises(ConflictError):
            store.renew(yours)
        store.release(yours)
        assert store.renew(again).token == again.token

    def test_an_owner_that_asks_again(self, store: Store) -> None:
        """An owner gets a new lease over its old one, which is void from then on."""
        store.save_workflow(workflow("w"))
        before, after = store.acquire("w", "me", 60), store.acquire("w", "me", 60)
        assert before.token != after.token
        with pytest.raises(ConflictError):
            store.renew(before)

    def test_one_of_many_owners_wins(self, store: Store) -> None:
        """Of many owners who ask at once exactly one gets the lease."""
        store.save_workflow(workflow("w"))
        won, errors = at_once(20, lambda number: self.another(store).acquire("w", f"owner {number}", 60))
        assert len(won) == 1
        assert {type(error) for error in errors} == {ConflictError}

    def test_leases_on_nothing(self, store: Store) -> None:
        """A lease needs a workflow and a time above 0."""
        with pytest.raises(NotFoundError):
            store.acquire("nobody", "me", 60)
        store.save_workflow(workflow("w"))
        for seconds in (0, -1, float("nan")):
            with pytest.raises(InvalidValueError):
                store.acquire("w", "me", seconds)

    def test_a_lease_is_no_lock_on_the_data(self, store: Store) -> None:
        """The revision alone decides who may save."""
        saved = store.save_workflow(workflow("w"))
        store.acquire("w", "me", 60)
        assert self.another(store).save_workflow(saved).revision == 2

    def test_pending(self, store: Store) -> None:
        """Pending are those that have not ended and that nobody tends to, the longest untouched first."""
        saved = {name: store.save_workflow(workflow(name)) for name in "abcd"}
        self.settle(store)
        assert store.list_pending() == ("a", "b", "c", "d")
        store.save_workflow(saved["a"])
        store.save_workflow(attrs.evolve(saved["b"], status=WorkflowStatus.SUCCEEDED))
        lease = store.acquire("c", "me", 60)
        self.settle(store)
        assert store.list_pending() == ("d", "a")
        assert store.list_pending(1) == ("d",)
        store.release(lease)
        self.settle(store)
        assert store.list_pending() == ("d", "a", "c")
