"""The MaintenanceNotification entity: its fields, their types and limits, and what SAP says of a wrong value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

MILLIS: Final = re.compile(r"^/Date\((-?\d{1,14})([+-]\d{4})?\)/$")
DURATION: Final = re.compile(r"^PT(\d{1,2})H(\d{1,2})M(\d{1,2})S$")
FUNCTIONAL_LOCATION: Final = re.compile(r"^[A-Z0-9][A-Z0-9._/-]{1,39}$")
EQUIPMENT: Final = re.compile(r"^\d{1,18}$")


class Edm(StrEnum):
    """OData V2 types in use."""

    STRING = "Edm.String"
    BOOLEAN = "Edm.Boolean"
    DATE = "Edm.DateTime"
    TIME = "Edm.Time"
    INSTANT = "Edm.DateTimeOffset"


class Field(NamedTuple):
    """One property. ``writable``: by POST and PATCH; the notification type by POST only."""

    name: str
    edm: Edm = Edm.STRING
    length: int = 0
    writable: bool = True


FIELDS: Final = (
    Field("MaintenanceNotification", length=12, writable=False),
    Field("NotificationText", length=40),
    Field("MaintNotifLongTextForEdit", length=1333),
    Field("NotificationType", length=2),
    Field("MaintPriority", length=1),
    Field("TechnicalObject", length=40),
    Field("TechObjIsEquipOrFuncnlLoc", length=9),
    Field("TechnicalObjectLabel", length=40),
    Field("ReportedByUser", length=12),
    Field("LocationDescription", length=50),
    Field("MalfunctionStartDate", Edm.DATE),
    Field("MalfunctionStartTime", Edm.TIME),
    Field("MalfunctionEndDate", Edm.DATE),
    Field("MalfunctionEndTime", Edm.TIME),
    Field("RequiredStartDate", Edm.DATE),
    Field("RequiredStartTime", Edm.TIME),
    Field("RequiredEndDate", Edm.DATE),
    Field("RequiredEndTime", Edm.TIME),
    Field("MaintenanceObjectIsDown", Edm.BOOLEAN),
    Field("MaintenancePlanningPlant", length=4),
    Field("MaintenancePlannerGroup", length=3),
    Field("MainWorkCenter", length=8),
    Field("MainWorkCenterPlant", length=4),
    Field("CatalogProfile", length=9),
    Field("MaintNotificationCatalog", length=1),
    Field("MaintNotificationCodeGroup", length=8),
    Field("MaintNotificationCode", length=4),
    Field("MaintNotifDetectionCatalog", length=1),
    Field("MaintNotifDetectionCodeGroup", length=8),
    Field("MaintNotifDetectionCode", length=4),
    Field("MaintNotifExtReferenceNumber", length=35),
    Field("NotifProcessingPhase", length=1, writable=False),
    Field("NotifProcessingPhaseDesc", length=60, writable=False),
    Field("MaintNotifProcessPhaseCode", length=3, writable=False),
    Field("MaintNotifProcessSubPhaseCode", length=4, writable=False),
    Field("MaintenanceOrder", length=12, writable=False),
    Field("NotificationCreationDate", Edm.DATE, writable=False),
    Field("NotificationCompletionDate", Edm.DATE, writable=False),
    Field("CreatedByUser", length=12, writable=False),
    Field("LastChangedByUser", length=12, writable=False),
    Field("LastChangeDateTime", Edm.INSTANT, writable=False),
)
"""Lengths 40, 1, 12, 50, 1333, 2 are from field notes on the real service; the others are ours, in its manner."""
BY_NAME: Final = {field.name: field for field in FIELDS}
TYPES: Final = frozenset({"M1", "M2", "M3"})
PRIORITIES: Final = frozenset("1234")
OBJECT_KINDS: Final = frozenset({"EAMS_EQUI", "EAMS_FL"})


class Wrong(NamedTuple):
    """Why a value is refused: a message code, words, and the property."""

    code: str
    message: str
    field: str


def check(body: Mapping[str, object], *, creating: bool) -> list[Wrong]:
    """Return everything that is wrong with a request's properties; none means it can be stored."""
    wrongs = [wrong for name, value in body.items() if (wrong := _check_one(name, value))]
    if creating and not wrongs:
        wrongs += [
            Wrong("IM/058", f"Enter a value for required property '{name}'", name)
            for name in ("NotificationText", "NotificationType")
            if not body.get(name)
        ]
    if not creating and "NotificationType" in body:
        wrongs.append(Wrong("IM/412", "The notification type cannot be changed", "NotificationType"))
    return wrongs or _check_meaning(body)


def _check_one(name: str, value: object) -> Wrong | None:
    field = BY_NAME.get(name)
    if field is None:
        return Wrong("CX_SXML_PARSE_ERROR/001560AA0E081DEB8CA398CC1690D406", f"Property '{name}' is invalid", name)
    if not field.writable:
        return Wrong("/IWBEP/CM_MGW_RT/022", f"Property '{name}' is read-only", name)
    if not _fits(field, value):
        return Wrong("/IWBEP/CM_MGW_RT/176", f"Property '{name}' has invalid value '{str(value)[:60]}'", name)
    if field.length and isinstance(value, str) and len(value) > field.length:
        said = f"Property '{name}' is longer than {field.length} characters ({len(value)})"
        return Wrong("/IWBEP/CM_MGW_RT/177", said, name)
    return None


def _fits(field: Field, value: object) -> bool:
    if value is None:
        return field.edm in {Edm.DATE, Edm.TIME}
    if field.edm is Edm.BOOLEAN:
        return isinstance(value, bool)
    if not isinstance(value, str):
        return False
    if field.edm is Edm.DATE:
        return value == "" or MILLIS.match(value) is not None or _is_iso(value)
    return field.edm is not Edm.TIME or value == "" or _is_time(value)


def _is_iso(value: str) -> bool:
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def _is_time(value: str) -> bool:
    match = DURATION.match(value)
    return match is not None and int(match[1]) < 24 and int(match[2]) < 60 and int(match[3]) < 60


def _check_meaning(body: Mapping[str, object]) -> list[Wrong]:
    """Check values that are well formed but mean nothing to plant maintenance."""
    wrongs = []
    if body.get("NotificationType", "M1") not in TYPES:
        wrongs.append(Wrong("IM/105", f"Notification type {body['NotificationType']} not defined", "NotificationType"))
    priority = body.get("MaintPriority", "")
    if priority and priority not in PRIORITIES:
        wrongs.append(Wrong("IM/157", f"Priority {priority} is not defined for this priority type", "MaintPriority"))
    label, kind = body.get("TechnicalObject"), body.get("TechObjIsEquipOrFuncnlLoc")
    if label and kind not in OBJECT_KINDS:
        wrongs.append(
            Wrong("IM/230", "Enter EAMS_EQUI or EAMS_FL with a technical object", "TechObjIsEquipOrFuncnlLoc")
        )
    elif kind == "EAMS_FL" and label and not FUNCTIONAL_LOCATION.match(str(label)):
        wrongs.append(Wrong("IL/001", f"Functional location {label} does not exist", "TechnicalObject"))
    elif kind == "EAMS_EQUI" and label and not EQUIPMENT.match(str(label)):
        wrongs.append(Wrong("IM/101", f"Equipment {label} does not exist", "TechnicalObject"))
    return wrongs
