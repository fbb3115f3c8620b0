"""Turns AWS IoT's fleet indexing on: CloudFormation knows no such resource, so it calls this as one of its own.

The index belongs to the whole account, so deleting the stack leaves it on.
"""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import boto3

_iot = boto3.client("iot")
PATIENCE_S = 10


def handler(event: dict[str, Any], _context: object) -> dict[str, str]:
    """Do what CloudFormation asks and tell it how that ended; whatever fails is its reason, never a silence."""
    said = event.get("ResourceProperties", {})
    answer = {
        "Status": "SUCCESS",
        "PhysicalResourceId": "kestrel-fleet-index",
        **{name: str(event[name]) for name in ("StackId", "RequestId", "LogicalResourceId")},
    }
    if event["RequestType"] != "Delete":
        try:
            _turn_on(detect=said.get("Detect") == "true")
        except Exception as error:  # noqa: BLE001 - CloudFormation waits an hour for an answer that never comes
            answer |= {"Status": "FAILED", "Reason": str(error)[:1000]}
    print({"event": "fleet_indexing", "request": event["RequestType"], "status": answer["Status"]})  # noqa: T201 - its log
    body = json.dumps(answer).encode()
    asked = urllib.request.Request(event["ResponseURL"], data=body, method="PUT", headers={"Content-Type": ""})  # noqa: S310 - CloudFormation's own address
    urllib.request.urlopen(asked, timeout=PATIENCE_S).close()  # noqa: S310 - the same
    return answer


def _turn_on(*, detect: bool) -> None:
    _iot.update_indexing_configuration(
        thingIndexingConfiguration={
            "thingIndexingMode": "REGISTRY_AND_SHADOW",
            "thingConnectivityIndexingMode": "STATUS",
            "deviceDefenderIndexingMode": "VIOLATIONS" if detect else "OFF",
        },
        thingGroupIndexingConfiguration={"thingGroupIndexingMode": "ON"},
    )
