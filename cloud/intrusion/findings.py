"""What AWS's own detectors found, as the same security events that our rules open: one place to look, one to be told.

EventBridge puts GuardDuty's findings and those of Device Defender (through Security Hub) into a queue; on one machine
that queue stays empty. Formats: Security Hub's "Findings - Imported" with one AWS Security Finding (ASFF), GuardDuty's
"GuardDuty Finding". A key that two computers use quarantines its drone, as our own rule of that name does; of anything
else a person judges, because a drone that sends its backlog after an outage looks like a flood to Device Defender.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from cloud import quarantine
from cloud.intrusion import book
from cloud.intrusion.rules import SubjectKind, Suspicion
from cloud.logbook import log
from cloud.services import Services
from cloud.tables import Drone
from contracts.errors import InvalidInput

SHARED_KEY = "certificate_in_two_places"
"""The rule of ``cloud.intrusion.rules`` that these findings of Device Defender mean too."""
_SHARED = re.compile(r"CONFLICTING_CLIENT_IDS_CHECK|DEVICE_CERTIFICATE_SHARED_CHECK", re.IGNORECASE)
_THING = re.compile(r"^arn:aws[\w-]*:iot:[^:]*:\d{12}:thing/(?P<name>[\w:.-]+)$")


class _Resource(BaseModel):
    Type: str = ""
    Id: str


class _Asff(BaseModel):
    Id: str
    ProductName: str = ""
    GeneratorId: str = ""
    Title: str
    RecordState: str = "ACTIVE"
    Resources: list[_Resource] = Field(min_length=1)


class _Imported(BaseModel):
    findings: list[_Asff]


class _GuardDuty(BaseModel):
    id: str
    type: str
    title: str = ""
    severity: float
    resource: dict[str, Any] = {}


class _Event(BaseModel):
    source: str
    detail: dict[str, Any]


def suspicions(body: str) -> Iterator[Suspicion]:
    """Yield what an event of EventBridge holds against whom; nothing for a finding that is over.

    Raises:
        InvalidInput: Not such an event.

    """
    try:
        event = _Event.model_validate_json(body)
        if event.source == "aws.guardduty":
            yield _of_guardduty(_GuardDuty.model_validate(event.detail))
        elif event.source == "aws.securityhub":
            active = [one for one in _Imported.model_validate(event.detail).findings if one.RecordState == "ACTIVE"]
            for finding in active:
                yield from (_of_asff(finding, resource.Id) for resource in finding.Resources)
        else:
            raise InvalidInput(f"Nothing of {event.source!r} is expected here.", field="source")
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(f"Not a finding as EventBridge sends it: {field}: {first['msg']}.", field=field) from error


def _of_asff(finding: _Asff, resource: str) -> Suspicion:
    thing = _THING.match(resource)
    shared = _SHARED.search(f"{finding.GeneratorId} {finding.Id} {finding.Title}")
    rule = SHARED_KEY if shared else "device_defender"
    facts = {"finding": finding.Id, "product": finding.ProductName, "check": finding.GeneratorId}
    if thing is None:
        return Suspicion(rule, SubjectKind.ASKER, resource, finding.Title, facts)
    return Suspicion(rule, SubjectKind.DRONE, thing["name"], finding.Title, facts)


def _of_guardduty(finding: _GuardDuty) -> Suspicion:
    key = finding.resource.get("accessKeyDetails") or {}
    whose = str(key.get("userName") or finding.resource.get("resourceType") or finding.id)
    facts = {"finding": finding.id, "type": finding.type, "severity": finding.severity}
    return Suspicion("guardduty", SubjectKind.ASKER, whose, finding.title or finding.type, facts)


def on_finding(services: Services, body: str) -> None:
    """Open an event for each suspicion, or count it on; a message that comes twice counts twice and changes no more.

    Raises:
        InvalidInput: Not a finding.

    """
    now = datetime.now(UTC)
    found = list(suspicions(body))
    with services.database.session() as session:
        for one in found:
            known = one.kind is not SubjectKind.DRONE or session.get(Drone, one.subject) is not None
            said = one if known else one._replace(kind=SubjectKind.ASKER)
            book.report(session, said, now)
            if said.kind is SubjectKind.DRONE and said.rule == SHARED_KEY:
                quarantine.impose(session, said.subject, "platform", said.summary)
    log("aws_findings", events=len(found))
