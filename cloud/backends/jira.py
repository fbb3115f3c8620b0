"""A Jira-style tracker as the customer's maintenance system: issues by REST API version 2 (Data Center).

A notification is an issue with our reference as a label; a picture is an attachment; an order is a second issue that
carries the notification's key as a label. Labels are searched through Jira's index, which lags its commits by a moment:
a crash in just that moment is the one way to a second issue.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

import httpx

from cloud.backends.maintenance_http import Wire
from cloud.maintenance import FieldReport, NotificationDraft, NotificationState, OrderDraft, Picture

_ISSUE = "/rest/api/2/issue"
_CANCELLED = frozenset({"cancelled", "canceled", "won't do", "won't fix", "declined", "duplicate", "rejected"})
"""Resolutions that close an issue without the work being done."""
_PRIORITIES = {"1": "Highest", "2": "High", "3": "Medium", "4": "Low"}


class JiraTracker:
    """One project of one Jira, reached with a personal access token."""

    name = "jira"

    def __init__(  # noqa: PLR0913 - what the customer names
        self,
        root_url: str,
        token: str,
        *,
        project: str,
        issue_type: str = "Task",
        order_type: str = "Task",
        timeout_s: float = 10.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._root = root_url.rstrip("/")
        self._project, self._issue_type, self._order_type = project, issue_type, order_type
        headers = {"accept": "application/json", **({"authorization": f"Bearer {token}"} if token else {})}
        http = httpx.Client(base_url=self._root, timeout=timeout_s, headers=headers, transport=transport)
        self._wire = Wire("Jira", self._root, "CLOUD_JIRA_URL", http, _reason)

    def close(self) -> None:
        """Give up the connections."""
        self._wire.http.close()

    def find(self, reference: str) -> NotificationState | None:
        """Return the issue with our reference, None when there is none."""
        found = self._labelled(_label(reference))
        return self._state(found) if found else None

    def read(self, number: str) -> NotificationState | None:
        """Return an issue by its key, None when there is none (any more)."""
        answer = self._wire.sent("GET", _path(number))
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        return self._state(self._wire.body(answer))

    def create(self, draft: NotificationDraft) -> NotificationState:
        """Create an issue."""
        place = f"{draft.functional_location}, {draft.location}"
        fields = {
            "summary": f"{draft.functional_location}: {draft.text}",
            "description": f"{draft.long_text}\n{place}",
            "labels": ["kestrel", _label(draft.reference)],
            **self._common(self._issue_type, draft.priority, draft.required_by),
        }
        made = self._wire.body(self._wire.sent("POST", _ISSUE, json={"fields": fields}))
        return NotificationState(number=str(made["key"]), phase="", url=self._page(str(made["key"])))

    def pictures(self, number: str) -> list[str]:
        """Return the file names of what is attached to an issue."""
        issue = self._wire.body(self._wire.sent("GET", _path(number), params={"fields": "attachment"}))
        return [str(one["filename"]) for one in issue["fields"].get("attachment") or []]

    def attach(self, number: str, picture: Picture) -> None:
        """Attach a picture to an issue."""
        answer = self._wire.sent(
            "POST",
            f"{_path(number)}/attachments",
            files={"file": (picture.name, picture.body, picture.content_type)},
            headers={"X-Atlassian-Token": "no-check"},
        )
        self._wire.check(answer)

    def find_order(self, number: str) -> str | None:
        """Return the key of the order made for an issue, None when there is none."""
        found = self._labelled(_order_label(number))
        return str(found["key"]) if found else None

    def create_order(self, draft: OrderDraft) -> str:
        """Create an issue for the work, and return its key."""
        steps = "\n".join(f"# {text}" for text in draft.operations)
        fields = {
            "summary": f"{draft.functional_location}: {draft.text}",
            "description": f"For {draft.notification}, {draft.kind}, from {draft.starts_at:%Y-%m-%d}.\n{steps}",
            "labels": ["kestrel", _order_label(draft.notification)],
            **self._common(self._order_type, draft.priority, draft.ends_at),
        }
        return str(self._wire.body(self._wire.sent("POST", _ISSUE, json={"fields": fields}))["key"])

    def report(self, number: str, said: FieldReport) -> bool:
        """Write what a crew said as a comment; a repair moves the issue to done where its workflow has a way."""
        held = self._wire.body(self._wire.sent("GET", f"{_path(number)}/comment"))
        if any(said.key in str(one.get("body") or "") for one in held.get("comments") or []):
            return False
        if said.priority:
            fields = {"priority": {"name": _PRIORITIES.get(said.priority, "Medium")}}
            self._wire.check(self._wire.sent("PUT", _path(number), json={"fields": fields}))
        if said.ended_at is not None:
            self._finish(number)
        note = {"body": f"{said.text} [{said.key}]"}  # the last: while it is missing, all of it is done again
        self._wire.check(self._wire.sent("POST", f"{_path(number)}/comment", json=note))
        return True

    def _finish(self, number: str) -> None:
        ways = self._wire.body(self._wire.sent("GET", f"{_path(number)}/transitions")).get("transitions") or []
        done = [way for way in ways if (way["to"].get("statusCategory") or {}).get("key") == "done"]
        if done:
            way = {"transition": {"id": done[0]["id"]}}
            self._wire.check(self._wire.sent("POST", f"{_path(number)}/transitions", json=way))

    def _common(self, issue_type: str, priority: str, due: datetime | None) -> dict[str, object]:
        fields: dict[str, object] = {
            "project": {"key": self._project},
            "issuetype": {"name": issue_type},
            "priority": {"name": _PRIORITIES.get(priority, "Medium")},
        }
        return fields | ({"duedate": f"{due:%Y-%m-%d}"} if due else {})

    def _labelled(self, label: str) -> dict[str, Any] | None:
        jql = f'project = "{self._project}" AND labels = "{label}" ORDER BY created ASC'
        fields = "status,resolution,resolutiondate"
        query = {"jql": jql, "maxResults": "1", "fields": fields}
        issues = self._wire.body(self._wire.sent("GET", "/rest/api/2/search", params=query)).get("issues") or []
        return issues[0] if issues else None

    def _state(self, issue: Mapping[str, Any]) -> NotificationState:
        fields, key = issue["fields"], str(issue["key"])
        done = ((fields.get("status") or {}).get("statusCategory") or {}).get("key") == "done"
        resolution = str((fields.get("resolution") or {}).get("name") or "").lower()
        resolved_at = fields.get("resolutiondate")
        return NotificationState(
            number=key,
            phase=str((fields.get("status") or {}).get("name") or ""),
            url=self._page(key),
            status="open" if not done else "cancelled" if resolution in _CANCELLED else "closed",
            completed_at=_moment(resolved_at) if done and resolved_at else None,
        )

    def _page(self, key: str) -> str:
        return f"{self._root}/browse/{quote(key, safe='')}"


def _path(number: str) -> str:
    return f"{_ISSUE}/{quote(number, safe='')}"


def _label(reference: str) -> str:
    """Return a reference as a label: no blanks, no quotes."""
    return "kestrel-" + "".join(c if c.isalnum() or c in "-_." else "_" for c in reference)


def _order_label(number: str) -> str:
    return f"{_label(number)}-order"


def _moment(text: str) -> datetime:
    """Return Jira's ``2026-11-20T16:41:38.000+0000`` as an instant."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z")


def _reason(answer: httpx.Response) -> str:
    body = answer.json()
    fields = [f"{name}: {text}" for name, text in (body.get("errors") or {}).items()]
    return "; ".join([*body.get("errorMessages", []), *fields])
