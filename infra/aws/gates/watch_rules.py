"""Invariants of what is watched: logs, alarms with their runbook, the trail, the detectors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from contracts import resources
from infra.aws.gates.templates import Resource, Templates, listed
from infra.aws.place import RULE_ERRORS_QUEUE, Place

RUNBOOK = Path(__file__).resolve().parents[3] / "docs" / "runbooks.md"
SERVICE_LEVELS = (
    "kestrel-api-slow",
    "kestrel-api-errors",
    "kestrel-api-down",
    "kestrel-gateway-errors",
    "kestrel-telemetry-waits",
    "kestrel-vision-behind",
    "kestrel-tickets-behind",
    "kestrel-workflow-failed",
    "kestrel-database-busy",
    "kestrel-database-full",
    "kestrel-drones-refused",
    "kestrel-canary",
)
"""An alarm stands for each; which bound it has is decided in the observe stack."""
DETECTORS = {"S3_DATA_EVENTS", "RDS_LOGIN_EVENTS", "LAMBDA_NETWORK_LOGS", "RUNTIME_MONITORING"}


def log_groups(templates: Templates, _place: Place) -> Iterator[str]:
    """Logs are encrypted and end some day."""
    for group in templates.all("AWS::Logs::LogGroup"):
        if "KmsKeyId" not in group.properties:
            yield f"{group.where}: is not encrypted with our key"
        if not group.properties.get("RetentionInDays"):
            yield f"{group.where}: is kept for ever"


def _alarms(templates: Templates) -> dict[str, Resource]:
    """Return our alarms by name; the scaling's own tell nobody by design."""
    found = {str(alarm.properties.get("AlarmName")): alarm for alarm in templates.all("AWS::CloudWatch::Alarm")}
    return {name: alarm for name, alarm in found.items() if name.startswith("kestrel-")}


def service_levels(templates: Templates, _place: Place) -> Iterator[str]:
    """Each service level and each dead-letter queue has an alarm."""
    found = _alarms(templates)
    yield from (f"kestrel-observe: no alarm {name}" for name in SERVICE_LEVELS if name not in found)
    said = json.dumps([alarm.properties for alarm in found.values()])
    for queue in templates.all("AWS::SQS::Queue"):
        name = str(queue.properties.get("QueueName", queue.id))
        last = name.endswith(resources.DEAD_LETTER_SUFFIX) or name == RULE_ERRORS_QUEUE
        if last and f'"Value": "{name}"' not in said:
            yield f"{queue.where}: nobody hears of a message in {name}"


def alarms(templates: Templates, _place: Place) -> Iterator[str]:
    """An alarm tells somebody, and says which page of the runbook to open."""
    headings = {line[3:].strip() for line in RUNBOOK.read_text().splitlines() if line.startswith("## ")}
    for alarm in _alarms(templates).values():
        if not listed(alarm.properties.get("AlarmActions")) or alarm.properties.get("ActionsEnabled") is False:
            yield f"{alarm.where}: tells nobody"
        anchor = str(alarm.properties.get("AlarmDescription", "")).rpartition("#")[2]
        if anchor not in headings:
            yield f"{alarm.where}: docs/runbooks.md has no page {anchor!r}"


def trail(templates: Templates, _place: Place) -> Iterator[str]:
    """Every API call in every region is recorded, encrypted, and cannot be changed unseen."""
    found = list(templates.all("AWS::CloudTrail::Trail"))
    if not found:
        yield "kestrel-security: no call is recorded"
    for one in found:
        for flag in ("IsLogging", "IsMultiRegionTrail", "EnableLogFileValidation", "IncludeGlobalServiceEvents"):
            if one.properties.get(flag) is not True:
                yield f"{one.where}: {flag} is off"
        if "KMSKeyId" not in one.properties:
            yield f"{one.where}: is not encrypted with our key"


def audit_apart(templates: Templates, place: Place) -> Iterator[str]:
    """Where the auditors have an account, the trail lies there, and nobody can shorten what is kept."""
    if not place.audit_apart:
        return
    for trail_of_ours in templates.all("AWS::CloudTrail::Trail"):
        if trail_of_ours.properties.get("S3BucketName") != place.trail_bucket:
            yield f"{trail_of_ours.where}: is not written to the auditors' account"
    bucket = templates.one("AWS::S3::Bucket", BucketName=place.trail_bucket)
    if bucket is None or bucket.stack != "kestrel-audit":
        yield f"kestrel-audit: {place.trail_bucket} is missing"
    elif '"Mode": "COMPLIANCE"' not in json.dumps(bucket.properties.get("ObjectLockConfiguration", {})):
        yield f"{bucket.where}: somebody could delete what was recorded"


def detectors(templates: Templates, place: Place) -> Iterator[str]:
    """GuardDuty reads what it can; Security Hub, Config and Device Defender are on."""
    for detector in templates.all("AWS::GuardDuty::Detector"):
        on = {row["Name"] for row in detector.properties.get("Features", []) if row["Status"] == "ENABLED"}
        if missing := DETECTORS - on:
            yield f"{detector.where}: does not read {', '.join(sorted(missing))}"
        if '"ECS_FARGATE_AGENT_MANAGEMENT", "Status": "ENABLED"' not in json.dumps(detector.properties):
            yield f"{detector.where}: brings no agent into the tasks, so nobody watches what runs in them"
        if detector.properties.get("Enable") is not True:
            yield f"{detector.where}: is off"
    for kind in (
        "AWS::GuardDuty::Detector",
        "AWS::SecurityHub::Hub",
        "AWS::Config::ConfigurationRecorder",
        *(["AWS::IoT::SecurityProfile"] if place.detect else []),
        "AWS::IoT::ScheduledAudit",
    ):
        if not list(templates.all(kind)):
            yield f"kestrel-security: {kind} is missing"


def behaviours(templates: Templates, _place: Place) -> Iterator[str]:
    """A behaviour says what is right; one with the bound upside down rings for every drone that behaves."""
    for profile in templates.all("AWS::IoT::SecurityProfile"):
        for behaviour in profile.properties["Behaviors"]:
            if not str(behaviour["Criteria"]["ComparisonOperator"]).startswith("less-than"):
                yield f"{profile.where}: {behaviour['Name']} expects more than its bound of every drone"


def guardrail(templates: Templates, _place: Place) -> Iterator[str]:
    """What strangers wrote is searched for instructions before a model reads it."""
    found = list(templates.all("AWS::Bedrock::Guardrail"))
    if not found:
        yield "kestrel-workflow: no guardrail for the language model"
    for rail in found:
        filters = listed(rail.properties.get("ContentPolicyConfig", {}).get("FiltersConfig"))
        strengths = {one.get("Type"): one.get("InputStrength") for one in filters}
        if strengths.get("PROMPT_ATTACK") != "HIGH":
            yield f"{rail.where}: lets attacks by prompt through"


RULES = {
    "log-groups": log_groups,
    "service-levels": service_levels,
    "alarms": alarms,
    "trail": trail,
    "audit-apart": audit_apart,
    "detectors": detectors,
    "behaviours": behaviours,
    "guardrail": guardrail,
}
