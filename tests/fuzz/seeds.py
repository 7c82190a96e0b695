"""Sound definitions to begin with: small machines made of states of every type, in both query languages."""

from __future__ import annotations

import copy
from random import Random
from typing import Any

from workflow_manager.asl.machine import QueryLanguage

HERE = "a state of the same machine"
"""Stands in a piece where the name of a state belongs; :func:`machine` puts one there."""

LAMBDA = "arn:aws:lambda:eu-west-1:123456789012:function:mill"
_RETRY = [
    {"ErrorEquals": ["Broken", "States.Timeout"], "IntervalSeconds": 2, "MaxAttempts": 2, "BackoffRate": 1.5},
    {"ErrorEquals": ["States.ALL"], "MaxAttempts": 1, "MaxDelaySeconds": 9, "JitterStrategy": "FULL"},
]
_CATCH = [
    {"ErrorEquals": ["Broken"], "ResultPath": "$.why", "Assign": {"why.$": "$.Cause"}, "Next": HERE},
    {"ErrorEquals": ["States.ALL"], "Next": HERE},
]
_CATCH_JSONATA = [{"ErrorEquals": ["States.ALL"], "Output": "{% $states.errorOutput %}", "Next": HERE}]

JSONPATH: tuple[dict[str, Any], ...] = (
    {"Type": "Pass", "Parameters": {"n.$": "$.n", "who.$": "$$.Execution.Name"}, "ResultPath": "$.copy"},
    {"Type": "Pass", "Result": {"n": 2, "list": [1, 2, 3], "text": "äpfel"}, "ResultPath": "$.a.b"},
    {"Type": "Pass", "InputPath": "$.list[?(@ > 1)]", "ResultPath": "$.some", "OutputPath": "$"},
    {"Type": "Pass", "Parameters": {"all.$": "$..n", "cut.$": "$.list[0:2]", "both.$": "$['n','text']"}},
    {"Type": "Pass", "Assign": {"v.$": "$.n", "w": [1]}, "Parameters": {"t.$": "States.Format('{}-{}', $.n, $.text)"}},
    {
        "Type": "Pass",
        "Parameters": {
            "sum.$": "States.MathAdd($.n, 1)",
            "hash.$": "States.Hash($.text, 'SHA-256')",
            "parts.$": "States.ArrayPartition(States.ArrayRange(1, 9, 2), 2)",
            "id.$": "States.UUID()",
        },
        "ResultPath": "$.made",
    },
    {
        "Type": "Task",
        "Resource": "mill",
        "Parameters": {"n.$": "$.n", "token.$": "$$.Task.Token"},
        "ResultSelector": {"got.$": "$"},
        "ResultPath": "$.got",
        "TimeoutSeconds": 20,
        "HeartbeatSeconds": 5,
        "Retry": _RETRY,
        "Catch": _CATCH,
    },
    {"Type": "Task", "Resource": LAMBDA, "TimeoutSecondsPath": "$.n", "Catch": _CATCH},
    {
        "Type": "Task",
        "Resource": "arn:aws:states:::batch:submitJob.sync",
        "Parameters": {"JobName": "j", "JobDefinition": "d", "JobQueue": "q", "Parameters": {"x.$": "$.text"}},
        "Retry": _RETRY,
    },
    {
        "Type": "Task",
        "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
        "Parameters": {"QueueUrl": "q", "MessageBody": {"t.$": "$$.Task.Token"}},
        "HeartbeatSeconds": 9,
    },
    {
        "Type": "Choice",
        "Choices": [
            {"Variable": "$.n", "NumericGreaterThan": 3, "Next": HERE},
            {"Not": {"Variable": "$.text", "StringMatches": "a*z\\*"}, "Next": HERE},
            {
                "And": [
                    {"Variable": "$.list[0]", "IsPresent": True},
                    {
                        "Or": [
                            {"Variable": "$.n", "NumericEqualsPath": "$.n"},
                            {"Variable": "$.at", "IsTimestamp": True},
                        ]
                    },
                ],
                "Next": HERE,
            },
            {"Variable": "$.at", "TimestampLessThan": "2031-01-01T00:00:00Z", "Next": HERE},
        ],
        "Default": HERE,
    },
    {"Type": "Wait", "Seconds": 3},
    {"Type": "Wait", "SecondsPath": "$.n"},
    {"Type": "Wait", "Timestamp": "2026-01-01T00:10:00.25Z"},
    {"Type": "Wait", "TimestampPath": "$.at"},
    {"Type": "Succeed", "OutputPath": "$.n"},
    {"Type": "Fail", "Error": "Broken", "Cause": "as told"},
    {"Type": "Fail", "ErrorPath": "$.text", "CausePath": "States.Format('n is {}', $.n)"},
    {
        "Type": "Parallel",
        "Branches": [],
        "Parameters": {"n.$": "$.n", "list.$": "$.list", "text": "p", "at.$": "$.at"},
        "ResultSelector": {"first.$": "$[0]"},
        "ResultPath": "$.both",
        "Retry": _RETRY,
        "Catch": _CATCH,
    },
    {
        "Type": "Map",
        "ItemsPath": "$.list",
        "ItemSelector": {
            "n.$": "$$.Map.Item.Value",
            "i.$": "$$.Map.Item.Index",
            "list.$": "$.list",
            "text": "m",
            "at.$": "$.at",
        },
        "ItemProcessor": {},
        "MaxConcurrency": 2,
        "ResultPath": "$.mapped",
        "Retry": _RETRY,
        "Catch": _CATCH,
    },
    {"Type": "Map", "ItemsPath": "$.list", "Iterator": {}, "Parameters": {"n.$": "$$.Map.Item.Value"}},
    {
        "Type": "Map",
        "ItemsPath": "$.list",
        "ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}},
        "ItemBatcher": {"MaxItemsPerBatch": 2, "MaxInputBytesPerBatch": 1000, "BatchInput": {"n.$": "$.n"}},
        "ToleratedFailurePercentage": 50,
        "MaxConcurrency": 3,
    },
    {
        "Type": "Map",
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW", "MaxItems": 5},
            "Parameters": {"Bucket": "b", "Key.$": "$.text"},
        },
        "ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"}},
        "ResultWriter": {"Resource": "arn:aws:states:::s3:putObject", "Parameters": {"Bucket": "b", "Prefix": "out"}},
        "ToleratedFailureCount": 1,
        "Retry": _RETRY,
    },
    {
        "Type": "Map",
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:listObjectsV2",
            "Parameters": {"Bucket": "b", "Prefix.$": "$.text"},
        },
        "ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}},
        "ItemSelector": {"n.$": "$$.Map.Item.Value.Size", "list": []},
    },
    {
        "Type": "Map",
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": {"InputType": "MANIFEST", "ManifestType": "S3_INVENTORY"},
            "Parameters": {"Bucket": "b", "Key": "manifest.json"},
        },
        "ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}},
    },
)

JSONATA: tuple[dict[str, Any], ...] = (
    {"Type": "Pass", "Output": {"n": "{% $states.input.n + 1 %}", "list": "{% $states.input.list[$ > 1] %}"}},
    {"Type": "Pass", "Assign": {"v": "{% $sum($states.input.list) %}", "w": {"deep": ["{% $random() %}"]}}},
    {"Type": "Pass", "Output": "{% $merge([$states.input, {'text': $uppercase($states.input.text)}]) %}"},
    {
        "Type": "Task",
        "Resource": "mill",
        "Arguments": {"n": "{% $states.input.n %}", "when": "{% $now() %}"},
        "Output": "{% $merge([$states.input, {'got': $states.result}]) %}",
        "Assign": {"last": "{% $states.result %}"},
        "TimeoutSeconds": "{% $states.input.n + 10 %}",
        "HeartbeatSeconds": 4,
        "Retry": _RETRY,
        "Catch": _CATCH_JSONATA,
    },
    {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": {"FunctionName": "mill", "Payload": "{% $states.input %}"},
    },
    {
        "Type": "Choice",
        "Choices": [
            {"Condition": "{% $states.input.n > 3 %}", "Next": HERE, "Assign": {"big": True}},
            {"Condition": "{% $contains($states.input.text, /^a.*z$/) %}", "Next": HERE, "Output": {"z": 1}},
        ],
        "Default": HERE,
    },
    {"Type": "Wait", "Seconds": "{% $states.input.n %}"},
    {"Type": "Wait", "Timestamp": "{% $states.input.at %}"},
    {"Type": "Succeed", "Output": "{% $string($states.input) %}"},
    {"Type": "Fail", "Error": "{% 'Broken' & 'Glass' %}", "Cause": "{% $string($states.input.n) %}"},
    {"Type": "Parallel", "Branches": [], "Arguments": "{% $states.input %}", "Output": {"all": "{% $states.result %}"}},
    {
        "Type": "Map",
        "Items": "{% $states.input.list %}",
        "ItemSelector": {"n": "{% $states.context.Map.Item.Value %}", "list": [1], "text": "m"},
        "ItemProcessor": {},
        "MaxConcurrency": "{% 1 + 1 %}",
        "Catch": _CATCH_JSONATA,
    },
    {
        "Type": "Map",
        "Items": [1, "two", "{% $states.input.n %}"],
        "ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}},
        "ToleratedFailurePercentage": "{% 100 %}",
        "Output": "{% $count($states.result) %}",
    },
)

_LAST = frozenset({"Succeed", "Fail"})
_FORKS = frozenset({"Parallel", "Map"})


def machine(rng: Random, depth: int = 2, language: str | None = None) -> dict[str, Any]:
    """A sound definition of one to five states, nested at most *depth* deep, every state of it reachable."""
    own = rng.choice([None, None, *(member.value for member in QueryLanguage)]) if language is None else language
    pieces = [_piece(rng, depth, own) for _ in range(rng.choice((1, 2, 3, 3, 4, 5)))]
    pieces = [piece for piece in pieces[:-1] if piece["Type"] not in _LAST] + pieces[-1:]
    if pieces[-1]["Type"] == "Choice":
        pieces.append({"Type": "Succeed"})
    names = [f"{piece['Type']} {rng.randrange(10**6)}" for piece in pieces]
    states = {}
    for index, (name, piece) in enumerate(zip(names, pieces, strict=True)):
        later = names[index + 1 :] or names
        if piece["Type"] not in _LAST | {"Choice"}:
            piece.update({"Next": names[index + 1]} if index + 1 < len(names) else {"End": True})
        if "Default" in piece:
            piece["Default"] = names[index + 1]
        states[name] = _filled(piece, rng, later if rng.random() < 0.9 else names)
    document: dict[str, Any] = {"StartAt": names[0], "States": states}
    if language is None and own is not None:
        document["QueryLanguage"] = own
    if language is None and rng.random() < 0.2:
        document["TimeoutSeconds"] = rng.choice((1, 60, 3600))
    return document


def _piece(rng: Random, depth: int, language: str | None) -> dict[str, Any]:
    """One state, without its place in a machine."""
    jsonata = language == "JSONata" or (language is None and rng.random() < 0.3)
    while True:
        piece = copy.deepcopy(rng.choice(JSONATA if jsonata else JSONPATH))
        if depth > 0 or piece["Type"] not in _FORKS:
            break
    inner = "JSONata" if jsonata else language
    if jsonata and language is None:
        piece["QueryLanguage"] = "JSONata"
        inner = "JSONPath"
    if "Branches" in piece:
        piece["Branches"] = [machine(rng, depth - 1, inner or "JSONPath") for _ in range(rng.randint(1, 3))]
    for name in ("ItemProcessor", "Iterator"):
        if name in piece:
            piece[name] = {**piece[name], **machine(rng, depth - 1, inner or "JSONPath")}
    return piece


def _filled(value: Any, rng: Random, names: list[str]) -> Any:
    if value == HERE:
        return rng.choice(names)
    if isinstance(value, dict):
        return {key: _filled(item, rng, names) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, rng, names) for item in value]
    return value
