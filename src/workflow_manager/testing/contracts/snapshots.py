"""The law of snapshots, for stores that keep them."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from workflow_manager.exceptions import InvalidValueError
from workflow_manager.models import WorkflowStatus
from workflow_manager.protocols import Snapshot, SnapshotStore, Store
from workflow_manager.testing.contracts.samples import Contract, event, spoil, workflow


class SnapshotContract(Contract):
    """The law of :class:`workflow_manager.protocols.SnapshotStore`; not part of ``StoreContract``."""

    @pytest.fixture
    def snapshots(self, store: Store) -> SnapshotStore:
        """The same store, as one of snapshots."""
        assert isinstance(store, SnapshotStore)
        return store

    def test_the_latest_snapshot(self, store: Store, snapshots: SnapshotStore) -> None:
        """The latest snapshot is kept until the next, also when the workflow has gone on; first there is none."""
        saved = store.save_workflow(workflow("w"), [event(1)])
        assert snapshots.load_snapshot("w") is None
        snapshots.save_snapshot("w", saved.revision, 1, {"a": [1, "é"]})
        saved = store.save_workflow(saved, [event(2)])
        assert snapshots.load_snapshot("w") == Snapshot(revision=1, position=1, value={"a": [1, "é"]})
        snapshots.save_snapshot("w", saved.revision, 2, "next")
        other = self.another(store)
        assert isinstance(other, SnapshotStore)
        assert other.load_snapshot("w") == Snapshot(revision=2, position=2, value="next")

    @pytest.mark.parametrize("revision", [0, 1, 3])
    def test_a_snapshot_of_another_revision(self, store: Store, snapshots: SnapshotStore, revision: int) -> None:
        """A snapshot that is not of the stored revision is dropped without a word."""
        store.save_workflow(store.save_workflow(workflow("w")))
        snapshots.save_snapshot("w", revision, 0, "wrong")
        assert snapshots.load_snapshot("w") is None

    def test_a_snapshot_goes_with_its_workflow(self, store: Store, snapshots: SnapshotStore) -> None:
        """There is no snapshot of what has ended, is deleted or never was."""
        saved = store.save_workflow(workflow("w"))
        snapshots.save_snapshot("w", saved.revision, 0, "x")
        saved = store.save_workflow(attrs.evolve(saved, status=WorkflowStatus.SUCCEEDED))
        assert snapshots.load_snapshot("w") is None
        snapshots.save_snapshot("w", saved.revision, 0, "too late")
        assert snapshots.load_snapshot("w") is None
        saved = store.save_workflow(workflow("v"))
        snapshots.save_snapshot("v", saved.revision, 0, "x")
        store.delete_workflow("v")
        store.save_workflow(workflow("v"))
        assert snapshots.load_snapshot("v") is None
        snapshots.save_snapshot("nobody", 1, 0, "x")
        assert snapshots.load_snapshot("nobody") is None

    def test_a_snapshot_is_a_copy(self, store: Store, snapshots: SnapshotStore) -> None:
        """Nothing that was handed in or out is what is kept."""
        saved = store.save_workflow(workflow("w"))
        value = {"a": [{"b": 1}]}
        snapshots.save_snapshot("w", saved.revision, 0, value)
        spoil(value)
        for _ in range(2):
            read = snapshots.load_snapshot("w")
            assert read is not None
            assert read.value == {"a": [{"b": 1}]}
            spoil(read.value)

    @pytest.mark.parametrize("value", [float("nan"), {1: 2}, b"bytes"])
    def test_a_snapshot_is_json(self, store: Store, snapshots: SnapshotStore, value: Any) -> None:
        """A value that is not JSON is an InvalidValueError, and the one before stays."""
        saved = store.save_workflow(workflow("w"))
        snapshots.save_snapshot("w", saved.revision, 0, "before")
        with pytest.raises(InvalidValueError):
            snapshots.save_snapshot("w", saved.revision, 0, value)
        read = snapshots.load_snapshot("w")
        assert read is not None
        assert read.value == "before"
