"""How the service words its answers: entities, errors in SAP's shape, the metadata document, a page for people."""

from __future__ import annotations

import html
import re
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final
from xml.sax.saxutils import quoteattr

from fastapi.responses import HTMLResponse, JSONResponse

from simulators import logbook
from simulators.sap_faults import FaultFile
from simulators.sap_fields import FIELDS, MILLIS, Edm, Wrong
from simulators.sap_store import Notification

ROOT: Final = "/sap/opu/odata/sap/API_MAINTNOTIFICATION"
ENTITY_TYPE: Final = "API_MAINTNOTIFICATION.MaintenanceNotificationType"
_VERSION: Final = {"dataserviceversion": "2.0"}


def entity(found: Notification, base: str, select: Sequence[str] = ()) -> dict[str, object]:
    """Return a notification as OData V2 JSON, with all properties or the selected ones."""
    uri = f"{base}{ROOT}/MaintenanceNotification('{found.number}')"
    shown: Mapping[str, object] = {name: found.body[name] for name in select} if select else found.body
    links = {} if select else {"to_Item": {"__deferred": {"uri": f"{uri}/to_Item"}}}
    return {"__metadata": {"id": uri, "uri": uri, "type": ENTITY_TYPE, "etag": found.etag}, **shown, **links}


def answer(content: Mapping[str, object], status: int = 200, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Return a JSON answer under ``d``."""
    return JSONResponse({"d": content}, status, {**_VERSION, **(headers or {})})


def refusal(status: int, wrongs: Sequence[Wrong]) -> JSONResponse:
    """Return an OData error in SAP Gateway's shape; the first reason leads."""
    first = wrongs[0]
    details = [
        {"code": w.code, "message": w.message, "propertyref": w.field, "severity": "error", "target": ""}
        for w in wrongs
    ]
    inner = {
        "application": {
            "component_id": "PM-WOC-MN",
            "service_namespace": "/SAP/",
            "service_id": "API_MAINTNOTIFICATION",
            "service_version": "0001",
        },
        "transactionid": secrets.token_hex(16).upper(),
        "timestamp": f"{datetime.now(UTC):%Y%m%d%H%M%S.%f}",
        "errordetails": details,
    }
    said = {"lang": "en", "value": first.message}
    return JSONResponse({"error": {"code": first.code, "message": said, "innererror": inner}}, status, _VERSION)


def plain_error(status: int, title: str, headers: Mapping[str, str] | None = None) -> HTMLResponse:
    """Return an error page as the web server in front of the application writes it."""
    body = f"<html><head><title>{title}</title></head><body><h1>{status} {title}</h1></body></html>"
    return HTMLResponse(body, status, dict(headers or {}))


def ordered_failure(faults: FaultFile) -> HTMLResponse | None:
    """Return the failure that the fault file orders for the next POST, None for none."""
    status = faults.take_failure()
    if status is None:
        return None
    logbook.note("sap_fault", status=status)
    return plain_error(status, "Service Unavailable" if status >= 500 else "Refused")


def service_document() -> dict[str, object]:
    """Return the list of entity sets."""
    return {"EntitySets": ["MaintenanceNotification"]}


def metadata() -> str:
    """Return the EDMX document with every property's type and length."""
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        '<edmx:Edmx Version="1.0" xmlns:edmx="http://schemas.microsoft.com/ado/2007/06/edmx"'
        ' xmlns:m="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata"'
        ' xmlns:sap="http://www.sap.com/Protocols/SAPData">\n'
        ' <edmx:DataServices m:DataServiceVersion="2.0">\n'
        '  <Schema Namespace="API_MAINTNOTIFICATION" xmlns="http://schemas.microsoft.com/ado/2008/09/edm">\n'
        '   <EntityType Name="MaintenanceNotificationType">\n'
        '    <Key><PropertyRef Name="MaintenanceNotification"/></Key>\n'
        f"{''.join(_property(index) for index in range(len(FIELDS)))}"
        "   </EntityType>\n"
        '   <EntityContainer Name="API_MAINTNOTIFICATION_Entities" m:IsDefaultEntityContainer="true">\n'
        f'    <EntitySet Name="MaintenanceNotification" EntityType="{ENTITY_TYPE}"/>\n'
        "   </EntityContainer>\n"
        "  </Schema>\n </edmx:DataServices>\n</edmx:Edmx>\n"
    )


def _property(index: int) -> str:
    field = FIELDS[index]
    length = f' MaxLength="{field.length}"' if field.length else ""
    nullable = ' Nullable="false"' if field.name == "MaintenanceNotification" else ""
    able = "true" if field.writable else "false"
    update = "false" if field.name == "NotificationType" else able
    flags = f' sap:creatable="{able}" sap:updatable="{update}"'
    return f"    <Property Name={quoteattr(field.name)} Type={quoteattr(field.edm.value)}{nullable}{length}{flags}/>\n"


_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;color:#1d2d3e}"
    "h1{font-size:1.5rem;margin:0}p.k{color:#556b82;margin:.2rem 0 1.5rem}"
    "span.p{background:#fff3b8;border-radius:.4rem;padding:.1rem .5rem}"
    "table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.35rem .5rem;vertical-align:top}"
    "tr{border-bottom:1px solid #e5e9ee}th{font-weight:500;color:#556b82;width:17rem}"
    "pre{white-space:pre-wrap;font:inherit;background:#f5f6f7;padding:1rem;border-radius:.5rem}"
)


def page(found: Notification) -> HTMLResponse:
    """Return a notification as a page; empty properties are left out."""
    body = found.body
    hidden = {"MaintenanceNotification", "NotificationText", "MaintNotifLongTextForEdit", "NotifProcessingPhase"}
    rows = "".join(
        f"<tr><th>{_words(field.name)}</th><td>{html.escape(_shown(field.edm, body[field.name]))}</td></tr>"
        for field in FIELDS
        if field.name not in hidden and body[field.name] not in {None, ""}
    )
    text = html.escape(str(body["NotificationText"]))
    long_text = html.escape(str(body["MaintNotifLongTextForEdit"]))
    phase = html.escape(str(body["NotifProcessingPhaseDesc"]))
    content = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Notification {found.number}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>'
        f'<h1>{text}</h1><p class="k">Maintenance notification {found.number} <span class="p">{phase}</span></p>'
        f"{f'<pre>{long_text}</pre>' if long_text else ''}<table>{rows}</table>"
        '<p class="k">Simulated SAP system: nothing here is real.</p></body></html>'
    )
    policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
    return HTMLResponse(content, headers={"content-security-policy": policy, "x-content-type-options": "nosniff"})


def _words(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)


def _shown(edm: Edm, value: object) -> str:
    match = MILLIS.match(str(value))
    if match is not None and edm in {Edm.DATE, Edm.INSTANT}:
        moment = datetime.fromtimestamp(int(match[1]) / 1000, UTC)
        return f"{moment:%Y-%m-%d}" if edm is Edm.DATE else f"{moment:%Y-%m-%d %H:%M:%S} UTC"
    if edm is Edm.TIME:
        return "{}:{}:{} UTC".format(*re.findall(r"\d{2}", str(value)))
    return {"True": "yes", "False": "no"}.get(str(value), str(value))
