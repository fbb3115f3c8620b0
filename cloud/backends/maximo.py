"""IBM Maximo as the customer's maintenance system: service requests over its OSLC REST API, in the lean JSON form.

A notification is a service request (object structure MXAPISR) with our reference as its external record id; an order is
a work order (MXAPIWODETAIL) that names the request as its origin. Names and headers are those of IBM's "Maximo REST API
guide" (ibm-maximo-dev.github.io/maximo-restapi-documentation): ``oslc.where``, ``oslc.select``, ``properties``,
``x-method-override``, ``patchtype``, ``doclinks`` with ``slug`` and ``x-document-meta``. Written against that guide and
a server of our own that speaks it, not against a Maximo.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from cloud.backends.maintenance_http import Wire
from cloud.maintenance import FieldReport, NotificationDraft, NotificationState, OrderDraft, Picture
from contracts.errors import MaintenanceRejected

_REQUESTS = "/maximo/api/os/mxapisr"
_ORDERS = "/maximo/api/os/mxapiwodetail"
_SHOWN = "ticketid,status,status_description,actualfinish,statusdate"
_CLOSED = frozenset({"RESOLVED", "CLOSED", "HISTEDIT", "COMP", "CLOSE"})
_CANCELLED = frozenset({"CANCELLED", "CAN"})
"""Maximo's own values of the domain SRSTATUS; a site that renamed them shows ours in ``status`` as well."""
_DESCRIPTION_MAX = 100
_MERGE = {"x-method-override": "PATCH", "patchtype": "MERGE"}


class MaximoOslc:
    """One site of one Maximo, reached with an API key."""

    name = "maximo"

    def __init__(
        self,
        root_url: str,
        api_key: str,
        *,
        site: str,
        reported_by: str = "",
        timeout_s: float = 10.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._root = root_url.rstrip("/")
        self._site, self._reported_by = site, reported_by
        headers = {"accept": "application/json", **({"apikey": api_key} if api_key else {})}
        http = httpx.Client(
            base_url=self._root, timeout=timeout_s, headers=headers, params={"lean": "1"}, transport=transport
        )
        self._wire = Wire("Maximo", self._root, "CLOUD_MAXIMO_URL", http, _reason)

    def close(self) -> None:
        """Give up the connections."""
        self._wire.http.close()

    def find(self, reference: str) -> NotificationState | None:
        """Return the request with our reference, None when there is none."""
        where = f'externalrecid="{_quoted(reference)}" and siteid="{self._site}"'
        found = self._first(_REQUESTS, where, _SHOWN)
        return self._state(found) if found else None

    def read(self, number: str) -> NotificationState | None:
        """Return a request by its number, None when there is none (any more)."""
        found = self._request(number, _SHOWN)
        return self._state(found) if found else None

    def create(self, draft: NotificationDraft) -> NotificationState:
        """Create a service request."""
        fields = {
            "description": draft.text[:_DESCRIPTION_MAX],
            "description_longdescription": f"{draft.long_text}\n{draft.location}",
            "siteid": self._site,
            "location": draft.functional_location,
            "reportedpriority": int(draft.priority),
            "reportdate": _written(draft.malfunction_at),
            "externalrecid": draft.reference,
            **({"targetfinish": _written(draft.required_by)} if draft.required_by else {}),
            **({"reportedby": self._reported_by} if self._reported_by else {}),
        }
        made = self._wire.sent("POST", _REQUESTS, json=fields, headers={"properties": _SHOWN})
        return self._state(self._wire.body(made))

    def pictures(self, number: str) -> list[str]:
        """Return the file names of what is attached to a request."""
        answer = self._wire.body(self._wire.sent("GET", f"{self._address(number)}/doclinks"))
        return [str((one.get("describedBy") or {}).get("fileName") or "") for one in answer.get("member") or []]

    def attach(self, number: str, picture: Picture) -> None:
        """Attach a file to a request: its bytes are the body, all else is in headers."""
        headers = {
            "slug": quote(picture.name, safe=""),
            "content-type": picture.content_type,
            "x-document-meta": "FILE/Attachments",
            "x-document-description": "Kestrel evidence",
        }
        path = f"{self._address(number)}/doclinks"
        self._wire.check(self._wire.sent("POST", path, content=picture.body, headers=headers))

    def find_order(self, number: str) -> str | None:
        """Return the number of the work order made for a request, None when there is none."""
        where = f'origrecordid="{_quoted(number)}" and origrecordclass="SR" and siteid="{self._site}" and istask=false'
        found = self._first(_ORDERS, where, "wonum")
        return str(found["wonum"]) if found else None

    def create_order(self, draft: OrderDraft) -> str:
        """Create a work order with its tasks, and return its number."""
        fields = {
            "description": draft.text[:_DESCRIPTION_MAX],
            "siteid": self._site,
            "location": draft.functional_location,
            "worktype": draft.kind,
            "wopriority": int(draft.priority),
            "origrecordid": draft.notification,
            "origrecordclass": "SR",
            "targstartdate": _written(draft.starts_at),
            "targcompdate": _written(draft.ends_at),
            "woactivity": [
                {"taskid": 10 * number, "description": text} for number, text in enumerate(draft.operations, 1)
            ],
        }
        made = self._wire.sent("POST", _ORDERS, json=fields, headers={"properties": "wonum"})
        return str(self._wire.body(made)["wonum"])

    def report(self, number: str, said: FieldReport) -> bool:
        """Write what a crew said as an entry of the work log; a repair resolves the request."""
        held = self._known(number, "ticketid,worklog{description}")
        if any(said.key in str(one.get("description") or "") for one in held.get("worklog") or []):
            return False
        entry = {
            "description": f"Crew at the place [{said.key}]",
            "description_longdescription": said.text,
            "logtype": "CLIENTNOTE",
        }
        fields: dict[str, object] = {"worklog": [entry]}
        if said.priority:
            fields["reportedpriority"] = int(said.priority)
        if said.ended_at is not None:
            fields |= {"status": "RESOLVED", "actualfinish": _written(said.ended_at)}
        self._wire.check(self._wire.sent("POST", _path(held["href"]), json=fields, headers=_MERGE))
        return True

    def _address(self, number: str) -> str:
        """Return where a request is. Maximo's addresses are opaque: they are looked up, never built."""
        return _path(self._known(number, "ticketid")["href"])

    def _known(self, number: str, select: str) -> dict[str, Any]:
        found = self._request(number, select)
        if found is None:
            raise MaintenanceRejected(f"Maximo has no service request {number}.", hint="Was it deleted there?")
        return found

    def _request(self, number: str, select: str) -> dict[str, Any] | None:
        return self._first(_REQUESTS, f'ticketid="{_quoted(number)}" and class="SR"', select)

    def _first(self, path: str, where: str, select: str) -> dict[str, Any] | None:
        query = {"oslc.where": where, "oslc.select": select, "oslc.pageSize": "1"}
        members = self._wire.body(self._wire.sent("GET", path, params=query)).get("member") or []
        return members[0] if members else None

    def _state(self, row: Mapping[str, Any]) -> NotificationState:
        number, status = str(row["ticketid"]), str(row.get("status") or "")
        closed = status in _CLOSED
        finished = row.get("actualfinish") or row.get("statusdate")
        return NotificationState(
            number=number,
            phase=str(row.get("status_description") or status),
            url=f"{self._root}/maximo/oslc/graphite/manage-shell/index.html?event=loadapp&value=SR"
            f"&additionalevent=useqbe&additionaleventvalue=ticketid={quote(number, safe='')}",
            status="cancelled" if status in _CANCELLED else "closed" if closed else "open",
            completed_at=datetime.fromisoformat(finished) if closed and finished else None,
        )


def _path(href: str) -> str:
    """Return a member's address below our own root: Maximo may write its internal host name into it."""
    path = urlsplit(href).path
    return path if path.startswith("/") else f"/maximo/{path}"


def _quoted(value: str) -> str:
    """Return a value for inside the double quotes of ``oslc.where``."""
    return value.replace("\\", "\\\\").replace('"', '\\"')


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def _reason(answer: httpx.Response) -> str:
    body = answer.json()
    error = body.get("Error") or body["oslc:Error"]
    code = error.get("reasonCode") or error.get("spi:reasonCode") or ""
    said = error.get("message") or error.get("oslc:message") or ""
    return said if said.startswith(code) else f"{code} {said}"
