"""Ids of new workflows."""

from __future__ import annotations

import uuid

_KEYS = uuid.UUID("6f1d2c2e-9a53-5c0e-8b8e-0f6a3b1f7d42")  # the namespace of ids that are made from idempotency keys


def id_of(name: str, idempotency_key: str | None) -> str:
    """The id of a new workflow of the definition *name*; one key means one workflow."""
    return str(uuid.uuid4() if idempotency_key is None else uuid.uuid5(_KEYS, f"{name}\n{idempotency_key}"))
