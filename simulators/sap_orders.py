"""The simulated API_MAINTENANCEORDER: orders with their operations, created for a notification and found by it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from simulators import logbook
from simulators.sap_answers import answer, ordered_failure, refusal
from simulators.sap_beside import ServiceBeside
from simulators.sap_faults import FaultFile
from simulators.sap_fields import FUNCTIONAL_LOCATION, MILLIS, PRIORITIES, Wrong
from simulators.sap_store import Store

ROOT: Final = "/sap/opu/odata/sap/API_MAINTENANCEORDER"
FIRST_NUMBER: Final = 4_000_001
_OPERATIONS: Final = "to_MaintenanceOrderOperation"
_LENGTHS: Final = {
    "MaintenanceOrderType": 4,
    "MaintenanceOrderDesc": 40,
    "FunctionalLocation": 40,
    "Equipment": 18,
    "MaintPriority": 1,
    "MaintenanceNotification": 12,
    "MaintenancePlanningPlant": 4,
    "MaintenancePlant": 4,
    "MainWorkCenter": 8,
    "MainWorkCenterPlant": 4,
    "MaintOrdBasicStartDate": 0,
    "MaintOrdBasicEndDate": 0,
}
_OPERATION_LENGTHS: Final = {
    "MaintenanceOrderOperation": 4,
    "OperationDescription": 40,
    "OperationControlKey": 4,
    "WorkCenter": 8,
    "Plant": 4,
    "PlannedWorkQuantity": 0,
}
_TYPES: Final = re.compile(r"^(PM0[1-6]|YBA[1-6])$")
_BY_NOTIFICATION: Final = re.compile(r"^MaintenanceNotification eq '(\d{1,12})'$")
_SCHEMA: Final = "CREATE TABLE IF NOT EXISTS maintenance_order(number INTEGER PRIMARY KEY, body TEXT NOT NULL)"


def check(body: Mapping[str, object]) -> list[Wrong]:
    """Return everything that is wrong with an order's properties."""
    operations = operations_of(body)
    wrongs = _too_long({k: v for k, v in body.items() if k != _OPERATIONS}, _LENGTHS)
    for operation in operations:
        wrongs += _too_long(operation, _OPERATION_LENGTHS)
    for name in ("MaintenanceOrderType", "MaintenanceOrderDesc"):
        if not body.get(name):
            wrongs.append(Wrong("IW/058", f"Enter a value for required property '{name}'", name))
    return wrongs or _meaning(body)


def _meaning(body: Mapping[str, object]) -> list[Wrong]:
    wrongs = []
    kind, place = str(body["MaintenanceOrderType"]), str(body.get("FunctionalLocation") or "")
    if not _TYPES.match(kind):
        wrongs.append(Wrong("IW/006", f"Order type {kind} is not defined", "MaintenanceOrderType"))
    if place and not FUNCTIONAL_LOCATION.match(place):
        wrongs.append(Wrong("IL/001", f"Functional location {place} does not exist", "FunctionalLocation"))
    if (body.get("MaintPriority") or "4") not in PRIORITIES:
        wrongs.append(Wrong("IM/157", "Priority is not defined for this priority type", "MaintPriority"))
    dates = [MILLIS.match(str(body.get(name) or "")) for name in ("MaintOrdBasicStartDate", "MaintOrdBasicEndDate")]
    if dates[0] and dates[1] and int(dates[1][1]) < int(dates[0][1]):
        wrongs.append(Wrong("IW/123", "Basic finish date lies before basic start date", "MaintOrdBasicEndDate"))
    return wrongs


def _too_long(given: Mapping[str, object], lengths: Mapping[str, int]) -> list[Wrong]:
    wrongs = []
    for name, value in given.items():
        if name not in lengths:
            wrongs.append(Wrong("/IWBEP/CM_MGW_RT/176", f"Property '{name}' is invalid", name))
        elif lengths[name] and (not isinstance(value, str) or len(value) > lengths[name]):
            said = f"Property '{name}' is longer than {lengths[name]} characters or no string"
            wrongs.append(Wrong("/IWBEP/CM_MGW_RT/177", said, name))
    return wrongs


def operations_of(body: Mapping[str, object]) -> list[dict[str, object]]:
    """Return the operations of a deep insert, which come bare or under ``results``."""
    given = body.get(_OPERATIONS) or []
    listed = given.get("results", []) if isinstance(given, dict) else given
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []


class OrderService(ServiceBeside):
    """The operations on orders; their notifications learn of them."""

    def __init__(self, path: Path, notifications: Store, faults: FaultFile) -> None:
        super().__init__(path, _SCHEMA, notifications, faults)

    async def create(self, request: Request) -> Response:
        """POST: store an order and put its number into the notification."""
        if (failure := ordered_failure(self._faults)) is not None:
            return failure
        try:
            body = json.loads(await request.body())
        except ValueError:
            body = None
        if not isinstance(body, dict):
            return refusal(400, [Wrong("CX_SXML_PARSE_ERROR", "Expected an object", "")])
        wrongs = check(body)
        if not wrongs and body.get("MaintenanceNotification"):
            held = await run_in_threadpool(self._notifications.get, str(body["MaintenanceNotification"]))
            if held is None:
                wrongs = [Wrong("IM/012", "Notification does not exist", "MaintenanceNotification")]
        if wrongs:
            return refusal(400, wrongs)
        made = await run_in_threadpool(self._store, body)
        logbook.note("order_created", number=made["MaintenanceOrder"])
        return answer(made, 201)

    async def search(self, request: Request) -> Response:
        """GET of the collection, by notification."""
        match = _BY_NOTIFICATION.match(request.query_params.get("$filter", ""))
        if match is None:
            return refusal(400, [Wrong("/IWBEP/CM_MGW_RT/021", "Invalid or unsupported filter", "")])
        found = await run_in_threadpool(self._of_notification, match[1].zfill(12))
        return answer({"results": found})

    def _store(self, body: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            query = "SELECT coalesce(max(number), ?) FROM maintenance_order"
            (last,) = self._db.execute(query, (FIRST_NUMBER - 1,)).fetchone()
            made = {**body, "MaintenanceOrder": str(last + 1), "SystemStatusText": "CRTD MANC NTUP"}
            made["MaintenanceNotification"] = str(body.get("MaintenanceNotification") or "").zfill(12)
            self._db.execute("INSERT INTO maintenance_order VALUES (?, ?)", (last + 1, json.dumps(made)))
        self._notifications.order(made["MaintenanceNotification"], made["MaintenanceOrder"])
        return made

    def _of_notification(self, number: str) -> list[dict[str, Any]]:
        query = "SELECT body FROM maintenance_order WHERE json_extract(body, '$.MaintenanceNotification') = ?"
        with self._lock:
            return [json.loads(text) for (text,) in self._db.execute(query + " ORDER BY number", (number,))]
