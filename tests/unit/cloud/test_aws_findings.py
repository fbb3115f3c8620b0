"""Findings of AWS's detectors, as EventBridge sends them, are read as suspicions against drones and askers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cloud.intrusion.findings import SHARED_KEY, suspicions
from cloud.intrusion.rules import SubjectKind
from contracts.errors import InvalidInput

THING = "arn:aws:iot:eu-central-1:111111111111:thing/kite-01"
CERTIFICATE = "arn:aws:iot:eu-central-1:111111111111:cert/0a1b"


def imported(**changes: Any) -> str:
    finding = {
        "SchemaVersion": "2018-10-08",
        "Id": "1111:audit/CONFLICTING_CLIENT_IDS_CHECK/kite-01",
        "ProductName": "IoT Device Defender - Audit",
        "GeneratorId": "1111:audit/CONFLICTING_CLIENT_IDS_CHECK",
        "Title": "CONFLICTING_CLIENT_IDS_CHECK: two clients as kite-01",
        "RecordState": "ACTIVE",
        "Resources": [{"Type": "AwsIotThing", "Id": THING}],
        **changes,
    }
    event = {"version": "0", "detail-type": "Security Hub Findings - Imported", "source": "aws.securityhub"}
    return json.dumps({**event, "detail": {"findings": [finding]}})


def guardduty(**changes: Any) -> str:
    detail = {
        "id": "f1",
        "type": "UnauthorizedAccess:IAMUser/InstanceCredentialExfiltration.OutsideAWS",
        "title": "Credentials of kestrel-drone are used from elsewhere",
        "severity": 8,
        "resource": {"resourceType": "AccessKey", "accessKeyDetails": {"userName": "kestrel-drone"}},
        **changes,
    }
    return json.dumps({"source": "aws.guardduty", "detail-type": "GuardDuty Finding", "detail": detail})


@pytest.mark.parametrize(
    ("body", "rule", "kind", "subject"),
    [
        (imported(), SHARED_KEY, SubjectKind.DRONE, "kite-01"),
        (imported(Resources=[{"Id": CERTIFICATE}]), SHARED_KEY, SubjectKind.ASKER, CERTIFICATE),
        (
            imported(GeneratorId="kestrel-drone", Id="x", Title="too-many-messages"),
            "device_defender",
            SubjectKind.DRONE,
            "kite-01",
        ),
        (guardduty(), "guardduty", SubjectKind.ASKER, "kestrel-drone"),
        (guardduty(resource={"resourceType": "S3Bucket"}), "guardduty", SubjectKind.ASKER, "S3Bucket"),
    ],
)
def test_a_finding_is_held_against_whom_it_names(body: str, rule: str, kind: SubjectKind, subject: str) -> None:
    [one] = suspicions(body)
    assert (one.rule, one.kind, one.subject) == (rule, kind, subject)


def test_a_finding_that_is_over_is_held_against_nobody() -> None:
    assert list(suspicions(imported(RecordState="ARCHIVED"))) == []


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "{}",
        '{"source": "aws.ec2", "detail": {}}',
        '{"source": "aws.guardduty", "detail": {}}',
        imported(Resources=[]),
        imported(Title=None),
    ],
)
def test_anything_else_is_refused(body: str) -> None:
    with pytest.raises(InvalidInput):
        list(suspicions(body))
