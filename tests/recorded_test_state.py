"""
Hold ``test_state`` against recorded answers of AWS's TestState API.

    python tests/recorded_test_state.py FOLDER [--show]

FOLDER, or the environment variable RECORDED_TEST_STATE, names a folder tree of JSON files, one case each:

    definition   the state or machine, an object
    input_text   the input as JSON text, or null
    request      the other parameters of the request, under boto3's names
    expected     AWS's answer with JSON text parsed, or {"exception": code, "message": text}
    wildcards    [{"token", "match": "value"}]: that expected string accepts anything;
                 [{"token", "match": "text", "regex"}]: within an expected string it stands for the regex

A Task without a mock is answered with the result that AWS recorded.
"""

from __future__ import annotations

import argparse
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from workflow_manager.testing import StateTestError, test_state

PARAMETERS = {
    "context": "context",
    "inspectionLevel": "inspection_level",
    "mock": "mock",
    "revealSecrets": "reveal_secrets",
    "roleArn": "role_arn",
    "stateConfiguration": "state_configuration",
    "stateName": "state_name",
    "variables": "variables",
}


def cases(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every case of the folder tree by its path."""
    for file in sorted(folder.rglob("*.json")):
        yield str(file.relative_to(folder)), json.loads(file.read_text(encoding="utf-8"))


def answer(case: Mapping[str, Any]) -> dict[str, Any]:
    """What ``test_state`` answers to a case, as the case would have recorded it."""
    arguments = {PARAMETERS[name]: value for name, value in case["request"].items()}
    if case.get("input_text") is not None:
        arguments["input"] = case["input_text"]
    expected = case["expected"]
    recorded = expected.get("inspectionData", {}).get("result", expected.get("output"))
    if recorded is not None and "mock" not in case["request"]:
        arguments["tasks"] = lambda call: recorded
    try:
        return parsed(test_state(case["definition"], **arguments).to_aws())
    except StateTestError as error:
        return {"exception": str(error.code), "message": error.message, "text": str(error)}


def parsed(given: Mapping[str, Any]) -> dict[str, Any]:
    """An answer with its JSON text parsed."""
    out = dict(given)
    if "output" in out:
        out["output"] = json.loads(out["output"])
    if "inspectionData" in out:
        data = out["inspectionData"].items()
        out["inspectionData"] = {name: json.loads(text) if isinstance(text, str) else text for name, text in data}
    return out


def fits(case: Mapping[str, Any], got: Mapping[str, Any]) -> bool:
    """Whether *got* is what the case expects."""
    expected = {name: value for name, value in case["expected"].items() if name != "response"}
    if "exception" in expected or "exception" in got:
        same = expected.get("exception") == got.get("exception")
        return same and expected.get("message") in (got.get("message"), got.get("text"))
    return match(expected, got, case["wildcards"])


def match(expected: Any, got: Any, wildcards: list[dict[str, str]]) -> bool:
    """Whether a value is the expected one, wildcards considered; numbers compare by value."""
    if isinstance(expected, str):
        return match_text(expected, got, wildcards)
    if isinstance(expected, dict) and isinstance(got, dict):
        return expected.keys() == got.keys() and all(match(expected[name], got[name], wildcards) for name in expected)
    if isinstance(expected, list) and isinstance(got, list):
        return len(expected) == len(got) and all(map(match, expected, got, [wildcards] * len(got)))
    return isinstance(expected, bool) == isinstance(got, bool) and expected == got


def match_text(expected: str, got: Any, wildcards: list[dict[str, str]]) -> bool:
    if expected == got or any(card["token"] == expected for card in wildcards if card["match"] == "value"):
        return True
    pattern = re.escape(expected)
    for card in wildcards:
        if card["match"] == "text":
            pattern = pattern.replace(re.escape(card["token"]), f"(?:{card['regex']})")
    return isinstance(got, str) and re.fullmatch(pattern, got, re.DOTALL) is not None


def main() -> None:
    """Print how many cases pass, with ``--show`` also those that do not."""
    parser = argparse.ArgumentParser(description="Hold test_state against recorded answers.")
    parser.add_argument("folder", type=Path, nargs="?", default=os.environ.get("RECORDED_TEST_STATE"))
    parser.add_argument("--show", action="store_true")
    parser.add_argument("--require", type=float, default=0.0, help="exit with 1 below this percentage")
    asked = parser.parse_args()
    if asked.folder is None:
        print("skipped: no folder is named")
        return
    passed = total = 0
    for name, case in cases(Path(asked.folder)):
        got = answer(case)
        total += 1
        passed += fits(case, got)
        if asked.show and not fits(case, got):
            expected = {key: value for key, value in case["expected"].items() if key != "response"}
            print(f"{name}\n  expected {json.dumps(expected)}\n  got      {json.dumps(got)}")
    print(f"{passed}/{total}")
    if 100 * passed < asked.require * total or not total:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
