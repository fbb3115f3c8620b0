"""SAP plant maintenance over OData V2: notifications, their pictures and orders, with CSRF token and cookies."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import httpx

from cloud.backends.maintenance_http import Wire
from cloud.maintenance import FieldReport, NotificationDraft, NotificationState, OrderDraft, Picture
from contracts.errors import SapRejected, SapUnavailable

_SERVICE = "/sap/opu/odata/sap/API_MAINTNOTIFICATION"
_SET = f"{_SERVICE}/MaintenanceNotification"
_ATTACHMENTS = "/sap/opu/odata/sap/API_CV_ATTACHMENT_SRV"
_ORDERS = "/sap/opu/odata/sap/API_MAINTENANCEORDER"
_ORDER_SET = f"{_ORDERS}/MaintenanceOrder"
_NOTIFICATION_OBJECT = "BUS2038"
"""SAP's business object of a maintenance notification, to which attachments are linked."""
_TOKEN = "x-csrf-token"  # noqa: S105 - the header's name
_SHOWN = (
    "MaintenanceNotification,NotifProcessingPhase,NotifProcessingPhaseDesc,MaintenanceOrder,NotificationCompletionDate"
)
_COMPLETED, _DELETED = "4", "5"
"""Processing phases: 1 outstanding, 2 postponed, 3 in process, 4 completed, 5 deletion flag."""
LONG_TEXT_MAX = 1333
_CUT = "\n[...]\n"
_ROOT_HINT = "Is CLOUD_SAP_URL the service's root?"
_MILLIS = re.compile(r"^/Date\((-?\d+)(?:[+-]\d{4})?\)/$")


class SapOData:
    """One SAP system, one technical user. A session lives as long as the object; its token is renewed when it ends."""

    name = "sap"

    def __init__(
        self,
        root_url: str,
        user: str,
        password: str,
        *,
        page: str = "",
        timeout_s: float = 10.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        root = root_url.rstrip("/")
        self._page = page or f"{root}{_SET}('{{number}}')"
        self._user = user[:12]
        http = httpx.Client(
            base_url=root,
            auth=httpx.BasicAuth(user, password) if user else None,
            timeout=timeout_s,
            headers={"accept": "application/json"},
            transport=transport,
        )
        self._wire = Wire("SAP", root, "CLOUD_SAP_URL", http, _reason, SapUnavailable, SapRejected)
        self._token = ""

    def close(self) -> None:
        """Give up the connections to SAP."""
        self._wire.http.close()

    def find(self, reference: str) -> NotificationState | None:
        """Return the notification with our reference, None when there is none."""
        quoted = reference.replace("'", "''")
        query = {"$filter": f"MaintNotifExtReferenceNumber eq '{quoted}'", "$top": "1", "$format": "json"}
        answer = self._wire.check(self._wire.sent("GET", _SET, params={**query, "$select": _SHOWN}))
        rows = _rows(answer)
        return self._state(rows[0]) if rows else None

    def read(self, number: str) -> NotificationState | None:
        """Return a notification by its number, None when there is none (any more)."""
        answer = self._wire.sent(
            "GET", f"{_SET}('{quote(number, safe='')}')", params={"$format": "json", "$select": _SHOWN}
        )
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        self._wire.check(answer)
        return self._state(_body(answer))

    def create(self, draft: NotificationDraft) -> NotificationState:
        """Create a notification."""
        answer = self._posted(_SERVICE, _SET, json=_fields(draft, self._user))
        return self._state(_body(answer))

    def pictures(self, number: str) -> list[str]:
        """Return the file names of what is attached to a notification."""
        query = {
            "BusinessObjectTypeName": f"'{_NOTIFICATION_OBJECT}'",
            "LinkedSAPObjectKey": f"'{_key(number)}'",
            "$format": "json",
        }
        answer = self._wire.check(self._wire.sent("GET", f"{_ATTACHMENTS}/GetAllOriginals", params=query))
        return [str(row.get("FileName") or "") for row in _rows(answer)]

    def attach(self, number: str, picture: Picture) -> None:
        """Attach a picture to a notification: its bytes are the body, all else is in headers."""
        headers = {
            "slug": quote(picture.name, safe=""),
            "content-type": picture.content_type,
            "BusinessObjectTypeName": _NOTIFICATION_OBJECT,
            "LinkedSAPObjectKey": _key(number),
        }
        self._posted(_ATTACHMENTS, f"{_ATTACHMENTS}/AttachmentContentSet", content=picture.body, headers=headers)

    def find_order(self, number: str) -> str | None:
        """Return the number of the order made for a notification, None when there is none."""
        query = {"$filter": f"MaintenanceNotification eq '{_key(number)}'", "$top": "1", "$format": "json"}
        answer = self._wire.check(self._wire.sent("GET", _ORDER_SET, params={**query, "$select": "MaintenanceOrder"}))
        rows = _rows(answer)
        return _named(rows[0], "MaintenanceOrder") if rows else None

    def create_order(self, draft: OrderDraft) -> str:
        """Create an order with its operations, and return its number."""
        answer = self._posted(_ORDERS, _ORDER_SET, json=_order_fields(draft))
        return _named(_body(answer), "MaintenanceOrder")

    def report(self, number: str, said: FieldReport) -> bool:
        """Write what a crew said into the long text, against the version that was read.

        A repair ends the malfunction; completing the notification stays with people in SAP, whose service has no
        documented operation for it.
        """
        path = f"{_SET}('{quote(number, safe='')}')"
        query = {"$format": "json", "$select": "MaintNotifLongTextForEdit"}
        held = self._wire.check(self._wire.sent("GET", path, params=query))
        text = str(_body(held).get("MaintNotifLongTextForEdit") or "")
        if said.key in text:
            return False
        fields: dict[str, object] = {"MaintNotifLongTextForEdit": with_note(text, f"{said.text} [{said.key}]")}
        if said.priority:
            fields["MaintPriority"] = said.priority
        if said.ended_at is not None:
            fields |= {"MalfunctionEndDate": odata_date(said.ended_at), "MaintenanceObjectIsDown": False}
            fields["MalfunctionEndTime"] = odata_time(said.ended_at)
        seen = {"if-match": held.headers.get("etag", "*")}
        answer = self._changed("PATCH", _SERVICE, path, json=fields, headers=seen)
        if answer.status_code == httpx.codes.PRECONDITION_FAILED:
            raise SapUnavailable(f"Notification {number} was changed meanwhile.", hint="It will be asked again.")
        self._wire.check(answer)
        return True

    def _posted(self, service: str, path: str, **more: Any) -> httpx.Response:
        return self._wire.check(self._changed("POST", service, path, **more))

    def _changed(
        self, method: str, service: str, path: str, *, headers: Mapping[str, str] | None = None, **more: Any
    ) -> httpx.Response:
        """Send a change and return the answer, whatever it is; an expired token is fetched again once."""
        answer = self._tried(method, service, path, headers=headers or {}, more=more)
        if answer.status_code == httpx.codes.FORBIDDEN and answer.headers.get(_TOKEN, "").lower() == "required":
            self._token = ""
            answer = self._tried(method, service, path, headers=headers or {}, more=more)
        return answer

    def _tried(
        self, method: str, service: str, path: str, *, headers: Mapping[str, str], more: Mapping[str, Any]
    ) -> httpx.Response:
        if not self._token:
            fetched = self._wire.check(self._wire.sent("GET", f"{service}/", headers={_TOKEN: "Fetch"}))
            self._token = fetched.headers.get(_TOKEN, "")
        return self._wire.sent(method, path, headers={**headers, _TOKEN: self._token}, **more)

    def _state(self, row: Mapping[str, Any]) -> NotificationState:
        number = _named(row, "MaintenanceNotification")
        phase = str(row.get("NotifProcessingPhase") or "")
        return NotificationState(
            number=number,
            phase=str(row.get("NotifProcessingPhaseDesc") or phase),
            url=self._page.replace("{number}", number),
            status="closed" if phase == _COMPLETED else "cancelled" if phase == _DELETED else "open",
            order=str(row.get("MaintenanceOrder") or ""),
            completed_at=moment_of(row.get("NotificationCompletionDate")),
        )


def _fields(draft: NotificationDraft, user: str) -> dict[str, object]:
    """Return a notification in SAP's names (reference: API_MAINTNOTIFICATION, OData V2)."""
    fields: dict[str, object] = {
        "NotificationType": draft.kind,
        "NotificationText": draft.text,
        "MaintNotifLongTextForEdit": draft.long_text,
        "MaintPriority": draft.priority,
        "TechnicalObject": draft.functional_location,
        "TechObjIsEquipOrFuncnlLoc": "EAMS_FL",
        "TechnicalObjectLabel": draft.functional_location,
        "ReportedByUser": user,
        "LocationDescription": draft.location,
        "MaintenanceObjectIsDown": draft.is_down,
        "MaintNotifExtReferenceNumber": draft.reference,
        "MalfunctionStartDate": odata_date(draft.malfunction_at),
        "MalfunctionStartTime": odata_time(draft.malfunction_at),
    }
    if draft.coding is not None:
        fields["MaintNotificationCatalog"] = draft.coding.catalogue
        fields["MaintNotificationCodeGroup"] = draft.coding.group
        fields["MaintNotificationCode"] = draft.coding.code
    if draft.required_by is not None:
        fields["RequiredEndDate"] = odata_date(draft.required_by)
        fields["RequiredEndTime"] = odata_time(draft.required_by)
    return fields


def _order_fields(draft: OrderDraft) -> dict[str, object]:
    """Return an order in SAP's names (reference: API_MAINTENANCEORDER, OData V2), its operations in it."""
    operations = [
        {"MaintenanceOrderOperation": f"{10 * number:04d}", "OperationDescription": text}
        for number, text in enumerate(draft.operations, 1)
    ]
    return {
        "MaintenanceOrderType": draft.kind,
        "MaintenanceOrderDesc": draft.text,
        "FunctionalLocation": draft.functional_location,
        "MaintPriority": draft.priority,
        "MaintenanceNotification": _key(draft.notification),
        "MaintOrdBasicStartDate": odata_date(draft.starts_at),
        "MaintOrdBasicEndDate": odata_date(draft.ends_at),
        "to_MaintenanceOrderOperation": {"results": operations},
    }


def _key(number: str) -> str:
    """Return a notification's number as SAP keeps it: twelve digits."""
    return number.zfill(12) if number.isdigit() else number.replace("'", "''")


def with_note(text: str, note: str) -> str:
    """Return a long text with a note after it, within SAP's limit: where it is full, the middle gives way.

    The note's last characters are its key, so that cutting keeps them.
    """
    if len(note) > LONG_TEXT_MAX // 2:
        key = note[note.rfind(" [") :]
        note = note[: LONG_TEXT_MAX // 2 - len(key) - 3].rstrip() + "..." + key
    room = LONG_TEXT_MAX - len(note) - len(_CUT)
    return f"{text}\n{note}" if len(text) < room else f"{text[:room].rstrip()}{_CUT}{note}"


def odata_date(moment: datetime) -> str:
    """Return an OData V2 JSON date: midnight UTC in milliseconds, ``/Date(1763596800000)/``."""
    day = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return f"/Date({round(day.timestamp() * 1000)})/"


def odata_time(moment: datetime) -> str:
    """Return an OData V2 time of day, ``PT16H41M38S``."""
    return moment.astimezone(UTC).strftime("PT%HH%MM%SS")


def moment_of(value: object) -> datetime | None:
    """Return an OData V2 date as an instant; None for SAP's several ways to say that there is none."""
    match = _MILLIS.match(value) if isinstance(value, str) else None
    if match is None:
        return None
    try:
        return datetime.fromtimestamp(int(match[1]) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None  # a moment that no calendar has, which SAP has written for "never" too


def _body(answer: httpx.Response) -> dict[str, Any]:
    try:
        body = answer.json()["d"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise SapUnavailable(f"SAP answered {answer.status_code} without OData.", hint=_ROOT_HINT) from error
    if not isinstance(body, dict):
        raise SapUnavailable(f"SAP answered {answer.status_code} with something unexpected under 'd'.")
    return body


def _rows(answer: httpx.Response) -> list[dict[str, Any]]:
    rows = _body(answer).get("results", [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise SapUnavailable(f"SAP answered {answer.status_code} with no list of entities.", hint=_ROOT_HINT)
    return rows


def _named(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str | int) or not str(value):
        raise SapUnavailable(f"SAP's answer has no {name}.", hint=_ROOT_HINT)
    return str(value)


def _reason(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["message"]["value"])
