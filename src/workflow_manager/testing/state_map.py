"""A Map under test: which items its iterations would get, and whether too many have failed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from workflow_manager.asl.errors import ErrorName, StatesError
from workflow_manager.asl.item_reader import listed_objects, read_items
from workflow_manager.asl.machine import ItemReader, MapState
from workflow_manager.asl.numbers import compile_number
from workflow_manager.asl.program import CompiledState, compile_payload
from workflow_manager.asl.scope import Scope
from workflow_manager.asl.values import JSON, loads
from workflow_manager.engine.decide_run import THRESHOLD_EXCEEDED, group, threshold
from workflow_manager.engine.state import MapRun
from workflow_manager.testing.state_errors import refuse


@attrs.frozen(kw_only=True)
class Iterations:
    """
    How many iterations a Map has, ``None`` where nobody knows; how many may fail.

    *tolerated* is a number of items, *percentage* a share of 0 to 100.
    """

    count: int | None
    tolerated: int | None
    percentage: float | None

    def check_failures(self, failed: int) -> None:
        """
        Fail the Map when more than the tolerated iterations have *failed*; without thresholds nothing is too many.

        Raises:
            StatesError: States.ExceedToleratedFailureThreshold.
            StateTestError: there are not so many iterations.
        """
        if self.count is not None and failed > self.count:
            raise refuse("Map iteration failure count must be less than or equal to the number of Map iterations")
        if self.tolerated is None and self.percentage is None:
            return
        run = MapRun(self.tolerated, self.percentage)
        run.failed, run.total = failed, self.count or failed
        if run.is_over_threshold:
            raise StatesError(ErrorName.EXCEED_TOLERATED_FAILURE_THRESHOLD, THRESHOLD_EXCEEDED)


def prepare_map(
    state: CompiledState, scope: Scope, effective: JSON, reader_data: str | None, seen: dict[str, JSON]
) -> Iterations:
    """
    Evaluate what a Map evaluates before its first iteration, in AWS's order, and tell *seen* each step.

    *effective* is the effective input.  *reader_data* is what an ItemReader has read, as text; without it the items of
    an ItemReader are not known.
    """
    within = scope if state.is_jsonata else scope.on(effective)
    items = _items(state, within, reader_data, seen)
    concurrency = None if state.max_concurrency is None else state.max_concurrency(scope)
    seen["maxConcurrency"] = int(concurrency or 0)
    tolerated = threshold(state, "ToleratedFailureCount", scope)
    percentage = threshold(state, "ToleratedFailurePercentage", scope)
    if tolerated is not None:
        seen["toleratedFailureCount"] = int(tolerated)
    if percentage is not None:
        seen["toleratedFailurePercentage"] = percentage
    count = None if items is None else len(_inputs(state, within, items, seen))
    return Iterations(count=count, tolerated=None if tolerated is None else int(tolerated), percentage=percentage)


def _items(state: CompiledState, scope: Scope, reader_data: str | None, seen: dict[str, JSON]) -> list[JSON] | None:
    definition = state.state
    assert isinstance(definition, MapState)
    if state.is_distributed and definition.item_reader is not None:
        return _read(state, definition.item_reader, scope, reader_data, seen)
    items = state.items(scope)
    assert isinstance(items, list)
    if not state.is_jsonata:
        seen["afterItemsPath"] = items
    return items


def _read(
    state: CompiledState, reader: ItemReader, scope: Scope, data: str | None, seen: dict[str, JSON]
) -> list[JSON] | None:
    if data is None:
        return None
    config = reader.reader_config
    if reader.resource.endswith("listObjectsV2"):
        items, _ = listed_objects(_listing(data))
    else:
        items = read_items(config, data)
    if config is not None:
        if config.items_pointer is not None:
            seen["afterItemsPointer"] = items
        number = compile_number(state.language, "MaxItems", config.max_items, config.max_items_path)
        limit = None if number is None else number(scope)
        items = items[: int(limit)] if limit else items
    return items


def _listing(data: str) -> JSON:
    try:
        return loads(data)
    except ValueError as error:
        raise StatesError(ErrorName.ITEM_READER_FAILED, f"The listing is not JSON: {error}") from None


def _inputs(state: CompiledState, scope: Scope, items: list[JSON], seen: dict[str, JSON]) -> list[Any]:
    """What each iteration gets: an item, what ItemSelector makes of it, or a batch of these."""
    definition = state.state
    assert isinstance(definition, MapState)
    selector = state.item_selector
    selected = items
    if selector is not None:
        selected = [selector(_scope_of(scope, index, item)) for index, item in enumerate(items)]
        seen["afterItemSelector"] = selected
    batcher = definition.item_batcher
    if batcher is None:
        return selected
    beside: dict[str, JSON] = {}
    if isinstance(batcher.batch_input, Mapping):
        beside["BatchInput"] = compile_payload(batcher.batch_input, "ItemBatcher/BatchInput", state.language)(scope)
    batches = group(state, batcher, scope, selected)
    inputs: list[JSON] = [{**beside, "Items": [item for _, item in batch]} for batch in batches]
    seen["afterItemBatcher"] = inputs
    return inputs


def _scope_of(scope: Scope, index: int, item: JSON) -> Scope:
    """*scope* with ``$$.Map.Item``."""
    inner = scope.on(scope.input)
    context = scope.context if isinstance(scope.context, Mapping) else {}
    inner.context = {**context, "Map": {"Item": {"Index": index, "Value": item}}}
    return inner
