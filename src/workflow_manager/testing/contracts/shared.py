"""The law of stores that lease as they save, and tell who has a lease."""

from __future__ import annotations

import time

import attrs
import pytest

from workflow_manager.exceptions import ConflictError, InvalidValueError, NotFoundError, WorkflowStatusError
from workflow_manager.models import WorkflowStatus
from workflow_manager.protocols import SharedStore, Store
from workflow_manager.testing.contracts.samples import Contract, at_once, event, workflow


class SharedContract(Contract):
    """The law of :class:`workflow_manager.protocols.SharedStore`; not part of ``StoreContract``."""

    @pytest.fixture
    def shared(self, store: Store) -> SharedStore:
        """The same store, as one that several processes share."""
        assert isinstance(store, SharedStore)
        return store

    def test_who_has_the_lease(self, store: Store, shared: SharedStore) -> None:
        """Everybody can read who has a lease, as long as that lasts."""
        assert shared.lease_owner("w") is None
        store.save_workflow(workflow("w"))
        assert shared.lease_owner("w") is None
        lease = store.acquire("w", "me", 60)
        other = self.another(store)
        assert isinstance(other, SharedStore)
        assert other.lease_owner("w") == "me"
        store.release(lease)
        assert shared.lease_owner("w") is None
        store.acquire("w", "me", 0.05)
        time.sleep(0.1)
        assert shared.lease_owner("w") is None

    def test_a_save_with_a_lease(self, store: Store, shared: SharedStore) -> None:
        """The workflow, its events and the lease are there together; both are as if made one by one."""
        saved, lease = shared.save_and_acquire(workflow("w"), [event(1)], "me", 60)
        assert saved == store.get_workflow("w")
        assert list(store.read_history("w")) == [event(1)]
        assert (saved.revision, lease.owner, lease.workflow_id, shared.lease_owner("w")) == (1, "me", "w", "me")
        self.settle(store)
        assert store.list_pending() == ()
        assert store.renew(lease).token == lease.token
        saved, again = shared.save_and_acquire(saved, [event(2)], "me", 60)
        assert saved.revision == 2
        with pytest.raises(ConflictError):
            store.renew(lease)
        store.release(again)
        assert shared.lease_owner("w") is None

    def test_a_save_with_a_lease_that_is_refused(self, store: Store, shared: SharedStore) -> None:
        """Where the save or the lease is refused, neither is done."""
        with pytest.raises(InvalidValueError):
            shared.save_and_acquire(workflow("w"), (), "me", 0)
        with pytest.raises(ConflictError):
            shared.save_and_acquire(workflow("w", revision=1), (), "me", 60)
        with pytest.raises(NotFoundError):
            store.get_workflow("w")
        saved, lease = shared.save_and_acquire(workflow("w"), (), "me", 60)
        for wrong, owner in ((attrs.evolve(saved, revision=0), "me"), (saved, "you")):
            with pytest.raises(ConflictError):
                shared.save_and_acquire(wrong, [event(1)], owner, 60)
        assert (store.get_workflow("w"), list(store.read_history("w"))) == (saved, [])
        assert store.renew(lease).token == lease.token
        ended = store.save_workflow(attrs.evolve(saved, status=WorkflowStatus.FAILED))
        with pytest.raises(WorkflowStatusError):
            shared.save_and_acquire(attrs.evolve(ended, status=WorkflowStatus.RUNNING), (), "me", 60)

    def test_taking_a_lease_from_somebody(self, store: Store, shared: SharedStore) -> None:
        """The lease of the one who is named can be taken, nobody else's; the old one is void."""
        with pytest.raises(NotFoundError):
            shared.acquire_from("w", "me", "you", 60)
        _, lease = shared.save_and_acquire(workflow("w"), (), "me", 60)
        with pytest.raises(ConflictError):
            shared.acquire_from("w", "somebody", "you", 60)
        with pytest.raises(InvalidValueError):
            shared.acquire_from("w", "me", "you", -1)
        taken = shared.acquire_from("w", "me", "you", 60)
        assert (taken.owner, shared.lease_owner("w")) == ("you", "you")
        with pytest.raises(ConflictError):
            store.renew(lease)
        store.release(lease)
        assert shared.lease_owner("w") == "you"

    def test_renewing_many(self, store: Store, shared: SharedStore) -> None:
        """All leases that can be renewed are, and those alone are returned."""
        leases = [shared.save_and_acquire(workflow(name), (), "me", 60)[1] for name in "abcd"]
        store.release(leases[1])
        shared.acquire_from("c", "me", "you", 60)
        renewed = shared.renew_all(leases)
        assert [(lease.workflow_id, lease.token) for lease in renewed] == [
            ("a", leases[0].token),
            ("d", leases[3].token),
        ]
        assert all(new.expires_at >= old.expires_at for new, old in zip(renewed, (leases[0], leases[3]), strict=True))
        assert shared.renew_all(()) == ()

    def test_one_of_many_takes_the_lease(self, store: Store, shared: SharedStore) -> None:
        """Of many who take the same lease at once exactly one gets it."""
        shared.save_and_acquire(workflow("w"), (), "gone", 60)

        def take(number: int) -> str:
            mine = self.another(store)
            assert isinstance(mine, SharedStore)
            return mine.acquire_from("w", "gone", f"owner {number}", 60).owner

        won, errors = at_once(20, take)
        assert won == [shared.lease_owner("w")]
        assert {type(error) for error in errors} == {ConflictError}
