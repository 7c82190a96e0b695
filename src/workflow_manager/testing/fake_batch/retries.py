"""Whether a failed attempt is followed by another (Batch API, RetryStrategy and EvaluateOnExit)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workflow_manager.testing.fake_batch.ends import JobEnd


def should_retry(strategy: Mapping[str, Any], attempts: int, end: JobEnd) -> bool:
    """
    What *strategy* says after *attempts* attempts of which the last ended with *end*.

    The first entry of evaluateOnExit all of whose conditions hold decides; when none does, the job is tried again.
    """
    if attempts >= strategy.get("attempts", 1):
        return False
    seen = {
        "onExitCode": "" if end.exit_code is None else str(end.exit_code),
        "onReason": end.reason or "",
        "onStatusReason": end.status_reason,
    }
    for entry in strategy.get("evaluateOnExit") or ():
        if all(glob_matches(entry[condition], text) for condition, text in seen.items() if condition in entry):
            return str(entry["action"]).upper() == "RETRY"
    return True


def glob_matches(pattern: str, text: str) -> bool:
    """Only an asterisk at the end is one; everything else stands for itself."""
    return text.startswith(pattern[:-1]) if pattern.endswith("*") else text == pattern
