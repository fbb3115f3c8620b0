"""Certificates of drones in AWS IoT: a replaced one is revoked when it is its drone's own and not its only one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from contracts.errors import Conflict, Forbidden, Unavailable

QUARANTINE_GROUP = "kestrel-quarantine"
_GONE = "ResourceNotFoundException"


@contextlib.contextmanager
def _asking(drone_id: str) -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise Unavailable(f"AWS IoT did not switch {drone_id}: {error}", hint="Check its rights.") from error


class AwsIotCertificates:
    """The thing of a drone has the drone's id; its certificates are the thing's principals."""

    def __init__(self) -> None:
        self._client = boto3.client("iot")

    def revoke(self, drone_id: str, certificate_id: str) -> None:
        """Revoke a certificate.

        Raises:
            Forbidden: It belongs to another drone.
            Conflict: The drone has no other active certificate and would be locked out.
            Unavailable: AWS IoT does not answer.

        """
        try:
            self._revoke(drone_id, certificate_id)
        except (BotoCoreError, ClientError) as error:
            raise Unavailable(f"AWS IoT did not revoke {certificate_id}: {error}", hint="Check its rights.") from error

    def shut(self, drone_id: str) -> None:
        """Deactivate every active certificate of a drone and move it to the quarantine group.

        Raises:
            Unavailable: AWS IoT does not answer.

        """
        with _asking(drone_id):
            self._set(drone_id, "ACTIVE", "INACTIVE")
            self._client.add_thing_to_thing_group(thingGroupName=QUARANTINE_GROUP, thingName=drone_id)

    def reopen(self, drone_id: str) -> None:
        """Activate the inactive certificates of a drone; revoked ones stay revoked."""
        with _asking(drone_id):
            self._set(drone_id, "INACTIVE", "ACTIVE")
            self._client.remove_thing_from_thing_group(thingGroupName=QUARANTINE_GROUP, thingName=drone_id)

    def _set(self, drone_id: str, old: str, new: str) -> None:
        for arn in self._client.list_thing_principals(thingName=drone_id)["principals"]:
            certificate_id = str(arn).rpartition("/")[2]
            found = self._described(certificate_id)
            if found is not None and found["status"] == old:
                self._client.update_certificate(certificateId=certificate_id, newStatus=new)

    def _revoke(self, drone_id: str, certificate_id: str) -> None:
        found = self._described(certificate_id)
        if found is None:
            return  # deleted meanwhile: nothing is left that could be used
        arn, status = str(found["certificateArn"]), str(found["status"])
        principals = self._client.list_thing_principals(thingName=drone_id)["principals"]
        if arn not in principals:
            raise Forbidden(f"The certificate {certificate_id} is not one of {drone_id}.", hint="Look at that drone.")
        if status == "REVOKED":
            return
        if not any(self._active(other) for other in principals if other != arn):
            raise Conflict(f"{certificate_id} is the only certificate of {drone_id}.", hint="Look at that drone.")
        self._client.update_certificate(certificateId=certificate_id, newStatus="REVOKED")

    def _active(self, arn: str) -> bool:
        found = self._described(arn.rpartition("/")[2])
        return found is not None and found["status"] == "ACTIVE"

    def _described(self, certificate_id: str) -> dict[str, Any] | None:
        try:
            answer = self._client.describe_certificate(certificateId=certificate_id)
        except ClientError as error:
            if error.response["Error"]["Code"] == _GONE:
                return None
            raise
        return dict(answer["certificateDescription"])
