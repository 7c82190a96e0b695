"""
What every store must do, as tests.

Make a class of your own and give it your store; pytest does the rest::

    from workflow_manager.testing.contracts import StoreContract


    class TestMyStore(StoreContract):
        @pytest.fixture
        def store(self):
            return MyStore(...)

pytest shows the values in a failed assertion of a contract only if your ``conftest.py`` says, before it imports this,
``pytest.register_assert_rewrite("workflow_manager.testing.contracts")``.  This package alone needs pytest, and one of
its tests, which is skipped without it, hypothesis.

A store that keeps snapshots is also a ``SnapshotContract``, and one that tells who has a lease a ``SharedContract``.
Managers have a ``ManagerContract``, and those that can start later, as limits ask, a ``StartsLaterContract``; the hands
of an engine-driven manager have a ``RunnerContract``.
"""

from __future__ import annotations

from typing import ClassVar

import pytest

from workflow_manager.protocols import Store
from workflow_manager.testing.contracts.definitions import DefinitionContract
from workflow_manager.testing.contracts.later import StartsLaterContract
from workflow_manager.testing.contracts.leases import LeaseContract
from workflow_manager.testing.contracts.listings import ListingContract
from workflow_manager.testing.contracts.managers import ManagerContract
from workflow_manager.testing.contracts.processes import ProcessContract
from workflow_manager.testing.contracts.runners import RunnerContract
from workflow_manager.testing.contracts.shared import SharedContract
from workflow_manager.testing.contracts.snapshots import SnapshotContract
from workflow_manager.testing.contracts.workflows import WorkflowContract

__all__ = [
    "DefinitionContract",
    "LeaseContract",
    "ListingContract",
    "ManagerContract",
    "ProcessContract",
    "RunnerContract",
    "SharedContract",
    "SnapshotContract",
    "StartsLaterContract",
    "StoreContract",
    "WorkflowContract",
]


class StoreContract(DefinitionContract, WorkflowContract, LeaseContract, ListingContract, ProcessContract):
    """
    The whole law of :class:`workflow_manager.protocols.Store`.

    Override the fixture ``store``; :meth:`another` and :meth:`opener` if several processes may share the data;
    :meth:`settle` if listings lag; ``model_examples`` if the store is slow.
    """

    model_examples: ClassVar[int] = 40
    """How many random courses of events are tried on the store and on a dictionary."""

    def test_it_is_a_store(self, store: Store) -> None:
        """It has every method of the protocol."""
        assert isinstance(store, Store)

    def test_it_does_what_a_dictionary_does(self, store: Store) -> None:
        """Whatever is saved, deleted, leased and asked in whatever order, the store says what a dictionary would."""
        pytest.importorskip("hypothesis")
        from workflow_manager.testing.contracts import model

        model.run(store, lambda: self.settle(store), self.model_examples)
