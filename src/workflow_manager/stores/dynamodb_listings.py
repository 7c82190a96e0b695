"""Listing workflows: keys from an index, which may lag, then the heads themselves, which do not."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from datetime import datetime

import attrs

from workflow_manager.asl.values import JSON
from workflow_manager.exceptions import PageTokenError
from workflow_manager.models import Page, Workflow, WorkflowQuery
from workflow_manager.stores.dynamodb_client import AttributeValue, Item, is_key, text
from workflow_manager.stores.dynamodb_database import instant
from workflow_manager.stores.dynamodb_heads import both, is_short, place_of, read_item
from workflow_manager.stores.dynamodb_tables import Index
from workflow_manager.stores.dynamodb_workflows import WorkflowPart
from workflow_manager.stores.paging import asked_of_query, check_limit

_BATCH = 100
_FIRST, _LAST = "0", "\U0010ffff"


class ListingPart(WorkflowPart):
    """The part of the store that lists workflows."""

    def list_workflows(self, query: WorkflowQuery) -> Page[Workflow]:
        """
        See :meth:`workflow_manager.protocols.WorkflowStore.list_workflows`.

        Which workflows there are may lag behind the latest saves, by less than a second as a rule; what is shown of
        each is what the latest completed save left.
        """
        asked = asked_of_query(query)
        place = None if query.page_token is None else _place(self._database.tokens.read(asked, query.page_token))
        wanted = query.limit + 1
        found = list(itertools.islice(self._matching(query, place), wanted))
        more, found = len(found) == wanted, found[: query.limit]
        token = self._database.tokens.make(asked, [found[-1].created_at.isoformat(), found[-1].id]) if more else None
        return Page(items=tuple(one.summary() if query.summary_only else one for one in found), next=token)

    def _matching(self, query: WorkflowQuery, place: tuple[datetime, str] | None) -> Iterator[Workflow]:
        """What matches *query*, in its order, from behind *place* on; read as far as it is asked for."""
        items = self._indexed(query, place)
        size = min(query.limit + 1, _BATCH)
        while keys := list(itertools.islice(items, size)):
            ids: list[Item] = [{"id": text(one)} for one in _ids(keys)]
            heads = {item["id"]["S"]: item for item in self._database.calls.batch_get(self._workflows, ids)}
            for key in keys:
                head = heads.get(key["id"]["S"])
                if head is None or head.get("place") != key["place"]:
                    continue  # deleted, or made anew: the index lags
                workflow = self._whole(head, query)
                if workflow is not None and query.matches(workflow):
                    yield workflow

    def _whole(self, head: Item, query: WorkflowQuery) -> Workflow | None:
        workflow = self._assembled(head, with_input=not query.summary_only)
        if workflow is not None:
            return workflow
        again = read_item(self._database, head["id"]["S"])  # saved anew meanwhile, or deleted
        return None if again is None else self._assembled(again, with_input=not query.summary_only)

    @property
    def _workflows(self) -> str:
        return self._database.tables.workflows

    def _indexed(self, query: WorkflowQuery, place: tuple[datetime, str] | None) -> Iterator[Item]:
        """Items of the index that fits *query* best."""
        index, partition = _index_of(query)
        if not is_key(partition, 2048):
            return iter(())  # no workflow could have been saved under it
        low = _FIRST if query.created_after is None else instant(query.created_after)
        high = _LAST if query.created_before is None else instant(query.created_before)
        if low > high:
            return iter(())
        clauses = _clauses(query)
        arguments: dict[str, object] = {
            "TableName": self._workflows,
            "IndexName": index.value,
            "KeyConditionExpression": "#partition = :partition AND #place BETWEEN :low AND :high",
            "ScanIndexForward": query.oldest_first,
            "Limit": 1000 if clauses else min(query.limit + 2, 1000),
        }
        names = {"#partition": index.value, "#place": index.sort_key}
        values = {":partition": text(partition), ":low": text(low), ":high": text(high)}
        if clauses:
            arguments["FilterExpression"] = " AND ".join(clause.expression for clause in clauses)
            names.update(itertools.chain.from_iterable(clause.names.items() for clause in clauses))
            values.update({clause.value_name: clause.value for clause in clauses})
        if place is not None:
            at = text(place_of(*place))
            arguments["ExclusiveStartKey"] = {"id": text(place[1]), index.sort_key: at, index.value: text(partition)}
        return self._database.calls.query(**arguments, ExpressionAttributeNames=names, ExpressionAttributeValues=values)

    def list_pending(self, limit: int = 100) -> tuple[str, ...]:
        """See :meth:`workflow_manager.protocols.WorkflowStore.list_pending`; it may lag, as every listing."""
        check_limit(limit)
        items = self._database.calls.query(
            TableName=self._workflows,
            IndexName=Index.PENDING.value,
            KeyConditionExpression="#pending = :yes",
            FilterExpression="attribute_not_exists(#expires) OR #expires <= :now",
            ExpressionAttributeNames={"#pending": Index.PENDING.value, "#expires": "lease_expires"},
            ExpressionAttributeValues={":yes": text("yes"), ":now": text(instant(self._database.clock()))},
            Limit=min(limit * 2, 1000),
        )
        return _ids(itertools.islice(items, limit))


def _ids(items: Iterable[Item]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(item["id"]["S"] for item in items))


def _index_of(query: WorkflowQuery) -> tuple[Index, str]:
    if query.definition_name is not None and query.status is not None:
        return Index.BOTH, both(query.definition_name, query.status.value) if query.definition_name else ""
    if query.definition_name is not None:
        return Index.DEFINITION, query.definition_name
    if query.status is not None:
        return Index.STATUS, query.status.value
    return Index.ALL, "all"


@attrs.frozen
class _Clause:
    """One condition of a filter; a head that lacks the attribute passes, and is compared after reading."""

    expression: str
    names: dict[str, str]
    value_name: str
    value: AttributeValue


def _clauses(query: WorkflowQuery) -> list[_Clause]:
    clauses: list[_Clause] = []
    for name in ("namespace", "queue", "retry_for"):
        value = getattr(query, name)
        if value is not None and is_short(value):
            clauses.append(_clause(name, text(value)))
    if query.resolved_by_user is not None:
        clauses.append(_clause("resolved", {"BOOL": query.resolved_by_user}))
    for number, (key, value) in enumerate(query.tags.items()):
        if key and is_short(key, value):
            clauses.append(
                _Clause(
                    f"(attribute_not_exists(#tags) OR #tags.#tag{number} = :tag{number})",
                    {"#tags": "tags", f"#tag{number}": key},
                    f":tag{number}",
                    text(value),
                )
            )
    return clauses


def _clause(name: str, value: AttributeValue) -> _Clause:
    return _Clause(f"(attribute_not_exists(#{name}) OR #{name} = :{name})", {f"#{name}": name}, f":{name}", value)


def _place(place: JSON) -> tuple[datetime, str]:
    match place:
        case [str(created_at), str(workflow_id)]:
            return datetime.fromisoformat(created_at), workflow_id
    raise PageTokenError("it names no place")
