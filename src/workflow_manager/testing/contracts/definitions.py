"""The law of definitions and state resources."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from workflow_manager.exceptions import NotFoundError
from workflow_manager.models import StateResource
from workflow_manager.protocols import Store
from workflow_manager.testing.contracts.samples import (
    WRITERS,
    Contract,
    at_once,
    definition,
    items,
    machine,
    pages,
    spoil,
)


class DefinitionContract(Contract):
    """The law of :class:`workflow_manager.protocols.DefinitionStore` and ``StateResourceStore``."""

    def test_versions_count_from_zero(self, store: Store) -> None:
        """The first version is 0, and changed content gets exactly the next one."""
        saved = [store.save_workflow_definition(definition(greeting=greeting)) for greeting in ("a", "b", "c")]
        assert [one.version for one in saved] == [0, 1, 2]
        assert len({one.id for one in saved}) == 3
        assert all(one.created_at is not None for one in saved)
        assert [store.get_workflow_definition("greeting", version) for version in range(3)] == saved

    def test_saving_the_same_again_changes_nothing(self, store: Store) -> None:
        """A definition that says what the latest version says is that version."""
        first = store.save_workflow_definition(definition())
        assert store.save_workflow_definition(definition()) == first
        assert store.save_workflow_definition(first) == first
        assert self.another(store).get_workflow_definition("greeting") == first

    @pytest.mark.parametrize("changed", [{"manager": "elsewhere"}, {"default_tags": {"team": "b"}}])
    def test_everything_that_is_said_counts(self, store: Store, changed: dict[str, Any]) -> None:
        """Another manager or other default tags make another version."""
        store.save_workflow_definition(definition())
        assert store.save_workflow_definition(attrs.evolve(definition(), **changed)).version == 1

    def test_a_number_is_not_a_truth_value(self, store: Store) -> None:
        """Python's ``1 == True`` does not make two definitions the same."""
        store.save_workflow_definition(definition(greeting=1))
        assert store.save_workflow_definition(definition(greeting=True)).version == 1

    def test_going_back_is_going_on(self, store: Store) -> None:
        """An old content saved anew becomes a new version, so that the latest says what was said last."""
        for greeting in ("a", "b", "a"):
            store.save_workflow_definition(definition(greeting=greeting))
        latest = store.get_workflow_definition("greeting")
        assert (latest.version, latest.state_machine) == (2, machine("a"))

    @pytest.mark.parametrize("version", [None, -1, -7])
    def test_the_latest_version(self, store: Store, version: int | None) -> None:
        """No version, or a negative one, means the latest."""
        for greeting in ("a", "b"):
            store.save_workflow_definition(definition(greeting=greeting))
        assert store.get_workflow_definition("greeting", version).version == 1

    def test_unknown_definitions(self, store: Store) -> None:
        """A name or version that is not there is a NotFoundError."""
        store.save_workflow_definition(definition())
        for ask in (
            lambda: store.get_workflow_definition("nobody"),
            lambda: store.get_workflow_definition("greeting", 1),
            lambda: store.list_workflow_definition_versions("nobody"),
        ):
            with pytest.raises(NotFoundError):
                ask()

    def test_many_save_the_same_at_once(self, store: Store) -> None:
        """Of many who save the same content at once all get the same version."""
        saved, errors = at_once(WRITERS, lambda _: self.another(store).save_workflow_definition(definition()))
        assert not errors
        assert {(one.version, one.id) for one in saved} == {(0, saved[0].id)}

    def test_many_save_different_ones_at_once(self, store: Store) -> None:
        """Of many who save different contents at once each gets a version of its own, and none is left out."""
        saved, errors = at_once(
            20, lambda number: self.another(store).save_workflow_definition(definition(greeting=number))
        )
        assert not errors
        assert sorted(one.version for one in saved) == list(range(20))
        for one in saved:
            assert store.get_workflow_definition("greeting", one.version) == one

    def test_listing_definitions(self, store: Store) -> None:
        """The listing has the latest version of each name, by name, each once."""
        for name in ("c", "a", "e", "b", "d"):
            store.save_workflow_definition(definition(name, "old"))
            store.save_workflow_definition(definition(name, "new"))
        self.settle(store)
        listed = items(lambda token: store.list_workflow_definitions(limit=2, page_token=token))
        assert [(one.name, one.version) for one in listed] == [(name, 1) for name in "abcde"]

    def test_listing_versions(self, store: Store) -> None:
        """The versions of a name come latest first, each once."""
        for greeting in range(5):
            store.save_workflow_definition(definition(greeting=greeting))
        self.settle(store)
        found = list(
            pages(lambda token: store.list_workflow_definition_versions("greeting", limit=2, page_token=token))
        )
        assert [[one.version for one in page] for page in found] == [[4, 3], [2, 1], [0]]

    def test_a_definition_is_kept_whole(self, store: Store) -> None:
        """What is read is what was said, to the last field, and no later change to tags shows."""
        said = definition(greeting={"é": [1.5, None, True, "\U0001f44b"]})
        saved = store.save_workflow_definition(said)
        spoil(said.default_tags)
        spoil(saved.default_tags)
        read = store.get_workflow_definition("greeting")
        assert read.state_machine.to_dict() == said.state_machine.to_dict()
        assert (read.default_tags, read.manager) == ({"team": "a"}, "local")

    def test_state_resources(self, store: Store) -> None:
        """A state resource is kept under namespace and name; saving again replaces it, deleting forgets it."""
        first = store.save_state_resource(StateResource(name="resize", namespace="prod", uri="a"))
        assert first.last_updated is not None
        assert store.get_state_resource("resize", "prod") == first
        second = store.save_state_resource(attrs.evolve(first, uri="b"))
        assert self.another(store).get_state_resource("resize", "prod").uri == second.uri == "b"
        with pytest.raises(NotFoundError):
            store.get_state_resource("resize")
        store.delete_state_resource("resize", "prod")
        for forget in (store.get_state_resource, store.delete_state_resource):
            with pytest.raises(NotFoundError):
                forget("resize", "prod")

    def test_listing_state_resources(self, store: Store) -> None:
        """Resources come by namespace and name, of one namespace or of all, the empty one included."""
        keys = [(namespace, name) for namespace in ("", "dev", "devil", "prod") for name in ("a", "b", "c")]
        for namespace, name in reversed(keys):
            store.save_state_resource(StateResource(name=name, namespace=namespace))
        self.settle(store)

        def listed(namespace: str | None) -> list[tuple[str, str]]:
            found = items(lambda token: store.list_state_resources(namespace, limit=2, page_token=token))
            return [(one.namespace, one.name) for one in found]

        assert listed(None) == keys
        for namespace in ("", "dev", "prod"):
            assert listed(namespace) == [key for key in keys if key[0] == namespace]
        assert listed("nowhere") == []
