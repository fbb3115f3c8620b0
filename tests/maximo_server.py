"""A Maximo as far as the adapter speaks to it: the OSLC REST API, lean, over a transport in memory, with faults."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import unquote

import httpx

KEY, SITE = "api-key-1", "NORTH"
_TERM = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|true|false)(?: and |$)')
_SETS = {"mxapisr": ("ticketid", 1001), "mxapiwodetail": ("wonum", 5001)}
_STATUS = {"NEW": "New", "INPROG": "In Progress", "RESOLVED": "Resolved", "CANCELLED": "Cancelled"}
_LOCATIONS = {"KES-T-01"}


class MaximoServer(httpx.BaseTransport):
    """Records by object structure. ``fail_next_posts`` answers 503, ``lose_next_answers`` commits and breaks off."""

    def __init__(self) -> None:
        self.held: dict[str, list[dict[str, Any]]] = {name: [] for name in _SETS}
        self.fail_next_posts = 0
        self.lose_next_answers = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        if request.headers.get("apikey") != KEY:
            return _refused(401, "BMXAA7901E", "You cannot log in at this time.")
        if request.url.params.get("lean") != "1":
            return _refused(400, "TEST", "This server speaks lean only.")
        if request.method == "POST" and self.fail_next_posts:
            self.fail_next_posts -= 1
            return httpx.Response(503, text="<html>Service Unavailable</html>")
        answer = self._answer(request)
        if request.method == "POST" and self.lose_next_answers:
            self.lose_next_answers -= 1
            raise httpx.RemoteProtocolError("peer closed connection", request=request)
        return answer

    def move(self, number: str, status: str) -> None:
        """Do what a person does in Maximo."""
        (row,) = (row for row in self.held["mxapisr"] if row["ticketid"] == number)
        row |= {"status": status, "status_description": _STATUS[status], "statusdate": "2026-11-20T16:41:38+01:00"}

    def _answer(self, request: httpx.Request) -> httpx.Response:
        name, _, rest = request.url.path.removeprefix("/maximo/api/os/").partition("/")
        if name not in _SETS:
            return _refused(404, "BMXAA8727E", f"The OSLC resource {name} was not found.")
        if not rest:
            if request.method == "POST":
                return self._create(name, json.loads(request.content), request.headers.get("properties", ""))
            return self._query(name, request.url.params)
        opaque, _, part = rest.partition("/")
        row = next((row for row in self.held[name] if row["href"].endswith(f"/{opaque}")), None)
        if row is None:
            return _refused(404, "BMXAA8727E", "The resource was not found.")
        return self._doclinks(row, request) if part == "doclinks" else self._merge(row, request)

    def _query(self, name: str, asked: httpx.QueryParams) -> httpx.Response:
        terms = list(_TERM.finditer(asked["oslc.where"]))
        if "".join(term[0] for term in terms) != asked["oslc.where"]:
            return _refused(400, "BMXAA8729E", "The where clause is not valid.")
        found = [row for row in self.held[name] if all(_is(row.get(t[1]), t[2]) for t in terms)]
        wanted = re.sub(r"\{[^}]*\}", "", asked["oslc.select"]).split(",")
        shown = [{"href": row["href"], **{key: row[key] for key in wanted if key in row}} for row in found]
        return httpx.Response(200, json={"member": shown[: int(asked["oslc.pageSize"])], "responseInfo": {}})

    def _create(self, name: str, fields: dict[str, Any], properties: str) -> httpx.Response:
        if fields["siteid"] != SITE:
            return _refused(400, "BMXAA4153E", f"{fields['siteid']} is not a valid site.")
        if fields["location"] not in _LOCATIONS:
            return _refused(400, "BMXAA2661E", f"Location {fields['location']} is not a valid location.")
        if not 1 <= len(fields["description"]) <= 100 or "\n" in fields["description"]:
            return _refused(400, "BMXAA4049E", "The value specified for Summary exceeds the maximum field length.")
        key, first = _SETS[name]
        number = str(first + len(self.held[name]))
        opaque = f"_{(SITE + '/' + number).encode().hex()}"
        row = {key: number, "class": "SR", "istask": False, **fields, "doclinks": []}
        row["href"] = f"http://maximo.internal:9080/maximo/api/os/{name}/{opaque}"
        self.held[name].append(row)
        if name == "mxapisr":
            self.move(number, "NEW")
        if not properties:
            return httpx.Response(201, headers={"location": row["href"]})
        return httpx.Response(201, json={"href": row["href"], **{p: row[p] for p in properties.split(",") if p in row}})

    @staticmethod
    def _doclinks(row: dict[str, Any], request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json={"member": [{"describedBy": {"fileName": n}} for n in row["doclinks"]]})
        if request.headers.get("x-document-meta") != "FILE/Attachments" or not request.headers.get("slug"):
            return _refused(400, "BMXAA8741E", "The slug or x-document-meta header is missing.")
        row["doclinks"].append(unquote(request.headers["slug"]))
        return httpx.Response(201, headers={"location": f"{row['href']}/doclinks/{len(row['doclinks'])}"})

    def _merge(self, row: dict[str, Any], request: httpx.Request) -> httpx.Response:
        if (request.headers.get("x-method-override"), request.headers.get("patchtype")) != ("PATCH", "MERGE"):
            return _refused(405, "BMXAA8718E", "The method is not allowed.")
        given = json.loads(request.content)
        row["worklog"] = [*row.get("worklog", []), *given.pop("worklog", [])]
        if "status" in given:
            self.move(row["ticketid"], given.pop("status"))
        row |= given
        return httpx.Response(204)


def _is(held: object, wanted: str) -> bool:
    return bool(held == json.loads(wanted))


def _refused(status: int, code: str, message: str) -> httpx.Response:
    error = {"reasonCode": code, "message": f"{code} - {message}", "statusCode": str(status)}
    return httpx.Response(status, json={"Error": error})
