"""The law of stores that several processes share."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import attrs
import pytest

from workflow_manager.exceptions import ConflictError
from workflow_manager.models import WorkflowQuery
from workflow_manager.protocols import Store
from workflow_manager.testing.contracts.samples import Contract, definition, event, workflow

_PROCESSES = 2
_EACH = 25


def _work(opener: Callable[[], Store], process: int) -> dict[str, Any]:
    """What one of several processes does; its report is made of what pickles everywhere."""
    store = opener()
    conflicts, versions, won = 0, [], 0
    for turn in range(_EACH):
        number = process * _EACH + turn
        versions.append(store.save_workflow_definition(definition("shared", number)).version)
        store.save_workflow_definition(definition("same", turn // _EACH))
        while True:
            read = store.get_workflow("w")
            try:
                store.save_workflow(attrs.evolve(read, retries=(*read.retries, str(number))), [event(number + 1)])
                break
            except ConflictError:
                conflicts += 1
        try:
            store.save_workflow(workflow(f"new{turn}", minute=turn), [event(number + 1)])
            won += 1
        except ConflictError:
            pass
    close = getattr(store, "close", None)
    if close is not None:
        close()
    return {"conflicts": conflicts, "versions": versions, "won": won}


class ProcessContract(Contract):
    """The law of :class:`workflow_manager.protocols.Store` for several processes at once."""

    def opener(self, store: Store) -> Callable[[], Store] | None:
        """
        A function that pickles and opens *store*'s data in another process.

        ``None``, the default, says that no other process can see them; then there is nothing to test.
        """
        return None

    def test_processes(self, store: Store) -> None:
        """Processes at once: no save is lost or done twice, each content gets one version, each new id one winner."""
        opener = self.opener(store)
        if opener is None:
            pytest.skip("the data of this store are in one process only: it has no `opener`")
        store.save_workflow(workflow("w"))
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(_PROCESSES, mp_context=spawn) as pool:
            reports = list(pool.map(_work, [opener] * _PROCESSES, range(_PROCESSES)))
        everything = _PROCESSES * _EACH
        self.settle(store)
        read = store.get_workflow("w")
        assert read.revision == 1 + everything
        assert sorted(map(int, read.retries)) == list(range(everything))
        assert [one.id for one in store.read_history("w")] == [int(number) + 1 for number in read.retries]
        assert sorted(version for report in reports for version in report["versions"]) == list(range(everything))
        assert store.get_workflow_definition("same").version == 0
        assert sum(report["won"] for report in reports) == _EACH
        assert len(store.list_workflows(WorkflowQuery(limit=1000))) == _EACH + 1
        assert all(len(store.read_history(f"new{turn}")) == 1 for turn in range(_EACH))
