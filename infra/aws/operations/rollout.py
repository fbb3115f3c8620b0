"""A release of the drones' agent as a job of AWS IoT: a drone a minute, more as it proves itself, none if it fails."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from contracts.errors import InvalidInput
from contracts.updates import SignedUpdate, UpdateOrder
from infra.aws.operations.account import Account, Say

FLEET = "kestrel-fleet"
PACKAGES_ROLE = "kestrel-job-packages"
_STAGES = {
    "exponentialRate": {
        "baseRatePerMinute": 1,
        "incrementFactor": 2.0,
        "rateIncreaseCriteria": {"numberOfSucceededThings": 5},
    },
    "maximumPerMinute": 20,
}
"""A drone succeeds when the version has proved itself on it, not when it has the package."""
_END = {"failureType": "ALL", "action": "CANCEL", "thresholdPercentage": 10.0, "minNumberOfExecutedThings": 5}
_URL_LASTS_S = 3600


def offer(
    account: Account, say: Say, package: Path, order: Path, *, group: str = FLEET, now: datetime | None = None
) -> str:
    """Put a release's package into the bucket and offer it to a group of drones; return the job's name.

    Whether a trusted key signed the order, each drone judges by the keys it has.

    Raises:
        InvalidInput: The order is no signed order, or names another package.

    """
    signed, named = _read(order)
    content = package.read_bytes()
    if len(content) != named.size_bytes or hashlib.sha256(content).hexdigest() != named.sha256:
        raise InvalidInput(f"{package} is not the package that {order} names.", hint="Take both of one release.")
    place = account.place
    key = f"releases/kestrel-{named.version}-{named.sha256[:12]}.zip"
    account.s3.put_object(Bucket=place.bucket, Key=key, Body=content, ContentType="application/zip")
    say(f"{key} stored")
    address = f"https://s3.{place.region}.amazonaws.com/{place.bucket}/{key}"
    document = {
        "operation": "kestrel-update",
        "order": signed.model_dump(),
        "package_url": f"${{aws:iot:s3-presigned-url:{address}}}",
    }
    name = f"kestrel-{named.version.replace('.', '-')}-{now or datetime.now(UTC):%Y%m%d-%H%M%S}"
    account.iot.create_job(
        jobId=name,
        targets=[place.arn("iot", f"thinggroup/{group}")],
        targetSelection="SNAPSHOT",
        document=json.dumps(document),
        description=f"Kestrel {named.version}",
        presignedUrlConfig={
            "roleArn": f"arn:aws:iam::{place.account}:role/{PACKAGES_ROLE}",
            "expiresInSec": _URL_LASTS_S,
        },
        jobExecutionsRolloutConfig=_STAGES,
        abortConfig={"criteriaList": [_END]},
    )
    return name


def _read(order: Path) -> tuple[SignedUpdate, UpdateOrder]:
    try:
        signed = SignedUpdate.model_validate_json(order.read_text(encoding="utf-8"))
        return signed, UpdateOrder.model_validate_json(signed.payload)
    except ValidationError as error:
        hint = "docs/edge-life.md says how an order is made."
        raise InvalidInput(f"{order} is no signed order of a release.", hint=hint) from error
