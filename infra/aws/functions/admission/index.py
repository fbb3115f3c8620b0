"""Whether a new drone may have a certificate: only a serial number that was entered in the registry beforehand.

AWS IoT calls this before it provisions. It answers within five seconds, or the drone is refused and asks again.
"""

from __future__ import annotations

import re
from typing import Any

import boto3
from botocore.exceptions import ClientError

_SERIAL = re.compile(r"^[a-z0-9-]{3,64}$")
_iot = boto3.client("iot")


def handler(event: dict[str, Any], _context: object) -> dict[str, bool]:
    """Return ``{"allowProvisioning": ...}`` for AWS IoT's pre-provisioning event."""
    serial = str(event.get("parameters", {}).get("SerialNumber", ""))
    allowed = bool(_SERIAL.match(serial)) and _entered(serial)
    print({"event": "drone_admission", "serial": serial[:64], "allowed": allowed})  # noqa: T201 - the function's log
    return {"allowProvisioning": allowed}


def _entered(serial: str) -> bool:
    """Return whether an operator entered this drone, and no more than the certificate being replaced hangs on it."""
    try:
        thing = _iot.describe_thing(thingName=serial)
        principals = _iot.list_thing_principals(thingName=serial).get("principals", [])
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") == "ResourceNotFoundException":
            return False
        raise
    return thing.get("thingTypeName") == "kestrel-drone" and len(principals) <= 1
