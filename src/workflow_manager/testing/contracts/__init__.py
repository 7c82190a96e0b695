"""
What every store must do, as tests.

Make a class of your own and give it your store; pytest does the rest::

    from workflow_manager.testing.contracts import StoreContract


    class TestMyStore(StoreContract):
        @pytest.fixture
        def store(self):
            return MyStore(...)

pytest shows the values in a failed assertion of a contract only if your ``conftest.py`` says, before it imports this,
``pytest.register_assert_rewrite("workflow_manager.testing.contracts")``.  This package alone needs pytest.
"""

from __future__ import annotations

from workflow_manager.protocols import Store
from workflow_manager.testing.contracts.definitions import DefinitionContract
from workflow_manager.testing.contracts.leases import LeaseContract
from workflow_manager.testing.contracts.listings import ListingContract
from workflow_manager.testing.contracts.workflows import WorkflowContract

__all__ = ["DefinitionContract", "LeaseContract", "ListingContract", "StoreContract", "WorkflowContract"]


class StoreContract(DefinitionContract, WorkflowContract, LeaseContract, ListingContract):
    """
    The whole law of :class:`workflow_manager.protocols.Store`.

    Override the fixture ``store``; :meth:`another` if several processes may share the data; :meth:`settle` if
    listings lag.
    """

    def test_it_is_a_store(self, store: Store) -> None:
        """It has every method of the protocol."""
        assert isinstance(store, Store)
