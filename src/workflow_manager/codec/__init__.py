"""
JSON, and only here.

Three shapes: *wire* is what others read (camelCase, data as JSON text), *record* is what stores keep (everything,
compact), *aws* is what AWS Step Functions gives for history events.
"""

from workflow_manager.codec.aws import event_from_aws, event_to_aws, history_to_aws
from workflow_manager.codec.events import event_from_record, event_to_record
from workflow_manager.codec.records import (
    definition_digest,
    definition_from_record,
    definition_to_record,
    state_resource_from_record,
    state_resource_to_record,
    workflow_from_record,
    workflow_to_record,
)
from workflow_manager.codec.wire import from_json, from_wire, to_json, to_wire

__all__ = [
    "definition_digest",
    "definition_from_record",
    "definition_to_record",
    "event_from_aws",
    "event_from_record",
    "event_to_aws",
    "event_to_record",
    "from_json",
    "from_wire",
    "history_to_aws",
    "state_resource_from_record",
    "state_resource_to_record",
    "to_json",
    "to_wire",
    "workflow_from_record",
    "workflow_to_record",
]
