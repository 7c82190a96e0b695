"""What an event holds beside its AWS members, read without fuss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workflow_manager.history import HistoryEvent

NOTHING: Mapping[str, Any] = {}


def decided(event: HistoryEvent) -> Mapping[str, Any]:
    """What was decided at the moment of *event* and AWS does not tell."""
    return event.beside or NOTHING
