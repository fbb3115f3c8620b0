"""A Jira as far as the adapter speaks to it: REST API 2 over a transport in memory, with faults on demand."""

from __future__ import annotations

import email
import json
import re
from typing import Any

import httpx

TOKEN, PROJECT = "pat-1", "KES"
_LABEL = re.compile(r'project = "(\w+)" AND labels = "([^"]+)" ORDER BY created ASC')


class JiraServer(httpx.BaseTransport):
    """Issues by key. ``fail_next_posts`` answers 503, ``lose_next_answers`` commits and then breaks off."""

    def __init__(self) -> None:
        self.issues: dict[str, dict[str, Any]] = {}
        self.comments: dict[str, list[dict[str, Any]]] = {}
        self.fail_next_posts = 0
        self.lose_next_answers = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return httpx.Response(401, text="<html>Unauthorized</html>")
        request.read()
        if request.method == "POST" and self.fail_next_posts:
            self.fail_next_posts -= 1
            return httpx.Response(503, text="<html>Service Unavailable</html>")
        answer = self._answer(request)
        if request.method == "POST" and self.lose_next_answers:
            self.lose_next_answers -= 1
            raise httpx.RemoteProtocolError("peer closed connection", request=request)
        return answer

    def move(self, key: str, status: str, category: str, resolution: str = "") -> None:
        """Do what a person does in Jira."""
        fields = self.issues[key]["fields"]
        fields["status"] = {"name": status, "statusCategory": {"key": category}}
        fields["resolution"] = {"name": resolution} if resolution else None
        fields["resolutiondate"] = "2026-11-20T16:41:38.000+0100" if resolution else None

    def _answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/rest/api/2")
        if path == "/search":
            return self._search(request.url.params["jql"])
        if path == "/issue":
            return self._create(json.loads(request.content)["fields"])
        key, _, rest = path.removeprefix("/issue/").partition("/")
        if key not in self.issues:
            return httpx.Response(404, json={"errorMessages": ["Issue does not exist."], "errors": {}})
        part = {"attachments": self._attach, "comment": self._comment, "transitions": self._transition}.get(rest)
        if part is not None:
            return part(key, request)
        if request.method == "PUT":
            self.issues[key]["fields"].update(json.loads(request.content)["fields"])
            return httpx.Response(204)
        return httpx.Response(200, json=self.issues[key])

    def _search(self, jql: str) -> httpx.Response:
        match = _LABEL.fullmatch(jql)
        if match is None:
            return httpx.Response(400, json={"errorMessages": [f"Error in the JQL query: {jql}"], "errors": {}})
        found = [issue for issue in self.issues.values() if match[2] in issue["fields"]["labels"]]
        return httpx.Response(200, json={"issues": found[:1], "total": len(found)})

    def _create(self, fields: dict[str, Any]) -> httpx.Response:
        errors = {}
        if fields["project"]["key"] != PROJECT:
            errors["project"] = "valid project is required"
        if not 1 <= len(fields["summary"]) <= 255 or "\n" in fields["summary"]:
            errors["summary"] = "Summary must be one line of 255 characters at most."
        if any(" " in label or len(label) > 255 for label in fields["labels"]):
            errors["labels"] = "A label may not contain spaces."
        if errors:
            return httpx.Response(400, json={"errorMessages": [], "errors": errors})
        key = f"{PROJECT}-{len(self.issues) + 1}"
        self.issues[key] = {"id": str(10_000 + len(self.issues)), "key": key, "fields": {**fields, "attachment": []}}
        self.move(key, "To Do", "new")
        return httpx.Response(201, json={"id": self.issues[key]["id"], "key": key, "self": f"http://jira/{key}"})

    def _comment(self, key: str, request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            self.comments.setdefault(key, []).append(json.loads(request.content))
            return httpx.Response(201, json=self.comments[key][-1])
        return httpx.Response(200, json={"comments": self.comments.get(key, [])})

    def _transition(self, key: str, request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            if json.loads(request.content)["transition"]["id"] != "31":
                return httpx.Response(400, json={"errorMessages": ["Transition is not valid."], "errors": {}})
            self.move(key, "Done", "done", "Done")
            return httpx.Response(204)
        ways = [
            {"id": "21", "to": {"statusCategory": {"key": "indeterminate"}}},
            {"id": "31", "to": {"statusCategory": {"key": "done"}}},
        ]
        return httpx.Response(200, json={"transitions": ways})

    def _attach(self, key: str, request: httpx.Request) -> httpx.Response:
        if request.headers.get("X-Atlassian-Token") != "no-check":
            return httpx.Response(403, text="XSRF check failed")
        head = f"content-type: {request.headers['content-type']}\r\n\r\n".encode()
        part = list(email.message_from_bytes(head + request.content).walk())[-1]
        added = {"filename": part.get_filename(), "mimeType": part.get_content_type()}
        self.issues[key]["fields"]["attachment"].append(added)
        return httpx.Response(200, json=[added])
